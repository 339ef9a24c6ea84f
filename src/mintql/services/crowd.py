"""What people chose for a seller, all of them together: votes, and what they come to.

Each choice by hand is a vote: one of a person on a seller, their latest that stands. The top choice is believed when
enough different people voted and enough of them for it; it is believed no more when either is lost. What few people
have chosen for is told to nobody: a seller key may be the name of somebody's friend.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache

from mintql.data import load_categories, load_keywords
from mintql.domain.categories import UNCATEGORIZED_ID, Categorization, CategoryKind, CategorySource
from mintql.domain.ids import CategoryId, UserId
from mintql.domain.keywords import NOT_FOUND, KeywordIndex
from mintql.domain.merchants import UNKNOWN_NAME
from mintql.domain.reasons import reason
from mintql.store import crowd as store
from mintql.store.crowd import CrowdRow
from mintql.store.queries import Conn

VOTERS_MIN = 10
"""Different people: fewer could be one household, or one person with a few accounts here. The database itself tells of
none below 5."""
SHARE_MIN_PERCENT = 70
"""Below that a seller is of several trades, and what others mostly buy there says little."""
CACHED_SECONDS = 60.0
"""How late a worker may hear that a seller was promoted or demoted."""
CACHED_SELLERS_MAX = 100_000
"""A few hundred bytes each."""
NO_SELLER = UNKNOWN_NAME.lower()
"""The key of texts that name no seller at all."""
BARE_WORDS = frozenset(("cash", "check", "cheque", "credit", "debit", "deposit", "payment", "purchase", "refund"))
"""Keys of texts that say how money moved and nothing of where to."""


def promoted(row: CrowdRow) -> Categorization | None:
    """Return what the crowd chose for a seller when that is to be believed, else None."""
    if row.voters < VOTERS_MIN or row.top_voters * 100 < row.voters * SHARE_MIN_PERCENT:
        return None
    return reason(row.top_category_id, CategorySource.CROWD, f"{row.top_voters}/{row.voters}")


async def crowd_choices(conn: Conn, merchant_keys: Iterable[str]) -> dict[str, Categorization]:
    """Return what the crowd chose for these sellers, of those it is believed for."""
    keys = sorted(key for key in set(merchant_keys) if is_seller(key))
    rows = await store.of_sellers(conn, keys, VOTERS_MIN) if keys else []
    return {row.merchant_key: found for row in rows if (found := promoted(row)) is not None}


class CrowdCache:
    """What a worker knows of the crowd, asked for once in a while: one statement a batch for what it does not know."""

    def __init__(
        self,
        ttl_seconds: float = CACHED_SECONDS,
        sellers_max: int = CACHED_SELLERS_MAX,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ttl_seconds = ttl_seconds
        self._sellers_max = sellers_max
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, Categorization | None]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    async def of(self, conn: Conn, merchant_keys: Iterable[str]) -> Mapping[str, Categorization]:
        """Return what the crowd chose for these sellers, of those it is believed for."""
        now = self._clock()
        found: dict[str, Categorization] = {}
        missing: list[str] = []
        for key in set(merchant_keys):
            entry = self._known.get(key)
            if entry is None or now - entry[0] >= self._ttl_seconds:
                missing.append(key)
            elif entry[1] is not None:
                found[key] = entry[1]
        if missing:
            asked = await crowd_choices(conn, missing)
            found |= asked
            for key in missing:
                self._known[key] = (now, asked.get(key))
                self._known.move_to_end(key)
            while len(self._known) > self._sellers_max:
                self._known.popitem(last=False)
        return found


async def settle_votes(conn: Conn, user_id: UserId, merchant_keys: Iterable[str]) -> None:
    """Make a person's votes on these sellers what their choices say by now; the last thing a transaction does."""
    keys = sorted(key for key in set(merchant_keys) if is_seller(key))
    await store.settle_votes(conn, user_id, keys, votable())


def is_seller(merchant_key: str) -> bool:
    """Tell whether votes on a key are about a seller.

    A text with the bank's own words for what it did, such as a check or a payment by Zelle, names none: behind it
    stands somebody else each time.
    """
    if merchant_key in (NO_SELLER, "") or merchant_key in BARE_WORDS:
        return False
    words = merchant_key.split(" ")
    return all(_bank_words().find(words, income=income).of_bank == NOT_FOUND for income in (False, True))


@cache
def _bank_words() -> KeywordIndex:
    return KeywordIndex(keyword for keyword in load_keywords() if keyword.of_bank)


@cache
def votable() -> Sequence[CategoryId]:
    """Return the categories that votes count for: standard ones of spending.

    Whether money between people, or money that comes in, is a gift, rent or pay is between those two, so neither
    transfers nor income are for others to say.
    """
    return [
        leaf.category_id
        for leaf in load_categories().leaves
        if leaf.kind is CategoryKind.EXPENSE and leaf.category_id != UNCATEGORIZED_ID
    ]
