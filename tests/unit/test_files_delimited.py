"""Tables of banks and budget programs: what is found out about them, how rows are read, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from mintql.domain.errors import InvalidInput
from mintql.institutions.files.amounts import parse_amount
from mintql.institutions.files.base import FileKind, FileUnreadable
from mintql.institutions.files.dates import DateOrder
from mintql.institutions.files.rows import BadRow
from support.files import detect_table as detect
from support.files import read_table as read


def table(*lines):
    return "\n".join(lines).encode()


def rows_of(content, **how):
    return [row for one in read(content, **how).statements for row in one.transactions]


def amounts(content, **how):
    return [row.amount_minor for row in rows_of(content, **({"currency": "EUR"} | how))]


SPARKASSE = (
    "Auftragskonto;Buchungstag;Valutadatum;Buchungstext;Verwendungszweck;Beguenstigter/Zahlungspflichtiger;Betrag;Waehrung\n"
    'DE02;30.11.26;29.11.26;KARTENZAHLUNG;"Einkauf; danke";REWE Köln;-12,50;EUR\n'
    "DE02;28.11.26;28.11.26;LOHN;Gehalt;ACME GmbH;2.500,00;EUR\n"
).encode("cp1252")
BRITISH = table(
    "Date,Description,Paid Out,Paid In,Balance",
    "01/11/2026,Tesco,12.50,,87.50",
    '02/11/2026,Salary,,"1,000.00","1,087.50"',
    "03/11/2026,Rent,500.00,,587.50",
)
CARD = table(
    "Date,Description,Amount",
    "11/20/2026,CAFE,$12.50",
    "11/21/2026,PAYMENT - THANK YOU,-$100.00",
    "11/22/2026,SHOP,$7.50",
)


def test_a_german_table_is_read_with_its_account_and_currency():
    parsed = read(SPARKASSE)
    (one,) = parsed.statements
    assert (parsed.kind, parsed.encoding, parsed.rejected, parsed.notices) == (FileKind.CSV, "iso8859-1", (), ())
    assert (one.account_external_id, one.currency, one.balance_minor) == ("DE02", "EUR", None)
    assert [(row.posted_on, row.amount_minor) for row in one.transactions] == [
        (date(2026, 11, 30), -1250),
        (date(2026, 11, 28), 250000),
    ]
    assert one.transactions[0].description == "REWE Köln Einkauf; danke KARTENZAHLUNG"


def test_each_decision_has_its_evidence_in_words():
    mapping = detect(SPARKASSE)
    assert (mapping.delimiter, mapping.decimal, mapping.date_order, mapping.unsure) == (";", ",", DateOrder.DMY, ())
    for subject in ("Encoding", "Columns", "Headings", "Date", "Amount", "Decimals", "Description", "Currency", "Sign"):
        assert any(words.startswith(f"{subject}:") for words in mapping.evidence), subject


def test_money_out_and_in_stand_in_two_columns_and_the_balance_proves_them():
    mapping = detect(BRITISH, currency="GBP")
    assert (mapping.debit_column, mapping.credit_column, mapping.date_order) == (2, 3, DateOrder.DMY)
    assert any("2 of 2 differences of the balance" in words for words in mapping.evidence)
    (one,) = read(BRITISH, mapping).statements
    assert [row.amount_minor for row in one.transactions] == [-1250, 100000, -50000]
    assert (one.balance_minor, one.balance_on) == (58750, date(2026, 11, 3))


def test_money_out_may_be_written_below_zero():
    content = table("Date;Debit;Credit", "2026-11-20;-5,00;", "2026-11-21;;6,00", "2026-11-22;-7,00;0,00")
    assert amounts(content) == [-500, 600, -700]


def test_the_balance_proves_an_inverse_sign_and_newest_first():
    content = table(
        "Date,Text,Amount,Balance", "2026-11-22,b,30.00,70.00", "2026-11-21,a,-50.00,100.00", "2026-11-20,c,5.00,50.00"
    )
    mapping = detect(content, currency="EUR")
    assert (mapping.inverse_sign, mapping.newest_first) == (True, True)
    (one,) = read(content, mapping).statements
    assert [row.amount_minor for row in one.transactions] == [-3000, 5000, -500]
    assert (one.balance_minor, one.balance_on) == (7000, date(2026, 11, 22))


def test_a_balance_that_does_not_move_by_the_amounts_is_told_and_not_kept():
    content = table(
        "Date,Text,Amount,Balance", "2026-11-20,a,-1.00,5.00", "2026-11-21,b,-2.00,5.00", "2026-11-22,c,-1.00,9.00"
    )
    (one,) = read(content, currency="EUR").statements
    assert one.balance_minor is None
    assert any("does not move" in words for words in detect(content).unsure)


def test_a_cards_purchases_above_zero_are_money_out_but_unsure():
    assert [row.amount_minor for row in rows_of(CARD)] == [-1250, 10000, -750]
    assert any("only payments" in words for words in detect(CARD).unsure)


def test_a_cards_balance_is_what_is_owed():
    content = table(
        "Date,Description,Amount,Balance",
        "11/20/2026,CAFE,$12.50,$112.50",
        "11/21/2026,AUTOPAY,-$100.00,$12.50",
        "11/22/2026,SHOP,$7.50,$20.00",
    )
    (one,) = read(content).statements
    assert [row.amount_minor for row in one.transactions] == [-1250, 10000, -750]
    assert one.balance_minor == -2000


def test_a_column_may_say_which_way_money_goes():
    content = table(
        '"Datum","Naam / Omschrijving","Rekening","Af Bij","Bedrag (EUR)"',
        '"20261120","Albert Heijn","NL91","Af","12,50"',
        '"20261121","Werk","NL91","Bij","2500,00"',
    )
    assert [(row.amount_minor, row.currency, row.account_external_id) for row in rows_of(content)] == [
        (-1250, "EUR", "NL91"),
        (250000, "EUR", "NL91"),
    ]


def test_lines_before_the_table_are_passed_over_and_may_name_the_currency():
    content = table(
        "Girokonto;DE02",
        "",
        "Kontostand vom 21.11.2026:;1.234,56 €",
        "",
        "Buchungsdatum;Empfänger;Betrag",
        "20.11.2026;REWE;-12,5",
    )
    mapping = detect(content)
    assert (mapping.header_line, mapping.first_line, mapping.currency) == (5, 6, "EUR")
    assert [row.amount_minor for row in rows_of(content)] == [-1250]


def test_a_table_without_headings_is_read_by_what_it_holds():
    content = table(
        '20/11/2026,"Tesco, London",-12.50,87.50', "19/11/2026,Salary,100.00,100.00", "18/11/2026,Cinema,-1.00,0.00"
    )
    mapping = detect(content, currency="GBP")
    assert (mapping.header_line, mapping.date_column, mapping.amount_column, mapping.balance_column) == (0, 0, 2, 3)
    assert [(row.amount_minor, row.description) for row in rows_of(content, currency="GBP")] == [
        (-1250, "Tesco, London"),
        (10000, "Salary"),
        (-100, "Cinema"),
    ]


@pytest.mark.parametrize(
    ("days", "order", "sure"),
    [
        (["13/01/2026", "02/02/2026"], DateOrder.DMY, True),
        (["01/13/2026", "02/02/2026"], DateOrder.MDY, True),
        (["2026/01/02", "2026/02/03"], DateOrder.YMD, True),
        (["01.02.2026", "02.02.2026"], DateOrder.DMY, True),
        (["05/01/2026", "06/01/2026", "07/01/2026", "08/01/2026", "10/01/2026"], DateOrder.DMY, True),
        (["01/05/2026", "01/06/2026", "01/07/2026", "01/08/2026", "01/10/2026"], DateOrder.MDY, True),
        (["01/02/2026"], DateOrder.DMY, False),
        (["3 Nov 2026", "24 Dez. 26"], None, True),
        (["Nov 3, 2026", "December 24, 2026"], None, True),
    ],
)
def test_the_order_of_dates_is_found_out(days, order, sure):
    mapping = detect(table("Date;Amount EUR", *(f"{day};-1,00" for day in days)))
    assert order in {mapping.date_order, None}
    assert any(words.startswith("Date order") for words in mapping.unsure) is not sure
    assert len(rows_of(table("Date;Amount EUR", *(f"{day};-1,00" for day in days)))) == len(days)


def test_dollars_make_the_month_come_first_where_nothing_else_tells():
    assert detect(table("Date,Amount", "01/02/2026,-$1.00")).date_order is DateOrder.MDY
    mapping = detect(table("Date,Amount", "01/02/2026,-$1.00"), currency="CAD")
    assert mapping.currency == "CAD"


@pytest.mark.parametrize(
    ("text", "decimal", "minor"),
    [
        ("-12.50", ".", -1250), ("12,50-", ",", -1250), ("(12.50)", ".", -1250), ("−12,5", ",", -1250),  # noqa: RUF001
        ("1.234.567,89", ",", 123456789), ("1,23,456.70", ".", 12345670), ("1'234.50", ".", 123450),
        ("1 234,50 zł", ",", 123450), ("€ 5", ",", 500), ("EUR 5,00", ",", 500), ("5.00 DR", ".", -500),
        ("5.00 CR", ".", 500), ("+5.00", ".", 500), (".50", ".", 50), ("5,00 S", ",", -500), ("-R$ 5,00", ",", -500),
    ],
)  # fmt: skip
def test_amounts_are_read_as_people_write_them(text, decimal, minor):
    assert parse_amount(text, decimal, "EUR") == (minor, False)


@pytest.mark.parametrize(
    ("text", "decimal"),
    [("12.50", ","), ("1,23", "."), ("1.2.3", "."), ("abc", "."), ("", "."), ("5 apples", "."), ("1.234,5", ".")],
)
def test_amounts_that_could_be_something_else_are_rejected(text, decimal):
    with pytest.raises((BadRow, InvalidInput)):
        parse_amount(text, decimal, "EUR")


def test_thousands_are_told_from_decimals_by_the_other_amounts():
    assert amounts(table("Date,Amount", '2026-11-20,"-1,234"', "2026-11-21,-5.50")) == [-123400, -550]
    assert any(words.startswith("Decimals") for words in detect(table("Date;Amount", "2026-11-20;-1,234")).unsure)


def test_currencies_may_differ_by_row():
    content = table(
        "Date,Description,Amount,Currency", "2026-11-20,a,-5.00,EUR", "2026-11-20,b,-500,JPY", "2026-11-21,c,-6.00,EUR"
    )
    assert [(one.currency, [row.amount_minor for row in one.transactions]) for one in read(content).statements] == [
        ("EUR", [-500, -600]),
        ("JPY", [-500]),
    ]


def test_a_file_without_a_currency_is_read_with_two_decimals_and_asks_for_one():
    content = table("Date,Amount", "2026-11-20,-5.00")
    unsaid = read(content)
    assert ([row.amount_minor for row in unsaid.statements[0].transactions], unsaid.without_currency) == ([-500], True)
    assert any("Currency" in notice for notice in unsaid.notices)
    assert amounts(content, currency="JPY") == [-5]
    assert [row.currency for row in rows_of(content, currency="CHF")] == ["CHF"]
    assert [row.currency for row in rows_of(content, mapping=replace(detect(content), currency="SEK"))] == ["SEK"]


def test_a_corrected_mapping_is_followed():
    content = table("Date,Amount", "01/02/2026,5.00")
    mapping = replace(detect(content), currency="EUR", date_order=DateOrder.MDY, inverse_sign=True)
    assert [(row.posted_on, row.amount_minor) for row in rows_of(content, mapping=mapping)] == [
        (date(2026, 1, 2), -500)
    ]


def test_pending_rows_are_pending_and_those_that_came_to_nothing_are_left_out():
    content = table(
        "Started Date,Completed Date,Description,Amount,Currency,State",
        "2026-11-19 10:00:00,2026-11-20 09:00:00,Cafe,-4.50,GBP,COMPLETED",
        "2026-11-20 10:00:00,,Shop,-5.00,GBP,PENDING",
        "2026-11-20 10:00:00,,Shop,-6.00,GBP,REVERTED",
    )
    parsed = read(content)
    assert [(row.posted_on.day, row.amount_minor, row.pending) for row in parsed.statements[0].transactions] == [
        (20, -450, False),
        (20, -500, True),
    ]
    assert any("reverted" in notice for notice in parsed.notices)


def test_ids_count_only_where_they_tell_all_rows_apart():
    head = "Transaction ID,Date,Amount EUR"
    assert [
        row.external_id for row in rows_of(table(head, "abc-0001,2026-11-20,-1.00", "abc-0002,2026-11-20,-1.00"))
    ] == ["abc-0001", "abc-0002"]
    assert [
        row.external_id for row in rows_of(table(head, "abc-0001,2026-11-20,-1.00", "abc-0001,2026-11-20,-2.00"))
    ] == ["", ""]
    assert [row.external_id for row in rows_of(table(head, "1,2026-11-20,-1.00", "2,2026-11-20,-2.00"))] == ["", ""]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("2026-02-30,x,-1.00", "no day of the calendar"),
        ("1969-12-31,x,-1.00", "outside the years"),
        ("2200-01-01,x,-1.00", "outside the years"),
        ("yesterday,x,-1.00", "not a date"),
        (",x,-1.00", "no date"),
        ("2026-11-20,x,", "no amount"),
        ("2026-11-20,x,99999999999999999", "too large"),
        ("Total,,-5.00", "not a date"),
        ("2026-11-20," + "x" * 200_000 + ",-1.00", "longer than"),
    ],
)
def test_a_bad_row_is_rejected_with_its_line_and_the_rest_stays(bad, reason):
    parsed = read(
        table("Date,Text,Amount EUR", "2026-11-19,a,-1.00", bad, "2026-11-21,b,-2.00", "", "2026-11-22,c,-3.00")
    )
    (rejected,) = parsed.rejected
    assert rejected.position == 3
    assert reason in rejected.reason
    assert len(rejected.excerpt) <= 200
    assert [row.amount_minor for row in parsed.statements[0].transactions] == [-100, -200, -300]


def test_amounts_with_more_decimals_than_the_currency_are_rounded_aloud():
    parsed = read(table("Date,Text,Amount EUR", "2026-11-20,x,-1.005", "2026-11-21,y,-2.00"))
    assert [row.amount_minor for row in parsed.statements[0].transactions] == [-101, -200]
    assert any("1 amounts have more decimals" in notice for notice in parsed.notices)


def test_quotes_hold_lines_together_and_a_lost_one_costs_nothing():
    content = table("Date,Text,Amount EUR", '2026-11-20,"two', 'lines, ""quoted""",-1.00', '2026-11-21,5" pipe,-2.00', "2026-11-22,c,-3.00")  # fmt: skip
    assert [(row.description, row.amount_minor) for row in rows_of(content)] == [
        ('two lines, "quoted"', -100),
        ('5" pipe', -200),
        ("c", -300),
    ]


def test_texts_are_safe_and_bounded():
    content = "Date\tText\tAmount EUR\n2026-11-20\ta\x00  \u2028b" + "x" * 900 + "\t-1.00\n"
    (row,) = rows_of(content.encode("utf-16"))
    assert row.description.startswith("a bxxx")
    assert len(row.description) == 500


def test_the_first_transaction_is_put_aside_and_not_passed_over_when_its_amount_cannot_be_read():
    parsed = read(table("Date,Payee,Amount", "2026-11-20,Bakery,x", "2026-11-21,Bakery,-2.00"), currency="EUR")
    assert [(rejected.position, rejected.reason) for rejected in parsed.rejected] == [(2, "'x' is not an amount")]
    assert [row.amount_minor for row in parsed.statements[0].transactions] == [-200]


def test_empty_lines_behind_the_headings_are_not_expected_of_the_next_file():
    mapping = detect(table("Date,Payee,Amount", "", "2026-11-20,Bakery,-1.00", "2026-11-21,Bakery,-2.00"))
    later = table("Date,Payee,Amount", "2026-12-20,Bakery,-3.00", "2026-12-21,Bakery,-4.00")
    (one,) = read(later, mapping=mapping, currency="EUR").statements
    assert [row.amount_minor for row in one.transactions] == [-300, -400]


def test_an_export_without_rows_is_an_empty_statement():
    (one,) = read(table("Date,Payee,Amount"), currency="EUR").statements
    assert one.transactions == ()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"\n\n\n", "empty"),
        (b"hello\nworld\n", "no table"),
        (table("a,b", "1,2"), "no line with a date and an amount"),
        (b" " * (65 * 1024 * 1024), "larger than 64 MB"),
        (b"<html><body>, </body></html>", "no line with a date"),
    ],
)
def test_what_is_no_table_of_transactions_is_refused(content, why):
    with pytest.raises(FileUnreadable, match=why):
        read(content, currency="EUR")
