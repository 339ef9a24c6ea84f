"""Values, ids and cursors are read strictly and written so that they can be read again."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintql.api.money import MoneyInput, money
from mintql.api.nodes import decode_id, encode_id, split_id
from mintql.api.paging import (
    PAGE_SIZE_MAX,
    PageRequest,
    build_connection,
    decode_day_key,
    decode_number,
    decode_seq,
    encode_day_key,
    encode_number,
    encode_seq,
    page_request,
)
from mintql.api.scalars import SCALARS, BigInt, CurrencyCode, Cursor, DecimalText, Month
from mintql.domain.errors import InvalidInput

NUMBERS = st.integers(0, 2**63 - 1)


def read(kind, value):
    return SCALARS[kind].parse_value(value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (BigInt, 1.0),
        (BigInt, True),
        (BigInt, "1e3"),
        (BigInt, 2**63),
        (BigInt, None),
        (DecimalText, 12.5),
        (DecimalText, "1,50"),
        (DecimalText, "NaN"),
        (DecimalText, "1e3"),
        (DecimalText, ""),
        (date, "2026-02-30"),
        (date, "20261102"),
        (date, "2026-11-02T00:00:00Z"),
        (date, "0001-01-01"),
        (datetime, "2026-11-02T08:00:00"),
        (datetime, "yesterday"),
        (Month, "2026-13"),
        (Month, "2026-11-01"),
        (Month, 202611),
        (Month, "2026-11\n"),
        (Month, "1900-01"),
        (CurrencyCode, "BTC"),
        (CurrencyCode, "Dollar"),
        (CurrencyCode, 840),
        (Cursor, "x" * 1000),
        (Cursor, 7),
    ],
)
def test_a_value_that_is_none_of_its_kind_is_refused_in_words(kind, value):
    with pytest.raises(InvalidInput) as refusal:
        read(kind, value)
    assert refusal.value.message.endswith((".", '"12.50".', "USD."))
    assert len(refusal.value.message) < 200
    assert refusal.value.field is None


def test_values_are_read_as_what_they_say():
    assert read(BigInt, "-9223372036854775807") == -(2**63) + 1
    assert read(DecimalText, " 12.50 ") == "12.50"
    assert read(Month, "2026-11") == date(2026, 11, 1)
    assert read(datetime, "2026-11-02T09:00:00+01:00") == datetime(2026, 11, 2, 8, tzinfo=UTC)
    assert read(CurrencyCode, "eur") == "EUR"


def test_moments_are_written_in_utc():
    moment = datetime.fromisoformat("2026-11-02T09:00:00.123456+01:00")
    assert SCALARS[datetime].serialize(moment) == "2026-11-02T08:00:00.123Z"


def test_money_shows_the_same_amount_twice():
    shown = money(-1250, "USD")
    assert (shown.amount_minor, shown.amount(), shown.currency) == (-1250, "-12.50", "USD")
    assert money(1250, "JPY").amount() == "1250"
    assert money(1250, "KWD").amount() == "1.250"


def test_an_amount_that_is_entered_has_the_decimals_of_its_currency():
    assert MoneyInput(amount="12.5", currency="USD").minor_in("USD", field="limit") == 1250
    with pytest.raises(InvalidInput, match="too many decimals"):
        MoneyInput(amount="12.505", currency="USD").minor_in("USD", field="limit")
    with pytest.raises(InvalidInput, match="in EUR, but has to be in USD") as refusal:
        MoneyInput(amount="12", currency="EUR").minor_in("USD", field="limit")
    assert refusal.value.field == "limit"


@given(NUMBERS)
def test_an_id_names_its_row_again(number):
    assert decode_id("Account", encode_id("Account", number)) == number
    assert split_id(encode_id("Account", number)) == ("Account", number)


@given(st.text(max_size=60))
def test_no_text_makes_reading_an_id_fail_otherwise_than_in_words(text):
    with pytest.raises(InvalidInput, match="not an id"):
        decode_id("Account", text + "!")


def test_the_id_of_another_type_is_refused():
    with pytest.raises(InvalidInput, match="id of a Category"):
        decode_id("Account", encode_id("Category", 1))


@pytest.mark.parametrize("text", ["", "QWNjb3VudDo", "1", encode_id("Account", 2**63), "QWNjb3VudDotMQ", "ü"])
def test_what_was_never_given_out_is_no_id(text):
    with pytest.raises(InvalidInput, match="not an id"):
        decode_id("Account", text)


@given(st.dates(date(1970, 1, 1), date(2199, 12, 31)), NUMBERS)
def test_a_cursor_of_a_day_list_is_its_key(day, number):
    assert decode_day_key(encode_day_key(day, number)) == (day, number)


@given(NUMBERS)
def test_a_cursor_of_an_event_is_its_place(number):
    assert decode_seq(encode_seq(number)) == number


@given(st.text(max_size=60))
def test_no_text_makes_reading_a_cursor_fail_otherwise_than_in_words(text):
    for decode in (decode_day_key, decode_seq):
        with pytest.raises(InvalidInput, match="not a cursor"):
            decode(text + "!", "after")


def test_a_cursor_of_another_list_is_refused():
    with pytest.raises(InvalidInput, match="not a cursor"):
        decode_seq(encode_day_key(date(2026, 11, 2), 1))
    with pytest.raises(InvalidInput, match="not a cursor"):
        decode_number("alert", encode_number("event", 1))


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"first": 0}, "first"),
        ({"first": PAGE_SIZE_MAX + 1}, "first"),
        ({"last": -1}, "last"),
        ({"first": 1, "last": 1}, "last"),
        ({"after": "nonsense"}, "after"),
        ({"before": "nonsense"}, "before"),
    ],
)
def test_a_page_that_cannot_be_is_refused_and_the_argument_named(arguments, field):
    with pytest.raises(InvalidInput) as refusal:
        page_request(decode_day_key, **arguments)
    assert refusal.value.field == field


@given(st.integers(0, 12), st.integers(1, 10), st.booleans())
def test_a_page_shows_at_most_its_size_in_the_order_of_the_list(count, size, backward):
    request = PageRequest(size, backward=backward)
    everything = list(range(count))
    fetched = (everything[::-1] if backward else everything)[: request.limit]
    page = build_connection(fetched, request, str, lambda row: Cursor(f"c{row}"))
    expected = everything[-size:] if backward else everything[:size]
    assert page.nodes == [str(row) for row in expected]
    assert [edge.cursor for edge in page.edges()] == [f"c{row}" for row in expected]
    more = count > size
    assert (page.page_info().has_previous_page if backward else page.page_info().has_next_page) is more
    assert page.page_info().end_cursor == (f"c{expected[-1]}" if expected else None)
