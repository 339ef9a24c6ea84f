"""Fields whose values are asked for all at once: the third kind of field, beside columns and functions of a row.

A batch is declared once and answered in two ways: by a DataLoader where graphql-core executes an operation, and without
a coroutine for each row where a plan does (`api/plans.py`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any, Final, TypeAlias

import strawberry
from strawberry.types.field import StrawberryField

from mintql.api.context import Context, Info

Load: TypeAlias = Callable[[Context, list[Any]], Awaitable[list[Any]]]
"""Maps a list of keys to values in their order."""

_BATCH: Final = "_mintql_batch"


@dataclass(frozen=True, slots=True)
class Batch:
    """How a field is loaded: `key` of its source, and `value` of the source and what was found for the key."""

    load: Load
    key: Callable[[Any], Hashable]
    value: Callable[[Any, Any], Any]


def batched(load: Load, key: Callable[[Any], Hashable], description: str) -> Callable[[Callable[[Any, Any], Any]], Any]:
    """Declare a field as a batch. What is decorated makes its value of the source and of what was loaded for its key.

    Its return annotation is the field's type.
    """

    def declare(value: Callable[[Any, Any], Any]) -> Any:
        async def resolve(self: Any, info: Info) -> Any:
            return value(self, await info.context.loader(load).load(key(self)))

        update_wrapper(resolve, value, updated=())
        vars(resolve).pop("__wrapped__")  # Its parameters are not those of a resolver.
        resolve.__annotations__ = {"info": Info, "return": value.__annotations__["return"]}
        setattr(resolve, _BATCH, Batch(load, key, value))
        return strawberry.field(resolver=resolve, description=description)

    return declare


def batch_of(field: StrawberryField) -> Batch | None:
    """Return how a field is loaded, None when it is not declared as a batch."""
    resolver = field.base_resolver
    found = None if resolver is None else getattr(resolver.wrapped_func, _BATCH, None)
    return found if isinstance(found, Batch) else None
