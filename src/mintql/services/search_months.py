"""Which months of a person with many transactions a rare word can stand in.

A search walks the person's transactions by day, and for a word that few have that is a look at every row. What stands
in each month is therefore written down for persons who have many, by the look at all sellers that follows an ingestion
once a week; months with changes since are in doubt and stay among those that are walked. So nothing is kept up when
rows come in, and what is written down may be as old as it likes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

from mintql.domain.ids import UserId
from mintql.domain.months import add_months
from mintql.store import search_months as store
from mintql.store.queries import Conn
from mintql.store.transactions_read import TransactionFilter

TRANSACTIONS_MIN = 5_000
"""Of persons with fewer, every row is looked at: that takes a few hundredths of a second at most."""
CHANGES_MAX = 5_000
"""After more changes, every row is looked at until what stands in the months is written down anew."""


async def rebuild(conn: Conn, user_id: UserId) -> None:
    """Write down what stands in a person's months, if they have many transactions."""
    if await store.count_up_to(conn, user_id, TRANSACTIONS_MIN) >= TRANSACTIONS_MIN:
        await store.rebuild(conn, user_id)


async def newest_kept(conn: Conn, user_id: UserId) -> date | None:
    """Return the newest month of which it is known what stands there, None where that is known of none."""
    return await store.newest_month(conn, user_id)


async def narrowed(
    conn: Conn, user_id: UserId, wanted: TransactionFilter, words: Sequence[Sequence[str]]
) -> list[TransactionFilter]:
    """Return the filter for each stretch of months that may have all of the words, newest first.

    `words` are lists of texts, in small letters, of which any will do.
    """
    seq = await store.built_seq(conn, user_id)
    changed = None if seq is None else await store.changed(conn, user_id, seq, CHANGES_MAX)
    if changed is None:
        return [wanted]
    months = changed | await store.having(conn, user_id, words)
    return [between(wanted, first, last) for first, last in _stretches(months)]


def between(wanted: TransactionFilter, first: date | None, last: date | None) -> TransactionFilter:
    """Return the filter for days of a stretch as well; None for no bound."""
    firsts = [day for day in (first, wanted.first_day) if day is not None]
    lasts = [day for day in (last, wanted.last_day) if day is not None]
    return replace(wanted, first_day=max(firsts, default=None), last_day=min(lasts, default=None))


def _stretches(months: set[date]) -> list[tuple[date, date]]:
    """Return first and last days of months that follow each other, newest first."""
    found: list[tuple[date, date]] = []
    for month in sorted(months, reverse=True):
        last = add_months(month, 1) - timedelta(days=1)
        if found and last + timedelta(days=1) == found[-1][0]:
            found[-1] = month, found[-1][1]
        else:
            found.append((month, last))
    return found
