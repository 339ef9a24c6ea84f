"""Ingestion: raw pages from the object store into rows, sums, alerts and events, a batch at a time.

    load and check the pages -> parse and fold (pure) -> write the tab-delimited log
    -> one database transaction: rows, sums (by trigger), alerts, events, states -> after commit: effects

A batch holds many small runs, or a slice of one large run. Everything in it may be done twice: rows that are
known are dropped by their fingerprints, or found by their unique key and compared.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from mintql.domain.errors import InternalFailure, ProtocolError
from mintql.domain.ids import RawObjectId, UserId
from mintql.domain.ingest import Folded, fold
from mintql.domain.institutions import ParsedPage, ProviderTransaction, RejectedRow
from mintql.gateways.objects import ObjectMissing, ObjectStoreDown
from mintql.institutions.base import Connector
from mintql.services import alerts, rawlog
from mintql.services.effects import Effects
from mintql.services.events import NewEvent, append_events, transactions_changed
from mintql.services.extract import CLAIMS_MAX, LEASE, Workplace, keep_leases, settle_failure
from mintql.services.rows import Changes, RowWriter, Slice
from mintql.services.sync import next_daily, open_or_join_run, progress_events
from mintql.store import sync as store
from mintql.store.locks import lock_users
from mintql.store.queries import Conn
from mintql.store.sync import Ingestion, RawObject, RowCounts, RunKey

log = logging.getLogger(__name__)

ROWS_PER_TRANSACTION_MAX = 5_000
RUNS_PER_TRANSACTION_MAX = 100
OBJECTS_AT_ONCE_MAX = 20
PAGE_BYTES_MAX = 64 * 1024 * 1024
EXCERPT_CHARACTERS_MAX = 200


@dataclass(slots=True)
class Work:
    """A run under ingestion: its pages as read, and what cannot be read."""

    run: Ingestion
    folded: Folded
    objects: list[RawObject]
    dead: dict[RawObjectId, str] = field(default_factory=dict)
    new_accounts: int = 0

    @property
    def read_ids(self) -> list[RawObjectId]:
        """The pages that could be read, as the folded run numbers them."""
        return [item.object_id for item in self.objects if item.object_id not in self.dead]

    @property
    def quarantined(self) -> list[tuple[RawObjectId, RejectedRow]]:
        """Rows that cannot be read, with the page they came on."""
        return [(self.read_ids[number], row) for number, row in self.folded.rejected]


class PageUnreadable(Exception):  # noqa: N818
    """A stored page cannot be used; the message says why."""


async def ingest(place: Workplace, keys: Sequence[RunKey]) -> None:
    """Ingest these runs. May be called twice, and may die anywhere: what is not claimable is left alone."""
    async with place.begin() as conn:
        runs = await store.claim_ingest(conn, keys, place.clock(), LEASE)
        objects = await store.raw_objects_of_runs(conn, [(run.key, run.attempt) for run in runs])
    async with keep_leases(place, runs):
        runs = [run for run in runs if not await _given_up(place, run)]
        works = [work for work in await _read(place, runs, objects) if work is not None]
        for batch in _batches(works):
            await _ingest_batch(place, batch)


async def _given_up(place: Workplace, run: Ingestion) -> bool:
    """End a run that was begun too often without ever coming to an end."""
    if run.ingest_attempt <= CLAIMS_MAX:
        return False
    failure = InternalFailure("Reading the result was begun again and again and never came to an end.")
    await settle_failure(place, run, failure, "extracted", run.ingest_attempt)
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
    await rawlog.write(place, [(work.run, work.folded) for work in batch])
    for slices in _slices(batch):
        async with place.begin() as conn:
            effects = await write_slices(conn, slices, place.clock())
        await place.perform(effects)
    for work in batch:
        if work.dead:
            reason = next(iter(work.dead.values()))
            failure = ProtocolError(
                f"{len(work.dead)} of {len(work.objects)} pages could not be read ({reason}); they are fetched again."
            )
            await settle_failure(place, work.run, failure, "queued", work.run.attempt)


# Reading


async def _read(place: Workplace, runs: Sequence[Ingestion], objects: Sequence[RawObject]) -> list[Work | None]:
    slots = asyncio.Semaphore(OBJECTS_AT_ONCE_MAX)

    async def one(run: Ingestion) -> Work | None:
        async with slots:
            try:
                return await read_run(place, run, [item for item in objects if item.run == run.key])
            except ObjectStoreDown:
                log.exception("pages of run %s cannot be had now", run.key.run_id)
                failure = InternalFailure("What was fetched cannot be read back at the moment; it is tried again.")
                await settle_failure(place, run, failure, "extracted", run.ingest_attempt)
                return None

    return await asyncio.gather(*(one(run) for run in runs))


async def read_run(place: Workplace, run: Ingestion, objects: list[RawObject]) -> Work:
    """Read the stored pages of a run; a page that cannot be read is set aside with the reason."""
    connector = place.connectors.get(run.institution_id)
    dead: dict[RawObjectId, str] = {}
    pages: list[ParsedPage] = []
    digests: set[bytes] = set()
    for item in objects:
        try:
            page = await _read_page(place, connector, item)
            # The same bytes once more say nothing more, even of rows that have no ids to tell them apart by.
            pages.append(ParsedPage() if item.sha256 in digests else page)
            digests.add(item.sha256)
        except PageUnreadable as problem:
            dead[item.object_id] = str(problem)
            log.warning("page %s is dead: %s", item.object_key, problem)
    return Work(run, fold(pages, complete=not dead), objects, dead)


async def _read_page(place: Workplace, connector: Connector | None, item: RawObject) -> ParsedPage:
    if connector is None:
        raise PageUnreadable("this server no longer offers the institution")
    try:
        packed = await place.objects.get(item.object_key)
        content = await asyncio.to_thread(_unpack, packed)
    except ObjectMissing:
        raise PageUnreadable("it is missing from the object store") from None
    except (OSError, EOFError, zlib.error) as error:
        raise PageUnreadable(f"it cannot be unpacked: {error}") from None
    if hashlib.sha256(content).digest() != item.sha256:
        raise PageUnreadable("its checksum is not the one recorded when it was stored")
    try:
        return connector.parse(content)
    except ProtocolError as error:
        raise PageUnreadable(error.message) from None
    except Exception as error:
        log.exception("parser failed on page %s", item.object_key)
        raise PageUnreadable(f"the parser failed on it ({type(error).__name__})") from error


def _unpack(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    content = unpacker.decompress(packed, PAGE_BYTES_MAX)
    if unpacker.unconsumed_tail:
        raise EOFError(f"it is larger than {PAGE_BYTES_MAX} bytes")
    return content


# Batches and slices


def _batches(works: Sequence[Work]) -> Iterator[list[Work]]:
    """Group runs so that a transaction holds a bounded number of rows and runs."""
    batch: list[Work] = []
    rows = 0
    for work in sorted(works, key=lambda item: item.run.key):
        size = work.folded.rows_total()
        if batch and (rows + size > ROWS_PER_TRANSACTION_MAX or len(batch) == RUNS_PER_TRANSACTION_MAX):
            yield batch
            batch, rows = [], 0
        batch.append(work)
        rows += size
    if batch:
        yield batch


def _slices(batch: Sequence[Work]) -> Iterator[list[tuple[Work, Slice]]]:
    """Split a batch into transactions: all of it in one, but a large run in several, its last one closing it."""
    if len(batch) > 1 or batch[0].folded.rows_total() <= ROWS_PER_TRANSACTION_MAX:
        yield [(work, Slice(work.run, work.folded, _rows(work.folded), True, work.read_ids)) for work in batch]
        return
    work = batch[0]
    rows = _rows(work.folded)
    for start in range(0, len(rows), ROWS_PER_TRANSACTION_MAX):
        part = rows[start : start + ROWS_PER_TRANSACTION_MAX]
        closing = start + ROWS_PER_TRANSACTION_MAX >= len(rows)
        yield [(work, Slice(work.run, work.folded, part, closing, work.read_ids, done=start + len(part)))]


def _rows(folded: Folded) -> list[ProviderTransaction]:
    return [row for account in folded.by_account.values() for row in account.rows.values()]


# Writing


async def write_slices(conn: Conn, pairs: Sequence[tuple[Work, Slice]], now: datetime) -> Effects:
    """Do all of one transaction, in the order of `store.locks`; return what is to happen after its commit."""
    await lock_users(conn, [work.run.key.user_id for work, _ in pairs])
    held = await store.lock_ingesting(conn, [work.run for work, _ in pairs])
    pairs = [(work, part) for work, part in pairs if work.run.key in held]
    if not pairs:
        return Effects()
    writer = RowWriter(conn, now)
    changes = await writer.write([part for _, part in pairs])
    for work, _ in pairs:
        work.new_accounts += changes[work.run.key].new_accounts
    works = [work for work, part in pairs if part.closing]
    await _settle(conn, works, now)
    progress = await store.note_rows(conn, [_counts(work, part, changes[work.run.key]) for work, part in pairs])
    events = progress_events(progress) + _change_events([(work.run, changes[work.run.key]) for work, _ in pairs])
    _, effects = await append_events(conn, events)
    effects.changed |= effects.told
    effects.merge(await _read_new_accounts_whole(conn, works, now))
    effects.merge(await alerts.evaluate(conn, _months(pairs, changes), now))
    return effects


async def _settle(conn: Conn, works: Sequence[Work], now: datetime) -> None:
    """Record what became of pages and unreadable rows; end the runs that lack nothing."""
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
    whole = [work.run.key for work in works if not work.dead]
    if whole:
        await store.succeed_runs(conn, whole, now, next_daily(now))


async def _read_new_accounts_whole(conn: Conn, works: Sequence[Work], now: datetime) -> Effects:
    """Open another run for connections that have shown an account for the first time in a refresh.

    A refresh reaches back some weeks; the new account's whole history comes with a run from the beginning.
    """
    effects = Effects()
    grown = [work.run for work in works if work.new_accounts and work.run.synced_through and not work.dead]
    await store.start_over(conn, [(run.key.user_id, run.connection_id) for run in grown])
    for run in grown:
        _, opened = await open_or_join_run(conn, run.key.user_id, run.connection_id, "request", now)
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
    )


def _change_events(runs: Sequence[tuple[Ingestion, Changes]]) -> list[NewEvent]:
    """Return a `transactions_changed` event for each run that changed any."""
    return [
        transactions_changed(run.key.user_id, added=changes.added, changed=changes.changed, removed=changes.removed)
        for run, changes in runs
        if changes.any
    ]


def _months(pairs: Sequence[tuple[Work, Slice]], changes: dict[RunKey, Changes]) -> dict[UserId, set[date]]:
    """Return the months whose sums this run has moved, once the run is closed.

    A large run's earlier slices are not judged by themselves: a refund may stand in a later one.
    """
    touched: dict[UserId, set[date]] = {}
    for work, part in pairs:
        if not part.closing:
            continue
        months = set(changes[work.run.key].months)
        if part.done:
            months |= {row.posted_on.replace(day=1) for row in _rows(work.folded)}
        touched.setdefault(work.run.key.user_id, set()).update(months)
    return touched
