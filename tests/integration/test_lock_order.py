"""Writers of connections and runs, each held up halfway by another: they wait for one another, and never in a circle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from mintql.domain.errors import InstitutionDown
from mintql.services import connections, daily, ingest, sync
from mintql.services.extract import LEASE, settle_failure
from mintql.services.pace import Pace
from mintql.store import sync as store
from mintql.store.sync import RunKey
from support.pipeline import Pipeline, open_pipeline
from support.scripted import page, row

DAY = date(2026, 11, 10)
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
async def bank(database_url: str, tmp_path: Path) -> AsyncIterator[Pipeline]:
    async with open_pipeline(database_url, tmp_path / "objects", carry=False) as pipeline:
        yield pipeline


class Halfway:
    """Stands in for a function of the store: waits, once it has done its work, until somebody else waits for it."""

    def __init__(self, bank: Pipeline, function: Any) -> None:
        self.bank, self.function, self.reached = bank, function, asyncio.Event()

    async def __call__(self, *args: Any, **named: Any) -> Any:
        done = await self.function(*args, **named)
        self.reached.set()
        await somebody_waits(self.bank)
        return done


async def somebody_waits(bank: Pipeline) -> None:
    """Wait until a session waits for a lock, but not for ever: perhaps nobody has to."""
    for _ in range(40):
        if await bank.value(WAITING):
            return
        await asyncio.sleep(0.01)


async def together(*jobs: Any) -> None:
    """Run these until all are done; a circle is broken by the database within a second, and fails the test."""
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        for job in jobs:
            group.create_task(job)


async def claim(bank: Pipeline, key: RunKey) -> list[Any]:
    async with bank.begin() as conn:
        return await store.claim_extraction(conn, [key], bank.now, LEASE)


@pytest.mark.parametrize("done_first", ["retry_run", "lock_link"])
async def test_a_failure_is_settled_while_another_worker_takes_the_run_over(bank, monkeypatch, done_first):
    user_id, connection_id = await bank.person()
    key = await bank.refresh(user_id, connection_id)
    [run] = await claim(bank, key)
    bank.now += LEASE + timedelta(seconds=1)
    halfway = Halfway(bank, getattr(store, done_first))
    monkeypatch.setattr(store, done_first, halfway)

    async def take_over() -> None:
        await halfway.reached.wait()
        await claim(bank, key)

    await together(settle_failure(bank.place, run, InstitutionDown("down"), "queued", 1), take_over())
    assert await bank.value("SELECT state FROM sync_runs") in ("queued", "extracting")
    assert await bank.value("SELECT error_code FROM connections") == "INSTITUTION_DOWN"


async def test_a_run_is_ingested_while_its_connection_is_removed(bank, monkeypatch):
    user_id, connection_id = await bank.person()
    key = await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY)))
    await bank.run_job("extract", [list(key)])
    halfway = Halfway(bank, store.lock_ingesting)
    monkeypatch.setattr(ingest.store, "lock_ingesting", halfway)

    async def remove() -> None:
        await halfway.reached.wait()
        await bank.fetch("DELETE FROM connections WHERE user_id = $1", user_id)

    await together(bank.run_job("ingest", [list(key)]), remove())
    sums = "SELECT sum(posted_minor)::bigint AS minor, sum(posted_count)::int AS rows FROM monthly_spending"
    assert [tuple(item) for item in await bank.fetch(sums)] == [(0, 0)]
    assert await bank.value("SELECT count(*) FROM events WHERE kind = 'transactions_changed'") == 1


async def test_the_day_is_opened_while_a_person_asks_for_a_refresh(bank, monkeypatch):
    user_id, connection_id = await bank.person()
    halfway = Halfway(bank, connections.store.last_refresh)
    monkeypatch.setattr(connections.store, "last_refresh", halfway)

    async def ask() -> None:
        async with bank.begin() as conn:
            await connections.refresh(conn, user_id, connection_id, Pace(0), bank.now)

    link = (user_id, connection_id)
    span = daily.Range((user_id, connection_id - 1), link, bank.now.date(), daily.TURNS)

    async def open_day() -> None:
        await halfway.reached.wait()
        async with bank.begin() as conn:
            await daily.open_runs(conn, bank.now, span)
            await somebody_waits(bank)

    await together(ask(), open_day())
    assert await bank.value("SELECT count(*) FROM sync_runs WHERE state = 'queued'") == 1


async def test_a_whole_run_is_asked_for_while_a_worker_takes_over_the_one_of_balances(bank, monkeypatch):
    user_id, connection_id = await bank.person()
    bank.institution.pages = [page()]
    async with bank.begin() as conn:
        run_id, _ = await sync.open_or_join_run(conn, user_id, connection_id, "request", bank.now, balances_only=True)
    key = RunKey(user_id, run_id)
    await claim(bank, key)
    bank.now += LEASE + timedelta(seconds=1)
    halfway = Halfway(bank, store.open_run_of)
    monkeypatch.setattr(store, "open_run_of", halfway)

    async def ask() -> None:
        async with bank.begin() as conn:
            await sync.open_or_join_run(conn, user_id, connection_id, "request", bank.now)

    async def look() -> None:
        await halfway.reached.wait()
        assert [run.balances_only for run in await claim(bank, key)] == [True]

    await together(ask(), look())
    assert await bank.value("SELECT wanted_at FROM connections") == bank.now
