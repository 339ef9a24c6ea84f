"""Databases for tests: each test has one to itself, cleaned after the test before and not made anew.

To copy the template, with the checkpoints of that, takes PostgreSQL far longer than to delete the rows that a test
leaves; and a session that has met the tables before takes a tenth of what a new one takes (`support/backends.py`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from support.backends import end_sessions_of, idle_sessions_of, keep_sessions_of
from support.servers import TEMPLATE, Cluster

FIRST_OWN_OID = 16384
"""What initdb made has lower numbers, and no test changes it."""
END_TIMEOUT_MS = 5000
LIKE_NEW_BYTES_MAX = 9 * 8192
"""The planner takes a table that was never vacuumed for ten pages until it has more, whether there are rows or not. To
vacuum it would cost all sessions what they know of it."""

_END_OTHERS = """
SELECT count(*) FILTER (WHERE NOT pg_terminate_backend(pid, $1)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND pid <> ALL ($2::int[])
"""
# A row of a catalog that is changed is written anew, by another transaction. TRUNCATE and VACUUM write pg_class, so of
# that only what a person would change is looked at; statistics would change the plans of the next test.
_SHAPE = """
SELECT md5(concat_ws(',',
    (SELECT array_agg(concat_ws('/', oid, relname, relacl, reloptions, relrowsecurity) ORDER BY oid)
     FROM pg_class WHERE oid >= $1 AND relpersistence <> 't'),
    (SELECT concat_ws('/', count(*), sum(part.xmin::text::bigint)) FROM pg_attribute AS part JOIN pg_class AS whole
     ON whole.oid = attrelid WHERE attrelid >= $1 AND relpersistence <> 't'),
    (SELECT concat_ws('/', count(*), sum(xmin::text::bigint)) FROM pg_constraint WHERE oid >= $1),
    (SELECT concat_ws('/', count(*), sum(xmin::text::bigint)) FROM pg_trigger WHERE oid >= $1),
    (SELECT concat_ws('/', count(*), sum(xmin::text::bigint)) FROM pg_policy WHERE oid >= $1),
    (SELECT concat_ws('/', count(*), sum(xmin::text::bigint)) FROM pg_proc WHERE oid >= $1),
    (SELECT concat_ws('/', count(*), sum(xmin::text::bigint)) FROM pg_index WHERE indexrelid >= $1),
    (SELECT concat_ws('/', count(*), sum(xmin::text::bigint)) FROM pg_sequence WHERE seqrelid >= $1),
    (SELECT count(*) FROM pg_statistic WHERE starelid >= $1)
))
"""
_TOUCHED = """
SELECT oid::regclass::text AS name, pg_relation_size(oid) AS bytes FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'schema_migrations'
  AND pg_relation_size(oid) > 0
ORDER BY oid
"""
_RESTART_SEQUENCES = """
SELECT setval(format('%I.%I', schemaname, sequencename), start_value, false) FROM pg_sequences
WHERE last_value IS NOT NULL
"""


class Databases:
    """The databases of one process of the run. `prefix` begins their names."""

    def __init__(self, cluster: Cluster, prefix: str) -> None:
        self._cluster = cluster
        self._prefix = prefix
        self._made = 0
        self._clean: list[str] = []
        self._shape = ""

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[str]:
        """Give the address of a migrated database that nobody else uses and that looks like a new one."""
        name = self._clean.pop() if self._clean else await self._make()
        try:
            yield self._cluster.url(name)
        finally:
            if await self._cleaned(name):
                self._clean.append(name)
            else:
                end_sessions_of(name)
                await self._at_postgres(f"DROP DATABASE {name} WITH (FORCE)")

    def end_sessions(self) -> None:
        """Keep no session of those that are lent to nobody."""
        for name in self._clean:
            end_sessions_of(name)

    async def _make(self) -> str:
        self._made += 1
        name = f"{self._prefix}_{self._made}"
        await self._at_postgres(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
        keep_sessions_of(name)
        if not self._shape:
            conn = await asyncpg.connect(self._cluster.url(name))
            try:
                self._shape = await conn.fetchval(_SHAPE, FIRST_OWN_OID)
            finally:
                await conn.close()
        return name

    async def _cleaned(self, name: str) -> bool:
        """Make the database as it was; tell if that cannot be done, for a test that changed more than rows."""
        conn = await asyncpg.connect(self._cluster.url(name), server_settings={"session_replication_role": "replica"})
        try:
            if await conn.fetchval(_END_OTHERS, END_TIMEOUT_MS, idle_sessions_of(name)) or (
                await conn.fetchval(_SHAPE, FIRST_OWN_OID) != self._shape
            ):
                return False
            await _empty(conn)
            await conn.execute(_RESTART_SEQUENCES)
            return True
        finally:
            await conn.close()

    async def _at_postgres(self, statement: str) -> None:
        conn = await asyncpg.connect(self._cluster.url_of_postgres)
        try:
            await conn.execute(statement)
        finally:
            await conn.close()


async def _empty(conn: Any) -> None:
    """Delete all rows, over a connection that works as a replica: no triggers and references, so any order will do."""
    touched = await conn.fetch(_TOUCHED)
    looks = ", ".join(f"CASE WHEN EXISTS (SELECT FROM {table}) THEN '{table}' END" for table, _ in touched)
    filled = await conn.fetchval(f"SELECT array_remove(ARRAY[{looks}]::text[], NULL)")
    if filled:
        await conn.execute(";".join(f"DELETE FROM {table}" for table in filled))
    large = [table for table, size in touched if size > LIKE_NEW_BYTES_MAX]
    if large:
        await conn.execute(f"VACUUM {', '.join(large)}")
