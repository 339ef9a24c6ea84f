"""Servers that replay what the one that takes writes has written, and answer reads that need no more than they have.

A read names the position that it needs (`gateways/placing.py` says where it comes from). A poll asks each replica how
far it is, so that no way is made to one that is behind, does not answer, or lags by more than `lag_seconds_max`; and
the transaction itself, in the same way to the replica that begins it, looks whether the replica has that position. So a
replica that was put back, or a name behind which there are several, is found out before it is believed. What a replica
cannot answer is read where it was written.

docs/decisions/replicas.md has the reasons.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Final

import asyncpg

from mintql.domain.ids import UserId
from mintql.domain.positions import Position
from mintql.store import positions
from mintql.store.fenced import begin_reading
from mintql.store.hosts import OUTAGES, Connection, Host, connect_to
from mintql.store.pools import Database
from mintql.store.queries import Conn

log = logging.getLogger(__name__)

POLL_SECONDS: Final = 0.2
POLL_TIMEOUT_SECONDS: Final = 2.0
PAUSE_SECONDS_FIRST: Final = 1.0
PAUSE_SECONDS_MAX: Final = 30.0
"""How long a replica that failed a read is left alone, whatever the poll says of it: longer each time in a row."""
CATCH_UP_SECONDS: Final = 2.0
"""How long a long read waits for a replica to have what was written before it."""

BEHIND: Final = "SELECT 0"
"""What the check of a transaction that begins on a replica says where the replica is behind: no row."""


class Replica:
    """One server: its pool, and what is known of it."""

    def __init__(self, name: str, database: Database) -> None:
        self.name = name
        self.database = database
        self.replayed: positions.Replayed | None = None
        """How far it was when it was asked last; None when it did not answer, or is no standby."""
        self.fresh_at = 0.0
        """When the server that takes writes was as far as this one is, by the monotonic clock."""
        self.reads = 0
        """How many transactions were answered here."""
        self._failures = 0
        self._paused_until = 0.0

    def has(self, position: Position, fresh_since: float) -> bool:
        """Tell whether it can be asked for what was written up to a position."""
        return (
            self.replayed is not None
            and self.fresh_at >= fresh_since
            and position.is_covered_by(self.replayed.position)
            and self._paused_until <= time.monotonic()
        )

    def reading(self, user_id: UserId, position: Position) -> AbstractAsyncContextManager[Conn | None]:
        """Open a transaction that reads a person's rows as of the position or later; None when it cannot."""
        return self._begun(begin_reading(user_id), position)

    def snapshot(self, user_id: UserId, position: Position) -> AbstractAsyncContextManager[Conn | None]:
        """Open a transaction that sees a person's rows as they are at one moment; None when it cannot."""
        return self._begun(begin_reading(user_id, at_one_moment=True), position)

    @asynccontextmanager
    async def _begun(self, begin: str, position: Position) -> AsyncIterator[Conn | None]:
        text = f"{begin}; SELECT WHERE pg_last_wal_replay_lsn() >= '{position.lsn_text}'"
        conn: Conn | None = None
        try:
            conn, said = await self.database.opened(lambda conn: conn.execute(text))
        except OUTAGES as error:
            self._pause(error)
            yield None
            return
        try:
            if said == BEHIND:
                await conn.execute("ROLLBACK")
                yield None
                return
            try:
                yield conn
            except BaseException as error:
                if isinstance(error, OUTAGES):
                    self._pause(error)
                with suppress(*OUTAGES):
                    await conn.execute("ROLLBACK")
                raise
            await conn.execute("COMMIT")
            self._failures = 0
            self.reads += 1
        finally:
            await self.database.give_back(conn)

    def _pause(self, error: BaseException) -> None:
        self._failures += 1
        seconds = min(PAUSE_SECONDS_FIRST * 2 ** (self._failures - 1), PAUSE_SECONDS_MAX)
        self._paused_until = time.monotonic() + seconds
        log.warning("the replica at %s is left alone for %.0f s: %s", self.name, seconds, error or type(error).__name__)


class Written:
    """How far the server that takes writes is, asked on a connection of its own: no request keeps it waiting."""

    def __init__(self, own: Database, database: Database) -> None:
        self._own = own
        self._database = database

    async def ask(self) -> Position:
        """Return a position that everything committed until now lies before.

        A server that was demoted does not know; then all connections to it are given up.
        """
        try:
            async with self._own.connection() as conn:
                return await positions.written(conn)
        except asyncpg.ObjectNotInPrerequisiteStateError:
            await self._own.lender.expire()
            await self._database.lender.expire()
            raise


class Replicas:
    """The replicas of one process; `ask` says how far the server that takes writes is."""

    def __init__(
        self, replicas: Sequence[Replica], ask: Callable[[], Awaitable[Position]], lag_seconds_max: float
    ) -> None:
        self._replicas = list(replicas)
        self.written = ask
        self._lag_seconds_max = lag_seconds_max
        self._history: deque[tuple[float, Position]] = deque()
        self._turn = 0
        self._polled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._replicas)

    def __iter__(self) -> Iterator[Replica]:
        return iter(self._replicas)

    def at(self, position: Position) -> Replica | None:
        """Return a replica that has what was written up to a position, another one each time; None when none has."""
        fresh_since = time.monotonic() - self._lag_seconds_max
        count = len(self._replicas)
        for step in range(count):
            replica = self._replicas[(self._turn + step) % count]
            if replica.has(position, fresh_since):
                self._turn = (self._turn + step + 1) % count
                return replica
        return None

    async def caught_up(self) -> tuple[Replica, Position] | None:
        """Return a replica that has everything written until now and keeps it for a long read; None when none has soon.

        Only one that gives feedback, so that what it replays does not cancel the read.
        """
        if not self._replicas:
            return None
        try:
            position = await self.written()
            async with asyncio.timeout(CATCH_UP_SECONDS):
                while True:
                    found = self.at(position)
                    if found is not None and found.replayed is not None and found.replayed.gives_feedback:
                        return found, position
                    if not any(replica.replayed and replica.replayed.gives_feedback for replica in self._replicas):
                        return None
                    await self._next_poll()
        except (*OUTAGES, TimeoutError):
            return None

    async def _next_poll(self) -> None:
        self._polled.clear()
        await self._polled.wait()

    def note_written(self, position: Position, moment: float) -> None:
        """Remember how far the server that takes writes was at a moment of the monotonic clock."""
        self._history.append((moment, position))
        while len(self._history) > 1 and self._history[0][0] < moment - self._lag_seconds_max:
            self._history.popleft()

    def note_replayed(self, replica: Replica, replayed: positions.Replayed | None) -> None:
        """Remember how far a replica is, and so how old what it has is at most."""
        replica.replayed = replayed
        if replayed is None:
            return
        covered = [at for at, position in self._history if position.is_covered_by(replayed.position)]
        replica.fresh_at = max(covered, default=replica.fresh_at)

    async def poll_written(self) -> None:
        """Ask the server that takes writes; what it does not answer lets the replicas grow old."""
        moment = time.monotonic()
        with suppress(*OUTAGES, TimeoutError):
            self.note_written(await self.written(), moment)

    def told(self) -> None:
        """Let those go on who wait for what a poll found."""
        self._polled.set()


@asynccontextmanager
async def polling(replicas: Replicas, watched: Sequence[tuple[Replica, str, Host | None]]) -> AsyncIterator[None]:
    """Ask all servers how far they are for the length of the block; `watched` names where each replica is reached."""
    async with AsyncExitStack() as stack:
        tasks = [asyncio.create_task(_poll_written(replicas), name="poll of the primary")]
        for replica, url, host in watched:
            tasks.append(
                asyncio.create_task(_poll_replica(replicas, replica, url, host), name=f"poll of {replica.name}")
            )
        for task in tasks:
            stack.push_async_callback(_end, task)
        yield


async def _poll_written(replicas: Replicas) -> None:
    while True:
        await replicas.poll_written()
        await asyncio.sleep(POLL_SECONDS)


async def _poll_replica(replicas: Replicas, replica: Replica, url: str, host: Host | None) -> None:
    """Ask one replica again and again, on a connection of its own, so that nothing that is read keeps it waiting."""
    conn: Connection | None = None
    well = True
    try:
        while True:
            try:
                async with asyncio.timeout(POLL_TIMEOUT_SECONDS):
                    conn = conn if conn and not conn.is_closed() else await connect_to(url, host, POLL_TIMEOUT_SECONDS)
                    found = await positions.replayed(conn)
            except OUTAGES as error:
                found = None
                if conn is not None:
                    conn.terminate()
                conn = None
                if well:
                    log.warning("the replica at %s does not answer, reads go where writes go: %s", replica.name, error)
                well = False
            else:
                if not well:
                    log.warning("the replica at %s answers again", replica.name)
                well = True
            replicas.note_replayed(replica, found)
            replicas.told()
            await asyncio.sleep(POLL_SECONDS)
    finally:
        if conn is not None:
            conn.terminate()


async def _end(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
