"""The exports of Mint, YNAB, Actual and Firefly III, and tables made to break the reader."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mintql.institutions.files.base import FileUnreadable, ParsedFile
from support.files import detect_table as detect
from support.files import read_table as read


def table(*lines):
    return "\n".join(lines).encode()


def rows_of(content, **how):
    return [row for one in read(content, **how).statements for row in one.transactions]


BRITISH = table(
    "Date,Description,Paid Out,Paid In,Balance",
    "01/11/2026,Tesco,12.50,,87.50",
    '02/11/2026,Salary,,"1,000.00","1,087.50"',
    "03/11/2026,Rent,500.00,,587.50",
)
MINT = table(
    '"Date","Description","Original Description","Amount","Transaction Type","Category","Account Name","Labels","Notes"',
    '"11/02/2026","Blue Bottle","SQ *BLUE BOTTLE","4.50","debit","Coffee","Checking","",""',
    '"11/05/2026","Paycheck","ACME PAYROLL","1000.00","credit","Income","Savings","",""',
)
YNAB = table(
    '\ufeff"Account","Flag","Date","Payee","Category Group/Category","Category Group","Category","Memo","Outflow","Inflow","Cleared"',
    '"Giro","","20/11/2026","Cafe","a: b","a","b","",4.50€,0.00€,"Cleared"',
    '"Giro","","21/11/2026","Boss","a: b","a","b","note",0.00€,1000.00€,"Uncleared"',
)
ACTUAL = table(
    "Account,Date,Payee,Notes,Category,Amount,Split_Amount,Cleared",
    "Giro,2026-11-20,Cafe,,Food,-4.5,0,Cleared",
    "Giro,2026-11-20,Shop,(SPLIT INTO 2) both,,0,-30,Cleared",
    "Giro,2026-11-20,Shop,(SPLIT 1 OF 2) ,Food,-10,0,Cleared",
    "Giro,2026-11-20,Shop,(SPLIT 2 OF 2) ,Home,-20,0,Not cleared",
)
FIREFLY_HEAD = "user_id,group_id,journal_id,type,currency_code,amount,foreign_currency_code,foreign_amount,description,date,source_name,source_iban,source_type,destination_name,destination_iban,destination_type"
FIREFLY = table(
    FIREFLY_HEAD,
    "1,1,101,Withdrawal,EUR,-4.50,,,Coffee,2026-11-20T00:00:00+01:00,Giro,DE02,Asset account,Cafe,,Expense account",
    "1,2,102,Deposit,EUR,1000.00,,,Pay,2026-11-20T00:00:00+01:00,Boss,,Revenue account,Giro,DE02,Asset account",
    "1,3,103,Transfer,EUR,100.00,USD,110.00,Move,2026-11-21T00:00:00+01:00,Giro,DE02,Asset account,Dollars,,Asset account",
    "1,4,104,Withdrawal,EUR,-1.00,,,Odd,2026-11-21T00:00:00+01:00,A,,Expense account,B,,Expense account",
)  # fmt: skip


def said(content, **how):
    return [
        (row.account_external_id, row.amount_minor, row.currency, row.description) for row in rows_of(content, **how)
    ]


def test_mints_export_is_read():
    assert detect(MINT).source == "mint"
    assert said(MINT) == [("Checking", -450, "USD", "Blue Bottle"), ("Savings", 100000, "USD", "Paycheck")]


def test_ynabs_register_is_read():
    assert detect(YNAB).source == "ynab"
    assert said(YNAB) == [("Giro", -450, "EUR", "Cafe"), ("Giro", 100000, "EUR", "Boss note")]
    assert not any(row.pending for row in rows_of(YNAB))


def test_actuals_export_is_read_with_what_was_split_as_one():
    assert detect(ACTUAL).source == "actual"
    assert said(ACTUAL, currency="EUR") == [
        ("Giro", -450, "EUR", "Cafe"),
        ("Giro", -3000, "EUR", "Shop (SPLIT INTO 2) both"),
    ]


def test_firefly_iiis_export_is_read_with_both_sides_of_a_transfer():
    parsed = read(FIREFLY)
    assert detect(FIREFLY).source == "firefly"
    assert said(FIREFLY) == [
        ("DE02", -450, "EUR", "Cafe Coffee"),
        ("DE02", 100000, "EUR", "Boss Pay"),
        ("DE02", -10000, "EUR", "Dollars Move"),
        ("Dollars", 11000, "USD", "Giro Move"),
    ]
    assert [rejected.position for rejected in parsed.rejected] == [5]
    assert rows_of(FIREFLY)[2].external_id == "firefly:103:source"


_CELLS = st.sampled_from(
    [
        "2026-11-20",
        "20.11.26",
        "11/20/2026",
        "-1.00",
        "1,00",
        "$5",
        "",
        "x",
        '"',
        '"a',
        "EUR",
        "Date",
        "Amount",
        "Balance",
        "Af Bij",
        "D",
        "1,1",
    ]
)


@given(
    st.lists(st.lists(_CELLS | st.text(max_size=8), max_size=6), max_size=12),
    st.sampled_from(",;\t|"),
    st.sampled_from(["utf-8", "utf-16", "cp1252"]),
)
def test_any_table_gives_a_file_or_a_refusal(lines, delimiter, encoding):
    content = "\n".join(delimiter.join(line) for line in lines).encode(encoding, "replace")
    try:
        parsed = read(content, currency="EUR")
    except FileUnreadable:
        return
    for row in (row for one in parsed.statements for row in one.transactions):
        assert 1970 <= row.posted_on.year <= 2199
        assert len(row.description) <= 500
        row.description.encode()


@given(st.binary(max_size=300))
def test_any_bytes_give_a_file_or_a_refusal(content):
    for whole in (content, BRITISH + content, content + MINT, FIREFLY + content):
        try:
            assert isinstance(read(whole, currency="EUR"), ParsedFile)
        except FileUnreadable as refusal:
            assert refusal.message  # noqa: PT017
