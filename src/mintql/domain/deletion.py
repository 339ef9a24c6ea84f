"""The steps of deleting a person, and the proof that is left of it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from enum import StrEnum


class DeletionStep(StrEnum):
    """What a deletion is at. The steps are gone through in this order.

    What may still have been written by work that was under way when the deletion was asked for is found by looking
    again, once that work has had its time.
    """

    ROWS = "rows"
    OBJECTS = "objects"
    LOG = "log"
    CACHE = "cache"
    INSTITUTIONS = "institutions"
    WAITING = "waiting"
    ROWS_AGAIN = "rows_again"
    OBJECTS_AGAIN = "objects_again"
    LOG_AGAIN = "log_again"
    CACHE_AGAIN = "cache_again"
    PERSON = "person"
    DONE = "done"


ORDER = tuple(DeletionStep)
STEPS_TOTAL = len(ORDER) - 1


def steps_done(step: DeletionStep) -> int:
    """Return how many steps are done."""
    return ORDER.index(step)


def after(step: DeletionStep) -> DeletionStep:
    """Return the step that follows."""
    return ORDER[ORDER.index(step) + 1]


def moment_text(at: datetime) -> str:
    """Return a moment as the proof has it: UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def chained(before: bytes, position: int, what: str, removed: int, done_at: datetime) -> bytes:
    """Return the digest of an entry: SHA-256 over the digest before and the entry as a line of text.

    The first entry follows the SHA-256 of the token that the person was given, so that the chain is of this deletion.
    """
    line = f"{position} {what} {removed} {moment_text(done_at)}\n"
    return hashlib.sha256(before + line.encode()).digest()
