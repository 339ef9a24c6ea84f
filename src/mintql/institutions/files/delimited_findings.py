"""What is found out about a table while it is looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mintql.institutions.files.amounts import take_apart
from mintql.institutions.files.delimited_headings import IN_WORDS, NO_WAY_WORDS, OUT_WORDS, ROLES
from mintql.institutions.files.delimited_table import Row
from mintql.institutions.files.delimited_words import fold, without_currency
from mintql.institutions.files.rows import clean

DATES_SHARE_MIN = 0.8
PROOF_SHARE_MIN = 0.9
"""Balance differences prove something where at least this share of them agrees."""


class Findings:
    """What has been found so far; becomes a mapping."""

    def __init__(self, rows: Sequence[Row], heading: Row | None) -> None:
        self.rows = rows
        self.headings = tuple(clean(cell, 100) for cell in heading.cells) if heading else ()
        self.folded = tuple(fold(without_currency(text)) for text in self.headings)
        self.evidence: list[str] = []
        self.unsure: list[str] = []

    def values(self, column: int | None) -> list[str]:
        """Return what the rows hold in this column, without empty cells."""
        return [text for row in self.rows if (text := row.cell(column))]

    def named(self, role: str) -> list[int]:
        """Return the columns whose heading is one of this role's, the likeliest first."""
        names = ROLES[role]
        found = [(names.index(name), column) for column, name in enumerate(self.folded) if name in names]
        return [column for _, column in sorted(found)]

    def call(self, column: int) -> str:
        """Return what to call a column before a person."""
        if column < len(self.headings) and self.headings[column]:
            return f"column {column + 1} ({self.headings[column][:40]!r})"
        return f"column {column + 1}"


def is_amount(text: str) -> bool:
    """Return whether this is an amount."""
    return take_apart(text.strip()) is not None


def first(columns: Sequence[int]) -> int | None:
    """Return the first of these columns, if there is one."""
    return columns[0] if columns else None


def share(texts: Sequence[str], test: Callable[[str], bool]) -> float:
    """Return the share of texts that pass; 0 where there are none."""
    return sum(map(test, texts)) / len(texts) if texts else 0.0


def is_direction(found: Findings, column: int) -> bool:
    """Return whether each cell of a column says which way money goes."""
    words = {fold(text) for text in found.values(column)} - NO_WAY_WORDS
    return bool(words) and words <= OUT_WORDS | IN_WORDS
