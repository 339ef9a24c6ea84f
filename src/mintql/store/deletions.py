"""Rows of `deletions` and their entries, and what deletes a person's rows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from mintql.domain.ids import DeletionId, UserId
from mintql.store.queries import Conn, load

SQL = load("deletions")
WORK_SQL = load("deletions_work")
"""Apart, because only a worker runs these."""


@dataclass(frozen=True, slots=True)
class DeletionState:
    """How far a deletion is, as who holds its token may know."""

    deletion_id: DeletionId
    step: str
    requested_at: datetime
    due_at: datetime
    finished_at: datetime | None
    digest: bytes


@dataclass(frozen=True, slots=True)
class DeletionEntry:
    """What was removed, and the digest of everything up to here."""

    position: int
    what: str
    removed: int
    done_at: datetime
    digest: bytes


@dataclass(frozen=True, slots=True)
class DeletionWork:
    """A deletion that this process has claimed. `log_scanned_to` is None where no old files are looked through."""

    deletion_id: DeletionId
    subject_user_id: UserId
    step: str
    requested_at: datetime
    attempt: int
    log_scanned_to: str | None
    position: int
    digest: bytes


async def begin(conn: Conn, token_hash: bytes, step: str, now: datetime) -> DeletionId:
    """Begin the deletion of the person that the transaction is bound to."""
    return DeletionId(await conn.fetchval(SQL.begin, token_hash, step, now))


async def by_token(conn: Conn, token_hash: bytes) -> DeletionState | None:
    """Return how far a deletion is."""
    row = await conn.fetchrow(SQL.by_token, token_hash)
    return None if row is None else DeletionState(**dict(row))


async def entries_by_token(conn: Conn, token_hash: bytes, after: int, limit: int) -> list[DeletionEntry]:
    """Return what a deletion has removed, in its order."""
    return [DeletionEntry(**dict(row)) for row in await conn.fetch(SQL.entries_by_token, token_hash, after, limit)]


async def empty_profile(conn: Conn, user_id: UserId, email: str) -> None:
    """Take from a person's row who they are; `email` is what stands in its place."""
    await conn.execute(SQL.empty_profile, user_id, email)


async def claim(conn: Conn, deletion_id: DeletionId, now: datetime, lease_until: datetime) -> DeletionWork | None:
    """Take a deletion that is due; None when it is not, or another one is at it."""
    row = await conn.fetchrow(WORK_SQL.claim, deletion_id, now, lease_until)
    return None if row is None else DeletionWork(**dict(row))


async def hold(conn: Conn, work: DeletionWork) -> bool:
    """Lock a claimed deletion; False when it is claimed anew by somebody else."""
    return await conn.fetchrow(WORK_SQL.hold, work.deletion_id, work.attempt) is not None


async def insert_entry(conn: Conn, deletion_id: DeletionId, entry: DeletionEntry) -> None:
    """Append what was removed."""
    await conn.execute(
        WORK_SQL.insert_entry, deletion_id, entry.position, entry.what, entry.removed, entry.done_at, entry.digest
    )


async def advance(conn: Conn, work: DeletionWork, due_at: datetime) -> None:
    """Write how far a deletion is, and give it back."""
    await conn.execute(
        WORK_SQL.advance, work.deletion_id, work.step, due_at, work.log_scanned_to, work.position, work.digest
    )


async def finish(conn: Conn, deletion_id: DeletionId, step: str, now: datetime) -> None:
    """Write that a deletion is done, and forget whose it was."""
    await conn.execute(WORK_SQL.finish, deletion_id, step, now)


async def due(conn: Conn, now: datetime, limit: int) -> list[DeletionId]:
    """Return deletions that are due and that nobody is at."""
    return [DeletionId(row["deletion_id"]) for row in await conn.fetch(WORK_SQL.due, now, limit)]


async def first_in_steps(conn: Conn, deletion_id: DeletionId, steps: Collection[str]) -> bool:
    """Tell whether no earlier deletion is in one of these steps."""
    return bool(await conn.fetchval(WORK_SQL.first_in_steps, deletion_id, list(steps)))


async def delete_rows(conn: Conn, user_id: UserId, rows_max: int) -> tuple[str, int] | None:
    """Delete rows of a person from the first table that has some; say from which and how many."""
    row = await conn.fetchrow(WORK_SQL.delete_rows, user_id, rows_max)
    return None if row is None else (row["what"], row["removed"])


async def delete_person(conn: Conn, user_id: UserId) -> bool:
    """Delete a person's own row."""
    return await conn.fetchval(WORK_SQL.delete_person, user_id) is not None


async def remnants(conn: Conn, user_id: UserId) -> list[str]:
    """Return tables that still hold rows of a person."""
    return [row["name"] for row in await conn.fetch(WORK_SQL.remnants, user_id)]


async def farewells_left(conn: Conn, user_id: UserId) -> int:
    """Return how many institutions have still to be told."""
    return int(await conn.fetchval(WORK_SQL.farewells_left, user_id))
