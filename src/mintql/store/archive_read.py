"""Archived months as the API meets them: which there are, their rows in place of the tables, and bringing them back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, cast

import asyncpg

from mintql.domain.ids import UserId
from mintql.store.queries import Conn, load

SQL = load("archive_read")

TEXTS_MAX = 512
"""Queries kept as they are asked of rows from an object."""


@dataclass(frozen=True, slots=True)
class ArchivedMonth:
    """A month that was archived once; `restored` when its rows are back in the database."""

    month: date
    state: str
    object_key: str
    digest: bytes
    row_count: int
    account_ids: Sequence[int]

    @property
    def restored(self) -> bool:
        """Whether the rows are in the database."""
        return self.state == "restored"


async def in_use(conn: Conn) -> bool:
    """Tell whether anything may be archived, of anybody."""
    return bool(await conn.fetchval(SQL.in_use))


async def months(
    conn: Conn,
    user_id: UserId,
    first: date,
    last: date,
    *,
    account_ids: Sequence[int] | None = None,
    category_ids: Sequence[int] | None = None,
    tags: Sequence[str] | None = None,
) -> list[ArchivedMonth]:
    """Return a person's months of a span of days, newest first, as far as they can hold what is asked for."""
    rows = await conn.fetch(SQL.months, user_id, first, last, account_ids, category_ids, tags)
    return [ArchivedMonth(**dict(row)) for row in rows]


async def months_of_ids(conn: Conn, user_id: UserId, transaction_ids: Sequence[int]) -> list[ArchivedMonth]:
    """Return a person's months that may hold one of these transactions, newest first."""
    rows = await conn.fetch(SQL.months_of_ids, user_id, transaction_ids)
    return [ArchivedMonth(**dict(row)) for row in rows]


async def hold_month(conn: Conn, user_id: UserId, month: date) -> ArchivedMonth | None:
    """Lock a month that is in the object store; None when it is not."""
    row = await conn.fetchrow(SQL.hold_month, user_id, month)
    return None if row is None else ArchivedMonth(**dict(row))


async def hold_moves(conn: Conn, *, moving: bool) -> None:
    """Say whether what this transaction inserts and deletes from here on is only moved."""
    await conn.execute(SQL.hold_moves, moving)


async def put_back(conn: Conn, user_id: UserId, month: date, rows_json: str, now: datetime) -> None:
    """Insert the rows of a month and note that they are back; between two calls of `hold_moves`."""
    for text in (SQL.insert_transactions, SQL.insert_transfers, SQL.insert_matches):
        await conn.execute(text, user_id, rows_json)
    await conn.execute(SQL.note_restored, user_id, month, now)


def in_place(conn: Conn, rows_json: str) -> Conn:
    """Return a connection on which reading functions of the store find the rows of an object, and no others.

    Tables that are not in the object are the database's.
    """
    return cast("Conn", _InPlace(conn, rows_json))


class _InPlace:
    """What of a connection reading functions use."""

    def __init__(self, conn: Conn, rows_json: str) -> None:
        self._conn = conn
        self._rows_json = rows_json

    async def fetch(self, text: str, *arguments: Any, **options: Any) -> list[asyncpg.Record]:
        return await self._conn.fetch(_in_place(text, len(arguments) + 1), *arguments, self._rows_json, **options)


@lru_cache(maxsize=TEXTS_MAX)
def _in_place(text: str, position: int) -> str:
    tables = SQL.in_place.rpartition("\nSELECT")[0].replace("$1", f"${position}")
    if text.startswith("WITH RECURSIVE "):
        return f"{tables}, {text.removeprefix('WITH RECURSIVE ')}"
    if text.startswith("WITH "):
        return f"{tables}, {text.removeprefix('WITH ')}"
    return f"{tables}\n{text}"
