"""Writing down where texts stand in the transactions of a person who has many, for searching.

It is done by the look at all sellers that follows an ingestion once a week, and only when enough has changed. The
newest transactions are left out: a search walks those anyway, and they are what changes most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from mintql.domain.ids import UserId
from mintql.domain.search_grams import places_of
from mintql.store import search_index as store
from mintql.store import transactions_search
from mintql.store.queries import Conn
from mintql.store.search_index import Changed, Slice
from mintql.store.transactions_read import KEY_OLDEST, Key

TRANSACTIONS_MIN = 2_000
"""Of persons with fewer, every row is looked at: that takes a hundredth of a second."""
NEWEST_COUNT = 500
"""So many of the newest are not written down."""
SLICE_MAX: Final = 65_536
CHANGES_MIN = 250
"""Fewer changes are not worth writing anything anew: a search looks at each of these transactions."""
CHANGES_MAX = 5_000
"""After more, everything is written anew."""
KEPT_DAYS = 90
"""After so long, fewer changes are: the log of changes is not kept for ever."""
GROWTH_LEAST: Final = 2
"""A slice before new ones goes into them unless it has this many times their transactions, so that there are few slices
and each transaction is written few times."""


async def keep_up(conn: Conn, user_id: UserId, now: datetime) -> None:
    """Write down where texts stand in a person's transactions now, if they have many and enough has changed.

    The words of their sellers are written in any case.
    """
    if await store.count_up_to(conn, user_id, TRANSACTIONS_MIN) < TRANSACTIONS_MIN:
        return
    begun = await store.begin(conn, user_id)
    words = await transactions_search.seller_words(conn, user_id)
    await store.note_words(conn, user_id, begun.latest_seq, words)
    slices = await store.list_slices(conn, user_id)
    changed = None if begun.rows_seq is None else await store.changed(conn, user_id, begun.rows_seq, CHANGES_MAX)
    if changed is None:
        changed, kept = Changed(frozenset(), None), list[Slice]()
    else:
        is_old = begun.built_at is None or now - begun.built_at > timedelta(days=KEPT_DAYS)
        if len(changed.keys) < CHANGES_MIN and not is_old:
            return
        kept = [one for one in slices if not _is_past(one, changed)]
    until = await store.settled_until(conn, user_id, NEWEST_COUNT)
    stretches = _to_write(kept, changed, until)
    still = [one for one in kept if not any(after <= one.after < newest for after, newest in stretches)]
    await store.remove(conn, user_id, {one.slice_id for one in slices} - {one.slice_id for one in still})
    for after, newest in stretches:
        await _write(conn, user_id, after, newest)
    await store.note_rows(conn, user_id, begun.latest_seq, now)


def _is_past(one: Slice, changed: Changed) -> bool:
    """Tell whether all of a slice was moved out of the database."""
    return changed.archived_until is not None and one.newest[0] <= changed.archived_until


def _to_write(kept: Sequence[Slice], changed: Changed, until: Key | None) -> list[tuple[Key, Key]]:
    """Return the stretches (after, newest) to write: slices with changes, and what has been settled since."""
    found = [(one.after, one.newest) for one in kept if any(one.after < key <= one.newest for key in changed.keys)]
    after = kept[-1].newest if kept else KEY_OLDEST
    if until is not None and until > after:
        size = sum(key > after for key in changed.keys)
        for one in reversed(kept):
            if one.size > GROWTH_LEAST * size or one.size + size > SLICE_MAX:
                break
            after, size = one.after, size + one.size
        found.append((after, until))
    joined: list[tuple[Key, Key]] = []
    for after, newest in sorted(found):
        if joined and after <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(newest, joined[-1][1])
        else:
            joined.append((after, newest))
    return joined


async def _write(conn: Conn, user_id: UserId, after: Key, newest: Key) -> None:
    """Write the slices of a stretch."""
    while after < newest:
        rows = await store.texts(conn, user_id, after, newest, SLICE_MAX)
        end = rows[-1].key if len(rows) == SLICE_MAX else newest
        places = await asyncio.to_thread(places_of, [row.words for row in rows])
        await store.add(conn, user_id, after, end, [row.key for row in rows], places)
        after = end
