"""Finding the server that takes writes among the hosts that an address names, and noticing when it is gone.

An address names several hosts as libpq's do: `postgresql://login@first,second/mintql`, or `?host=first,second`. Only
the server that takes writes counts, unless the address says otherwise by `target_session_attrs`. While there is none,
because one has died and another is not promoted yet, whoever connects waits and asks all of them again until the time
is up: nothing was sent by then, so waiting is always right.
"""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

HOST_TIMEOUT_SECONDS: Final = 1.0
"""How long one of several hosts has to answer; one that is cut off says nothing, and the next is asked."""
ASK_AGAIN_SECONDS: Final = 0.1
SILENCE_SECONDS: Final = 5
"""After so long without a sign of life of the other side the kernel ends a connection."""
KEEPALIVE_PROBES: Final = 2
PORT: Final = 5432

OUTAGES: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What fails with a connection, or with what is asked by it, whatever was the reason."""
_LOST = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # As asyncpg says where a server has said goodbye and the end is not there yet.
    asyncpg.ReadOnlySQLTransactionError,
)
_TOOK_TOO_LONG = (TimeoutError, asyncpg.QueryCanceledError)


def is_lost(error: BaseException) -> bool:
    """Tell whether a server died, was stopped or demoted, so that another connection may do better.

    What took too long is not among that: it would again.
    """
    return isinstance(error, _LOST) and not isinstance(error, _TOOK_TOO_LONG)


@dataclass(frozen=True, slots=True)
class Host:
    """One server of an address: a name, an address, or the folder of a socket."""

    name: str
    port: int

    def __str__(self) -> str:
        return self.name if self.name.startswith("/") else f"{self.name}:{self.port}"


def hosts_of(url: str) -> list[Host]:
    """Return the hosts that an address names, none where it leaves that to the environment.

    Raises:
        ValueError: A port is no number, or there are not as many ports as hosts.
    """
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    _, _, named = parts.netloc.rpartition("@")
    ports = ",".join(query.get("port", [])).split(",")
    names = named or ",".join(query.get("host", []))
    if not names:
        return []
    found = [_host(unquote(name), ports[0] if len(ports) == 1 else "") for name in names.split(",")]
    if len(ports) > 1:
        if len(ports) != len(found):
            raise ValueError(f"{len(found)} hosts and {len(ports)} ports: name as many ports, or one for all")
        found = [Host(host.name, int(port)) for host, port in zip(found, ports, strict=True)]
    return found


def _host(text: str, port: str) -> Host:
    if text.startswith("/"):
        return Host(text, int(port or PORT))
    name, _, own_port = (text[1:].partition("]")) if text.startswith("[") else text.partition(":")
    digits = own_port.removeprefix(":") or port
    if digits and not digits.isdigit():
        raise ValueError(f"{digits!r} is no port")
    return Host(name, int(digits or PORT))


class Connector:
    """What a pool connects by: to the one host there is, or to the one of several that does what is wanted.

    `wanted` is what `target_session_attrs` means where the address does not say it.
    """

    def __init__(self, url: str, *, wanted: str = "read-write") -> None:
        self._hosts = hosts_of(url)
        self._wanted = None if "target_session_attrs" in parse_qs(urlsplit(url).query) else wanted
        self._url = url

    async def __call__(self, *_: Any, timeout: float, **options: Any) -> Connection:  # noqa: ASYNC109 - asyncpg's own word
        """Return a connection within `timeout` seconds.

        Raises:
            TimeoutError: None of several hosts did what is wanted in time.
        """
        if len(self._hosts) <= 1:
            return await connect_to(self._url, None, timeout, **options)
        ends_at = time.monotonic() + timeout
        reasons: dict[Host, str] = {}
        while (left := ends_at - time.monotonic()) > 0:
            for host in list(self._hosts):
                try:
                    return await self._connect(host, min(HOST_TIMEOUT_SECONDS, left), options)
                except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                    reasons[host] = str(error) or type(error).__name__
                except asyncpg.InternalClientError as error:
                    reasons[host] = str(error)
            await asyncio.sleep(ASK_AGAIN_SECONDS)
        said = "; ".join(f"{host}: {reason}" for host, reason in reasons.items())
        raise TimeoutError(f"no server for {self._wanted or 'what is wanted'} within {timeout:g} s ({said})")

    async def _connect(self, host: Host, seconds: float, options: dict[str, Any]) -> Connection:
        own = {"target_session_attrs": self._wanted} if self._wanted else {}
        found = await connect_to(self._url, host, seconds, **own, **options)
        if self._hosts[0] != host:  # The next one to connect begins with it.
            self._hosts = [host, *(other for other in self._hosts if other != host)]
        return found


class OneHost:
    """What the pool of a replica connects by: to that one host."""

    def __init__(self, url: str, host: Host | None) -> None:
        self._url = url
        self._host = host

    async def __call__(self, *_: Any, timeout: float, **options: Any) -> Connection:  # noqa: ASYNC109 - asyncpg's own word
        """Return a connection within `timeout` seconds."""
        return await connect_to(self._url, self._host, timeout, **options)


async def connect(url: str, *, seconds: float) -> Connection:
    """Return a connection to the server that takes writes, found within `seconds`."""
    return await Connector(url)(timeout=seconds)


async def connect_to(url: str, host: Host | None, seconds: float, **options: Any) -> Connection:
    """Return a connection to one of the hosts of an address, to what the address says where none is given."""
    place: dict[str, Any] = {} if host is None else {"host": host.name, "port": host.port}
    return watched(await asyncpg.connect(url, timeout=seconds, **place, **options))


def watched(conn: Connection) -> Connection:
    """Let the kernel end a connection over TCP whose other side has gone without a word."""
    transport = getattr(conn, "_transport", None)
    sock: socket.socket | None = None if transport is None else transport.get_extra_info("socket")
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return conn
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", SILENCE_SECONDS),
        ("TCP_KEEPINTVL", max(1, SILENCE_SECONDS // (KEEPALIVE_PROBES + 1))),
        ("TCP_KEEPCNT", KEEPALIVE_PROBES),
        ("TCP_USER_TIMEOUT", SILENCE_SECONDS * 1000),
    ):
        if (option := getattr(socket, name, None)) is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
    return conn
