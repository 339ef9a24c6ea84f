"""The one connection of a query, at which those who read for it take turns.

They are classes with methods and no generators, because every query that is not cached goes through them several times.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from mintql.domain.ids import UserId
from mintql.store.queries import Conn

if TYPE_CHECKING:
    from mintql.api.context import Context  # Which has it.


class OneConnection:
    """A connection on one person's rows that several readers take turns in; one may be inside another.

    `position` is what a replica must have replayed to be read; None when none may be.
    """

    __slots__ = ("_context", "conn", "holder", "opened", "position", "turn")

    def __init__(self, context: Context) -> None:
        self._context = context
        self.position = context.position
        self.turn = asyncio.Lock()
        self.holder: asyncio.Task[Any] | None = None
        self.opened: AbstractAsyncContextManager[Conn] | None = None
        self.conn: Conn | None = None

    async def __aenter__(self) -> None:
        self._context.together = self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._context.together = None
        if self.opened is not None:
            await self.opened.__aexit__(kind, error, trace)

    async def open(self, user_id: UserId) -> Conn:
        """Return the connection, taken from the pool by who comes first."""
        if self.conn is None:
            opened = self._context.runtime.fenced(user_id, self.position)
            self.conn = await opened.__aenter__()
            self.opened = opened
        return self.conn


class Turn:
    """A turn of a reader at the connection."""

    __slots__ = ("_inside", "_of", "_user_id")

    def __init__(self, of: OneConnection, user_id: UserId) -> None:
        self._of = of
        self._user_id = user_id
        self._inside = False

    async def __aenter__(self) -> Conn:
        of, task = self._of, asyncio.current_task()
        if of.holder is task and of.conn is not None:
            self._inside = True
            return of.conn
        await of.turn.acquire()
        try:
            conn = await of.open(self._user_id)
        except BaseException:
            of.turn.release()
            raise
        of.holder = task
        return conn

    async def __aexit__(self, *failure: object) -> None:
        if not self._inside:
            self._of.holder = None
            self._of.turn.release()
