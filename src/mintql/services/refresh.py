"""Refreshing: runs are extracted, and ingested by the same job while others of it are still being fetched.

What was just fetched need not be carried to another worker, read back, or claimed once more; and nobody waits for the
institution of somebody else that happens to be in the same job.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from mintql.observing import tracing
from mintql.services import extract as extraction
from mintql.services import ingest as ingestion
from mintql.services.extract import Workplace
from mintql.store.sync import RunKey

GATHER_SECONDS = 1.0
"""How long runs that are complete wait for others of their job, to be ingested in one transaction with them: less than
what keeps other jobs from taking them up."""


async def refresh(place: Workplace, keys: Sequence[RunKey]) -> None:
    """Extract and ingest these runs. May be called twice, and may die anywhere, as both.

    What cannot be ingested now is no reason to fetch no more: it is raised when all is fetched.
    """
    complete: list[RunKey] = []
    some = asyncio.Event()
    failure: Exception | None = None

    def note(key: RunKey) -> None:
        complete.append(key)
        some.set()

    fetching = asyncio.create_task(extraction.extract(place, keys, note))
    fetching.add_done_callback(lambda _: some.set())
    try:
        while complete or not fetching.done():
            await some.wait()
            await asyncio.wait([fetching], timeout=GATHER_SECONDS)
            some.clear()
            batch = complete.copy()
            complete.clear()
            try:
                await _ingest(place, batch)
            except Exception as error:  # noqa: BLE001 - raised below
                failure = failure or error
    finally:
        fetching.cancel()
        await asyncio.wait([fetching])
    fetching.result()
    if failure is not None:
        raise failure


async def _ingest(place: Workplace, keys: Sequence[RunKey]) -> None:
    if keys:
        with tracing.span("ingest", "internal"):
            await ingestion.ingest(place, keys, fetched=True)
