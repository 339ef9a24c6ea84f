"""What persons wait for and what waits in the background: two queues, and what becomes of a job whose worker stops."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from arq.worker import Worker

from mintql import workers
from mintql.gateways.queue import Job, background_of
from mintql.jobs import worker_options
from mintql.runtime import Runtime
from mintql.services import extract as extraction
from mintql.settings import Settings
from mintql.workers import work_until

PATIENCE_SECONDS = 20
STALLING = 1
"""The person whose extractions do not come to their end."""


class Extractions:
    """Stands where extraction does: notes what is begun, and stalls for one person."""

    def __init__(self) -> None:
        self.begun: list[list[tuple[int, int]]] = []
        self.stalls = True

    async def __call__(self, _place: Any, keys: Any, _on_complete: Any) -> None:
        self.begun.append([tuple(key) for key in keys])
        while self.stalls and keys[0].user_id == STALLING:  # noqa: ASYNC110 - as a real one would ask again.
            await asyncio.sleep(0.01)

    async def until(self, count: int) -> None:
        """Wait until so many were begun."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.begun) < count:  # noqa: ASYNC110 - a worker begins them.
                await asyncio.sleep(0.01)


@pytest.fixture
def extractions(monkeypatch: pytest.MonkeyPatch) -> Extractions:
    standing = Extractions()
    monkeypatch.setattr(extraction, "extract", standing)
    return standing


async def test_a_person_s_refresh_is_started_while_the_background_is_full(
    runtime: Runtime, settings: Settings, extractions: Extractions, worker: object
) -> None:
    at_once = settings.worker_background_jobs
    await runtime.queue.enqueue_all([Job("extract", ([[STALLING, n]],), background=True) for n in range(at_once + 30)])
    await extractions.until(at_once)
    await runtime.queue.enqueue("extract", [[2, 1]])
    await extractions.until(at_once + 1)
    assert extractions.begun[-1] == [(2, 1)]
    extractions.stalls = False


async def test_what_was_begun_in_the_background_goes_before_what_was_not(runtime: Runtime) -> None:
    await runtime.queue.enqueue_all([Job("extract_daily", (n,), background=True) for n in range(3)])
    await runtime.queue.enqueue_all([Job("ingest", ([[1, 1]],)).begun()])
    waiting = await runtime.redis.queued_jobs(queue_name=background_of(runtime.settings.queue_name))
    assert [job.function for job in waiting] == ["ingest", "extract_daily", "extract_daily", "extract_daily"]
    assert await runtime.redis.zcard(runtime.settings.queue_name) == 0


async def test_many_jobs_are_enqueued_each_once_and_a_person_is_taken_out_of_both_queues(runtime: Runtime) -> None:
    jobs = [Job("extract", ([[person, 1]],), background=person % 2 == 0) for person in range(1, 251)]
    assert await runtime.queue.enqueue_all(jobs)
    await runtime.queue.enqueue("extract_daily", 7, 70, 8, 80, "2026-11-12", 65_536, background=True)
    assert await runtime.queue.forget(8) == 2
    assert await runtime.queue.forget(7) == 1
    names = (runtime.settings.queue_name, background_of(runtime.settings.queue_name))
    assert [await runtime.redis.zcard(name) for name in names] == [124, 124]


async def test_a_worker_that_stops_puts_back_its_job_without_a_word_of_failure_and_another_takes_it(
    runtime: Runtime,
    settings: Settings,
    extractions: Extractions,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(workers, "SHUTDOWN_SECONDS", 0.1)
    await runtime.queue.enqueue("extract", [[STALLING, 1]])
    for begun in (1, 2):
        stopped = asyncio.Event()
        arq_worker = Worker(**worker_options(settings), ctx={"settings": settings, "alone": True}, handle_signals=False)
        working = asyncio.create_task(work_until(stopped, arq_worker))
        await extractions.until(begun)
        stopped.set()
        assert await working is None
        await arq_worker.close()
    assert extractions.begun == [[(STALLING, 1)]] * 2
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []
