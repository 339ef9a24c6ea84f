"""arq's side: functions, cron table and `WorkerSettings`. Each function is a thin shell around a service.

PostgreSQL owns the state of work, arq only carries it here (see docs/decisions). So a function takes ids,
may run twice, may die anywhere, never lets an exception reach arq (which would end the job and tell nobody),
and leaves what it could not do to `sweep`.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC
from functools import partial
from typing import Any

from arq import cron
from arq.cron import CronJob
from arq.worker import Worker, func

from mintql.channels import outside_channels
from mintql.domain.ids import DeletionId, LinkVisitId, SyncRunId, UserId
from mintql.gateways.queue import background_of, deserialize, serialize
from mintql.gateways.redis_servers import arq_settings
from mintql.nightly import archive_all, categorize_all, reconcile_night
from mintql.runtime import Runtime, open_runtime
from mintql.services import (
    daily,
    deletion,
    digest_rounds,
    examination,
    link_visits,
    rates,
    removal,
    sync,
    transfers,
    webhooks,
)
from mintql.services import farewells as leaving
from mintql.services import ingest as ingestion
from mintql.services.deletion import Desk
from mintql.services.effects import Effects, Job
from mintql.services.extract import Workplace, utc_now
from mintql.services.heap import settle_heap
from mintql.services.notify import Notifier
from mintql.services.outgoing_webhooks_sending import Sender
from mintql.services.purging import PURGES
from mintql.services.refresh import refresh
from mintql.settings import Settings, load_settings
from mintql.store import digests as digest_rows
from mintql.store import farewells as farewell_rows
from mintql.store.sync import RunKey
from mintql.vitals import watched
from mintql.workers import SHUTDOWN_SECONDS, Companion, Context, JobFunction, guarded

log = logging.getLogger(__name__)

JOB_TIMEOUT_SECONDS = 600
"""Bounds a job that hangs. A worker that dies is noticed by its leases, long before."""
CRON_TIMEOUT_SECONDS = 3_600
CRON_RESULT_SECONDS = 60
"""arq's mark that a cron job has run at its moment, for workers whose clocks are a little behind."""
CARRIES_MAX = 5
"""How many workers one after another may go away with a job in hand before it is dropped and left to the sweeper."""
SUMMARY_MINUTES = {0, 15, 30, 45}
"""Somewhere it is eight o'clock at each of them."""

BACKGROUND_POLL_SECONDS = 0.25
"""Nobody waits for it, and each look costs."""
HEAVY = frozenset({"extract", "ingest", "examine"})


def _runtime(context: Context) -> Runtime:
    runtime: Runtime = context["runtime"]
    return runtime


def workplace(runtime: Runtime, *, background: bool = False) -> Workplace:
    """Return what the services that do a worker's work need.

    What they lead to in the `background` goes on there, but for what persons are told of at once.
    """

    async def perform_behind(effects: Effects) -> None:
        effects.jobs = [job.begun() if job.name in HEAVY else job for job in effects.jobs]
        await runtime.perform(effects)

    return Workplace(
        runtime.system,
        perform_behind if background else runtime.perform,
        runtime.objects,
        runtime.vault,
        runtime.connectors,
        history_days=runtime.settings.history_days,
        crowd=runtime.crowd,
    )


def _workplace(context: Context) -> Workplace:
    return workplace(_runtime(context), background=context.get("background", False))


def _keys(runs: Sequence[Sequence[int]]) -> list[RunKey]:
    return [RunKey(UserId(user_id), SyncRunId(run_id)) for user_id, run_id in runs]


@guarded
async def extract(context: Context, runs: Sequence[Sequence[int]]) -> None:
    """Fetch the raw pages of these runs ([person, run], ...) into the object store, and ingest them."""
    await refresh(_workplace(context), _keys(runs))


@guarded
async def ingest(context: Context, runs: Sequence[Sequence[int]]) -> None:
    """Turn the stored pages of these runs into transactions, sums, alerts and events."""
    await ingestion.ingest(_workplace(context), _keys(runs))


@guarded
async def notify(context: Context) -> None:
    """Tell the outside what the outbox holds."""
    if "notifier" not in context:
        runtime = _runtime(context)
        context["notifier"] = Notifier(runtime.system, outside_channels(runtime), utc_now)
    await context["notifier"].run()


@guarded
async def deliver_webhooks(context: Context) -> None:
    """Send persons' webhooks that are due."""
    if "sender" not in context:
        runtime = _runtime(context)
        context["sender"] = Sender(runtime.system, runtime.webhooks_http, runtime.vault, utc_now, random.random)
    await context["sender"].run()


@guarded
async def examine(context: Context, persons: Sequence[Sequence[int]] | None = None) -> None:
    """Look at these persons ([person], ...), or at all who are due: what recurs, is large, unusual or low."""
    runtime = _runtime(context)
    only = None if persons is None else [UserId(user_id) for user_id, *_ in persons]
    await examination.examine_due(runtime.system, runtime.perform, utc_now, only=only)


@guarded
async def farewell(context: Context) -> None:
    """Tell institutions which connections have ended."""
    await leaving.say_farewells(workplace(_runtime(context)))


@guarded
async def delete_person(context: Context, deletion_id: int) -> None:
    """Go on with the deletion of a person."""
    runtime = _runtime(context)
    await deletion.drive(Desk(workplace(runtime), runtime.cache, runtime.queue), DeletionId(deletion_id))


@guarded
async def open_link(context: Context, user_id: int, visit_id: int) -> None:
    """Open a visit to an institution's own pages, for which somebody waits, to renew a login."""
    await link_visits.open_visit(workplace(_runtime(context)), UserId(user_id), LinkVisitId(visit_id))


@guarded
async def daily_refresh(context: Context) -> None:
    """Enqueue the daily refresh of everybody whose turn comes within this round, page by page."""
    runtime = _runtime(context)
    now = utc_now()
    after: daily.Key | None = daily.FIRST_KEY
    while after is not None:
        async with runtime.system() as conn:
            after, effects = await daily.plan_page(conn, now, after, runtime.settings.daily_spread_seconds)
        await runtime.perform(effects)


@guarded
async def extract_daily(context: Context, *span: Any) -> None:
    """Open the runs of the day of a range of connections, fetch their raw pages, and ingest them."""
    async with _runtime(context).system() as conn:
        keys = await daily.open_runs(conn, utc_now(), daily.Range.of(span))
    await refresh(_workplace(context), keys)


@guarded
async def sweep(context: Context) -> None:
    """Send again what PostgreSQL says is due and nothing carries; forget what has had its time."""
    runtime = _runtime(context)
    now = utc_now()
    idle = await runtime.queue.idle()
    async with runtime.system() as conn:
        effects = await sync.sweep_runs(conn, now, idle)
        jobs = [Job("notify"), Job("deliver_webhooks"), Job("examine").begun()]
        jobs += [Job("farewell")] * await farewell_rows.any_due(conn, now)
        jobs += [Job("summarize")] * await digest_rows.any_due(conn, now)
        jobs += await link_visits.waiting(conn, now)
        jobs += await deletion.due_jobs(conn, now)
    effects.merge(Effects(jobs=jobs))
    await runtime.perform(effects)
    await webhooks.open_wanted(workplace(runtime))
    await removal.remove_doomed(workplace(runtime))
    for purge in PURGES:
        async with runtime.system() as conn:
            await purge(conn, now)


@guarded
async def open_summaries(context: Context) -> None:
    """Mark everybody for whom the morning after a week or a month has come."""
    runtime = _runtime(context)
    await digest_rounds.open_rounds(runtime.system, runtime.perform, utc_now)


@guarded
async def summarize(context: Context) -> None:
    """Make the summaries that are due."""
    runtime = _runtime(context)
    await digest_rounds.summarize_due(runtime.system, runtime.perform, utc_now)


@guarded
async def reconcile(context: Context) -> None:
    """Compare monthly sums with transactions, person after person for a while; mend and record what differs."""
    await reconcile_night(_runtime(context))


@guarded
async def search_transfers(context: Context) -> None:
    """Look through the history of persons for transfers where that was never done, a bounded number of persons."""
    runtime = _runtime(context)
    after, left = UserId(0), transfers.PERSONS_PER_SEARCH_MAX
    while left > 0:
        async with runtime.system() as conn:
            user_ids = await transfers.unsearched(conn, after)
        for user_id in user_ids[:left]:
            async with runtime.system() as conn:
                effects = await transfers.search(conn, user_id, utc_now())
            await runtime.perform(effects)
        if not user_ids:
            return
        after, left = user_ids[-1], left - len(user_ids)


@guarded
async def categorize_again(context: Context) -> None:
    """Put uncategorized transactions where they belong by what the dictionary and the crowd know by now."""
    await categorize_all(_runtime(context))


@guarded
async def fetch_rates(context: Context) -> None:
    """Fetch published exchange rates, where the operator names a source of them."""
    runtime = _runtime(context)
    await rates.fetch_published(runtime.settings, runtime.system)


@guarded
async def archive_months(context: Context) -> None:
    """Move old months out of the database, where the operator says so; tidy up after those that came back."""
    runtime = _runtime(context)
    await archive_all(workplace(runtime), runtime.settings.archive_after_months)


FUNCTIONS: tuple[JobFunction, ...] = (
    extract,
    ingest,
    notify,
    deliver_webhooks,
    examine,
    farewell,
    delete_person,
    open_link,
    daily_refresh,
    extract_daily,
    sweep,
    open_summaries,
    summarize,
    reconcile,
    search_transfers,
    categorize_again,
    fetch_rates,
    archive_months,
)


def cron_jobs(settings: Settings, *, background: bool) -> list[CronJob]:
    """Return the cron table of a queue. arq runs each once per moment, however many workers there are."""
    once: dict[str, Any] = {
        "timeout": CRON_TIMEOUT_SECONDS, "keep_result": CRON_RESULT_SECONDS, "max_tries": CARRIES_MAX, "second": 0
    }  # fmt: skip
    if not background:
        return [
            cron(sweep, **(once | {"second": set(range(0, 60, settings.sweep_seconds))})),
            cron(open_summaries, **once, minute=SUMMARY_MINUTES),
            cron(fetch_rates, **once, hour={6, 15, 16, 17, 20}, minute=25),
        ]
    return [
        cron(daily_refresh, **once, minute=5),
        cron(reconcile, **once, hour=4, minute=30),
        cron(search_transfers, **once, hour=3, minute=15),
        cron(categorize_again, **once, hour=2, minute=15),
        cron(archive_months, **once, hour=1, minute=15),
    ]


async def startup(context: Context) -> None:
    """Open the worker's resources; and beside it, unless it is to be alone, the worker for the background."""
    stack = AsyncExitStack()
    context["stack"] = stack
    settings = context.get("settings") or load_settings()
    runtime = context["runtime"] = await stack.enter_async_context(open_runtime(settings, role="worker"))
    name = "background" if context.get("background") else "worker"
    settle_heap()
    await stack.enter_async_context(watched(runtime, name, serve=not context.get("beside", False)))
    if not context.get("alone", False):
        context["companion"] = Companion(partial(_background_worker, settings, context))
        stack.push_async_callback(context["companion"].stop)


def _background_worker(settings: Settings, beside: Context) -> Worker:
    options = worker_options(settings, background=True) | {"redis_pool": beside["redis"], "handle_signals": False}
    about = {"settings": settings, "background": True, "alone": True, "beside": True}
    return Worker(**options, ctx=about | {"hurried": beside.get("hurried")})


async def shutdown(context: Context) -> None:
    """Close the worker's resources."""
    await context["stack"].aclose()


def worker_options(settings: Settings, *, background: bool = False) -> dict[str, Any]:
    """Return everything arq's `Worker` is to be told; `WorkerSettings` is this, read from the environment."""
    return {
        "functions": [func(function, keep_result=0, max_tries=CARRIES_MAX) for function in FUNCTIONS],
        "cron_jobs": cron_jobs(settings, background=background),
        "redis_settings": arq_settings(settings),
        "on_startup": startup,
        "on_shutdown": shutdown,
        "queue_name": background_of(settings.queue_name) if background else settings.queue_name,
        "max_jobs": settings.worker_background_jobs if background else settings.worker_max_jobs,
        "poll_delay": BACKGROUND_POLL_SECONDS if background else settings.worker_poll_seconds,
        "job_timeout": JOB_TIMEOUT_SECONDS,
        "job_completion_wait": SHUTDOWN_SECONDS,
        "keep_result": 0,
        "max_tries": CARRIES_MAX,
        # With it a job whose worker goes away is put back, quietly; without, it is a failure with a traceback.
        "retry_jobs": True,
        "health_check_interval": 60,
        "job_serializer": serialize,
        "job_deserializer": deserialize,
        "timezone": UTC,
        "log_results": False,
    }


def __getattr__(name: str) -> Any:
    """Give `WorkerSettings`, read from the environment at the moment somebody asks for it."""
    if name == "WorkerSettings":
        return worker_options(load_settings())
    raise AttributeError(name)
