"""Rows of `sessions`. A token is never stored, only its SHA-256."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mintql.domain.audit import Origin
from mintql.domain.ids import SessionId, UserId
from mintql.domain.scopes import Scope, known_scopes
from mintql.store.queries import Conn, load

SQL = load("sessions")


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A live session, or an access token, of which `scopes` say what it may do; None for everything."""

    user_id: UserId
    session_id: SessionId
    expires_at: datetime
    scopes: frozenset[Scope] | None = None


@dataclass(frozen=True, slots=True)
class SessionListed:
    """A live session as its person sees it."""

    session_id: SessionId
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    address: str
    user_agent: str


@dataclass(frozen=True, slots=True)
class Use:
    """That a session was used, from where and when."""

    user_id: UserId
    session_id: SessionId
    address: str
    at: datetime


async def insert(
    conn: Conn, user_id: UserId, token_hash: bytes, now: datetime, expires_at: datetime, origin: Origin
) -> SessionId:
    """Begin a session."""
    return SessionId(
        await conn.fetchval(SQL.insert, user_id, token_hash, now, expires_at, origin.user_agent, origin.address)
    )


async def by_token(conn: Conn, token_hash: bytes) -> SessionRow | None:
    """Return the live session of a token; works without knowing whose it is."""
    row = await conn.fetchrow(SQL.by_token, token_hash)
    if row is None:
        return None
    scopes = None if row["scopes"] is None else known_scopes(row["scopes"])
    return SessionRow(UserId(row["user_id"]), SessionId(row["session_id"]), row["expires_at"], scopes)


async def is_live(conn: Conn, user_id: UserId, session_id: SessionId, now: datetime) -> bool:
    """Tell whether a session still holds."""
    return bool(await conn.fetchval(SQL.is_live, user_id, session_id, now))


async def began_after(conn: Conn, user_id: UserId, session_id: SessionId, moment: datetime) -> bool:
    """Tell whether a session began after a moment."""
    return bool(await conn.fetchval(SQL.began_after, user_id, session_id, moment))


async def delete(conn: Conn, user_id: UserId, session_id: SessionId) -> bool:
    """End one session; False when there is none."""
    return await conn.fetchval(SQL.delete, user_id, session_id) is not None


async def listed(conn: Conn, user_id: UserId, now: datetime, limit: int) -> list[SessionListed]:
    """Return a person's live sessions, newest first."""
    return [SessionListed(**dict(row)) for row in await conn.fetch(SQL.listed, user_id, now, limit)]


async def delete_others(conn: Conn, user_id: UserId, keep: SessionId | None) -> set[SessionId]:
    """End the sessions of a person but for one, all of them where `keep` is None; return which ended."""
    return {SessionId(row["session_id"]) for row in await conn.fetch(SQL.delete_others, user_id, keep)}


async def note_use(conn: Conn, uses: Sequence[Use]) -> None:
    """Write where and when sessions were used last; those that have ended are left out."""
    await conn.execute(
        SQL.note_use,
        [use.user_id for use in uses],
        [use.session_id for use in uses],
        [use.address for use in uses],
        [use.at for use in uses],
    )


async def delete_all(conn: Conn, user_id: UserId) -> None:
    """End all sessions of a person, and their access tokens."""
    await conn.execute(SQL.delete_all, user_id)
