"""What a worker that ends in the middle of a run leaves behind: nothing is lost, and others go on at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import pytest

from mintql.institutions.base import FetchRequest, RawPage
from mintql.services import ingest as ingest_module
from mintql.services.extract import LEASE, extract
from mintql.services.raw_pages import INLINE_BYTES_MAX
from mintql.services.sync import sweep_runs
from mintql.store.sync import claim_extraction
from support.pipeline import open_pipeline
from support.scripted import ScriptedInstitution, page, row

DAY = date(2026, 11, 3)
# The second is too large to wait for more pages, and the first does not wait for it.
PAGES = [page(row("a", -100, DAY)), page(row("b", -250, DAY)) + b" " * INLINE_BYTES_MAX]


@dataclass
class StallingInstitution(ScriptedInstitution):
    """Gives its pages and then says no more until it is let go."""

    stalled: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def fetch(self, credentials: object, request: FetchRequest) -> AsyncIterator[RawPage]:  # noqa: ARG002
        for content in self.pages:
            yield RawPage(content, "application/json")
        self.stalled.set()
        await self.go.wait()


@pytest.fixture
async def bank(database_url, tmp_path):
    async with open_pipeline(database_url, tmp_path / "objects") as opened:
        opened.institution = StallingInstitution(pages=PAGES)
        yield opened


async def begun(bank):
    """A run in hand: its pages are stored, and nothing is recorded of them yet."""
    bank.carry = False
    user_id, connection_id = await bank.person()
    key = await bank.refresh(user_id, connection_id)
    bank.carry = True
    job = asyncio.create_task(extract(bank.place, [key]))
    await bank.institution.stalled.wait()
    return key, job


async def pages_of(bank):
    rows = await bank.fetch("SELECT attempt, page, state, size_bytes FROM raw_objects ORDER BY attempt, page")
    return [tuple(item) for item in rows]


SIZES = [len(content) for content in PAGES]


async def test_a_worker_that_stops_hands_its_runs_back_and_another_one_takes_them_at_once(bank):
    key, job = await begun(bank)
    for _ in range(3):  # Whoever stops a worker asks more than once.
        job.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await job
    run = (await bank.fetch("SELECT state, lease_until, next_attempt_at, carries FROM sync_runs"))[0]
    assert tuple(run) == ("queued", None, bank.now, 0)
    bank.institution.go.set()
    await bank.run_job("extract", [list(key)])
    assert await bank.value("SELECT state FROM sync_runs") == "succeeded"
    assert await bank.value("SELECT sum(amount_minor)::bigint FROM transactions") == -350


async def test_cached_answers_are_stale_where_a_worker_stops_between_its_commit_and_what_follows(bank, monkeypatch):
    key, job = await begun(bank)
    bank.institution.go.set()
    await job
    committed, write = asyncio.Event(), ingest_module.write_slices

    @asynccontextmanager
    async def begin():
        async with bank.begin() as conn:
            yield conn
        if writing:
            committed.set()
            await asyncio.Event().wait()

    async def write_slices(*args):
        writing.append(True)
        return await write(*args)

    writing = []
    monkeypatch.setattr(ingest_module, "write_slices", write_slices)
    bank.effects.changed.clear()
    job = asyncio.create_task(ingest_module.ingest(replace(bank.place, begin=begin), [key]))
    await committed.wait()
    writing.clear()
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    assert await bank.value("SELECT state FROM sync_runs") == "succeeded"
    assert bank.effects.changed == {key.user_id}


async def test_a_run_that_is_somebody_elses_by_now_is_not_handed_back(bank):
    _, job = await begun(bank)
    await bank.fetch("UPDATE sync_runs SET attempt = 2")
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    assert await bank.value("SELECT state FROM sync_runs") == "extracting"
    assert await bank.value("SELECT lease_until FROM sync_runs") is not None


async def test_pages_of_a_worker_that_was_killed_are_recorded_by_the_next_attempt(bank):
    key, job = await begun(bank)
    # Killed outright: no code of its own runs any more, and its lease runs out.
    await bank.fetch("UPDATE sync_runs SET attempt = attempt + 1, lease_until = $1", bank.now - timedelta(seconds=1))
    job.cancel()
    await asyncio.wait([job])
    assert await pages_of(bank) == []
    bank.institution.go.set()
    bank.now += LEASE
    await bank.run_job("extract", [list(key)])
    assert await pages_of(bank) == [
        (1, 0, "abandoned", SIZES[0]),
        (1, 1, "abandoned", SIZES[1]),
        (3, 0, "ingested", SIZES[0]),
        (3, 1, "ingested", SIZES[1]),
    ]
    assert await bank.value("SELECT sum(amount_minor)::bigint FROM transactions") == -350


async def test_pages_of_an_attempt_that_comes_too_late_are_recorded_by_itself(bank):
    _, job = await begun(bank)
    await bank.fetch("UPDATE sync_runs SET attempt = 2")
    bank.institution.go.set()
    await job
    assert await pages_of(bank) == [(1, 0, "abandoned", SIZES[0]), (1, 1, "abandoned", SIZES[1])]
    assert await bank.value("SELECT state FROM sync_runs") == "extracting"


async def test_a_run_whose_jobs_were_lost_again_and_again_waits_no_longer_once_its_queue_is_empty(bank):
    bank.carry = False
    key = await bank.refresh(*await bank.person())

    async def sent(after_seconds, idle=()):
        bank.now += timedelta(seconds=after_seconds)
        async with bank.begin() as conn:
            return [job.args for job in (await sweep_runs(conn, bank.now, idle)).jobs]

    again = [([list(key)],)]
    assert [await sent(seconds) for seconds in (5, 10, 20)] == [again, again, again]
    assert await sent(3) == []
    assert await sent(0, {True}) == []
    assert await sent(0, {False}) == again


async def test_a_run_whose_job_has_come_is_not_taken_for_lost_when_its_worker_dies(bank):
    bank.carry = False
    key = await bank.refresh(*await bank.person())
    await bank.fetch("UPDATE sync_runs SET carries = 6, carried_until = $1", bank.now + timedelta(minutes=5))
    async with bank.begin() as conn:
        (claimed,) = await claim_extraction(conn, [key], bank.now, LEASE)
    bank.now += LEASE + timedelta(seconds=1)
    async with bank.begin() as conn:
        assert [job.args for job in (await sweep_runs(conn, bank.now)).jobs] == [([list(key)],)]
    assert claimed.attempt == 1
