"""How a selection becomes a plan: one closure for each field and each type, composed once for a document.

A closure takes what graphql-core would have at that place, sources or resolved values, for all objects of a list at
once, and the `Run`, and returns what goes into the answers. Fields that have to wait (their resolvers are coroutines,
or declared as a batch with `api/batches.py`) leave their place in the answers open and are settled together, level by
level, so that a batch asks once for a whole page.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeGuard, cast

from graphql import (
    GraphQLAbstractType,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLSchema,
    GraphQLUnionType,
    OperationDefinitionNode,
    VariableNode,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_object_type,
)
from graphql.execution.collect_fields import CollectedFields, FieldDetails, FragmentDetails, collect_subfields
from graphql.execution.values import VariableValues, get_argument_values
from graphql.language import Visitor, visit
from graphql.pyutils import Path
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField

from mintql.api.batches import batch_of
from mintql.api.columns import Composing, ReadAll, Reading, Unmade, reader_of
from mintql.api.plan_run import AwaitedField, BatchField, Complete, NotPlannedError, Run, Waiting
from mintql.api.plan_values import (
    is_shared,
    leaf,
    listed,
    not_null,
    nullable,
    once_each,
    once_for_all,
    unchecked_objects,
    whole_objects,
)
from mintql.api.watching import timed

TYPENAME: Final = "__typename"
_NO_HELPERS: Final[Any] = None
"""For resolvers that start work of their own, of which there are none."""


class Compiler:
    """Compiles the selections of one operation, whose @skip and @include go as `variables` say."""

    def __init__(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: dict[str, FragmentDetails],
        variables: VariableValues,
    ) -> None:
        self._schema = schema
        self._operation = operation
        self._fragments = fragments
        self._variables = variables
        self._calls = 0
        """How many fields were met that more than their source decides about."""

    def selection(self, parent: GraphQLObjectType, collected: CollectedFields) -> Complete:
        """Return what makes the answer of an object of this type.

        Raises:
            NotPlannedError: Something in it is for graphql-core.
        """
        if collected.new_defer_usages or collected.forbidden_directive_instances:
            raise NotPlannedError("incremental delivery")
        compiled = {key: self._field(parent, key, found) for key, found in collected.grouped_field_set.items()}
        fields = [(key, _later if isinstance(field, Waiting) else field) for key, field in compiled.items()]
        waiting = [field for field in compiled.values() if isinstance(field, Waiting)]
        return whole_objects(parent, fields, waiting)

    # Fields

    def _field(self, parent: GraphQLObjectType, key: str, found: list[FieldDetails]) -> Complete | Waiting:
        name = found[0].node.name.value
        if name == TYPENAME:
            return lambda sources, _run: [parent.name] * len(sources)
        field = parent.fields.get(name)
        declared = None if field is None else field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        if field is None or not isinstance(declared, StrawberryField):
            raise NotPlannedError(f"field {name}")
        read = self._read(declared)
        if isinstance(read, Composing):
            composed = self._composed(read, field.type, found)
            if composed is not None:
                return composed
        complete = self._type(field.type, parent, field, found)
        if read is not None:
            return _read_field(read, complete)
        self._calls += 1
        batch = batch_of(declared)
        if batch is not None:
            return BatchField(key, complete, batch)
        resolve = self._full_call(parent, key, field, declared, found)
        if declared.is_async:
            return AwaitedField(key, complete, resolve, self._asked_of_nodes(field.type, found))
        return lambda sources, run: complete([resolve(source, run) for source in sources], run)

    def _composed(self, read: Composing, type_: GraphQLOutputType, found: list[FieldDetails]) -> Complete | None:
        """Return what makes composed objects from the columns they are made of; None where that is not enough."""
        parent = type_.of_type if isinstance(type_, GraphQLNonNull) else None
        if not isinstance(parent, GraphQLObjectType):
            return None
        collected = self._collected(parent, found)
        if collected.new_defer_usages or collected.forbidden_directive_instances:
            return None
        fields: list[tuple[str, Complete]] = []
        for key, below in collected.grouped_field_set.items():
            field = parent.fields.get(below[0].node.name.value)
            declared = None if field is None else field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
            of_part = reader_of(declared) if isinstance(declared, StrawberryField) else None
            column = read.columns.get(of_part.text) if isinstance(of_part, Reading) else None
            if field is None or column is None or not is_leaf_type(get_named_type(field.type)):
                return None
            fields.append((key, _read_field(column, self._type(field.type, parent, field, below))))
        return unchecked_objects(fields)

    def _read(self, declared: StrawberryField) -> ReadAll | None:
        """Return what reads a field from its sources alone: a column, or a function of the row; None for others."""
        if declared.is_subscription:
            return _itself  # The source is the event.
        reader = reader_of(declared)
        if reader is not None:
            return reader
        resolver = declared.base_resolver
        if resolver is None or declared.extensions or declared.arguments or resolver.info_parameter:
            return None
        if not resolver.self_parameter or resolver.parent_parameter or resolver.root_parameter or resolver.is_async:
            return None
        function = resolver.wrapped_func
        if isinstance(function, staticmethod | classmethod):
            return None
        return lambda sources: list(map(function, sources))

    def _full_call(
        self,
        parent: GraphQLObjectType,
        key: str,
        field: GraphQLField,
        declared: StrawberryField,
        found: list[FieldDetails],
    ) -> Callable[[Any, Run], Any]:
        """Return a call as graphql-core makes it: of the resolver with coerced arguments and the info."""
        details, info_of = found[0], self._info(parent, key, field, found)
        direct = self._direct(field, declared)
        resolve, convert = direct or (field.resolve, None)
        if direct is not None and parent is self._schema.query_type:
            resolve = timed("query", details.node.name.value, direct[0])
        if resolve is None:
            raise NotPlannedError(f"field {declared.name} has no resolver")
        if not field.args:
            return lambda source, run: resolve(source, info_of(run))
        if not _has_variables(details):
            fixed = get_argument_values(field, details.node, None, details.fragment_variable_values)
            converted = fixed if convert is None else convert(fixed)
            return lambda source, run: resolve(source, info_of(run), **converted)
        mark = object()

        def call(source: Any, run: Run) -> Any:
            arguments = run.arguments.get(mark)
            if arguments is None:
                given = get_argument_values(field, details.node, run.variables, details.fragment_variable_values)
                arguments = run.arguments[mark] = given if convert is None else convert(given)
            return resolve(source, info_of(run), **arguments)

        return call

    def _direct(
        self, field: GraphQLField, declared: StrawberryField
    ) -> tuple[Callable[..., Any], Callable[[dict[str, Any]], dict[str, Any]]] | None:
        """Return the resolver behind what strawberry puts around it, and what converts its arguments.

        None where strawberry does more: errors that become members of a union are its to make.
        """
        resolver = declared.base_resolver
        if resolver is None or declared.extensions or isinstance(get_named_type(field.type), GraphQLUnionType):
            return None
        function, arguments = resolver.wrapped_func, declared.arguments
        if not resolver.self_parameter or resolver.parent_parameter or resolver.root_parameter:
            return None
        if isinstance(function, staticmethod | classmethod):
            return None
        strawberry = self._schema._strawberry_schema  # type: ignore[attr-defined]  # noqa: SLF001 - its own place for it
        config, scalars = strawberry.config, strawberry.schema_converter.scalar_registry
        info_name = resolver.info_parameter.name if resolver.info_parameter else None

        def resolve(source: Any, raw_info: Any, **converted: Any) -> Any:
            if info_name is not None:
                converted[info_name] = config.info_class(_raw_info=raw_info, _field=declared)
            return function(source, **converted)

        def convert(given: dict[str, Any]) -> dict[str, Any]:
            return convert_arguments(given, arguments, scalars, config) if given else {}

        return resolve, convert

    def _info(
        self, parent: GraphQLObjectType, key: str, field: GraphQLField, found: list[FieldDetails]
    ) -> Callable[[Run], Any]:
        """Return what makes a field's info, once in a run. Its path has no places in lists: nothing here reads it."""
        nodes = [details.node for details in found]
        fragments = {name: fragment.definition for name, fragment in self._fragments.items()}
        path = Path(None, key, parent.name)
        mark = object()

        def info(run: Run) -> Any:
            known = run.infos.get(mark)
            if known is None:
                known = run.infos[mark] = GraphQLResolveInfo(
                    nodes[0].name.value,
                    nodes,
                    field.type,
                    parent,
                    path,
                    self._schema,
                    fragments,
                    None,
                    self._operation,
                    run.variables,
                    run.context,
                    _is_awaitable,
                    None,
                    _NO_HELPERS,
                )
            return known

        return info

    # Types

    def _type(
        self, type_: GraphQLOutputType, parent: GraphQLObjectType, field: GraphQLField, found: list[FieldDetails]
    ) -> Complete:
        """Return what makes the answers of resolved values of this type."""
        inner: Any = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
        if is_leaf_type(inner):
            return leaf(inner, may_be_null=inner is type_)
        complete = self._value(inner, parent, field, found)
        if inner is type_:
            return nullable(complete)
        return complete if is_object_type(inner) else not_null(complete)  # Those of objects say so themselves.

    def _value(self, type_: Any, parent: GraphQLObjectType, field: GraphQLField, found: list[FieldDetails]) -> Complete:
        if isinstance(type_, GraphQLList):
            return listed(self._type(type_.of_type, parent, field, found))
        if is_object_type(type_):
            return self._shared(type_, found) if is_shared(type_) else self._object(type_, found)
        if is_abstract_type(type_):
            return self._abstract(type_, self._info(parent, found[0].node.name.value, field, found), found)
        raise NotPlannedError(f"type {type_}")

    def _shared(self, type_: GraphQLObjectType, found: list[FieldDetails]) -> Complete:
        """Return what makes the answers of objects that stand in many places, once for all where nothing is called."""
        before = self._calls
        complete = self._object(type_, found)
        return once_for_all(complete) if self._calls == before else once_each(complete)

    def _object(self, type_: GraphQLObjectType, found: list[FieldDetails]) -> Complete:
        return self.selection(type_, self._collected(type_, found))

    def _asked_of_nodes(self, type_: GraphQLOutputType, found: list[FieldDetails]) -> frozenset[str] | None:
        """Return the names of the fields that are asked for of the nodes of a page; None when this is no page."""
        page = get_named_type(type_)
        if not isinstance(page, GraphQLObjectType) or not {"nodes", "edges", "pageInfo"} <= page.fields.keys():
            return None
        if not isinstance(get_named_type(page.fields["nodes"].type), GraphQLObjectType):
            return None
        names: set[str] = set()
        for of_page in self._collected(page, found).grouped_field_set.values():
            name = of_page[0].node.name.value
            if name == "nodes":
                names |= self._names(page.fields[name], of_page)
            elif name == "edges":
                edge = cast("GraphQLObjectType", get_named_type(page.fields[name].type))
                for of_edge in self._collected(edge, of_page).grouped_field_set.values():
                    if of_edge[0].node.name.value == "node":
                        names |= self._names(edge.fields["node"], of_edge)
        return frozenset(names)

    def _names(self, field: GraphQLField, found: list[FieldDetails]) -> set[str]:
        node = cast("GraphQLObjectType", get_named_type(field.type))
        return {below[0].node.name.value for below in self._collected(node, found).grouped_field_set.values()}

    def _collected(self, type_: GraphQLObjectType, found: list[FieldDetails]) -> CollectedFields:
        return collect_subfields(self._schema, self._fragments, self._variables, self._operation, type_, found)

    def _abstract(self, type_: GraphQLAbstractType, info: Callable[[Run], Any], found: list[FieldDetails]) -> Complete:
        """Return what makes the answer of an interface or union; the types it comes to are compiled when met."""
        self._calls += 1
        resolve_type, met = type_.resolve_type, dict[str, Complete]()
        if resolve_type is None:
            raise NotPlannedError(f"type {type_.name} does not tell what a value is")

        def compiled(name: Any) -> Complete:
            if not isinstance(name, str):
                raise NotPlannedError(f"a value of {type_.name} is of no type that can be told")
            known = met.get(name)
            if known is None:
                concrete = self._schema.get_type(name)
                if not isinstance(concrete, GraphQLObjectType) or not self._schema.is_sub_type(type_, concrete):
                    raise NotPlannedError(f"{name} is no {type_.name}")
                known = met[name] = self._object(concrete, found)
            return known

        def complete(values: Sequence[Any], run: Run) -> Sequence[Any]:
            names = [resolve_type(value, info(run), type_) for value in values]
            answers: list[Any] = [None] * len(values)
            for name in dict.fromkeys(names):
                places = [place for place, other in enumerate(names) if other == name]
                made = compiled(name)([values[place] for place in places], run)
                for place, answer in zip(places, made, strict=True):
                    answers[place] = answer
            return answers

        return complete


def _later(sources: Sequence[Any], _run: Run) -> Sequence[None]:
    """Keep a field's place in the answers until it is settled."""
    return [None] * len(sources)


def _itself(sources: Sequence[Any]) -> Sequence[Any]:
    return sources


def _read_field(read: ReadAll, complete: Complete) -> Complete:
    if not isinstance(read, Reading):
        return lambda sources, run: complete(read(sources), run)
    text, of_one = read.text, read.read

    def read_together(sources: Sequence[Any], run: Run) -> Sequence[Any]:
        return complete(sources.read(text) if isinstance(sources, Unmade) else list(map(of_one, sources)), run)

    return read_together


def _is_awaitable(value: Any) -> TypeGuard[Awaitable[Any]]:
    return inspect.isawaitable(value)


class _VariableFinder(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.found = False

    def enter_variable(self, node: VariableNode, *_: object) -> None:  # noqa: ARG002
        self.found = True


def _has_variables(details: FieldDetails) -> bool:
    finder = _VariableFinder()
    for argument in details.node.arguments or ():
        visit(argument, finder)
    return finder.found
