"""Rows of `linked_identities`, and states of visits that have ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mintql.domain.ids import UserId
from mintql.store.queries import Conn, load

SQL = load("oidc")


@dataclass(frozen=True, slots=True)
class LinkedIdentityRow:
    """An identity at a provider by which a person can sign in; `email` is empty where none is verified."""

    identity_id: int
    issuer: str
    email: str
    linked_at: datetime


async def use_state(conn: Conn, state_hash: bytes, until: datetime) -> bool:
    """Remember that a state was used; False when it was before."""
    return await conn.fetchval(SQL.use_state, state_hash, until) is not None


async def person_of(conn: Conn, issuer: str, subject: str) -> UserId | None:
    """Return whose identity this is; works without knowing whose it is."""
    found: int | None = await conn.fetchval(SQL.person_of, issuer, subject)
    return None if found is None else UserId(found)


async def insert(conn: Conn, user_id: UserId, issuer: str, subject: str, email: str, now: datetime) -> bool:
    """Link an identity; False when it is linked, to this person or another."""
    return await conn.fetchval(SQL.insert, user_id, issuer, subject, email, now) is not None


async def listed(conn: Conn, user_id: UserId) -> list[LinkedIdentityRow]:
    """Return the identities of a person, oldest first."""
    return [LinkedIdentityRow(**dict(row)) for row in await conn.fetch(SQL.listed, user_id)]


async def delete(conn: Conn, user_id: UserId, identity_id: int) -> str | None:
    """Take an identity away; return its issuer, None when there is none."""
    issuer: str | None = await conn.fetchval(SQL.delete, user_id, identity_id)
    return issuer


async def purge(conn: Conn, before: datetime, limit: int) -> int:
    """Forget states that would not hold any more, at most `limit`; return how many went."""
    return int(await conn.fetchval(SQL.purge, before, limit))
