"""Dates as people, programs and banks write them, and the order that a whole file speaks for.

"04/05/2026" is a day in April or in May: one date does not say which, the dates of a file together mostly do.
`find_order` weighs them, `parse_date` reads one in the order that was found or chosen.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise

from mintql.domain.months import YEAR_MAX, YEAR_MIN
from mintql.institutions.files.rows import BadRow, clean, day_of

CENTURY_PIVOT = 70
"""Two-digit years from here on are of the last century: the years that are kept begin with 1970."""

DATE_CHARACTERS_MAX = 60
SAMPLE_DATES = 100_000
"""How many different dates are weighed for evidence: ten thousand years would have to be sampled to need more."""

SAME_DATES_REMEMBERED = 16_384
"""Rows of one day share its text: reading each text once is several times as fast."""

YEAR_DIGITS = 4


class DateOrder(StrEnum):
    """What stands first, second and third in a date of numbers only."""

    DMY = "dmy"
    MDY = "mdy"
    YMD = "ymd"

    @property
    def words(self) -> str:
        """The order in words."""
        names = {"d": "day", "m": "month", "y": "year"}
        return " ".join(names[letter] for letter in self.value)


@dataclass(frozen=True, slots=True)
class DateEvidence:
    """The order of a file's dates and what speaks for it; `sure` is False where it is the likelier of several."""

    order: DateOrder
    words: str
    sure: bool


_TIME = r"(?:[T ,]+\d{1,2}[:.]\d{2}.*)?"
_NUMERIC = re.compile(r"(\d{1,4}) {0,2}([./\-' ]) {0,2}(\d{1,2}) {0,2}([./\-' ]) {0,2}(\d{1,4})\.?" + _TIME, re.ASCII)
_YEAR_FIRST = re.compile(r"\d{4}")
_COMPACT = re.compile(r"(\d{8})(?:[T ]?\d{4,6})?", re.ASCII)
_CHINESE = re.compile(r"(\d{4})\s?[年년]\s?(\d{1,2})\s?[月월]\s?(\d{1,2})\s?[日일].{0,20}", re.ASCII)
_DAY_NAME = re.compile(
    r"(?:\w{2,10}\.?,? )?(\d{1,2})(?:st|nd|rd|th|er)?[ .\-/]*(?:de )?([^\W\d_]{3,12})\.?[ .\-/,']*(?:de )?(\d{4}|\d{2})"
    + _TIME
)
_NAME_DAY = re.compile(
    r"(?:[^\W\d_]{3,10}, )?([^\W\d_]{3,12})\.?[ .\-/]*(\d{1,2})(?:st|nd|rd|th)?[ .\-/,']+(\d{4}|\d{2})" + _TIME
)
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan ene gen sty ian led", "feb fev lut fév úno", "mar mär mrz maa mae mrt bře", "apr abr avr kwi ápr dub",
            "may mai mag maj mei máj kvě", "jun giu cze juin jún červn", "jul lug lip juil júl",
            "ago aug sie aoû aou srp",
            "sep set wrz sze zář", "oct okt ott out paź paz říj", "nov lis", "dec dez dic déc gru pro",
        ),
        1,
    )
    for name in names.split()
}  # fmt: skip
"""Beginnings of the names of months in the languages that files come in."""


def parse_date(text: str, order: DateOrder) -> date:
    """Read a date written in this order; a month's name or a year of four digits in front says its own.

    Raises:
        BadRow: No date, no day of the calendar, or outside the years that are kept.
    """
    found = read_date(text, order)
    if found is not None:
        return found
    shown = f"{clean(text, 40)!r}"
    numbers = _numbers(text, order)
    if numbers is not None:
        return day_of(*numbers)
    if any(_numbers(text, other) is not None for other in DateOrder):
        raise BadRow(f"{shown} is not written as {order.words}")
    raise BadRow(f"{shown} is not a date")


@lru_cache(SAME_DATES_REMEMBERED)
def read_date(text: str, order: DateOrder) -> date | None:
    """Read a date written in this order; None where it is none, or none within the years that are kept."""
    numbers = _numbers(text, order)
    if numbers is None:
        return None
    try:
        found = date(*numbers)
    except ValueError:
        return None
    return found if YEAR_MIN <= found.year <= YEAR_MAX else None


def is_date(text: str) -> bool:
    """Return whether this is a date in any order."""
    return not text.isalpha() and any(read_date(text, order) is not None for order in DateOrder)


def find_order(
    texts: Iterable[str], *, hint: DateOrder | None = None, likely: DateOrder = DateOrder.MDY
) -> DateEvidence:
    """Find the order in which a file's dates are written.

    The one in which the most of them exist. Where several read all alike well: the one that the file's options
    name (`hint`); the day first where points separate; the one in which the dates rise or fall steadily, as rows of
    a statement do; else `likely`.
    """
    sample = list(dict.fromkeys(texts))[:SAMPLE_DATES]
    read = {order: [read_date(text, order) for text in sample] for order in DateOrder}
    counts = {order: sum(day is not None for day in days) for order, days in read.items()}
    # A year of two digits in front is rare: only where nothing else reads as much.
    short = sum(read_date(text, DateOrder.YMD) is not None and not _YEAR_FIRST.match(text.strip()) for text in sample)
    most = max(counts.values())
    best = [order for order in dict.fromkeys((likely, *DateOrder)) if counts[order] == most]
    if len(best) > 1 and short and DateOrder.YMD in best:
        best.remove(DateOrder.YMD)
    if len(best) == 1:
        return DateEvidence(
            best[0], f"{most} of {len(sample)} dates exist only when read as {best[0].words}", sure=True
        )
    if all(read[best[0]] == read[order] for order in best):
        order = DateOrder.YMD if DateOrder.YMD in best else best[0]
        return DateEvidence(order, "the dates tell year, month and day apart by themselves", sure=True)
    if hint in best and hint is not None:
        return DateEvidence(hint, "the file says so", sure=True)
    if sum("." in text for text in sample) * 2 > len(sample) and DateOrder.DMY in best:
        return DateEvidence(DateOrder.DMY, "dates with points are written with the day first", sure=True)
    return _steadiest({order: read[order] for order in best}, likely)


def _steadiest(read: dict[DateOrder, list[date | None]], likely: DateOrder) -> DateEvidence:
    steps = {order: _steadiness([day for day in days if day is not None]) for order, days in read.items()}
    steadiest = max(steps, key=lambda order: steps[order])
    others = max(steps[order] for order in steps if order is not steadiest)
    if steps[steadiest] > others:
        words = f"only when read as {steadiest.words} the dates follow each other"
        return DateEvidence(steadiest, words, sure=others < 0.9 * steps[steadiest])
    words = f"all dates could be read in several orders; {likely.words} is usual here"
    return DateEvidence(likely, words, sure=False)


def _steadiness(days: Sequence[date]) -> float:
    """Return the share of steps that go the way most go, less for long gaps; 0 without steps."""
    ways = Counter((later > earlier) - (later < earlier) for earlier, later in pairwise(days))
    moved = ways[1] + ways[-1]
    if moved == 0:
        return 0.0
    span = (max(days) - min(days)).days
    return max(ways[1], ways[-1]) / moved + 1 / (2 + span / 31)


def _numbers(text: str, order: DateOrder) -> tuple[int, int, int] | None:
    """Return year, month and day as a text says them in this order, whether or not there is such a day."""
    trimmed = text.strip()
    if len(trimmed) > DATE_CHARACTERS_MAX:
        return None
    numeric = _NUMERIC.fullmatch(trimmed)
    if numeric is not None:
        return _by_order(numeric[1], numeric[3], numeric[5], order)
    compact = _COMPACT.fullmatch(trimmed)
    if compact is not None:
        return _compact(compact[1], order)
    chinese = _CHINESE.fullmatch(trimmed)
    if chinese is not None:
        return int(chinese[1]), int(chinese[2]), int(chinese[3])
    for pattern, day, name in ((_DAY_NAME, 1, 2), (_NAME_DAY, 2, 1)):
        named = pattern.fullmatch(trimmed)
        month = _month(named[name]) if named is not None else None
        if named is not None and month is not None:
            return _year(named[3]), month, int(named[day])
    return None


def _by_order(first: str, second: str, third: str, order: DateOrder) -> tuple[int, int, int] | None:
    if len(first) == YEAR_DIGITS or order is DateOrder.YMD:
        if len(first) == 3 or len(third) > 2:  # noqa: PLR2004
            return None
        return _year(first), int(second), int(third)
    if len(first) > 2:  # noqa: PLR2004
        return None
    day, month = (first, second) if order is DateOrder.DMY else (second, first)
    return _year(third), int(month), int(day)


def _compact(digits: str, order: DateOrder) -> tuple[int, int, int]:
    if YEAR_MIN <= int(digits[:4]) <= YEAR_MAX and 1 <= int(digits[4:6]) <= 12:  # noqa: PLR2004
        return int(digits[:4]), int(digits[4:6]), int(digits[6:])
    first, second = int(digits[:2]), int(digits[2:4])
    return (int(digits[4:]), first, second) if order is DateOrder.MDY else (int(digits[4:]), second, first)


def _year(digits: str) -> int:
    number = int(digits)
    if len(digits) <= 2:  # noqa: PLR2004
        return number + (1900 if number >= CENTURY_PIVOT else 2000)
    # Some programs count years from 1900 and write '106.
    return number + 1900 if len(digits) == 3 else number  # noqa: PLR2004


def _month(name: str) -> int | None:
    folded = name.casefold()
    return next((_MONTHS[folded[:length]] for length in (5, 4, 3) if folded[:length] in _MONTHS), None)
