"""Rows of `events`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from mintql.domain.ids import EventSeq, UserId
from mintql.store.queries import Conn, load

SQL = load("events")


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to append, with the outside channels it is for: from when on each may be told."""

    user_id: UserId
    kind: str
    payload: dict[str, Any]
    outside: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Event:
    """An event as stored. `seq` counts up without gaps a reader could miss, person by person."""

    user_id: UserId
    seq: EventSeq
    kind: str
    payload: dict[str, Any]
    created_at: datetime | None = None


async def append(conn: Conn, events: Sequence[NewEvent]) -> tuple[list[Event], set[UserId]]:
    """Append events in the order given; return them, and which of their persons have webhooks.

    The caller holds the locks of the persons. Deliveries to webhooks are made by the database itself.
    """
    if not events:
        return [], set()
    counts = Counter(event.user_id for event in events)
    user_ids = sorted(counts)
    rows = await conn.fetch(SQL.take_seqs, user_ids, [counts[user_id] for user_id in user_ids])
    next_seq = {row["user_id"]: row["event_seq"] - counts[row["user_id"]] + 1 for row in rows}
    stored: list[Event] = []
    for event in events:
        seq = next_seq[event.user_id]
        next_seq[event.user_id] = seq + 1
        stored.append(Event(event.user_id, EventSeq(seq), event.kind, event.payload))
    hooked = await conn.fetch(
        SQL.insert,
        [event.user_id for event in stored],
        [event.seq for event in stored],
        [event.kind for event in stored],
        [orjson.dumps(event.payload).decode() for event in stored],
    )
    return stored, {UserId(row["user_id"]) for row in hooked}


async def list_after(conn: Conn, user_id: UserId, after: EventSeq, kinds: Sequence[str], limit: int) -> list[Event]:
    """Return the next events of these kinds after a seq, oldest first."""
    rows = await conn.fetch(SQL.list_after, user_id, after, list(kinds), limit)
    return [
        Event(user_id, EventSeq(row["seq"]), row["kind"], orjson.loads(row["payload"]), row["created_at"])
        for row in rows
    ]


async def latest_seq(conn: Conn, user_id: UserId) -> EventSeq:
    """Return the newest seq of one person, 0 when there is none."""
    return EventSeq(await conn.fetchval(SQL.latest_seq, user_id) or 0)


async def purge(conn: Conn, before: datetime, limit: int) -> int:
    """Forget events older than `before`, at most `limit`; return how many went."""
    return int(await conn.fetchval(SQL.purge, before, limit))
