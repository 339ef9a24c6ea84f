"""Many WebSocket clients that speak graphql-transport-ws in one process, and cost next to nothing themselves."""

from __future__ import annotations

import asyncio
import base64
import os
import struct
import time
from collections.abc import Callable
from typing import Any

import orjson

MASK = b"\0\0\0\0"
"""Clients have to mask what they send (RFC 6455, section 5.3). With zeros it stays as it is."""
TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
LENGTH_16, LENGTH_64 = 126, 127
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"


class Socket(asyncio.Protocol):
    """One client. `on_next` is called with each item of a subscription, at the moment its bytes have come."""

    __slots__ = (
        "_buffer",
        "_opened",
        "_request",
        "acknowledged",
        "close_code",
        "ended",
        "on_next",
        "opened",
        "transport",
    )

    def __init__(self, port: int, *, deflate: bool = False) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        self._request = (
            f"GET /graphql HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: graphql-transport-ws\r\n{DEFLATE if deflate else ''}\r\n"
        ).encode()
        self._buffer = b""
        self._opened = False
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        self.acknowledged: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.close_code: int | None = None
        self.on_next: Callable[[dict[str, Any], float], None] | None = None
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the WebSocket."""
        self.transport = transport  # type: ignore[assignment]
        self.transport.write(self._request)
        self._request = b""

    def connection_lost(self, _error: Exception | None) -> None:
        """Note the end."""
        for step in (self.opened, self.acknowledged):
            if not step.done():
                step.set_exception(ConnectionError(f"closed before the acknowledgement: {self.close_code}"))
                step.exception()  # Seen, should nobody wait for it.
        if not self.ended.done():
            self.ended.set_result(None)

    def send(self, message: dict[str, Any]) -> None:
        """Send a message of the protocol."""
        self._frame(TEXT, orjson.dumps(message))

    def _frame(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        if size < LENGTH_16:
            head = bytes((0x80 | opcode, 0x80 | size))
        elif size < 1 << 16:
            head = bytes((0x80 | opcode, 0x80 | LENGTH_16)) + struct.pack("!H", size)
        else:
            head = bytes((0x80 | opcode, 0x80 | LENGTH_64)) + struct.pack("!Q", size)
        self.transport.write(head + MASK + payload)

    def data_received(self, data: bytes) -> None:
        """Take frames; several may come at once, or one in pieces."""
        now = time.perf_counter()
        self._buffer += data
        if not self._opened:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self.transport.abort()
                return
            self._opened, self._buffer = True, rest
            self.opened.set_result(None)
        while self._take(now):
            pass

    def _take(self, now: float) -> bool:
        """Take one frame off the buffer; return whether there was one."""
        buffer = self._buffer
        if len(buffer) < 2:
            return False
        size, start = buffer[1], 2
        if size == LENGTH_16:
            size, start = int.from_bytes(buffer[2:4], "big"), 4
        elif size == LENGTH_64:
            size, start = int.from_bytes(buffer[2:10], "big"), 10
        if len(buffer) < start + size:
            return False
        opcode, payload = buffer[0] & 0xF, buffer[start : start + size]
        self._buffer = buffer[start + size :]
        if opcode == PING:
            self._frame(PONG, payload)
        elif opcode == CLOSE:
            self.close_code = int.from_bytes(payload[:2], "big")
            self.transport.close()
        elif opcode == TEXT:
            self._handle(payload, now)
        return True

    def _handle(self, payload: bytes, now: float) -> None:
        message = orjson.loads(payload)
        if message["type"] == "connection_ack":
            self.acknowledged.set_result(None)
        elif message["type"] == "next" and self.on_next is not None:
            self.on_next(message["payload"], now)


async def open_socket(port: int, token: str, *, deflate: bool = False) -> Socket:
    """Connect as the person of a token; return when the server has acknowledged."""
    loop = asyncio.get_running_loop()
    _, socket = await loop.create_connection(lambda: Socket(port, deflate=deflate), "127.0.0.1", port)
    await socket.opened
    socket.send({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}})
    await socket.acknowledged
    return socket
