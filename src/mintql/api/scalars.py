"""Scalars: values that GraphQL has no type for, read strictly and written one way.

A value that cannot be read raises `InvalidInput` in words; GraphQL reports it with BAD_USER_INPUT. Which argument
it was meant for no scalar knows: `api/blame.py` finds that out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

from mintql.domain.errors import InvalidInput
from mintql.domain.money import check_currency
from mintql.domain.months import YEAR_MAX, YEAR_MIN, month_text, parse_month
from mintql.domain.wording import shown

BigInt = NewType("BigInt", int)
DecimalText = NewType("DecimalText", str)
Month = NewType("Month", date)
Cursor = NewType("Cursor", str)
CurrencyCode = NewType("CurrencyCode", str)

BIG_INT_MAX = 2**63 - 1
CURSOR_LENGTH_MAX = 200

_INTEGER = re.compile(r"-?\d{1,19}", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?\d{1,18}(\.\d{1,18})?", re.ASCII)


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{shown(value)} is not {what}: it has to be a text.")
    return value


def parse_big_int(value: object) -> int:
    """Read a whole number, given as a number or as a text of digits."""
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > BIG_INT_MAX:
        raise InvalidInput(f"{shown(value)} is not a whole number of at most 64 bits.")
    return value


def parse_decimal_text(value: object) -> str:
    """Read a decimal number given as a text; a JSON number would already have been rounded by somebody."""
    text = _text(value, "an amount").strip()
    if not _DECIMAL.fullmatch(text):
        raise InvalidInput(f'{shown(text)} is not an amount; write it as a text of digits, e.g. "12.50".')
    return text


def parse_date(value: object) -> date:
    """Read a date such as 2026-11-02."""
    text = _text(value, "a date")
    try:
        found = date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        found = None
    if found is None or not YEAR_MIN <= found.year <= YEAR_MAX:
        raise InvalidInput(f"{shown(text)} is not a date; write it as year-month-day, e.g. 2026-11-02.")
    return found


def parse_date_time(value: object) -> datetime:
    """Read a moment with its offset from UTC."""
    text = _text(value, "a time")
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise InvalidInput(f"{shown(text)} is not a time with its offset, e.g. 2026-11-02T08:00:00Z.")
    return found


def parse_cursor(value: object) -> str:
    """Read a cursor as it was given out; what it means is checked where it is used."""
    text = _text(value, "a cursor")
    if len(text) > CURSOR_LENGTH_MAX:
        raise InvalidInput(f"{shown(text)} is not a cursor of this API.")
    return text


def _write_date_time(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _scalar(name: str, description: str, **functions: Any) -> ScalarDefinition:
    definition: ScalarDefinition = strawberry.scalar(name=name, description=description, **functions)
    return definition


SCALARS: Mapping[object, ScalarDefinition] = {
    BigInt: _scalar(
        "BigInt",
        "A signed whole number of up to 64 bits, as a JSON number. Clients whose numbers are floating point "
        "are exact up to 2^53; it may be sent as a text of digits too.",
        serialize=int,
        parse_value=parse_big_int,
    ),
    DecimalText: _scalar(
        "Decimal",
        'An exact decimal number as a text of digits with a point, e.g. "12.50". Never a JSON number.',
        serialize=str,
        parse_value=parse_decimal_text,
    ),
    date: _scalar(
        "Date",
        "A calendar date as year-month-day, e.g. 2026-11-02.",
        serialize=date.isoformat,
        parse_value=parse_date,
    ),
    datetime: _scalar(
        "DateTime",
        "A moment in UTC (ISO 8601), e.g. 2026-11-02T08:00:00.000Z. Other offsets are understood.",
        serialize=_write_date_time,
        parse_value=parse_date_time,
    ),
    Month: _scalar(
        "Month",
        "A calendar month as year-month, e.g. 2026-11.",
        serialize=month_text,
        parse_value=lambda value: parse_month(_text(value, "a month"), field=None),
    ),
    Cursor: _scalar(
        "Cursor",
        "A place in a list or in the stream of events. Opaque: keep it, send it back, read nothing into it.",
        serialize=str,
        parse_value=parse_cursor,
    ),
    CurrencyCode: _scalar(
        "CurrencyCode",
        "A currency as its three letters of ISO 4217, e.g. USD. What is sent has to be in use in some country; what "
        "comes is what the institution says.",
        serialize=str,
        parse_value=lambda value: check_currency(_text(value, "a currency code"), field=None),
    ),
}
"""Every scalar of ours, by the Python type it stands for."""
