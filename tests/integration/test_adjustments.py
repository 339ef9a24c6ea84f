"""Names to show and exclusion from budgets, set by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from mintql.data import load_categories
from mintql.domain.errors import InvalidInput, NotFound
from mintql.domain.money import Money
from mintql.domain.rules import Actions, Conditions
from mintql.services import adjustments, rules, rules_past
from mintql.services.adjustments import Adjustment
from mintql.services.budget_overrides import Scope
from mintql.services.rules import RuleWish
from mintql.services.spending import spending
from mintql.services.transactions import PageRequest, check_filter, list_page
from mintql.store.reconcile import differences
from support.budgets import budgets_of_month, set_limit
from support.factories import create_person, create_transaction
from support.people import acting_as, category

NOW, NOVEMBER = datetime(2026, 11, 12, 10, tzinfo=UTC), date(2026, 11, 1)
COFFEE = category("coffee")
OUT = Adjustment(changes_excluded=True, excluded_from_budgets=True)


@pytest.fixture
async def ada(conn):
    return await create_person(conn)


async def bought(conn, person, amount_minor):
    return await create_transaction(
        conn, person.user_id, person.account_id, amount_minor=amount_minor, category_id=COFFEE, category_source="crowd"
    )


async def spent(conn, person):
    budgets = await budgets_of_month(conn, person.user_id, NOVEMBER, NOW)
    return next(item.spent.total_minor for item in budgets if item.limit.category_id == COFFEE)


async def test_budgets_leave_out_what_is_excluded_while_sums_hold_it_and_count_it_again_when_asked(conn, ada):
    async with acting_as(conn, ada.user_id):
        await set_limit(conn, ada.user_id, COFFEE, NOVEMBER, Money(10_00, "USD"), Scope.FROM_THIS_MONTH, NOW)
    one, other = await bought(conn, ada, -9_00), await bought(conn, ada, -1_00)
    async with acting_as(conn, ada.user_id):
        rows, effects = await adjustments.adjust(conn, ada.user_id, [one], OUT, NOW)
        assert ([row.excluded_from_budgets for row in rows], effects.changed) == ([True], {ada.user_id})
        assert await spent(conn, ada) == 1_00
        (month,) = await spending(conn, ada.user_id, NOVEMBER, NOVEMBER)
        assert [(line.posted_minor, line.excluded_minor) for line in month.categories] == [(10_00, 9_00)]
        for wanted, ids in ((True, [one]), (False, [other]), (None, [other, one])):
            narrowed = check_filter(load_categories(), excluded_from_budgets=wanted)
            page = await list_page(conn, ada.user_id, narrowed, PageRequest(size=9))
            assert [row.transaction_id for row in page.rows] == ids
    assert await conn.fetch("SELECT FROM alerts") == []
    async with acting_as(conn, ada.user_id):
        await adjustments.adjust(conn, ada.user_id, [one], Adjustment(changes_excluded=True), NOW)
        assert await spent(conn, ada) == 10_00
    assert await conn.fetchval("SELECT array_agg(threshold_percent ORDER BY threshold_percent) FROM alerts") == [
        80,
        100,
    ]
    assert await differences(conn, [ada.user_id]) == []


async def test_a_name_is_shown_instead_of_the_sellers_until_it_is_taken_away(conn, ada):
    one = await bought(conn, ada, -9_00)
    named = Adjustment(changes_name=True, display_name="  Corner  ")
    async with acting_as(conn, ada.user_id):
        (row,), _ = await adjustments.adjust(conn, ada.user_id, [one], named, NOW)
        assert row.merchant == "Corner"
        _, nothing = await adjustments.adjust(conn, ada.user_id, [one], named, NOW)
        assert nothing.changed == set()
        (row,), _ = await adjustments.adjust(conn, ada.user_id, [one], Adjustment(changes_name=True), NOW)
        assert row.merchant == "Corner Shop"


async def test_a_rule_that_is_applied_leaves_what_was_set_by_hand(conn, ada):
    one = await bought(conn, ada, -9_00)
    by_hand = Adjustment(changes_name=True, display_name="Mine", changes_excluded=True, excluded_from_budgets=False)
    actions = Actions(display_name="Theirs", excluded_from_budgets=True)
    async with acting_as(conn, ada.user_id):
        await adjustments.adjust(conn, ada.user_id, [one], by_hand, NOW)
        rule, _, _ = await rules.create(conn, ada.user_id, RuleWish(Conditions(text="corner"), actions), NOW)
        _, reach, _ = await rules_past.apply(conn, ada.user_id, rule.rule_id, NOW)
    assert (reach.matched, reach.changed) == (1, 0)
    row = await conn.fetchrow("SELECT display_name, excluded_from_budgets FROM transactions")
    assert tuple(row) == ("Mine", False)


async def test_all_or_none_are_changed(conn, ada):
    bob = await create_person(conn)
    one, theirs = await bought(conn, ada, -9_00), await bought(conn, bob, -9_00)
    for ids, wish, kind in (
        ([one, theirs], OUT, NotFound),
        ([one], Adjustment(), InvalidInput),
        ([], OUT, InvalidInput),
        ([one], Adjustment(changes_name=True, display_name="a" * 101), InvalidInput),
        ([one], Adjustment(changes_name=True, display_name="a\nb"), InvalidInput),
    ):
        with pytest.raises(kind):
            async with acting_as(conn, ada.user_id):
                await adjustments.adjust(conn, ada.user_id, ids, wish, NOW)
    assert (
        await conn.fetchval("SELECT count(*) FROM transactions WHERE excluded_from_budgets OR display_name <> ''") == 0
    )
