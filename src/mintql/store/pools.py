"""Connections to the server that takes writes, and transactions on them that survive losing it where that is safe.

A transaction that could not begin is begun on another connection: nothing was done by then. What is lost later is the
caller's to know: a query asks again (`api/schema.py`), a job comes again, and of a change nobody can tell whether its
commit arrived.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, Final, TypeVar

import asyncpg

from mintql.domain.ids import UserId
from mintql.observing.waiting import Waits
from mintql.store.fenced import begin_reading, fence
from mintql.store.hosts import OUTAGES, is_lost
from mintql.store.lending import Lender, is_gone
from mintql.store.queries import Conn

T = TypeVar("T")

BEGINNINGS_MAX: Final = 3
"""How many connections a transaction is tried to begin on."""
LOSSES_BEFORE_EXPIRY: Final = 2
"""One connection may be lost by itself; after two in a row all are made anew."""

_BE_PERSON: Final = "SELECT set_config('mintql.user_id', $1, true), set_config('transaction_read_only', 'off', true)"
"""Bind a transaction that may write to a person. A server that was demoted refuses the second half, at once."""
_SEE_PERSON: Final = "SELECT set_config('mintql.user_id', $1, true)"


class Database:
    """A pool of one process, called `name` in the metrics.

    `losses` counts connections that were lost while something was done on them.
    """

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], acquire_seconds: float, name: str) -> None:
        self.pool = pool
        self.lender = Lender(pool, acquire_seconds)
        self._waits = Waits(name)
        self.losses = 0

    @asynccontextmanager
    async def transaction(self, user_id: UserId | None = None, **kind: Any) -> AsyncIterator[Conn]:
        """Open a transaction, bound to a person where one is given; `kind` is what asyncpg's `transaction` takes."""

        async def begin(conn: Conn) -> Any:
            transaction = conn.transaction(**kind)
            await transaction.start()
            if user_id is None:
                return transaction
            try:
                await conn.execute(_SEE_PERSON if kind.get("readonly") else _BE_PERSON, str(user_id))
            except BaseException:
                await _roll_back(conn, transaction)
                raise
            return transaction

        conn, transaction = await self.opened(begin)
        try:
            try:
                yield conn
            except BaseException as error:
                await self.note(error, conn)
                await _roll_back(conn, transaction)
                raise
            try:
                await transaction.commit()
            except BaseException as error:
                await self.note(error, conn)
                raise
        finally:
            await self.give_back(conn)

    @asynccontextmanager
    async def reading(self, user_id: UserId) -> AsyncIterator[Conn]:
        """Open a transaction on a person's rows that cannot write, in one way to the database and back."""
        text = begin_reading(user_id)
        conn, _ = await self.opened(lambda conn: conn.execute(text))
        try:
            try:
                yield conn
            except BaseException as error:
                if not is_lost(error):
                    await conn.execute("ROLLBACK")
                self.count(error, conn)
                raise
            await conn.execute("COMMIT")
        finally:
            await self.give_back(conn)

    def fenced(self, user_id: UserId) -> AbstractAsyncContextManager[Conn]:
        """Lend a connection on which each read of a person's rows is one way to the database and back."""
        return _Fenced(self, user_id)

    @asynccontextmanager
    async def fenced_from(
        self, user_id: UserId, begin: Callable[[Conn], Awaitable[T]]
    ) -> AsyncIterator[tuple[Conn, T]]:
        """Lend a connection as `fenced`, with what `begin` read on it; where it was lost by then, another."""

        async def read(conn: Conn) -> tuple[Conn, T]:
            fenced = fence(conn, user_id)
            return fenced, await begin(fenced)

        conn, begun = await self.opened(read)
        try:
            yield begun
        except BaseException as error:
            await self.done_reading(conn, error)
            raise
        await self.done_reading(conn)

    async def acquire(self) -> Conn:
        """Return a connection of the pool, to be given back."""
        since = self._waits.begin()
        try:
            return await self.lender.lend()
        finally:
            self._waits.end(since)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Conn]:
        """Lend a connection that no transaction is open on."""
        conn = await self.acquire()
        try:
            yield conn
        except BaseException as error:
            await self.note(error, conn)
            raise
        finally:
            await self.give_back(conn)

    async def opened(self, begin: Callable[[Conn], Awaitable[T]]) -> tuple[Conn, T]:
        """Return a connection and what `begin` made of it; where one turns out to be lost, `begin` gets another.

        Whoever calls gives the connection back.
        """
        for attempt in range(1, BEGINNINGS_MAX + 1):
            conn = await self.acquire()
            try:
                return conn, await begin(conn)
            except BaseException as error:
                await self.note(error, conn)
                lost = is_lost(error) or isinstance(error, asyncpg.ActiveSQLTransactionError)
                if lost and attempt >= LOSSES_BEFORE_EXPIRY - 1:
                    await self.lender.expire()
                await self.give_back(conn)
                if not lost or attempt == BEGINNINGS_MAX:
                    raise
        raise AssertionError("the last attempt returns or raises")

    async def ask(self, read: Callable[[Conn], Awaitable[T]]) -> T:
        """Return what one statement reads that is a transaction by itself; it is sent again where a server is lost."""
        conn, found = await self.opened(read)
        await self.done_reading(conn)
        return found

    async def note(self, error: BaseException, conn: Conn) -> None:
        """Count a lost connection; where a server turned out to take no writes, make all connections anew."""
        if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
            await self.lender.expire()
            self.losses += 1
        else:
            self.count(error, conn)

    def count(self, error: BaseException, conn: Conn) -> None:
        """Count a lost connection."""
        if is_lost(error) and is_gone(conn):
            self.losses += 1

    async def give_back(self, conn: Conn) -> None:
        """Give a connection back to the pool, a lost one too."""
        await self.lender.give_back(conn)

    async def done_reading(self, conn: Conn, error: BaseException | None = None) -> None:
        """Pass a connection on that nothing but whole reads was done on; after an error, give it back."""
        if error is None and self.lender.pass_on(conn):
            return
        if error is not None:
            self.count(error, conn)
        await self.give_back(conn)


class _Fenced:
    """A connection from the pool and back; a class, because one is lent to each query that is not cached."""

    __slots__ = ("_conn", "_database", "_user_id")

    def __init__(self, database: Database, user_id: UserId) -> None:
        self._database = database
        self._user_id = user_id

    async def __aenter__(self) -> Conn:
        self._conn = await self._database.acquire()
        return fence(self._conn, self._user_id)

    def __aexit__(self, _kind: object, error: BaseException | None, _trace: object) -> Coroutine[Any, Any, None]:
        return self._database.done_reading(self._conn, error)


async def _roll_back(conn: Conn, transaction: Any) -> None:
    if not is_gone(conn):
        with suppress(*OUTAGES):
            await transaction.rollback()
