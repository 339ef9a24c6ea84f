"""How fast rows go in, against plain COPY of the same rows into the same table in the same run.

    ./dev bench ingest [--accounts 60] [--rows 40] [--batches 20] [--repeat 3] [--accounts-each 1]

R is COPY of each batch's rows into `transactions`, in a transaction of its own, with the table's keys, indexes
and foreign key but without its triggers. Against it, batch by batch, the ingestion's database transaction
(parsed rows in; rows, sums, alerts, events, fingerprints and states out):

    new      rows nobody has seen
    refresh  of a day's rows 93 % are known, 6 % new, and 1 % pending ones that post under a new id
    replay   the same rows once more

With `--accounts-each` above 1 persons have so many accounts, and every tenth row is a side of a transfer between two.

Two figures stand for each: rows a second as a ratio to R, and WAL bytes a row. Rounds alternate, and the median
is printed, because the machine is shared.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import asyncpg

from mintql.domain.ids import ConnectionId, RawObjectId, SyncRunId, UserId
from mintql.domain.ingest import fold
from mintql.domain.institutions import AccountKind, ParsedPage, ProviderAccount, ProviderTransaction, Window
from mintql.domain.merchants import normalize
from mintql.embedded.postgres import running_postgres
from mintql.services.ingest import write_slices
from mintql.services.pages import Work
from mintql.services.row_plan import Slice
from mintql.store import ingest as store
from mintql.store.migrate import migrate
from mintql.store.sync import Ingestion, RunKey

TODAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PLAIN_COLUMNS = store.COPY_COLUMNS[: store.COPY_COLUMNS.index("object_id") + 1]
"""What plain COPY writes: the columns that every row has a value in."""
SELLERS = ("WHOLEFDS MDF 10380", "SHELL OIL 57444212", "NETFLIX.COM", "SQ *BLUE BOTTLE 0042", "AMZN MKTP US*2K4LZ0")


@dataclass(frozen=True)
class Batch:
    """The accounts of one transaction and the rows each of them shows."""

    rows: dict[tuple[int, int], list[ProviderTransaction]]

    def count(self) -> int:
        """Return how many rows it holds."""
        return sum(len(rows) for rows in self.rows.values())


def first_rows(dice: random.Random, account: int, count: int) -> list[ProviderTransaction]:
    """The rows an account shows at first: the last 14 days, two of them pending."""
    return [
        ProviderTransaction(
            "card", f"{account}-{number}", TODAY - timedelta(days=number % 14), -dice.randint(100, 20_000), "USD",
            f"{dice.choice(SELLERS)} {dice.randint(0, 99)}", pending=number < count // 100 + 1,
        )
        for number in range(count)
    ]  # fmt: skip


def next_day(
    dice: random.Random, account: int, before: list[ProviderTransaction], day: int
) -> list[ProviderTransaction]:
    """The same account a day later: most rows as before, 6 % new ones, its pending rows posted."""
    posted = [row for row in before if not row.pending]
    kept = [row for row in before if row.pending] + posted[max(1, len(before) * 6 // 100) :]
    rows = [
        replace(row, external_id=f"{row.external_id}-posted", pending=False, pending_external_id=row.external_id)
        if row.pending
        else row
        for row in kept
    ]
    fresh = [
        ProviderTransaction(
            "card", f"{account}-{day}-{number}", TODAY, -dice.randint(100, 20_000), "USD",
            f"{dice.choice(SELLERS)} {dice.randint(0, 99)}", pending=number == 0,
        )
        for number in range(len(before) - len(kept))
    ]  # fmt: skip
    return rows + fresh


class Bench:
    """One database with its persons, and the three things that are timed."""

    def __init__(self, conn: asyncpg.Connection) -> None:
        self.conn = conn
        self.runs = 0

    async def people(self, count: int, each: int) -> list[tuple[int, int]]:
        """Add so many connections, of an account each, and persons who have `each` of them."""
        rows = await self.conn.fetch(
            "WITH people AS (INSERT INTO users (email, password_hash, name) SELECT 'p' || n || '-' || random(), '', ''"
            " FROM generate_series(1, $1) AS n RETURNING user_id), counters AS (INSERT INTO user_counters (user_id)"
            " SELECT user_id FROM people) INSERT INTO connections (user_id, institution_id) SELECT user_id, 'bench'"
            " FROM people, generate_series(1, $2) RETURNING user_id, connection_id",
            count // each,
            each,
        )
        return [tuple(row) for row in rows]

    async def copy(self, batch: Batch) -> None:
        """R: the rows of a batch by plain COPY, no triggers."""
        accounts = await self.accounts(batch)
        async with self.conn.transaction():
            ids = iter(await store.take_ids(self.conn, batch.count()))
            records = [
                (
                    key[0], next(ids), accounts[key], row.external_id, row.posted_on, row.amount_minor, row.currency,
                    row.pending, 601, "dictionary", row.description, row.description, row.description, "", "", None,
                )
                for key, rows in batch.rows.items()
                for row in rows
            ]  # fmt: skip
            await self.conn.copy_records_to_table("transactions", records=records, columns=PLAIN_COLUMNS)

    async def accounts(self, batch: Batch) -> dict[tuple[int, int], int]:
        """Write the batch's accounts; return their ids."""
        said = [(UserId(u), ConnectionId(c), _account()) for u, c in batch.rows]
        await store.upsert_accounts(self.conn, said)
        return {(a.user_id, a.connection_id): a.account_id for a in await store.lock_seen(self.conn, list(batch.rows))}

    async def prepare(self, batch: Batch) -> list[tuple[Work, Slice]]:
        """Parse and fold, and open the runs: what comes before the transaction."""
        pairs = []
        for (user_id, connection_id), rows in batch.rows.items():
            self.runs += 1
            run_id = await self.conn.fetchval(
                "INSERT INTO sync_runs (user_id, connection_id, reason, day, state, attempt, ingest_attempt)"
                " VALUES ($1, $2, 'request', current_date, 'ingesting', 1, 1) RETURNING run_id",
                user_id, connection_id,
            )  # fmt: skip
            run = Ingestion(
                RunKey(UserId(user_id), SyncRunId(run_id)), ConnectionId(connection_id), 1, 1, "request", "bench",
                TODAY - timedelta(days=14), TODAY,
            )  # fmt: skip
            window = Window("card", TODAY - timedelta(days=14), TODAY)
            folded = fold([ParsedPage(accounts=(_account(),), transactions=tuple(rows), windows=(window,))])
            work = Work(run, folded, [])
            slice_ = Slice(run, folded, rows, True, [RawObjectId(0)])
            pairs.append((work, slice_))
        return pairs

    async def ingest(self, pairs: list[tuple[Work, Slice]]) -> None:
        """The ingestion's database transaction."""
        async with self.conn.transaction():
            await write_slices(self.conn, pairs, NOW)

    async def timed(self, act: Callable[[], Awaitable[None]]) -> tuple[float, int]:
        """Return seconds and WAL bytes of an act."""
        start_lsn = await self.conn.fetchval("SELECT pg_current_wal_insert_lsn()")
        start = time.perf_counter()
        await act()
        seconds = time.perf_counter() - start
        wal = await self.conn.fetchval("SELECT pg_current_wal_insert_lsn() - $1::pg_lsn", start_lsn)
        return seconds, int(wal)


def _account() -> ProviderAccount:
    return ProviderAccount("card", "Card", AccountKind.CREDIT_CARD, "USD", balance_minor=1)


async def one_round(bench: Bench, options: argparse.Namespace, seed: int) -> dict[str, tuple[float, float]]:
    """Time COPY, new, refresh and replay on rows of their own; return (rows/s, WAL bytes a row) of each."""
    dice = random.Random(seed)
    sums: dict[str, list[float]] = {name: [0, 0, 0] for name in ("copy", "new", "refresh", "replay")}

    def note(name: str, rows: int, measured: tuple[float, int]) -> None:
        for place, value in enumerate((rows, *measured)):
            sums[name][place] += value

    for number in range(options.batches):
        plain = await batch_of(bench, dice, options)
        await bench.accounts(plain)
        await bench.conn.execute("ALTER TABLE transactions DISABLE TRIGGER USER")
        note("copy", plain.count(), await bench.timed(lambda: bench.copy(plain)))  # noqa: B023
        await bench.conn.execute("ALTER TABLE transactions ENABLE TRIGGER USER")
        batch = await batch_of(bench, dice, options)
        for name in ("new", "refresh", "replay"):
            if name == "refresh":
                batch = Batch({key: next_day(dice, key[1], rows, number) for key, rows in batch.rows.items()})
            pairs = await bench.prepare(batch)
            note(name, batch.count(), await bench.timed(lambda: bench.ingest(pairs)))  # noqa: B023
    return {name: (rows / seconds, wal / rows) for name, (rows, seconds, wal) in sums.items()}


async def batch_of(bench: Bench, dice: random.Random, options: argparse.Namespace) -> Batch:
    people = sorted(await bench.people(options.accounts, options.accounts_each))
    batch = Batch({key: first_rows(dice, key[1], options.rows) for key in people})
    if options.accounts_each > 1:
        for place, rows in enumerate(batch.rows.values()):
            sign = 1 if place % options.accounts_each % 2 else -1
            for number in range(0, len(rows), 10):
                amount_minor = sign * (50_000 + 100 * number)
                rows[number] = replace(rows[number], amount_minor=amount_minor, description="ONLINE TRANSFER")
    return batch


@asynccontextmanager
async def database() -> AsyncIterator[asyncpg.Connection]:
    """A PostgreSQL of its own, durable, for this run."""
    with tempfile.TemporaryDirectory() as folder, running_postgres(Path(folder)) as server:
        conn = await asyncpg.connect(server.url("postgres"))
        await conn.execute("CREATE DATABASE bench")
        await conn.close()
        await migrate(server.url("bench"))
        settings = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "jit": "off"}
        conn = await asyncpg.connect(server.url("bench"), server_settings=settings, statement_cache_size=512)
        try:
            yield conn
        finally:
            await conn.close()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=60, help="accounts a batch")
    parser.add_argument("--rows", type=int, default=40, help="rows an account")
    parser.add_argument("--batches", type=int, default=20, help="batches a round")
    parser.add_argument("--repeat", type=int, default=3, help="rounds")
    parser.add_argument("--accounts-each", type=int, default=1, help="accounts a person")
    options = parser.parse_args()
    normalize("warm up")
    async with database() as conn:
        bench = Bench(conn)
        await one_round(bench, argparse.Namespace(accounts=6, rows=20, batches=2, accounts_each=1), 0)
        rounds = [await one_round(bench, options, seed + 1) for seed in range(options.repeat)]
        stored = await conn.fetchval("SELECT count(*) FROM transactions")
    print(f"{options.accounts} accounts x {options.rows} rows a batch, {options.batches} batches a round, "
          f"{options.repeat} rounds, one writer; {stored} rows stored at the end")  # fmt: skip
    print(f"{'':10}{'ratio to COPY':>16}{'lowest':>10}{'highest':>10}{'WAL bytes/row':>16}")
    for name in ("copy", "new", "refresh", "replay"):
        ratios = [item[name][0] / item["copy"][0] for item in rounds]
        wal = statistics.median(item[name][1] for item in rounds)
        print(f"{name:10}{statistics.median(ratios):16.2f}{min(ratios):10.2f}{max(ratios):10.2f}{wal:16.0f}")


if __name__ == "__main__":
    asyncio.run(main())
