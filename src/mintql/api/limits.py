"""What a document may ask for, found out in one pass that is linear in its text.

A fragment is measured once, however often it is spread, so that fragments which double each other cost
nothing to measure. The pass runs before validation, whose rules are not linear, and bounds what they get.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
)

from mintql.api.paging import PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX
from mintql.services.changes import CHANGES_MAX

TOO_COMPLEX = "QUERY_TOO_COMPLEX"

TOKENS_MAX = 2_000
"""Words and signs of a document; the parser stops there."""
DEPTH_MAX = 16
"""Fields within fields. The standard introspection query is 15 deep."""
FIELDS_MAX = 1_000
"""Fields, those of a fragment counted as often as it is spread."""
ALIASES_MAX = 30
DIRECTIVES_MAX = 30
FRAGMENTS_MAX = 50
"""Fragment definitions: validation compares each with each."""
SAME_KEY_MAX = 10
"""How often one answer key may stand in one selection: validation compares each with each."""
MUTATIONS_MAX = 5
"""Mutations in one document: some are costly by design, such as signing in."""
COST_MAX = 20_000
"""Values the answer may hold, going by the page sizes asked for."""
LIST_SIZE_ASSUMED = 10
"""How many items a list without paging is taken to hold."""
NESTING_MAX = 64
"""How deep selections and fragments may be nested in the text, so that measuring them cannot overflow."""

COUNT_CAP = 10**9
"""Counts stop here: bombs reach numbers of hundreds of digits otherwise."""


class TooNestedError(Exception):
    """The text is nested deeper than `NESTING_MAX`."""


@dataclass(slots=True)
class Measure:
    """How much a selection asks for. `depth` is a maximum, the others are sums."""

    depth: int = 0
    fields: int = 0
    aliases: int = 0
    directives: int = 0
    cost: int = 0

    def add(self, other: Measure) -> None:
        """Take in what stands beside this."""
        self.depth = max(self.depth, other.depth)
        self.fields = min(self.fields + other.fields, COUNT_CAP)
        self.aliases = min(self.aliases + other.aliases, COUNT_CAP)
        self.directives = min(self.directives + other.directives, COUNT_CAP)
        self.cost = min(self.cost + other.cost, COUNT_CAP)


@dataclass(slots=True)
class Meter:
    """Measures one document.

    `visits` counts selections looked at; `size_variables` are those that page sizes came from, so that the measure
    holds for their values only.
    """

    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any]
    visits: int = 0
    size_variables: set[str] = field(default_factory=set)
    same_key: int = 0
    _measured: dict[str, Measure | None] = field(default_factory=dict)

    def operation(self, node: OperationDefinitionNode) -> Measure:
        """Measure an operation."""
        root = self.schema.get_root_type(node.operation)
        found = self._selections(node.selection_set.selections, root, Counter(), 1)
        found.directives += len(node.directives or ())
        return found

    def _selections(
        self,
        nodes: Iterable[SelectionNode],
        parent: GraphQLNamedType | None,
        keys: Counter[str],
        nesting: int,
    ) -> Measure:
        if nesting > NESTING_MAX:
            raise TooNestedError
        total = Measure()
        for node in nodes:
            self.visits += 1
            if isinstance(node, FieldNode):
                key = (node.alias or node.name).value
                keys[key] += 1
                self.same_key = max(self.same_key, keys[key])
                total.add(self._field(node, parent, nesting))
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                inner = self.schema.get_type(condition.name.value) if condition else parent
                total.add(self._selections(node.selection_set.selections, inner, keys, nesting + 1))
            elif isinstance(node, FragmentSpreadNode):
                total.add(self._fragment(node.name.value, nesting))
            total.directives += len(node.directives or ())
        return total

    def _field(self, node: FieldNode, parent: GraphQLNamedType | None, nesting: int) -> Measure:
        definition = _definition(self.schema, parent, node.name.value)
        found = Measure(depth=1, fields=1, aliases=int(node.alias is not None), cost=1)
        if node.selection_set is None:
            return found
        inner_type = get_named_type(definition.type) if definition else None
        inner = self._selections(node.selection_set.selections, inner_type, Counter(), nesting + 1)
        factor = self._items(node, definition, parent)
        found.depth += inner.depth
        found.fields = min(found.fields + inner.fields, COUNT_CAP)
        found.aliases = min(found.aliases + inner.aliases, COUNT_CAP)
        found.directives = inner.directives
        found.cost = min(found.cost + factor * inner.cost, COUNT_CAP)
        return found

    def _fragment(self, name: str, nesting: int) -> Measure:
        if name not in self._measured:
            definition = self.fragments.get(name)
            if definition is None:
                return Measure()
            self._measured[name] = None
            condition = self.schema.get_type(definition.type_condition.name.value)
            found = self._selections(definition.selection_set.selections, condition, Counter(), nesting + 1)
            found.directives += len(definition.directives or ())
            self._measured[name] = found
        # A fragment inside itself is None here; validation will say so.
        return self._measured[name] or Measure()

    def _items(self, node: FieldNode, definition: GraphQLField | None, parent: GraphQLNamedType | None) -> int:
        """Return how many times the field's selection may stand in the answer."""
        if definition is None or parent is None or parent.name.startswith("__"):
            return 1
        if "first" in definition.args or "last" in definition.args:
            return self._page_size(node)
        is_list = isinstance(get_nullable_type(definition.type), GraphQLList)
        paged = _fields(parent).keys() & {"pageInfo", "hasMore"}
        return LIST_SIZE_ASSUMED if is_list and not paged else 1

    def _page_size(self, node: FieldNode) -> int:
        sizes = []
        for argument in node.arguments or ():
            if argument.name.value not in ("first", "last"):
                continue
            value: Any = None
            if isinstance(argument.value, IntValueNode):
                value = int(argument.value.value[:9])
            elif isinstance(argument.value, VariableNode):
                self.size_variables.add(argument.value.name.value)
                value = self.variables.get(argument.value.name.value, PAGE_SIZE_MAX)
            sizes.append(value if isinstance(value, int) else PAGE_SIZE_DEFAULT)
        return min(max(sizes, default=PAGE_SIZE_DEFAULT), CHANGES_MAX) if sizes else PAGE_SIZE_DEFAULT


def _fields(parent: GraphQLNamedType) -> Mapping[str, GraphQLField]:
    return parent.fields if isinstance(parent, GraphQLObjectType | GraphQLInterfaceType) else {}


def _definition(schema: GraphQLSchema, parent: GraphQLNamedType | None, name: str) -> GraphQLField | None:
    if isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
        return schema.get_field(parent, name)
    return None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with the size of a document, in words; `size_variables` as in `Meter`, `cost` as in `Measure`."""

    errors: list[GraphQLError]
    size_variables: frozenset[str]
    visits: int
    cost: int = 0


def check_limits(schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any]) -> Verdict:
    """Measure all operations of a document together and compare them with the limits."""
    fragments = {n.name.value: n for n in document.definitions if isinstance(n, FragmentDefinitionNode)}
    operations = [n for n in document.definitions if isinstance(n, OperationDefinitionNode)]
    if len(fragments) > FRAGMENTS_MAX:
        return Verdict([too_complex("fragments", len(fragments), FRAGMENTS_MAX)], size_variables=frozenset(), visits=0)
    meter = Meter(schema, fragments, variables)
    total = Measure()
    try:
        for operation in operations:
            total.add(meter.operation(operation))
    except TooNestedError:
        error = too_complex("levels of nesting", f"more than {NESTING_MAX}", NESTING_MAX)
        return Verdict([error], size_variables=frozenset(), visits=meter.visits)
    mutations = sum(len(n.selection_set.selections) for n in operations if n.operation is OperationType.MUTATION)
    found = (
        ("levels of nesting", total.depth, DEPTH_MAX),
        ("fields", total.fields, FIELDS_MAX),
        ("aliases", total.aliases, ALIASES_MAX),
        ("directives", total.directives, DIRECTIVES_MAX),
        ("fields of one name side by side", meter.same_key, SAME_KEY_MAX),
        ("mutations", mutations, MUTATIONS_MAX),
        ("values in the answer", total.cost, COST_MAX),
    )
    errors = [too_complex(what, count, limit) for what, count, limit in found if count > limit]
    return Verdict(errors, frozenset(meter.size_variables), meter.visits, total.cost)


def too_complex(what: str, count: int | str, limit: int) -> GraphQLError:
    """Return the error that says which limit was passed, by how much."""
    shown = f"{count:,}" if isinstance(count, int) and count < COUNT_CAP else f"more than {limit:,}"
    return GraphQLError(
        f"This asks for too much at once: {shown} {what}; the limit is {limit:,}.",
        extensions={"code": TOO_COMPLEX},
    )
