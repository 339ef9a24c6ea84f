"""How the server speaks HTTP: uvicorn's protocol, rid of clients that send a request forever or read an answer never.

Bodies are bounded where they are read (`requests.read_body`, `multipart.read_multipart_ask`). Each request is given its
`Exchange`, by which whole bodies and answers go around the messages of ASGI.
"""

from __future__ import annotations

import asyncio

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from mintql.api.exchange import EXTENSION, Exchange

HEAD_SECONDS_MAX = 15.0
"""How long a client may take for the head of a request, from connecting or from its first byte."""
HEAD_BYTES_MAX = 64 * 1024
UNREAD_SECONDS_MAX = 30.0
"""How long a client may leave more than the transport's 64 KiB unread: 2 KiB a second are enough."""


class HttpProtocol(HttpToolsProtocol):
    """Ends connections of clients that keep one open for nothing."""

    _head_timer: asyncio.TimerHandle | None = None
    _unread_timer: asyncio.TimerHandle | None = None
    _in_head = True
    _head_bytes = 0
    _is_after_another = False
    _answered: RequestResponseCycle | None = None
    """The request that is being answered, behind which others may wait."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request, but not forever."""
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(HEAD_SECONDS_MAX, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_head_timer()
        self._stop_unread_timer()
        if self._answered is not None and not self._answered.response_complete:
            # uvicorn tells only the last of several requests.
            self._answered.disconnected = True
            self._answered.message_event.set()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Begin to read a request."""
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        """Hand a request over, whose head has come in."""
        self._in_head = False
        self._stop_head_timer()
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:  # A WebSocket has none.
            self.scope["extensions"] = {EXTENSION: Exchange(self.cycle)}  # type: ignore[dict-item]

    def on_message_complete(self) -> None:
        """End to read a request."""
        super().on_message_complete()
        self._is_after_another = True

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

    def data_received(self, data: bytes) -> None:
        """Read on; look after a head that does not come in at once."""
        self._is_after_another = False
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        if not self._is_after_another:  # Else nobody knows how much of it belongs to this one.
            self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES_MAX:
            self.send_400_response("The head of the request is too large.")
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS_MAX, self.transport.close)

    def pause_writing(self) -> None:
        """Give a client that reads too slowly a while to catch up."""
        super().pause_writing()
        self._unread_timer = self.loop.call_later(UNREAD_SECONDS_MAX, self.transport.abort)

    def resume_writing(self) -> None:
        """Let it go on: it has caught up."""
        self._stop_unread_timer()
        super().resume_writing()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_unread_timer(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None
