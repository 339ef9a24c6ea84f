"""What an ingestion leaves unwritten: whatever is there already as it is said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mintql.domain.institutions import AccountKind, ProviderAccount
from mintql.store import ingest as store
from support.factories import create_account
from support.pipeline import Pipeline, open_pipeline
from support.scripted import page, row

DAY = date(2026, 11, 10)
WINDOW = (date(2026, 10, 29), date(2026, 11, 13))
TOLD = datetime(2026, 11, 10, 12, tzinfo=UTC)


@pytest.fixture
async def bank(database_url: str, tmp_path: Path) -> AsyncIterator[Pipeline]:
    async with open_pipeline(database_url, tmp_path / "objects") as pipeline:
        yield pipeline


async def versions(bank: Pipeline, table: str) -> list[tuple[Any, ...]]:
    """Who wrote the rows of a table, and who wrote, locked or deleted them since."""
    return [tuple(item) for item in await bank.fetch(f"SELECT ctid::text, xmin::text, xmax::text FROM {table}")]


@pytest.mark.parametrize(
    "table", ["accounts", "account_sync", "transactions", "monthly_spending", "transaction_changes"]
)
async def test_a_refresh_that_brings_nothing_new_leaves_what_is_there_unwritten(bank: Pipeline, table: str) -> None:
    user_id, connection_id = await bank.person()
    said = page(row("t1", -450, DAY), row("p1", -1250, DAY, pending=True), window=WINDOW)
    await bank.refresh(user_id, connection_id, said, reason="link")
    before = await versions(bank, table)
    key = await bank.refresh(user_id, connection_id, said)
    assert await bank.value("SELECT state FROM sync_runs WHERE run_id = $1", key.run_id) == "succeeded"
    assert await versions(bank, table) == before != []


@pytest.mark.parametrize(
    ("balance_minor", "at", "now_minor", "written"),
    [
        (700, TOLD, 700, False),
        (700, None, 700, False),
        (900, TOLD - timedelta(days=1), 700, False),
        (900, None, 900, True),
        (900, TOLD, 900, True),
        (700, TOLD + timedelta(days=1), 700, True),
    ],
)
async def test_a_balance_is_written_where_it_or_its_time_is_another_one_and_not_an_older_one(
    bank: Pipeline, balance_minor: int, at: datetime | None, now_minor: int, written: bool
) -> None:
    user_id, connection_id = await bank.person()
    async with bank.begin() as conn:
        await create_account(
            conn, user_id, connection_id, external_id="card", name="Card", balance_minor=700, balance_at=TOLD
        )
    before = await versions(bank, "accounts")
    said = ProviderAccount("card", "Card", AccountKind.CHECKING, "USD", "1234", balance_minor, balance_at=at)
    async with bank.begin() as conn:
        await store.upsert_accounts(conn, [(user_id, connection_id, said)])
    assert (await versions(bank, "accounts") != before) == written
    rows = await bank.fetch("SELECT balance_minor, balance_at FROM accounts")
    assert [tuple(item) for item in rows] == [(now_minor, max(at or TOLD, TOLD))]


async def test_a_new_name_is_written_beside_an_older_balance_that_is_not(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    async with bank.begin() as conn:
        await create_account(
            conn, user_id, connection_id, external_id="card", name="Card", balance_minor=700, balance_at=TOLD
        )
        said = ProviderAccount(
            "card", "Gold", AccountKind.CHECKING, "USD", "1234", 900, balance_at=TOLD - timedelta(days=1)
        )
        await store.upsert_accounts(conn, [(user_id, connection_id, said)])
    rows = await bank.fetch("SELECT name, balance_minor, balance_at FROM accounts")
    assert [tuple(item) for item in rows] == [("Gold", 700, TOLD)]
