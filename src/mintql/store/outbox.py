"""Rows of `outbox`: what has to be told outside the database, and how far that has come."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mintql.domain.ids import EventSeq, UserId
from mintql.store.queries import Conn, load

SQL = load("outbox")

ID_CHARACTERS = 32


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """An event to tell on a channel from `due_at` on; None is at once."""

    user_id: UserId
    seq: EventSeq
    channel: str
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event to tell on a channel; `attempts` counts the one under way."""

    user_id: UserId
    seq: EventSeq
    channel: str
    attempts: int

    @property
    def idempotency_id(self) -> str:
        """The same for every attempt at this delivery, and no other's; tells nothing of whom it is for."""
        name = f"{self.user_id}/{self.seq}/{self.channel}"
        return hashlib.sha256(name.encode()).hexdigest()[:ID_CHARACTERS]


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a delivery: `sent`, `dead` or `skipped` at a time, or `due` again at that time."""

    delivery: Delivery
    state: str
    at: datetime
    error: str | None = None


async def insert(conn: Conn, deliveries: Sequence[NewDelivery]) -> None:
    """Ask for events to be told."""
    if deliveries:
        await conn.execute(
            SQL.insert,
            [item.user_id for item in deliveries],
            [item.seq for item in deliveries],
            [item.channel for item in deliveries],
            [item.due_at for item in deliveries],
        )


async def channels_due(conn: Conn, now: datetime) -> list[str]:
    """Return the channels that anything is due on."""
    return [row["channel"] for row in await conn.fetch(SQL.channels_due, now)]


async def take_due(conn: Conn, channel: str, now: datetime, limit: int, lease_until: datetime) -> list[Delivery]:
    """Take deliveries that are due on a channel."""
    rows = await conn.fetch(SQL.take_due, channel, now, limit, lease_until)
    return [Delivery(UserId(row["user_id"]), EventSeq(row["seq"]), row["channel"], row["attempts"]) for row in rows]


async def purge(conn: Conn, before: datetime, limit: int) -> int:
    """Forget deliveries that were settled before a moment, at most `limit`; return how many went."""
    return int(await conn.fetchval(SQL.purge, before, limit))


async def settle(conn: Conn, settled: Sequence[Settled]) -> None:
    """Record what became of deliveries."""
    await conn.execute(
        SQL.settle,
        [item.delivery.user_id for item in settled],
        [item.delivery.seq for item in settled],
        [item.delivery.channel for item in settled],
        [item.state for item in settled],
        [item.error for item in settled],
        [item.at for item in settled],
    )
