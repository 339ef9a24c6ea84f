"""Published exchange rates in the European Central Bank's XML: fetched within the guarded client's rules, and read.

The daily file and the ones of 90 days and of all days since 1999 have one shape: an outer `Cube` holds a `Cube` with
`time` for each day, which holds a `Cube` with `currency` and `rate` for each currency, in units per euro (ECB, "Euro
foreign exchange reference rates"). Document types and entities are refused: entities are how a small file becomes huge.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal, InvalidOperation
from xml.parsers import expat

import httpx

from mintql.domain.errors import InstitutionDown, InvalidInput
from mintql.domain.months import YEAR_MAX, YEAR_MIN
from mintql.domain.rates import EURO, RATE_MAX, Rate
from mintql.domain.wording import shown
from mintql.gateways.http import open_http
from mintql.gateways.http_addresses import origin_of
from mintql.settings import Settings

FEED_LIMIT_BYTES = 32 * 1024 * 1024
"""All days since 1999 are some seven million bytes."""
RATES_MAX = 1_000_000
"""All days since 1999 are some two hundred thousand."""
DEPTH_MAX = 16
FEED_DEADLINE_SECONDS = 60.0
FEED_NAME = "The source of exchange rates"
OK = 200


async def fetch_rates(settings: Settings, url: str) -> list[Rate]:
    """Return the rates that the operator's source publishes. It alone may be plain http or a private address.

    Raises:
        InstitutionDown: It does not answer, or not with the file.
        ProtocolError: It answers more than `FEED_LIMIT_BYTES`.
        InvalidInput: What it answers is no such file.
    """
    allowed = frozenset({origin_of(httpx.URL(url))})
    async with open_http(settings, allowed=allowed) as http:
        answer = await http.request(
            "GET", url, deadline_seconds=FEED_DEADLINE_SECONDS, body_limit_bytes=FEED_LIMIT_BYTES, called=FEED_NAME
        )
    if answer.status != OK:
        raise InstitutionDown(f"{FEED_NAME} answered with status {answer.status}.")
    return read_rates(answer.content)


def read_rates(content: bytes) -> list[Rate]:
    """Return the rates of a file of the European Central Bank's shape.

    Raises:
        InvalidInput: It is not such a file, or one of its days, currencies or rates cannot be read; nothing of it is
            used then.
    """
    if len(content) > FEED_LIMIT_BYTES:
        raise InvalidInput(f"The file of rates has more than {FEED_LIMIT_BYTES:,} bytes.", field="file")
    parser = expat.ParserCreate()
    reader = _Reader(parser)
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise InvalidInput(
            f"The file of rates is no XML, or breaks off, in line {error.lineno} ({reason}).", field="file"
        ) from None
    if not reader.rates:
        raise InvalidInput("The file holds no exchange rates in the European Central Bank's format.", field="file")
    return reader.rates


class _Reader:
    """The parser's callbacks."""

    def __init__(self, parser: expat.XMLParserType) -> None:
        self.parser = parser
        self.rates: list[Rate] = []
        self.depth = 0
        self.day: tuple[int, date] | None = None
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.StartDoctypeDeclHandler = _refuse("a document type")
        parser.EntityDeclHandler = _refuse("entities")
        parser.ExternalEntityRefHandler = _refuse("external entities")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise InvalidInput(f"The file of rates is nested more than {DEPTH_MAX} deep.", field="file")
        if tag.rpartition(":")[2] != "Cube":
            return
        if "time" in attributes:
            self.day = (self.depth, self._day(attributes["time"]))
        elif "currency" in attributes:
            if self.day is None:
                raise self._wrong("a rate that belongs to no day", attributes["currency"])
            self._keep(self.day[1], attributes["currency"], attributes.get("rate", ""))

    def end(self, _tag: str) -> None:
        if self.day is not None and self.day[0] == self.depth:
            self.day = None
        self.depth -= 1

    def _day(self, text: str) -> date:
        try:
            day = date.fromisoformat(text)
        except ValueError:
            raise self._wrong("a day that is none", text) from None
        if not YEAR_MIN <= day.year <= YEAR_MAX:
            raise self._wrong("a day out of range", text)
        return day

    def _keep(self, on: date, currency: str, text: str) -> None:
        if len(self.rates) >= RATES_MAX:
            raise InvalidInput(f"The file holds more than {RATES_MAX:,} rates.", field="file")
        if not (len(currency) == 3 and currency.isascii() and currency.isalpha() and currency.isupper()):  # noqa: PLR2004
            raise self._wrong("a currency that is none", currency)
        if text == "N/A" or currency == EURO:
            return
        try:
            rate = Decimal(text)
        except InvalidOperation:
            raise self._wrong(f"a rate of {currency} that is none", text) from None
        if not rate.is_finite() or not 0 < rate <= RATE_MAX:
            raise self._wrong(f"a rate of {currency} out of range", text)
        self.rates.append(Rate(currency, on, rate))

    def _wrong(self, what: str, text: str) -> InvalidInput:
        line = self.parser.CurrentLineNumber
        return InvalidInput(f"Line {line} of the file of rates holds {what}: {shown(text)}.", field="file")


def _refuse(what: str) -> Callable[..., int]:
    def refuse(*_: object) -> int:
        raise InvalidInput(f"The file of rates declares {what}, which could do harm.", field="file")

    return refuse
