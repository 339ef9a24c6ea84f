"""QIF files: dates and amounts in every spelling, accounts, splits, and what is no QIF."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mintql.domain.institutions import AccountKind, ProviderTransaction
from mintql.institutions.files import qif
from mintql.institutions.files.base import FileUnreadable, ParsedFile
from mintql.institutions.files.dates import DateOrder, find_order, read_date
from mintql.institutions.files.options import ReadOptions


def read(*lines, encoding="utf-8", **options) -> ParsedFile:
    return qif.read("\n".join(lines).encode(encoding), ReadOptions(**options))


def bank(*records) -> list[str]:
    return ["!Type:Bank", *(line for record in records for line in (*record.split("|"), "^"))]


def rows(parsed: ParsedFile) -> list[ProviderTransaction]:
    return [transaction for found in parsed.statements for transaction in found.transactions]


def amounts(parsed: ParsedFile) -> list[int]:
    return [transaction.amount_minor for transaction in rows(parsed)]


def days(*texts: str) -> list[str]:
    parsed = read(*bank(*(f"D{text}|T1.00" for text in texts)))
    assert parsed.rejected == ()
    return [row.posted_on.isoformat() for row in rows(parsed)]


def test_a_bank_section_gives_rows_without_ids():
    parsed = read(*bank("D12/31/2025|T-1,250.00|PLandlord|MJanuary|N17|LRent"), currency="USD")
    [found] = parsed.statements
    assert (found.account_external_id, found.account_kind, found.currency) == ("", AccountKind.CHECKING, "USD")
    assert found.transactions == (
        ProviderTransaction("", "", date(2025, 12, 31), -125000, "USD", "Landlord - January"),
    )
    assert parsed.notices == ("1 rows name categories, which were not taken over.",)


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("!Type:Bank", AccountKind.CHECKING),
        ("!type:bank  ", AccountKind.CHECKING),
        ("!Type:Cash", AccountKind.OTHER),
        ("!Type:CCard", AccountKind.CREDIT_CARD),
        ("!Type:Oth A", AccountKind.OTHER),
        ("!Type:Oth L", AccountKind.LOAN),
    ],
)
def test_each_kind_of_account_with_cash_is_read(header, kind):
    parsed = read(header, "D12/31/25", "T-5.00", "^")
    assert [(found.account_kind, len(found.transactions)) for found in parsed.statements] == [(kind, 1)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_as_on_any_machine_and_the_last_record_without_its_sign(end):
    content = end.join(["!Type:Bank", "D12/31/25", "T-5.00", "^", "", "D12/30/25", "T-6.00"]).encode()
    assert amounts(qif.read(content)) == [-500, -600]


def test_account_blocks_tell_whose_rows_follow():
    parsed = read(
        "!Option:AutoSwitch", "!Account", "NGiro", "TBank", "^", "NVisa", "TCCard", "^", "NDepot", "TInvst", "^",
        "!Clear:AutoSwitch",
        "!Account", "NGiro", "TBank", "$1,034.07", "/12/31/25", "^", "!Type:Bank", "D12/30/25", "T-5.00", "^",
        "!Account", "NVisa", "TCCard", "^", "!Type:CCard", "D12/29/25", "T-6.00", "^",
        "!Account", "NDepot", "TInvst", "^", "!Type:Invst", "D12/28/25", "NBuy", "T100.00", "^",
    )  # fmt: skip
    assert [
        (found.account_external_id, found.account_kind, amounts_of(found), found.balance_minor, found.balance_on)
        for found in parsed.statements
    ] == [
        ("Giro", AccountKind.CHECKING, [-500], 103407, date(2025, 12, 31)),
        ("Visa", AccountKind.CREDIT_CARD, [-600], None, None),
    ]
    assert "1 rows of investment accounts were left out: only cash is read." in parsed.notices


def amounts_of(found) -> list[int]:
    return [transaction.amount_minor for transaction in found.transactions]


def test_an_opening_balance_names_the_account_and_is_told():
    parsed = read(*bank("D12/01/25|T500.00|POpening Balance|L[Giro]", "D12/31/25|T-5.00|LFood"))
    [found] = parsed.statements
    assert (found.account_external_id, amounts_of(found)) == ("Giro", [50000, -500])
    assert "1 rows are opening balances, no income or spending." in parsed.notices


def test_transfers_between_own_accounts_are_told():
    parsed = read(*bank("D12/31/25|T-5.00|L[Savings]", "D12/31/25|T-6.00|L[Savings]/Class|PTo savings"))
    assert "2 rows are transfers with own accounts: Savings." in parsed.notices
    assert [row.description for row in rows(parsed)] == ["Savings", "To savings"]


def test_a_split_is_one_row_and_its_parts_are_told():
    parsed = read(*bank("D12/31/25|T-10.00|PShop|SFood|Ebread|$-4.00|D1/1/25|SHome|$-6.00"))
    assert [(row.amount_minor, row.posted_on) for row in rows(parsed)] == [(-1000, date(2025, 12, 31))]
    assert "Line 2 was read as one row of -10.00; it is split into: Food -4.00 (bread), Home -6.00." in parsed.notices


def test_a_split_that_does_not_sum_up_is_told_and_one_without_a_total_is_summed():
    parsed = read(*bank("D12/31/25|T-10.00|SFood|$-4.00|SHome|$-5.00", "D12/31/25|SFood|$-4.00|SHome|$-5.00"))
    assert amounts(parsed) == [-1000, -900]
    assert any("the parts sum to -9.00" in notice for notice in parsed.notices)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("1/ 2'06", date(2006, 1, 2)),
        ("6/ 4'18", date(2018, 6, 4)),
        ("3/11' 2", date(2002, 3, 11)),
        ("2/10'2020", date(2020, 2, 10)),
        (" 1/ 2/98", date(1998, 1, 2)),
        ("12/31/69", date(2069, 12, 31)),
        ("2026-03-02", date(2026, 3, 2)),
        ("2026/3/2", date(2026, 3, 2)),
        ("20260302", date(2026, 3, 2)),
        ("26 Jan 2026", date(2026, 1, 26)),
        ("26. Mär 2026", date(2026, 3, 26)),
        ("Jan 26, 2026", date(2026, 1, 26)),
        ("1 décembre 2025", date(2025, 12, 1)),
        ("12/31/2025 10:15", date(2025, 12, 31)),
        ("13/13/2025", None),
        ("2/30/2025", None),
        ("1/1/1900", None),
        ("1/1/2200", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_dates_come_in_many_spellings(text, day):
    assert read_date(text, DateOrder.MDY) == day


def test_one_day_above_twelve_decides_for_the_whole_file():
    assert days("01/02/2026", "13/02/2026") == ["2026-02-01", "2026-02-13"]
    assert days("01/02/2026", "02/13/2026") == ["2026-01-02", "2026-02-13"]
    assert days("99/12/31", "98/01/02") == ["1999-12-31", "1998-01-02"]
    assert days("28.02'2009", "01.01'2018") == ["2009-02-28", "2018-01-01"]


def test_without_such_a_day_points_then_the_sequence_then_the_month_first_decide():
    assert days("01.02.2026", "03.02.2026") == ["2026-02-01", "2026-02-03"]
    # Day first, these three follow each other; month first, they jump.
    assert days("01/02/2026", "09/02/2026", "03/03/2026") == ["2026-02-01", "2026-02-09", "2026-03-03"]
    assert days("01/02/2026") == ["2026-01-02"]


def test_an_order_that_stays_unsure_is_told_and_can_be_overruled():
    lines = bank("D01/02/2026|T1.00")
    told = "Dates such as 01/02/2026 can be read in two ways; the month was taken to be first."
    assert told in read(*lines).notices
    corrected = read(*lines, date_order=DateOrder.DMY)
    assert rows(corrected)[0].posted_on == date(2026, 2, 1)
    assert told not in corrected.notices
    assert told not in read("!Option:MDY", *lines).notices
    assert find_order(["03/03/2026"]).sure


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("-25.00", -2500),
        ("1,234.56", 123456),
        ("1.234,56", 123456),
        ("1'234.56", 123456),
        ("1 234,56", 123456),
        ("1,234", 123400),
        ("1,234,567", 123456700),
        ("$-1,000.00", -100000),
        ("-£5.00", -500),
        ("5.00 EUR", 500),
        ("(5.00)", -500),
        ("5.00-", -500),
        ("12,5", 1250),
        ("+7", 700),
    ],
)
def test_amounts_come_in_many_spellings(text, minor):
    assert amounts(read(*bank(f"D12/31/25|T{text}"))) == [minor]


def test_a_decimal_comma_elsewhere_in_the_file_decides_what_a_lone_comma_means():
    assert amounts(read(*bank("D12/31/25|T-1,234", "D12/31/25|T-5,50"))) == [-123, -550]
    assert amounts(read(*bank("D12/31/25|T-1.234", "D12/31/25|T-5,50"))) == [-123400, -550]


def test_the_currency_is_what_the_caller_says_else_what_the_sign_says():
    assert read(*bank("D12/31/25|T5.00 €")).statements[0].currency == "EUR"
    assert read(*bank("D12/31/25|T$5.00")).statements[0].currency == ""
    yen = read(*bank("D12/31/25|T1,500"), currency="JPY")
    assert (amounts(yen), yen.statements[0].currency) == ([1500], "JPY")


def test_the_amount_in_u_is_taken_where_t_is_missing():
    assert amounts(read(*bank("D12/31/25|U-5.00", "D12/31/25|U-6.00|T-6.00"))) == [-500, -600]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("T-1.00|PShop", "the date (D) is missing"),
        ("D31/31/2025|T-1.00|PShop", "D is not a date between 1970 and 2199: '31/31/2025'"),
        ("D12/31/2025|PShop", "the amount (T) is missing"),
        ("D12/31/2025|Tmuch|PShop", "'much' is not an amount"),
    ],
)
def test_a_row_without_date_or_amount_is_put_aside_with_its_line(record, reason):
    parsed = read(*bank("D12/31/25|T-5.00", record, "D12/30/25|T-6.00"))
    assert amounts(parsed) == [-500, -600]
    [rejected] = parsed.rejected
    assert (rejected.position, rejected.reason) == (5, reason)
    assert "PShop" in rejected.excerpt


@pytest.mark.parametrize(
    ("fields", "description"),
    [
        ("PShop|MNote", "Shop - Note"),
        ("MNote", "Note"),
        ("N319", "Check 319"),
        ("NATM", "ATM"),
        ("LFood:Groceries", "Food:Groceries"),
        ("PA\x00B\t  C", "A B C"),
        ("P" + "x" * 9000, "x" * 500),
        ("C*", ""),
    ],
)
def test_the_description_is_the_payee_else_what_else_there_is(fields, description):
    assert rows(read(*bank(f"D12/31/25|T-5.00|{fields}")))[0].description == description


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_the_encoding_is_found(encoding):
    assert rows(read(*bank("D12/31/25|T-5.00|PKöln, Café"), encoding=encoding))[0].description == "Köln, Café"


def test_lists_are_no_transactions():
    parsed = read(
        "!Type:Cat", "NFood", "Dbread and such", "T", "^", "!Type:Class", "NTrip", "^", *bank("D12/31/25|T-5.00")
    )
    assert amounts(parsed) == [-500]
    alone = read("^", "!Type:Security", "NExample", "TStock", "^")
    assert alone.statements == ()
    assert alone.notices == ("The file holds no transactions of a bank, cash or card account.",)


def test_an_unknown_or_missing_type_is_read_where_its_rows_are_transactions():
    parsed = read("!Type:Banque", "D31/12/2025", "T-5,00", "^")
    assert (amounts(parsed), parsed.statements[0].account_kind) == ([-500], AccountKind.OTHER)
    assert "Rows under Banque were read as transactions of an account of unknown kind." in parsed.notices
    assert amounts(read("D12/31/25", "T-5.00", "^")) == [-500]


def test_sections_of_different_kinds_without_names_stay_apart():
    parsed = read(*bank("D12/31/25|T-5.00"), "!Type:CCard", "D12/31/25", "T-6.00", "^")
    assert [(one.account_kind, amounts_of(one)) for one in parsed.statements] == [
        (AccountKind.CHECKING, [-500]),
        (AccountKind.CREDIT_CARD, [-600]),
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\r\n \x00", "empty"),
        (b"Date,Amount\n2026-03-02,5\n", "not QIF"),
        (b"Dear Sir,\nThank you.\nDone^\n", "not QIF"),
        (b"!Type:Bank\n" + b"^\n" * 1_000_001, "more than 1,000,000"),
        (b"!Type:Bank\n" + b"x\n" * 8_000_001, "more than 8,000,000 lines"),
    ],
    ids=["nothing", "blank", "csv", "letter", "rows", "lines"],
)
def test_what_is_no_qif_is_refused_in_words(content, words):
    with pytest.raises(FileUnreadable, match=words):
        qif.read(content)


def test_notices_are_bounded():
    parsed = read(*bank(*["D12/31/25|T-10.00|SFood|$-4.00|SHome|$-6.00"] * 300))
    assert len(amounts(parsed)) == 300
    assert len(parsed.notices) <= 101


PIECES = st.sampled_from(
    [
        "!Type:Bank", "!Type:CCard", "!Type:Invst", "!Account", "!Option:MDY", "!Clear:AutoSwitch", "^", "D1/ 2'06",
        "D31.12.25", "T-5.00", "T1,234", "T", "$5", "SFood", "Enote", "L[Giro]", "POpening Balance", "NGiro", "TBank",
        "/1/1/20", "\x00",
    ]
)  # fmt: skip


@settings(max_examples=300)
@given(st.one_of(st.binary(max_size=300), st.lists(st.one_of(PIECES, st.text(max_size=9)), max_size=25)))
def test_any_bytes_give_a_file_or_a_refusal(material):
    content = material if isinstance(material, bytes) else "\n".join(material).encode("utf-8", "surrogatepass")
    try:
        parsed = qif.read(content)
    except FileUnreadable:
        return
    for row in rows(parsed):
        assert 1970 <= row.posted_on.year <= 2199
        assert len(row.description) <= 500
        assert row.external_id == ""
        (row.description + row.account_external_id).encode()
        assert "\0" not in row.description + row.account_external_id


@given(
    st.lists(st.dates(date(1970, 1, 1), date(2069, 12, 31)), min_size=1, max_size=8),
    st.sampled_from(["%m/%d/%Y", "%d/%m/%Y", "%Y-%m-%d", "%d.%m.%y", "%m/%d'%y"]),
)
def test_a_file_with_a_day_above_twelve_is_read_in_the_order_it_was_written_in(written, form):
    written = [*written, date(2020, 5, 28)]
    assert days(*(day.strftime(form) for day in written if "'" not in form or day.year >= 2000)) == [
        day.isoformat() for day in written if "'" not in form or day.year >= 2000
    ]
