"""Subscriptions of a server in the loop of the test: they say nothing when they have begun, and miss what came before."""

from __future__ import annotations

from typing import Any

from support.clients import eventually


def streams(server: Any) -> list[Any]:
    """All that a server, or a client's, has open."""
    return server.app.state.runtime.wakeups.listening()


def has_begun(stream: Any) -> bool:
    """Whether it has read what there is, and waits for more."""
    return stream._waiter is not None


async def begun(server: Any, count: int = 1) -> None:
    """Wait until so many streams have begun."""
    await eventually(lambda: sum(map(has_begun, streams(server))) >= count)
