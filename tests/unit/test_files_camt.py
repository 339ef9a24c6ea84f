"""CAMT statements: what becomes of entries, batches, references and balances, and what is refused."""

from __future__ import annotations

import io
import re
import time
import zipfile
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintql.domain.institutions import AccountKind
from mintql.institutions.files.base import FileKind, FileUnreadable, ParsedFile
from mintql.institutions.files.camt import read, recognises

IBAN = "DE02120300000000202051"


def balance(code, amount, day, direction="CRDT"):
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy='EUR'>{amount}</Amt>"
        f"<CdtDbtInd>{direction}</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>"
    )


def entry(amount="12.50", direction="DBIT", *, status="BOOK", day="2026-11-20", details="", extra="", ccy="EUR"):
    return (
        f"<Ntry><Amt Ccy='{ccy}'>{amount}</Amt><CdtDbtInd>{direction}</CdtDbtInd><Sts>{status}</Sts>"
        f"<BookgDt><Dt>{day}</Dt></BookgDt>{extra}<NtryDtls>{details}</NtryDtls></Ntry>"
    )


def part(amount="", *, name="", text="", refs="", direction="", party="Cdtr"):
    amount = f"<Amt Ccy='EUR'>{amount}</Amt>" if amount else ""
    direction = f"<CdtDbtInd>{direction}</CdtDbtInd>" if direction else ""
    name = f"<RltdPties><{party}><Nm>{name}</Nm></{party}></RltdPties>" if name else ""
    text = f"<RmtInf><Ustrd>{text}</Ustrd></RmtInf>" if text else ""
    return f"<TxDtls><Refs>{refs}</Refs>{amount}{direction}{name}{text}</TxDtls>"


def message(*inside, account=f"<Id><IBAN>{IBAN}</IBAN></Id><Ccy>EUR</Ccy>", namespace="camt.053.001.08"):
    return (
        f"<?xml version='1.0' encoding='UTF-8'?><Document xmlns='urn:iso:std:iso:20022:tech:xsd:{namespace}'>"
        f"<BkToCstmrStmt><GrpHdr/><Stmt><Id>1</Id><CreDtTm>2026-11-21T04:00:00+01:00</CreDtTm>"
        f"<Acct>{account}</Acct>{''.join(inside)}</Stmt></BkToCstmrStmt></Document>"
    ).encode()


def zipped(**files):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("_", "."), content)
    return packed.getvalue()


def only(content):
    (statement,) = read(content).statements
    return statement.transactions


def test_an_entry_is_read_with_its_account_and_closing_balance():
    parsed = read(
        message(
            balance("OPBD", "100.00", "2026-11-19"),
            balance("CLBD", "87.50", "2026-11-20"),
            entry(details=part(name="Bäckerei Kamps", text="Danke", refs="<EndToEndId>X1</EndToEndId>"), extra=""),
        )
    )
    (statement,) = parsed.statements
    (row,) = statement.transactions
    assert (parsed.kind, parsed.encoding, parsed.notices) == (FileKind.CAMT, "utf-8", ())
    assert (statement.account_external_id, statement.account_kind) == (IBAN, AccountKind.CHECKING)
    assert (statement.balance_minor, statement.balance_on) == (8750, date(2026, 11, 20))
    assert (row.amount_minor, row.currency, row.posted_on) == (-1250, "EUR", date(2026, 11, 20))
    assert (row.description, row.pending) == ("Bäckerei Kamps Danke", False)


def test_a_savings_account_without_iban_is_named_by_its_number():
    account = "<Id><Othr><Id>77 12</Id></Othr></Id><Tp><Cd>SVGS</Cd></Tp><Ccy>CHF</Ccy>"
    (statement,) = read(message(account=account)).statements
    assert (statement.account_external_id, statement.account_kind) == ("77 12", AccountKind.SAVINGS)
    assert (statement.currency, statement.transactions, statement.balance_minor) == ("CHF", (), None)


@pytest.mark.parametrize("namespace", ["camt.053.001.02", "camt.053.001.04", "camt.053.001.13", "anything"])
def test_every_version_is_read(namespace):
    assert only(message(entry(), namespace=namespace))[0].amount_minor == -1250


def test_prefixed_names_reports_notifications_and_the_first_version_are_read():
    plain = message(entry(extra="<AcctSvcrRef>REF-000001</AcctSvcrRef>")).decode()
    prefixed = re.sub(r"<(/?)([A-Z])", r"<\1n:\2", plain).replace("xmlns=", "xmlns:n=")
    assert only(prefixed.encode()) == only(plain.encode())
    report = plain.replace("BkToCstmrStmt", "BkToCstmrAcctRpt").replace("Stmt>", "Rpt>")
    assert only(report.encode()) == only(plain.encode())
    notification = plain.replace("BkToCstmrStmt", "BkToCstmrDbtCdtNtfctn").replace("Stmt>", "Ntfctn>")
    assert only(notification.encode()) == only(plain.encode())
    first = plain.replace("BkToCstmrStmt>", "BkToCstmrStmtV01>")
    assert only(first.encode()) == only(plain.encode())


def test_a_reversal_goes_the_way_its_indicator_says_and_is_called_one():
    (row,) = only(message(entry(direction="CRDT", extra="<RvslInd>true</RvslInd>", details=part(name="Shop"))))
    assert (row.amount_minor, row.description) == (1250, "Shop (reversal)")


def test_pending_entries_are_pending_and_entries_for_information_are_left_out_aloud():
    parsed = read(
        message(entry(status="PDNG"), entry("3.00", status="<Cd>INFO</Cd>"), entry("4", status="<Cd>BOOK</Cd>"))
    )
    rows = parsed.statements[0].transactions
    assert [(row.amount_minor, row.pending) for row in rows] == [(-1250, True), (-400, False)]
    assert "information only" in parsed.notices[0]


def test_a_batch_whose_parts_add_up_becomes_its_parts():
    extra = "<AcctSvcrRef>BATCH-0001</AcctSvcrRef>"
    rows = only(message(entry("30.00", details=part("10.00", name="A") + part("20.00", name="B"), extra=extra)))
    assert [(row.amount_minor, row.description, row.external_id) for row in rows] == [
        (-1000, "A", "BATCH-0001/1"),
        (-2000, "B", "BATCH-0001/2"),
    ]


def test_parts_that_go_both_ways_are_signed_by_their_own_indicator():
    details = part("50.00", direction="DBIT") + part("20.00", direction="CRDT")
    assert [row.amount_minor for row in only(message(entry("30.00", details=details)))] == [-5000, 2000]


@pytest.mark.parametrize("details", [part("10.00") + part("19.99"), part() + part(), part("10.00") + part("x")])
def test_a_batch_whose_parts_do_not_add_up_stays_whole_aloud(details):
    parsed = read(message(entry("30.00", details=details)))
    assert [row.amount_minor for row in parsed.statements[0].transactions] == [-3000]
    assert "do not add up" in parsed.notices[0]


def test_a_zero_amount_is_a_transaction_of_zero():
    assert [row.amount_minor for row in only(message(entry("0")))] == [0]


@pytest.mark.parametrize(
    ("dates", "day"),
    [
        ("<BookgDt><DtTm>2026-11-20T23:30:00-05:00</DtTm></BookgDt>", date(2026, 11, 20)),
        ("<BookgDt><Dt>2026-11-20+01:00</Dt></BookgDt><ValDt><Dt>2026-11-25</Dt></ValDt>", date(2026, 11, 20)),
        ("<ValDt><DtTm>2026-11-22T00:00:00.000000000</DtTm></ValDt>", date(2026, 11, 22)),
    ],
)
def test_the_booking_day_is_the_day_as_written_else_the_value_day(dates, day):
    content = message(entry()).replace(b"<BookgDt><Dt>2026-11-20</Dt></BookgDt>", dates.encode())
    assert only(content)[0].posted_on == day


def test_a_pending_entry_without_a_date_has_the_statements():
    content = message(entry(status="PDNG")).replace(b"<BookgDt><Dt>2026-11-20</Dt></BookgDt>", b"")
    assert only(content)[0].posted_on == date(2026, 11, 21)


def test_the_banks_reference_is_the_id_and_the_payers_only_with_its_day():
    weak = "<EndToEndId>RENT</EndToEndId>"
    rows = only(
        message(
            entry(extra="<AcctSvcrRef>2026112000017</AcctSvcrRef>", details=part(refs=weak)),
            entry(details=part(refs=weak)),
            entry(details=part(refs="<EndToEndId>NOTPROVIDED</EndToEndId>")),
        )
    )
    assert [row.external_id for row in rows] == ["2026112000017", "RENT@2026-11-20", ""]


def test_ids_that_two_transactions_share_are_taken_from_both():
    extra = "<AcctSvcrRef>SAME-00001</AcctSvcrRef>"
    rows = only(message(entry("1.00", extra=extra), entry("1.00", extra=extra), entry("2.00")))
    assert [(row.amount_minor, row.external_id) for row in rows] == [(-100, ""), (-100, ""), (-200, "")]


def test_currencies_are_the_entries_own():
    rows = only(message(entry("500", ccy="JPY"), entry("1.234", ccy="KWD")))
    assert [(row.amount_minor, row.currency) for row in rows] == [(-500, "JPY"), (-1234, "KWD")]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (entry("12.505"), "too many decimals"),
        (entry("-3.00"), "below zero"),
        (entry("1,00"), "not an amount"),
        (entry(direction="BOTH"), "neither CRDT nor DBIT"),
        (entry(day="2026-02-30"), "no day of the calendar"),
        (entry(day="1969-12-31"), "outside the years"),
        (entry(day="2200-01-01"), "outside the years"),
        (entry(ccy="E"), "no currency"),
    ],
)
def test_an_entry_that_cannot_be_read_is_rejected_with_its_line_and_the_rest_stays(broken, reason):
    parsed = read(message("\n\n", broken, entry()))
    (rejected,) = parsed.rejected
    assert [row.amount_minor for row in parsed.statements[0].transactions] == [-1250]
    assert (rejected.position, rejected.account_external_id) == (3, IBAN)
    assert reason in rejected.reason
    assert rejected.excerpt


def test_balances_that_the_entries_do_not_explain_are_told():
    parsed = read(
        message(balance("OPBD", "10.00", "2026-11-19"), balance("CLBD", "5.00", "2026-11-20", "DBIT"), entry())
    )
    assert parsed.statements[0].balance_minor == -500
    assert "-2.50 EUR are not explained" in parsed.notices[0]


def test_times_with_an_offset_are_kept_as_utc():
    timed = part().replace("</TxDtls>", "<RltdDts><TxDtTm>2026-11-19T20:15:00+01:00</TxDtTm></RltdDts></TxDtls>")
    assert only(message(entry(details=timed)))[0].occurred_at == datetime(2026, 11, 19, 19, 15, tzinfo=UTC)


def test_texts_are_safe_and_bounded():
    (row,) = only(message(entry(details=part(name="A  B\u2028C", text="x" * 900))))
    assert row.description.startswith("A B C xxx")
    assert len(row.description) == 500
    long = f"<AcctSvcrRef>{'9' * 256}</AcctSvcrRef>"
    assert only(message(entry(extra=long)))[0].external_id == ""


@pytest.mark.parametrize("encoding", ["utf-16", "windows-1250", "iso-8859-2", "gb18030"])
def test_declared_encodings_are_believed(encoding):
    text = message(entry(details=part(text="Łódź"))).decode().replace("UTF-8", encoding)
    if encoding == "gb18030":
        text = text.replace("Łódź", "超市购物")
    (row,) = only(text.encode(encoding))
    assert row.description == ("超市购物" if encoding == "gb18030" else "Łódź")


def test_a_booked_entry_without_a_day_gets_that_of_the_statement_aloud():
    parsed = read(message(entry(day="")))
    assert [row.posted_on for row in parsed.statements[0].transactions] == [date(2026, 11, 21)]
    assert any("says no day" in notice for notice in parsed.notices)


def test_a_statement_says_which_days_it_covers():
    period = "<FrToDt><FrDtTm>2026-11-01T00:00:00</FrDtTm><ToDtTm>2026-11-30T23:59:59</ToDtTm></FrToDt>"
    (statement,) = read(message(period, entry())).statements
    assert (statement.first_day, statement.last_day) == (date(2026, 11, 1), date(2026, 11, 30))


def test_a_wrongly_declared_encoding_is_found_out_aloud():
    parsed = read(message(entry(details=part(text="Überweisung für Müller"))).decode().encode("cp1252"))
    assert parsed.statements[0].transactions[0].description == "Überweisung für Müller"
    assert "declares the charset UTF-8, but is written in iso8859-1" in parsed.notices[0]


def test_a_zip_is_read_whole_and_an_entry_of_report_and_statement_counts_once():
    pending = message(entry(status="PDNG", extra="<AcctSvcrRef>REF-000001</AcctSvcrRef>"))
    booked = message(entry(extra="<AcctSvcrRef>REF-000001</AcctSvcrRef>"), entry("2.00"))
    parsed = read(zipped(b_xml=booked, a_xml=pending, readme_txt="hello"))
    rows = [row for statement in parsed.statements for row in statement.transactions]
    assert [(row.amount_minor, row.pending) for row in rows] == [(-1250, False), (-200, False)]
    assert any("readme.txt" in notice for notice in parsed.notices)
    assert any("taken once" in notice for notice in parsed.notices)


def test_a_damaged_file_in_a_zip_is_named_and_the_others_are_read():
    parsed = read(zipped(good_xml=message(entry()), bad_xml=message(entry())[:-40]))
    assert len(parsed.statements) == 1
    assert parsed.rejected[0].excerpt == "bad.xml"
    with pytest.raises(FileUnreadable, match=r"bad\.xml"):
        read(zipped(bad_xml=b"<a>"))


BOMB = (
    "<!DOCTYPE Document [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]>"
    "<Document><BkToCstmrStmt><Stmt>&b;</Stmt></BkToCstmrStmt></Document>"
)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"Date,Amount\n", "damaged"),
        (b"<html></html>", "no CAMT message"),
        (message().replace(b"<Stmt>", b"<Other>").replace(b"</Stmt>", b"</Other>"), "no CAMT message"),
        (message(entry())[:-30], "breaks off"),
        (BOMB.encode(), "document type"),
        (b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", "document type"),
        (message("<Ntry>" + "<a>" * 5000 + "</a>" * 5000 + "</Ntry>"), "nested"),
        (b"<Document a='" + b"x" * 40_000_000 + b"'/>", "tag of more than"),
        (message("<Ntry>" + "<a>1</a>" * 6000 + "</Ntry>"), "more than 5,000 values"),
        (b" " * (65 * 1024 * 1024), "larger than 64 MB"),
        (zipped(a_xml=b"<a>" + b" " * 60_000_000), "unpacks to far more"),
        (zipped(**{f"f{number}_xml": b"<a/>" for number in range(1001)}), "more than 1,000 files"),
        (zipped(a_txt=b"hello"), "no XML"),
        (zipped(a_xml=message(entry()))[:-30], "cannot be opened"),
    ],
)
def test_what_is_no_statement_or_harmful_is_refused_quickly(content, why):
    started = time.process_time()
    with pytest.raises(FileUnreadable, match=why):
        read(content)
    assert time.process_time() - started < 5


def test_a_very_long_text_is_read_in_bounded_length():
    content = message(entry(details=part(text="x" * 30_000_000)))
    assert len(only(content)[0].description) == 500


def test_camt_is_recognised():
    assert recognises(message())
    assert recognises(message().decode().encode("utf-16"))
    assert not recognises(b"<OFX>")


@given(st.binary(max_size=400) | st.text(alphabet="<>/&;'\"=!?[]CDATANtryStmAmBkoc 0", max_size=200).map(str.encode))
def test_any_bytes_give_a_file_or_a_refusal(content):
    for whole in (content, b"PK\x03\x04" + content, b"<?xml version='1.0' encoding='" + content):
        try:
            assert isinstance(read(whole), ParsedFile)
        except FileUnreadable as refusal:
            assert refusal.message  # noqa: PT017


GOOD = message(
    balance("CLBD", "1", "2026-11-20"),
    entry("3", details=part("1", name="A") + part("2", text="B"), extra="<AcctSvcrRef>R1</AcctSvcrRef>"),
)


@given(st.integers(0, len(GOOD)), st.integers(0, 40), st.binary(max_size=6))
def test_any_damage_gives_a_file_or_a_refusal(at, length, replacement):
    packed = zipped(a_xml=GOOD)
    for whole in (GOOD, packed):
        try:
            parsed = read(whole[:at] + replacement + whole[at + length :])
        except FileUnreadable:
            continue
        for row in parsed.statements[0].transactions if parsed.statements else ():
            assert 1970 <= row.posted_on.year <= 2199
            assert len(row.description) <= 500
            row.description.encode()
