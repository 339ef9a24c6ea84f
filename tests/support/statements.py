"""Counting what the database is asked."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager

_NOW_AND_THEN = re.compile(r"current_setting\('jit'\)|set_config\('jit'|typeinfo_tree|archive_use")
"""Asked now and then, not for each operation: by asyncpg for types, by a process for whether anything is archived."""


class CountingRuntime:
    """The runtime, keeping the text of each statement that is run for a person, but for those of now and then."""

    def __init__(self, runtime):
        self.runtime = runtime
        self.statements: list[str] = []

    def __getattr__(self, name):
        return getattr(self.runtime, name)

    def person(self, user_id):
        return self._counted(self.runtime.person(user_id))

    def reading(self, user_id, position=None):
        return self._counted(self.runtime.reading(user_id, position))

    def fenced(self, user_id, position=None):
        return self._counted(self.runtime.fenced(user_id, position))

    @asynccontextmanager
    async def fenced_from(self, user_id, begin):
        async def counted(conn):
            with self._noting(conn):
                found = await begin(conn)
                await asyncio.sleep(0)
            return found

        async with self.runtime.fenced_from(user_id, counted) as (conn, begun):
            with self._noting(conn):
                yield conn, begun
                await asyncio.sleep(0)

    @asynccontextmanager
    async def _counted(self, opened):
        async with opened as conn:
            with self._noting(conn):
                yield conn
                await asyncio.sleep(0)  # The driver tells of a statement in the turn after it.

    def _noting(self, conn):
        return getattr(conn, "conn", conn).query_logger(self._note)

    def _note(self, record):
        if not _NOW_AND_THEN.search(record.query):
            self.statements.append(record.query)
