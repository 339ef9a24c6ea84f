from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mintql.domain.errors import InvalidInput
from mintql.domain.money import (
    AMOUNT_MINOR_MAX,
    CURRENCIES,
    EXPONENTS,
    Money,
    check_currency,
    check_currency_form,
    exponent,
    parse_minor,
    parse_minors,
    to_decimal_text,
)

amounts = st.integers(-AMOUNT_MINOR_MAX, AMOUNT_MINOR_MAX)
currencies = st.sampled_from(["USD", "EUR", "JPY", "KWD", "CLF", "XYZ"])


@given(amounts, currencies)
def test_an_amount_that_is_written_reads_back_as_itself(amount_minor, currency):
    assert parse_minor(to_decimal_text(amount_minor, currency), currency) == amount_minor


@given(amounts, currencies)
def test_written_amounts_have_exactly_the_decimals_of_their_currency(amount_minor, currency):
    _, point, decimals = to_decimal_text(amount_minor, currency).partition(".")
    assert len(decimals) == exponent(currency)
    assert bool(point) == (exponent(currency) > 0)


@pytest.mark.parametrize(
    ("text", "currency", "amount_minor"),
    [
        ("12.5", "USD", 1250),
        ("-0.01", "USD", -1),
        ("+3", "USD", 300),
        (" 7.00 ", "USD", 700),
        ("1.2300", "EUR", 123),
        ("1250", "JPY", 1250),
        ("1.250", "KWD", 1250),
        ("0.0001", "CLF", 1),
    ],
)
def test_decimals_are_read_by_the_exponent_of_the_currency(text, currency, amount_minor):
    assert parse_minor(text, currency) == amount_minor


@pytest.mark.parametrize(
    "text", ["", "abc", "1,50", "1e3", "NaN", "Infinity", "--1", "1.", ".5", "٣", "1 000", "0x10", "1" * 19]
)
def test_what_is_not_a_plain_decimal_is_refused(text):
    with pytest.raises(InvalidInput) as refused:
        parse_minor(text, "USD", field="limit")
    assert refused.value.field == "limit"


def test_too_many_decimals_are_refused_in_words_that_name_the_amount():
    with pytest.raises(InvalidInput, match=r"'1\.005' has too many decimals: USD amounts have 2"):
        parse_minor("1.005", "USD")
    with pytest.raises(InvalidInput, match="JPY amounts have 0"):
        parse_minor("1.5", "JPY")


def test_amounts_beyond_the_bound_are_refused():
    assert parse_minor(to_decimal_text(AMOUNT_MINOR_MAX, "USD"), "USD") == AMOUNT_MINOR_MAX
    with pytest.raises(InvalidInput, match="too large"):
        parse_minor(to_decimal_text(AMOUNT_MINOR_MAX + 1, "USD"), "USD")
    with pytest.raises(InvalidInput, match="too large"):
        parse_minor(to_decimal_text(-AMOUNT_MINOR_MAX - 1, "USD"), "USD")


def test_small_negative_amounts_keep_their_sign():
    assert to_decimal_text(-5, "USD") == "-0.05"
    assert to_decimal_text(0, "USD") == "0.00"
    assert str(Money(-123456, "USD")) == "-1234.56 USD"


def test_people_name_currencies_in_use_in_any_case():
    assert check_currency(" eur ") == "EUR"
    for code in ("USD", "jpy", "XAF", "XCG", "ZWG"):
        assert check_currency(code) == code.upper()
    for text in ("", "EU", "EURO", "E1R", "ÄÖÜ", "ZZZ", "BTC", "X" * 3, "XTS", "XAU", "XDR", "CHE", "CLF", "DEM"):
        with pytest.raises(InvalidInput, match="is no currency in use; give the three letters") as refused:
            check_currency(text, field="home")
        assert refused.value.field == "home"


def test_institutions_may_hold_whatever_has_the_form_of_a_currency():
    for code in ("EUR", "btc", "XAU", "CLF", "ZZZ"):
        assert check_currency_form(code) == code.upper()
    for text in ("", "EU", "EURO", "E1R", "ÄÖÜ"):
        with pytest.raises(InvalidInput, match="three letters"):
            check_currency_form(text)


def test_the_currencies_are_codes_and_have_the_decimals_of_the_standard():
    assert all(check_currency_form(code) == code for code in CURRENCIES)
    assert {code for code in EXPONENTS if code not in CURRENCIES} == {"CLF", "UYW"}  # Of funds; banks may name them.


AMOUNTS = st.sampled_from(
    ["-4.50", "0.05", "-0.05", "12", "+3.00", " 1.00", "1.005", "450", "1.00\n2.00", "", "x", "\u0661.00"]
)


def each(texts: list[str], currencies: list[str]) -> list[int] | str:
    try:
        return [parse_minor(text, currency) for text, currency in zip(texts, currencies, strict=True)]
    except InvalidInput as error:
        return error.message


@given(st.lists(st.tuples(AMOUNTS, st.sampled_from(["USD", "EUR", "JPY", "KWD"])), max_size=4))
@example([("-0.05", "USD"), ("12.50", "EUR"), ("999999999999.99", "USD")])
def test_many_amounts_read_as_each_of_them_does(pairs: list[tuple[str, str]]) -> None:
    texts, currencies = [text for text, _ in pairs], [currency for _, currency in pairs]
    try:
        found: list[int] | str = parse_minors(texts, currencies)
    except InvalidInput as error:
        found = error.message
    assert found == each(texts, currencies)
