"""How the server speaks WebSocket: uvicorn's protocol, keeping less, and rid of clients that read nothing."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

SLOW_SECONDS_MAX = 10.0
"""How long a client may leave more than the transport's 64 KiB unread. What it missed it gets after its cursor."""
LAST_WORDS_SECONDS = 5.0
"""How long the close frame may wait to be read before the connection is dropped."""
TRY_AGAIN_LATER = 1013


class Inbox:
    """What uvicorn uses of `asyncio.Queue`, for one reader, without the three kilobytes that one keeps while empty."""

    __slots__ = ("_messages", "_reader")

    def __init__(self) -> None:
        self._messages: list[Any] = []
        self._reader: asyncio.Future[None] | None = None

    def put_nowait(self, message: Any) -> None:
        """Add a message."""
        self._messages.append(message)
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def get(self) -> Any:
        """Take the oldest message, once there is one."""
        while not self._messages:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        return self._messages.pop(0)

    def empty(self) -> bool:
        """Tell whether no message waits."""
        return not self._messages


class SocketProtocol(WebSocketsSansIOProtocol):
    """Closes with 1013 when its client does not read. Until then only the client's own streams wait."""

    _slow_timer: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.queue = Inbox()  # type: ignore[assignment]

    def start_keepalive(self) -> None:
        """Let go of the handshake, which is over, and begin to look whether the client is there."""
        del self.request, self.response
        super().start_keepalive()

    def pause_writing(self) -> None:
        """Give a client that reads too slowly a while to catch up."""
        super().pause_writing()
        self._slow_timer = self.loop.call_later(SLOW_SECONDS_MAX, self._give_up)

    def resume_writing(self) -> None:
        """Let it go on: it has caught up."""
        self._stop_waiting()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _stop_waiting(self) -> None:
        if self._slow_timer is not None:
            self._slow_timer.cancel()
            self._slow_timer = None

    def _give_up(self) -> None:
        """Say goodbye behind what is unread, end the application's side, and drop the rest if nobody reads it."""
        self._slow_timer = None
        self.stop_keepalive()
        self.conn.fail(TRY_AGAIN_LATER, "Too slow: connect again, after your last cursor")
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = self.disconnected = True
        self.close_timer = self.loop.call_later(LAST_WORDS_SECONDS, self.transport.abort)
        self.queue.put_nowait({"type": "websocket.disconnect", "code": TRY_AGAIN_LATER})
        self.writable.set()  # Whoever waits to send finds out that nobody is there.
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()  # For the client's own close frame.
