"""Budgets of a month: the template without rows, a person's overrides, and the alerts they call for."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from mintql.data import load_template
from mintql.domain.budgets import LimitOrigin, ThresholdState
from mintql.domain.errors import InvalidInput, NotFound
from mintql.domain.money import Money
from mintql.domain.recommendations import RecommendationSource
from mintql.domain.templates import monthly_limits
from mintql.services.budget_overrides import Scope, remove_override
from mintql.services.effects import Effects
from mintql.services.recommendations import recommendations
from support.budgets import budgets_of_month, set_limit
from support.factories import create_person, create_transaction
from support.people import acting_as, category

NOW = datetime(2026, 11, 12, 10, 0, tzinfo=UTC)
OCTOBER, NOVEMBER, DECEMBER, JANUARY = date(2026, 10, 1), date(2026, 11, 1), date(2026, 12, 1), date(2027, 1, 1)
FEBRUARY = date(2027, 2, 1)
FOOD, GROCERIES, RESTAURANTS = category("food-and-dining"), category("groceries"), category("restaurants")
THIS, FROM = Scope.THIS_MONTH, Scope.FROM_THIS_MONTH


async def put(conn, user_id, limit_minor, month=NOVEMBER, scope=THIS, category_id=GROCERIES, **more):
    limit = Money(limit_minor, more.pop("currency", "USD"))
    async with acting_as(conn, user_id):
        return await set_limit(conn, user_id, category_id, month, limit, scope, NOW, **more)


async def take_back(conn, user_id, month=NOVEMBER, scope=THIS, category_id=GROCERIES):
    async with acting_as(conn, user_id):
        return await remove_override(conn, user_id, category_id, month, scope, NOW)


async def budgets(conn, user_id, month=NOVEMBER):
    async with acting_as(conn, user_id):
        return {budget.category.category_id: budget for budget in await budgets_of_month(conn, user_id, month, NOW)}


async def limits(conn, user_id, category_id=GROCERIES):
    """The limit that holds in each month from October to February; None where there is none."""
    found = []
    for month in (OCTOBER, NOVEMBER, DECEMBER, JANUARY, FEBRUARY):
        budget = (await budgets(conn, user_id, month)).get(category_id)
        found.append(budget.limit.limit_minor if budget else None)
    return found


async def spend(conn, person, amount_minor, category_id=GROCERIES, posted_on=date(2026, 11, 5), **more):
    return await create_transaction(
        conn,
        person.user_id,
        person.account_id,
        category_id=category_id,
        amount_minor=-amount_minor,
        posted_on=posted_on,
        **more,
    )


async def alerts(conn, user_id, category_id=GROCERIES):
    rows = await conn.fetch(
        "SELECT period_first, threshold_percent FROM alerts WHERE user_id = $1 AND category_id = $2 ORDER BY alert_id",
        user_id,
        category_id,
    )
    return [tuple(row) for row in rows]


async def rows(conn, user_id):
    return await conn.fetch("SELECT * FROM budget_overrides WHERE user_id = $1 ORDER BY since, recurring", user_id)


async def test_a_person_who_changed_nothing_has_the_templates_budgets_and_owns_no_rows(conn):
    person = await create_person(conn, annual_income_minor=7_000_000)
    await spend(conn, person, 12_345)
    found = await budgets(conn, person.user_id)
    suggested = monthly_limits(load_template(), 7_000_000, "USD")
    assert {category_id: budget.limit.limit_minor for category_id, budget in found.items()} == suggested
    assert {budget.limit.origin for budget in found.values()} == {LimitOrigin.TEMPLATE}
    assert {budget.override for budget in found.values()} == {None}
    assert found[FOOD].spent.posted_minor == 12_345
    assert await rows(conn, person.user_id) == []
    async with acting_as(conn, person.user_id):
        await recommendations(conn, person.user_id, NOW)
    assert await rows(conn, person.user_id) == []


async def test_a_budget_says_what_is_spent_pending_left_and_how_near_that_is(conn):
    person = await create_person(conn)
    await put(conn, person.user_id, 10_000)
    await spend(conn, person, 7_000)
    await spend(conn, person, -500)
    await spend(conn, person, 2_000, pending=True)
    await spend(conn, person, 9_000, category_id=RESTAURANTS)
    await spend(conn, person, 9_000, posted_on=OCTOBER)

    budget = (await budgets(conn, person.user_id))[GROCERIES]

    assert (budget.spent.posted_minor, budget.spent.pending_minor) == (6_500, 2_000)
    assert budget.remaining_minor == 1_500
    assert budget.percent_used == 85
    assert budget.state is ThresholdState.APPROACHING
    assert budget.limit.origin is LimitOrigin.OVERRIDE
    assert (budget.override.since, budget.override.recurring, budget.override.limit_minor) == (NOVEMBER, False, 10_000)
    food = (await budgets(conn, person.user_id))[FOOD]
    assert (food.spent.posted_minor, food.spent.pending_minor) == (15_500, 2_000)


async def test_a_limit_for_one_month_holds_in_that_month_alone(conn):
    person = await create_person(conn)
    budget, effects = await put(conn, person.user_id, 5_000, month=DECEMBER)
    assert (budget.limit.period.first, budget.limit.limit_minor) == (DECEMBER, 5_000)
    assert effects.changed == {person.user_id}
    assert await limits(conn, person.user_id) == [None, None, 5_000, None, None]


async def test_a_limit_from_a_month_on_replaces_later_changes_but_no_single_later_month(conn):
    person = await create_person(conn)
    await put(conn, person.user_id, 1_000, month=NOVEMBER, scope=FROM)
    await put(conn, person.user_id, 2_000, month=FEBRUARY, scope=FROM)
    await put(conn, person.user_id, 3_000, month=DECEMBER)
    await put(conn, person.user_id, 4_000, month=JANUARY)
    assert await limits(conn, person.user_id) == [None, 1_000, 3_000, 4_000, 2_000]
    await put(conn, person.user_id, 5_000, month=DECEMBER, scope=FROM)
    assert await limits(conn, person.user_id) == [None, 1_000, 5_000, 4_000, 5_000]


async def test_taking_back_one_month_leaves_what_holds_from_earlier_on(conn):
    person = await create_person(conn)
    await put(conn, person.user_id, 1_000, scope=FROM)
    await put(conn, person.user_id, 3_000, month=DECEMBER)
    budget, _ = await take_back(conn, person.user_id, month=DECEMBER)
    assert budget.limit.limit_minor == 1_000
    assert await limits(conn, person.user_id) == [None, 1_000, 1_000, 1_000, 1_000]


async def test_taking_back_from_a_month_on_keeps_the_months_before(conn):
    person = await create_person(conn)
    await put(conn, person.user_id, 1_000, scope=FROM)
    await put(conn, person.user_id, 2_000, month=FEBRUARY, scope=FROM)
    budget, _ = await take_back(conn, person.user_id, month=DECEMBER, scope=FROM)
    assert budget is None
    assert await limits(conn, person.user_id) == [None, 1_000, None, None, None]
    assert [(row["since"], row["limit_minor"]) for row in await rows(conn, person.user_id)] == [
        (NOVEMBER, 1_000),
        (DECEMBER, None),
    ]


async def test_taking_back_everything_leaves_no_rows_and_the_template(conn):
    person = await create_person(conn)
    template_minor = (await budgets(conn, person.user_id))[FOOD].limit.limit_minor
    await put(conn, person.user_id, 1_000, scope=FROM, category_id=FOOD)
    await put(conn, person.user_id, 2_000, month=JANUARY, scope=FROM, category_id=FOOD)
    budget, _ = await take_back(conn, person.user_id, scope=FROM, category_id=FOOD)
    assert (budget.limit.limit_minor, budget.limit.origin) == (template_minor, LimitOrigin.TEMPLATE)
    assert await rows(conn, person.user_id) == []
    assert await limits(conn, person.user_id, FOOD) == [template_minor] * 5


@pytest.mark.parametrize("scope", [THIS, FROM])
async def test_taking_back_what_was_never_set_is_not_found(conn, scope):
    person = await create_person(conn)
    with pytest.raises(NotFound) as refused:
        await take_back(conn, person.user_id, scope=scope)
    assert refused.value.message == "Nothing is set for Groceries in November 2026 that could be taken back."


async def test_taking_back_twice_from_a_month_on_is_not_found_the_second_time(conn):
    person = await create_person(conn)
    await put(conn, person.user_id, 1_000, month=OCTOBER, scope=FROM)
    await take_back(conn, person.user_id, month=NOVEMBER, scope=FROM)
    with pytest.raises(NotFound):
        await take_back(conn, person.user_id, month=DECEMBER, scope=FROM)
    assert await limits(conn, person.user_id) == [1_000, None, None, None, None]


async def test_lowering_a_limit_under_what_is_spent_raises_alerts_at_once(conn):
    person = await create_person(conn)
    await spend(conn, person, 9_000)
    _, effects = await put(conn, person.user_id, 10_000, scope=FROM)
    assert effects.told == {person.user_id}
    assert await alerts(conn, person.user_id) == [(NOVEMBER, 80)]
    await put(conn, person.user_id, 8_000, scope=FROM)
    assert await alerts(conn, person.user_id) == [(NOVEMBER, 80), (NOVEMBER, 80), (NOVEMBER, 100)]


async def test_setting_again_what_holds_changes_nothing_and_repeats_no_alert(conn):
    person = await create_person(conn)
    await spend(conn, person, 9_000)
    await put(conn, person.user_id, 10_000, scope=FROM)
    before = await rows(conn, person.user_id)
    _, effects = await put(conn, person.user_id, 10_000, scope=FROM)
    assert effects == Effects()
    assert await rows(conn, person.user_id) == before
    assert await alerts(conn, person.user_id) == [(NOVEMBER, 80)]


async def test_other_thresholds_for_the_same_limit_raise_only_what_was_not_raised(conn):
    person = await create_person(conn)
    await spend(conn, person, 9_000)
    await put(conn, person.user_id, 10_000)
    budget, _ = await put(conn, person.user_id, 10_000, thresholds=[50, 80, 100])
    assert budget.limit.thresholds == (50, 80, 100)
    assert await alerts(conn, person.user_id) == [(NOVEMBER, 80), (NOVEMBER, 50)]


async def test_thresholds_that_hold_stay_unless_others_are_given(conn):
    person = await create_person(conn)
    await put(conn, person.user_id, 10_000, thresholds=[60])
    budget, _ = await put(conn, person.user_id, 20_000)
    assert budget.limit.thresholds == (60,)


@pytest.mark.parametrize(
    ("wishes", "words", "field"),
    [
        ({"limit_minor": -1}, "A limit of -0.01 USD is below zero.", "limit"),
        ({"limit_minor": 100, "category_id": 424_242}, "There is no category 424242.", "categoryId"),
        ({"limit_minor": 100, "category_id": category("paycheck")}, "Paycheck is no spending", "categoryId"),
        ({"limit_minor": 100, "thresholds": [100, 80]}, "ascending", "thresholds"),
        ({"limit_minor": 100, "thresholds": []}, "one to 5 thresholds", "thresholds"),
    ],
)
async def test_overrides_that_cannot_be_are_refused_in_words_and_leave_no_row(conn, wishes, words, field):
    person = await create_person(conn)
    with pytest.raises(InvalidInput) as refused:
        await put(conn, person.user_id, **wishes)
    assert words in refused.value.message
    assert refused.value.field == field
    assert await rows(conn, person.user_id) == []


async def test_one_persons_overrides_are_nobody_elses(conn):
    ada, eve = await create_person(conn), await create_person(conn)
    await put(conn, ada.user_id, 1_000, scope=FROM)
    before = await rows(conn, ada.user_id)
    with pytest.raises(NotFound):
        await take_back(conn, eve.user_id, scope=FROM)
    with pytest.raises(NotFound):
        async with acting_as(conn, eve.user_id):
            await remove_override(conn, ada.user_id, GROCERIES, NOVEMBER, FROM, NOW)
    assert GROCERIES not in await budgets(conn, eve.user_id)
    assert await rows(conn, ada.user_id) == before


async def test_recommendations_come_from_complete_months_of_the_persons_own(conn):
    person = await create_person(conn)
    for month, amount_minor in ((7, 99_900), (8, 10_000), (9, 20_000), (10, 30_000), (11, 90_000)):
        await spend(conn, person, amount_minor, posted_on=date(2026, month, 3))
    async with acting_as(conn, person.user_id):
        found = {item.category_id: item for item in (await recommendations(conn, person.user_id, NOW)).items}
    assert found[FOOD].source is RecommendationSource.BLEND
    # July is cut off by where the history begins, November is not over.
    assert (found[FOOD].months, found[FOOD].median_minor) == (3, 20_000)


async def test_recommendations_come_from_the_template_while_months_are_few(conn):
    person = await create_person(conn, annual_income_minor=7_000_000)
    async with acting_as(conn, person.user_id):
        found = (await recommendations(conn, person.user_id, NOW)).items
    assert {item.source for item in found} == {RecommendationSource.TEMPLATE}
    assert {item.category_id: item.limit_minor for item in found} == monthly_limits(load_template(), 7_000_000, "USD")
