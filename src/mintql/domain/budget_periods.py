"""Periods of budgets: weeks, months and years, each beginning where the person wants, every so many of them.

The periods of a schedule tile the calendar: each day lies in exactly one. A month that is to begin on a day it does
not have begins on its last one, and so does a year that is to begin on 29 February.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from mintql.domain.errors import InvalidInput
from mintql.domain.months import add_months, first_day
from mintql.domain.periods import DAY, Period

DAYS_PER_WEEK = 7
MONTHS_PER_YEAR = 12
EVERY_MAX = 12
"""The longest periods: twelve weeks, or twelve months."""
ANCHOR_YEAR = 2000
"""A leap year: it has all days on which a year may begin."""
ANCHOR_MONTH = date(ANCHOR_YEAR, 1, 1)
ANCHOR_MONDAY = date(ANCHOR_YEAR, 1, 3)
PERIODS_KEPT_MAX = 4_096
"""Persons of a batch ask for the same few periods again and again."""


class PeriodUnit(StrEnum):
    """What a period is counted in."""

    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


class Schedule(NamedTuple):
    """How a budget's periods follow each other: `every` units long, one of them beginning on `anchor`.

    Make it with `schedule`, so that equal schedules are equal values.
    """

    unit: PeriodUnit
    every: int
    anchor: date


def schedule(unit: PeriodUnit, every: int, start: date) -> Schedule:
    """Return the schedule of which a period begins on `start`, with the anchor that all such starts share.

    Raises:
        InvalidInput: There are no such periods.
    """
    most = 1 if unit is PeriodUnit.YEAR else EVERY_MAX
    if not 1 <= every <= most:
        raise InvalidInput(f"A period of {every} {unit}s cannot be; give 1 to {most}.", field="every")
    if unit is PeriodUnit.WEEK:
        return Schedule(unit, every, ANCHOR_MONDAY + (start - ANCHOR_MONDAY) % (DAYS_PER_WEEK * every * DAY))
    months = _months_of(unit, every)
    month = add_months(ANCHOR_MONTH, _month_number(start) % months)
    while _on_day(month, start.day).day != start.day:
        month = add_months(month, months)
    return Schedule(unit, every, _on_day(month, start.day))


CALENDAR_MONTHS = Schedule(PeriodUnit.MONTH, 1, ANCHOR_MONTH)


@lru_cache(maxsize=PERIODS_KEPT_MAX)
def calendar_month(day: date) -> Period:
    """Return the period that the calendar month of a day is."""
    return period_of(CALENDAR_MONTHS, day)


@lru_cache(maxsize=PERIODS_KEPT_MAX)
def period_of(of: Schedule, day: date) -> Period:
    """Return the period that a day lies in."""
    if of.unit is PeriodUnit.WEEK:
        length = DAYS_PER_WEEK * of.every * DAY
        first = of.anchor + (day - of.anchor) // length * length
        return Period(first, first + length - DAY)
    months = _months_of(of.unit, of.every)
    number = (_month_number(day) - _month_number(of.anchor)) // months
    if _begin(of, number * months) > day:
        number -= 1
    return Period(_begin(of, number * months), _begin(of, (number + 1) * months) - DAY)


def periods_between(of: Schedule, first: date, last: date) -> Iterator[Period]:
    """Yield the periods that share a day with those from `first` to `last`, in order."""
    while first <= last:
        period = period_of(of, first)
        yield period
        first = period.last + DAY


def period_words(period: Period) -> str:
    """Name a period as one does after "for": November 2026, 2026, the week of 23 to 29 November 2026."""
    first, last = period.first, period.last
    if period == calendar_month(first):
        return f"{first:%B %Y}"
    if (first.month, first.day, last.month, last.day) == (1, 1, 12, 31) and first.year == last.year:
        return f"{first.year}"
    days = _days_words(first, last)
    return f"the week of {days}" if period.days == DAYS_PER_WEEK else days


def _days_words(first: date, last: date) -> str:
    end = f"{last.day} {last:%B %Y}"
    if first == last:
        return end
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} to {end}"
    if first.year == last.year:
        return f"{first.day} {first:%B} to {end}"
    return f"{first.day} {first:%B %Y} to {end}"


def schedule_words(of: Schedule) -> str:
    """Say how often the periods of a schedule come: every month from day 25, every 2 weeks from a Monday."""
    units = f"every {of.unit}" if of.every == 1 else f"every {of.every} {of.unit}s"
    if of.unit is PeriodUnit.WEEK:
        return f"{units} from {of.anchor:%A}"
    if of.unit is PeriodUnit.YEAR:
        return f"{units} from {of.anchor.day} {of.anchor:%B}"
    return units if of.anchor.day == 1 else f"{units} from day {of.anchor.day}"


def _begin(of: Schedule, months: int) -> date:
    """Return the beginning that lies so many months after the anchor."""
    return _on_day(add_months(first_day(of.anchor), months), of.anchor.day)


def _month_number(day: date) -> int:
    """Count months from the anchor's year on."""
    return (day.year - ANCHOR_YEAR) * MONTHS_PER_YEAR + day.month - 1


def _months_of(unit: PeriodUnit, every: int) -> int:
    return MONTHS_PER_YEAR if unit is PeriodUnit.YEAR else every


def _on_day(month: date, day: int) -> date:
    """Return that day of the month, its last where it has no such day."""
    return month.replace(day=min(day, monthrange(month.year, month.month)[1]))
