"""The one way into the readers of files: what a file is, what it says, and how it would be read.

All pure: the same bytes and options give the same result, so that a file can be read again years later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from mintql.domain.institutions import ProviderTransaction, RejectedRow
from mintql.institutions.files import camt, delimited, mt940, ofx, qif
from mintql.institutions.files.base import FileKind, FileUnreadable, ParsedFile, Statement
from mintql.institutions.files.csv_mapping import CsvMapping
from mintql.institutions.files.kinds import detect
from mintql.institutions.files.options import AS_FOUND, ReadOptions

__all__ = ["FileUnreadable", "Preview", "ReadOptions", "detect", "preview", "read_file"]

PREVIEW_ROWS = 20
PREVIEW_ROWS_MAX = 1_000

_READERS: dict[FileKind, Callable[[bytes, ReadOptions], ParsedFile]] = {
    FileKind.OFX: ofx.read,
    FileKind.QIF: qif.read,
    FileKind.CSV: delimited.read,
    FileKind.CAMT: camt.read,
    FileKind.MT940: mt940.read,
}


@dataclass(frozen=True, slots=True)
class Preview:
    """How a file would be read.

    `parsed` is all of it, as `read_file` gives it. `rows` are the first rows that would go in and `rejected` the
    first that would not. `evidence` says for each finding what speaks for it, `unsure` what the person should look
    at. `options` say what was found out, ready to be corrected and sent back: reading with them gives the same rows.
    """

    parsed: ParsedFile
    options: ReadOptions
    rows: tuple[ProviderTransaction, ...]
    rejected: tuple[RejectedRow, ...]
    evidence: tuple[str, ...]
    unsure: tuple[str, ...]

    @property
    def mapping(self) -> CsvMapping | None:
        """How a table's columns are read, None for other formats."""
        return self.options.mapping


def read_file(content: bytes, file_name: str = "", options: ReadOptions = AS_FOUND) -> ParsedFile:
    """Read a statement file of any format.

    Raises:
        FileUnreadable: It is no statement file, or one that cannot be read as a whole; the message says what to do.
    """
    kind = options.kind or detect(content, file_name)
    parsed = _READERS[kind](content, options)
    statements = tuple(map(_with_days, parsed.statements))
    if options.inverse_sign and kind is not FileKind.CSV:
        statements = tuple(map(_turned_around, statements))
    return replace(parsed, statements=statements)


def preview(
    content: bytes, file_name: str = "", options: ReadOptions = AS_FOUND, *, rows: int = PREVIEW_ROWS
) -> Preview:
    """Say how a file would be read, with its first `rows` transactions (at the most `PREVIEW_ROWS_MAX`).

    Raises:
        FileUnreadable: As in `read_file`.
    """
    count = min(max(rows, 0), PREVIEW_ROWS_MAX)
    kind = options.kind or detect(content, file_name)
    options = replace(options, kind=kind)
    if kind is FileKind.CSV and options.mapping is None:
        mapping = delimited.detect(content, options)
        parsed = read_file(content, file_name, options)
        found = replace(options, mapping=mapping)
    else:
        parsed = read_file(content, file_name, options)
        found = options
    shown = [row for statement in parsed.statements for row in statement.transactions[:count]]
    unsure = parsed.notices
    if parsed.without_currency:
        unsure = (*unsure, "Currency: nothing says which it is; choose one before these rows can be kept.")
    return Preview(parsed, found, tuple(shown[:count]), parsed.rejected[:count], parsed.evidence, unsure)


def _with_days(statement: Statement) -> Statement:
    """Let the rows widen the days that the file says, or stand for them: no row lies outside its statement."""
    days = [row.posted_on for row in statement.transactions]
    days += [day for day in (statement.first_day, statement.last_day) if day is not None]
    if not days:
        return statement
    return replace(statement, first_day=min(days), last_day=max(days))


def _turned_around(statement: Statement) -> Statement:
    turned = tuple(row._replace(amount_minor=-row.amount_minor) for row in statement.transactions)
    return replace(statement, transactions=turned)
