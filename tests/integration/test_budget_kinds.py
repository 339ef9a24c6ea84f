"""Budgets of weeks and years, with rollover, on everything and in other currencies: amounts, alerts and outlook."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from mintql.domain.budget_periods import PeriodUnit, schedule
from mintql.domain.budgets import EVERYTHING_ID, ThresholdState
from mintql.domain.errors import InvalidInput
from mintql.domain.money import Money
from mintql.domain.periods import Period
from mintql.services import alerts as alert_service
from mintql.services import budget_forecasts
from mintql.services.budget_forecasts import forecast_notices, outlooks
from mintql.services.budget_overrides import Scope, remove_override
from mintql.services.budgets import list_budgets
from support.budgets import set_limit
from support.factories import create_person, create_transaction
from support.people import acting_as, category

NOW = datetime(2026, 11, 12, 10, 0, tzinfo=UTC)
TODAY, NOVEMBER, OCTOBER = date(2026, 11, 12), date(2026, 11, 1), date(2026, 10, 1)
GROCERIES, RESTAURANTS, FOOD = category("groceries"), category("restaurants"), category("food-and-dining")
MONDAYS = schedule(PeriodUnit.WEEK, 1, date(2026, 11, 9))
YEARS = schedule(PeriodUnit.YEAR, 1, date(2026, 1, 1))
TAX_YEARS = schedule(PeriodUnit.YEAR, 1, date(2026, 4, 6))
FROM, THIS = Scope.FROM_THIS_MONTH, Scope.THIS_MONTH


async def put(conn, person, limit_minor=100_00, on=TODAY, scope=FROM, category_id=GROCERIES, **more):
    limit = None if limit_minor is None else Money(limit_minor, more.pop("currency", "USD"))
    async with acting_as(conn, person.user_id):
        return await set_limit(conn, person.user_id, category_id, on, limit, scope, NOW, **more)


async def spend(conn, person, amount_minor, posted_on=TODAY, category_id=GROCERIES, **more):
    values = {"category_id": category_id, "amount_minor": -amount_minor, "posted_on": posted_on} | more
    return await create_transaction(conn, person.user_id, person.account_id, **values)


async def evaluate(conn, person, *months, now=NOW):
    async with acting_as(conn, person.user_id):
        return await alert_service.evaluate(conn, {person.user_id: set(months)}, now)


async def budget(conn, person, on=TODAY, category_id=GROCERIES, currency="USD", now=NOW):
    async with acting_as(conn, person.user_id):
        found = await list_budgets(conn, person.user_id, Period(on, on), now)
    return next((item for item in found if item.limit.key == (category_id, currency)), None)


async def raised(conn, person):
    rows = await conn.fetch(
        "SELECT category_id, period_first, period_last, threshold_percent FROM alerts WHERE user_id = $1"
        " ORDER BY alert_id",
        person.user_id,
    )
    return [tuple(row) for row in rows]


async def test_a_weekly_budget_counts_its_days_splits_and_pending_rows_but_nothing_excluded(conn):
    person = await create_person(conn)
    await put(conn, person, schedule=MONDAYS)
    await spend(conn, person, 99_00, posted_on=date(2026, 11, 8))
    await spend(conn, person, 30_00, posted_on=date(2026, 11, 9))
    await spend(conn, person, 5_00, posted_on=date(2026, 11, 15), pending=True)
    await spend(conn, person, -2_00, posted_on=date(2026, 11, 11))
    await spend(conn, person, 88_00, posted_on=date(2026, 11, 16))
    split = await spend(conn, person, 50_00, category_id=RESTAURANTS)
    await conn.execute(
        "UPDATE transactions SET part_category_ids = $2, part_amounts_minor = '{-700,-300}', part_notes = '{\"\",\"\"}'"
        " WHERE transaction_id = $1",
        split,
        [GROCERIES, category("coffee")],
    )
    left_out = await spend(conn, person, 70_00)
    await conn.execute("UPDATE transactions SET excluded_from_budgets = true WHERE transaction_id = $1", left_out)

    found = await budget(conn, person)

    assert (found.limit.period.first, found.limit.period.last) == (date(2026, 11, 9), date(2026, 11, 15))
    assert (found.spent.posted_minor, found.spent.pending_minor) == (30_00 - 2_00 + 7_00, 5_00)
    assert found.remaining_minor == 60_00
    before = await budget(conn, person, on=date(2026, 11, 20))
    assert before.spent.posted_minor == 88_00


async def test_a_weekly_group_budget_equals_the_sum_of_its_leaves_by_months_when_it_is_a_month_long(conn):
    person = await create_person(conn)
    for day, minor in ((1, 10_00), (15, 20_00), (30, 40_00)):
        await spend(conn, person, minor, posted_on=date(2026, 11, day))
        await spend(conn, person, minor, posted_on=date(2026, 11, day), category_id=RESTAURANTS)
    by_month = (await budget(conn, person, category_id=FOOD)).spent
    # From 31 January: November of it begins on 31 October, and ends on the 29th.
    await put(conn, person, 900_00, category_id=FOOD, schedule=schedule(PeriodUnit.MONTH, 1, date(2026, 1, 31)))
    found = await budget(conn, person, category_id=FOOD)
    assert by_month.posted_minor == 140_00
    assert found.spent.posted_minor == 60_00
    assert found.limit.period.last == date(2026, 11, 29)


async def test_alerts_of_a_week_are_raised_once_and_say_which_week(conn):
    person = await create_person(conn)
    await put(conn, person, schedule=MONDAYS)
    await spend(conn, person, 85_00)
    await evaluate(conn, person, NOVEMBER)
    await evaluate(conn, person, NOVEMBER)
    week = (date(2026, 11, 9), date(2026, 11, 15))
    assert await raised(conn, person) == [(GROCERIES, *week, 80)]
    body = await conn.fetchval("SELECT body FROM notifications WHERE user_id = $1", person.user_id)
    assert body.startswith(
        "You have used 85 % of your Groceries budget for the week of 9 to 15 November 2026: 85.00 USD of 100.00 USD "
        "spent. 15.00 USD is left."
    )
    assert "until 15 November" in body
    await spend(conn, person, 95_00, posted_on=date(2026, 11, 16))
    await evaluate(conn, person, NOVEMBER)
    assert (await raised(conn, person))[1:] == [(GROCERIES, date(2026, 11, 16), date(2026, 11, 22), 80)]


async def test_a_week_that_crosses_the_turn_of_a_month_alerts_whichever_month_was_touched(conn):
    person = await create_person(conn)
    await put(conn, person, schedule=MONDAYS)
    await spend(conn, person, 50_00, posted_on=date(2026, 11, 30))
    await spend(conn, person, 50_00, posted_on=date(2026, 12, 1))
    later = datetime(2026, 12, 2, tzinfo=UTC)
    await evaluate(conn, person, date(2026, 12, 1), now=later)
    assert [item[3] for item in await raised(conn, person)] == [80, 100]


@pytest.mark.parametrize(("kind", "spent_minor"), [(YEARS, 700_00), (TAX_YEARS, 500_00)])
async def test_a_yearly_budget_counts_its_year_and_alerts_on_purchases_of_any_of_its_months(conn, kind, spent_minor):
    person = await create_person(conn)
    await put(conn, person, 600_00, schedule=kind, on=date(2026, 4, 6))
    await spend(conn, person, 200_00, posted_on=date(2026, 2, 1))
    await spend(conn, person, 500_00, posted_on=date(2026, 5, 1))
    found = await budget(conn, person)
    # The yearly budget that begins with the calendar year was set from April on, so its first year is cut short.
    assert found.spent.posted_minor == (spent_minor if found.limit.period.first == date(2026, 1, 1) else 500_00)
    await evaluate(conn, person, date(2026, 5, 1))
    assert 80 in {item[3] for item in await raised(conn, person)}


async def test_everything_counts_all_spending_but_transfers_income_and_what_is_excluded(conn):
    person = await create_person(conn)
    await put(conn, person, 100_00, category_id=EVERYTHING_ID)
    await spend(conn, person, 40_00)
    await spend(conn, person, 45_00, category_id=category("uncategorized"))
    await spend(conn, person, 500_00, category_id=category("credit-card-payment"))
    await spend(conn, person, -900_00, category_id=category("paycheck"))
    await spend(conn, person, 9_00, currency="EUR")
    await evaluate(conn, person, NOVEMBER)
    found = await budget(conn, person, category_id=EVERYTHING_ID)
    assert (found.name, found.category, found.spent.posted_minor) == ("Everything", None, 85_00)
    assert [item for item in await raised(conn, person) if item[0] == EVERYTHING_ID] == [
        (EVERYTHING_ID, NOVEMBER, date(2026, 11, 30), 80)
    ]
    notice = await conn.fetchrow(
        "SELECT title, category_id FROM notifications WHERE alert_id IS NOT NULL AND title LIKE 'E%'"
    )
    assert tuple(notice) == ("Everything: budget nearly used", None)
    causes = await conn.fetchval("SELECT cardinality(transaction_ids) FROM alerts WHERE category_id = 0")
    assert causes == 2


async def test_a_category_has_a_budget_in_each_currency_that_counts_its_own_purchases(conn):
    person = await create_person(conn)
    await put(conn, person, 100_00)
    await put(conn, person, 50_00, currency="EUR", on=NOVEMBER)
    await spend(conn, person, 10_00)
    await spend(conn, person, 45_00, currency="EUR")
    await evaluate(conn, person, NOVEMBER)
    dollars, euros = await budget(conn, person), await budget(conn, person, currency="EUR")
    assert (dollars.spent.posted_minor, euros.spent.posted_minor) == (10_00, 45_00)
    assert (dollars.state, euros.state) == (ThresholdState.OK, ThresholdState.APPROACHING)
    assert len(await raised(conn, person)) == 1
    async with acting_as(conn, person.user_id):
        await remove_override(conn, person.user_id, GROCERIES, TODAY, FROM, NOW, currency="EUR")
    assert await budget(conn, person, currency="EUR") is None
    assert (await budget(conn, person)).limit.limit_minor == 100_00


async def test_what_is_left_and_overspent_goes_over_and_late_purchases_count(conn):
    person = await create_person(conn)
    await put(conn, person, on=date(2026, 9, 1), surplus=True, overspend=True)
    await spend(conn, person, 70_00, posted_on=date(2026, 9, 10))
    await spend(conn, person, 150_00, posted_on=date(2026, 10, 10))
    found = await budget(conn, person)
    # September leaves 30, October takes 50 of them: 130 - 150.
    assert (found.limit.carried_minor, found.limit.available_minor) == (-20_00, 80_00)
    await spend(conn, person, 60_00)
    await evaluate(conn, person, NOVEMBER)
    assert await raised(conn, person) == []
    await spend(conn, person, 5_00, posted_on=date(2026, 9, 20))
    await evaluate(conn, person, date(2026, 9, 1))
    assert await raised(conn, person) == [(GROCERIES, NOVEMBER, date(2026, 11, 30), 80)]
    await evaluate(conn, person, date(2026, 9, 1), NOVEMBER)
    assert len(await raised(conn, person)) == 1
    body = await conn.fetchval("SELECT body FROM notifications WHERE user_id = $1", person.user_id)
    assert "for November 2026 (100.00 USD less 25.00 USD overspent before): 60.00 USD of 75.00 USD spent" in body


async def test_rollover_of_a_templates_limit_needs_no_limit_of_ones_own(conn):
    person = await create_person(conn, annual_income_minor=60_000_00)
    suggested = (await budget(conn, person, category_id=FOOD)).limit.limit_minor
    await put(conn, person, None, on=OCTOBER, category_id=FOOD, surplus=True)
    found = await budget(conn, person, category_id=FOOD)
    assert (found.limit.limit_minor, found.limit.carried_minor) == (suggested, suggested)
    async with acting_as(conn, person.user_id):
        await remove_override(conn, person.user_id, FOOD, TODAY, FROM, NOW)
    again = await budget(conn, person, category_id=FOOD)
    assert (again.limit.rollover.surplus, again.limit.carried_minor) == (False, suggested)


async def test_another_kind_needs_a_limit_and_a_single_period_cannot_have_one(conn):
    person = await create_person(conn)
    for wishes, field in (
        ({"limit_minor": None, "schedule": MONDAYS}, "limit"),
        ({"scope": THIS, "schedule": MONDAYS}, "period"),
        ({"scope": THIS, "surplus": True}, "rollover"),
        ({"limit_minor": None}, "limit"),
        ({"on": date(9999, 12, 31)}, "on"),
    ):
        with pytest.raises(InvalidInput) as refused:
            await put(conn, person, **wishes)
        assert refused.value.field == field
    assert await conn.fetchval("SELECT count(*) FROM budget_overrides") == 0


async def test_a_change_of_kind_leaves_past_periods_and_their_alerts(conn):
    person = await create_person(conn)
    await put(conn, person, 400_00, on=date(2026, 9, 1))
    await spend(conn, person, 350_00, posted_on=date(2026, 11, 3))
    await evaluate(conn, person, NOVEMBER)
    await put(conn, person, 100_00, schedule=MONDAYS)
    assert (await budget(conn, person, on=OCTOBER)).limit.period == Period(OCTOBER, date(2026, 10, 31))
    assert (await budget(conn, person, on=NOVEMBER)).limit.period == Period(NOVEMBER, date(2026, 11, 8))
    assert (await budget(conn, person)).limit.period == Period(date(2026, 11, 9), date(2026, 11, 15))
    await put(conn, person, 300_00, schedule=schedule(PeriodUnit.MONTH, 1, NOVEMBER))
    # The week that held gives way from its first day on; the month it is in is cut short, what is past stays.
    assert (await budget(conn, person, on=NOVEMBER)).limit.limit_minor == 400_00
    assert (await budget(conn, person)).limit.period == Period(date(2026, 11, 9), date(2026, 11, 30))
    assert await raised(conn, person) == [(GROCERIES, NOVEMBER, date(2026, 11, 30), 80)]


async def bill(conn, person, transaction_ids, next_on, amount_minor):
    await conn.execute(
        "INSERT INTO recurring_series (user_id, merchant_key, currency, outgoing, state, transaction_ids, frequency,"
        " anchor_on, anchor_day, second_day, step_days, weekend, first_on, last_on, next_on, ended, amounts_kind,"
        " mean_minor, last_minor, expected_minor, spread_minor, occurrences, missed, off_tenths, confidence)"
        " VALUES ($1, 'club', 'USD', true, 'suggested', $2, 'monthly', $3, $4, 0, 0, 'stays', $3, $3, $3, false, 'same',"
        " $5, $5, $5, 0, 5, 0, 0, 95)",
        person.user_id, transaction_ids, next_on, next_on.day, amount_minor,
    )  # fmt: skip


async def test_the_outlook_counts_bills_apart_from_the_pace(conn):
    person = await create_person(conn)
    await put(conn, person, 300_00)
    paid = await spend(conn, person, 80_00, posted_on=date(2026, 10, 20))
    await bill(conn, person, [paid], date(2026, 11, 20), 80_00)
    for day in range(1, 12):
        await spend(conn, person, 10_00, posted_on=date(2026, 11, day))
    found = await budget(conn, person)
    async with acting_as(conn, person.user_id):
        (outlook,) = await outlooks(conn, person.user_id, [found])
    assert (outlook.forecast.bills, outlook.forecast.bills_minor) == (1, 80_00)
    # 110.00 in twelve days, today among them; the bill of October is no habit.
    assert outlook.forecast.pace_minor == 9_16
    assert outlook.forecast.spent_minor == 110_00 + 80_00 + 18 * 9_16
    # 300 - 110 - 80 over 19 days.
    assert outlook.available_today_minor == 5_78


async def test_the_pace_counts_parts_of_splits_and_begins_where_anything_was_spent(conn):
    person = await create_person(conn)
    await put(conn, person, 300_00)
    await spend(conn, person, 5_00, posted_on=date(2026, 10, 22), category_id=RESTAURANTS)
    whole = await spend(conn, person, 50_00, posted_on=date(2026, 10, 30), category_id=RESTAURANTS)
    own = await spend(conn, person, 30_00, posted_on=date(2026, 11, 3))
    for one, category_id, minor in ((whole, GROCERIES, 20_00), (own, RESTAURANTS, 6_00)):
        await conn.execute(
            "UPDATE transactions SET part_category_ids = $2, part_amounts_minor = $3, part_notes = '{NULL}'"
            " WHERE transaction_id = $1",
            one, [category_id], [-minor],
        )  # fmt: skip
    found = await budget(conn, person)
    async with acting_as(conn, person.user_id):
        (outlook,) = await outlooks(conn, person.user_id, [found])
    # 24.00 in twelve days, and 20.00 in the ten before as if it had been so for fourteen more.
    assert outlook.forecast.pace_minor == (24_00 * 10 + 20_00 * 14) // (10 * (12 + 14))


async def test_the_outlook_of_a_budget_is_the_same_alone_and_among_others(conn):
    """A budget of a year looks back for longer, at days that count for nothing in the budget of a month."""
    person = await create_person(conn)
    await put(conn, person, 300_00)
    await put(conn, person, 900_00, category_id=RESTAURANTS, schedule=YEARS)
    for day in range(1, 9):
        await spend(conn, person, 50, posted_on=date(2026, 2, day))
        await spend(conn, person, 10_00, posted_on=date(2026, 10, day))
    await spend(conn, person, 60_00, posted_on=date(2026, 11, 3))
    found = [await budget(conn, person), await budget(conn, person, category_id=RESTAURANTS)]
    async with acting_as(conn, person.user_id):
        alone = [(await outlooks(conn, person.user_id, [one]))[0] for one in found]
        assert await outlooks(conn, person.user_id, found) == alone
    # No day counts for more than five times 10.00, and all ninety days before the month are known.
    assert alone[0].forecast.pace_minor == (50_00 * 90 + 80_00 * 14) // (90 * (12 + 14))


async def test_a_budget_on_pace_to_exceed_is_told_once_for_each_period_and_limit(conn, monkeypatch):
    person = await create_person(conn)
    await put(conn, person, 200_00)
    for day in range(1, 13):
        await spend(conn, person, 10_00, posted_on=date(2026, 11, day))

    async def look(now=NOW):
        async with conn.transaction():
            await forecast_notices(conn, person.user_id, now)
        return await conn.fetch(
            "SELECT title, body, amount_minor, limit_minor FROM notifications WHERE kind = 'budget_forecast'"
            " AND category_id = $1 ORDER BY notification_id",
            GROCERIES,
        )

    assert await look(datetime(2026, 11, 4, tzinfo=UTC)) == []
    (told,) = await look()
    assert told["title"] == "Groceries: on pace to exceed the budget"
    assert (told["amount_minor"], told["limit_minor"]) == (300_00, 200_00)
    assert told["body"] == (
        "Your Groceries budget for November 2026 is on pace to reach 300.00 USD of 200.00 USD by 30 November, "
        "100.00 USD too much. 80.00 USD is left until then. 120.00 USD spent so far and 10.00 USD a day beside bills "
        "for the 18 days after today."
    )
    worked_out = []

    async def recorded(conn, user_id, budgets):
        worked_out.extend(one.limit.category_id for one in budgets)
        return await outlooks(conn, user_id, budgets)

    monkeypatch.setattr(budget_forecasts, "outlooks", recorded)
    assert len(await look()) == 1
    assert GROCERIES not in worked_out, "what was told is not worked out again"
    await put(conn, person, 210_00)
    assert len(await look()) == 2
    await spend(conn, person, 100_00)
    await put(conn, person, 215_00)
    assert len(await look()) == 2
