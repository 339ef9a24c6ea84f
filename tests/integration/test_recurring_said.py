"""A person's word on what recurs is kept, whatever the machine finds afterwards."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from mintql.domain.errors import InvalidInput, NotFound
from mintql.domain.money import Money
from mintql.domain.months import add_months
from mintql.domain.recurring_cycles import Frequency
from mintql.services import recurring, recurring_detection, recurring_said
from mintql.services.recurring_said import NOTHING_SAID, SeriesWish
from mintql.store import recurring_read
from mintql.store.recurring_read import Wanted
from support.factories import create_person, create_transaction
from support.people import category

NOW = datetime(2026, 11, 26, 10, 0, tzinfo=UTC)
DAYS = [add_months(date(2026, 11, 1), -back).replace(day=12) for back in reversed(range(10))]


@pytest.fixture
async def person(conn):
    found = await create_person(conn)
    await conn.execute("UPDATE connections SET last_success_at = $1", NOW)
    return found


async def pay(conn, person, days, amount_minor, merchant="Netflix", slug="tv-and-streaming"):
    return [
        await create_transaction(
            conn, person.user_id, person.account_id, posted_on=day, amount_minor=amount_minor, merchant=merchant,
            category_id=category(slug), category_source="dictionary",
        )
        for day in days
    ]  # fmt: skip


async def look(conn, person):
    async with conn.transaction():
        await recurring_detection.look(conn, person.user_id, NOW)
    return await recurring_read.shown(conn, person.user_id, Wanted())


async def expected(conn, person):
    items = await recurring.expected_between(conn, person.user_id, NOW.date(), date(2026, 12, 31))
    return [(item.due_on, item.amount_minor) for item in items]


async def test_a_dismissed_series_lets_expect_nothing_and_is_not_suggested_again(conn, person):
    await pay(conn, person, DAYS[:-1], -1_549)
    (found,) = await look(conn, person)
    async with conn.transaction():
        await recurring_said.dismiss(conn, person.user_id, found.recurring_id, NOW)
    await pay(conn, person, DAYS[-1:], -1_549)
    (after,) = await look(conn, person)
    assert (after.recurring_id, after.series.state) == (found.recurring_id, "dismissed")
    assert await expected(conn, person) == []


async def test_a_corrected_amount_is_expected_from_then_on(conn, person):
    await pay(conn, person, DAYS[:-1], -1_549)
    (found,) = await look(conn, person)
    wish = SeriesWish(amount=Money(1_799, "USD"))
    async with conn.transaction():
        await recurring_said.confirm(conn, person.user_id, found.recurring_id, wish, NOW)
    await pay(conn, person, DAYS[-1:], -1_549)
    (after,) = await look(conn, person)
    assert (after.series.state, after.series.occurrences) == ("confirmed", 10)
    assert await expected(conn, person) == [(date(2026, 12, 12), -1_799)]


async def test_a_marked_transaction_makes_a_series_that_follows_its_seller(conn, person):
    (one,) = await pay(conn, person, DAYS[-2:-1], -4_000, "Gardener", "garden")
    assert await look(conn, person) == []
    async with conn.transaction():
        marked, _ = await recurring_said.mark(conn, person.user_id, one, NOTHING_SAID, NOW)
    await pay(conn, person, DAYS[-1:], -4_200, "Gardener", "garden")
    (found,) = await look(conn, person)
    assert (found.recurring_id, found.series.occurrences, found.series.cycle.frequency) == (
        marked, 2, Frequency.MONTHLY,
    )  # fmt: skip
    assert [day for day, _ in await expected(conn, person)] == [date(2026, 12, 12)]


async def test_what_is_nobodys_or_makes_no_sense_is_refused_and_changes_nothing(conn, person):
    other = await create_person(conn)
    (own,) = await pay(conn, person, DAYS[-1:], -50_000, "Autopay", "credit-card-payment")
    ids = await pay(conn, person, DAYS, -1_549)
    (found,) = await look(conn, person)
    with pytest.raises(NotFound, match="no such series"):
        await recurring_said.dismiss(conn, other.user_id, found.recurring_id, NOW)
    with pytest.raises(NotFound, match="no transaction"):
        await recurring_said.mark(conn, other.user_id, ids[0], NOTHING_SAID, NOW)
    with pytest.raises(InvalidInput, match="Credit Card Payment, money that stays yours"):
        await recurring_said.mark(conn, person.user_id, own, NOTHING_SAID, NOW)
    wish = SeriesWish(amount=Money(100, "EUR"))
    with pytest.raises(InvalidInput, match="in EUR, but the series is in USD"):
        await recurring_said.confirm(conn, person.user_id, found.recurring_id, wish, NOW)
    assert [row.series.state for row in await recurring_read.shown(conn, person.user_id, Wanted())] == ["suggested"]
