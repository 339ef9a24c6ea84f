"""Raw pages of OFX Direct Connect: what is read from them, and what is refused."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintql.domain.errors import (
    AccountGone,
    AuthRequired,
    ConsentExpired,
    InstitutionDown,
    ProtocolError,
    WindowTooLarge,
)
from mintql.domain.institutions import AccountKind, ParsedPage, ProviderAccount, Window
from mintql.institutions.files.ofx_document import Status, parse_document
from mintql.institutions.ofx_direct_answers import listed, profile_of, typed_accounts
from mintql.institutions.ofx_direct_pages import Envelope, open_page, parse_page, put_into_page
from mintql.institutions.ofx_direct_status import failure_of

HEADER = "OFXHEADER:100\nDATA:OFXSGML\nVERSION:103\nSECURITY:NONE\nENCODING:USASCII\nCHARSET:1252\n\n"
SIGN_ON = "<SIGNONMSGSRSV1><SONRS><STATUS><CODE>0<SEVERITY>INFO</STATUS><DTSERVER>20261123<LANGUAGE>ENG</SONRS></SIGNONMSGSRSV1>"
ACCOUNT = "<BANKACCTFROM><BANKID>5550<ACCTID>000123901<ACCTTYPE>CREDITLINE</BANKACCTFROM>"
ACCOUNT_ID = "5550/000123901/CREDITLINE"
LEDGER = "<LEDGERBAL><BALAMT>-1034.07<DTASOF>20261122233000[-5:EST]</LEDGERBAL>"
AVAILABLE = "<AVAILBAL><BALAMT>965.93<DTASOF>20261122</AVAILBAL>"
ASKED = Envelope({ACCOUNT_ID: "House line"}, ACCOUNT_ID, date(2026, 10, 24), date(2026, 11, 24))


def row(fitid="a1", amount="-12.50", day="20261102120000[-8:PST]", more=""):
    return f"<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>{day}<TRNAMT>{amount}<FITID>{fitid}<NAME>Bakery{more}</STMTTRN>"


def statement(*rows, start="20261024", end="20261123", currency="USD", tail=LEDGER + AVAILABLE, account=ACCOUNT):
    days = f"<DTSTART>{start}<DTEND>{end}"
    return (
        f"<BANKMSGSRSV1><STMTTRNRS><TRNUID>1<STATUS><CODE>0<SEVERITY>INFO</STATUS><STMTRS><CURDEF>{currency}{account}"
        f"<BANKTRANLIST>{days}{''.join(rows)}</BANKTRANLIST>{tail}</STMTRS></STMTTRNRS></BANKMSGSRSV1>"
    )


def answer(*bodies):
    return f"{HEADER}<OFX>{SIGN_ON}{''.join(bodies)}</OFX>".encode("cp1252", "replace")


def page(*bodies, envelope=ASKED):
    return parse_page(put_into_page(envelope, answer(*bodies)))


def test_a_statement_gives_its_account_rows_balances_and_window():
    parsed = page(statement(row()))
    assert parsed.accounts == (
        ProviderAccount(
            ACCOUNT_ID,
            "House line",
            AccountKind.LOAN,
            "USD",
            "3901",
            -103407,
            96593,
            datetime(2026, 11, 23, 4, 30, tzinfo=UTC),
        ),
    )
    (transaction,) = parsed.transactions
    assert (transaction.external_id, transaction.amount_minor, transaction.currency) == ("a1", -1250, "USD")
    assert transaction.posted_on == date(2026, 11, 2)
    assert parsed.windows == (Window(ACCOUNT_ID, date(2026, 10, 24), date(2026, 11, 23)),)


def test_the_day_of_a_row_is_the_one_the_bank_wrote_whatever_its_zone_says():
    late = page(statement(row(day="20261102233000.000[-10:HST]"), row("a2", day="20261103003000.000[+14]")))
    assert [one.posted_on for one in late.transactions] == [date(2026, 11, 2), date(2026, 11, 3)]


@pytest.mark.parametrize(
    ("start", "end", "through", "expected"),
    [
        ("20261024", "20261123", None, (date(2026, 10, 24), date(2026, 11, 23))),
        ("19700101", "20270101", None, (date(2026, 10, 24), date(2026, 11, 24))),
        ("20261101000000[-5:EST]", "20261120", None, (date(2026, 11, 1), date(2026, 11, 20))),
        ("nonsense", "", None, (date(2026, 10, 24), date(2026, 11, 24))),
        ("20261101", "20261120", date(2027, 2, 3), (date(2026, 11, 1), date(2027, 2, 3))),
        ("20261201", "20261202", None, None),
    ],
)
def test_a_window_is_what_was_asked_as_far_as_the_bank_covers_it(start, end, through, expected):
    envelope = Envelope({}, ACCOUNT_ID, date(2026, 10, 24), date(2026, 11, 24), through)
    windows = page(statement(start=start, end=end), envelope=envelope).windows
    assert windows == (() if expected is None else (Window(ACCOUNT_ID, *expected),))


def test_without_a_list_of_transactions_or_days_asked_for_there_is_no_window():
    without = statement().replace("<BANKTRANLIST><DTSTART>20261024<DTEND>20261123</BANKTRANLIST>", "")
    assert page(without).windows == ()
    assert page(statement(), envelope=Envelope()).windows == ()
    assert page(statement(), envelope=Envelope({}, "another", ASKED.first, ASKED.last)).windows == ()


def test_an_account_without_a_name_is_called_by_its_kind_and_last_digits():
    (account,) = page(statement(), envelope=Envelope()).accounts
    assert account.name == "Creditline 3901"


@pytest.mark.parametrize(
    ("as_of", "expected"),
    [
        ("20261122233000.000[-5:EST]", datetime(2026, 11, 23, 4, 30, tzinfo=UTC)),
        ("20261122233000", datetime(2026, 11, 22, 23, 30, tzinfo=UTC)),
        ("20261122", datetime(2026, 11, 22, tzinfo=UTC)),
        ("20261122996100", datetime(2026, 11, 22, tzinfo=UTC)),
        ("soon", None),
    ],
)
def test_a_balance_is_of_its_moment_which_is_gmt_where_no_zone_is_named(as_of, expected):
    tail = f"<LEDGERBAL><BALAMT>1.00<DTASOF>{as_of}</LEDGERBAL>"
    (account,) = page(statement(tail=tail)).accounts
    assert (account.balance_minor, account.available_minor, account.balance_at) == (100, None, expected)


def test_a_balance_that_cannot_be_read_is_left_out_and_the_rows_stay():
    tail = "<LEDGERBAL><BALAMT>n/a<DTASOF>20261122</LEDGERBAL><AVAILBAL><BALAMT>1e5<DTASOF>x</AVAILBAL>"
    parsed = page(statement(row(), tail=tail))
    assert (parsed.accounts[0].balance_minor, parsed.accounts[0].available_minor) == (None, None)
    assert [one.amount_minor for one in parsed.transactions] == [-1250]


def test_a_row_that_corrects_an_earlier_runs_row_takes_that_back():
    corrected = row("a2", "-13.00", more="<CORRECTFITID>old1<CORRECTACTION>REPLACE")
    deleted = row("a3", "-1.00", more="<CORRECTFITID>old2<CORRECTACTION>DELETE")
    parsed = page(statement(row(), corrected, deleted))
    assert parsed.removed == ((ACCOUNT_ID, "old1"), (ACCOUNT_ID, "old2"))
    assert [one.amount_minor for one in parsed.transactions] == [-1250, -1300]


def test_a_statement_that_comes_twice_counts_once_also_without_ids():
    once = page(statement(row(""), row("")))
    twice = page(statement(row(""), row("")), statement(row(""), row("")))
    assert len(once.transactions) == 2
    assert twice.transactions == once.transactions
    assert len(twice.accounts) == 1


def test_a_card_row_keeps_its_category_code_and_its_list_of_pending_rows():
    pending = (
        "<BANKTRANLISTP><DTASOF>20261123<STMTTRNP><TRNTYPE>DEBIT<DTTRAN>20261122<TRNAMT>-9.99<NAME>Cinema</STMTTRNP>"
        "</BANKTRANLISTP>"
    )
    card = statement(row(more="<SIC>5812"), account="<CCACCTFROM><ACCTID>4111</CCACCTFROM>", tail=pending + LEDGER)
    parsed = page(card.replace("STMTRS", "CCSTMTRS").replace("STMTTRNRS", "CCSTMTTRNRS"))
    assert parsed.accounts[0].kind is AccountKind.CREDIT_CARD
    assert [
        (one.amount_minor, one.pending, one.merchant_category_code, one.external_id) for one in parsed.transactions
    ] == [
        (-1250, False, "5812", "a1"),
        (-999, True, "", ""),
    ]


def test_a_statement_without_a_currency_or_an_account_is_put_aside_whole():
    without = page(statement(row(), currency=""))
    assert (without.accounts, without.transactions, without.windows) == ((), (), ())
    assert "names no currency" in without.rejected[-1].reason
    nameless = page(statement(row(), account=""))
    assert nameless.transactions == ()
    assert "names no account" in nameless.rejected[-1].reason


def test_a_list_of_accounts_gives_none_but_what_is_left_out():
    loan = "<ACCTINFO><LOANACCTINFO><LOANACCTFROM><LOANACCTID>9</LOANACCTFROM></LOANACCTINFO></ACCTINFO>"
    infos = f"<ACCTINFO><DESC>A<BANKACCTINFO>{ACCOUNT}<SUPTXDL>N</BANKACCTINFO></ACCTINFO>{loan}"
    content = answer(
        f"<SIGNUPMSGSRSV1><ACCTINFOTRNRS><ACCTINFORS>{infos}</ACCTINFORS></ACCTINFOTRNRS></SIGNUPMSGSRSV1>"
    )
    found, _ = listed(parse_document(content))
    assert [(one.account.external_id, one.name, one.transactions) for one in found] == [(ACCOUNT_ID, "A", False)]
    parsed = parse_page(content)
    assert (parsed.accounts, parsed.transactions) == ((), ())
    assert parsed.notices == ("Loans are not read over OFX; the other accounts are.",)


def test_accounts_that_share_an_entry_share_its_name():
    infos = f"<ACCTINFO><DESC>Both<BANKACCTINFO>{ACCOUNT}</BANKACCTINFO><CCACCTINFO><CCACCTFROM><ACCTID>41</CCACCTFROM></CCACCTINFO></ACCTINFO>"
    found, _ = listed(parse_document(answer(f"<SIGNUPMSGSRSV1><ACCTINFORS>{infos}</ACCTINFORS></SIGNUPMSGSRSV1>")))
    assert [(one.account.external_id, one.name) for one in found] == [(ACCOUNT_ID, "Both"), ("41", "Both")]


def test_end_tags_that_a_server_leaves_out_at_the_very_end_are_not_missed():
    whole = put_into_page(ASKED, answer(statement(row())))
    ended = whole.partition(b"</STMTTRNRS>")[0]
    assert parse_page(ended) == parse_page(whole)
    with pytest.raises(ProtocolError, match="broke off"):
        parse_page(ended.removesuffix(b"</STMTRS>"))


def test_a_warning_of_the_bank_is_told_in_its_words():
    warned = statement().replace("<CODE>0<SEVERITY>INFO", "<CODE>12251<SEVERITY>WARN<MESSAGE>No positions")
    assert page(warned).notices == ("The institution says: OFX status 12251: No positions.",)


def test_a_profile_gives_addresses_under_tls_only():
    core = "<MSGSETCORE><URL>{}<PENDINGAVAIL>N</MSGSETCORE>"
    sets = "".join(
        f"<{name}MSGSET><{name}MSGSETV1>{core.format(url)}</{name}MSGSETV1></{name}MSGSET>"
        for name, url in (
            ("SIGNUP", "https://a.example/"),
            ("BANK", "http://a.example/"),
            ("CREDITCARD", "file:///etc"),
        )
    )
    told = f"<PROFMSGSRSV1><PROFRS><MSGSETLIST>{sets}</MSGSETLIST><FINAME>A  Bank</PROFRS></PROFMSGSRSV1>"
    profile = profile_of(parse_document(answer(told)))
    assert profile.urls == {"SIGNUP": "https://a.example/"}
    assert (profile.name, profile.pending, profile.client_id_wanted) == ("A Bank", False, False)


def test_accounts_that_a_person_types_are_told_apart_by_their_parts():
    found = typed_accounts("5550/901/checking, 5550/7/902/SAVINGS ,4111, broker.example/77,")
    assert [(one.account.external_id, one.account.kind) for one in found] == [
        ("5550/901/CHECKING", AccountKind.CHECKING),
        ("5550/7/902/SAVINGS", AccountKind.SAVINGS),
        ("4111", AccountKind.CREDIT_CARD),
        ("broker.example/77", AccountKind.INVESTMENT),
    ]


@pytest.mark.parametrize(
    ("code", "severity", "expected"),
    [
        (0, "INFO", None), (0, "", None), (1, "INFO", None), (12254, "WARN", None), (-1, "", None),
        (-1, "ERROR", ProtocolError), (2000, "ERROR", InstitutionDown), (2003, "ERROR", AccountGone),
        (2004, "ERROR", AccountGone), (2012, "ERROR", ProtocolError), (2027, "ERROR", WindowTooLarge),
        (2020, "ERROR", WindowTooLarge), (6502, "ERROR", ProtocolError), (15000, "INFO", AuthRequired),
        (15500, "ERROR", AuthRequired), (15501, "ERROR", InstitutionDown), (15516, "ERROR", ConsentExpired),
        (15777, "WARN", AuthRequired),
    ],
)  # fmt: skip
def test_a_status_is_the_failure_that_the_specification_means(code, severity, expected):
    failure = failure_of(Status("STMTTRNRS", code, severity, "Because."), "A Bank")
    assert type(failure) is (expected or type(None))
    if failure is not None:
        assert failure.message.startswith("A Bank ")
        assert failure.message.endswith(f"(OFX status {code}: Because).")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html><body>Maintenance</body></html>",
        b"{}",
        b'{"ofx-direct":',
        b'{"ofx-direct":1}\n',
        b'{"ofx-direct":{"names":[],"account":"","days":{}}}\n',
        b'{"ofx-direct":{"names":{},"account":"","days":{"first":"2026-02-30"}}}\n',
        b'{"ofx-direct":' + b"[" * 100_000,
        answer(statement(row()))[:-60],
        HEADER.encode() + b"<OFX>" + b"<A>" * 100_000,
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><OFX><SONRS></SONRS></OFX>',
        HEADER.encode() + SIGN_ON.encode(),
    ],
)
def test_what_is_no_page_is_refused_in_words(content):
    with pytest.raises(ProtocolError) as refused:
        parse_page(content)
    assert len(refused.value.message) < 300


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: answer(statement(text))))
def test_any_bytes_are_read_or_refused(content):
    for whole in (content, put_into_page(ASKED, content)):
        with suppress(ProtocolError):
            assert isinstance(parse_page(whole), ParsedPage)


@given(st.dictionaries(st.text(), st.text()), st.text(), st.dates() | st.none(), st.dates() | st.none(), st.binary())
def test_what_is_put_into_a_page_comes_out_and_the_answer_is_untouched(names, account, first, last, content):
    envelope = Envelope(names, account, first, last, last)
    written = put_into_page(envelope, content)
    assert open_page(written) == (envelope, content)
    assert json.loads(written.partition(b"\n")[0])


@given(
    st.lists(
        st.tuples(
            st.integers(-(10**9), 10**9), st.dates(date(1990, 1, 1), date(2060, 1, 1)), st.text("abc &<>é", max_size=9)
        ),
        max_size=20,
    )
)
def test_rows_are_read_back_to_the_cent(rows):
    def escaped(text):
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    written = [
        row(f"f{number}", f"{amount / 100:.2f}", f"{day:%Y%m%d}", f"<MEMO>{escaped(memo)}")
        for number, (amount, day, memo) in enumerate(rows)
    ]
    parsed = page(statement(*written))
    assert [(one.amount_minor, one.posted_on) for one in parsed.transactions] == [row[:2] for row in rows]
    assert not parsed.rejected
