"""Subscriptions of a server in the loop of the test, and their wake-ups: they say nothing when they have begun."""

from __future__ import annotations

from typing import Any

from support.clients import eventually


def streams(server: Any) -> list[Any]:
    """All that a server, or a client's, has open."""
    return server.app.state.runtime.wakeups.listening()


def has_begun(stream: Any) -> bool:
    """Whether it has read what there is, and waits for more."""
    return stream._waiter is not None


async def connected(server: Any) -> None:
    """Wait until a server hears of wake-ups: it begins to listen for them beside its first requests."""
    await eventually(lambda: server.app.state.runtime.wakeups.connected)


async def begun(server: Any, count: int = 1) -> None:
    """Wait until so many streams have begun."""
    await eventually(lambda: sum(map(has_begun, streams(server))) >= count)
