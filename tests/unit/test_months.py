from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintql.domain.errors import InvalidInput
from mintql.domain.months import (
    MONTHS_PER_RANGE_MAX,
    add_months,
    check_range,
    check_time_zone,
    first_day,
    last_day,
    local_date,
    month_text,
    months_between,
    parse_month,
)

days = st.dates(date(1970, 1, 1), date(2199, 12, 31))
months = days.map(first_day)
NOVEMBER = date(2026, 11, 1)


@given(months)
def test_a_month_that_is_written_reads_back_as_itself(month):
    assert parse_month(month_text(month)) == month


@given(months, st.integers(-1000, 1000))
def test_months_added_and_taken_away_again_lead_back(month, count):
    assert add_months(add_months(month, count), -count) == month
    assert add_months(month, count).day == 1


@given(days)
def test_a_day_lies_between_the_first_and_last_day_of_its_month(day):
    month = first_day(day)
    assert month <= day <= last_day(month)
    assert first_day(last_day(month)) == month
    assert (add_months(month, 1) - last_day(month)).days == 1


@given(months, st.integers(0, MONTHS_PER_RANGE_MAX - 1))
def test_a_range_holds_as_many_months_as_it_says(first, count):
    last = add_months(first, count)
    listed = list(months_between(first, last))
    assert check_range(first, last) == len(listed) == count + 1
    assert listed == sorted(set(listed))
    assert (listed[0], listed[-1]) == (first, last)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026",
        "2026-13",
        "2026-00",
        "2026-1",
        "26-11",
        "2026-11-01",
        " 2026-11",
        "2026-11 ",
        "2026-11\n",
        "\u0662\u0660\u0662\u0666-11",
    ],
)
def test_what_is_no_month_is_refused(text):
    with pytest.raises(InvalidInput, match="is not a month") as refused:
        parse_month(text, field="from")
    assert refused.value.field == "from"


@pytest.mark.parametrize("text", ["1969-12", "2200-01", "0000-01"])
def test_a_month_out_of_range_is_told_the_years_there_are(text):
    with pytest.raises(InvalidInput, match=f"{text} is out of range; months are of the years 1970 to 2199") as refused:
        parse_month(text, field="from")
    assert refused.value.field == "from"


def test_ranges_that_end_before_they_begin_or_are_too_long_are_refused():
    with pytest.raises(InvalidInput, match=r"ends \(2026-10\) before it begins \(2026-11\)"):
        check_range(NOVEMBER, add_months(NOVEMBER, -1))
    with pytest.raises(InvalidInput, match="121 months are too many"):
        check_range(NOVEMBER, add_months(NOVEMBER, MONTHS_PER_RANGE_MAX))


def test_the_local_date_is_the_one_on_the_persons_wall():
    now = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)
    assert local_date(now, "UTC") == date(2026, 11, 30)
    assert local_date(now, "Europe/Berlin") == date(2026, 12, 1)
    assert local_date(now, "America/Los_Angeles") == date(2026, 11, 30)


def test_only_zones_of_the_iana_database_are_time_zones():
    assert check_time_zone("Europe/Berlin") == "Europe/Berlin"
    for name in ("UTC", "Etc/GMT+5", "America/Argentina/Ushuaia", "Asia/Calcutta", "EST5EDT"):
        assert check_time_zone(name) == name
    for name in ("localtime", "posixrules", "Factory", "posix/Europe/Berlin", "right/UTC", "europe/berlin", "UTC "):
        with pytest.raises(InvalidInput, match="is not a time zone"):
            check_time_zone(name)
    for name in ("", "Mars/Base", "../etc/passwd", "Europe", "a" * 300, "Europe/Ber\0lin"):
        with pytest.raises(InvalidInput, match="is not a time zone"):
            check_time_zone(name)
