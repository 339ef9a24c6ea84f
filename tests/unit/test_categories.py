from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from mintql.data import load_categories, load_template
from mintql.domain.budgets import MonthlySum, Plan
from mintql.domain.categories import (
    UNCATEGORIZED,
    UNCATEGORIZED_ID,
    CategoryKind,
    CategorySource,
    CategoryTree,
    PersonalCategory,
    check_in_use,
    check_leaf,
    personal_tree,
)
from mintql.domain.errors import InvalidInput
from mintql.domain.recommendations import recommend

TREE = load_categories()
GROCERIES = TREE.by_slug["groceries"]
FOOD = TREE.by_slug["food-and-dining"]


def test_there_are_sixteen_groups_and_uncategorized_stands_alone():
    assert [group.name for group in TREE.groups] == [
        *(
            "Income",
            "Transfers",
            "Housing",
            "Home",
            "Bills & Utilities",
            "Food & Dining",
            "Auto & Transport",
            "Shopping",
        ),
        *("Health", "Personal Care & Fitness", "Entertainment", "Travel", "Education & Family", "Pets & Giving"),
        *("Financial & Insurance", "Taxes, Government & Services"),
    ]
    uncategorized = TREE.by_id[UNCATEGORIZED_ID]
    assert uncategorized.parent_id is None
    assert uncategorized in TREE.leaves
    assert not TREE.is_group(UNCATEGORIZED_ID)
    assert TREE.self_and_group(UNCATEGORIZED_ID) == (UNCATEGORIZED_ID,)


def test_ids_say_their_group():
    for group in TREE.groups:
        assert group.category_id % 100 == 0
        for leaf in TREE.children(group.category_id):
            assert group.category_id < leaf.category_id < group.category_id + 100


def test_every_category_is_a_group_or_a_leaf_and_every_leaf_has_a_code_and_an_icon():
    assert len(TREE.groups) + len(TREE.leaves) == len(TREE.by_id)
    for leaf in TREE.leaves:
        assert leaf.plaid_code
        assert leaf.icon
    for group in TREE.groups:
        assert not group.plaid_code
        assert len(TREE.children(group.category_id)) > 1


def test_names_are_unique_among_what_a_person_chooses_from():
    counts = Counter(leaf.name for leaf in TREE.leaves if leaf.kind is CategoryKind.EXPENSE)
    assert [name for name, count in counts.items() if count > 1] == []


def test_card_payments_and_transfers_are_no_spending():
    for slug in ("credit-card-payment", "account-transfer", "savings-transfer", "investment-transfer"):
        assert TREE.by_slug[slug].kind is CategoryKind.TRANSFER


def test_a_leaf_counts_in_itself_and_in_its_group():
    assert TREE.self_and_group(GROCERIES.category_id) == (GROCERIES.category_id, FOOD.category_id)
    assert TREE.self_and_group(FOOD.category_id) == (FOOD.category_id,)
    assert GROCERIES in TREE.children(FOOD.category_id)
    assert TREE.children(GROCERIES.category_id) == ()
    assert TREE.is_group(FOOD.category_id)
    with pytest.raises(KeyError):
        TREE.self_and_group(999_999)


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"category_id": FOOD.category_id}, "used twice"),
        ({"category_id": 9999}, "used twice"),
        ({"category_id": 9999, "slug": "new", "parent_id": 12345}, "needs a parent"),
        ({"category_id": 9999, "slug": "new", "parent_id": GROCERIES.category_id}, "needs a parent"),
        ({"category_id": 9999, "slug": "new", "kind": CategoryKind.INCOME}, "kind of its group"),
    ],
)
def test_a_tree_that_contradicts_itself_is_refused(changed, complaint):
    with pytest.raises(ValueError, match=complaint):
        CategoryTree([*TREE.by_id.values(), replace(GROCERIES, **changed)])


def test_being_uncategorized_has_no_reason():
    assert UNCATEGORIZED.category_id == UNCATEGORIZED_ID
    assert UNCATEGORIZED.source is CategorySource.NONE
    assert UNCATEGORIZED.detail == ""


@pytest.mark.skipif(
    "MINTQL_SHARED_DATA" not in os.environ, reason="needs the taxonomy, which is not part of the project"
)
def test_plaid_codes_are_those_of_the_taxonomy():
    lines = Path(os.environ["MINTQL_SHARED_DATA"], "pfc-taxonomy-all.csv").read_text(encoding="utf-8").splitlines()
    known = {line.split(",")[1] for line in lines if "," in line}
    assert {leaf.plaid_code for leaf in TREE.leaves} <= known


RESTAURANTS = TREE.by_slug["restaurants"]
COFFEE = TREE.by_slug["coffee"]
TRAVEL = TREE.by_slug["travel"]
HOBBIES = PersonalCategory(10_000, name="Hobbies", kind=CategoryKind.EXPENSE, icon="tag")
CHESS = PersonalCategory(10_001, 10_000, "Chess", CategoryKind.EXPENSE, "crown")
LUNCH = PersonalCategory(10_002, FOOD.category_id, "Lunch at work", CategoryKind.EXPENSE, "utensils")


def test_a_person_who_says_nothing_has_the_standard_tree_itself():
    assert personal_tree(TREE, ()) is TREE
    assert TREE.redirects == {}
    assert not any(category.is_own or category.hidden for category in TREE.by_id.values())


def test_own_categories_stand_in_standard_groups_and_in_own_ones():
    tree = personal_tree(TREE, (HOBBIES, CHESS, LUNCH))
    assert tree.by_id[10_000].is_group
    assert [leaf.name for leaf in tree.children(10_000)] == ["Chess"]
    assert tree.children(FOOD.category_id)[-1].name == "Lunch at work"
    assert tree.self_and_group(10_002) == (10_002, FOOD.category_id)
    assert (tree.by_slug["own-10001"].kind, tree.by_slug["own-10001"].plaid_code) == (CategoryKind.EXPENSE, "")
    assert len(tree.leaves) == len(TREE.leaves) + 2
    assert [group.name for group in tree.groups][-1] == "Hobbies"


def test_an_own_group_without_categories_is_a_group_all_the_same():
    tree = personal_tree(TREE, (HOBBIES,))
    assert tree.is_group(10_000)
    with pytest.raises(InvalidInput, match="Hobbies is a group; add a category to it first"):
        check_leaf(tree, 10_000)


def test_renaming_changes_the_name_alone():
    tree = personal_tree(TREE, (PersonalCategory(GROCERIES.category_id, name="Food shopping"),))
    assert tree.by_id[GROCERIES.category_id] == replace(GROCERIES, name="Food shopping")
    assert TREE.by_id[GROCERIES.category_id].name == "Groceries"


def test_a_hidden_category_takes_nothing_new_and_can_still_be_chosen_by_hand():
    tree = personal_tree(TREE, (PersonalCategory(COFFEE.category_id, hidden=True),))
    assert tree.redirect(COFFEE.category_id) is None
    assert tree.redirect(GROCERIES.category_id) == GROCERIES.category_id
    assert check_leaf(tree, COFFEE.category_id) == COFFEE.category_id
    assert COFFEE.category_id in {leaf.category_id for leaf in tree.children(FOOD.category_id)}


def test_a_hidden_group_hides_all_in_it():
    tree = personal_tree(TREE, (PersonalCategory(TRAVEL.category_id, hidden=True),))
    assert all(leaf.hidden for leaf in tree.children(TRAVEL.category_id))
    assert {tree.redirect(leaf.category_id) for leaf in tree.children(TRAVEL.category_id)} == {None}


def test_what_would_go_into_a_merged_category_goes_where_it_was_merged():
    said = (LUNCH, PersonalCategory(RESTAURANTS.category_id, merged_into=10_002))
    tree = personal_tree(TREE, said)
    assert tree.redirect(RESTAURANTS.category_id) == 10_002
    with pytest.raises(InvalidInput) as refused:
        check_leaf(tree, RESTAURANTS.category_id)
    assert refused.value.message == (
        "Restaurants was merged into Lunch at work; use that, or bring Restaurants back first."
    )
    hidden = personal_tree(TREE, (replace(LUNCH, hidden=True), *said[1:]))
    assert hidden.redirect(RESTAURANTS.category_id) is None


def test_an_own_category_that_is_gone_is_named_by_history_alone():
    tree = personal_tree(TREE, (replace(LUNCH, gone=True, merged_into=RESTAURANTS.category_id),))
    assert tree.by_id[10_002].name == "Lunch at work"
    assert not tree.by_id[10_002].offered
    assert tree.redirect(10_002) == RESTAURANTS.category_id
    with pytest.raises(InvalidInput, match="There is no category 10002"):
        check_in_use(tree, 10_002)


@pytest.mark.parametrize(
    "said",
    [
        replace(CHESS, parent_id=12_345),
        replace(CHESS, parent_id=GROCERIES.category_id),
        replace(CHESS, parent_id=UNCATEGORIZED_ID),
        replace(CHESS, kind=CategoryKind.INCOME),
        replace(CHESS, name=None),
    ],
)
def test_own_categories_that_contradict_the_tree_are_refused(said):
    with pytest.raises(ValueError, match=r"categor"):
        personal_tree(TREE, (HOBBIES, said))


def test_nothing_is_recommended_for_hidden_groups():
    plan = Plan(7_000_000, "USD", 0)
    tree = personal_tree(TREE, (PersonalCategory(TRAVEL.category_id, hidden=True),))
    november = date(2026, 11, 1)
    everywhere = recommend(TREE, (), load_template(), plan, november)
    assert recommend(tree, (), load_template(), plan, november) == {
        group_id: found for group_id, found in everywhere.items() if group_id != TRAVEL.category_id
    }
    assert TRAVEL.category_id in everywhere
    sums = [MonthlySum(date(2026, month, 1), GROCERIES.category_id, "USD", -100_00, 0, 1, 0) for month in range(5, 11)]
    assert TRAVEL.category_id not in recommend(tree, sums, load_template(), plan, november)
    assert TRAVEL.category_id in recommend(TREE, sums, load_template(), plan, november)
