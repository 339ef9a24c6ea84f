"""The ways in that `bench/ingest.py` compares: plain COPY, the ingestion's transaction, the whole worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta

import asyncpg
import orjson
from _ingest_people import NOW, PLAIN_COLUMNS, TODAY, WINDOW_FIRST, Account, Batch

from mintql import jobs
from mintql.domain.credentials import Credentials
from mintql.domain.ids import ConnectionId, RawObjectId, SyncRunId, UserId
from mintql.domain.ingest import fold
from mintql.domain.institutions import AccountKind, ParsedPage, ProviderAccount, ProviderTransaction, Window
from mintql.institutions.base import Capabilities, FetchRequest, RawPage
from mintql.institutions.sandbox_pages import parse_page
from mintql.runtime import Runtime
from mintql.services import ingest as ingestion
from mintql.services.pages import Work
from mintql.services.refresh import refresh
from mintql.services.row_plan import Slice
from mintql.settings import Settings
from mintql.store import ingest as store
from mintql.store.sync import Ingestion, RunKey

BATCHES_AT_ONCE = 4
"""Jobs a worker process has under way in this bench; arq may carry up to a hundred to it."""


async def copy(conn: asyncpg.Connection, batch: Batch, table: str) -> None:
    """The rows of a batch by plain COPY, in a transaction of its own."""
    async with conn.transaction():
        ids = iter(await store.take_ids(conn, batch.count()))
        records = [
            (
                account[0], next(ids), account[1], item.external_id, item.posted_on, item.amount_minor, item.currency,
                False, 601, "dictionary", item.description, item.description, item.description, "", "", None,
            )
            for account, rows in batch.rows.items()
            for item in rows
        ]  # fmt: skip
        await conn.copy_records_to_table(table, records=records, columns=PLAIN_COLUMNS)


async def open_runs(conn: asyncpg.Connection, batch: Batch, state: str) -> dict[Account, RunKey]:
    """A run of each connection, as the daily refresh opens them."""
    accounts = list(batch.rows)
    rows = await conn.fetch(
        "INSERT INTO sync_runs (user_id, connection_id, reason, day, state, attempt, ingest_attempt, next_attempt_at,"
        " carried_until) SELECT user_id, connection_id, 'request', $3::date, $4, $5, $5, $6::timestamptz - interval"
        " '1 minute', $6::timestamptz + interval '1 hour' FROM unnest($1::bigint[], $2::bigint[])"
        " AS asked (user_id, connection_id) RETURNING user_id, connection_id, run_id",
        [account[0] for account in accounts], [account[1] for account in accounts], TODAY, state,
        int(state == "ingesting"), NOW,
    )  # fmt: skip
    # A refresh of the day tells of its end only, one that is asked for of every page; but it is one for each day.
    by_connection = {(row["user_id"], row["connection_id"]): row["run_id"] for row in rows}
    return {account: RunKey(UserId(account[0]), SyncRunId(by_connection[account[:2]])) for account in accounts}


async def post(conn: asyncpg.Connection, batches: Sequence[Batch]) -> None:
    """Let what is pending at the end of a round be posted, so that the next one does not find more of it."""
    await conn.execute(
        "UPDATE transactions SET pending = false WHERE user_id = ANY ($1::bigint[]) AND pending",
        [account[0] for batch in batches for account in batch.rows],
    )


async def folded(conn: asyncpg.Connection, batch: Batch) -> list[tuple[Work, Slice]]:
    """Parse and fold, and open the runs: what comes before the transaction."""
    pairs = []
    for account, key in (await open_runs(conn, batch, "ingesting")).items():
        rows = batch.rows[account]
        run = Ingestion(
            key, ConnectionId(account[1]), 1, 1, "daily", "bench", WINDOW_FIRST, TODAY, TODAY - timedelta(days=1)
        )
        said = ProviderAccount(account[2], "Card", AccountKind.CREDIT_CARD, "USD", balance_minor=1)
        window = Window(account[2], WINDOW_FIRST, TODAY)
        whole = fold([ParsedPage(accounts=(said,), transactions=tuple(rows), windows=(window,))])
        pairs.append((Work(run, whole, []), Slice(run, whole, rows, True, [RawObjectId(0)])))
    return pairs


async def transact(conn: asyncpg.Connection, pairs: Sequence[tuple[Work, Slice]]) -> None:
    """The ingestion's database transactions: as many runs and rows in each as the worker takes."""
    slices = {work.run.key: part for work, part in pairs}
    for works in ingestion.batches([work for work, _ in pairs]):
        async with conn.transaction():
            await ingestion.write_slices(conn, [(work, slices[work.run.key]) for work in works], NOW)


class Bank:
    """An institution that answers at once, with pages of the sandbox bank's shape made beforehand."""

    institution_id = "bench"
    name = "Bench"
    fields = ()
    capabilities = Capabilities(
        window=True, pending=True, links_pending=True, window_days_max=730, history_days_max=730,
        refresh_interval_seconds_min=0,
    )  # fmt: skip

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}

    async def fetch(self, credentials: Credentials, request: FetchRequest) -> AsyncIterator[RawPage]:  # noqa: ARG002
        account = credentials.login
        yield RawPage(_accounts_page(account), "application/json")
        yield RawPage(self.pages[account], "application/json")

    def parse(self, content: bytes) -> ParsedPage:
        return parse_page(content)


def _accounts_page(account: str) -> bytes:
    said = {"id": account, "name": "Card", "kind": "credit_card", "currency": "USD", "mask": "", "balance": "0.01"}
    return orjson.dumps({"accounts": [said], "as_of": NOW.isoformat()})


def page_of(account: Account, rows: Sequence[ProviderTransaction]) -> bytes:
    """The rows as the sandbox bank writes them."""
    return orjson.dumps(
        {
            "account": account[2],
            "from": WINDOW_FIRST,
            "to": TODAY,
            "removed": [],
            "next_page": None,
            "transactions": [
                {
                    "id": item.external_id,
                    "posted_on": item.posted_on,
                    "amount": f"{item.amount_minor / 100:.2f}",
                    "currency": item.currency,
                    "description": item.description,
                    "pending": item.pending,
                    "pending_id": item.pending_external_id or None,
                    "occurred_at": NOW,
                    "mcc": "",
                }
                for item in rows
            ],
        }
    )


def settings_for(urls: dict[str, str]) -> Settings:
    """Settings of a worker on these servers."""
    return Settings(DATABASE_URL=urls["database"], REDIS_URL=urls["redis"], object_store=f"file:{urls['objects']}")  # type: ignore[call-arg]


class Worker:
    """A worker process without arq: its jobs are called by hand, four at once, all else is real."""

    def __init__(self, runtime: Runtime) -> None:
        self.bank = Bank()
        runtime.connectors = {"bench": self.bank}
        self.runtime = runtime
        self.place = replace(jobs.workplace(runtime), clock=lambda: NOW)

    async def prepare(self, conn: asyncpg.Connection, batch: Batch) -> list[RunKey]:
        """Open the runs, seal the logins, and give the bank its pages."""
        keys = await open_runs(conn, batch, "queued")
        sealed = [
            (account[0], account[1], one.key_version, one.wrapped_key, one.ciphertext)
            for account in batch.rows
            for one in [self.runtime.vault.seal(account[0], account[1], Credentials("", account[2], "secret"))]
        ]
        await conn.executemany(
            "INSERT INTO connection_secrets (user_id, connection_id, key_version, wrapped_key, ciphertext)"
            " VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            sealed,
        )
        await conn.execute(
            "UPDATE sync_runs SET reason = 'daily', day = $3::date - run_id::int % 100000"
            " WHERE (user_id, run_id) IN (SELECT * FROM unnest($1::bigint[], $2::bigint[]))",
            [key.user_id for key in keys.values()], [key.run_id for key in keys.values()], TODAY,
        )  # fmt: skip
        self.bank.pages |= {account[2]: page_of(account, rows) for account, rows in batch.rows.items()}
        return list(keys.values())

    async def work(self, batches: Sequence[Sequence[RunKey]]) -> None:
        """Fetch, store, read, parse, categorize and write these batches, and do what follows the commits."""
        slots = asyncio.Semaphore(BATCHES_AT_ONCE)

        async def one(keys: Sequence[RunKey]) -> None:
            async with slots:
                await refresh(self.place, keys)

        await asyncio.gather(*(one(keys) for keys in batches))
