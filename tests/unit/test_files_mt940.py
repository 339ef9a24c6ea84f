"""MT940 and MT942 statements: what the fields mean, however banks write them, and what is refused."""

from __future__ import annotations

import time
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintql.institutions.files.base import FileKind, FileUnreadable, ParsedFile
from mintql.institutions.files.mt940 import read, recognises
from mintql.institutions.files.options import ReadOptions


def statement(*fields, account="NL91ABNA0417164300", opening="C261119EUR100,00", closing=""):
    head = (":20:REF1", f":25:{account}", ":28C:1/1", f":60F:{opening}")
    tail = (f":62F:{closing}",) if closing else ()
    return "\r\n".join((*head, *fields, *tail, "-", "")).encode()


def rows_of(*fields, **changes):
    (one,) = read(statement(*fields, **changes)).statements
    return one.transactions


def described(*lines):
    (row,) = rows_of(":61:261120D12,50NMSCNONREF", *lines)
    return row.description


def test_a_statement_is_read_with_its_account_and_closing_balance():
    parsed = read(statement(":61:2611201121D12,50NTRFNONREF//BANK-REF-1", ":86:Bakker Bart", closing="C261120EUR87,50"))
    (one,) = parsed.statements
    (row,) = one.transactions
    assert (parsed.kind, parsed.encoding, parsed.notices, parsed.rejected) == (FileKind.MT940, "utf-8", (), ())
    assert (one.account_external_id, one.currency) == ("NL91ABNA0417164300", "EUR")
    assert (one.balance_minor, one.balance_on) == (8750, date(2026, 11, 20))
    assert (row.amount_minor, row.currency, row.posted_on) == (-1250, "EUR", date(2026, 11, 21))
    assert (row.external_id, row.description, row.pending) == ("BANK-REF-1", "Bakker Bart", False)


@pytest.mark.parametrize(
    ("mark", "amount"),
    [("D", -500), ("C", 500), ("RD", 500), ("RC", -500), ("DR", -500), ("CR", 500), ("RCR", -500)],
)
def test_marks_say_the_sign_with_and_without_the_letter_of_the_currency(mark, amount):
    assert rows_of(f":61:261120{mark}5,NTRFNONREF")[0].amount_minor == amount


def test_expected_entries_of_a_report_are_pending():
    assert [(row.amount_minor, row.pending) for row in rows_of(":61:261120ED5,NTRF", ":61:261120C5,NTRF")] == [
        (-500, True),
        (500, False),
    ]


@pytest.mark.parametrize(
    ("text", "minor"),
    [("5,", 500), ("5", 500), ("5,1", 510), ("000000005,10", 510), (",10", 10), ("1.234,56", 123456), ("12.50", 1250)],
)
def test_amounts_are_read_however_many_digits_are_written(text, minor):
    assert rows_of(f":61:261120C{text}NTRFNONREF")[0].amount_minor == minor


def test_a_currency_without_decimals_keeps_its_units():
    assert rows_of(":61:261120C500,NTRF", opening="C261119JPY0,")[0].amount_minor == 500


@pytest.mark.parametrize(
    ("dates", "day"),
    [
        ("2612310102", date(2027, 1, 2)),
        ("2701021231", date(2026, 12, 31)),
        ("261120", date(2026, 11, 20)),
        ("2611200000", date(2026, 11, 20)),
        ("261120    ", date(2026, 11, 20)),
        ("20261120", date(2026, 11, 20)),
        ("991120", date(1999, 11, 20)),
        ("2402290301", date(2024, 3, 1)),
        ("260230", date(2026, 2, 28)),
    ],
)
def test_the_booking_day_takes_the_year_nearest_to_the_value_day(dates, day):
    assert rows_of(f":61:{dates}D5,00NTRFNONREF")[0].posted_on == day


def test_thirtieth_of_february_is_told():
    assert "no 30 February" in read(statement(":61:260230D5,00NINT")).notices[0]


def test_numbered_subfields_become_name_and_purpose():
    assert (
        described(
            ":86:166?00SEPA-UEBERWEISUNG?10931?20EREF+RE-2026-17?21KREF+NONREF?22SVWZ+Rechnung 17 vom N",
            "ovember?30COBADEFFXXX?31DE02120300000000202051?32Stadtwerke?33 Musterstadt?34997",
        )
        == "Stadtwerke Musterstadt Rechnung 17 vom November"
    )


def test_any_sign_may_stand_before_subfields_and_the_posting_text_is_the_last_resort():
    assert described(":86:020<00PRZELEW<20Czynsz<32Jan Kowalski") == "Jan Kowalski Czynsz"
    assert described(":86:808?00ENTGELT?10931") == "ENTGELT"


def test_full_subfields_are_joined_without_a_space():
    assert described(":86:166?20123456789012345678901234567?218 Rest") == "1234567890123456789012345678 Rest"


def test_words_between_slashes_become_name_and_remittance():
    assert (
        described(":86:/TRTP/SEPA OVERBOEKING/IBAN/NL20INGB0001234567/BIC/INGBNL2A/NAME/Jan Jansen/REMI/Huur/EREF/X")
        == "Jan Jansen Huur"
    )
    assert described(":86:/CNTP/NL20INGB0001234567/INGBNL2A/P. Pietersen///REMI/USTD//Boeken/") == "P. Pietersen Boeken"


def test_full_lines_continue_within_a_word_and_shorter_ones_do_not():
    first = "Payment for " + "x" * 49
    assert described(f":86:{first}", "yz and", "more") == f"{first}yz and more"


def test_the_entrys_own_words_stand_in_where_there_is_no_field_86():
    assert [
        row.description for row in rows_of(":61:261120D5,00NMSCPASS-17", "Bankomat Wien", ":61:261120D5,00NMSCPASS-17")
    ] == [
        "Bankomat Wien",
        "PASS-17",
    ]


def test_a_line_of_text_that_begins_with_a_time_ends_no_field():
    assert described(":86:Parking", ":10:30 until", ":12:45") == "Parking :10:30 until :12:45"


def test_the_text_of_the_closing_balance_belongs_to_no_transaction():
    parsed = read(statement(":61:261120D5,00NTRF", ":86:Shop", ":62F:C261120EUR95,00", ":86:FREE TEXT"))
    assert [row.description for row in parsed.statements[0].transactions] == ["Shop"]


def test_references_are_ids_by_trust():
    rows = rows_of(
        ":61:261120D5,00NTRFNONREF//20261120-000017",
        ":61:261120D6,00NTRFINVOICE-17//NONREF",
        ":61:261120D7,00NTRFEREF",
        ":86:/EREF/STANDING-1/NAME/A",
        ":61:261120D8,00NTRFNL20INGB0001234567",
        ":61:261120D9,00NTRF1",
    )
    assert [row.external_id for row in rows] == [
        "20261120-000017",
        "INVOICE-17@2026-11-20",
        "STANDING-1@2026-11-20",
        "",
        "",
    ]


def test_ids_that_two_transactions_share_are_taken_from_both():
    rows = rows_of(":61:261120D5,00NTRF//SAME-REFERENCE", ":61:261120D5,00NTRF//SAME-REFERENCE")
    assert [(row.amount_minor, row.external_id) for row in rows] == [(-500, ""), (-500, "")]


def test_several_statements_stay_apart_and_pages_of_one_are_put_together():
    first = statement(":61:261120C5,00NTRF").replace(b"\r\n-\r\n", b"\r\n:62M:C261120EUR105,00\r\n-\r\n")
    page = statement(":61:261121C6,00NTRF", closing="C261121EUR111,00").replace(
        b":60F:C261119EUR100", b":60M:C261120EUR105"
    )
    other = statement(":61:261120D7,00NTRF", account="DE02120300000000202051", opening="C261119USD7,00")
    parsed = read(first + page + other)
    assert [
        (one.account_external_id[:2], one.currency, one.balance_minor, [row.amount_minor for row in one.transactions])
        for one in parsed.statements
    ] == [("NL", "EUR", 11100, [500, 600]), ("DE", "USD", None, [-700])]
    assert parsed.notices == ()


def test_an_interim_report_has_its_currency_from_the_limit():
    content = b":20:1\n:25:PL29114010810000267002001002\n:28C:1/1\n:34F:PLN0\n:13D:2611201815+0100\n:61:261120C5,00NTRF\n:90C:1PLN5,00\n-"
    (one,) = read(content).statements
    assert (one.currency, one.transactions[0].amount_minor, one.balance_minor) == ("PLN", 500, None)


def test_an_iban_is_freed_from_spaces_and_the_currency_behind_it():
    for account in ("NL91 ABNA 0417 1643 00", "NL91ABNA0417164300EUR", "nl91abna0417164300 EUR"):
        assert rows_of(":61:261120C5,00NTRF", account=account)[0].account_external_id == "NL91ABNA0417164300"
    assert (
        rows_of(":61:261120C5,00NTRF", account="50880050/0194787400888")[0].account_external_id
        == "50880050/0194787400888"
    )


def test_a_transaction_after_the_end_is_taken_for_the_account_before_aloud():
    parsed = read(statement(closing="C261120EUR100,00") + b":61:261120C5,00NTRF\r\n")
    assert [one.account_external_id for one in parsed.statements] == ["NL91ABNA0417164300"] * 2
    assert parsed.statements[1].transactions[0].amount_minor == 500
    assert "outside any statement" in parsed.notices[0]


@pytest.mark.parametrize("end", ["\n", "\r", "@@", ""])
def test_lines_may_end_in_any_way_or_not_at_all(end):
    content = statement(":61:261120D5,00NTRF", ":86:Shop", closing="C261120EUR95,00").replace(b"\r\n-", b"")
    (one,) = read(content.replace(b"\r\n", end.encode())).statements
    assert [(row.amount_minor, row.description) for row in one.transactions] == [(-500, "Shop")]
    assert one.balance_minor == 9500


def test_envelopes_and_control_characters_around_messages_are_no_part_of_them():
    inner = statement(":61:261120D5,00NTRF", ":86:Shop").replace(b"-\r\n", b"")
    content = b"\x01{1:F01ABNANL2AXXX0000000000}{2:O940ABNANL2AXXXN}{4:\r\n" + inner + b"-}{5:}\x03"
    (one,) = read(content).statements
    assert [(row.amount_minor, row.description) for row in one.transactions] == [(-500, "Shop")]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", "Müller Łódź"),
        ("utf-16", "Müller Łódź"),
        ("cp1252", "Müller & Söhne, Café à la carte für 5 €"),
        ("cp1250", "Płatność kartą: Żabka, Łódź, ulica Święta"),
        ("cp852", "Díj, jutalék, átutalás jóváírása"),
        ("gb18030", "支付宝消费超市购物"),
    ],
)
def test_encodings_are_found_out(encoding, text):
    (one,) = read(statement(":61:261120D5,00NTRF", f":86:{text}").decode().encode(encoding)).statements
    assert one.transactions[0].description == text


def test_a_binary_byte_is_no_reason_to_refuse_a_file():
    (row,) = rows_of(":61:261120D5,00NTRF", ":86:Shop\x00\x1c17")
    assert row.description == "Shop 17"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (":61:2611", "not of the form"),
        (":61:261120X5,00NTRF", "not of the form"),
        (":61:261340D5,00NTRF", "no day of the calendar"),
        (":61:22001120D5,00NTRF", "outside the years"),
        (":61:261120D5,001NTRF", "too many decimals"),
        (":61:261120D1.234NTRF", "thousands or decimals"),
        (":61:261120D1,2,3NTRF", "not an amount"),
        (":61:261120D9999999999999999,00NTRF", "too large"),
    ],
)
def test_a_bad_row_is_rejected_with_its_line_and_the_rest_stays(bad, reason):
    parsed = read(statement(bad, ":86:x", ":61:261120C5,00NTRF"))
    (rejected,) = parsed.rejected
    assert (rejected.position, rejected.account_external_id) == (5, "NL91ABNA0417164300")
    assert reason in rejected.reason
    assert [row.amount_minor for row in parsed.statements[0].transactions] == [500]


def test_rows_without_any_currency_are_read_with_two_decimals_and_ask_for_one():
    content = b":20:1\n:25:1\n:61:261120D5,00NTRF\n"
    parsed = read(content)
    assert ([row.amount_minor for row in parsed.statements[0].transactions], parsed.without_currency) == ([-500], True)
    assert any("currency" in notice for notice in parsed.notices)
    (yen,) = read(content, ReadOptions(currency="JPY")).statements[0].transactions
    assert (yen.amount_minor, yen.currency) == (-5, "JPY")


def test_balances_that_the_rows_do_not_explain_are_told():
    parsed = read(statement(":61:261120D5,00NTRF", closing="C261120EUR90,00"))
    assert "-5.00 EUR are not explained" in parsed.notices[0]


@pytest.mark.parametrize("content", [b"Date;Amount\n", b"-}\n", b":86:only text\n"])
def test_what_is_no_statement_is_refused(content):
    with pytest.raises(FileUnreadable, match="no MT940"):
        read(content)


def test_large_files_are_refused_and_long_lines_are_read_quickly():
    with pytest.raises(FileUnreadable, match="larger than"):
        read(b" " * (65 * 1024 * 1024))
    started = time.process_time()
    long = b"x" * 60_000_000
    (one,) = read(statement(":61:261120D5,00NTRF", ":86:").replace(b":86:", b":86:" + long)).statements
    assert len(one.transactions[0].description) == 500
    read(b":20:1" + b":61:" * 1000)
    assert len(read(statement(":61:261120D5,00NTRF" + "/" * 1_000_000)).statements) == 1
    assert time.process_time() - started < 5


def test_mt940_is_recognised():
    assert recognises(statement())
    assert recognises(statement().decode().encode("utf-16"))
    assert not recognises(b"Date,Amount\n2026-11-20,5\n")


_LINES = st.sampled_from(
    [":20:1", ":25:A", ":60F:C261119EUR1,00", ":60M:D261119USD1,00", ":61:261120D5,00NTRFX//Y", ":86:020?20A?32B", ":86:/NAME/A/REMI/",
     ":62F:C261120EUR1,00", "-", ":34F:EUR1", ":61:", ":86:", ":61:2602300229D5,00", "text", "-}{5:}", "SVWZ+A"]
)  # fmt: skip


@given(
    st.lists(_LINES | st.text(max_size=20), max_size=25).map("\n".join) | st.text(max_size=100),
    st.sampled_from(["utf-8", "utf-16"]),
)
def test_any_text_gives_a_file_or_a_refusal(text, encoding):
    try:
        parsed = read(text.encode(encoding, "replace"))
    except FileUnreadable:
        return
    for row in (row for one in parsed.statements for row in one.transactions):
        assert 1970 <= row.posted_on.year <= 2199
        assert len(row.description) <= 500
        row.description.encode()


@given(st.binary(max_size=300))
def test_any_bytes_give_a_file_or_a_refusal(content):
    for whole in (content, statement(":61:261120D5,00NTRF") + content):
        try:
            assert isinstance(read(whole), ParsedFile)
        except FileUnreadable as refusal:
            assert refusal.message  # noqa: PT017
