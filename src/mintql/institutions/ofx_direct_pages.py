"""Reading the raw pages of OFX Direct Connect. Pure: the same bytes always give the same result.

A page is the institution's answer untouched. A statement's page has one line of JSON before it, because three
things that reading needs are not in a statement: what the account is called (only the list of accounts says),
which account was asked for, and which days.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time

from mintql.domain.errors import InvalidInput, ProtocolError
from mintql.domain.institutions import AccountKind, ParsedPage, ProviderAccount, RejectedRow, Window
from mintql.institutions.files import ofx
from mintql.institutions.files.amounts import read_minor
from mintql.institutions.files.base import FileUnreadable, Statement
from mintql.institutions.files.ofx_document import Document, account_of
from mintql.institutions.files.ofx_markup import Element
from mintql.institutions.files.ofx_rows import external_id, read_day, read_moment
from mintql.institutions.ofx_direct_answers import listed, mask_of, name_of, parse_answer
from mintql.institutions.ofx_direct_status import said

ENVELOPE_MARK = b'{"ofx-direct":'
ENVELOPE_BYTES_MAX = 256 * 1024
_DAYS = ("first", "last", "through")
CALLED = "The institution"
"""What the failures of reading call it: a page does not say whose it is."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a page says beside the answer. `first` and `last` are the days asked for; None: none were.

    `names` tells what accounts are called, by external id; `account` is the one that was asked for. `through` is
    the day to which the run's earlier pages cover what follows `last`; None on the page of the newest days.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    account: str = ""
    first: date | None = None
    last: date | None = None
    through: date | None = None


def put_into_page(envelope: Envelope, answer: bytes) -> bytes:
    """Return a page: the envelope's line and the answer."""
    days = {name: day.isoformat() for name in _DAYS if (day := getattr(envelope, name)) is not None}
    beside = {"names": dict(envelope.names), "account": envelope.account, "days": days}
    line = json.dumps({"ofx-direct": beside}, separators=(",", ":")).encode()
    return line + b"\n" + answer


def open_page(content: bytes) -> tuple[Envelope, bytes]:
    """Return the envelope and the answer of a page; an empty envelope for a page that is an answer alone."""
    if not content.startswith(ENVELOPE_MARK):
        return Envelope(), content
    end = content.find(b"\n", 0, ENVELOPE_BYTES_MAX)
    try:
        told = json.loads(content[: max(end, 0)])["ofx-direct"]
        days = {name: date.fromisoformat(told["days"][name]) for name in _DAYS if name in told["days"]}
        names = {str(key): str(name) for key, name in told["names"].items()}
        return Envelope(names, str(told["account"]), **days), content[end + 1 :]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise ProtocolError("The page does not say which account and days it is about.") from None


def parse_page(content: bytes) -> ParsedPage:
    """Read a statement's page, or a list of accounts; see `Connector.parse`.

    A list of accounts alone gives no accounts, but what is to be said of those left out: it names neither
    currency nor balance, and the statements that follow do.
    """
    envelope, answer = open_page(content)
    document = parse_answer(answer, CALLED)
    holders = holders_of(document)
    notices = (*listed(document)[1], *_words(document))
    if not holders:
        return ParsedPage(notices=notices)
    try:
        parsed = ofx.read(answer)
    except FileUnreadable as unreadable:
        raise ProtocolError(f"The institution's statement cannot be read: {unreadable.message}") from None
    page = _Page(envelope)
    for holder in holders:
        page.add(holder, _statements_of(parsed.statements, account_of(holder).external_id))
    return ParsedPage(
        accounts=tuple(page.accounts.values()),
        transactions=tuple(row for statement in page.statements for row in statement.transactions),
        removed=tuple(dict.fromkeys(page.removed)),
        windows=tuple(page.windows.values()),
        rejected=(*parsed.rejected, *page.rejected),
        notices=notices,
    )


def holders_of(document: Document) -> list[Element]:
    """Return the statements of an answer, in its order."""
    return [element for element in document.root.walk() if element.name in ofx.STATEMENTS]


class _Page:
    """What the statements of a page come to, account by account."""

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self.statements: list[Statement] = []
        self.accounts: dict[str, ProviderAccount] = {}
        self.windows: dict[str, Window] = {}
        self.removed: list[tuple[str, str]] = []
        self.rejected: list[RejectedRow] = []

    def add(self, holder: Element, candidates: list[Statement]) -> None:
        """Take one statement in; the same one a second time changes nothing."""
        new = [statement for statement in candidates if statement not in self.statements]
        if not new:
            return
        statement = new[0]
        account_id = statement.account_external_id
        if not account_id or not statement.currency:
            missing = "account" if not account_id else "currency (CURDEF)"
            self.rejected.append(
                RejectedRow(holder.line, f"the statement names no {missing}; nothing of it can be kept", "", account_id)
            )
            return
        self.statements.append(statement)
        self.accounts[account_id] = _account(holder, statement, self._envelope.names.get(account_id, ""))
        self.removed += [(account_id, corrected) for corrected in _corrected(holder)]
        if account_id == self._envelope.account:
            window = window_of(holder, self._envelope)
            if window is not None:
                self.windows[account_id] = window


def _statements_of(statements: Iterable[Statement], account_id: str) -> list[Statement]:
    return [statement for statement in statements if statement.account_external_id == account_id]


def _account(holder: Element, statement: Statement, name: str) -> ProviderAccount:
    account = account_of(holder)
    balance = holder.child("LEDGERBAL")
    available = _amount(holder.child("AVAILBAL"), "BALAMT", statement.currency)
    balance_minor = statement.balance_minor
    if account.kind is AccountKind.INVESTMENT:
        available = _amount(holder.child("INVBAL"), "AVAILCASH", statement.currency)
        balance_minor = _worth(holder, statement.currency)
    as_of = balance.value("DTASOF") if balance is not None else ""
    return ProviderAccount(
        external_id=statement.account_external_id,
        name=name or name_of(account),
        kind=statement.account_kind,
        currency=statement.currency,
        mask=mask_of(account),
        balance_minor=balance_minor,
        available_minor=available,
        balance_at=_moment(as_of or holder.value("DTASOF")) if balance_minor is not None else None,
    )


def _worth(holder: Element, currency: str) -> int | None:
    """Return what an investment account is worth: cash, less what is borrowed on margin, and all positions.

    None where the answer leaves the balance out, or holds a position in another currency, which cannot be added.
    """
    balance = holder.child("INVBAL")
    cash = _amount(balance, "AVAILCASH", currency)
    if balance is None or cash is None:
        return None
    total = cash + (_amount(balance, "MARGINBALANCE", currency) or 0)
    for position in (element for element in holder.walk() if element.name == "INVPOS"):
        other = position.child("CURRENCY")
        value = _amount(position, "MKTVAL", currency)
        if value is None or (other is not None and other.value("CURSYM").upper() != currency):
            return None
        total += value
    return total


def _amount(holder: Element | None, name: str, currency: str) -> int | None:
    text = holder.value(name) if holder is not None else ""
    try:
        return read_minor(text, currency)[0] if text else None
    except InvalidInput:
        return None


def window_of(holder: Element, envelope: Envelope) -> Window | None:
    """Return the days that are complete for the account with this statement; the run's earlier pages are counted in.

    They are those asked for, as far as the answer says that it covers them, by the days the bank wrote. An answer
    without a list of transactions covers none.
    """
    found = holder.child("BANKTRANLIST", "INVTRANLIST")
    if found is None or envelope.first is None or envelope.last is None:
        return None
    first = max(envelope.first, read_day(found.value("DTSTART")) or envelope.first)
    last = envelope.through or min(envelope.last, read_day(found.value("DTEND")) or envelope.last)
    return Window(envelope.account, first, last) if first <= last else None


def _corrected(holder: Element) -> Iterable[str]:
    """Yield the ids of earlier rows that rows of this statement replace or delete (CORRECTFITID)."""
    for row in holder.walk():
        corrected = external_id(row.value("CORRECTFITID")) if row.name in ofx.ROWS else ""
        if corrected and corrected != external_id(row.value("FITID")):
            yield corrected


def _words(document: Document) -> Iterable[str]:
    """Yield what the institution says beside an answer that it gave, such as that positions are not to be had."""
    return dict.fromkeys(
        f"{CALLED} says: {said(status)}." for status in document.statuses if status.code > 1 and status.message
    )


def _moment(text: str) -> datetime | None:
    """Return the time of a balance; one without a zone is GMT (section 3.2.8.2), a bare day its midnight."""
    exact = read_moment(text)
    day = read_day(text)
    if exact is not None or day is None:
        return exact
    clock = text.strip()[8:14]
    try:
        at = time(int(clock[:2]), int(clock[2:4]), int(clock[4:6])) if clock.isascii() and clock.isdigit() else time()
    except ValueError:
        at = time()
    return datetime.combine(day, at, UTC)
