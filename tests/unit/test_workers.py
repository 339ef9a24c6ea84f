"""How long a worker that stops waits for its jobs."""

from __future__ import annotations

import asyncio

from mintql import workers


async def test_jobs_have_their_time_to_end_and_none_when_somebody_is_in_a_hurry(monkeypatch):
    monkeypatch.setattr(workers, "SHUTDOWN_SECONDS", 60)
    hurried = asyncio.Event()
    short, long = asyncio.create_task(asyncio.sleep(0.01)), asyncio.create_task(asyncio.sleep(60))
    await workers.wait_for_jobs([short], hurried)
    assert short.done()
    waiting = asyncio.create_task(workers.wait_for_jobs([long], hurried))
    await asyncio.sleep(0)
    assert not waiting.done()
    hurried.set()
    async with asyncio.timeout(5):
        await waiting
    assert not long.done()  # To be put down is the next step.
    long.cancel()
