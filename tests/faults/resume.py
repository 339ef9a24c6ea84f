"""How long work stands still after something died: measured with one login whose bank is slow, one death at a time."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx

from faults.clients import REFRESH, SUMMARY, Person, eventually
from faults.stack import Stack

PATIENCE_SECONDS = 60
POLL_SECONDS = 0.05
SLOW_SECONDS = {signal.SIGKILL: 2, signal.SIGTERM: 4}
"""For each answer of the bank: with five of them a job is in hand long enough, and longer than it is waited for."""
RUN = """
SELECT state, run_id FROM sync_runs WHERE user_id = $1 ORDER BY run_id DESC LIMIT 1
"""


class Meter:
    """Measures with a person of its own."""

    def __init__(self, stack: Stack, person: Person) -> None:
        self._stack, self._person = stack, person
        self._holders: list[tuple[float, str]] = []
        """When which worker began to speak to the bank for this login."""
        mark = f'"{person.login}"'.encode()
        for name, link in stack.links.items():
            member, _, end = name.partition(">")
            if end == "bank" and member.startswith("worker"):
                link.seen = self._watch(member, mark)

    def _watch(self, member: str, mark: bytes) -> Callable[[bytes], None]:
        def seen(data: bytes) -> None:
            if mark in data:
                self._holders.append((time.monotonic(), member))

        return seen

    async def after_worker(self, how: signal.Signals) -> float:
        """Return how long it takes from the end of a worker with a job in hand until another one has the job."""
        await self._slow(SLOW_SECONDS[how])
        self._holders.clear()
        await self._refresh()
        _, holder = (await self._until("a worker has the job", lambda: self._holders))[0]
        member = self._stack.members[holder]
        began = time.monotonic()
        member.signal(how)
        await self._until("another worker has the job", lambda: len(self._holders) > 1)
        seconds = self._holders[1][0] - began
        await self._slow(0)
        await self._until("the job is done", self._succeeded)
        return seconds

    async def after_valkey(self) -> float:
        """Return how long it takes from when a Valkey that was killed is back until a refresh has gone through."""
        began = await self._kill("valkey")
        await self._refresh()
        await self._until("the refresh is done", self._succeeded)
        return time.monotonic() - began

    async def after_postgres(self) -> float:
        """Return how long it takes from when a PostgreSQL that was killed is back until all is as before: a page is
        answered, and a refresh has gone through."""
        began = await self._kill("postgres")
        while (await self._person.ask(SUMMARY))[0] != "done":
            await asyncio.sleep(POLL_SECONDS)
        await self._refresh()
        await self._until("the refresh is done", self._succeeded)
        return time.monotonic() - began

    async def _kill(self, name: str) -> float:
        member = self._stack.members[name]
        starts = member.starts
        member.signal(signal.SIGKILL)
        await self._until(f"{name} is started", lambda: member.starts > starts)
        if member.wait_until_ready is not None:
            await asyncio.to_thread(member.wait_until_ready)
        return time.monotonic()

    async def _refresh(self) -> None:
        while (await self._person.ask(REFRESH, id=self._person.connection))[0] != "done":
            await asyncio.sleep(POLL_SECONDS)

    async def _succeeded(self) -> bool:
        with suppress(OSError):
            conn = await self._stack.connect()
            try:
                row = await conn.fetchrow(RUN, self._person.user_id)
                return row is not None and row["state"] == "succeeded"
            finally:
                await conn.close()
        return False

    async def _slow(self, seconds: float) -> None:
        url = f"{self._stack.bank_url}/control/{self._person.login}/scenario"
        with suppress(httpx.HTTPError):
            if seconds:
                await self._stack.http.put(url, json={"name": "slow", "seconds": seconds})
            else:
                await self._stack.http.delete(url)

    async def _until(self, what: str, condition: Callable[[], Any]) -> Any:
        return await eventually(what, condition, PATIENCE_SECONDS)
