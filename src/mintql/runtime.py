"""The resources of a process, opened and closed in one place, for the API and the workers alike."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import asyncpg
from arq.connections import ArqRedis
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from mintql.domain.ids import UserId
from mintql.gateways.cache import Cache
from mintql.gateways.channel import Channel, Wakeups
from mintql.gateways.http import GuardedClient, open_http
from mintql.gateways.objects import ObjectStore, open_object_store
from mintql.gateways.passwords import Passwords
from mintql.gateways.queue import Queue, deserialize, serialize
from mintql.gateways.vault import Vault
from mintql.institutions.base import Connector
from mintql.institutions.registry import build_connectors
from mintql.services import outgoing_webhooks, outgoing_webhooks_sending
from mintql.services.archive_reading import Archive
from mintql.services.crowd import CrowdCache
from mintql.services.effects import Effects
from mintql.settings import Settings
from mintql.store.queries import Conn

log = logging.getLogger(__name__)

Role = Literal["api", "worker"]

POOL_ACQUIRE_TIMEOUT_SECONDS: dict[Role, float] = {"api": 5.0, "worker": 120.0}
"""A person waits for an answer; a worker's jobs, of which there may be more than connections, wait their turn."""
POOL_CONNECT_TIMEOUT_SECONDS = 5.0
REDIS_CONNECTIONS_MAX = 64
STATEMENTS_CACHED_MAX = 512
SOON_MAX = 100
"""Small tasks under way after their answer; more are dropped. None of them is needed for anything to be right."""
SOON_SECONDS_MAX = 10.0


@dataclass(slots=True)
class Runtime:
    """All that code above the services needs to reach the outside."""

    settings: Settings
    role: Role
    pool: asyncpg.Pool[asyncpg.Record]
    redis: Redis
    cache: Cache
    channel: Channel
    wakeups: Wakeups
    queue: Queue
    objects: ObjectStore
    vault: Vault
    connectors: Mapping[str, Connector]
    passwords: Passwords
    webhooks_http: GuardedClient
    """For webhooks to servers of persons, with limits of its own: none of them keeps an institution waiting."""
    stream_turns: asyncio.Semaphore
    """Taken by streams before a connection of the pool: however many of them begin or are woken at once, requests
    find connections, and no stream fails because others are before it."""
    archive: Archive
    crowd: CrowdCache = field(default_factory=CrowdCache)
    _soon: set[asyncio.Task[None]] = field(default_factory=set)

    @asynccontextmanager
    async def person(self, user_id: UserId) -> AsyncIterator[Conn]:
        """Open a transaction in which row-level security shows and takes rows of this person only."""
        async with self.system() as conn:
            await conn.execute("SELECT set_config('mintql.user_id', $1, true)", str(user_id))
            yield conn

    @asynccontextmanager
    async def reading(self, user_id: UserId) -> AsyncIterator[Conn]:
        """Open a transaction as `person` does that cannot write, in one way to the database and back.

        A savepoint is refused in it, asyncpg not knowing of the transaction.
        """
        async with self.pool.acquire(timeout=POOL_ACQUIRE_TIMEOUT_SECONDS[self.role]) as conn:
            await conn.execute(f"BEGIN READ ONLY; SET LOCAL mintql.user_id = '{int(user_id)}'")
            try:
                yield conn
            except BaseException:
                await conn.execute("ROLLBACK")
                raise
            await conn.execute("COMMIT")

    @asynccontextmanager
    async def snapshot(self, user_id: UserId) -> AsyncIterator[Conn]:
        """Open a transaction that sees this person's rows as they are at one moment, and writes nothing."""
        async with (
            self.pool.acquire(timeout=POOL_ACQUIRE_TIMEOUT_SECONDS[self.role]) as conn,
            conn.transaction(isolation="repeatable_read", readonly=True),
        ):
            await conn.execute("SELECT set_config('mintql.user_id', $1, true)", str(user_id))
            yield conn

    @asynccontextmanager
    async def system(self) -> AsyncIterator[Conn]:
        """Open a transaction that is bound to no person: a worker's, or one for signing in."""
        async with self.pool.acquire(timeout=POOL_ACQUIRE_TIMEOUT_SECONDS[self.role]) as conn, conn.transaction():
            yield conn

    @asynccontextmanager
    async def statement(self) -> AsyncIterator[Conn]:
        """Open a connection for one statement that is bound to no person and is a transaction by itself."""
        async with self.pool.acquire(timeout=POOL_ACQUIRE_TIMEOUT_SECONDS[self.role]) as conn:
            yield conn

    def soon(self, task: Coroutine[Any, Any, None]) -> None:
        """Do something small that no answer waits for; what fails, or is one too many, is logged and dropped."""
        if len(self._soon) >= SOON_MAX:
            task.close()
            log.warning("%s is left out: %s such tasks are under way", _name(task), SOON_MAX)
            return
        started = asyncio.create_task(_bounded(task))
        self._soon.add(started)
        started.add_done_callback(self._soon.discard)

    async def finish(self) -> None:
        """Wait for what was to be done soon."""
        await asyncio.gather(*self._soon)

    async def perform(self, effects: Effects) -> None:
        """Do what had to wait for the commit. Nothing here may fail the caller: all of it can be redone."""
        if effects.changed:
            await self.cache.bump(effects.changed)
        if effects.told:
            await self.channel.publish(effects.told)
        if effects.ended:
            await self.channel.publish_end(effects.ended)
        await self.queue.enqueue_all(effects.jobs)


def _name(task: Coroutine[Any, Any, None]) -> str:
    return str(getattr(task, "__qualname__", task))


async def _bounded(task: Coroutine[Any, Any, None]) -> None:
    try:
        async with asyncio.timeout(SOON_SECONDS_MAX):
            await task
    except Exception:
        log.exception("%s failed", _name(task))


@asynccontextmanager
async def open_runtime(settings: Settings, *, role: Role) -> AsyncIterator[Runtime]:
    """Open pools, Redis, object store and connectors; close them in reverse order."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(_pool(settings, role))
        redis = _redis(settings)
        stack.push_async_callback(redis.aclose)
        http = await stack.enter_async_context(open_http(settings))
        webhooks_http = await stack.enter_async_context(
            open_http(settings, bounds=outgoing_webhooks_sending.BOUNDS, allowed=outgoing_webhooks.allowed_of(settings))
        )
        objects = await stack.enter_async_context(open_object_store(settings))
        wakeups = Wakeups(redis)
        if role == "api":
            await wakeups.start()
            stack.push_async_callback(wakeups.stop)
        cache = Cache(redis, settings.cache_ttl_seconds)
        stack.push_async_callback(cache.close)
        runtime = Runtime(
            settings=settings,
            role=role,
            pool=pool,
            redis=redis,
            cache=cache,
            channel=Channel(redis),
            wakeups=wakeups,
            queue=Queue(redis, settings.queue_name),
            objects=objects,
            vault=Vault(settings.keyring()),
            connectors=build_connectors(settings, http),
            passwords=Passwords(settings.password_hash_concurrency),
            webhooks_http=webhooks_http,
            stream_turns=asyncio.Semaphore((settings.database_pool_size + 1) // 2),
            archive=Archive(objects),
        )
        stack.push_async_callback(runtime.finish)
        yield runtime


def _pool(settings: Settings, role: Role) -> asyncpg.Pool[asyncpg.Record]:
    """Return the pool.

    Plans are generic ones, which are kept: a page with a filter that may be left out would otherwise be planned anew
    each time, which takes PostgreSQL longer than to read it. Sequential scans are left alone, because what is asked for
    is small against the tables, whatever the planner's statistics say at the moment. The API stays off bitmap scans
    too: its pages walk an index in order and stop, where a bitmap would read and sort all rows of a person first.
    """
    server_settings = {
        "application_name": f"mintql-{role}",
        "statement_timeout": str(settings.statement_timeout_ms),
        "idle_in_transaction_session_timeout": str(settings.statement_timeout_ms * 3),
        "timezone": "UTC",
        "jit": "off",
        "plan_cache_mode": "force_generic_plan",
        "enable_seqscan": "off",
    }
    if role == "api" and settings.database_api_role:
        server_settings["role"] = settings.database_api_role
    if role == "api":
        server_settings["enable_bitmapscan"] = "off"
    return asyncpg.create_pool(
        settings.database_url.get_secret_value(),
        min_size=1,
        max_size=settings.database_pool_size,
        timeout=POOL_CONNECT_TIMEOUT_SECONDS,
        command_timeout=settings.statement_timeout_ms / 1000 + 1,
        statement_cache_size=STATEMENTS_CACHED_MAX,
        server_settings=server_settings,
        reset=_nothing_left if role == "api" else None,
    )


async def _nothing_left(_: object) -> None:
    """Leave out what would reset a connection of the API: whatever its code sets ends with the transaction.

    asyncpg itself has ended a transaction that was left open by then. Its own query would cost a way to the database.
    """


def _redis(settings: Settings) -> ArqRedis:
    pool = BlockingConnectionPool.from_url(
        settings.redis_url.get_secret_value(),
        max_connections=REDIS_CONNECTIONS_MAX,
        timeout=settings.redis_timeout_seconds,
        socket_timeout=settings.redis_timeout_seconds,
        socket_connect_timeout=settings.redis_timeout_seconds,
        retry=Retry(NoBackoff(), 1),
    )
    return ArqRedis(pool, job_serializer=serialize, job_deserializer=deserialize)
