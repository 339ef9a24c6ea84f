"""Telling persons: an event for their clients, and for some kinds a delivery on other channels."""

from __future__ import annotations

from collections.abc import Sequence

from mintql.services.effects import Effects, Job
from mintql.store import events as event_rows
from mintql.store import outbox
from mintql.store.events import Event, NewEvent
from mintql.store.queries import Conn

__all__ = ["Event", "NewEvent", "append_events"]

OUTSIDE_CHANNELS: dict[str, tuple[str, ...]] = {"budget_alert": ("live",)}
"""Channels that `notify` must deliver an event of a kind on; what is not named is told by wake-up only."""


async def append_events(conn: Conn, events: Sequence[NewEvent]) -> tuple[list[Event], Effects]:
    """Append events within the caller's transaction, which holds the persons' locks.

    The effects wake the persons' clients and, where an outside channel is asked for, the `notify` job.
    """
    stored = await event_rows.append(conn, events)
    deliveries = [
        (event.user_id, event.seq, channel) for event in stored for channel in OUTSIDE_CHANNELS.get(event.kind, ())
    ]
    await outbox.insert(conn, deliveries)
    effects = Effects(told={event.user_id for event in stored})
    if deliveries:
        effects.jobs.append(Job("notify"))
    return stored, effects
