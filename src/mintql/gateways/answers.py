"""Answers kept in this process, in front of Redis: each with the version of the data it was made from.

Nothing here says whether a version still holds: whoever asks has just read the version that does.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Final, NamedTuple

from mintql.domain.ids import UserId
from mintql.domain.positions import Position

ENTRY_BYTES = 500
"""What an entry takes beside its body, roughly."""


class Found(NamedTuple):
    """The version of a person's data, None when nothing of theirs may be cached now, and an answer made from it.

    `position` is what a server must have replayed to answer under this version, None when only the one that takes
    writes can (`gateways/placing.py`).
    """

    version: str | None
    body: bytes | None
    position: Position | None = None


NOTHING: Final = Found(None, None)


class KeptAnswer:
    """An answer, the version it was made from, and when its life ends (monotonic seconds).

    `written` is that version as it was last read, and `found` what is found then: the next reader need not take it
    apart.
    """

    __slots__ = ("body", "ends_at", "found", "version", "written")

    def __init__(self, version: str, body: bytes, ends_at: float) -> None:
        self.version = version
        self.body = body
        self.ends_at = ends_at
        self.written: bytes | None = b""
        self.found = NOTHING


class LocalAnswers:
    """Up to `bytes_max` of answers, of which the least recently used go first."""

    def __init__(self, bytes_max: int, ttl_seconds: float) -> None:
        self._bytes_max = bytes_max
        self._ttl_seconds = ttl_seconds
        self._kept: OrderedDict[tuple[UserId, str], KeptAnswer] = OrderedDict()
        self._bytes = 0

    def get(self, user_id: UserId, digest: str) -> KeptAnswer | None:
        """Return what is kept for a person's request, whatever its version."""
        found = self._kept.get((user_id, digest))
        if found is None:
            return None
        if found.ends_at < time.monotonic():
            self._remove((user_id, digest))
            return None
        self._kept.move_to_end((user_id, digest))
        return found

    def put(self, user_id: UserId, version: str, digest: str, body: bytes) -> bool:
        """Keep an answer in the place of another one to the same request; tell whether there was one."""
        known = (user_id, digest) in self._kept
        self._remove((user_id, digest))
        self._kept[user_id, digest] = KeptAnswer(version, body, time.monotonic() + self._ttl_seconds)
        self._bytes += len(body) + ENTRY_BYTES
        while self._bytes > self._bytes_max:
            self._remove(next(iter(self._kept)))
        return known

    def forget(self, user_id: UserId) -> None:
        """Remove everything kept for a person."""
        for key in [key for key in self._kept if key[0] == user_id]:
            self._remove(key)

    def _remove(self, key: tuple[UserId, str]) -> None:
        gone = self._kept.pop(key, None)
        if gone is not None:
            self._bytes -= len(gone.body) + ENTRY_BYTES
