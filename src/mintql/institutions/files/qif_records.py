"""The lines of a QIF file put together to records: which account, which kind of account, which fields.

A record is a run of lines whose first character says what the rest is, ended by "^". Lines with "!" say what
the records after them are: transactions of an account, accounts, or lists (categories, securities) without
money in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from mintql.domain.institutions import AccountKind
from mintql.institutions.files.base import FileUnreadable
from mintql.institutions.files.dates import DateOrder
from mintql.institutions.files.rows import EXTERNAL_ID_LENGTH_MAX, check_count, clean, lines_of, with_line_feeds

HEADERS_MAX = 100_000
"""Lines that say what follows: three for each account, and some for the lists."""

LINE_CHARACTERS_MAX = 4_000
SPLITS_MAX = 1_000
ODD_TYPES_MAX = 100

CASH_TYPES = {
    "bank": AccountKind.CHECKING,
    "cash": AccountKind.OTHER,
    "ccard": AccountKind.CREDIT_CARD,
    "otha": AccountKind.OTHER,
    "oths": AccountKind.OTHER,
    "othl": AccountKind.LOAN,
}
"""Kinds of accounts whose records are transactions. "Oth S" is what German versions write for "Oth A"."""

INVESTMENT_TYPES = frozenset(("invst", "port", "mutual", "401(k)", "401(k)/403(b)"))
_LIST_TYPE_NAMES = """
    cat class tag memorized security prices budget template invitem bill tax invoice customer vendor employee
    project timerlist quickfill kategorie klasse
"""
LIST_TYPES = frozenset(_LIST_TYPE_NAMES.split())

_TRANSACTION_CODES = frozenset("DTUCNPML")
_ORDERS = {f"option:{order.value}": order for order in DateOrder}


@dataclass(slots=True)
class Split:
    """A part of a split transaction: its category, its memo and its amount as written."""

    category: str
    memo: str = ""
    amount: str = ""


@dataclass(slots=True)
class Record:
    """A record: its first line, counted from 1, and the first of each of its fields by their character."""

    line: int
    account: str
    kind: AccountKind
    headless: bool = False
    values: dict[str, str] = field(default_factory=dict)
    splits: list[Split] = field(default_factory=list)

    def value(self, code: str) -> str:
        """Return the field of this character, "" when there is none."""
        return self.values.get(code, "").strip()


@dataclass(slots=True)
class Account:
    """What an account block says. `balance` and `balance_on` are as written."""

    name: str
    kind: AccountKind
    balance: str = ""
    balance_on: str = ""


@dataclass(slots=True)
class Contents:
    """All that a file holds. `investments` counts skipped records, `odd_types` names types nobody knows."""

    records: list[Record] = field(default_factory=list)
    accounts: dict[str, Account] = field(default_factory=dict)
    investments: int = 0
    odd_types: list[str] = field(default_factory=list)
    order_hint: DateOrder | None = None
    headers: int = 0


def read_records(text: str) -> Contents:
    """Put the lines together; raise `FileUnreadable` where they are too many."""
    check_count(text.count("\n^"))
    if text.count("\n!") > HEADERS_MAX:
        raise FileUnreadable(f"The file has more than {HEADERS_MAX:,} lines that begin with an exclamation mark.")
    reader = _Reader()
    for number, line in _lines(text):
        if line[0] == "!":
            reader.header(line[1:])
        elif line[0] == "^":
            reader.end()
        else:
            reader.field(number, line[0], line[1:])
    reader.end()
    return reader.contents


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that say something, with their numbers, however they end."""
    for number, line in lines_of(with_line_feeds(text)):
        said = line[:LINE_CHARACTERS_MAX].strip(" \t\0\x1a\ufeff")
        if said:
            yield number, said


class _Reader:
    """Follows the headers; `_section` is what records are at the moment."""

    def __init__(self) -> None:
        self.contents = Contents()
        self._section = "headless"
        self._kind = AccountKind.OTHER
        self._account = ""
        self._defined: list[str] = []
        self._record: Record | None = None

    def header(self, text: str) -> None:
        self.end()
        word = text[:80].strip().casefold().replace(" ", "")
        self.contents.headers += word.startswith(("type:", "account", "option:", "clear:"))
        if word.startswith("type:"):
            self._type(word.removeprefix("type:"), text)
        elif word == "account":
            self._section = "account"
            self._defined = []
        elif word in _ORDERS:
            self.contents.order_hint = _ORDERS[word]
        elif word == "clear:autoswitch" and len(self._defined) > 1:
            # What stood between was the list of all accounts, not the account that the next records are of.
            self._account = ""

    def _type(self, word: str, text: str) -> None:
        self._defined = []
        if word in CASH_TYPES:
            self._section, self._kind = "cash", CASH_TYPES[word]
        elif word in INVESTMENT_TYPES:
            self._section = "investment"
        elif word in LIST_TYPES:
            self._section = "list"
        else:
            self._section, self._kind = "odd", AccountKind.OTHER
            if len(self.contents.odd_types) < ODD_TYPES_MAX:
                self.contents.odd_types.append(clean(text.partition(":")[2], 40))

    def field(self, number: int, code: str, text: str) -> None:
        if self._record is None:
            headless = self._section in ("headless", "odd")
            self._record = Record(number, self._account, self._kind, headless)
        record = self._record
        if code == "S":
            if len(record.splits) < SPLITS_MAX:
                record.splits.append(Split(text))
        elif record.splits and code in "E$":
            split = record.splits[-1]
            if code == "E":
                split.memo = split.memo or text
            else:
                split.amount = split.amount or text
        # A date within a split is the split's own; the first one is the transaction's.
        elif code not in record.values:
            record.values[code] = text

    def end(self) -> None:
        record, self._record = self._record, None
        if record is None:
            return
        if self._section == "account":
            self._define(record)
        elif self._section == "investment":
            self.contents.investments += 1
        elif self._section != "list" and not _TRANSACTION_CODES.isdisjoint(record.values):
            check_count(len(self.contents.records))
            self.contents.records.append(record)

    def _define(self, record: Record) -> None:
        name = clean(record.value("N"), EXTERNAL_ID_LENGTH_MAX)
        word = record.value("T").casefold().replace(" ", "")
        self._account = name
        self._defined.append(name)
        if word in CASH_TYPES:
            # The list of all accounts and the block before an account's records may both say a balance.
            earlier = self.contents.accounts.get(name)
            self.contents.accounts[name] = Account(
                name,
                CASH_TYPES[word],
                record.value("$") or (earlier.balance if earlier else ""),
                record.value("/") or (earlier.balance_on if earlier else ""),
            )
