"""Telling the outside what the outbox holds: with a lease, growing pauses, and an end that is said aloud.

Channels are worked off side by side, each with takes, time limit and concurrency of its own, so that a receiver that
is slow or dead holds up nothing but itself. A channel is a `Deliver`, registered by its name in
`mintql.channels.outside_channels`; what a delivery is of, `store.notices_read.by_event` tells it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import partial
from time import perf_counter

from mintql.observing import metrics
from mintql.observing.context import pseudonym
from mintql.services.extract import Begin, Clock
from mintql.services.rounds import work_off
from mintql.store import outbox
from mintql.store.outbox import Delivery, Settled

log = logging.getLogger(__name__)

DELIVERIES_AT_ONCE_MAX = 20
"""On one channel of one process."""
DELIVERY_SECONDS_MAX = 30.0
LEASE = timedelta(seconds=60)
"""Longer than a delivery may take, or another worker would begin it too."""
RETRY_SECONDS = (1, 5, 30, 300, 1_800, 7_200, 18_000, 36_000)
ATTEMPTS_MAX = len(RETRY_SECONDS) + 1
KEPT_DAYS = 30
"""How long it is remembered what became of a delivery."""

Deliver = Callable[[Delivery], Awaitable[None]]
"""Tells one delivery to its channel. Raises when it could not: `SkippedError` or `UndeliverableError` when trying
again is no use. May be called twice for one delivery, whose `idempotency_id` is the same then, and is cut off after
`DELIVERY_SECONDS_MAX`."""


class SkippedError(Exception):
    """It is not wanted on this channel any more, or the channel is not set up here; the message says which."""


class UndeliverableError(Exception):
    """The receiver refuses it for good, as the message says."""


class Notifier:
    """Works off the outbox in one process. Keep one: it sees to it that no channel is worked off twice at a time."""

    def __init__(self, begin: Begin, channels: Mapping[str, Deliver], clock: Clock) -> None:
        self._begin = begin
        self._channels = channels
        self._clock = clock
        self._woken: dict[str, asyncio.Event] = {}

    async def run(self) -> int:
        """Work off what is due; return how many deliveries were taken. May die anywhere: the leases run out.

        A channel that an earlier call is still at is left to that one, which looks again.
        """
        async with self._begin() as conn:
            due = await outbox.channels_due(conn, self._clock())
        # Nothing is awaited between looking whether a channel is worked off and saying that it is.
        mine = {channel: asyncio.Event() for channel in due if channel not in self._woken}
        for channel in set(due) - mine.keys():
            self._woken[channel].set()
        self._woken |= mine
        try:
            return sum(await asyncio.gather(*[self._work_off(channel, woken) for channel, woken in mine.items()]))
        finally:
            for channel, woken in mine.items():
                self._leave(channel, woken)

    def _leave(self, channel: str, woken: asyncio.Event) -> None:
        if self._woken.get(channel) is woken:
            del self._woken[channel]

    async def _work_off(self, channel: str, woken: asyncio.Event) -> int:
        try:
            return await work_off(
                partial(self._take, channel), self._deliver, self._settle, woken, DELIVERIES_AT_ONCE_MAX
            )
        finally:
            self._leave(channel, woken)

    async def _take(self, channel: str, room: int) -> list[Delivery]:
        now = self._clock()
        async with self._begin() as conn:
            return await outbox.take_due(conn, channel, now, room, now + LEASE)

    async def _settle(self, settled: list[Settled]) -> None:
        async with self._begin() as conn:
            await outbox.settle(conn, settled)

    async def _deliver(self, item: Delivery) -> Settled:
        started_at = perf_counter()
        settled = await self._attempt(item)
        metrics.DELIVERY_SECONDS.of(item.channel).observe(perf_counter() - started_at)
        metrics.DELIVERIES.of(item.channel, settled.state).add()
        return settled

    async def _attempt(self, item: Delivery) -> Settled:
        deliver = self._channels.get(item.channel)
        if deliver is None:
            return Settled(item, "skipped", self._clock(), f"there is no channel {item.channel!r} here")
        try:
            async with asyncio.timeout(DELIVERY_SECONDS_MAX):
                await deliver(item)
        except SkippedError as error:
            return Settled(item, "skipped", self._clock(), _reason(error))
        except UndeliverableError as error:
            return self._dead(item, error)
        except Exception as error:  # noqa: BLE001 - a channel is somebody else's code or machine; the outbox outlives it
            if item.attempts >= ATTEMPTS_MAX:
                return self._dead(item, error)
            pause = RETRY_SECONDS[min(item.attempts, len(RETRY_SECONDS)) - 1]
            return Settled(item, "due", self._clock() + timedelta(seconds=pause), _reason(error))
        return Settled(item, "sent", self._clock())

    def _dead(self, item: Delivery, error: Exception) -> Settled:
        log.error(
            "delivery %s of person %s on channel %s given up after %s attempts: %s",
            item.seq, pseudonym(item.user_id), item.channel, item.attempts, _reason(error),
        )  # fmt: skip
        return Settled(item, "dead", self._clock(), _reason(error))


async def notify(begin: Begin, channels: Mapping[str, Deliver], clock: Clock) -> int:
    """Work off what is due once; return how many deliveries were taken."""
    return await Notifier(begin, channels, clock).run()


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:500]
