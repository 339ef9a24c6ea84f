"""Rows of `outbox`: what has to be told outside the database, and how far that has come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mintql.domain.ids import EventSeq, UserId
from mintql.store.queries import Conn, load

SQL = load("outbox")


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event to tell on a channel; `attempts` counts the one under way."""

    user_id: UserId
    seq: EventSeq
    channel: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a delivery: `sent` or `dead` at a time, or `due` again at that time."""

    delivery: Delivery
    state: str
    at: datetime
    error: str | None = None


async def insert(conn: Conn, deliveries: Sequence[tuple[UserId, EventSeq, str]]) -> None:
    """Ask for events to be told: (person, seq, channel)."""
    if deliveries:
        await conn.execute(SQL.insert, *[list(column) for column in zip(*deliveries, strict=True)])


async def take_due(conn: Conn, now: datetime, limit: int, lease_until: datetime) -> list[Delivery]:
    """Take deliveries that are due."""
    rows = await conn.fetch(SQL.take_due, now, limit, lease_until)
    return [Delivery(UserId(row["user_id"]), EventSeq(row["seq"]), row["channel"], row["attempts"]) for row in rows]


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
