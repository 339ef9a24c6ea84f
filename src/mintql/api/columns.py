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
    """Objects that have one of `rows` each, in the attribute called `name`, and the attributes `same` in common.

    Rows are records of the database or named tuples, all of one shape.
    """

    __slots__ = ("_begins", "_columns", "_name", "_rows", "_same")

    def __init__(self, kind: type, name: str, rows: Sequence[Any], **same: Any) -> None:
        super().__init__(kind)
        self._name = name
        self._begins = f"{name}."
        self._rows = rows
        self._same = same
        self._columns: dict[str, Sequence[Any]] | None = None

    def read(self, path: str) -> Sequence[Any]:
        """Return a column of the rows, or what a path leads to from each of them."""
        if not path.startswith(self._begins):
            return [self._same[path]] * len(self) if path in self._same else super().read(path)
        name = path[len(self._begins) :]
        if self._columns is None:
            self._columns = self._turned()
        found = self._columns.get(name)
        return list(map(attrgetter(name), self._rows)) if found is None else found

    def _turned(self) -> dict[str, Sequence[Any]]:
        """Return the columns by the attributes that are one and nothing more."""
        if not self._rows:
            return {}
        row = self._rows[0]
        columns = zip(*self._rows, strict=True)
        if isinstance(row, tuple):
            return dict(zip(row._fields, columns, strict=True))  # type: ignore[attr-defined]  # of named ones
        by_name = dict(zip(row.keys(), columns, strict=True))
        return {name: by_name[column] for name, column in _columns_of(row.__class__) if column in by_name}

    def make(self) -> list[Any]:
        """Return the objects."""
        return [self.kind(**{self._name: row}, **self._same) for row in self._rows]

    def __len__(self) -> int:
        return len(self._rows)


@lru_cache(maxsize=ROW_CLASSES_MAX)
def _columns_of(row_class: type) -> tuple[tuple[str, str], ...]:
    """Return those attributes of a class of records that are a column and nothing more, each with its column."""
    getters = {name: item.fget for name, item in vars(row_class).items() if isinstance(item, property)}
    return tuple((name, get.__reduce__()[1][0]) for name, get in getters.items() if isinstance(get, itemgetter))
