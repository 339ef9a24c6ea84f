"""A rule and the past: the preview, applying it as a whole, and undoing that."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime

import asyncpg
import pytest

from mintql.domain.errors import NotFound
from mintql.domain.money import Money
from mintql.domain.rules import Actions, Conditions, Direction
from mintql.services import choices, rules, rules_past
from mintql.services.budget_overrides import Scope
from mintql.services.rules import RuleWish
from mintql.store.locks import lock_users
from mintql.store.reconcile import differences
from support.budgets import set_limit
from support.factories import create_person, create_transaction
from support.people import acting_as, category

NOW, NOVEMBER = datetime(2026, 11, 12, 10, tzinfo=UTC), date(2026, 11, 1)
COFFEE, GROCERIES, RESTAURANTS, FOOD = map(category, ("coffee", "groceries", "restaurants", "food-and-dining"))
OUT = Conditions(direction=Direction.OUT)


@pytest.fixture
async def ada(conn):
    return await create_person(conn)


async def bought(conn, person, amount_minor, **columns):
    columns = {"category_id": COFFEE, "category_source": "dictionary", "category_detail": "exact: shop", **columns}
    return await create_transaction(conn, person.user_id, person.account_id, amount_minor=amount_minor, **columns)


async def write(conn, person, conditions=OUT, **actions):
    rule, _, _ = await rules.create(conn, person.user_id, RuleWish(conditions, Actions(**actions)), NOW)
    return rule


async def look(conn, *ids):
    rows = await conn.fetch("SELECT * FROM transactions WHERE transaction_id = ANY ($1::bigint[])", ids)
    by_id = {row["transaction_id"]: row for row in rows}
    kept = ("category_id", "category_source", "category_detail", "display_name", "tags", "excluded_from_budgets")
    return [tuple(by_id[one][column] for column in kept) for one in ids]


async def test_a_preview_says_how_many_and_which_sums_and_budgets_change_and_changes_nothing(conn, ada):
    async with conn.transaction():
        await set_limit(conn, ada.user_id, GROCERIES, NOVEMBER, Money(20_00, "USD"), Scope.FROM_THIS_MONTH, NOW)
    older = await bought(conn, ada, -5_00, posted_on=date(2026, 10, 2))
    first, second = await bought(conn, ada, -9_00), await bought(conn, ada, -11_00, pending=True)
    await bought(conn, ada, -1_00, category_source="manual")
    await bought(conn, ada, -2_00, category_id=GROCERIES)
    await bought(conn, ada, 3_00)
    before = await conn.fetch("SELECT * FROM transactions ORDER BY transaction_id")
    async with acting_as(conn, ada.user_id):
        found = await rules_past.preview(conn, ada.user_id, RuleWish(OUT, Actions(category_id=GROCERIES)), NOW)
    assert (found.reach.matched, found.reach.changed, found.reach.manual) == (5, 3, 1)
    assert [row.transaction_id for row in found.rows] == [second, first, older]
    sums = {(item.month, item.category_id): (item.before_minor, item.after_minor) for item in found.sums}
    assert sums == {
        (NOVEMBER, COFFEE): (-18_00, 2_00),
        (NOVEMBER, GROCERIES): (-2_00, -22_00),
        (date(2026, 10, 1), COFFEE): (-5_00, 0),
        (date(2026, 10, 1), GROCERIES): (0, -5_00),
    }
    (budget,) = [item for item in found.budgets if item.limit.category_id == GROCERIES]
    assert (budget.before.total_minor, budget.after.total_minor) == (2_00, 22_00)
    assert (budget.thresholds, budget.alerts) == ((80, 100), True)
    assert FOOD not in {item.limit.category_id for item in found.budgets}
    assert await conn.fetch("SELECT * FROM transactions ORDER BY transaction_id") == before
    assert await conn.fetch("SELECT FROM rules") == []


async def test_applying_does_what_the_preview_said_and_undoing_gives_everything_back(conn, ada):
    async with conn.transaction():
        await set_limit(conn, ada.user_id, GROCERIES, NOVEMBER, Money(20_00, "USD"), Scope.FROM_THIS_MONTH, NOW)
    first = await bought(conn, ada, -18_00)
    chosen = await bought(conn, ada, -1_00, category_source="manual", category_detail="")
    await conn.execute(
        "UPDATE transactions SET tags = '{Work}', display_name = 'Mine' WHERE transaction_id = $1", chosen
    )
    before = await look(conn, first, chosen)
    async with acting_as(conn, ada.user_id):
        rule = await write(conn, ada, category_id=GROCERIES, display_name="Shop", tags=("work", "new"))
        application, reach, effects = await rules_past.apply(conn, ada.user_id, rule.rule_id, NOW)
    assert (reach.matched, reach.changed, reach.manual) == (2, 2, 1)
    assert effects.changed == {ada.user_id}
    assert await look(conn, first, chosen) == [
        (GROCERIES, "rule", rule.detail, "Shop", ["Work", "new"], None),
        (COFFEE, "manual", "", "Mine", ["Work", "new"], None),
    ]
    (alert,) = await conn.fetch("SELECT category_id, threshold_percent, spent_minor FROM alerts")
    assert tuple(alert) == (GROCERIES, 80, 18_00)
    assert await differences(conn, [ada.user_id]) == []
    async with acting_as(conn, ada.user_id):
        await rules.delete(conn, ada.user_id, rule.rule_id)
        undone, _ = await rules_past.undo(conn, ada.user_id, application.application_id, NOW)
        again, nothing = await rules_past.undo(conn, ada.user_id, application.application_id, NOW)
        assert await rules_past.list_applications(conn, ada.user_id) == [undone] == [again]
    assert (undone.undone_count, nothing.changed) == (2, set())
    assert await look(conn, first, chosen) == before
    assert await differences(conn, [ada.user_id]) == []


async def test_undoing_leaves_what_the_person_changed_since(conn, ada):
    first, second = await bought(conn, ada, -1_00), await bought(conn, ada, -2_00)
    rule = await write(conn, ada, category_id=GROCERIES, excluded_from_budgets=True)
    async with conn.transaction():
        application, _, _ = await rules_past.apply(conn, ada.user_id, rule.rule_id, NOW)
        await choices.recategorize(conn, ada.user_id, [first], RESTAURANTS, choices.Scope.ONCE, NOW)
        undone, _ = await rules_past.undo(conn, ada.user_id, application.application_id, NOW)
    assert undone.undone_count == 2
    assert await look(conn, first, second) == [
        (RESTAURANTS, "manual", "", None, None, None),
        (COFFEE, "dictionary", "exact: shop", None, None, None),
    ]
    async with conn.transaction():
        await choices.undo(conn, ada.user_id, [first], NOW)
    assert (await look(conn, first))[0][:3] == (COFFEE, "dictionary", "exact: shop")


async def test_applications_on_top_of_each_other_can_be_undone_in_any_order(conn, ada):
    one = await bought(conn, ada, -1_00)
    done = []
    for wanted in (GROCERIES, RESTAURANTS):
        rule = await write(conn, ada, category_id=wanted)
        async with conn.transaction():
            done.append((await rules_past.apply(conn, ada.user_id, rule.rule_id, NOW))[0])
            await rules.delete(conn, ada.user_id, rule.rule_id)
    async with conn.transaction():
        await rules_past.undo(conn, ada.user_id, done[0].application_id, NOW)
    assert (await look(conn, one))[0][0] == RESTAURANTS
    async with conn.transaction():
        await rules_past.undo(conn, ada.user_id, done[1].application_id, NOW)
    assert (await look(conn, one))[0][:3] == (COFFEE, "dictionary", "exact: shop")


async def test_undoing_reaches_the_booked_purchase_that_took_the_place_of_a_pending_one(conn, ada):
    pending = await bought(conn, ada, -1_00, pending=True)
    rule = await write(conn, ada, category_id=GROCERIES)
    async with conn.transaction():
        application, _, _ = await rules_past.apply(conn, ada.user_id, rule.rule_id, NOW)
    taken_along = {"category_id": GROCERIES, "category_source": "rule", "category_detail": rule.detail}
    booked = await bought(conn, ada, -1_20, **taken_along)
    await conn.execute("UPDATE transactions SET successor_id = $1 WHERE transaction_id = $2", booked, pending)
    async with conn.transaction():
        await rules_past.undo(conn, ada.user_id, application.application_id, NOW)
    assert (await look(conn, booked))[0][:3] == (COFFEE, "dictionary", "exact: shop")
    assert await differences(conn, [ada.user_id]) == []


async def test_what_an_earlier_rule_decided_and_transfers_stay(conn, ada):
    first_rule = await write(conn, ada, Conditions(text="shop"), category_id=COFFEE)
    decided = await bought(conn, ada, -1_00, category_source="rule", category_detail=first_rule.detail)
    transfer = await bought(conn, ada, -1_00, category_source="transfer", category_detail="7")
    rule = await write(conn, ada, category_id=GROCERIES)
    before = await look(conn, decided, transfer)
    async with conn.transaction():
        application, reach, _ = await rules_past.apply(conn, ada.user_id, rule.rule_id, NOW)
        assert (application, reach.matched, reach.changed) == (None, 2, 0)
        assert await rules_past.list_applications(conn, ada.user_id) == []
    assert await look(conn, decided, transfer) == before


async def test_a_rule_applied_twice_at_once_changes_each_transaction_once(conn, ada, database_url):
    await bought(conn, ada, -1_00)
    rule = await write(conn, ada, tags=("a",))

    async def apply():
        other = await asyncpg.connect(database_url)
        try:
            async with other.transaction():
                return (await rules_past.apply(other, ada.user_id, rule.rule_id, NOW))[1].changed
        finally:
            await other.close()

    async with conn.transaction():
        await lock_users(conn, [ada.user_id])
        both = asyncio.gather(apply(), apply())
        await asyncio.sleep(0)
    assert sorted(await both) == [0, 1]
    assert await conn.fetchval("SELECT tags FROM transactions") == ["a"]
    assert await conn.fetchval("SELECT count(*) FROM rule_changes") == 1


async def test_a_rule_that_leaves_out_of_budgets_moves_what_budgets_count_also_of_splits(conn, ada):
    one = await bought(conn, ada, -10_00)
    await conn.execute(
        "UPDATE transactions SET part_category_ids = $1, part_amounts_minor = '{-400}', part_notes = '{\"\"}'",
        [GROCERIES],
    )
    rule = await write(conn, ada, excluded_from_budgets=True)
    async with conn.transaction():
        found = await rules_past.preview(conn, ada.user_id, rule.rule_id, NOW)
        await rules_past.apply(conn, ada.user_id, rule.rule_id, NOW)
    excluded = {item.category_id: (item.excluded_before_minor, item.excluded_after_minor) for item in found.sums}
    assert excluded == {COFFEE: (0, -6_00), GROCERIES: (0, -4_00)}
    assert {item.before_minor - item.after_minor for item in found.sums} == {0}
    sums = await conn.fetch("SELECT category_id, excluded_posted_minor FROM monthly_spending ORDER BY 1")
    assert dict(map(tuple, sums)) == {COFFEE: -6_00, GROCERIES: -4_00}
    assert (await look(conn, one))[0][-1] is True


async def test_another_person_can_neither_apply_nor_undo_nor_see_it(conn, ada):
    bob = await create_person(conn)
    one, theirs = await bought(conn, ada, -1_00), await bought(conn, bob, -1_00)
    rule = await write(conn, ada, category_id=GROCERIES)
    async with acting_as(conn, ada.user_id):
        application, _, _ = await rules_past.apply(conn, ada.user_id, rule.rule_id, NOW)
    async with acting_as(conn, bob.user_id):
        with pytest.raises(NotFound):
            await rules_past.undo(conn, bob.user_id, application.application_id, NOW)
        with pytest.raises(NotFound):
            await rules_past.apply(conn, bob.user_id, rule.rule_id, NOW)
        assert await rules_past.list_applications(conn, bob.user_id) == []
    assert [row[0] for row in await look(conn, one, theirs)] == [GROCERIES, COFFEE]
