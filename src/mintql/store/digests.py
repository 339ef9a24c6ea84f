"""Who is to get a summary: rounds through the persons of a time zone, and rows of `summaries_due`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from mintql.domain.ids import UserId
from mintql.domain.notices import NoticeKind
from mintql.store.queries import Conn, load

SQL = load("digests")


@dataclass(frozen=True, slots=True)
class Round:
    """Everybody in a time zone, for the summary of one period."""

    kind: NoticeKind
    time_zone: str
    period_first: date


@dataclass(frozen=True, slots=True)
class DueSummary:
    """A summary to make; `attempts` counts the one under way."""

    user_id: UserId
    kind: NoticeKind
    period_first: date
    attempts: int


async def time_zones(conn: Conn) -> list[str]:
    """Return the time zones that persons live in."""
    return [row["time_zone"] for row in await conn.fetch(SQL.time_zones)]


async def finished(conn: Conn, periods: Iterable[date]) -> set[Round]:
    """Return the rounds that are over, of periods that begin on these days."""
    rows = await conn.fetch(SQL.finished, sorted(set(periods)))
    return {Round(NoticeKind(row["kind"]), row["time_zone"], row["period_first"]) for row in rows}


async def take_round(conn: Conn, one: Round) -> UserId | None:
    """Lock a round, begun if need be; return the last person gone through, None when it is over or another's."""
    await conn.execute(SQL.begin_round, one.kind.value, one.time_zone, one.period_first)
    after: UserId | None = await conn.fetchval(SQL.take_round, one.kind.value, one.time_zone, one.period_first)
    return after


async def mark_page(
    conn: Conn, one: Round, after: UserId, limit: int, active_since: date, now: datetime
) -> tuple[UserId | None, int]:
    """Mark the next persons who were here since a day; return the last one looked at and how many were."""
    (row,) = await conn.fetch(
        SQL.mark_page, one.time_zone, after, limit, one.kind.value, one.period_first, now, active_since
    )
    return row["last_user_id"], row["count"]


async def go_on(conn: Conn, one: Round, after: UserId, finished_at: datetime | None) -> None:
    """Write down how far a round has come, and when it was over."""
    await conn.execute(SQL.go_on, one.kind.value, one.time_zone, one.period_first, after, finished_at)


async def take_due(conn: Conn, now: datetime, limit: int, lease_until: datetime) -> list[DueSummary]:
    """Take summaries that are due."""
    rows = await conn.fetch(SQL.take_due, now, limit, lease_until)
    return [
        DueSummary(UserId(row["user_id"]), NoticeKind(row["kind"]), row["period_first"], row["attempts"])
        for row in rows
    ]


async def any_due(conn: Conn, now: datetime) -> bool:
    """Tell whether anybody's summary is due."""
    return await conn.fetchval(SQL.any_due, now) is not None


async def settle(conn: Conn, item: DueSummary) -> bool:
    """Take one off; False when somebody else has."""
    return await conn.fetchval(SQL.settle, item.user_id, item.kind.value, item.period_first) is not None


async def purge_rounds(conn: Conn, before: date) -> None:
    """Forget rounds of periods that began before a day."""
    await conn.execute(SQL.purge_rounds, before)
