"""Fields that are a column of the row behind an object: the first and by far the most frequent kind of field."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

import strawberry
from strawberry.types.field import StrawberryField

_READ: Final = "_mintql_read"


def column(path: str, kind: Any, description: str) -> Any:
    """Declare a field of type `kind` that is what `path` leads to from the object, e.g. "row.posted_on".

    graphql-core resolves it like any other; a plan (`api/plan_fields.py`) reads the attribute itself.
    """
    read = attrgetter(path)

    def resolve(self: Any) -> Any:
        return read(self)

    resolve.__annotations__ = {"return": kind}
    setattr(resolve, _READ, read)
    return strawberry.field(resolver=resolve, description=description)


def reader_of(field: StrawberryField) -> Callable[[Any], Any] | None:
    """Return what reads a field that is a column, None for others."""
    if field.is_basic_field and field.default_resolver is getattr:
        return attrgetter(field.python_name)
    resolver = field.base_resolver
    return None if resolver is None else getattr(resolver.wrapped_func, _READ, None)
