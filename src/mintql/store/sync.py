"""Rows of `sync_runs`, `raw_objects` and the sync state of `connections`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import asyncpg
import orjson

from mintql.domain.ids import ConnectionId, ImportId, RawObjectId, SyncRunId, UserId
from mintql.store.queries import Conn, load
from mintql.store.sync_rows import (
    Claim,
    Extracted,
    Extraction,
    Finished,
    Ingestion,
    RawObject,
    RowCounts,
    RunKey,
    StoredPage,
    Wanted,
)

__all__ = [
    "Claim",
    "Extracted",
    "Extraction",
    "Finished",
    "Ingestion",
    "Progress",
    "RawObject",
    "RowCounts",
    "RunKey",
    "StoredPage",
    "Wanted",
]

SQL = load("sync")


Progress = asyncpg.Record
"""What a run has done so far: the columns that the query `progress` names."""


def _columns(keys: Sequence[RunKey]) -> tuple[list[int], list[int]]:
    return [key.user_id for key in keys], [key.run_id for key in keys]


def _holds(claims: Sequence[Claim]) -> tuple[list[Any], ...]:
    """Return keys and holds as columns."""
    holds = [claim.hold for claim in claims]
    return (
        *_columns([claim.key for claim in claims]),
        [hold.state for hold in holds],
        [hold.attempt for hold in holds],
        [hold.ingest_attempt for hold in holds],
    )


async def open_run(
    conn: Conn, user_id: UserId, connection_id: ConnectionId, wanted: Wanted, now: datetime, carry: timedelta
) -> SyncRunId | None:
    """Open a run; None when the connection has one open, is disconnected, or is not this person's."""
    what = (wanted.balances_only, wanted.import_id, wanted.background)
    run_id = await conn.fetchval(
        SQL.open_run, user_id, connection_id, wanted.reason, now.date(), now, now + carry, *what
    )
    return None if run_id is None else SyncRunId(run_id)


async def hurry_run(
    conn: Conn, user_id: UserId, connection_id: ConnectionId, now: datetime, carry: timedelta
) -> tuple[SyncRunId, str] | None:
    """Make the open run of a connection due now; return it and its state, None where that changes nothing."""
    row = await conn.fetchrow(SQL.hurry_run, user_id, connection_id, now, now + carry)
    return None if row is None else (SyncRunId(row["run_id"]), row["state"])


async def open_run_of(
    conn: Conn, user_id: UserId, connection_id: ConnectionId, wanted: Wanted
) -> tuple[SyncRunId, bool] | None:
    """Return the run that is open for a connection, or the run of an import, open or not.

    And whether it falls short of what is wanted: it is of balances alone, and has begun.
    """
    if wanted.import_id is not None:
        row = await conn.fetchrow(SQL.run_of_import, user_id, wanted.import_id)
    else:
        row = await conn.fetchrow(SQL.open_run_of, user_id, connection_id, None, wanted.balances_only)
    return None if row is None else (SyncRunId(row["run_id"]), row["falls_short"])


async def daily_ranges(
    conn: Conn,
    active_since: date,
    day: date,
    turn: int,
    after: tuple[UserId, ConnectionId],
    limit: int,
    size: int,
) -> tuple[list[tuple[UserId, ConnectionId]], bool]:
    """Cut the next page of connections that the daily refresh is still for into ranges of `size`.

    Returns:
        The last key of each range, which begins after the one before; and whether the page was full.
    """
    rows = await conn.fetch(SQL.daily_ranges, active_since, day, turn, *after, limit, size)
    ends = [(UserId(row["user_id"]), ConnectionId(row["connection_id"])) for row in rows]
    return ends, bool(rows) and rows[-1]["place"] == limit


async def open_daily_runs(
    conn: Conn,
    active_since: date,
    day: date,
    turn: int,
    after: tuple[UserId, ConnectionId],
    through: tuple[UserId, ConnectionId],
    now: datetime,
    carried_until: datetime,
) -> list[RunKey]:
    """Open the runs of the day of a range of connections; return those that were not there yet."""
    rows = await conn.fetch(SQL.open_daily_runs, active_since, day, turn, *after, *through, now, carried_until)
    return [RunKey(row["user_id"], row["run_id"]) for row in rows]


async def claim_extraction(conn: Conn, keys: Sequence[RunKey], now: datetime, lease: timedelta) -> list[Extraction]:
    """Take the runs that may be extracted now."""
    rows = await conn.fetch(SQL.claim_extraction, *_columns(keys), now, now + lease)
    return [
        Extraction(
            key=RunKey(row["user_id"], row["run_id"]),
            connection_id=ConnectionId(row["connection_id"]),
            attempt=row["attempt"],
            ingest_attempt=row["ingest_attempt"],
            reason=row["reason"],
            institution_id=row["institution_id"],
            sync_cursor=row["sync_cursor"],
            synced_through=row["synced_through"],
            key_version=row["key_version"],
            wrapped_key=row["wrapped_key"] or b"",
            ciphertext=row["ciphertext"] or b"",
            balances_only=row["balances_only"],
            import_id=row["import_id"],
        )
        for row in rows
    ]


async def extend_leases(conn: Conn, claims: Sequence[Claim], now: datetime, lease: timedelta) -> int:
    """Say that the worker of these runs is alive; return how many leases were extended."""
    return int(await conn.fetchval(SQL.extend_leases, *_holds(claims), now + lease))


async def release_leases(conn: Conn, claims: Sequence[Claim], now: datetime) -> int:
    """Put runs back that are still their worker's, due at once; return how many."""
    return int(await conn.fetchval(SQL.release_leases, *_holds(claims), now))


async def object_keys_of_run(conn: Conn, key: RunKey) -> set[str]:
    """Return where the raw pages of a run lie that are known, of all its attempts."""
    return {row["object_key"] for row in await conn.fetch(SQL.object_keys_of_run, *key)}


async def note_page(conn: Conn, key: RunKey, attempt: int, pages: int) -> bool:
    """Count a stored page; False when the run is no longer this attempt's."""
    return await conn.fetchval(SQL.note_page, *key, attempt, pages) is not None


async def finish_extractions(conn: Conn, finished: Sequence[Finished], now: datetime, carry: timedelta) -> set[RunKey]:
    """Record that all pages of these runs are stored; return those that were still these attempts'."""
    users, ids = _columns([item.run.key for item in finished])
    rows = await conn.fetch(
        SQL.finish_extractions,
        users,
        ids,
        [item.run.attempt for item in finished],
        [len(item.pages) for item in finished],
        [item.brought.window[0] if item.brought.window else None for item in finished],
        [item.brought.window[1] if item.brought.window else None for item in finished],
        [item.brought.cursor for item in finished],
        [item.brought.whole for item in finished],
        [orjson.dumps(list(item.brought.failures)).decode() for item in finished],
        now,
        now + carry,
    )
    held = {RunKey(row["user_id"], row["run_id"]) for row in rows}
    stored = _page_columns((item.run.key, item.run.attempt, item.pages) for item in finished if item.run.key in held)
    if stored:
        await conn.execute(SQL.insert_raw_objects, *stored)
    return held


async def take_request(conn: Conn, user_id: UserId, connection_id: ConnectionId, day: date, requests_max: int) -> bool:
    """Take one of the requests a connection may make on a day; False when they are used up."""
    return await conn.fetchval(SQL.take_request, user_id, connection_id, day, requests_max) is not None


async def import_of(conn: Conn, user_id: UserId, import_id: ImportId) -> tuple[str, bytes, int] | None:
    """Return key, sha256 and size in bytes of an imported file."""
    row = await conn.fetchrow(SQL.import_of, user_id, import_id)
    return None if row is None else (row["object_key"], row["sha256"], row["size_bytes"])


async def insert_abandoned_objects(conn: Conn, extractions: Sequence[tuple[RunKey, int, Sequence[StoredPage]]]) -> None:
    """Record raw pages of (run, attempt, pages) of attempts that failed, unless they are recorded already."""
    if pages := _page_columns(extractions):
        await conn.execute(SQL.insert_abandoned_objects, *pages)


def _page_columns(extractions: Iterable[tuple[RunKey, int, Sequence[StoredPage]]]) -> list[list[Any]]:
    """Return the columns of raw pages, none where there are no pages."""
    pages = [
        (*key, attempt, page.page, page.object_key, page.sha256, page.size_bytes, page.content_type)
        for key, attempt, pages in extractions
        for page in pages
    ]
    return [list(column) for column in zip(*pages, strict=True)]


async def lock_link(conn: Conn, claim: Claim) -> bool:
    """Lock the connection of a run, as everybody does before its runs.

    Returns:
        Whether it has been given another login since this worker took the run; False when it is gone.
    """
    tried = claim.ciphertext if isinstance(claim, Extraction) and claim.key_version is not None else None
    return bool(await conn.fetchval(SQL.lock_link, claim.key.user_id, claim.connection_id, tried))


async def retry_run(conn: Conn, claim: Claim, state: str, at: datetime, code: str, message: str) -> bool:
    """Put a run back into `state`, to be tried at `at`; False when this worker no longer holds it."""
    return await conn.fetchval(SQL.retry_run, *claim.key, *claim.hold, state, at, code, message) is not None


async def fail_run(conn: Conn, claim: Claim, now: datetime, code: str, message: str) -> bool:
    """End a run as failed; False when this worker no longer holds it."""
    return await conn.fetchval(SQL.fail_run, *claim.key, *claim.hold, now, code, message) is not None


async def bury_objects(conn: Conn, key: RunKey, reason: str) -> None:
    """Mark pages of a run that ended without being ingested as dead."""
    await conn.execute(SQL.bury_objects, *key, reason)


async def note_failure(
    conn: Conn,
    user_id: UserId,
    connection_id: ConnectionId,
    code: str,
    message: str,
    action: str,
    next_attempt_at: datetime | None,
    *,
    action_required: bool,
) -> None:
    """Write onto the connection what went wrong and what comes next."""
    await conn.execute(
        SQL.note_failure, user_id, connection_id, code, message, action, next_attempt_at, action_required
    )


async def claim_ingest(conn: Conn, keys: Sequence[RunKey], now: datetime, lease: timedelta) -> list[Ingestion]:
    """Take the runs that may be ingested now."""
    rows = await conn.fetch(SQL.claim_ingest, *_columns(keys), now, now + lease)
    return [_ingestion(row, is_claimed=True) for row in rows]


async def take_fetched(conn: Conn, keys: Sequence[RunKey], carried_until: datetime) -> list[Ingestion]:
    """Return those of the runs a job has just fetched that it may ingest without a claim: nobody else does so yet."""
    rows = await conn.fetch(SQL.take_fetched, *_columns(keys), carried_until)
    return [_ingestion(row, is_claimed=False) for row in rows]


def _ingestion(row: asyncpg.Record, *, is_claimed: bool) -> Ingestion:
    return Ingestion(
        key=RunKey(row["user_id"], row["run_id"]),
        connection_id=ConnectionId(row["connection_id"]),
        attempt=row["attempt"],
        ingest_attempt=row["ingest_attempt"],
        reason=row["reason"],
        institution_id=row["institution_id"],
        window_first=row["window_first"],
        window_last=row["window_last"],
        synced_through=row["synced_through"],
        import_id=row["import_id"],
        whole=row["whole"],
        balances_only=row["balances_only"],
        account_failures=orjson.loads(row["account_failures"]),
        background=row["background"],
        is_claimed=is_claimed,
    )


async def raw_objects_of_runs(conn: Conn, runs: Sequence[tuple[RunKey, int]]) -> list[RawObject]:
    """Return the raw pages of these (run, attempt), in the order they were fetched."""
    users, ids = _columns([key for key, _ in runs])
    return [
        RawObject(
            run=RunKey(row["user_id"], row["run_id"]),
            object_id=RawObjectId(row["object_id"]),
            page=row["page"],
            object_key=row["object_key"],
            sha256=row["sha256"],
            state=row["state"],
        )
        for row in await conn.fetch(SQL.raw_objects_of_runs, users, ids, [attempt for _, attempt in runs])
    ]


async def lock_ingesting(conn: Conn, runs: Sequence[Ingestion]) -> set[RunKey]:
    """Lock these runs; return those that are still this worker's to ingest."""
    rows = await conn.fetch(SQL.lock_ingesting, *_holds(runs))
    return {RunKey(row["user_id"], row["run_id"]) for row in rows}


async def note_rows(
    conn: Conn, counts: Sequence[RowCounts], ended: Mapping[RunKey, Sequence[str]], now: datetime
) -> list[Progress]:
    """Add to the counts of runs, and end those that have succeeded, each with its institution's notices.

    Returns:
        Their progress, `ended` or not.
    """
    users, ids = _columns([item.run for item in counts])
    return await conn.fetch(
        SQL.note_rows,
        users,
        ids,
        [item.total for item in counts],
        [item.done for item in counts],
        [item.added for item in counts],
        [item.changed for item in counts],
        [item.removed for item in counts],
        [item.quarantined for item in counts],
        [item.matched for item in counts],
        [orjson.dumps(list(ended[item.run])).decode() if item.run in ended else None for item in counts],
        now,
    )


async def advance_connections(conn: Conn, ended: Iterable[RunKey], now: datetime, next_attempt_at: datetime) -> None:
    """Move connections past what their runs, which have succeeded, brought."""
    if keys := list(ended):
        await conn.execute(SQL.advance_connections, *_columns(keys), now, next_attempt_at)


async def start_over(conn: Conn, connections: Sequence[tuple[UserId, ConnectionId]]) -> None:
    """Make connections be read from their beginning with their next run."""
    if not connections:
        return
    users, ids = [user_id for user_id, _ in connections], [connection_id for _, connection_id in connections]
    await conn.execute(SQL.start_over, users, ids)


async def settle_raw_objects(
    conn: Conn, settled: Sequence[tuple[UserId, RawObjectId, str, str | None]], now: datetime
) -> None:
    """Record what became of raw pages: (person, object, `ingested` or `dead`, reason)."""
    if settled:
        await conn.execute(SQL.settle_raw_objects, *[list(column) for column in zip(*settled, strict=True)], now)


async def quarantine(conn: Conn, rows: Sequence[tuple[UserId, RawObjectId, int, str, str, str]]) -> None:
    """Keep unreadable rows: (person, object, position, account external id, reason, excerpt)."""
    if rows:
        await conn.execute(SQL.quarantine, *[list(column) for column in zip(*rows, strict=True)])


async def progress(conn: Conn, key: RunKey) -> Progress | None:
    """Return what a run has done so far."""
    return await conn.fetchrow(SQL.progress, *key)


async def take_due(
    conn: Conn,
    now: datetime,
    limit: int,
    carry_seconds: float,
    carry_seconds_max: float,
    *,
    background: bool,
    idle: bool,
) -> list[tuple[RunKey, str]]:
    """Return due runs (and their state) that no job carries, marking them as carried: in the background, or others.

    `idle` says that their queue is empty, so that jobs that were sent again are lost if nobody has claimed their runs.
    """
    sql = SQL.take_due_background if background else SQL.take_due
    rows = await conn.fetch(sql, now, limit, carry_seconds, carry_seconds_max, idle)
    return [(RunKey(row["user_id"], row["run_id"]), row["state"]) for row in rows]


async def purge_sessions(conn: Conn, before: datetime, limit: int) -> int:
    """Forget ended sessions, at most `limit`; return how many went."""
    return int(await conn.fetchval(SQL.purge_sessions, before, limit))
