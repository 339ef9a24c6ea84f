"""Sync runs as their person looks at them: the history of a connection, the raw pages and the bad rows of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import asyncpg

from mintql.domain.ids import AccountId, ConnectionId, RawObjectId, SyncRunId, UserId
from mintql.store.queries import Conn, load

SQL = load("runs_read")

NEWEST = 2**63 - 1
"""Greater than any id: the history before it is all of it."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """A sync run. `notices` are the institution's own words to the person."""

    run_id: SyncRunId
    connection_id: ConnectionId
    reason: str
    state: str
    balances_only: bool
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    pages: int
    rows_total: int
    rows_done: int
    rows_added: int
    rows_changed: int
    rows_removed: int
    rows_matched: int
    rows_quarantined: int
    notices: tuple[str, ...]
    error_code: str | None
    error_message: str | None


@dataclass(frozen=True, slots=True)
class QuarantinedRow:
    """A row that could not be read: on which page of which run it stood, where, why, and how it begins."""

    object_id: RawObjectId
    page: int
    position: int
    reason: str
    excerpt: str
    account_id: AccountId | None


@dataclass(frozen=True, slots=True)
class RawPageRow:
    """An answer of an institution, or a file, as it was put into the object store. `sha256` is of its content."""

    object_id: RawObjectId
    run_id: SyncRunId
    attempt: int
    page: int
    sha256: bytes
    size_bytes: int
    content_type: str
    state: str
    error: str | None
    stored_at: datetime
    ingested_at: datetime | None


class HistoryPage(NamedTuple):
    """Asks for up to `size` runs of a connection before one."""

    connection_id: ConnectionId
    size: int
    before_id: int = NEWEST


class QuarantinePage(NamedTuple):
    """Asks for up to `size` bad rows of a run after one, which is named by its page's object and its position."""

    run_id: SyncRunId
    size: int
    after_object_id: int = -1
    after_position: int = -1


class RawPagesPage(NamedTuple):
    """Asks for up to `size` raw pages of a run after one, which is named by its attempt and its number."""

    run_id: SyncRunId
    size: int
    after_attempt: int = -1
    after_page: int = -1


async def runs(conn: Conn, user_id: UserId, run_ids: Sequence[SyncRunId]) -> dict[SyncRunId, RunRow]:
    """Return sync runs of a person by their ids."""
    rows = await conn.fetch(SQL.by_ids, user_id, list(run_ids))
    return {row["run_id"]: run_row(row) for row in rows}


async def history(conn: Conn, user_id: UserId, asked: Sequence[HistoryPage]) -> list[list[RunRow]]:
    """Return for each page asked for its runs, newest first."""
    rows = await conn.fetch(
        SQL.history,
        user_id,
        list(range(len(asked))),
        [page.connection_id for page in asked],
        [page.before_id for page in asked],
        [page.size for page in asked],
    )
    found: list[list[RunRow]] = [[] for _ in asked]
    for row in rows:
        found[row["place"]].append(run_row(row))
    return found


async def quarantined(conn: Conn, user_id: UserId, asked: Sequence[QuarantinePage]) -> list[list[QuarantinedRow]]:
    """Return for each page asked for its bad rows, in the order of the raw pages."""
    rows = await conn.fetch(
        SQL.quarantined,
        user_id,
        list(range(len(asked))),
        [page.run_id for page in asked],
        [page.after_object_id for page in asked],
        [page.after_position for page in asked],
        [page.size for page in asked],
    )
    found: list[list[QuarantinedRow]] = [[] for _ in asked]
    for row in rows:
        columns = dict(row)
        found[columns.pop("place")].append(QuarantinedRow(**columns))
    return found


async def raw_pages(conn: Conn, user_id: UserId, asked: Sequence[RawPagesPage]) -> list[list[RawPageRow]]:
    """Return for each page asked for its raw pages, in the order they were stored."""
    rows = await conn.fetch(
        SQL.raw_pages,
        user_id,
        list(range(len(asked))),
        [page.run_id for page in asked],
        [page.after_attempt for page in asked],
        [page.after_page for page in asked],
        [page.size for page in asked],
    )
    found: list[list[RawPageRow]] = [[] for _ in asked]
    for row in rows:
        columns = dict(row)
        found[columns.pop("place")].append(RawPageRow(**columns))
    return found


async def raw_pages_by_ids(
    conn: Conn, user_id: UserId, object_ids: Sequence[RawObjectId]
) -> dict[RawObjectId, RawPageRow]:
    """Return raw pages of a person by their ids."""
    rows = await conn.fetch(SQL.raw_pages_by_ids, user_id, list(object_ids))
    return {row["object_id"]: RawPageRow(**dict(row)) for row in rows}


def run_row(row: asyncpg.Record) -> RunRow:
    """Return the run of a row that has its columns, some of them under names of their own."""
    return RunRow(
        run_id=SyncRunId(row["run_id"]),
        connection_id=ConnectionId(row["connection_id"]),
        reason=row["reason"],
        state=row["state"],
        balances_only=row["balances_only"],
        created_at=row["run_created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        pages=row["pages"],
        rows_total=row["rows_total"],
        rows_done=row["rows_done"],
        rows_added=row["rows_added"],
        rows_changed=row["rows_changed"],
        rows_removed=row["rows_removed"],
        rows_matched=row["rows_matched"],
        rows_quarantined=row["rows_quarantined"],
        notices=tuple(row["notices"]),
        error_code=row["run_error_code"],
        error_message=row["run_error_message"],
    )
