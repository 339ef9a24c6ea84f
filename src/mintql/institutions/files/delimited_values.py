"""Reading the dates and amounts that people's tables hold, and telling from a column how they are meant."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import pairwise

from mintql.domain.money import EXPONENTS, parse_minor
from mintql.domain.months import YEAR_MAX, YEAR_MIN
from mintql.institutions.files.rows import BadRow, clean, day_of


class DateOrder(StrEnum):
    """In which order day, month and year are written."""

    DMY = "day month year"
    MDY = "month day year"
    YMD = "year month day"


YEAR_PIVOT = 70
"""Two-digit years from here on are of the last century: the years that are kept begin with 1970."""

CELL_CHARACTERS_MAX = 60
"""Neither a date nor an amount is longer."""

SYMBOLS = {"€": "EUR", "£": "GBP", "$": "USD", "US$": "USD", "C$": "CAD", "CA$": "CAD", "A$": "AUD", "R$": "BRL",
           "¥": "JPY", "₹": "INR", "₽": "RUB", "₺": "TRY", "₴": "UAH", "₪": "ILS", "₩": "KRW", "zł": "PLN",
           "Kč": "CZK", "Ft": "HUF", "Fr.": "CHF", "lei": "RON"}  # fmt: skip
"""What stands beside amounts instead of a currency's code. "kr" is not here: it is the crown of four countries."""

KNOWN_CURRENCIES = frozenset({
    "EUR", "USD", "GBP", "CHF", "PLN", "CZK", "HUF", "SEK", "NOK", "DKK", "CAD", "AUD", "NZD", "INR", "CNY",
    "BRL", "MXN", "TRY", "RON", "BGN", "ZAR", "SGD", "HKD", "ILS", "UAH", "RUB", "THB", "PHP", "MYR", "IDR",
    "AED", "SAR", "ISK",
    *EXPONENTS,
})  # fmt: skip
_ENTITLED = re.compile(r"\b([A-Z]{3})\b")
_TIME = r"(?:[T ,]+\d{1,2}[:.]\d{2}.*)?"
_NUMERIC = re.compile(r"(\d{1,4})([./\- ]) ?(\d{1,2})\2 ?(\d{1,4})\.?" + _TIME, re.ASCII)
_COMPACT = re.compile(r"(\d{8})(?:[T ]?\d{4,6})?", re.ASCII)
_DAY_NAME = re.compile(r"(?:\w{2,10},? )?(\d{1,2})[ .\-/]*([^\W\d_]{3,12})\.?[ .\-/,']*(\d{4}|\d{2})" + _TIME)
_NAME_DAY = re.compile(r"([^\W\d_]{3,12})\.? (\d{1,2})(?:st|nd|rd|th)?,? (\d{4}|\d{2})" + _TIME)
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan ene gen sty ian", "feb fev lut fév", "mar mär mrz maa mae", "apr abr avr kwi", "may mai mei maj mag",
            "jun giu cze juin", "jul lug lip juil", "aug ago sie aoû aou", "sep set wrz", "oct okt ott out paź paz",
            "nov lis", "dec dez dic déc gru",
        ),
        1,
    )
    for name in names.split()
}  # fmt: skip
_AMOUNT = re.compile(r"([^\d.,]*?)(\.?,?\d[\d.,'’ ]*)([^\d.,]*\.?)")  # noqa: RUF001
_BESIDE = re.compile(
    r"(?:[-+() ]|[A-Z]{3}\b|(?:US|CA|[CAR])?\$|[€£¥₹₽₺₴₪₩]|zł|Kč|Ft|Fr\.?|kr\.?|lei|cr\b|dr\b|[cdsh]\b)*", re.IGNORECASE
)
_OUT = re.compile(r"\b(dr|d|s)\b", re.IGNORECASE)
_CODE = re.compile(r"\b([A-Z]{3})\b")


def without_currency(heading: str) -> str:
    """Return a heading without the currency some carry: "Betrag (EUR)", "Amount in USD", "Importo €"."""
    text = heading.strip().strip("\ufeff*")
    for code in _ENTITLED.findall(text):
        if code in KNOWN_CURRENCIES:
            text = re.sub(rf"\s*(?:\bin\s+)?[\[(/]?\s*\b{code}\b\s*[\])]?", " ", text)
    return re.sub(r"\s*\(?[€$£]\)?", "", text)


def named_currency(text: str) -> str:
    """Return the first currency that a line names, empty where it names none."""
    code = next((code for code in _ENTITLED.findall(text[:1000]) if code in KNOWN_CURRENCIES), "")
    return code or ("EUR" if "€" in text else "GBP" if "£" in text else "")


def fold(text: str) -> str:
    """Return a heading or word without case, accents and punctuation, to compare it with."""
    plain = unicodedata.normalize("NFKD", text[:CELL_CHARACTERS_MAX].casefold().replace("ł", "l").replace("ø", "o"))
    bare = "".join(char for char in plain if not unicodedata.combining(char))
    return " ".join(re.findall(r"[^\W_]+|[+-]", bare))


def parse_date(text: str, order: DateOrder) -> date:
    """Read a date written in this order; a month's name or a year in front says its own.

    Raises:
        BadRow: No date, no day of the calendar, or outside the years that are kept.
    """
    parts = _date_parts(text)
    if parts is None:
        raise BadRow(f"{clean(text, 40)!r} is not a date")
    first, second, third, named = parts
    if named:
        return day_of(_year(third), second, first)
    if order is DateOrder.YMD:
        if first <= 31:  # noqa: PLR2004 - a year of two digits in front is told from a day only where it is more.
            raise BadRow(f"{clean(text, 40)!r} is not written as {order}")
        return day_of(_year(first), second, third)
    if len(str(first)) > 2:  # noqa: PLR2004 - a year with four digits in front.
        raise BadRow(f"{clean(text, 40)!r} is not written as {order}")
    day, month = (first, second) if order is DateOrder.DMY else (second, first)
    return day_of(_year(third), month, day)


def _date_parts(text: str) -> tuple[int, int, int, bool] | None:
    """Return the three numbers in the order written; or day, month, year and True where a name tells them."""
    if len(text) > CELL_CHARACTERS_MAX or not any(char.isdigit() for char in text):
        return None
    numeric = _NUMERIC.fullmatch(text)
    if numeric:
        first, second, third = numeric[1], numeric[3], numeric[4]
        if len(first) == 3 or len(third) == 3 or (len(first) > 2 and len(third) > 2):  # noqa: PLR2004
            return None
        return int(first), int(second), int(third), False
    compact = _COMPACT.fullmatch(text)
    if compact is None:
        return _with_month_name(text)
    digits = compact[1]
    if YEAR_MIN <= int(digits[:4]) <= YEAR_MAX and int(digits[4:6]) <= 12:  # noqa: PLR2004
        return int(digits[6:]), int(digits[4:6]), int(digits[:4]), True
    return int(digits[:2]), int(digits[2:4]), int(digits[4:]), False


def _with_month_name(text: str) -> tuple[int, int, int, bool] | None:
    for pattern, day, name in ((_DAY_NAME, 1, 2), (_NAME_DAY, 2, 1)):
        found = pattern.fullmatch(text)
        if found:
            word = found[name].casefold()
            month = _MONTHS.get(word[:4]) or _MONTHS.get(word[:3])
            return (int(found[day]), month, int(found[3]), True) if month else None
    return None


def _year(number: int) -> int:
    if number >= 100:  # noqa: PLR2004
        return number
    return number + (1900 if number >= YEAR_PIVOT else 2000)


def is_date(text: str) -> bool:
    """Return whether this is a date in any order."""
    return any(_possible(text, order) is not None for order in DateOrder)


def _possible(text: str, order: DateOrder) -> date | None:
    try:
        return parse_date(text, order)
    except BadRow:
        return None


def find_order(texts: Sequence[str], *, likely: DateOrder) -> tuple[DateOrder, str, bool]:
    """Return the order in which a column's dates are written, the evidence, and whether it is sure.

    An order under which most dates exist; of several the one under which the dates rise or fall steadily,
    as rows of a statement do; else `likely`.
    """
    read = {order: [_possible(text, order) for text in texts] for order in DateOrder}
    counts = {order: sum(day is not None for day in days) for order, days in read.items()}
    most = max(counts.values(), default=0)
    best = [order for order in (likely, *DateOrder) if counts[order] == most]
    if len(set(best)) == 1:
        return best[0], f"{most} of {len(texts)} dates exist only when read as {best[0]}", True
    if all(read[best[0]] == read[order] for order in best):
        order = DateOrder.YMD if DateOrder.YMD in best and best[0] is not likely else best[0]
        return order, "the dates tell year, month and day apart by themselves", True
    if all("." in text for text in texts) and DateOrder.DMY in best:
        return DateOrder.DMY, "dates with points are written with the day first", True
    steps = {order: _steadiness([day for day in read[order] if day is not None]) for order in best}
    steadiest = max(best, key=lambda order: steps[order])
    others = max(steps[order] for order in steps if order is not steadiest)
    if steps[steadiest] > others:
        return steadiest, f"only when read as {steadiest} the dates follow each other", others < 0.9 * steps[steadiest]
    return likely, f"all dates could be read in several orders; {likely} is usual here", False


def _steadiness(days: list[date]) -> float:
    """Return the share of steps that go the way most go, less for long gaps; 0 without steps."""
    ways = Counter((later > earlier) - (later < earlier) for earlier, later in pairwise(days))
    moved = ways[1] + ways[-1]
    if moved == 0:
        return 0.0
    span = (max(days) - min(days)).days
    return max(ways[1], ways[-1]) / moved + 1 / (2 + span / 31)


@dataclass(frozen=True, slots=True)
class AmountText:
    """An amount taken apart: its digits with their separators, its sign, and the currency beside it."""

    digits: str
    negative: bool
    currency: str
    marked_credit: bool = False


def take_apart(text: str) -> AmountText | None:
    """Return an amount's parts; None where the text is none. Brackets, a trailing minus and DR mean below zero."""
    tidy = clean(text[:CELL_CHARACTERS_MAX]).replace("−", "-").replace("–", "-")  # noqa: RUF001
    found = _AMOUNT.fullmatch(tidy) if len(text) <= CELL_CHARACTERS_MAX else None
    if found is None or not _BESIDE.fullmatch(found[1]) or not _BESIDE.fullmatch(found[3]):
        return None
    before, after = found[1].strip(), found[3].strip()
    beside = f"{before} {after}"
    negative = "-" in beside or ("(" in before and ")" in after) or bool(_OUT.search(after))
    code = _CODE.search(beside)
    symbol = next(
        (SYMBOLS[part] for part in (*beside.strip("-+() ").split(), before.strip("-+() ")) if part in SYMBOLS), ""
    )
    return AmountText(re.sub(r"['’ ]", "", found[2]), negative, code[1] if code else symbol)  # noqa: RUF001


def decimal_signs(texts: Iterable[str]) -> Counter[str]:
    """Count what separates decimals in a column: "," or "." where an amount can mean only one, else ""."""
    votes: Counter[str] = Counter()
    for text in texts:
        parts = take_apart(text)
        if parts is None:
            continue
        seen = [char for char in parts.digits if char in ".,"]
        if not seen:
            continue
        last = seen[-1]
        decimals = len(parts.digits) - parts.digits.rindex(last) - 1
        if len(set(seen)) > 1 or (len(seen) == 1 and decimals != 3):  # noqa: PLR2004
            votes[last] += 1
        elif len(seen) > 1:
            votes["," if last == "." else "."] += 1
        else:
            votes[""] += 1
    return votes


def parse_amount(text: str, decimal: str, currency: str) -> int:
    """Read an amount in minor units, its decimals behind `decimal`.

    Raises:
        BadRow: No amount, or its thousands are not where thousands are.
        InvalidInput: Too many decimals or too large.
    """
    parts = take_apart(text)
    if parts is None:
        raise BadRow(f"{clean(text, 40)!r} is not an amount")
    whole, _, decimals = parts.digits.partition(decimal)
    thousands = "," if decimal == "." else "."
    groups = whole.split(thousands)
    misplaced = any(len(group) not in {2, 3} for group in groups[1:]) or (len(groups) > 1 and len(groups[-1]) != 3)  # noqa: PLR2004
    if misplaced or thousands in decimals or decimal in decimals:
        raise BadRow(f"{clean(text, 40)!r} is not an amount with decimals behind {decimal!r}")
    plain = "".join(groups).lstrip("0") or "0"
    minor = parse_minor(f"{plain}.{decimals}" if decimals else plain, currency)
    return -minor if parts.negative else minor
