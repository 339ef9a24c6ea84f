"""Telling the outside what the outbox holds: with a lease, growing pauses, and an end that is said aloud."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

from mintql.services.extract import Begin, Clock
from mintql.store import outbox
from mintql.store.outbox import Delivery, Settled

log = logging.getLogger(__name__)

DELIVERIES_MAX = 500
LEASE = timedelta(seconds=30)
ATTEMPTS_MAX = 8
RETRY_SECONDS = (1, 5, 15, 60, 300, 900, 3600)

Deliver = Callable[[Delivery], Awaitable[None]]
"""Tells one delivery to its channel; raises when it could not. May be called twice for one delivery."""


async def notify(begin: Begin, channels: Mapping[str, Deliver], clock: Clock) -> int:
    """Work off deliveries that are due; return how many were taken. May die anywhere: the lease runs out."""
    now = clock()
    async with begin() as conn:
        due = await outbox.take_due(conn, now, DELIVERIES_MAX, now + LEASE)
    settled = [await _deliver(item, channels, clock) for item in due]
    async with begin() as conn:
        await outbox.settle(conn, settled)
    return len(due)


async def _deliver(item: Delivery, channels: Mapping[str, Deliver], clock: Clock) -> Settled:
    deliver = channels.get(item.channel)
    if deliver is None:
        return Settled(item, "dead", clock(), f"there is no channel {item.channel!r}")
    try:
        await deliver(item)
    except Exception as error:  # A channel is somebody else's code or machine; the outbox outlives it.
        reason = f"{type(error).__name__}: {error}"[:500]
        if item.attempts >= ATTEMPTS_MAX:
            log.exception("delivery %s of person %s given up", item.seq, item.user_id)
            return Settled(item, "dead", clock(), reason)
        pause = RETRY_SECONDS[min(item.attempts, len(RETRY_SECONDS)) - 1]
        return Settled(item, "due", clock() + timedelta(seconds=pause), reason)
    return Settled(item, "sent", clock())
