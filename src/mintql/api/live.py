"""Who is connected to this process by WebSocket, and by which session, so that they can be cut off."""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Iterable

from starlette.websockets import WebSocket

from mintql.api.context import Viewer
from mintql.api.websocket import GOING_AWAY, SESSION_ENDED, close_socket
from mintql.domain.ids import SessionId, UserId
from mintql.observing import context
from mintql.runtime import Runtime

LAST_WORDS_SECONDS = 0.1
"""How long a connection whose session has ended stays, so that whoever ended it themselves has their answer."""
ENDED_REMEMBERED_SECONDS = 60.0
"""How long a session that ended is remembered for whoever is just connecting by it: longer than that can take."""


class LiveSockets:
    """The WebSockets of a process."""

    def __init__(self) -> None:
        self._open: weakref.WeakSet[WebSocket] = weakref.WeakSet()
        self._viewers: weakref.WeakKeyDictionary[WebSocket, Viewer] = weakref.WeakKeyDictionary()
        self._ended: dict[SessionId, float] = {}

    def add(self, socket: WebSocket) -> None:
        """Take in a WebSocket of nobody yet."""
        self._open.add(socket)
        context.begin({"request": context.request_id(socket.headers.get("x-request-id"))})

    def seat(self, socket: WebSocket, viewer: Viewer) -> bool:
        """Note whose it is; False when their session has ended since it was found."""
        self._viewers[socket] = viewer
        context.note(person=context.pseudonym(viewer.user_id))
        return viewer.session_id not in self._ended

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    async def close_all(self) -> None:
        """Tell everybody that this process goes away; they connect to another one."""
        for socket in list(self._open):
            await close_socket(socket, GOING_AWAY, "Going away")

    def end_person(self, runtime: Runtime, user_id: UserId) -> None:
        """Cut off who is connected as a person whose sessions have all ended."""
        self._end(runtime, [socket for socket, viewer in self._viewers.items() if viewer.user_id == user_id])

    def end_session(self, runtime: Runtime, session_id: SessionId) -> None:
        """Cut off who is connected by a session that has ended, and nobody else."""
        now = time.monotonic()
        for old in [one for one, until in self._ended.items() if until < now]:
            del self._ended[old]
        self._ended[session_id] = now + ENDED_REMEMBERED_SECONDS
        self._end(runtime, [socket for socket, viewer in self._viewers.items() if viewer.session_id == session_id])

    @staticmethod
    def _end(runtime: Runtime, sockets: Iterable[WebSocket]) -> None:
        if sockets:
            runtime.soon(_close(sockets))


async def _close(sockets: Iterable[WebSocket]) -> None:
    await asyncio.sleep(LAST_WORDS_SECONDS)
    # Side by side: one that does not read keeps none of the others waiting.
    await asyncio.gather(*(close_socket(socket, SESSION_ENDED, "Session ended") for socket in sockets))
