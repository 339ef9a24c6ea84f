"""Budgets of every kind over GraphQL, on what a person of the sandbox bank really bought."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest

from mintql.api.nodes import encode_id
from mintql.data import load_categories
from support.clients import client_of, eventually
from support.people import category

FOOD = encode_id("Category", category("food-and-dining"))
FIELDS = """
  name everything category { slug } period { first last days unit every name schedule }
  limit { amountMinor currency } carried { amountMinor } available { amountMinor } rollover { surplus overspend }
  spent { amountMinor } pending { amountMinor } remaining { amountMinor } percentUsed state
  availableToday { amountMinor } forecast { spent { amountMinor } exceeds over { amountMinor } bills { amountMinor }
    billCount pace { amountMinor } basis }
"""
BUDGETS = f"query Budgets($on: Date, $month: Month) {{ budgets(on: $on, month: $month) {{ {FIELDS} }} }}"
SET = f"""
mutation Set($categoryId: ID, $everything: Boolean! = false, $on: Date, $limit: MoneyInput, $scope: BudgetScope!,
    $period: BudgetPeriodInput, $rollover: BudgetRolloverInput) {{
  setBudgetOverride(categoryId: $categoryId, everything: $everything, on: $on, limit: $limit, scope: $scope,
      period: $period, rollover: $rollover) {{
    __typename
    ... on SetBudgetOverrideSuccess {{ budget {{ {FIELDS} }} }}
    ... on Error {{ message field }}
  }}
}}
"""
ALERTS = """
query { budgetAlerts(first: 20) { nodes {
  budgetName category { slug } periodFirst periodLast thresholdPercent available { amountMinor } message
  transactions { postedOn }
} } }
"""
SPENT_IN_FOOD = """
SELECT coalesce(-sum(amount_minor), 0)::bigint FROM transactions
WHERE category_id = ANY ($1::int[]) AND posted_on BETWEEN $2 AND $3 AND successor_id IS NULL AND removed_at IS NULL
"""


@pytest.fixture
async def ada(today, bank, server, worker, owner):
    # Something is spent today in any case, be it the first day of a month or of a year.
    purchase = {"amount": "-284.20", "description": "WHOLEFDS MDF 10380"}
    (await bank.control.post("/control/ada/purchases", json=purchase)).raise_for_status()
    async with client_of(server) as client:
        await client.sign_up()
        await client.connect()
        done = "SELECT count(*) FROM sync_runs WHERE state = 'succeeded'"
        await eventually(lambda: owner.fetchval(done), seconds=40)
        yield client


async def food_between(owner, first, last):
    return await owner.fetchval(SPENT_IN_FOOD, _leaves(), date.fromisoformat(first), date.fromisoformat(last))


def _leaves():
    tree = load_categories()
    return [leaf.category_id for leaf in tree.children(tree.by_slug["food-and-dining"].category_id)]


async def food(client, **variables):
    found = (await client.ask(BUDGETS, **variables))["budgets"]
    return [item for item in found if item["category"] == {"slug": "food-and-dining"}]


def whole(item):
    return item["spent"]["amountMinor"] + item["pending"]["amountMinor"]


async def test_a_person_of_the_sandbox_bank_keeps_budgets_of_every_kind(ada, owner, today):
    # Without a word of theirs they have the template's, of this month, and own no row.
    (month,) = await food(ada)
    assert (month["period"]["first"], month["rollover"]) == (
        f"{today:%Y-%m}-01",
        {"surplus": False, "overspend": False},
    )
    assert whole(month) == await food_between(owner, month["period"]["first"], month["period"]["last"])
    assert month["forecast"]["spent"]["amountMinor"] >= whole(month)
    assert "spent so far" in month["forecast"]["basis"]
    assert await owner.fetchval("SELECT count(*) FROM budget_overrides") == 0

    # By the week from the day it was eight weeks ago, with everything going over.
    start = today - timedelta(weeks=8)
    wish = {"categoryId": FOOD, "scope": "FROM_THIS_MONTH", "on": f"{start}", "period": {"unit": "WEEK", "start": f"{start}"},
            "limit": {"amount": "150.00", "currency": "USD"}, "rollover": {"surplus": True, "overspend": True}}  # fmt: skip
    assert (await ada.ask(SET, **wish))["setBudgetOverride"]["__typename"] == "SetBudgetOverrideSuccess"
    (week,) = await food(ada, on=f"{today}")
    assert week["period"] == {
        "first": f"{today}", "last": f"{today + timedelta(days=6)}", "days": 7, "unit": "WEEK", "every": 1,
        "name": week["period"]["name"], "schedule": f"every week from {today:%A}",
    }  # fmt: skip
    before = await food_between(owner, f"{start}", f"{today - timedelta(days=1)}")
    assert week["carried"]["amountMinor"] == 8 * 150_00 - before
    assert week["available"]["amountMinor"] == week["limit"]["amountMinor"] + week["carried"]["amountMinor"]
    assert whole(week) == await food_between(owner, week["period"]["first"], week["period"]["last"])
    assert week["remaining"]["amountMinor"] == week["available"]["amountMinor"] - whole(week)
    past = await food(ada, on=f"{today - timedelta(days=7)}")
    assert whole(past[0]) == await food_between(owner, past[0]["period"]["first"], past[0]["period"]["last"])
    assert (past[0]["availableToday"], past[0]["forecast"]) == (None, None)

    # All weeks that share a day with last month, without a gap.
    last_month = f"{today.replace(day=1) - timedelta(days=1):%Y-%m}"
    weeks = [item["period"] for item in await food(ada, month=last_month)]
    assert all(
        date.fromisoformat(after["first"]) - date.fromisoformat(one["last"]) == timedelta(days=1)
        for one, after in pairwise(weeks)
    )
    assert len(weeks) >= 4


async def test_everything_is_a_budget_and_its_alert_says_which_period_and_why(ada, today):
    wish = {"everything": True, "scope": "FROM_THIS_MONTH", "on": f"{today}", "limit": {"amount": "1.00", "currency": "USD"},
            "period": {"unit": "YEAR"}}  # fmt: skip
    budget = (await ada.ask(SET, **wish))["setBudgetOverride"]["budget"]
    assert (budget["name"], budget["everything"], budget["category"]) == ("Everything", True, None)
    assert budget["period"]["schedule"] == "every year from 1 January"
    assert budget["state"] == "EXCEEDED"
    assert budget["availableToday"] == {"amountMinor": 0}
    assert budget["forecast"]["exceeds"] is True
    found = [item for item in (await ada.ask(ALERTS))["budgetAlerts"]["nodes"] if item["budgetName"] == "Everything"]
    assert sorted(item["thresholdPercent"] for item in found) == [80, 100]
    assert {(item["periodFirst"], item["periodLast"]) for item in found} == {
        (budget["period"]["first"], budget["period"]["last"])
    }
    assert {item["category"] for item in found} == {None}
    assert all(item["transactions"] for item in found)
    assert any("over your Everything budget for" in item["message"] for item in found)
