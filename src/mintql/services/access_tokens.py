"""Personal access tokens: what a person gives to programs of theirs instead of the password.

A token is a session that may do less, is named, and ends on a day that is chosen. It is found, trusted, ended and cut
off as sessions are.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from mintql.domain.audit import ACCESS_TOKEN_MADE, ACCESS_TOKEN_REVOKED
from mintql.domain.errors import InvalidInput, NotFound
from mintql.domain.ids import SessionId, UserId
from mintql.domain.scopes import Scope, check_scopes
from mintql.services import audit
from mintql.services.effects import Effects
from mintql.services.identity import TOKEN_BYTES, hash_token
from mintql.store import access_tokens as store
from mintql.store.access_tokens import AccessTokenRow
from mintql.store.queries import Conn

PREFIX = "mintql_pat_"
"""By which a token that was left in a file or a log is recognized."""
NAME_LENGTH_MAX = 100
DAYS_DEFAULT, DAYS_MAX = 90, 366
TOKENS_MAX = 50


async def create(
    conn: Conn, user_id: UserId, name: str, scopes: Iterable[Scope], days: int, now: datetime
) -> tuple[str, AccessTokenRow]:
    """Make a token; return it, which is told once and stored nowhere, and how it is shown.

    Raises:
        InvalidInput: The name, the scopes or the days cannot be used, or there are as many tokens as may be.
    """
    named, chosen = name.strip(), check_scopes(scopes)
    if not 1 <= len(named) <= NAME_LENGTH_MAX or not named.isprintable():
        raise InvalidInput(f"A token's name has 1 to {NAME_LENGTH_MAX} printable characters.", field="name")
    if not 1 <= days <= DAYS_MAX:
        raise InvalidInput(f"A token holds for 1 to {DAYS_MAX} days, not for {days}.", field="days")
    if len(await listed(conn, user_id, now)) >= TOKENS_MAX:
        raise InvalidInput(f"There are {TOKENS_MAX} access tokens; revoke one of them first.")
    token, expires_at = PREFIX + secrets.token_urlsafe(TOKEN_BYTES), now + timedelta(days=days)
    token_id = await store.insert(conn, user_id, hash_token(token), named, chosen, now, expires_at)
    detail = {"name": named, "scopes": " ".join(chosen)}
    await audit.record(conn, user_id, ACCESS_TOKEN_MADE, now, detail)
    return token, AccessTokenRow(token_id, named, frozenset(chosen), now, expires_at, None, "")


async def listed(conn: Conn, user_id: UserId, now: datetime) -> list[AccessTokenRow]:
    """Return the tokens of a person that hold, newest first."""
    return await store.listed(conn, user_id, now, TOKENS_MAX)


async def revoke(conn: Conn, user_id: UserId, token_id: SessionId, now: datetime) -> Effects:
    """End a token, at once and everywhere; raise `NotFound` when there is none."""
    name = await store.delete(conn, user_id, token_id)
    if name is None:
        raise NotFound("There is no such access token, or it has ended.", field="id")
    await audit.record(conn, user_id, ACCESS_TOKEN_REVOKED, now, {"name": name})
    return Effects.of_ended(user_id, {token_id})
