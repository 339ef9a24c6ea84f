"""Reading the sandbox bank's pages: good rows, bad rows, and pages that are none."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mintql.domain.errors import ProtocolError
from mintql.domain.institutions import AccountKind, ProviderTransaction, Window
from mintql.institutions.sandbox import SandboxConnector
from mintql.institutions.sandbox_pages import next_page, parse_page
from mintql.sandbox.bank import WINDOW_DAYS_MAX

ROW = {
    "id": "t1",
    "posted_on": "2026-11-20",
    "occurred_at": "2026-11-19T20:15:00-08:00",
    "amount": "-12.50",
    "currency": "USD",
    "description": "SQ *BLUE BOTTLE 0042 OAKLAND CA",
    "pending": False,
    "pending_id": "t1.pending",
    "mcc": "5814",
}
ACCOUNT = {
    "id": "a1",
    "name": "Card",
    "kind": "credit_card",
    "currency": "USD",
    "mask": "0042",
    "balance": "-90.10",
    "available": "900",
}


def page(*rows, **changes):
    whole = {
        "account": "a1",
        "from": "2026-11-01",
        "to": "2026-11-23",
        "transactions": list(rows),
        "removed": [],
        "next_page": None,
    }
    return json.dumps(whole | changes).encode()


def test_a_transaction_is_read_field_by_field():
    parsed = parse_page(page(ROW, removed=["t0"]))
    assert parsed.transactions == (
        ProviderTransaction(
            account_external_id="a1",
            external_id="t1",
            posted_on=date(2026, 11, 20),
            amount_minor=-1250,
            currency="USD",
            description="SQ *BLUE BOTTLE 0042 OAKLAND CA",
            pending=False,
            pending_external_id="t1.pending",
            occurred_at=datetime(2026, 11, 20, 4, 15, tzinfo=UTC),
            merchant_category_code="5814",
        ),
    )
    assert parsed.removed == (("a1", "t0"),)
    assert parsed.rejected == ()


def test_only_the_last_page_of_an_account_closes_its_window():
    assert parse_page(page(ROW, next_page="abc")).windows == ()
    assert parse_page(page(ROW)).windows == (Window("a1", date(2026, 11, 1), date(2026, 11, 23)),)
    assert next_page(page(next_page="abc")) == "abc"
    assert next_page(page()) is None


def test_an_account_is_read_and_an_unknown_kind_is_other():
    content = json.dumps(
        {
            "as_of": "2026-11-23T04:12:00Z",
            "accounts": [ACCOUNT, ACCOUNT | {"id": "a2", "kind": "pension", "balance": None}],
        }
    )
    first, second = parse_page(content.encode()).accounts
    assert (first.kind, first.balance_minor, first.available_minor) == (AccountKind.CREDIT_CARD, -9010, 90000)
    assert first.balance_at == datetime(2026, 11, 23, 4, 12, tzinfo=UTC)
    assert (second.kind, second.balance_minor) == (AccountKind.OTHER, None)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"amount": "12,5O"}, "amount"),
        ({"amount": -12.5}, "amount"),
        ({"amount": "1.005"}, "decimals"),
        ({"amount": "9" * 18}, "too large"),
        ({"amount": "NaN"}, "amount"),
        ({"amount": None}, "amount"),
        ({"posted_on": "2026-02-30"}, "2026-02-30"),
        ({"posted_on": 20261120}, "posted_on"),
        ({"posted_on": "0001-01-01"}, "posted_on"),
        ({"currency": "USDX"}, "currency"),
        ({"id": ""}, "id"),
        ({"id": "x" * 256}, "id"),
        ({"id": "a\x00b"}, "id"),
        ({"pending": "no"}, "pending"),
        ({"pending_id": 7}, "pending_id"),
        ({"description": None}, "description"),
        ({"description": "\x00"}, "description"),
    ],
)
def test_a_bad_row_is_set_aside_with_its_reason_and_the_others_are_read(change, reason):
    parsed = parse_page(page(ROW, ROW | {"id": "t2"} | change, ROW | {"id": "t3"}))
    assert [row.external_id for row in parsed.transactions] == ["t1", "t3"]
    (rejected,) = parsed.rejected
    assert (rejected.position, rejected.account_external_id) == (1, "a1")
    assert reason in rejected.reason
    assert 0 < len(rejected.excerpt) <= 200


@pytest.mark.parametrize("key", ["amount", "currency", "description", "posted_on", "id", "pending_id", "pending"])
def test_a_row_with_half_of_a_character_or_nested_deeply_spoils_no_page(key):
    deep = json.loads("[" * 500 + "]" * 500)
    parsed = parse_page(page(ROW, ROW | {"id": "t2", key: "\ud83d"}, ROW | {"id": "t3", key: deep}))
    assert [row.external_id for row in parsed.transactions] == ["t1"]
    assert [row.position for row in parsed.rejected] == [1, 2]
    for row in parsed.rejected:  # As the database takes it.
        f"{row.reason}{row.excerpt}".encode()


def test_names_of_accounts_lose_halves_of_characters_that_the_database_cannot_keep():
    account = ACCOUNT | {"name": "Everyday \ud83d", "mask": "00\ud83d42"}
    content = json.dumps({"as_of": "2026-11-23T04:12:00Z", "accounts": [account, account | {"id": "\ud83d"}]})
    parsed = parse_page(content.encode())
    assert [(item.name, item.mask) for item in parsed.accounts] == [("Everyday", "00 42")]
    assert [row.position for row in parsed.rejected] == [1]


def test_a_currency_that_no_country_uses_is_read_as_the_bank_says_it():
    parsed = parse_page(page(ROW | {"currency": "btc"}))
    assert [row.currency for row in parsed.transactions] == ["BTC"]
    assert parsed.rejected == ()


def test_a_row_that_is_no_object_is_set_aside():
    parsed = parse_page(page(ROW, 7, None, "text"))
    assert [row.position for row in parsed.rejected] == [1, 2, 3]
    assert len(parsed.transactions) == 1


def test_texts_are_cut_and_lose_control_characters_that_the_database_cannot_keep():
    (row,) = parse_page(page(ROW | {"description": "A\x00B\n" + "c" * 600, "mcc": "none"})).transactions
    assert row.description == ("A B " + "c" * 600)[:500]
    assert row.merchant_category_code == ""


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html><body>We are improving!</body></html>",
        b"[]",
        b"null",
        b"{}",
        b'{"accounts": 7}',
        b'{"transactions": []}',
        b"\xff\xfe",
        page(next_page=7),
        page(next_page=""),
        page(account=None),
        page(removed=[7]),
        page(removed=None),
        page(to="soon"),
        page(to="2026-10-31"),
        page(removed=["\ud83d"]),
        page(account="\ud83d"),
        page()[:-20],
    ],
)
def test_a_page_that_cannot_be_read_as_a_whole_is_a_protocol_error(content):
    with pytest.raises(ProtocolError):
        parse_page(content)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*ROW, *ACCOUNT]), inner, max_size=6),
    max_leaves=12,
)


@settings(max_examples=150)
@given(st.lists(json_values, max_size=4), st.sampled_from(["accounts", "transactions"]))
def test_whatever_the_rows_are_each_is_read_or_set_aside(rows, key):
    parsed = parse_page(page(**{key: rows}))
    assert len(parsed.accounts) + len(parsed.transactions) + len(parsed.rejected) == len(rows)


@settings(max_examples=100)
@given(st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_give_a_page_or_a_protocol_error(content):
    try:
        parse_page(content)
    except ProtocolError as error:
        assert error.message.endswith(".")  # noqa: PT017


def test_the_bank_and_the_connector_agree_on_how_many_days_are_given():
    assert SandboxConnector.capabilities.window_days_max == WINDOW_DAYS_MAX
