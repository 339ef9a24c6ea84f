"""Reading CAMT.052, .053 and .054 of any version, alone or in a zip (ISO 20022, Bank-to-Customer Cash Management).

`camt_xml` walks through the XML, `camt_entries` reads an entry; here are files, statements and balances.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date

from mintql.domain.errors import InvalidInput
from mintql.domain.institutions import AccountKind, ProviderTransaction, RejectedRow
from mintql.domain.money import check_currency_form, parse_minor
from mintql.institutions.files import rows
from mintql.institutions.files.base import FileKind, FileUnreadable, ParsedFile, Statement
from mintql.institutions.files.camt_entries import day, shown, transactions_of
from mintql.institutions.files.camt_xml import Handler, Record, walk
from mintql.institutions.files.decoding import check_size
from mintql.institutions.files.options import AS_FOUND, ReadOptions
from mintql.institutions.files.rows import BadRow
from mintql.institutions.files.zipped import documents_in, is_zip

KINDS = {
    "CACC": AccountKind.CHECKING,
    "TRAN": AccountKind.CHECKING,
    "SVGS": AccountKind.SAVINGS,
    "CARD": AccountKind.CREDIT_CARD,
    "LOAN": AccountKind.LOAN,
}
"""ISO 20022 external code set "cash account type"; what is not said is taken for a current account."""

_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{10,30}")


def recognises(content: bytes) -> bool:
    """Return whether this looks like a CAMT message or a zip that may hold some."""
    return is_zip(content) or b"BkToCstmr" in content[:65_536].replace(b"\0", b"")


def read(content: bytes, options: ReadOptions = AS_FOUND) -> ParsedFile:
    """Read a message, or every message in a zip.

    Raises:
        FileUnreadable: Too large, no CAMT message, damaged, or made to do harm.
    """
    check_size(content)
    file = _File(options)
    if not is_zip(content):
        file.read_message(content)
        return file.parsed()
    failures: list[str] = []
    for name, document in documents_in(content, file.notices):
        try:
            file.read_message(document)
        except FileUnreadable as error:
            failures.append(f"{name}: {error.message}")
            rows.put_aside(file.rejected, 0, error.message, name)
    if not file.statements:
        raise FileUnreadable(failures[0] if failures else "The zip holds no XML file.")
    return file.parsed()


@dataclass(frozen=True, slots=True)
class _Balance:
    code: str
    amount_minor: int
    currency: str
    on: date


@dataclass(slots=True)
class _Open:
    """The statement being read."""

    balances: list[_Balance] = field(default_factory=list)
    taken: list[ProviderTransaction] = field(default_factory=list)
    rejected: int = 0


class _File(Handler):
    """All that the messages of a file say, as it comes."""

    def __init__(self, options: ReadOptions) -> None:
        self.options = options
        self.statements: list[Statement] = []
        self.messages: list[int] = []
        self.rejected: list[RejectedRow] = []
        self.notices: list[str] = []
        self.encodings: list[str] = []
        self.kinds: list[str] = []
        self.count = 0
        self.message_count = 0
        self.current = _Open()

    def read_message(self, content: bytes) -> None:
        """Read one XML document; what it said before it turned out damaged does not count."""
        kept = len(self.statements), len(self.rejected), len(self.notices)
        self.message_count += 1
        try:
            encoding, notices = walk(content, self, self.options.encoding)
            if len(self.statements) == kept[0]:
                raise FileUnreadable("This is no CAMT message, or one without any statement in it.")  # noqa: TRY301
        except FileUnreadable:
            del self.statements[kept[0] :], self.messages[kept[0] :]
            del self.rejected[kept[1] :], self.notices[kept[2] :]
            raise
        self.encodings.append(encoding)
        self.notices += notices

    def parsed(self) -> ParsedFile:
        """Return all that was read, with ids that tell transactions apart."""
        statements = _without_repeated(self.statements, self.messages, self.notices)
        encoding = ", ".join(dict.fromkeys(self.encodings))
        return ParsedFile(
            FileKind.CAMT,
            encoding,
            statements,
            tuple(self.rejected),
            rows.bounded(self.notices),
            evidence=(f"Encoding: {encoding}.", *dict.fromkeys(self.kinds)),
            signature=rows.signature("camt", (one.account_external_id for one in statements)),
        )

    def statement_begins(self) -> None:
        self.current = _Open()
        rows.check_statements(len(self.statements))

    def record_ends(self, record: Record, statement: Record) -> None:
        self.count += 1 + len(record.details)
        rows.check_count(self.count)
        if record.name == "Bal":
            balance = _balance(record)
            self.current.balances += [balance] if balance is not None else []
            return
        account, own = _account_id(statement), statement.first("Acct/Ccy")
        created = statement.first("CreDtTm", "FrToDt/ToDtTm")
        try:
            self.current.taken += transactions_of(record, account, own, created, self.notices)
        except (BadRow, InvalidInput) as error:
            self.current.rejected += 1
            rows.put_aside(self.rejected, record.line, error, shown(record), account)

    def statement_ends(self, record: Record) -> None:
        account, balances, taken = _account_id(record), self.current.balances, self.current.taken
        currency = _currency(record.first("Acct/Ccy"), taken, balances)
        closing = _closing(balances, currency)
        if not self.current.rejected:
            opening = _opening(balances, currency)
            if opening is not None and closing is not None and closing.code == "CLBD":
                movement = closing.amount_minor - opening.amount_minor
                self.notices.append(rows.movement_notice(account, currency, movement, taken))
        self.statements.append(
            Statement(
                account_external_id=account,
                account_kind=KINDS.get(record.first("Acct/Tp/Cd"), AccountKind.CHECKING),
                currency=currency,
                transactions=tuple(taken),
                balance_minor=closing.amount_minor if closing else None,
                balance_on=closing.on if closing else None,
                first_day=_day_or_none(record.first("FrToDt/FrDtTm", "FrToDt/FrDt")),
                last_day=_day_or_none(record.first("FrToDt/ToDtTm", "FrToDt/ToDt")),
            )
        )
        self.messages.append(self.message_count)
        self.current = _Open()


def _balance(record: Record) -> _Balance | None:
    """Read a balance; None where it cannot be, as nothing depends on it."""
    try:
        currency = check_currency_form(record.currencies.get("Amt", ""))
        amount = parse_minor(record.first("Amt"), currency)
        on = day(record.first("Dt/Dt", "Dt/DtTm"))
    except (BadRow, InvalidInput):
        return None
    signed = -amount if record.first("CdtDbtInd") == "DBIT" else amount
    return _Balance(record.first("Tp/CdOrPrtry/Cd", "Tp/Cd", "Tp/CdOrPrtry/Prtry"), signed, currency, on)


def _day_or_none(text: str) -> date | None:
    try:
        return day(text) if text else None
    except BadRow:
        return None


def _closing(balances: Iterable[_Balance], currency: str) -> _Balance | None:
    """Return the last booked balance: the closing one, else in a report of the running day the interim one."""
    own = [balance for balance in balances if balance.currency == currency]
    for code in ("CLBD", "ITBD"):
        found = [balance for balance in own if balance.code == code]
        if found:
            return max(reversed(found), key=lambda balance: balance.on)
    return None


def _opening(balances: Iterable[_Balance], currency: str) -> _Balance | None:
    for code in ("OPBD", "PRCD"):
        found = [balance for balance in balances if balance.code == code and balance.currency == currency]
        if found:
            return min(found, key=lambda balance: balance.on)
    return None


def _currency(own: str, taken: Iterable[ProviderTransaction], balances: Iterable[_Balance]) -> str:
    """Return the account's currency: as it is said, else that of all its entries, else of its balances."""
    try:
        return check_currency_form(own)
    except InvalidInput:
        pass
    of_entries = {row.currency for row in taken}
    if len(of_entries) == 1:
        return of_entries.pop()
    for code in ("CLBD", "ITBD", "OPBD", "PRCD"):
        for balance in balances:
            if balance.code == code:
                return balance.currency
    return min(of_entries, default=rows.NO_CURRENCY)


def _account_id(record: Record) -> str:
    """Return how the statement names its account, an IBAN without spaces."""
    said = record.first(
        "Acct/Id/IBAN", "Acct/Id/Othr/Id", "Acct/Id/BBAN", "Acct/Id/PrtryAcct/Id", "Acct/Id/UPIC", "Acct/Prxy/Id"
    )
    packed = said.replace(" ", "").upper()
    return packed if _IBAN.fullmatch(packed) else rows.clean_id(said)


def _without_repeated(statements: list[Statement], messages: list[int], notices: list[str]) -> tuple[Statement, ...]:
    """Drop what several messages of a zip say of one entry, and ids that do not tell transactions apart.

    A report of the day and the statement after it hold the same entries: the booked one, else the last, stays.
    """
    best: dict[tuple[str, str, int, str], tuple[bool, int]] = {}
    for statement, message in zip(statements, messages, strict=True):
        for row in statement.transactions:
            key = (row.account_external_id, row.external_id, row.amount_minor, row.currency)
            best[key] = max(best.get(key, (False, 0)), (not row.pending, message))
    dropped = 0
    kept: list[list[ProviderTransaction]] = []
    for statement, message in zip(statements, messages, strict=True):
        mine: list[ProviderTransaction] = []
        for row in statement.transactions:
            key = (row.account_external_id, row.external_id, row.amount_minor, row.currency)
            if row.external_id and best[key] != (not row.pending, message):
                dropped += 1
            else:
                mine.append(row)
        kept.append(mine)
    if dropped:
        notices.append(f"{dropped} entries stand in several messages of the file and were taken once.")
    told_apart = iter(rows.with_ids_that_tell_apart([row for mine in kept for row in mine]))
    return tuple(
        replace(statement, transactions=tuple(next(told_apart) for _ in mine))
        for statement, mine in zip(statements, kept, strict=True)
    )
