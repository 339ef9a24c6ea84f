"""How often something recurs, and on which days: cycles of days, of months, and twice a month."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache

from mintql.domain.months import first_day

SATURDAY = 5
MONTHS_PER_YEAR = 12
DAYS_PER_YEAR = 365.2425
MONTH_DAYS_MAX = 31
HALF_MONTH_DAYS = 15
DAYS_PER_WEEK = 7
_BEFORE_WEEKENDS, _AFTER_WEEKENDS = (-2, 0, 0, 0, 0, 0, -1), (1, 0, 0, 0, 0, 0, 2)
"""How many days a due day moves off a weekend, by its ordinal modulo 7: that of a Sunday is 0."""
LAST_WEEK_DAY = 28
"""Twice a month from here on means the 15th and the last day."""


class Frequency(StrEnum):
    """How often a series recurs. `semimonthly` is on two days of each month, `bimonthly` every other month."""

    WEEKLY = "weekly"
    BIWEEKLY = "biweekly"
    SEMIMONTHLY = "semimonthly"
    MONTHLY = "monthly"
    BIMONTHLY = "bimonthly"
    QUARTERLY = "quarterly"
    HALF_YEARLY = "half_yearly"
    YEARLY = "yearly"


class Weekend(StrEnum):
    """What becomes of a day that falls on a Saturday or Sunday: it stays, or moves to Friday, or to Monday."""

    STAYS = "stays"
    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Pace:
    """What holds of a frequency.

    `step_months` is 0 where it goes by days. `tolerance_days`: how far from its day an occurrence still counts as
    that one. `grace_days`: so long after its day one that did not come has to be missing before the series counts
    as ended; long enough for one missed period where periods are short. `apart_least`: so many days two due days are
    apart at least, in short months and where they were moved off weekends.
    """

    frequency: Frequency
    step_months: int
    days: float
    per_year: int
    tolerance_days: int
    grace_days: int
    apart_least: int


PACES: dict[Frequency, Pace] = {
    pace.frequency: pace
    for pace in (
        Pace(Frequency.WEEKLY, 0, 7, 52, 1, 10, 7),
        Pace(Frequency.BIWEEKLY, 0, 14, 26, 2, 16, 14),
        Pace(Frequency.SEMIMONTHLY, 1, DAYS_PER_YEAR / 24, 24, 3, 18, 4),
        Pace(Frequency.MONTHLY, 1, DAYS_PER_YEAR / 12, 12, 5, 35, 26),
        Pace(Frequency.BIMONTHLY, 2, DAYS_PER_YEAR / 6, 6, 7, 30, 57),
        Pace(Frequency.QUARTERLY, 3, DAYS_PER_YEAR / 4, 4, 8, 30, 87),
        Pace(Frequency.HALF_YEARLY, 6, DAYS_PER_YEAR / 2, 2, 12, 45, 179),
        Pace(Frequency.YEARLY, 12, DAYS_PER_YEAR, 1, 15, 45, 363),
    )
}


@dataclass(frozen=True, slots=True)
class Cycle:
    """The days on which something falls due, numbered: number 0 is in the month of `anchor_on`, or on it.

    By days where `step_days` is set (a monthly one of 28 or 30 days drifts through the months), else by months on
    `anchor_day` (1 to 31; a shorter month has its last day instead), and for `semimonthly` on `second_day` as well.
    """

    frequency: Frequency
    anchor_on: date
    anchor_day: int = 0
    second_day: int = 0
    step_days: int = 0
    weekend: Weekend = Weekend.STAYS

    @property
    def pace(self) -> Pace:
        """What holds of its frequency."""
        return PACES[self.frequency]

    @property
    def per_year(self) -> int:
        """How often it falls due in a year."""
        drifts = self.step_days and self.frequency is Frequency.MONTHLY
        return round(DAYS_PER_YEAR / self.step_days) if drifts else self.pace.per_year

    def due_on(self, number: int) -> date:
        """Return the day of this number, moved off the weekend where that is the habit."""
        day = self._nominal(number)
        over = day.weekday() - SATURDAY
        if self.weekend is Weekend.STAYS or over < 0:
            return day
        return day - timedelta(days=over + 1) if self.weekend is Weekend.BEFORE else day + timedelta(days=2 - over)

    def _nominal(self, number: int) -> date:
        if self.step_days:
            return self.anchor_on + timedelta(days=self.step_days * number)
        months, day = self.pace.step_months * number, self.anchor_day
        if self.second_day:
            months, day = number // 2, (self.anchor_day, self.second_day)[number % 2]
        return _day_of(MONTHS_PER_YEAR * self.anchor_on.year + self.anchor_on.month - 1 + months, day)

    def nearest(self, day: date) -> tuple[int, int]:
        """Return the number whose day is nearest to this one, and by how many days this one is later."""
        guess = self._guess(day)
        offs = [((day - self.due_on(number)).days, number) for number in (guess - 1, guess, guess + 1)]
        off, number = min(offs, key=lambda found: abs(found[0]))
        return number, off

    def dues(self, first: date, last: date) -> tuple[int, Sequence[int]]:
        """Return the due days that any day from one to another can be nearest to, as ordinals, and the first's number.

        One by one, by `due_on`, they would take most of the time that laying a cycle over days takes.
        """
        start, end = self._guess(first) - 1, self._guess(last) + 2
        if self.step_days:
            anchor = self.anchor_on.toordinal()
            nominal: Sequence[int] = range(
                anchor + self.step_days * start, anchor + self.step_days * end, self.step_days
            )
        else:
            origin = MONTHS_PER_YEAR * self.anchor_on.year + self.anchor_on.month - 1
            if self.second_day:
                days = self.anchor_day, self.second_day
                nominal = [_ordinal_of(origin + number // 2, days[number % 2]) for number in range(start, end)]
            else:
                step = self.pace.step_months
                months = range(origin + step * start, origin + step * end, step)
                nominal = [_ordinal_of(month, self.anchor_day) for month in months]
        if self.weekend is Weekend.STAYS:
            return start, nominal
        moves = _BEFORE_WEEKENDS if self.weekend is Weekend.BEFORE else _AFTER_WEEKENDS
        return start, [due + moves[due % DAYS_PER_WEEK] for due in nominal]

    def _guess(self, day: date) -> int:
        if self.step_days:
            return round((day - self.anchor_on).days / self.step_days)
        months = (day.year - self.anchor_on.year) * MONTHS_PER_YEAR + day.month - self.anchor_on.month
        if self.second_day:
            return 2 * months + (day.day > (self.anchor_day + self.second_day) // 2)
        return round(months / self.pace.step_months)

    def number_from(self, day: date) -> int:
        """Return the first number that is due on this day or later."""
        number = self._guess(day) - 2
        while self.due_on(number) < day:
            number += 1
        return number

    def next_after(self, day: date) -> date:
        """Return the day that follows the one that an occurrence on `day` stands for."""
        return self.due_on(self.nearest(day)[0] + 1)


@lru_cache(4_096)
def _day_of(month: int, day: int) -> date:
    """Return a day of a month, counted from the year 0; its last one where it is shorter. Most are asked for again."""
    year, place = divmod(month, MONTHS_PER_YEAR)
    return date(year, place + 1, min(day, monthrange(year, place + 1)[1]))


@lru_cache(4_096)
def _ordinal_of(month: int, day: int) -> int:
    return _day_of(month, day).toordinal()


def cycle_from(frequency: Frequency, day: date) -> Cycle:
    """Return the cycle of this frequency that falls due on `day`; twice a month, about half a month apart."""
    pace = PACES[frequency]
    if not pace.step_months:
        return Cycle(frequency, day, step_days=round(pace.days))
    if frequency is not Frequency.SEMIMONTHLY:
        return Cycle(frequency, day, anchor_day=day.day)
    if day.day <= HALF_MONTH_DAYS:
        second = MONTH_DAYS_MAX if day.day == HALF_MONTH_DAYS else day.day + HALF_MONTH_DAYS
        return Cycle(frequency, first_day(day), anchor_day=day.day, second_day=second)
    first = day.day - HALF_MONTH_DAYS if day.day < LAST_WEEK_DAY else HALF_MONTH_DAYS
    second = day.day if day.day < LAST_WEEK_DAY else MONTH_DAYS_MAX
    return Cycle(frequency, first_day(day), anchor_day=first, second_day=second)
