"""Words of tables: headings made alike, and the currencies that headings and lines name."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from mintql.domain.money import EXPONENTS

WORD_CHARACTERS_MAX = 60
"""No heading is longer."""

WORDS_REMEMBERED = 8192
"""Words such as "debit" come in every row."""

KNOWN_CURRENCIES = frozenset({
    "EUR", "USD", "GBP", "CHF", "PLN", "CZK", "HUF", "SEK", "NOK", "DKK", "CAD", "AUD", "NZD", "INR", "CNY",
    "BRL", "MXN", "TRY", "RON", "BGN", "ZAR", "SGD", "HKD", "ILS", "UAH", "RUB", "THB", "PHP", "MYR", "IDR",
    "AED", "SAR", "ISK",
    *EXPONENTS,
})  # fmt: skip
_ENTITLED = re.compile(r"\b([A-Z]{3})\b")


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
    return code or "CNY" * ("元" in text) or ("EUR" if "€" in text else "GBP" if "£" in text else "")


@lru_cache(WORDS_REMEMBERED)
def fold(text: str) -> str:
    """Return a heading or word without case, accents and punctuation, to compare it with."""
    plain = unicodedata.normalize("NFKD", text[:WORD_CHARACTERS_MAX].casefold().replace("ł", "l").replace("ø", "o"))
    bare = "".join(char for char in plain if not unicodedata.combining(char))
    return " ".join(re.findall(r"[^\W_]+|[+-]", bare))
