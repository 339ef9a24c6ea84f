"""How much each may ask of all processes together, counted in Redis.

`CostLimiter` is asked by every operation and therefore waits for nothing: each process adds up by itself what somebody
asked of it in a window, and tells Redis in the background whenever that has grown by a `SETTLED_SHARE` of the limit;
the answer is what all processes know together. Of the many who ask for little Redis is never told. So the limit is
approximate: somebody who asks of `n` processes at once may get `limit * (1 + n * SETTLED_SHARE)`, and what one process
lets through while one answer of Redis is on its way. Windows begin at the same moment for everybody, so that twice the
limit may be asked for around the end of one.

`CountLimiter` is for what is rare and costly. It asks Redis each time, about a window that moves, and is exact.

While Redis is away, each process holds to the limits by what it knows itself.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

from limits import RateLimitItemPerHour, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import Redis
from redis.exceptions import RedisError

from mintql.gateways.cache import LIMITS_PREFIX

log = logging.getLogger(__name__)

T = TypeVar("T")

COST_WINDOW_SECONDS = 60
SETTLED_SHARE = 1 / 20
PAYERS_MAX = 100_000
"""Of how many a process keeps count in one window. Any others share one account, whoever they are."""
THE_OTHERS = ""
SETTLED_AT_ONCE_MAX = 8
PAUSE_SECONDS = 1.0
"""How long Redis is left alone after it failed."""
OUTAGES = (RedisError, OSError, TimeoutError)


class Standing(NamedTuple):
    """What became of a charge: of `limit` within a window, `remaining` are left until it ends in `reset_seconds`."""

    name: str
    admitted: bool
    limit: int
    remaining: int
    reset_seconds: int


class Counters:
    """The counters in Redis, left alone for a while whenever it fails."""

    def __init__(self, redis: Redis) -> None:
        # The address only says by which client; the pool is the one with the process's bounds.
        pool = redis.connection_pool
        self.storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix=LIMITS_PREFIX,
            connection_pool=pool,  # type: ignore[arg-type] # The library's annotation knows texts and numbers only.
        )
        self._paused_until = 0.0

    @property
    def are_away(self) -> bool:
        """Whether Redis failed a moment ago."""
        return time.monotonic() < self._paused_until

    async def ask(self, command: Callable[[], Awaitable[T]]) -> T | None:
        """Run a command; None while Redis is away."""
        if self.are_away:
            return None
        try:
            return await command()
        except OUTAGES as error:
            log.warning("limits are held by each process alone, Redis is not reachable: %s", error)
            self._paused_until = time.monotonic() + PAUSE_SECONDS
            return None


class _Account:
    """What somebody has spent in the window as far as is known, and how much of it Redis was not told."""

    __slots__ = ("spent", "unsettled")

    def __init__(self) -> None:
        self.spent = 0
        self.unsettled = 0


class CostLimiter:
    """A limit on the cost per minute of each payer: a person by number, an address by its text. `limit` 0 is none."""

    def __init__(self, name: str, limit: int, counters: Counters, clock: Callable[[], float] = time.time) -> None:
        self.limit = limit
        self._name = name
        self._item = RateLimitItemPerMinute(max(limit, 1), namespace=name)
        self._step = max(1, int(limit * SETTLED_SHARE))
        self._counters = counters
        self._clock = clock
        self._window = 0
        self._accounts: dict[int | str, _Account] = {}
        self._waiting: dict[int | str, _Account] = {}
        self._settling: asyncio.Task[None] | None = None

    def is_spent(self, payer: int | str, least: int) -> bool:
        """Tell whether not even `least` is left to the payer, without charging anything."""
        account = self._accounts.get(payer)
        spent = account is not None and account.spent + least > self.limit > 0
        return spent and self._now()[0] == self._window

    def charge(self, payer: int | str, cost: int) -> Standing:
        """Take `cost` from what is left to the payer, if that is enough; a first charge always is."""
        window, left_seconds = self._now()
        if window != self._window:
            self._window, self._accounts = window, {}
        account = self._accounts.get(payer)
        if account is None:
            if len(self._accounts) >= PAYERS_MAX:
                payer = THE_OTHERS
            account = self._accounts.setdefault(payer, _Account())
        if account.spent and account.spent + cost > self.limit:
            return Standing(self._name, False, self.limit, max(0, self.limit - account.spent), left_seconds)
        account.spent += cost
        account.unsettled += cost
        if account.unsettled >= self._step and not self._counters.are_away:
            self._waiting[payer] = account
            if self._settling is None or self._settling.done():
                self._settling = asyncio.create_task(self._settle(), name=f"limits-{self._name}")
        return Standing(self._name, True, self.limit, max(0, self.limit - account.spent), left_seconds)

    def standing(self, payer: int | str) -> Standing:
        """Return what is left to the payer."""
        window, left_seconds = self._now()
        account = self._accounts.get(payer) if window == self._window else None
        left = self.limit if account is None else max(0, self.limit - account.spent)
        return Standing(self._name, left > 0, self.limit, left, left_seconds)

    async def settled(self) -> None:
        """Wait until Redis was told what it had to be told."""
        if self._settling is not None:
            await asyncio.shield(self._settling)

    async def close(self) -> None:
        """Let what is under way end: each of it is bounded in time."""
        if self._settling is not None:
            await asyncio.gather(self._settling, return_exceptions=True)

    def _now(self) -> tuple[int, int]:
        """Return the number of the running window and how many seconds are left of it."""
        window, passed = divmod(int(self._clock()), COST_WINDOW_SECONDS)
        return window, COST_WINDOW_SECONDS - passed

    async def _settle(self) -> None:
        while self._waiting:
            some = [self._waiting.popitem() for _ in range(min(len(self._waiting), SETTLED_AT_ONCE_MAX))]
            await asyncio.gather(*(self._tell(self._window, payer, account) for payer, account in some))

    async def _tell(self, window: int, payer: int | str, account: _Account) -> None:
        amount, account.unsettled = account.unsettled, 0
        key = self._item.key_for(payer, window)
        total = await self._counters.ask(
            lambda: self._counters.storage.incr(key, 2 * COST_WINDOW_SECONDS, amount=amount)
        )
        if total is None:
            account.unsettled += amount
        else:  # Redis may have been emptied; what is known here was spent all the same.
            account.spent = max(account.spent, total + account.unsettled)


class CountLimiter:
    """Limits on how often something is done in an hour that moves with the clock."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._shared = MovingWindowRateLimiter(counters.storage)
        self._own = MovingWindowRateLimiter(MemoryStorage())

    async def take(self, what: str, payer: int | str, limit: int, count: int = 1) -> Standing:
        """Count `count` times of `what`, all or none of them; `limit` 0 is none."""
        if limit == 0:
            return Standing(what, True, 0, 0, 0)
        item, name = RateLimitItemPerHour(limit, namespace=what), str(payer)
        limiter = self._shared
        admitted = await self._counters.ask(lambda: self._shared.hit(item, name, cost=count))
        if admitted is None:
            limiter = self._own
            admitted = await limiter.hit(item, name, cost=count)
        if admitted:
            return Standing(what, True, limit, 0, 0)
        stats = None
        if limiter is self._shared:
            stats = await self._counters.ask(lambda: self._shared.get_window_stats(item, name))
        if stats is None:
            stats = await self._own.get_window_stats(item, name)
        reset_seconds = max(1, int(stats.reset_time - time.time()) + 1)
        return Standing(what, False, limit, max(0, stats.remaining), reset_seconds)
