"""Rows of `doomed_objects`: what is to be removed from the object store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mintql.domain.ids import UserId
from mintql.store.queries import Conn, load

SQL = load("doomed")


@dataclass(frozen=True, slots=True)
class Doomed:
    """Everything under a prefix of the object store, of which the removal was asked for at `created_at`."""

    user_id: UserId
    prefix: str
    created_at: datetime


async def take(conn: Conn, now: datetime, limit: int) -> list[Doomed]:
    """Return prefixes whose objects are to go by now, those that are longest due first."""
    return [Doomed(**dict(row)) for row in await conn.fetch(SQL.take, now, limit)]


async def put_off(conn: Conn, doomed: Doomed, due_at: datetime) -> None:
    """Note when to look under a prefix again."""
    await conn.execute(SQL.put_off, doomed.user_id, doomed.prefix, doomed.created_at, due_at)


async def settle(conn: Conn, doomed: Doomed) -> None:
    """Forget a prefix under which nothing is left."""
    await conn.execute(SQL.settle, doomed.user_id, doomed.prefix, doomed.created_at)
