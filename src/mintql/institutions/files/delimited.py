"""Reading tables (CSV and the like): banks' exports, and those of Mint, YNAB, Actual and Firefly III.

`detect` says how a table is to be read and why; `read` reads it so, or as the person corrected it.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import islice

from mintql.domain.errors import InvalidInput
from mintql.domain.institutions import AccountKind, ProviderTransaction, RejectedRow
from mintql.domain.money import check_currency_form
from mintql.institutions.files import rows
from mintql.institutions.files.amounts import parse_amount, take_apart
from mintql.institutions.files.base import FileKind, FileUnreadable, ParsedFile, Statement
from mintql.institutions.files.csv_mapping import DELIMITERS, HEADING_CHARACTERS_MAX, CsvMapping
from mintql.institutions.files.dates import parse_date
from mintql.institutions.files.decoding import Decoded, decode
from mintql.institutions.files.delimited_headings import (
    IN_WORDS,
    NO_WAY_WORDS,
    OUT_WORDS,
    PENDING_WORDS,
    REFUND_WORDS,
    VOID_WORDS,
)
from mintql.institutions.files.delimited_mapping import HEADING_LINES_MAX, understand
from mintql.institutions.files.delimited_table import Row, find_delimiter, rows_of, sample_of
from mintql.institutions.files.delimited_words import fold
from mintql.institutions.files.options import AS_FOUND, ReadOptions
from mintql.institutions.files.rows import BadRow

FIREFLY_OWN_ACCOUNTS = frozenset({"asset account", "loan", "debt", "mortgage", "default account", "cash account"})
"""Firefly III's types of accounts that are the person's; money goes between these and everybody else's."""

SIGNATURE_DIGITS = 16
DETECTION_ROWS = 200
"""Rows from which a table is told to be one."""

_SPLIT_PART = re.compile(r"\(SPLIT \d+ OF \d+\)")


def detect(content: bytes, options: ReadOptions = AS_FOUND) -> CsvMapping:
    """Say how a table is to be read, with the evidence for each part of it.

    Raises:
        FileUnreadable: Too large, no table, or one without dates or amounts.
    """
    return _detect(_text(content, options), options)


def read(content: bytes, options: ReadOptions = AS_FOUND) -> ParsedFile:
    """Read all rows, as the options' mapping says or else as `detect` does. A currency may stay unsaid.

    Raises:
        FileUnreadable: As in `detect`.
    """
    decoded = _text(content, options)
    found = None if options.mapping else _detect(decoded, options)
    notices = [] if found is None else [*found.unsure]
    used = found or _as_remembered(decoded.text, options.mapping, options, notices)  # type: ignore[arg-type]
    reader = _Reader(used)
    for row in rows_of(decoded.text, used.delimiter, width=len(used.headings)):
        if row.line >= used.first_line and not row.blank:
            reader.take(row)
    return ParsedFile(
        FileKind.CSV,
        decoded.encoding,
        reader.statements(),
        tuple(reader.rejected),
        rows.bounded((*decoded.notices, *notices, *reader.notices())),
        evidence=used.evidence,
        signature=signature_of(used),
    )


def check_table(text: str) -> None:
    """Raise `FileUnreadable` where the beginning of a text is no table with dates and amounts."""
    delimiter, _ = find_delimiter(text)
    understand(sample_of(text, delimiter)[:DETECTION_ROWS], CsvMapping("", delimiter))


def signature_of(mapping: CsvMapping) -> str:
    """Return what stays the same in every table of this make: its delimiter and headings, in short."""
    folded = "\x1f".join(map(fold, mapping.headings))
    digest = hashlib.sha256(folded.encode()).hexdigest()[:SIGNATURE_DIGITS] if mapping.headings else "headless"
    used = [mapping.date_column, mapping.amount_column, mapping.debit_column, mapping.credit_column]
    width = len(mapping.headings) or 1 + max(column for column in used if column is not None)
    return f"csv:{DELIMITERS[mapping.delimiter]}:{width}:{digest}"


def _as_remembered(text: str, mapping: CsvMapping, options: ReadOptions, notices: list[str]) -> CsvMapping:
    """Return a mapping made for another file of this make, with this file's lines, and the options laid over it."""
    if mapping.headings:
        shown = tuple(map(fold, mapping.headings))
        rows_before = islice(rows_of(text, mapping.delimiter, width=len(mapping.headings)), HEADING_LINES_MAX)
        line = next((row.line for row in rows_before if tuple(map(_heading, row.cells)) == shown), 0)
        if line:
            behind = mapping.first_line - mapping.header_line
            mapping = replace(mapping, header_line=line, first_line=line + behind)
        else:
            notices.append("The headings are not those the columns were chosen for; look whether the rows are right.")
    return replace(
        mapping,
        currency=mapping.currency or options.currency,
        date_order=options.date_order or mapping.date_order,
        decimal=options.decimal or mapping.decimal,
        inverse_sign=mapping.inverse_sign if options.inverse_sign is None else options.inverse_sign,
        evidence=("Columns: as they were chosen.",),
    )


def _heading(cell: str) -> str:
    return fold(rows.clean(cell, HEADING_CHARACTERS_MAX))


def _text(content: bytes, options: ReadOptions) -> Decoded:
    declared = options.mapping.encoding if options.mapping else ""
    decoded = decode(content, declared, wanted=options.encoding)
    text = rows.with_line_feeds(decoded.text).replace("\0", "").removeprefix("\ufeff")
    if not text.strip():
        raise FileUnreadable("The file is empty; export it from the bank again.")
    if '"' not in text:
        # No record has several lines, so that their number is known before the first one is read.
        rows.check_count(text.count("\n"))
    notices = () if declared and not options.encoding else decoded.notices
    return replace(decoded, text=text, notices=notices)


def _detect(decoded: Decoded, options: ReadOptions) -> CsvMapping:
    delimiter, words = find_delimiter(decoded.text)
    base = CsvMapping(
        decoded.encoding,
        delimiter,
        currency=options.currency,
        evidence=(f"Encoding: {decoded.encoding}, as {decoded.words}.", f"Columns: {words}."),
        unsure=decoded.notices,
    )
    return understand(sample_of(decoded.text, delimiter), base, options)


@dataclass(slots=True)
class _Account:
    """The rows of one account in one currency, and the balances that stand beside them."""

    taken: list[ProviderTransaction] = field(default_factory=list)
    first_balance: tuple[int, date] | None = None
    last_balance: tuple[int, date] | None = None

    def closing(self, *, newest_first: bool) -> tuple[int, date] | None:
        """Return the balance that stands last in time, with its day."""
        first, last = self.first_balance, self.last_balance
        if first is None or last is None or first[1] == last[1]:
            return first if newest_first else last
        return max(first, last, key=lambda balance: balance[1])


class _Reader:
    """Takes row after row and makes statements of them."""

    def __init__(self, mapping: CsvMapping) -> None:
        self.mapping = mapping
        self.accounts: dict[tuple[str, str], _Account] = {}
        self.rejected: list[RejectedRow] = []
        self.left_out: Counter[str] = Counter()
        self.count = 0
        self.rounded = 0
        self.column = {fold(heading): number for number, heading in enumerate(mapping.headings)}
        self.source_rows = {"firefly": self._firefly, "actual": self._actual}.get(mapping.source, self._plain)

    def take(self, row: Row) -> None:
        """Read a row, or put it aside with the reason."""
        self.count += 1
        rows.check_count(self.count)
        try:
            if row.problem:
                raise BadRow(row.problem)  # noqa: TRY301
            for transaction in self.source_rows(row):
                self._keep(row, transaction)
        except (BadRow, InvalidInput) as error:
            rows.put_aside(self.rejected, row.line, error, self.mapping.delimiter.join(row.cells))

    def statements(self) -> tuple[Statement, ...]:
        """Return a statement for each account and currency; an empty one where the table has no rows."""
        if not self.accounts:
            currency = self.mapping.currency or rows.NO_CURRENCY
            return (Statement("", AccountKind.OTHER, currency, ()),)
        told_apart = iter(
            rows.with_ids_that_tell_apart([row for account in self.accounts.values() for row in account.taken])
        )
        made = []
        for (name, currency), account in self.accounts.items():
            closing = account.closing(newest_first=self.mapping.newest_first)
            made.append(
                Statement(
                    name,
                    AccountKind.OTHER,
                    currency,
                    tuple(next(told_apart) for _ in account.taken),
                    closing[0] if closing else None,
                    closing[1] if closing else None,
                )
            )
        return tuple(made)

    def notices(self) -> list[str]:
        """Return what was left out or rounded, with its count."""
        told = [f"{count} rows were left out: {why}." for why, count in self.left_out.items()]
        if self.rounded:
            told.append(f"{self.rounded} amounts have more decimals than their currency; they were rounded.")
        return told

    def _keep(self, row: Row, transaction: ProviderTransaction) -> None:
        account = self.accounts.setdefault((transaction.account_external_id, transaction.currency), _Account())
        account.taken.append(transaction)
        text = row.cell(self.mapping.balance_column) if self.mapping.balance_proven else ""
        if not text or transaction.pending:
            return
        try:
            amount = self._read(text, transaction.currency)
        except (BadRow, InvalidInput):
            return
        balance = (-amount if self.mapping.balance_is_owed else amount, transaction.posted_on)
        account.first_balance = account.first_balance or balance
        account.last_balance = balance

    def _plain(self, row: Row) -> Iterator[ProviderTransaction]:
        mapping = self.mapping
        status = fold(row.cell(mapping.status_column))
        if status in VOID_WORDS:
            self.left_out[f"their status is {status!r}, so no money moved"] += 1
            return
        if self._stands_apart(row):
            return
        currency = self._currency(row)
        yield ProviderTransaction(
            account_external_id=rows.clean_id(row.cell(mapping.account_column)),
            external_id=rows.clean_id(row.cell(mapping.id_column)),
            posted_on=self._date(row),
            amount_minor=self._amount(row, currency),
            currency=currency,
            description=rows.merge(row.cell(column) for column in mapping.description_columns),
            pending=status in PENDING_WORDS,
        )

    def _stands_apart(self, row: Row) -> bool:
        """Return whether a row moves no money of the account: a balance carried over, a move between own pots."""
        mapping = self.mapping
        amounts = any(map(row.cell, (mapping.amount_column, mapping.debit_column, mapping.credit_column)))
        if not amounts and not any(map(row.cell, (mapping.date_column, *mapping.other_date_columns))):
            self.left_out["they say neither a day nor an amount"] += 1
            return True
        if not amounts and mapping.amount_column is not None and row.cell(mapping.balance_column):
            self.left_out["they say a balance and no amount"] += 1
            return True
        if fold(row.cell(mapping.direction_column)) in NO_WAY_WORDS and not self._refunds(row):
            self.left_out["money neither came nor went"] += 1
            return True
        return False

    def _refunds(self, row: Row) -> bool:
        said = " ".join(row.cells).casefold()
        return any(word in said for word in REFUND_WORDS)

    def _actual(self, row: Row) -> Iterator[ProviderTransaction]:
        """Read a row of Actual's: of what was split the whole, as the bank has it, and not the parts."""
        if _SPLIT_PART.match(row.cell(self.column.get("notes"))):
            self.left_out["they are parts of a split, whose whole was taken"] += 1
            return
        whole = row.cell(self.column.get("split amount"))
        for transaction in self._plain(row):
            if transaction.amount_minor == 0 and whole:
                amount = self._read(whole, transaction.currency)
                yield transaction._replace(amount_minor=amount)
            else:
                yield transaction

    def _firefly(self, row: Row) -> Iterator[ProviderTransaction]:
        """Read a row of Firefly III's: money leaves its source and reaches its destination; own ones are kept.

        The sign written beside it says no more than that, and a transfer between own accounts is written once.
        """
        currency = self._currency(row)
        amount = abs(self._read(row.cell(self.mapping.amount_column), currency))
        posted_on = self._date(row)
        journal = row.cell(self.column.get("journal id"))
        said = row.cell(self.column.get("description"))
        ways = (("source", "destination", -1), ("destination", "source", 1))
        own = [way for way in ways if self._part(row, way[0], "type").casefold() in FIREFLY_OWN_ACCOUNTS]
        if not own:
            raise BadRow("neither its source nor its destination is an account of one's own")
        for side, other, sign in own:
            part, part_currency = amount, currency
            foreign, foreign_currency = (
                row.cell(self.column.get(f"foreign {of}")) for of in ("amount", "currency code")
            )
            if side == "destination" and len(own) > 1 and foreign and foreign_currency:
                part_currency = check_currency_form(foreign_currency)
                part = abs(self._read(foreign, part_currency))
            yield ProviderTransaction(
                account_external_id=rows.clean_id(self._part(row, side, "iban") or self._part(row, side, "name")),
                external_id=rows.clean_id(f"firefly:{journal}:{side}") if journal else "",
                posted_on=posted_on,
                amount_minor=sign * part,
                currency=part_currency,
                description=rows.merge((self._part(row, other, "name"), said)),
            )

    def _part(self, row: Row, side: str, what: str) -> str:
        return row.cell(self.column.get(f"{side} {what}"))

    def _date(self, row: Row) -> date:
        columns = (self.mapping.date_column, *self.mapping.other_date_columns)
        text = next(filter(None, map(row.cell, columns)), "")
        if not text:
            raise BadRow("no date is given")
        return parse_date(text, self.mapping.date_order)

    def _currency(self, row: Row) -> str:
        named = row.cell(self.mapping.currency_column)
        if named:
            return check_currency_form(named)
        if self.mapping.currency:
            return self.mapping.currency
        parts = take_apart(row.cell(self.mapping.amount_column))
        return parts.currency if parts else rows.NO_CURRENCY

    def _amount(self, row: Row, currency: str) -> int:
        mapping = self.mapping
        sign = -1 if mapping.inverse_sign else 1
        if mapping.amount_column is None:
            return sign * self._debit_or_credit(row, currency)
        text = row.cell(mapping.amount_column)
        if not text:
            raise BadRow("no amount is given")
        amount = self._read(text, currency)
        fee = row.cell(mapping.fee_column)
        if fee:
            amount -= self._read(fee, currency)
        if mapping.direction_column is not None:
            word = fold(row.cell(mapping.direction_column))
            if word not in OUT_WORDS and word not in IN_WORDS and word not in NO_WAY_WORDS:
                raise BadRow(
                    f"{rows.clean(row.cell(mapping.direction_column), 40)!r} does not say which way money goes"
                )
            amount = -amount if word in OUT_WORDS else amount
        return sign * amount

    def _read(self, text: str, currency: str) -> int:
        minor, rounded = parse_amount(text, self.mapping.decimal, currency)
        self.rounded += rounded
        return minor

    def _debit_or_credit(self, row: Row, currency: str) -> int:
        mapping = self.mapping
        texts = row.cell(mapping.debit_column), row.cell(mapping.credit_column)
        if not any(texts):
            raise BadRow("neither money in nor money out is given")
        debit, credit = (self._read(text, currency) if text else 0 for text in texts)
        if debit and credit:
            raise BadRow("both money in and money out are given")
        credit = -credit if mapping.credit_is_negative else credit
        return credit + (debit if mapping.debit_is_negative else -debit)
