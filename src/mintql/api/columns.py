"""Fields that are a column of the row behind an object, or made of some: the first and most frequent kind of field.

graphql-core resolves them object by object, like any other. A plan (`api/plan_fields.py`) reads them for all objects of
a list at once, and makes no object of what is only looked into: of an `amount` it reads two columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, TypeAlias, TypeVar

import strawberry
from strawberry.types.field import StrawberryField

ReadAll: TypeAlias = Callable[[Sequence[Any]], Sequence[Any]]
"""Reads a field of all of some objects, in their order."""
Resolver = TypeVar("Resolver", bound=Callable[..., Any])

_READ_ALL: Final = "_mintql_read_all"


def column(path: str, kind: Any, description: str) -> Any:
    """Declare a field of type `kind` that is what `path` leads to from the object, e.g. "row.posted_on"."""
    read = attrgetter(path)

    def resolve(self: Any) -> Any:
        return read(self)

    resolve.__annotations__ = {"return": kind}
    return strawberry.field(resolver=read_together(_each(path))(resolve), description=description)


def composed(kind: type, description: str, **paths: str) -> Any:
    """Declare a field that is an object of the class `kind`, whose attributes are what `paths` lead to."""
    readers = {name: attrgetter(path) for name, path in paths.items()}
    columns = {name: _each(path) for name, path in paths.items()}

    def resolve(self: Any) -> Any:
        return kind(**{name: read(self) for name, read in readers.items()})

    def read_all(sources: Sequence[Any]) -> Sequence[Any]:
        return Composed(kind, {name: read(sources) for name, read in columns.items()})

    resolve.__annotations__ = {"return": kind}
    return strawberry.field(resolver=read_together(read_all)(resolve), description=description)


def read_together(read_all: ReadAll) -> Callable[[Resolver], Resolver]:
    """Say how a plan reads for many objects at once what the decorated function makes of one of them."""

    def declare(resolver: Resolver) -> Resolver:
        setattr(resolver, _READ_ALL, read_all)
        return resolver

    return declare


def reader_of(field: StrawberryField) -> ReadAll | None:
    """Return what reads a field for many objects; None where it is neither a column nor says how."""
    if field.is_basic_field and field.default_resolver is getattr:
        return _each(field.python_name)
    resolver = field.base_resolver
    return None if resolver is None else getattr(resolver.wrapped_func, _READ_ALL, None)


class Composed(Sequence[Any]):
    """Objects of one class, by the columns of their attributes; each is made when somebody asks for it."""

    __slots__ = ("_columns", "_made", "kind")

    def __init__(self, kind: type, columns: Mapping[str, Sequence[Any]]) -> None:
        self.kind = kind
        self._columns = columns
        self._made: list[Any] | None = None

    def column(self, name: str) -> Sequence[Any]:
        """Return an attribute of all of them."""
        found = self._columns.get(name)
        return [getattr(item, name) for item in self] if found is None else found

    def __len__(self) -> int:
        return len(next(iter(self._columns.values())))

    def __iter__(self) -> Iterator[Any]:
        return iter(self._objects())

    def __getitem__(self, place: Any) -> Any:
        return self._objects()[place]

    def _objects(self) -> list[Any]:
        if self._made is None:
            rows = zip(*self._columns.values(), strict=True)
            self._made = [self.kind(**dict(zip(self._columns, row, strict=True))) for row in rows]
        return self._made


def _each(path: str) -> ReadAll:
    read = attrgetter(path)

    def read_all(sources: Sequence[Any]) -> Sequence[Any]:
        if sources.__class__ is Composed and "." not in path:
            return sources.column(path)
        return list(map(read, sources))

    return read_all
