"""The one way into the readers: kinds by content, corrections, previews, and what is remembered for the next file."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from datetime import date

import pytest

from mintql.domain.errors import InvalidInput
from mintql.institutions.files.base import FileKind, FileUnreadable
from mintql.institutions.files.csv_mapping import CsvMapping
from mintql.institutions.files.dates import DateOrder
from mintql.institutions.files.reading import ReadOptions, detect, preview, read_file
from support.files import amounts_of, rows_of

OFX = (
    b"OFXHEADER:100\nCHARSET:1252\n\n<OFX><SIGNONMSGSRSV1><SONRS><FI><ORG>Bank<FID>77</FI></SONRS></SIGNONMSGSRSV1>"
    b"<BANKMSGSRSV1><STMTTRNRS><STMTRS><CURDEF>EUR<BANKACCTFROM><BANKID>1<ACCTID>2</BANKACCTFROM><BANKTRANLIST>"
    b"<DTSTART>20260301<DTEND>20260331<STMTTRN><DTPOSTED>20260305<TRNAMT>-4.50<FITID>a<NAME>Cafe</STMTTRN>"
    b"</BANKTRANLIST></STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>"
)
QIF = b"!Type:Bank\nD03/05/26\nT-4.50\nPCafe\n^\n"
MT940 = (
    b":20:1\n:25:12030000/77\n:28C:1\n:60F:C260301EUR10,00\n:61:2603050305D4,50NTRFNONREF//BANK000001\n:86:Cafe\n"
    b":62F:C260331EUR5,50\n-\n"
)
CAMT = (
    b"<?xml version='1.0'?><Document xmlns='urn:iso:std:iso:20022:tech:xsd:camt.053.001.08'><BkToCstmrStmt><Stmt>"
    b"<FrToDt><FrDtTm>2026-03-01T00:00:00</FrDtTm><ToDtTm>2026-03-31T00:00:00</ToDtTm></FrToDt>"
    b"<Acct><Id><IBAN>DE02120300000000202051</IBAN></Id><Ccy>EUR</Ccy></Acct><Ntry><Amt Ccy='EUR'>4.50</Amt>"
    b"<CdtDbtInd>DBIT</CdtDbtInd><Sts>BOOK</Sts><BookgDt><Dt>2026-03-05</Dt></BookgDt></Ntry></Stmt></BkToCstmrStmt>"
    b"</Document>"
)
CSV = b"Date,Payee,Amount EUR\n2026-03-05,Cafe,-4.50\n"
EACH = {FileKind.OFX: OFX, FileKind.QIF: QIF, FileKind.MT940: MT940, FileKind.CAMT: CAMT, FileKind.CSV: CSV}


@pytest.mark.parametrize("kind", EACH)
@pytest.mark.parametrize("name", ["", "download", "statement.pdf", "a.csv", "A.QFX"])
def test_a_files_content_says_what_it_is_whatever_its_name(kind, name):
    assert detect(EACH[kind], name) is kind
    assert amounts_of(read_file(EACH[kind], name)) == [-450]


def zipped(name, content):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, content)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "empty"),
        (b"\r\n\0 ", "empty"),
        (b"%PDF-1.7\n", "a PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 500, "old Excel"),
        (zipped("xl/workbook.xml", b"<a/>"), "Excel workbook"),
        (zipped("word/document.xml", b"<a/>"), "Word document"),
        (b"\x89PNG\r\n\x1a\n\0\0", r"image \(PNG\)"),
        (b"\xff\xd8\xff\xe0", r"image \(JPEG\)"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (b"SQLite format 3\0", "SQLite"),
        (b"<!DOCTYPE html>\n<html><body>Please sign in</body></html>", "web page"),
        (b'\n{"transactions": []}', "JSON"),
        (b'[{"a": 1}]', "JSON"),
        (b"<?xml version='1.0'?><gnc-v2/>", "GnuCash"),
        (b"<?xml version='1.0'?><Document xmlns='urn:x:pain.001.001.03'/>", "order of payments"),
        (b"<?xml version='1.0'?><rss/>", r"no statement \(rss\)"),
        (b"Dear customer,\n\nyour statement is ready.\n", "text that begins 'Dear customer"),
        (bytes(range(256)) * 10, "binary"),
    ],
)
def test_what_is_no_statement_is_named_and_refused_with_what_to_send_instead(content, what):
    with pytest.raises(FileUnreadable, match=what) as refused:
        read_file(content, "statement.csv")
    assert refused.value.message.endswith(".")


def test_a_statement_covers_the_days_that_it_says_or_else_those_of_its_rows():
    for kind, content in EACH.items():
        (statement,) = read_file(content).statements
        said = kind in {FileKind.OFX, FileKind.MT940, FileKind.CAMT}
        days = (date(2026, 3, 1), date(2026, 3, 31)) if said else (date(2026, 3, 5), date(2026, 3, 5))
        assert (statement.first_day, statement.last_day) == days


def test_a_signature_is_the_same_for_the_next_file_from_the_same_source_only():
    for kind, content in EACH.items():
        signature = read_file(content).signature
        assert signature.startswith(kind.value)
        assert len(signature) <= 255
        later = content.replace(b"-4.50", b"-9.00").replace(b"4,50", b"9,00").replace(b">4.50", b">9.00")
        assert read_file(later.replace(b"0305", b"0306").replace(b"03-05", b"03-06")).signature == signature
    assert read_file(OFX.replace(b"<FID>77", b"<FID>78")).signature != read_file(OFX).signature
    assert read_file(CSV.replace(b"Payee", b"Text")).signature != read_file(CSV).signature
    assert read_file(MT940.replace(b"12030000", b"12030001")).signature != read_file(MT940).signature


def test_the_sign_of_amounts_can_be_turned_around_in_every_format():
    for content in EACH.values():
        assert amounts_of(read_file(content, options=ReadOptions(inverse_sign=True))) == [450]


def test_dates_decimals_currency_and_encoding_can_be_corrected():
    table = "Date;Payee;Amount\n03/04/2026;Caf\u00e9;-1.234\n".encode("cp1250")
    read = rows_of(read_file(table, options=ReadOptions(date_order=DateOrder.MDY, decimal=",", currency="SEK")))
    assert [(row.posted_on, row.amount_minor, row.currency) for row in read] == [(date(2026, 3, 4), -123400, "SEK")]
    assert rows_of(read_file(table, options=ReadOptions(encoding="cp1251")))[0].description == "Caf\u0439"
    qif = read_file(b"!Type:Bank\nD03/04/26\nT-1,234\n^\n", options=ReadOptions(date_order=DateOrder.DMY, decimal=","))
    assert [(row.posted_on, row.amount_minor) for row in rows_of(qif)] == [(date(2026, 4, 3), -123)]


def test_a_currency_that_the_file_names_outranks_the_accounts():
    for kind in (FileKind.OFX, FileKind.CAMT, FileKind.MT940, FileKind.CSV):
        assert {row.currency for row in rows_of(read_file(EACH[kind], options=ReadOptions(currency="USD")))} == {"EUR"}


def test_options_go_to_json_and_back():
    mapping = preview(CSV).mapping
    options = ReadOptions(FileKind.CSV, "cp1252", "EUR", DateOrder.DMY, ",", inverse_sign=False, mapping=mapping)
    back = ReadOptions.from_json(json.loads(json.dumps(options.to_json())))
    assert back == replace(options, mapping=replace(mapping, evidence=(), unsure=()))
    assert ReadOptions.from_json({}) == ReadOptions()


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ([], None),
        ({"colour": 1}, "colour"),
        ({"kind": "pdf"}, "kind"),
        ({"encoding": "zlib"}, "encoding"),
        ({"currency": "euro"}, "currency"),
        ({"date_order": "ydm"}, "date_order"),
        ({"decimal": ";"}, "decimal"),
        ({"inverse_sign": "yes"}, "inverse_sign"),
        ({"mapping": 5}, "mapping"),
        ({"mapping": {}}, "mapping.delimiter"),
        ({"mapping": {"delimiter": "x", "amount_column": 1}}, "mapping.delimiter"),
        ({"mapping": {"delimiter": ","}}, "mapping.amount_column"),
        ({"mapping": {"delimiter": ",", "amount_column": 200}}, "mapping.amount_column"),
        ({"mapping": {"delimiter": ",", "amount_column": -1}}, "mapping.amount_column"),
        ({"mapping": {"delimiter": ",", "amount_column": True}}, "mapping.amount_column"),
        (
            {"mapping": {"delimiter": ",", "amount_column": 1, "description_columns": "2"}},
            "mapping.description_columns",
        ),
        ({"mapping": {"delimiter": ",", "amount_column": 1, "headings": [1]}}, "mapping.headings"),
        ({"mapping": {"delimiter": ",", "amount_column": 1, "header_line": 3, "first_line": 2}}, "mapping.first_line"),
        ({"mapping": {"delimiter": ",", "amount_column": 1, "nose": 3}}, "mapping.nose"),
    ],
)
def test_options_that_cannot_be_are_refused_with_the_fields_name(value, field):
    with pytest.raises(InvalidInput) as refused:
        ReadOptions.from_json(value)
    assert refused.value.field == field


def test_a_preview_shows_the_first_rows_the_evidence_and_what_is_unsure():
    rows = b"".join(b"0%d/02/2026,Shop,%d.00\n" % (1 + number % 9, number + 1) for number in range(30))
    shown = preview(b"Date,Payee,Amount\n" + rows + b"x,Shop,1.00\n", rows=3)
    assert [row.amount_minor for row in shown.rows] == [100, 200, 300]
    assert [rejected.position for rejected in shown.rejected] == [32]
    assert len(rows_of(shown.parsed)) == 30
    assert any(words.startswith("Encoding: utf-8") for words in shown.evidence)
    assert any(words.startswith("Date order") for words in (*shown.evidence, *shown.unsure))
    assert any("choose one" in words for words in shown.unsure)
    assert any(words.startswith("Sign") for words in shown.unsure)


def test_a_mapping_is_found_again_behind_another_number_of_lines():
    january = b"Account 1\n\nDate,Text,Amount\n2026-01-05,Cafe,-4.50\n"
    options = ReadOptions(currency="EUR", mapping=preview(january).mapping)
    february = (
        b"Account 1\nOverdraft 0\nPrinted today\n\nDate,Text,Amount\n2026-02-05,Bar,-7.00\n2026-02-06,Bar,-8.00\n"
    )
    parsed = read_file(february, options=options)
    assert (amounts_of(parsed), parsed.rejected) == ([-700, -800], ())
    other = read_file(b"When,Text,Amount\n2026-02-05,Bar,-7.00\n", options=options)
    assert any("headings are not those" in notice for notice in other.notices)


def test_a_remembered_encoding_is_evidence_and_no_more():
    plain = preview(b"Date,Text,Amount EUR\n2026-01-05,Cafe,-4.50\n")
    accented = "Date,Text,Amount EUR\n2026-01-05,Caf\u00e9,-4.50\n"
    for encoding in ("utf-8", "cp1252"):
        assert rows_of(read_file(accented.encode(encoding), options=plain.options))[0].description == "Caf\u00e9"


def test_columns_can_be_chosen_by_hand():
    content = b"1;05.01.2026;;12,50;100,00\n2;06.01.2026;20,00;;107,50\n"
    mapping = CsvMapping.from_json({
        "delimiter": ";", "date_column": 1, "date_order": "dmy", "debit_column": 3, "credit_column": 2, "decimal": ",",
        "balance_column": 4, "balance_proven": True,
    })  # fmt: skip
    (statement,) = read_file(content, options=ReadOptions(currency="EUR", mapping=mapping)).statements
    assert [row.amount_minor for row in statement.transactions] == [-1250, 2000]
    assert (statement.balance_minor, statement.balance_on) == (10750, date(2026, 1, 6))
