"""What partitions of `transactions` cost or save: none, 16 by hash of the person, or one for each month.

    ./dev bench partitions [--rows 1000000] [--batches 20] [--short]

Three copies of the table, with the columns and indexes that the migrations make, hold the same rows: two years of
persons with six hundred each. By month, the unique keys have to hold the day as well, so that they no longer keep out a
row whose day has changed. Round by round, the same is done to each of them:

    rows in    COPY of 2,400 rows of today of 60 persons, and their commit
    page       50 newest rows of a person, and of one of their categories
    by id      a row by its id, which is no part of the key that a month is chosen by
    changed    the ids of 100 rows of a batch looked up by their unique key, and the rows updated
    month out  all rows of the oldest month of one person deleted, as archiving does
    person     all rows of a person deleted, by which rows are deleted in `delete_rows_of_person`

Printed are medians as ratios to the table without partitions, and the size of the indexes.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import random
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from pathlib import Path

import asyncpg

from mintql.domain.months import add_months, first_day
from mintql.embedded.postgres import running_postgres
from mintql.store.migrate import migrate

TODAY = date(2026, 11, 20)
ROWS_EACH = 600
DAYS = 730
HASHES = 16
BATCH_PERSONS, BATCH_ROWS_EACH = 60, 40
READS = 40
SHORT = {"rows": 200_000, "batches": 8}
WAYS = ("none", "hash", "month")
WORKER = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "jit": "off"}
COLUMNS = (
    "user_id", "transaction_id", "account_id", "external_id", "posted_on", "amount_minor", "currency", "pending",
    "category_id", "category_source", "description", "merchant", "merchant_key",
)  # fmt: skip
INDEXES = """
SELECT pg_get_indexdef(indexrelid) AS made_by, indisunique AS is_unique FROM pg_index
WHERE indrelid = 'transactions'::regclass ORDER BY indexrelid
"""
FILL = """
INSERT INTO {table} (user_id, transaction_id, account_id, external_id, posted_on, amount_minor, currency, pending,
    category_id, category_source, description, merchant, merchant_key)
SELECT person, person * 100000 + n, person * 3 + n % 3, 'x' || n, $3::date - (n * 7919 % $4)::int,
    -(n * 104729 % 20000), 'USD', false, 1 + n * 31 % 40, 'dictionary', 'SELLER ' || n % 200 || ' CITY',
    'Seller ' || n % 200, 'seller ' || n % 200
FROM generate_series($1::int, $2::int) AS person, generate_series(1, $5::int) AS n
"""
PAGE = """
SELECT * FROM {table} WHERE user_id = $1 AND successor_id IS NULL AND removed_at IS NULL
  AND (posted_on, transaction_id) <= ($2::date, $3::bigint) ORDER BY posted_on DESC, transaction_id DESC LIMIT 50
"""
CATEGORY = PAGE.replace("ORDER BY", "AND category_id = 7 ORDER BY")
CHANGE = """
UPDATE {table} AS row SET amount_minor = row.amount_minor - 1
FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS said (user_id, account_id, external_id)
WHERE row.user_id = said.user_id AND row.account_id = said.account_id AND row.external_id = said.external_id
"""
BY_ID = "SELECT * FROM {table} WHERE user_id = $1 AND transaction_id = $2"
MONTH = "DELETE FROM {table} WHERE user_id = $1 AND posted_on >= $2 AND posted_on < $3"
PERSON = (
    "DELETE FROM {table} WHERE (tableoid, ctid) IN (SELECT tableoid, ctid FROM {table} WHERE user_id = $1 LIMIT 2000)"
)
SIZE = """
SELECT coalesce(sum(pg_indexes_size(relid)), pg_indexes_size($1::regclass))::bigint
FROM pg_partition_tree($1::regclass) WHERE isleaf
"""


async def make(conn: asyncpg.Connection, way: str) -> None:
    """Make a copy of the table with its indexes."""
    by = {"none": "", "hash": "PARTITION BY HASH (user_id)", "month": "PARTITION BY RANGE (posted_on)"}[way]
    await conn.execute(f"CREATE TABLE t_{way} (LIKE transactions INCLUDING DEFAULTS) {by}")
    if way == "hash":
        for number in range(HASHES):
            share = f"MODULUS {HASHES}, REMAINDER {number}"
            await conn.execute(f"CREATE TABLE t_hash_{number} PARTITION OF t_hash FOR VALUES WITH ({share})")
    month = first_day(TODAY - timedelta(days=DAYS + 31))
    while way == "month" and month <= TODAY:
        after = add_months(month, 1)
        await conn.execute(
            f"CREATE TABLE t_month_{month:%Y%m} PARTITION OF t_month FOR VALUES FROM ('{month}') TO ('{after}')"
        )
        month = after
    for number, index in enumerate(await conn.fetch(INDEXES)):
        text = index["made_by"].split(" ON public.transactions ")[1]
        if way == "month" and index["is_unique"]:
            text = text.replace(")", ", posted_on)", 1)
        unique = "UNIQUE " if index["is_unique"] else ""
        await conn.execute(f"CREATE {unique}INDEX i_{way}_{number} ON t_{way} {text}")


class Bench:
    """The same operations on each of the three tables."""

    def __init__(self, conn: asyncpg.Connection, persons: int) -> None:
        self.conn = conn
        self.persons = persons
        self.took: dict[tuple[str, str], list[float]] = defaultdict(list)

    async def _time(self, way: str, what: str, do: Callable[[], Awaitable[object]]) -> None:
        start = time.perf_counter()
        await do()
        self.took[way, what].append(time.perf_counter() - start)

    async def round(self, number: int) -> None:
        """Do everything once to each table, beginning with another one each time."""
        dice = random.Random(number)
        chosen = sorted(dice.sample(range(1, self.persons // 2), BATCH_PERSONS))
        rows: list[tuple[object, ...]] = [
            (
                one, one * 100_000 + 1_000 * (number + 1) + n, one * 3, f"new-{number}-{n}",
                TODAY - timedelta(n % 3), -n, "USD", False, 1 + n % 40, "dictionary", f"SELLER {n} CITY", f"Seller {n}",
                f"seller {n}",
            )
            for one in chosen
            for n in range(BATCH_ROWS_EACH)
        ]  # fmt: skip
        keys = [(one, one * 3 + n % 3, f"x{n}") for one in chosen[:25] for n in range(3, 7)]
        readers = [dice.randrange(1, self.persons // 2) for _ in range(READS)]
        for turn in range(len(WAYS)):
            await self._one(WAYS[(turn + number) % len(WAYS)], rows, keys, readers, self.persons - 2 * number)

    async def _one(
        self,
        way: str,
        rows: list[tuple[object, ...]],
        keys: list[tuple[int, int, str]],
        readers: list[int],
        leaving: int,
    ) -> None:
        conn, table = self.conn, f"t_{way}"
        oldest = first_day(TODAY - timedelta(days=DAYS - 40))

        async def read(text: str, *more: object) -> None:
            for one in readers:
                await conn.fetch(text.format(table=table), one, *more)

        async def by_id() -> None:
            for one in readers:
                await conn.fetch(BY_ID.format(table=table), one, one * 100_000 + 77)

        async def run_once(text: str, *arguments: object) -> None:
            await conn.execute(text.format(table=table), *arguments)

        await self._time(way, "rows in", lambda: conn.copy_records_to_table(table, records=rows, columns=COLUMNS))
        await self._time(way, "page", lambda: read(PAGE, TODAY, 2**62))
        await self._time(way, "page of a category", lambda: read(CATEGORY, TODAY, 2**62))
        await self._time(way, "by id", by_id)
        await self._time(way, "changed", lambda: run_once(CHANGE, *zip(*keys, strict=True)))
        await self._time(way, "month out", lambda: run_once(MONTH, leaving - 1, oldest, add_months(oldest, 1)))
        await self._time(way, "person", lambda: run_once(PERSON, leaving))


async def run(url: str, options: argparse.Namespace) -> None:
    """Fill the tables, and measure."""
    await migrate(url)
    conn = await asyncpg.connect(url, server_settings=WORKER | {"synchronous_commit": "off"})
    persons = options.rows // ROWS_EACH
    for way in WAYS:
        await make(conn, way)
        for first in range(1, persons + 1, 500):
            last = min(first + 499, persons)
            await conn.execute(FILL.format(table=f"t_{way}"), first, last, TODAY, DAYS, ROWS_EACH)
    await conn.execute("VACUUM (ANALYZE)")
    await conn.execute("SET synchronous_commit = on")
    bench = Bench(conn, persons)
    for number in range(options.batches + 1):
        await bench.round(number)
        if number == 0:
            bench.took.clear()
    print(
        f"{persons} persons, {persons * ROWS_EACH} rows in each table, {options.batches} rounds, "
        f"{multiprocessing.cpu_count()} cores"
    )
    print(f"{'time against the table without partitions':45} {'hash of person (16)':>20} {'months (26)':>14}")
    for what in ("rows in", "page", "page of a category", "by id", "changed", "month out", "person"):
        base = statistics.median(bench.took["none", what])
        ratios = [statistics.median(bench.took[way, what]) / base for way in ("hash", "month")]
        print(f"{what:45} {ratios[0]:20.2f} {ratios[1]:14.2f}")
    sizes = [await conn.fetchval(SIZE, f"t_{way}") for way in WAYS]
    print(f"{'size of the indexes':45} {sizes[1] / sizes[0]:20.2f} {sizes[2] / sizes[0]:14.2f}")
    await conn.close()


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--batches", type=int, default=20)
    parser.add_argument("--short", action="store_true")
    options = parser.parse_args()
    if options.short:
        vars(options).update(SHORT)
    with tempfile.TemporaryDirectory() as folder, running_postgres(Path(folder)) as server:
        asyncio.run(run(server.url("postgres"), options))


if __name__ == "__main__":
    main()
