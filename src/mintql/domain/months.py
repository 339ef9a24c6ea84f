"""Calendar months, held as the date of their first day.

A transaction belongs to the month of its posting date, which institutions give as a local calendar date.
A person's "today" is today's date in their time zone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from mintql.domain.errors import InvalidInput
from mintql.domain.wording import shown

MONTHS_PER_RANGE_MAX = 120
YEAR_MIN, YEAR_MAX = 1970, 2199

NOT_ZONES = frozenset({"Factory", "localtime", "posixrules"})
"""Files beside the zones: one for a machine that was not set up, and names for what this machine is set to."""

_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)


def first_day(day: date) -> date:
    """Return the first day of the month that `day` lies in."""
    return date(day.year, day.month, 1)


def parse_month(text: str, *, field: str | None = "month") -> date:
    """Read "2026-11" as the first day of that month; raise `InvalidInput` when it is no month, or out of range."""
    found = _MONTH.fullmatch(text)
    if found is None or not 1 <= int(found[2]) <= 12:  # noqa: PLR2004
        raise InvalidInput(f"{shown(text)} is not a month; write it as year and month, e.g. 2026-11.", field=field)
    if not YEAR_MIN <= int(found[1]) <= YEAR_MAX:
        raise InvalidInput(f"{text} is out of range; months are of the years {YEAR_MIN} to {YEAR_MAX}.", field=field)
    return date(int(found[1]), int(found[2]), 1)


def month_text(month: date) -> str:
    """Write a month as "2026-11"."""
    return f"{month.year:04d}-{month.month:02d}"


def add_months(month: date, count: int) -> date:
    """Return the month `count` months later (or earlier, when negative)."""
    index = month.year * 12 + month.month - 1 + count
    return date(index // 12, index % 12 + 1, 1)


def last_day(month: date) -> date:
    """Return the last day of the month."""
    return add_months(month, 1) - timedelta(days=1)


def months_between(first: date, last: date) -> Iterator[date]:
    """Yield each month from `first` to `last`, both included."""
    month = first_day(first)
    while month <= last:
        yield month
        month = add_months(month, 1)


def check_range(first: date, last: date, *, field: str = "to") -> int:
    """Return how many months the range holds; raise `InvalidInput` when it is empty or too long."""
    count = (last.year - first.year) * 12 + last.month - first.month + 1
    if count < 1:
        raise InvalidInput(f"The range ends ({month_text(last)}) before it begins ({month_text(first)}).", field=field)
    if count > MONTHS_PER_RANGE_MAX:
        raise InvalidInput(f"{count} months are too many at once; ask for {MONTHS_PER_RANGE_MAX} at most.", field=field)
    return count


def check_time_zone(name: str, *, field: str = "timeZone") -> str:
    """Return `name` when it is a zone of the IANA time zone database, else raise `InvalidInput`."""
    if name not in _time_zones():
        raise InvalidInput(f"{shown(name)} is not a time zone; give one such as Europe/Berlin.", field=field)
    return name


@cache
def _time_zones() -> frozenset[str]:
    """Return the names of all zones. Finding them reads hundreds of files, so it is done once."""
    return frozenset(available_timezones()) - NOT_ZONES


def local_date(now: datetime, time_zone: str) -> date:
    """Return the calendar date that `now` (aware) falls on in `time_zone`."""
    return now.astimezone(ZoneInfo(time_zone)).date()
