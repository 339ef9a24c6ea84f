"""A client that reads nothing is closed in the end, and until then nobody else notices it."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest
import websockets
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocketDisconnect
from strawberry.http.exceptions import WebSocketDisconnected

from mintql.api import socket_protocol as module
from mintql.api.websocket import SocketAdapter, TransportHandler
from support.clients import PATIENCE_SECONDS, eventually
from support.servers import serving

MESSAGE = "x" * 60_000


class _View:
    """What of a view writes messages."""

    @staticmethod
    def encode_json(message):
        return json.dumps(message)


class Flood:
    """An app that sends for ever, one message and then the next."""

    def __init__(self):
        self.sent = 0
        self.ended: list[WebSocketDisconnect] = []

    async def serve(self, connection):
        await connection.accept()
        try:
            while True:
                await connection.send_text(MESSAGE)
                self.sent += 1
                await asyncio.sleep(0)
        except WebSocketDisconnect as error:
            self.ended.append(error)


async def echo(connection):
    await connection.accept()
    while True:
        await connection.send_text(await connection.receive_text())


@pytest.fixture
async def flood():
    return Flood()


@pytest.fixture
async def url(flood):
    app = Starlette(routes=[WebSocketRoute("/flood", flood.serve), WebSocketRoute("/echo", echo)])
    async with serving(app) as server:
        yield server.ws_url


async def open_deaf(url, path):
    """Connect, read the handshake and nothing more."""
    host, port = url.removeprefix("ws://").split(":")
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
    await asyncio.to_thread(raw.connect, (host, int(port)))
    raw.sendall(
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    return raw


def read_to_end(raw, end=None):
    raw.settimeout(PATIENCE_SECONDS)
    found = b""
    while (end is None or not found.endswith(end)) and (chunk := raw.recv(2**20)):
        found += chunk
    return found


async def test_who_does_not_read_is_closed_with_1013_behind_what_was_sent(url, flood, monkeypatch):
    monkeypatch.setattr(module, "SLOW_SECONDS_MAX", 0.3)
    monkeypatch.setattr(module, "LAST_WORDS_SECONDS", PATIENCE_SECONDS)
    raw = await open_deaf(url, "/flood")
    await eventually(lambda: flood.ended)
    reason = b"Too slow: connect again, after your last cursor"
    content = await asyncio.to_thread(read_to_end, raw, reason)
    assert content.count(MESSAGE.encode()) == flood.sent
    assert content.endswith(b"\x88" + bytes([2 + len(reason)]) + (1013).to_bytes(2, "big") + reason)
    raw.close()


async def test_who_does_not_even_read_the_goodbye_is_dropped(url, flood, monkeypatch):
    monkeypatch.setattr(module, "SLOW_SECONDS_MAX", 0.2)
    monkeypatch.setattr(module, "LAST_WORDS_SECONDS", 0.2)
    raw = await open_deaf(url, "/flood")
    await eventually(lambda: flood.ended)
    await asyncio.sleep(0.5)
    content = await asyncio.to_thread(read_to_end, raw)
    assert 0 < content.count(MESSAGE.encode()) < flood.sent
    raw.close()


async def test_others_are_answered_meanwhile(url, flood, monkeypatch):
    monkeypatch.setattr(module, "SLOW_SECONDS_MAX", 2 * PATIENCE_SECONDS)
    deaf = [await open_deaf(url, "/flood") for _ in range(5)]
    async with websockets.connect(f"{url}/echo") as other:
        before = -1
        while flood.sent != before:  # Until all buffers are full.
            before = flood.sent
            await asyncio.sleep(0.2)
        async with asyncio.timeout(PATIENCE_SECONDS):
            for number in range(20):
                await other.send(str(number))
                assert await other.recv() == str(number)
    assert not flood.ended
    for raw in deaf:
        raw.close()


async def test_who_reads_slowly_but_reads_stays(url, flood, monkeypatch):
    monkeypatch.setattr(module, "SLOW_SECONDS_MAX", 2)
    # Its goodbye would stand behind all that is under way.
    async with websockets.connect(f"{url}/flood", max_size=None, close_timeout=0.1) as slow:
        for _ in range(100):
            assert await slow.recv() == MESSAGE
            await asyncio.sleep(0.03)  # All of them take longer than a client may read nothing for.
        assert not flood.ended


async def test_messages_are_not_deflated_whatever_the_client_offers(url):
    async with websockets.connect(f"{url}/echo", compression="deflate") as client:
        assert client.protocol.extensions == []


async def test_what_a_stream_has_to_say_after_its_socket_was_closed_is_no_error(caplog):
    found = []

    async def closed(connection):
        await connection.accept()
        await connection.close(1000)
        try:
            await SocketAdapter(_View, connection, connection).send_json({"type": "next"})
        except WebSocketDisconnected as error:
            found.append(error)

    async with serving(Starlette(routes=[WebSocketRoute("/", closed)])) as server, websockets.connect(server.ws_url):
        await eventually(lambda: _has(found))
    handler = TransportHandler.__new__(TransportHandler)
    await handler.handle_task_exception(found[0])
    assert not caplog.records
    await handler.handle_task_exception(ValueError("something else"))
    assert [record.exc_info[1].args for record in caplog.records] == [("something else",)]


async def _has(found):
    return bool(found)
