"""Which limit holds on which day, whatever was changed when, and what goes over from period to period."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintql.data import load_template
from mintql.domain.budget_periods import CALENDAR_MONTHS, PeriodUnit, calendar_month, period_of, schedule
from mintql.domain.budget_timeline import CARRIED_PERIODS_MAX, Timeline, carried_over
from mintql.domain.budgets import (
    EVERYTHING_ID,
    NO_ROLLOVER,
    THRESHOLDS_DEFAULT,
    BudgetKey,
    LimitOrigin,
    Override,
    Plan,
    Rollover,
    ThresholdState,
    crossed,
    percent_used,
    threshold_state,
)
from mintql.domain.periods import Period
from support.people import category

DAY = timedelta(days=1)
PLAN = Plan(60_000_00, "USD", 7)
GROCERIES, FOOD = BudgetKey(category("groceries"), "USD"), BudgetKey(category("food-and-dining"), "USD")
MONDAYS = schedule(PeriodUnit.WEEK, 1, date(2026, 11, 16))
PAYDAYS = schedule(PeriodUnit.MONTH, 1, date(2026, 1, 25))
BOTH = Rollover(surplus=True, overspend=True)
TODAY = date(2026, 11, 26)


def override(since, limit_minor=100_00, key=GROCERIES, *, recurring=True, kind=CALENDAR_MONTHS, rollover=NO_ROLLOVER):
    return Override(key.category_id, since, recurring, limit_minor, key.currency, THRESHOLDS_DEFAULT, 1, kind, rollover)


def timeline(*overrides):
    return Timeline(load_template(), PLAN, overrides)


def months(first, last, **more):
    """Limits of Groceries of each month from one to another, all of 100.00."""
    return timeline(override(date(2026, first, 1), **more)), [
        date(2026, number, 1) for number in range(first, last + 1)
    ]


def test_a_new_kind_of_period_leaves_the_days_before_it_as_they_were():
    found = timeline(override(date(2026, 11, 16), kind=MONDAYS), override(date(2026, 9, 1), 400_00))
    periods = [(limit.period.first, limit.period.last, limit.limit_minor)
               for limit in found.limits_between(date(2026, 10, 1), date(2026, 11, 29))
               if limit.key == GROCERIES]  # fmt: skip
    assert periods == [
        (date(2026, 10, 1), date(2026, 10, 31), 400_00),
        (date(2026, 11, 1), date(2026, 11, 15), 400_00),
        (date(2026, 11, 16), date(2026, 11, 22), 100_00),
        (date(2026, 11, 23), date(2026, 11, 29), 100_00),
    ]


def test_the_template_holds_until_a_group_gets_a_kind_of_its_own_and_says_nothing_of_other_kinds():
    found = timeline(override(date(2026, 11, 25), 500_00, FOOD, kind=PAYDAYS))
    before, after = found.limit_on(FOOD, date(2026, 11, 24)), found.limit_on(FOOD, date(2026, 11, 25))
    assert (before.origin, before.period) == (LimitOrigin.TEMPLATE, Period(date(2026, 11, 1), date(2026, 11, 24)))
    assert (after.template_minor, after.period) == (None, Period(date(2026, 11, 25), date(2026, 12, 24)))


def test_a_limit_of_a_single_week_holds_in_that_week_alone():
    found = timeline(
        override(date(2026, 11, 16), kind=MONDAYS),
        override(date(2026, 11, 23), 20_00, kind=MONDAYS, recurring=False),
    )
    days = [date(2026, 11, 22), date(2026, 11, 23), date(2026, 11, 29), date(2026, 11, 30)]
    assert [found.limit_on(GROCERIES, day).limit_minor for day in days] == [100_00, 20_00, 20_00, 100_00]


def test_everything_and_other_currencies_are_budgets_beside_each_other():
    everything, euros = BudgetKey(EVERYTHING_ID, "USD"), BudgetKey(GROCERIES.category_id, "EUR")
    found = timeline(
        override(date(2026, 1, 1), 3_000_00, everything), override(date(2026, 1, 1), 50_00, euros),
        override(date(2026, 1, 1), 60_00),
    )  # fmt: skip
    assert [found.limit_on(key, TODAY).limit_minor for key in (everything, euros, GROCERIES)] == [
        3_000_00,
        50_00,
        60_00,
    ]
    assert found.keys[0] == everything


def test_what_months_leave_and_overspend_goes_over_as_it_was_switched_on():
    found, firsts = months(7, 11, rollover=BOTH)
    spent = {7: 60_00, 8: 90_00, 9: 200_00, 10: 80_00, 11: 10_00}

    def carried(month, rollover):
        before = [(found.limit_on(GROCERIES, first), spent[first.month]) for first in firsts if first.month < month]
        return carried_over([(limit._replace(rollover=rollover), minor) for limit, minor in before])

    # Both: +40, +50, -50, -30. Surplus alone: +40, +50, 0, +20. Overspending alone: 0, 0, -100, -80.
    assert [carried(month, BOTH) for month in range(7, 12)] == [0, 40_00, 50_00, -50_00, -30_00]
    assert [carried(month, Rollover(surplus=True)) for month in range(7, 12)] == [0, 40_00, 50_00, 0, 20_00]
    assert [carried(month, Rollover(overspend=True)) for month in range(7, 12)] == [0, 0, 0, -100_00, -80_00]


def test_a_late_purchase_in_a_past_month_changes_what_is_carried_now():
    found, _ = months(9, 11, rollover=BOTH)
    november = found.limit_on(GROCERIES, TODAY)
    spent = {9: 70_00, 10: 100_00}
    assert found.with_carried(november, TODAY, lambda limit: spent[limit.period.first.month]).available_minor == 130_00
    spent[9] += 50_00
    assert found.with_carried(november, TODAY, lambda limit: spent[limit.period.first.month]).available_minor == 80_00


def test_nothing_goes_over_from_before_it_was_switched_on_nor_into_a_month_that_has_not_begun():
    found = timeline(override(date(2026, 8, 1)), override(date(2026, 10, 1), rollover=Rollover(surplus=True)))
    before = found.carrying(found.limit_on(GROCERIES, TODAY), TODAY)
    assert [limit.period for limit in before] == [calendar_month(date(2026, 10, 1))]
    assert found.carrying(found.limit_on(GROCERIES, date(2026, 12, 1)), TODAY) == []


def test_a_new_kind_of_period_starts_with_nothing_carried():
    found = timeline(
        override(date(2026, 9, 1), rollover=BOTH), override(date(2026, 11, 16), kind=MONDAYS, rollover=BOTH)
    )
    assert found.carrying(found.limit_on(GROCERIES, date(2026, 11, 16)), TODAY) == []
    before = found.carrying(found.limit_on(GROCERIES, TODAY), TODAY)
    assert [limit.period.first for limit in before] == [date(2026, 11, 16)]


@given(
    st.lists(st.integers(-50_00, 300_00), min_size=1, max_size=CARRIED_PERIODS_MAX),
    st.builds(Rollover, st.booleans(), st.booleans()),
    st.sampled_from([CALENDAR_MONTHS, PAYDAYS, MONDAYS, schedule(PeriodUnit.WEEK, 2, date(2026, 1, 2))]),
)
def test_what_is_carried_is_what_adding_up_period_by_period_gives(spent, rollover, kind):
    first = period_of(kind, date(2020, 3, 1)).first
    found = timeline(override(first, kind=kind, rollover=rollover))
    periods, day = [], first
    for _ in spent:
        periods.append(period_of(kind, day))
        day = periods[-1].last + DAY
    by_first = {period.first: minor for period, minor in zip(periods, spent, strict=True)}
    limit = found.with_carried(found.limit_on(GROCERIES, day), day, lambda item: by_first[item.period.first])
    expected = 0
    for minor in spent:
        left = 100_00 + expected - minor
        expected = max(left, 0) * rollover.surplus + min(left, 0) * rollover.overspend
    assert limit.carried_minor == expected


def test_what_is_carried_looks_back_a_bounded_number_of_periods():
    found = timeline(override(date(2010, 1, 1), rollover=Rollover(surplus=True)))
    limit = found.with_carried(found.limit_on(GROCERIES, TODAY), TODAY, lambda _: 99_00)
    assert limit.carried_minor == CARRIED_PERIODS_MAX * 1_00


@pytest.mark.parametrize(
    ("carried_minor", "spent_minor", "reached", "state", "percent"),
    [
        (100_00, 150_00, (), ThresholdState.OK, 75),
        (100_00, 160_00, (80,), ThresholdState.APPROACHING, 80),
        (-50_00, 45_00, (80,), ThresholdState.APPROACHING, 90),
        (-50_00, 50_00, (80, 100), ThresholdState.EXCEEDED, 100),
        (-120_00, 1, (80, 100), ThresholdState.EXCEEDED, None),
        (-120_00, 0, (), ThresholdState.EXCEEDED, 0),
    ],
)
def test_thresholds_are_of_what_is_available(carried_minor, spent_minor, reached, state, percent):
    found, _ = months(11, 11)
    limit = found.limit_on(GROCERIES, TODAY)
    limit = limit._replace(carried_minor=carried_minor)
    assert crossed(limit, spent_minor) == reached
    assert threshold_state(limit, spent_minor) is state
    assert percent_used(limit, spent_minor) == percent


@given(st.data())
def test_the_periods_of_a_budget_tile_the_calendar_whatever_was_changed(data):
    kinds = [CALENDAR_MONTHS, PAYDAYS, MONDAYS, schedule(PeriodUnit.YEAR, 1, date(2026, 3, 1))]
    days = st.dates(date(2025, 1, 1), date(2027, 1, 1))
    rows = {
        since: override(since, kind=data.draw(st.sampled_from(kinds))) for since in data.draw(st.sets(days, max_size=5))
    }
    found, day = timeline(*rows.values()), date(2025, 1, 1)
    while day < date(2027, 1, 1):
        period = found.period_on(GROCERIES, day)
        assert period.first <= day <= period.last
        assert found.period_on(GROCERIES, period.last) == period
        assert found.period_on(GROCERIES, period.last + DAY).first == period.last + DAY
        day = period.last + DAY
