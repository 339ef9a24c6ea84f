"""Rows of `file_imports` and `file_profiles`, and what an import that is taken back changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import asyncpg
import orjson

from mintql.domain.ids import AccountId, ConnectionId, ImportId, SyncRunId, TransactionId, UserId
from mintql.domain.ingest import StoredRow
from mintql.domain.institutions import AccountKind
from mintql.store.queries import Conn, load

SQL = load("imports")


@dataclass(frozen=True, slots=True)
class ImportRow:
    """A file as stored. `plan` is the JSON of an `ImportPlan`."""

    import_id: ImportId
    connection_id: ConnectionId
    state: str
    file_name: str
    object_key: str
    sha256: bytes
    size_bytes: int
    kind: str
    signature: str
    plan: Mapping[str, Any]
    created_at: datetime
    decided_at: datetime | None


@dataclass(frozen=True, slots=True)
class TargetAccount:
    """An account that a statement of a file may go into.

    `former_external_ids` are those that it went by before, those of accounts that were merged into it among them.
    """

    account_id: AccountId
    connection_id: ConnectionId
    external_id: str
    name: str
    kind: AccountKind
    mask: str
    currency: str
    balance_at: datetime | None
    institution_id: str
    former_external_ids: tuple[str, ...] = ()

    def goes_by(self, external_id: str) -> bool:
        """Tell whether this is the account that files know by an id."""
        return self.external_id == external_id or external_id in self.former_external_ids


class ImportRun(NamedTuple):
    """The run that brings a file in, and how far it is."""

    run_id: SyncRunId
    state: str


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What undoing an import did: rows that count no more and rows that do again, each with its day, and where."""

    removed: dict[TransactionId, date]
    restored: dict[TransactionId, date]
    account_ids: set[AccountId]


async def take_id(conn: Conn) -> ImportId:
    """Take an id for a file; one that is not used then is lost, which is no harm."""
    return ImportId(await conn.fetchval(SQL.take_id))


async def open_connection(
    conn: Conn, user_id: UserId, institution_id: str, name: str, login_key: bytes, now: datetime
) -> ConnectionId:
    """Return the connection that a person's files come through; `login_key` is the same for all."""
    return ConnectionId(await conn.fetchval(SQL.open_connection, user_id, institution_id, name, login_key, now))


async def forget_unused_connection(conn: Conn, user_id: UserId, connection_id: ConnectionId) -> None:
    """Remove the connection of files again when none came through it."""
    await conn.execute(SQL.forget_unused_connection, user_id, connection_id)


async def insert(conn: Conn, user_id: UserId, row: ImportRow) -> None:
    """Store a file in state `previewed`."""
    await conn.execute(
        SQL.insert,
        user_id,
        row.import_id,
        row.connection_id,
        row.file_name,
        row.object_key,
        row.sha256,
        row.size_bytes,
        row.kind,
        row.signature,
        orjson.dumps(row.plan).decode(),
        row.created_at,
    )


async def lock(conn: Conn, user_id: UserId, import_id: ImportId) -> ImportRow | None:
    """Lock a file against other writers until the transaction ends."""
    row = await conn.fetchrow(SQL.lock, user_id, import_id)
    return None if row is None else _import(row)


async def by_ids(conn: Conn, user_id: UserId, import_ids: Sequence[ImportId]) -> dict[ImportId, ImportRow]:
    """Return a person's files by their ids."""
    rows = await conn.fetch(SQL.by_ids, user_id, list(import_ids))
    return {row["import_id"]: _import(row) for row in rows}


async def before(conn: Conn, user_id: UserId, import_id: ImportId, limit: int) -> list[ImportRow]:
    """Return files older than one, newest first."""
    return [_import(row) for row in await conn.fetch(SQL.before, user_id, import_id, limit)]


async def previewed_beyond(conn: Conn, user_id: UserId, newest: int) -> list[tuple[ImportId, str]]:
    """Return id and object key of files that wait to be confirmed, without the newest so many."""
    rows = await conn.fetch(SQL.previewed_beyond, user_id, newest)
    return [(ImportId(row["import_id"]), row["object_key"]) for row in rows]


async def same_file(conn: Conn, user_id: UserId, sha256: bytes) -> tuple[str, datetime] | None:
    """Return under what name and when a person last imported exactly this file."""
    row = await conn.fetchrow(SQL.same_file, user_id, sha256)
    return None if row is None else (row["file_name"], row["decided_at"])


async def change_plan(
    conn: Conn, user_id: UserId, import_id: ImportId, kind: str, signature: str, plan: Mapping[str, Any]
) -> None:
    """Write how a file is read now."""
    await conn.execute(SQL.change_plan, user_id, import_id, kind, signature, orjson.dumps(plan).decode())


async def settle(conn: Conn, user_id: UserId, import_ids: Sequence[ImportId], state: str, now: datetime) -> None:
    """Write what the person decided about files."""
    await conn.execute(SQL.settle, user_id, list(import_ids), state, now)


async def profile(conn: Conn, user_id: UserId, signature: str) -> Mapping[str, Any] | None:
    """Return how a person had files of this sort read before."""
    plan = await conn.fetchval(SQL.profile, user_id, signature)
    return None if plan is None else orjson.loads(plan)


async def put_profile(conn: Conn, user_id: UserId, signature: str, plan: Mapping[str, Any], now: datetime) -> None:
    """Remember how files of this sort are read."""
    await conn.execute(SQL.put_profile, user_id, signature, orjson.dumps(plan).decode(), now)


async def accounts(conn: Conn, user_id: UserId, *, ended: bool = False) -> list[TargetAccount]:
    """Return the accounts that files may go into, oldest first; with `ended` those of ended connections too."""
    return [_target(row) for row in await conn.fetch(SQL.accounts, user_id, ended)]


async def rows_around(
    conn: Conn, user_id: UserId, account_ids: Sequence[AccountId], first: date, last: date
) -> dict[AccountId, list[StoredRow]]:
    """Return the transactions of some accounts between two days, both included, those that count no more too."""
    found: dict[AccountId, list[StoredRow]] = {}
    for row in await conn.fetch(SQL.rows_around, user_id, list(account_ids), first, last):
        values = dict(row)
        found.setdefault(values.pop("account_id"), []).append(StoredRow(**values))
    return found


async def runs_of(conn: Conn, user_id: UserId, import_ids: Sequence[ImportId]) -> dict[ImportId, ImportRun]:
    """Return the runs that brought files in."""
    rows = await conn.fetch(SQL.runs_of, user_id, list(import_ids))
    return {row["import_id"]: ImportRun(SyncRunId(row["run_id"]), row["state"]) for row in rows}


async def run_again(
    conn: Conn, user_id: UserId, import_ids: Sequence[ImportId], now: datetime, carry: timedelta
) -> list[SyncRunId]:
    """Let the runs of files that have ended begin anew; return those."""
    rows = await conn.fetch(SQL.run_again, user_id, list(import_ids), now, now + carry)
    return [SyncRunId(row["run_id"]) for row in rows]


async def confirmed(conn: Conn, user_id: UserId) -> dict[ImportId, Mapping[str, Any]]:
    """Return the plans of the files that were taken in, oldest first."""
    return {row["import_id"]: orjson.loads(row["plan"]) for row in await conn.fetch(SQL.confirmed, user_id)}


async def take_back(conn: Conn, user_id: UserId, import_id: ImportId, now: datetime) -> TakenBack:
    """Take back the rows of a file, and let those count again that gave way to them."""
    await conn.execute(SQL.pass_over_rows, user_id, import_id, now)
    restored = await conn.fetch(SQL.restore_rows, user_id, import_id, now)
    await conn.execute(SQL.forget_matches, user_id, import_id)
    removed = await conn.fetch(SQL.remove_rows, user_id, import_id, now)
    gone = {row["transaction_id"]: row["posted_on"] for row in removed if row["counted"]}
    return TakenBack(
        removed=gone,
        restored={row["transaction_id"]: row["posted_on"] for row in restored if row["transaction_id"] not in gone},
        account_ids={row["account_id"] for row in removed},
    )


async def take_up(conn: Conn, imports: Sequence[tuple[UserId, ImportId]], now: datetime) -> None:
    """Let what a person had set on rows of imports that were taken back be on the same rows of these (person, id)."""
    if imports:
        await conn.execute(SQL.take_up, [item[0] for item in imports], [item[1] for item in imports], now)


async def forget_empty_accounts(
    conn: Conn, user_id: UserId, connection_id: ConnectionId, account_ids: Iterable[AccountId]
) -> None:
    """Remove those of these accounts that only files bring and of which no row is left."""
    await conn.execute(SQL.forget_empty_accounts, user_id, connection_id, sorted(account_ids))


def _target(row: asyncpg.Record) -> TargetAccount:
    values = dict(row)
    values |= {"kind": AccountKind(values["kind"]), "former_external_ids": tuple(values["former_external_ids"])}
    return TargetAccount(**values)


def _import(row: asyncpg.Record) -> ImportRow:
    return ImportRow(**{**dict(row), "plan": orjson.loads(row["plan"])})
