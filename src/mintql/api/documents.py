"""Documents parsed, measured and validated once, and kept for the next request with the same text."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    parse,
    specified_rules,
)
from strawberry.extensions import SchemaExtension
from strawberry.schema.schema import validate_document
from strawberry.types.execution import ParseOptions

from mintql.api.limits import TOKENS_MAX, check_limits

TEXT_KEPT_BYTES_MAX = 1024 * 1024
"""Bound on the texts of all documents that are kept. A parsed document takes some 100 times its text."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document and what was found out about it. With errors it must not be executed."""

    document: DocumentNode
    errors: list[GraphQLError]
    by_variables: bool

    @property
    def operation_count(self) -> int:
        """How many operations the document has."""
        return sum(isinstance(node, OperationDefinitionNode) for node in self.document.definitions)

    def query_fields(self, operation_name: str | None) -> frozenset[str]:
        """Return the root fields of the query that would run; empty when no query would."""
        return frozenset(node.name.value for node in self._root_nodes(operation_name))

    def query_arguments(self, operation_name: str | None) -> frozenset[str]:
        """Return the arguments that are given to root fields of the query that would run."""
        nodes = self._root_nodes(operation_name)
        return frozenset(argument.name.value for node in nodes for argument in node.arguments or ())

    def _root_nodes(self, operation_name: str | None) -> list[FieldNode]:
        operation = self._operation(operation_name)
        if self.errors or operation is None or operation.operation is not OperationType.QUERY:
            return []
        return self._fields(operation)

    def operation(self, operation_name: str | None) -> tuple[OperationDefinitionNode, list[FieldNode]] | None:
        """Return the operation that would run and its root fields, all that could be; None when it is not clear."""
        operation = self._operation(operation_name)
        return None if self.errors or operation is None else (operation, self._fields(operation))

    def runs_subscription(self, operation_name: str | None) -> bool:
        """Tell whether the operation that would run is a subscription."""
        operation = self._operation(operation_name)
        return operation is not None and operation.operation is OperationType.SUBSCRIPTION

    def _fields(self, operation: OperationDefinitionNode) -> list[FieldNode]:
        fragments = {
            node.name.value: node for node in self.document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        return list(_root_fields(operation.selection_set, fragments))

    def _operation(self, operation_name: str | None) -> OperationDefinitionNode | None:
        operations = [
            node
            for node in self.document.definitions
            if isinstance(node, OperationDefinitionNode)
            and (operation_name is None or (node.name is not None and node.name.value == operation_name))
        ]
        return operations[0] if len(operations) == 1 else None


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


class Documents:
    """The documents of one schema, the least recently used of them forgotten first."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._kept: OrderedDict[str, Prepared] = OrderedDict()
        self._kept_bytes = 0

    def prepare(self, text: str, variables: Mapping[str, Any] | None) -> Prepared:
        """Return the document, measured and validated.

        Raises:
            GraphQLError: The text is no GraphQL.
            RecursionError: Its values are nested too deeply to be read.
        """
        found = self._kept.get(text)
        if found is None:
            found = self._read(text, variables or {})
            if not found.errors:
                self._keep(text, found)
            return found
        self._kept.move_to_end(text)
        if found.by_variables:
            verdict = check_limits(self._schema, found.document, variables or {})
            return Prepared(found.document, verdict.errors, by_variables=True)
        return found

    def _read(self, text: str, variables: Mapping[str, Any]) -> Prepared:
        document = parse(text, max_tokens=TOKENS_MAX)
        verdict = check_limits(self._schema, document, variables)
        errors = verdict.errors or validate_document(self._schema, document, tuple(specified_rules))
        return Prepared(document, errors, verdict.by_variables)

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
