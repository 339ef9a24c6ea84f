"""Ingestion: raw pages from the object store into rows, sums, alerts and events, a batch at a time.

    load and check the pages -> parse and fold (pure) -> write the tab-delimited log
    -> one database transaction: rows, sums (by trigger), alerts, events, states -> after commit: effects

A batch holds many small runs, or a slice of one large run. Everything in it may be done twice: rows that are
known are dropped by their fingerprints, or found by their unique key and compared.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from time import perf_counter

from mintql.domain.errors import FileLost, InternalFailure, ProtocolError, failure_of
from mintql.domain.ids import ConnectionId, TransactionId, UserId
from mintql.domain.ingest import Folded
from mintql.domain.institutions import ProviderTransaction
from mintql.domain.months import first_day
from mintql.observing import metrics
from mintql.services import alerts, archive_ingest, examination, rawlog
from mintql.services.crowd import CrowdCache
from mintql.services.effects import Effects
from mintql.services.events import NewEvent, append_events, transactions_changed
from mintql.services.extract import CLAIMS_MAX, HEARTBEAT_SECONDS, LEASE, Workplace, keep_leases, settle_failure
from mintql.services.pages import Work, read_runs
from mintql.services.row_plan import Changes, Slice, row_counts
from mintql.services.rows import RowWriter
from mintql.services.sync import next_daily, open_or_join_run, progress_events
from mintql.services.taking_up import take_up
from mintql.services.transfer_pairs import Touched, settle
from mintql.store import imports
from mintql.store import ingest as accounts
from mintql.store import sync as store
from mintql.store.ingest import FailedAccount
from mintql.store.locks import lock_users
from mintql.store.queries import Conn
from mintql.store.sync import Ingestion, RowCounts, RunKey

log = logging.getLogger(__name__)

ROWS_PER_TRANSACTION_MAX = 5_000
RUNS_PER_TRANSACTION_MAX = 100
EXCERPT_CHARACTERS_MAX = 200
NOTICES_MAX = 20
NOTICE_CHARACTERS_MAX = 500
NEXT_BEAT = timedelta(seconds=HEARTBEAT_SECONDS)


async def ingest(place: Workplace, keys: Sequence[RunKey], *, fetched: bool = False) -> None:
    """Ingest these runs. May be called twice, and may die anywhere: what is not claimable is left alone.

    Those that the caller has `fetched` just now need no claim, unless that took long: they are said to be carried.
    """
    async with place.begin() as conn:
        now = place.clock()
        runs = await store.take_fetched(conn, keys, now + NEXT_BEAT) if fetched else []
        taken = {run.key for run in runs}
        if others := [key for key in keys if key not in taken]:
            runs += await store.claim_ingest(conn, others, now, LEASE)
        objects = await store.raw_objects_of_runs(conn, [(run.key, run.attempt) for run in runs])
    async with keep_leases(place, runs):
        runs = [run for run in runs if not await _given_up(place, run)]
        read = [work for work in await read_runs(place, runs, objects) if work is not None]
        works = [work for work in read if not await _failed_everywhere(place, work)]
        for batch in batches(works):
            await _ingest_batch(place, batch)


async def _given_up(place: Workplace, run: Ingestion) -> bool:
    """End a run that was begun too often without ever coming to an end."""
    if run.ingest_attempt <= CLAIMS_MAX:
        return False
    failure = InternalFailure("Reading the result was begun again and again and never came to an end.")
    await settle_failure(place, run, failure, "extracted", run.ingest_attempt)
    return True


async def _failed_everywhere(place: Workplace, work: Work) -> bool:
    """End or retry a run of which no account could be fetched: that is the connection failing, not its accounts."""
    failures = work.run.account_failures
    failed = {item["account"] for item in failures}
    if not failures or work.folded.rows_total() or not set(work.folded.accounts) <= failed:
        return False
    await settle_failure(place, work.run, failure_of(**failures[0]), "queued", work.run.attempt)
    return True


async def _ingest_batch(place: Workplace, batch: Sequence[Work]) -> None:
    """Write a batch; when that fails, each of its runs alone, so that one cannot hold up the others."""
    try:
        await _write_batch(place, batch)
    except Exception:
        if len(batch) > 1:
            log.exception("a batch of %s runs failed; trying each alone", len(batch))
            for work in batch:
                await _ingest_batch(place, [work])
            return
        run = batch[0].run
        log.exception("ingestion of run %s failed", run.key.run_id)
        failure = InternalFailure("Something went wrong on our side while reading the result; it is tried again.")
        await settle_failure(place, run, failure, "extracted", run.ingest_attempt)


async def _write_batch(place: Workplace, batch: Sequence[Work]) -> None:
    await take_up(place, batch)
    await archive_ingest.bring_back(place, [(work.run, work.folded) for work in batch])
    await rawlog.write(place, batch)
    for slices in _slices(batch):
        started_at = perf_counter()
        async with place.begin() as conn:
            effects = await write_slices(conn, slices, place.clock(), place.crowd)
        metrics.INGEST_BATCH_SECONDS.of().observe(perf_counter() - started_at)
        await place.perform(effects)
    for work in batch:
        if work.dead:
            reason = next(iter(work.dead.values()))
            if work.run.import_id is not None:
                await settle_failure(place, work.run, FileLost(f"The file cannot be read: {reason}"), "queued", 1)
                continue
            failure = ProtocolError(
                f"{len(work.dead)} of {len(work.objects)} pages could not be read ({reason}); they are fetched again."
            )
            await settle_failure(place, work.run, failure, "queued", work.run.attempt)


# Batches and slices


def batches(works: Sequence[Work]) -> Iterator[list[Work]]:
    """Group runs so that a transaction holds a bounded number of rows and runs."""
    batch: list[Work] = []
    rows = 0
    for work in sorted(works, key=lambda item: item.run.key):
        size = work.folded.rows_total()
        full = rows + size > ROWS_PER_TRANSACTION_MAX or len(batch) == RUNS_PER_TRANSACTION_MAX
        # A file may go into an account that a connection's run of the same batch writes to.
        if batch and (full or work.run.import_id is not None or batch[-1].run.import_id is not None):
            yield batch
            batch, rows = [], 0
        batch.append(work)
        rows += size
    if batch:
        yield batch


def _slices(batch: Sequence[Work]) -> Iterator[list[tuple[Work, Slice]]]:
    """Split a batch into transactions: all of it in one, but a large run in several, its last one closing it."""
    if len(batch) > 1 or batch[0].folded.rows_total() <= ROWS_PER_TRANSACTION_MAX:
        yield [(work, _slice(work, _rows(work.folded))) for work in batch]
        return
    work, done = batch[0], 0
    parts = _parts(_rows(work.folded))
    for number, part in enumerate(parts, 1):
        done += len(part)
        yield [(work, _slice(work, part, closing=number == len(parts), done=done))]


def _parts(rows: Sequence[ProviderTransaction]) -> list[list[ProviderTransaction]]:
    """Cut the rows of a large run, each part in their order.

    Those of one account and amount stay together, as far as they fit into a part: they alone can be taken for the same
    row, and the surest pair of all has to be found first (`domain/matching.py`).
    """
    alike: dict[tuple[str, int, str], list[int]] = {}
    for place, row in enumerate(rows):
        alike.setdefault((row.account_external_id, row.amount_minor, row.currency), []).append(place)
    parts: list[list[int]] = [[]]
    for places in alike.values():
        for start in range(0, len(places), ROWS_PER_TRANSACTION_MAX):
            some = places[start : start + ROWS_PER_TRANSACTION_MAX]
            if len(parts[-1]) + len(some) > ROWS_PER_TRANSACTION_MAX:
                parts.append([])
            parts[-1] += some
    return [[rows[place] for place in sorted(part)] for part in parts]


def _slice(work: Work, rows: list[ProviderTransaction], *, closing: bool = True, done: int = 0) -> Slice:
    return Slice(work.run, work.folded, rows, closing, work.read_ids, done, work.bound, work.covered)


def _rows(folded: Folded) -> list[ProviderTransaction]:
    return [row for account in folded.by_account.values() for row in account.rows.values()]


# Writing


async def write_slices(
    conn: Conn, pairs: Sequence[tuple[Work, Slice]], now: datetime, crowd: CrowdCache | None = None
) -> Effects:
    """Do all of one transaction, in the order of `store.locks`; return what is to happen after its commit."""
    await lock_users(conn, [work.run.key.user_id for work, _ in pairs])
    held = await store.lock_ingesting(conn, [work.run for work, _ in pairs])
    pairs = [(work, part) for work, part in pairs if work.run.key in held]
    if not pairs:
        return Effects()
    writer = RowWriter(conn, now, crowd or CrowdCache())
    changes = await writer.write([part for _, part in pairs])
    counts = row_counts([(part, changes[work.run.key]) for work, part in pairs])
    for work, _ in pairs:
        work.new_accounts += changes[work.run.key].new_accounts
    await _settle_transfers(conn, changes, now)
    works = [work for work, part in pairs if part.closing]
    files = [(run.key.user_id, run.import_id) for run in (work.run for work in works) if run.import_id is not None]
    await imports.take_up(conn, files, now)
    await _settle(conn, works, now)
    ended = {work.run.key: _notices(work) for work in works if not work.dead}
    counts += [
        (metrics.SYNC_RUNS.of(work.run.institution_id, "succeeded", ""), 1) for work in works if work.run.key in ended
    ]
    rows = [_counts(work, part, changes[work.run.key]) for work, part in pairs]
    progress = await store.note_rows(conn, rows, ended, now)
    await store.advance_connections(conn, ended, now, next_daily(now))
    events = progress_events(progress) + _change_events([(work.run, changes[work.run.key]) for work, _ in pairs])
    _, effects = await append_events(conn, events)
    effects.changed |= effects.told
    effects.counts += counts
    effects.merge(await _read_accounts_whole(conn, works, writer.failing, now))
    effects.merge(await alerts.evaluate(conn, _months(pairs, changes, now), now))
    effects.merge(await examination.mark(conn, [work.run.key.user_id for work in works], now))
    return effects


async def _settle_transfers(conn: Conn, changes: Mapping[RunKey, Changes], now: datetime) -> None:
    """Pair transfers among the rows written and those there, and count what that changed to a run of the person."""
    touched: dict[UserId, tuple[list[TransactionId], list[TransactionId]]] = {}
    came: dict[UserId, set[TransactionId]] = {}
    for run, of_run in changes.items():
        came.setdefault(run.user_id, set()).update(of_run.added)
        added, changed = touched.setdefault(run.user_id, ([], []))
        added += of_run.sides
        changed += [*of_run.changed, *of_run.removed]
    moved_rows = {user_id: Touched(*rows) for user_id, rows in touched.items() if any(rows)}
    if not moved_rows:
        return
    settled = await settle(conn, moved_rows, now)
    for run, of_run in changes.items():
        moved = settled.pop(run.user_id, None)
        if moved is not None:
            told = {row_id for rows in touched[run.user_id] for row_id in rows} | came[run.user_id]
            of_run.changed += sorted(moved.changed - told)
            of_run.months |= moved.months


async def _settle(conn: Conn, works: Sequence[Work], now: datetime) -> None:
    """Record what became of pages and unreadable rows."""
    settled = [
        (work.run.key.user_id, item.object_id, "dead" if item.object_id in work.dead else "ingested",
         work.dead.get(item.object_id))
        for work in works
        for item in work.objects
    ]  # fmt: skip
    await store.settle_raw_objects(conn, settled, now)
    await store.quarantine(
        conn,
        [
            (work.run.key.user_id, object_id, row.position, row.account_external_id, row.reason,
             row.excerpt[:EXCERPT_CHARACTERS_MAX])
            for work in works
            for object_id, row in work.quarantined
        ],
    )  # fmt: skip


def _notices(work: Work) -> list[str]:
    return [notice[:NOTICE_CHARACTERS_MAX] for notice in work.folded.notices[:NOTICES_MAX]]


async def _read_accounts_whole(
    conn: Conn, works: Sequence[Work], failing: Collection[tuple[UserId, ConnectionId]], now: datetime
) -> Effects:
    """Open another run for connections that have shown an account for the first time in a refresh, or once more.

    A refresh reaches back some weeks; the whole history of an account that is new, or that could not be fetched
    for a while, comes with a run from the beginning. `failing` are connections of which accounts could not be.
    """
    effects = Effects()
    live = [work for work in works if work.run.import_id is None and not work.dead and not work.run.balances_only]
    told = [
        work for work in live if work.run.account_failures or (work.run.key.user_id, work.run.connection_id) in failing
    ]
    recovered = await accounts.settle_accounts(
        conn,
        [(work.run.key.user_id, work.run.connection_id) for work in told],
        [
            FailedAccount(
                work.run.key.user_id, work.run.connection_id, item["account"], item["code"], item["message"],
                item["action"],
            )
            for work in told
            for item in work.run.account_failures
        ],
        now,
    )  # fmt: skip
    grown = [
        work
        for work in works
        if work.run.synced_through
        and work.run.import_id is None
        and (work.new_accounts or (work.run.key.user_id, work.run.connection_id) in recovered)
    ]
    # Of a run that has to be fetched again as well: to its next attempt the account is no new one.
    await store.start_over(conn, [(work.run.key.user_id, work.run.connection_id) for work in grown])
    for run in (work.run for work in grown if not work.dead):
        _, opened = await open_or_join_run(
            conn, run.key.user_id, run.connection_id, "request", now, background=run.background
        )
        effects.merge(opened)
    return effects


def _counts(work: Work, part: Slice, changes: Changes) -> RowCounts:
    total = work.folded.rows_total()
    return RowCounts(
        run=work.run.key,
        total=total,
        done=total if part.closing else part.done,
        added=len(changes.added),
        changed=len(changes.changed),
        removed=len(changes.removed),
        quarantined=len(work.folded.rejected),
        matched=changes.matched,
    )


def _change_events(runs: Sequence[tuple[Ingestion, Changes]]) -> list[NewEvent]:
    """Return a `transactions_changed` event for each run that changed any."""
    return [
        transactions_changed(run.key.user_id, added=changes.added, changed=changes.changed, removed=changes.removed)
        for run, changes in runs
        if changes.any
    ]


def _months(
    pairs: Sequence[tuple[Work, Slice]], changes: Mapping[RunKey, Changes], now: datetime
) -> dict[UserId, set[date]]:
    """Return the months whose sums this run has moved, once the run is closed.

    A large run's earlier slices are not judged by themselves: a refund may stand in a later one. What they moved, and
    those of attempts that died, is not known at its end, so that whatever may be news is looked at.
    """
    touched: dict[UserId, set[date]] = {}
    for work, part in pairs:
        if not part.closing:
            continue
        months = touched.setdefault(work.run.key.user_id, set())
        months |= changes[work.run.key].months
        if part.done:
            months |= alerts.recent_months(now) | {first_day(row.posted_on) for row in _rows(work.folded)}
    return touched
