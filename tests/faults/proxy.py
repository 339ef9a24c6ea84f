"""A link that can be slow, cut or dead: a proxy between two programs that passes bytes on as it is told."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

CHUNK_BYTES = 64 * 1024
DELAY_SECONDS = 0.25
"""By which a slow link holds back each piece, in either direction."""


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Place:
    """Where something listens: a port of loopback, or a unix socket."""

    port: int = 0
    path: Path | None = None

    async def connect(self) -> Streams:
        """Open a connection."""
        if self.path is not None:
            return await asyncio.open_unix_connection(str(self.path))
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def listen(self, handle: Callable[..., Awaitable[None]]) -> asyncio.Server:
        """Begin to listen."""
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.unlink(missing_ok=True)
            return await asyncio.start_unix_server(handle, str(self.path))
        return await asyncio.start_server(handle, "127.0.0.1", self.port)


@dataclass(eq=False)
class Link:
    """A proxy in front of `upstream`, reached at `place`.

    Modes: `open` passes on; `delay` holds each piece back; `blackhole` takes connections and bytes and lets nothing
    through, which is passed on when it is over, as a network does that sends again; `reset` ends with a reset what is
    open and whatever is opened. `seen` is called with each piece that goes up.
    """

    name: str
    place: Place
    upstream: Place
    mode: str = "open"
    seen: Callable[[bytes], None] | None = None
    _passable: asyncio.Event = field(default_factory=asyncio.Event)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen from now on."""
        self._passable.set()
        self._server = await self.place.listen(self._handle)

    async def stop(self) -> None:
        """Stop listening, and end every connection."""
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def set(self, mode: str) -> None:
        """Behave in another way from now on."""
        self.mode = mode
        if mode == "blackhole":
            self._passable.clear()
        else:
            self._passable.set()
        if mode == "reset":
            self.cut()

    def cut(self) -> None:
        """End every connection with a reset, in both directions."""
        for writer in list(self._writers):
            _reset(writer)

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._writers.add(writer)
        above: asyncio.StreamWriter | None = None
        try:
            await self._passable.wait()
            if self.mode == "reset":
                return
            up_reader, above = await self.upstream.connect()
            self._writers.add(above)
            await asyncio.gather(self._pump(reader, above, self.seen), self._pump(up_reader, writer, None))
            writer.close()
            above.close()
        except (OSError, asyncio.CancelledError):
            pass  # Whoever is behind it is away, or the link is taken down: the one before it is told by the reset.
        finally:
            for end in (writer, above):
                if end is not None:
                    self._writers.discard(end)
                    if not end.is_closing():
                        _reset(end)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Callable[[bytes], None] | None
    ) -> None:
        while data := await reader.read(CHUNK_BYTES):
            await self._passable.wait()
            if self.mode == "delay":
                await asyncio.sleep(DELAY_SECONDS)
            if seen is not None:
                seen(data)
            writer.write(data)
            await writer.drain()
        await self._passable.wait()  # Nor does the end of a connection come through a dead link.
        if writer.can_write_eof():
            with suppress(OSError):
                writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close so that the other side sees a reset and not an orderly end, where the kind of socket has such a thing."""
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.family != socket.AF_UNIX:
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    writer.transport.abort()
