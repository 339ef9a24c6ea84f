"""Reading the body of an answer within bounds, decompressing it where the server compressed it unasked.

A thousand bytes can come out of one (deflate reaches 1032), so what comes out is bounded, not only what goes in.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterable, Mapping
from contextlib import suppress

import httpcore

from mintql.domain.errors import ProtocolError

RATIO_MAX = 100
"""Bytes that may come out of each compressed byte, on the whole. Real statements reach 9; thousands of JSON rows that
differ in nothing but a number reached 59."""
RATIO_FREE_BYTES = 1024 * 1024
"""So much may come out whatever went in: short answers that repeat themselves harm nobody."""
BEGINNING_SECONDS = 2.0
"""How long the beginning of a body is waited for that nothing depends on."""
BEGINNING_MARGIN_SECONDS = 0.1
"""Left of the deadline by then, so that the answer's status is not lost to it."""

_GZIP = frozenset({"gzip", "x-gzip"})
_ZLIB_METHOD_DEFLATE = 8
_ZLIB_HEADER_MULTIPLE = 31
"""The two bytes a zlib stream begins with are a multiple of this (RFC 1950)."""
_ZLIB_HEADER_BYTES = 2


async def read_body(chunks: AsyncIterable[bytes], headers: Mapping[str, str], limit_bytes: int, name: str) -> bytes:
    """Return the whole body, decompressed. `headers` have lower-case names; `name` is what messages say.

    Raises:
        ProtocolError: It is longer than `limit_bytes` before or after decompression, grows beyond the ratio, is
            compressed in a way that was not asked for, or not as it says.
    """
    coding = _coding(headers, name)
    declared = headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > limit_bytes:
        raise _too_long(limit_bytes, name)
    body = _Plain(limit_bytes, name) if coding is None else _Inflated(coding, limit_bytes, name)
    async for chunk in chunks:
        body.feed(chunk)
    body.finish()
    return bytes(body.content)


async def read_beginning(chunks: AsyncIterable[bytes], limit_bytes: int, ends_at: float) -> bytes:
    """Return the first bytes of a body as they were sent: what comes within a short time, and before `ends_at`.

    `ends_at` is the event loop's time. Nothing is raised for a body that breaks off.
    """
    found = bytearray()
    until = min(asyncio.get_running_loop().time() + BEGINNING_SECONDS, ends_at - BEGINNING_MARGIN_SECONDS)
    with suppress(TimeoutError, OSError, httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        async with asyncio.timeout_at(until):
            async for chunk in chunks:
                found += chunk
                if len(found) >= limit_bytes:
                    break
    return bytes(found[:limit_bytes])


def without_coding(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers without those that describe a body before it was decompressed."""
    if "content-encoding" not in headers:
        return dict(headers)
    return {name: value for name, value in headers.items() if name not in {"content-encoding", "content-length"}}


def _coding(headers: Mapping[str, str], name: str) -> str | None:
    """Return "gzip", "deflate" or nothing."""
    named = [part.strip().lower() for part in headers.get("content-encoding", "").split(",")]
    codings = [part for part in named if part not in {"", "identity"}]
    if not codings:
        return None
    if len(codings) > 1 or codings[0] not in {*_GZIP, "deflate"}:
        raise ProtocolError(f"{name} sent an answer compressed in a way that was not asked for.")
    return "gzip" if codings[0] in _GZIP else "deflate"


def _too_long(limit_bytes: int, name: str) -> ProtocolError:
    return ProtocolError(f"{name} sent more than {limit_bytes} bytes.")


class _Plain:
    """A body as it was sent."""

    def __init__(self, limit_bytes: int, name: str) -> None:
        self.content = bytearray()
        self._limit_bytes = limit_bytes
        self._name = name

    def feed(self, data: bytes) -> None:
        self.content += data
        if len(self.content) > self._limit_bytes:
            raise _too_long(self._limit_bytes, self._name)

    def finish(self) -> None:
        pass


class _Inflated:
    """A body that is decompressed as it comes, never further than it may grow."""

    def __init__(self, coding: str, limit_bytes: int, name: str) -> None:
        self.content = bytearray()
        self._coding = coding
        self._limit_bytes = limit_bytes
        self._name = name
        self._taken = 0
        self._members = 0
        self._waiting = b""
        self._inflate: zlib._Decompress | None = None

    def feed(self, data: bytes) -> None:
        self._taken += len(data)
        if self._taken > self._limit_bytes:
            raise _too_long(self._limit_bytes, self._name)
        data = self._waiting + data
        self._waiting = b""
        while data:
            if self._inflate is None:
                if self._members:
                    # Padding after the end is common enough to be let through.
                    data = data.lstrip(b"\0")
                if len(data) < _ZLIB_HEADER_BYTES:
                    self._waiting = data
                    return
                self._inflate = self._begin(data)
            data = self._grow(self._inflate, data)

    def finish(self) -> None:
        if self._inflate is not None or self._waiting:
            raise ProtocolError(f"{self._name} sent a compressed answer that breaks off.")

    def _begin(self, data: bytes) -> zlib._Decompress:
        """Return a decompressor for what begins here; gzip may consist of several members (RFC 1952)."""
        if self._coding == "gzip":
            return zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        if self._members:
            raise self._unreadable()
        # "deflate" means zlib's format (RFC 9110, 8.4.1.2), but some servers send it bare.
        wrapped = data[0] & 0x0F == _ZLIB_METHOD_DEFLATE and int.from_bytes(data[:2]) % _ZLIB_HEADER_MULTIPLE == 0
        return zlib.decompressobj(wbits=zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)

    def _grow(self, inflate: zlib._Decompress, data: bytes) -> bytes:
        """Decompress, and return what is left of `data`."""
        by_ratio = max(RATIO_FREE_BYTES, RATIO_MAX * self._taken)
        room = min(self._limit_bytes, by_ratio) - len(self.content) + 1
        try:
            self.content += inflate.decompress(data, room)
        except zlib.error:
            raise self._unreadable() from None
        if len(self.content) > self._limit_bytes:
            raise _too_long(self._limit_bytes, self._name)
        if len(self.content) > by_ratio:
            raise ProtocolError(f"{self._name} sent an answer that grows more than {RATIO_MAX} times when unpacked.")
        if not inflate.eof:
            return inflate.unconsumed_tail
        self._inflate = None
        self._members += 1
        return inflate.unused_data

    def _unreadable(self) -> ProtocolError:
        return ProtocolError(f"{self._name} sent a compressed answer that cannot be unpacked.")
