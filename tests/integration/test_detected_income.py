"""Incomes detected from paychecks: the template follows them while the person states none."""

from __future__ import annotations

from datetime import UTC, date, datetime

from mintql.data import load_template
from mintql.domain.templates import monthly_limits
from mintql.services.budgets import income_detected
from mintql.services.identity import ProfileChanges, update_profile
from mintql.services.recommendations import recommendations
from support.budgets import budgets_of_month
from support.factories import create_person, create_transaction
from support.people import acting_as, category

NOW = datetime(2026, 11, 12, 10, 0, tzinfo=UTC)
NOVEMBER = date(2026, 11, 1)
FOOD = category("food-and-dining")


async def limits(conn, user_id):
    async with acting_as(conn, user_id):
        return {
            found.limit.category_id: found.limit.limit_minor
            for found in await budgets_of_month(conn, user_id, NOVEMBER, NOW)
        }


async def alerts(conn, user_id):
    return await conn.fetchval("SELECT count(*) FROM alerts WHERE user_id = $1", user_id)


async def test_the_template_follows_an_income_that_was_detected_and_raises_what_the_new_limits_call_for(conn):
    person = await create_person(conn)
    await create_transaction(
        conn, person.user_id, person.account_id, category_id=category("groceries"), amount_minor=-400_00,
        posted_on=date(2026, 11, 5),
    )  # fmt: skip
    effects = await income_detected(conn, person.user_id, 20_000_00, NOW)
    assert effects.told == {person.user_id}
    assert await alerts(conn, person.user_id) == 2
    assert await limits(conn, person.user_id) == monthly_limits(load_template(), 20_000_00, "USD")
    async with acting_as(conn, person.user_id):
        found = (await recommendations(conn, person.user_id, NOW)).items
    assert "an income around 20000.00 USD a year, detected from your paychecks, spend" in found[0].basis


async def test_a_change_of_no_more_than_a_twentieth_leaves_limits_and_alerts_alone(conn):
    person = await create_person(conn)
    await income_detected(conn, person.user_id, 40_000_00, NOW)
    before = await limits(conn, person.user_id)
    for little in (42_000_00, 38_000_00):
        assert not (await income_detected(conn, person.user_id, little, NOW)).changed
    assert await limits(conn, person.user_id) == before
    assert (await income_detected(conn, person.user_id, 42_000_01, NOW)).changed == {person.user_id}
    assert await limits(conn, person.user_id) != before
    await income_detected(conn, person.user_id, None, NOW)
    assert await limits(conn, person.user_id) == monthly_limits(load_template(), None, "USD")


async def test_a_stated_income_outranks_a_detected_one_and_keeps_its_revision(conn):
    person = await create_person(conn, annual_income_minor=70_000_00)
    await income_detected(conn, person.user_id, 20_000_00, NOW)
    assert await limits(conn, person.user_id) == monthly_limits(load_template(), 70_000_00, "USD")
    assert await conn.fetchval("SELECT template_revision FROM users WHERE user_id = $1", person.user_id) == 0
    async with acting_as(conn, person.user_id):
        await update_profile(conn, person.user_id, ProfileChanges(clear_income=True), NOW)
    assert await limits(conn, person.user_id) == monthly_limits(load_template(), 20_000_00, "USD")


async def test_an_income_detected_in_another_currency_is_known_no_more(conn):
    person = await create_person(conn)
    await income_detected(conn, person.user_id, 20_000_00, NOW)
    async with acting_as(conn, person.user_id):
        await update_profile(conn, person.user_id, ProfileChanges(currency="EUR"), NOW)
    assert await limits(conn, person.user_id) == monthly_limits(load_template(), None, "EUR")
