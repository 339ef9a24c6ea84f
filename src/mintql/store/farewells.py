"""Rows of `farewells`: sealed logins of ended connections, for their institutions to be told of the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mintql.domain.ids import ConnectionId, UserId
from mintql.store.queries import Conn, load

SQL = load("farewells")


@dataclass(frozen=True, slots=True, repr=False)
class Farewell:
    """A farewell that this worker may say. `next_attempt_at` is when it is tried again if it does not work now."""

    user_id: UserId
    farewell_id: int
    connection_id: ConnectionId
    institution_id: str
    key_version: int
    wrapped_key: bytes
    ciphertext: bytes
    tries: int
    next_attempt_at: datetime
    expires_at: datetime


async def take_due(conn: Conn, now: datetime, limit: int, pause_seconds: Sequence[int]) -> list[Farewell]:
    """Take farewells that are due; `pause_seconds` is how long to wait after the first, second ... try."""
    rows = await conn.fetch(SQL.take_due, now, limit, list(pause_seconds))
    return [Farewell(**dict(row)) for row in rows]


async def settle(conn: Conn, farewell: Farewell) -> None:
    """Forget a farewell that was said, or that cannot be."""
    await conn.execute(SQL.settle, farewell.user_id, farewell.farewell_id)


async def expire(conn: Conn, now: datetime) -> dict[str, int]:
    """Forget farewells whose time is up; return how many went, by institution."""
    return {row["institution_id"]: row["farewells"] for row in await conn.fetch(SQL.expire, now)}


async def any_due(conn: Conn, now: datetime) -> bool:
    """Tell whether there is anything to do."""
    return bool(await conn.fetchval(SQL.any_due, now))
