"""Reaching Redis: one server by its address, or through Sentinels whichever server they call the primary.

`redis+sentinel://user:password@first:26379,second:26379/mymaster/0?sentinel_password=...` names Sentinels, what they
call the group of servers, and the number of the database. User and password are those of the servers; the Sentinels'
own are `sentinel_user` and `sentinel_password`. `rediss+sentinel://` speaks TLS to all of them. Any other address is
redis-py's.

Where the primary changes, connections to the old one are given up, and `on_new_primary` is called: what the old one had
not yet passed on is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from arq.connections import ArqRedis, RedisSettings
from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis, Sentinel
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import NoBackoff

from mintql.domain.errors import InvalidInput
from mintql.gateways.queue import deserialize, serialize
from mintql.settings import Settings

SCHEMES: Final = {"redis+sentinel": False, "rediss+sentinel": True}
"""Addresses of Sentinels, and whether by TLS."""
SENTINEL_PORT: Final = 26379
CONNECTIONS_MAX: Final = 64
UNBOUNDED: Final = 2**31
ARQ_CONNECT_TIMEOUT_SECONDS: Final = 2


@dataclass(frozen=True, slots=True)
class Sentinels:
    """Where Sentinels answer and what they are asked for; passwords never show in `repr`."""

    hosts: tuple[tuple[str, int], ...]
    group: str
    database: int
    tls: bool
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    own_user: str | None = None
    own_password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.group} by {','.join(f'{host}:{port}' for host, port in self.hosts)}"


def sentinels_of(url: str) -> Sentinels | None:
    """Return the Sentinels that an address names, None for an address of a server.

    Raises:
        InvalidInput: The name of the group is missing, or a port or the database is no number.
    """
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        return None
    group, _, database = parts.path.strip("/").partition("/")
    login, _, named = parts.netloc.rpartition("@")
    hosts = tuple(_host(item) for item in named.split(",") if item)
    if not group or not hosts or not (database or "0").isdigit():
        raise InvalidInput("REDIS_URL with Sentinels is redis+sentinel://host:26379,host:26379/group/0")
    user, _, password = login.partition(":")
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    return Sentinels(
        hosts, unquote(group), int(database or 0), SCHEMES[parts.scheme],
        unquote(user) or None, unquote(password) or None,
        query.get("sentinel_user"), query.get("sentinel_password"),
    )  # fmt: skip


def _host(text: str) -> tuple[str, int]:
    name, _, port = (text[1:].partition("]")) if text.startswith("[") else text.partition(":")
    port = port.removeprefix(":")
    if port and not port.isdigit():
        raise InvalidInput(f"{port!r} in REDIS_URL is no port")
    return name, int(port or SENTINEL_PORT)


class SentinelPool(SentinelConnectionPool, BlockingConnectionPool):
    """Connections to the primary, for which whoever finds them all in use waits."""

    on_new_primary: Callable[[], None] | None = None

    async def get_master_address(self) -> tuple[str, int]:
        """Return where the primary is, as the first Sentinel that knows says."""
        before = self.master_address
        found: tuple[str, int] = await super().get_master_address()  # type: ignore[no-untyped-call]
        if before is not None and before != found and self.on_new_primary is not None:
            self.on_new_primary()
        return found


def open_redis(
    settings: Settings,
    *,
    timeout_seconds: float | None = None,
    connections_max: int = CONNECTIONS_MAX,
    queue_name: str | None = None,
) -> ArqRedis:
    """Return a client that gives up after `timeout_seconds`, those of the settings unless told."""
    seconds = settings.redis_timeout_seconds if timeout_seconds is None else timeout_seconds
    url = settings.redis_url.get_secret_value()
    sockets: dict[str, Any] = {"socket_timeout": seconds, "socket_connect_timeout": seconds}
    options: dict[str, Any] = {
        **sockets, "retry": Retry(NoBackoff(), 1), "max_connections": connections_max, "timeout": seconds,
    }  # fmt: skip
    sentinels = sentinels_of(url)
    pool: ConnectionPool
    if sentinels is None:
        pool = BlockingConnectionPool.from_url(url, **options)
    else:
        pool = _pool_by(sentinels, sockets, options)
    client = ArqRedis(pool, job_serializer=serialize, job_deserializer=deserialize)
    if queue_name is not None:
        client.default_queue_name = queue_name
    return client


def _pool_by(sentinels: Sentinels, sockets: dict[str, Any], options: dict[str, Any]) -> SentinelPool:
    own = {"username": sentinels.own_user, "password": sentinels.own_password, "ssl": sentinels.tls, **sockets}
    manager = Sentinel(  # type: ignore[no-untyped-call]
        sentinels.hosts, sentinel_kwargs={**own, "retry": Retry(NoBackoff(), 0)}
    )
    return SentinelPool(  # type: ignore[no-untyped-call]
        sentinels.group,
        manager,
        ssl=sentinels.tls,
        db=sentinels.database,
        username=sentinels.user,
        password=sentinels.password,
        **options,
    )


def reader_of(redis: Redis) -> Redis:
    """Return a client of the same server that keeps one connection to itself, for who asks one thing after the other.

    A pool looks at a connection before it lends it, which takes a turn of the loop and as long as the command. To be
    closed after its last use. Through Sentinels it is the client itself: only connections of a pool's are given up
    when another server becomes the primary.
    """
    if isinstance(redis.connection_pool, SentinelPool):
        return redis
    return Redis(connection_pool=redis.connection_pool, single_connection_client=True)


def call_on_new_primary(redis: ArqRedis, action: Callable[[], None]) -> None:
    """Have something done whenever another server has become the primary. One server alone never does."""
    if isinstance(redis.connection_pool, SentinelPool):
        redis.connection_pool.on_new_primary = action


def place_of(redis: ArqRedis) -> str:
    """Return where Redis is, without the password that its address may hold."""
    pool = redis.connection_pool
    if isinstance(pool, SentinelPool):
        return f"{pool.service_name}, as Sentinels say,"
    told = pool.connection_kwargs
    return str(told.get("path") or f"{told.get('host', 'localhost')}:{told.get('port', 6379)}")


def arq_settings(settings: Settings) -> RedisSettings:
    """Return how arq's own program reaches Redis, with bounded waits. It cannot log in to Sentinels."""
    url = settings.redis_url.get_secret_value()
    sentinels = sentinels_of(url)
    if sentinels is None:
        found = RedisSettings.from_dsn(url)
    else:
        found = RedisSettings(
            host=list(sentinels.hosts),
            sentinel=True,
            sentinel_master=sentinels.group,
            database=sentinels.database,
            username=sentinels.user,
            password=sentinels.password,
            ssl=sentinels.tls,
        )
    found.conn_timeout = ARQ_CONNECT_TIMEOUT_SECONDS
    found.conn_retries = 5
    found.conn_retry_delay = 1
    return found
