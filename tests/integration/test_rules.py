"""Rules that persons write: what they do to transactions that come in, and to those that are uncategorized."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from mintql.domain.errors import InvalidInput, NotFound
from mintql.domain.money import Money
from mintql.domain.rules import Actions, Conditions, Direction
from mintql.services import category_changes, category_moves, rules
from mintql.services.budget_overrides import Scope
from mintql.services.category_changes import NewCategory
from mintql.services.rules import RuleWish
from mintql.store.reconcile import differences
from support.budgets import set_limit
from support.people import category
from support.pipeline import open_pipeline
from support.scripted import page, row

DAY, NOVEMBER = date(2026, 11, 10), date(2026, 11, 1)
WINDOW = (date(2026, 10, 29), date(2026, 11, 13))
COFFEE, GROCERIES, FOOD = category("coffee"), category("groceries"), category("food-and-dining")
STARBUCKS, UNKNOWN = {"description": "STARBUCKS STORE 00123"}, {"description": "ZZQ WIBBLE 77"}


@pytest.fixture
async def bank(database_url, tmp_path):
    async with open_pipeline(database_url, tmp_path / "objects") as pipeline:
        yield pipeline


async def write(bank, user_id, conditions, **actions):
    async with bank.begin() as conn:
        rule, count, _ = await rules.create(
            conn, user_id, RuleWish(Conditions(**conditions), Actions(**actions)), bank.now
        )
    return rule, count


async def rows(bank, user_id):
    found = await bank.fetch("SELECT * FROM transactions WHERE user_id = $1 ORDER BY external_id", user_id)
    return {item["external_id"]: item for item in found}


async def test_a_rule_decides_before_everything_else_and_says_which_it_was(bank):
    ada, connection = await bank.person()
    rule, count = await write(bank, ada, {"merchant_key": "Starbucks"}, category_id=GROCERIES)
    assert (rule.name, count) == ("starbucks", 0)
    await bank.refresh(ada, connection, page(row("t1", -450, DAY, **STARBUCKS), window=WINDOW))
    (found,) = (await rows(bank, ada)).values()
    assert (found["category_id"], found["category_source"]) == (GROCERIES, "rule")
    assert found["category_detail"] == f"{rule.rule_id} starbucks"
    assert (await bank.replay(ada)).differences == []


async def test_the_first_rule_that_says_something_decides_it_and_the_tags_of_all_are_added(bank):
    ada, connection = await bank.person()
    await write(bank, ada, {"text": "star"}, category_id=GROCERIES, tags=("work",))
    await write(bank, ada, {"direction": Direction.OUT}, category_id=COFFEE, display_name="Out", tags=("Work", "all"))
    last, _ = await write(bank, ada, {"text": "00123"}, display_name="Late", excluded_from_budgets=True)
    await bank.refresh(ada, connection, page(row("t1", -450, DAY, **STARBUCKS), window=WINDOW))
    (found,) = (await rows(bank, ada)).values()
    assert (found["category_id"], found["display_name"], found["excluded_from_budgets"]) == (GROCERIES, "Out", True)
    assert found["tags"] == ["work", "all"]
    async with bank.begin() as conn:
        ordered, _ = await rules.move(conn, ada, last.rule_id, 1)
    assert [rule.name for rule in ordered] == ["00123", "star", "Rule"]
    await bank.refresh(
        ada, connection, page(row("t1", -450, DAY, **STARBUCKS), row("t2", -1, DAY, **STARBUCKS), window=WINDOW)
    )
    assert {name: item["display_name"] for name, item in (await rows(bank, ada)).items()} == {"t1": "Out", "t2": "Late"}


@pytest.mark.parametrize(
    ("conditions", "held"),
    [
        ({"text": "WIBBLE 7"}, True),
        ({"text": "wibble 8"}, False),
        ({"amount_min_minor": 10_00, "amount_max_minor": 10_00, "currency": "USD"}, True),
        ({"amount_min_minor": 10_01, "currency": "USD"}, False),
        ({"amount_max_minor": 10_00, "currency": "EUR"}, False),
        ({"direction": Direction.OUT}, True),
        ({"direction": Direction.IN}, False),
        ({"text": "zzq", "direction": Direction.IN}, False),
    ],
)
async def test_an_uncategorized_transaction_gets_what_a_new_rule_says_if_all_its_conditions_hold(
    bank, conditions, held
):
    ada, connection = await bank.person()
    await bank.refresh(ada, connection, page(row("t1", -10_00, DAY, **UNKNOWN), window=WINDOW))
    _, count = await write(bank, ada, conditions, category_id=COFFEE, display_name="Wibble")
    (found,) = (await rows(bank, ada)).values()
    assert count == held
    assert (found["category_source"], found["display_name"]) == (("rule", "Wibble") if held else ("none", None))
    async with bank.begin() as conn:
        assert await differences(conn, [ada]) == []


async def test_a_new_rule_leaves_what_has_a_category_and_what_is_another_persons(bank):
    ada, adas = await bank.person()
    bob, bobs = await bank.person()
    said = page(row("t1", -450, DAY, **STARBUCKS), row("t2", -10_00, DAY, **UNKNOWN), window=WINDOW)
    await bank.refresh(ada, adas, said)
    await bank.refresh(bob, bobs, said)
    _, count = await write(bank, ada, {"direction": Direction.OUT}, category_id=GROCERIES)
    assert count == 1
    assert [item["category_source"] for item in (await rows(bank, ada)).values()] == ["dictionary", "rule"]
    assert [item["category_source"] for item in (await rows(bank, bob)).values()] == ["dictionary", "none"]


async def test_what_a_new_rule_puts_into_a_category_raises_the_alert_of_its_budget(bank):
    ada, connection = await bank.person()
    async with bank.begin() as conn:
        await set_limit(conn, ada, COFFEE, NOVEMBER, Money(10_00, "USD"), Scope.FROM_THIS_MONTH, bank.now)
    await bank.refresh(ada, connection, page(row("t1", -9_00, DAY, **UNKNOWN), window=WINDOW))
    assert await bank.fetch("SELECT FROM alerts") == []
    await write(bank, ada, {"text": "wibble"}, category_id=COFFEE)
    (raised,) = await bank.fetch("SELECT category_id, threshold_percent, spent_minor FROM alerts")
    assert tuple(raised) == (COFFEE, 80, 9_00)


async def test_a_changed_rule_reaches_what_is_uncategorized_and_a_deleted_one_leaves_what_it_did(bank):
    ada, connection = await bank.person()
    await bank.refresh(ada, connection, page(row("t1", -10_00, DAY, **UNKNOWN), window=WINDOW))
    rule, _ = await write(bank, ada, {"text": "nothing"}, category_id=COFFEE)
    wish = RuleWish(replace(rule.conditions, text="wibble"), rule.actions, rule.name)
    async with bank.begin() as conn:
        changed, count, _ = await rules.change(conn, ada, rule.rule_id, wish, bank.now)
        assert (changed.position, count) == (rule.position, 1)
        await rules.delete(conn, ada, rule.rule_id)
        assert await rules.list_rules(conn, ada) == []
    assert (await rows(bank, ada))["t1"]["category_id"] == COFFEE
    await bank.refresh(ada, connection, page(row("t2", -11_00, DAY, **UNKNOWN), window=WINDOW))
    assert (await rows(bank, ada))["t2"]["category_source"] == "none"


async def test_a_rule_goes_along_with_its_category_and_rests_when_that_is_gone_for_good(bank):
    ada, _ = await bank.person()
    async with bank.begin() as conn:
        own, _ = await category_changes.add(conn, ada, NewCategory("Treats", FOOD))
        snacks, _ = await category_changes.add(conn, ada, NewCategory("Snacks", FOOD))
    await write(bank, ada, {"text": "a"}, category_id=own)
    await write(bank, ada, {"text": "b"}, category_id=own, tags=("b",))
    async with bank.begin() as conn:
        await category_moves.merge(conn, ada, own, snacks, bank.now)
        assert [rule.actions.category_id for rule in await rules.list_rules(conn, ada)] == [snacks, snacks]
        await category_moves.delete(conn, ada, snacks, category("uncategorized"), bank.now)
        left = [(rule.actions.category_id, rule.enabled) for rule in await rules.list_rules(conn, ada)]
    assert left == [(1, False), (None, True)]


@pytest.mark.parametrize(
    ("conditions", "actions", "words"),
    [
        ({}, {"category_id": COFFEE}, "at least one condition"),
        ({"text": "a"}, {}, "at least one thing to set"),
        ({"text": " "}, {"category_id": COFFEE}, "is empty"),
        ({"text": "a" * 101}, {"category_id": COFFEE}, "at most 100 characters"),
        ({"text": "a"}, {"category_id": FOOD}, "is a group"),
        ({"text": "a"}, {"category_id": category("uncategorized")}, "cannot make transactions uncategorized"),
        ({"account_ids": frozenset({1})}, {"category_id": COFFEE}, "accounts does not exist"),
        ({"amount_min_minor": 2, "amount_max_minor": 1, "currency": "USD"}, {"tags": ("a",)}, "more than the greatest"),
    ],
)
async def test_a_rule_that_cannot_be_is_refused_in_words(bank, conditions, actions, words):
    ada, _ = await bank.person()
    with pytest.raises(InvalidInput, match=words):
        await write(bank, ada, conditions, **actions)
    assert await bank.fetch("SELECT FROM rules") == []


async def test_another_persons_rule_is_none(bank):
    ada, _ = await bank.person()
    bob, _ = await bank.person()
    rule, _ = await write(bank, ada, {"text": "a"}, category_id=COFFEE)
    async with bank.begin() as conn:
        for attempt in (
            lambda: rules.delete(conn, bob, rule.rule_id),
            lambda: rules.move(conn, bob, rule.rule_id, 1),
            lambda: rules.change(conn, bob, rule.rule_id, RuleWish(rule.conditions, rule.actions), bank.now),
        ):
            with pytest.raises(NotFound):
                await attempt()
        assert await rules.list_rules(conn, ada) == [rule]


async def test_what_is_booked_keeps_what_the_pending_one_had_whatever_rules_say_by_then(bank):
    ada, connection = await bank.person()
    pending = row("p1", -10_00, DAY, pending=True, **STARBUCKS)
    await bank.refresh(ada, connection, page(pending, window=WINDOW))
    await write(bank, ada, {"text": "star"}, category_id=GROCERIES, tags=("late",), display_name="Late")
    booked = row("b1", -10_00, DAY, pending_external_id="p1", **STARBUCKS)
    await bank.refresh(ada, connection, page(booked, window=WINDOW))
    found = (await rows(bank, ada))["b1"]
    assert (found["category_id"], found["category_source"]) == (COFFEE, "dictionary")
    assert (found["tags"], found["display_name"]) == (None, None)
