"""What recurs, in the database: found once, kept under its id, expected on the days to come."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest

from mintql.domain.months import add_months, first_day
from mintql.services import recurring
from mintql.store import recurring_read
from mintql.store.recurring_read import Wanted
from support.factories import create_person, create_transaction
from support.people import category

NOW = datetime(2026, 11, 26, 10, 0, tzinfo=UTC)
TODAY = NOW.date()


@pytest.fixture
async def conn(database_url):
    opened = await asyncpg.connect(database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def person(conn):
    found = await create_person(conn)
    await conn.execute("UPDATE connections SET last_success_at = $1", NOW)
    return found


def monthly(day: int, count: int, *, until: date = TODAY) -> list[date]:
    """The last so many of these days of the month up to a day."""
    first = first_day(until) if until.day >= day else add_months(first_day(until), -1)
    return [add_months(first, -back).replace(day=day) for back in reversed(range(count))]


async def pay(conn, person, days, *amounts_minor, merchant="Netflix", slug="tv-and-streaming", **said):
    """Transactions of a seller on these days; the last amount goes on."""
    amounts = [*amounts_minor, *[amounts_minor[-1]] * len(days)]
    return [
        await create_transaction(
            conn, person.user_id, person.account_id, posted_on=day, amount_minor=amount, merchant=merchant,
            category_id=category(slug), category_source="dictionary", **said,
        )
        for day, amount in zip(days, amounts, strict=False)
    ]  # fmt: skip


async def look(conn, person, now=NOW):
    async with conn.transaction():
        return await recurring.look(conn, person.user_id, now)


async def series_of(conn, person, **wanted):
    return await recurring_read.shown(conn, person.user_id, Wanted(**wanted))


async def test_a_subscription_is_found_and_expected_on_the_days_to_come(conn, person):
    await pay(conn, person, monthly(12, 14), -1_549)
    await look(conn, person)
    (found,) = await series_of(conn, person)
    assert (found.merchant, found.series.cycle.frequency, found.series.next_on) == (
        "Netflix", "monthly", date(2026, 12, 12),
    )  # fmt: skip
    assert (found.series.mean_minor, found.series.last_minor, found.series.spread_minor) == (1_549, 1_549, 0)
    assert found.series.confidence >= 90
    expected = await recurring.expected_between(conn, person.user_id, TODAY, date(2027, 2, 28))
    assert [(item.due_on, item.amount_minor, item.category_id) for item in expected] == [
        (date(2026, 12, 12), -1_549, category("tv-and-streaming")),
        (date(2027, 1, 12), -1_549, category("tv-and-streaming")),
        (date(2027, 2, 12), -1_549, category("tv-and-streaming")),
    ]


async def test_what_was_booked_is_not_expected_again(conn, person):
    await pay(conn, person, monthly(12, 14, until=TODAY - timedelta(days=30)), -1_549)
    await look(conn, person)
    november = TODAY.replace(day=10), date(2026, 11, 30)
    assert len(await recurring.expected_between(conn, person.user_id, *november)) == 1
    await pay(conn, person, [date(2026, 11, 11)], -1_549)
    await look(conn, person)
    assert await recurring.expected_between(conn, person.user_id, *november) == []


async def test_looking_again_writes_nothing_and_keeps_the_ids(conn, person):
    await pay(conn, person, monthly(12, 14), -1_549)
    await look(conn, person)
    before = await conn.fetch("SELECT * FROM recurring_series")
    assert not (await look(conn, person, NOW + timedelta(hours=1))).changed
    assert await conn.fetch("SELECT * FROM recurring_series") == before
    (first,) = before
    await pay(conn, person, [date(2026, 12, 12)], -1_549)
    assert (await look(conn, person, NOW + timedelta(days=17))).changed == {person.user_id}
    (after,) = await conn.fetch("SELECT * FROM recurring_series")
    assert (after["recurring_id"], after["occurrences"]) == (first["recurring_id"], 15)


async def test_a_series_that_stopped_has_ended_and_lets_expect_nothing(conn, person):
    await pay(conn, person, monthly(12, 8, until=date(2026, 6, 30)), -1_549)
    await look(conn, person)
    (found,) = await series_of(conn, person)
    assert found.series.ended
    assert await recurring.expected_between(conn, person.user_id, TODAY, date(2027, 2, 28)) == []


async def test_an_account_that_was_not_fetched_for_long_ends_no_series(conn, person):
    await pay(conn, person, monthly(12, 8, until=date(2026, 8, 30)), -1_549)
    await conn.execute("UPDATE connections SET last_success_at = $1", datetime(2026, 9, 1, tzinfo=UTC))
    await look(conn, person)
    (found,) = await series_of(conn, person)
    assert not found.series.ended


async def test_rows_that_are_gone_take_their_series_along(conn, person):
    await pay(conn, person, monthly(12, 14), -1_549)
    await look(conn, person)
    await conn.execute("UPDATE transactions SET removed_at = now()")
    await look(conn, person)
    assert await conn.fetchval("SELECT count(*) FROM recurring_series") == 0


async def test_transfers_between_own_accounts_are_no_bills(conn, person):
    await pay(conn, person, monthly(22, 14), -50_000, merchant="Autopay", slug="credit-card-payment")
    await look(conn, person)
    assert await series_of(conn, person) == []
