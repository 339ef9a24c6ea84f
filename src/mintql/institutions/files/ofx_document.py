"""An OFX response as a tree: its encoding, its version, the accounts it names and what the institution answered.

What a statement file and an answer of OFX Direct Connect have in common. `ofx.read` makes statements of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mintql.domain.institutions import AccountKind
from mintql.institutions.files.base import FileUnreadable
from mintql.institutions.files.decoding import decode
from mintql.institutions.files.ofx_markup import Element, parse_markup, rank
from mintql.institutions.files.rows import EXTERNAL_ID_LENGTH_MAX, clean

HEADER_BYTES_MAX = 4096
BANKS_IN_SIGNATURE_MAX = 3
SIGN_ON_REFUSED = frozenset((15500, 15502))
"""Login or password wrong, login locked out: codes of the sign-on that only the person can do something about."""

_CHARSET = re.compile(r"\bCHARSET:[ \t]*([\w-]+?)(?=COMPRESSION|[^\w-]|$)|CHARSET:[ \t]*([\w-]+)", re.IGNORECASE)
_ENCODING = re.compile(r"ENCODING:[ \t]*([\w-]+?)(?=CHARSET|[^\w-]|$)", re.IGNORECASE)
_XML_ENCODING = re.compile(r"<\?xml\b[^<>]{0,200}?\bencoding\s*=\s*[\"']([\w.:-]{1,40})[\"']", re.IGNORECASE)
_VERSION = re.compile(r"(?<![A-Z])VERSION\s*[:=]\s*[\"']?(\d{3})\b|VERSION:(\d{3})", re.IGNORECASE)
_HTML = re.compile(r"<(?:!DOCTYPE\s+HTML|HTML|HEAD|BODY)\b", re.IGNORECASE)

_KINDS = {
    "CHECKING": AccountKind.CHECKING,
    "SAVINGS": AccountKind.SAVINGS,
    "MONEYMRKT": AccountKind.SAVINGS,
    "CD": AccountKind.SAVINGS,
    "CREDITLINE": AccountKind.LOAN,
}
ACCOUNT_AGGREGATES = ("BANKACCTFROM", "CCACCTFROM", "INVACCTFROM", "LOANACCTFROM")


@dataclass(frozen=True, slots=True)
class Status:
    """What the institution answered to one request. `about` is the aggregate it stands in, e.g. SONRS."""

    about: str
    code: int
    severity: str
    message: str

    def __str__(self) -> str:
        return f"{self.message} ({self.code})" if self.message else f"status {self.code}"


@dataclass(frozen=True, slots=True)
class Account:
    """An account as OFX names it, in the parts that a request for its statement has to repeat."""

    bank_id: str
    branch_id: str
    account_id: str
    account_type: str
    kind: AccountKind

    @property
    def external_id(self) -> str:
        """All parts that tell accounts apart: some banks number checking and savings of a person the same."""
        parts = (self.bank_id, self.branch_id, self.account_id, self.account_type)
        return "/".join(part for part in parts if part)[:EXTERNAL_ID_LENGTH_MAX] if self.account_id else ""


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed response: its root and all elements in it. `version` is e.g. "102", empty where the header says none."""

    root: Element
    elements: tuple[Element, ...]
    encoding: str
    version: str
    statuses: tuple[Status, ...]
    notices: tuple[str, ...]
    evidence: tuple[str, ...] = ()

    @property
    def sign_on(self) -> Status | None:
        """The answer to the sign-on, None when the response has none."""
        return next((status for status in self.statuses if status.about == "SONRS"), None)

    @property
    def errors(self) -> tuple[Status, ...]:
        """The answers that are errors."""
        return tuple(status for status in self.statuses if status.severity == "ERROR")


def parse_document(content: bytes, *, encoding: str = "") -> Document:
    """Read an OFX response of version 1 or 2, in this encoding if one is said.

    Raises:
        FileUnreadable: The bytes are empty, too large, hostile or no OFX.
    """
    head = content[:HEADER_BYTES_MAX].replace(b"\0", b"").decode("latin-1")
    decoded = decode(content, _declared_charset(head), wanted=encoding)
    root = parse_markup(decoded.text)
    elements = tuple(root.walk())
    if not any(rank(element.name) is not None for element in elements):
        if _HTML.search(decoded.text, 0, HEADER_BYTES_MAX):
            raise FileUnreadable("The file is a web page, not OFX; sign in at the bank and download it again.")
        raise FileUnreadable("The file is not OFX: it holds no statement, list of accounts or sign-on.")
    version = _VERSION.search(_before_body(head))
    return Document(
        root=root,
        elements=elements,
        encoding=decoded.encoding,
        version=(version[1] or version[2]) if version else "",
        statuses=tuple(_statuses(elements)),
        notices=decoded.notices,
        evidence=(f"Encoding: {decoded.encoding}, as {decoded.words}.",),
    )


def signature_of(elements: Sequence[Element]) -> str:
    """Return what stays the same in every file of this institution: its name and number, else the bank's."""
    named = next((one for one in elements if one.name == "FI"), None)
    parts = [named.value("ORG"), named.value("FID")] if named is not None else []
    if not any(parts):
        banks = {one.value("BANKID") or one.value("BROKERID") for one in elements if one.name in ACCOUNT_AGGREGATES}
        parts = sorted(banks - {""})[:BANKS_IN_SIGNATURE_MAX]
    return clean(":".join(["ofx", *filter(None, parts)]).casefold(), EXTERNAL_ID_LENGTH_MAX)


def account_of(holder: Element) -> Account:
    """Return the account that a statement or an entry of a list of accounts is about; its parts may be empty."""
    found = holder.child(*ACCOUNT_AGGREGATES)
    named = found or holder
    account_type = clean(named.value("ACCTTYPE"), 20).upper()
    if (found is not None and found.name == "CCACCTFROM") or holder.name in ("CCSTMTRS", "CCACCTINFO"):
        kind = AccountKind.CREDIT_CARD
    elif (found is not None and found.name == "INVACCTFROM") or holder.name == "INVSTMTRS":
        kind = AccountKind.INVESTMENT
    elif found is not None and found.name == "LOANACCTFROM":
        kind = AccountKind.LOAN
    else:
        kind = _KINDS.get(account_type, AccountKind.OTHER)
    return Account(
        bank_id=clean(named.value("BANKID") or named.value("BROKERID"), 60),
        branch_id=clean(named.value("BRANCHID"), 40),
        account_id=clean(named.value("ACCTID") or named.value("LOANACCTID"), 100),
        account_type=account_type,
        kind=kind,
    )


def listed_accounts(elements: Iterable[Element]) -> list[Account]:
    """Return the accounts of the answer to an account discovery (ACCTINFORS), in its order."""
    return [
        account_of(entry)
        for listing in elements
        if listing.name == "ACCTINFO"
        for entry in listing.walk()
        if entry.child(*ACCOUNT_AGGREGATES) is not None
    ]


def _declared_charset(head: str) -> str:
    """Return the charset the header names: XML's, else CHARSET, else ENCODING where CHARSET says NONE."""
    xml = _XML_ENCODING.search(head)
    if xml is not None:
        return xml[1]
    header = _before_body(head)
    for pattern in (_CHARSET, _ENCODING):
        found = pattern.search(header)
        name = next((group for group in found.groups() if group), "") if found else ""
        if name and name.upper() not in ("NONE", "UNICODE", "CSUNICODE"):
            return name
    return ""


def _before_body(head: str) -> str:
    end = head.upper().find("<OFX>")
    return head[:end] if end >= 0 else head


def _statuses(elements: Iterable[Element]) -> list[Status]:
    return [
        Status(
            about=holder.name,
            code=_code(status.value("CODE")),
            severity=clean(status.value("SEVERITY"), 10).upper(),
            message=clean(status.value("MESSAGE"), 255),
        )
        for holder in elements
        for status in holder.children
        if status.name == "STATUS"
    ]


def _code(text: str) -> int:
    return int(text) if re.fullmatch(r"\d{1,6}", text, re.ASCII) else -1
