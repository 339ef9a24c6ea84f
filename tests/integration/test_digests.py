"""Summaries of weeks and months: right to the cent, raised once for each person and period, by each one's clock."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest

from mintql.data import load_categories
from mintql.domain.digests import Compared, DigestPeriod
from mintql.domain.ids import UserId
from mintql.runtime import Runtime
from mintql.services import digest_rounds
from mintql.services.digests import digest
from mintql.store import users
from support.factories import create_account, create_transaction, create_user

GROCERIES, RESTAURANTS, PAYCHECK, TRANSFER = (
    load_categories().by_slug[slug].category_id for slug in ("groceries", "restaurants", "paycheck", "account-transfer")
)
MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


class Buyer:
    """A person with an account, who buys."""

    def __init__(self, conn, user_id: UserId, account_id: int) -> None:
        self.conn, self.user_id, self.account_id = conn, user_id, account_id

    async def has(self, day: str, amount_minor: int, category_id: int, merchant: str = "Shop", **columns) -> int:
        return await create_transaction(
            self.conn, self.user_id, self.account_id, posted_on=date.fromisoformat(day), amount_minor=amount_minor,
            category_id=category_id, merchant=merchant, **columns,
        )  # fmt: skip


async def buyer(conn, **columns) -> Buyer:
    user_id = await create_user(conn, **columns)
    return Buyer(conn, user_id, await create_account(conn, user_id))


async def read(conn, user_id: UserId, period: DigestPeriod, on: str):
    return await digest(conn, await users.get(conn, user_id), period, date.fromisoformat(on), MONDAY)


async def test_a_month_nets_refunds_leaves_transfers_out_and_stands_beside_the_months_before(runtime: Runtime):
    async with runtime.system() as conn:
        ada = await buyer(conn)
        await ada.has("2026-08-20", -30_001, GROCERIES)
        await ada.has("2026-09-30", -20_000, GROCERIES)
        await ada.has("2026-10-01", -10_000, RESTAURANTS)
        await ada.has("2026-10-31", 300_000, PAYCHECK)
        await ada.has("2026-11-01", -8_099, GROCERIES, "Corner Shop")
        await ada.has("2026-11-02", 1_099, GROCERIES, "Corner Shop")
        await ada.has("2026-11-30", -5_001, RESTAURANTS, "Chez Panisse")
        await ada.has("2026-11-30", -777, RESTAURANTS, "Chez Panisse", pending=True)
        await ada.has("2026-11-15", -100_000, TRANSFER)
        await ada.has("2026-11-28", 310_000, PAYCHECK)
        await ada.has("2026-12-01", -99_999, GROCERIES)
        found = await read(conn, ada.user_id, DigestPeriod.MONTH, "2026-11-17")
    (usd,) = found.currencies
    assert usd.spent == Compared(12_001, 10_000, 15_000)
    assert usd.received == Compared(310_000, 300_000, 150_000)
    assert (usd.net_minor, usd.pending_minor) == (297_999, 777)
    assert [(one.category.slug, one.spent.amount_minor, one.spent.previous_minor) for one in usd.categories] == [
        ("groceries", 7_000, 0),
        ("restaurants", 5_001, 10_000),
    ]
    assert [(one.name, one.spent_minor) for one in usd.merchants] == [("Corner Shop", 7_000), ("Chez Panisse", 5_001)]
    assert [(one.merchant, one.amount_minor) for one in usd.purchases] == [
        ("Corner Shop", 8_099),
        ("Chez Panisse", 5_001),
        ("Chez Panisse", 777),
    ]
    assert (found.next.first, found.next.last) == (date(2026, 12, 1), date(2026, 12, 31))


async def test_currencies_are_told_apart_the_persons_own_first(runtime: Runtime):
    async with runtime.system() as conn:
        ada = await buyer(conn, currency="USD")
        await ada.has("2026-11-16", -500, GROCERIES, currency="EUR")
        await ada.has("2026-11-22", -900, GROCERIES, currency="JPY")
        await ada.has("2026-11-22", -100, GROCERIES)
        await ada.has("2026-11-23", -1, GROCERIES)
        found = await read(conn, ada.user_id, DigestPeriod.WEEK, "2026-11-18")
    assert [(one.currency, one.spent) for one in found.currencies] == [
        ("USD", Compared(100, 0, None)),
        ("EUR", Compared(500, 0, None)),
        ("JPY", Compared(900, 0, None)),
    ]


async def raised(runtime: Runtime) -> list[tuple[int, str, date]]:
    async with runtime.system() as conn:
        rows = await conn.fetch("SELECT user_id, kind, period_first FROM notifications ORDER BY 1, 2, 3")
    return [tuple(row) for row in rows]


async def look(runtime: Runtime, now: datetime) -> None:
    await digest_rounds.open_rounds(runtime.system, runtime.perform, lambda: now)
    await digest_rounds.summarize_due(runtime.system, runtime.perform, lambda: now)


async def test_each_person_gets_a_week_once_when_it_is_monday_morning_there(runtime: Runtime):
    async with runtime.system() as conn:
        people = {}
        for zone in ("Pacific/Auckland", "UTC", "America/Los_Angeles"):
            people[zone] = await buyer(conn, time_zone=zone, last_active_on=date(2026, 11, 20))
            await people[zone].has("2026-11-18", -1_234, GROCERIES)
    week = date(2026, 11, 16)
    await look(runtime, datetime(2026, 11, 22, 18, 59, tzinfo=UTC))
    assert await raised(runtime) == []
    await look(runtime, datetime(2026, 11, 22, 19, 0, tzinfo=UTC))
    assert await raised(runtime) == [(people["Pacific/Auckland"].user_id, "weekly_summary", week)]
    for hour in (8, 9, 16, 17):
        await look(runtime, datetime(2026, 11, 23, hour, tzinfo=UTC))
    assert await raised(runtime) == [(one.user_id, "weekly_summary", week) for one in people.values()]
    async with runtime.system() as conn:
        told = await conn.fetchrow("SELECT * FROM notifications WHERE user_id = $1", people["UTC"].user_id)
    assert told["title"] == "16 to 22 November 2026: you spent $12.34"
    assert (told["amount_minor"], told["currency"], told["subject"]) == (1_234, "USD", "week 2026-11-16")


async def test_who_was_not_here_for_long_or_has_nothing_to_be_told_gets_none(runtime: Runtime):
    async with runtime.system() as conn:
        away = await buyer(conn, last_active_on=date(2026, 10, 23))
        await away.has("2026-11-18", -100, GROCERIES)
        await buyer(conn, last_active_on=date(2026, 11, 22))
        just = await buyer(conn, last_active_on=date(2026, 10, 24))
        await just.has("2026-11-18", -100, GROCERIES)
    await look(runtime, MONDAY)
    assert [user_id for user_id, _, _ in await raised(runtime)] == [just.user_id]
    async with runtime.system() as conn:
        assert await conn.fetchval("SELECT count(*) FROM summaries_due") == 0


async def test_a_round_that_died_goes_on_where_it_was_and_workers_side_by_side_raise_each_once(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(digest_rounds, "PERSONS_PER_PAGE", 3)
    monkeypatch.setattr(digest_rounds, "SUMMARIES_PER_TAKE", 2)
    async with runtime.system() as conn:
        ids = []
        for _ in range(8):
            one = await buyer(conn, last_active_on=date(2026, 11, 22))
            await one.has("2026-11-18", -100, GROCERIES)
            ids.append(one.user_id)
    pages = 0

    async def dies_after_two_pages(_effects) -> None:
        nonlocal pages
        pages += 1
        if pages == 2:
            raise ConnectionError("killed")

    with pytest.raises(ConnectionError):
        await digest_rounds.open_rounds(runtime.system, dies_after_two_pages, lambda: MONDAY)
    async with runtime.system() as conn:
        assert await conn.fetchval("SELECT count(*) FROM summaries_due") == 6
    await asyncio.gather(*[look(runtime, MONDAY + timedelta(seconds=number)) for number in range(3)])
    await look(runtime, MONDAY + digest_rounds.LEASE)
    assert [user_id for user_id, _, _ in await raised(runtime)] == ids
    async with runtime.system() as conn:
        assert await conn.fetchval("SELECT count(*) FROM summaries_due") == 0
        assert await conn.fetchval("SELECT count(*) FROM events WHERE kind = 'notification'") == 8
