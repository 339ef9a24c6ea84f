"""Amounts as people and banks write them in files, as whole minor units.

A point or a comma can end the whole units or group thousands. One amount often does not say which, but the
amounts of one file together do: `proven_radix` and `decimal_signs` read them all. `read_minor` takes each amount as
it shows itself, for formats that a bank's program writes; `parse_amount` holds a column of a table to one decimal sign.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from mintql.domain.errors import InvalidInput
from mintql.domain.money import AMOUNT_MINOR_MAX, exponent, parse_minor
from mintql.institutions.files.rows import BadRow, clean

GROUP_DIGITS = 3
AMOUNT_CHARACTERS_MAX = 64
"""No amount is longer."""

WHOLE_DIGITS_SURE = 12
"""An amount of at the most so many whole digits is one that can be kept, whatever its currency."""

SYMBOLS = {"€": "EUR", "£": "GBP", "$": "USD", "US$": "USD", "C$": "CAD", "CA$": "CAD", "A$": "AUD", "AU$": "AUD",
           "NZ$": "NZD", "HK$": "HKD", "S$": "SGD", "MX$": "MXN", "R$": "BRL", "¥": "JPY", "₹": "INR", "₽": "RUB",
           "₺": "TRY", "₴": "UAH", "₪": "ILS", "₩": "KRW", "₱": "PHP", "฿": "THB", "₫": "VND", "zł": "PLN", "Kč": "CZK",
           "Ft": "HUF", "Fr.": "CHF", "lei": "RON"}  # fmt: skip
"""What stands beside amounts instead of a currency's code. "kr" is not here: it is the crown of four countries."""

_MINUS = str.maketrans({"\u2212": "-", "\u2012": "-", "\u2013": "-", "\ufe63": "-", "\uff0d": "-"})
_PLAIN = re.compile(r"-?[0-9]{1,12}(?:[.,][0-9]{1,2})?")
_AMOUNT = re.compile(r"([^0-9.,]*)([.,]?[0-9][0-9.,'\u2019_ ]*)([^0-9.,]*\.?)")
_GROUPING = str.maketrans("", "", "'\u2019_ ")
_BESIDE = re.compile(
    r"(?:[-+() ]|[A-Z]{3}\b|(?:US|CA|AU|NZ|HK|MX|[CARS])\$?(?!\w)|[$€£¥₹₽₺₴₪₩₱฿₫₸¤]|zł|Kč|Ft|Fr\.?|kr\.?|Rs\.?|lei|"
    r"cr\b|dr\b|[cdsh]\b)*",
    re.IGNORECASE,
)
_OUT = re.compile(r"\b(dr|d|s)\b", re.IGNORECASE)
_CODE = re.compile(r"\b([A-Z]{3})\b")


class AmountText(NamedTuple):
    """An amount taken apart: its digits with their points and commas, its sign, and the currency beside it."""

    digits: str
    negative: bool
    currency: str


def take_apart(text: str) -> AmountText | None:
    """Return an amount's parts; None where the text is none. Brackets, a trailing minus and DR mean below zero."""
    if _PLAIN.fullmatch(text):
        return AmountText(text.lstrip("-"), text[0] == "-", "")
    if len(text) > AMOUNT_CHARACTERS_MAX:
        text = text.strip()
        if len(text) > AMOUNT_CHARACTERS_MAX:
            return None
    found = _AMOUNT.fullmatch(clean(text.translate(_MINUS)))
    if found is None or not _BESIDE.fullmatch(found[1]) or not _BESIDE.fullmatch(found[3]):
        return None
    before, after = found[1].strip(), found[3].strip()
    codes = _CODE.findall(f"{before} {after}")
    signs = before.count("-") + after.count("-") + before.count("+") + after.count("+")
    if signs > 1 or len(set(codes)) > 1:
        return None
    negative = "-" in before or "-" in after or ("(" in before and ")" in after) or bool(_OUT.search(after))
    currency = codes[0] if codes else _symbol(before, after)
    return AmountText(found[2].translate(_GROUPING), negative, currency)


def _symbol(before: str, after: str) -> str:
    for part in (before, after):
        bare = part.strip("-+() ")
        if bare in SYMBOLS:
            return SYMBOLS[bare]
    return ""


def proven_radix(texts: Iterable[str]) -> frozenset[str]:
    """Return the characters among "." and "," that end the whole units in amounts that leave no doubt."""
    found: set[str] = set()
    for text in texts:
        parts = take_apart(text)
        if parts is not None:
            found.add(_radix_of(parts.digits) or "")
            if len(found) > 2:  # noqa: PLR2004  # Both, and none: no amount can add to it.
                break
    return frozenset(found - {""})


def decimal_signs(texts: Iterable[str]) -> Counter[str]:
    """Count what ends the whole units in a column: "," or "." where an amount can mean only one, else ""."""
    votes: Counter[str] = Counter()
    for text in texts:
        parts = take_apart(text)
        marks = [char for char in parts.digits if char in ".,"] if parts else []
        if parts is None or not marks:
            continue
        radix = _radix_of(parts.digits)
        if radix == "":
            # One sign, several times: it groups thousands, so the other one would end the whole units.
            radix = "," if marks[-1] == "." else "."
        votes[radix or ""] += 1
    return votes


def read_minor(
    text: str, currency: str, proven: frozenset[str] = frozenset(), *, default: str = ".,"
) -> tuple[int, bool]:
    """Read an amount as minor units of `currency` (two decimals where it is ""); second: whether it was rounded.

    `proven` comes from `proven_radix`; `default` are the characters that end the whole units where a single
    one stands before three digits and the file proves nothing: "1,234" is 1.234 in OFX and 1234 in QIF.

    Raises:
        InvalidInput: No amount, thousands that are not where thousands are, or beyond what can be kept.
    """
    parts = take_apart(text)
    if parts is None:
        raise InvalidInput(f"{text.strip()[:40]!r} is not an amount", field="amount")
    radix = _radix_of(parts.digits)
    if radix is None:
        radix = _decide(parts.digits, currency, proven, default)
    whole, _, fraction = parts.digits.rpartition(radix) if radix else (parts.digits, "", "")
    plain = _without_thousands(whole, "," if "," in whole else ".")
    if plain is None or "." in plain:
        raise InvalidInput(f"{text.strip()[:40]!r} is not an amount", field="amount")
    return to_minor(plain, fraction, currency, negative=parts.negative)


def _without_thousands(whole: str, mark: str) -> str | None:
    """Return whole units without the marks between their thousands; None where these are not where thousands are."""
    if mark not in whole:
        return whole
    first, *groups = whole.split(mark)
    # In India the groups before the last one have two digits.
    if len(groups[-1]) != GROUP_DIGITS or any(len(group) not in {2, 3} for group in groups):
        return None
    return first + "".join(groups)


def parse_amount(text: str, decimal: str, currency: str) -> tuple[int, bool]:
    """Read an amount whose decimals stand behind `decimal`, in minor units; second: whether it was rounded.

    Raises:
        BadRow: No amount, or its thousands are not where thousands are.
        InvalidInput: Too large.
    """
    parts = take_apart(text)
    if parts is None:
        raise BadRow(f"{clean(text, 40)!r} is not an amount")
    whole, _, fraction = parts.digits.partition(decimal)
    thousands = "," if decimal == "." else "."
    plain = _without_thousands(whole, thousands)
    if plain is None or thousands in fraction or decimal in fraction:
        raise _not_by(text, decimal)
    return to_minor(plain, fraction, currency, negative=parts.negative)


def to_minor(whole: str, fraction: str, currency: str, *, negative: bool) -> tuple[int, bool]:
    """Return digits before and behind the decimal sign as minor units; second: whether they were rounded.

    Raises:
        InvalidInput: Beyond what can be kept.
    """
    places = exponent(currency)
    if len(fraction) > places:
        fraction = fraction.rstrip("0")
    if len(fraction) <= places and len(whole) <= WHOLE_DIGITS_SURE:
        minor = int(f"{whole}{fraction.ljust(places, '0')}" or "0")
        if minor <= AMOUNT_MINOR_MAX:
            return (-minor if negative else minor), False
    digits = whole.lstrip("0") or "0"
    sign = "-" if negative else ""
    if len(fraction) <= places:
        return parse_minor(f"{sign}{digits}.{fraction}" if fraction else f"{sign}{digits}", currency), False
    rounded = Decimal(f"{digits}.{fraction}").quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return parse_minor(f"{sign}{rounded:f}", currency), True


def _not_by(text: str, decimal: str) -> BadRow:
    return BadRow(f"{clean(text, 40)!r} is not an amount with decimals behind {decimal!r}")


def _radix_of(digits: str) -> str | None:
    """Return what ends the whole units: "." or ",", "" when nothing does, None when it cannot be told."""
    commas, points = digits.count(","), digits.count(".")
    if commas and points:
        return "," if digits.rfind(",") > digits.rfind(".") else "."
    if commas + points != 1:
        return ""
    last = "," if commas else "."
    whole, _, fraction = digits.partition(last)
    if len(fraction) != GROUP_DIGITS or whole[:1] in ("", "0") or len(whole) > GROUP_DIGITS:
        return last
    return None


def _decide(digits: str, currency: str, proven: frozenset[str], default: str) -> str:
    mark = "," if "," in digits else "."
    if exponent(currency) == GROUP_DIGITS or mark in proven:
        return mark
    if proven:
        return ""
    return mark if mark in default else ""
