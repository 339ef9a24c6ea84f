"""Which limit holds for a budget on which day, and what is carried from period to period.

Recurring overrides follow each other; before the first of them the template holds. Where the kind of period changes,
the last period of the old kind ends the day before the new one begins, so that the periods of a budget always tile
the calendar and no day of the past changes its period.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from mintql.domain.budget_periods import CALENDAR_MONTHS, calendar_month, period_of
from mintql.domain.budgets import (
    EVERYTHING_ID,
    NO_ROLLOVER,
    THRESHOLDS_DEFAULT,
    BudgetKey,
    Limit,
    LimitOrigin,
    Override,
    Plan,
)
from mintql.domain.periods import DAY, Period
from mintql.domain.templates import Template, monthly_limits

RANGES_KEPT_MAX = 8
"""For how many ranges of days a timeline keeps its limits, which are mostly asked for of one month."""
CARRIED_PERIODS_MAX = 60
"""How many periods back a carried amount is added up from: five years of months, more than one of weeks."""


@dataclass(slots=True)
class _History:
    """The overrides of one budget: recurring ones in order, and those of single periods by their first day."""

    recurring: list[Override] = field(default_factory=list)
    singles: dict[date, Override] = field(default_factory=dict)


class Timeline:
    """All limits of a person, from the template and what they changed. Immutable.

    Overrides may come in any order. Looking a limit up takes no more than a search among those of its budget.
    """

    def __init__(self, template: Template, plan: Plan, overrides: Iterable[Override]) -> None:
        self._plan = plan
        self._suggested = monthly_limits(template, plan.annual_income_minor, plan.currency)
        self._histories: dict[BudgetKey, _History] = {}
        self._between: dict[tuple[date, date], Sequence[Limit]] = {}
        for override in sorted(overrides, key=lambda row: row.since):
            history = self._histories.setdefault(override.key, _History())
            if override.recurring:
                history.recurring.append(override)
            else:
                history.singles[override.since] = override
        suggested = {BudgetKey(category_id, plan.currency) for category_id in self._suggested}
        self.keys: tuple[BudgetKey, ...] = tuple(sorted(suggested | self._histories.keys()))
        """The budgets that hold at any time, by category and currency."""
        self.category_ids = frozenset(key.category_id for key in self.keys) - {EVERYTHING_ID}
        """The categories and groups that they are for."""
        self.is_changed = bool(self._histories)
        """Whether the person changed anything about what the template says."""

    def period_on(self, key: BudgetKey, day: date) -> Period:
        """Return the period of a budget that a day lies in, also where no limit holds then."""
        return self._place(key, day)[1]

    def recurring_on(self, key: BudgetKey, day: date) -> Override | None:
        """Return the recurring override that holds on a day, whatever its period alone says; None for the template."""
        return self._place(key, day)[0]

    def override_on(self, key: BudgetKey, day: date) -> Override | None:
        """Return the override that decides about a budget on a day: the period's own, else the recurring one."""
        if key not in self._histories:
            return None
        base, period = self._place(key, day)
        return self._single(key, base, period) or base

    def limit_on(self, key: BudgetKey, day: date) -> Limit | None:
        """Return the limit that holds on a day, with nothing carried; None where there is none."""
        base, period = self._place(key, day)
        override = self._single(key, base, period) or base
        schedule = CALENDAR_MONTHS if base is None else base.schedule
        suggested_minor = None
        if key.currency == self._plan.currency and schedule == CALENDAR_MONTHS:
            suggested_minor = self._suggested.get(key.category_id)
        said_minor = None if override is None else override.limit_minor
        limit_minor = suggested_minor if said_minor is None else said_minor
        if limit_minor is None:
            return None
        return Limit(
            category_id=key.category_id,
            period=period,
            currency=key.currency,
            limit_minor=limit_minor,
            thresholds=THRESHOLDS_DEFAULT if override is None else override.thresholds,
            revision=self._plan.template_revision if override is None or said_minor is None else override.revision,
            origin=LimitOrigin.TEMPLATE if said_minor is None else LimitOrigin.OVERRIDE,
            template_minor=suggested_minor,
            schedule=schedule,
            rollover=NO_ROLLOVER if base is None else base.rollover,
        )

    def limits_between(self, first: date, last: date) -> Sequence[Limit]:
        """Return, budget by budget, the limits of the periods that share a day with those from `first` to `last`."""
        found = self._between.get((first, last))
        if found is None:
            if len(self._between) >= RANGES_KEPT_MAX:
                self._between.clear()
            found = self._between[first, last] = tuple(self._limits_between(first, last))
        return found

    def _limits_between(self, first: date, last: date) -> Iterator[Limit]:
        for key in self.keys:
            day = first
            while day <= last:
                limit = self.limit_on(key, day)
                if limit is not None:
                    yield limit
                day = (self.period_on(key, day) if limit is None else limit.period).last + DAY

    def carrying(self, limit: Limit, today: date) -> list[Limit]:
        """Return the limits of the completed periods that carry into this one, oldest first.

        They are of the same kind of period, without a gap, and at most `CARRIED_PERIODS_MAX`. Nothing is carried
        into a period that has not begun.
        """
        if limit.period.first > today or limit.key not in self._histories:
            return []
        found: list[Limit] = []
        day = limit.period.first - DAY
        while len(found) < CARRIED_PERIODS_MAX:
            before = self.limit_on(limit.key, day)
            if before is None or before.rollover == NO_ROLLOVER or before.schedule != limit.schedule:
                break
            found.append(before)
            day = before.period.first - DAY
        return found[::-1]

    def with_carried(self, limit: Limit, today: date, spent_of: Callable[[Limit], int]) -> Limit:
        """Return the limit with what goes over from the periods before, `spent_of` saying what was spent in each."""
        return carried_into(limit, self.carrying(limit, today), spent_of)

    def _place(self, key: BudgetKey, day: date) -> tuple[Override | None, Period]:
        """Return the recurring override that holds on a day, and the period that the day lies in."""
        history = self._histories.get(key)
        if history is None or not history.recurring:
            return None, calendar_month(day)
        rows = history.recurring
        number = bisect_right(rows, day, key=lambda row: row.since)
        base = rows[number - 1] if number else None
        first = date.min if base is None else base.since
        last = rows[number].since - DAY if number < len(rows) else date.max
        return base, period_of(CALENDAR_MONTHS if base is None else base.schedule, day).clipped(first, last)

    def _single(self, key: BudgetKey, base: Override | None, period: Period) -> Override | None:
        history = self._histories.get(key)
        found = None if history is None else history.singles.get(period.first)
        schedule = CALENDAR_MONTHS if base is None else base.schedule
        return found if found is not None and found.schedule == schedule else None


def carried_into(limit: Limit, before: Sequence[Limit], spent_of: Callable[[Limit], int]) -> Limit:
    """Return the limit with what goes over from those that carry into it."""
    if not before:
        return limit
    return limit._replace(carried_minor=carried_over([(item, spent_of(item)) for item in before]))


def carried_over(periods: Sequence[tuple[Limit, int]]) -> int:
    """Return what completed periods, oldest first, carry into the next: minor units, negative for overspending.

    With each limit comes what was spent in its period. What a period leaves, what it was carried among it, goes over
    as its rollover says; what does not go over is gone.
    """
    carried_minor = 0
    for limit, spent_minor in periods:
        left_minor = limit.limit_minor + carried_minor - spent_minor
        goes_over = limit.rollover.surplus if left_minor > 0 else limit.rollover.overspend
        carried_minor = left_minor if goes_over else 0
    return carried_minor
