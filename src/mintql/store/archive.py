"""Rows of `archived_months`, and the rows of months that are moved out of the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from mintql.domain.archive import Contents, Row, movable
from mintql.domain.ids import UserId
from mintql.domain.months import add_months
from mintql.store.queries import Conn, load

SQL = load("archive")


@dataclass(frozen=True, slots=True)
class PersonMonth:
    """A month of a person, by its first day."""

    user_id: UserId
    month: date


async def due_months(
    conn: Conn, user_ids: Sequence[UserId], kept_from: date, restored_before: datetime
) -> list[PersonMonth]:
    """Return the months of these persons that are to be archived, oldest first for each."""
    rows = await conn.fetch(SQL.due_months, user_ids, kept_from, restored_before)
    return [PersonMonth(**dict(row)) for row in rows]


async def movable_contents(conn: Conn, item: PersonMonth) -> Contents:
    """Return what of a month may leave the database, see `domain.archive.movable`."""
    user_id, month = item.user_id, item.month
    rows: list[Row] = [dict(row) for row in await conn.fetch(SQL.month_rows, user_id, month, add_months(month, 1))]
    ids = [row["transaction_id"] for row in rows]
    links = [(row["one_id"], row["other_id"]) for row in await conn.fetch(SQL.links, user_id, ids)]
    going = movable(rows, links)
    found = sorted(going)
    return Contents(
        [row for row in rows if row["transaction_id"] in going],
        [dict(row) for row in await conn.fetch(SQL.transfers_of, user_id, found)],
        [dict(row) for row in await conn.fetch(SQL.matches_of, user_id, found)],
    )


async def delete_rows(conn: Conn, user_id: UserId, contents: Contents) -> None:
    """Take rows out of the database, with the transfers and matches between them."""
    await conn.execute(SQL.delete_rows, user_id, [row["transaction_id"] for row in contents.transactions])


async def note_archived(conn: Conn, item: PersonMonth, key: str, contents: Contents, now: datetime) -> None:
    """Note that what is under `key` has taken the place of the rows."""
    ids = [row["transaction_id"] for row in contents.transactions]
    tags, sums = sorted(contents.tags().items()), contents.sums()
    await conn.execute(
        SQL.note_archived,
        item.user_id,
        item.month,
        key,
        contents.digest(),
        len(ids),
        min(ids),
        max(ids),
        sorted({row["account_id"] for row in contents.transactions}),
        [tag for tag, _ in tags],
        [count for _, count in tags],
        [one.category_id for one in sums],
        [one.currency for one in sums],
        [one.amount_minor for one in sums],
        [one.count for one in sums],
        [one.excluded_minor for one in sums],
        now,
    )


async def untidy(conn: Conn, restored_before: datetime, limit: int) -> list[PersonMonth]:
    """Return months that were brought back and whose objects are still there."""
    return [PersonMonth(**dict(row)) for row in await conn.fetch(SQL.untidy, restored_before, limit)]


async def note_tidied(conn: Conn, item: PersonMonth, now: datetime) -> None:
    """Note that the objects of a month that was brought back are gone."""
    await conn.execute(SQL.note_tidied, item.user_id, item.month, now)
