"""PostgreSQL and Redis: whether they answer, are new enough, and are set up for what is kept in them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from time import perf_counter

import asyncpg
from redis.asyncio import Redis
from redis.exceptions import RedisError

from mintql.doctor.findings import Check, Finding, bad, ok, warn
from mintql.gateways.redis_servers import open_redis
from mintql.settings import Settings
from mintql.store import doctor as store
from mintql.store.hosts import Host, connect, connect_to, hosts_of
from mintql.store.migrate import CONNECT_TIMEOUT_SECONDS, pending_names
from mintql.store.queries import Conn

OLDEST_POSTGRES = 150_000
CLOCK_SECONDS_WARN, CLOCK_SECONDS_BAD = 1.0, 10.0
CONNECTIONS_SHARE_WARN = 0.8
LAG_BYTES_WARN = 64 * 1024 * 1024
PINGS = 5
REDIS_SECONDS_WARN = 0.01


@asynccontextmanager
async def connection(settings: Settings) -> AsyncIterator[Conn]:
    """Lend a connection of the owner's."""
    conn = await connect(settings.database_url.get_secret_value(), seconds=CONNECT_TIMEOUT_SECONDS)
    try:
        yield conn
    finally:
        await conn.close()


async def _database(settings: Settings) -> AsyncIterator[Finding]:
    async with connection(settings) as conn:
        found = await store.server(conn)
        words = f"PostgreSQL {found.version // 10_000}.{found.version % 10_000}"
        if found.version < OLDEST_POSTGRES:
            yield bad("database", f"this is {words}; 15 is the oldest that will do", "upgrade it")
        else:
            yield ok("database", words)
        apart = abs((datetime.now(UTC) - found.clock).total_seconds())
        if apart > CLOCK_SECONDS_WARN:
            level = bad if apart > CLOCK_SECONDS_BAD else warn
            yield level("clocks", f"this machine and the database are {apart:.1f} s apart", "let both follow NTP")
        yield _connections(settings, found)


def _connections(settings: Settings, found: store.Server) -> Finding:
    size = settings.database_pool_size
    words = (
        f"{found.connections} of {found.connections_max} connections are open; a process takes up to {size}: there is "
        f"room for {max(0, found.connections_max - found.connections) // size} more"
    )
    if found.connections > found.connections_max * CONNECTIONS_SHARE_WARN:
        return warn(
            "connections", words, "raise max_connections, lower MINTQL_DATABASE_POOL_SIZE, or run fewer processes"
        )
    return ok("connections", words)


async def _fences(settings: Settings) -> AsyncIterator[Finding]:
    role = settings.database_api_role
    if not role:
        yield bad("row-level security", "MINTQL_DATABASE_API_ROLE is empty, so nothing fences the API", "set it")
        return
    async with connection(settings) as conn:
        found = await store.api_role(conn, role)
        if found is None or not found[0]:
            words = f"the login may not become {role}, so row-level security cannot bind the API"
            yield bad("row-level security", words, f"run `mintql migrate`, or GRANT {role} to the login")
        elif found[1]:
            yield bad("row-level security", f"{role} steps over it", f"ALTER ROLE {role} NOSUPERUSER NOBYPASSRLS")
        elif tables := await store.open_tables(conn, role):
            words = f"nothing fences {', '.join(tables)}"
            yield bad(
                "row-level security", words, "somebody switched it off: ALTER TABLE ... ENABLE ROW LEVEL SECURITY"
            )
        else:
            yield ok("row-level security", f"binds {role} on every table of persons that it may read")


async def _migrations(settings: Settings) -> AsyncIterator[Finding]:
    missing = await pending_names(settings.database_url.get_secret_value())
    if missing:
        yield bad("migrations", f"not applied: {', '.join(missing)}", "run `mintql migrate`")
    else:
        yield ok("migrations", "all applied")


async def _replicas(settings: Settings) -> AsyncIterator[Finding]:
    if settings.database_replica_url is None:
        return
    url = settings.database_replica_url.get_secret_value()
    async with connection(settings) as conn:
        lsn = await store.written(conn)
    hosts: list[Host | None] = [*hosts_of(url)] or [None]
    for host in hosts:
        name = f"replica {host or ''}".strip()
        try:
            conn = await connect_to(url, host, CONNECT_TIMEOUT_SECONDS)
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            yield bad(name, str(error) or type(error).__name__, "start it; until then reads go where writes go")
            continue
        try:
            is_standby, behind = await store.replay_lag(conn, lsn)
        finally:
            await conn.close()
        if not is_standby:
            yield warn(name, "this is no standby, so it is not asked", "name standbys in DATABASE_REPLICA_URL, too")
        elif behind > LAG_BYTES_WARN:
            yield warn(name, f"{behind:,} bytes behind", "look at the network and the disk between the two")
        else:
            yield ok(name, f"{behind:,} bytes behind")


async def _redis(settings: Settings) -> AsyncIterator[Finding]:
    async with open_redis(settings) as client:
        about = await client.info()
        started = perf_counter()
        for _ in range(PINGS):
            await client.ping()
        seconds = (perf_counter() - started) / PINGS
        policy = await _policy(client, about)
    version = about.get("valkey_version") or about.get("redis_version")
    words = f"version {version}, {seconds * 1000:.1f} ms away"
    if policy.startswith("allkeys"):
        yield bad("redis", f"maxmemory-policy is {policy}: jobs may be thrown away", "set it to noeviction")
    elif seconds > REDIS_SECONDS_WARN:
        yield warn("redis", words, "bring it nearer: every read asks it once")
    elif not about.get("aof_enabled") and not about.get("rdb_last_save_time"):
        yield ok("redis", f"{words}; keeps nothing over a restart, after which work is found by the sweeper")
    else:
        yield ok("redis", words)


async def _policy(client: Redis, about: dict[str, object]) -> str:
    """Return what Redis throws away when it is full, as far as it tells."""
    if "maxmemory_policy" in about:
        return str(about["maxmemory_policy"])
    try:
        return str((await client.config_get("maxmemory-policy")).get("maxmemory-policy", ""))
    except RedisError:
        return ""


DATABASE_CHECKS: dict[str, Check] = {
    "database": _database,
    "row-level security": _fences,
    "migrations": _migrations,
    "replicas": _replicas,
    "redis": _redis,
}
