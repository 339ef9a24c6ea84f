"""Rows of `archived_months`, and the rows of months that are moved out of the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from mintql.domain.archive import Contents, Row, counts, movable
from mintql.domain.ids import AccountId, ConnectionId, UserId
from mintql.domain.months import add_months
from mintql.store.queries import Conn, load

SQL = load("archive")


@dataclass(frozen=True, slots=True)
class PersonMonth:
    """A month of a person, by its first day."""

    user_id: UserId
    month: date


async def announce(conn: Conn, now: datetime, seen_before: datetime) -> bool:
    """Note that months will be archived; tell whether that was noted before a moment."""
    await conn.execute(SQL.announce, now)
    return bool(await conn.fetchval(SQL.announced_before, seen_before))


async def has_open_runs(conn: Conn, user_id: UserId) -> bool:
    """Tell whether a run of the person's is under way."""
    return bool(await conn.fetchval(SQL.has_open_runs, user_id))


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
    found = await conn.fetch(SQL.links, user_id, ids)
    links = [(row["one_id"], row["other_id"]) for row in found]
    waiting = {row["one_id"] for row in found if row["waits"]}
    going = movable(rows, links, waiting)
    moved = sorted(going)
    return Contents(
        [row for row in rows if row["transaction_id"] in going],
        [dict(row) for row in await conn.fetch(SQL.transfers_of, user_id, moved)],
        [dict(row) for row in await conn.fetch(SQL.matches_of, user_id, moved)],
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
        min((row["posted_on"] for row in contents.transactions if counts(row)), default=None),
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


async def unknown_removed(
    conn: Conn, removed: Sequence[tuple[UserId, ConnectionId, str, str]]
) -> list[tuple[UserId, AccountId]]:
    """Return accounts that may have one of these rows (person, connection, account, row) in an archived month."""
    columns = list(zip(*removed, strict=True))
    return [(row["user_id"], row["account_id"]) for row in await conn.fetch(SQL.unknown_removed, *columns)]


async def untidy(conn: Conn, restored_before: datetime, limit: int) -> list[PersonMonth]:
    """Return months that were brought back and whose objects are still there."""
    return [PersonMonth(**dict(row)) for row in await conn.fetch(SQL.untidy, restored_before, limit)]


async def note_tidied(conn: Conn, item: PersonMonth, now: datetime) -> None:
    """Note that the objects of a month that was brought back are gone."""
    await conn.execute(SQL.note_tidied, item.user_id, item.month, now)
