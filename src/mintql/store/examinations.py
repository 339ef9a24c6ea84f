"""Rows of `examinations`: whose rows have changed and were not looked at since."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from mintql.domain.ids import ChangeSeq, UserId
from mintql.store.queries import Conn, load

SQL = load("examinations")


async def mark(conn: Conn, user_ids: Iterable[UserId], due_at: datetime) -> None:
    """Mark persons, whose locks the caller holds."""
    await conn.execute(SQL.mark, sorted(set(user_ids)), due_at)


async def due(conn: Conn, now: datetime, limit: int) -> list[UserId]:
    """Return persons whose examination is due."""
    return [UserId(row["user_id"]) for row in await conn.fetch(SQL.due, now, limit)]


async def due_of(conn: Conn, now: datetime, user_ids: Sequence[UserId]) -> list[UserId]:
    """Return those of these persons whose examination is due."""
    return [UserId(row["user_id"]) for row in await conn.fetch(SQL.due_of, now, user_ids)]


async def take(conn: Conn, user_id: UserId) -> bool:
    """Take a person's mark off; return whether there was one."""
    return bool(await conn.fetchval(SQL.take, user_id))


async def put_off(conn: Conn, user_id: UserId, until: datetime, attempts_max: int) -> None:
    """Put off an examination that failed, or end it when it has failed too often."""
    await conn.execute(SQL.put_off, user_id, until, attempts_max)


async def changed_sellers(conn: Conn, user_id: UserId, seq: ChangeSeq, limit: int) -> frozenset[str] | None:
    """Return keys of the sellers whose transactions changed after a seq; None where more than `limit` did."""
    row = await conn.fetchrow(SQL.changed_sellers, user_id, seq, limit + 1)
    if row is None or row["mentions"] > limit:
        return None
    return frozenset(row["merchant_keys"] or ())
