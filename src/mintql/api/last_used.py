"""When and from where sessions are used, written down now and then, many at once, and never while somebody waits."""

from __future__ import annotations

import time

from mintql.api.context import Context, Viewer
from mintql.domain.ids import SessionId
from mintql.runtime import Runtime
from mintql.services.audit import current_origin
from mintql.store import sessions
from mintql.store.sessions import Use

NOTED_EVERY_SECONDS = 300.0
"""How often the use of one session is written down by one process."""
REMEMBERED_MAX = 50_000
USES_PER_STATEMENT = 1_000


class LastUsed:
    """What one process has noted."""

    def __init__(self) -> None:
        self._noted_until: dict[SessionId, float] = {}
        self._waiting: dict[SessionId, Use] = {}
        self._writing = False

    def note(self, runtime: Runtime, viewer: Viewer) -> None:
        """Note that a session is used now; called for every request."""
        now = time.monotonic()
        if self._noted_until.get(viewer.session_id, 0.0) > now:
            return
        if len(self._noted_until) >= REMEMBERED_MAX:
            self._noted_until.clear()
        self._noted_until[viewer.session_id] = now + NOTED_EVERY_SECONDS
        self._waiting[viewer.session_id] = Use(
            viewer.user_id, viewer.session_id, current_origin().address, Context.now()
        )
        if not self._writing:
            runtime.soon(self._write(runtime))

    async def _write(self, runtime: Runtime) -> None:
        """Write what waits, and what comes meanwhile. What is lost when that fails is noted again later."""
        self._writing = True
        try:
            while self._waiting:
                taken = [self._waiting.pop(one) for one in list(self._waiting)[:USES_PER_STATEMENT]]
                async with runtime.statement() as conn:
                    await sessions.note_use(conn, taken)
        finally:
            self._writing = False
