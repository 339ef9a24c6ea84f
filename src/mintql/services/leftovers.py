"""What a worker leaves behind that ends in the middle of a run: pages that nobody recorded, and leases.

A worker that is told to stop hands its runs back; of one that is killed, the next attempt finds the pages.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from datetime import datetime

from mintql.gateways.objects import ObjectMissing, ObjectStore, ObjectStoreDown
from mintql.services.raw_pages import attempt_and_page, run_prefix, unpack
from mintql.store import sync as store
from mintql.store.queries import Conn
from mintql.store.sync import Claim, Extraction, StoredPage

log = logging.getLogger(__name__)

Begin = Callable[[], AbstractAsyncContextManager[Conn]]

HAND_BACK_SECONDS_MAX = 2.0
"""A worker that stops waits no longer for the database: the leases run out by themselves."""


async def hand_back(begin: Begin, runs: Sequence[Claim], now: datetime) -> None:
    """Give up the leases of runs whose job is being cancelled, so that another worker can take them at once.

    Goes on when it is cancelled meanwhile, and never fails.
    """
    releasing = asyncio.create_task(_release(begin, runs, now))
    while not releasing.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([releasing])


async def _release(begin: Begin, runs: Sequence[Claim], now: datetime) -> None:
    try:
        async with asyncio.timeout(HAND_BACK_SECONDS_MAX), begin() as conn:
            await store.release_leases(conn, runs, now)
    except Exception as error:  # noqa: BLE001 - whatever it is, the sweeper finds the runs when their leases have run out
        log.warning("leases not handed back: %s: %s", type(error).__name__, error)


async def record_leftovers(begin: Begin, objects: ObjectStore, run: Extraction) -> None:
    """Record pages of earlier attempts that were stored and never recorded, because their worker was killed.

    They are of no use, but what institutions said is kept, and nothing is in the object store that nobody knows of.
    """
    try:
        found = await _unknown(begin, objects, run)
        async with begin() as conn:
            extractions = [(run.key, attempt, pages) for attempt, pages in sorted(found.items())]
            await store.insert_abandoned_objects(conn, extractions)
    except ObjectStoreDown as error:
        log.warning("leftovers of run %s not looked for: %s", run.key.run_id, error)


async def _unknown(begin: Begin, objects: ObjectStore, run: Extraction) -> dict[int, list[StoredPage]]:
    """Return the pages of earlier attempts that the database does not know."""
    async with begin() as conn:
        known = await store.object_keys_of_run(conn, run.key)
    found: dict[int, list[StoredPage]] = {}
    async for object_key in objects.list(run_prefix(run)):
        told = attempt_and_page(run, object_key)
        if told is None or object_key in known or told[0] >= run.attempt:
            continue
        with suppress(ObjectMissing, OSError, EOFError, zlib.error):
            pages = enumerate((await unpack(await objects.get(object_key))).items(), told[1])
            found.setdefault(told[0], []).extend(
                StoredPage(number, object_key, digest, len(content), "application/octet-stream")
                for number, (digest, content) in pages
            )
    return found
