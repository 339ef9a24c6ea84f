"""How the server speaks WebSocket: uvicorn's protocol, rid of clients that read nothing."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

SLOW_SECONDS_MAX = 10.0
"""How long a client may leave more than the transport's 64 KiB unread. What it missed it gets after its cursor."""
LAST_WORDS_SECONDS = 5.0
"""How long the close frame may wait to be read before the connection is dropped."""
TRY_AGAIN_LATER = 1013


class SocketProtocol(WebSocketsSansIOProtocol):
    """Closes with 1013 when its client does not read. Until then only the client's own streams wait."""

    _slow_timer: asyncio.TimerHandle | None = None

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
