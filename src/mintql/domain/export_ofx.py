"""Accounts with their posted transactions as statements in OFX 2.2 (XML), chapter 11 of its specification.

Pending transactions are left out: a statement holds what is posted. A balance that nobody has told is left out as well,
where the specification would have one: a made-up one would be believed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from xml.sax.saxutils import escape

from mintql.domain.institutions import AccountKind
from mintql.domain.money import to_decimal_text

NAME_CHARACTERS_MAX = 32
MEMO_CHARACTERS_MAX = 255
BANK_ID_CHARACTERS_MAX = 9

BANK_KINDS = {
    AccountKind.CHECKING: "CHECKING",
    AccountKind.SAVINGS: "SAVINGS",
    AccountKind.LOAN: "CREDITLINE",
    AccountKind.INVESTMENT: "MONEYMRKT",
    AccountKind.OTHER: "MONEYMRKT",
}
"""OFX knows five kinds of bank accounts; of the others the nearest is said."""

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class StatementAccount:
    """What a statement says of its account. Money owed is a negative balance; days are those it lists."""

    account_id: int
    kind: AccountKind
    mask: str
    institution: str
    currency: str
    first_day: date
    last_day: date
    balance_minor: int | None = None
    balance_at: datetime | None = None

    @property
    def reference(self) -> str:
        """Return the account's number in the file: ours, which makes it unique, and what is known of its own.

        It ends as the account's own does, by which the file is recognised when it is read again.
        """
        return f"{self.account_id}-{self.mask}" if self.mask else str(self.account_id)


@dataclass(frozen=True, slots=True)
class StatementRow:
    """A posted transaction as a statement has it; `fit_id` is the institution's id for it."""

    fit_id: str
    posted_on: date
    amount_minor: int
    currency: str
    name: str
    memo: str


def opening(now: datetime) -> str:
    """Return what stands before the first statement."""
    return (
        '<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n'
        '<?OFX OFXHEADER="200" VERSION="220" SECURITY="NONE" OLDFILEUID="NONE" NEWFILEUID="NONE"?>\n'
        f"<OFX>\n<SIGNONMSGSRSV1><SONRS>{_OK}<DTSERVER>{moment(now)}</DTSERVER><LANGUAGE>ENG</LANGUAGE>"
        "</SONRS></SIGNONMSGSRSV1>\n"
    )


def closing() -> str:
    """Return what stands after the last statement."""
    return "</OFX>\n"


def begin_section(*, cards: bool) -> str:
    """Return the beginning of the statements of bank accounts, or of cards; the specification wants them apart."""
    return f"<{_section(cards=cards)}>\n"


def end_section(*, cards: bool) -> str:
    """Return the end of these statements."""
    return f"</{_section(cards=cards)}>\n"


def begin_statement(account: StatementAccount, number: int) -> str:
    """Return the beginning of a statement, up to its first transaction."""
    card = account.kind is AccountKind.CREDIT_CARD
    prefix = "CC" if card else ""
    where = (
        f"<CCACCTFROM>{_tag('ACCTID', account.reference)}</CCACCTFROM>"
        if card
        else f"<BANKACCTFROM>{_tag('BANKID', account.institution[:BANK_ID_CHARACTERS_MAX])}"
        f"{_tag('ACCTID', account.reference)}{_tag('ACCTTYPE', BANK_KINDS[account.kind])}</BANKACCTFROM>"
    )
    return (
        f"<{prefix}STMTTRNRS>{_tag('TRNUID', str(number))}{_OK}<{prefix}STMTRS>{_tag('CURDEF', account.currency)}"
        f"{where}\n<BANKTRANLIST>{_tag('DTSTART', _day(account.first_day))}{_tag('DTEND', _day(account.last_day))}\n"
    )


def written(row: StatementRow) -> str:
    """Return a transaction."""
    whole = " ".join(row.name.split())
    memo = row.memo or (whole if len(whole) > NAME_CHARACTERS_MAX else "")
    kind = "CREDIT" if row.amount_minor > 0 else "DEBIT"
    return (
        f"<STMTTRN>{_tag('TRNTYPE', kind)}{_tag('DTPOSTED', _day(row.posted_on))}"
        f"{_tag('TRNAMT', to_decimal_text(row.amount_minor, row.currency))}{_tag('FITID', row.fit_id)}"
        f"{_tag('NAME', whole[:NAME_CHARACTERS_MAX].strip() or 'Transaction')}"
        f"{_tag('MEMO', memo[:MEMO_CHARACTERS_MAX]) if memo else ''}</STMTTRN>\n"
    )


def end_statement(account: StatementAccount) -> str:
    """Return the end of a statement, with the balance where it is known."""
    prefix = "CC" if account.kind is AccountKind.CREDIT_CARD else ""
    balance = ""
    if account.balance_minor is not None and account.balance_at is not None:
        amount = to_decimal_text(account.balance_minor, account.currency)
        balance = f"<LEDGERBAL>{_tag('BALAMT', amount)}{_tag('DTASOF', moment(account.balance_at))}</LEDGERBAL>"
    return f"</BANKTRANLIST>{balance}</{prefix}STMTRS></{prefix}STMTTRNRS>\n"


def moment(at: datetime) -> str:
    """Return a moment as OFX writes it."""
    return at.astimezone(UTC).strftime("%Y%m%d%H%M%S.000[0:GMT]")


_OK = "<STATUS><CODE>0</CODE><SEVERITY>INFO</SEVERITY></STATUS>"


def _section(*, cards: bool) -> str:
    return "CREDITCARDMSGSRSV1" if cards else "BANKMSGSRSV1"


def _day(day: date) -> str:
    return day.strftime("%Y%m%d")


def _tag(name: str, text: str) -> str:
    return f"<{name}>{escape(_NOT_XML.sub(' ', text))}</{name}>"
