"""Ranges are cut along the calendar, and compared with as many days of an earlier period."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintql.domain.errors import InvalidInput
from mintql.domain.intervals import (
    PERIODS_MAX,
    RANGE_DAYS_MAX,
    Interval,
    check_span,
    earlier,
    end_of,
    periods_of,
    start_of,
    whole_months,
)
from mintql.domain.periods import Period

DAYS = st.dates(date(1999, 1, 1), date(2030, 12, 31))


@st.composite
def spans(draw, days_max=RANGE_DAYS_MAX):
    first = draw(DAYS)
    return Period(first, first + timedelta(days=draw(st.integers(0, days_max - 1))))


def span(first, last):
    return Period(date.fromisoformat(first), date.fromisoformat(last))


@given(spans(PERIODS_MAX), st.sampled_from(Interval), st.integers(0, 6))
def test_the_periods_of_a_range_are_all_its_days_once_and_never_cross_the_calendar(days, interval, week_start):
    periods = periods_of(days, interval, week_start)
    assert [periods[0].first, periods[-1].last] == [days.first, days.last]
    assert sum(period.days for period in periods) == days.days
    for one, following in pairwise(periods):
        assert following.first == one.last + timedelta(days=1)
        assert following.first == start_of(following.first, interval, week_start)
        assert one.last == end_of(one.first, interval, week_start)


def test_weeks_begin_on_monday_unless_another_day_is_asked_for():
    days = span("2026-11-01", "2026-11-12")
    assert [one.first.day for one in periods_of(days, Interval.WEEK)] == [1, 2, 9]
    assert [one.first.day for one in periods_of(days, Interval.WEEK, 6)] == [1, 8]


@pytest.mark.parametrize(
    ("asked", "interval", "steps", "found"),
    [
        (("2026-11-01", "2026-11-17"), Interval.MONTH, 1, ("2026-10-01", "2026-10-17")),
        (("2026-11-01", "2026-11-30"), Interval.MONTH, 1, ("2026-10-01", "2026-10-31")),
        (("2026-03-01", "2026-03-30"), Interval.MONTH, 1, ("2026-02-01", "2026-02-28")),
        (("2026-10-01", "2026-12-31"), Interval.MONTH, 2, ("2026-04-01", "2026-06-30")),
        (("2026-11-10", "2026-11-19"), Interval.MONTH, 1, ("2026-10-31", "2026-11-09")),
        (("2026-11-23", "2026-11-25"), Interval.WEEK, 1, ("2026-11-16", "2026-11-18")),
        (("2026-11-23", "2026-11-29"), Interval.WEEK, 3, ("2026-11-02", "2026-11-08")),
        (("2026-01-01", "2026-03-31"), Interval.YEAR, 1, ("2025-01-01", "2025-03-31")),
        (("2028-01-01", "2028-02-29"), Interval.YEAR, 1, ("2027-01-01", "2027-02-28")),
        (("2027-01-01", "2027-02-28"), Interval.YEAR, 3, ("2024-01-01", "2024-02-29")),
        (("2026-11-05", "2026-11-05"), Interval.DAY, 2, ("2026-11-03", "2026-11-03")),
    ],
)
def test_a_range_is_compared_with_as_many_days_of_an_earlier_period(asked, interval, steps, found):
    assert earlier(span(*asked), steps, interval) == span(*found)


@given(spans(), st.sampled_from(Interval), st.integers(1, 12))
def test_what_a_range_is_compared_with_ends_before_it(days, interval, steps):
    assert earlier(days, steps, interval).last < days.first


@given(spans())
def test_whole_months_and_what_is_left_are_the_range(days):
    whole, edges = whole_months(days)
    assert whole is None or whole.is_whole_months
    parts = sorted([*edges, *([whole] if whole else [])], key=lambda part: part.first)
    assert sum(part.days for part in parts) == days.days
    assert (parts[0].first, parts[-1].last) == (days.first, days.last)
    assert not any(edge.is_whole_months for edge in edges)


def test_what_is_too_long_or_ends_before_it_begins_is_refused_in_words():
    with pytest.raises(InvalidInput, match="ends \\(2026-10-31\\) before it begins \\(2026-11-01\\)"):
        check_span(date(2026, 11, 1), date(2026, 10, 31))
    with pytest.raises(InvalidInput, match="3,661 days are too many at once; ask for 3,660 at most"):
        check_span(date(2016, 1, 1), date(2016, 1, 1) + timedelta(days=RANGE_DAYS_MAX))
    with pytest.raises(InvalidInput, match="more than 400 periods of a day"):
        periods_of(span("2024-01-01", "2025-12-31"), Interval.DAY)
