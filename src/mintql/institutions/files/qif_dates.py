"""Dates of QIF files: which of day, month and year stands where is for the whole file to tell.

Quicken writes the regional order of the computer it runs on, pads with blanks and puts an apostrophe before
years from 2000 on ("1/ 2'06"); banks write whatever they like.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import pairwise

from mintql.domain.months import YEAR_MAX, YEAR_MIN

SAMPLE_DATES = 100_000
"""How many different dates are weighed for evidence: ten thousand years would have to be sampled to need more."""
CENTURY_PIVOT = 70
"""Years of two digits from here on are of the last century: no statement file is older than that."""
YEAR_DIGITS = 4

_NUMERIC = re.compile(r"(\d{1,4})[ ]*[/.'\- ][ ]*(\d{1,2})[ ]*[/.'\- ][ ]*(\d{1,4})(?:[ T]\d{1,2}:\d{2}.*)?", re.ASCII)
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})", re.ASCII)
_DAY_NAMED = re.compile(r"(\d{1,2})[ ./-]*([^\W\d_]{3,10})\.?[ ,./'-]*(\d{1,4})")
_NAMED_DAY = re.compile(r"([^\W\d_]{3,10})\.?[ ./-]*(\d{1,2})(?:st|nd|rd|th)?[ ,./'-]+(\d{1,4})")
_LENGTH_MAX = 40
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan ene gen janv",
            "feb fév fev febr",
            "mar mär mrz mars maa mrt",
            "apr avr abr",
            "may mai mag mei maj",
            "jun juin giu juni",
            "jul juil lug juli",
            "aug aoû aou ago",
            "sep set sept",
            "oct okt ott out",
            "nov",
            "dec dez déc dic",
        ),
        start=1,
    )
    for name in names.split()
}
"""Beginnings of the names of months in the languages QIF files come in."""


class DateOrder(StrEnum):
    """What stands first, second and third in a date of numbers only."""

    MONTH_FIRST = "mdy"
    DAY_FIRST = "dmy"
    YEAR_FIRST = "ymd"


@dataclass(frozen=True, slots=True)
class DateEvidence:
    """The order of a file's dates; `certain` is False where it is the likelier of two that are possible."""

    order: DateOrder
    certain: bool


def find_order(texts: Iterable[str], hint: DateOrder | None = None) -> DateEvidence:
    """Find the order that makes the most dates of a file valid.

    Where two orders read all dates alike well: the one the file's options name, then the one whose separators
    are points, then the one in which the dates of the file follow each other better, for statements are sorted;
    then the month first, which is Quicken's own.
    """
    sample = list(dict.fromkeys(texts))[:SAMPLE_DATES]
    open_dates = [text for text in sample if _parts(text) is not None and _fixed(text) is None]
    valid = {order: sum(read_date(text, order) is not None for text in open_dates) for order in DateOrder}
    # A year of two digits in front is rare: only where nothing else reads as much.
    tied = [order for order in (DateOrder.MONTH_FIRST, DateOrder.DAY_FIRST) if valid[order] == max(valid.values())]
    if not tied:
        return DateEvidence(DateOrder.YEAR_FIRST, certain=True)
    if len(tied) == 1 or all(read_date(text, tied[0]) == read_date(text, tied[1]) for text in open_dates):
        return DateEvidence(tied[0], certain=True)
    return _break_tie(open_dates, hint)


def _break_tie(texts: Sequence[str], hint: DateOrder | None) -> DateEvidence:
    if hint in (DateOrder.MONTH_FIRST, DateOrder.DAY_FIRST):
        return DateEvidence(hint, certain=True)
    if sum("." in text for text in texts) * 2 > len(texts):
        return DateEvidence(DateOrder.DAY_FIRST, certain=True)
    day_first_is_better = _jumps(texts, DateOrder.DAY_FIRST) < _jumps(texts, DateOrder.MONTH_FIRST)
    return DateEvidence(DateOrder.DAY_FIRST if day_first_is_better else DateOrder.MONTH_FIRST, certain=False)


def read_date(text: str, order: DateOrder) -> date | None:
    """Read a date of QIF, None when it is none within our years. `order` matters for numbers only."""
    fixed = _fixed(text)
    if fixed is not None:
        return _date(*fixed)
    parts = _parts(text)
    if parts is None:
        return None
    first, second, third = parts
    if order is DateOrder.YEAR_FIRST:
        return _date(first, second, third)
    month, day = (first, second) if order is DateOrder.MONTH_FIRST else (second, first)
    return _date(third, month, day)


def _parts(text: str) -> tuple[str, str, str] | None:
    found = _NUMERIC.fullmatch(text.strip()[:_LENGTH_MAX])
    return (found[1], found[2], found[3]) if found is not None else None


def _fixed(text: str) -> tuple[str, str, str] | None:
    """Return year, month and day of a date that can be read in one way only."""
    trimmed = text.strip()[:_LENGTH_MAX]
    numeric = _NUMERIC.fullmatch(trimmed)
    if numeric is not None:
        return (numeric[1], numeric[2], numeric[3]) if len(numeric[1]) == YEAR_DIGITS else None
    compact = _COMPACT.fullmatch(trimmed)
    if compact is not None:
        return compact[1], compact[2], compact[3]
    named = _DAY_NAMED.fullmatch(trimmed)
    if named is not None:
        return named[3], _month(named[2]), named[1]
    named = _NAMED_DAY.fullmatch(trimmed)
    return (named[3], _month(named[1]), named[2]) if named is not None else None


def _month(name: str) -> str:
    folded = name.casefold()
    for length in (4, 3):
        if folded[:length] in _MONTHS:
            return str(_MONTHS[folded[:length]])
    return "0"


def _date(year: str, month: str, day: str) -> date | None:
    number = int(year)
    if len(year) <= 2:  # noqa: PLR2004
        number += 1900 if number >= CENTURY_PIVOT else 2000
    elif len(year) == 3:  # noqa: PLR2004  # Some programs count years from 1900 and write '106.
        number += 1900
    try:
        found = date(number, int(month), int(day))
    except ValueError:
        return None
    return found if YEAR_MIN <= found.year <= YEAR_MAX else None


def _jumps(texts: Sequence[str], order: DateOrder) -> int:
    """Count where the dates go against the direction they mostly go in."""
    days = [day for text in texts if (day := read_date(text, order)) is not None]
    back = sum(later < earlier for earlier, later in pairwise(days))
    ahead = sum(later > earlier for earlier, later in pairwise(days))
    return min(back, ahead)
