"""Spans: what took how long on behalf of what, across processes. Nothing, and at no cost, unless tracing is on.

`gateways/telemetry.py` puts what makes spans into `active`; everybody else asks here.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import Any, Final, Literal, Protocol

Kind = Literal["server", "consumer", "client", "internal"]


class Tracing(Protocol):
    """What makes spans."""

    def span(self, name: str, kind: Kind, parent: str | None) -> AbstractContextManager[Any]:
        """Return a span to be entered; `parent` is a W3C `traceparent` from elsewhere, None for the span around it."""
        ...

    def finished(self, name: str, seconds: float, attributes: Mapping[str, str]) -> None:
        """Note a span of kind `client` that has just ended."""
        ...

    def describe(self, name: str, attributes: Mapping[str, str | int]) -> None:
        """Name the present span anew, and say more of it."""
        ...

    def traceparent(self) -> str | None:
        """Return the present span as others may continue it."""
        ...


active: Tracing | None = None

_NOTHING: Final = nullcontext()
came_with: ContextVar[str | None] = ContextVar("mintql_traceparent", default=None)
"""What a job that was just read from the queue continues."""


def span(name: str, kind: Kind, parent: str | None = None) -> AbstractContextManager[Any]:
    """Return a span to be entered."""
    return _NOTHING if active is None else active.span(name, kind, parent)


def traceparent() -> str | None:
    """Return the present span as others may continue it; None without one."""
    return None if active is None else active.traceparent()


def switch(found: Tracing | None) -> None:
    """Let spans be made from now on, or no more."""
    global active  # noqa: PLW0603 - looked at everywhere, and set once in a process
    active = found
