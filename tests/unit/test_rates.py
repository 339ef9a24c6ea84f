"""Amounts of several currencies become one exactly, by the rate of the day, and nothing is dropped."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintql.domain.errors import InvalidInput
from mintql.domain.rates import ManualRate, Rate, RateBook, check_pair, check_rate, convert, shown_rate

FRIDAY = date(2026, 11, 20)
DOLLARS = Rate("USD", FRIDAY, Decimal("1.25"))
YEN = Rate("JPY", FRIDAY, Decimal(160))


def test_a_weekend_uses_the_rate_of_friday_and_says_so():
    found = convert([(FRIDAY + timedelta(days=2), "USD", 1_000)], "EUR", RateBook([DOLLARS]))
    assert (found.amount_minor, found.currency, found.not_converted) == (800, "EUR", ())
    assert [(use.currency, use.first_on, use.last_on, use.manual) for use in found.rates] == [
        ("USD", FRIDAY, FRIDAY, False)
    ]


def test_two_currencies_meet_through_the_euro_with_the_decimals_of_each():
    found = convert([(FRIDAY, "JPY", 12_800)], "USD", RateBook([DOLLARS, YEN]))
    assert found.amount_minor == 10_000


def test_what_has_no_rate_or_too_old_a_one_is_named_and_not_dropped():
    amounts = [
        (FRIDAY + timedelta(days=7), "USD", 100),
        (FRIDAY + timedelta(days=8), "USD", 200),
        (FRIDAY - timedelta(days=1), "USD", 400),
        (FRIDAY, "XAF", 800),
        (FRIDAY, "EUR", 1_600),
    ]
    found = convert(amounts, "EUR", RateBook([DOLLARS]))
    assert (found.amount_minor, found.not_converted) == (1_680, (("USD", 600), ("XAF", 800)))


def test_half_a_cent_goes_to_the_even_one_once_at_the_end():
    book = RateBook([Rate("USD", FRIDAY, Decimal(2))])
    assert convert([(FRIDAY, "USD", 1)], "EUR", book).amount_minor == 0
    assert convert([(FRIDAY, "USD", 3)], "EUR", book).amount_minor == 2
    saturday = FRIDAY + timedelta(days=1)
    assert convert([(FRIDAY, "USD", 1), (saturday, "USD", 1)], "EUR", book).amount_minor == 1


def test_a_persons_own_rate_goes_before_the_table_whichever_way_round_and_however_old():
    own = ManualRate("EUR", "USD", FRIDAY - timedelta(days=400), Decimal(2))
    found = convert([(FRIDAY, "USD", 1_000)], "EUR", RateBook([DOLLARS], [own]))
    assert (found.amount_minor, found.rates[0].manual, found.rates[0].first_on) == (500, True, own.on)
    newer = ManualRate("USD", "EUR", FRIDAY, Decimal("0.9"))
    assert convert([(FRIDAY, "USD", 1_000)], "EUR", RateBook([DOLLARS], [own, newer])).amount_minor == 900


def test_a_currency_that_only_a_person_knows_reaches_others_by_way_of_the_one_they_named():
    book = RateBook([DOLLARS], [ManualRate("XPF", "USD", FRIDAY, Decimal("0.01"))])
    assert convert([(FRIDAY, "XPF", 1_000)], "EUR", book).amount_minor == 800
    assert convert([(FRIDAY, "EUR", 800)], "XPF", book).amount_minor == 1_000


@given(
    st.lists(
        st.tuples(
            st.integers(0, 30), st.sampled_from(["USD", "JPY", "KWD", "EUR", "CHF"]), st.integers(-(10**9), 10**9)
        ),
        max_size=30,
    ),
    st.dictionaries(
        st.tuples(st.sampled_from(["USD", "JPY", "KWD"]), st.integers(0, 30)),
        st.decimals("0.0001", "9999", places=4),
        max_size=20,
    ),
    st.sampled_from(["EUR", "USD", "JPY"]),
)
def test_a_sum_is_that_of_each_amount_by_hand(rows, kept, to):
    start = date(2026, 11, 1)

    def per_euro(currency, place):
        if currency == "EUR":
            return Decimal(1)
        days = [day for code, day in kept if code == currency and place - 7 <= day <= place]
        return kept[currency, max(days)] if days else None

    total, left = Decimal(0), {}
    with localcontext() as context:
        context.prec = 200
        for place, currency, amount in rows:
            mine, theirs = per_euro(currency, place), per_euro(to, place)
            if amount and currency != to and (mine is None or theirs is None):
                left[currency] = left.get(currency, 0) + amount
            elif amount:
                places = {"JPY": 0, "KWD": 3}
                factor = Decimal(1) if currency == to else theirs / mine
                total += amount * factor * Decimal(10) ** (places.get(to, 2) - places.get(currency, 2))
        expected = int(total.quantize(Decimal(1), ROUND_HALF_EVEN))
    book = RateBook(Rate(code, start + timedelta(days=day), value) for (code, day), value in kept.items())
    amounts = [(start + timedelta(days=place), currency, amount) for place, currency, amount in rows]
    found = convert(amounts, to, book)
    assert abs(found.amount_minor - expected) <= (abs(total - int(total)) == Decimal("0.5"))
    assert found.not_converted == tuple(sorted(left.items()))


@pytest.mark.parametrize("text", ["0", "-1", "NaN", "Infinity", "1e13", "0.0000000000001", "one"])
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(InvalidInput, match="no rate"):
        check_rate(text)


def test_a_rate_is_between_two_currencies():
    assert check_pair("usd", "EUR") == ("USD", "EUR")
    with pytest.raises(InvalidInput, match="both are EUR"):
        check_pair("EUR", "eur")
    assert (check_rate("1.0842"), shown_rate(Fraction(1, 3)), shown_rate(Fraction(160))) == (
        Decimal("1.0842"),
        "0.3333333333",
        "160",
    )
