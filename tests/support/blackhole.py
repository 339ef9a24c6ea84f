"""A line to a server that can go silent: what is sent on it is taken, and nothing comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit

CHUNK_BYTES = 65_536


class Line:
    """A listener that passes bytes on while it is not `silent`; connections are taken all the same."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        folder = parse_qs(parts.query).get("host", [""])[0]
        self._path = parts.path if parts.scheme == "unix" else None
        if folder:
            (self._path,) = map(str, Path(folder).glob(".s.PGSQL.*[0-9]"))
        self._target = parts.hostname or "127.0.0.1", parts.port or 0
        self.silent = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())
        try:
            if self.silent:
                await reader.read(-1)
                return
            back_reader, back_writer = await (
                asyncio.open_unix_connection(self._path) if self._path else asyncio.open_connection(*self._target)
            )
            await asyncio.gather(self._pass(reader, back_writer), self._pass(back_reader, writer))
        finally:
            writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                if not self.silent:
                    writer.write(data)
                    await writer.drain()
        writer.close()

    def end(self) -> None:
        for task in self._tasks:
            task.cancel()


@asynccontextmanager
async def line_to(url: str) -> AsyncIterator[tuple[Line, str]]:
    """Open a line to the server of an address; yield it with the address that leads over it."""
    line, parts = Line(url), urlsplit(url)
    server = await asyncio.start_server(line.take, "127.0.0.1", 0)
    credentials, _, _ = parts.netloc.rpartition("@")
    place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    netloc = f"{credentials}@{place}" if credentials else place
    try:
        if parts.scheme == "unix":
            yield line, f"redis://{place}"
        else:
            yield line, urlunsplit(parts._replace(netloc=netloc, query=""))
    finally:
        line.end()
        server.close()
