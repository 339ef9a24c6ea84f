"""Transactions as lines of a table, for people and their spreadsheet programs (RFC 4180).

A spreadsheet program takes a text that begins with one of a few signs for a formula and may run it ("CSV injection"
in OWASP's list). What an institution or a seller wrote must not be run, so such a text gets an apostrophe in front. The
columns of amounts are numbers, made of digits by this program alone, and stay what they are, a minus in front or not.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date

from mintql.domain.money import to_decimal_text

COLUMNS = (
    "date", "amount", "currency", "description", "merchant", "category", "category_group", "part", "account",
    "account_kind", "institution", "pending", "excluded_from_budgets", "tags", "note", "categorized_by", "transaction",
)  # fmt: skip
NUMBERS = frozenset({"amount"})
"""Columns that are numbers; all others are texts."""
BYTE_ORDER_MARK = "\ufeff"
"""By this spreadsheet programs know that a file is in UTF-8."""

_FORMULA_SIGNS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # The latter in full width.
_CONTROL_SIGNS = ("\t", "\r", "\n", "\0")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a split: how much of the amount, into which category, with which note."""

    category: str
    group: str
    amount_minor: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A transaction as a person understands it. Money out is negative; `parts` are those of a split."""

    transaction: str
    posted_on: date
    amount_minor: int
    currency: str
    description: str
    merchant: str
    category: str
    group: str
    account: str
    account_kind: str
    institution: str
    pending: bool
    excluded: bool
    categorized_by: str
    tags: tuple[str, ...] = ()
    note: str = ""
    parts: tuple[Part, ...] = field(default=())


def defused(text: str) -> str:
    """Return a text that no spreadsheet program takes for a formula: with an apostrophe where it might."""
    risky = text.startswith(_CONTROL_SIGNS) or text.lstrip().startswith(_FORMULA_SIGNS)
    return f"'{text}" if risky else text


def header() -> str:
    """Return the first line."""
    return BYTE_ORDER_MARK + _written([COLUMNS])


def written(line: Line) -> str:
    """Return the lines of a transaction: one, or of a split one for what is left of it and one for each part.

    The amounts of a transaction's lines add up to the transaction's.
    """
    return _written(_cells(line, part, told) for part, told in _parts(line))


def _parts(line: Line) -> Iterator[tuple[Part, str]]:
    whole = Part(line.category, line.group, line.amount_minor, line.note)
    if not line.parts:
        yield whole, ""
        return
    rest_minor = line.amount_minor - sum(part.amount_minor for part in line.parts)
    count = len(line.parts) + 1
    yield Part(line.category, line.group, rest_minor, line.note), f"1 of {count}"
    for number, part in enumerate(line.parts, 2):
        yield part, f"{number} of {count}"


def _cells(line: Line, part: Part, told: str) -> list[str]:
    values = {
        "date": line.posted_on.isoformat(),
        "amount": to_decimal_text(part.amount_minor, line.currency),
        "currency": line.currency,
        "description": line.description,
        "merchant": line.merchant,
        "category": part.category,
        "category_group": part.group,
        "part": told,
        "account": line.account,
        "account_kind": line.account_kind,
        "institution": line.institution,
        "pending": "yes" if line.pending else "no",
        "excluded_from_budgets": "yes" if line.excluded else "no",
        "tags": ", ".join(line.tags),
        "note": part.note,
        "categorized_by": line.categorized_by,
        "transaction": line.transaction,
    }
    return [values[name] if name in NUMBERS else defused(values[name]) for name in COLUMNS]


def _written(rows: Iterable[Iterable[str]]) -> str:
    target = io.StringIO()
    csv.writer(target, lineterminator="\r\n").writerows(rows)
    return target.getvalue()
