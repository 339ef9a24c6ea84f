"""Periods of budgets tile the calendar, wherever they begin."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintql.domain.budget_periods import (
    CALENDAR_MONTHS,
    EVERY_MAX,
    PeriodUnit,
    calendar_month,
    period_of,
    period_words,
    periods_between,
    schedule,
    schedule_words,
)
from mintql.domain.errors import InvalidInput
from mintql.domain.periods import Period

DAY = timedelta(days=1)
days = st.dates(date(1970, 1, 1), date(2199, 12, 31))
WEEK, MONTH, YEAR = PeriodUnit.WEEK, PeriodUnit.MONTH, PeriodUnit.YEAR


@st.composite
def schedules(draw):
    unit = draw(st.sampled_from(PeriodUnit))
    return schedule(unit, 1 if unit is YEAR else draw(st.integers(1, EVERY_MAX)), draw(days))


@given(schedules(), days)
def test_periods_tile_the_calendar_without_gap_or_overlap(of, day):
    period = period_of(of, day)
    assert period.first <= day <= period.last
    assert period_of(of, period.first) == period_of(of, period.last) == period
    assert period_of(of, period.last + DAY).first == period.last + DAY
    assert period_of(of, period.first - DAY).last == period.first - DAY


@given(schedules(), days)
def test_periods_are_as_long_as_their_units(of, day):
    length = period_of(of, day).days
    months = {MONTH: of.every, YEAR: 12}.get(of.unit)
    if months is None:
        assert length == 7 * of.every
    else:
        assert months * 30 - 3 <= length <= months * 31 + 1


@given(st.sampled_from(PeriodUnit), st.integers(1, EVERY_MAX), days)
def test_a_period_begins_on_the_day_that_was_given(unit, every, start):
    of = schedule(unit, 1 if unit is YEAR else every, start)
    assert period_of(of, start).first == start
    assert schedule(of.unit, of.every, of.anchor) == of


@given(schedules(), days)
def test_each_start_of_a_period_gives_the_same_schedule_unless_the_month_was_too_short_for_its_day(of, day):
    first = period_of(of, day).first
    again = schedule(of.unit, of.every, first)
    assert again == of or first.day < of.anchor.day


@given(schedules(), days, st.integers(0, 400))
def test_the_periods_of_a_range_follow_each_other_and_cover_it(of, first, length):
    last = first + length * DAY
    found = list(periods_between(of, first, last))
    assert found[0].first <= first
    assert found[-1].first <= last <= found[-1].last
    assert all(after.first == before.last + DAY for before, after in pairwise(found))


@pytest.mark.parametrize(
    ("day", "first", "last"),
    [
        (date(2027, 2, 10), date(2027, 1, 31), date(2027, 2, 27)),
        (date(2027, 2, 28), date(2027, 2, 28), date(2027, 3, 30)),
        (date(2028, 2, 29), date(2028, 2, 29), date(2028, 3, 30)),
        (date(2027, 4, 30), date(2027, 4, 30), date(2027, 5, 30)),
    ],
)
def test_a_month_from_day_31_begins_on_the_last_day_of_shorter_months(day, first, last):
    assert period_of(schedule(MONTH, 1, date(2026, 1, 31)), day) == Period(first, last)


def test_a_year_from_29_february_begins_on_the_28th_where_there_is_none():
    of = schedule(YEAR, 1, date(2024, 2, 29))
    assert period_of(of, date(2026, 6, 1)) == Period(date(2026, 2, 28), date(2027, 2, 27))
    assert period_of(of, date(2028, 6, 1)) == Period(date(2028, 2, 29), date(2029, 2, 27))


@pytest.mark.parametrize("day", [date(2026, 11, 1), date(2028, 2, 29), date(2026, 12, 31)])
def test_calendar_months_are_whole(day):
    assert period_of(CALENDAR_MONTHS, day) == calendar_month(day.replace(day=1))
    assert calendar_month(day.replace(day=1)).is_whole_months


@pytest.mark.parametrize(
    ("of", "day", "words", "often"),
    [
        (CALENDAR_MONTHS, date(2026, 11, 26), "November 2026", "every month"),
        (schedule(YEAR, 1, date(2026, 1, 1)), date(2026, 11, 26), "2026", "every year from 1 January"),
        (schedule(WEEK, 1, date(2026, 11, 23)), date(2026, 11, 26), "the week of 23 to 29 November 2026",
         "every week from Monday"),
        (schedule(WEEK, 1, date(2026, 11, 27)), date(2026, 11, 30), "the week of 27 November to 3 December 2026",
         "every week from Friday"),
        (schedule(WEEK, 2, date(2026, 11, 20)), date(2026, 11, 26), "20 November to 3 December 2026",
         "every 2 weeks from Friday"),
        (schedule(MONTH, 1, date(2026, 1, 25)), date(2026, 12, 26), "25 December 2026 to 24 January 2027",
         "every month from day 25"),
    ],
)  # fmt: skip
def test_periods_have_names_that_people_use(of, day, words, often):
    assert period_words(period_of(of, day)) == words
    assert schedule_words(of) == often


@pytest.mark.parametrize(
    ("unit", "every", "start", "complaint"),
    [
        (WEEK, 0, date(2026, 1, 1), "A period of 0 weeks cannot be; give 1 to 12."),
        (YEAR, 2, date(2026, 1, 1), "A period of 2 years cannot be; give 1 to 1."),
        (MONTH, 13, date(2026, 1, 1), "A period of 13 months cannot be; give 1 to 12."),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(unit, every, start, complaint):
    with pytest.raises(InvalidInput) as refused:
        schedule(unit, every, start)
    assert refused.value.message == complaint
