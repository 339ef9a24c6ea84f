"""arq's `Worker` as mintql runs it: put down quietly, and with another one for the background beside it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from functools import wraps
from typing import Any

from arq.worker import Worker
from redis.exceptions import RedisError

from mintql.observing.jobs import FAILED, Working

log = logging.getLogger(__name__)

SHUTDOWN_SECONDS = 5
"""How long jobs under way have to come to their end when their worker stops."""
CANCEL_SECONDS = 0.5
PAUSE_SECONDS = 1.0
"""Before a worker that lost Redis starts again."""
OUTAGES = (RedisError, OSError, TimeoutError)

Context = dict[str, Any]
JobFunction = Callable[..., Coroutine[Any, Any, None]]


def guarded(function: JobFunction) -> JobFunction:
    """Log what a job raises instead of handing it to arq: the sweeper brings back what is not done."""
    name = function.__name__

    @wraps(function)
    async def shell(context: Context, *args: Any) -> None:
        with Working(name, context) as job:
            try:
                await function(context, *args)
            except Exception:
                job.outcome = FAILED
                log.exception("job %s failed; what it left undone is found by the sweeper", name)

    return shell


async def work_until(stopped: asyncio.Event, worker: Worker) -> RedisError | None:
    """Run a worker until it is told to stop, or loses Redis: then return how. Its jobs are put down, its resources too.

    What else ends it, such as a database that is away when it starts, is raised.
    """
    running = asyncio.create_task(worker.async_run())
    stopping = asyncio.create_task(stopped.wait())
    await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
    worker.allow_pick_jobs = False
    companion: Companion | None = worker.ctx.get("companion")
    if companion is not None:
        companion.stopped.set()
    if worker.tasks:
        await wait_for_jobs(worker.tasks.values(), worker.ctx.get("hurried"))
    await end([running, stopping, *worker.tasks.values()])
    ended = None if running.cancelled() else running.exception()
    with suppress(*OUTAGES):
        # Its mark for `arq --check`.
        await worker.pool.delete(worker.health_check_key)
    if worker.on_shutdown is not None and "stack" in worker.ctx:
        await worker.on_shutdown(worker.ctx)
    if isinstance(ended, RedisError):
        return ended
    if isinstance(ended, Exception):
        raise ended
    return None


async def wait_for_jobs(jobs: Iterable[asyncio.Task[Any]], hurried: asyncio.Event | None) -> None:
    """Give jobs under way their time to end, unless somebody is in a hurry."""
    ending = asyncio.create_task(asyncio.wait(list(jobs), timeout=SHUTDOWN_SECONDS))
    hurrying = asyncio.create_task((hurried or asyncio.Event()).wait())
    await asyncio.wait((ending, hurrying), return_when=asyncio.FIRST_COMPLETED)
    await end((ending, hurrying))


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks until they are done: a client of Redis may take a cancellation for its own time-out.

    What they end of is nobody's any more: a job that could not be put down without Redis is found by the sweeper.
    """
    left = all_of_them = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=CANCEL_SECONDS)
    for task in all_of_them:
        if not task.cancelled():
            task.exception()


class Companion:
    """A worker in the loop of another one, started again when it loses Redis, until it is told to stop."""

    def __init__(self, make: Callable[[], Worker]) -> None:
        self.stopped = asyncio.Event()
        self._task = asyncio.create_task(self._run(make))

    async def _run(self, make: Callable[[], Worker]) -> None:
        while not self.stopped.is_set():
            lost: Exception | None
            try:
                lost = await work_until(self.stopped, make())
            except Exception as error:
                log.exception("the worker for the background ended; it starts again")
                lost = error
            if lost is not None:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.stopped.wait(), PAUSE_SECONDS)

    async def stop(self) -> None:
        """Put its jobs down and wait until it has ended."""
        self.stopped.set()
        await self._task
