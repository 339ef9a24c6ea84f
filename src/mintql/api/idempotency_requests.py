"""What a mutation with an idempotency key asks for, as a fingerprint that is the same whenever the same is asked.

The fingerprint covers the mutation, its arguments as they were understood, and what is selected of the answer; not the
names the client gives to the answer, nor how the document is laid out. It is a keyed hash: arguments may hold a
password, and who reads the table must not be able to try passwords on it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    Node,
    SelectionSetNode,
    VariableNode,
    Visitor,
    print_ast,
    visit,
)
from starlette.requests import Request

from mintql.api.context import Context
from mintql.api.multipart import UploadedFile
from mintql.domain.errors import InvalidInput
from mintql.domain.idempotency import check_key, key_of_header
from mintql.services.idempotency import KeyedRequest

ARGUMENT = "idempotencyKey"
HEADER = "idempotency-key"


def has_argument(node: FieldNode) -> bool:
    """Tell whether a field is given a key, were it null."""
    return any(argument.name.value == ARGUMENT for argument in node.arguments or ())


def header_of(context: Context) -> str | None:
    """Return the header of a request over HTTP; a WebSocket has one for all of its operations, which means none."""
    return context.request.headers.get(HEADER) if isinstance(context.request, Request) else None


def key_for(argument: str | None, header: str | None, mutations: Iterable[str]) -> str | None:
    """Return the key of one of the `mutations` of a request, of its argument and its header.

    Raises:
        InvalidInput: It cannot be used, the two differ, or one header is to stand for several mutations.
    """
    key = None if argument is None else check_key(argument, ARGUMENT)
    if header is None:
        return key
    named = list(mutations)
    if len(named) > 1:
        raise InvalidInput(
            f"The header Idempotency-Key stands for one mutation, and the request has {len(named)}; give each of them "
            f"a key of its own by the argument `{ARGUMENT}`.",
            field="Idempotency-Key",
        )
    said = key_of_header(header)
    if key is not None and key != said:
        raise InvalidInput(
            f"The header Idempotency-Key and the argument `{ARGUMENT}` name different keys; one of them is enough.",
            field=ARGUMENT,
        )
    return said


def keyed_request(
    context: Context,
    key: str,
    nodes: list[FieldNode],
    arguments: Mapping[str, Any],
    fragments: Mapping[str, FragmentDefinitionNode],
    variables: Mapping[str, Any],
) -> KeyedRequest:
    """Return what is asked under a key: by the `nodes` of one mutation, with `arguments` as they were understood.

    Through a share it is another request than to one's own.
    """
    selected = [node.selection_set for node in nodes if node.selection_set is not None]
    entered, names = _followed(selected, fragments)
    parts = [
        "" if context.share is None else str(context.share.share_id),
        nodes[0].name.value,
        _canonical({name: value for name, value in arguments.items() if name != ARGUMENT}),
        *(print_ast(selection) for selection in selected),
        *(print_ast(fragment) for fragment in entered),
        _canonical({name: variables.get(name) for name in names}),
    ]
    return KeyedRequest(key, context.runtime.vault.fingerprint("idempotency", *parts))


def _followed(
    selected: list[SelectionSetNode], fragments: Mapping[str, FragmentDefinitionNode]
) -> tuple[list[FragmentDefinitionNode], list[str]]:
    """Return the fragments that a selection leads to, and the variables in any of it, by name."""
    finder, entered, waiting = _Finder(), dict[str, FragmentDefinitionNode](), list[Node](selected)
    while waiting:
        visit(waiting.pop(), finder)
        for name in finder.spreads - entered.keys():
            entered[name] = fragments[name]
            waiting.append(fragments[name])
    return [entered[name] for name in sorted(entered)], sorted(finder.variables)


class _Finder(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.spreads: set[str] = set()
        self.variables: set[str] = set()

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: object) -> None:
        self.spreads.add(node.name.value)

    def enter_variable(self, node: VariableNode, *_: object) -> None:
        self.variables.add(node.name.value)


def _canonical(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True, default=_plain)


def _plain(value: object) -> object:
    """Return what JSON can say of a value that a scalar was read into."""
    if isinstance(value, UploadedFile):
        return [value.name, hashlib.sha256(value.content).hexdigest()]
    return f"{type(value).__name__} {value}"
