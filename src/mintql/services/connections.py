"""Connections to institutions, as a person makes, refreshes and ends them.

The institution is asked between these calls, never inside a transaction: it may take its time.
"""

from __future__ import annotations

import unicodedata
from datetime import datetime, timedelta

from mintql.domain.credentials import Credentials
from mintql.domain.errors import AuthRequired, InvalidInput, NotFound, RateLimited
from mintql.domain.ids import ConnectionId, SyncRunId, UserId
from mintql.gateways.vault import Sealed, Vault
from mintql.services import alerts
from mintql.services.effects import Effects
from mintql.services.events import EVENT_IDS_MAX, append_events, transactions_changed
from mintql.services.sync import open_or_join_run, tell_progress
from mintql.store import connections as store
from mintql.store.connections import LockedConnection
from mintql.store.locks import lock_users
from mintql.store.queries import Conn
from mintql.store.sync import RunKey

CONNECTIONS_MAX = 50
"""How many connections one person may have at a time."""
URL_LENGTH_MAX, LOGIN_LENGTH_MAX, PASSWORD_LENGTH_MAX = 500, 200, 500


def check_credentials(url: str, login: str, password: str) -> Credentials:
    """Return the login; raise `InvalidInput` for a part that is empty, too long, or holds a control character."""
    parts = (
        ("url", url.strip(), URL_LENGTH_MAX, 0),
        ("login", login.strip(), LOGIN_LENGTH_MAX, 1),
        ("password", password, PASSWORD_LENGTH_MAX, 1),
    )
    for field, text, length_max, length_min in parts:
        if not length_min <= len(text) <= length_max:
            raise InvalidInput(f"The {field} has {length_min} to {length_max} characters.", field=field)
        control = next((character for character in text if unicodedata.category(character) == "Cc"), None)
        if control is not None:
            raise InvalidInput(
                f"The {field} holds a character that nobody can type (U+{ord(control):04X}); enter it again.",
                field=field,
            )
    return Credentials(url=url.strip(), login=login.strip(), password=password)


def login_hint(login: str) -> str:
    """Return what of a login may be shown, for a person to tell two connections apart."""
    return "…" if len(login) < 4 else f"{login[0]}…{login[-1]}"  # noqa: PLR2004 - less would be most of it


def login_key(user_id: UserId, institution_id: str, credentials: Credentials, vault: Vault) -> bytes:
    """Return what tells whether two logins of a person are the same; empty where there is no login to tell by."""
    if not credentials.login:
        return b""
    return vault.fingerprint(str(user_id), institution_id, credentials.url, credentials.login)


async def create(
    conn: Conn, user_id: UserId, institution_id: str, credentials: Credentials, vault: Vault, now: datetime
) -> tuple[ConnectionId, SyncRunId, Effects]:
    """Store a connection whose login the institution has accepted, and open its first run.

    A login that is connected already, or was before, goes on with that connection and its history: the same
    purchases never stand there twice.

    Raises:
        InvalidInput: The person has as many connections as they may.
    """
    await lock_users(conn, [user_id])
    key = login_key(user_id, institution_id, credentials, vault)
    known_id = await store.find_by_login(conn, user_id, institution_id, key) if key else None
    known = await store.lock(conn, user_id, known_id) if known_id else None
    if known is not None and known.status != "disconnected":
        return known.connection_id, *await _resume(conn, user_id, known.connection_id, credentials, key, vault, now)
    if await store.count_open(conn, user_id) >= CONNECTIONS_MAX:
        raise InvalidInput(f"You have {CONNECTIONS_MAX} connections, which is the most; end one first.")
    if known is not None:
        return known.connection_id, *await _resume(conn, user_id, known.connection_id, credentials, key, vault, now)
    connection_id = await store.insert(conn, user_id, institution_id, login_hint(credentials.login), key, now)
    await _keep_secret(conn, user_id, connection_id, vault.seal(user_id, connection_id, credentials))
    run_id, effects = await open_or_join_run(conn, user_id, connection_id, "link", now)
    effects.changed.add(user_id)
    return connection_id, run_id, effects


async def _resume(
    conn: Conn,
    user_id: UserId,
    connection_id: ConnectionId,
    credentials: Credentials,
    key: bytes,
    vault: Vault,
    now: datetime,
) -> tuple[SyncRunId, Effects]:
    """Go on with a connection, with a login that the institution has accepted."""
    await _keep_secret(conn, user_id, connection_id, vault.seal(user_id, connection_id, credentials))
    await store.reactivate(conn, user_id, connection_id, login_hint(credentials.login), key)
    run_id, effects = await open_or_join_run(conn, user_id, connection_id, "request", now)
    effects.changed.add(user_id)
    return run_id, effects


async def _keep_secret(conn: Conn, user_id: UserId, connection_id: ConnectionId, sealed: Sealed) -> None:
    await store.replace_secret(conn, user_id, connection_id, sealed.key_version, sealed.wrapped_key, sealed.ciphertext)


async def open_connection(conn: Conn, user_id: UserId, connection_id: ConnectionId) -> LockedConnection:
    """Lock a connection and return it; raise `NotFound` when it is not this person's or was ended."""
    found = await store.lock(conn, user_id, connection_id)
    if found is None or found.status == "disconnected":
        raise NotFound("There is no such connection, or it was ended.", field="id")
    return found


async def refresh(
    conn: Conn, user_id: UserId, connection_id: ConnectionId, pause_seconds: int, now: datetime
) -> tuple[SyncRunId, Effects]:
    """Open a run because the person asks for it, or join the one that is open.

    `pause_seconds` is how long the next refresh has to wait after one that went well.

    Raises:
        NotFound: Not this person's connection, or ended.
        AuthRequired: The institution wants the login again first.
        RateLimited: The last run that went well began too lately.
    """
    await lock_users(conn, [user_id])
    found = await open_connection(conn, user_id, connection_id)
    if found.status == "action_required":
        raise AuthRequired(found.error_message or "The institution refuses the login that is stored.")
    last = await store.last_refresh(conn, user_id, connection_id)
    if not last.is_open and last.last_started_at is not None:
        allowed_at = last.last_started_at + timedelta(seconds=pause_seconds)
        if now < allowed_at:
            raise RateLimited(
                f"This was refreshed a moment ago. Try again in {(allowed_at - now).seconds + 1} seconds.",
                retry_at=allowed_at,
            )
    return await open_or_join_run(conn, user_id, connection_id, "request", now)


async def replace_credentials(
    conn: Conn, user_id: UserId, connection_id: ConnectionId, credentials: Credentials, vault: Vault, now: datetime
) -> tuple[SyncRunId, Effects]:
    """Store a login that the institution has accepted in place of the old one, and open a run.

    Raises:
        NotFound: Not this person's connection, or ended.
        InvalidInput: Another connection of this person has that login.
    """
    await lock_users(conn, [user_id])
    found = await open_connection(conn, user_id, connection_id)
    key = login_key(user_id, found.institution_id, credentials, vault)
    if key and await store.find_by_login(conn, user_id, found.institution_id, key) not in (None, connection_id):
        raise InvalidInput("Another connection of yours has this login; refresh that one instead.", field="login")
    return await _resume(conn, user_id, connection_id, credentials, key, vault, now)


async def disconnect(
    conn: Conn, user_id: UserId, connection_id: ConnectionId, *, keep_history: bool, now: datetime
) -> Effects:
    """End a connection: its login is forgotten at once, its history kept or removed with it.

    Raises:
        NotFound: Not this person's connection, or ended already (unless its history is to go now).
    """
    await lock_users(conn, [user_id])
    found = await store.lock(conn, user_id, connection_id)
    if found is None or (found.status == "disconnected" and keep_history):
        raise NotFound("There is no such connection, or it was ended.", field="id")
    effects = Effects(changed={user_id})
    if keep_history:
        await store.delete_secret(conn, user_id, connection_id)
        ended = await store.disconnect(conn, user_id, connection_id, now)
        effects.merge(await tell_progress(conn, [RunKey(user_id, run_id) for run_id in ended]))
        return effects
    ids, count = await store.transactions_of(conn, user_id, connection_id, EVENT_IDS_MAX)
    await store.doom_objects(conn, user_id, f"raw/{user_id}/{connection_id}/", now)
    await store.delete(conn, user_id, connection_id)
    effects.merge(await alerts.evaluate(conn, {user_id: alerts.recent_months(now)}, now))
    if count:
        _, told = await append_events(conn, [transactions_changed(user_id, removed=ids, removed_count=count)])
        effects.merge(told)
    return effects
