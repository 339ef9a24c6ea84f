"""Reading the amounts that people's tables hold, and telling from a column how they are meant."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from mintql.domain.money import EXPONENTS, parse_minor
from mintql.institutions.files.rows import BadRow, clean

CELL_CHARACTERS_MAX = 60
"""No amount is longer."""

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
