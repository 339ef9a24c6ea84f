"""Amounts as people and banks write them in files, as whole minor units.

A point or a comma can end the whole units or group thousands. One amount often does not say which, but the
amounts of one file together do: `proven_radix` reads them all, and `read_minor` takes what it found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal

from mintql.domain.errors import InvalidInput
from mintql.domain.money import exponent, parse_minor

GROUP_DIGITS = 3

_SYMBOLS = re.compile(r"[$€£¥₹₽₩₪฿₫₴₺¤\s\u00a0\u202f'\u2019_]+")
_CODE = re.compile(
    r"(?:^|(?<=^[-+]))(?:[A-Z]{3}|US|CA|AU|NZ|HK|kr\.?|Rs\.?|[ACRS])(?=[-+.,\d])"
    r"|(?<=[-+.,\d])(?:[A-Z]{3}|kr\.?|zł|Kč|Ft|lei)$"
)
_BODY = re.compile(r"[0-9.,]*[0-9][0-9.,]*")
_MINUS = str.maketrans({"\u2212": "-", "\u2012": "-", "\u2013": "-", "\ufe63": "-", "\uff0d": "-"})
_LENGTH_MAX = 64


def proven_radix(texts: Iterable[str]) -> frozenset[str]:
    """Return the characters among "." and "," that end the whole units in amounts that leave no doubt."""
    found: set[str] = set()
    for text in texts:
        parts = _parts(text)
        if parts is not None:
            found.add(_radix_of(parts[1]) or "")
            if len(found) > 2:  # noqa: PLR2004  # Both, and none: no amount can add to it.
                break
    return frozenset(found - {""})


def read_minor(
    text: str, currency: str, proven: frozenset[str] = frozenset(), *, default: str = ".,"
) -> tuple[int, bool]:
    """Read an amount as minor units of `currency` (two decimals where it is ""); second: whether it was rounded.

    Takes signs before or behind, parentheses for minus, currency signs and codes, and grouped thousands.
    `proven` comes from `proven_radix`; `default` are the characters that end the whole units where a single
    one stands before three digits and the file proves nothing: "1,234" is 1.234 in OFX and 1234 in QIF.

    Raises:
        InvalidInput: No amount, or beyond what can be kept.
    """
    parts = _parts(text)
    if parts is None:
        raise InvalidInput(f"{text.strip()[:40]!r} is not an amount", field="amount")
    negative, body = parts
    radix = _radix_of(body)
    if radix is None:
        radix = _decide(body, currency, proven, default)
    if radix:
        whole, _, fraction = body.rpartition(radix)
    else:
        whole, fraction = body, ""
    digits = whole.replace(",", "").replace(".", "").lstrip("0") or "0"
    fraction = fraction.rstrip("0")
    places = exponent(currency)
    sign = "-" if negative else ""
    if len(fraction) <= places:
        return parse_minor(f"{sign}{digits}.{fraction}" if fraction else f"{sign}{digits}", currency), False
    rounded = Decimal(f"{digits}.{fraction}").quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return parse_minor(f"{sign}{rounded:f}", currency), True


def _parts(text: str) -> tuple[bool, str] | None:
    """Split an amount into its sign and its digits with points and commas; None when it is no amount."""
    if len(text) > _LENGTH_MAX:
        text = text.strip()
    if len(text) > _LENGTH_MAX:
        return None
    body = _SYMBOLS.sub("", text.translate(_MINUS))
    negative = False
    if body.startswith("(") and body.endswith(")"):
        negative, body = True, body[1:-1]
    # Only once: what names two currencies is no amount.
    body = _CODE.sub("", body, count=1)
    if body[:1] in ("-", "+"):
        negative, body = negative or body[0] == "-", body[1:]
    elif body[-1:] in ("-", "+"):
        negative, body = negative or body[-1] == "-", body[:-1]
    return (negative, body) if _BODY.fullmatch(body) else None


def _radix_of(body: str) -> str | None:
    """Return what ends the whole units: "." or ",", "" when nothing does, None when it cannot be told."""
    marks = [character for character in body if not character.isdigit()]
    if not marks:
        return ""
    last = marks[-1]
    if len(set(marks)) > 1:
        return last
    if len(marks) > 1:
        return ""
    whole, _, fraction = body.partition(last)
    if len(fraction) != GROUP_DIGITS or whole[:1] in ("", "0") or len(whole) > GROUP_DIGITS:
        return last
    return None


def _decide(body: str, currency: str, proven: frozenset[str], default: str) -> str:
    mark = "," if "," in body else "."
    if exponent(currency) == GROUP_DIGITS or mark in proven:
        return mark
    if proven:
        return ""
    return mark if mark in default else ""
