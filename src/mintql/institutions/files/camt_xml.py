"""Walking through CAMT messages of any version without building their tree.

Only four elements are kept, each as a flat record of its leaves: the statement (`Stmt`, `Rpt`, `Ntfctn`), its
balances (`Bal`), its entries (`Ntry`) and an entry's details (`TxDtls`). A record is handed on as soon as its
element ends, so memory is bounded by one entry, however large the message. Document types and entities are
refused: no bank writes them, and entities are how a small file becomes a huge one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from xml.parsers import expat

from mintql.institutions.files.base import FileUnreadable
from mintql.institutions.files.decoding import decode

DEPTH_MAX = 64
"""Nesting: the deepest path of any version of the schema has 14 elements."""

LEAVES_PER_RECORD_MAX = 5_000
TEXT_PER_LEAF_MAX = 20_000
NAMES_REMEMBERED = 1_000
"""The schema has some hundreds."""

DETAILS_PER_ENTRY_MAX = 100_000
"""The largest collective payments have some ten thousand parts."""

TAG_BYTES_MAX = 65_536
"""A tag of this length is no bank's, and the parser would look at it over and over."""

_MESSAGES = frozenset({"BkToCstmrAcctRpt", "BkToCstmrStmt", "BkToCstmrDbtCdtNtfctn"})
_STATEMENTS = frozenset({"Stmt", "Rpt", "Ntfctn"})
_RECORDS = _STATEMENTS | {"Bal", "Ntry", "TxDtls"}
_DECLARED = re.compile(rb"""\A\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_LONG_TAG = re.compile(rb"<[^<>]{%d}" % TAG_BYTES_MAX)


@dataclass(slots=True)
class Record:
    """An element's leaves by their path below it. `ccy` holds the `Ccy` of each leaf that has one."""

    name: str
    line: int
    depth: int
    leaves: dict[str, list[str]] = field(default_factory=dict)
    currencies: dict[str, str] = field(default_factory=dict)
    details: list[Record] = field(default_factory=list)
    count: int = 0

    def first(self, *paths: str) -> str:
        """Return the first of these leaves that says anything, else nothing."""
        for path in paths:
            for text in self.leaves.get(path, ()):
                if text:
                    return text
        return ""

    def every(self, path: str) -> str:
        """Return what all leaves of this path say together."""
        return " ".join(self.leaves.get(path, ()))


class Handler:
    """What is told while a message is walked through; see `camt.py`."""

    def statement_begins(self) -> None:
        """A statement, report or notification begins."""

    def record_ends(self, record: Record, statement: Record) -> None:
        """A balance or an entry is complete; `statement` holds what stood before it, such as the account."""

    def statement_ends(self, record: Record) -> None:
        """The statement is complete; the record holds what stands directly in it."""


def walk(content: bytes, handler: Handler, wanted: str = "") -> tuple[str, tuple[str, ...]]:
    """Tell the handler all that a message holds; return its encoding and what was unsure about that.

    `wanted` is the encoding that the person says it is in, empty to find it out.

    Raises:
        FileUnreadable: Damaged XML, XML with a document type or entities, or nested beyond reason.
    """
    data, encoding, notices = _as_utf8(content, wanted)
    if _LONG_TAG.search(data):
        raise FileUnreadable(f"The file holds a tag of more than {TAG_BYTES_MAX:,} bytes, which no bank writes.")
    parser = expat.ParserCreate("utf-8")
    _Walk(parser, handler)
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise FileUnreadable(
            f"The XML is damaged or breaks off in line {error.lineno} ({reason}); download the file again."
        ) from None
    return encoding, notices


class _Walk:
    """The parser's callbacks, and where in the message they are.

    `path` holds for each open element its path below the record it is in, "" for a record itself.
    """

    def __init__(self, parser: expat.XMLParserType, handler: Handler) -> None:
        self.parser = parser
        self.handler = handler
        self.path: list[str] = []
        self.names: dict[str, str] = {}
        self.open: list[Record] = []
        self.in_message = False
        self.text: list[str] = []
        self.text_length = 0
        parser.buffer_text = True
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.CharacterDataHandler = self.characters
        parser.StartDoctypeDeclHandler = _refuse("a document type")
        parser.EntityDeclHandler = _refuse("entities")
        parser.ExternalEntityRefHandler = _refuse("external entities")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = self.names.get(tag) or self._name(tag)
        path = self.path
        if len(path) >= DEPTH_MAX:
            raise FileUnreadable(f"The XML is nested more than {DEPTH_MAX} deep, which no statement is.")
        if self.text:
            self.text, self.text_length = [], 0
        if not self.open:
            path.append("")
            self._outside(name)
        elif name in _RECORDS and self._is_record(name):
            path.append("")
            self.open.append(Record(name, self.parser.CurrentLineNumber, len(path)))
        else:
            path.append(f"{path[-1]}/{name}" if path[-1] else name)
            if attributes and "Ccy" in attributes:
                self.open[-1].currencies.setdefault(path[-1], attributes["Ccy"])

    def _name(self, tag: str) -> str:
        """Return a tag without its namespace's prefix, remembered for the handful of tags that come all the time."""
        name = tag.rpartition(":")[2]
        if len(self.names) < NAMES_REMEMBERED:
            self.names[tag] = name
        return name

    def _outside(self, name: str) -> None:
        stem = re.sub(r"V\d+\Z", "", name)
        if stem in _MESSAGES:
            self.in_message = True
        elif name in _STATEMENTS and self.in_message:
            self.open.append(Record(name, self.parser.CurrentLineNumber, len(self.path)))
            self.handler.statement_begins()

    def _is_record(self, name: str) -> bool:
        parent = self.open[-1].name
        return (name in {"Bal", "Ntry"} and parent in _STATEMENTS) or (name == "TxDtls" and parent == "Ntry")

    def characters(self, text: str) -> None:
        if self.open and self.text_length < TEXT_PER_LEAF_MAX:
            self.text.append(text[:TEXT_PER_LEAF_MAX])
            self.text_length += len(text)

    def end(self, _tag: str) -> None:
        path = self.path.pop()
        if not path and self.open and len(self.path) + 1 == self.open[-1].depth:
            self._close(self.open.pop())
        elif path and self.text:
            text = "".join(self.text).strip()
            if text:
                self._keep(self.open[-1], path, text)
        if self.text:
            self.text, self.text_length = [], 0

    def _keep(self, record: Record, path: str, text: str) -> None:
        record.count += 1
        if record.count > LEAVES_PER_RECORD_MAX:
            raise FileUnreadable(
                f"Line {record.line}: one {record.name} holds more than {LEAVES_PER_RECORD_MAX:,} values."
            )
        leaves = record.leaves.get(path)
        if leaves is None:
            record.leaves[path] = [text]
        else:
            leaves.append(text)

    def _close(self, record: Record) -> None:
        if record.name == "TxDtls":
            details = self.open[-1].details
            if len(details) >= DETAILS_PER_ENTRY_MAX:
                raise FileUnreadable(
                    f"Line {self.open[-1].line}: one entry holds more than {DETAILS_PER_ENTRY_MAX:,} transactions."
                )
            details.append(record)
        elif record.name in _STATEMENTS:
            self.handler.statement_ends(record)
        else:
            self.handler.record_ends(record, self.open[-1])


def _refuse(what: str) -> Callable[..., int]:
    def refuse(*_: object) -> int:
        raise FileUnreadable(f"The XML declares {what}. No bank's statement does, and it could do harm.")

    return refuse


def _as_utf8(content: bytes, wanted: str) -> tuple[bytes, str, tuple[str, ...]]:
    """Return the message in UTF-8 with the encoding it had; its declaration is evidence as any file's is."""
    declared = _DECLARED.match(content)
    decoded = decode(content, declared[1].decode() if declared else "", wanted=wanted)
    text = decoded.text.lstrip("\ufeff\0 \t\r\n")
    return text.encode("utf-8", "replace"), decoded.encoding, decoded.notices
