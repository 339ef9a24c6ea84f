"""Synchronising as the person and the clock ask for it: opening runs, telling how they go, ending them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from mintql.domain.errors import NotFound
from mintql.domain.ids import ConnectionId, ImportId, SyncRunId, UserId
from mintql.services.effects import Effects, Job
from mintql.services.events import NewEvent, append_events
from mintql.store import connections
from mintql.store import sync as store
from mintql.store.locks import lock_users
from mintql.store.queries import Conn
from mintql.store.sync import Progress, RunKey, Wanted

ACTIVE_DAYS = 30
"""Only persons who were active within this many days are refreshed without asking."""
CARRY_SECONDS = 5.0
CARRY_SECONDS_MAX = 300.0
"""How long a job is believed to be under way before the sweeper sends another, doubling up to the maximum."""
LEFT_OUT_AT_NOUGHT = frozenset({"rows_matched"})
"""Counts that an event names only where there is something to count: half of what is written of a run is names. Others
are named at nought as well, while processes of the version before, which miss them, may read the events."""
SWEEP_RUNS_MAX = 1_000
RUNS_PER_JOB = 50


async def open_or_join_run(
    conn: Conn,
    user_id: UserId,
    connection_id: ConnectionId,
    reason: str,
    now: datetime,
    *,
    balances_only: bool = False,
    import_id: ImportId | None = None,
    background: bool = False,
) -> tuple[SyncRunId, Effects]:
    """Open a sync run for a connection, or return the one that is open, which waits no longer.

    With `balances_only` no transactions are fetched, unless the run that is open does so. Where that is of balances
    alone and has begun, and more is wanted, a whole one follows it. An import of a file has a run of its own,
    whatever else is open. Where nobody waits for it, it is opened in the `background` and hurries no other.

    Raises:
        NotFound: The connection is not this person's, or was disconnected.
    """
    await lock_users(conn, [user_id])
    wanted = Wanted(reason, balances_only, import_id, background)
    run_id = await store.open_run(conn, user_id, connection_id, wanted, now, timedelta(seconds=CARRY_SECONDS))
    if run_id is None:
        joined = await store.open_run_of(conn, user_id, connection_id, wanted)
        if joined is None:
            raise NotFound("There is no such connection, or it was disconnected.", field="connectionId")
        run_id, falls_short = joined
        if falls_short:
            await connections.want(conn, user_id, connection_id, reason, now)
        return run_id, Effects() if background else await _hurry(conn, user_id, connection_id, now)
    effects = await tell_progress(conn, [RunKey(user_id, run_id)])
    effects.jobs.insert(0, Job("extract", ([[user_id, run_id]],)))
    return run_id, effects


async def _hurry(conn: Conn, user_id: UserId, connection_id: ConnectionId, now: datetime) -> Effects:
    """Let an open run that waits for its time begin now: the day's spread or a pause after an outage."""
    hurried = await store.hurry_run(conn, user_id, connection_id, now, timedelta(seconds=CARRY_SECONDS))
    if hurried is None:
        return Effects()
    run_id, state = hurried
    return Effects(jobs=[Job("extract" if state == "queued" else "ingest", ([[user_id, run_id]],))])


async def tell_progress(conn: Conn, keys: Iterable[RunKey]) -> Effects:
    """Append a `sync_progress` event for each run. The caller holds the persons' locks."""
    rows = [row for key in keys if (row := await store.progress(conn, key)) is not None]
    _, effects = await append_events(conn, progress_events(rows))
    effects.changed |= effects.told
    return effects


def progress_events(rows: Sequence[Progress]) -> list[NewEvent]:
    """Return a `sync_progress` event for each row of progress."""
    return [NewEvent(row["user_id"], "sync_progress", _payload(row)) for row in rows]


def _payload(row: Progress) -> dict[str, Any]:
    return {
        name: value for name, value in row.items() if name != "user_id" and (value or name not in LEFT_OUT_AT_NOUGHT)
    }


def _batches(keys: Sequence[RunKey], size: int) -> list[list[list[int]]]:
    return [[list(key) for key in keys[start : start + size]] for start in range(0, len(keys), size)]


async def sweep_runs(conn: Conn, now: datetime, idle: Collection[bool] = ()) -> Effects:
    """Find runs that are due and that no job carries: a job was lost, a worker died, a retry has come.

    `idle` are the queues that are known to hold no job: of the background (True), and of persons (False).

    Those that persons wait for are looked for by themselves, so that they never stand behind a day's runs of everybody.
    """
    effects = Effects()
    for background in (False, True):
        due = await store.take_due(
            conn, now, SWEEP_RUNS_MAX, CARRY_SECONDS, CARRY_SECONDS_MAX, background=background, idle=background in idle
        )
        for job, states in (("extract", ("queued", "extracting")), ("ingest", ("extracted", "ingesting"))):
            for batch in _batches([key for key, state in due if state in states], RUNS_PER_JOB):
                effects.jobs.append(Job(job, (batch,), background=background))
    return effects


def next_daily(now: datetime) -> datetime:
    """Return when the next daily refresh begins: the coming midnight in UTC."""
    tomorrow: date = now.astimezone(UTC).date() + timedelta(days=1)
    return datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=UTC)
