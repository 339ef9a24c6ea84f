"""Working off what is due side by side: bounded in number and time, and going on when more comes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

ROUND_SECONDS_MAX = 120.0
"""How long one round goes on taking what is due. The next one goes on from there."""

Item = TypeVar("Item")
Result = TypeVar("Result")


async def work_off(
    take: Callable[[int], Awaitable[Sequence[Item]]],
    work: Callable[[Item], Coroutine[Any, Any, Result]],
    settle: Callable[[list[Result]], Awaitable[None]],
    woken: asyncio.Event,
    at_once_max: int,
) -> int:
    """Work off items until none is due and nobody says that there are more; return how many were taken.

    Args:
        take: Takes what is due, at most as many items as told. Not called once time is up.
        work: Works off one item, beside others.
        settle: Notes what became of those that are over, together.
        woken: Set by whoever finds more to do while this goes on.
        at_once_max: How many items are under way at a time.
    """
    running: set[asyncio.Task[Result]] = set()
    count, until = 0, asyncio.get_running_loop().time() + ROUND_SECONDS_MAX
    try:
        while True:
            woken.clear()
            room = at_once_max - len(running)
            if room > 0 and asyncio.get_running_loop().time() < until:
                taken = await take(room)
                running |= {asyncio.create_task(work(item)) for item in taken}
                count += len(taken)
            if not running and not woken.is_set():
                return count
            done = await _first_of(running, woken)
            running -= done
            if done:
                await settle([task.result() for task in done])
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _first_of(running: set[asyncio.Task[Result]], woken: asyncio.Event) -> set[asyncio.Task[Result]]:
    """Wait until an item is over, or somebody says that there are more; return those that are over."""
    waiting = asyncio.create_task(woken.wait())
    try:
        await asyncio.wait({*running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    return {task for task in running if task.done()}
