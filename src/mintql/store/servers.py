"""The database servers of a process: the one that takes writes, and replicas where the settings name some."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import asyncpg

from mintql.domain.errors import InvalidInput
from mintql.observing import tracing
from mintql.settings import Settings
from mintql.store.hosts import Connector, Host, OneHost, hosts_of
from mintql.store.pools import Database
from mintql.store.replicas import Replica, Replicas, Written, polling
from mintql.store.spans import watch_statements

Role: TypeAlias = Literal["api", "worker"]

ACQUIRE_TIMEOUT_SECONDS: Final[dict[Role, float]] = {"api": 5.0, "worker": 120.0}
"""A person waits for an answer; a worker's jobs, of which there may be more than connections, wait their turn."""
REPLICA_ACQUIRE_TIMEOUT_SECONDS: Final = 1.0
"""After that a read goes where writes go."""
CONNECT_TIMEOUT_SECONDS: Final = 5.0
REPLICA_CONNECT_TIMEOUT_SECONDS: Final = 1.0
STATEMENTS_CACHED_MAX: Final = 512


@dataclass(frozen=True, slots=True)
class Servers:
    """The server that takes writes, and the replicas, of which there may be none."""

    database: Database
    replicas: Replicas


@asynccontextmanager
async def open_servers(settings: Settings, role: Role) -> AsyncIterator[Servers]:
    """Open the pools. A replica need not answer; the server that takes writes has to."""
    url = settings.database_url.get_secret_value()
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(_pool(settings, role, Connector(url), smallest=1))
        database = Database(pool, ACQUIRE_TIMEOUT_SECONDS[role], role)
        stack.push_async_callback(database.lender.close)
        if settings.database_pooler and role == "api" and settings.database_api_role:
            await _make_sure_of_role(database, settings.database_api_role)
        own = _new_pool(connect=Connector(url), min_size=0, max_size=1, timeout=CONNECT_TIMEOUT_SECONDS)
        asking = Database(await stack.enter_async_context(own), CONNECT_TIMEOUT_SECONDS, "position")
        written = Written(asking, database)
        watched = [await _replica(stack, settings, role, url, host) for url, host in _replicas_of(settings)]
        replicas = Replicas([found for found, *_ in watched], written.ask, settings.database_replica_lag_seconds)
        if watched:
            await stack.enter_async_context(polling(replicas, watched))
        yield Servers(database, replicas)


async def _make_sure_of_role(database: Database, role: str) -> None:
    """Raise `InvalidInput` unless the login brings the role that row-level security binds."""
    found = await database.ask(lambda conn: conn.fetchval("SELECT current_user::text"))
    if found != role:
        raise InvalidInput(
            f"with MINTQL_DATABASE_POOLER the login of DATABASE_URL has to become {role} by itself, and it is {found}: "
            f"ALTER ROLE ... SET role = '{role}' (docs/high-availability.md)"
        )


def _replicas_of(settings: Settings) -> list[tuple[str, Host | None]]:
    if settings.database_replica_url is None:
        return []
    url = settings.database_replica_url.get_secret_value()
    return [(url, host) for host in hosts_of(url)] or [(url, None)]


async def _replica(
    stack: AsyncExitStack, settings: Settings, role: Role, url: str, host: Host | None
) -> tuple[Replica, str, Host | None]:
    pool = await stack.enter_async_context(_pool(settings, role, OneHost(url, host), smallest=0))
    database = Database(pool, REPLICA_ACQUIRE_TIMEOUT_SECONDS, "replica")
    stack.push_async_callback(database.lender.close)
    return Replica(str(host or "the local socket"), database), url, host


def _pool(settings: Settings, role: Role, connect: Any, *, smallest: int) -> asyncpg.Pool[asyncpg.Record]:
    """Return a pool.

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
    if settings.database_pooler:  # It refuses to begin with what it does not know.
        server_settings = {"application_name": server_settings["application_name"]}
    return _new_pool(
        connect=connect,
        min_size=smallest,
        max_size=settings.database_pool_size,
        timeout=CONNECT_TIMEOUT_SECONDS if smallest else REPLICA_CONNECT_TIMEOUT_SECONDS,
        command_timeout=settings.statement_timeout_ms / 1000 + 1,
        statement_cache_size=STATEMENTS_CACHED_MAX,
        server_settings=server_settings,
        reset=_nothing_left,
        init=None if tracing.active is None else watch_statements,
    )


def _new_pool(**options: Any) -> asyncpg.Pool[asyncpg.Record]:
    return asyncpg.create_pool(**options)


async def _nothing_left(_: object) -> None:
    """Leave out what would reset a connection: whatever the code sets ends with the transaction.

    asyncpg itself has ended a transaction that was left open by then. Its own query would cost a way to the database.
    """
