from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintql.domain.errors import (
    AccountGone,
    AuthRequired,
    ConsentExpired,
    InstitutionDown,
    InstitutionFailure,
    InstitutionRateLimited,
    NotReady,
    PaymentRequired,
    ProtocolError,
)
from mintql.domain.institutions import AccountKind
from mintql.institutions import plaid_errors
from mintql.institutions.plaid_pages import SyncState, item_error, parse_page, sync_state

ACCOUNT = {
    "account_id": "BxBX",
    "balances": {"available": 100.25, "current": 110.94, "iso_currency_code": "USD", "limit": None},
    "mask": "0000",
    "name": "Plaid Checking",
    "official_name": "Plaid Gold Checking",
    "subtype": "checking",
    "type": "depository",
}
ROW = {
    "account_id": "BxBX",
    "amount": 72.1,
    "authorized_date": "2023-09-22",
    "authorized_datetime": "2023-09-22T10:34:50Z",
    "date": "2023-09-24",
    "datetime": "2023-09-24T11:01:01Z",
    "iso_currency_code": "USD",
    "unofficial_currency_code": None,
    "name": "PURCHASE WM SUPERCENTER #1700",
    "merchant_name": "Walmart",
    "pending": False,
    "pending_transaction_id": "no86",
    "personal_finance_category": {
        "primary": "GENERAL_MERCHANDISE",
        "detailed": "GENERAL_MERCHANDISE_SUPERSTORES",
        "confidence_level": "VERY_HIGH",
    },
    "transaction_id": "lPNj",
}


def sync_page(*added, modified=(), removed=(), **more) -> bytes:
    return json.dumps(
        {
            "accounts": [ACCOUNT],
            "added": added,
            "modified": modified,
            "removed": removed,
            "next_cursor": "c1",
            "has_more": False,
            "transactions_update_status": "HISTORICAL_UPDATE_COMPLETE",
        }
        | more
    ).encode()


def accounts_page(*accounts, **item) -> bytes:
    return json.dumps({"accounts": accounts or [ACCOUNT], "item": {"item_id": "i", "error": None} | item}).encode()


def read(**changes):
    page = parse_page(sync_page(ROW | changes))
    assert not page.rejected, page.rejected
    return page.transactions[0]


def refusal(**changes) -> str:
    page = parse_page(sync_page(ROW | changes))
    assert page.transactions == ()
    return page.rejected[0].reason


def test_money_that_leaves_is_positive_at_plaid_and_negative_here():
    assert read().amount_minor == -7210
    assert read(amount=-1500).amount_minor == 150_000
    assert read(amount=0).amount_minor == 0


def test_a_row_is_read_with_its_day_link_category_and_moment():
    row = read()
    assert (row.account_external_id, row.external_id, row.pending_external_id) == ("BxBX", "lPNj", "no86")
    assert row.posted_on == date(2023, 9, 24)
    assert row.occurred_at == datetime(2023, 9, 22, 10, 34, 50, tzinfo=UTC)
    assert row.category_code == "pfc:GENERAL_MERCHANDISE_SUPERSTORES"
    assert row.description == "PURCHASE WM SUPERCENTER #1700"
    assert (row.currency, row.pending, row.merchant_category_code) == ("USD", False, "")


def test_the_day_is_the_banks_own_whatever_the_moment_is_elsewhere():
    row = read(date="2023-09-24", authorized_datetime="2023-09-23T23:30:00-07:00")
    assert row.posted_on == date(2023, 9, 24)
    assert row.occurred_at == datetime(2023, 9, 24, 6, 30, tzinfo=UTC)


@pytest.mark.parametrize("moment", [None, "2023-09-24T00:00:00Z", "yesterday", 5, "9999-12-31T23:59:59-14:00"])
def test_a_moment_that_tells_nothing_is_none(moment):
    assert read(authorized_datetime=moment, datetime=None).occurred_at is None


def test_the_banks_own_words_come_before_plaids():
    assert read(original_description="WM SUPERC Wal-Mart Sup").description == "WM SUPERC Wal-Mart Sup"
    assert read(name=None).description == "Walmart"
    assert "neither a name" in refusal(name=None, merchant_name="  ")


def test_a_pending_row_has_no_forerunner_and_none_is_its_own():
    assert read(pending=True).pending_external_id == ""
    assert read(pending_transaction_id="lPNj").pending_external_id == ""
    assert read(pending_transaction_id=None).pending_external_id == ""


@pytest.mark.parametrize(
    ("category", "code"),
    [
        ({"primary": "TRAVEL", "detailed": "TRAVEL_FLIGHTS", "confidence_level": "LOW"}, "pfc:TRAVEL"),
        ({"primary": "TRAVEL", "detailed": "TRAVEL_FLIGHTS", "confidence_level": None}, "pfc:TRAVEL_FLIGHTS"),
        ({"primary": "TRAVEL"}, "pfc:TRAVEL"),
        ({"detailed": "x" * 300}, ""),
        ({"detailed": 7}, ""),
        (None, ""),
        ("TRAVEL_FLIGHTS", ""),
    ],
)
def test_a_category_is_as_specific_as_plaid_is_sure(category, code):
    assert read(personal_finance_category=category).category_code == code


def test_a_merchant_category_code_is_taken_where_it_is_one():
    assert read(merchant_category_code="5411").merchant_category_code == "5411"
    assert read(merchant_category_code="groceries").merchant_category_code == ""


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("28.34", -2834),
        ("28.340000000000003", -2834),
        ("0.30000000000000004", -30),
        ("1e2", -10_000),
        ("12", -1200),
        ("-0.0", 0),
        ("9999999999.99", -999_999_999_999),
    ],
)
def test_amounts_are_exact_and_the_noise_of_floating_point_is_none_of_them(text, minor):
    content = sync_page(ROW).replace(b'"amount": 72.1', f'"amount": {text}'.encode())
    assert parse_page(content).transactions[0].amount_minor == minor


@given(st.integers(-(10**12), 10**12))
def test_every_amount_in_cents_survives_as_a_json_number(minor):
    assert read(amount=float(Decimal(minor) / 100)).amount_minor == -minor


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"amount": "72.10"}, "`amount` is not a number"),
        ({"amount": None}, "`amount` is not a number"),
        ({"amount": True}, "`amount` is not a number"),
        ({"amount": 72.105}, "too many decimals"),
        ({"amount": 1e300}, "digits before the point"),
        ({"amount": 10**400}, "digits before the point"),
        ({"iso_currency_code": None, "unofficial_currency_code": "BTC"}, "'BTC' is no currency of ISO 4217"),
        ({"iso_currency_code": None}, "there is no currency"),
        ({"iso_currency_code": "dollars"}, "is no currency"),
        ({"date": "2026-02-30"}, "`date` is not a date: '2026-02-30'"),
        ({"date": "20260230"}, "`date` is not a date"),
        ({"date": None}, "`date` is not a date"),
        ({"pending": "no"}, "`pending` is neither"),
        ({"transaction_id": ""}, "`transaction_id` is not an id"),
        ({"transaction_id": "a" * 256}, "`transaction_id` is not an id"),
        ({"transaction_id": "a\0b"}, "`transaction_id` is not an id"),
        ({"account_id": None}, "`account_id` is not an id"),
    ],
)
def test_a_bad_row_is_refused_in_words_and_the_others_are_read(changes, words):
    good = ROW | {"transaction_id": "good"}
    page = parse_page(sync_page(good, ROW | changes, modified=[ROW | {"transaction_id": "other"}]))
    assert [row.external_id for row in page.transactions] == ["good", "other"]
    (rejected,) = page.rejected
    assert words in rejected.reason
    assert rejected.excerpt


def test_yen_have_no_decimals():
    assert read(iso_currency_code="JPY", amount=1200).amount_minor == -1200
    assert "too many decimals" in refusal(iso_currency_code="JPY", amount=1200.5)


def test_places_of_rejected_rows_count_on_from_list_to_list():
    page = parse_page(sync_page(7, ROW, modified=["x"], removed=[None, {"transaction_id": "gone"}]))
    assert [rejected.position for rejected in page.rejected] == [1, 3, 4]
    assert {rejected.reason for rejected in page.rejected} == {"not an object"}
    assert page.removed == (("", "gone"),)


def test_what_was_removed_names_its_account_where_plaid_does():
    page = parse_page(sync_page(removed=[{"transaction_id": "a", "account_id": "BxBX"}, {"transaction_id": "b"}]))
    assert page.removed == (("BxBX", "a"), ("", "b"))


def test_changes_of_transactions_claim_no_days_to_be_complete():
    assert parse_page(sync_page(ROW)).windows == ()


@pytest.mark.parametrize(
    ("kind", "subtype", "expected", "balance_minor"),
    [
        ("depository", "checking", AccountKind.CHECKING, 11_094),
        ("depository", "savings", AccountKind.SAVINGS, 11_094),
        ("depository", "money market", AccountKind.SAVINGS, 11_094),
        ("depository", "paypal", AccountKind.CHECKING, 11_094),
        ("credit", "credit card", AccountKind.CREDIT_CARD, -11_094),
        ("loan", "mortgage", AccountKind.LOAN, -11_094),
        ("loan", "student", AccountKind.LOAN, -11_094),
        ("investment", "401k", AccountKind.INVESTMENT, 11_094),
        ("brokerage", "brokerage", AccountKind.INVESTMENT, 11_094),
        ("other", None, AccountKind.OTHER, 11_094),
        ("something new", "x", AccountKind.OTHER, 11_094),
    ],
)
def test_accounts_are_of_a_kind_and_what_is_owed_is_negative(kind, subtype, expected, balance_minor):
    (account,) = parse_page(accounts_page(ACCOUNT | {"type": kind, "subtype": subtype})).accounts
    assert (account.kind, account.balance_minor, account.available_minor) == (expected, balance_minor, 10_025)


def test_a_card_on_which_too_much_was_paid_has_a_balance_of_ones_own():
    balances = ACCOUNT["balances"] | {"current": -20.5, "available": None}
    (account,) = parse_page(accounts_page(ACCOUNT | {"type": "credit", "balances": balances})).accounts
    assert (account.balance_minor, account.available_minor) == (2050, None)


def test_a_valuation_with_many_decimals_is_rounded():
    balances = ACCOUNT["balances"] | {"current": 23631.9805}
    (account,) = parse_page(accounts_page(ACCOUNT | {"balances": balances})).accounts
    assert account.balance_minor == 2_363_198


def test_an_account_without_an_official_currency_is_refused_in_words():
    balances = {"current": 0.5, "iso_currency_code": None, "unofficial_currency_code": "BTC"}
    page = parse_page(accounts_page(ACCOUNT, ACCOUNT | {"account_id": "wallet", "balances": balances}))
    assert [account.external_id for account in page.accounts] == ["BxBX"]
    assert [(row.account_external_id, "BTC" in row.reason) for row in page.rejected] == [("wallet", True)]


def test_the_end_of_a_permission_is_told_with_its_day():
    page = parse_page(accounts_page(consent_expiration_time="2027-05-01T00:00:00Z"))
    assert page.notices == (
        "Your permission at this institution ends on 2027-05-01. Give it again before then, and nothing is missed.",
    )
    assert parse_page(accounts_page(consent_expiration_time="someday")).notices == ()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"accounts": 1}',
        b'{"added": [], "modified": []}',
        b'{"accounts": [], "x": NaN}',
        b'{"error_code": "ITEM_LOGIN_REQUIRED"}',
        b"[" * 100_000,
        b'{"accounts": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"\xff\xfe",
    ],
)
def test_what_is_no_page_of_plaid_is_a_protocol_error(content):
    for reader in (parse_page, sync_state, item_error):
        with pytest.raises(ProtocolError):
            reader(content)


@pytest.mark.parametrize("depth", [100, 800, 900, 940, 960, 980])
@pytest.mark.parametrize("key", ["amount", "date", "name", "personal_finance_category"])
def test_a_row_that_is_nested_deeply_spoils_no_other(key, depth):
    nested = ("[" * depth + "]" * depth).encode()
    content = sync_page(ROW, ROW | {"transaction_id": "deep", key: "DEEP"}).replace(b'"DEEP"', nested)
    try:
        page = parse_page(content)
    except ProtocolError:
        return  # Deeper than the page as a whole may be.
    assert page.transactions[0].external_id == "lPNj"
    assert len(page.transactions) + len(page.rejected) == 2


@pytest.mark.parametrize("accounts", [True, 1, "a", {}])
def test_accounts_that_are_no_list_are_no_page(accounts):
    with pytest.raises(ProtocolError):
        parse_page(sync_page(accounts=accounts))


def test_a_page_says_how_to_go_on():
    assert sync_state(sync_page(has_more=True)) == SyncState("c1", True, "HISTORICAL_UPDATE_COMPLETE")
    for broken in ({"next_cursor": None}, {"has_more": "no"}, {"next_cursor": "", "has_more": True}):
        with pytest.raises(ProtocolError):
            sync_state(sync_page(**broken))
    with pytest.raises(ProtocolError, match="changes of transactions"):
        sync_state(accounts_page())


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*ROW, *ACCOUNT]), inner, max_size=9)
        ),
        max_leaves=20,
    )
)
def test_no_row_whatever_it_holds_breaks_the_page(value):
    page = parse_page(sync_page(value, ROW, removed=[value]))
    assert "lPNj" in {row.external_id for row in page.transactions}
    parse_page(accounts_page(ACCOUNT, value))


@pytest.mark.parametrize(
    ("said", "status", "kind", "words"),
    [
        ({"error_code": "ITEM_LOGIN_REQUIRED", "error_type": "ITEM_ERROR"}, 400, AuthRequired, "log in again"),
        ({"error_code": "ITEM_NOT_FOUND"}, 400, AuthRequired, "no longer knows"),
        ({"error_code": "INVALID_ACCESS_TOKEN"}, 400, AuthRequired, "connection's access any more"),
        ({"error_code": "ITEM_LOCKED", "error_type": "ITEM_ERROR"}, 400, AuthRequired, "locked"),
        ({"error_code": "SOMETHING_NEW", "error_type": "ITEM_ERROR"}, 400, AuthRequired, "can no longer read"),
        (
            {"error_code": "ITEM_LOGIN_REQUIRED", "error_code_reason": "OAUTH_CONSENT_EXPIRED"},
            400,
            ConsentExpired,
            "has run out",
        ),
        (
            {"error_code": "ITEM_LOGIN_REQUIRED", "error_code_reason": "OAUTH_USER_REVOKED"},
            400,
            ConsentExpired,
            "taken",
        ),
        ({"error_code": "ITEM_LOGIN_REQUIRED", "error_code_reason": "OAUTH_INVALID_TOKEN"}, 400, AuthRequired, "again"),
        ({"error_code": "USER_PERMISSION_REVOKED"}, 400, ConsentExpired, "taken back the permission"),
        ({"error_code": "USER_ACCOUNT_REVOKED"}, 400, ConsentExpired, "an account"),
        ({"error_code": "ACCESS_NOT_GRANTED"}, 400, ConsentExpired, "not given the permission"),
        ({"error_code": "NO_ACCOUNTS"}, 400, AccountGone, "no account"),
        ({"error_code": "INSTITUTION_DOWN"}, 400, InstitutionDown, "out of order"),
        ({"error_code": "INSTITUTION_NOT_RESPONDING"}, 400, InstitutionDown, "does not respond"),
        ({"error_code": "NEW", "error_type": "INSTITUTION_ERROR"}, 400, InstitutionDown, "cannot reach"),
        (
            {"error_code": "TRANSACTIONS_SYNC_LIMIT", "error_type": "RATE_LIMIT_EXCEEDED"},
            429,
            InstitutionRateLimited,
            "too",
        ),
        ({}, 429, InstitutionRateLimited, "asked too often"),
        ({"error_code": "PRODUCT_NOT_READY"}, 400, NotReady, "still gathering"),
        ({"error_code": "INVALID_PRODUCT"}, 400, PaymentRequired, "this server's account"),
        ({"error_code": "INVALID_API_KEYS"}, 400, InstitutionFailure, "MINTQL_PLAID_CLIENT_ID and MINTQL_PLAID_SECRET"),
        ({"error_code": "MISSING_FIELDS"}, 400, InstitutionFailure, "MINTQL_PLAID_SECRET"),
        ({"error_code": "INTERNAL_SERVER_ERROR", "error_type": "API_ERROR"}, 500, InstitutionDown, "out of order"),
        ({}, 502, InstitutionDown, "status 502"),
        ({"error_code": "INVALID_FIELD", "error_type": "INVALID_REQUEST"}, 400, ProtocolError, "'INVALID_FIELD'"),
        ({}, 302, ProtocolError, "status 302"),
    ],
)
def test_each_error_is_the_failure_it_stands_for(said, status, kind, words):
    failure = plaid_errors.failure(plaid_errors.read_error(said), status=status)
    assert type(failure) is kind
    assert failure.message.startswith("Plaid ")
    assert words in failure.message


def test_the_person_hears_what_plaid_wants_them_to_hear_and_where_to_go():
    said = {"error_code": "ITEM_LOCKED", "display_message": "Call\x00 us.", "error_message": "for developers"}
    failure = plaid_errors.failure(plaid_errors.read_error(said), status=400)
    assert failure.message.endswith('It says: "Call  us."')
    assert failure.action == "Open a link session for this connection and log in at your bank there."
    assert AuthRequired.action != failure.action
    gone = plaid_errors.failure(plaid_errors.read_error({"error_code": "ITEM_NOT_FOUND"}), status=400)
    assert gone.action == "Open a new link session, log in at your bank there, and give its token to this connection."


@pytest.mark.parametrize(("header", "seconds"), [("", 60), ("7", 7), ("999999999999", 3600), ("soon", 60), ("-1", 60)])
def test_a_rate_limit_says_when_to_come_back(header, seconds):
    now = datetime(2026, 11, 23, tzinfo=UTC)
    error = plaid_errors.read_error({"error_type": "RATE_LIMIT_EXCEEDED"})
    failure = plaid_errors.failure(error, status=429, retry_after=header, now=now)
    assert failure.retry_at is not None
    assert (failure.retry_at - now).total_seconds() == seconds
