"""When summaries are due, what they compare, and what they say in a line."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from mintql.domain.digests import (
    Compared,
    CurrencyDigest,
    Digest,
    DigestPeriod,
    digest_body,
    digest_title,
    mean_minor,
)
from mintql.domain.money_words import amount_words, change_words
from mintql.domain.periods import Period

WEEK, MONTH = DigestPeriod.WEEK, DigestPeriod.MONTH


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "zone", "due"),
    [
        ("2026-11-23T07:59", "UTC", None),
        ("2026-11-23T08:00", "UTC", date(2026, 11, 16)),
        # New York is five hours behind in winter, four until the first Sunday of November.
        ("2026-11-23T12:59", "America/New_York", None),
        ("2026-11-23T13:00", "America/New_York", date(2026, 11, 16)),
        ("2026-10-26T12:00", "America/New_York", date(2026, 10, 19)),
        # The clocks of Paris went back the night before; of London forward, in March.
        ("2026-10-26T06:59", "Europe/Paris", None),
        ("2026-10-26T07:00", "Europe/Paris", date(2026, 10, 19)),
        ("2026-03-30T07:00", "Europe/London", date(2026, 3, 23)),
        # It is Monday there already, or Sunday still.
        ("2026-11-22T18:00", "Pacific/Kiritimati", date(2026, 11, 16)),
        ("2026-11-23T18:59", "Pacific/Pago_Pago", None),
        ("2026-11-23T19:00", "Pacific/Pago_Pago", date(2026, 11, 16)),
        ("2026-11-23T02:30", "Asia/Kolkata", date(2026, 11, 16)),
        ("2026-11-23T02:15", "Asia/Kathmandu", date(2026, 11, 16)),
        # Thursday morning is too late.
        ("2026-11-26T07:59", "UTC", date(2026, 11, 16)),
        ("2026-11-26T08:00", "UTC", None),
    ],
)
def test_a_week_is_due_on_monday_at_eight_where_the_person_is(now: str, zone: str, due: date | None):
    span = WEEK.due(at(now), zone)
    assert (span.first if span else None) == due


def test_a_month_is_due_on_the_first_at_eight_where_the_person_is():
    assert MONTH.due(at("2027-01-01T07:59"), "UTC") is None
    assert MONTH.due(at("2027-01-01T08:00"), "UTC") == Period(date(2026, 12, 1), date(2026, 12, 31))
    assert MONTH.due(at("2026-11-30T18:00"), "Pacific/Kiritimati") == Period(date(2026, 11, 1), date(2026, 11, 30))
    assert MONTH.due(at("2026-11-15T12:00"), "UTC") is None


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Paris", "Australia/Lord_Howe", "Africa/Cairo", "UTC"])
def test_a_look_each_quarter_of_an_hour_finds_each_week_of_a_year(zone: str):
    moment, found = at("2026-01-05T00:00"), []
    while moment < at("2027-01-03T12:00"):
        span = WEEK.due(moment, zone)
        if span is not None and span.first not in found:
            found.append(span.first)
        moment += timedelta(minutes=15)
    assert found == [date(2025, 12, 29) + timedelta(weeks=number) for number in range(52)]


def test_periods_before_are_whole_ones():
    assert MONTH.earlier(MONTH.around(date(2026, 3, 10)))[0] == Period(date(2026, 2, 1), date(2026, 2, 28))
    assert WEEK.earlier(WEEK.around(date(2026, 11, 18)))[1] == Period(date(2026, 11, 2), date(2026, 11, 8))


def test_periods_are_named_as_people_name_them():
    assert MONTH.named(MONTH.around(date(2026, 11, 5))) == "November 2026"
    assert WEEK.named(WEEK.around(date(2026, 11, 18))) == "16 to 22 November 2026"
    assert WEEK.named(WEEK.around(date(2026, 12, 1))) == "30 November to 6 December 2026"
    assert WEEK.named(WEEK.around(date(2027, 1, 1))) == "28 December 2026 to 3 January 2027"


def test_means_are_to_the_nearest_minor_unit():
    assert mean_minor([]) is None
    assert mean_minor([1, 2]) == 2
    assert mean_minor([1, 1, 2]) == 1
    assert mean_minor([-1, -2]) == -1


def digest_of(*currencies: CurrencyDigest) -> Digest:
    span = MONTH.around(date(2026, 11, 1))
    return Digest(
        MONTH, span, MONTH.earlier(span)[0], MONTH.around(date(2026, 12, 1)), list(currencies), [], [], [], []
    )


def in_currency(currency: str, spent: Compared) -> CurrencyDigest:
    return CurrencyDigest(currency, spent, Compared(500_000, 480_000, 490_000), 0)


def test_a_summary_says_in_a_line_what_was_spent_and_how_that_compares():
    one = digest_of(in_currency("USD", Compared(123_450, 125_450, 120_000)))
    assert digest_title(one) == "November 2026: you spent $1,234.50, $20.00 less than the month before"
    assert digest_body(one) == (
        "You spent $1,234.50 and received $5,000.00: $20.00 less spent than the month before, where the mean is "
        "$1,200.00."
    )
    first = digest_of(in_currency("USD", Compared(100, 0, None)))
    assert digest_title(first) == "November 2026: you spent $1.00"


def test_currencies_stand_beside_each_other_and_are_not_added():
    two = digest_of(in_currency("USD", Compared(100, 100, 100)), in_currency("JPY", Compared(5_000, 4_000, 4_000)))
    assert digest_title(two) == "November 2026: you spent $1.00 and ¥5,000"
    assert len(digest_body(two).splitlines()) == 2


def test_amounts_are_written_as_people_read_them():
    assert amount_words(123_456_789, "USD") == "$1,234,567.89"
    assert amount_words(-5, "EUR") == "\N{MINUS SIGN}€0.05"
    assert amount_words(1_234, "JPY") == "¥1,234"
    assert amount_words(1_234_567, "KWD") == "KWD\N{NO-BREAK SPACE}1,234.567"
    assert (change_words(0, "USD"), change_words(-1, "USD")) == ("the same", "$0.01 less")
