"""Moving old months out of the database into the object store, checked before anything goes, and bringing them back.

A month of a person is one object (`gateways/parquet.py`) and one row of `archived_months`. `archive_month` writes the
object, and then, in one transaction under the person's lock, reads rows and object once more, compares them, and takes
the rows out. Whoever dies before its commit has left an object that nobody names; the next round finds it. Sums stay as
they are: what is moved neither comes nor goes (migration 0025).

What changes or looks through old rows calls `bring_back` first, so that no other code knows of the archive. A month
that was brought back stays for `RESTORED_DAYS`, and is then archived anew.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from datetime import date, datetime, timedelta

import orjson

from mintql.domain.archive import Contents, kept_from
from mintql.domain.ids import UserId
from mintql.domain.months import month_text
from mintql.gateways import parquet
from mintql.gateways.objects import ObjectMissing, ObjectStore
from mintql.observing.context import pseudonym
from mintql.services.extract import Workplace
from mintql.store import archive as store
from mintql.store import archive_read as read
from mintql.store.archive import PersonMonth
from mintql.store.archive_read import ArchivedMonth
from mintql.store.locks import lock_users
from mintql.store.queries import Conn

log = logging.getLogger(__name__)

ANNOUNCED = timedelta(minutes=5)
"""How long before anything is moved for the first time that is announced to all who read (`archive_use`)."""
RESTORED_DAYS = 7
"""How long a month that was brought back stays at least."""
OBJECT_KEPT = timedelta(hours=1)
"""How long the object of a month that was brought back stays, for readers who found it named just before."""
UNTIDY_MAX = 500
PREFIX = "archive"


class ArchiveDamaged(Exception):  # noqa: N818
    """An object does not hold what was moved into it. Nothing is read from it or put back."""


async def archive_due(place: Workplace, user_ids: Sequence[UserId], months_kept: int) -> int:
    """Archive what is due of these persons, a month at a time; return how many rows were moved. May die anywhere.

    None are the first time, and for `ANNOUNCED` after it.
    """
    now = place.clock()
    async with place.begin() as conn:
        if not await store.announce(conn, now, now - ANNOUNCED):
            return 0
        due = await store.due_months(
            conn, user_ids, kept_from(now.date(), months_kept), now - timedelta(days=RESTORED_DAYS)
        )
    moved = 0
    for item in due:
        try:
            moved += await archive_month(place, item)
        except Exception:
            log.exception(
                "%s of person %s stays in the database until the next round", item.month, pseudonym(item.user_id)
            )
    return moved


async def archive_month(place: Workplace, item: PersonMonth) -> int:
    """Move a month; return how many rows went. None do when somebody changed one meanwhile: the next round will."""
    async with place.begin() as conn:
        contents = await store.movable_contents(conn, item)
    if not contents.transactions:
        return 0
    packed = await parquet.encode(contents)
    key = f"{_prefix(item)}{hashlib.sha256(packed).hexdigest()[:32]}.parquet"
    await place.objects.put(key, packed, parquet.CONTENT_TYPE)
    async with place.begin() as conn:
        await lock_users(conn, [item.user_id])
        if await read.hold_month(conn, item.user_id, item.month) is not None:
            return 0
        if await store.has_open_runs(conn, item.user_id):
            return 0  # It may tell of these rows, and has looked already whether they are away.
        there = await store.movable_contents(conn, item)
        if there.digest() != contents.digest():
            return 0
        _compare(there, await parquet.decode(await place.objects.get(key)), key)
        await read.hold_moves(conn, moving=True)
        await store.delete_rows(conn, item.user_id, there)
        await read.hold_moves(conn, moving=False)
        await store.note_archived(conn, item, key, there, place.clock())
    await _tidy(place, item)
    return len(there.transactions)


def _compare(there: Contents, kept: Contents, key: str) -> None:
    """Raise `ArchiveDamaged` unless an object holds what the database does: numbers, sums, and every value."""
    if there.amounts() != kept.amounts():
        raise ArchiveDamaged(f"{key} holds {kept.amounts()} where the database has {there.amounts()}")
    if there.digest() != kept.digest():
        raise ArchiveDamaged(f"{key} holds rows that differ from those of the database")


async def tidy(place: Workplace) -> None:
    """Remove the objects of months that were brought back, a bounded number of them."""
    async with place.begin() as conn:
        items = await store.untidy(conn, place.clock() - OBJECT_KEPT, UNTIDY_MAX)
    for item in items:
        await _tidy(place, item)


async def _tidy(place: Workplace, item: PersonMonth) -> None:
    """Remove objects of a month that nobody names: of a move that was broken off, or of a month that is back.

    Under the person's lock, so that none of them is about to be named.
    """
    async with place.begin() as conn:
        await lock_users(conn, [item.user_id])
        named = await read.hold_month(conn, item.user_id, item.month)
        keys = [key async for key in place.objects.list(_prefix(item))]
        for key in keys:
            if named is None or key != named.object_key:
                await place.objects.delete(key)
        await store.note_tidied(conn, item, place.clock())


def _prefix(item: PersonMonth) -> str:
    return f"{PREFIX}/{item.user_id}/{month_text(item.month)}-"


async def load(objects: ObjectStore, month: ArchivedMonth) -> Contents:
    """Return the rows of an archived month.

    Raises:
        ObjectMissing: It was brought back meanwhile, or the object is lost.
        ArchiveDamaged: The object does not hold what was moved into it.
    """
    try:
        contents = await parquet.decode(await objects.get(month.object_key))
    except parquet.Unreadable as error:
        raise ArchiveDamaged(f"{month.object_key}: {error}") from error
    if contents.digest() != month.digest:
        raise ArchiveDamaged(f"{month.object_key} does not hold the {month.row_count} rows that were moved into it")
    return contents


def rows_json(contents: Contents) -> str:
    """Return rows as the database takes them back."""
    parts = {"transactions": contents.transactions, "transfers": contents.transfers, "matches": contents.matches}
    return orjson.dumps({name: [dict(row) for row in rows] for name, rows in parts.items()}).decode()


async def bring_back(
    conn: Conn,
    objects: ObjectStore,
    user_id: UserId,
    now: datetime,
    *,
    first: date = date.min,
    last: date = date.max,
    account_ids: Sequence[int] | None = None,
    category_ids: Sequence[int] | None = None,
) -> int:
    """Bring a person's archived months of a span of days back, as far as they can hold what is asked for.

    Returns:
        How many months came back. One statement where nothing is archived.
    """
    found = await read.months(conn, user_id, first, last, account_ids=account_ids, category_ids=category_ids)
    return await _bring_back(conn, objects, user_id, found, now)


async def bring_back_of(
    conn: Conn, objects: ObjectStore, user_id: UserId, transaction_ids: Sequence[int], now: datetime
) -> int:
    """Bring the months back that may hold one of these transactions; return how many came."""
    return await _bring_back(conn, objects, user_id, await read.months_of_ids(conn, user_id, transaction_ids), now)


async def _bring_back(
    conn: Conn, objects: ObjectStore, user_id: UserId, found: Sequence[ArchivedMonth], now: datetime
) -> int:
    away = [month for month in found if not month.restored]
    if not away:
        return 0
    await lock_users(conn, [user_id])
    for month in away:
        held = await read.hold_month(conn, user_id, month.month)
        if held is None:
            continue  # Somebody else brought it back.
        try:
            contents = await load(objects, held)
        except ObjectMissing:
            raise ArchiveDamaged(f"{held.object_key} is missing") from None
        await read.hold_moves(conn, moving=True)
        await read.put_back(conn, user_id, held.month, rows_json(contents), now)
        await read.hold_moves(conn, moving=False)
    return len(away)
