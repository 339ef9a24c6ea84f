"""Rows of `link_visits` as workers answer them: with the login that the API cannot read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mintql.domain.errors import InstitutionFailure
from mintql.domain.ids import ConnectionId, LinkVisitId, UserId
from mintql.store.queries import Conn, load

SQL = load("link_answers")


@dataclass(frozen=True, slots=True, repr=False)
class WantedVisit:
    """A visit that this worker may open. `key_version` is None where the connection has no login any more."""

    connection_id: ConnectionId
    institution_id: str
    key_version: int | None
    wrapped_key: bytes
    ciphertext: bytes


async def take(
    conn: Conn, user_id: UserId, visit_id: LinkVisitId, now: datetime, lease_until: datetime
) -> WantedVisit | None:
    """Take a visit; None when it is answered, nobody waits for it any more, or another worker is at it."""
    row = await conn.fetchrow(SQL.take, user_id, visit_id, now, lease_until)
    return None if row is None else WantedVisit(**dict(row))


async def note_opened(
    conn: Conn,
    user_id: UserId,
    visit_id: LinkVisitId,
    token: str,
    url: str,
    expires_at: datetime,
    kept_until: datetime,
) -> None:
    """Answer with a visit that was opened; one that is answered already stays as it is."""
    await conn.execute(SQL.note_opened, user_id, visit_id, token, url, expires_at, kept_until)


async def note_refused(conn: Conn, user_id: UserId, visit_id: LinkVisitId, failure: InstitutionFailure) -> None:
    """Answer with why no visit could be opened; one that is answered already stays as it is."""
    await conn.execute(
        SQL.note_refused, user_id, visit_id, failure.code, failure.message, failure.action, failure.retry_at
    )


async def waiting(conn: Conn, now: datetime, limit: int) -> list[tuple[UserId, LinkVisitId]]:
    """Return visits that somebody waits for and nobody is opening."""
    rows = await conn.fetch(SQL.waiting, now, limit)
    return [(UserId(row["user_id"]), LinkVisitId(row["visit_id"])) for row in rows]


async def purge(conn: Conn, now: datetime, limit: int) -> int:
    """Forget visits that have had their time, at most `limit`; return how many went."""
    return int(await conn.fetchval(SQL.purge, now, limit))
