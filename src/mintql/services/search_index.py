"""Which transactions of a person with many can have a rare word.

A search walks the person's transactions by day, and for a word that few have that is a look at every row. Where texts
stand is therefore written down for persons who have many (`search_index_build.py`), and a search that does not fill its
page from the newest transactions looks there. What changed since is in doubt and looked at besides.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, NamedTuple

from mintql.domain.ids import UserId
from mintql.domain.search_grams import Places, alike_least, count, either, in_order, narrowed, telling
from mintql.services.search_index_build import CHANGES_MAX
from mintql.store import search_index as store
from mintql.store import transactions_search
from mintql.store.queries import Conn
from mintql.store.search_index import Slice
from mintql.store.transactions_read import KEY_NEWEST, KEY_OLDEST, Key
from mintql.store.transactions_search import Stretch, Words

BELIEVED_DAYS: Final = 300
"""What was written down before is not used: the log of changes is not kept for ever."""
SLICES_AT_FIRST: Final = 2
SLICES_GROW: Final = 16
"""Each further look takes so many times as many slices: either a page is full after the first, or the word is rare, and
to ask once for many slices costs less than to ask several times."""
WALKED_ONE_IN: Final = 40
"""Where more transactions of a slice may have the words, the slice is walked: a page is full before long."""
SINGLE_MAX: Final = 100
"""So few are looked at one by one in any case."""
LOT_MAX: Final = 200
SLICES_MAX: Final = 2**31 - 1
"""All there are."""


class AskedWord(NamedTuple):
    """A word that can be looked for: for each of its texts the stretches of letters that it has.

    A transaction has `least` of the texts or more.
    """

    texts: Sequence[Sequence[str]]
    least: int


Asked = Sequence[AskedWord]


async def lots(
    conn: Conn,
    user_id: UserId,
    whole: Stretch,
    words: Words,
    *,
    newest_first: bool = True,
    is_rare: Callable[[], bool] = lambda: False,
) -> AsyncIterator[list[Stretch]]:
    """Give, lot by lot in order, stretches that have all transactions of a stretch that may have all of the words.

    `is_rare` is asked once the newest were looked at, and tells whether so little was found there that much of the rest
    will be needed.
    """
    head = await store.head(conn, user_id, BELIEVED_DAYS)
    if head is None or head.newest < whole.oldest:
        yield [whole]
        return
    above = [Stretch(whole.newest, max(whole.oldest, _next(head.newest)))] if whole.newest > head.newest else []
    below = Stretch(min(whole.newest, head.newest), whole.oldest)
    if above and newest_first:
        yield above
    asked = _asked(words)
    at_first = SLICES_MAX if not newest_first else SLICES_AT_FIRST * SLICES_GROW if is_rare() else SLICES_AT_FIRST
    first = store.AskedSlices(below.newest, below.oldest, _grams(asked), at_first)
    known = await store.changed_and_slices(conn, user_id, head.seq, CHANGES_MAX, words, first) if asked else None
    if known is None:
        yield [below]
    else:
        async for lot in _Look(conn, user_id, asked, known[0], newest_first, first, known[1]).lots(below):
            yield lot
    if above and not newest_first:
        yield above


async def seller_words(conn: Conn, user_id: UserId) -> set[str]:
    """Return the words in the names of a person's sellers, in small letters."""
    kept = await store.seller_words(conn, user_id, BELIEVED_DAYS, CHANGES_MAX)
    return await transactions_search.seller_words(conn, user_id) if kept is None else kept


@dataclass(frozen=True, slots=True)
class _Look:
    """A look at what is written down, in order of days: newest first, or oldest first."""

    conn: Conn
    user_id: UserId
    asked: Asked
    changed: store.Changed
    newest_first: bool
    first: store.AskedSlices
    """What was asked for beside what changed, and in `known` what it had."""
    known: Sequence[Slice]

    async def lots(self, whole: Stretch) -> AsyncIterator[list[Stretch]]:
        """Give what may have the words; where the newest come first, from the slices that are known at first."""
        archived, written = [], whole
        if (until := self.changed.archived_until) is not None:
            archived = [Stretch(min(whole.newest, (until, KEY_NEWEST[1])), whole.oldest)]
            written = Stretch(whole.newest, max(whole.oldest, (until + timedelta(days=1), 0)))
        archived = [one for one in archived if one.newest >= one.oldest]
        if archived and not self.newest_first:
            yield archived
        async for lot in self._newest(written) if self.newest_first else self._oldest(written):
            yield lot
        if archived and self.newest_first:
            yield archived

    async def _newest(self, whole: Stretch) -> AsyncIterator[list[Stretch]]:
        left, limit = whole.newest, self.first.limit
        while left >= whole.oldest and left > KEY_OLDEST:
            slices = await self._slices(Stretch(left, whole.oldest), limit)
            # Where all of it is being written anew, what was at the top may not be there again.
            top = min(left, slices[0].newest) if slices else _before(whole.oldest)
            if top < left:
                yield [Stretch(left, _next(top))]
            left = slices[-1].after if slices else top
            async for lot in self._narrowed(slices, Stretch(top, max(whole.oldest, _next(left)))):
                yield lot
            limit = min(limit * SLICES_GROW, SLICES_MAX)

    async def _oldest(self, whole: Stretch) -> AsyncIterator[list[Stretch]]:
        slices = await self._slices(whole, SLICES_MAX)
        top = min(whole.newest, slices[0].newest) if slices else _before(whole.oldest)
        bottom = slices[-1].after if slices else top
        if bottom >= whole.oldest and bottom > KEY_OLDEST:
            yield [Stretch(bottom, whole.oldest)]
        async for lot in self._narrowed(slices[::-1], Stretch(top, max(whole.oldest, _next(bottom)))):
            yield lot
        if top < whole.newest:
            yield [Stretch(whole.newest, _next(top))]

    async def _slices(self, within: Stretch, limit: int) -> Sequence[Slice]:
        asked = store.AskedSlices(within.newest, within.oldest, self.first.grams, limit)
        return self.known if asked == self.first else await store.slices(self.conn, self.user_id, asked)

    async def _narrowed(self, slices: Sequence[Slice], left: Stretch) -> AsyncIterator[list[Stretch]]:
        """Give what may have the words of slices that have all of a stretch, and what changed there."""
        held: list[Stretch] = []
        for run in self._runs(slices):
            if isinstance(run, Slice):
                keys = list[Key]()
                here = Stretch(min(run.newest, left.newest), max(_next(run.after), left.oldest))
            else:
                known = await store.keys(self.conn, self.user_id, run)
                if known is None:  # A slice was written anew meanwhile: what is left is walked.
                    yield [*held, left]
                    return
                keys = known
                edge = min(max(min(keys) if self.newest_first else max(keys), left.oldest), left.newest)
                here = Stretch(edge, edge)
            parts = Stretch(left.newest, _next(here.newest)), Stretch(_before(here.oldest), left.oldest)
            ahead, left = parts if self.newest_first else parts[::-1]
            held += [*self._singles(ahead, keys), here]
            if isinstance(run, Slice) or len(held) >= LOT_MAX:
                for lot in _in_lots(held):
                    yield lot
                held = []
        for lot in _in_lots([*held, *self._singles(left)]):
            yield lot

    def _runs(self, slices: Iterable[Slice]) -> Iterator[list[tuple[int, int]] | Slice]:
        """Give places (slice, number) that may have the words, some at a time, and a slice itself where many may."""
        places: list[tuple[int, int]] = []
        for one in slices:
            found = _having(one, self.asked)
            if count(found) > max(SINGLE_MAX, one.size // WALKED_ONE_IN):
                if places:
                    yield places
                    places = []
                yield one
            else:
                places += [(one.slice_id, number) for number in in_order(found, highest_first=self.newest_first)]
            while len(places) >= LOT_MAX:
                yield places[:LOT_MAX]
                del places[:LOT_MAX]
        if places:
            yield places

    def _singles(self, within: Stretch, keys: Iterable[Key] = ()) -> list[Stretch]:
        """Return these keys and those of what changed, in order, as far as they are within a stretch."""
        found = {key for key in (*keys, *self.changed.keys) if within.oldest <= key <= within.newest}
        return [Stretch(key, key) for key in sorted(found, reverse=self.newest_first)]


def _grams(asked: Asked) -> frozenset[str]:
    return frozenset(gram for texts, _ in asked for text in texts for gram in text)


def _having(one: Slice, asked: Asked) -> Places:
    """Return which transactions of a slice may have all words."""
    having: Places | None = None
    for texts, least in asked:
        # At each place those that have so many of the texts.
        having_so_many: list[Places | None] = [having, *[frozenset()] * least]
        for text in texts:
            for number in range(least, 0, -1):
                more = _having_all(one, text, having_so_many[number - 1])
                having_so_many[number] = either(having_so_many[number] or frozenset(), more)
        having = having_so_many[least]
    return frozenset() if having is None else having


def _having_all(one: Slice, grams: Sequence[str], having: Places | None) -> Places:
    """Return which of some transactions of a slice, of all for None, may have these stretches; rare ones come first."""
    for places in sorted([one.places.get(gram, b"") for gram in grams], key=len):
        having = narrowed(having, places, one.size)
        if not having:
            break
    return frozenset() if having is None else having


def _asked(words: Words) -> Asked:
    """Return what can be looked up of the words: those of which every text is long enough."""
    asked = []
    for texts, alike in zip(words.any_of, words.alike or [None] * len(words.any_of), strict=True):
        found = [told for text in texts if (told := telling(text)) is not None]
        if len(found) == len(texts):
            asked.append(AskedWord(found, 1 if alike is None else alike_least(alike)))
    return asked


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


def _next(key: Key) -> Key:
    """Return the least key after one."""
    return key[0], key[1] + 1


def _before(key: Key) -> Key:
    """Return the greatest key before one."""
    return key[0], key[1] - 1
