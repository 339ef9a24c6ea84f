"""Telling from a file's content what it is: one of the formats that are read, or something else by its name."""

from __future__ import annotations

import re

from mintql.institutions.files import delimited, mt940
from mintql.institutions.files.base import FileKind, FileUnreadable
from mintql.institutions.files.decoding import check_size, decode
from mintql.institutions.files.rows import clean
from mintql.institutions.files.zipped import is_zip

HEAD_BYTES = 1 << 16
"""Every format names itself within these first bytes."""

EXTENSIONS = {
    "ofx": FileKind.OFX, "qfx": FileKind.OFX, "qbo": FileKind.OFX, "ofc": FileKind.OFX,
    "qif": FileKind.QIF,
    "csv": FileKind.CSV, "tsv": FileKind.CSV, "tab": FileKind.CSV,
    "sta": FileKind.MT940, "mt940": FileKind.MT940, "940": FileKind.MT940, "942": FileKind.MT940,
}  # fmt: skip
"""What a name's ending says where the content does not tell, in lower case."""

_SIGNATURES = (
    (b"%PDF", "a PDF", "download the transactions as OFX, CAMT, MT940, QIF or CSV instead"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel or Word file", "save the table as CSV"),
    (b"\x89PNG\r\n\x1a\n", "an image (PNG)", "download the transactions as a file of data instead"),
    (b"\xff\xd8\xff", "an image (JPEG)", "download the transactions as a file of data instead"),
    (b"GIF8", "an image (GIF)", "download the transactions as a file of data instead"),
    (b"BM", "an image (BMP)", "download the transactions as a file of data instead"),
    (b"II*\0", "an image (TIFF)", "download the transactions as a file of data instead"),
    (b"MM\0*", "an image (TIFF)", "download the transactions as a file of data instead"),
    (b"\x1f\x8b", "a gzip archive", "unpack it and send the file in it"),
    (b"BZh", "a bzip2 archive", "unpack it and send the file in it"),
    (b"\xfd7zXZ\0", "an xz archive", "unpack it and send the file in it"),
    (b"(\xb5/\xfd", "a zstd archive", "unpack it and send the file in it"),
    (b"7z\xbc\xaf'\x1c", "a 7-Zip archive", "unpack it and send the file in it"),
    (b"Rar!\x1a\x07", "a RAR archive", "unpack it and send the file in it"),
    (b"SQLite format 3\0", "a SQLite database", "export its transactions from the program it belongs to"),
    (b"PAR1", "a Parquet file", "save the table as CSV"),
    (b"{\\rtf", "a text document (RTF)", "download the transactions as a file of data instead"),
    (b"-----BEGIN ", "an encrypted or signed message", "decrypt it and send what is in it"),
    (b"\x7fELF", "a program", "send a statement file"),
    (b"MZ\x90", "a program", "send a statement file"),
)
_XML_NAMES = (
    (re.compile(r"urn:schemas-microsoft-com:office:spreadsheet|<office:spreadsheet|<worksheet\b"),
     "a spreadsheet in XML", "save the table as CSV"),
    (re.compile(r"<gnc-v2|<gnc:"), "a GnuCash book", "export its transactions as CSV or QIF"),
    (re.compile(r"<KMYMONEY", re.IGNORECASE), "a KMyMoney file", "export its transactions as QIF or CSV"),
    (re.compile(r"<homebank\b"), "a HomeBank file", "export its transactions as QIF or CSV"),
    (re.compile(r"\bpain\.00\d|<Cstmr(?:CdtTrf|DrctDbt)"), "an order of payments (pain), not a statement",
     "download the account's statement (CAMT.052, .053 or .054)"),
    (re.compile(r"<svg\b"), "an image (SVG)", "download the transactions as a file of data instead"),
)  # fmt: skip
_OFX = re.compile(r"<OFX[\s>]|OFXHEADER|<(?:STMTTRN|STMTRS|CCSTMTRS|SONRS|BANKTRANLIST)\b", re.IGNORECASE)
_HTML = re.compile(r"<(?:!doctype\s+html|html|head|body|table|script)\b", re.IGNORECASE)
_QIF_HEADER = re.compile(r"^[ \t\ufeff]{0,8}!(?:type|account|option|clear)\b", re.IGNORECASE | re.MULTILINE)
_QIF_ROW = re.compile(r"^D ?\d[^\n]*\n(?:[A-Z$%/!&][^\n]*\n){0,20}\^", re.MULTILINE)
_JSON = re.compile(r"\s*(?:\{\s*[\"}]|\[\s*[\[{\"\d\]-])")
_ENTRIES = {
    b"xl/": ("an Excel workbook (XLSX)", "save the table as CSV"),
    b"word/": ("a Word document", "download the transactions as a file of data instead"),
    b"Index/Document.iwa": ("a Numbers or Pages document", "save the table as CSV"),
    b"mimetypeapplication/vnd.oasis": ("an OpenDocument file", "save the table as CSV"),
}  # fmt: skip


def detect(content: bytes, file_name: str = "") -> FileKind:
    """Return which format a file is in. Its name counts only where the content does not tell.

    Raises:
        FileUnreadable: It is none of them; the message says what it seems to be, and what to send instead.
    """
    check_size(content)
    _refuse_binary(content)
    if is_zip(content):
        return FileKind.CAMT
    text = decode(content[:HEAD_BYTES]).text.lstrip("\ufeff \t\r\n\0")
    named = EXTENSIONS.get(file_name.rpartition(".")[2].lower()[:10])
    kind = _of_text(content, text.replace("\r\n", "\n").replace("\r", "\n"))
    if kind is None and named in {FileKind.QIF, FileKind.MT940}:
        return named
    return kind or _of_table(content[:HEAD_BYTES], text)


def _of_text(content: bytes, text: str) -> FileKind | None:
    """Return the format that a text names itself; None where it may be a table."""
    if _OFX.search(text):
        return FileKind.OFX
    if "BkToCstmr" in text or text.startswith("<"):
        return FileKind.CAMT if "BkToCstmr" in text else _of_markup(text)
    if mt940.recognises(content):
        return FileKind.MT940
    if _QIF_HEADER.search(text) or _QIF_ROW.search(text):
        return FileKind.QIF
    if _JSON.match(text):
        _refuse("JSON", "export the transactions as CSV")
    return None


def _of_table(head: bytes, text: str) -> FileKind:
    try:
        delimited.check_table(text)
    except FileUnreadable:
        printable = sum(char.isprintable() or char in "\t\n" for char in text)
        if b"\0" in head or printable < 0.9 * len(text):
            _refuse("a binary file", "send a statement as OFX, CAMT, MT940, QIF or CSV")
        beginning = clean(text, 60)
        _refuse(f"text that begins {beginning!r}", "send a statement as OFX, CAMT, MT940, QIF or CSV")
    return FileKind.CSV


def _of_markup(text: str) -> FileKind:
    for pattern, what, instead in _XML_NAMES:
        if pattern.search(text):
            _refuse(what, instead)
    if _HTML.search(text[:4096]):
        _refuse("a web page", "sign in at the bank and download the statement again")
    if "camt." in text or "Document" in text:
        return FileKind.CAMT
    root = re.search(r"<([A-Za-z_][\w.:-]{0,79})", text)
    name = f" ({root[1]})" if root else ""
    return _refuse(f"XML that is no statement{name}", "download it as CAMT.052, .053 or .054, or as OFX")


def _refuse_binary(content: bytes) -> None:
    for signature, what, instead in _SIGNATURES:
        if content.startswith(signature):
            _refuse(what, instead)
    if content[4:8] == b"ftyp" or (content.startswith(b"RIFF") and content[8:12] == b"WEBP"):
        _refuse("an image or film", "download the transactions as a file of data instead")
    if is_zip(content):
        for entry, (what, instead) in _ENTRIES.items():
            if entry in content[:4096] or entry in content[-HEAD_BYTES:]:
                _refuse(what, instead)


def _refuse(what: str, instead: str) -> FileKind:
    raise FileUnreadable(f"The file seems to be {what}; {instead}.")
