"""Servers of hand-written bytes on ephemeral loopback ports, for answers no framework would give.

And what surrounds a client that is to reach them: a network on which they stand at public addresses, and
certificates that it trusts.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import httpcore
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mintql.gateways.http import Bounds, Surroundings
from mintql.gateways.http_retries import Retries
from mintql.settings import Settings


@asynccontextmanager
async def serve_raw(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    *,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[int]:
    """Serve hand-written bytes after the head of each request was read; yield the port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
            await writer.drain()
        except (ConnectionError, asyncio.CancelledError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@dataclass(frozen=True)
class Request:
    """A request as it came in; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Server:
    """A running server and what it was asked; `connections` counts those it took."""

    port: int = 0
    seen: list[Request] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def allowing(self) -> Settings:
        """Settings that allow this server's origin."""
        return Settings(sandbox_url=self.url)


def reply(status: str, body: bytes = b"", **headers: str) -> bytes:
    """An answer's bytes; underscores in the names of headers stand for hyphens."""
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@asynccontextmanager
async def serve(*replies: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """Answer the n-th request with the n-th reply, and with the last from then on; an empty one hangs up.

    Connections are kept until the client or an empty reply ends them.
    """
    server = Server()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        while True:
            server.seen.append(await read_request(reader))
            content = replies[min(len(server.seen), len(replies)) - 1]
            if not content:
                return
            writer.write(content)
            await writer.drain()

    async with serve_raw(answer, tls=tls) as server.port:
        yield server


async def read_request(reader: asyncio.StreamReader) -> Request:
    """Read one request whole."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip("\r\n").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    method, target, _ = first.split(" ")
    return Request(method, target, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


class Rerouted(httpcore.AsyncNetworkBackend):
    """A network on which everything public is at one loopback port. It remembers where connections went."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.connected: list[tuple[str, int]] = []
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(self, host, port, timeout=None, *_):  # noqa: ASYNC109
        self.connected.append((host, port))
        return await self._network.connect_tcp("127.0.0.1", self.port, timeout)


PUBLIC_ADDRESS = "93.184.216.34"


def resolving(names: Mapping[str, list[str]], asked: list[str] | None = None):
    """A resolver that knows these names; the n-th look-up of all is written into `asked`."""

    async def resolve(host: str, port: int) -> list[str]:
        if asked is not None:
            asked.append(host)
        if host not in names:
            raise OSError("not known")
        return names[host]

    return resolve


def certified(*names: str) -> ssl.SSLContext:
    """What a server shows that may answer for these names; clients with `trusting()` believe it."""
    return _certificate(names)[0]


def trusting(*names: str) -> ssl.SSLContext:
    """What a client trusts: the certificate of the server with these names, and no other."""
    return ssl.create_default_context(cadata=_certificate(names)[1])


@cache
def _certificate(names: tuple[str, ...]) -> tuple[ssl.SSLContext, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    shown = signed.public_bytes(serialization.Encoding.PEM)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "bank.pem"
        path.write_bytes(shown + pem)
        context.load_cert_chain(path)
    return context, shown.decode()


@dataclass
class Time:
    """A clock that stands until it is told to go on, a sleep that lets it, and dice that always fall alike."""

    now: dt.datetime = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
    slept: list[float] = field(default_factory=list)
    die: float = 0.5

    def clock(self) -> dt.datetime:
        return self.now

    def go_on(self, seconds: float) -> None:
        self.now += dt.timedelta(seconds=seconds)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.go_on(seconds)

    def surroundings(self) -> Surroundings:
        return Surroundings(clock=self.clock, sleep=self.sleep, random=lambda: self.die)


ONCE = Bounds(retries=Retries(attempts_max=1))
"""For tests of anything but repetition."""
