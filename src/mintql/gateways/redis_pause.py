"""Leaving Redis alone for a moment after it failed, so that not everybody waits for it in vain."""

from __future__ import annotations

import time

PAUSE_SECONDS = 1.0
"""How long Redis is left alone after it failed, before it is tried again."""


class Pause:
    """Shared by those who tell Redis what nobody needs to be told: jobs and wake-ups are found without it."""

    def __init__(self) -> None:
        self._until = 0.0

    @property
    def is_on(self) -> bool:
        """Whether Redis failed a moment ago."""
        return time.monotonic() < self._until

    def begin(self) -> None:
        """Note that it has failed."""
        self._until = time.monotonic() + PAUSE_SECONDS
