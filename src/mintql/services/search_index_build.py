"""Writing down where texts stand in the transactions of a person who has many, for searching.

It is done by the look at all sellers that follows an ingestion once a week, and only when enough has changed. The
newest transactions are left out: a search walks those anyway, and they are what changes most.

Each slice is written in a transaction of its own, the oldest first, and what is next follows from what is there: a
worker that goes away loses one slice, and whoever comes next goes on. Searches use what is there, and walk the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from mintql.domain.ids import ChangeSeq, UserId
from mintql.domain.search_grams import TEXTS_MAX, places_of
from mintql.services.extract import Begin
from mintql.store import search_index as store
from mintql.store import transactions_search
from mintql.store.queries import Conn
from mintql.store.search_index import Changed, Slice
from mintql.store.transactions_read import KEY_NEWEST, KEY_OLDEST, Key

TRANSACTIONS_MIN = 2_000
"""Of persons with fewer, every row is looked at: that takes a hundredth of a second."""
NEWEST_COUNT = 500
"""So many of the newest are not written down."""
SLICE_MAX: Final = TEXTS_MAX
CHANGES_MIN = 250
"""Fewer changes are not worth writing anything anew: a search looks at each of these transactions."""
CHANGES_MAX = 5_000
"""After more, everything is written anew."""
KEPT_DAYS = 90
"""After so long, fewer changes are: the log of changes is not kept for ever."""
GROWTH_LEAST: Final = 2
"""A slice before new ones goes into them unless it has this many times their transactions, so that there are few slices
and each transaction is written few times."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """Slices that have changes, and up to where in the log of changes all is known once these are written anew."""

    seq: ChangeSeq
    changed: Sequence[Slice]


async def keep_up(begin: Begin, user_id: UserId, now: datetime) -> None:
    """Write down where texts stand in a person's transactions now, if they have many and enough has changed.

    The words of their sellers are written in any case. Where somebody else is at it, nothing is done.
    """
    async with begin() as conn:
        plan = await _plan(conn, user_id, now)
    if plan is None:
        return
    more: bool | None = True
    while more:
        async with begin() as conn:
            more = await _append(conn, user_id)
    for one in plan.changed:
        if more is None:
            return
        async with begin() as conn:
            more = await _write_anew(conn, user_id, one)
    if more is not None:
        async with begin() as conn:
            await store.note_rows(conn, user_id, plan.seq, now)


async def _plan(conn: Conn, user_id: UserId, now: datetime) -> _Plan | None:
    if await store.count_between(conn, user_id, KEY_OLDEST, KEY_NEWEST, TRANSACTIONS_MIN) < TRANSACTIONS_MIN:
        return None
    begun = await store.begin(conn, user_id)
    if begun is None:
        return None
    words = await transactions_search.seller_words(conn, user_id)
    await store.note_words(conn, user_id, begun.latest_seq, words)
    slices = await store.list_slices(conn, user_id)
    changed = None if begun.rows_seq is None else await store.changed(conn, user_id, begun.rows_seq, CHANGES_MAX)
    if changed is None:
        await store.remove(conn, user_id, [one.slice_id for one in slices])
        await store.note_rows(conn, user_id, begun.latest_seq, now)
        return _Plan(begun.latest_seq, ())
    is_old = begun.built_at is None or now - begun.built_at > timedelta(days=KEPT_DAYS)
    kept = [one for one in slices if not _is_past(one, changed)]
    newest = kept[-1].newest if kept else KEY_OLDEST
    behind = await store.count_between(conn, user_id, newest, KEY_NEWEST, NEWEST_COUNT + CHANGES_MIN)
    if len(changed.keys) < CHANGES_MIN and behind < NEWEST_COUNT + CHANGES_MIN and not is_old:
        return None
    await store.remove(conn, user_id, [one.slice_id for one in slices if _is_past(one, changed)])
    return _Plan(begun.latest_seq, [one for one in kept if any(one.after < key <= one.newest for key in changed.keys)])


def _is_past(one: Slice, changed: Changed) -> bool:
    """Tell whether all of a slice was moved out of the database."""
    return changed.archived_until is not None and one.newest[0] <= changed.archived_until


async def _append(conn: Conn, user_id: UserId) -> bool | None:
    """Write the next slice behind the newest one; return whether there is more, None where somebody else is at it."""
    if not await store.lock(conn, user_id):
        return None
    slices = await store.list_slices(conn, user_id)
    until = await store.settled_until(conn, user_id, NEWEST_COUNT)
    after = slices[-1].newest if slices else KEY_OLDEST
    size = 0 if until is None else await store.count_between(conn, user_id, after, until, SLICE_MAX)
    if until is None or size == 0:
        return False
    grown = list[int]()
    for one in reversed(slices):
        if one.size > GROWTH_LEAST * size or one.size + size > SLICE_MAX:
            break
        after, size = one.after, size + one.size
        grown.append(one.slice_id)
    await store.remove(conn, user_id, grown)
    return await _write(conn, user_id, after, until, SLICE_MAX) < until


async def _write_anew(conn: Conn, user_id: UserId, one: Slice) -> bool | None:
    """Write a slice anew, in two where it has grown too large; None where somebody else is at it.

    Where it is gone, it was written anew as a part of another one.
    """
    if not await store.lock(conn, user_id):
        return None
    if not await store.remove(conn, user_id, [one.slice_id]):
        return True
    size = await store.count_between(conn, user_id, one.after, one.newest, 2 * SLICE_MAX)
    size_max, after = SLICE_MAX if size <= SLICE_MAX else (size + 1) // 2, one.after
    while after < one.newest:
        after = await _write(conn, user_id, after, one.newest, size_max)
    return True


async def _write(conn: Conn, user_id: UserId, after: Key, newest: Key, size_max: int) -> Key:
    """Write one slice of a stretch, from its beginning; return how far it goes."""
    rows = await store.texts(conn, user_id, after, newest, size_max)
    end = rows[-1].key if len(rows) == size_max else newest
    places = await asyncio.to_thread(places_of, [row.words for row in rows])
    await store.add(conn, user_id, after, end, [row.key for row in rows], places)
    return end
