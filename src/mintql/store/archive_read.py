"""Archived months as the API meets them: which there are, their rows in place of the tables, and bringing them back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any

import asyncpg

from mintql.domain.ids import UserId
from mintql.store.queries import Conn, load

SQL = load("archive_read")


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


async def tags(conn: Conn, user_id: UserId) -> dict[str, int]:
    """Return how many archived transactions carry each tag."""
    return {row["tag"]: row["count"] for row in await conn.fetch(SQL.tags, user_id)}


async def fetch_in_place(conn: Conn, rows_json: str, text: str, *arguments: Any) -> list[asyncpg.Record]:
    """Ask a named query of rows that were read from an object, as if the tables held these and no others."""
    return await conn.fetch(_in_place(text, len(arguments) + 1), *arguments, rows_json)


@cache
def _in_place(text: str, position: int) -> str:
    tables = SQL.in_place.rpartition("\nSELECT")[0].replace("$1", f"${position}")
    if text.startswith("WITH RECURSIVE "):
        return f"{tables}, {text.removeprefix('WITH RECURSIVE ')}"
    if text.startswith("WITH "):
        return f"{tables}, {text.removeprefix('WITH ')}"
    return f"{tables}\n{text}"
