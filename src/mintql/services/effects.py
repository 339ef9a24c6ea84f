"""What must happen after the transaction has committed, and not before."""

from __future__ import annotations

from dataclasses import dataclass, field

from mintql.domain.ids import UserId
from mintql.gateways.queue import Job

__all__ = ["Effects", "Job"]


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
