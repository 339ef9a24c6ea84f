"""Global ids, and the one query that finds any row by its id.

An id is the base64 of `TypeName:number`. It names a row, it is no permission: rows are always read as the
viewer, so that the id of another person's row finds as little as one that was never given out.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, TypeAlias, cast

import strawberry

from mintql.api.context import Context, Info
from mintql.domain.errors import InvalidInput
from mintql.domain.node_ids import node_id
from mintql.domain.wording import shown

ID_LENGTH_MAX = 100
NUMBER_MAX = 2**63 - 1

Loader: TypeAlias = Callable[[Context, list[int]], Awaitable[Sequence["Node | None"]]]

_loaders: dict[str, Loader] = {}


@strawberry.interface(description="Anything that can be asked for again by its id.")
class Node:
    """A row with a global id."""

    id: strawberry.ID = strawberry.field(description="Names this object among all objects. Opaque.")


encode_id = cast("Callable[[str, int], strawberry.ID]", node_id)
"""Return the global id of a row, of a type name and a number. Ids are made by the thousand, so nothing is between."""


def split_id(text: str, *, field: str | None = "id") -> tuple[str, int]:
    """Return type name and number of a global id; raise `InvalidInput` when it is none."""
    type_name, number = "", ""
    if len(text) <= ID_LENGTH_MAX:
        try:
            plain = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode("ascii")
            type_name, _, number = plain.partition(":")
        except (binascii.Error, ValueError):
            pass
    if not (type_name.isalpha() and number.isdigit()) or int(number) > NUMBER_MAX:
        raise InvalidInput(f"{shown(text)} is not an id of this API.", field=field)
    return type_name, int(number)


def decode_id(expected_type: str, text: str, *, field: str | None = "id") -> int:
    """Return the number of a global id of this type; raise `InvalidInput` for anything else."""
    type_name, number = split_id(text, field=field)
    if type_name != expected_type:
        raise InvalidInput(
            f"{shown(text)} is the id of a {type_name}; this takes one of a {expected_type}.", field=field
        )
    return number


def register_node(type_name: str, loader: Loader) -> None:
    """Say how rows of a type are found: `loader` gets the context and numbers, and gives objects or None."""
    _loaders[type_name] = loader


@strawberry.type
class NodesQuery:
    """The `node` query."""

    @strawberry.field(
        description="Any object by its id. Null when there is none, or when it is not the viewer's: "
        "the two look the same."
    )
    async def node(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The object's id.")],
    ) -> Node | None:
        type_name, number = split_id(id)
        loader = _loaders.get(type_name)
        if loader is None:
            return None
        info.context.signed_in()
        return (await loader(info.context, [number]))[0]
