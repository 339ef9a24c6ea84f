"""How often a connection may be refreshed: the pause after a refresh, and what an institution allows in a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from mintql.institutions.base import Capabilities

MINUTES_FROM_SECONDS = 180
"""A wait from here on is told in minutes, ..."""
HOURS_FROM_MINUTES = 180
"""... and one from here on in hours."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What bounds the refreshes of one connection: seconds after one that went well, and requests in a day (UTC)."""

    pause_seconds: int
    requests_per_day_max: int | None = None

    @classmethod
    def of(cls, capabilities: Capabilities, pause_seconds: int) -> Pace:
        """Return the pace at an institution, where the operator wants at least `pause_seconds`."""
        return cls(max(capabilities.refresh_interval_seconds_min, pause_seconds), capabilities.requests_per_day_max)

    def requests_left(self, requests_on: date | None, requests: int, now: datetime) -> int | None:
        """Return how many requests today has left after `requests` on the day `requests_on`; None for no bound."""
        if self.requests_per_day_max is None:
            return None
        used = requests if requests_on == now.astimezone(UTC).date() else 0
        return max(0, self.requests_per_day_max - used)

    def next_refresh_at(
        self, last_started_at: datetime | None, requests_on: date | None, requests: int, now: datetime
    ) -> datetime:
        """Return from when on a refresh may be asked for; `now` where it may already."""
        allowed_at = now
        if last_started_at is not None:
            allowed_at = max(allowed_at, last_started_at + timedelta(seconds=self.pause_seconds))
        if self.requests_left(requests_on, requests, now) == 0:
            allowed_at = max(allowed_at, _next_day(now))
        return allowed_at


def _next_day(now: datetime) -> datetime:
    """Return when the allowance of the next day begins."""
    return datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time(tzinfo=UTC))


def wait_in_words(wait: timedelta) -> str:
    """Return a time to wait as people say it, never less than it is."""
    seconds = -(-wait // timedelta(seconds=1))
    if seconds < MINUTES_FROM_SECONDS:
        return f"{seconds} second{'s' if seconds != 1 else ''}"
    minutes = -(-seconds // 60)
    return f"{minutes} minutes" if minutes < HOURS_FROM_MINUTES else f"{-(-minutes // 60)} hours"
