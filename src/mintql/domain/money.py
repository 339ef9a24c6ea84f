"""Money as signed whole minor units of an ISO 4217 currency. Never a float.

One sign convention everywhere: money that leaves the account is negative. ISO 4217 gives each currency
its number of decimals ("exponent"); currencies not listed here have two.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from mintql.domain.errors import InvalidInput

AMOUNT_MINOR_MAX = 10**15
"""Bound on one amount, in minor units: sums of a million such amounts still fit a signed 64-bit integer
a thousand times over, and no person's transaction is near it."""

EXPONENTS: dict[str, int] = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF",
         "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    "CLF": 4,
    "UYW": 4,
}  # fmt: skip
"""Currencies whose number of decimals is not two (ISO 4217 list one, column "minor unit")."""

_DECIMAL = re.compile(r"[+-]?\d{1,18}(\.\d{1,18})?", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Money:
    """An amount of one currency: `amount_minor` in its minor units (cents for USD, yen for JPY)."""

    amount_minor: int
    currency: str

    def __str__(self) -> str:
        return f"{to_decimal_text(self.amount_minor, self.currency)} {self.currency}"


def exponent(currency: str) -> int:
    """Return how many decimals amounts of this currency have."""
    return EXPONENTS.get(currency, 2)


def check_currency(text: str, *, field: str = "currency") -> str:
    """Return the upper-case ISO 4217 code, or raise `InvalidInput` when it is not three letters."""
    code = text.strip().upper()
    if not _CURRENCY.fullmatch(code):
        raise InvalidInput(f"{_short(text)} is no currency; give three letters as in ISO 4217, e.g. USD.", field=field)
    return code


def parse_minor(text: str, currency: str, *, field: str = "amount") -> int:
    """Read a decimal text such as "-12.50" as minor units of `currency`.

    Raises:
        InvalidInput: Not a plain decimal number, more decimals than the currency has (unless they are
            zeros), or beyond `AMOUNT_MINOR_MAX`.
    """
    trimmed = text.strip()
    if not _DECIMAL.fullmatch(trimmed):
        raise InvalidInput(f"{_short(text)} is not an amount; write digits with a point, e.g. 12.50.", field=field)
    try:
        scaled = Decimal(trimmed).scaleb(exponent(currency))
    except InvalidOperation:
        raise InvalidInput(f"{_short(text)} is not an amount that can be kept.", field=field) from None
    minor = int(scaled)
    if minor != scaled:
        places = exponent(currency)
        raise InvalidInput(f"{_short(text)} has too many decimals: {currency} amounts have {places}.", field=field)
    if abs(minor) > AMOUNT_MINOR_MAX:
        limit = to_decimal_text(AMOUNT_MINOR_MAX, currency)
        raise InvalidInput(f"{_short(text)} is too large; amounts go up to {limit}.", field=field)
    return minor


def to_decimal_text(amount_minor: int, currency: str) -> str:
    """Write minor units as an exact decimal text: 1250 USD -> "12.50", 1250 JPY -> "1250"."""
    places = exponent(currency)
    sign = "-" if amount_minor < 0 else ""
    digits = str(abs(amount_minor))
    if places == 0:
        return sign + digits
    digits = digits.rjust(places + 1, "0")
    return f"{sign}{digits[:-places]}.{digits[-places:]}"


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")  # noqa: PLR2004
