"""Money as signed whole minor units of an ISO 4217 currency. Never a float.

One sign convention everywhere: money that leaves the account is negative. ISO 4217 gives each currency
its number of decimals ("exponent"); currencies not listed here have two.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from mintql.domain.errors import InvalidInput
from mintql.domain.wording import shown

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

CURRENCIES: frozenset[str] = frozenset(
    """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP
    CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG
    HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL
    MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR
    RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD
    TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
    """.split()  # noqa: SIM905 - as a list it would be a line for each
)
"""Currencies of countries and unions in use (ISO 4217 list one, January 2026: without the lev, which became the
euro). Not in it: codes of funds (CHE, CLF, USN and others), metals, units of account, tests, and no currency at all."""

_DECIMAL = re.compile(r"[+-]?\d{1,18}(\.\d{1,18})?", re.ASCII)
_CENTS = re.compile(r"-?\d{1,12}\.\d\d", re.ASCII)
_ALL_CENTS = re.compile(rf"(?:{_CENTS.pattern}\n)+", re.ASCII)
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


def check_currency(text: str, *, field: str | None = "currency") -> str:
    """Return the upper-case code of a currency that a person may name; raise `InvalidInput` for any other."""
    code = text.strip().upper()
    if code not in CURRENCIES:
        raise InvalidInput(
            f"{shown(text)} is no currency in use; give the three letters of one as in ISO 4217, e.g. USD.",
            field=field,
        )
    return code


def check_currency_form(text: str, *, field: str = "currency") -> str:
    """Return the upper-case code of what an institution says, or raise `InvalidInput` when it is not three letters.

    Institutions may hold what is no currency of a country, or one that is newer than our list.
    """
    code = text.strip().upper()
    if not _CURRENCY.fullmatch(code):
        raise InvalidInput(f"{shown(text)} is no currency: it has to be three letters, e.g. USD.", field=field)
    return code


def parse_minor(text: str, currency: str, *, field: str = "amount") -> int:
    """Read a decimal text such as "-12.50" as minor units of `currency`.

    Raises:
        InvalidInput: Not a plain decimal number, more decimals than the currency has (unless they are
            zeros), or beyond `AMOUNT_MINOR_MAX`.
    """
    trimmed = text.strip()
    # As most amounts are; decimals take several times as long.
    if _CENTS.fullmatch(trimmed) and currency not in EXPONENTS:
        return int(trimmed[:-3] + trimmed[-2:])
    if not _DECIMAL.fullmatch(trimmed):
        raise InvalidInput(f"{shown(text)} is not an amount; write digits with a point, e.g. 12.50.", field=field)
    try:
        scaled = Decimal(trimmed).scaleb(exponent(currency))
    except InvalidOperation:
        raise InvalidInput(f"{shown(text)} is not an amount that can be kept.", field=field) from None
    minor = int(scaled)
    if minor != scaled:
        places = exponent(currency)
        raise InvalidInput(f"{shown(text)} has too many decimals: {currency} amounts have {places}.", field=field)
    if abs(minor) > AMOUNT_MINOR_MAX:
        limit = to_decimal_text(AMOUNT_MINOR_MAX, currency)
        raise InvalidInput(f"{shown(text)} is too large; amounts go up to {limit}.", field=field)
    return minor


def parse_minors(texts: Sequence[str], currencies: Sequence[str]) -> list[int]:
    """Read many decimal texts, each in its currency, as `parse_minor` does one; raise for the first that it would."""
    joined = "\n".join(texts) + "\n"
    # One look at all of them, where all are as most are.
    if EXPONENTS.keys().isdisjoint(currencies) and joined.count("\n") == len(texts) and _ALL_CENTS.fullmatch(joined):
        return [int(digits) for digits in joined.replace(".", "").split()]
    return [parse_minor(text, currency) for text, currency in zip(texts, currencies, strict=True)]


def to_decimal_text(amount_minor: int, currency: str) -> str:
    """Write minor units as an exact decimal text: 1250 USD -> "12.50", 1250 JPY -> "1250"."""
    places = exponent(currency)
    sign = "-" if amount_minor < 0 else ""
    digits = str(abs(amount_minor))
    if places == 0:
        return sign + digits
    digits = digits.rjust(places + 1, "0")
    return f"{sign}{digits[:-places]}.{digits[-places:]}"


def mean_minor(total_minor: int, count: int) -> int:
    """Return the mean of `count` (not 0) amounts whose sum is given, rounded to minor units, half to even."""
    return round(Fraction(total_minor, count))


def percent_text(part: int, whole: int) -> str | None:
    """Return how many percent of a positive whole a part is, with one decimal, half to even; None of anything else."""
    if whole <= 0:
        return None
    tenths = round(Fraction(part * 1_000, whole))
    return f"{'-' if tenths < 0 else ''}{abs(tenths) // 10}.{abs(tenths) % 10}"
