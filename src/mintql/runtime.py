"""The resources of a process, opened and closed in one place, for the API and the workers alike."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, TypeVar

import asyncpg
from redis.asyncio import Redis

from mintql.domain.ids import UserId
from mintql.domain.positions import Position
from mintql.gateways.cache import Cache
from mintql.gateways.channel import Channel, Wakeups
from mintql.gateways.http import GuardedClient, open_http
from mintql.gateways.objects import ObjectStore, open_object_store
from mintql.gateways.oidc import OidcProvider, open_oidc
from mintql.gateways.passwords import Passwords
from mintql.gateways.placing import Placing
from mintql.gateways.queue import Queue
from mintql.gateways.redis_pause import Pause
from mintql.gateways.redis_servers import call_on_new_primary, open_redis
from mintql.gateways.telemetry import traced
from mintql.gateways.vault import Vault
from mintql.institutions.base import Connector
from mintql.institutions.registry import build_connectors
from mintql.observing import metrics
from mintql.observing.context import name_persons_by
from mintql.services import outgoing_webhooks, outgoing_webhooks_sending
from mintql.services.archive_reading import Archive
from mintql.services.crowd import CrowdCache
from mintql.services.effects import Effects
from mintql.services.key_turns import KeyTurns
from mintql.settings import Settings
from mintql.store.queries import Conn
from mintql.store.replicas import Replica
from mintql.store.servers import Role, Servers, open_servers

log = logging.getLogger(__name__)

T = TypeVar("T")

SOON_MAX = 100
"""Small tasks under way after their answer; more are dropped. None of them is needed for anything to be right."""
SOON_SECONDS_MAX = 10.0


@dataclass(slots=True)
class Runtime:
    """All that code above the services needs to reach the outside."""

    settings: Settings
    role: Role
    servers: Servers
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
    oidc: OidcProvider | None
    """By which persons may sign in, where the operator named one."""
    draining: bool = False
    """Whether the process is about to end: no new requests are to be sent to it."""
    crowd: CrowdCache = field(default_factory=CrowdCache)
    key_turns: KeyTurns = field(default_factory=KeyTurns)
    follows: Counter[UserId] = field(default_factory=Counter)
    """How many subscriptions each person follows in this process."""
    _soon: set[asyncio.Task[None]] = field(default_factory=set)
    _to_its_end: set[asyncio.Task[Any]] = field(default_factory=set)

    def person(self, user_id: UserId) -> AbstractAsyncContextManager[Conn]:
        """Open a transaction in which row-level security shows and takes rows of this person only."""
        return self.servers.database.transaction(user_id)

    def reading(self, user_id: UserId, position: Position | None = None) -> AbstractAsyncContextManager[Conn]:
        """Open a transaction as `person` does that cannot write, in one way to the database and back.

        On a replica, where one has everything up to `position`. A savepoint is refused in it, asyncpg not knowing of
        the transaction.
        """
        replica = None if position is None else self.servers.replicas.at(position)
        if replica is None or position is None:
            return self.servers.database.reading(user_id)
        return self._reading_from(replica, user_id, position)

    @asynccontextmanager
    async def _reading_from(self, replica: Replica, user_id: UserId, position: Position) -> AsyncIterator[Conn]:
        async with replica.reading(user_id, position) as found:
            if found is not None:
                yield found
                return
        async with self.servers.database.reading(user_id) as conn:
            yield conn

    def fenced(self, user_id: UserId, position: Position | None = None) -> AbstractAsyncContextManager[Conn]:
        """Open a connection on which each read of this person's rows is one way to the database and back.

        On a replica as `reading`, in a transaction.
        """
        replica = None if position is None else self.servers.replicas.at(position)
        if replica is None or position is None:
            return self.servers.database.fenced(user_id)
        return self._reading_from(replica, user_id, position)

    def fenced_from(
        self, user_id: UserId, begin: Callable[[Conn], Awaitable[T]]
    ) -> AbstractAsyncContextManager[tuple[Conn, T]]:
        """Open a connection as `fenced`, with what `begin` has read on it first."""
        return self.servers.database.fenced_from(user_id, begin)

    @asynccontextmanager
    async def snapshot(self, user_id: UserId) -> AsyncIterator[Conn]:
        """Open a transaction that sees this person's rows as they are at one moment, and writes nothing.

        On a replica, where one has soon what was written until now.
        """
        caught_up = await self.servers.replicas.caught_up()
        if caught_up is not None:
            replica, position = caught_up
            async with replica.snapshot(user_id, position) as found:
                if found is not None:
                    yield found
                    return
        async with self.servers.database.transaction(user_id, isolation="repeatable_read", readonly=True) as conn:
            yield conn

    def system(self) -> AbstractAsyncContextManager[Conn]:
        """Open a transaction that is bound to no person: a worker's, or one for signing in."""
        return self.servers.database.transaction()

    def statement(self) -> AbstractAsyncContextManager[Conn]:
        """Open a connection for one statement that is bound to no person and is a transaction by itself."""
        return self.servers.database.connection()

    async def ask(self, read: Callable[[Conn], Awaitable[T]]) -> T:
        """Return what one statement reads that is bound to no person, sent again where a server is lost."""
        return await self.servers.database.ask(read)

    @property
    def pool(self) -> asyncpg.Pool[asyncpg.Record]:
        """The connections to the server that takes writes."""
        return self.servers.database.pool

    def soon(self, task: Coroutine[Any, Any, None]) -> None:
        """Do something small that no answer waits for; what fails, or is one too many, is logged and dropped."""
        if len(self._soon) >= SOON_MAX:
            task.close()
            log.warning("%s is left out: %s such tasks are under way", _name(task), SOON_MAX)
            return
        started = asyncio.create_task(_bounded(task))
        self._soon.add(started)
        started.add_done_callback(self._soon.discard)

    async def to_its_end(self, change: Coroutine[Any, Any, T]) -> T:
        """Return what a change gives, which goes on when whoever waits for it is cancelled.

        Cancelled between its commit and what has to follow that, it would be there and nobody be told of it.
        """
        task = asyncio.create_task(change)
        self._to_its_end.add(task)
        task.add_done_callback(self._to_its_end.discard)
        return await asyncio.shield(task)

    async def finish(self) -> None:
        """Wait for what was to be done soon, and for mutations whose clients have left."""
        await self.key_turns.finish()
        await asyncio.gather(*self._to_its_end, return_exceptions=True)
        await asyncio.gather(*self._soon)

    async def perform(self, effects: Effects) -> None:
        """Do what had to wait for the commit. Nothing here may fail the caller: all of it can be redone."""
        for counter, amount in effects.counts:
            counter.add(amount)
        if effects.changed:
            await self.cache.bump(effects.changed)
        if effects.told:
            await self.channel.publish(effects.told)
            if effects.written_at is not None:
                metrics.EVENT_PUBLISH_SECONDS.of().observe(perf_counter() - effects.written_at)
        if effects.ended:
            await self.channel.publish_end(effects.ended)
        if effects.ended_sessions:
            await self.channel.publish_session_end(effects.ended_sessions)
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
    keys = settings.keyring()
    name_persons_by(keys[min(keys)])  # The lowest version stays when keys are rotated.
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(traced(settings.otlp_url, role))
        servers = await stack.enter_async_context(open_servers(settings, role))
        redis = open_redis(settings)
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
        placing = Placing(redis, servers.replicas.written) if servers.replicas else None
        cache = Cache(redis, settings.cache_ttl_seconds, placing)
        call_on_new_primary(redis, cache.bump_again)
        stack.push_async_callback(cache.close)
        pause = Pause()
        runtime = Runtime(
            settings=settings,
            role=role,
            servers=servers,
            redis=redis,
            cache=cache,
            channel=Channel(redis, pause),
            wakeups=wakeups,
            queue=Queue(redis, settings.queue_name, pause),
            objects=objects,
            vault=Vault(settings.keyring()),
            connectors=build_connectors(settings, http),
            passwords=Passwords(settings.password_hash_concurrency),
            webhooks_http=webhooks_http,
            stream_turns=asyncio.Semaphore((settings.database_pool_size + 1) // 2),
            archive=Archive(objects),
            oidc=await stack.enter_async_context(open_oidc(settings)) if role == "api" else None,
        )
        stack.push_async_callback(runtime.finish)
        yield runtime
