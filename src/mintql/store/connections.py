"""Rows of `connections` as the person sees and changes them; `store.sync` has the worker's side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import asyncpg

from mintql.domain.errors import AuthRequired, ConsentExpired
from mintql.domain.ids import ConnectionId, SyncRunId, TransactionId, UserId
from mintql.store.queries import Conn, load
from mintql.store.runs_read import RunRow, run_row

SQL = load("connections")


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """A connection and its latest run. `last_started_at` is when the latest run that went well began.

    `requests` were made on the day `requests_on`, in UTC.
    """

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
    notice: str | None
    noticed_at: datetime | None
    requests_on: date | None
    requests: int
    last_started_at: datetime | None
    latest_run: RunRow | None


@dataclass(frozen=True, slots=True)
class LockedConnection:
    """What decides whether a connection can be changed now. `former_ids` are ended ones that went on in it."""

    connection_id: ConnectionId
    institution_id: str
    status: str
    login_key: bytes
    last_attempt_at: datetime | None
    error_code: str | None
    error_message: str | None
    requests_on: date | None
    requests: int
    former_ids: Sequence[ConnectionId]

    @property
    def waits_for_login(self) -> bool:
        """Whether nothing is missing but that the person logs in, or gives their permission, at the institution."""
        return self.status == "action_required" and self.error_code in (AuthRequired.code, ConsentExpired.code)


@dataclass(frozen=True, slots=True)
class LastRefresh:
    """When the latest run that went well began, and how far the run is that is open, None where none is.

    `waits_until` is set when the institution asked for that one to wait. `last_active_on` is the day the person was
    last here.
    """

    last_started_at: datetime | None
    open_state: str | None
    open_balances_only: bool | None
    waits_until: datetime | None
    last_active_on: date

    def open_run_does(self, *, balances_only: bool) -> bool:
        """Tell whether there is an open run that brings what is wanted, of balances alone or everything."""
        return self.open_state is not None and (balances_only or not self.open_balances_only)

    @property
    def reads_all_that_is_new(self) -> bool:
        """Whether the open run will fetch what is new at this moment: it has read nothing yet, and reads everything."""
        return self.open_state == "queued" and not self.open_balances_only


async def list_by_user(
    conn: Conn, user_id: UserId, connection_ids: Sequence[ConnectionId] | None = None
) -> list[ConnectionRow]:
    """Return all connections of a person, or those of these ids, oldest first."""
    rows = await conn.fetch(SQL.list_by_user, user_id, None if connection_ids is None else list(connection_ids))
    return [_connection(row) for row in rows]


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
        notice=row["notice"],
        noticed_at=row["noticed_at"],
        requests_on=row["requests_on"],
        requests=row["requests"],
        last_started_at=row["last_started_at"],
        latest_run=None if row["run_id"] is None else run_row(row),
    )


async def open_ids(conn: Conn, user_id: UserId) -> list[ConnectionId]:
    """Return a person's connections that were not disconnected, that of imported files among them."""
    return [ConnectionId(row["connection_id"]) for row in await conn.fetch(SQL.open_ids, user_id)]


async def count_open(conn: Conn, user_id: UserId) -> int:
    """Return how many connections a person has that were not disconnected."""
    return int(await conn.fetchval(SQL.count_open, user_id))


async def insert(
    conn: Conn,
    user_id: UserId,
    institution_id: str,
    login_hint: str,
    login_key: bytes,
    webhook_key: bytes,
    now: datetime,
) -> ConnectionId:
    """Store a connection."""
    return ConnectionId(
        await conn.fetchval(SQL.insert, user_id, institution_id, login_hint, login_key, webhook_key, now)
    )


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


async def part_with_secret(conn: Conn, user_id: UserId, connection_id: ConnectionId, until: datetime) -> None:
    """Forget the login of a connection, but for a farewell to its institution until a moment at the latest."""
    await conn.execute(SQL.part_with_secret, user_id, connection_id, until)


async def take_back_farewell(conn: Conn, user_id: UserId, login_key: bytes) -> None:
    """Let the institution not be told that a login has ended, since it is connected again."""
    await conn.execute(SQL.take_back_farewell, user_id, login_key)


async def lock(conn: Conn, user_id: UserId, connection_id: ConnectionId) -> LockedConnection | None:
    """Lock a connection against other writers until the transaction ends."""
    row = await conn.fetchrow(SQL.lock, user_id, connection_id)
    return None if row is None else LockedConnection(**dict(row))


async def last_refresh(
    conn: Conn, user_id: UserId, connection_id: ConnectionId, *, balances_only: bool = False
) -> LastRefresh:
    """Return how lately a connection, which is locked, was refreshed; with `balances_only` of balances at least."""
    row = await conn.fetchrow(SQL.last_refresh, user_id, connection_id, balances_only)
    if row is None:
        raise LookupError(f"there is no connection {connection_id} of person {user_id}")
    return LastRefresh(**dict(row))


async def reactivate(
    conn: Conn, user_id: UserId, connection_id: ConnectionId, login_hint: str, login_key: bytes, webhook_key: bytes
) -> None:
    """Note that a connection has a login again that works; another one than before is read from its beginning."""
    await conn.execute(SQL.reactivate, user_id, connection_id, login_hint, login_key, webhook_key)


async def renew(conn: Conn, user_id: UserId, connection_id: ConnectionId) -> None:
    """Note that the login of a connection works again as it is."""
    await conn.execute(SQL.renew, user_id, connection_id)


async def disconnect(conn: Conn, user_id: UserId, connection_id: ConnectionId, now: datetime) -> None:
    """End a connection; accounts and transactions stay."""
    await conn.execute(SQL.disconnect, user_id, connection_id, now)


async def close_runs(
    conn: Conn, user_id: UserId, connection_id: ConnectionId, now: datetime, code: str, message: str
) -> list[SyncRunId]:
    """End the runs that a connection has open, with the reason, and return them."""
    rows = await conn.fetch(SQL.close_runs, user_id, connection_id, now, code, message)
    return [SyncRunId(row["run_id"]) for row in rows]


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


async def delete_transactions(conn: Conn, user_id: UserId, connection_id: ConnectionId, limit: int) -> int:
    """Remove transactions of a connection, at most `limit`; return how many went."""
    return int(await conn.fetchval(SQL.delete_transactions, user_id, connection_id, limit))


async def delete(conn: Conn, user_id: UserId, connection_id: ConnectionId) -> None:
    """Remove a connection with all that came through it."""
    await conn.execute(SQL.delete, user_id, connection_id)


async def by_webhook(conn: Conn, webhook_key: bytes) -> list[tuple[UserId, ConnectionId]]:
    """Return the connections, of whomever, whose login an institution's webhook names."""
    rows = await conn.fetch(SQL.by_webhook, webhook_key)
    return [(UserId(row["user_id"]), ConnectionId(row["connection_id"])) for row in rows]


async def want(conn: Conn, user_id: UserId, connection_id: ConnectionId, reason: str, at: datetime) -> None:
    """Note that a run is to be opened from a moment on; an earlier one that was noted stays."""
    await conn.execute(SQL.want, user_id, connection_id, at, reason)


async def wanted(conn: Conn, now: datetime, limit: int) -> list[tuple[UserId, ConnectionId]]:
    """Return connections that a run is to be opened for by now and that have none open."""
    rows = await conn.fetch(SQL.wanted, now, limit)
    return [(UserId(row["user_id"]), ConnectionId(row["connection_id"])) for row in rows]


async def settle_wanted(conn: Conn, user_id: UserId, connection_id: ConnectionId, now: datetime) -> str | None:
    """Note that the run a connection waits for is opened; return why it is, None when it does not wait any more."""
    reason: str | None = await conn.fetchval(SQL.settle_wanted, user_id, connection_id, now)
    return reason


async def note_notice(conn: Conn, user_id: UserId, connection_id: ConnectionId, notice: str, now: datetime) -> None:
    """Keep what an institution told of itself."""
    await conn.execute(SQL.note_notice, user_id, connection_id, notice, now)
