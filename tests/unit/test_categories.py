from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from mintql.data import load_categories
from mintql.domain.categories import UNCATEGORIZED, UNCATEGORIZED_ID, CategoryKind, CategorySource, CategoryTree

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
