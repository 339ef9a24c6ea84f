"""What must happen after the transaction has committed, and not before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from mintql.domain.ids import SessionId, UserId
from mintql.gateways.queue import Job
from mintql.observing.instruments import Counter

__all__ = ["Effects", "Job"]


@dataclass(slots=True)
class Effects:
    """Persons whose cached answers are stale, persons who have new events, and jobs to enqueue.

    `ended` are persons whose sessions have all ended for good, `ended_sessions` single sessions: who is connected as
    them, or by them, is cut off. `counts` is what the metrics then count. `written_at` is when the first of the events
    was written (`time.perf_counter`).
    """

    changed: set[UserId] = field(default_factory=set)
    told: set[UserId] = field(default_factory=set)
    jobs: list[Job] = field(default_factory=list)
    ended: set[UserId] = field(default_factory=set)
    ended_sessions: set[SessionId] = field(default_factory=set)
    counts: list[tuple[Counter, float]] = field(default_factory=list)
    written_at: float | None = None

    def merge(self, other: Effects) -> None:
        """Take over what the other one holds."""
        self.changed |= other.changed
        self.told |= other.told
        self.jobs += other.jobs
        self.ended |= other.ended
        self.ended_sessions |= other.ended_sessions
        self.counts += other.counts
        moments = [moment for moment in (self.written_at, other.written_at) if moment is not None]
        self.written_at = min(moments, default=None)

    @classmethod
    def of_ended(cls, user_id: UserId, session_ids: Iterable[SessionId]) -> Effects:
        """Return what follows when sessions of a person have ended.

        By the new version no process trusts them any more, and what is connected by them is cut off.
        """
        return cls(changed={user_id}, ended_sessions=set(session_ids))
