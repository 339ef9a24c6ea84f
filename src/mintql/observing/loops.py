"""Whether the event loop turns: how late it is, and where it stands when it does not."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import traceback
from time import monotonic

from mintql.observing import metrics

log = logging.getLogger(__name__)

BEAT_SECONDS = 0.25
BLOCKED_SECONDS = 2.0
"""So long a standstill is said aloud, with where it is."""
STUCK_SECONDS = 15.0
"""So long a standstill means that the process had better be started again."""


class LoopWatch:
    """Beats in the running loop, and looks from a thread whether it still does."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread_id = threading.get_ident()
        self._lag = metrics.LOOP_LAG_SECONDS.of()
        self._beat_at = monotonic()
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = threading.Event()
        self._looker = threading.Thread(target=self._look, name="loop watch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._beat_at = monotonic()
        self._timer = self._loop.call_later(BEAT_SECONDS, self._beat)
        self._looker.start()

    def stop(self) -> None:
        """End."""
        self._stopped.set()
        if self._timer is not None:
            self._timer.cancel()

    @property
    def silent_seconds(self) -> float:
        """For how long it has not beaten; `BEAT_SECONDS` when all is well. May be asked from any thread."""
        return monotonic() - self._beat_at

    @property
    def is_stuck(self) -> bool:
        """Whether it stands still for so long that it is not to be waited for."""
        return self.silent_seconds > STUCK_SECONDS

    def _beat(self) -> None:
        now = monotonic()
        self._lag.observe(max(now - self._beat_at - BEAT_SECONDS, 0.0))
        self._beat_at = now
        self._timer = self._loop.call_later(BEAT_SECONDS, self._beat)

    def _look(self) -> None:
        told_of = 0.0
        while not self._stopped.wait(BLOCKED_SECONDS / 2):
            beat_at, silent = self._beat_at, self.silent_seconds
            if silent < BLOCKED_SECONDS or beat_at == told_of or self._stopped.is_set():
                continue
            told_of = beat_at
            metrics.LOOP_BLOCKED.of().add()
            log.warning("the event loop has stood still for %.1f s, at:\n%s", silent, self._where())

    def _where(self) -> str:
        frame = sys._current_frames().get(self._thread_id)  # noqa: SLF001 - there is no other way to ask
        return "".join(traceback.format_stack(frame)[-8:]).rstrip() if frame is not None else "(its thread is gone)"
