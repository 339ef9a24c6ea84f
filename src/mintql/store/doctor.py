"""What a look at a whole deployment asks PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mintql.store.queries import Conn, load

SQL = load("doctor")


@dataclass(frozen=True, slots=True)
class Server:
    """A server's version (as `server_version_num`), its clock, and its connections; `replicas` follow it."""

    version: int
    clock: datetime
    connections_max: int
    connections: int
    replicas: int


async def server(conn: Conn) -> Server:
    """Return what is to be known of the server."""
    rows = await conn.fetch(SQL.server)
    return Server(**dict(rows[0]))


async def api_role(conn: Conn, role: str) -> tuple[bool, bool] | None:
    """Return whether this login may become a role, and whether that bypasses row-level security; None: no such role."""
    row = await conn.fetchrow(SQL.api_role, role)
    return None if row is None else (row["may_become"], row["bypasses"])


async def open_tables(conn: Conn, role: str) -> Sequence[str]:
    """Return tables of persons that a role may read without being fenced."""
    return [row["name"] for row in await conn.fetch(SQL.open_tables, role)]


async def written(conn: Conn) -> str:
    """Return where the log of the primary is."""
    return str(await conn.fetchval(SQL.written))


async def replay_lag(conn: Conn, lsn: str) -> tuple[bool, int]:
    """Return whether a server is a standby, and how many bytes it is behind a place in the log."""
    rows = await conn.fetch(SQL.replay_lag, lsn)
    return rows[0]["is_standby"], rows[0]["behind_bytes"] or 0


async def stuck_deletions(conn: Conn, before: datetime, limit: int) -> int:
    """Return how many deletions have been due since before a moment."""
    return int(await conn.fetchval(SQL.stuck_deletions, before, limit))
