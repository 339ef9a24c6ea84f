"""Whom tokens speak for, remembered by this process so that a read need not ask the database for its session.

A session is remembered together with the version of its person's data that held before the database was asked
(`gateways/cache.py`). Ending a session bumps that version, so a session counts only while the version is still the
same, and never for longer than `TRUSTED_SECONDS`. Whoever changes something is looked up each time.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable
from typing import NamedTuple

from mintql.api.context import Viewer, find_viewer
from mintql.domain.ids import UserId
from mintql.gateways.answers import NOTHING, Found
from mintql.runtime import Runtime
from mintql.services.identity import hash_token

TRUSTED_SECONDS = 10.0
"""Bound on how long an ended session could still read where Redis did not learn that it ended."""
REMEMBERED_MAX = 50_000


class _Remembered(NamedTuple):
    viewer: Viewer
    version: str | None
    trusted_until: float


class Viewers:
    """The viewers that a process knows, by the hash of their token; the least recently used are forgotten first."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, _Remembered] = OrderedDict()

    async def find(self, runtime: Runtime, token: str, digest: str | None) -> tuple[Viewer | None, Found]:
        """Return whom a token speaks for in a query, the version of their data, and what is kept for the request.

        `digest` names the request where its answer may be kept.
        """
        token_hash = hash_token(token)
        known = self._known.get(token_hash)
        if known is None:
            viewer = await find_viewer(runtime, token)
            if viewer is None:
                return None, NOTHING
            self._remember(token_hash, viewer, None)
            return viewer, await _ask(runtime, viewer, digest)
        found = await _ask(runtime, known.viewer, digest)
        if found.version is not None and known.version == found.version and known.trusted_until > time.monotonic():
            self._known.move_to_end(token_hash)
            return known.viewer, found
        viewer = await find_viewer(runtime, token)
        if viewer is None:
            self._known.pop(token_hash, None)
            return None, NOTHING
        self._remember(token_hash, viewer, found.version)
        return viewer, found

    def remembered(self, token: str) -> UserId | None:
        """Return whom a token spoke for a moment ago, as far as this process knows; nobody may be let in by that."""
        known = self._known.get(hash_token(token))
        return None if known is None else known.viewer.user_id

    def _remember(self, token_hash: bytes, viewer: Viewer, version: str | None) -> None:
        left_seconds = min(TRUSTED_SECONDS, viewer.expires_at.timestamp() - time.time())
        self._known[token_hash] = _Remembered(viewer, version, time.monotonic() + left_seconds)
        self._known.move_to_end(token_hash)
        if len(self._known) > REMEMBERED_MAX:
            self._known.popitem(last=False)


def _ask(runtime: Runtime, viewer: Viewer, digest: str | None) -> Awaitable[Found]:
    cache = runtime.cache
    return cache.current(viewer.user_id) if digest is None else cache.find(viewer.user_id, digest)
