"""How fast rows go in, against plain COPY of the same rows by the same number of writers in the same run.

    ./dev bench ingest [--rows 1000000] [--writers 2] [--accounts 60] [--each 40] [--batches 10] [--repeat 3]
                       [--ways sql,worker] [--indexes] [--statements] [--wal] [--short] [--fresh]
                       [--peer-folder FOLDER] [--without-peer]

The database holds `--rows` rows before it begins (kept under `.mintql/bench` for the next run): persons with three
accounts, each account with three hundred rows. A batch is `--accounts` accounts of persons taken at random, with
`--each` rows an account. Compared are, round by round:

    R bare    COPY of a batch into a table of the same columns and primary key, nothing else: the goals are ratios to it
    R indexed COPY of a batch into `transactions` itself: all keys and indexes, but none of our triggers
    sql       the ingestion's database transaction: parsed rows in; rows, sums, alerts, events, fingerprints, states out
    worker    all of it: pages stored raw, decoded, parsed, logged, categorized, that transaction, and what follows it

    new       rows nobody has seen
    refresh   of a day's rows 93 % are known, 6 % new, and 1 % pending ones that post under a new id
    replay    the same rows once more

Each writer is a process with a connection of its own (`worker`: with the pool of a worker). Printed are the medians of
the rounds: rows a second as ratios to both, with the lowest and highest; the same by processor time, of the writers and
of all of PostgreSQL's processes together, which others on the machine disturb less; processor time a row of each of the
two; and WAL bytes a row. `--indexes` tells what each index of `transactions`, and each trigger, adds to COPY,
`--statements` what each statement of a batch takes, `--wal` what writes the log, by table and index.

Where node is, Actual's `importTransactions` (`_ingest_actual.py`) imports rows of the same kind in one process, and is
compared with what mintql's writers do with as much processor time, and with what one of them does by the clock.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import random
import shutil
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import asyncpg
from _ingest_actual import measure_actual
from _ingest_categorizing import categorizing
from _ingest_indexes import print_indexes
from _ingest_people import ACCOUNTS_EACH, ROWS_EACH, Account, Batch, fill, first_rows, home_of, next_day
from _ingest_statements import print_statements
from _ingest_wal import print_wal
from _ingest_ways import Worker, copy, folded, post, settings_for, transact
from _processes import cpu_seconds

from mintql.embedded.places import remove_home
from mintql.embedded.postgres import running_postgres
from mintql.embedded.valkey import running_valkey
from mintql.runtime import open_runtime
from mintql.services.heap import settle_heap

CACHE = Path(".mintql/bench")
WORKER_SETTINGS = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "jit": "off", "timezone": "UTC"}
SHORT = {"rows": 300_000, "batches": 4, "repeat": 2}
MIXES = ("new", "refresh", "replay")
BARE, INDEXED = "R bare", "R indexed"


@dataclass(frozen=True)
class Timed:
    """What one writer did in one way in one round."""

    way: str
    round: int
    rows: int
    start: float
    end: float
    wal_bytes: int
    python_seconds: float
    """Processor time of this writer."""
    postgres_seconds: float
    """Processor time of all of PostgreSQL, for all writers."""


class Writer:
    """One of the processes that write."""

    def __init__(
        self, number: int, options: argparse.Namespace, postgres_pid: int, barrier: Barrier, out: Queue[Timed]
    ) -> None:
        self.number = number
        self.options = options
        self.postgres_pid = postgres_pid
        self.barrier = barrier
        self.out = out
        self.round = 0
        self.dice = random.Random(time.time_ns() + number)  # Ids differ from those of earlier runs on the same data.

    def batch(self, persons: Iterator[int]) -> Batch:
        """Rows that nobody has seen, of the next persons."""
        accounts: list[Account] = []
        while len(accounts) < self.options.accounts:
            user_id = next(persons)
            ids = range(user_id * ACCOUNTS_EACH, (user_id + 1) * ACCOUNTS_EACH)
            accounts += [(user_id, each, f"a{each}") for each in ids]
        day = self.dice.randrange(1 << 40)
        return Batch({account: first_rows(self.dice, account, self.options.each, day) for account in sorted(accounts)})

    def batches(self) -> list[Batch]:
        """The batches of one way in one round, of persons of this writer taken at random, each of them once."""
        mine = range(1 + self.number, self.options.rows // ROWS_EACH // ACCOUNTS_EACH + 1, self.options.writers)
        persons = iter(self.dice.sample(mine, len(mine)))
        return [self.batch(persons) for _ in range(self.options.batches)]

    def later(self, batches: list[Batch]) -> list[Batch]:
        """The same accounts a day later."""
        day = self.dice.randrange(1 << 40)
        return [
            Batch({account: next_day(self.dice, account, rows, day) for account, rows in batch.rows.items()})
            for batch in batches
        ]

    async def timed(self, conn: asyncpg.Connection, way: str, rows: int, act: Callable[[], Awaitable[None]]) -> None:
        """Do it when all writers are ready, and report."""
        self.barrier.wait()
        before = await conn.fetchval("SELECT pg_current_wal_insert_lsn()")
        postgres = cpu_seconds(self.postgres_pid)
        self.barrier.wait()
        start, python = time.monotonic(), time.process_time()
        await act()
        end, python = time.monotonic(), time.process_time() - python
        self.barrier.wait()
        postgres = cpu_seconds(self.postgres_pid) - postgres
        wal = await conn.fetchval("SELECT pg_current_wal_insert_lsn() - $1::pg_lsn", before)
        self.out.put(Timed(way, self.round, rows, start, end, int(wal), python, postgres))

    async def run(self, urls: dict[str, str]) -> None:
        """All rounds; the first warms up and is not counted."""
        conn = await asyncpg.connect(urls["database"], server_settings=WORKER_SETTINGS, statement_cache_size=512)
        plain = await asyncpg.connect(urls["database"], server_settings={"session_replication_role": "replica"})
        settle_heap()
        async with open_runtime(settings_for(urls), role="worker") as runtime:
            worker = Worker(runtime)
            for number in range(self.options.repeat + 1):
                self.round = number
                await self.by_copy(plain)
                if "sql" in self.options.ways:
                    await self.by_sql(conn)
                if "worker" in self.options.ways:
                    await self.by_worker(conn, worker)
        await plain.close()
        await conn.close()

    async def by_copy(self, conn: asyncpg.Connection) -> None:
        """The floor, and the same with all keys and indexes."""
        for way, table in ((BARE, "floor"), (INDEXED, "transactions")):
            batches = self.batches()

            async def act(batches: list[Batch] = batches, table: str = table) -> None:
                for batch in batches:
                    await copy(conn, batch, table)

            await self.timed(conn, way, _rows(batches), act)

    async def by_sql(self, conn: asyncpg.Connection) -> None:
        """The ingestion's database transactions."""
        batches = self.batches()
        for mix in MIXES:
            batches = self.later(batches) if mix == "refresh" else batches
            prepared = [await folded(conn, batch) for batch in batches]

            async def act(prepared: list[Any] = prepared) -> None:
                for pairs in prepared:
                    await transact(conn, pairs)

            await self.timed(conn, f"sql {mix}", _rows(batches), act)
        await post(conn, batches)

    async def by_worker(self, conn: asyncpg.Connection, worker: Worker) -> None:
        """All that a worker does."""
        batches = self.batches()
        for mix in MIXES:
            batches = self.later(batches) if mix == "refresh" else batches
            keys = [await worker.prepare(conn, batch) for batch in batches]

            async def act(keys: list[Any] = keys) -> None:
                await worker.work(keys)

            await self.timed(conn, f"worker {mix}", _rows(batches), act)
            open_ones = await conn.fetchval(
                "SELECT count(*) FROM sync_runs WHERE state NOT IN ('succeeded', 'failed') AND user_id = ANY ($1)",
                [key.user_id for batch in keys for key in batch],  # The other writers may be at their next ones.
            )
            if open_ones:
                raise SystemExit(f"{open_ones} runs did not come to an end")
        await post(conn, batches)


def _rows(batches: list[Batch]) -> int:
    return sum(batch.count() for batch in batches)


def write(
    number: int,
    options: argparse.Namespace,
    urls: dict[str, str],
    postgres_pid: int,
    barrier: Barrier,
    out: Queue[Timed],
) -> None:
    """Be one writer process."""
    try:
        asyncio.run(Writer(number, options, postgres_pid, barrier, out).run(urls))
    except BaseException:
        barrier.abort()
        raise


def measure(options: argparse.Namespace, urls: dict[str, str], postgres_pid: int) -> list[Timed]:
    """Run the writers side by side; return what they did after warming up."""
    context = multiprocessing.get_context("spawn")
    barrier, out = context.Barrier(options.writers), context.Queue()
    writers = [
        context.Process(target=write, args=(number, options, urls, postgres_pid, barrier, out), daemon=True)
        for number in range(options.writers)
    ]
    for process in writers:
        process.start()
    ways = 2 + len(MIXES) * len(options.ways)
    found: list[Timed] = []
    while len(found) < ways * (options.repeat + 1) * options.writers:
        if any(process.exitcode for process in writers):
            raise SystemExit("a writer failed; its message stands above")
        if not out.empty():
            found.append(out.get())
        time.sleep(0.005)
    for process in writers:
        process.join()
    return [item for item in found if item.round]


@dataclass(frozen=True)
class Cost:
    """What one way took in one round, of all writers together: seconds and bytes a row."""

    clock: float
    python: float
    postgres: float
    wal_bytes: float

    @property
    def processor(self) -> float:
        """Processor seconds a row."""
        return self.python + self.postgres


def costs(found: list[Timed]) -> dict[str, dict[int, Cost]]:
    """Return what each way took, by round."""
    groups: dict[tuple[str, int], list[Timed]] = defaultdict(list)
    for item in found:
        groups[item.way, item.round].append(item)
    by_way: dict[str, dict[int, Cost]] = defaultdict(dict)
    for (way, number), items in groups.items():
        rows = sum(item.rows for item in items)
        by_way[way][number] = Cost(
            (max(item.end for item in items) - min(item.start for item in items)) / rows,
            sum(item.python_seconds for item in items) / rows,
            max(item.postgres_seconds for item in items) / rows,
            max(item.wal_bytes for item in items) / rows,
        )
    return by_way


def print_table(found: list[Timed]) -> None:
    by_way = costs(found)
    bare, indexed = by_way[BARE], by_way[INDEXED]
    print(f"{'':16}{'by the clock to':^36}{'by processor to':^20}{'processor us a row':^20}{'WAL bytes':>10}")
    print(
        f"{'':16}{'bare':>8}{'lowest':>9}{'highest':>9}{'indexed':>10}{'bare':>10}{'indexed':>10}"
        f"{'Python':>10}{'PostgreSQL':>12}{'a row':>8}"
    )
    for way, by_round in by_way.items():
        clock = [bare[number].clock / cost.clock for number, cost in by_round.items()]
        print(
            f"{way:16}{statistics.median(clock):8.2f}{min(clock):9.2f}{max(clock):9.2f}"
            f"{_median(indexed[number].clock / cost.clock for number, cost in by_round.items()):10.2f}"
            f"{_median(bare[number].processor / cost.processor for number, cost in by_round.items()):10.2f}"
            f"{_median(indexed[number].processor / cost.processor for number, cost in by_round.items()):10.2f}"
            f"{_median(cost.python for cost in by_round.values()) * 1e6:10.1f}"
            f"{_median(cost.postgres for cost in by_round.values()) * 1e6:12.1f}"
            f"{_median(cost.wal_bytes for cost in by_round.values()):8.0f}"
        )


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)


def print_categorizing(options: argparse.Namespace, found: list[Timed]) -> None:
    """Compare with the processor time that a new row takes."""
    by_way = costs(found)
    numbers, sellers = categorizing(new_sellers=False), categorizing(new_sellers=True)
    for way in options.ways:
        seconds = _median(cost.processor for cost in by_way[f"{way} new"].values())
        print(
            f"categorizing is {numbers / seconds:.1%} of {way} new where no text was ever seen before, and"
            f" {sellers / seconds:.1%} where no seller was"
        )


def print_actual(options: argparse.Namespace, found: list[Timed]) -> None:
    """Compare with Actual, rows a second of its one process to those of one writer, and by processor time."""
    by_way = costs(found)
    rounds = 1 if options.short else options.repeat
    imported = measure_actual(options.peer_folder.resolve(), options.accounts, options.each, rounds)
    for item in imported:
        told = [f"Actual {item.mix}: {1 / item.clock:,.0f} rows/s, {item.processor * 1e6:,.0f} processor us a row;"]
        for way in options.ways:
            of_way = by_way[f"{way} {item.mix}"].values()
            clock = _median(cost.clock for cost in of_way) * options.writers
            processor = _median(cost.processor for cost in of_way)
            told.append(
                f"{way} {item.clock / clock:.1f} times by the clock, {item.processor / processor:.1f} by processor;"
            )
        print(" ".join(told).rstrip(";"))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows in the database before it begins")
    parser.add_argument("--writers", type=int, default=2, help="processes that write: 1, 2 or 4")
    parser.add_argument("--accounts", type=int, default=60, help="accounts a batch: 3 to 600")
    parser.add_argument("--each", type=int, default=40, help="rows an account")
    parser.add_argument("--batches", type=int, default=10, help="batches of each way in a round, for each writer")
    parser.add_argument("--repeat", type=int, default=3, help="rounds")
    parser.add_argument("--ways", type=lambda text: text.split(","), default=["sql", "worker"], help="sql, worker")
    parser.add_argument("--indexes", action="store_true", help="what each index and trigger adds to COPY, nothing else")
    parser.add_argument("--statements", action="store_true", help="what each statement takes, nothing else; on Linux")
    parser.add_argument("--wal", action="store_true", help="what writes the log, nothing else")
    parser.add_argument("--short", action="store_true", help="about a minute")
    parser.add_argument("--peer-folder", type=Path, default=Path(".mintql/bench/actual"),
                        help="where Actual is installed, or is to be")  # fmt: skip
    parser.add_argument("--without-peer", action="store_true", help="leave Actual out")
    parser.add_argument("--fresh", action="store_true", help="fill the database anew")
    options = parser.parse_args()
    for name, value in SHORT.items() if options.short else ():
        setattr(options, name, value)
    needed = (
        options.accounts * options.batches * options.writers * ROWS_EACH + ROWS_EACH * ACCOUNTS_EACH * options.writers
    )
    if options.rows < needed:
        parser.error(f"--rows must be {needed} or more, so that no person is in two batches of a round")
    return options


def main() -> None:
    options = parse_options()
    home = home_of(CACHE, options.rows)
    if options.indexes:
        home = home.with_name(f"{home.name}-indexes")  # Many tables as large: they would be in the way of the other.
    if options.fresh:
        remove_home(home)
    home.mkdir(parents=True, exist_ok=True)
    with (
        running_postgres(home) as server,
        tempfile.TemporaryDirectory() as folder,
        running_valkey(Path(folder)) as valkey,
    ):
        asyncio.run(fill(server.url("postgres"), options.rows))
        if options.indexes:
            asyncio.run(print_indexes(server.url("postgres"), options.rows, options.accounts, options.each))
            return
        if options.statements:
            url = server.url("postgres")
            asyncio.run(
                print_statements(url, options.rows, options.accounts, options.each, options.batches, WORKER_SETTINGS)
            )
            return
        objects = home.resolve() / "objects"  # On the disk that the database is on, not in memory.
        urls = {"database": server.url("postgres"), "redis": valkey.url, "objects": str(objects)}
        if options.wal:
            asyncio.run(print_wal(urls, options.rows, options.accounts, options.each, options.batches, WORKER_SETTINGS))
            shutil.rmtree(objects, ignore_errors=True)
            return
        found = measure(options, urls, server.process.pid)
        shutil.rmtree(objects, ignore_errors=True)
    print(
        f"{options.writers} writers on {multiprocessing.cpu_count()} cores, {options.rows} rows in the database,"
        f" batches of {options.accounts} accounts x {options.each} rows, {options.batches} a writer and round,"
        f" {options.repeat} rounds"
    )
    print_table(found)
    print_categorizing(options, found)
    if not options.without_peer:
        print_actual(options, found)


if __name__ == "__main__":
    main()
