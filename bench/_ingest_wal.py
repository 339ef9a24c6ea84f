"""What writes the write-ahead log while rows are ingested, by table and index, for `bench/ingest.py`."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
from _ingest_people import Batch
from _ingest_statements import a_day_later, new_batches
from _ingest_ways import Worker, folded, post, settings_for, transact

from mintql.runtime import open_runtime

ROUNDS = 2
"""Of which the first warms up."""
SHOWN_MIN_BYTES = 5
"""A run."""
BY_RELATION = """
SELECT coalesce((
        SELECT relname::text FROM pg_class
        WHERE pg_relation_filenode(oid) = substring(block_ref FROM 'rel \\d+/\\d+/(\\d+)')::oid LIMIT 1
    ), 'all else') AS relation,
    string_agg(DISTINCT record_type, ', ' ORDER BY record_type) AS kinds, count(*)::int AS records,
    sum(record_length - fpi_length)::bigint AS bytes
FROM pg_get_wal_records_info($1::pg_lsn, $2::pg_lsn) GROUP BY 1 ORDER BY bytes DESC
"""
"""Without images of pages: the first change of each after a checkpoint has one, which tells of the checkpoint."""


async def print_wal(
    urls: dict[str, str], rows: int, accounts: int, each: int, batches: int, settings: dict[str, str]
) -> None:
    """Write new rows, a day later and once more, by the transaction and by the worker; print what wrote the log."""
    conn = await asyncpg.connect(urls["database"], server_settings=settings, statement_cache_size=512)
    await conn.execute("CREATE EXTENSION IF NOT EXISTS pg_walinspect")
    async with open_runtime(settings_for(urls), role="worker") as runtime:
        await _all_ways(conn, Worker(runtime), rows, accounts, each, batches)
    await conn.close()


async def _all_ways(
    conn: asyncpg.Connection, worker: Worker, rows: int, accounts: int, each: int, batches: int
) -> None:
    dice = random.Random(time.time_ns())
    for number in range(ROUNDS):
        for way in ("sql", "worker"):
            asked = new_batches(dice, rows, accounts, each, batches)
            for mix in ("new", "refresh", "replay"):
                if mix == "refresh":
                    asked = a_day_later(dice, asked, number)
                act = await (_by_sql(conn, asked) if way == "sql" else _by_worker(conn, worker, asked))
                async with _written(conn) as found:
                    await act()
                if number == ROUNDS - 1:
                    _print(f"{way} {mix}", sum(batch.count() for batch in asked), batches * accounts, found)
            await post(conn, asked)


async def _by_sql(conn: asyncpg.Connection, batches: list[Batch]) -> Callable[[], Awaitable[None]]:
    prepared = [await folded(conn, batch) for batch in batches]

    async def act() -> None:
        for pairs in prepared:
            await transact(conn, pairs)

    return act


async def _by_worker(conn: asyncpg.Connection, worker: Worker, batches: list[Batch]) -> Callable[[], Awaitable[None]]:
    keys = [await worker.prepare(conn, batch) for batch in batches]
    return lambda: worker.work(keys)


@asynccontextmanager
async def _written(conn: asyncpg.Connection) -> AsyncIterator[list[asyncpg.Record]]:
    """Give a list that holds, after the body, what was written meanwhile."""
    found: list[asyncpg.Record] = []
    before = await conn.fetchval("SELECT pg_current_wal_insert_lsn()")
    yield found
    after = await conn.fetchval("SELECT pg_current_wal_insert_lsn()")
    found += await conn.fetch(BY_RELATION, before, after)


def _print(way: str, rows: int, runs: int, found: list[asyncpg.Record]) -> None:
    total = sum(row["bytes"] for row in found)
    print(f"\n{way}: {total / rows:.1f} bytes a row, {total / runs:,.0f} a run")
    for row in found:
        if row["bytes"] / runs >= SHOWN_MIN_BYTES:
            print(
                f"{row['bytes'] / runs:8.0f} a run in {row['records'] / runs:5.2f} records"
                f"  {row['relation']} ({row['kinds']})"
            )
