"""A refresh is ingested by the job that fetched it without a claim, and whoever takes it over meanwhile is not disturbed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from mintql.services import extract, ingest, leftovers
from mintql.services.extract import HEARTBEAT_SECONDS, LEASE
from mintql.services.sync import CARRY_SECONDS
from mintql.store import sync as store
from mintql.store.sync import Ingestion, RunKey
from support.pipeline import Pipeline, open_pipeline
from support.scripted import page, row

DAY = date(2026, 11, 10)
WINDOW = (date(2026, 10, 29), date(2026, 11, 13))
BEAT = timedelta(seconds=HEARTBEAT_SECONDS)


@pytest.fixture
async def bank(database_url: str, tmp_path: Path) -> AsyncIterator[Pipeline]:
    async with open_pipeline(database_url, tmp_path / "objects") as pipeline:
        yield pipeline


async def run_of(bank: Pipeline, key: RunKey) -> dict[str, Any]:
    return dict((await bank.fetch("SELECT * FROM sync_runs WHERE user_id = $1 AND run_id = $2", *key))[0])


async def fetched(bank: Pipeline) -> RunKey:
    """A refresh of a person who was read before, whose new row is stored raw and not ingested yet."""
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page(row("t1", -450, DAY), window=WINDOW), reason="link")
    bank.carry = False
    key = await bank.refresh(
        user_id, connection_id, page(row("t1", -450, DAY), row("t2", -1250, DAY), window=WINDOW), reason="daily"
    )
    assert await extract.extract(bank.place, [key]) == [key]
    return key


async def take(bank: Pipeline, key: RunKey) -> list[Ingestion]:
    async with bank.begin() as conn:
        return await store.take_fetched(conn, [key], bank.now + BEAT)


async def claim(bank: Pipeline, key: RunKey) -> list[Ingestion]:
    async with bank.begin() as conn:
        return await store.claim_ingest(conn, [key], bank.now, LEASE)


def before_writing(monkeypatch: pytest.MonkeyPatch, act: Callable[[], Awaitable[Any]]) -> None:
    """Do something once, when pages are read and the transaction is about to begin."""
    write = ingest.write_slices

    async def act_and_write(*args: Any) -> Any:
        monkeypatch.setattr(ingest, "write_slices", write)
        await act()
        return await write(*args)

    monkeypatch.setattr(ingest, "write_slices", act_and_write)


async def rows(bank: Pipeline) -> tuple[int, int]:
    """How many transactions there are, and the sum of what was spent."""
    return (
        await bank.value("SELECT count(*)::int FROM transactions"),
        await bank.value("SELECT sum(posted_minor)::bigint FROM monthly_spending"),
    )


@pytest.mark.parametrize(("reason", "state"), [("link", "ingesting"), ("daily", "extracted")])
async def test_a_refresh_is_not_claimed_once_more_and_a_first_run_is(bank, monkeypatch, reason, state):
    user_id, connection_id = await bank.person()
    said = page(row("t1", -450, DAY), window=WINDOW)
    if reason == "daily":
        await bank.refresh(user_id, connection_id, said, reason="link")
    seen = []

    async def look() -> None:
        seen.append(await bank.value("SELECT state FROM sync_runs ORDER BY run_id DESC LIMIT 1"))

    before_writing(monkeypatch, look)
    run = await run_of(bank, await bank.refresh(user_id, connection_id, said, reason=reason))
    assert seen == [state]
    assert (run["state"], run["ingest_attempt"], run["lease_until"]) == ("succeeded", 1, None)


async def test_what_another_worker_takes_over_meanwhile_is_written_by_that_one_alone(bank, monkeypatch):
    key = await fetched(bank)

    async def take_over() -> None:
        assert len(await claim(bank, key)) == 1

    before_writing(monkeypatch, take_over)
    await ingest.ingest(bank.place, [key], fetched=True)
    assert (await run_of(bank, key))["state"] == "ingesting"
    assert await rows(bank) == (1, -450)
    bank.now += LEASE + timedelta(seconds=1)
    await ingest.ingest(bank.place, [key])
    run = await run_of(bank, key)
    assert (run["state"], run["ingest_attempt"], run["rows_added"]) == ("succeeded", 2, 1)
    assert await rows(bank) == (2, -1700)


async def test_two_workers_that_write_at_once_count_a_row_once(bank):
    key = await fetched(bank)
    await asyncio.gather(
        ingest.ingest(bank.place, [key], fetched=True),
        ingest.ingest(bank.place, [key], fetched=True),
        ingest.ingest(bank.place, [key]),
    )
    run = await run_of(bank, key)
    assert (run["state"], run["rows_added"]) == ("succeeded", 1)
    assert await rows(bank) == (2, -1700)


async def test_a_failure_counts_as_an_attempt_and_is_tried_again_after_a_pause(bank, monkeypatch):
    key = await fetched(bank)

    async def break_down() -> None:
        raise RuntimeError("the disk is full")

    before_writing(monkeypatch, break_down)
    await ingest.ingest(bank.place, [key], fetched=True)
    run = await run_of(bank, key)
    assert (run["state"], run["ingest_attempt"], run["error_code"]) == ("extracted", 1, "INTERNAL")
    assert run["next_attempt_at"] == bank.now + timedelta(seconds=5)
    assert await take(bank, key) == []
    bank.carry = True
    await bank.sweep(after=timedelta(seconds=5))
    run = await run_of(bank, key)
    assert (run["state"], run["ingest_attempt"], run["error_code"]) == ("succeeded", 2, None)
    assert await rows(bank) == (2, -1700)


async def test_a_beat_says_that_the_job_carries_it_until_somebody_takes_it_over(bank):
    key = await fetched(bank)
    runs = await take(bank, key)
    bank.now += BEAT
    async with bank.begin() as conn:
        assert await store.extend_leases(conn, runs, bank.now, LEASE) == 1
    run = await run_of(bank, key)
    assert (run["carried_until"], run["lease_until"]) == (bank.now + LEASE, None)
    bank.effects.jobs.clear()
    await bank.sweep(after=LEASE - timedelta(seconds=1))
    assert bank.effects.jobs == []
    await bank.sweep(after=timedelta(seconds=1))
    assert [job.name for job in bank.effects.jobs] == ["ingest"]
    assert len(await claim(bank, key)) == 1
    async with bank.begin() as conn:
        assert await store.extend_leases(conn, runs, bank.now, LEASE) == 0


async def test_a_worker_that_stops_gives_it_to_the_next_one_at_once(bank):
    key = await fetched(bank)
    await leftovers.hand_back(bank.begin, await take(bank, key), bank.now)
    bank.carry = True
    await bank.sweep()
    assert (await run_of(bank, key))["state"] == "succeeded"
    assert await rows(bank) == (2, -1700)


async def test_what_was_fetched_a_while_ago_is_claimed_since_another_job_may_be_sent_for_it(bank):
    key = await fetched(bank)
    bank.now += timedelta(seconds=CARRY_SECONDS) - BEAT
    assert await take(bank, key) == []
    assert [run.hold for run in await claim(bank, key)] == [("ingesting", 1, 1)]


async def test_what_was_fetched_anew_meanwhile_is_not_taken_for_the_same(bank):
    key = await fetched(bank)
    runs = await take(bank, key)
    await bank.fetch("UPDATE sync_runs SET attempt = attempt + 1 WHERE run_id = $1", key.run_id)
    async with bank.begin() as conn:
        assert await store.lock_ingesting(conn, runs) == set()
