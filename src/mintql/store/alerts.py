"""Rows of `alerts`, and what deciding about them needs to know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import asyncpg

from mintql.domain.budgets import Limit, MonthlySum, Override, Plan, Spent
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
    month: date
    currency: str
    threshold_percent: int


async def plans(conn: Conn, user_ids: Sequence[UserId]) -> dict[UserId, tuple[Plan, str]]:
    """Return each person's plan and time zone."""
    rows = await conn.fetch(SQL.plans, user_ids)
    return {row["user_id"]: (plan_of(row), row["time_zone"]) for row in rows}


async def overrides(conn: Conn, user_ids: Sequence[UserId]) -> dict[UserId, list[Override]]:
    """Return what each person has changed about their budgets."""
    found: dict[UserId, list[Override]] = {}
    for row in await conn.fetch(SQL.overrides, user_ids):
        values = dict(row)
        user_id = values.pop("user_id")
        values["thresholds"] = tuple(values["thresholds"])
        found.setdefault(user_id, []).append(Override(**values))
    return found


async def sums(conn: Conn, months: Sequence[tuple[UserId, date]]) -> dict[tuple[UserId, date], list[MonthlySum]]:
    """Return the sums of these (person, month)."""
    found: dict[tuple[UserId, date], list[MonthlySum]] = {}
    rows = await conn.fetch(SQL.sums, [user_id for user_id, _ in months], [month for _, month in months])
    for row in rows:
        values = dict(row)
        user_id = values.pop("user_id")
        found.setdefault((user_id, row["month"]), []).append(MonthlySum(**values))
    return found


async def raise_alerts(conn: Conn, crossings: Sequence[Crossing], now: datetime) -> list[Raised]:
    """Insert alerts; return those that were not there before."""
    if not crossings:
        return []
    rows = await conn.fetch(
        SQL.raise_alerts,
        [item.user_id for item in crossings],
        [item.limit.category_id for item in crossings],
        [item.limit.month for item in crossings],
        [item.threshold_percent for item in crossings],
        [item.limit.revision for item in crossings],
        [item.limit.limit_minor for item in crossings],
        [item.spent.posted_minor for item in crossings],
        [item.spent.pending_minor for item in crossings],
        [item.limit.currency for item in crossings],
        now,
    )
    return [Raised(**dict(row)) for row in rows]


async def note_causes(conn: Conn, raised: Sequence[Raised], leaves: Sequence[Sequence[CategoryId]], limit: int) -> None:
    """Write onto each alert the largest purchases of its leaves and month, at most `limit`; `leaves` in their order."""
    if not raised:
        return
    rows = await conn.fetch(
        SQL.largest,
        [item.user_id for item in raised],
        [_array(of_one) for of_one in leaves],
        [item.month for item in raised],
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


async def list_by_month(conn: Conn, user_id: UserId, since: date) -> list[asyncpg.Record]:
    """Return a person's alerts from a month on, oldest first."""
    return await conn.fetch(SQL.list_by_month, user_id, since)
