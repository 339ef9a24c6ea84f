"""The daily refresh of everybody: planned in rounds as ranges of connections, whose runs are opened at their time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Self

from mintql.domain.ids import ConnectionId, UserId
from mintql.services.effects import Effects, Job
from mintql.services.sync import ACTIVE_DAYS, CARRY_SECONDS
from mintql.store import sync as store
from mintql.store.queries import Conn
from mintql.store.sync import RunKey

CONNECTIONS_PER_PAGE = 10_000
CONNECTIONS_PER_JOB = 100
ROUND_SECONDS = 3_600
"""How often the clock looks for connections whose turn of the day has come."""
TURNS = 65_536
"""Into so many turns the time is cut over which a day's runs are spread; a person's follows from their number."""
GOLDEN_RATIO = 0.6180339887498949

Key = tuple[UserId, ConnectionId]
FIRST_KEY: Key = (UserId(0), ConnectionId(0))


@dataclass(frozen=True, slots=True)
class Range:
    """Connections after one key up to another, of which those are meant whose turn on a day comes before a number."""

    after: Key
    through: Key
    day: date
    turn: int

    @classmethod
    def of(cls, args: tuple[Any, ...]) -> Self:
        """Read it from the arguments of a job."""
        after_user, after_connection, user_id, connection_id, day, turn = args
        after = (UserId(after_user), ConnectionId(after_connection))
        return cls(after, (UserId(user_id), ConnectionId(connection_id)), date.fromisoformat(day), turn)

    def args(self) -> tuple[Any, ...]:
        """Write it as arguments of a job."""
        return (*self.after, *self.through, self.day.isoformat(), self.turn)


async def plan_page(conn: Conn, now: datetime, after: Key, spread_seconds: int) -> tuple[Key | None, Effects]:
    """Find the next page of connections of active persons whose turn of the day comes within this round.

    A job names a range, not its connections, and opens their runs when its time has come: so a round is planned in
    little time and memory, however many there are. A round takes everybody whose turn has come and who had no run of
    the day; so jobs that were lost are sent again by the next one, and repeating a round does no harm.

    Returns:
        The key to continue after (None when this was the last page), and the jobs to enqueue.
    """
    day = now.astimezone(UTC).date()
    turn = _turn(now, spread_seconds)
    ends, full = await store.daily_ranges(
        conn, day - timedelta(days=ACTIVE_DAYS), day, turn, after, CONNECTIONS_PER_PAGE, CONNECTIONS_PER_JOB
    )
    effects = Effects()
    for through in ends:
        # Multiples of the golden ratio fill the round without clumps.
        delay = through[1] * GOLDEN_RATIO % 1.0 * min(spread_seconds, ROUND_SECONDS)
        effects.jobs.append(Job("extract_daily", Range(after, through, day, turn).args(), delay, background=True))
        after = through
    return (after if full else None), effects


def _turn(now: datetime, spread_seconds: int) -> int:
    """Return how many of the day's turns come before the next round begins."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    rounds = int((now - midnight).total_seconds()) // ROUND_SECONDS + 1
    return min(TURNS, TURNS * rounds * ROUND_SECONDS // max(spread_seconds, 1))


async def open_runs(conn: Conn, now: datetime, span: Range) -> list[RunKey]:
    """Open the runs of the day of a range of connections; return those that were not there yet.

    A job that comes after its day is over opens none: the next day's are on their way.
    """
    if span.day != now.astimezone(UTC).date():
        return []
    active_since = span.day - timedelta(days=ACTIVE_DAYS)
    carry = timedelta(seconds=CARRY_SECONDS)
    return await store.open_daily_runs(
        conn, active_since, span.day, span.turn, span.after, span.through, now, now + carry
    )
