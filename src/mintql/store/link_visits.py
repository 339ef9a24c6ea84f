"""Rows of `link_visits` as the API asks for them: visits that renew the login of a connection."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mintql.domain.ids import ConnectionId, LinkVisitId, UserId
from mintql.store.queries import Conn, load

SQL = load("link_visits")


@dataclass(frozen=True, slots=True, repr=False)
class VisitAnswer:
    """What a worker has answered: `state` is wanted (nothing yet), opened or refused."""

    state: str
    token: str | None
    url: str | None
    expires_at: datetime | None
    error_code: str | None
    error_message: str | None
    error_action: str | None
    retry_at: datetime | None


async def insert(
    conn: Conn,
    user_id: UserId,
    connection_id: ConnectionId,
    now: datetime,
    wanted_until: datetime,
    kept_until: datetime,
) -> LinkVisitId:
    """Ask for a visit that renews the login of a connection."""
    return LinkVisitId(await conn.fetchval(SQL.insert, user_id, connection_id, now, wanted_until, kept_until))


async def answer(conn: Conn, user_id: UserId, visit_id: LinkVisitId) -> VisitAnswer | None:
    """Return what has become of a visit; None when it was forgotten."""
    row = await conn.fetchrow(SQL.answer, user_id, visit_id)
    return None if row is None else VisitAnswer(**dict(row))


async def opened(conn: Conn, user_id: UserId, connection_id: ConnectionId, now: datetime) -> list[str]:
    """Return the tokens of the visits that were opened for a connection, the latest first."""
    return [row["token"] for row in await conn.fetch(SQL.opened, user_id, connection_id, now)]


async def forget_old(conn: Conn, user_id: UserId, connection_id: ConnectionId, kept: int = 0) -> None:
    """Forget the visits of a connection, all but the latest `kept`."""
    await conn.execute(SQL.forget_old, user_id, connection_id, kept)
