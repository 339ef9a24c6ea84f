"""Cutting a delimited text into records: which sign separates, where quotes hold lines together, and where not.

Every record is bounded in length and lines, so that one quote that never closes costs one record.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from mintql.institutions.files.base import FileUnreadable
from mintql.institutions.files.csv_mapping import COLUMNS_MAX, DELIMITERS
from mintql.institutions.files.rows import lines_of

SAMPLE_RECORDS = 5_000
"""How many records are looked at to understand a file: a busy person's two years."""

DELIMITER_SAMPLE_LINES = 200
DELIMITER_SAMPLE_CHARACTERS = 1 << 18
RECORD_LINES_MAX = 50
LINE_CHARACTERS_MAX = 100_000
"""No bank writes a longer record; `csv` refuses a longer field as well."""


_EMPTY_LINES = re.compile(r"\n{2,}")


class Row(NamedTuple):
    """A record with the line it begins in, counted from 1. `problem` says why it has no cells."""

    line: int
    cells: tuple[str, ...]
    problem: str = ""

    def cell(self, column: int | None) -> str:
        """Return a cell without surrounding space, empty where the record has none."""
        return self.cells[column].strip() if column is not None and column < len(self.cells) else ""

    @property
    def blank(self) -> bool:
        """Whether nothing is said in this record."""
        return not self.problem and not any(cell.strip() for cell in self.cells)


def rows_of(text: str, delimiter: str, *, width: int = 0) -> Iterator[Row]:
    """Give a text's records without blank lines.

    A quote opens a field only where that leaves `width` cells, if that is known.
    """
    lines = lines_of(text)
    waiting: list[tuple[int, str]] = []
    while True:
        number, line = waiting.pop(0) if waiting else next(lines, (0, ""))
        if number == 0:
            return
        if not line or line.isspace():
            continue
        if len(line) > LINE_CHARACTERS_MAX:
            yield Row(number, (line[:200],), f"longer than {LINE_CHARACTERS_MAX:,} characters")
            continue
        if '"' not in line:
            yield _row(number, line.split(delimiter, COLUMNS_MAX))
            continue
        joined, further = line, 0
        while joined.count('"') % 2 and further < RECORD_LINES_MAX and len(joined) < LINE_CHARACTERS_MAX:
            if further == len(waiting):
                following = next(lines, None)
                if following is None:
                    break
                waiting.append(following)
            joined += "\n" + waiting[further][1]
            further += 1
        cells = _quoted(joined, delimiter)
        alone = line.split(delimiter, COLUMNS_MAX)
        if cells is None or (joined.count('"') % 2) or (width and len(cells) != width == len(alone)):
            yield _row(number, alone)
        else:
            del waiting[:further]
            yield _row(number, cells)


def sample_of(text: str, delimiter: str) -> list[Row]:
    """Return the records from which a file is understood."""
    first = list(islice(rows_of(text, delimiter), DELIMITER_SAMPLE_LINES))
    width = modal_width(first)
    return list(islice(rows_of(text, delimiter, width=width), SAMPLE_RECORDS))


def modal_width(rows: list[Row]) -> int:
    """Return how many cells most records have."""
    widths = Counter(len(row.cells) for row in rows if not row.blank and not row.problem)
    return max(widths, key=lambda width: (widths[width] * (width > 1), width), default=0)


def find_delimiter(text: str) -> tuple[str, str]:
    """Return the sign that cuts most lines into equally many cells, and the evidence for it.

    Raises:
        FileUnreadable: No sign cuts the text into columns.
    """
    text = _EMPTY_LINES.sub("\n", text[:DELIMITER_SAMPLE_CHARACTERS])
    start = text[:32].lower()
    if start.startswith("sep=") and len(text) > len("sep=") and text[4] in DELIMITERS:
        return text[4], "the first line says so"
    best, found = 0.0, ("", "")
    for delimiter, name in DELIMITERS.items():
        rows = [
            row for row in islice(rows_of(text, delimiter), DELIMITER_SAMPLE_LINES) if not row.blank and not row.problem
        ]
        width = modal_width(rows)
        alike = sum(len(row.cells) == width for row in rows)
        if width < 2 or not rows:  # noqa: PLR2004 - a table has two columns at the least.
            continue
        score = alike / len(rows) * (2 - 1 / width) + (0.05 if delimiter != "," else 0)
        if score > best:
            best = score
            found = (delimiter, f"{name}: {alike} of {len(rows)} lines have {width} columns by it")
    if not found[0]:
        raise FileUnreadable("This is no table: neither commas, semicolons, tabs nor bars cut its lines into columns.")
    return found


def _row(number: int, cells: list[str]) -> Row:
    if len(cells) > COLUMNS_MAX:
        return Row(number, tuple(cells[:3]), f"more than {COLUMNS_MAX} columns")
    return Row(number, tuple(cells))


def _quoted(text: str, delimiter: str) -> list[str] | None:
    try:
        return next(csv.reader([text], delimiter=delimiter, skipinitialspace=True), None)
    except csv.Error:
        return None
