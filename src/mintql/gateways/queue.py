"""arq as a carrier: a job says "look at this row now"; PostgreSQL says what there is to do.

Every job gets a fresh id and keeps no result, because arq refuses an id whose result key still lives. A job
that never arrives is no loss: the sweeper enqueues again what PostgreSQL says is due. Jobs are JSON, not
pickle, so that what can write to Redis cannot run code in a worker.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import orjson
from arq.connections import ArqRedis
from arq.constants import job_key_prefix
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

ENQUEUE_TIMEOUT_SECONDS = 1.0
JOBS_PER_SCAN = 500


def serialize(job: dict[str, Any]) -> bytes:
    """Write a job as JSON."""
    return orjson.dumps(job)


def deserialize(data: bytes) -> dict[str, Any]:
    """Read a job from JSON."""
    job: dict[str, Any] = orjson.loads(data)
    return job


class Queue:
    """Enqueues jobs, bounded in time; says whether it could."""

    def __init__(self, redis: ArqRedis, queue_name: str) -> None:
        self._redis = redis
        self._queue_name = queue_name

    async def enqueue(self, name: str, *args: Any, defer_seconds: float = 0) -> bool:
        """Hand a job to the workers; False when Redis does not take it (the sweeper will come back to it)."""
        try:
            async with asyncio.timeout(ENQUEUE_TIMEOUT_SECONDS):
                await self._redis.enqueue_job(
                    name, *args, _queue_name=self._queue_name, _defer_by=defer_seconds or None
                )
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("job %s not enqueued: %s", name, type(error).__name__)
            return False
        return True

    async def forget(self, user_id: int) -> int | None:
        """Take a person out of the jobs that wait; return how many named them, None when Redis failed.

        Jobs name persons as the first of each pair in a list (`[[person, run], ...]`) or as their first argument. One
        that is taken away although its number means something else is sent again by the sweeper, as any that is lost.
        """
        try:
            return await self._forget(user_id)
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("waiting jobs could not be looked through: %s", type(error).__name__)
            return None

    async def _forget(self, user_id: int) -> int:
        named = 0
        async for job_id, _ in self._redis.zscan_iter(self._queue_name, count=JOBS_PER_SCAN):
            key = job_key_prefix + job_id.decode()
            packed = await self._redis.get(key)
            job = None if packed is None else deserialize(packed)
            if job is None or not _names(job, user_id):
                continue
            named += 1
            kept = _without(job, user_id)
            if kept is None:
                await self._redis.zrem(self._queue_name, job_id)
                await self._redis.unlink(key)
            else:
                await self._redis.set(key, serialize(kept), xx=True, keepttl=True)
        return named


def _names(job: dict[str, Any], user_id: int) -> bool:
    return any(argument == user_id or _pairs(argument, user_id) for argument in job["a"][:1])


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
