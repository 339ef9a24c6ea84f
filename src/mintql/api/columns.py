"""Fields that are a column of the row behind an object, or made of some: the first and most frequent kind of field.

graphql-core resolves them object by object, like any other. A plan (`api/plan_fields.py`) reads them for all objects of
a list at once, and makes no object of what is only looked into: of an `amount` it reads two columns, and of a page of
transactions those of the rows that the database sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Any, Final, TypeAlias, TypeVar, cast

import strawberry
from strawberry.types.field import StrawberryField

ReadAll: TypeAlias = Callable[[Sequence[Any]], Sequence[Any]]
"""Reads a field of all of some objects, in their order."""
Resolver = TypeVar("Resolver", bound=Callable[..., Any])

_READ_ALL: Final = "_mintql_read_all"
_ROW: Final = "row."
ROW_CLASSES_MAX: Final = 256


def column(path: str, kind: Any, description: str) -> Any:
    """Declare a field of type `kind` that is what `path` leads to from the object, e.g. "row.posted_on"."""
    read = attrgetter(path)

    def resolve(self: Any) -> Any:
        return read(self)

    resolve.__annotations__ = {"return": kind}
    return strawberry.field(resolver=read_together(reading(path))(resolve), description=description)


def composed(kind: type, description: str, **paths: str) -> Any:
    """Declare a field that is an object of the class `kind`, whose attributes are what `paths` lead to."""
    readers = {name: attrgetter(path) for name, path in paths.items()}
    columns = {name: reading(path) for name, path in paths.items()}

    def resolve(self: Any) -> Any:
        return kind(**{name: read(self) for name, read in readers.items()})

    def read_all(sources: Sequence[Any]) -> Sequence[Any]:
        return cast("Sequence[Any]", Composed(kind, {name: read(sources) for name, read in columns.items()}))

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
        return reading(field.python_name)
    resolver = field.base_resolver
    return None if resolver is None else getattr(resolver.wrapped_func, _READ_ALL, None)


def reading(path: str) -> ReadAll:
    """Return what reads what a path leads to from each of some objects."""
    read = attrgetter(path)

    def read_all(sources: Sequence[Any]) -> Sequence[Any]:
        return sources.read(path) if isinstance(sources, Unmade) else list(map(read, sources))

    return read_all


class Unmade:
    """A sequence of objects of one class, `kind`, none of which is made until somebody asks for one.

    Plans ask everywhere whether they have one before them. `collections.abc.Sequence` as a base would make that, which
    is a look at the class, a call of Python.
    """

    __slots__ = ("_made", "kind")

    def __init__(self, kind: type) -> None:
        self.kind = kind
        self._made: list[Any] | None = None

    def read(self, path: str) -> Sequence[Any]:
        """Return what a path leads to from each of them."""
        return list(map(attrgetter(path), self._objects()))

    def make(self) -> list[Any]:
        """Return the objects, made anew."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[Any]:
        return iter(self._objects())

    def __getitem__(self, place: Any) -> Any:
        return self._objects()[place]

    def _objects(self) -> list[Any]:
        if self._made is None:
            self._made = self.make()
        return self._made

    def __len__(self) -> int:
        raise NotImplementedError


Sequence.register(Unmade)


class Composed(Unmade):
    """Objects by the columns of their attributes."""

    __slots__ = ("_columns",)

    def __init__(self, kind: type, columns: Mapping[str, Sequence[Any]]) -> None:
        super().__init__(kind)
        self._columns = columns

    def read(self, path: str) -> Sequence[Any]:
        """Return an attribute of all of them."""
        found = self._columns.get(path)
        return super().read(path) if found is None else found

    def make(self) -> list[Any]:
        """Return the objects."""
        rows = zip(*self._columns.values(), strict=True)
        return [self.kind(**dict(zip(self._columns, row, strict=True))) for row in rows]

    def __len__(self) -> int:
        return len(next(iter(self._columns.values())))


class Rows(Unmade):
    """Objects that have a `row` of the database each, and the attributes `same` in common."""

    __slots__ = ("_columns", "_rows", "same")

    def __init__(self, kind: type, rows: Sequence[Any], **same: Any) -> None:
        super().__init__(kind)
        self.same = same
        self._rows = rows
        self._columns: dict[str, Sequence[Any]] | None = None

    def read(self, path: str) -> Sequence[Any]:
        """Return a column of the rows, or what a path leads to from each of them."""
        if not path.startswith(_ROW):
            return [self.same[path]] * len(self) if path in self.same else super().read(path)
        name = path.removeprefix(_ROW)
        if self._columns is None:
            self._columns = dict(zip(self._rows[0].keys(), zip(*self._rows, strict=True), strict=True))
        found = self._columns.get(_columns_of(self._rows[0].__class__).get(name, ""))
        return list(map(attrgetter(name), self._rows)) if found is None else found

    def make(self) -> list[Any]:
        """Return the objects."""
        return [self.kind(row=row, **self.same) for row in self._rows]

    def __len__(self) -> int:
        return len(self._rows)


@lru_cache(maxsize=ROW_CLASSES_MAX)
def _columns_of(row_class: type) -> dict[str, str]:
    """Return the columns behind those attributes of a class of rows that are one and nothing more."""
    getters = {name: item.fget for name, item in vars(row_class).items() if isinstance(item, property)}
    return {name: get.__reduce__()[1][0] for name, get in getters.items() if isinstance(get, itemgetter)}
