"""Spans of days, and how a range is cut into days, weeks, months and years.

A day is a posting date, as institutions give it: a local calendar date. A week begins on Monday (ISO 8601) unless
another weekday is asked for.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import date, timedelta
from enum import StrEnum

from mintql.domain.errors import InvalidInput
from mintql.domain.months import add_months, first_day, last_day
from mintql.domain.periods import Period

PERIODS_MAX = 400
"""Periods of one summary: a year of days, with days to spare for whole weeks around it."""
RANGE_DAYS_MAX = 3_660
"""Days of one summary: ten years."""
DAYS_PER_WEEK = 7
MONTHS_PER_YEAR = 12


class Interval(StrEnum):
    """What a range is cut into."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


def check_span(first: date, last: date, *, field: str = "to") -> Period:
    """Return the span; raise `InvalidInput` when it is empty or longer than `RANGE_DAYS_MAX`."""
    if last < first:
        raise InvalidInput(f"The range ends ({last}) before it begins ({first}).", field=field)
    span = Period(first, last)
    if span.days > RANGE_DAYS_MAX:
        raise InvalidInput(f"{span.days:,} days are too many at once; ask for {RANGE_DAYS_MAX:,} at most.", field=field)
    return span


def periods_of(span: Period, interval: Interval, week_start: int = 0) -> list[Period]:
    """Cut a span into periods of the calendar, the first and the last of which may be parts of one.

    `week_start` is the weekday that weeks begin on, 0 for Monday.

    Raises:
        InvalidInput: There would be more than `PERIODS_MAX`.
    """
    found = []
    for period in _walk(span, interval, week_start):
        found.append(period)
        if len(found) > PERIODS_MAX:
            raise InvalidInput(
                f"{span.first} to {span.last} has more than {PERIODS_MAX} periods of a {interval}; ask for fewer days "
                "or a longer interval.",
                field="interval",
            )
    return found


def _walk(span: Period, interval: Interval, week_start: int) -> Iterator[Period]:
    first = span.first
    while first <= span.last:
        last = min(end_of(first, interval, week_start), span.last)
        yield Period(first, last)
        first = last + timedelta(days=1)


def start_of(day: date, interval: Interval, week_start: int = 0) -> date:
    """Return the first day of the period of the calendar that a day lies in."""
    if interval is Interval.DAY:
        return day
    if interval is Interval.WEEK:
        return day - timedelta(days=(day.weekday() - week_start) % DAYS_PER_WEEK)
    return first_day(day) if interval is Interval.MONTH else date(day.year, 1, 1)


def end_of(day: date, interval: Interval, week_start: int = 0) -> date:
    """Return the last day of the period of the calendar that a day lies in."""
    if interval is Interval.DAY:
        return day
    if interval is Interval.WEEK:
        return start_of(day, interval, week_start) + timedelta(days=DAYS_PER_WEEK - 1)
    return last_day(day) if interval is Interval.MONTH else date(day.year, 12, 31)


def earlier(span: Period, steps: int, interval: Interval, week_start: int = 0) -> Period:
    """Return what a span is compared with: the `steps`-th span before it, with as many days elapsed.

    A span that begins with a period of the interval is set against the ones that begin as many whole periods earlier:
    November 1 to 17 against October 1 to 17. Where it ends with a period, so does the other: all of November against
    all of October. A day that the earlier month has not is its last one. Any other span is set against the same number
    of days right before it.
    """
    begins = start_of(span.first, interval, week_start) == span.first
    if interval is Interval.DAY or not begins:
        shift = timedelta(days=span.days * steps)
        return Period(span.first - shift, span.last - shift)
    if interval is Interval.WEEK:
        weeks = -(-span.days // DAYS_PER_WEEK)
        shift = timedelta(days=weeks * DAYS_PER_WEEK * steps)
        return Period(span.first - shift, span.last - shift)
    months = (span.last.year - span.first.year) * MONTHS_PER_YEAR + span.last.month - span.first.month + 1
    if interval is Interval.YEAR:
        months = (span.last.year - span.first.year + 1) * MONTHS_PER_YEAR
    ends = end_of(span.last, interval, week_start) == span.last or (
        interval is Interval.YEAR and last_day(span.last) == span.last
    )
    last_month = add_months(span.last, -months * steps)
    day = monthrange(last_month.year, last_month.month)[1]
    last = last_month.replace(day=day if ends else min(span.last.day, day))
    return Period(add_months(span.first, -months * steps), last)


def whole_months(span: Period) -> tuple[Period | None, list[Period]]:
    """Return the whole calendar months that lie in a span, and what is left of it before and after them."""
    first = span.first if span.first.day == 1 else add_months(span.first, 1)
    last = span.last if span.last == last_day(span.last) else first_day(span.last) - timedelta(days=1)
    if last < first:
        return None, [span]
    edges = []
    if span.first < first:
        edges.append(Period(span.first, first - timedelta(days=1)))
    if last < span.last:
        edges.append(Period(last + timedelta(days=1), span.last))
    return Period(first, last), edges
