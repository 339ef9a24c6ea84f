"""How a budget's period is likely to end, and what may be spent today: from pace, habit and bills that are known.

All amounts are whole minor units, spending positive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from mintql.domain.money import Money
from mintql.domain.periods import DAY, Period

HABIT_DAYS = 90
"""So many days before the period say what is spent on a usual day."""
HABIT_WEIGHT_DAYS = 14
"""The days before count as much as so many days of the period: by its middle, a month speaks mostly for itself."""
DAY_TIMES_MAX = 5
"""A day counts for no more than so many times the median of the days with spending: a sofa is not bought daily."""
BEGUN_PARTS = 5
"""One of so many parts of a period has to have passed before anybody is told a forecast."""
DAYS_FOR_MEDIAN_MIN = 5
"""With fewer days of spending nothing is known to be unusual."""


@dataclass(frozen=True, slots=True)
class Course:
    """What is known of a budget in a period that has begun and not ended.

    `spent_minor` is all that was spent in the period, booked ahead as well. `daily` is spending by day without what
    recurs, from `HABIT_DAYS` before the period on where rows go back that far: `known_since` says from when. `bills`
    are amounts still expected from today on to the period's end.
    """

    period: Period
    today: date
    currency: str
    available_minor: int
    spent_minor: int
    daily: Mapping[date, int]
    known_since: date
    bills: Sequence[int]


@dataclass(frozen=True, slots=True)
class Forecast:
    """How the period is likely to end.

    `spent_minor` is what will have been spent: what is spent, `bills_minor` of `bills` known bills still to come, and
    `pace_minor` a day for `days_after` days after today. `basis` says so in words.
    """

    spent_minor: int
    available_minor: int
    bills_minor: int
    bills: int
    pace_minor: int
    days_after: int
    basis: str

    @property
    def over_minor(self) -> int:
        """By how much what is available will be exceeded; below zero for what will be left."""
        return self.spent_minor - self.available_minor

    @property
    def exceeds(self) -> bool:
        """Whether more will be spent than is available."""
        return self.over_minor > 0


def forecast(course: Course) -> Forecast:
    """Return how a period is likely to end if days go on as they did, with the bills that are known."""
    period, today = course.period, course.today
    days_after = (period.last - today).days
    pace_minor = _pace(course)
    bills_minor = sum(course.bills)
    return Forecast(
        spent_minor=course.spent_minor + bills_minor + pace_minor * days_after,
        available_minor=course.available_minor,
        bills_minor=bills_minor,
        bills=len(course.bills),
        pace_minor=pace_minor,
        days_after=days_after,
        basis=_basis(course, bills_minor, pace_minor, days_after),
    )


def available_today(course: Course) -> int:
    """Return what may still be spent today so that each day to the period's end gets the same; never below zero.

    What is available, less what was spent before today and what bills will take, is shared by the days that are left,
    today among them. Of today's share goes off what was spent today, bills aside.
    """
    days_left = (course.period.last - course.today).days + 1
    spent_today_minor = course.daily.get(course.today, 0)
    free_minor = course.available_minor - (course.spent_minor - spent_today_minor) - sum(course.bills)
    return max(0, free_minor // days_left - spent_today_minor)


def _pace(course: Course) -> int:
    """Return what a day costs beside bills: the period's days so far, weighed against those before it."""
    first, today = course.period.first, course.today
    habit_first = max(course.known_since, first - HABIT_DAYS * DAY)
    cap_minor = _cap(course.daily)
    own_days = (today - first).days + 1
    own_minor = _sum_between(course.daily, first, today, cap_minor)
    habit_days = max(0, (first - habit_first).days)
    if habit_days == 0:
        return max(0, own_minor // own_days)
    habit_minor = _sum_between(course.daily, habit_first, first - DAY, cap_minor)
    # The mean of a day before, as if it had been so for HABIT_WEIGHT_DAYS days more of this period.
    weighed_minor = own_minor * habit_days + habit_minor * HABIT_WEIGHT_DAYS
    return max(0, weighed_minor // (habit_days * (own_days + HABIT_WEIGHT_DAYS)))


def _cap(daily: Mapping[date, int]) -> int | None:
    """Return what a day counts for at most; None while nothing is known to be unusual."""
    ordered = sorted(minor for minor in daily.values() if minor > 0)
    if len(ordered) < DAYS_FOR_MEDIAN_MIN:
        return None
    return ordered[len(ordered) // 2] * DAY_TIMES_MAX


def _sum_between(daily: Mapping[date, int], first: date, last: date, cap_minor: int | None) -> int:
    return sum(
        minor if cap_minor is None else min(minor, cap_minor) for day, minor in daily.items() if first <= day <= last
    )


def _basis(course: Course, bills_minor: int, pace_minor: int, days_after: int) -> str:
    spent, pace = Money(course.spent_minor, course.currency), Money(pace_minor, course.currency)
    parts = [f"{spent} spent so far"]
    if course.bills:
        count = "a known bill" if len(course.bills) == 1 else f"{len(course.bills)} known bills"
        parts.append(f"{count} of {Money(bills_minor, course.currency)} to come")
    if days_after:
        days = "the last day" if days_after == 1 else f"the {days_after} days after today"
        parts.append(f"{pace} a day beside bills for {days}")
    return f"{', '.join(parts[:-1])} and {parts[-1]}." if len(parts) > 1 else f"{parts[0]}."


def has_begun_enough(period: Period, today: date) -> bool:
    """Tell whether a fifth of the period has passed, today included: a forecast before that is a guess."""
    return ((today - period.first).days + 1) * BEGUN_PARTS >= period.days
