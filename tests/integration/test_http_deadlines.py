"""The deadlines of the guarded client: none of its steps can take for ever, however the server goes about it."""

from __future__ import annotations

import asyncio
import socket
import time

import httpcore
import pytest

from mintql.domain.errors import InstitutionDown
from mintql.gateways.http import Bounds, Surroundings, open_http
from mintql.gateways.http_retries import Retries
from mintql.settings import Settings
from support.clients import PATIENCE_SECONDS
from support.http_server import (
    ONCE,
    PUBLIC_ADDRESS,
    Rerouted,
    certified,
    read_request,
    reply,
    serve,
    serve_raw,
    trusting,
)

OK = reply("200 OK", b"rows")


def short(**limits) -> Bounds:
    return Bounds(retries=Retries(attempts_max=1), **limits)


def local(port: int) -> str:
    return f"http://127.0.0.1:{port}"


async def outage_of(url: str, limits: Bounds, **options) -> str:
    """What a request that gets no answer is told, long before the server is done."""
    async with open_http(Settings(sandbox_url=url), bounds=limits) as client:
        began = time.monotonic()
        with pytest.raises(InstitutionDown) as outage:
            await client.request("GET", f"{url}/", called="The Bank", **options)
        assert time.monotonic() - began < 5
    return outage.value.message


@pytest.mark.parametrize(
    "beginning",
    [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n"],
    ids=["nothing", "a status line", "headers"],
)
async def test_a_server_that_falls_silent_is_cut_off_at_the_next_byte_that_does_not_come(beginning):
    async def fall_silent(reader, writer):
        await read_request(reader)
        writer.write(beginning)
        await writer.drain()
        await asyncio.sleep(30)

    async with serve_raw(fall_silent) as port:
        words = await outage_of(local(port), short(read_seconds=0.1))
    assert words == "The Bank was silent for 0.1 seconds."


@pytest.mark.parametrize(
    ("beginning", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 1000\r\n\r\n\x1f\x8b\x08\x08\0\0\0\0\0\x03",
            b"x",
        ),
        (b"HTTP/1.1 200 OK\r\nx: ", b"y"),
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    ],
    ids=["body", "chunks", "gzip", "headers", "interim answers"],
)
async def test_a_server_that_drips_is_cut_off_at_the_deadline(beginning, drop):
    async def drip(reader, writer):
        await read_request(reader)
        writer.write(beginning)
        for _ in range(100):
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(0.02)

    async with serve_raw(drip) as port:
        words = await outage_of(local(port), short(read_seconds=0.35), deadline_seconds=0.4)
    assert words.startswith("The Bank did not answer within 0.")


async def test_redirects_and_repetitions_share_one_deadline():
    async def go_round(reader, writer):
        request = await read_request(reader)
        await asyncio.sleep(0.12)
        writer.write(reply("302 Found", location=f"{request.target}x", connection="close"))

    async with serve_raw(go_round) as port:
        words = await outage_of(local(port), ONCE, deadline_seconds=0.3, redirects_max=100)
    assert words.startswith("The Bank did not answer within 0.")

    async def hang_up(reader, writer):
        await read_request(reader)
        await asyncio.sleep(0.12)

    async with serve_raw(hang_up) as port:
        limits = Bounds(retries=Retries(attempts_max=100, pause_seconds_first=0, pause_seconds_max=0))
        words = await outage_of(local(port), limits, deadline_seconds=0.3)
    assert words.startswith("The Bank did not answer within 0.")


async def test_a_server_that_does_not_take_the_request_is_cut_off():
    async def not_read(reader, writer):
        await asyncio.sleep(30)

    async with serve_raw(not_read) as port, open_http(Settings(sandbox_url=local(port)), bounds=ONCE) as client:
        began = time.monotonic()
        with pytest.raises(InstitutionDown, match=r"within 0\.3 seconds"):
            await client.request("POST", f"{local(port)}/", content=bytes(30_000_000), deadline_seconds=0.3)
        assert time.monotonic() - began < 5


async def test_a_server_that_does_not_take_the_connection_is_cut_off():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = []
        for _ in range(4):  # Until nobody is let in any more.
            other = socket.socket()
            other.setblocking(False)
            other.connect_ex(full.getsockname())
            waiting.append(other)
        words = await outage_of(local(full.getsockname()[1]), short(connect_seconds=0.2))
        for other in waiting:
            other.close()
    assert words == "The Bank cannot be reached within 0.2 seconds."


async def test_a_handshake_that_never_ends_is_cut_off():
    async def mute(reader, writer):
        await asyncio.sleep(30)

    async def resolve(host: str, port: int) -> list[str]:
        return [PUBLIC_ADDRESS]

    async with serve_raw(mute) as port:
        around = Surroundings(resolver=resolve, network=Rerouted(port))
        async with open_http(Settings(), bounds=short(connect_seconds=0.2), surroundings=around) as client:
            with pytest.raises(InstitutionDown, match=r"cannot be reached within 0\.2 seconds"):
                await client.request("GET", "https://bank.example/")


async def test_a_name_server_that_does_not_answer_is_not_waited_for():
    async def resolve(host: str, port: int) -> list[str]:
        await asyncio.sleep(30)
        return [PUBLIC_ADDRESS]

    around = Surroundings(resolver=resolve)
    async with open_http(Settings(), bounds=short(connect_seconds=0.1), surroundings=around) as client:
        with pytest.raises(InstitutionDown, match=r"cannot be reached within 0\.1 seconds"):
            await client.request("GET", "https://bank.example/")


async def test_an_address_that_swallows_everything_leaves_time_for_the_next_one():
    class Swallowing(Rerouted):
        async def connect_tcp(self, host, port, timeout=None, *_):  # noqa: ASYNC109
            if host != PUBLIC_ADDRESS:
                await asyncio.sleep(timeout)
                raise httpcore.ConnectTimeout
            return await super().connect_tcp(host, port, timeout)

    async def resolve(host: str, port: int) -> list[str]:
        return ["2606:2800:220:1::1", PUBLIC_ADDRESS]

    async with serve(OK, tls=certified("bank.example")) as server:
        around = Surroundings(resolver=resolve, network=Swallowing(server.port), tls=trusting("bank.example"))
        async with open_http(Settings(), bounds=short(connect_seconds=2.0), surroundings=around) as client:
            answer = await client.request("GET", "https://bank.example/")
    assert answer.content == b"rows"


async def test_whoever_stops_waiting_leaves_no_connection_behind():
    asked, hung_up = asyncio.Event(), asyncio.Event()

    async def slow(reader, writer):
        await read_request(reader)
        asked.set()
        assert await reader.read() == b""
        hung_up.set()

    async with serve_raw(slow) as port, open_http(Settings(sandbox_url=local(port))) as client:
        waiting = asyncio.create_task(client.request("GET", f"{local(port)}/"))
        await asked.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.wait_for(hung_up.wait(), PATIENCE_SECONDS)
