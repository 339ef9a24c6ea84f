"""Rows of `notifications`, as they are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mintql.domain.ids import NotificationId, UserId
from mintql.domain.notices import NewNotice, NoticeKind
from mintql.store.queries import Conn, load

SQL = load("notices")


@dataclass(frozen=True, slots=True)
class RaisedNotice:
    """A notification that was not there before."""

    user_id: UserId
    notification_id: NotificationId
    kind: NoticeKind


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


async def keep_out_of_inbox(conn: Conn, notices: Sequence[RaisedNotice], now: datetime) -> None:
    """Dismiss what a person does not want in their inbox; it stays stored, so that it is raised once."""
    if notices:
        await conn.execute(
            SQL.keep_out_of_inbox,
            [item.user_id for item in notices],
            [item.notification_id for item in notices],
            now,
        )
