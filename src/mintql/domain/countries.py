"""Sets of countries as bits of an integer, so that asking whether two overlap costs one operation.

A country is its ISO 3166-1 alpha-2 code, in lower case.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

NOWHERE = 0
EVERYWHERE = -1
"""All bits: overlaps with every set but the empty one."""

_LETTERS = 26
_FIRST_LETTER = ord("a")

_SHARED_CURRENCIES = {
    "AUD": "au ki nr tv nf cx cc",
    "CHF": "ch li",
    "DKK": "dk gl fo",
    "EUR": "at be bg hr cy ee fi fr de gr ie it lv lt lu mt nl pt sk si es ad mc sm va me xk bl gf gp mf mq pm re yt",
    "GBP": "gb gg im je",
    "ILS": "il ps",
    "INR": "in bt",
    "MAD": "ma eh",
    "NOK": "no sj",
    "NZD": "nz ck nu tk pn",
    "USD": "us pr vi gu as mp um ec sv pa tl pw fm mh tc vg bq",
    "XAF": "cm cf cg ga gq td",
    "XCD": "ag dm gd kn lc vc ai ms",
    "XCG": "cw sx",
    "XOF": "bj bf ci gw ml ne sn tg",
    "XPF": "pf nc wf",
    "ZAR": "za ls na sz",
}
"""Currencies of several countries. Any other one's first two letters are its country's code (ISO 4217)."""


def country_set(codes: Iterable[str]) -> int:
    """Return the set of these countries.

    Raises:
        ValueError: A code is not two lower-case ASCII letters.
    """
    countries = NOWHERE
    for code in codes:
        if len(code) != 2 or not (code.isascii() and code.isalpha() and code.islower()):  # noqa: PLR2004
            raise ValueError(f"Country {code!r} is not two lower-case letters.")
        first, second = (ord(letter) - _FIRST_LETTER for letter in code)
        countries |= 1 << (first * _LETTERS + second)
    return countries


@cache
def currency_countries(currency: str) -> int:
    """Return the countries that pay in a currency (ISO 4217); everywhere when no country is known for it."""
    shared = _SHARED_CURRENCIES.get(currency)
    if shared is not None:
        return country_set(shared.split(" "))
    if len(currency) != 3 or not (currency.isascii() and currency.isalpha()) or currency[0] == "X":  # noqa: PLR2004
        return EVERYWHERE
    return country_set([currency[:2].lower()])
