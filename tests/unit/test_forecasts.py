"""How a period is likely to end, and what may be spent today."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintql.domain.budget_periods import calendar_month
from mintql.domain.forecasts import Course, available_today, forecast, has_begun_enough
from mintql.domain.periods import Period

DAY = timedelta(days=1)
NOVEMBER = calendar_month(date(2026, 11, 1))
TENTH = date(2026, 11, 10)


def course(available_minor=300_00, spent_minor=100_00, daily=None, bills=(), today=TENTH, known_since=NOVEMBER.first):
    daily = {NOVEMBER.first + number * DAY: 10_00 for number in range(10)} if daily is None else daily
    return Course(NOVEMBER, today, "USD", available_minor, spent_minor, daily, known_since, bills)


def test_a_steady_pace_goes_on_to_the_end_and_known_bills_come_on_top():
    found = forecast(course(bills=[15_00, 5_00]))
    assert (found.pace_minor, found.days_after, found.bills_minor, found.bills) == (10_00, 20, 20_00, 2)
    assert found.spent_minor == 100_00 + 20 * 10_00 + 20_00
    assert (found.exceeds, found.over_minor) == (True, 20_00)
    assert found.basis == (
        "100.00 USD spent so far, 2 known bills of 20.00 USD to come and 10.00 USD a day beside bills for the 20 days "
        "after today."
    )


def test_a_bill_that_was_paid_is_spent_and_sets_no_pace():
    found = forecast(course(spent_minor=1_100_00))
    assert found.spent_minor == 1_100_00 + 20 * 10_00


def test_one_large_purchase_is_no_pace():
    daily = {NOVEMBER.first + number * DAY: 10_00 for number in range(10)}
    daily[date(2026, 11, 3)] = 2_000_00
    # It counts for five usual days: 9 * 10 + 50 in ten days.
    assert forecast(course(daily=daily)).pace_minor == 14_00


def test_the_days_before_speak_while_the_period_is_young():
    before = {NOVEMBER.first - number * DAY: 20_00 for number in range(1, 91)}
    young = course(daily=before, spent_minor=0, today=NOVEMBER.first, known_since=date(2026, 1, 1))
    # Fourteen days of 20.00 and one of nothing.
    assert forecast(young).pace_minor == 14 * 20_00 // 15
    late = replace(young, today=date(2026, 11, 28))
    assert forecast(late).pace_minor == 14 * 20_00 // 42


def test_days_before_a_persons_first_row_are_no_days_without_spending():
    known_since = NOVEMBER.first - 10 * DAY
    before = {known_since + number * DAY: 10_00 for number in range(10)}
    own = {NOVEMBER.first + number * DAY: 10_00 for number in range(10)}
    assert forecast(course(daily=before | own, known_since=known_since)).pace_minor == 10_00


def test_on_the_last_day_only_what_is_known_comes():
    found = forecast(course(today=NOVEMBER.last, bills=[7_00]))
    assert (found.spent_minor, found.days_after) == (107_00, 0)
    assert found.basis == "100.00 USD spent so far and a known bill of 7.00 USD to come."


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        # 300 - 90 spent before today over 21 days is 10 a day, which was spent today.
        ({}, 0),
        ({"daily": {}}, 200_00 // 21),
        ({"daily": {}, "bills": [95_00]}, 5_00),
        ({"daily": {TENTH: 1_00}, "bills": [96_00]}, 4_00),
        ({"daily": {}, "bills": [250_00]}, 0),
        ({"daily": {}, "spent_minor": 400_00}, 0),
        ({"daily": {}, "today": NOVEMBER.last}, 200_00),
        ({"daily": {}, "available_minor": -50_00}, 0),
    ],
)
def test_what_may_be_spent_today_is_an_equal_share_of_what_bills_leave(changes, left):
    assert available_today(course(**changes)) == left


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 30), st.lists(st.integers(0, 10**5), max_size=4))
def test_spending_each_days_share_never_exceeds_the_budget(available_minor, spent_minor, day, bills):
    now = course(available_minor, spent_minor, {}, bills, date(2026, 11, day))
    while now.today <= NOVEMBER.last:
        share = available_today(now)
        assert share >= 0
        now = replace(now, spent_minor=now.spent_minor + share, today=now.today + DAY)
    assert now.spent_minor + sum(bills) <= max(available_minor, spent_minor + sum(bills))


@pytest.mark.parametrize(
    ("period", "day", "enough"),
    [
        (NOVEMBER, date(2026, 11, 5), False),
        (NOVEMBER, date(2026, 11, 6), True),
        (Period(date(2026, 11, 23), date(2026, 11, 29)), date(2026, 11, 23), False),
        (Period(date(2026, 11, 23), date(2026, 11, 29)), date(2026, 11, 24), True),
    ],
)
def test_a_fifth_of_the_period_has_to_have_passed(period, day, enough):
    assert has_begun_enough(period, day) is enough
