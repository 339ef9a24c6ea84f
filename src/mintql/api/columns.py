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
    return strawberry.field(resolver=read_together(Reading(path))(resolve), description=description)


def composed(kind: type, description: str, **paths: str) -> Any:
    """Declare a field that is an object of the class `kind`, whose attributes are what `paths` lead to."""
    readers = {name: attrgetter(path) for name, path in paths.items()}

    def resolve(self: Any) -> Any:
        return kind(**{name: read(self) for name, read in readers.items()})

    resolve.__annotations__ = {"return": kind}
    read_all = Composing(kind, {name: Reading(path) for name, path in paths.items()})
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
        return Reading(field.python_name)
    resolver = field.base_resolver
    return None if resolver is None else getattr(resolver.wrapped_func, _READ_ALL, None)


class Reading:
    """Reads what a path leads to from each of some objects."""

    __slots__ = ("read", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.read = attrgetter(text)

    def __call__(self, sources: Sequence[Any]) -> Sequence[Any]:
        return sources.read(self.text) if isinstance(sources, Unmade) else list(map(self.read, sources))


class Composing:
    """Reads objects of the class `kind` that are made of `columns` of some others, by the names of their attributes."""

    __slots__ = ("columns", "kind")

    def __init__(self, kind: type, columns: Mapping[str, Reading]) -> None:
        self.kind = kind
        self.columns = columns

    def __call__(self, sources: Sequence[Any]) -> Sequence[Any]:
        return cast("Sequence[Any]", Composed(self.kind, self.columns, sources))


class Unmade:
    """A sequence of objects of one class, `kind`, none of which is made until somebody asks for one.

    Plans ask everywhere whether they have one before them. `collections.abc.Sequence` as a base would make that, which
    is a look at the class, a call of Python.
    """

    __slots__ = ("_made", "kind")

    kind: type
    _made: list[Any] | None

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
    """Objects whose attributes are columns of some others, each read from `sources` by what stands for it."""

    __slots__ = ("_columns", "_sources")

    def __init__(self, kind: type, columns: Mapping[str, ReadAll], sources: Sequence[Any]) -> None:
        self.kind = kind
        self._made = None
        self._columns = columns
        self._sources = sources

    def read(self, path: str) -> Sequence[Any]:
        """Return an attribute of all of them."""
        read = self._columns.get(path)
        return super().read(path) if read is None else read(self._sources)

    def make(self) -> list[Any]:
        """Return the objects."""
        rows = zip(*(read(self._sources) for read in self._columns.values()), strict=True)
        return [self.kind(**dict(zip(self._columns, row, strict=True))) for row in rows]

    def __len__(self) -> int:
        return len(self._sources)


class Rows(Unmade):
    """Objects that have one of `rows` each, in the attribute called `name`, and the attributes `same` in common.

    Rows are records of the database or named tuples, all of one shape.
    """

    __slots__ = ("_columns", "_name", "_rows", "_same")

    def __init__(self, kind: type, name: str, rows: Sequence[Any], **same: Any) -> None:
        self.kind = kind
        self._made = None
        self._name = name
        self._rows = rows
        self._same = same
        self._columns: dict[str, Sequence[Any]] | None = None

    def read(self, path: str) -> Sequence[Any]:
        """Return a column of the rows, or what a path leads to from each of them."""
        if self._columns is None:
            self._columns = self._turned()
        found = self._columns.get(path)
        if found is not None:
            return found
        if path in self._same:
            return [self._same[path]] * len(self._rows)
        name, _, rest = path.partition(".")
        return list(map(attrgetter(rest), self._rows)) if name == self._name and rest else super().read(path)

    def _turned(self) -> dict[str, Sequence[Any]]:
        """Return the columns, by the paths of those attributes that are one and nothing more."""
        if not self._rows:
            return {}
        row = self._rows[0]
        columns = zip(*self._rows, strict=True)
        if isinstance(row, tuple):
            return dict(zip(_paths_of(row.__class__, self._name), columns, strict=True))
        by_name = dict(zip(row.keys(), columns, strict=True))
        paths = _column_paths_of(row.__class__, self._name)
        return {path: by_name[column] for path, column in paths if column in by_name}

    def make(self) -> list[Any]:
        """Return the objects."""
        return [self.kind(**{self._name: row}, **self._same) for row in self._rows]

    def __len__(self) -> int:
        return len(self._rows)


@lru_cache(maxsize=ROW_CLASSES_MAX)
def _paths_of(row_class: Any, name: str) -> tuple[str, ...]:
    """Return the paths to the fields of named tuples that are called `name`."""
    return tuple(f"{name}.{field}" for field in row_class._fields)


@lru_cache(maxsize=ROW_CLASSES_MAX)
def _column_paths_of(row_class: type, name: str) -> tuple[tuple[str, str], ...]:
    """Return the paths to those attributes of records that are a column and nothing more, each with its column."""
    getters = {attribute: item.fget for attribute, item in vars(row_class).items() if isinstance(item, property)}
    return tuple(
        (f"{name}.{attribute}", get.__reduce__()[1][0])
        for attribute, get in getters.items()
        if isinstance(get, itemgetter)
    )
