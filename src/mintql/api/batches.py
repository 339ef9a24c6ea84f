"""Fields whose values are asked for all at once: the third kind of field, beside columns and functions of a row.

A batch is declared once and answered in two ways: by a DataLoader where graphql-core executes an operation, and without
a coroutine for each row where a plan does (`api/plans.py`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import update_wrapper
from operator import attrgetter
from typing import Any, Final, TypeAlias

import strawberry
from strawberry.types.field import StrawberryField

from mintql.api.columns import ReadAll, Reading
from mintql.api.context import Context, Info

Load: TypeAlias = Callable[[Context, list[Any]], Awaitable[list[Any]]]
"""Maps a list of keys to values in their order."""

_BATCH: Final = "_mintql_batch"


@dataclass(frozen=True, slots=True)
class Batch:
    """How a field is loaded: the `keys` of its sources, and its `value` of what was found for a key."""

    load: Load
    keys: ReadAll
    value: Callable[[Any], Any]


def batched(load: Load, key: str, description: str) -> Callable[[Callable[[Any], Any]], Any]:
    """Declare a field as a batch, whose key is what the path `key` leads to from the source, e.g. "row.account_id".

    What is decorated makes its value of what was loaded for the key. Its return annotation is the field's type.
    """
    key_of = attrgetter(key)

    def declare(value: Callable[[Any], Any]) -> Any:
        async def resolve(self: Any, info: Info) -> Any:
            return value(await info.context.loader(load).load(key_of(self)))

        update_wrapper(resolve, value, updated=())
        vars(resolve).pop("__wrapped__")  # Its parameters are not those of a resolver.
        resolve.__annotations__ = {"info": Info, "return": value.__annotations__["return"]}
        setattr(resolve, _BATCH, Batch(load, Reading(key), value))
        return strawberry.field(resolver=resolve, description=description)

    return declare


def batch_of(field: StrawberryField) -> Batch | None:
    """Return how a field is loaded, None when it is not declared as a batch."""
    resolver = field.base_resolver
    found = None if resolver is None else getattr(resolver.wrapped_func, _BATCH, None)
    return found if isinstance(found, Batch) else None
