"""Files that mean harm: each is refused or read with work linear in its size and in bounded memory."""

from __future__ import annotations

import io
import sys
import time
import tracemalloc
import zipfile

import pytest

from mintql.institutions.files.base import FILE_BYTES_MAX, FileUnreadable
from mintql.institutions.files.reading import read_file

OFX = b"OFXHEADER:100\nDATA:OFXSGML\nVERSION:102\n\n<OFX><BANKMSGSRSV1><STMTTRNRS><STMTRS><CURDEF>EUR<BANKTRANLIST>"
CAMT = b"<?xml version='1.0'?><Document><BkToCstmrStmt><Stmt><Acct><Id><IBAN>DE02</IBAN></Id></Acct>"
MT940 = b":20:1\n:25:1\n:60F:C260101EUR1,00\n"
ENTRY = MT940 + b":61:2601010101D1,00NTRFX\n"

REPEATED = {
    "ofx: nested elements": (OFX, b"<A>"),
    "ofx: nested known elements": (OFX, b"<STATUS>"),
    "ofx: nested rows": (OFX, b"<STMTTRN>"),
    "ofx: pairs": (OFX, b"<A></A>"),
    "ofx: ends": (OFX, b"</A>"),
    "ofx: signs": (OFX, b"<"),
    "ofx: declarations": (OFX, b"<!a"),
    "ofx: comments": (OFX, b"<!--"),
    "ofx: character data": (OFX, b"<![CDATA["),
    "ofx: instructions": (OFX, b"<?"),
    "ofx: attributes": (OFX, b"<a b='c' "),
    "ofx: one tag": (OFX + b"<a", b" b"),
    "ofx: a line": (OFX + b"<STMTTRN><NAME>", b"x"),
    "ofx: blanks": (OFX + b"<STMTTRN><NAME>", b" "),
    "ofx: references": (OFX + b"<STMTTRN><NAME>", b"&amp"),
    "ofx: digits": (OFX + b"<STMTTRN><DTPOSTED>20260101<TRNAMT>", b"1"),
    "ofx: statements": (OFX, b"<STMTRS>"),
    "camt: nesting": (CAMT + b"<Ntry>", b"<a>"),
    "camt: leaves": (CAMT, b"<a>1</a>"),
    "camt: a text": (CAMT + b"<Ntry><Amt>", b"1"),
    "camt: attributes": (CAMT + b"<Ntry ", b"a='1' "),
    "camt: statements": (CAMT, b"</Stmt><Stmt>"),
    "camt: entries": (CAMT, b"<Ntry></Ntry>"),
    "camt: parts": (CAMT + b"<Ntry><NtryDtls>", b"<TxDtls></TxDtls>"),
    "camt: a comment": (CAMT + b"<!--", b"-"),
    "mt940: a line": (MT940 + b":61:", b"1"),
    "mt940: entries": (MT940, b":61:\n"),
    "mt940: a description": (ENTRY + b":86:", b"?20"),
    "mt940: a description's lines": (ENTRY + b":86:", b"x\n"),
    "mt940: slashes": (MT940 + b":61:2601010101D1,00NTRF", b"/"),
    "mt940: tags in one line": (b":20:1:25:1:60F:C260101EUR1,00", b":61:x"),
    "mt940: words": (ENTRY + b":86:", b"SVWZ+"),
    "mt940: statements": (b"", MT940),
    "qif: a line": (b"!Type:Bank\nP", b"x"),
    "qif: splits": (b"!Type:Bank\nD1/1/20\nT1\n", b"SFoo\n$1\n"),
    "qif: types": (b"", b"!Type:Zork\n"),
    "qif: accounts": (b"", b"!Account\nNa\nTBank\n^\n"),
    "qif: digits": (b"!Type:Bank\nD", b"1"),
    "table: commas": (b"Date,Amount\n2026-11-20,-1.00\n", b"1,"),
    "table: quotes": (b"Date,Amount\n2026-11-20,-1.00\n", b'"'),
    "table: quotes in lines": (b"Date,Amount\n2026-11-20,-1.00\n", b'"\n'),
    "table: a quote that stays open": (b'Date,Amount\n2026-11-20,-1.00\n"', b"x,\n"),
    "table: bad rows": (b"Date,Amount\n2026-11-20,-1.00\n2026-11-20,-1.00\n", b"2026-11-20,x\n"),
    "table: empty lines": (b"Date,Amount\n2026-11-20,-1.00\n", b"\n"),
    "table: groups of digits": (b"Date;Amount\n20.11.26;-1,00\n", b"20.11.26;1'1'1'1'1'1'1'1'1'1'1'1'1'1'1'1'1x\n"),
    "table: signs": (b"Date;Amount\n20.11.26;-1,00\n", b"20.11.26;" + b"(" * 40 + b"\n"),
    "text: one letter": (b"", b"x"),
    "text: zero bytes": (b"", b"\0"),
    "text: halves of pairs": (b"", b"\x00\xd8"),
    "text: accents": (b"", b"\xe9"),
    "text: brackets": (b"", b"["),
}
SMALL, LARGE = 8_000, 32_000
CALLS_PER_BYTE_MAX = 64
"""The first rows of a table are looked at from all sides; other files take some ten calls a byte at the most."""

TIMED_BYTES = 400_000
MEASURED_BYTES = 50_000
PEAK_BYTES_MAX = 24 << 20
SECONDS_THAT_TELL = 0.4
"""Less than this says nothing about how time grows, and does no harm."""


def repeated(name, size):
    head, piece = REPEATED[name]
    return head + piece * ((size - len(head)) // len(piece))


def tried(content):
    try:
        return read_file(content)
    except FileUnreadable:
        return None


def calls_of(content):
    """Count all calls of functions, ours and Python's own: work that no other load of the machine changes."""
    calls = 0

    def count(_frame, event, _argument):
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        tried(content)
    finally:
        sys.setprofile(None)
    return calls


def seconds_of(content):
    started = time.process_time()
    tried(content)
    return time.process_time() - started


@pytest.mark.parametrize("name", REPEATED)
def test_work_grows_with_the_size_and_no_faster(name):
    small, large = calls_of(repeated(name, SMALL)), calls_of(repeated(name, LARGE))
    assert large <= 5 * small + 20_000
    assert large <= CALLS_PER_BYTE_MAX * LARGE


@pytest.mark.parametrize("name", REPEATED)
def test_no_pattern_tries_the_same_text_over_and_over(name):
    content = repeated(name, TIMED_BYTES)
    seconds = seconds_of(content)
    if seconds > SECONDS_THAT_TELL:
        # Four times the text takes four times as long, and sixteen times where a pattern goes over it again. Other load
        # of the machine slows one or the other down at times, but not each time.
        quarter = max(seconds_of(content[: TIMED_BYTES // 4]), 0.05)
        assert seconds <= 12 * quarter or min(seconds_of(content), seconds_of(content)) <= 12 * quarter


@pytest.mark.parametrize("name", REPEATED)
def test_memory_is_bounded(name):
    content = repeated(name, MEASURED_BYTES)
    tracemalloc.start()
    try:
        tried(content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= PEAK_BYTES_MAX


def test_a_million_elements_in_each_other_are_refused():
    for head, words in ((OFX, "deep"), (CAMT + b"<Ntry>", "deep")):
        with pytest.raises(FileUnreadable, match=words):
            read_file(head + b"<a>" * 1_000_000)


def test_a_line_of_a_hundred_megabytes_is_refused_without_a_copy_of_it():
    content = b"x" * 100_000_000
    tracemalloc.start()
    try:
        with pytest.raises(FileUnreadable, match="larger than 64 MB"):
            read_file(content)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert len(content) > FILE_BYTES_MAX


@pytest.mark.parametrize(
    "declared",
    [
        '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]>',
        '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE a SYSTEM "http://127.0.0.1/a.dtd">',
        '<!DOCTYPE a [<!ENTITY % a SYSTEM "http://127.0.0.1/a.dtd"> %a;]>',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused_in_every_kind_of_markup(declared, encoding):
    bodies = ["<BkToCstmrStmt><Stmt>&c;</Stmt></BkToCstmrStmt>"]
    if "ENTITY" in declared:  # A document type alone is passed over in OFX, where nothing is ever fetched.
        bodies.append("<OFX><STMTRS>&c;</STMTRS></OFX>")
    for body in bodies:
        text = f"<?xml version='1.0' encoding='{encoding}'?>{declared}<Document>{body}</Document>"
        with pytest.raises(FileUnreadable, match=r"declares (entities|a document type)"):
            read_file(text.encode(encoding))


def zipped(**files):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def test_zips_are_opened_no_deeper_and_no_wider_than_statements_are():
    bomb = zipped(a=CAMT + b" " * 60_000_000)
    for content, words in (
        (bomb, "unpacks to far more"),
        (zipped(inner=bomb, other=bomb), "no XML"),
        (zipped(**{f"f{number}": b"<a/>" for number in range(1001)}), "more than 1,000 files"),
    ):
        tracemalloc.start()
        try:
            with pytest.raises(FileUnreadable, match=words):
                read_file(content)
            assert tracemalloc.get_traced_memory()[1] < 64 << 20
        finally:
            tracemalloc.stop()


def test_numbers_that_never_end_cost_their_row_only():
    digits = "9" * 5_000
    rows = f"D1/31/26\nT{digits}\nPa\n^\nD{digits}\nT1\nPb\n^\nD1/31/26\nT-1.00\nPc\n^\n"
    parsed = read_file(f"!Type:Bank\n{rows}".encode())
    assert [row.amount_minor for row in parsed.statements[0].transactions] == [-100]
    assert [rejected.position for rejected in parsed.rejected] == [2, 6]
