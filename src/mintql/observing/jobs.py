"""A job of a worker: how long it waited, how long it took, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from time import perf_counter, time
from types import TracebackType
from typing import Any, Self

from mintql.observing import context, metrics, tracing

DONE, FAILED, STOPPED = "done", "failed", "stopped"


class Working:
    """The length of one job. `told` is what arq tells of it; set `outcome` to `FAILED` where it is kept quiet."""

    __slots__ = ("_context", "_name", "_said", "_span", "_started_at", "outcome")

    def __init__(self, name: str, told: Mapping[str, Any]) -> None:
        self._name = name
        self._context = told
        self._started_at = 0.0
        self.outcome = DONE

    def __enter__(self) -> Self:
        """Begin."""
        self._started_at = perf_counter()
        self._span = tracing.span(self._name, "consumer", tracing.came_with.get())
        self._span.__enter__()
        known = {"job": self._context.get("job_id"), "attempt": self._context.get("job_try")}
        self._said = context.begin({"function": self._name, **{name: one for name, one in known.items() if one}})
        waited = _waited_seconds(self._context)
        if waited is not None:
            queue = "background" if self._context.get("background") else "persons"
            metrics.JOB_WAIT_SECONDS.of(queue).observe(waited)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """End; an exception that gets here is that of a worker which puts its jobs down."""
        context.end(self._said)
        self._span.__exit__(kind, error, where)
        if kind is not None:
            self.outcome = STOPPED
        metrics.JOB_SECONDS.of(self._name, self.outcome).observe(perf_counter() - self._started_at)
        if self.outcome is DONE:
            metrics.JOB_LAST_DONE.of(self._name).set(time())


def _waited_seconds(told: Mapping[str, Any]) -> float | None:
    """Return for how long the job had been due; None where nobody says since when.

    One that goes before others has an earlier place in the queue than the time it was enqueued at.
    """
    due_ms, enqueued = told.get("score"), told.get("enqueue_time")
    if due_ms is None or not isinstance(enqueued, datetime):
        return None
    return max(0.0, time() - max(float(due_ms) / 1000, enqueued.timestamp()))
