"""What is forgotten after a while, each kind in a transaction of its own, a bounded number of rows at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import TypeAlias

from mintql.domain.idempotency import KEPT_DAYS as KEYS_KEPT_DAYS
from mintql.services.audit import KEPT_DAYS as AUDIT_KEPT_DAYS
from mintql.services.changes import CHANGES_KEPT_DAYS
from mintql.services.guessing import KEPT_DAYS as GUESSES_KEPT_DAYS
from mintql.services.notices import KEPT_DAYS as NOTICES_KEPT_DAYS
from mintql.services.notify import KEPT_DAYS as DELIVERIES_KEPT_DAYS
from mintql.services.outgoing_webhooks_sending import KEPT_DAYS as WEBHOOKS_KEPT_DAYS
from mintql.store import (
    audit,
    changes,
    events,
    guesses,
    idempotency,
    link_answers,
    notices,
    oidc,
    outbox,
    outgoing_webhooks_sending,
    sync,
)
from mintql.store.queries import Conn

EVENTS_KEPT_DAYS = 400
"""Clients may come back with a cursor a year old."""
PURGE_ROWS_MAX = 5_000

Purge: TypeAlias = Callable[[Conn, datetime, int], Awaitable[object]]


async def _forget(purge: Purge, kept_days: int, conn: Conn, now: datetime) -> None:
    await purge(conn, now - timedelta(days=kept_days), PURGE_ROWS_MAX)


PURGES: tuple[Callable[[Conn, datetime], Awaitable[None]], ...] = tuple(
    partial(_forget, purge, kept_days)
    for purge, kept_days in (
        (events.purge, EVENTS_KEPT_DAYS),
        (outbox.purge, DELIVERIES_KEPT_DAYS),
        (notices.purge, NOTICES_KEPT_DAYS),
        (outgoing_webhooks_sending.purge, WEBHOOKS_KEPT_DAYS),
        (changes.purge, CHANGES_KEPT_DAYS),
        (sync.purge_sessions, 0),
        (link_answers.purge, 0),
        (audit.purge, AUDIT_KEPT_DAYS),
        (guesses.purge, GUESSES_KEPT_DAYS),
        (oidc.purge, 0),
        (idempotency.purge, KEYS_KEPT_DAYS),
    )
)
"""What forgets old rows, and after how many days; 0 where each row says itself when it ends."""
