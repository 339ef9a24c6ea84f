"""The connections of a pool, lent from hand to hand where nothing has to be reset in between.

To take a connection of asyncpg's pool and to give it back costs several tasks, on a page as much as its statements do.
One on which whole reads were done and nothing else is passed on to who waits for one, or stays at hand. It is back in
the pool within `KEPT_SECONDS`, so that whatever the pool does for its connections, renew or close them, comes to each.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Final, TypeAlias

import asyncpg

from mintql.store.hosts import OUTAGES
from mintql.store.queries import Conn

KEPT_SECONDS: Final = 1.0

_Waiter: TypeAlias = "asyncio.Future[Conn | None]"


class Lender:
    """Lends the connections of one pool, whose waiters come first, in their order."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], wait_seconds: float) -> None:
        self._pool = pool
        self._wait_seconds = wait_seconds
        self._places_left = pool.get_max_size()
        self._back_by: dict[Conn, float] = {}
        self._idle: list[Conn] = []
        self._waiters: deque[_Waiter] = deque()
        self._sweep: asyncio.TimerHandle | None = None
        self._giving_back: set[asyncio.Task[None]] = set()
        self._expiries = 0
        self._is_closing = False

    @property
    def idle(self) -> int:
        """How many connections are at hand, which the pool takes for lent ones."""
        return len(self._idle)

    async def lend(self) -> Conn:
        """Return a connection.

        Raises:
            TimeoutError: None became free in time, or none could be made.
        """
        if not self._waiters:
            while self._idle:
                conn = self._idle.pop()
                if not is_gone(conn):
                    return conn
                self._give_back_soon([conn])
            if self._places_left:
                self._places_left -= 1
                return await self._from_pool(self._wait_seconds)
        loop = asyncio.get_running_loop()
        until = loop.time() + self._wait_seconds
        given = await self._turn()
        return await self._from_pool(max(0.0, until - loop.time())) if given is None else given

    async def give_back(self, conn: Conn) -> None:
        """Give a connection back to the pool, a lost one too."""
        self._back_by.pop(conn, None)
        try:
            with suppress(*OUTAGES):
                await self._pool.release(conn)  # type: ignore[arg-type]  # what `acquire` gave
        finally:  # Whoever is not waited for any more is given back all the same.
            self._place_is_free()

    def pass_on(self, conn: Conn) -> bool:
        """Pass a connection on that nothing has to be reset of; False where it has to be given back, as a lost one."""
        loop = asyncio.get_running_loop()
        if self._is_closing or self._back_by.get(conn, 0.0) < loop.time() or is_gone(conn):
            return False
        waiter = self._next()
        if waiter is not None:
            waiter.set_result(conn)
            return True
        self._idle.append(conn)
        if self._sweep is None:
            self._sweep = loop.call_later(KEPT_SECONDS, self._give_back_idle)
        return True

    async def expire(self) -> None:
        """Have all connections made anew before they are used again."""
        self._expiries += 1
        await self._pool.expire_connections()
        self._back_by = dict.fromkeys(self._back_by, 0.0)
        self._give_back_idle()

    async def close(self) -> None:
        """Keep none from now on: the pool waits for each of its connections before it ends."""
        self._is_closing = True
        self._give_back_idle()
        await asyncio.gather(*self._giving_back)

    async def _from_pool(self, seconds: float) -> Conn:
        """Take a connection of the pool, for which a place was taken before."""
        expiries = self._expiries
        try:
            conn: Conn = await self._pool.acquire(timeout=seconds)
        except BaseException:
            self._place_is_free()
            raise
        is_fresh = expiries == self._expiries  # Else it was being made then.
        self._back_by[conn] = asyncio.get_running_loop().time() + KEPT_SECONDS if is_fresh else 0.0
        return conn

    async def _turn(self) -> Conn | None:
        """Wait for a connection that is passed on, or a place in the pool, which is None."""
        loop = asyncio.get_running_loop()
        waiter: _Waiter = loop.create_future()
        self._waiters.append(waiter)
        timer = loop.call_later(self._wait_seconds, _too_late, waiter)
        try:
            return await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:  # It came when nobody waited.
                conn = waiter.result()
                if conn is None:
                    self._place_is_free()
                elif not self.pass_on(conn):
                    self._give_back_soon([conn])
            raise
        finally:
            timer.cancel()

    def _next(self) -> _Waiter | None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                return waiter
        return None

    def _place_is_free(self) -> None:
        waiter = self._next()
        if waiter is None:
            self._places_left += 1
        else:
            waiter.set_result(None)

    def _give_back_idle(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        idle, self._idle = self._idle, []
        self._give_back_soon(idle)

    def _give_back_soon(self, conns: Iterable[Conn]) -> None:
        for conn in conns:
            task = asyncio.create_task(self.give_back(conn), name="giving a connection back")
            self._giving_back.add(task)
            task.add_done_callback(self._giving_back.discard)


def _too_late(waiter: _Waiter) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError("no connection of the pool became free in time"))


def is_gone(conn: Conn) -> bool:
    """Tell whether a connection has been closed; one of a pool that has is taken from its holder at once."""
    try:
        return conn.is_closed()
    except asyncpg.InterfaceError:
        return True
