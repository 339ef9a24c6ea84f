"""`mintql worker`: arq's worker for as long as nobody stops it. Without Redis it waits, where arq's own ends."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from contextlib import suppress
from typing import Literal

from arq.connections import ArqRedis
from arq.worker import Worker
from redis.exceptions import RedisError

from mintql.gateways.redis_servers import UNBOUNDED, open_redis, place_of
from mintql.jobs import worker_options
from mintql.settings import Settings
from mintql.workers import OUTAGES, PAUSE_SECONDS, end, work_until

log = logging.getLogger(__name__)

Lanes = Literal["both", "persons", "background"]

REDIS_TIMEOUT_SECONDS = 5.0
"""Longer than any answer takes, so that a Redis that hangs counts as one that is away."""
BACKGROUND_NICENESS = 10
"""A worker for the background gives way to all others on its machine."""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


async def work(settings: Settings, lanes: Lanes = "both") -> None:
    """Run a worker until SIGINT or SIGTERM: for what persons wait for, for the background, or for both.

    Jobs under way have `SHUTDOWN_SECONDS` to end, then or when Redis goes away, and none at a second signal; a batch
    that takes longer is taken up again when its lease has run out. What else ends the worker, such as a database that
    is away when it starts, is raised.
    """
    if lanes == "background":
        os.nice(BACKGROUND_NICENESS)
    stopped, hurried = asyncio.Event(), asyncio.Event()

    def stop() -> None:
        (hurried if stopped.is_set() else stopped).set()

    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop)
    lost: RedisError | None = None
    while not stopped.is_set():
        redis = open_redis(
            settings,
            timeout_seconds=REDIS_TIMEOUT_SECONDS,
            connections_max=UNBOUNDED,
            queue_name=settings.queue_name,
        )
        try:
            await _until(stopped, asyncio.create_task(_reach(redis, lost)))
            lost = None if stopped.is_set() else await work_until(stopped, _worker(settings, redis, lanes, hurried))
        finally:
            await redis.aclose(close_connection_pool=True)


async def _until(stopped: asyncio.Event, task: asyncio.Task[None]) -> None:
    """Wait for a task, but no longer than until we are told to stop."""
    stopping = asyncio.create_task(stopped.wait())
    await asyncio.wait((task, stopping), return_when=asyncio.FIRST_COMPLETED)
    await end([stopping] if task.done() else [stopping, task])
    with suppress(asyncio.CancelledError):
        task.result()


async def _reach(redis: ArqRedis, lost: RedisError | None) -> None:
    """Return when Redis answers, however long that takes; say once that it does not.

    `lost` is what the worker before this one died of, None when this is the first.
    """
    told = lost is not None
    if lost is not None:
        log.warning("Redis at %s was lost (%s); the worker goes on when it answers", place_of(redis), lost)
        await asyncio.sleep(PAUSE_SECONDS)
    while True:
        try:
            await redis.ping()
        except OUTAGES as error:
            if not told:
                log.warning("Redis at %s does not answer (%s); waiting until it does", place_of(redis), error)
            told = True
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            if told:
                log.info("Redis at %s answers", place_of(redis))
            return


def _worker(settings: Settings, redis: ArqRedis, lanes: Lanes, hurried: asyncio.Event) -> Worker:
    background = lanes == "background"
    options = worker_options(settings, background=background) | {"redis_pool": redis, "handle_signals": False}
    about = {"settings": settings, "background": background, "alone": lanes != "both", "hurried": hurried}
    return Worker(**options, ctx=about)
