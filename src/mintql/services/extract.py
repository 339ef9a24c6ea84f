"""Extraction: an institution's pages into the object store, untouched, before anything is read from them.

A run is claimed with a lease and an attempt number. Pages lie under keys made of person, connection, run,
attempt and page (`services/raw_pages.py`); they are recorded all at once when the last one is stored, so a run is
either completely extracted or not at all, and the institution's cursor moves only with a run that was ingested.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from time import perf_counter

from mintql.domain.credentials import Credentials
from mintql.domain.errors import (
    AccountGone,
    AuthRequired,
    InstitutionFailure,
    InstitutionRateLimited,
    InternalFailure,
    InvalidInput,
)
from mintql.domain.months import first_day
from mintql.gateways.objects import ObjectStore, ObjectStoreDown
from mintql.gateways.vault import Sealed, Vault
from mintql.institutions.base import AccountFailure, Connector, FetchRequest, Spend, spend_freely
from mintql.observing import context, metrics
from mintql.services import alerts
from mintql.services.crowd import CrowdCache
from mintql.services.effects import Effects, Job
from mintql.services.extract_finish import Finisher
from mintql.services.leftovers import hand_back, record_leftovers
from mintql.services.raw_pages import FreshPages, PageWriter, run_prefix
from mintql.services.sync import next_daily, tell_progress
from mintql.store import connections, examinations
from mintql.store import sync as store
from mintql.store.locks import lock_users
from mintql.store.queries import Conn
from mintql.store.sync import Claim, Extracted, Extraction, Finished, RunKey, StoredPage

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=10)
HEARTBEAT_SECONDS = 3.0
FETCHES_AT_ONCE_MAX = 20
HISTORY_DAYS = 730
"""How far back the first run of a connection reads, unless the operator says otherwise."""
OVERLAP_DAYS = 14
"""Days fetched again with every refresh: pending rows post, and institutions correct, within these. And all days
of months that can still raise alerts: what people look at is what the institution says now."""
DEEP_DAYS = 90
DEEP_EVERY_DAYS = 7
"""One daily refresh a week reaches this far back, for what institutions correct late."""
DAYS_AHEAD = 1
"""Institutions east of UTC are a day ahead."""
CLAIMS_MAX = 120
"""A run that was begun this often and never came to an end, not even to a failure, takes its worker with it."""
RETRY_SECONDS = (5, 30, 120, 600)
"""Pause before the second, third ... attempt."""
PLAN_NAME = "plan.json.gz"
"""Beside an imported file lies the plan by which it is read."""

Begin = Callable[[], AbstractAsyncContextManager[Conn]]
Perform = Callable[[Effects], Awaitable[None]]
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the present moment, aware."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Workplace:
    """What the long-running services of a worker need. `begin` opens a transaction."""

    begin: Begin
    perform: Perform
    objects: ObjectStore
    vault: Vault
    connectors: Mapping[str, Connector]
    clock: Clock = field(default=utc_now)
    history_days: int = HISTORY_DAYS
    crowd: CrowdCache = field(default_factory=CrowdCache)
    fresh: FreshPages = field(default_factory=FreshPages)


async def extract(
    place: Workplace, keys: Sequence[RunKey], on_complete: Callable[[RunKey], None] | None = None
) -> list[RunKey]:
    """Extract these runs, several at once; return those that are complete, for whoever called to ingest.

    May be called twice, and may die anywhere: what is not claimable is left alone, and what is not ingested then is
    found by the sweeper. `on_complete` is told of each run that is complete while others may still be fetched; what
    fails beyond a run, so that not even that can be written down, is raised when all have ended.
    """
    async with place.begin() as conn:
        runs = await store.claim_extraction(conn, keys, place.clock(), LEASE)
    await place.perform(Effects(changed={run.key.user_id for run in runs}))
    slots = asyncio.Semaphore(FETCHES_AT_ONCE_MAX)

    finisher = Finisher(place.begin, place.clock, _let_go, [run.key for run in runs])

    async def one(run: Extraction) -> bool:
        context.begin({**context.fields(), "run": run.key.run_id})
        try:
            is_complete = await _extract_one(place, run, slots, finisher)
        finally:
            finisher.leave(run.key)
        if is_complete and on_complete is not None:
            on_complete(run.key)
        return is_complete

    async with keep_leases(place, runs):
        # Nobody would hold the leases of those that were left behind, nor ingest what they bring.
        ended = await asyncio.gather(*(one(run) for run in runs), return_exceptions=True)
    for item in ended:
        if isinstance(item, BaseException):
            raise item
    return [run.key for run, is_complete in zip(runs, ended, strict=True) if is_complete]


@asynccontextmanager
async def keep_leases(place: Workplace, runs: Sequence[Claim]) -> AsyncIterator[None]:
    """Extend the leases of these runs for as long as the body takes."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            try:
                async with place.begin() as conn:
                    await store.extend_leases(conn, runs, place.clock(), LEASE)
            except Exception:  # A missed beat is made up for by the next; a lost lease shows at the end.
                log.warning("leases not extended", exc_info=True)

    task = asyncio.create_task(beat())
    try:
        yield
    except asyncio.CancelledError:
        await hand_back(place.begin, runs, place.clock())
        # That may have come between a commit and what was to follow it.
        await place.perform(Effects(changed={run.key.user_id for run in runs}))
        raise
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _extract_one(place: Workplace, run: Extraction, slots: asyncio.Semaphore, finisher: Finisher) -> bool:
    """Fetch and store the pages of one run; True when they are complete."""
    pages = PageWriter(place.objects, place.fresh, run)
    try:
        async with slots:
            finished = await _bring(place, run, pages)
        return await finisher.finish(finished)
    except InstitutionFailure as failure:
        await settle_failure(place, run, failure, "queued", run.attempt, pages.stored)
    except InvalidInput as refused:
        # An address that was fine when the person gave it, and leads elsewhere by now.
        moved = AuthRequired(f"This institution cannot be reached where it was: {refused.message}")
        await settle_failure(place, run, moved, "queued", run.attempt, pages.stored)
    except Exception:
        log.exception("extraction of run %s failed", run.key.run_id)
        ours = InternalFailure("Something went wrong on our side while fetching; it is tried again.")
        await settle_failure(place, run, ours, "queued", run.attempt, pages.stored)
    return False


async def _bring(place: Workplace, run: Extraction, pages: PageWriter) -> Finished:
    """Have all pages of a run in the object store."""
    started_at = perf_counter()
    try:
        if run.attempt > 1:
            await record_leftovers(place.begin, place.objects, run)
        if run.import_id is not None:
            return await _adopt(place, run)
        return Finished(run, pages.stored, await _fetch(place, run, pages))
    finally:
        metrics.FETCH_SECONDS.of(run.institution_id).observe(perf_counter() - started_at)


async def _fetch(place: Workplace, run: Extraction, pages: PageWriter) -> Extracted:
    """Fetch from the institution what the run is wanted for, and store it, whatever comes of the rest."""
    try:
        brought = await _fetch_pages(place, run, pages)
    except ObjectStoreDown:
        raise
    except Exception:
        await pages.flush()
        raise
    await pages.flush()
    return brought


async def _fetch_pages(place: Workplace, run: Extraction, pages: PageWriter) -> Extracted:
    connector = _connector(place, run)
    spend = _spender(place, run, connector)
    if run.balances_only:
        await pages.add(await connector.accounts(_credentials(place, run), spend))
        return Extracted(None, run.sync_cursor)
    history_days = min(connector.capabilities.history_days_max, place.history_days)
    request = _request(run, history_days, place.clock().date(), spend)
    window = (request.first, request.last)
    failures: list[AccountFailure] = []
    cursor = await _store_pages(place, run, connector, request, pages, failures)
    whole = not connector.capabilities.window and not request.cursor
    return Extracted(window, cursor, whole, [_failure_json(item) for item in failures])


def _failure_json(item: AccountFailure) -> dict[str, str]:
    failure = item.failure
    return {
        "account": item.account_external_id,
        "code": failure.code,
        "message": failure.message,
        "action": failure.action,
        "retry_at": "" if failure.retry_at is None else failure.retry_at.isoformat(),
    }


def _spender(place: Workplace, run: Extraction, connector: Connector) -> Spend:
    """Return what takes one of the connection's requests of the day, where its institution allows so many."""
    requests_max = connector.capabilities.requests_per_day_max
    if requests_max is None:
        return spend_freely

    async def spend() -> None:
        now = place.clock()
        async with place.begin() as conn:
            taken = await store.take_request(conn, run.key.user_id, run.connection_id, now.date(), requests_max)
        if not taken:
            raise InstitutionRateLimited(
                f"{connector.name} may be asked {requests_max} times a day, and today it was; it is asked again "
                "tomorrow.",
                retry_at=next_daily(now),
            )

    return spend


async def _adopt(place: Workplace, run: Extraction) -> Finished:
    """Take over a file that a person sent, and the plan to read it by: both lie in the object store already."""
    async with place.begin() as conn:
        found = await store.import_of(conn, run.key.user_id, run.import_id) if run.import_id is not None else None
    if found is None:
        raise AccountGone("The imported file is not there any more.")
    file_key, digest, size_bytes = found
    plan_key = f"{file_key.rpartition('/')[0]}/{PLAN_NAME}"
    plan = await asyncio.to_thread(gzip.decompress, await place.objects.get(plan_key))
    pages = [
        StoredPage(0, plan_key, hashlib.sha256(plan).digest(), len(plan), "application/json"),
        StoredPage(1, file_key, digest, size_bytes, "application/octet-stream"),
    ]
    return Finished(run, pages, Extracted(None, ""))


def _connector(place: Workplace, run: Extraction) -> Connector:
    if run.attempt > CLAIMS_MAX:
        raise InstitutionFailure("Fetching was begun again and again and never came to an end.")
    connector = place.connectors.get(run.institution_id)
    if connector is None:
        raise AuthRequired(f"This server no longer offers the institution {run.institution_id!r}.")
    return connector


def _request(run: Extraction, history_days: int, today: date, spend: Spend) -> FetchRequest:
    oldest = today - timedelta(days=history_days)
    first = _refresh_first(run, run.synced_through, today) if run.synced_through else oldest
    return FetchRequest(max(first, oldest), today + timedelta(days=DAYS_AHEAD), run.sync_cursor, spend)


def _refresh_first(run: Extraction, synced_through: date, today: date) -> date:
    """Return the first day of a refresh, whose connection was read up to `synced_through` before."""
    open_month = first_day(today - timedelta(days=alerts.GRACE_DAYS))
    first = min(synced_through - timedelta(days=OVERLAP_DAYS), open_month)
    if run.reason == "daily" and (today.toordinal() + run.connection_id) % DEEP_EVERY_DAYS == 0:
        first = min(first, today - timedelta(days=DEEP_DAYS))
    return first


async def _store_pages(
    place: Workplace,
    run: Extraction,
    connector: Connector,
    request: FetchRequest,
    pages: PageWriter,
    failures: list[AccountFailure],
) -> str:
    """Take each page as it comes; return the cursor after the last."""
    cursor = run.sync_cursor
    async for page in connector.fetch(_credentials(place, run), request):
        if isinstance(page, AccountFailure):
            log.warning("an account of run %s was not fetched: %s", run.key.run_id, page.failure.code)
            failures.append(page)
            continue
        await pages.add(page)
        cursor = page.cursor or cursor
        if run.reason != "daily":
            await _tell_page(place, run, pages.count)
    return cursor


def _credentials(place: Workplace, run: Extraction) -> Credentials:
    if run.key_version is None:
        raise AuthRequired("There is no login for this connection any more.")
    sealed = Sealed(run.key_version, run.wrapped_key, run.ciphertext)
    return place.vault.open(run.key.user_id, run.connection_id, sealed)


async def _tell_page(place: Workplace, run: Extraction, pages: int) -> None:
    async with place.begin() as conn:
        await lock_users(conn, [run.key.user_id])
        if not await store.note_page(conn, run.key, run.attempt, pages):
            return
        effects = await tell_progress(conn, [run.key])
    await place.perform(effects)


def _next_try(place: Workplace, run: Claim, failure: InstitutionFailure, attempts: int, now: datetime) -> datetime:
    """Return when a run is tried again: when the institution said, but not before the pause after so many attempts.

    The pause is longer where each try takes from a day's allowance.
    """
    pause = RETRY_SECONDS[min(attempts, len(RETRY_SECONDS)) - 1]
    connector = place.connectors.get(run.institution_id)
    if connector is not None and connector.capabilities.requests_per_day_max is not None:
        pause = max(pause, connector.capabilities.refresh_interval_seconds_min)
    return max(failure.retry_at or now, now + timedelta(seconds=pause))


async def _let_go(conn: Conn, run: Claim, pages: Sequence[StoredPage], now: datetime) -> None:
    """Settle the pages of an attempt that came too late: another one has gone on with the run, or it was removed.

    Those of a run that was removed, with all its history, go as well.
    """
    if await store.progress(conn, run.key) is not None:
        await store.insert_abandoned_objects(conn, [(run.key, run.attempt, pages)])
        return
    await connections.doom_objects(conn, run.key.user_id, run_prefix(run), now)


async def settle_failure(
    place: Workplace,
    run: Claim,
    failure: InstitutionFailure,
    back_to: str,
    attempts: int,
    pages: Sequence[StoredPage] = (),
) -> None:
    """Record that a run did not succeed: try it again later, or end it and say what the person can do.

    Pages that were stored before the failure stay in the object store and are recorded as abandoned.
    """
    now = place.clock()
    async with place.begin() as conn:
        await lock_users(conn, [run.key.user_id])
        # What the institution said of a login that was replaced meanwhile says nothing of the new one.
        has_new_login = await store.lock_link(conn, run)
        again = has_new_login or (failure.retryable and attempts < failure.attempts_max)
        at = _next_try(place, run, failure, attempts, now) if again else next_daily(now)
        if again:
            held = await store.retry_run(conn, run, back_to, at, failure.code, failure.message)
        else:
            held = await store.fail_run(conn, run, now, failure.code, failure.message)
        if not held:
            await _let_go(conn, run, pages, now)
            return
        await store.insert_abandoned_objects(conn, [(run.key, run.attempt, pages)])
        if run.import_id is None and not has_new_login:
            await store.note_failure(
                conn,
                run.key.user_id,
                run.connection_id,
                failure.code,
                failure.message,
                failure.action,
                at if failure.retryable else None,
                action_required=not failure.retryable,
            )
        effects = await tell_progress(conn, [run.key])
        if not failure.retryable:
            # The person is told by the examination, after the commit.
            await examinations.mark(conn, [run.key.user_id], now)
            effects.jobs.append(Job("examine", ([[run.key.user_id]],)))
        if not again:
            await store.bury_objects(conn, run.key, failure.message)
            # Slices of a large result may have come in before the run was given up.
            effects.merge(await alerts.evaluate(conn, {run.key.user_id: alerts.recent_months(now)}, now))
    outcome = "retried" if again else "failed"
    effects.counts.append((metrics.SYNC_RUNS.of(run.institution_id, outcome, failure.code), 1))
    await place.perform(effects)
