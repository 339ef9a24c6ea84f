"""Reading single values of SimpleFIN's JSON, each refused in words when it cannot be what it is said to be.

The protocol (https://www.simplefin.org/protocol.html) writes amounts as texts and times as seconds since 1970.
Servers are met that write either as the other kind, so both kinds are read, and numbers keep their digits.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from mintql.domain.errors import InvalidInput, ProtocolError
from mintql.domain.money import check_currency_form, parse_minor
from mintql.domain.months import YEAR_MAX, YEAR_MIN
from mintql.domain.wording import shown

EXTERNAL_ID_LENGTH_MAX = 255
SPOKEN_LENGTH_MAX = 300
"""Of what a server says to the person; its own sentences are shorter."""

LONG = 10_000
"""Of a longer text only this beginning is looked at, before what is of no use in it is left out."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_SPACES = re.compile(r"\s+")
_SECONDS = re.compile(r"\d{1,12}(\.0+)?", re.ASCII)
_CODE = re.compile(r"[0-9]{4}", re.ASCII)
_URL = re.compile(r"[a-z][a-z0-9+.-]*:", re.ASCII | re.IGNORECASE)

Row = Mapping[str, Any]


class BadRow(Exception):  # noqa: N818
    """A row cannot be read; the message says why."""


class ForeignCurrency(BadRow):
    """The account is kept in something that is no currency: miles, points. The message names it."""


class NumberText(str):
    """A JSON number as it was written."""

    __slots__ = ()


def load_object(content: bytes) -> dict[str, Any]:
    """Return the JSON object in these bytes; numbers come as `NumberText`.

    Raises:
        ProtocolError: Not JSON, not an object, or nested beyond all measure.
    """
    try:
        page = json.loads(content, parse_float=NumberText, parse_int=NumberText, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise ProtocolError("The SimpleFIN server answered with something that is not JSON.") from None
    if not isinstance(page, dict):
        raise ProtocolError("The SimpleFIN server answered with JSON of another shape.")
    return page


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def objects(page: Row, key: str) -> list[Row]:
    """Return the objects of a list that may be missing; what is no object is left out."""
    value = page.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def identifier(row: Row, key: str) -> str:
    """Return an id of 1 to `EXTERNAL_ID_LENGTH_MAX` printable characters."""
    value = row.get(key)
    if not isinstance(value, str) or not 1 <= len(value) <= EXTERNAL_ID_LENGTH_MAX or _CONTROL.search(value):
        raise BadRow(f"`{key}` is not an id of 1 to {EXTERNAL_ID_LENGTH_MAX} characters")
    return str(value)


def optional_identifier(row: Row, key: str) -> str:
    """Return an id, or nothing where there is none."""
    return identifier(row, key) if row.get(key) not in (None, "") else ""


def text(row: Row, key: str, length_max: int) -> str:
    """Return a text for people, on one line and cut to `length_max`; nothing where there is none."""
    value = row.get(key)
    if not isinstance(value, str) or isinstance(value, NumberText):
        return ""
    return _SPACES.sub(" ", _CONTROL.sub(" ", value[:LONG])).strip()[:length_max]


def spoken(value: object) -> str:
    """Return a sentence of the server as it may be shown: nothing in it that steers a screen or a line of text.

    Servers are strangers, so the protocol has their sentences cleaned before they are displayed.
    """
    if not isinstance(value, str) or isinstance(value, NumberText):
        return ""
    visible = "".join(" " if unicodedata.category(character)[0] == "C" else character for character in value[:LONG])
    return _SPACES.sub(" ", visible).strip()[:SPOKEN_LENGTH_MAX]


def currency(row: Row) -> str:
    """Return the ISO 4217 code of an account.

    Raises:
        ForeignCurrency: It is a URL, as the protocol has it for what no country issues.
        BadRow: There is none.
        InvalidInput: It is neither.
    """
    value = row.get("currency")
    if not isinstance(value, str):
        raise BadRow("there is no currency")
    if _URL.match(value.strip()):
        raise ForeignCurrency("it is kept in miles, points or the like, and not in a currency")
    return check_currency_form(value)


def amount(row: Row, key: str, currency_code: str) -> int:
    """Return an amount as minor units; raise `BadRow` or `InvalidInput` when it is none."""
    value = row.get(key)
    if not isinstance(value, str):
        raise BadRow(f"`{key}` is not an amount")
    return parse_minor(value, currency_code, field=key)


def balance(row: Row, key: str, currency_code: str) -> int | None:
    """Return a balance as minor units; None where there is none that can be read: no sum is made of it."""
    try:
        return amount(row, key, currency_code)
    except (BadRow, InvalidInput):
        return None


def moment(row: Row, key: str) -> datetime | None:
    """Return a time in UTC; None where there is none, which is also what 0 says.

    Raises:
        BadRow: It is no number of seconds, or not a time in which anybody had an account.
    """
    value = row.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise BadRow(f"`{key}` is not a time in seconds since 1970")
    if not _SECONDS.fullmatch(value.strip()):
        raise BadRow(f"`{key}` is not a time in seconds since 1970: {shown(value)}")
    seconds = int(value.strip().partition(".")[0])
    if seconds == 0:
        return None
    try:
        found = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        found = None
    if found is None or not YEAR_MIN < found.year < YEAR_MAX:
        raise BadRow(f"`{key}` is not a time in seconds since 1970: {shown(value)}")
    return found


def optional_moment(row: Row, key: str) -> datetime | None:
    """Return a time in UTC; None when there is none that can be read: nothing depends on it."""
    try:
        return moment(row, key)
    except BadRow:
        return None


def day(found: datetime, zone: ZoneInfo) -> date:
    """Return the day of a time in the calendar of a server that reckons in `zone`."""
    return found.astimezone(zone).date()


def category_code(row: Row) -> str:
    """Return the merchant category code (ISO 18245), nothing where there is none."""
    value = row.get("mcc")
    return str(value) if isinstance(value, str) and _CODE.fullmatch(value) else ""
