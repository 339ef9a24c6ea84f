"""Rows of `doomed_objects`: what is to be removed from the object store."""

from __future__ import annotations

from mintql.domain.ids import UserId
from mintql.store.queries import Conn, load

SQL = load("doomed")


async def take(conn: Conn, limit: int) -> list[tuple[UserId, str]]:
    """Return prefixes whose objects are to go, oldest first."""
    return [(UserId(row["user_id"]), row["prefix"]) for row in await conn.fetch(SQL.take, limit)]


async def settle(conn: Conn, user_id: UserId, prefix: str) -> None:
    """Forget a prefix under which nothing is left."""
    await conn.execute(SQL.settle, user_id, prefix)
