"""Series as they are shown: with the account, the category and the name of their newest transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from mintql.domain.ids import AccountId, CategoryId, RecurringId, TransactionId, UserId
from mintql.domain.recurring_series import Series, SeriesState
from mintql.store.queries import Conn, load
from mintql.store.recurring import series_from

SQL = load("recurring_read")
SERIES_MAX = 500
FIRST = RecurringId(0)


@dataclass(frozen=True, slots=True)
class ShownSeries:
    """A series with what its newest transaction says; `merchant` is the name the person or a rule gave, if one did."""

    recurring_id: RecurringId
    series: Series
    account_id: AccountId
    category_id: CategoryId
    merchant: str
    created_at: datetime
    decided_at: datetime | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which series are asked for. None stands for all; `confidence_min` does not hold for confirmed ones."""

    ids: Sequence[RecurringId] | None = None
    states: Collection[SeriesState] = tuple(SeriesState)
    ended: bool | None = None
    outgoing: bool | None = None
    confidence_min: int = 0


async def shown(
    conn: Conn, user_id: UserId, wanted: Wanted, after: RecurringId = FIRST, limit: int = SERIES_MAX
) -> list[ShownSeries]:
    """Return series of a person after an id, by id."""
    rows = await conn.fetch(
        SQL.shown,
        user_id,
        None if wanted.ids is None else list(wanted.ids),
        list(wanted.states),
        wanted.ended,
        wanted.confidence_min,
        wanted.outgoing,
        after,
        limit,
    )
    return [
        ShownSeries(
            recurring_id=RecurringId(row["recurring_id"]),
            series=series_from(row),
            account_id=AccountId(row["account_id"]),
            category_id=CategoryId(row["category_id"]),
            merchant=row["merchant"],
            created_at=row["created_at"],
            decided_at=row["decided_at"],
        )
        for row in rows
    ]


async def active(conn: Conn, user_id: UserId, confidence_min: int) -> list[ShownSeries]:
    """Return series that have not ended and are counted on: confirmed, or suggested with so much confidence."""
    states = (SeriesState.SUGGESTED, SeriesState.CONFIRMED)
    return await shown(conn, user_id, Wanted(states=states, ended=False, confidence_min=confidence_min))


async def of_transactions(
    conn: Conn, user_id: UserId, ids: Sequence[TransactionId]
) -> dict[TransactionId, RecurringId]:
    """Return the series of each of these transactions that belongs to one."""
    rows = await conn.fetch(SQL.of_transactions, user_id, list(ids))
    return {TransactionId(row["transaction_id"]): RecurringId(row["recurring_id"]) for row in rows}
