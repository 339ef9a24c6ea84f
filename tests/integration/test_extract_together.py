"""Extractions of one job that end together are recorded together, and none of them holds up the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mintql.domain.ids import UserId
from mintql.services import extract_finish as module
from mintql.services.extract_finish import Finisher
from mintql.store import sync as store
from mintql.store.sync import Extracted, Extraction, Finished, RunKey, StoredPage
from support.pipeline import Pipeline, open_pipeline

RUNS = 8


@dataclass
class Desk:
    """Claimed runs of one person each, and a finisher whose transactions are counted."""

    bank: Pipeline
    runs: list[Extraction]
    transactions: int = 0
    lost: list[RunKey] = field(default_factory=list)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Any]:
        async with self.bank.begin() as conn:
            self.transactions += 1
            yield conn

    def finisher(self) -> Finisher:
        return Finisher(self.begin, lambda: self.bank.now, self.note_lost, [run.key for run in self.runs])

    async def finish(self, finished: list[Finished]) -> list[Any]:
        finisher = self.finisher()
        return await asyncio.gather(*(finisher.finish(item) for item in finished), return_exceptions=True)

    async def note_lost(self, _conn: Any, run: Extraction, _pages: Any, _now: Any) -> None:
        self.lost.append(run.key)

    async def states(self) -> dict[UserId, tuple[str, int]]:
        rows = await self.bank.fetch(
            "SELECT run.user_id, run.state, count(object.page) AS pages FROM sync_runs AS run"
            " LEFT JOIN raw_objects AS object USING (user_id, run_id) GROUP BY 1, run.run_id, 2"
        )
        return {row["user_id"]: (row["state"], row["pages"]) for row in rows}


def done(run: Extraction, **changes: Any) -> Finished:
    pages = [StoredPage(number, f"raw/{run.key.run_id}/{number}", bytes(32), 7, "text/plain") for number in range(2)]
    return Finished(run, pages, Extracted(None, "next", **changes))


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_pipeline(database_url, tmp_path, carry=False) as bank:
        keys = [await bank.refresh(*await bank.person()) for _ in range(RUNS)]
        async with bank.begin() as conn:
            runs = await store.claim_extraction(conn, keys, bank.now, bank.now - bank.now.replace(year=2025))
        yield Desk(bank, sorted(runs, key=lambda run: run.key))


async def test_what_ends_while_another_is_written_goes_in_together(desk: Desk) -> None:
    assert await desk.finish([done(run) for run in desk.runs]) == [True] * RUNS
    assert desk.transactions == 1
    assert await desk.states() == {run.key.user_id: ("extracted", 2) for run in desk.runs}


async def test_a_run_that_somebody_else_has_taken_is_told_so_and_the_others_are_recorded(desk: Desk) -> None:
    taken = desk.runs[3]
    await desk.bank.fetch("UPDATE sync_runs SET attempt = attempt + 1 WHERE user_id = $1", taken.key.user_id)
    assert await desk.finish([done(run) for run in desk.runs]) == [run is not taken for run in desk.runs]
    assert desk.lost == [taken.key]
    states = await desk.states()
    assert states.pop(taken.key.user_id) == ("extracting", 0)
    assert set(states.values()) == {("extracted", 2)}


async def test_one_that_cannot_be_recorded_fails_alone(desk: Desk) -> None:
    bad = desk.runs[5]
    finished = [done(run, failures=[{"account": "\0"}] if run is bad else ()) for run in desk.runs]
    outcomes = await desk.finish(finished)
    assert [outcome is True for outcome in outcomes] == [run is not bad for run in desk.runs]
    assert isinstance(outcomes[5], Exception)
    states = await desk.states()
    assert states.pop(bad.key.user_id) == ("extracting", 0)
    assert set(states.values()) == {("extracted", 2)}


async def test_runs_of_a_job_that_end_one_after_the_other_go_in_together(desk: Desk, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "GATHER_SECONDS", 60)
    finisher = desk.finisher()

    async def end(place: int, run: Extraction) -> bool:
        await asyncio.sleep(place * 0.005)
        return await finisher.finish(done(run))

    async with asyncio.timeout(20):
        assert await asyncio.gather(*(end(*item) for item in enumerate(desk.runs))) == [True] * RUNS
    assert desk.transactions == 1


async def test_a_run_that_failed_is_waited_for_no_more(desk: Desk, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "GATHER_SECONDS", 60)
    finisher = desk.finisher()
    ending = asyncio.gather(*(finisher.finish(done(run)) for run in desk.runs[1:]))
    await asyncio.sleep(0.05)
    assert desk.transactions == 0
    finisher.leave(desk.runs[0].key)
    async with asyncio.timeout(20):
        assert await ending == [True] * (RUNS - 1)


async def test_a_run_that_takes_long_holds_the_others_up_for_a_moment_only(desk: Desk) -> None:
    finisher = desk.finisher()
    async with asyncio.timeout(20):
        assert await finisher.finish(done(desk.runs[0]))
        assert await finisher.finish(done(desk.runs[1]))
    assert desk.transactions == 2
