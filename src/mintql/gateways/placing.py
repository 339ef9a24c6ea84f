"""Which position of the database's log the version of a person's data needs, so that replicas can be asked.

A version (`gateways/cache.py`) is a token that a reader made after the last bump. It is placed by a reader that knows
of replicas: `token@position`, where the position was asked for after the token had been seen. So everything that was
committed before the token was made lies before that position, whoever wrote it: a commit comes before its bump, and a
bump deletes the token. The position is put beside the token only while that very token still holds (a script, which
Redis runs as one step), so that a bump in between wins.

Until its version is placed a person is read where they write, which is so for a few milliseconds after each change. No
request waits for the placing, and nobody who writes has to know of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from mintql.domain.ids import UserId
from mintql.domain.positions import Position

log = logging.getLogger(__name__)

WANTED_MAX: Final = 10_000
"""Versions that wait to be placed; more are placed when they are read again."""
PER_COMMAND: Final = 1_000
MARK: Final = "@"

_PLACE: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
    redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
end
return 1
"""


class Placing:
    """Places the versions that were read without a position. `ask` returns how far the database is at that moment."""

    def __init__(self, redis: Redis, ask: Callable[[], Awaitable[Position]]) -> None:
        self._redis = redis
        self._ask = ask
        self._wanted: dict[UserId, str] = {}
        self._working: asyncio.Task[None] | None = None

    def want(self, user_id: UserId, version: str) -> None:
        """Place a version that was just read, soon."""
        if len(self._wanted) >= WANTED_MAX:
            return
        self._wanted[user_id] = version
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work(), name="placing of versions")

    async def finish(self) -> None:
        """Wait until what is wanted is placed, or has failed."""
        if self._working is not None:
            await self._working

    async def _work(self) -> None:
        while self._wanted:
            wanted, self._wanted = self._wanted, {}
            try:
                position = await self._ask()
                await self._put(wanted, position)
            except (RedisError, OSError) as error:
                log.info("%s versions are not placed: %s", len(wanted), error)
            except Exception:
                log.info("%s versions are not placed", len(wanted), exc_info=True)

    async def _put(self, wanted: dict[UserId, str], position: Position) -> None:
        items = list(wanted.items())
        for start in range(0, len(items), PER_COMMAND):
            pipeline = self._redis.pipeline(transaction=False)
            for user_id, version in items[start : start + PER_COMMAND]:
                pipeline.eval(_PLACE, 1, version_key(user_id), version, f"{version}{MARK}{position}")
            await pipeline.execute()


def version_key(user_id: UserId) -> str:
    """Return the key of the version of a person's data."""
    return f"version:{user_id}"


def split(value: str) -> tuple[str, Position | None]:
    """Return the version in what Redis keeps, and its position where it is placed."""
    version, mark, position = value.partition(MARK)
    return version, Position.read(position) if mark else None
