"""Bring a database to the newest schema: plain SQL files, in order, each applied once and never changed."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import asyncpg

from mintql.store.hosts import connect

LOCK_ID = 0x6D696E74716C
"""Any constant will do; these bytes spell the project's name."""
LOCK_TIMEOUT_SECONDS = 60.0
LOCK_POLL_SECONDS = 0.1
CONNECT_TIMEOUT_SECONDS = 10.0
TABLE_LOCK_SECONDS = 2.0
"""How long a file waits for the lock of a table, while whoever comes after it waits behind it."""
TABLE_LOCK_TRIES = 30
TABLE_LOCK_PAUSE_SECONDS = 1.0
"""Between tries: those who waited behind it go on meanwhile."""
NO_TRANSACTION_MARK = "-- mintql: no-transaction"

_FILE_NAME = re.compile(r"(?P<version>\d{4})_[a-z0-9_]+\.sql")
_MAKE_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version int PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""
_LIST_APPLIED = "SELECT version, name, sha256 FROM schema_migrations ORDER BY version"
_RECORD = "INSERT INTO schema_migrations (version, name, sha256) VALUES ($1, $2, $3)"

_Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class MigrationError(Exception):
    """The database cannot be migrated; nothing was changed by the file that failed, unless it says so."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file. `transactional` is false where its text holds the line `-- mintql: no-transaction`.

    Such a file holds a single statement (CREATE INDEX CONCURRENTLY, say) that may be run again after a failure.
    """

    version: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """Return the checksum that is recorded when the file is applied."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def transactional(self) -> bool:
        """Tell whether it runs in a transaction, as all do that do not opt out."""
        return NO_TRANSACTION_MARK not in self.sql.splitlines()


def migrations_directory() -> Path:
    """Return the folder of migrations: that of the installed wheel, else that of the repository."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_migrations"
    return installed if installed.is_dir() else package.parents[1] / "migrations"


def read_migrations(directory: Path) -> list[Migration]:
    """Return the migrations of a folder in order.

    Raises:
        MigrationError: There are none, a name is not `NNNN_words.sql`, or a number is missing or used twice.
    """
    found: list[Migration] = []
    for path in sorted(directory.glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"{path}: a migration is named like 0002_what_it_does.sql")
        found.append(Migration(int(match["version"]), path.name, path.read_text(encoding="utf-8")))
    if not found:
        raise MigrationError(f"there are no migrations in {directory}")
    for expected, migration in enumerate(found, start=1):
        if migration.version != expected:
            raise MigrationError(f"{migration.name}: the next number is {expected:04}, each used once")
    return found


async def migrate(
    database_url: str, directory: Path | None = None, *, lock_timeout_seconds: float = LOCK_TIMEOUT_SECONDS
) -> list[str]:
    """Apply what is missing; return the names of the files applied, none when all was done already.

    Safe to start from many processes at once: one works, the others wait and find it done.

    Raises:
        MigrationError: An applied file was changed or is missing, a file fails, or the lock stays taken.
    """
    migrations = read_migrations(directory or migrations_directory())
    conn = await connect(database_url, seconds=CONNECT_TIMEOUT_SECONDS)
    try:
        async with _lock(conn, lock_timeout_seconds):
            await conn.execute(_MAKE_TABLE)
            due = pending(migrations, await conn.fetch(_LIST_APPLIED))
            for migration in due:
                await _apply(conn, migration)
            return [migration.name for migration in due]
    finally:
        await conn.close()


async def pending_names(database_url: str, directory: Path | None = None) -> list[str]:
    """Return the names of the files not applied yet, without changing anything."""
    migrations = read_migrations(directory or migrations_directory())
    conn = await connect(database_url, seconds=CONNECT_TIMEOUT_SECONDS)
    try:
        if await conn.fetchval("SELECT to_regclass('schema_migrations')") is None:
            return [migration.name for migration in migrations]
        return [migration.name for migration in pending(migrations, await conn.fetch(_LIST_APPLIED))]
    finally:
        await conn.close()


def pending(migrations: Sequence[Migration], applied: Sequence[asyncpg.Record]) -> list[Migration]:
    """Return the migrations that are not applied yet; raise `MigrationError` when history does not agree."""
    by_version = {migration.version: migration for migration in migrations}
    for row in applied:
        migration = by_version.pop(row["version"], None)
        if migration is None:
            raise MigrationError(
                f"the database has had {row['name']}, which is not here: this is older code than the database's"
            )
        if migration.sha256 != row["sha256"]:
            raise MigrationError(
                f"{migration.name} was changed after it was applied: put it back, and write a new migration instead"
            )
    newest_applied = max((row["version"] for row in applied), default=0)
    for migration in by_version.values():
        if migration.version < newest_applied:
            raise MigrationError(f"{migration.name} was skipped: the database has had later ones")
    return list(by_version.values())


async def _apply(conn: _Connection, migration: Migration) -> None:
    record = (migration.version, migration.name, migration.sha256)
    try:
        if migration.transactional:
            await _apply_whole(conn, migration, record)
        else:
            await conn.execute(migration.sql)
            await conn.execute(_RECORD, *record)
    except asyncpg.PostgresError as error:
        left = "nothing of it was kept" if migration.transactional else "what it did until then was kept"
        raise MigrationError(f"{migration.name} failed, {left}: {error}") from error


async def _apply_whole(conn: _Connection, migration: Migration, record: tuple[int, str, str]) -> None:
    """Apply a file in one transaction, begun again where a table it changes stays in use for too long.

    Beside the version before it, which goes on working: a lock that is waited for holds up all that want the table.
    """
    for left in reversed(range(TABLE_LOCK_TRIES)):
        try:
            async with conn.transaction():
                await conn.execute(f"SET LOCAL lock_timeout = '{TABLE_LOCK_SECONDS:g}s'")
                await conn.execute(migration.sql)
                await conn.execute(_RECORD, *record)
        except asyncpg.LockNotAvailableError:
            if not left:
                raise
            await asyncio.sleep(TABLE_LOCK_PAUSE_SECONDS)
        else:
            return


@asynccontextmanager
async def _lock(conn: _Connection, timeout_seconds: float) -> AsyncIterator[None]:
    """Hold the advisory lock, got by asking again and again.

    A session that waits for it inside PostgreSQL holds a snapshot, and CREATE INDEX CONCURRENTLY in the
    session that works would wait for that one in turn.
    """
    deadline = time.monotonic() + timeout_seconds
    while not await conn.fetchval("SELECT pg_try_advisory_lock($1)", LOCK_ID):
        if time.monotonic() > deadline:
            raise MigrationError(f"another process has been migrating for more than {timeout_seconds:g} s")
        await asyncio.sleep(LOCK_POLL_SECONDS)
    try:
        yield
    finally:
        if not conn.is_closed():
            await conn.execute("SELECT pg_advisory_unlock($1)", LOCK_ID)
