"""When a request is sent once more, and after how long. What may be sent twice at all is not decided here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

TOO_MANY_REQUESTS = 429
OUT_OF_ORDER_FOR_NOW = frozenset({502, 503, 504})
"""A gateway without its server, or a server that says it will be back (RFC 9110, 15.6.3 to 15.6.5)."""


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and how soon. Pauses have full jitter: anywhere between nothing and a bound that doubles."""

    attempts_max: int = 3
    """With the first: what fails three times within a second or two is not a hiccup."""
    pause_seconds_first: float = 0.25
    pause_seconds_max: float = 4.0
    asked_to_wait_seconds_max: float = 5.0
    """A server that asks for a longer wait is not waited for: the caller learns what it said, and when to come."""

    def after_failure(self, attempt: int, random: Callable[[], float]) -> float | None:
        """Return the seconds to wait after the `attempt`-th try (from 1) reached nobody; nothing: no more tries."""
        if attempt >= self.attempts_max:
            return None
        return random() * min(self.pause_seconds_max, self.pause_seconds_first * 2.0 ** (attempt - 1))

    def after_answer(
        self, attempt: int, status: int, headers: Mapping[str, str], now: datetime, random: Callable[[], float]
    ) -> float | None:
        """Return the seconds to wait after such an answer; nothing: it stands."""
        if status != TOO_MANY_REQUESTS and status not in OUT_OF_ORDER_FOR_NOW:
            return None
        asked = retry_after_seconds(headers, now)
        if asked is None and status == TOO_MANY_REQUESTS:
            return None
        if asked is not None and asked > self.asked_to_wait_seconds_max:
            return None
        jitter = self.after_failure(attempt, random)
        return None if jitter is None else (asked or 0.0) + jitter


def retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """Read `Retry-After`, seconds or a date (RFC 9110, 10.2.3); nothing when there is none that can be read."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds())
