"""Documents parsed, measured and validated once, and kept for the next request with the same text."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from graphql import (
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    Node,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    Visitor,
    parse,
    specified_rules,
    validate,
    visit,
)
from graphql.validation import NoSchemaIntrospectionCustomRule, StreamDirectiveOnListField
from strawberry.extensions import SchemaExtension
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule
from strawberry.types.execution import ParseOptions

from mintql.api.limits import TOKENS_MAX, check_limits

TEXT_KEPT_BYTES_MAX = 1024 * 1024
"""Bound on the texts of all documents that are kept. A parsed document takes some 100 times its text."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What runs when a document is executed: one of its operations, and what was found out about it.

    `root_nodes` are the root fields that could be asked for, `fields` their names and `arguments` the names of what is
    given to them. `switches` are the variables in directives such as @skip and @include. `plans` belongs to
    `api/plans.py`.
    """

    node: OperationDefinitionNode
    fragments: Mapping[str, FragmentDefinitionNode]
    root_nodes: list[FieldNode]
    fields: frozenset[str]
    arguments: frozenset[str]
    switches: tuple[str, ...]
    plans: dict[Hashable, Any] = field(default_factory=dict)

    @property
    def kind(self) -> OperationType:
        """Whether it is a query, a mutation or a subscription."""
        return self.node.operation

    @property
    def is_query(self) -> bool:
        """Whether it reads, once."""
        return self.node.operation is OperationType.QUERY

    @property
    def is_subscription(self) -> bool:
        """Whether it gives many answers over time."""
        return self.node.operation is OperationType.SUBSCRIPTION

    @property
    def is_mutation(self) -> bool:
        """Whether it changes something."""
        return self.node.operation is OperationType.MUTATION


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document and what was found out about it. With errors it must not be executed.

    `cost` is how many values its answer may hold, for the page sizes that it was prepared for.
    """

    document: DocumentNode
    errors: list[GraphQLError]
    size_variables: frozenset[str] = frozenset()
    cost: int = 0
    _operations: dict[str | None, Operation | None] = field(default_factory=dict)

    @property
    def operation_count(self) -> int:
        """How many operations the document has."""
        return sum(isinstance(node, OperationDefinitionNode) for node in self.document.definitions)

    def operation(self, operation_name: str | None) -> Operation | None:
        """Return the operation that would run; None when it is not clear, or when nothing may run."""
        if self.errors:
            return None
        found = self._operations.get(operation_name)
        if found is None and (found := self._find(operation_name)) is not None:
            self._operations[operation_name] = found
        return found

    def query(self, operation_name: str | None) -> Operation | None:
        """Return the operation that would run if it is a query."""
        found = self.operation(operation_name)
        return found if found is not None and found.is_query else None

    def _find(self, operation_name: str | None) -> Operation | None:
        nodes = [
            node
            for node in self.document.definitions
            if isinstance(node, OperationDefinitionNode)
            and (operation_name is None or (node.name is not None and node.name.value == operation_name))
        ]
        if len(nodes) != 1:
            return None
        definitions = (node for node in self.document.definitions if isinstance(node, FragmentDefinitionNode))
        fragments = {node.name.value: node for node in definitions}
        root_nodes = list(_root_fields(nodes[0].selection_set, fragments))
        return Operation(
            node=nodes[0],
            fragments=fragments,
            root_nodes=root_nodes,
            fields=frozenset(node.name.value for node in root_nodes),
            arguments=frozenset(argument.name.value for node in root_nodes for argument in node.arguments or ()),
            switches=_switches(nodes[0], *fragments.values()),
        )


def _root_fields(selections: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode]) -> Iterator[FieldNode]:
    """Yield the fields of a validated selection. Each fragment is entered once."""
    waiting, entered = [selections], set[str]()
    while waiting:
        for node in waiting.pop().selections:
            if isinstance(node, FieldNode):
                yield node
            elif isinstance(node, InlineFragmentNode):
                waiting.append(node.selection_set)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in entered:
                entered.add(node.name.value)
                waiting.append(fragments[node.name.value].selection_set)


class _SwitchFinder(Visitor):
    """Collects the names of variables in directives."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_directive(self, node: DirectiveNode, *_: object) -> None:
        values = (argument.value for argument in node.arguments or ())
        self.names |= {value.name.value for value in values if isinstance(value, VariableNode)}


def _switches(*nodes: Node) -> tuple[str, ...]:
    finder = _SwitchFinder()
    for node in nodes:
        visit(node, finder)
    return tuple(sorted(finder.names))


_SPECIFIED = tuple(rule for rule in specified_rules if rule is not StreamDirectiveOnListField)
"""Without the rule that says where @stream may stand: ours has none, and the rule fails on members of unions."""
RULES = (*_SPECIFIED, MaybeNullValidationRule, OneOfInputValidationRule)
RULES_OF_THE_SILENT = (*RULES, NoSchemaIntrospectionCustomRule)
FITTING_KEPT_MAX = 1_000
"""How many documents with page sizes from variables are remembered to be within the limits."""


class _SmallestPages(dict[str, Any]):
    """Variables that ask for pages of one item, whatever they are called."""

    def get(self, _key: str, _default: Any = None) -> Any:
        return 1


class Documents:
    """The documents of one schema, the least recently used of them forgotten first."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._kept: OrderedDict[str, Prepared] = OrderedDict()
        self._kept_bytes = 0
        self._pinned: dict[str, Prepared] = {}
        self._tells_schema = True
        self._fitting: dict[Hashable, int] = {}

    @property
    def tells_schema(self) -> bool:
        """Whether documents may ask for the schema, and errors help to guess it."""
        return self._tells_schema

    def begin(self, *, tells_schema: bool) -> None:
        """Forget all documents, and from now on tell of the schema or not."""
        self._kept, self._kept_bytes, self._pinned = OrderedDict(), 0, {}
        self._tells_schema = tells_schema

    def pin(self, text: str) -> Prepared:
        """Prepare a document; keep it for good if it can be executed with pages of one item. Raises as `prepare`."""
        found = self._read(text, _SmallestPages())
        if not found.errors:
            self._pinned[text] = found
        return found

    def prepare(self, text: str, variables: Mapping[str, Any] | None) -> Prepared:
        """Return the document, measured and validated.

        Raises:
            GraphQLError: The text is no GraphQL.
            RecursionError: Its values are nested too deeply to be read.
        """
        found = self._kept.get(text)
        if found is not None:
            self._kept.move_to_end(text)
        elif (found := self._pinned.get(text)) is None:
            found = self._read(text, variables or {})
            if not found.errors:
                self._keep(text, found)
            return found
        return self._measured_again(text, found, variables or {}) if found.size_variables else found

    def _read(self, text: str, variables: Mapping[str, Any]) -> Prepared:
        document = parse(text, max_tokens=TOKENS_MAX)
        verdict = check_limits(self._schema, document, variables)
        errors = verdict.errors or self._validate(document)
        return Prepared(document, errors, verdict.size_variables, verdict.cost)

    def _validate(self, document: DocumentNode) -> list[GraphQLError]:
        """Return what is wrong with a document, by the specification's rules and strawberry's."""
        if self._tells_schema:
            return validate(self._schema, document, RULES)
        return validate(self._schema, document, RULES_OF_THE_SILENT, hide_suggestions=True)

    def _measured_again(self, text: str, found: Prepared, variables: Mapping[str, Any]) -> Prepared:
        """Return a kept document as it is for other variables: what fitted once fits again."""
        asked = tuple((name, variables[name]) for name in sorted(found.size_variables) if name in variables)
        key = (text, asked) if all(type(value) is int for _, value in asked) else None
        cost = None if key is None else self._fitting.get(key)
        if cost is None:
            verdict = check_limits(self._schema, found.document, variables)
            if verdict.errors:
                return replace(found, errors=verdict.errors)
            cost = verdict.cost
            if key is not None:
                if len(self._fitting) >= FITTING_KEPT_MAX:
                    self._fitting.clear()
                self._fitting[key] = cost
        return found if cost == found.cost else replace(found, cost=cost)

    def _keep(self, text: str, prepared: Prepared) -> None:
        self._kept[text] = prepared
        self._kept_bytes += len(text)
        while self._kept_bytes > TEXT_KEPT_BYTES_MAX:
            gone, _ = self._kept.popitem(last=False)
            self._kept_bytes -= len(gone)


class UsePrepared(SchemaExtension):
    """Hands prepared documents to strawberry, which then neither parses nor validates.

    Made anew for each operation; what it shares between operations is `documents`.
    """

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._prepared: Prepared | None = None

    def on_parse(self) -> Iterator[None]:
        """Set the document. A text that is no GraphQL is left to strawberry, which reports it."""
        context = self.execution_context
        context.parse_options = ParseOptions(max_tokens=TOKENS_MAX)
        if context.query:
            try:
                self._prepared = self._documents.prepare(context.query, context.variables)
                context.graphql_document = self._prepared.document
            except (GraphQLError, RecursionError):
                context.graphql_document = None
        yield

    def on_validate(self) -> Iterator[None]:
        """Set the errors, an empty list meaning that there is nothing left to validate."""
        if self._prepared is not None:
            self.execution_context.pre_execution_errors = [*self._prepared.errors, *self._ambiguity()]
        yield

    def _ambiguity(self) -> list[GraphQLError]:
        """Return the error of a request that does not say which of several operations it means.

        The specification (section 6.1, GetOperation) wants it; strawberry would take the first.
        """
        named = self.execution_context._provided_operation_name  # noqa: SLF001 - the other one is strawberry's guess
        if named is not None or self._prepared is None or self._prepared.operation_count <= 1:
            return []
        return [GraphQLError("The document has several operations; say by `operationName` which one to run.")]


class Preparing:
    """Makes the extension for each operation, as strawberry wants it: a factory without arguments."""

    documents: Documents

    def __call__(self) -> UsePrepared:
        """Return the extension for one operation."""
        return UsePrepared(self.documents)
