"""Rows of `sessions`. A token is never stored, only its SHA-256."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mintql.domain.ids import SessionId, UserId
from mintql.store.queries import Conn, load

SQL = load("sessions")


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A live session."""

    user_id: UserId
    session_id: SessionId
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SessionListed:
    """A live session as its person sees it."""

    session_id: SessionId
    created_at: datetime
    expires_at: datetime
    user_agent: str


async def insert(
    conn: Conn, user_id: UserId, token_hash: bytes, now: datetime, expires_at: datetime, user_agent: str
) -> SessionId:
    """Begin a session."""
    return SessionId(await conn.fetchval(SQL.insert, user_id, token_hash, now, expires_at, user_agent))


async def by_token(conn: Conn, token_hash: bytes) -> SessionRow | None:
    """Return the live session of a token; works without knowing whose it is."""
    row = await conn.fetchrow(SQL.by_token, token_hash)
    return None if row is None else SessionRow(**dict(row))


async def is_live(conn: Conn, user_id: UserId, session_id: SessionId, now: datetime) -> bool:
    """Tell whether a session still holds."""
    return bool(await conn.fetchval(SQL.is_live, user_id, session_id, now))


async def delete(conn: Conn, user_id: UserId, session_id: SessionId) -> bool:
    """End one session; False when there is none."""
    return await conn.fetchval(SQL.delete, user_id, session_id) is not None


async def listed(conn: Conn, user_id: UserId, now: datetime, limit: int) -> list[SessionListed]:
    """Return a person's live sessions, newest first."""
    return [SessionListed(**dict(row)) for row in await conn.fetch(SQL.listed, user_id, now, limit)]


async def delete_all(conn: Conn, user_id: UserId) -> None:
    """End all sessions of a person."""
    await conn.execute(SQL.delete_all, user_id)
