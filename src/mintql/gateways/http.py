"""The HTTP client for addresses that people give us: it reaches the internet and nothing else.

A person may name any URL as their bank's. Therefore: https only; the name is looked up once, every address
it has must be public, and the connection goes to that very address (a second look-up could answer
otherwise); each redirect is checked like the first URL; no proxy or credentials are taken from the
environment, and no cookies are kept, since one client serves many persons; time, size, growth by decompression
and the number of requests at once are bounded; only what is safe to repeat is sent again, and an institution that
does not answer is left alone for a while. Origins of the allow list, which only the operator can fill, may be
plain http and private. The reasons are in `docs/decisions/guarded-http.md`.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache

import httpcore
import httpx

from mintql.domain.errors import InstitutionDown, InvalidInput, ProtocolError
from mintql.gateways.http_addresses import AllowList, checked_url, host_of, is_public, origin_of
from mintql.gateways.http_bodies import read_beginning, read_body, without_coding
from mintql.gateways.http_circuits import Circuit, CircuitBounds, Circuits, Clock, Random
from mintql.gateways.http_network import (
    HEADERS_LIMIT_BYTES,
    CertificateRefused,
    HeadersTooLong,
    MeteredStream,
    Resolver,
    SystemResolver,
    VettedBackend,
)
from mintql.gateways.http_requests import Outgoing, build, leads_astray
from mintql.gateways.http_retries import Retries
from mintql.settings import Settings

__all__ = ["Answer", "Bounds", "GuardedClient", "Surroundings", "is_public", "open_http"]

DEADLINE_SECONDS = 30.0
"""For one request as a whole, from the look-up of the name to the last byte, with redirects and repetitions."""
CONNECT_SECONDS = 5.0
"""For the look-up and the connection, and as much again for the TLS handshake."""
READ_SECONDS = 20.0
"""Without a single byte, before the answer or in its midst: banks do think, but not that long."""
BODY_LIMIT_BYTES = 32 * 1024 * 1024
REDIRECTS_MAX = 3
"""A bank moves from one name to another, perhaps by way of a third."""
KEEPALIVE_SECONDS = 4.0
"""Below the 5 seconds after which common servers hang up, so that a request seldom meets a closing line."""
SERVER_FAULT = 500


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of a client that are not a request's own."""

    connect_seconds: float = CONNECT_SECONDS
    read_seconds: float = READ_SECONDS
    retries: Retries = field(default_factory=Retries)
    circuits: CircuitBounds = field(default_factory=CircuitBounds)

    def timeouts(self) -> dict[str, float]:
        """Return the timeouts as httpcore reads them."""
        return {"connect": self.connect_seconds, "read": self.read_seconds, "write": self.read_seconds}


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a client takes from the world around it; each can be another one's."""

    resolver: Resolver | None = None
    """Looks names up; the system's, unless given."""
    network: httpcore.AsyncNetworkBackend = field(default_factory=httpcore.AnyIOBackend)
    """Connects to addresses that were judged."""
    tls: ssl.SSLContext | None = None
    """Which certificates are trusted; those of `certifi` or of `SSL_CERT_FILE`, unless given."""
    clock: Clock = _utc_now
    random: Random = secrets.SystemRandom().random
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """A complete HTTP answer. `headers` have lower-case names; `content` is decompressed."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def content_type(self) -> str:
        """The media type without parameters, or nothing."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def __repr__(self) -> str:
        return f"Answer(status={self.status}, {len(self.content)} bytes)"


@dataclass(frozen=True, slots=True)
class _Silence:
    """What came of an attempt that got no answer; `again`: the connection failed, which may be a hiccup."""

    failure: InstitutionDown
    again: bool


_SILENCES: tuple[tuple[type[Exception], str, bool], ...] = (
    (httpcore.ConnectTimeout, "cannot be reached within {0}", True),
    (httpcore.TimeoutException, "was silent for {1}", False),
    (TimeoutError, "did not answer within {2}", False),
    (CertificateRefused, "cannot be reached safely: its certificate is not to be trusted", False),
    (httpcore.ProtocolError, "broke off, or does not answer in HTTP", True),
    (Exception, "cannot be reached", True),
)
"""What an exception means, in words with the seconds to connect, to read and in all, and whether to try again. A
server that is slow is not asked once more: that would only add to what it has to do."""


@dataclass(frozen=True, slots=True)
class _Terms:
    """What holds for one request from its first attempt to the last. `ends_at` is the event loop's time."""

    name: str
    deadline_seconds: float
    ends_at: float
    body_limit_bytes: int
    redirects_max: int
    cut: bool


@cache
def _default_tls() -> ssl.SSLContext:
    """Return the context that trusts the usual authorities: reading their certificates takes 66 ms, so once."""
    return httpx.create_ssl_context()


class GuardedClient:
    """Sends requests within the rules of this module. Get one from `open_http`."""

    def __init__(self, allowed: AllowList, network: VettedBackend, bounds: Bounds, surroundings: Surroundings) -> None:
        self._allowed = allowed
        self._bounds = bounds
        self._surroundings = surroundings
        self._circuits = Circuits(bounds.circuits, surroundings.clock, surroundings.random)
        tls = surroundings.tls or _default_tls()
        tls.minimum_version = max(tls.minimum_version, ssl.TLSVersion.TLSv1_2)

        def pool(kept: int) -> httpcore.AsyncConnectionPool:
            return httpcore.AsyncConnectionPool(
                ssl_context=tls,
                max_connections=bounds.circuits.requests_at_once_total,
                max_keepalive_connections=kept,
                keepalive_expiry=KEEPALIVE_SECONDS,
                network_backend=network,
            )

        self._kept = pool(bounds.circuits.requests_at_once_total)
        # A server may hang up just when a request goes out on a kept connection, and nobody can tell whether it
        # was read. What must not be sent again gets a connection of its own, where that cannot happen.
        self._fresh = pool(0)

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: object = None,
        content: bytes | None = None,
        form: Mapping[str, str] | None = None,
        basic_auth: tuple[str, str] | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
        body_limit_bytes: int = BODY_LIMIT_BYTES,
        repeatable: bool | None = None,
        redirects_max: int = REDIRECTS_MAX,
        circuit: str = "",
        called: str = "",
        cut: bool = False,
    ) -> Answer:
        """Send a request and return the whole answer, whatever its status; see `HttpClient.request`.

        With `cut` the status is what counts: of the body come the first `body_limit_bytes`, as they were sent, and
        less where it breaks off or is slow.

        The deadline begins when it is the request's turn. Failures of one circuit keep others from being asked, so
        give a `circuit` of several origins only where no person can choose one of them.

        Raises:
            InvalidInput: The URL is not one that may be reached, or a login cannot be sent.
            InstitutionDown: No answer: name unknown, refused, cut off, no HTTP, certificate wrong, too slow,
                or not asked because of that. `retry_at` is set in the last case.
            ProtocolError: The answer is longer than `body_limit_bytes`, compressed beyond measure, or leads away
                too often or to where it may not.
        """
        target = checked_url(url, self._allowed)
        name = called or host_of(target)
        outgoing = build(
            method, target, headers=headers or {}, params=params or {}, json=json, content=content, form=form,
            basic_auth=basic_auth, repeatable=repeatable, name=name,
        )  # fmt: skip
        async with self._circuits.turn(circuit or "{}://{}:{}".format(*origin_of(target)), name) as line:
            ends_at = asyncio.get_running_loop().time() + deadline_seconds
            terms = _Terms(name, deadline_seconds, ends_at, body_limit_bytes, redirects_max, cut)
            outcome = await self._repeated(outgoing, terms, line)
        if isinstance(outcome, _Silence):
            raise outcome.failure
        return outcome

    async def aclose(self) -> None:
        """Close all connections."""
        await self._kept.aclose()
        await self._fresh.aclose()

    async def _repeated(self, outgoing: Outgoing, terms: _Terms, line: Circuit) -> Answer | _Silence:
        """Try until there is an answer to keep, or no more trying is due."""
        number = 0
        while True:
            number += 1
            with line.attempt(terms.name) as attempt:
                outcome = await self._attempted(outgoing, terms)
                attempt.failed = isinstance(outcome, _Silence) or outcome.status >= SERVER_FAULT
            pause = self._pause(number, outcome) if outgoing.repeatable else None
            if pause is None or asyncio.get_running_loop().time() + pause >= terms.ends_at or line.is_open:
                return outcome
            await self._surroundings.sleep(pause)

    def _pause(self, number: int, outcome: Answer | _Silence) -> float | None:
        retries, around = self._bounds.retries, self._surroundings
        if isinstance(outcome, _Silence):
            return retries.after_failure(number, around.random) if outcome.again else None
        return retries.after_answer(number, outcome.status, outcome.headers, around.clock(), around.random)

    async def _attempted(self, outgoing: Outgoing, terms: _Terms) -> Answer | _Silence:
        """Ask once, redirects included, and put what went wrong with the connection into words."""
        name = terms.name
        try:
            async with asyncio.timeout_at(terms.ends_at):
                return await self._followed(outgoing, terms)
        except HeadersTooLong:
            raise ProtocolError(f"{name} sent more than {HEADERS_LIMIT_BYTES} bytes of headers.") from None
        except (OSError, httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            words, again = next((words, again) for kind, words, again in _SILENCES if isinstance(error, kind))
            bounds = self._bounds
            figures = (bounds.connect_seconds, bounds.read_seconds, terms.deadline_seconds)
            said = words.format(*(f"{seconds:g} seconds" for seconds in figures))
            return _Silence(InstitutionDown(f"{name} {said}."), again)

    async def _followed(self, outgoing: Outgoing, terms: _Terms) -> Answer:
        """Send the request, and send it on where the answer says so and it may."""
        seen: set[str] = set()
        while True:
            seen.add(str(outgoing.url))
            try:
                answer = await self._sent(outgoing, terms)
            except InvalidInput:
                # The first URL is the person's, and theirs to correct; the others are the institution's.
                if len(seen) == 1:
                    raise
                raise leads_astray(terms.name) from None
            if isinstance(answer, Answer):
                return answer
            if len(seen) > terms.redirects_max:
                raise ProtocolError(f"{terms.name} redirected more than {terms.redirects_max} times.")
            outgoing = outgoing.redirected(answer, self._allowed, terms.name)
            if str(outgoing.url) in seen:
                raise ProtocolError(f"{terms.name} redirects in a circle.")

    async def _sent(self, outgoing: Outgoing, terms: _Terms) -> Answer | str:
        """Return the answer, or the place that it says to go on to, unread."""
        pool = self._kept if outgoing.repeatable else self._fresh
        response = await pool.handle_async_request(outgoing.encoded(self._bounds.timeouts()))
        try:
            line: MeteredStream = response.extensions["network_stream"]
            line.lift()
            headers = dict(httpx.Headers(response.headers))
            onward = outgoing.location(response.status, headers) if terms.redirects_max else None
            if onward is not None:
                return onward
            body = b""
            if terms.cut:
                body = await read_beginning(response.aiter_stream(), terms.body_limit_bytes, terms.ends_at)
            elif outgoing.method != "HEAD":
                body = await read_body(response.aiter_stream(), headers, terms.body_limit_bytes, terms.name)
            return Answer(response.status, without_coding(headers), body)
        finally:
            await response.aclose()


@asynccontextmanager
async def open_http(
    settings: Settings,
    *,
    bounds: Bounds | None = None,
    surroundings: Surroundings | None = None,
    allowed: AllowList | None = None,
) -> AsyncIterator[GuardedClient]:
    """Open the client; the sandbox bank's origin, where there is one, is its allow list unless one is given."""
    # These two write whole URLs into the log, and a URL can hold a secret.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    around = surroundings or Surroundings()
    if allowed is None:
        allowed = frozenset({origin_of(httpx.URL(settings.sandbox_url))} if settings.sandbox_url else ())
    system = SystemResolver()
    client = GuardedClient(
        allowed, VettedBackend(allowed, around.resolver or system, around.network), bounds or Bounds(), around
    )
    try:
        yield client
    finally:
        await client.aclose()
        system.close()
