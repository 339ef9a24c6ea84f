"""Cached answers in Redis, each under the person it belongs to and the version of that person's data.

`version:{user}` holds a random token, `{user}:{version}:{digest}` an answer. A writer bumps the version
after its commit by deleting the token: the next reader makes a new one, and what was kept under the old one
is found no more. Tokens are random, so a version that was lost never comes back.

Redis may be down, slow or empty at any time: reads then find nothing, quietly and without waiting for a
timeout each. A bump that failed is remembered and retried; until it succeeds this process serves that person
from the database. Other processes serve what they find for `ttl_seconds` at most.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError

from mintql.domain.ids import UserId

log = logging.getLogger(__name__)

T = TypeVar("T")

VERSION_BYTES = 12
VERSION_TTL_SECONDS = 86_400
BODY_BYTES_MAX = 256 * 1024
PAUSE_SECONDS = 1.0
"""How long Redis is left alone after it failed, before one caller tries again."""
BUMPS_PER_COMMAND = 1_000
KEYS_PER_SCAN = 1_000
BUMP_MEMORY_MARGIN_SECONDS = 60.0
"""A failed bump is remembered for the life of a cached answer and this much longer, which covers a reader that
was slow to put its answer; after that nothing stale can be left."""

OUTAGES = (RedisError, OSError, TimeoutError)


class Cache:
    """Cache-aside of answers. `ttl_seconds` bounds the life of an answer; 0 keeps none."""

    def __init__(self, redis: Redis, ttl_seconds: int) -> None:
        self._redis = redis
        self._ttl_seconds = ttl_seconds
        self._paused_until = 0.0
        self._failing = False
        self._unbumped: dict[UserId, float] = {}
        self._retrying: asyncio.Task[None] | None = None

    async def version(self, user_id: UserId) -> str | None:
        """Return the version of a person's data; None when answers of theirs must not be cached now."""
        if self._ttl_seconds == 0 or user_id in self._unbumped:
            return None
        found = await self._ask(lambda: self._redis.get(_version_key(user_id)))
        if found is None and not self._failing:
            token = secrets.token_urlsafe(VERSION_BYTES).encode()
            found = await self._ask(lambda: self._begin_version(user_id, token))
        return None if found is None else bytes(found).decode()

    async def _begin_version(self, user_id: UserId, token: bytes) -> bytes:
        """Keep `token` as the version unless another reader was faster; return the one that holds."""
        kept = await self._redis.set(_version_key(user_id), token, ex=VERSION_TTL_SECONDS, nx=True, get=True)
        return token if kept is None else bytes(kept)

    async def get(self, user_id: UserId, version: str, digest: str) -> bytes | None:
        """Return the answer kept for this person, version and request."""
        found = await self._ask(lambda: self._redis.get(_answer_key(user_id, version, digest)))
        return None if found is None else bytes(found)

    async def put(self, user_id: UserId, version: str, digest: str, body: bytes) -> None:
        """Keep an answer under the version that was read before the answer was made."""
        if len(body) > BODY_BYTES_MAX or user_id in self._unbumped:
            return
        key = _answer_key(user_id, version, digest)
        await self._ask(lambda: self._redis.set(key, body, ex=self._ttl_seconds))

    async def bump(self, user_ids: Iterable[UserId]) -> None:
        """Make all cached answers of these persons stale. Never fails: what cannot be told now is retried."""
        if self._ttl_seconds == 0:
            return
        forget_at = time.monotonic() + self._ttl_seconds + BUMP_MEMORY_MARGIN_SECONDS
        wanted = dict.fromkeys(user_ids, forget_at)
        self._unbumped |= wanted
        if not await self._flush(list(wanted)):
            self._retry_later()

    async def forget(self, user_id: UserId) -> int | None:
        """Remove everything kept for a person; return how much went, None when Redis failed. Reads all keys."""
        return await self._ask(lambda: self._forget(user_id))

    async def _forget(self, user_id: UserId) -> int:
        gone = int(await self._redis.unlink(_version_key(user_id)))
        async for key in self._redis.scan_iter(match=f"{user_id}:*", count=KEYS_PER_SCAN):
            gone += int(await self._redis.unlink(key))
        return gone

    async def close(self) -> None:
        """Stop retrying."""
        if self._retrying is not None:
            self._retrying.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._retrying

    async def _flush(self, user_ids: list[UserId]) -> bool:
        for start in range(0, len(user_ids), BUMPS_PER_COMMAND):
            batch = user_ids[start : start + BUMPS_PER_COMMAND]
            noted = {user_id: self._unbumped.get(user_id) for user_id in batch}
            if await self._ask(partial(self._redis.unlink, *map(_version_key, batch))) is None:
                return False
            for user_id, moment in noted.items():
                if self._unbumped.get(user_id) == moment:
                    self._unbumped.pop(user_id, None)
        return True

    def _retry_later(self) -> None:
        if self._retrying is None or self._retrying.done():
            self._retrying = asyncio.create_task(self._retry(), name="cache-bumps")

    async def _retry(self) -> None:
        while self._unbumped:
            await asyncio.sleep(PAUSE_SECONDS)
            now = time.monotonic()
            for user_id in [u for u, forget_at in self._unbumped.items() if forget_at < now]:
                del self._unbumped[user_id]
            await self._flush(list(self._unbumped))

    async def _ask(self, command: Callable[[], Awaitable[T]]) -> T | None:
        """Run a command; None when Redis fails, and without asking while it is left alone."""
        now = time.monotonic()
        if now < self._paused_until:
            return None
        if self._failing:
            self._paused_until = now + PAUSE_SECONDS  # This caller tries; the others go on without.
        try:
            result = await command()
        except OUTAGES as error:
            if not self._failing:
                log.warning("the cache is not reachable, answering without it: %s", error)
            self._failing, self._paused_until = True, time.monotonic() + PAUSE_SECONDS
            return None
        if self._failing:
            log.warning("the cache is reachable again")
        self._failing, self._paused_until = False, 0.0
        return result


def _version_key(user_id: UserId) -> str:
    return f"version:{user_id}"


def _answer_key(user_id: UserId, version: str, digest: str) -> str:
    return f"{user_id}:{version}:{digest}"
