"""Rows of `alerts`, and what deciding about them needs to know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import asyncpg

from mintql.domain.budgets import Limit, Plan, Spent
from mintql.domain.ids import AlertId, CategoryId, TransactionId, UserId
from mintql.store.budgets import plan_of
from mintql.store.queries import Conn, load

SQL = load("alerts")


@dataclass(frozen=True, slots=True)
class Crossing:
    """Spending of a person has reached a threshold of a limit."""

    user_id: UserId
    limit: Limit
    threshold_percent: int
    spent: Spent


@dataclass(frozen=True, slots=True)
class Raised:
    """An alert that was not there before."""

    user_id: UserId
    alert_id: AlertId
    category_id: CategoryId
    period_first: date
    period_last: date
    currency: str
    threshold_percent: int


async def plans(conn: Conn, user_ids: Sequence[UserId]) -> dict[UserId, tuple[Plan, str]]:
    """Return each person's plan and time zone."""
    rows = await conn.fetch(SQL.plans, user_ids)
    return {row["user_id"]: (plan_of(row), row["time_zone"]) for row in rows}


async def raise_alerts(conn: Conn, crossings: Sequence[Crossing], now: datetime) -> list[Raised]:
    """Insert alerts; return those that were not there before."""
    if not crossings:
        return []
    rows = await conn.fetch(
        SQL.raise_alerts,
        [item.user_id for item in crossings],
        [item.limit.category_id for item in crossings],
        [item.limit.period.first for item in crossings],
        [item.limit.period.last for item in crossings],
        [item.threshold_percent for item in crossings],
        [item.limit.revision for item in crossings],
        [item.limit.limit_minor for item in crossings],
        [item.limit.carried_minor for item in crossings],
        [item.spent.posted_minor for item in crossings],
        [item.spent.pending_minor for item in crossings],
        [item.limit.currency for item in crossings],
        now,
    )
    return [Raised(**dict(row)) for row in rows]


async def note_causes(conn: Conn, raised: Sequence[Raised], leaves: Sequence[Sequence[CategoryId]], limit: int) -> None:
    """Write onto each alert the largest purchases of its leaves and period, at most `limit`, leaves in their order."""
    if not raised:
        return
    rows = await conn.fetch(
        SQL.largest,
        [item.user_id for item in raised],
        [_array(of_one) for of_one in leaves],
        [item.period_first for item in raised],
        [item.period_last for item in raised],
        [item.currency for item in raised],
        limit,
    )
    explained = [(raised[row["place"] - 1], row["transaction_ids"]) for row in rows]
    await conn.execute(
        SQL.note_causes,
        [item.user_id for item, _ in explained],
        [item.alert_id for item, _ in explained],
        [_array(transaction_ids) for _, transaction_ids in explained],
    )


def _array(values: Sequence[CategoryId] | Sequence[TransactionId]) -> str:
    """Write numbers as PostgreSQL writes an array: `unnest` takes no arrays of unequal arrays."""
    return "{" + ",".join(str(value) for value in values) + "}"


async def list_since(conn: Conn, user_id: UserId, since: date) -> list[asyncpg.Record]:
    """Return a person's alerts of periods that begin on a day or later, oldest first."""
    return await conn.fetch(SQL.list_since, user_id, since)
