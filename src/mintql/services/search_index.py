"""Which transactions of a person with many can have a rare word.

A search walks the person's transactions by day, and for a word that few have that is a look at every row. Where texts
stand is therefore written down for persons who have many (`search_index_build.py`), and a search that does not fill its
page from the newest transactions looks there. What changed since is in doubt and looked at besides.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Final

from mintql.domain.ids import UserId
from mintql.domain.search_grams import bits, telling
from mintql.domain.search_grams import newest_first as places_newest_first
from mintql.services.search_index_build import CHANGES_MAX
from mintql.store import search_index as store
from mintql.store import transactions_search
from mintql.store.queries import Conn
from mintql.store.search_index import Slice
from mintql.store.transactions_read import KEY_NEWEST, KEY_OLDEST, Key
from mintql.store.transactions_search import Stretch

BELIEVED_DAYS: Final = 300
"""What was written down before is not used: the log of changes is not kept for ever."""
SLICES_AT_FIRST: Final = 2
SLICES_GROW: Final = 4
"""Each further look takes so many times as many slices: a page is mostly full after the first."""
WALKED_ONE_IN: Final = 40
"""Where more transactions of a slice may have the words, the slice is walked: a page is full before long."""
SINGLE_MAX: Final = 100
"""So few are looked at one by one in any case."""
LOT_MAX: Final = 200
SLICES_MAX: Final = 2**31 - 1
"""All there are."""

Asked = Sequence[Sequence[Sequence[str]]]
"""For each word that can be looked for: for each of its texts the stretches of letters that it has."""


async def lots(
    conn: Conn, user_id: UserId, whole: Stretch, words: Sequence[Sequence[str]], *, newest_first: bool = True
) -> AsyncIterator[list[Stretch]]:
    """Give, lot by lot in order, stretches that have all transactions of a stretch that may have all of the words.

    `words` are lists of texts, in small letters, of which any will do.
    """
    head = await store.head(conn, user_id, BELIEVED_DAYS)
    if head is None or head.newest < whole.oldest:
        yield [whole]
        return
    above = [Stretch(whole.newest, max(whole.oldest, _next(head.newest)))] if whole.newest > head.newest else []
    below = Stretch(min(whole.newest, head.newest), whole.oldest)
    if newest_first:
        if above:
            yield above
        async for lot in _below(conn, user_id, head, below, words):
            yield lot
    else:
        found = [one async for lot in _below(conn, user_id, head, below, words, at_once=True) for one in lot]
        for lot in _in_lots([*reversed(found), *above]):
            yield lot


async def seller_words(conn: Conn, user_id: UserId) -> set[str]:
    """Return the words in the names of a person's sellers, in small letters."""
    kept = await store.seller_words(conn, user_id, BELIEVED_DAYS, CHANGES_MAX)
    return await transactions_search.seller_words(conn, user_id) if kept is None else kept


async def _below(
    conn: Conn,
    user_id: UserId,
    head: store.Head,
    below: Stretch,
    words: Sequence[Sequence[str]],
    *,
    at_once: bool = False,
) -> AsyncIterator[list[Stretch]]:
    """Give what is left below the newest transactions, newest first."""
    asked = _asked(words)
    changed = await store.changed(conn, user_id, head.seq, CHANGES_MAX) if asked else None
    if changed is None:
        yield [below]
        return
    oldest, archived = below.oldest, None
    if changed.archived_until is not None:
        oldest = max(oldest, (changed.archived_until + timedelta(days=1), 0))
        archived = Stretch(min(below.newest, (changed.archived_until, KEY_NEWEST[1])), below.oldest)
    left, count = below.newest, SLICES_MAX if at_once else SLICES_AT_FIRST
    grams = {gram for texts in asked for text in texts for gram in text}
    while left >= oldest and left > KEY_OLDEST:
        slices = await store.slices(conn, user_id, left, oldest, grams, count)
        found = await _narrowed(conn, user_id, slices, Stretch(left, oldest), asked, changed.keys) if slices else None
        if found is None:
            yield [Stretch(left, oldest)]
            break
        for lot in _in_lots(found):
            yield lot
        left, count = slices[-1].after, count * SLICES_GROW
    if archived is not None and archived.newest >= archived.oldest:
        yield [archived]


async def _narrowed(
    conn: Conn, user_id: UserId, slices: Sequence[Slice], within: Stretch, asked: Asked, changed: Iterable[Key]
) -> list[Stretch] | None:
    """Return stretches of some slices that may have the words, newest first; None where a slice is there no more."""
    places: list[tuple[int, int]] = []
    walked: list[Stretch] = []
    for one in slices:
        found = _having(one, asked)
        if found.bit_count() > max(SINGLE_MAX, one.size // WALKED_ONE_IN):
            walked.append(_cut(Stretch(one.newest, _next(one.after)), within))
        else:
            places += [(one.slice_id, place) for place in places_newest_first(found)]
    keys = await store.keys(conn, user_id, places) if places else []
    if keys is None:
        return None
    end = Stretch(within.newest, max(within.oldest, _next(slices[-1].after)))
    single = {
        key
        for key in (*keys, *changed)
        if end.oldest <= key <= end.newest and not any(one.oldest <= key <= one.newest for one in walked)
    }
    return sorted([*walked, *(Stretch(key, key) for key in single)], reverse=True)


def _having(one: Slice, asked: Asked) -> int:
    """Return which transactions of a slice may have all words, a bit for each."""
    having = (1 << one.size) - 1
    for texts in asked:
        any_of = 0
        for text in texts:
            all_of = having
            for gram in text:
                all_of &= bits(one.places[gram]) if gram in one.places else 0
                if not all_of:
                    break
            any_of |= all_of
        having = any_of
    return having


def _asked(words: Sequence[Sequence[str]]) -> Asked:
    """Return what can be looked up of the words: those of which every text is long enough."""
    found = [[telling(text) for text in texts] for texts in words]
    return [[text for text in texts if text is not None] for texts in found if None not in texts]


def _in_lots(stretches: Iterable[Stretch]) -> Iterator[list[Stretch]]:
    """Give stretches in lots: single transactions together, each longer stretch as the end of its lot."""
    lot: list[Stretch] = []
    for one in stretches:
        lot.append(one)
        if one.newest != one.oldest or len(lot) == LOT_MAX:
            yield lot
            lot = []
    if lot:
        yield lot


def _cut(one: Stretch, within: Stretch) -> Stretch:
    return Stretch(min(one.newest, within.newest), max(one.oldest, within.oldest))


def _next(key: Key) -> Key:
    """Return the least key after one."""
    return key[0], key[1] + 1
