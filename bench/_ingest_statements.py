"""What each statement of the ingestion's transaction takes of PostgreSQL's processor time, for `bench/ingest.py`."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
from _ingest_people import ACCOUNTS_EACH, ROWS_EACH, Account, Batch, first_rows, next_day
from _ingest_ways import copy, folded, post, transact

from mintql.store.queries import load, nouns

T = TypeVar("T")

ROUNDS = 2
"""Of which the first warms up."""
SHOWN_MIN_US = 0.1
NAMES = {text: f"{noun}.{name}" for noun in nouns() for name, text in load(noun)}
WRITES = ("COPY transactions", "succession.supersede_rows", "succession.write_matches")
"""What puts rows there and says which stand for which."""


class Timed(asyncpg.Connection):
    """A connection that adds up what its backend takes, by statement."""

    costs: dict[str, list[float]]

    async def _added(self, name: str, act: Awaitable[T]) -> T:
        before = backend_us(self)
        try:
            return await act
        finally:
            of_name = self.costs[name]
            of_name[0] += 1
            of_name[1] += backend_us(self) - before

    async def fetch(self, query: str, *args: Any, **options: Any) -> Any:
        """Fetch rows."""
        return await self._added(_name(query), super().fetch(query, *args, **options))

    async def fetchval(self, query: str, *args: Any, **options: Any) -> Any:
        """Fetch a value."""
        return await self._added(_name(query), super().fetchval(query, *args, **options))

    async def fetchrow(self, query: str, *args: Any, **options: Any) -> Any:
        """Fetch a row."""
        return await self._added(_name(query), super().fetchrow(query, *args, **options))

    async def execute(self, query: str, *args: Any, **options: Any) -> Any:
        """Execute a statement."""
        return await self._added(_name(query), super().execute(query, *args, **options))

    async def copy_records_to_table(self, table_name: str, **options: Any) -> Any:
        """Copy rows."""
        return await self._added(f"COPY {table_name}", super().copy_records_to_table(table_name, **options))


def backend_us(conn: asyncpg.Connection) -> float:
    """Return the processor time that the backend of a connection has taken, in microseconds (Linux alone tells)."""
    return int(Path(f"/proc/{conn.get_server_pid()}/schedstat").read_text().split()[0]) / 1000


def _name(query: str) -> str:
    return NAMES.get(query) or query.split(maxsplit=1)[0].rstrip(";")


async def print_statements(
    url: str, rows: int, accounts: int, each: int, batches: int, settings: dict[str, str]
) -> None:
    """Write new rows, a day later and once more; print what each statement took, the dearest first."""
    conn = await asyncpg.connect(url, server_settings=settings, statement_cache_size=512, connection_class=Timed)
    conn.costs = defaultdict(lambda: [0.0, 0.0])
    dice = random.Random(time.time_ns())
    for number in range(ROUNDS):
        asked = new_batches(dice, rows, accounts, each, batches)
        count = sum(batch.count() for batch in asked)
        before, python = backend_us(conn), time.process_time()
        for batch in asked:
            await copy(conn, batch, "floor")
        floor = (backend_us(conn) - before) / count, (time.process_time() - python) / count * 1e6
        if number == ROUNDS - 1:
            print(f"us a row of {count}: R {floor[0]:.1f} PostgreSQL, {floor[1]:.1f} Python")
        for mix in ("new", "refresh", "replay"):
            if mix == "refresh":
                asked = a_day_later(dice, asked, number)
            prepared = [await folded(conn, batch) for batch in asked]
            conn.costs.clear()
            python = time.process_time()
            for pairs in prepared:
                await transact(conn, pairs)
            python = time.process_time() - python
            if number == ROUNDS - 1:
                _print(mix, sum(batch.count() for batch in asked), batches, conn.costs, python)
        await post(conn, asked)
    await conn.close()


def new_batches(dice: random.Random, rows: int, accounts: int, each: int, batches: int) -> list[Batch]:
    """Rows that nobody has seen, of some of the persons whom so many rows are of, each in one batch."""
    persons = iter(dice.sample(range(1, rows // ROWS_EACH // ACCOUNTS_EACH + 1), batches * accounts // ACCOUNTS_EACH))
    return [_batch(dice, persons, accounts, each) for _ in range(batches)]


def a_day_later(dice: random.Random, batches: list[Batch], number: int) -> list[Batch]:
    """What the same accounts say a day later."""
    return [
        Batch({account: next_day(dice, account, found, number) for account, found in batch.rows.items()})
        for batch in batches
    ]


def _batch(dice: random.Random, persons: Iterator[int], accounts: int, each: int) -> Batch:
    wanted: list[Account] = []
    while len(wanted) < accounts:
        user_id = next(persons)
        wanted += [(user_id, one, f"a{one}") for one in range(user_id * ACCOUNTS_EACH, (user_id + 1) * ACCOUNTS_EACH)]
    day = dice.randrange(1 << 40)
    return Batch({account: first_rows(dice, account, each, day) for account in sorted(wanted)})


def _print(mix: str, rows: int, batches: int, costs: dict[str, list[float]], python_seconds: float) -> None:
    total = sum(cost for _, cost in costs.values()) / rows
    writes = sum(costs[name][1] for name in WRITES if name in costs) / rows
    print(
        f"\n{mix}: {total:.1f} PostgreSQL, of which {writes:.1f} write rows and which stand for which;"
        f" {python_seconds / rows * 1e6:.1f} Python"
    )
    for name, (times, cost) in sorted(costs.items(), key=lambda item: -item[1][1]):
        if cost / rows >= SHOWN_MIN_US:
            print(f"{cost / rows:8.2f} {cost / times:8.0f} us each, {times / batches:4.1f} a batch  {name}")
