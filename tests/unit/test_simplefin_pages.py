"""Reading account sets: what is taken, what is put aside with a reason, and what no page can do to the reader."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mintql.domain.errors import AuthRequired, ConsentExpired, InstitutionDown, NotReady, ProtocolError
from mintql.domain.institutions import AccountKind, Window
from mintql.institutions.simplefin_errors import BANKS_MAX, NOTICES_MAX, judge
from mintql.institutions.simplefin_kinds import account_kind, account_mask
from mintql.institutions.simplefin_pages import REJECTED_MAX, Head, parse_page, write_page

NOON = 1_767_268_800
NOON_DAY = date(2026, 1, 1)
COVERS = (date(2025, 12, 1), date(2026, 1, 31))


def transaction(**more):
    return {"id": "T1", "posted": NOON, "amount": "-12.50", "description": "WHOLEFDS MDF 10380"} | more


def account(*rows, **more):
    return {
        "id": "A1",
        "name": "Savings",
        "currency": "USD",
        "balance": "100.23",
        "balance-date": NOON,
        "transactions": list(rows),
    } | more


def answer(*accounts, **more):
    return {"errors": [], "accounts": list(accounts)} | more


def parse(said, head=None):
    content = said if isinstance(said, bytes) else json.dumps(said).encode()
    return parse_page(write_page(head or Head(covers=COVERS), content))


def the_row(**more):
    (row,) = parse(answer(account(transaction(**more)))).transactions
    return row


def the_reason(**more):
    page = parse(answer(account(transaction(**more), transaction(id="T2"))))
    (rejected,) = page.rejected
    assert [row.external_id for row in page.transactions] == ["T2"]
    assert (rejected.account_external_id, rejected.position) == ("A1", 1)
    return rejected.reason


def test_the_example_of_the_first_version_is_read_whole():
    page = parse(
        answer(
            account(
                transaction(id="12394832938403", posted=793090572, amount="-33293.43", description="Uncle Frank's"),
                **{
                    "id": "2930002",
                    "available-balance": "75.23",
                    "balance-date": 978366153,
                    "org": {"domain": "mybank.com", "sfin-url": "https://sfin.mybank.com"},
                    "extra": {"account-open-date": 978360153},
                },
            ),
            errors=["You must reauthenticate."],
        )
    )
    (found,), (row,) = page.accounts, page.transactions
    assert (found.external_id, found.name, found.kind) == ("2930002", "mybank.com: Savings", AccountKind.SAVINGS)
    assert (found.balance_minor, found.available_minor) == (10_023, 7_523)
    assert found.balance_at == datetime(2001, 1, 1, 16, 22, 33, tzinfo=UTC)
    assert (row.external_id, row.posted_on, row.amount_minor) == ("12394832938403", date(1995, 2, 18), -3_329_343)
    assert page.notices == ("You must reauthenticate.",)


def test_the_example_of_the_second_version_is_read_whole():
    page = parse(
        {
            "errlist": [{"code": "con.auth", "msg": "Authentication failed", "conn_id": "CON-2"}],
            "connections": [
                {"conn_id": "CON-1", "name": "My Bank - Jill", "org_id": "INST-1", "sfin_url": "https://mybank.com"},
                {"conn_id": "CON-2", "name": "Other Bank", "org_id": "INST-2", "sfin_url": "https://other.com"},
            ],
            "accounts": [
                account(transaction(mcc="5411"), conn_id="CON-1"),
                account(id="A2", name="Other Bank Checking", conn_id="CON-2"),
            ],
        }
    )
    assert [found.name for found in page.accounts] == ["My Bank - Jill: Savings", "Other Bank Checking"]
    assert page.transactions[0].merchant_category_code == "5411"
    assert page.windows == (Window("A1", *COVERS),)
    assert page.notices == ("Authentication failed",)


@pytest.mark.parametrize(
    ("written", "minor"),
    [
        ("-12.50", -1250), ("12.5", 1250), ("12", 1200), ("+0.07", 7), ("-12.5000", -1250), (" 3.00 ", 300),
        (-12.5, -1250), (12, 1200), (0, 0), ("9999999999999.99", 999_999_999_999_999),
    ],
)  # fmt: skip
def test_amounts_are_exact_whether_texts_or_numbers(written, minor):
    assert the_row(amount=written).amount_minor == minor


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=2))
def test_no_amount_is_ever_rounded(value: Decimal):
    for content in (f'"{value:f}"', f"{value:f}"):
        page = parse(
            f'{{"accounts": [{{"id": "A1", "name": "A", "currency": "USD", "transactions": [{{"id": "T1", "posted": '
            f'{NOON}, "amount": {content}, "description": "X"}}]}}]}}'.encode()
        )
        assert page.transactions[0].amount_minor == value * 100


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"amount": "12,5O"}, "12,5O"),
        ({"amount": "1,234.56"}, "1,234.56"),
        ({"amount": "-12.505"}, "too many decimals"),
        ({"amount": "1e3"}, "1e3"),
        ({"amount": 1e300}, "1e+300"),
        ({"amount": None}, "not an amount"),
        ({"amount": [["-1"]]}, "not an amount"),
        ({"amount": "10000000000000000"}, "too large"),
        ({"posted": "yesterday"}, "yesterday"),
        ({"posted": None}, "missing"),
        ({"posted": -1}, "-1"),
        ({"posted": NOON * 1000}, "not a time in seconds"),
        ({"posted": 0.5}, "0.5"),
        ({"posted": True}, "not a time"),
        ({"pending": "true"}, "pending"),
        ({"description": "  "}, "description"),
        ({"description": 7}, "description"),
        ({"id": "x" * 256}, "id"),
        ({"id": "a\nb"}, "id"),
        ({"id": ["T1"]}, "id"),
    ],
)
def test_a_row_that_cannot_be_read_is_put_aside_with_its_reason(more, reason):
    assert reason in the_reason(**more)


def test_yen_have_no_cents_and_dinars_have_mills():
    page = parse(
        answer(
            account(transaction(amount="-1200"), currency="JPY", balance="5000"),
            account(transaction(amount="-1.234"), id="A2", currency="kwd", balance="5.000"),
        )
    )
    assert [(row.amount_minor, row.currency) for row in page.transactions] == [(-1200, "JPY"), (-1234, "KWD")]
    assert [found.balance_minor for found in page.accounts] == [5000, 5000]


def test_miles_are_left_out_in_words_and_the_other_accounts_stay():
    miles = account(transaction(), id="A9", name="Miles\u202e & More", currency="https://www.example.com/flight-miles")
    page = parse(answer(miles, account(transaction())))
    assert [found.external_id for found in page.accounts] == ["A1"]
    assert len(page.transactions) == 1
    assert page.rejected == ()
    assert page.notices == (
        "The account Miles & More is left out: it is kept in miles, points or the like, and not in a currency.",
    )
    assert page.windows == (Window("A1", *COVERS),)


@pytest.mark.parametrize("more", [{"currency": "DOLLARS"}, {"currency": None}, {"id": ""}, {"id": "x" * 256}])
def test_an_account_that_cannot_be_read_is_put_aside_with_all_its_rows(more):
    page = parse(answer(account(transaction(), **more), account(id="A2"), 7))
    assert [found.external_id for found in page.accounts] == ["A2"]
    assert page.transactions == ()
    assert [rejected.position for rejected in page.rejected] == [0, 2]
    assert "WHOLEFDS" not in page.rejected[0].excerpt


@pytest.mark.parametrize(
    ("more", "day", "pending"),
    [
        ({}, NOON_DAY, False),
        ({"posted": str(NOON)}, NOON_DAY, False),
        ({"posted": float(NOON)}, NOON_DAY, False),
        ({"pending": False}, NOON_DAY, False),
        ({"pending": True}, NOON_DAY, True),
        ({"pending": None}, NOON_DAY, False),
        ({"posted": 0, "pending": True, "transacted_at": NOON - 86_400}, date(2025, 12, 31), True),
        ({"posted": 0, "transacted_at": NOON - 86_400}, date(2025, 12, 31), True),
        ({"posted": 0, "pending": True}, NOON_DAY, True),
        ({"posted": None, "pending": True, "transacted_at": NOON}, NOON_DAY, True),
        ({"transacted_at": "soon"}, NOON_DAY, False),
    ],
)
def test_the_day_is_that_of_posting_else_of_the_purchase_else_of_the_account(more, day, pending):
    row = the_row(**more)
    assert (row.posted_on, row.pending, row.pending_external_id) == (day, pending, "")


def test_a_pending_row_without_any_day_is_put_aside():
    page = parse(answer(account(transaction(posted=0), **{"balance-date": None})))
    assert "of which day" in page.rejected[0].reason


@pytest.mark.parametrize(
    ("zone", "posted", "day"),
    [
        ("UTC", "2026-03-01T00:00:00+00:00", date(2026, 3, 1)),
        ("UTC", "2026-02-28T23:59:59+00:00", date(2026, 2, 28)),
        ("Asia/Jerusalem", "2026-02-28T22:00:00+00:00", date(2026, 3, 1)),
        ("America/New_York", "2026-03-02T04:59:59+00:00", date(2026, 3, 1)),
        ("Pacific/Auckland", "2026-02-28T23:00:00+00:00", date(2026, 3, 1)),
    ],
)
def test_a_time_becomes_the_day_in_the_servers_zone(zone, posted, day):
    seconds = int(datetime.fromisoformat(posted).timestamp())
    page = parse(answer(account(transaction(posted=seconds))), Head(zone=zone))
    assert page.transactions[0].posted_on == day


def test_the_banks_own_text_comes_first_and_ids_may_be_numbers_or_missing():
    assert the_row(payee="Whole Foods", memo="groceries").description == "WHOLEFDS MDF 10380"
    assert the_row(description="", payee="Whole Foods").description == "Whole Foods"
    assert the_row(description=None, payee=None, memo="cheque 12").description == "cheque 12"
    assert the_row(description="a\x00b\r\n  c\ud800").description == "a b c"
    assert the_row(id=12394832938403).external_id == "12394832938403"
    assert the_row(id=None).external_id == ""
    assert the_row(mcc=None).merchant_category_code == the_row(mcc="grocery").merchant_category_code == ""


def test_one_id_at_two_banks_is_two_accounts_and_told_twice_at_one_bank_is_one():
    first, second = ({"domain": domain, "sfin-url": "https://x"} for domain in ("one.example", "two.example"))
    page = parse(answer(account(transaction(), org=first), account(transaction(), org=second)))
    assert [found.external_id for found in page.accounts] == ["one.example/A1", "two.example/A1"]
    assert [row.account_external_id for row in page.transactions] == ["one.example/A1", "two.example/A1"]
    twice = parse(answer(account(transaction(), org=first), account(transaction(), org=first)))
    assert {found.external_id for found in twice.accounts} == {"A1"}
    assert twice.windows == (Window("A1", *COVERS),)


def test_days_are_complete_on_the_last_page_only_and_for_accounts_without_a_fault():
    said = answer(account(), account(id="A2"), account(id="A3"))
    assert parse(said, Head()).windows == ()
    assert parse(said, Head(covers=COVERS, incomplete=("A2",))).windows == (
        Window("A1", *COVERS),
        Window("A3", *COVERS),
    )
    faulty = said | {"errlist": [{"code": "act.missingdata", "msg": "Incomplete.", "account_id": "A3"}]}
    assert [window.account_external_id for window in parse(faulty).windows] == ["A1", "A2"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"accounts": {}}',
        b'{"accounts": [}',
        b'{"accounts": [], "x": NaN}',
        b'{"accounts": ' + b"[" * 200_000,
        b'{"accounts": [' + b'{"a":' * 100_000,
        b"\xff\xfe",
        b'{"accounts": [], "x": ' + b"9" * 5_000 + b"e",
    ],
)
def test_a_page_that_is_no_account_set_is_refused(content):
    with pytest.raises(ProtocolError):
        parse(content)


@pytest.mark.parametrize(
    "raw", [b"", b'{"accounts": []}', b'{"simplefin": 2}\n{"accounts": []}', b"[1]\n{}", b"[" * 99_999]
)
def test_bytes_without_a_line_of_ours_are_refused(raw):
    with pytest.raises(ProtocolError, match="does not begin with the line"):
        parse_page(raw)


def test_huge_numbers_and_deep_values_spoil_their_row_alone():
    nested = json.loads("[" * 900 + "]" * 900)
    page = parse(answer(account(transaction(amount=nested, extra=nested), transaction(id="T2"))))
    assert [row.external_id for row in page.transactions] == ["T2"]
    digits = parse(b'{"accounts": [{"id": "A1", "name": "A", "currency": "USD", "balance": ' + b"9" * 5_000 + b"}]}")
    assert digits.accounts[0].balance_minor is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ["id", "name", "currency", "balance", "balance-date", "posted", "amount", "description", "pending", "org"]
FIELDS += ["transacted_at", "payee", "mcc", "conn_id", "holdings", "transactions", "errlist", "errors", "connections"]


@settings(max_examples=50)
@given(st.data())
def test_no_value_in_any_place_breaks_the_reader(data):
    def spoilt(row):
        return row | data.draw(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=3))

    said = spoilt(answer(spoilt(account(spoilt(transaction()), data.draw(JSON))), data.draw(JSON)))
    page = parse(said)
    assert page == parse(said)
    for row in page.transactions:
        assert row.account_external_id in {found.external_id for found in page.accounts}
    positions = [rejected.position for rejected in page.rejected]
    assert len(set(positions)) == len(positions)


def judged(*errors, accounts=(), sentences=()):
    return judge({"errlist": list(errors), "errors": list(sentences), "accounts": list(accounts)})


def test_codes_say_whom_an_error_concerns_and_unknown_subcodes_count_as_none():
    held = [account(conn_id="CON-1"), account(id="A2", conn_id="CON-1"), account(id="A3", conn_id="CON-2")]
    cases = {
        "con.auth": ({"conn_id": "CON-1"}, {"A1": ConsentExpired, "A2": ConsentExpired}),
        "con.": ({"conn_id": "CON-2"}, {"A3": InstitutionDown}),
        "con.mood": ({"conn_id": "CON-2"}, {"A3": InstitutionDown}),
        "con": ({}, {}),
        "act.failed": ({"account_id": "A2"}, {"A2": InstitutionDown}),
        "act.missingdata": ({"account_id": "A2"}, {"A2": NotReady}),
        "act.mood": ({"account_id": "A7"}, {"A7": InstitutionDown}),
        "gen.": ({}, {}),
        "odd": ({}, {}),
    }
    for code, (extra, expected) in cases.items():
        verdict = judged({"code": code, "msg": f"Said by {code}"} | extra, accounts=held)
        assert {key: type(failure) for key, failure in verdict.accounts.items()} == expected, code
        assert verdict.notices == [f"Said by {code}"]
        assert verdict.whole is None


def test_an_error_about_the_access_is_about_everything_and_one_for_developers_is_no_notice():
    refused = judged({"code": "gen.auth", "msg": "No credentials provided"})
    assert type(refused.whole) is AuthRequired
    assert refused.whole.message == "No credentials provided"
    aside = judged({"code": "gen.api", "msg": "Unknown parameter `colour`."})
    assert (aside.notices, aside.asides) == ([], ["Unknown parameter `colour`."])


@pytest.mark.parametrize(
    ("sentence", "days"),
    [
        ("Requested date range exceeds limit of 90 days and was capped.", 90),
        ("Date range too large: 45 day maximum", 45),
        ("Transactions are updated once in 2 days.", None),
    ],
)
def test_the_days_a_server_gives_at_once_are_read_from_its_sentence(sentence, days):
    for verdict in (judged({"code": "gen.api", "msg": sentence}), judged(sentences=[sentence])):
        assert verdict.days_max == days


def test_the_older_sentences_concern_the_bank_they_name():
    held = [account(org={"name": "First Bank"}), account(id="A2", org={"name": "Second Bank"})]
    verdict = judged(
        accounts=held, sentences=["Connection to Second Bank may need attention", "You make too many requests"]
    )
    assert {key: type(failure) for key, failure in verdict.accounts.items()} == {"A2": ConsentExpired}
    assert verdict.too_often == "You make too many requests"
    assert len(verdict.notices) == 2
    alone = judged(sentences=["You must reauthenticate."])
    assert type(alone.whole) is ConsentExpired
    assert judged(accounts=held, sentences=["You must reauthenticate."]).accounts == {}


def test_what_a_server_says_is_cleaned_before_anybody_sees_it():
    hostile = "Pay\u202e now\x1b[31m at\r\nhttp://evil.example " + "x" * 1_000
    verdict = judged({"code": "gen.", "msg": hostile}, sentences=[hostile, 7, None, "   "])
    (notice,) = verdict.notices
    assert notice.startswith("Pay now [31m at http://evil.example xxx")
    assert len(notice) == 300
    assert notice.isprintable()
    many = judged(sentences=[f"Sentence {number}" for number in range(500)])
    assert len(many.notices) == NOTICES_MAX


@pytest.mark.parametrize(
    ("name", "balance", "kind"),
    [
        ("Everyday Checking (1234)", 100, AccountKind.CHECKING),
        ("Compte Chequing", 100, AccountKind.CHECKING),
        ("High Yield Savings", 100, AccountKind.SAVINGS),
        ("12 Month CD", 100, AccountKind.SAVINGS),
        ("Platinum Card", -100, AccountKind.CREDIT_CARD),
        ("Visa Signature", 0, AccountKind.CREDIT_CARD),
        ("Visa Debit Checking", 100, AccountKind.CHECKING),
        ("Checking & Line of Credit", 100, AccountKind.CHECKING),
        ("Checking & Line of Credit", -100, AccountKind.OTHER),
        ("Auto Loan", -100, AccountKind.LOAN),
        ("Home Mortgage", None, AccountKind.LOAN),
        ("Roth IRA", 100, AccountKind.INVESTMENT),
        ("401(k) Plan", 100, AccountKind.INVESTMENT),
        ("Savings and Brokerage", 100, AccountKind.OTHER),
        ("Mirage Cardigan Holdings", 100, AccountKind.OTHER),
        ("", -100, AccountKind.OTHER),
    ],
)
def test_the_kind_is_told_by_the_name_where_it_leaves_no_doubt(name, balance, kind):
    assert account_kind(name, balance, holds_securities=False) is kind
    assert account_kind(name, balance, holds_securities=True) is AccountKind.INVESTMENT


def test_the_mask_is_what_the_name_ends_with():
    assert [account_mask(name) for name in ("Card (1234)", "Card ...9876", "Card 12345", "Card 2024 Gold", "")] == [
        "1234",
        "9876",
        "",
        "",
        "",
    ]


def test_a_page_of_which_almost_nothing_can_be_read_is_refused_as_a_whole():
    with pytest.raises(ProtocolError, match="More than 10000 rows"):
        parse(answer(account(*[7] * (REJECTED_MAX + 1))))
    assert len(parse(answer(account(*[7] * REJECTED_MAX))).rejected) == REJECTED_MAX


def test_banks_and_sentences_without_end_are_looked_into_up_to_a_bound():
    held = [account(id=f"A{number}", org={"name": f"Bank {number}"}) for number in range(BANKS_MAX + 1)]
    verdict = judged(accounts=held, sentences=[f"Bank {BANKS_MAX} needs attention", "Bank 999 needs attention"] * 200)
    assert "A999" in verdict.accounts
    assert f"A{BANKS_MAX}" not in verdict.accounts
