"""The markup of OFX, one reader for both of its kinds: the SGML of OFX 1 and the XML of OFX 2.

Banks mix the two: XML headers over unclosed tags, SGML with every tag closed, tags closed by another's name.
So nothing here follows a grammar. An element with text is a leaf and ends where the next tag begins; one
without text is a leaf if it is known to be or was closed empty; and aggregates that OFX never nests end where
their like, or something further out, begins. One pass, in time linear in the file, and with every count bounded:
a file that breaks a bound is refused. Entities are the characters' own only; none can be declared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from html.entities import html5

from mintql.institutions.files.base import FileUnreadable

DEPTH_MAX = 64
"""OFX nests about ten deep; SGML leaves without text and without end may add some."""
TAGS_MAX = 3_000_000
"""Some 150,000 transactions with every tag closed, 300,000 without: decades of a person's."""
STRAY_MAX = 100_000
"""Signs "<" that begin no element. Texts of banks contain a few."""
LEAF_CHARACTERS_MAX = 4_000

_ATTRIBUTE = r"""\s+[\w.:-]{1,80}\s*=\s*(?:"[^"<>]{0,500}"|'[^'<>]{0,500}')"""
_TAG = re.compile(rf"<(/?)([A-Za-z_][\w.:-]{{0,79}})((?:{_ATTRIBUTE}){{0,20}})\s*(/?)>([^<]*)", re.ASCII)
_PLAIN_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9.]{0,79})>([^<]*)")
_ENTITY = re.compile(r"&(#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_ESCAPED_TWICE = re.compile(r"&(amp|lt|gt|quot|apos|#[0-9]{1,7});")
_CODE_POINT_MAX = 0x10FFFF

_RANKS = {
    "OFX": 0,
    **dict.fromkeys(("SONRS", "STMTRS", "CCSTMTRS", "INVSTMTRS", "LOANSTMTRS", "ACCTINFORS"), 3),
    **dict.fromkeys(
        ("BANKTRANLIST", "BANKTRANLISTP", "INVTRANLIST", "LEDGERBAL", "AVAILBAL", "INVPOSLIST", "INVBAL", "ACCTINFO"), 4
    ),
    "INVBANKTRAN": 5,
    **dict.fromkeys(("STMTTRN", "STMTTRNP"), 6),
}
"""How far in an aggregate stands. One that begins ends all that are open and stand as far in or further."""

_AGGREGATE_NAMES = """
    STATUS FI PAYEE CURRENCY ORIGCURRENCY BANKACCTFROM CCACCTFROM INVACCTFROM LOANACCTFROM BANKACCTTO CCACCTTO
    BANKACCTINFO CCACCTINFO INVACCTINFO BALLIST BAL
"""
_AGGREGATES = frozenset(_AGGREGATE_NAMES.split())
_LEAF_NAMES = """
    CODE SEVERITY MESSAGE DTSERVER LANGUAGE USERKEY ORG FID TRNUID CLTCOOKIE CURDEF BANKID BRANCHID ACCTID ACCTTYPE
    ACCTKEY BROKERID DTSTART DTEND TRNTYPE DTPOSTED DTTRAN DTUSER DTAVAIL TRNAMT FITID CORRECTFITID CORRECTACTION
    SRVRTID CHECKNUM REFNUM SIC PAYEEID NAME EXTDNAME MEMO CURRATE CURSYM BALAMT DTASOF DESC PHONE AVAILCASH
"""
_LEAVES = frozenset(_LEAF_NAMES.split())
"""Leaves that banks leave empty and unclosed. Others without text and end are told by what follows."""


class Element:
    """An aggregate: its leaves by name (the first that says something), and the aggregates in it.

    `line` is where it begins, counted from 1. `ended` is False when the file ended inside it.
    """

    __slots__ = ("children", "ended", "line", "name", "text", "values")

    def __init__(self, name: str, line: int, text: str = "") -> None:
        self.name = name
        self.line = line
        self.text = text
        self.values: dict[str, str] = {}
        self.children: list[Element] = []
        self.ended = True

    def value(self, name: str) -> str:
        """Return the text of a leaf of this aggregate, "" when there is none."""
        return self.values.get(name, "").strip()

    def child(self, *names: str) -> Element | None:
        """Return the first aggregate directly in this one that has one of these names."""
        return next((child for child in self.children if child.name in names), None)

    def walk(self) -> Iterator[Element]:
        """Yield this aggregate and all in it, in the order of the file."""
        waiting = [self]
        while waiting:
            element = waiting.pop()
            yield element
            waiting.extend(reversed(element.children))


@lru_cache(1024)
def rank(name: str) -> int | None:
    """Return how far in an aggregate stands, None for those that may stand in several places."""
    found = _RANKS.get(name)
    if found is None and name.endswith(("MSGSRSV1", "MSGSRSV2", "MSGSRQV1")):
        return 1
    if found is None and name.endswith("TRNRS"):
        return 2
    return found


def parse_markup(text: str) -> Element:
    """Return a nameless element that holds everything in the text.

    Raises:
        FileUnreadable: The markup declares entities, or is beyond the bounds of this module.
    """
    if text.count("<") > TAGS_MAX:
        raise FileUnreadable(f"The file holds more than {TAGS_MAX:,} tags; export a shorter time.")
    builder = _Builder()
    line, counted = 1, 0
    newline = "\n" if "\n" in text else "\r"
    plain, full, end = _PLAIN_TAG.match, _TAG.match, len(text)
    at = text.find("<")
    while 0 <= at < end:
        found = plain(text, at)
        if found is not None:
            closes, name, said = found.groups()
            empty = ""
        else:
            found = full(text, at)
            if found is None:
                at = _skip(text, at, builder)
                continue
            closes, name, _, empty, said = found.groups()
        if closes:
            builder.close(name.rpartition(":")[2].upper())
        else:
            line += text.count(newline, counted, at)
            counted = at
            builder.open(name.rpartition(":")[2].upper(), line, said)
            if empty:
                builder.close(name.rpartition(":")[2].upper())
        at = found.end()
    return builder.finish()


def _skip(text: str, at: int, builder: _Builder) -> int:
    """Pass over what begins with "<" and is no tag; return where the next "<" is, -1 after the last."""
    head = text[at : at + 9].upper()
    if head.startswith("<!--"):
        end = text.find("-->", at + 4)
        return text.find("<", end) if end >= 0 else -1
    if head == "<![CDATA[":
        end = text.find("]]>", at + 9)
        builder.add(text[at + 9 : min(at + 9 + LEAF_CHARACTERS_MAX, end if end >= 0 else len(text))])
        return text.find("<", end) if end >= 0 else -1
    if head.startswith("<!"):
        end = text.find(">", at)
        if "[" in text[at : max(end, at)] or head.startswith("<!ENTITY"):
            raise FileUnreadable("The file declares entities of its own, which no bank does; it was not read.")
        return text.find("<", end) if end >= 0 else -1
    following = text.find("<", at + 1)
    builder.count_stray()
    if not head.startswith("<?"):
        builder.add(
            decode_entities(text[at : min(at + LEAF_CHARACTERS_MAX, following if following >= 0 else len(text))])
        )
    return following


def decode_entities(text: str) -> str:
    """Replace character references and the named characters of HTML; leave every other "&" as it is.

    Some banks escape what is escaped already ("&amp;lt;"), so those that markup itself needs are replaced once more.
    """
    if "&" not in text:
        return text
    once = _ENTITY.sub(_character, text)
    return _ESCAPED_TWICE.sub(_character, once) if "&amp;" in text else once


def _character(found: re.Match[str]) -> str:
    name = found[1]
    if not name.startswith("#"):
        return html5.get(f"{name};", found[0])
    digits = name[1:].lower()
    code = int(f"0{digits}", 0) if digits.startswith("x") else int(digits)
    return chr(code) if 0 < code <= _CODE_POINT_MAX else "\ufffd"


class _Builder:
    """Puts tags together to elements; `_stack` holds what is open, the nameless element first."""

    def __init__(self) -> None:
        self._stack = [Element("", 1)]
        self._leaf: tuple[Element, str] | None = None
        self._strays = 0
        self._names: dict[str, str] = {}

    def open(self, name: str, line: int, text: str) -> None:
        name = self._names.setdefault(name, name)
        own_rank = rank(name)
        if own_rank is not None:
            self._make_room(own_rank)
        text = decode_entities(text.lstrip()[:LEAF_CHARACTERS_MAX])
        top = self._stack[-1]
        # Some banks write an aggregate's only leaf in its place: <CURRENCY>USD.
        aggregate = own_rank is not None or (name in _AGGREGATES and not text)
        if not aggregate and (text or name in _LEAVES):
            if not top.values.get(name):
                top.values[name] = text
            self._leaf = (top, name)
            return
        if len(self._stack) > DEPTH_MAX:
            raise FileUnreadable(f"The file nests elements more than {DEPTH_MAX} deep, which OFX does not.")
        self._stack.append(Element(name, line))
        self._leaf = None

    def close(self, name: str) -> None:
        leaf, self._leaf = self._leaf, None
        if leaf is not None and leaf[1] == name:
            return
        for depth in range(len(self._stack) - 1, 0, -1):
            if self._stack[depth].name == name:
                while len(self._stack) > depth + 1:
                    self._pop(by_name=False)
                self._pop(by_name=True)
                return

    def add(self, text: str) -> None:
        """Add text to the leaf that is open, or to the element without text that may turn out to be one."""
        if self._leaf is not None:
            element, name = self._leaf
            element.values[name] = (element.values[name] + text)[:LEAF_CHARACTERS_MAX]
        else:
            self._stack[-1].text = (self._stack[-1].text + text)[:LEAF_CHARACTERS_MAX]

    def count_stray(self) -> None:
        self._strays += 1
        if self._strays > STRAY_MAX:
            raise FileUnreadable(f"The file holds more than {STRAY_MAX} signs < that begin no tag: it is no OFX.")

    def finish(self) -> Element:
        for element in self._stack:
            element.ended = False
        while len(self._stack) > 1:
            self._pop(by_name=False)
        return self._stack[0]

    def _make_room(self, own_rank: int) -> None:
        for depth in range(1, len(self._stack)):
            other = rank(self._stack[depth].name)
            if other is not None and other >= own_rank:
                while len(self._stack) > depth:
                    self._pop(by_name=False)
                return

    def _pop(self, *, by_name: bool) -> None:
        """Close the innermost element. One that was not closed by its name and is no aggregate was an empty leaf."""
        element = self._stack.pop()
        parent = self._stack[-1]
        holds = bool(element.values or element.children)
        if element.name in _AGGREGATES or rank(element.name) is not None or (by_name and holds):
            parent.children.append(element)
            return
        parent.values.setdefault(element.name, element.text)
        for name, text in element.values.items():
            if not parent.values.get(name):
                parent.values[name] = text
        parent.children.extend(element.children)
