"""The guarded client's way onto the network: looking up, judging and connecting, and a bound on what comes first.

Underneath is httpcore, whose interfaces these classes have.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address
from typing import Any

import httpcore

from mintql.gateways.http_addresses import AllowList, is_public, literal, not_public

LOOKUPS_AT_ONCE_MAX = 16
"""Threads of their own for look-ups: a name server that does not answer keeps its thread for many seconds, which
must not be one of those that hash passwords or write files."""
ADDRESSES_TRIED_MAX = 4
"""Of one name, so that each gets a fair share of the seconds there are to connect."""
HEADERS_LIMIT_BYTES = 64 * 1024
"""From the first byte of an answer to the last of its headers, with interim answers; servers commonly stop at 8 to
32 KiB."""

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a name, for a port; raises `OSError` when it has none."""


class HeadersTooLong(httpcore.RemoteProtocolError):
    """An answer's headers do not end within `HEADERS_LIMIT_BYTES`."""


class CertificateRefused(httpcore.ConnectError):
    """The server cannot show that it is the one it was asked to be."""


class SystemResolver:
    """Looks names up as the system does."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUPS_AT_ONCE_MAX, "look-up")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Return the addresses; see `Resolver`."""
        look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        return [str(entry[4][0]) for entry in found]

    def close(self) -> None:
        """Let the threads go without waiting for look-ups that nobody needs any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class VettedBackend(httpcore.AsyncNetworkBackend):
    """Looks a name up once, judges every address it has, and connects to one of those very addresses."""

    def __init__(self, allowed: AllowList, resolver: Resolver, network: httpcore.AsyncNetworkBackend) -> None:
        self._allowed = allowed
        self._resolver = resolver
        self._network = network

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  (the interface is httpcore's)
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect within `timeout`, which the look-up counts towards.

        Raises:
            InvalidInput: The name leads off the public internet.
            httpcore.ConnectError: The name is not known, or no address answers.
            httpcore.ConnectTimeout: All that took too long.
        """
        options = None if socket_options is None else list(socket_options)
        clock = asyncio.get_running_loop().time
        ends_at = None if timeout is None else clock() + timeout
        try:
            async with asyncio.timeout_at(ends_at):
                addresses = (await self._vetted(host, port))[:ADDRESSES_TRIED_MAX]
                for left in range(len(addresses), 0, -1):
                    share = None if ends_at is None else max(0.0, ends_at - clock()) / left
                    try:
                        stream = await self._network.connect_tcp(addresses[-left], port, share, local_address, options)
                    except (httpcore.ConnectError, httpcore.ConnectTimeout):
                        if left == 1:
                            raise
                    else:
                        return MeteredStream(stream)
        except TimeoutError:
            raise httpcore.ConnectTimeout(f"{host} took too long") from None
        raise httpcore.ConnectError(f"{host} has no address")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    async def _vetted(self, host: str, port: int) -> Sequence[str]:
        if literal(host) is not None:
            addresses: Sequence[str] = [host]
        else:
            try:
                addresses = await self._resolver(host, port)
            except TimeoutError:
                raise
            except (OSError, UnicodeError) as error:
                raise httpcore.ConnectError(f"{host} is not known") from error
        if any((scheme, host, port) in self._allowed for scheme in ("http", "https")):
            return addresses
        # One private address among public ones is refused too: no honest bank's name answers so.
        if not all(is_public(ip_address(address.partition("%")[0])) for address in addresses):
            raise not_public(host)
        return addresses


class MeteredStream(httpcore.AsyncNetworkStream):
    """A connection that refuses to read on when what precedes an answer's body is too long.

    Writing a request starts the count anew; `lift` ends it when the headers are there. (httpcore bounds one
    header block, but not the interim answers that may come before it without end.)
    """

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._counted: int | None = 0

    def lift(self) -> None:
        """Stop counting until the next request."""
        self._counted = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        """Read up to `max_bytes`.

        Raises:
            HeadersTooLong: More is asked for after `HEADERS_LIMIT_BYTES` without a body.
        """
        if self._counted is not None and self._counted > HEADERS_LIMIT_BYTES:
            raise HeadersTooLong
        data = await self._stream.read(max_bytes, timeout)
        if self._counted is not None:
            self._counted += len(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Write all of it."""
        self._counted = 0
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        """Return the stream under TLS.

        Raises:
            CertificateRefused: The certificate is not one to trust, or not for this name.
        """
        try:
            return MeteredStream(await self._stream.start_tls(ssl_context, server_hostname, timeout))
        except httpcore.ConnectError as error:
            if error.args and isinstance(error.args[0], ssl.SSLCertVerificationError):
                raise CertificateRefused(server_hostname) from error
            raise

    def get_extra_info(self, info: str) -> Any:
        """Return what the stream underneath knows."""
        return self._stream.get_extra_info(info)
