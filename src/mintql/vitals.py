"""What watches over a process: whether its loop turns, what its resources are at, and what waits for everybody.

Everything that asks PostgreSQL or Redis is asked by the loop, now and then, and only while somebody reads the metrics;
the server that gives them away (`gateways/metrics.py`) tells what was found last.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic, time
from typing import Any

from arq.constants import job_key_prefix

from mintql import __version__
from mintql.domain.notices import Channel
from mintql.gateways.metrics import MetricsServer, Pages, registry
from mintql.gateways.queue import background_of, deserialize
from mintql.observing import metrics
from mintql.observing.instruments import Family, Gauge, Reading
from mintql.observing.logs import access
from mintql.observing.loops import LoopWatch
from mintql.runtime import Runtime
from mintql.services.extract import utc_now
from mintql.store import vitals as store

log = logging.getLogger(__name__)

READ_EVERY_SECONDS = 10.0
READ_WHILE_SCRAPED_SECONDS = 180.0
"""So long after the last scrape nobody is taken to read the metrics any more."""
CHECK_SECONDS_MAX = 2.0
CHECKS_HOLD_SECONDS = 20.0
"""What was found to be well longer ago than this says nothing of now."""
FINDINGS_SINCE = timedelta(days=7)
NO_READINGS: Mapping[Family[Gauge], Callable[[], Reading]] = {}
CHANNELS = ("live", Channel.EMAIL.value, Channel.WEBHOOK.value)


@dataclass(slots=True)
class Checks:
    """What the process needs, and whether it answered when it was last asked."""

    database: bool = False
    redis: bool = False
    at: float = field(default_factory=lambda: monotonic() - CHECKS_HOLD_SECONDS)

    def told(self) -> tuple[bool, Mapping[str, Any]]:
        """Return whether the process can do its work, and why."""
        fresh = monotonic() - self.at < CHECKS_HOLD_SECONDS
        words = {"database": _word(self.database), "redis": _word(self.redis), "checked": fresh}
        return fresh and self.database, words


def _word(works: bool) -> str:
    return "ok" if works else "down"


@asynccontextmanager
async def watched(
    runtime: Runtime,
    name: str,
    readings: Mapping[Family[Gauge], Callable[[], Reading]] = NO_READINGS,
    *,
    serve: bool = True,
) -> AsyncIterator[None]:
    """Watch over the process for the length of the block.

    Args:
        runtime: Whose resources are told of.
        name: What they are called: `api`, `worker` or `background`.
        readings: What else there is to tell whenever somebody reads the metrics.
        serve: Whether this is the process itself; without, there is another runtime in it that is.
    """
    async with AsyncExitStack() as stack:
        owner = object()
        _tell_resources(runtime, name, owner)
        for family, read in readings.items():
            family.read_from(owner, read)
        stack.callback(_tell_no_more, owner)
        if serve:
            stack.callback(access.flush)
            metrics.INFO.of(__version__, name).set(1)
            loop_watch = LoopWatch()
            loop_watch.start()
            stack.callback(loop_watch.stop)
            if runtime.settings.metrics_port is not None:
                await stack.enter_async_context(_served(runtime, loop_watch))
        yield


def _tell_resources(runtime: Runtime, name: str, owner: object) -> None:
    pool, lender = runtime.pool, runtime.servers.database.lender

    def connections() -> Mapping[tuple[str, ...], float]:
        size, idle = pool.get_size(), pool.get_idle_size() + lender.idle
        return {(name, "used"): size - idle, (name, "idle"): idle}

    metrics.DATABASE_CONNECTIONS.read_from(owner, connections)
    metrics.DATABASE_CONNECTIONS_MAX.read_from(owner, lambda: {(name,): pool.get_max_size()})
    metrics.DATABASE_LOST.read_from(owner, lambda: {(name,): runtime.servers.database.losses})
    replicas = runtime.servers.replicas
    metrics.REPLICA_READS.read_from(owner, lambda: {(replica.name,): replica.reads for replica in replicas})
    metrics.REPLICA_AGE_SECONDS.read_from(
        owner, lambda: {(replica.name,): monotonic() - replica.fresh_at for replica in replicas}
    )
    if runtime.role == "api":
        metrics.SUBSCRIPTIONS_OPEN.read_from(owner, lambda: {(): len(runtime.wakeups.listening())})


def _tell_no_more(owner: object) -> None:
    for family in metrics.ALL:
        family.read_no_more(owner)


@asynccontextmanager
async def _served(runtime: Runtime, loop_watch: LoopWatch) -> AsyncIterator[None]:
    """Serve the metrics; where no port is free that is said, and the process does its work without."""
    reader = VitalsReader(runtime)

    def live() -> tuple[bool, Mapping[str, Any]]:
        return not loop_watch.is_stuck, {"loop_silent_seconds": round(loop_watch.silent_seconds, 3)}

    def ready() -> tuple[bool, Mapping[str, Any]]:
        alive, _ = live()
        well, words = reader.checks.told()
        return alive and well and not runtime.draining, {"loop": _word(alive), **words, "draining": runtime.draining}

    pages = Pages(registry(), live, ready, reader.scraped)
    try:
        server = MetricsServer(runtime.settings.metrics_host, runtime.settings.metrics_port or 0, pages)
    except OSError:
        log.exception("metrics are not served; see MINTQL_METRICS_PORT")
        yield
        return
    server.start()
    log.info("metrics are at http://%s:%s/metrics", runtime.settings.metrics_host, server.port)
    reading = asyncio.create_task(reader.run(), name="vitals")
    try:
        yield
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
        await asyncio.to_thread(server.stop)


class VitalsReader:
    """Asks PostgreSQL and Redis what waits there, every so often, while somebody reads the metrics."""

    def __init__(self, runtime: Runtime) -> None:
        self.checks = Checks()
        self._runtime = runtime
        self._scraped_at = monotonic() - READ_WHILE_SCRAPED_SECONDS

    def scraped(self) -> None:
        """Note that somebody reads the metrics. May be called from any thread."""
        self._scraped_at = monotonic()

    async def run(self) -> None:
        """Read for ever."""
        while True:
            await self.read()
            await asyncio.sleep(READ_EVERY_SECONDS)

    async def read(self) -> None:
        """Look whether everything answers, and while somebody reads the metrics, what waits."""
        wanted = monotonic() - self._scraped_at < READ_WHILE_SCRAPED_SECONDS
        database = self._read_database if wanted and self._runtime.role == "worker" else self._ask_database
        redis = self._read_queues if wanted else self._runtime.redis.ping
        self.checks.database, self.checks.redis = await asyncio.gather(_works(database), _works(redis))
        self.checks.at = monotonic()
        if wanted and self.checks.database:
            metrics.VITALS_AGE.of().set(time())

    async def _ask_database(self) -> None:
        async with self._runtime.statement() as conn:
            await conn.fetchval("SELECT 1")

    async def _read_database(self) -> None:
        """Read what only a worker sees: the rows of everybody."""
        now = utc_now()
        async with self._runtime.system() as conn:
            runs = await store.runs_due(conn, now)
            channels = await store.outbox(conn, CHANNELS, now)
            endpoints = await store.endpoints_due(conn, now)
            reconciled = await store.reconciled(conn, now - FINDINGS_SINCE)
        metrics.RUNS_DUE.set_all({(lane,): of_lane.due for lane, of_lane in runs.items()})
        metrics.RUNS_OLDEST_SECONDS.set_all({(lane,): _age(of_lane.oldest, now) for lane, of_lane in runs.items()})
        metrics.OUTBOX_DUE.set_all({(item.channel,): item.waiting.due for item in channels})
        metrics.OUTBOX_OLDEST_SECONDS.set_all({(item.channel,): _age(item.waiting.oldest, now) for item in channels})
        metrics.OUTBOX_DEAD.set_all({(item.channel,): item.dead for item in channels})
        metrics.WEBHOOK_ENDPOINTS_DUE.of().set(endpoints)
        metrics.RECONCILE_FINDINGS.of().set(reconciled.findings)
        metrics.RECONCILE_LAST.of().set(_timestamp(reconciled.night_ended_at))
        metrics.RECONCILE_ROUND.of().set(_timestamp(reconciled.round_ended_at))

    async def _read_queues(self) -> None:
        name = self._runtime.settings.queue_name
        queues = {"persons": name, "background": background_of(name)}
        redis, now_ms = self._runtime.redis, time() * 1000
        depths: dict[tuple[str, ...], float] = {}
        ages: dict[tuple[str, ...], float] = {}
        for queue, key in queues.items():
            depths[queue,] = await redis.zcard(key)
            first = await redis.zrange(key, 0, 0, withscores=True)
            ages[queue,] = await self._age_of_job(first[0][0], first[0][1], now_ms) if first else 0.0
        metrics.QUEUE_JOBS.set_all(depths)
        metrics.QUEUE_OLDEST_SECONDS.set_all(ages)

    async def _age_of_job(self, job_id: bytes, due_ms: float, now_ms: float) -> float:
        """Return for how many seconds a job has been due. One that goes before others is due when it was enqueued."""
        packed = await self._runtime.redis.get(job_key_prefix + job_id.decode())
        enqueued_ms = 0.0 if packed is None else deserialize(packed)["et"]
        return max(0.0, (now_ms - max(due_ms, enqueued_ms)) / 1000)


def _age(moment: datetime | None, now: datetime) -> float:
    return 0.0 if moment is None else max(0.0, (now - moment).total_seconds())


def _timestamp(moment: datetime | None) -> float:
    return 0.0 if moment is None else moment.timestamp()


async def _works(ask: Callable[[], Awaitable[object]]) -> bool:
    try:
        async with asyncio.timeout(CHECK_SECONDS_MAX):
            await ask()
    except Exception as error:  # noqa: BLE001 - whatever the reason, it does not answer
        log.warning("what waits could not be read: %s: %s", type(error).__name__, error)
        return False
    return True
