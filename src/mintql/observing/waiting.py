"""How long is waited for a connection of a pool."""

from __future__ import annotations

from time import perf_counter

from mintql.observing import metrics


class Waits:
    """The waits at one pool, in the metrics."""

    __slots__ = ("_seconds", "_waiting")

    def __init__(self, pool: str) -> None:
        self._waiting = metrics.DATABASE_WAITING.of(pool)
        self._seconds = metrics.DATABASE_WAIT_SECONDS.of(pool)

    def begin(self) -> float:
        """Note that somebody waits from now on; return since when."""
        self._waiting.value += 1
        return perf_counter()

    def end(self, since: float) -> None:
        """Note that the waiting is over, whatever came of it."""
        self._waiting.value -= 1
        self._seconds.observe(perf_counter() - since)
