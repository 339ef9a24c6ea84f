"""A person's own categories, and standard ones changed for them: what is in them stays right to the cent."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest

from mintql.data import load_categories
from mintql.domain.categories import OWN_ID_MIN, UNCATEGORIZED_ID, CategoryKind
from mintql.domain.errors import CategoryInUse, InvalidInput
from mintql.domain.money import Money
from mintql.services import category_changes, category_moves
from mintql.services.annotations import PartWish, split
from mintql.services.budget_overrides import Scope as BudgetScope
from mintql.services.categorize import Clues, default_categorizer
from mintql.services.category_changes import CategoryWish, NewCategory
from mintql.services.choices import Scope, recategorize
from mintql.services.crowd import CrowdCache
from mintql.services.knowledge import load_knowledge
from mintql.services.personal_categories import tree_of
from mintql.services.spending import spending
from mintql.store.reconcile import differences
from support.budgets import budgets_of_month, set_limit
from support.factories import create_override, create_person, create_transaction
from support.people import acting_as, category

NOW = datetime(2026, 11, 12, 10, 0, tzinfo=UTC)
NOVEMBER = date(2026, 11, 1)
GROCERIES, RESTAURANTS, COFFEE = category("groceries"), category("restaurants"), category("coffee")
FOOD, TRAVEL, PAYCHECK = category("food-and-dining"), category("travel"), category("paycheck")


@pytest.fixture
async def ada(conn):
    return await create_person(conn)


async def add(conn, person, name, group_id=FOOD, **more):
    async with acting_as(conn, person.user_id):
        made, _ = await category_changes.add(conn, person.user_id, NewCategory(name, group_id, **more))
    return made


async def change(conn, person, category_id, **wish):
    if "name" in wish:
        wish["changes_name"] = True
    if "icon" in wish:
        wish["changes_icon"] = True
    async with acting_as(conn, person.user_id):
        return await category_changes.change(conn, person.user_id, category_id, CategoryWish(**wish), NOW)


async def merge(conn, person, category_id, into_id):
    async with acting_as(conn, person.user_id):
        return await category_moves.merge(conn, person.user_id, category_id, into_id, NOW)


async def delete(conn, person, category_id, move_to=None):
    async with acting_as(conn, person.user_id):
        return await category_moves.delete(conn, person.user_id, category_id, move_to, NOW)


async def restore(conn, person, category_id):
    async with acting_as(conn, person.user_id):
        return await category_moves.restore(conn, person.user_id, category_id)


async def tree(conn, person):
    async with acting_as(conn, person.user_id):
        return await tree_of(conn, person.user_id)


async def spent(conn, person):
    """What each category came to in November, by id."""
    async with acting_as(conn, person.user_id):
        (month,) = await spending(conn, person.user_id, NOVEMBER, NOVEMBER)
    assert await differences(conn, [person.user_id]) == []
    return {line.category.category_id: line.posted_minor + line.pending_minor for line in month.categories}


async def budgets(conn, person):
    async with acting_as(conn, person.user_id):
        found = await budgets_of_month(conn, person.user_id, NOVEMBER, NOW)
    return {
        budget.limit.category_id: (budget.limit.limit_minor, budget.spent.total_minor)
        for budget in found
        if budget.override is not None
    }


async def limit(conn, person, category_id, limit_minor):
    async with acting_as(conn, person.user_id):
        amount = Money(limit_minor, "USD")
        await set_limit(conn, person.user_id, category_id, NOVEMBER, amount, BudgetScope.FROM_THIS_MONTH, NOW)


async def categorized(conn, person, merchant_key):
    """Where a purchase of a seller would be put that came in now."""
    known = await load_knowledge(conn, [person.user_id], [merchant_key], CrowdCache())
    found = known[person.user_id].categorize(default_categorizer(), Clues(merchant_key, -100, "USD"))
    return found.category_id, found.source.value


async def refused(doing):
    with pytest.raises(InvalidInput) as failure:
        await doing
    return failure.value.message


# Adding and changing


async def test_a_person_who_changes_nothing_owns_no_row_and_has_the_standard_tree(conn, ada):
    assert await tree(conn, ada) is load_categories()
    await change(conn, ada, GROCERIES, name="Food shopping", hidden=True, icon="carrot")
    await change(conn, ada, GROCERIES, name=None, hidden=False, icon=None)
    await change(conn, ada, COFFEE, name="Coffee & Bakeries")
    assert await conn.fetchval("SELECT count(*) FROM personal_categories") == 0
    assert await tree(conn, ada) is load_categories()


async def test_own_categories_hold_transactions_parts_and_budgets_and_count_in_their_group(conn, ada):
    lunch = await add(conn, ada, "Lunch at work")
    hobbies = await add(conn, ada, "Hobbies", None, kind=CategoryKind.EXPENSE)
    chess = await add(conn, ada, "Chess", hobbies, icon="crown")
    assert (lunch, hobbies, chess) == (OWN_ID_MIN, OWN_ID_MIN + 1, OWN_ID_MIN + 2)
    found = await tree(conn, ada)
    assert (found.by_id[chess].icon, found.by_id[hobbies].icon, found.by_id[lunch].icon) == ("crown", "tag", "utensils")

    bought = await create_transaction(conn, ada.user_id, ada.account_id, amount_minor=-30_00)
    await limit(conn, ada, FOOD, 100_00)
    await limit(conn, ada, hobbies, 40_00)
    await limit(conn, ada, lunch, 35_00)
    async with acting_as(conn, ada.user_id):
        await recategorize(conn, ada.user_id, [bought], lunch, Scope.ONCE, NOW)
        await split(conn, ada.user_id, bought, [PartWish(chess, "-5.00", "USD")], NOW)

    assert await spent(conn, ada) == {lunch: 25_00, chess: 5_00}
    assert await budgets(conn, ada) == {FOOD: (100_00, 25_00), hobbies: (40_00, 5_00), lunch: (35_00, 25_00)}
    raised = await conn.fetch("SELECT category_id, threshold_percent, spent_minor FROM alerts")
    assert [tuple(row) for row in raised] == [(lunch, 80, 30_00)]


async def test_own_categories_are_their_persons_alone(conn, ada):
    eve = await create_person(conn)
    lunch = await add(conn, ada, "Lunch at work")
    hers = await create_transaction(conn, eve.user_id, eve.account_id)
    async with acting_as(conn, eve.user_id):
        assert await conn.fetch("SELECT * FROM personal_categories") == []
        with pytest.raises(InvalidInput, match=f"There is no category {lunch}"):
            await recategorize(conn, eve.user_id, [hers], lunch, Scope.ONCE, NOW)
    assert await tree(conn, eve) is load_categories()
    assert await refused(change(conn, eve, lunch, name="Mine")) == f"There is no category {lunch}."
    assert await refused(delete(conn, eve, lunch)) == f"There is no category {lunch}."
    assert await add(conn, eve, "Lunch at work") == lunch
    assert (await tree(conn, ada)).by_id[lunch].name == "Lunch at work"


@pytest.mark.parametrize(
    ("name", "more", "words"),
    [
        ("  ", {}, "A name has 1 to 60 characters; '' has 0."),
        ("x" * 61, {}, f"A name has 1 to 60 characters; {'x' * 40 + '…'!r} has 61."),
        ("a\nb", {}, "The name 'a\\nb' holds a character that cannot be shown on a line."),
        ("Grocer\u200bies", {}, "The name 'Grocer\\u200bies' holds a character that cannot be shown on a line."),
        ("\u200d\u200d", {}, "The name '\\u200d\\u200d' holds nothing that can be seen."),
        ("gROCERIES", {}, "There is a category Groceries already; choose another name."),
        ("travel", {}, "There is a category Travel already; choose another name."),
        ("New", {"group_id": None}, "Give the group it goes into, or for a new group its kind; one of the two."),
        ("New", {"kind": CategoryKind.EXPENSE}, "Give the group it goes into, or for a new group its kind; one of the two."),
        ("New", {"group_id": COFFEE}, "Coffee & Bakeries is no group; categories go into groups."),
        ("New", {"group_id": UNCATEGORIZED_ID}, "Uncategorized is no group; categories go into groups."),
        ("New", {"group_id": 4242}, "There is no category 4242."),
        ("New", {"icon": "Shopping Bag"}, ("'Shopping Bag' is no name of an icon; give one as lucide.dev has it, such as "
         "shopping-basket.")),
    ],
)  # fmt: skip
async def test_categories_that_cannot_be_are_refused_in_words(conn, ada, name, more, words):
    assert await refused(add(conn, ada, name, **more)) == words
    assert await conn.fetchval("SELECT count(*) FROM personal_categories") == 0


async def test_names_are_the_same_whatever_case_and_form_also_of_hidden_ones_and_free_again_once_given_up(conn, ada):
    cafe = await add(conn, ada, "Caf\u00e9s")
    await change(conn, ada, cafe, hidden=True)
    words = "There is a category Caf\u00e9s already, which you have hidden; choose another name."
    assert await refused(add(conn, ada, "CAFE\u0301S")) == words
    await change(conn, ada, cafe, name="caf\u00e9s")
    await change(conn, ada, GROCERIES, name="Food shopping")
    again = await add(conn, ada, "Groceries")
    words = "There is a category Groceries already; choose another name."
    assert await refused(change(conn, ada, GROCERIES, name=None)) == words
    await delete(conn, ada, again)
    await change(conn, ada, GROCERIES, name=None)
    assert (await tree(conn, ada)).by_id[GROCERIES].name == "Groceries"


async def test_the_number_of_own_categories_is_bounded_and_no_id_is_given_twice(conn, ada, monkeypatch):
    monkeypatch.setattr(category_changes, "OWN_MAX", 2)
    monkeypatch.setattr(category_changes, "OWN_EVER_MAX", 3)
    first, second = await add(conn, ada, "One"), await add(conn, ada, "Two")
    assert await refused(add(conn, ada, "Three")) == (
        "You have 2 categories of your own, the most there can be; delete one first."
    )
    await delete(conn, ada, second)
    third = await add(conn, ada, "Two")
    assert len({first, second, third}) == 3
    await delete(conn, ada, third)
    assert await refused(add(conn, ada, "Two")) == (
        "You have made 3 categories, deleted ones among them, the most there can be; rename one."
    )


@pytest.mark.parametrize(
    ("slug", "wish", "words"),
    [
        ("uncategorized", {"hidden": True}, "Uncategorized cannot be hidden: it holds what is in no other."),
        ("credit-card-payment", {"hidden": True}, ("Credit Card Payment cannot be hidden: money moved between your own "
         "accounts is kept out of spending there.")),
        ("transfers", {"hidden": True}, ("Transfers cannot be hidden: money moved between your own accounts is kept out of "
         "spending there.")),
        ("groceries", {"group_id": TRAVEL}, "Groceries is a standard category; it stays in its group."),
        ("groceries", {"name": "Coffee & Bakeries"}, "There is a category Coffee & Bakeries already; choose another name."),
    ],
)  # fmt: skip
async def test_changes_that_cannot_be_are_refused_in_words(conn, ada, slug, wish, words):
    assert await refused(change(conn, ada, category(slug), **wish)) == words
    assert await conn.fetchval("SELECT count(*) FROM personal_categories") == 0


async def test_a_category_of_a_hidden_group_is_shown_with_its_group_alone(conn, ada):
    await change(conn, ada, FOOD, hidden=True)
    assert await refused(change(conn, ada, COFFEE, hidden=False)) == (
        "Coffee & Bakeries is hidden with its group; show Food & Dining first."
    )
    assert await refused(add(conn, ada, "Lunch")) == "You have hidden Food & Dining; show it first."


async def test_moving_an_own_category_to_another_group_moves_its_spending_between_their_budgets(conn, ada):
    lunch = await add(conn, ada, "Lunch at work")
    await create_transaction(conn, ada.user_id, ada.account_id, amount_minor=-90_00, category_id=lunch)
    await limit(conn, ada, FOOD, 200_00)
    await limit(conn, ada, TRAVEL, 100_00)
    assert await budgets(conn, ada) == {FOOD: (200_00, 90_00), TRAVEL: (100_00, 0)}
    await change(conn, ada, lunch, group_id=TRAVEL)
    assert await budgets(conn, ada) == {FOOD: (200_00, 0), TRAVEL: (100_00, 90_00)}
    raised = await conn.fetch("SELECT category_id, threshold_percent FROM alerts")
    assert [tuple(row) for row in raised] == [(TRAVEL, 80)]
    assert await refused(change(conn, ada, lunch, group_id=category("income"))) == (
        "Lunch at work is for expense and Income for income; choose a group of its kind."
    )


# Hiding


async def test_nothing_new_is_put_into_a_hidden_category_and_what_is_in_it_counts(conn, ada):
    assert await categorized(conn, ada, "starbucks") == (COFFEE, "dictionary")
    await create_transaction(conn, ada.user_id, ada.account_id, amount_minor=-4_00, category_id=COFFEE)
    await limit(conn, ada, FOOD, 100_00)
    await change(conn, ada, COFFEE, hidden=True)
    assert (await categorized(conn, ada, "starbucks"))[0] != COFFEE
    assert await categorized(conn, ada, "starbucks") == (UNCATEGORIZED_ID, "none")
    assert await spent(conn, ada) == {COFFEE: 4_00}
    assert await budgets(conn, ada) == {FOOD: (100_00, 4_00)}
    await change(conn, ada, COFFEE, hidden=False)
    assert await categorized(conn, ada, "starbucks") == (COFFEE, "dictionary")


async def test_a_memory_that_names_a_hidden_category_gives_way_to_the_next_best_reason(conn, ada):
    await conn.execute("INSERT INTO seller_memories VALUES ($1, 'starbucks', $2)", ada.user_id, RESTAURANTS)
    assert await categorized(conn, ada, "starbucks") == (RESTAURANTS, "memory")
    await change(conn, ada, RESTAURANTS, hidden=True)
    assert await categorized(conn, ada, "starbucks") == (COFFEE, "dictionary")


async def test_a_hidden_groups_budget_of_the_template_is_shown_only_while_something_is_spent(conn):
    bob = await create_person(conn, annual_income_minor=7_000_000)
    await change(conn, bob, TRAVEL, hidden=True)
    async with acting_as(conn, bob.user_id):
        assert TRAVEL not in {b.limit.category_id for b in await budgets_of_month(conn, bob.user_id, NOVEMBER, NOW)}
    await create_transaction(conn, bob.user_id, bob.account_id, category_id=category("flights"))
    async with acting_as(conn, bob.user_id):
        assert TRAVEL in {b.limit.category_id for b in await budgets_of_month(conn, bob.user_id, NOVEMBER, NOW)}


# Merging


async def test_merging_moves_transactions_parts_memories_and_sums_and_leaves_reasons_as_they_are(conn, ada):
    lunch = await add(conn, ada, "Lunch at work")
    by_hand = await create_transaction(
        conn, ada.user_id, ada.account_id, amount_minor=-10_00, category_id=RESTAURANTS, category_source="manual"
    )
    by_machine = await create_transaction(
        conn, ada.user_id, ada.account_id, amount_minor=-20_00, category_id=RESTAURANTS,
        category_source="dictionary", category_detail="corner shop", pending=True,
    )  # fmt: skip
    taken_back = await create_transaction(conn, ada.user_id, ada.account_id, category_id=RESTAURANTS, removed_at=NOW)
    halved = await create_transaction(conn, ada.user_id, ada.account_id, amount_minor=-40_00, category_id=GROCERIES)
    await conn.execute("INSERT INTO seller_memories VALUES ($1, 'corner shop', $2)", ada.user_id, RESTAURANTS)
    async with acting_as(conn, ada.user_id):
        await split(conn, ada.user_id, halved, [PartWish(RESTAURANTS, "-15.00", "USD")], NOW)

    moved, effects = await merge(conn, ada, RESTAURANTS, lunch)

    assert (moved.transactions, moved.sellers, moved.notes) == (3, 1, ())
    assert await spent(conn, ada) == {lunch: 45_00, GROCERIES: 25_00}
    rows = {row["transaction_id"]: row for row in await conn.fetch("SELECT * FROM transactions")}
    assert (rows[by_hand]["category_id"], rows[by_hand]["category_source"]) == (lunch, "manual")
    machine = rows[by_machine]
    assert (machine["category_id"], machine["category_source"], machine["category_detail"]) == (
        lunch, "dictionary", "corner shop"
    )  # fmt: skip
    assert rows[taken_back]["category_id"] == lunch
    assert rows[halved]["part_category_ids"] == [lunch]
    assert await categorized(conn, ada, "corner shop") == (lunch, "memory")
    assert effects.changed == effects.told == {ada.user_id}
    event = json.loads(await conn.fetchval("SELECT payload FROM events ORDER BY seq DESC LIMIT 1"))
    assert (sorted(event["changed"]), event["changed_count"]) == (sorted([by_hand, by_machine, halved]), 3)


async def test_what_the_machine_finds_later_goes_where_the_category_was_merged_until_it_is_brought_back(conn, ada):
    snacks = await add(conn, ada, "Snacks")
    await merge(conn, ada, COFFEE, snacks)
    assert await categorized(conn, ada, "starbucks") == (snacks, "dictionary")
    treats = await add(conn, ada, "Treats")
    await merge(conn, ada, snacks, treats)
    assert await categorized(conn, ada, "starbucks") == (treats, "dictionary")
    found = await tree(conn, ada)
    assert (found.by_id[snacks].gone, found.by_id[COFFEE].gone) == (True, False)
    bought = await create_transaction(conn, ada.user_id, ada.account_id)
    async with acting_as(conn, ada.user_id):
        with pytest.raises(InvalidInput, match="Coffee & Bakeries was merged into Treats; use that"):
            await recategorize(conn, ada.user_id, [bought], COFFEE, Scope.ONCE, NOW)
        with pytest.raises(InvalidInput, match=f"There is no category {snacks}"):
            await recategorize(conn, ada.user_id, [bought], snacks, Scope.ONCE, NOW)
    await restore(conn, ada, COFFEE)
    assert await categorized(conn, ada, "starbucks") == (COFFEE, "dictionary")
    assert await refused(restore(conn, ada, COFFEE)) == (
        "Coffee & Bakeries was not merged into another; there is nothing to bring back."
    )
    assert await refused(restore(conn, ada, snacks)) == f"There is no category {snacks}."


async def test_a_merge_adds_limits_up_says_so_and_raises_what_they_call_for_once(conn, ada):
    lunch = await add(conn, ada, "Lunch at work")
    await create_transaction(conn, ada.user_id, ada.account_id, amount_minor=-70_00, category_id=RESTAURANTS)
    await create_transaction(conn, ada.user_id, ada.account_id, amount_minor=-60_00, category_id=lunch)
    await limit(conn, ada, RESTAURANTS, 100_00)
    await limit(conn, ada, lunch, 50_00)
    assert await budgets(conn, ada) == {RESTAURANTS: (100_00, 70_00), lunch: (50_00, 60_00)}

    moved, _ = await merge(conn, ada, RESTAURANTS, lunch)

    assert moved.notes == ("The limit from 2026-11 on is 150.00 USD now: 50.00 USD and 100.00 USD together.",)
    assert await budgets(conn, ada) == {lunch: (150_00, 130_00)}
    raised = await conn.fetch(
        "SELECT category_id, limit_minor, threshold_percent, spent_minor FROM alerts ORDER BY alert_id"
    )
    assert [tuple(row) for row in raised] == [
        (lunch, 50_00, 80, 60_00), (lunch, 50_00, 100, 60_00), (lunch, 150_00, 80, 130_00)
    ]  # fmt: skip


async def test_alerts_of_the_past_still_name_a_category_that_is_gone(conn, ada):
    lunch = await add(conn, ada, "Lunch at work")
    await create_transaction(conn, ada.user_id, ada.account_id, amount_minor=-60_00, category_id=lunch)
    await limit(conn, ada, lunch, 50_00)
    moved, _ = await delete(conn, ada, lunch, UNCATEGORIZED_ID)
    assert moved.notes == ("Its limit of 50.00 USD from 2026-11 on has ended.",)
    found = await tree(conn, ada)
    assert {found.by_id[row["category_id"]].name for row in await conn.fetch("SELECT * FROM alerts")} == {
        "Lunch at work"
    }
    assert await spent(conn, ada) == {UNCATEGORIZED_ID: 60_00}
    assert await budgets(conn, ada) == {}


@pytest.mark.parametrize(
    ("gone", "taker", "words"),
    [
        ("groceries", "groceries", "Groceries cannot be merged into itself."),
        ("food-and-dining", "coffee", "Food & Dining is a group; merge its categories one by one."),
        ("coffee", "travel", "Travel is a group; merge its categories one by one."),
        ("coffee", "paycheck", ("Coffee & Bakeries is for expense and Paycheck for income; choose a category of the same "
         "kind.")),
        ("coffee", "uncategorized", ("Nothing is merged into Uncategorized; hide Coffee & Bakeries, or delete it if it is "
         "your own.")),
        ("uncategorized", "coffee", "Uncategorized cannot be merged away: it holds what is in no other."),
        ("account-transfer", "wire-transfer", ("Transfer Between Accounts cannot be merged away: money moved between your "
         "own accounts is kept out of spending there.")),
    ],
)  # fmt: skip
async def test_merges_that_cannot_be_are_refused_in_words(conn, ada, gone, taker, words):
    await create_transaction(conn, ada.user_id, ada.account_id, category_id=COFFEE)
    assert await refused(merge(conn, ada, category(gone), category(taker))) == words
    assert await spent(conn, ada) == {COFFEE: 10_00}
    assert await conn.fetchval("SELECT count(*) FROM personal_categories") == 0


async def test_nothing_is_merged_into_a_hidden_category_nor_a_merged_one_again(conn, ada):
    await change(conn, ada, GROCERIES, hidden=True)
    assert await refused(merge(conn, ada, COFFEE, GROCERIES)) == "You have hidden Groceries; show it first."
    await merge(conn, ada, COFFEE, RESTAURANTS)
    words = "Coffee & Bakeries was merged into Restaurants; use that, or bring Coffee & Bakeries back first."
    assert await refused(merge(conn, ada, COFFEE, category("fast-food"))) == words
    assert await refused(merge(conn, ada, category("fast-food"), COFFEE)) == words
    assert await refused(limit(conn, ada, COFFEE, 100)) == words


# Deleting


async def test_deleting_asks_where_what_is_in_it_goes_and_counts_each_sort(conn, ada):
    lunch = await add(conn, ada, "Lunch at work")
    manual = await create_transaction(
        conn, ada.user_id, ada.account_id, amount_minor=-10_00, category_id=lunch, category_source="manual"
    )
    ruled = await create_transaction(
        conn, ada.user_id, ada.account_id, amount_minor=-20_00, category_id=lunch, category_source="memory",
        category_detail="corner shop",
    )  # fmt: skip
    halved = await create_transaction(conn, ada.user_id, ada.account_id, amount_minor=-40_00, category_id=GROCERIES)
    await conn.execute("INSERT INTO seller_memories VALUES ($1, 'corner shop', $2)", ada.user_id, lunch)
    await create_override(conn, ada.user_id, category_id=lunch, month=NOVEMBER, limit_minor=5_00)
    async with acting_as(conn, ada.user_id):
        await split(conn, ada.user_id, halved, [PartWish(lunch, "-15.00", "USD")], NOW)
    before = await spent(conn, ada)

    with pytest.raises(CategoryInUse) as failure:
        await delete(conn, ada, lunch)
    assert failure.value.message == (
        "Lunch at work holds 2 transactions, 1 part of a split, 1 remembered seller, 1 limit of a budget; say with moveTo "
        "which category takes them."
    )
    counted = failure.value
    assert (counted.transactions, counted.parts, counted.sellers, counted.budgets) == (2, 1, 1, 1)
    assert await spent(conn, ada) == before

    moved, _ = await delete(conn, ada, lunch, UNCATEGORIZED_ID)
    assert (moved.transactions, moved.sellers) == (3, 1)
    assert await spent(conn, ada) == {UNCATEGORIZED_ID: 45_00, GROCERIES: 25_00}
    rows = {row["transaction_id"]: row for row in await conn.fetch("SELECT * FROM transactions")}
    assert rows[manual]["category_source"] == "manual"
    assert (rows[ruled]["category_source"], rows[ruled]["category_detail"]) == ("none", "")
    assert await conn.fetchval("SELECT count(*) FROM seller_memories") == 0
    assert await refused(delete(conn, ada, lunch)) == f"There is no category {lunch}."


async def test_an_empty_category_is_deleted_without_a_question(conn, ada):
    lunch = await add(conn, ada, "Lunch at work")
    ghost = await create_transaction(conn, ada.user_id, ada.account_id, category_id=lunch, removed_at=NOW)
    moved, _ = await delete(conn, ada, lunch)
    assert moved.transactions == 0
    assert await conn.fetchval("SELECT category_id FROM transactions WHERE transaction_id = $1", ghost) == (
        UNCATEGORIZED_ID
    )


async def test_what_was_merged_into_a_deleted_category_stands_for_itself_again_or_goes_along(conn, ada):
    lunch, snacks = await add(conn, ada, "Lunch at work"), await add(conn, ada, "Snacks")
    await merge(conn, ada, RESTAURANTS, lunch)
    await merge(conn, ada, COFFEE, snacks)
    await delete(conn, ada, lunch, GROCERIES)
    await delete(conn, ada, snacks)
    found = await tree(conn, ada)
    assert (found.redirect(RESTAURANTS), found.redirect(COFFEE)) == (GROCERIES, COFFEE)


@pytest.mark.parametrize(
    ("move_to", "words"),
    [
        (PAYCHECK, "Lunch at work is for expense and Paycheck for income; choose a category of the same kind."),
        (FOOD, "Food & Dining is a group; choose one of its categories, such as Groceries."),
        (OWN_ID_MIN, "Lunch at work is what you delete; choose another category."),
        (4242, "There is no category 4242."),
    ],
)
async def test_what_is_in_a_category_goes_only_where_it_can_be(conn, ada, move_to, words):
    lunch = await add(conn, ada, "Lunch at work")
    await create_transaction(conn, ada.user_id, ada.account_id, category_id=lunch)
    assert await refused(delete(conn, ada, lunch, move_to)) == words
    assert await spent(conn, ada) == {lunch: 10_00}


async def test_a_standard_category_is_not_deleted_and_a_group_only_when_it_is_empty(conn, ada):
    assert await refused(delete(conn, ada, GROCERIES)) == (
        "Groceries is a standard category, which cannot be deleted; hide it, or merge it into another."
    )
    hobbies = await add(conn, ada, "Hobbies", None, kind=CategoryKind.EXPENSE)
    made = [await add(conn, ada, name, hobbies) for name in ("Chess", "Go", "Dice", "Cards")]
    await limit(conn, ada, hobbies, 20_00)
    assert await refused(delete(conn, ada, hobbies)) == (
        "Hobbies still has categories: Chess, Go, Dice and others. Move, merge or delete them first."
    )
    await change(conn, ada, made[0], group_id=TRAVEL)
    await merge(conn, ada, made[1], made[0])
    for leaf in made[2:]:
        await delete(conn, ada, leaf)
    assert (
        await refused(delete(conn, ada, hobbies, GROCERIES)) == "Hobbies is a group, so nothing is in it to be moved."
    )
    moved, _ = await delete(conn, ada, hobbies)
    assert moved.notes == ("Its limit of 20.00 USD from 2026-11 on has ended.",)
    assert await budgets(conn, ada) == {}


async def test_every_column_that_names_a_category_goes_along_when_one_is_merged(conn):
    columns = await conn.fetch(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND column_name LIKE '%category_id%'"
    )
    taken_along = {
        ("transactions", "category_id"),
        ("transactions", "part_category_ids"),
        ("seller_memories", "category_id"),
        ("budget_overrides", "category_id"),
        ("personal_categories", "category_id"),
        ("rules", "category_id"),
        ("household_shares", "budget_category_ids"),
        ("rule_changes", "category_id_before"),
        ("rule_changes", "category_id_after"),
    }
    by_triggers = {("monthly_spending", "category_id")}
    history = {("alerts", "category_id"), ("notifications", "category_id"), ("reconcile_findings", "category_id")}
    # Choices are led on when they are taken back; a vote stays for what was chosen then, and counts are of everybody.
    history |= {("category_choices", "category_id"), ("category_choices", "before_category_id")}
    # What sides of transfers were is led on when they are given it back.
    history |= {("transfers", "out_category_id"), ("transfers", "in_category_id")}
    # Months are brought back from the archive before their categories move.
    history |= {("archived_months", "sum_category_ids")}
    history |= {("seller_votes", "category_id"), ("crowd_counts", "category_id"), ("crowd_sellers", "top_category_id")}
    assert {tuple(row) for row in columns} == taken_along | by_triggers | history, (
        "take a new column that names categories along in services.category_moves, or say here why it stays"
    )
