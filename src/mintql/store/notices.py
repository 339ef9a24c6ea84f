"""Rows of `notifications`, as they are written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from mintql.domain.ids import AlertId, NotificationId, TransactionId, UserId
from mintql.domain.money import Money
from mintql.domain.notices import NewNotice, NoticeKind
from mintql.store.queries import Conn, load

SQL = load("notices")


@dataclass(frozen=True, slots=True)
class RaisedNotice:
    """A notification that was not there before."""

    user_id: UserId
    notification_id: NotificationId
    kind: NoticeKind


@dataclass(frozen=True, slots=True)
class Cause:
    """A purchase behind a budget alert; what was spent is positive."""

    transaction_id: TransactionId
    merchant: str
    amount: Money


async def causes(conn: Conn, alerts: Iterable[tuple[UserId, AlertId]]) -> dict[AlertId, list[Cause]]:
    """Return the purchases behind alerts, the largest of each first."""
    wanted = sorted(alerts)
    found: dict[AlertId, list[Cause]] = {}
    for row in await conn.fetch(SQL.causes, [user_id for user_id, _ in wanted], [alert_id for _, alert_id in wanted]):
        cause = Cause(row["transaction_id"], row["merchant"], Money(row["amount_minor"], row["currency"]))
        found.setdefault(row["alert_id"], []).append(cause)
    return found


async def raise_notices(conn: Conn, notices: Sequence[NewNotice], now: datetime) -> list[RaisedNotice]:
    """Store notifications; return those that were not there before."""
    if not notices:
        return []
    rows = await conn.fetch(
        SQL.raise_notices,
        [item.user_id for item in notices],
        [item.kind.value for item in notices],
        [item.subject for item in notices],
        [item.title for item in notices],
        [item.body for item in notices],
        [item.category_id for item in notices],
        [item.account_id for item in notices],
        [item.connection_id for item in notices],
        [item.alert_id for item in notices],
        [item.recurring_id for item in notices],
        # As PostgreSQL writes an array: `unnest` takes no arrays of unequal arrays.
        ["{" + ",".join(str(transaction_id) for transaction_id in item.transaction_ids) + "}" for item in notices],
        [item.amount_minor for item in notices],
        [item.limit_minor for item in notices],
        [item.currency for item in notices],
        [item.period_first for item in notices],
        [item.period_last for item in notices],
        now,
    )
    return [RaisedNotice(row["user_id"], row["notification_id"], NoticeKind(row["kind"])) for row in rows]


async def keep_out_of_inbox(conn: Conn, notices: Sequence[RaisedNotice]) -> None:
    """Dismiss what a person does not want in their inbox; it stays stored, so that it is raised once."""
    if notices:
        await conn.execute(
            SQL.keep_out_of_inbox,
            [item.user_id for item in notices],
            [item.notification_id for item in notices],
        )


async def mark_read(
    conn: Conn, user_id: UserId, notification_ids: Sequence[NotificationId], up_to: NotificationId, now: datetime
) -> int:
    """Mark these notifications as read, and all up to one (0: none); return how many were unread."""
    return len(await conn.fetch(SQL.mark_read, user_id, list(notification_ids), up_to, now))


async def dismiss(conn: Conn, user_id: UserId, notification_ids: Sequence[NotificationId], now: datetime) -> int:
    """Take notifications out of the inbox; return how many were in it."""
    return len(await conn.fetch(SQL.dismiss, user_id, list(notification_ids), now))


async def purge(conn: Conn, before: datetime, limit: int) -> int:
    """Forget notifications older than `before`, at most `limit`; return how many went."""
    return int(await conn.fetchval(SQL.purge, before, limit))
