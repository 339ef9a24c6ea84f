"""Three ways to carry the same empty jobs: bare Redis, arq as it comes, and arq as mintql runs it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from arq.connections import ArqRedis
from arq.worker import Worker, func
from redis.asyncio import ConnectionPool

from mintql.gateways.queue import Job, Queue, deserialize, serialize
from mintql.jobs import worker_options
from mintql.settings import Settings

KEY = "bench:bare"
GAP_SECONDS = 0.05
"""On the average, between two jobs of which the start is timed."""


@dataclass(frozen=True)
class Carried:
    """Jobs a second, and seconds from enqueue to start of jobs that came one by one."""

    rate: float
    starts: list[float]


async def bare(url: str, jobs: int, timed: int) -> Carried:
    """The floor: LPUSH and BRPOP, one after the other."""
    client, popper = ArqRedis(ConnectionPool.from_url(url)), ArqRedis(ConnectionPool.from_url(url))
    await client.lpush(KEY, *[b"1"] * jobs)
    began = time.perf_counter()
    for _ in range(jobs):
        await popper.brpop(KEY)
    rate = jobs / (time.perf_counter() - began)
    starts: list[float] = []

    async def pop() -> None:
        while True:
            _, said = await popper.brpop(KEY)
            starts.append(time.perf_counter() - float(said))

    running = asyncio.create_task(pop())
    await _one_by_one(lambda said: client.lpush(KEY, said), starts, timed)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    await client.aclose(close_connection_pool=True)
    await popper.aclose(close_connection_pool=True)
    return Carried(rate, starts)


async def arq_as_it_comes(url: str, jobs: int, timed: int) -> Carried:
    """The peer: arq's defaults, one `enqueue_job` after the other."""
    client = ArqRedis(ConnectionPool.from_url(url))
    return await _carry(client, client.enqueue_job, {}, jobs, timed)


async def arq_as_mintql_runs_it(url: str, settings: Settings, jobs: int, timed: int) -> Carried:
    """The worker's own options and the gateway's way to enqueue."""
    client = ArqRedis(ConnectionPool.from_url(url), job_serializer=serialize, job_deserializer=deserialize)
    queue = Queue(client, settings.queue_name)
    taken = ("queue_name", "max_jobs", "poll_delay", "keep_result", "job_serializer", "job_deserializer")
    options = {name: value for name, value in worker_options(settings).items() if name in taken}
    return await _carry(client, queue.enqueue, options, jobs, timed, queue.enqueue_all)


async def _carry(
    client: ArqRedis,
    enqueue: Callable[..., Awaitable[Any]],
    options: dict[str, Any],
    jobs: int,
    timed: int,
    enqueue_all: Callable[[list[Job]], Awaitable[Any]] | None = None,
) -> Carried:
    starts: list[float] = []

    async def job(_context: dict[str, Any], said: float) -> None:
        if said:
            starts.append(time.perf_counter() - said)

    def worker(*, burst: bool) -> Worker:
        functions = [func(job, name="job")]
        return Worker(functions, redis_pool=client, handle_signals=False, burst=burst, **options)

    if enqueue_all is None:
        for _ in range(jobs):
            await enqueue("job", 0)
    else:
        await enqueue_all([Job("job", (0,))] * jobs)
    began = time.perf_counter()
    await worker(burst=True).async_run()
    rate = jobs / (time.perf_counter() - began)
    waiting = worker(burst=False)
    running = asyncio.create_task(waiting.async_run())
    await _one_by_one(lambda said: enqueue("job", said), starts, timed)
    running.cancel()
    await asyncio.wait([running])
    await waiting.close()
    return Carried(rate, starts)


async def _one_by_one(send: Callable[[float], Awaitable[Any]], starts: list[float], timed: int) -> None:
    dice = random.Random(1)
    for _ in range(timed):
        await asyncio.sleep(dice.uniform(0, 2 * GAP_SECONDS))
        await send(time.perf_counter())
    async with asyncio.timeout(30):
        while len(starts) < timed:  # noqa: ASYNC110 - each job adds one.
            await asyncio.sleep(GAP_SECONDS)
