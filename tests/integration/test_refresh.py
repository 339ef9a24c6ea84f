"""Runs of one job: those that are complete are ingested together, and wait for no institution of somebody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from mintql.domain.errors import InstitutionDown
from mintql.services import extract
from mintql.services import refresh as module
from mintql.services.refresh import refresh
from mintql.store.sync import RunKey
from support.clients import eventually
from support.pipeline import Pipeline, open_pipeline
from support.scripted import ScriptedInstitution, page, row

DAY = date(2026, 11, 10)
WINDOW = (date(2026, 10, 29), date(2026, 11, 13))
STATES = "SELECT state FROM sync_runs WHERE user_id = $1 ORDER BY run_id DESC LIMIT 1"


class Slow(ScriptedInstitution):
    """Answers at once, but the first who asks is answered only when `goes_on`."""

    goes_on: asyncio.Event
    asked: int

    async def fetch(self, credentials: Any, request: Any) -> AsyncIterator[Any]:
        self.asked += 1
        if self.asked == 1:
            await self.goes_on.wait()
        async for answer in super().fetch(credentials, request):
            yield answer


@pytest.fixture
async def bank(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pipeline]:
    monkeypatch.setattr(module, "GATHER_SECONDS", 0.01)
    async with open_pipeline(database_url, tmp_path / "objects") as pipeline:
        yield pipeline


async def slow_and_others(bank: Pipeline, count: int) -> list[RunKey]:
    """Refreshes of persons who were read before, the first of whom has a slow institution."""
    people = [await bank.person() for _ in range(count)]
    for person in people:
        await bank.refresh(*person, page(window=WINDOW), reason="link")
    bank.institution = Slow()
    bank.institution.goes_on, bank.institution.asked = asyncio.Event(), 0
    bank.institution.pages = [page(row("t1", -450, DAY), window=WINDOW)]
    bank.carry = False
    return [await bank.refresh(*person) for person in people]


async def states(bank: Pipeline, keys: list[RunKey]) -> list[str]:
    return [await bank.value(STATES, key.user_id) for key in keys]


async def until(bank: Pipeline, keys: list[RunKey], wanted: list[str]) -> None:
    async def reached() -> bool:
        return await states(bank, keys) == wanted

    await eventually(reached)


async def test_who_is_done_does_not_wait_for_a_slow_institution_in_the_same_job(bank: Pipeline) -> None:
    keys = await slow_and_others(bank, 4)
    job = asyncio.create_task(refresh(bank.place, keys))
    await until(bank, keys, ["extracting", "succeeded", "succeeded", "succeeded"])
    assert await bank.value("SELECT count(*) FROM transactions") == 3
    bank.institution.goes_on.set()
    await job
    assert await states(bank, keys) == ["succeeded"] * 4
    attempts = await bank.fetch("SELECT attempt, ingest_attempt FROM sync_runs")
    assert {tuple(item) for item in attempts} == {(1, 1)}


async def test_what_is_not_done_when_the_job_is_put_down_is_given_back_at_once(bank: Pipeline) -> None:
    keys = await slow_and_others(bank, 2)
    job = asyncio.create_task(refresh(bank.place, keys))
    await until(bank, keys, ["extracting", "succeeded"])
    job.cancel()
    await asyncio.wait([job])
    assert job.cancelled()
    assert await states(bank, keys) == ["queued", "succeeded"]
    bank.carry = True
    await bank.sweep()
    assert await states(bank, keys) == ["succeeded"] * 2


async def test_the_rest_is_fetched_though_what_came_first_cannot_be_ingested_and_that_is_raised(
    bank: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = await slow_and_others(bank, 2)
    ingest = module.ingestion.ingest

    async def away(*_: Any, **__: Any) -> None:
        monkeypatch.setattr(module.ingestion, "ingest", ingest)
        bank.institution.goes_on.set()
        raise OSError("the database is away")

    monkeypatch.setattr(module.ingestion, "ingest", away)
    with pytest.raises(OSError, match="the database is away"):
        await refresh(bank.place, keys)
    assert await states(bank, keys) == ["succeeded", "extracted"]


async def test_a_run_whose_failure_cannot_be_written_down_does_not_leave_the_others_to_themselves(
    bank: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = await slow_and_others(bank, 3)
    settle_failure, fetch = extract.settle_failure, bank.institution.fetch

    async def second_is_down(credentials: Any, request: Any) -> AsyncIterator[Any]:
        if bank.institution.asked == 1:
            bank.institution.asked += 1
            raise InstitutionDown("it is down")
        async for answer in fetch(credentials, request):
            yield answer

    async def away(*_: Any) -> None:
        monkeypatch.setattr(extract, "settle_failure", settle_failure)
        raise OSError("the database is away")

    monkeypatch.setattr(bank.institution, "fetch", second_is_down)
    monkeypatch.setattr(extract, "settle_failure", away)
    job = asyncio.create_task(refresh(bank.place, keys))
    await until(bank, keys, ["extracting", "extracting", "succeeded"])
    bank.institution.goes_on.set()
    with pytest.raises(OSError, match="the database is away"):
        await job
    assert sorted(await states(bank, keys)) == ["extracting", "succeeded", "succeeded"]


async def test_what_extraction_raises_is_raised(bank: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any) -> None:
        raise OSError("the database is away")

    monkeypatch.setattr(module.extraction, "extract", away)
    with pytest.raises(OSError, match="the database is away"):
        await refresh(bank.place, [])
