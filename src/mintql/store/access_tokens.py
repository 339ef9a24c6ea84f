"""Access tokens: rows of `sessions` that have scopes. Like any token, they are never stored, only their SHA-256."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from mintql.domain.ids import SessionId, UserId
from mintql.domain.scopes import Scope, known_scopes
from mintql.store.queries import Conn, load

SQL = load("access_tokens")


@dataclass(frozen=True, slots=True)
class AccessTokenRow:
    """A token that holds, as its person sees it; `last_used_at` is None until it was used."""

    token_id: SessionId
    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    address: str


async def insert(
    conn: Conn,
    user_id: UserId,
    token_hash: bytes,
    name: str,
    scopes: Collection[Scope],
    now: datetime,
    expires_at: datetime,
) -> SessionId:
    """Make a token."""
    values = [scope.value for scope in scopes]
    return SessionId(await conn.fetchval(SQL.insert, user_id, token_hash, now, expires_at, name, values))


async def listed(conn: Conn, user_id: UserId, now: datetime, limit: int) -> list[AccessTokenRow]:
    """Return the tokens of a person that hold, newest first."""
    return [
        AccessTokenRow(
            token_id=SessionId(row["session_id"]),
            name=row["name"],
            scopes=known_scopes(row["scopes"]),
            created_at=row["created_at"],
            expires_at=row["expires_at"],
            last_used_at=row["last_used_at"],
            address=row["address"],
        )
        for row in await conn.fetch(SQL.listed, user_id, now, limit)
    ]


async def delete(conn: Conn, user_id: UserId, token_id: SessionId) -> str | None:
    """End one token; return its name, None when there is none."""
    name: str | None = await conn.fetchval(SQL.delete, user_id, token_id)
    return name


async def delete_all(conn: Conn, user_id: UserId) -> set[SessionId]:
    """End all tokens of a person; return which."""
    return {SessionId(row["session_id"]) for row in await conn.fetch(SQL.delete_all, user_id)}
