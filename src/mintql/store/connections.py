"""Rows of `connections` as the person sees and changes them; `store.sync` has the worker's side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from mintql.domain.ids import ConnectionId, SyncRunId, TransactionId, UserId
from mintql.store.queries import Conn, load

SQL = load("connections")


@dataclass(frozen=True, slots=True)
class RunRow:
    """A sync run."""

    run_id: SyncRunId
    connection_id: ConnectionId
    reason: str
    state: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    pages: int
    rows_total: int
    rows_done: int
    rows_added: int
    rows_changed: int
    rows_removed: int
    rows_quarantined: int
    error_code: str | None
    error_message: str | None


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """A connection and its latest run."""

    connection_id: ConnectionId
    institution_id: str
    login_hint: str
    status: str
    last_success_at: datetime | None
    last_attempt_at: datetime | None
    next_attempt_at: datetime | None
    error_code: str | None
    error_message: str | None
    error_action: str | None
    created_at: datetime
    disconnected_at: datetime | None
    latest_run: RunRow | None


@dataclass(frozen=True, slots=True)
class LockedConnection:
    """What decides whether a connection can be changed now."""

    connection_id: ConnectionId
    institution_id: str
    status: str
    login_key: bytes
    error_code: str | None
    error_message: str | None


@dataclass(frozen=True, slots=True)
class LastRefresh:
    """When the latest run that went well began, and whether one is open."""

    last_started_at: datetime | None
    is_open: bool


async def list_by_user(
    conn: Conn, user_id: UserId, connection_ids: Sequence[ConnectionId] | None = None
) -> list[ConnectionRow]:
    """Return all connections of a person, or those of these ids, oldest first."""
    rows = await conn.fetch(SQL.list_by_user, user_id, None if connection_ids is None else list(connection_ids))
    return [_connection(row) for row in rows]


async def runs(conn: Conn, user_id: UserId, run_ids: Sequence[SyncRunId]) -> dict[SyncRunId, RunRow]:
    """Return sync runs of a person by their ids."""
    rows = await conn.fetch(SQL.runs, user_id, list(run_ids))
    return {row["run_id"]: _run(row) for row in rows}


def _connection(row: asyncpg.Record) -> ConnectionRow:
    return ConnectionRow(
        connection_id=ConnectionId(row["connection_id"]),
        institution_id=row["institution_id"],
        login_hint=row["login_hint"],
        status=row["status"],
        last_success_at=row["last_success_at"],
        last_attempt_at=row["last_attempt_at"],
        next_attempt_at=row["next_attempt_at"],
        error_code=row["error_code"],
        error_message=row["error_message"],
        error_action=row["error_action"],
        created_at=row["created_at"],
        disconnected_at=row["disconnected_at"],
        latest_run=None if row["run_id"] is None else _run(row),
    )


def _run(row: asyncpg.Record) -> RunRow:
    return RunRow(
        run_id=SyncRunId(row["run_id"]),
        connection_id=ConnectionId(row["connection_id"]),
        reason=row["reason"],
        state=row["state"],
        created_at=row["run_created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        pages=row["pages"],
        rows_total=row["rows_total"],
        rows_done=row["rows_done"],
        rows_added=row["rows_added"],
        rows_changed=row["rows_changed"],
        rows_removed=row["rows_removed"],
        rows_quarantined=row["rows_quarantined"],
        error_code=row["run_error_code"],
        error_message=row["run_error_message"],
    )


async def count_open(conn: Conn, user_id: UserId) -> int:
    """Return how many connections a person has that were not disconnected."""
    return int(await conn.fetchval(SQL.count_open, user_id))


async def insert(
    conn: Conn, user_id: UserId, institution_id: str, login_hint: str, login_key: bytes, now: datetime
) -> ConnectionId:
    """Store a connection."""
    return ConnectionId(await conn.fetchval(SQL.insert, user_id, institution_id, login_hint, login_key, now))


async def find_by_login(conn: Conn, user_id: UserId, institution_id: str, login_key: bytes) -> ConnectionId | None:
    """Return the connection that this person made with a login before, ended or not."""
    found = await conn.fetchval(SQL.find_by_login, user_id, institution_id, login_key)
    return None if found is None else ConnectionId(found)


async def replace_secret(
    conn: Conn,
    user_id: UserId,
    connection_id: ConnectionId,
    key_version: int,
    wrapped_key: bytes,
    ciphertext: bytes,
) -> None:
    """Store the sealed login of a connection in place of any other. The API's role cannot read it back."""
    await delete_secret(conn, user_id, connection_id)
    await conn.execute(SQL.insert_secret, user_id, connection_id, key_version, wrapped_key, ciphertext)


async def delete_secret(conn: Conn, user_id: UserId, connection_id: ConnectionId) -> None:
    """Forget the login of a connection."""
    await conn.execute(SQL.delete_secret, user_id, connection_id)


async def lock(conn: Conn, user_id: UserId, connection_id: ConnectionId) -> LockedConnection | None:
    """Lock a connection against other writers until the transaction ends."""
    row = await conn.fetchrow(SQL.lock, user_id, connection_id)
    return None if row is None else LockedConnection(**dict(row))


async def last_refresh(conn: Conn, user_id: UserId, connection_id: ConnectionId) -> LastRefresh:
    """Return how lately a connection was refreshed."""
    row = await conn.fetchrow(SQL.last_refresh, user_id, connection_id)
    return LastRefresh(row["last_started_at"], row["is_open"]) if row else LastRefresh(None, is_open=False)


async def reactivate(
    conn: Conn, user_id: UserId, connection_id: ConnectionId, login_hint: str, login_key: bytes
) -> None:
    """Note that a connection has a login again that works; another one than before is read from its beginning."""
    await conn.execute(SQL.reactivate, user_id, connection_id, login_hint, login_key)


async def disconnect(conn: Conn, user_id: UserId, connection_id: ConnectionId, now: datetime) -> list[SyncRunId]:
    """End a connection and the run it has open, which is returned; accounts and transactions stay."""
    await conn.execute(SQL.disconnect, user_id, connection_id, now)
    return [SyncRunId(row["run_id"]) for row in await conn.fetch(SQL.close_runs, user_id, connection_id, now)]


async def doom_objects(conn: Conn, user_id: UserId, prefix: str, now: datetime) -> None:
    """Ask for everything in the object store under a prefix to be removed; the sweeper does it."""
    await conn.execute(SQL.doom_objects, user_id, prefix, now)


async def transactions_of(
    conn: Conn, user_id: UserId, connection_id: ConnectionId, limit: int
) -> tuple[list[TransactionId], int]:
    """Return the newest transactions of a connection, at most `limit`, and how many it has."""
    rows = await conn.fetch(SQL.transaction_ids, user_id, connection_id, limit)
    count = await conn.fetchval(SQL.count_transactions, user_id, connection_id)
    return [TransactionId(row["transaction_id"]) for row in rows], int(count)


async def delete(conn: Conn, user_id: UserId, connection_id: ConnectionId) -> None:
    """Remove a connection with all that came through it."""
    await conn.execute(SQL.delete, user_id, connection_id)
