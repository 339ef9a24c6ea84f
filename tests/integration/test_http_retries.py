"""What the guarded client sends again, how soon, and what it never sends twice."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from dataclasses import replace
from email.utils import format_datetime

import pytest

from mintql.domain.errors import InstitutionDown, InvalidInput, ProtocolError
from mintql.gateways.http import Bounds, Surroundings, open_http
from mintql.gateways.http_retries import Retries
from mintql.settings import Settings
from support.clients import eventually
from support.http_server import (
    PUBLIC_ADDRESS,
    Rerouted,
    Time,
    certified,
    read_request,
    reply,
    resolving,
    serve,
    serve_raw,
    trusting,
)

OK = reply("200 OK", b"rows")
HANG_UP = b""
HALF = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"
NONSENSE = b"SSH-2.0-OpenSSH\r\n\r\n"
ATTEMPTS = Retries().attempts_max


@asynccontextmanager
async def asking(time: Time, *replies: bytes, bounds: Bounds | None = None):
    """A server with these replies, and a client in this time."""
    around = time.surroundings()
    async with serve(*replies) as server, open_http(server.allowing, bounds=bounds, surroundings=around) as client:
        yield server, client


def out_of_order(status: int, **headers: str) -> bytes:
    return reply(f"{status} Sorry", b"sorry", **headers)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("first", [HANG_UP, NONSENSE, out_of_order(502), out_of_order(503), out_of_order(504)])
async def test_what_may_be_repeated_is_sent_again_after_a_hiccup(method, first):
    time = Time()
    async with asking(time, first, reply("200 OK")) as (server, client):
        answer = await client.request(method, f"{server.url}/", repeatable=True if method == "POST" else None)
    assert answer.status == 200
    assert [request.method for request in server.seen] == [method, method]
    assert len(time.slept) == 1


async def test_an_answer_that_breaks_off_is_fetched_again_whole():
    seen: list = []

    async def half_then_whole(reader, writer):
        seen.append(await read_request(reader))
        writer.write(HALF if len(seen) == 1 else OK)

    async with serve_raw(half_then_whole) as port, open_http(Settings(sandbox_url=local(port))) as client:
        answer = await client.request("GET", f"{local(port)}/")
    assert answer.content == b"rows"
    assert len(seen) == 2


@pytest.mark.parametrize("options", [{"method": "POST"}, {"method": "PUT"}, {"method": "GET", "repeatable": False}])
@pytest.mark.parametrize("reply_", [HANG_UP, NONSENSE, out_of_order(503), out_of_order(429, retry_after="0")])
async def test_what_may_not_be_repeated_is_sent_once_whatever_happens(options, reply_):
    time = Time()
    async with asking(time, reply_, OK) as (server, client):
        try:
            answer = await client.request(url=f"{server.url}/", content=b"claim", **options)
        except InstitutionDown:
            answer = None
    assert answer is None or answer.content == b"sorry"
    assert len(server.seen) == 1
    assert time.slept == []


async def test_a_post_that_may_not_be_repeated_never_meets_a_line_that_is_being_closed():
    """A kept connection on which the server hangs up as soon as the second request arrives."""
    posts, connections = [], 0

    async def once(reader, writer):
        nonlocal connections
        connections += 1
        while True:
            request = await read_request(reader)
            if request.method == "POST":
                posts.append(request.body)
                if connections == 1:
                    return
            writer.write(OK)
            await writer.drain()

    async with serve_raw(once) as port, open_http(Settings(sandbox_url=local(port))) as client:
        await client.request("GET", f"{local(port)}/")
        answer = await client.request("POST", f"{local(port)}/claim", content=b"claim")
        assert answer.content == b"rows"
        await client.request("GET", f"{local(port)}/")
        await client.request("POST", f"{local(port)}/claim", content=b"claim 2")
    assert posts == [b"claim", b"claim 2"]
    assert connections == 3  # One that was kept for reading, and one for each claim.


async def test_what_may_be_repeated_survives_a_line_that_is_being_closed():
    connections = 0

    async def twice(reader, writer):
        nonlocal connections
        connections += 1
        await read_request(reader)
        writer.write(OK)
        await writer.drain()
        if connections == 1:
            await read_request(reader)
            return
        await asyncio.sleep(1)

    time = Time()
    around = time.surroundings()
    async with serve_raw(twice) as port, open_http(Settings(sandbox_url=local(port)), surroundings=around) as client:
        answers = [await client.request("GET", f"{local(port)}/") for _ in range(2)]
    assert [answer.content for answer in answers] == [b"rows", b"rows"]
    assert connections == 2


async def test_it_gives_up_after_a_few_attempts():
    time = Time()
    async with asking(time, HANG_UP) as (server, client):
        with pytest.raises(InstitutionDown, match="broke off"):
            await client.request("GET", f"{server.url}/")
    assert len(server.seen) == ATTEMPTS
    async with asking(time, out_of_order(503)) as (server, client):
        answer = await client.request("GET", f"{server.url}/")
    assert (answer.status, answer.content) == (503, b"sorry")
    assert len(server.seen) == ATTEMPTS


@pytest.mark.parametrize("die", [0.0, 0.5, 0.999])
async def test_pauses_have_full_jitter_below_a_bound_that_doubles(die):
    time = Time(die=die)
    bounds = Bounds(retries=Retries(attempts_max=5, pause_seconds_first=0.25, pause_seconds_max=1.5))
    async with asking(time, out_of_order(503), bounds=bounds) as (server, client):
        await client.request("GET", f"{server.url}/")
    assert time.slept == pytest.approx([die * bound for bound in (0.25, 0.5, 1.0, 1.5)])


@pytest.mark.parametrize("status", [200, 204, 400, 401, 402, 403, 404, 408, 409, 500, 501, 505])
async def test_other_answers_stand(status):
    time = Time()
    async with asking(time, reply(f"{status} Whatever", retry_after="0"), OK) as (server, client):
        answer = await client.request("GET", f"{server.url}/")
    assert answer.status == status
    assert time.slept == []


@pytest.mark.parametrize("status", [429, 503])
async def test_a_short_wait_that_the_server_asks_for_is_kept(status):
    for text in ("3", format_datetime(Time().now.replace(second=3), usegmt=True), "Sun, 01 Mar 2026 12:00:03 -0000"):
        time = Time(die=0.0)
        async with asking(time, out_of_order(status, retry_after=text), OK) as (server, client):
            answer = await client.request("GET", f"{server.url}/")
        assert answer.content == b"rows"
        assert time.slept == [3.0]


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (429, {}),
        (429, {"retry_after": "6"}),
        (429, {"retry_after": "soon"}),
        (429, {"retry_after": "-1"}),
        (429, {"retry_after": "9" * 400}),
        (429, {"retry_after": "Sun, 01 Mar 2026 12:01:00 GMT"}),
        (503, {"retry_after": "3600"}),
    ],
)
async def test_a_longer_wait_is_the_callers_to_know(status, headers):
    time = Time()
    async with asking(time, out_of_order(status, **headers), OK) as (server, client):
        answer = await client.request("GET", f"{server.url}/")
    assert answer.status == status
    assert answer.headers.get("retry-after") == headers.get("retry_after")
    assert len(server.seen) == 1
    assert time.slept == []


async def test_no_attempt_is_begun_that_the_deadline_would_not_let_begin():
    time = Time(die=0.0)
    async with asking(time, out_of_order(503, retry_after="5"), OK) as (server, client):
        answer = await client.request("GET", f"{server.url}/", deadline_seconds=4.5)
    assert answer.status == 503
    assert len(server.seen) == 1


async def test_a_slow_server_a_wrong_certificate_and_a_refused_answer_are_not_asked_again():
    async def silent(reader, writer):
        seen.append(await read_request(reader))
        await asyncio.sleep(5)

    seen: list = []
    time = Time()
    around = replace(time.surroundings(), resolver=resolving({"bank.example": [PUBLIC_ADDRESS]}))
    async with serve_raw(silent) as port:
        bounds = Bounds(read_seconds=0.1)
        async with open_http(Settings(sandbox_url=local(port)), bounds=bounds, surroundings=around) as client:
            with pytest.raises(InstitutionDown, match=r"silent for 0\.1 seconds"):
                await client.request("GET", f"{local(port)}/")
        await eventually(lambda: seen)
    assert len(seen) == 1
    async with serve(OK, tls=certified("other.example")) as server:
        network = Rerouted(server.port)
        wrong = replace(around, network=network, tls=trusting("other.example"))
        async with open_http(Settings(), surroundings=wrong) as client:
            with pytest.raises(InstitutionDown, match="certificate"):
                await client.request("GET", "https://bank.example/")
    assert len(network.connected) == 1
    async with serve(reply("200 OK", b"12345")) as server, open_http(server.allowing, surroundings=around) as client:
        with pytest.raises(ProtocolError):
            await client.request("GET", f"{server.url}/", body_limit_bytes=4)
    assert len(server.seen) == 1
    assert time.slept == []


async def test_a_refused_address_is_not_looked_up_again():
    asked: list[str] = []
    around = Surroundings(resolver=resolving({"inside.example": ["10.0.0.1"]}, asked))
    async with open_http(Settings(), surroundings=around) as client:
        with pytest.raises(InvalidInput):
            await client.request("GET", "https://inside.example/")
    assert asked == ["inside.example"]


async def test_a_closed_port_is_tried_again():
    time = Time()
    with socket.socket() as held:  # So that nobody else listens there.
        held.bind(("127.0.0.1", 0))
        url = local(held.getsockname()[1])
        async with open_http(Settings(sandbox_url=url), surroundings=time.surroundings()) as client:
            with pytest.raises(InstitutionDown, match=r"127\.0\.0\.1 cannot be reached\."):
                await client.request("GET", f"{url}/")
    assert len(time.slept) == ATTEMPTS - 1


def local(port: int) -> str:
    return f"http://127.0.0.1:{port}"
