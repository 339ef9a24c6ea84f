"""arq as a carrier: a job says "look at this row now"; PostgreSQL says what there is to do.

Every job gets a fresh id and keeps no result, because arq refuses an id whose result key still lives. A job
that never arrives is no loss: the sweeper enqueues again what PostgreSQL says is due. Jobs are JSON, not
pickle, so that what can write to Redis cannot run code in a worker.

There are two queues: one for what a person waits for, and one in the background for what the clock asks for everybody,
such as the daily refresh. Each has workers of its own, so that however long the second is, the first is as short as
if it were alone.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any
from uuid import uuid4

import orjson
from arq.connections import ArqRedis
from arq.constants import expires_extra_ms, job_key_prefix
from arq.jobs import serialize_job
from redis.exceptions import RedisError

from mintql.gateways.redis_pause import Pause
from mintql.observing import metrics, tracing

log = logging.getLogger(__name__)

ENQUEUE_TIMEOUT_SECONDS = 1.0
TRACEPARENT = "traceparent"
"""Where a job has the span that it continues, where tracing is on; arq leaves it alone."""
_FAILURES = metrics.REDIS_FAILURES.of("queue")
JOBS_PER_SCAN = 500
JOBS_PER_COMMAND = 100
BEGUN_FIRST_SECONDS = 86_400


def serialize(job: dict[str, Any]) -> bytes:
    """Write a job as JSON."""
    return orjson.dumps(job)


def deserialize(data: bytes) -> dict[str, Any]:
    """Read a job from JSON."""
    job: dict[str, Any] = orjson.loads(data)
    if tracing.active is not None:
        tracing.came_with.set(job.get(TRACEPARENT))
    return job


def _serialize_within(parent: str, job: dict[str, Any]) -> bytes:
    return serialize({**job, TRACEPARENT: parent})


def background_of(queue_name: str) -> str:
    """Return the name of the queue in the background beside the one of this name."""
    return f"{queue_name}:background"


@dataclass(frozen=True, slots=True)
class Job:
    """A call of a worker function: its name in `mintql.jobs` and JSON-able arguments.

    Args:
        name: Of the function.
        args: What it is called with.
        defer_seconds: How long it waits at least; below zero it goes before those that have been due for less long.
        background: Nobody waits for it: it goes into the other queue.
    """

    name: str
    args: tuple[Any, ...] = ()
    defer_seconds: float = 0
    background: bool = False

    def begun(self) -> Job:
        """Return it as one that goes on with what was begun in the background, before more is begun there."""
        return replace(self, background=True, defer_seconds=-BEGUN_FIRST_SECONDS)


class Queue:
    """Enqueues jobs, bounded in time, and none while Redis is left alone; says whether it could."""

    def __init__(self, redis: ArqRedis, queue_name: str, pause: Pause | None = None) -> None:
        self._redis = redis
        self._pause = pause or Pause()
        self._queue_name = queue_name
        self._background_name = background_of(queue_name)

    async def enqueue(self, name: str, *args: Any, defer_seconds: float = 0, background: bool = False) -> bool:
        """Hand a job to the workers; False when Redis does not take it (the sweeper will come back to it)."""
        return await self.enqueue_all([Job(name, args, defer_seconds, background)])

    async def enqueue_all(self, jobs: Sequence[Job]) -> bool:
        """Hand jobs to the workers, many with one command; False when Redis did not take all of them."""
        waiting = iter(jobs)
        if jobs and self._pause.is_on:
            return False
        while batch := list(islice(waiting, JOBS_PER_COMMAND)):
            try:
                async with asyncio.timeout(ENQUEUE_TIMEOUT_SECONDS):
                    await self._put(batch)
            except (RedisError, OSError, TimeoutError) as error:
                names = ", ".join(sorted({job.name for job in [*batch, *waiting]}))
                _FAILURES.add()
                self._pause.begin()
                log.warning("jobs not enqueued: %s: %s", names, type(error).__name__)
                return False
        return True

    async def _put(self, jobs: Sequence[Job]) -> None:
        """Do what arq's `enqueue_job` does, in one round trip: a fresh id needs no look whether it is taken."""
        now_ms, parent = int(time.time() * 1000), tracing.traceparent()
        write = serialize if parent is None else partial(_serialize_within, parent)
        async with self._redis.pipeline(transaction=True) as pipe:
            for job in jobs:
                job_id = uuid4().hex
                defer_ms = int(job.defer_seconds * 1000)
                packed = serialize_job(job.name, job.args, {}, None, now_ms, serializer=write)
                pipe.psetex(job_key_prefix + job_id, max(defer_ms, 0) + expires_extra_ms, packed)
                pipe.zadd(self._background_name if job.background else self._queue_name, {job_id: now_ms + defer_ms})
            await pipe.execute()

    async def idle(self) -> set[bool]:
        """Return which queues hold no job but the one that asks, waiting or under way; none when Redis failed.

        Of the background is True, of persons False.
        """
        try:
            async with asyncio.timeout(ENQUEUE_TIMEOUT_SECONDS):
                persons = await self._redis.zcard(self._queue_name)
                background = await self._redis.zcard(self._background_name)
        except (RedisError, OSError, TimeoutError):
            return set()
        return {is_background for is_background, size in ((False, persons - 1), (True, background)) if size <= 0}

    async def forget(self, user_id: int) -> int | None:
        """Take a person out of the jobs that wait; return how many named them, None when Redis failed.

        Jobs name persons as the first of each pair in a list (`[[person, run], ...]`) or as an argument. One that is
        taken away although its number means something else is sent again by the sweeper, as any that is lost.
        """
        try:
            return await self._forget(user_id)
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("waiting jobs could not be looked through: %s", type(error).__name__)
            return None

    async def _forget(self, user_id: int) -> int:
        return sum([await self._forget_in(name, user_id) for name in (self._queue_name, self._background_name)])

    async def _forget_in(self, queue_name: str, user_id: int) -> int:
        named = 0
        async for job_id, _ in self._redis.zscan_iter(queue_name, count=JOBS_PER_SCAN):
            key = job_key_prefix + job_id.decode()
            packed = await self._redis.get(key)
            job = None if packed is None else deserialize(packed)
            if job is None or not _names(job, user_id):
                continue
            named += 1
            kept = _without(job, user_id)
            if kept is None:
                await self._redis.zrem(queue_name, job_id)
                await self._redis.unlink(key)
            else:
                await self._redis.set(key, serialize(kept), xx=True, keepttl=True)
        return named


def _names(job: dict[str, Any], user_id: int) -> bool:
    return any(argument == user_id or _pairs(argument, user_id) for argument in job["a"])


def _pairs(argument: object, user_id: int) -> bool:
    return isinstance(argument, list) and any(
        isinstance(pair, list) and bool(pair) and pair[0] == user_id for pair in argument
    )


def _without(job: dict[str, Any], user_id: int) -> dict[str, Any] | None:
    """Return a job without a person; None when nobody is left in it."""
    first, *rest = job["a"]
    if not isinstance(first, list):
        return None
    kept = [pair for pair in first if not (isinstance(pair, list) and pair and pair[0] == user_id)]
    return {**job, "a": [kept, *rest]} if kept else None
