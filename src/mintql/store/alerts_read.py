"""Rows of `alerts` as a person reads and follows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import asyncpg

from mintql.domain.ids import AlertId, CategoryId, TransactionId, UserId
from mintql.store.queries import Conn, load

SQL = load("alerts_read")


@dataclass(frozen=True, slots=True)
class AlertRow:
    """A budget alert: what was spent of which limit when the threshold was reached. Amounts are positive."""

    alert_id: AlertId
    category_id: CategoryId
    period_first: date
    period_last: date
    threshold_percent: int
    limit_minor: int
    carried_minor: int
    spent_minor: int
    pending_minor: int
    currency: str
    transaction_ids: tuple[TransactionId, ...]
    created_at: datetime


async def after(conn: Conn, user_id: UserId, alert_id: AlertId, limit: int) -> list[AlertRow]:
    """Return alerts newer than one, oldest first."""
    return _alerts(await conn.fetch(SQL.alerts_after, user_id, alert_id, limit))


async def before(conn: Conn, user_id: UserId, alert_id: AlertId, limit: int) -> list[AlertRow]:
    """Return alerts older than one, newest first."""
    return _alerts(await conn.fetch(SQL.alerts_before, user_id, alert_id, limit))


async def by_ids(conn: Conn, user_id: UserId, alert_ids: Sequence[AlertId]) -> dict[AlertId, AlertRow]:
    """Return alerts by their ids."""
    rows = _alerts(await conn.fetch(SQL.alerts_by_ids, user_id, list(alert_ids)))
    return {row.alert_id: row for row in rows}


async def latest_id(conn: Conn, user_id: UserId) -> AlertId:
    """Return the id of the newest alert, 0 when there is none."""
    return AlertId(await conn.fetchval(SQL.latest_alert_id, user_id))


def _alerts(rows: Iterable[asyncpg.Record]) -> list[AlertRow]:
    return [AlertRow(**{**dict(row), "transaction_ids": tuple(row["transaction_ids"])}) for row in rows]
