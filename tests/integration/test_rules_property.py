"""Rules mean the same in Python and in the database, and sums hold through any sequence of what they do."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta

import pytest

from mintql.domain.merchants import key_form
from mintql.domain.rules import Actions, Conditions, Direction, Rule, RuleClues, matches
from mintql.services import adjustments, choices, rules, rules_past
from mintql.services.adjustments import Adjustment
from mintql.services.rules import RuleWish
from mintql.store.reconcile import differences
from mintql.store.rules import as_json
from support.factories import create_account, create_person, create_transaction
from support.people import acting_as, category

NOW, FIRST_DAY = datetime(2026, 11, 12, 10, tzinfo=UTC), date(2026, 10, 20)
LETTERS = "aAzZéÉß\u0130\u0131\u03a3\u03c3%_\\ '*1"
CATEGORIES = [category("groceries"), category("restaurants"), category("coffee"), category("paycheck")]


def text(dice, longest):
    return "".join(dice.choices(LETTERS, k=dice.randint(1, longest)))


def conditions(dice, account_ids):
    bounds = sorted(dice.sample(range(5), 2))
    said = text(dice, 2).strip() or "a"
    by_text = dice.random() < 0.5
    by_amount = dice.random() < 0.3
    return Conditions(
        merchant_key=dice.choice([None, None, None, "a", "z 1"]),
        text=said if by_text else None,
        text_key=(key_form(said) or None) if by_text else None,
        amount_min_minor=bounds[0] if by_amount else None,
        amount_max_minor=bounds[1] if by_amount and dice.random() < 0.7 else None,
        currency=dice.choice(["USD", "EUR"]) if by_amount else None,
        account_ids=dice.choice([None, None, frozenset(account_ids[:1])]),
        direction=dice.choice([None, None, Direction.IN, Direction.OUT]),
    )


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_database_and_the_ingestion_agree_on_which_transactions_a_rule_holds_for(conn, seed):
    dice = random.Random(seed)
    ada = await create_person(conn)
    accounts = [ada.account_id, await create_account(conn, ada.user_id, ada.connection_id)]
    clues = {}
    for _ in range(60):
        one = RuleClues(
            dice.choice(accounts), dice.choice(["a", "z 1", "é", key_form(text(dice, 4)) or "b"]), text(dice, 6),
            dice.randint(-4, 4), dice.choice(["USD", "EUR"]),
        )  # fmt: skip
        row_id = await create_transaction(
            conn, ada.user_id, one.account_id, amount_minor=one.amount_minor, currency=one.currency,
            description=one.description, merchant_key=one.merchant_key,
        )  # fmt: skip
        clues[row_id] = one
    held = 0
    for _ in range(150):
        said = conditions(dice, accounts)
        rule = Rule(7, 1, "x", True, said, Actions(category_id=CATEGORIES[0]))
        found = await conn.fetch(
            "SELECT transaction_id FROM rule_targets($1, $2, '{}')", ada.user_id, as_json(ada.user_id, rule)
        )
        expected = {row_id for row_id, one in clues.items() if matches(said, one)}
        assert {row["transaction_id"] for row in found} == expected, said
        held += 0 < len(expected) < len(clues)
    assert held > 50


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_sums_hold_and_previews_come_true_through_any_sequence(conn, seed):
    dice = random.Random(seed)
    ada = await create_person(conn)
    ids = [
        await create_transaction(
            conn, ada.user_id, ada.account_id, posted_on=FIRST_DAY + timedelta(dice.randrange(20)),
            amount_minor=dice.choice([-500, -250, 300]), pending=dice.random() < 0.2,
            description=text(dice, 5), category_id=dice.choice(CATEGORIES), category_source="crowd",
        )
        for _ in range(25)
    ]  # fmt: skip
    before = await everything(conn)
    done, by_hand = [], set()
    for _ in range(25):
        async with acting_as(conn, ada.user_id):
            await step(conn, ada, dice, ids, done, by_hand)
        assert await differences(conn, [ada.user_id]) == []
    dice.shuffle(done)
    async with acting_as(conn, ada.user_id):
        for application_id in done:
            await rules_past.undo(conn, ada.user_id, application_id, NOW)
    assert await differences(conn, [ada.user_id]) == []
    after = await everything(conn)
    untouched = set(ids) - by_hand
    assert {key: after[key] for key in untouched} == {key: before[key] for key in untouched}


async def everything(conn):
    rows = await conn.fetch("SELECT * FROM transactions")
    kept = ("category_id", "category_source", "category_detail", "excluded_from_budgets")
    return {row["transaction_id"]: tuple(row[column] for column in kept) for row in rows}


async def step(conn, ada, dice, ids, done, by_hand):
    kind = dice.choice(["apply", "apply", "undo", "choose", "exclude"])
    if kind == "apply":
        actions = Actions(dice.choice([None, *CATEGORIES]), None, ("t",), dice.choice([None, True]))
        wish = RuleWish(Conditions(text=dice.choice("az1é")), actions)
        rule, _, _ = await rules.create(conn, ada.user_id, wish, NOW)
        seen = await rules_past.preview(conn, ada.user_id, rule.rule_id, NOW)
        application, reach, _ = await rules_past.apply(conn, ada.user_id, rule.rule_id, NOW)
        assert (seen.reach.matched, seen.reach.changed) == (reach.matched, reach.changed)
        sums = await conn.fetch("SELECT *, posted_minor + pending_minor AS total FROM monthly_spending")
        now = {(row["month"], row["category_id"]): row["total"] for row in sums}
        assert {(item.month, item.category_id): item.after_minor for item in seen.sums}.items() <= now.items()
        if application is not None:
            done.append(application.application_id)
        if dice.random() < 0.7:
            await rules.delete(conn, ada.user_id, rule.rule_id)
    elif kind == "undo" and done:
        await rules_past.undo(conn, ada.user_id, dice.choice(done), NOW)
    elif kind == "choose":
        by_hand.add(chosen := dice.choice(ids))
        await choices.recategorize(conn, ada.user_id, [chosen], dice.choice(CATEGORIES), choices.Scope.ONCE, NOW)
    elif kind == "exclude":
        by_hand.add(chosen := dice.choice(ids))
        said = Adjustment(changes_excluded=True, excluded_from_budgets=dice.choice([None, True, False]))
        await adjustments.adjust(conn, ada.user_id, [chosen], said, NOW)
