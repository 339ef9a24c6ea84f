"""What waits and what went wrong, over all persons, for whoever watches over the whole. Every look is bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mintql.store.queries import Conn, load

SQL = load("vitals")

COUNTED_MAX = 10_000
"""Nobody needs to know more exactly how much too much there is."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many are due, counted up to `COUNTED_MAX`, and since when the oldest."""

    due: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class ChannelState:
    """Deliveries of a channel that are due, and how many were given up."""

    channel: str
    waiting: Waiting
    dead: int


@dataclass(frozen=True, slots=True)
class Reconciled:
    """Sums found wrong lately; when the comparison last worked, and when it had last been through with everybody."""

    findings: int
    night_ended_at: datetime | None
    round_ended_at: datetime | None


async def runs_due(conn: Conn, now: datetime) -> dict[str, Waiting]:
    """Return the sync runs that are due: `own`, which persons asked for, and `daily`."""
    rows = await conn.fetch(SQL.runs_due, now, COUNTED_MAX)
    return {row["lane"]: Waiting(row["due"], row["oldest"]) for row in rows}


async def outbox(conn: Conn, channels: Sequence[str], now: datetime) -> list[ChannelState]:
    """Return what waits on these channels, and what was given up."""
    rows = await conn.fetch(SQL.outbox, channels, now, COUNTED_MAX)
    return [ChannelState(row["channel"], Waiting(row["due"], row["oldest"]), row["dead"]) for row in rows]


async def endpoints_due(conn: Conn, now: datetime) -> int:
    """Return how many webhook endpoints something is due at."""
    return int(await conn.fetchval(SQL.endpoints_due, now, COUNTED_MAX))


async def reconciled(conn: Conn, since: datetime) -> Reconciled:
    """Return what came of comparing the sums, with the findings since a moment."""
    rows = await conn.fetch(SQL.reconciled, since, COUNTED_MAX)
    return Reconciled(**dict(rows[0]))
