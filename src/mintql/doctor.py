"""`mintql doctor`: is everything there that mintql needs, and does it answer?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import asyncpg
from redis.exceptions import RedisError

from mintql.domain.errors import Failure
from mintql.gateways.objects import ObjectConflict, ObjectMissing, ObjectStoreDown, open_object_store
from mintql.gateways.redis_servers import open_redis
from mintql.settings import DEVELOPMENT_SECRET_KEYS, Settings
from mintql.store.hosts import connect
from mintql.store.migrate import CONNECT_TIMEOUT_SECONDS, MigrationError, pending_names

OLDEST_POSTGRES = 150_000


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, whether it is well, and the details in words."""

    name: str
    well: bool
    words: str


async def examine(settings: Settings) -> list[Finding]:
    """Look at each thing by itself; what is wrong with one does not hide another."""
    checks: dict[str, Callable[[Settings], Awaitable[str]]] = {
        "secret keys": _secret_keys,
        "database": _database,
        "migrations": _migrations,
        "redis": _redis,
        "object store": _objects,
    }
    return [await _finding(name, check, settings) for name, check in checks.items()]


async def _finding(name: str, check: Callable[[Settings], Awaitable[str]], settings: Settings) -> Finding:
    try:
        return Finding(name, well=True, words=await check(settings))
    except (
        OSError, TimeoutError, asyncpg.PostgresError, MigrationError, RedisError, Failure,
        ObjectStoreDown, ObjectConflict, ObjectMissing, LookupError,
    ) as error:  # fmt: skip
        return Finding(name, well=False, words=str(error) or type(error).__name__)


async def _secret_keys(settings: Settings) -> str:
    if settings.secret_keys.get_secret_value() == DEVELOPMENT_SECRET_KEYS:
        raise LookupError("MINTQL_SECRET_KEYS is not set: the development key everybody knows would be used")
    versions = sorted(settings.keyring())
    return f"versions {', '.join(map(str, versions))}; {versions[-1]} encrypts"


async def _database(settings: Settings) -> str:
    conn = await connect(settings.database_url.get_secret_value(), seconds=CONNECT_TIMEOUT_SECONDS)
    try:
        version = int(await conn.fetchval("SHOW server_version_num"))
        if version < OLDEST_POSTGRES:
            raise LookupError(f"this is PostgreSQL {version // 10_000}; 15 is the oldest that will do")
        role = settings.database_api_role
        if role and not await conn.fetchval(
            "SELECT pg_has_role(rolname, 'MEMBER') FROM pg_roles WHERE rolname = $1", role
        ):
            raise LookupError(f"the login may not become {role}, so row-level security cannot bind the API; migrate?")
        return f"PostgreSQL {version // 10_000}.{version % 10_000}"
    finally:
        await conn.close()


async def _migrations(settings: Settings) -> str:
    missing = await pending_names(settings.database_url.get_secret_value())
    if missing:
        raise LookupError(f"not applied: {', '.join(missing)}; run `mintql migrate`")
    return "all applied"


async def _redis(settings: Settings) -> str:
    async with open_redis(settings) as client:
        about = await client.info("server")
        return f"version {about.get('valkey_version') or about.get('redis_version')}"


async def _objects(settings: Settings) -> str:
    async with open_object_store(settings) as store:
        await store.check()
    return settings.object_store
