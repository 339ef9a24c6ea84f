"""SQL kept as SQL: `sql/<noun>.sql` holds named queries, each with a line that says what it is for.

    -- name: list_by_user
    -- Accounts of one person, oldest first.
    SELECT ...

`load("accounts").list_by_user` is the text of that query. A test prepares every one of them against a
migrated database, so that a misspelt column or a changed type is found before anybody runs it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from operator import itemgetter
from typing import Any, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

Conn: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

_NAME = re.compile(r"^-- name: (?P<name>[a-z][a-z0-9_]*)\n-- (?P<purpose>\S.*)\n", re.MULTILINE)


class Queries:
    """The queries of one file, as attributes."""

    def __init__(self, noun: str, texts: Mapping[str, str]) -> None:
        self._noun = noun
        self._texts = texts

    def __getattr__(self, name: str) -> str:
        try:
            return self._texts[name]
        except KeyError:
            raise AttributeError(f"sql/{self._noun}.sql has no query named {name}") from None

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._texts.items())


def column(name: str) -> Any:
    """Declare an attribute of a class of records that is a column, read where it lies, without a step of Python."""
    return property(itemgetter(name))


@cache
def load(noun: str) -> Queries:
    """Return the queries of `sql/<noun>.sql`; raise `ValueError` when a query has no purpose line."""
    text = files("mintql.store").joinpath("sql", f"{noun}.sql").read_text(encoding="utf-8")
    return Queries(noun, parse(text))


def parse(text: str) -> dict[str, str]:
    """Split the text of a query file by its `-- name:` lines."""
    found = list(_NAME.finditer(text))
    if len(found) != text.count("-- name:"):
        raise ValueError("each query begins with a line '-- name: snake_case' and a line '-- purpose'")
    ends = [match.start() for match in found[1:]] + [len(text)]
    queries = {match["name"]: text[match.end() : end].strip() for match, end in zip(found, ends, strict=True)}
    if len(queries) != len(found):
        raise ValueError("two queries have the same name")
    return queries


def nouns() -> list[str]:
    """Return the nouns that have a query file."""
    folder = files("mintql.store").joinpath("sql")
    return sorted(entry.name.removesuffix(".sql") for entry in folder.iterdir() if entry.name.endswith(".sql"))
