"""Telling persons: an event for their clients, and for some kinds a delivery on other channels."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

from mintql.domain.ids import TransactionId, UserId
from mintql.domain.notices import Channel
from mintql.services.effects import Effects, Job
from mintql.store import events as event_rows
from mintql.store import outbox
from mintql.store.events import Event, NewEvent
from mintql.store.outbox import NewDelivery
from mintql.store.queries import Conn

__all__ = ["Event", "NewEvent", "append_events", "transactions_changed"]

EVENT_IDS_MAX = 100
OUTSIDE_CHANNELS: dict[str, tuple[str, ...]] = {"budget_alert": ("live",)}
"""Channels that `notify` must deliver every event of a kind on, whatever the person prefers. What an event is for
beyond that, it says itself (`NewEvent.outside`); what is not named at all is told by wake-up only."""


def transactions_changed(
    user_id: UserId,
    *,
    added: Sequence[TransactionId] = (),
    changed: Sequence[TransactionId] = (),
    removed: Sequence[TransactionId] = (),
    changed_count: int | None = None,
    removed_count: int | None = None,
) -> NewEvent:
    """Return the event that tells of changed transactions: all counts, but at most `EVENT_IDS_MAX` ids of each.

    `changed_count` and `removed_count` are for a caller that has not read more ids than an event can name.
    """
    payload = {
        "added": list(added[:EVENT_IDS_MAX]),
        "changed": list(changed[:EVENT_IDS_MAX]),
        "removed": list(removed[:EVENT_IDS_MAX]),
        "added_count": len(added),
        "changed_count": len(changed) if changed_count is None else changed_count,
        "removed_count": len(removed) if removed_count is None else removed_count,
    }
    return NewEvent(user_id, "transactions_changed", payload)


async def append_events(conn: Conn, events: Sequence[NewEvent]) -> tuple[list[Event], Effects]:
    """Append events within the caller's transaction, which holds the persons' locks.

    The effects wake the persons' clients and, where an outside channel is asked for, the `notify` job. Nothing is
    put out for webhooks of a person who has none.
    """
    written_at = perf_counter()
    stored, hooked = await event_rows.append(conn, events)
    deliveries = [
        NewDelivery(event.user_id, event.seq, channel, due_at)
        for new, event in zip(events, stored, strict=True)
        for channel, due_at in (dict.fromkeys(OUTSIDE_CHANNELS.get(event.kind, ())) | dict(new.outside)).items()
        if channel != Channel.WEBHOOK or event.user_id in hooked
    ]
    await outbox.insert(conn, deliveries)
    effects = Effects(told={event.user_id for event in stored}, written_at=written_at if stored else None)
    if deliveries:
        effects.jobs.append(Job("notify"))
    if hooked:
        effects.jobs.append(Job("deliver_webhooks"))
    return stored, effects
