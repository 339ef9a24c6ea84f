"""How far servers have written, and replayed, the log of what was changed."""

from __future__ import annotations

from typing import NamedTuple

from mintql.domain.positions import Position
from mintql.store.queries import Conn, load

SQL = load("positions")


class Replayed(NamedTuple):
    """What a standby says of itself; `gives_feedback` where long reads are not cancelled by what it replays."""

    position: Position
    gives_feedback: bool


async def written(conn: Conn) -> Position:
    """Return a position that everything committed until now lies before; an error on a standby."""
    (row,) = await conn.fetch(SQL.written)
    return Position(row["timeline"], row["lsn"])


async def replayed(conn: Conn) -> Replayed | None:
    """Return how far a server has replayed; None when it is no standby."""
    row = await conn.fetchrow(SQL.replayed)
    if row is None or not row["is_standby"] or row["lsn"] is None:
        return None
    return Replayed(Position(row["timeline"], row["lsn"]), row["gives_feedback"])
