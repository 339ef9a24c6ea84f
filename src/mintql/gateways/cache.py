"""Cached answers in Redis, each with the person it belongs to and the version of that person's data.

`version:{user}` holds a random token, `{user}:{digest}` an answer behind the version it was made from. A writer bumps
the version after its commit by deleting the token: the next reader makes a new one, and what was made under the old one
counts no more. Tokens are random, so a version that was lost never comes back.

Whoever asks reads the version that holds now, always; an answer that this process keeps itself (`answers.py`) only
spares the way of its body. What several readers ask for in the same turn of the event loop is one command, and so is
what they leave to be kept.

Redis may be down, slow or empty at any time: reads then find nothing, quietly and without waiting for a
timeout each. A bump that failed is remembered and retried; until it succeeds this process serves that person
from the database. Other processes serve what they find for `ttl_seconds` at most.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias, TypeVar

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisError

from mintql.domain.ids import UserId
from mintql.gateways.answers import NOTHING, Found, KeptAnswer, LocalAnswers
from mintql.gateways.placing import Placing, split, version_key
from mintql.gateways.redis_servers import reader_of
from mintql.observing import metrics
from mintql.observing.instruments import Counter

log = logging.getLogger(__name__)

T = TypeVar("T")

VERSION_BYTES = 12
VERSION_TTL_SECONDS = 86_400
BODY_BYTES_MAX = 256 * 1024
PAUSE_SECONDS = 1.0
"""How long Redis is left alone after it failed, before one caller tries again."""
BUMPS_PER_COMMAND = 1_000
KEYS_PER_SCAN = 1_000
LIMITS_PREFIX = "mintql:limits"
"""How keys begin that count what persons ask for (`rate_limits.py`), with the person between slashes."""
BUMP_MEMORY_MARGIN_SECONDS = 60.0
"""A failed bump is remembered for the life of a cached answer and this much longer, which covers a reader that
was slow to put its answer; after that nothing stale can be left."""
BUMPED_LATELY_SECONDS = 30.0
"""How far back bumps are repeated when another server has taken over; replication lags by less, or not at all."""
BUMPED_LATELY_MAX = 10_000

READS_PER_COMMAND = 500
LOCAL_BYTES_MAX = 32 * 1024 * 1024
"""How much of answers a process keeps itself."""
LEAVING_MAX = 1_000
"""How many answers may be on their way to Redis; more are not sent there."""
VERSION_END = b"\n"

OUTAGES = (RedisError, OSError, TimeoutError)

_LOCAL, _REDIS, _MISSES = (metrics.CACHE_LOOKUPS.of(name) for name in ("local", "redis", "miss"))
_FAILURES = metrics.REDIS_FAILURES.of("cache")


_Asked: TypeAlias = "tuple[tuple[str, ...], asyncio.Future[Sequence[bytes | None] | None]]"


class Cache:
    """Cache-aside of answers. `ttl_seconds` bounds the life of an answer; 0 keeps none, and versions all the same.

    `placing` places versions, where there are replicas to be asked.
    """

    def __init__(self, redis: Redis, ttl_seconds: int, placing: Placing | None = None) -> None:
        self._redis = redis
        self._reader = reader_of(redis)
        self._placing = placing
        self._ttl_seconds = ttl_seconds
        self._paused_until = 0.0
        self._failing = False
        self._unbumped: dict[UserId, float] = {}
        self._bumped: OrderedDict[UserId, float] = OrderedDict()
        self._retrying: asyncio.Task[None] | None = None
        self._local = LocalAnswers(LOCAL_BYTES_MAX, ttl_seconds)
        self._asked: list[_Asked] = []
        self._reading: asyncio.Task[None] | None = None
        self._leaving: dict[str, bytes] = {}
        self._sending: asyncio.Task[None] | None = None

    def find(self, user_id: UserId, digest: str) -> Awaitable[Found]:
        """Return the version of a person's data, None as for `version`, and the answer to a request kept under it."""
        if self._ttl_seconds == 0 or user_id in self._unbumped:
            return self.current(user_id)
        local = self._local.get(user_id, digest)
        return self._find(user_id, digest) if local is None else self._still_holds(user_id, local)

    async def _find(self, user_id: UserId, digest: str) -> Found:
        read = await self._read(version_key(user_id), _answer_key(user_id, digest))
        found = await self._known(user_id, read)
        body = _body_of(read[1] if read else None, found.version)
        if found.version is None or body is None:
            return _counted(found, _REDIS)
        self._local.put(user_id, found.version, digest, body)
        return _counted(found._replace(body=body), _REDIS)

    async def _still_holds(self, user_id: UserId, kept: KeptAnswer) -> Found:
        """Return an answer that this process keeps if it was made from the version that holds; else that version."""
        read = await self._read(version_key(user_id))
        if read is not None and read[0] is not None and read[0] == kept.written and user_id not in self._unbumped:
            _LOCAL.value += 1
            return kept.found
        found = await self._known(user_id, read)
        if found.version != kept.version:
            return _counted(found, _LOCAL)
        found = found._replace(body=kept.body)
        if read is not None and (found.position is not None or self._placing is None):
            kept.written, kept.found = read[0], found
        return _counted(found, _LOCAL)

    async def version(self, user_id: UserId) -> str | None:
        """Return the version of a person's data; None when nothing of theirs may be trusted to be what it was."""
        return (await self.current(user_id)).version

    async def current(self, user_id: UserId) -> Found:
        """Return the version as `version` does, with no answer."""
        if user_id in self._unbumped:
            return NOTHING
        return await self._known(user_id, await self._read(version_key(user_id)))

    async def _known(self, user_id: UserId, read: Sequence[bytes | None] | None) -> Found:
        """Return the version that was read, a new one where there is none, nothing when Redis failed."""
        if read is None or user_id in self._unbumped:
            return NOTHING
        found = read[0]
        if found is None:
            token = secrets.token_urlsafe(VERSION_BYTES).encode()
            found = await self._ask(lambda: self._begin_version(user_id, token))
        if found is None:
            return NOTHING
        version, position = split(bytes(found).decode())
        if position is None and self._placing is not None:
            self._placing.want(user_id, version)
        return Found(version, None, position)

    async def _begin_version(self, user_id: UserId, token: bytes) -> bytes:
        """Keep `token` as the version unless another reader was faster; return the one that holds."""
        kept = await self._redis.set(version_key(user_id), token, ex=VERSION_TTL_SECONDS, nx=True, get=True)
        return token if kept is None else bytes(kept)

    async def get(self, user_id: UserId, version: str, digest: str) -> bytes | None:
        """Return the answer kept for this person, version and request."""
        read = await self._read(_answer_key(user_id, digest))
        return _body_of(read[0] if read else None, version)

    def keep(self, user_id: UserId, version: str, digest: str, body: bytes) -> None:
        """Keep an answer under the version that was read before the answer was made.

        It goes to Redis soon if the same was asked for lately: most answers are never wanted again, and those that are
        cost each process one more time.
        """
        if self._may_keep(user_id, body) and self._local.put(user_id, version, digest, body):
            self._leave(user_id, version, digest, body)

    def _may_keep(self, user_id: UserId, body: bytes) -> bool:
        return self._ttl_seconds > 0 and user_id not in self._unbumped and len(body) <= BODY_BYTES_MAX

    def _leave(self, user_id: UserId, version: str, digest: str, body: bytes) -> None:
        if len(self._leaving) < LEAVING_MAX:
            self._leaving[_answer_key(user_id, digest)] = version.encode() + VERSION_END + body
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send(), name="cache-answers")

    async def put(self, user_id: UserId, version: str, digest: str, body: bytes) -> None:
        """Keep an answer in Redis too, whatever was asked for before; wait until it is there or Redis has failed."""
        if not self._may_keep(user_id, body):
            return
        self._local.put(user_id, version, digest, body)
        self._leave(user_id, version, digest, body)
        if self._sending is not None:
            await asyncio.shield(self._sending)

    async def _send(self) -> None:
        await asyncio.sleep(0)  # What others leave in this turn goes along.
        while self._leaving:
            leaving, self._leaving = self._leaving, {}
            await self._ask(partial(self._set_all, leaving))

    async def _set_all(self, answers: Mapping[str, bytes]) -> bool:
        pipeline = self._redis.pipeline(transaction=False)
        for key, value in answers.items():
            pipeline.set(key, value, ex=self._ttl_seconds)
        await pipeline.execute()
        return True

    def _read(self, *keys: str) -> asyncio.Future[Sequence[bytes | None] | None]:
        """Return what will be the values of keys, asked for together with what others ask for; None when Redis failed.

        While one command is under way, what is asked for waits to be the next.
        """
        loop = asyncio.get_running_loop()
        asked: _Asked = (keys, loop.create_future())
        self._asked.append(asked)
        if self._reading is None:
            self._reading = loop.create_task(self._read_all(), name="cache-reads")
        return asked[1]

    async def _read_all(self) -> None:
        some: list[_Asked] = []
        try:
            while self._asked:
                some, self._asked = self._asked[:READS_PER_COMMAND], self._asked[READS_PER_COMMAND:]
                values = await self._ask(partial(self._mget, [key.encode() for keys, _ in some for key in keys]))
                left = iter(values or ())
                for keys, future in some:
                    own = None if values is None else [next(left) for _ in keys]
                    if not future.done():  # Whoever is cancelled takes their own away, or the next would be given it.
                        future.set_result(own)
        except BaseException as error:
            for _, future in [*some, *self._asked]:
                if not future.done():
                    future.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
            self._asked = []
            raise
        finally:
            self._reading = None

    async def _mget(self, keys: list[bytes]) -> Any:
        try:
            return await self._reader.mget(keys)
        except ConnectionLost:  # The server has closed the connection since: a pool would have noticed.
            return await self._reader.mget(keys)

    async def bump(self, user_ids: Iterable[UserId]) -> None:
        """Make all cached answers of these persons stale. Never fails: what cannot be told now is retried.

        So it is where the caller is cancelled meanwhile: what they changed is committed.
        """
        forget_at = time.monotonic() + self._ttl_seconds + BUMP_MEMORY_MARGIN_SECONDS
        wanted = dict.fromkeys(user_ids, forget_at)
        self._unbumped |= wanted
        is_told = False
        try:
            is_told = await self._flush(list(wanted))
        finally:
            if not is_told:
                self._retry_later()

    def bump_again(self) -> None:
        """Bump whom this process bumped lately once more: the server that was told is gone, maybe with what it knew."""
        since = time.monotonic() - BUMPED_LATELY_SECONDS
        lately = [user_id for user_id, moment in self._bumped.items() if moment >= since]
        forget_at = time.monotonic() + self._ttl_seconds + BUMP_MEMORY_MARGIN_SECONDS
        self._unbumped |= dict.fromkeys(lately, forget_at)
        self._retry_later()

    def _remember_bumps(self, user_ids: Iterable[UserId]) -> None:
        now = time.monotonic()
        for user_id in user_ids:
            self._bumped[user_id] = now
            self._bumped.move_to_end(user_id)
        while self._bumped:
            moment = next(iter(self._bumped.values()))
            if moment >= now - BUMPED_LATELY_SECONDS and len(self._bumped) <= BUMPED_LATELY_MAX:
                break
            self._bumped.popitem(last=False)

    async def forget(self, user_id: UserId) -> int | None:
        """Remove everything kept for a person; return how much went, None when Redis failed. Reads all keys."""
        return await self._ask(lambda: self._forget(user_id))

    async def _forget(self, user_id: UserId) -> int:
        self._local.forget(user_id)
        gone = int(await self._redis.unlink(version_key(user_id)))
        for keys in (f"{user_id}:*", f"{LIMITS_PREFIX}:*/{user_id}/*"):
            async for key in self._redis.scan_iter(match=keys, count=KEYS_PER_SCAN):
                gone += int(await self._redis.unlink(key))
        return gone

    async def close(self) -> None:
        """Let what is under way end, and try once more what bumps could not tell: nobody does so later."""
        if self._retrying is not None:
            self._retrying.cancel()
        under_way = [task for task in (self._retrying, self._reading, self._sending) if task is not None]
        await asyncio.gather(*under_way, return_exceptions=True)
        await self._flush(list(self._unbumped))
        if self._reader is not self._redis:
            await self._reader.aclose()

    async def _flush(self, user_ids: list[UserId]) -> bool:
        for start in range(0, len(user_ids), BUMPS_PER_COMMAND):
            batch = user_ids[start : start + BUMPS_PER_COMMAND]
            noted = {user_id: self._unbumped.get(user_id) for user_id in batch}
            if await self._ask(partial(self._redis.unlink, *map(version_key, batch))) is None:
                return False
            self._remember_bumps(batch)
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
            _FAILURES.add()
            self._failing, self._paused_until = True, time.monotonic() + PAUSE_SECONDS
            return None
        if self._failing:
            log.warning("the cache is reachable again")
        self._failing, self._paused_until = False, 0.0
        return result


def _counted(found: Found, where: Counter) -> Found:
    (_MISSES if found.body is None else where).value += 1
    return found


def _answer_key(user_id: UserId, digest: str) -> str:
    return f"{user_id}:{digest}"


def _body_of(value: bytes | None, version: str | None) -> bytes | None:
    """Return the answer in a value of Redis if it was made from this version."""
    if value is None or version is None:
        return None
    made_from, _, body = bytes(value).partition(VERSION_END)
    return body if made_from == version.encode() else None
