"""Reading single values of Plaid's JSON, each refused in words when it cannot be what it is said to be."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

from mintql.domain.errors import InvalidInput, ProtocolError
from mintql.domain.money import check_currency_form, exponent, parse_minor
from mintql.domain.months import YEAR_MAX, YEAR_MIN
from mintql.domain.wording import shown

EXTERNAL_ID_LENGTH_MAX = 255
AMOUNT_MAGNITUDE_MAX = 15
"""Amounts have at most this many digits before the point; longer ones are refused before anything is reckoned."""
DOUBLE_DIGITS = 15
"""Plaid computes in binary floating point, whose decimal digits beyond these are noise: 28.340000000000003."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]+")
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,99}", re.ASCII)
_DOUBLE = Context(prec=DOUBLE_DIGITS, rounding=ROUND_HALF_EVEN)
_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)

Row = Mapping[str, Any]


class BadRow(Exception):  # noqa: N818
    """A row cannot be read; the message says why."""


def load_object(content: bytes) -> dict[str, Any]:
    """Return the JSON object of a page. Numbers come as `Decimal`, with the digits that were written.

    Raises:
        ProtocolError: Not JSON, not an object, or nested deeper than any answer of Plaid.
    """
    try:
        page = json.loads(content, parse_float=Decimal, parse_int=Decimal, parse_constant=_refuse_constant)
    except (ValueError, ArithmeticError, RecursionError):
        raise ProtocolError("Plaid answered with something that is not JSON.") from None
    if not isinstance(page, dict):
        raise ProtocolError("Plaid answered with JSON of another shape.")
    return page


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def identifier(row: Row, key: str) -> str:
    """Return an id of 1 to `EXTERNAL_ID_LENGTH_MAX` printable characters; ids are case-sensitive."""
    value = row.get(key)
    if not isinstance(value, str) or not 1 <= len(value) <= EXTERNAL_ID_LENGTH_MAX or _CONTROL.search(value):
        raise BadRow(f"`{key}` is not an id of 1 to {EXTERNAL_ID_LENGTH_MAX} characters")
    return value


def optional_identifier(row: Row, key: str) -> str:
    """Return an id, or nothing where there is none."""
    return identifier(row, key) if row.get(key) else ""


def text(row: Row, key: str, length_max: int) -> str:
    """Return a text for people, without control characters, cut to `length_max`; nothing where there is none."""
    value = row.get(key)
    return _CONTROL.sub(" ", value).strip()[:length_max] if isinstance(value, str) else ""


def code(row: Row, key: str) -> str:
    """Return a code such as FOOD_AND_DRINK_COFFEE; nothing where there is none that looks like one."""
    value = row.get(key)
    return value if isinstance(value, str) and _CODE.fullmatch(value) else ""


def currency(row: Row) -> str:
    """Return the ISO 4217 code of an amount or a balance.

    Raises:
        BadRow: There is none. Plaid gives `unofficial_currency_code` instead for what no country issues.
    """
    official, unofficial = row.get("iso_currency_code"), row.get("unofficial_currency_code")
    if isinstance(official, str):
        return check_currency_form(official, field="iso_currency_code")
    if isinstance(unofficial, str) and unofficial:
        raise BadRow(f"{shown(unofficial)} is no currency of ISO 4217, so its amounts cannot be kept")
    raise BadRow("there is no currency")


def amount(row: Row, key: str, currency_code: str) -> int:
    """Return a number as minor units, exactly, once the noise of floating point is off.

    Raises:
        BadRow: Not a number, or far too large.
        InvalidInput: It has more decimals than the currency.
    """
    value = _number(row, key)
    if value is None:
        raise BadRow(f"`{key}` is not a number: {shown(row.get(key))}")
    return parse_minor(format(_DOUBLE.plus(value).normalize(_EXACT), "f"), currency_code, field=key)


def balance(row: Row, key: str, currency_code: str) -> int | None:
    """Return a balance as minor units, rounded; None where there is none that can be read.

    Balances of investments are valuations with any number of decimals, and nothing is summed from them.
    """
    try:
        value = _number(row, key)
        if value is None:
            return None
        rounded = _EXACT.quantize(value, Decimal(1).scaleb(-exponent(currency_code)))
        return parse_minor(format(rounded, "f"), currency_code, field=key)
    except (BadRow, InvalidInput):
        return None


def _number(row: Row, key: str) -> Decimal | None:
    value = row.get(key)
    if not isinstance(value, Decimal):
        return None
    if not value:
        return Decimal(0)
    if value.adjusted() >= AMOUNT_MAGNITUDE_MAX:
        raise BadRow(f"`{key}` has more than {AMOUNT_MAGNITUDE_MAX} digits before the point")
    # What is smaller than any minor unit by far would only be written out as a long row of zeros.
    return value if value.adjusted() > -AMOUNT_MAGNITUDE_MAX else Decimal(0)


def day(row: Row, key: str) -> date:
    """Return a calendar date written YYYY-MM-DD."""
    value = row.get(key)
    try:
        found = date.fromisoformat(value) if isinstance(value, str) and _DAY.fullmatch(value) else None
    except ValueError:
        found = None
    if found is None or not YEAR_MIN <= found.year <= YEAR_MAX:
        raise BadRow(f"`{key}` is not a date: {shown(value)}")
    return found


def moment(row: Row, key: str) -> datetime | None:
    """Return a time as UTC; None when there is none that can be read: nothing depends on it.

    Exactly midnight is what institutions fill in that know the day alone, so it tells no time.
    """
    value = row.get(key)
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
        if found is None or found.time() == time():
            return None
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
