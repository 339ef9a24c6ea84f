"""Which argument a refused value was meant for.

GraphQL tells where in the document the value stands, or from which variable it came, and no more.
"""

from __future__ import annotations

import re
from functools import cached_property

from graphql import (
    ArgumentNode,
    DocumentNode,
    GraphQLError,
    Node,
    ObjectFieldNode,
    ValueNode,
    VariableDefinitionNode,
    VariableNode,
)

_OF_VARIABLE = re.compile(r"Variable '\$\w+' has invalid value(?: at ([\w.\[\]]+))?: ")
"""How graphql-core begins to say that the value of a variable was refused; the group is the place inside of it."""
_FIELD_NAME = re.compile(r"\.(\w+)")


class Blame:
    """Finds arguments in one document, which is walked through once, and only if there is something to find."""

    def __init__(self, document: DocumentNode | None) -> None:
        self._document = document

    def field_of(self, error: GraphQLError) -> str | None:
        """Return the argument or input field whose value was refused before anything was executed.

        None when the error is about something else, or when a variable stands for values of different names.
        """
        node = error.nodes[0] if error.nodes else None
        if error.path is not None:
            return None
        if isinstance(node, VariableDefinitionNode):
            found = _OF_VARIABLE.match(error.message)
            inside = _FIELD_NAME.findall(found[1] or "") if found else []
            return inside[-1] if inside else self._use_of(node) if found else None
        if isinstance(node, ValueNode) and not isinstance(node, VariableNode):
            return self._holder_of(node)
        return None

    def _holder_of(self, node: Node) -> str | None:
        """Return the name of the argument or input field around a value; for a variable's default, of its uses."""
        around = self._around.get(id(node))
        while around is not None:
            if isinstance(around, ArgumentNode | ObjectFieldNode):
                return around.name.value
            if isinstance(around, VariableDefinitionNode):
                return self._use_of(around)
            around = self._around.get(id(around))
        return None

    def _use_of(self, definition: VariableDefinitionNode) -> str | None:
        """Return the one name under which a variable is used."""
        variable = definition.variable.name.value
        uses = [use for use in self._variables if use.name.value == variable and use is not definition.variable]
        names = {self._holder_of(use) for use in uses}
        return names.pop() if len(names) == 1 else None

    @cached_property
    def _around(self) -> dict[int, Node]:
        """The node around each node, by the identity of the inner one: the document keeps all of them alive."""
        return {id(inner): outer for outer, inner in self._pairs}

    @cached_property
    def _variables(self) -> list[VariableNode]:
        return [inner for _, inner in self._pairs if isinstance(inner, VariableNode)]

    @cached_property
    def _pairs(self) -> list[tuple[Node, Node]]:
        """Each node of the document after the one around it."""
        pairs: list[tuple[Node, Node]] = []
        waiting: list[Node] = [] if self._document is None else [self._document]
        while waiting:
            outer = waiting.pop()
            values = [getattr(outer, key, None) for key in outer.keys]
            inner = [node for value in values for node in (value if isinstance(value, list | tuple) else (value,))]
            pairs += [(outer, node) for node in inner if isinstance(node, Node)]
            waiting += [node for node in inner if isinstance(node, Node)]
        return pairs
