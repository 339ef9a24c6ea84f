"""What each index and trigger of `transactions` adds to COPY: the floor that no way of writing can go below."""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import asyncpg
from _ingest_people import ACCOUNTS_EACH, ROWS_EACH, Batch, first_rows
from _ingest_ways import copy

ROUNDS = 5
BATCHES = 4
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
TRIGGERS = ("transactions_added", "transactions_added_to_accounts", "transactions_log_added")
"""What runs when rows come in: sums, the look for accounts, the log of changes."""


async def print_indexes(url: str, rows: int, accounts: int, each: int) -> None:
    """Print processor time and WAL a row of COPY into tables that have one index more each, and then the triggers.

    By one writer, each table filled like `transactions`; the rounds go through all tables one after the other.
    """
    conn = await asyncpg.connect(url)
    steps = await _steps(conn)
    persons = rows // ROWS_EACH // ACCOUNTS_EACH
    found: dict[str, list[tuple[float, float]]] = {name: [] for name, _, _ in steps}
    for number in range(ROUNDS + 1):
        for name, table, settings in steps:
            dice = random.Random(time.time_ns())
            await conn.execute(f"SET session_replication_role = {settings}")
            batches = [_batch(dice, dice.sample(range(1, persons + 1), accounts // ACCOUNTS_EACH), each)
                       for _ in range(BATCHES)]  # fmt: skip
            cost = await _cost(conn, batches, table)
            if number:
                found[name].append(cost)
    await conn.close()
    print(f"COPY by one writer, {rows} rows in each table, batches of {accounts} accounts x {each} rows")
    print(f"{'':48}{'us a row':>10}{'to bare':>9}{'WAL bytes a row':>17}")
    bare = statistics.median(seconds for seconds, _ in found["primary key"])
    for name, items in found.items():
        seconds, wal = (statistics.median(column) for column in zip(*items, strict=True))
        print(f"{name:48}{seconds * 1e6:10.1f}{bare / seconds:9.2f}{wal:17.0f}")


def _batch(dice: random.Random, persons: Sequence[int], each: int) -> Batch:
    accounts = sorted(
        (user_id, account_id, f"a{account_id}")
        for user_id in persons
        for account_id in range(user_id * ACCOUNTS_EACH, (user_id + 1) * ACCOUNTS_EACH)
    )
    day = dice.randrange(1 << 40)
    return Batch({account: first_rows(dice, account, each, day) for account in accounts})


async def _cost(conn: asyncpg.Connection, batches: Sequence[Batch], table: str) -> tuple[float, float]:
    """Return processor seconds, of Python and the backend, and WAL bytes a row."""
    rows = sum(batch.count() for batch in batches)
    lsn = await conn.fetchval("SELECT pg_current_wal_insert_lsn()")
    pid = await conn.fetchval("SELECT pg_backend_pid()")
    before = time.process_time() + _backend_seconds(pid)
    for batch in batches:
        await copy(conn, batch, table)
    seconds = time.process_time() + _backend_seconds(pid) - before
    wal = await conn.fetchval("SELECT pg_current_wal_insert_lsn() - $1::pg_lsn", lsn)
    return seconds / rows, int(wal) / rows


def _backend_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


async def _steps(conn: asyncpg.Connection) -> list[tuple[str, str, str]]:
    """Make the tables that are not there yet; return what each has, its name, and the role that COPY has for it."""
    rows = await conn.fetch(
        "SELECT index.relname AS name, pg_get_indexdef(index.oid) AS definition, indisprimary, indisunique"
        " FROM pg_index JOIN pg_class AS index ON index.oid = indexrelid"
        " WHERE indrelid = 'transactions'::regclass ORDER BY indisprimary DESC, indisunique DESC, index.oid"
    )
    steps = []
    made: list[str] = []
    for number, row in enumerate(rows):
        table = f"floor_{number}"
        made.append(row["definition"].replace(f" INDEX {row['name']} ", " INDEX "))
        if await conn.fetchval("SELECT to_regclass($1)", table) is None:
            async with conn.transaction():
                await conn.execute(f"CREATE TABLE {table} (LIKE transactions INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
                await conn.execute(f"INSERT INTO {table} SELECT * FROM transactions ORDER BY user_id, transaction_id")
                for definition in made:
                    await conn.execute(definition.replace("ON public.transactions ", f"ON {table} "))
            await conn.execute(f"VACUUM (ANALYZE, FREEZE) {table}")
        steps.append(("primary key" if row["indisprimary"] else f"+ {row['name']}", table, "replica"))
    steps.append(("transactions itself, without triggers", "transactions", "replica"))
    for count, name in enumerate(TRIGGERS):
        table = f"triggered_{count}"
        if await conn.fetchval("SELECT to_regclass($1)", table) is None:
            async with conn.transaction():
                await conn.execute(f"CREATE TABLE {table} (LIKE transactions INCLUDING ALL)")
                await conn.execute(f"INSERT INTO {table} SELECT * FROM transactions ORDER BY user_id, transaction_id")
                for trigger in TRIGGERS[: count + 1]:
                    definition = await conn.fetchval(
                        "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = $1"
                        " AND tgrelid = 'transactions'::regclass", trigger,
                    )  # fmt: skip
                    await conn.execute(definition.replace("ON public.transactions ", f"ON {table} "))
            await conn.execute(f"VACUUM (ANALYZE, FREEZE) {table}")
        steps.append((f"+ trigger {name}", table, "origin"))
    await asyncio.sleep(0)
    return steps
