"""`mintql spending --from raw`: the batch over the raw log, its outcome printed, compared or put in place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import daft

from mintql.batch.partitions import FIGURES
from mintql.batch.spending import Batch, SumDifference, open_place, prepare, rebuild
from mintql.domain.ids import UserId
from mintql.domain.months import month_text
from mintql.runtime import Runtime
from mintql.services.extract import utc_now
from mintql.settings import Settings

DIFFERENCES_SHOWN_MAX = 100

Say = Callable[[str], None]
"""Takes a line for the person at the terminal."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for: of whom (None: all), on which Ray cluster (None: in this process), what to do with it."""

    user_id: UserId | None = None
    ray: str | None = None
    scratch: str | None = None
    compare: bool = False
    rebuild: bool = False


async def add_up(runtime: Runtime, settings: Settings, wanted: Wanted, say: Say) -> int:
    """Do what is wanted; return how many sums differ and stay so."""
    if wanted.ray is None:
        daft.set_runner_native()
    else:
        daft.set_runner_ray(wanted.ray)
    async with open_place(runtime.objects, settings.object_store, settings.s3_endpoint_url, wanted.scratch) as place:
        async with (
            runtime.pool.acquire() as conn,
            conn.transaction(isolation="repeatable_read", readonly=True),
        ):
            batch = await prepare(conn, place, wanted.user_id)
        if not wanted.compare:
            await asyncio.to_thread(_print, batch, say)
            return 0
        found = await asyncio.to_thread(batch.differences)
    _tell(batch, found, say)
    if not wanted.rebuild:
        return len(found)
    async for effects in rebuild(runtime.system, found, utc_now()):
        await runtime.perform(effects)
    left = sum(item.moving for item in found)
    if found:
        say(f"{len(found) - left} sums are what the raw log says now")
    return left


def _print(batch: Batch, say: Say) -> None:
    say("\t".join(("user_id", "month", "category_id", "currency", *FIGURES)))
    for item in batch.rows():
        figures = map(str, item.values)
        say("\t".join((str(item.user_id), month_text(item.month), str(item.category_id), item.currency, *figures)))


def _tell(batch: Batch, found: Iterable[SumDifference], say: Say) -> None:
    differing = list(found)
    for item in differing[:DIFFERENCES_SHOWN_MAX]:
        say(str(item))
    if len(differing) > DIFFERENCES_SHOWN_MAX:
        say(f"and {len(differing) - DIFFERENCES_SHOWN_MAX} more")
    for reason, count in sorted(batch.decided.reasons.items()):
        say(f"decided by the database, {reason}: {count} rows")
    say(f"{len(differing)} sums differ" if differing else "the stored sums are what the raw log says")
