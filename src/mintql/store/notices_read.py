"""Rows of `notifications` as a person reads and follows them, and as channels deliver them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import asyncpg

from mintql.domain.ids import (
    AccountId,
    AlertId,
    CategoryId,
    ConnectionId,
    EventSeq,
    NotificationId,
    RecurringId,
    TransactionId,
    UserId,
)
from mintql.domain.notices import NoticeKind
from mintql.store.queries import Conn, load

SQL = load("notices_read")


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """A notification as stored. Amounts are in minor units of `currency`, positive for money spent."""

    user_id: UserId
    notification_id: NotificationId
    kind: NoticeKind
    subject: str
    title: str
    body: str
    category_id: CategoryId | None
    account_id: AccountId | None
    connection_id: ConnectionId | None
    alert_id: AlertId | None
    recurring_id: RecurringId | None
    transaction_ids: tuple[TransactionId, ...]
    amount_minor: int | None
    limit_minor: int | None
    currency: str | None
    period_first: date | None
    period_last: date | None
    created_at: datetime
    read_at: datetime | None
    dismissed_at: datetime | None


async def by_event(conn: Conn, user_id: UserId, seq: EventSeq) -> NoticeRow | None:
    """Return the notification that an event of kind `notification` tells of; None when it is gone."""
    found = _notices(await conn.fetch(SQL.notice_by_event, user_id, seq))
    return found[0] if found else None


async def by_ids(
    conn: Conn, user_id: UserId, notification_ids: Sequence[NotificationId]
) -> dict[NotificationId, NoticeRow]:
    """Return notifications of one person by their ids."""
    rows = _notices(await conn.fetch(SQL.notices_by_ids, user_id, list(notification_ids)))
    return {row.notification_id: row for row in rows}


async def before(
    conn: Conn,
    user_id: UserId,
    notification_id: NotificationId,
    limit: int,
    *,
    kinds: Iterable[NoticeKind] | None = None,
    unread_only: bool = False,
) -> list[NoticeRow]:
    """Return what is in a person's inbox older than one, newest first."""
    wanted = None if kinds is None else sorted({kind.value for kind in kinds})
    return _notices(await conn.fetch(SQL.notices_before, user_id, notification_id, wanted, unread_only, limit))


async def after(conn: Conn, user_id: UserId, notification_id: NotificationId, limit: int) -> list[NoticeRow]:
    """Return what came into a person's inbox after one, oldest first."""
    return _notices(await conn.fetch(SQL.notices_after, user_id, notification_id, limit))


async def latest_id(conn: Conn, user_id: UserId) -> NotificationId:
    """Return the id of the newest notification, 0 when there is none."""
    return NotificationId(await conn.fetchval(SQL.latest_notification_id, user_id))


async def unread_count(conn: Conn, user_id: UserId) -> int:
    """Return how many notifications in a person's inbox were not read."""
    return int(await conn.fetchval(SQL.unread_count, user_id))


def _notices(rows: Iterable[asyncpg.Record]) -> list[NoticeRow]:
    return [
        NoticeRow(**{**row, "kind": NoticeKind(row["kind"]), "transaction_ids": tuple(row["transaction_ids"])})
        for row in map(dict, rows)
    ]
