"""Turns of requests of one process that come with the same key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar
from weakref import WeakValueDictionary

from mintql.services.idempotency import WAIT_SECONDS_MAX, in_use

T = TypeVar("T")


class KeyTurns:
    """Lets requests with the same key go one after another, so that they wait without connections.

    One that has its turn goes on when its client leaves: the answer is then there for whoever asks again.
    """

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[tuple[object, ...], asyncio.Lock] = WeakValueDictionary()
        self._running: set[asyncio.Task[None]] = set()

    async def take(self, place: tuple[object, ...], key: str, answer: Callable[[], Awaitable[T]]) -> T:
        """Wait for one's turn at a place, and answer; raise `KeyInUse` when the turn does not come."""
        lock = self._locks.get(place)
        if lock is None:
            lock = self._locks[place] = asyncio.Lock()
        try:
            async with asyncio.timeout(WAIT_SECONDS_MAX):
                await lock.acquire()
        except TimeoutError:
            raise in_use(key) from None
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(_answer(answer, lock, done))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(done)

    async def finish(self) -> None:
        """Wait for those whose clients have left."""
        await asyncio.gather(*self._running)


async def _answer(answer: Callable[[], Awaitable[T]], lock: asyncio.Lock, done: asyncio.Future[T]) -> None:
    """Answer into `done`; the lock, which the caller has taken, is free afterwards."""
    try:
        done.set_result(await answer())
    except BaseException as error:
        done.set_exception(error)
        done.exception()  # Nobody may be left to take it.
        if not isinstance(error, Exception):
            raise
    finally:
        lock.release()
