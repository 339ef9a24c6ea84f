"""A file that is read while it is still written: whoever reads slowly holds up nobody who writes.

The bytes lie in a file without a name, which is gone with the process. Nothing but a piece is in memory.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

PIECE_BYTES = 64 * 1024


class SpoolFull(Exception):  # noqa: N818
    """More was to be written than the spool may hold, or the disk has no room."""


class Spool:
    """Bytes on their way, at most `bytes_max` of them. One writes, one reads."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - `__aexit__` closes it
        self._size = 0
        self._pending = bytearray()
        self._ended = False
        self._error: BaseException | None = None
        self._moved = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    async def write(self, content: bytes) -> None:
        """Add bytes; raise `SpoolFull` when there is no room for them."""
        self._pending += content
        if len(self._pending) >= PIECE_BYTES:
            await self._flush()

    async def end(self) -> None:
        """Say that nothing follows."""
        await self._flush()
        self._ended = True
        self._moved.set()

    def fail(self, error: BaseException) -> None:
        """Say that what should follow never will; the reader is told by the same error."""
        self._error = error
        self._moved.set()

    async def read(self) -> AsyncIterator[bytes]:
        """Yield what is written, piece by piece, until its end."""
        position = 0
        while True:
            self._moved.clear()
            while position < self._size:
                count = min(PIECE_BYTES, self._size - position)
                piece = await asyncio.to_thread(os.pread, self._file.fileno(), count, position)
                position += len(piece)
                yield piece
            if self._error is not None:
                raise self._error
            if self._ended and position == self._size:
                return
            if position == self._size:
                await self._moved.wait()

    async def _flush(self) -> None:
        content = bytes(self._pending)
        if self._size + len(content) > self._bytes_max:
            raise SpoolFull(f"more than {self._bytes_max:,} bytes")
        try:
            await asyncio.to_thread(self._append, content)
        except OSError as error:
            raise SpoolFull(f"the disk does not take it: {error.strerror}") from error
        self._pending.clear()
        self._size += len(content)
        self._moved.set()

    def _append(self, content: bytes) -> None:
        done = 0
        while done < len(content):
            done += os.pwrite(self._file.fileno(), content[done:], self._size + done)
