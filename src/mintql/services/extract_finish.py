"""Recording extractions whose pages are all stored: those that end at about the same time go in together.

A transaction for each run of a job of a hundred is five ways to the database and a flush each; this is what a group
commit does for a log. A run alone waits for nobody, nor does the last one of a job.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from mintql.services.sync import CARRY_SECONDS
from mintql.store import sync as store
from mintql.store.queries import Conn
from mintql.store.sync import Extraction, Finished, RunKey, StoredPage

log = logging.getLogger(__name__)

RUNS_AT_ONCE_MAX = 100
GATHER_SECONDS = 0.1
"""How long a run waits for others of its job that are still being fetched."""

Begin = Callable[[], AbstractAsyncContextManager[Conn]]
WhenLost = Callable[[Conn, Extraction, Sequence[StoredPage], datetime], Awaitable[None]]


@dataclass(slots=True)
class _Waiting:
    """An extraction that waits to be recorded; `outcome` says whether it was still its worker's, or what failed."""

    item: Finished
    outcome: bool | Exception | None = None


class Finisher:
    """Records the finished extractions of one job.

    Args:
        begin: Opens a transaction.
        clock: Gives the time.
        when_lost: Called within the transaction for a run that is no longer this attempt's.
        runs: The runs of the job.
    """

    def __init__(
        self, begin: Begin, clock: Callable[[], datetime], when_lost: WhenLost, runs: Iterable[RunKey] = ()
    ) -> None:
        self._begin = begin
        self._clock = clock
        self._when_lost = when_lost
        self._turn = asyncio.Lock()
        self._waiting: list[_Waiting] = []
        self._under_way = set(runs)
        self._all_came = asyncio.Event()

    def leave(self, run: RunKey) -> None:
        """Wait no more for a run: it came, or has failed."""
        self._under_way.discard(run)
        if not self._under_way:
            self._all_came.set()

    async def finish(self, item: Finished) -> bool:
        """Record that all pages of a run are stored; False when the run is no longer this attempt's."""
        mine = _Waiting(item)
        self._waiting.append(mine)
        self.leave(item.run.key)
        async with self._turn:
            if mine.outcome is None:
                await self._gather()
                await self._write_waiting(mine)
        if isinstance(mine.outcome, Exception):
            raise mine.outcome
        return bool(mine.outcome)

    async def _gather(self) -> None:
        if self._under_way and len(self._waiting) < RUNS_AT_ONCE_MAX:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._all_came.wait(), GATHER_SECONDS)

    async def _write_waiting(self, mine: _Waiting) -> None:
        """Write what waits, this one among it; should that fail, each alone, so that none holds up the others."""
        batch = [mine, *(one for one in self._waiting if one is not mine)][:RUNS_AT_ONCE_MAX]
        try:
            await self._write(batch)
        except Exception as failure:
            if len(batch) > 1:
                log.exception("%s extractions could not be recorded together; trying each alone", len(batch))
                for one in batch:
                    await self._write_alone(one)
            else:
                mine.outcome = failure
        finally:
            # What was cancelled halfway waits on, and is written by whoever has the next turn.
            self._waiting = [one for one in self._waiting if one.outcome is None and one is not mine]

    async def _write_alone(self, one: _Waiting) -> None:
        try:
            await self._write([one])
        except Exception as failure:  # noqa: BLE001 - raised where its run is waited for
            one.outcome = failure

    async def _write(self, batch: Sequence[_Waiting]) -> None:
        async with self._begin() as conn:
            held = await self._record(conn, [one.item for one in batch])
        for one in batch:
            one.outcome = one.item.run.key in held

    async def _record(self, conn: Conn, finished: Sequence[Finished]) -> set[RunKey]:
        now = self._clock()
        held = await store.finish_extractions(conn, finished, now, timedelta(seconds=CARRY_SECONDS))
        for item in finished:
            if item.run.key not in held:
                await self._when_lost(conn, item.run, item.pages, now)
        return held
