"""The poll that backs the wake-ups of all streams of a process: one look into the database for all of them.

A wake-up may be lost, and a session may run out without one. Who has news is woken as if told of it, and finds out
itself what there is and whether it may still be read; what they ask for then is answered anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from mintql.api.context import Context
from mintql.domain.ids import EventSeq, SessionId, UserId
from mintql.gateways.channel import Listener
from mintql.runtime import Runtime
from mintql.store import streams

log = logging.getLogger(__name__)

STREAMS_PER_QUERY = 2_000


@asynccontextmanager
async def polling(runtime: Runtime) -> AsyncIterator[None]:
    """Poll for the length of the block."""
    task = asyncio.create_task(_poll(runtime), name="stream poll")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _poll(runtime: Runtime) -> None:
    while True:
        await asyncio.sleep(runtime.settings.event_poll_seconds)
        try:
            await poll_once(runtime)
        except Exception:
            log.exception("streams could not be polled for; wake-ups still reach them")


async def poll_once(runtime: Runtime) -> None:
    """Wake the streams that have to look again."""
    own: list[tuple[Listener, SessionId]] = []
    for listener in runtime.wakeups.listening():
        if listener.session_id is None:
            listener.wake()  # Whether a share still holds, and its member's session, only the stream itself can tell.
        else:
            own.append((listener, listener.session_id))
    for start in range(0, len(own), STREAMS_PER_QUERY):
        await _wake_those_with_news(runtime, own[start : start + STREAMS_PER_QUERY])


async def _wake_those_with_news(runtime: Runtime, batch: Sequence[tuple[Listener, SessionId]]) -> None:
    asked: list[tuple[UserId, SessionId, EventSeq]] = [
        (listener.user_id, session_id, listener.seen) for listener, session_id in batch
    ]
    async with runtime.statement() as conn:
        places = await streams.with_news(conn, asked, Context.now())
    missed = [batch[place][0] for place in places if not batch[place][0].is_woken()]
    # Who wrote may have ended between its commit and what it says after that: kept answers do not know of it either.
    await runtime.cache.bump({listener.user_id for listener in missed})
    for listener in missed:
        listener.wake()
