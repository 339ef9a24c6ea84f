"""The HTTP client for addresses that people give us: it reaches the internet and nothing else.

A person may name any URL as their bank's. Therefore: https only; the name is resolved once, every address
it has must be public, and the connection goes to that very address (a second look-up could answer
otherwise); redirects are handed to the caller, not followed; no proxy or credentials are taken from the
environment, and no cookies are kept, since one client serves many persons; time, size and the number of
requests at once are bounded. Origins of the allow list, which only the operator can fill, may be plain http
and private.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import httpcore
import httpx

from mintql.domain.errors import InstitutionDown, InvalidInput, ProtocolError
from mintql.settings import Settings

DEADLINE_SECONDS = 30.0
"""For one request as a whole, from the look-up of the name to the last byte."""
CONNECT_SECONDS = 5.0
BODY_LIMIT_BYTES = 32 * 1024 * 1024
REQUESTS_AT_ONCE_MAX = 50
KEEPALIVE_SECONDS = 4.0
"""Below the 5 seconds after which common servers hang up, so that a request seldom meets a closing line."""
URL_LENGTH_MAX = 2048

_NAT64 = IPv6Network("64:ff9b::/96")
_METADATA = frozenset({IPv4Address("168.63.129.16")})
"""Cloud metadata servers that lie at public addresses; the others are link-local and refused as such."""

_DEFAULT_PORTS = {"http": 80, "https": 443}

Origin = tuple[str, str, int]
"""Scheme, host and port."""


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """A complete HTTP answer. `headers` have lower-case names; `content` is as it was sent."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def content_type(self) -> str:
        """The media type without parameters, or nothing."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def __repr__(self) -> str:
        return f"Answer(status={self.status}, {len(self.content)} bytes)"


class GuardedClient:
    """Sends requests within the rules of this module. Get one from `open_http`."""

    def __init__(self, client: httpx.AsyncClient, allowed_origins: frozenset[Origin], requests_at_once: int) -> None:
        self._client = client
        self._allowed_origins = allowed_origins
        self._slots = asyncio.Semaphore(requests_at_once)

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: object = None,
        deadline_seconds: float = DEADLINE_SECONDS,
        body_limit_bytes: int = BODY_LIMIT_BYTES,
        called: str = "",
    ) -> Answer:
        """Send one request and return the whole answer, whatever its status.

        `called` is what messages call whoever is asked, such as "The Sandbox Bank"; the host's name unless given.

        Raises:
            InvalidInput: The URL is not one that may be reached.
            InstitutionDown: No answer: name unknown, refused, cut off, no HTTP, certificate wrong, too slow.
            ProtocolError: The answer is longer than `body_limit_bytes`, or compressed.
        """
        target = self._check(url)
        name = called or target.host
        # Compressed bodies are not asked for: a cap on bytes means little where one byte becomes a thousand.
        asked = {"accept-encoding": "identity", **(headers or {})}
        request = self._client.build_request(method, target, headers=asked, params=params, json=json)
        async with self._slots:
            try:
                async with asyncio.timeout(deadline_seconds):
                    return await self._send(request, body_limit_bytes, name)
            except (TimeoutError, httpcore.TimeoutException):
                raise InstitutionDown(f"{name} did not answer within {deadline_seconds:g} seconds.") from None
            except httpcore.ProtocolError:
                raise InstitutionDown(f"{name} broke off, or does not answer in HTTP.") from None
            except (httpcore.NetworkError, OSError):
                raise InstitutionDown(f"{name} cannot be reached.") from None

    async def _send(self, request: httpx.Request, body_limit_bytes: int, name: str) -> Answer:
        response = await self._client.send(request, stream=True)
        try:
            if response.headers.get("content-encoding", "identity") != "identity":
                raise ProtocolError(f"{name} sent a compressed answer that was not asked for.")
            content = bytearray()
            async for chunk in response.aiter_raw():
                content += chunk
                if len(content) > body_limit_bytes:
                    raise ProtocolError(f"{name} sent more than {body_limit_bytes} bytes.")
            return Answer(response.status_code, dict(response.headers), bytes(content))
        finally:
            await response.aclose()

    def _check(self, url: str) -> httpx.URL:
        """Return the URL when it may be asked for; raise `InvalidInput` otherwise. Messages show no path."""
        try:
            target = httpx.URL(url)
        except (httpx.InvalidURL, ValueError):
            target = httpx.URL("")
        if len(url) > URL_LENGTH_MAX or not target.host or target.userinfo:
            raise InvalidInput(
                "This is not a web address that can be used; it should look like https://bank.example.",
                field="url",
            )
        if target.scheme != "https" and _origin(target) not in self._allowed_origins:
            raise InvalidInput(f"The address of {target.host} must begin with https://.", field="url")
        return target


def _origin(url: httpx.URL) -> Origin:
    return url.scheme, url.host, url.port or _DEFAULT_PORTS.get(url.scheme, 0)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether an address is on the internet; one that carries an IPv4 address is judged by that too."""
    if isinstance(address, IPv6Address):
        carried = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in _NAT64:
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if any(inner is not None and not is_public(inner) for inner in carried):
            return False
    return address.is_global and not address.is_multicast and address not in _METADATA


class _VettedBackend(httpcore.AsyncNetworkBackend):
    """Resolves a name once and connects to an address that was looked at."""

    def __init__(self, allowed: frozenset[tuple[str, int]]) -> None:
        self._allowed = allowed
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  (the interface is httpcore's)
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await self._resolve(host, port)
        for number, address in enumerate(addresses, start=1):
            try:
                return await self._backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if number == len(addresses):
                    raise
        raise httpcore.ConnectError(f"{host} has no address")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _resolve(self, host: str, port: int) -> list[str]:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} is not known") from error
        addresses = [str(entry[4][0]) for entry in found]
        if (host, port) in self._allowed:
            return addresses
        # One private address among public ones is refused too: no honest bank's name answers so.
        if not all(is_public(ip_address(address.partition("%")[0])) for address in addresses):
            raise InvalidInput(f"{host} is not on the public internet.", field="url")
        return addresses


class _VettedTransport(httpx.AsyncBaseTransport):
    """httpx over an httpcore pool with our backend: httpx's own transport takes none.

    The pool keeps connections by name, not by address, so certificates are checked for the name.
    """

    def __init__(self, backend: _VettedBackend, connections_max: int) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            max_connections=connections_max,
            keepalive_expiry=KEEPALIVE_SECONDS,
            network_backend=backend,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        answer = await self._pool.handle_async_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer))

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._answer.aiter_stream():
            yield chunk

    async def aclose(self) -> None:
        await self._answer.aclose()


@asynccontextmanager
async def open_http(
    settings: Settings, *, requests_at_once: int = REQUESTS_AT_ONCE_MAX
) -> AsyncIterator[GuardedClient]:
    """Open the client; the sandbox bank's origin, where there is one, is its allow list."""
    # These two write whole URLs into the log, and a URL can hold a secret.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    allowed = frozenset({_origin(httpx.URL(settings.sandbox_url))} if settings.sandbox_url else ())
    transport = _VettedTransport(_VettedBackend(frozenset(place[1:] for place in allowed)), requests_at_once)
    async with httpx.AsyncClient(
        transport=transport,
        timeout=httpx.Timeout(DEADLINE_SECONDS, connect=CONNECT_SECONDS),
        follow_redirects=False,
        trust_env=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        headers={"user-agent": "mintql"},
    ) as client:
        yield GuardedClient(client, allowed, requests_at_once)
