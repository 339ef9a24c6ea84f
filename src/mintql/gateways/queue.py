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
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

ENQUEUE_TIMEOUT_SECONDS = 1.0


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
