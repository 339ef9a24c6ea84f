"""Published rates come from a source or a file of the European Central Bank's shape, once; own ones go before them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import date
from decimal import Decimal

import asyncpg
import pytest

from mintql.domain.errors import InstitutionDown, InvalidInput, NotFound
from mintql.domain.rates import Rate
from mintql.gateways.rates import DEPTH_MAX, read_rates
from mintql.services import rates as service
from support.factories import create_user
from support.http_server import reply, serve
from support.people import acting_as

FRIDAY, MONDAY = date(2026, 11, 20), date(2026, 11, 23)
ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?><gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01" '
    'xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref"><gesmes:subject>Reference rates</gesmes:subject>'
    "<Cube>{days}</Cube></gesmes:Envelope>"
)


def feed(**days):
    """Return a file; days are given as d2026_11_20={"USD": "1.25"}."""
    cubes = ""
    for day, kept in days.items():
        inner = "".join(f"<Cube currency='{code}' rate='{rate}'/>" for code, rate in kept.items())
        cubes += f"<Cube time='{day[1:].replace('_', '-')}'>{inner}</Cube>"
    return ENVELOPE.format(days=cubes).encode()


TWO_DAYS = feed(d2026_11_23={"USD": "1.25", "JPY": "163.17"}, d2026_11_20={"USD": "1.2", "TRY": "N/A"})


async def kept(conn):
    rows = await conn.fetch("SELECT currency, on_date, per_euro, source FROM exchange_rates ORDER BY 1, 2")
    return [tuple(row) for row in rows]


def test_the_daily_file_and_the_history_are_read_exactly():
    assert read_rates(TWO_DAYS) == [
        Rate("USD", MONDAY, Decimal("1.25")),
        Rate("JPY", MONDAY, Decimal("163.17")),
        Rate("USD", FRIDAY, Decimal("1.2")),
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is no XML"),
        (TWO_DAYS[:-30], "breaks off"),
        (b"<html><body>Moved</body></html>", "holds no exchange rates"),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "declares a document type"),
        (b"<Cube>" * (DEPTH_MAX + 1), f"nested more than {DEPTH_MAX} deep"),
        (feed(d2026_11_20={"USD": "1,25"}), "Line 1 of the file of rates holds a rate of USD that is none: '1,25'"),
        (feed(d2026_11_20={"USD": "0"}), "out of range"),
        (feed(d2026_11_20={"USD": "NaN"}), "out of range"),
        (feed(d2026_11_31={"USD": "1.25"}), "a day that is none"),
        (feed(d2026_11_20={"usd": "1.25"}), "a currency that is none"),
        (b"<Cube><Cube currency='USD' rate='1'/></Cube>", "belongs to no day"),
    ],
)
def test_what_is_no_such_file_is_refused_in_words(content, words):
    with pytest.raises(InvalidInput) as refused:
        read_rates(content)
    assert words in refused.value.message.replace('"', "'")


async def test_rates_are_written_once_and_corrected_ones_take_their_place(conn):
    found = read_rates(TWO_DAYS)
    assert await service.save_rates(conn, found, "file") == 3
    assert await service.save_rates(conn, found, "feed") == 0
    assert await service.save_rates(conn, [Rate("USD", FRIDAY, Decimal("1.3"))], "feed") == 1
    assert await kept(conn) == [
        ("JPY", MONDAY, Decimal("163.17"), "file"),
        ("USD", FRIDAY, Decimal("1.3"), "feed"),
        ("USD", MONDAY, Decimal("1.25"), "file"),
    ]


async def test_the_source_is_asked_within_bounds_and_nothing_is_kept_of_an_answer_that_is_no_file(conn, settings):
    @asynccontextmanager
    async def opened():
        async with conn.transaction():
            yield conn

    replies = [reply("200 OK", TWO_DAYS), reply("404 Not Found"), reply("200 OK", b"<html></html>")]
    async with serve(*replies) as server:
        named = settings.model_copy(update={"exchange_rates_url": f"{server.url}/eurofxref-hist-90d.xml"})
        assert await service.fetch_published(named, opened) == 3
        with pytest.raises(InstitutionDown, match="answered with status 404"):
            await service.fetch_published(named, opened)
        with pytest.raises(InvalidInput, match="no exchange rates"):
            await service.fetch_published(named, opened)
    assert len(await kept(conn)) == 3
    assert await service.fetch_published(settings, opened) is None


async def test_a_persons_own_rate_is_theirs_alone_and_goes_before_the_published_one(conn):
    ada, eve = await create_user(conn), await create_user(conn)
    await service.save_rates(conn, read_rates(TWO_DAYS), "file")
    async with acting_as(conn, ada):
        effects = await service.set_manual_rate(conn, ada, "USD", "EUR", FRIDAY, "0.5")
        await service.set_manual_rate(conn, ada, "USD", "EUR", FRIDAY, "0.75")
        own = (await service.rate_book(conn, ada, ["USD", "EUR"], MONDAY, MONDAY)).find("USD", "EUR", MONDAY)
    async with acting_as(conn, eve):
        hers = (await service.rate_book(conn, eve, ["USD", "EUR"], MONDAY, MONDAY)).find("USD", "EUR", MONDAY)
        with pytest.raises(NotFound, match="You gave no rate of USD in EUR for 2026-11-20"):
            await service.remove_manual_rate(conn, eve, "USD", "EUR", FRIDAY)
    assert (own.factor, own.on, own.manual, effects.changed) == (Decimal("0.75"), FRIDAY, True, {ada})
    assert (hers.factor, hers.on, hers.manual) == (Decimal("0.8"), MONDAY, False)
    async with acting_as(conn, ada):
        await service.remove_manual_rate(conn, ada, "USD", "EUR", FRIDAY)
    assert await conn.fetchval("SELECT count(*) FROM manual_rates") == 0


async def test_no_more_than_so_many_rates_of_ones_own_are_kept_and_those_there_are_can_still_be_changed(
    conn, monkeypatch
):
    monkeypatch.setattr(service, "MANUAL_RATES_MAX", 2)
    ada = await create_user(conn)
    async with acting_as(conn, ada):
        for quote in ("EUR", "GBP", "EUR"):
            await service.set_manual_rate(conn, ada, "USD", quote, FRIDAY, "0.5")
        with pytest.raises(InvalidInput, match="2 rates of one's own are the most"):
            await service.set_manual_rate(conn, ada, "USD", "CHF", FRIDAY, "0.5")


async def test_the_api_cannot_write_published_rates(conn):
    async with acting_as(conn, await create_user(conn)):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with conn.transaction():
                await service.save_rates(conn, [Rate("USD", FRIDAY, Decimal(1))], "file")
