"""A request and its answer as the connection has them: a body that is all there, and an answer that goes out at once.

ASGI hands a body over in pieces and takes an answer in two, of which uvicorn checks each header and writes each piece
by itself, a system call and a wakeup of the client more. What this server answers for the most part is whole on both
sides, its headers our own. `http_protocol.HttpProtocol` puts an exchange among the scope's extensions; where there is
none, as under another server, everything goes the ordinary way.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from http import HTTPStatus
from itertools import chain
from typing import Final

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

EXTENSION: Final = "mintql.exchange"
STATUS_LINES: Final = {status.value: b"HTTP/1.1 %d %s\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}


class Exchange:
    """One request on a connection. `common` are headers that every answer is given, as they are sent."""

    __slots__ = ("_cycle", "common")

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self.common = b""

    def body(self) -> bytes | None:
        """Return the body if all of it has come in."""
        cycle = self._cycle
        return None if cycle.more_body or cycle.disconnected else bytes(cycle.body)

    def answer(self, status: int, headers: bytes, body: bytes | memoryview) -> bool:
        """Send an answer; False where it has to go the ordinary way, with nothing sent by then.

        That is so where the connection is to end after it, the client does not read what it was sent before, or wants
        the headers only.
        """
        cycle = self._cycle
        if cycle.disconnected:
            return True
        if not cycle.keep_alive or cycle.flow.write_paused or cycle.scope["method"] == "HEAD":
            return False
        cycle.response_started = True
        cycle.waiting_for_100_continue = False
        given = _written_defaults(tuple(cycle.default_headers))
        cycle.transport.write(b"".join((STATUS_LINES[status], given, self.common, headers, b"\r\n", body)))
        cycle.response_complete = True
        cycle.message_event.set()
        cycle.on_response()
        return True


def written(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return headers as they are sent; raise `ValueError` for one that would end before it should."""
    lines = (b"%b: %b\r\n" * len(headers)) % tuple(chain.from_iterable(headers))
    if not lines.count(b"\n") == lines.count(b"\r") == len(headers):
        raise ValueError("a header has a line end in it")
    return lines


@lru_cache(maxsize=1)
def _written_defaults(headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """Return the server's own headers as they are sent: the Date, which stays the same for a second."""
    return written(headers)


def exchange_of(scope: Scope) -> Exchange | None:
    """Return the exchange of a request."""
    extensions = scope.get("extensions")
    return None if extensions is None else extensions.get(EXTENSION)


def take_away(scope: Scope) -> None:
    """Let a request be answered the ordinary way. An exchange and its scope would keep each other from being freed."""
    extensions = scope.get("extensions")
    if extensions is not None:
        extensions.pop(EXTENSION, None)
