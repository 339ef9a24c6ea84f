"""OFX files: both kinds of markup, what banks get wrong, and files that mean harm."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mintql.domain.institutions import AccountKind, ProviderTransaction
from mintql.institutions.files import ofx
from mintql.institutions.files.base import FileUnreadable, ParsedFile
from mintql.institutions.files.ofx_document import SIGN_ON_REFUSED, parse_document
from mintql.institutions.files.ofx_rows import external_id, read_day, read_moment

HEADER = """OFXHEADER:100
DATA:OFXSGML
VERSION:102
SECURITY:NONE
ENCODING:USASCII
CHARSET:1252
COMPRESSION:NONE
OLDFILEUID:NONE
NEWFILEUID:NONE

"""
ROW = "<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>20260302<TRNAMT>-12.50<FITID>a1<NAME>Bakery</STMTTRN>"
ACCOUNT = "<BANKACCTFROM><BANKID>5550<ACCTID>901<ACCTTYPE>CHECKING</BANKACCTFROM>"


def row(amount="-12.50", day="20260302", fitid="", more="<NAME>Bakery"):
    return f"<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>{day}<TRNAMT>{amount}<FITID>{fitid}{more}</STMTTRN>"


def statement(*rows, currency="EUR", account=ACCOUNT, tail="", name="STMTRS"):
    body = "".join(rows)
    return (
        f"<BANKMSGSRSV1><STMTTRNRS><TRNUID>1<{name}><CURDEF>{currency}{account}<BANKTRANLIST><DTSTART>20260301"
        f"{body}</BANKTRANLIST>{tail}</{name}></STMTTRNRS></BANKMSGSRSV1>"
    )


def file_of(body, header=HEADER, encoding="cp1252"):
    return f"{header}<OFX>{body}</OFX>".encode(encoding)


def read(*rows, **more) -> ParsedFile:
    return ofx.read(file_of(statement(*rows, **more)))


def only(parsed: ParsedFile) -> ProviderTransaction:
    [found] = parsed.statements
    [transaction] = found.transactions
    return transaction


def amounts(parsed: ParsedFile) -> list[int]:
    return [transaction.amount_minor for found in parsed.statements for transaction in found.transactions]


def test_an_amount_whose_thousands_are_not_where_thousands_are_is_put_aside():
    parsed = read(row("1.2.3"), row("1,23.4"), row("1,2,3.4.5"), row("1,234,567.89"), row("12,34,567.89"))
    assert amounts(parsed) == [123456789, 123456789]
    assert [rejected.reason for rejected in parsed.rejected] == [
        "'1.2.3' is not an amount", "'1,23.4' is not an amount", "'1,2,3.4.5' is not an amount",
    ]  # fmt: skip


def test_a_bank_statement_gives_its_account_rows_and_balance():
    parsed = read(ROW, tail="<LEDGERBAL><BALAMT>1034.07<DTASOF>20260305120000</LEDGERBAL>")
    [found] = parsed.statements
    assert (found.account_external_id, found.account_kind, found.currency) == (
        "5550/901/CHECKING",
        AccountKind.CHECKING,
        "EUR",
    )
    assert (found.balance_minor, found.balance_on) == (103407, date(2026, 3, 5))
    assert found.transactions == (
        ProviderTransaction("5550/901/CHECKING", "a1", date(2026, 3, 2), -1250, "EUR", "Bakery"),
    )
    assert parsed.rejected == ()
    assert parsed.notices == ()


@pytest.mark.parametrize("currency", ["XAU", "DEM", "ZZZ"])
def test_a_currency_that_no_country_uses_is_read_as_the_bank_says_it(currency):
    assert only(read(ROW, currency=currency)).currency == currency


XML = '<?xml version="1.0" encoding="UTF-8"?>\n<?OFX OFXHEADER="200" VERSION="211"?>\n'
CLOSED = (
    "<OFX><BANKMSGSRSV1><STMTTRNRS><STMTRS><CURDEF>EUR</CURDEF><BANKACCTFROM><BANKID>5550</BANKID>"
    "<ACCTID>901</ACCTID><ACCTTYPE>CHECKING</ACCTTYPE></BANKACCTFROM><BANKTRANLIST><STMTTRN><TRNTYPE>DEBIT</TRNTYPE>"
    "<DTPOSTED>20260302</DTPOSTED><TRNAMT>-12.50</TRNAMT><FITID>a1</FITID><NAME>Bakery</NAME><MEMO/></STMTTRN>"
    "</BANKTRANLIST></STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>"
)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(XML + CLOSED, id="XML"),
        pytest.param(XML.replace("?>\n", "?>") + CLOSED, id="XML on one line"),
        pytest.param(XML.replace('"211"?>', '"211"?') + CLOSED, id="header without its end"),
        pytest.param(HEADER + CLOSED, id="SGML with every tag closed"),
        pytest.param(CLOSED, id="no header"),
        pytest.param("\r\n\r\n" + HEADER.replace("\n", "\r\n") + CLOSED, id="lines before the header"),
        pytest.param(HEADER.replace("\n", "") + CLOSED, id="header on one line"),
        pytest.param(HEADER + CLOSED.replace("><", ">\n\t<"), id="indented"),
        pytest.param(HEADER + CLOSED.lower().replace("eur<", "EUR<"), id="lower case"),
        pytest.param(CLOSED.replace("<OFX>", '<OFX xmlns="http://ofx.net/types">'), id="with a namespace"),
        pytest.param(HEADER + CLOSED.replace("</STMTRS>", "</CCSTMTRS>"), id="closed by another's name"),
        pytest.param(HEADER + CLOSED.replace("</STMTTRN>", ""), id="rows without end"),
        pytest.param(HEADER + CLOSED.replace("<NAME>Bakery</NAME>", "<NAME><![CDATA[Bakery]]></NAME>"), id="CDATA"),
        pytest.param(HEADER + CLOSED.replace("<MEMO/>", "<!-- <MEMO>no -->"), id="comment"),
    ],
)
def test_markup_is_read_however_the_bank_writes_it(text):
    found = only(ofx.read(text.encode()))
    assert (found.external_id, found.posted_on, found.amount_minor) == ("a1", date(2026, 3, 2), -1250)
    assert found.description.casefold() == "bakery"


def test_empty_elements_without_end_do_not_swallow_what_follows():
    parsed = read(
        "<STMTTRN><TRNTYPE><X.BANK.FIELD><DTPOSTED>20260302<TRNAMT>-1.00<FITID><NAME><MEMO>Tea</STMTTRN>", ROW
    )
    assert amounts(parsed) == [-100, -1250]
    assert [row.description for row in parsed.statements[0].transactions] == ["Tea", "Bakery"]


@pytest.mark.parametrize(
    ("encoding", "charset", "name", "read_as"),
    [
        ("cp1252", "1252", "Café \u2013 5 €", "cp1252"),
        ("utf-8", "8859-1", "Carte prépayée", "utf-8"),
        ("utf-8-sig", "1252", "Carte prépayée", "utf-8"),
        ("iso8859-1", "ISO-8859-1", "Müller", "iso8859-1"),
        ("utf-16", "1252", "Müller", "utf-16-le"),
        ("utf-16-be", "NONE", "Müller", "utf-16-be"),
        ("cp1250", "1250", "Żabka, łódź", "cp1250"),
        ("cp1250", "1252", "Usługa pożyczki wpłata", "cp1250"),
        ("iso8859-2", "8859-2", "Dvořák", "iso8859-2"),
        ("gb18030", "1252", "支付宝转账收入工资", "gb18030"),
        ("gb18030", "GB2312", "餐厅", "gb18030"),
        ("cp1252", "UTF-8", "Prestação à vista", "iso8859-1"),
    ],
)
def test_the_encoding_is_found_by_evidence(encoding, charset, name, read_as):
    header = HEADER.replace("CHARSET:1252", f"CHARSET:{charset}")
    parsed = ofx.read(file_of(statement(row(more=f"<NAME>{name}")), header, encoding))
    assert (only(parsed).description, parsed.encoding) == (name, read_as)


def test_a_charset_that_lies_is_told():
    parsed = ofx.read(file_of(statement(row(more="<NAME>prépayée")), encoding="utf-8"))
    assert parsed.notices == ("The file declares the charset 1252, but is written in utf-8.",)


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("-12.50", "EUR", -1250),
        ("-12,50", "EUR", -1250),
        ("            -200,00", "BRL", -20000),
        ("+00000000000115.8331", "USD", 11583),
        ("-197.1063", "USD", -19711),
        ("1,650.00", "GBP", 165000),
        ("1.650,00", "EUR", 165000),
        ("1 650,00", "EUR", 165000),
        ("12.50-", "EUR", -1250),
        ("\u221212.50", "EUR", -1250),
        ("1500", "JPY", 1500),
        ("1.500", "KWD", 1500),
        (".99", "USD", 99),
        ("5.", "USD", 500),
        ("0", "USD", 0),
    ],
)
def test_amounts_come_in_many_spellings(text, currency, minor):
    # In UTF-8, which has the minus sign of typography that Windows-1252 lacks.
    parsed = ofx.read(file_of(statement(row(amount=text), currency=currency), encoding="utf-8"))
    assert amounts(parsed) == [minor]


def test_one_comma_before_three_digits_means_what_it_means_in_the_rest_of_the_file():
    assert amounts(read(row("1,650", fitid="1"), row("12.50", fitid="2"))) == [165000, 1250]
    assert amounts(read(row("1,650", fitid="1"), row("12,5", fitid="2"))) == [165, 1250]


@pytest.mark.parametrize(
    ("row_text", "reason"),
    [
        (row(day=""), "DTPOSTED is missing"),
        (row(day="20120231"), "DTPOSTED is not a date between 1970 and 2199: '20120231'"),
        (row(day="19691231"), "DTPOSTED is not a date between 1970 and 2199: '19691231'"),
        (row(amount=""), "TRNAMT is missing"),
        (row(amount="twelve"), "'twelve' is not an amount"),
        (row(amount="1e5"), "'1e5' is not an amount"),
        (row(amount="99999999999999999"), "'99999999999999999' is too large"),
    ],
)
def test_a_row_without_date_or_amount_is_put_aside_with_its_line_and_the_rest_goes_on(row_text, reason):
    parsed = ofx.read(file_of(statement("\n", row_text, "\n", ROW)))
    assert amounts(parsed) == [-1250]
    [rejected] = parsed.rejected
    assert rejected.position == 12
    assert rejected.reason.startswith(reason)
    assert rejected.account_external_id == "5550/901/CHECKING"
    assert "<NAME>Bakery" in rejected.excerpt


def test_a_file_cut_off_gives_up_the_row_it_ends_in():
    parsed = ofx.read(file_of(statement(ROW, ROW.replace("a1", "a2")))[: -len("</STMTTRN></BANKTRANLIST>") - 70])
    assert amounts(parsed) == [-1250]
    assert [rejected.reason for rejected in parsed.rejected] == ["the file ends inside this row"]
    assert any("cut off" in notice for notice in parsed.notices)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("20260302", date(2026, 3, 2)),
        ("20260302235959", date(2026, 3, 2)),
        ("20260302235959.999[-5:EST]", date(2026, 3, 2)),
        ("20260302000000[+12:NZST]", date(2026, 3, 2)),
        ("20260302000000.000[5.5:IST]", date(2026, 3, 2)),
        ("202603021530", date(2026, 3, 2)),
        ("20260302093914:014", date(2026, 3, 2)),
        ("2026-03-02T10:00:00", date(2026, 3, 2)),
        (" 20260302 ", date(2026, 3, 2)),
        ("202603021", None),
        ("20260230", None),
        ("00000000", None),
        ("02/03/2026", None),
    ],
)
def test_the_posting_date_is_the_day_as_the_bank_writes_it(text, day):
    assert read_day(text) == day


def test_a_time_with_its_zone_is_kept_as_when_it_happened():
    assert read_moment("20260302200000.000[-5:EST]") == datetime(2026, 3, 3, 1, tzinfo=UTC)
    assert read_moment("20260302200000[-3.30:NST]") == datetime(2026, 3, 2, 23, 30, tzinfo=UTC)
    assert read_moment("20260302200000") is None
    assert read_moment("20260302990000[0:GMT]") is None
    assert only(read(row(more="<DTUSER>20260301120000[0:GMT]<NAME>x"))).occurred_at == datetime(
        2026, 3, 1, 12, tzinfo=UTC
    )


@pytest.mark.parametrize(
    ("leaves", "description"),
    [
        ("<NAME>Bakery<MEMO>Card 1234", "Bakery - Card 1234"),
        ("<NAME>AUTOMATIC WITHDRAWAL, ELECTRIC B<MEMO>Automatic Withdrawal, Electric Bill Web", None),
        ("<NAME>Bakery<MEMO>POS;Bakery", "Bakery - POS"),
        ("<NAME>Bakery Card 1234<MEMO>card 1234", "Bakery Card 1234"),
        ("<PAYEE><NAME>Bakery<CITY>Bonn</PAYEE><MEMO>", "Bakery"),
        ("<MEMO>Only a memo", "Only a memo"),
        ("<NAME>  A\t B\x01C ", "A B C"),
        ("<NAME>AT&amp;T &#8364; &eacute; R&D", "AT&T € é R&D"),
        ("<NAME>Fish < Chips", "Fish < Chips"),
        ("<CHECKNUM>319", "Check 319"),
        ("<CHECKNUM>0", "Debit"),
        ("<NAME>" + "x" * 900, "x" * 500),
    ],
)
def test_the_description_says_everything_once(leaves, description):
    expected = description or "Automatic Withdrawal, Electric Bill Web"
    assert only(read(row(more=leaves))).description == expected


def test_ids_are_bounded_and_none_where_the_bank_gives_none():
    assert [external_id(text) for text in ("", "0", "000", "NONE", "n/a")] == [""] * 5
    long = external_id("a" * 300), external_id("a" * 299 + "b")
    assert [len(one) for one in long] == [255, 255]
    assert long[0] != long[1]
    assert external_id(" a\x00b ") == "a b"


def test_an_id_that_the_bank_gives_to_different_rows_is_not_trusted():
    parsed = read(row("-1.00", fitid="7"), row("-2.00", fitid="7"), row("-3.00", fitid="8"))
    assert amounts(parsed) == [-100, -200, -300]
    assert [one.external_id for one in parsed.statements[0].transactions] == ["", "", "8"]
    assert "1 ids (FITID) stand at different transactions, e.g. 7" in parsed.notices[0]


def test_a_row_repeated_with_its_id_is_put_aside_and_equal_rows_with_ids_of_their_own_stay_two():
    parsed = read(row(fitid="7"), row(fitid="7"), row(fitid="8"))
    assert amounts(parsed) == [-1250, -1250]
    assert [rejected.reason for rejected in parsed.rejected] == ["it repeats line 11, with the same FITID 7"]
    assert amounts(read(row(), row())) == [-1250, -1250]


def test_corrections_replace_and_delete_within_the_file():
    replaced = row("-5.00", fitid="2", more="<CORRECTFITID>1<CORRECTACTION>REPLACE<NAME>x")
    parsed = read(row("-4.00", fitid="1"), replaced)
    assert amounts(parsed) == [-500]
    deleted = row("-4.00", fitid="2", more="<CORRECTFITID>1<CORRECTACTION>DELETE<NAME>x")
    parsed = read(row("-4.00", fitid="1"), deleted, row("-9.00", fitid="3"))
    assert amounts(parsed) == [-900]
    assert len(parsed.rejected) == 2
    assert "not in this file" in read(replaced).notices[0]


def test_an_amount_in_another_currency_says_so_and_one_that_was_converted_is_in_the_accounts():
    abroad = row(more="<NAME>x<CURRENCY><CURRATE>0.92<CURSYM>USD</CURRENCY>")
    assert (only(read(abroad)).amount_minor, only(read(abroad)).currency) == (-1250, "USD")
    converted = row(more="<NAME>x<ORIGCURRENCY><CURRATE>0.92<CURSYM>USD</ORIGCURRENCY>")
    assert only(read(converted)).currency == "EUR"
    parsed = read(abroad, currency="")
    assert parsed.statements[0].currency == "USD"
    assert read(row(more="<CURRENCY>CHF<NAME>x")).statements[0].transactions[0].currency == "CHF"
    assert "no currency" in read(ROW, currency="").notices[0]


def test_credit_cards_owe_what_is_negative_and_give_their_category_code():
    card = "<CCACCTFROM><ACCTID>4111</CCACCTFROM>"
    parsed = read(
        row(more="<SIC>5812<NAME>x"),
        account=card,
        name="CCSTMTRS",
        tail="<LEDGERBAL><BALAMT>-77.10<DTASOF>20260301</LEDGERBAL>",
    )
    [found] = parsed.statements
    assert (found.account_external_id, found.account_kind, found.balance_minor) == (
        "4111",
        AccountKind.CREDIT_CARD,
        -7710,
    )
    assert found.transactions[0].merchant_category_code == "5812"


def test_of_an_investment_account_the_cash_is_read_and_the_rest_is_told():
    body = (
        "<INVSTMTMSGSRSV1><INVSTMTTRNRS><INVSTMTRS><DTASOF>20260301<CURDEF>USD<INVACCTFROM><BROKERID>b.example"
        "<ACCTID>X1</INVACCTFROM><INVTRANLIST><BUYSTOCK><INVBUY><INVTRAN><FITID>9<DTTRADE>20260301</INVTRAN><TOTAL>-100"
        f"</INVBUY></BUYSTOCK><INVBANKTRAN>{ROW}<SUBACCTFUND>CASH</INVBANKTRAN></INVTRANLIST>"
        "<INVBAL><AVAILCASH>55.10<MARGINBALANCE>0</INVBAL></INVSTMTRS></INVSTMTTRNRS></INVSTMTMSGSRSV1>"
    )
    parsed = ofx.read(file_of(body))
    [found] = parsed.statements
    assert (found.account_external_id, found.account_kind) == ("b.example/X1", AccountKind.INVESTMENT)
    assert (found.balance_minor, found.balance_on, amounts(parsed)) == (5510, date(2026, 3, 1), [-1250])
    assert parsed.notices == ("1 trades of the investment account X1 were left out: only its cash is read.",)


def test_a_list_of_accounts_gives_statements_without_rows():
    body = (
        "<SIGNUPMSGSRSV1><ACCTINFOTRNRS><STATUS><CODE>0<SEVERITY>INFO</STATUS><ACCTINFORS><DTACCTUP>20260301<ACCTINFO>"
        f"<DESC>Salary<BANKACCTINFO>{ACCOUNT}<SUPTXDL>Y</BANKACCTINFO></ACCTINFO><ACCTINFO><DESC>Card<CCACCTINFO>"
        "<CCACCTFROM><ACCTID>4111</CCACCTFROM><SUPTXDL>Y</CCACCTINFO></ACCTINFO></ACCTINFORS></ACCTINFOTRNRS></SIGNUPMSGSRSV1>"
    )
    parsed = ofx.read(file_of(body))
    assert [(one.account_external_id, one.account_kind, one.transactions) for one in parsed.statements] == [
        ("5550/901/CHECKING", AccountKind.CHECKING, ()),
        ("4111", AccountKind.CREDIT_CARD, ()),
    ]


def test_several_accounts_keep_their_rows_and_rows_outside_any_statement_are_kept():
    second = statement(row("-3.00"), account=ACCOUNT.replace("901", "902"))
    parsed = ofx.read(file_of(statement(ROW) + second))
    assert [(one.account_external_id, len(one.transactions)) for one in parsed.statements] == [
        ("5550/901/CHECKING", 1),
        ("5550/902/CHECKING", 1),
    ]
    assert amounts(parsed) == [-1250, -300]
    bare = ofx.read(f"{HEADER}<BANKTRANLIST>{ROW}{row('-3.00')}</BANKTRANLIST>".encode())
    assert amounts(bare) == [-1250, -300]
    assert bare.statements[0].account_external_id == ""


def test_pending_rows_are_pending():
    waiting = "<BANKTRANLISTP><DTASOF>20260303<STMTTRNP><TRNTYPE>DEBIT<DTTRAN>20260303<TRNAMT>-4.00<NAME>Cinema</STMTTRNP></BANKTRANLISTP>"
    parsed = read(ROW, tail=waiting)
    assert [(one.amount_minor, one.pending) for one in parsed.statements[0].transactions] == [
        (-1250, False),
        (-400, True),
    ]


def test_signs_that_are_turned_around_throughout_are_told():
    assert "turned around" in read(row("12.50")).notices[0]
    assert read(row("12.50", fitid="1"), row("-1.00", fitid="2")).notices == ()


SIGN_ON = (
    "<SIGNONMSGSRSV1><SONRS><STATUS><CODE>{}<SEVERITY>{}<MESSAGE>{}</STATUS><LANGUAGE>ENG</SONRS></SIGNONMSGSRSV1>"
)


def test_a_refused_sign_on_is_told_in_words_and_as_a_code():
    content = file_of(SIGN_ON.format(15500, "ERROR", "Signon invalid"))
    document = parse_document(content)
    assert document.sign_on is not None
    assert (document.sign_on.code, document.sign_on.message, document.version) == (15500, "Signon invalid", "102")
    assert document.sign_on.code in SIGN_ON_REFUSED
    with pytest.raises(FileUnreadable, match=r"error of the institution: Signon invalid \(15500\)"):
        ofx.read(content)


def test_an_error_for_one_account_does_not_hide_the_other():
    failed = "<STMTTRNRS><TRNUID>2<STATUS><CODE>2000<SEVERITY>ERROR<MESSAGE>General error</STATUS></STMTTRNRS>"
    parsed = ofx.read(file_of(statement(ROW).replace("</BANKMSGSRSV1>", failed + "</BANKMSGSRSV1>")))
    assert amounts(parsed) == [-1250]
    assert parsed.notices == ("The institution answered to STMTTRNRS with an error: General error (2000).",)


def test_a_sign_on_alone_is_no_statement_and_no_error():
    parsed = ofx.read(file_of(SIGN_ON.format(0, "INFO", "OK")))
    assert parsed.statements == ()
    assert len(parsed.notices) == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b" \r\n\0\0", "empty"),
        (b"Date,Amount\n2026-03-02,5\n", "not OFX"),
        (b"<!DOCTYPE html><html><body>Please sign in</body></html>", "web page"),
        (b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><OFX>&b;</OFX>', "entities"),
    ],
)
def test_what_is_no_ofx_is_refused_in_words(content, words):
    with pytest.raises(FileUnreadable, match=words):
        ofx.read(content)


def test_a_file_beyond_the_bound_is_refused_before_it_is_read():
    with pytest.raises(FileUnreadable, match="larger than 64 MB"):
        ofx.read(bytes(64 * 1024 * 1024 + 1))


PIECES = st.sampled_from(
    [
        ROW, HEADER, "<OFX>", "</OFX>", "<STMTRS>", "</STMTRS>", "<CURDEF>EUR", "<STMTTRN>", "</STMTTRN>", "<NAME>",
        "<", "<TRNAMT>", "<DTPOSTED>20260302", "&#xD800;", "&#0;", "<![CDATA[", "]]>", "<!--", "<?", "\x00", "\ud7ff",
        "9,9.9", "<FITID>1", "<CORRECTFITID>1", "<LEDGERBAL><BALAMT>x", ACCOUNT, "<STATUS><CODE>1<SEVERITY>ERROR",
        "</", ">",
    ]
)  # fmt: skip


@settings(max_examples=300)
@given(st.one_of(st.binary(max_size=400), st.lists(st.one_of(PIECES, st.text(max_size=9)), max_size=25)))
def test_any_bytes_give_a_file_or_a_refusal(material):
    content = material if isinstance(material, bytes) else "".join(material).encode("utf-8", "surrogatepass")
    try:
        parsed = ofx.read(content)
    except FileUnreadable:
        return
    for found in parsed.statements:
        ids = [one.external_id for one in found.transactions if one.external_id]
        assert len(ids) == len(set(ids))
        for one in found.transactions:
            assert 1970 <= one.posted_on.year <= 2199
            assert len(one.description) <= 500
            assert len(one.external_id) <= 255
            (one.description + one.external_id + one.account_external_id).encode()
            assert "\0" not in one.description + one.external_id + one.account_external_id


@given(st.integers(min_value=-(10**13), max_value=10**13), st.sampled_from([".", ","]))
def test_every_amount_of_money_comes_back_exactly(minor, radix):
    sign = "-" if minor < 0 else ""
    text = f"{sign}{abs(minor) // 100}{radix}{abs(minor) % 100:02d}"
    assert amounts(read(row(text))) == [minor]
