"""How many connections and subscriptions somebody may hold open, and what becomes of those that are held for nothing."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest
import websockets
from starlette.applications import Starlette
from starlette.routing import Mount

from mintql.api import http as http_module
from mintql.api import http_protocol, requests
from mintql.app import create_app
from support.clients import client_of, eventually, raw_socket, socket_of
from support.servers import serving
from support.streams import begun

ALERTS = "subscription { budgetAlerts { cursor } }"
TYPENAME = "{ __typename }"


@pytest.fixture
def seated(settings):
    """Let the API be started with few places."""

    def start(**limits):
        return serving(create_app(settings.model_copy(update=limits)))

    return start


async def open_raw(server):
    host, port = server.url.removeprefix("http://").split(":")
    return await asyncio.open_connection(host, int(port))


async def test_a_person_has_so_many_sockets_and_a_closed_one_makes_room(seated):
    async with (
        seated(sockets_per_person=2) as server,
        client_of(server) as client,
        client_of(server) as other,
    ):
        await client.sign_up()
        await other.sign_up()
        async with socket_of(client) as kept:
            async with socket_of(client):
                async with raw_socket(client.ws_url) as third:
                    await third.send({"type": "connection_init", "payload": client.headers()})
                    assert await third.closed() == 1013
                    assert third.raw.close_reason == "Too many connections"
                async with socket_of(other):
                    pass

            async def again():
                try:
                    async with socket_of(client) as opened:
                        await opened.subscribe(TYPENAME)
                        return await opened.next()
                except (websockets.ConnectionClosed, AssertionError):
                    return None

            assert await eventually(again) == {"__typename": "Query"}
            await kept.subscribe(TYPENAME)
            assert await kept.next() == {"__typename": "Query"}


async def test_an_address_has_so_many_sockets_of_nobody_and_persons_there_do_not_count(seated):
    async with seated(sockets_per_address=2) as server, client_of(server) as client, client_of(server) as nobody:
        await client.sign_up()
        async with socket_of(client), socket_of(client), socket_of(nobody), socket_of(nobody):
            with pytest.raises(websockets.InvalidStatus) as refused:
                await websockets.connect(nobody.ws_url, subprotocols=["graphql-transport-ws"])
            assert refused.value.response.status_code == 429
            assert refused.value.response.headers["retry-after"] == "10"
            error = json.loads(refused.value.response.body)["errors"][0]
            assert error["extensions"]["code"] == "RATE_LIMITED"


async def test_a_person_follows_so_many_subscriptions_over_all_of_their_sockets(seated):
    async with seated(streams_per_person=2, event_poll_seconds=60) as server, client_of(server) as client:
        await client.sign_up()
        async with socket_of(client) as one, socket_of(client) as two:
            await one.subscribe(ALERTS, "a")
            await one.subscribe(ALERTS, "b")
            await begun(client, 2)
            await two.subscribe(ALERTS, "d")
            message = await two.receive()
            error = (message["payload"] if message["type"] == "error" else message["payload"]["errors"])[0]
            assert error["extensions"]["code"] == "RATE_LIMITED"
            assert "2 subscriptions" in error["message"]
            streamed = await client.post(ALERTS, accept="text/event-stream")
            assert "RATE_LIMITED" in streamed.text


async def test_who_does_not_say_who_they_are_is_closed_after_a_while(settings, monkeypatch):
    monkeypatch.setattr(http_module, "CONNECTION_INIT_SECONDS_MAX", 0.2)
    async with serving(create_app(settings)) as server, raw_socket(f"{server.ws_url}/graphql") as socket:
        assert await socket.closed() == 4408


async def test_who_sends_no_head_of_a_request_or_one_that_does_not_end_is_closed(settings, monkeypatch):
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS_MAX", 1)

    async def answer_to(beginning):
        reader, writer = await open_raw(server)
        writer.write(beginning)
        async with asyncio.timeout(20):
            answer = await reader.read()
        writer.close()
        return answer

    beginnings = (b"", b"POST /graphql HTTP/1.1\r\nHost: x\r\n", b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /")
    async with serving(create_app(settings)) as server:
        *nothing, whole = await asyncio.gather(*map(answer_to, beginnings))
    assert nothing == [b"", b""]
    assert whole.endswith(b"live\n")


async def test_a_head_that_is_too_large_is_refused(settings, caplog):
    caplog.set_level(logging.CRITICAL, "uvicorn.error")
    async with serving(create_app(settings)) as server:
        reader, writer = await open_raw(server)
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n")
        for _ in range(20):
            writer.write(b"X: " + b"x" * 8_000 + b"\r\n")
            await writer.drain()
        async with asyncio.timeout(10):
            assert b"400 Bad Request" in (await reader.readline())
        writer.close()


async def test_a_body_that_does_not_arrive_is_given_up(settings, monkeypatch):
    monkeypatch.setattr(requests, "BODY_SECONDS_MAX", 0.2)
    async with serving(create_app(settings)) as server:
        reader, writer = await open_raw(server)
        writer.write(
            b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n{"
        )
        async with asyncio.timeout(10):
            assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
        writer.close()


async def test_an_answer_that_nobody_reads_is_dropped_and_its_stream_ended(monkeypatch):
    monkeypatch.setattr(http_protocol, "UNREAD_SECONDS_MAX", 0.2)
    ended = asyncio.Event()

    async def flood(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        gone = asyncio.create_task(receive())
        try:
            while not gone.done():
                await send({"type": "http.response.body", "body": b":" + b"x" * 60_000 + b"\n\n", "more_body": True})
                await asyncio.sleep(0)
        finally:
            gone.cancel()
            ended.set()

    async with serving(Starlette(routes=[Mount("/", app=flood)])) as server:
        _reader, writer = await open_raw(server)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
        async with asyncio.timeout(20):
            await ended.wait()
        writer.close()
