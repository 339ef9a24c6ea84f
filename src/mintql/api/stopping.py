"""The server process of the API: uvicorn's, put down so that nobody is cut off in the middle.

At SIGTERM or SIGINT nothing new is accepted, streams end, requests under way have `DRAIN_SECONDS_MAX`, and the process
exits with status 0. A second signal ends it at once.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TypeVar

import uvicorn
from starlette.applications import Starlette

from mintql.api.server import SERVER_OPTIONS

T = TypeVar("T")

COMPLETE = "event: complete"
"""How the event begins that ends a stream for good (GraphQL over server-sent events)."""

DRAIN_SECONDS_MAX = 6
"""How long requests under way have: below the ten seconds after which container runtimes kill."""


class Stopping:
    """Whether the process is being put down."""

    def __init__(self) -> None:
        self._begun = asyncio.Event()

    def begin(self) -> None:
        """Let all streams end."""
        self._begun.set()

    async def until(self, stream: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        """Yield what a stream yields, until it ends or the process is put down."""
        begun = asyncio.create_task(self._begun.wait())
        try:
            while True:
                coming = asyncio.ensure_future(anext(stream, None))
                try:
                    await asyncio.wait((coming, begun), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    if not coming.done():
                        coming.cancel()
                    while not coming.done():  # However often this is cancelled meanwhile: what runs cannot be closed.
                        with suppress(asyncio.CancelledError):
                            await asyncio.wait((coming,))
                if coming.cancelled() or (item := coming.result()) is None:
                    return
                yield item
        finally:
            begun.cancel()
            await stream.aclose()

    async def without_completion(self, events: AsyncIterable[T]) -> AsyncGenerator[T, None]:
        """Yield server-sent events; not that a stream is complete when it was only cut off.

        Clients take `complete` at its word and do not come back; a stream that ends without it they open again.
        """
        async for event in events:
            if self._begun.is_set() and isinstance(event, str) and event.startswith(COMPLETE):
                return
            yield event


class Server(uvicorn.Server):
    """uvicorn, telling the app before it waits for the requests under way."""

    def __init__(self, config: uvicorn.Config, app: Starlette) -> None:
        super().__init__(config)
        self._app = app

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals. uvicorn would raise them once more at the end, and the status would tell of a death."""
        with super().capture_signals():
            try:
                yield
            finally:
                self._captured_signals.clear()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop; at a second signal, of whichever kind, wait for nothing more."""
        hurries = self.should_exit
        super().handle_exit(sig, frame)
        if hurries:
            self.force_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nothing new, end streams, let requests under way end."""
        self._app.state.runtime.draining = True
        self._app.state.stopping.begin()
        await super().shutdown(sockets)


def serve(app: Starlette, host: str, port: int) -> None:
    """Serve the app until a signal says to stop. What is logged, and how, is arranged by then."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=DRAIN_SECONDS_MAX,
        server_header=False,
        **SERVER_OPTIONS,
    )
    Server(config, app).run()
