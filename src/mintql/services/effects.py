"""What must happen after the transaction has committed, and not before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mintql.domain.ids import UserId


@dataclass(frozen=True, slots=True)
class Job:
    """A call of a worker function: its name in `mintql.jobs` and JSON-able arguments."""

    name: str
    args: tuple[Any, ...] = ()
    defer_seconds: float = 0


@dataclass(slots=True)
class Effects:
    """Persons whose cached answers are stale, persons who have new events, and jobs to enqueue.

    `ended` are persons whose sessions have all ended for good: who is connected as them is cut off.
    """

    changed: set[UserId] = field(default_factory=set)
    told: set[UserId] = field(default_factory=set)
    jobs: list[Job] = field(default_factory=list)
    ended: set[UserId] = field(default_factory=set)

    def merge(self, other: Effects) -> None:
        """Take over what the other one holds."""
        self.changed |= other.changed
        self.told |= other.told
        self.jobs += other.jobs
        self.ended |= other.ended
