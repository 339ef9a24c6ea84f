from __future__ import annotations

from datetime import date

import pytest

from mintql.data import load_categories, load_template
from mintql.domain.budgets import MonthlySum, Plan
from mintql.domain.categories import CategoryKind
from mintql.domain.months import add_months
from mintql.domain.recommendations import COMPLETE_MONTHS_MAX, Recommendation, RecommendationSource, recommend
from mintql.domain.templates import monthly_limits

TREE = load_categories()
TEMPLATE = load_template()
PLAN = Plan(annual_income_minor=60_000_00, currency="USD", template_revision=1)
NOVEMBER = date(2026, 11, 1)
FOOD = TREE.by_slug["food-and-dining"].category_id
TRAVEL = TREE.by_slug["travel"].category_id
GROCERIES = TREE.by_slug["groceries"].category_id
COFFEE = TREE.by_slug["coffee"].category_id
TRANSFER = TREE.by_slug["account-transfer"].category_id


def history(*spent_minor: int, category_id: int = GROCERIES, currency: str = "USD") -> list[MonthlySum]:
    """Spending of the months before November 2026, the last one given being October's."""
    first = -len(spent_minor)
    return [
        MonthlySum(add_months(NOVEMBER, first + index), category_id, currency, -amount, 0, 1, 0)
        for index, amount in enumerate(spent_minor)
    ]


def food(sums: list[MonthlySum]) -> Recommendation:
    return recommend(TREE, sums, TEMPLATE, PLAN, NOVEMBER)[FOOD]


def test_the_median_of_complete_months_is_recommended_with_its_figures():
    advice = food(history(1_00, 312_40, 455_10, 400_00, 380_50, 350_00, 410_00))
    assert advice.source is RecommendationSource.HISTORY
    assert (advice.months, advice.low_minor, advice.high_minor) == (6, 312_40, 455_10)
    assert advice.median_minor == 390_25
    assert advice.limit_minor == 391_00
    assert advice.basis == "Median of 6 complete months, 312.40 to 455.10."


def test_the_first_month_seen_and_the_running_one_are_not_complete():
    sums = [*history(9_999_00, 100_00, 100_00, 100_00), MonthlySum(NOVEMBER, GROCERIES, "USD", -8_888_00, 0, 1, 0)]
    assert (food(sums).months, food(sums).limit_minor) == (3, 100_00)


def test_with_fewer_than_three_complete_months_the_template_speaks():
    advice = food(history(100_00, 100_00, 100_00))
    assert advice.source is RecommendationSource.TEMPLATE
    assert advice.limit_minor == monthly_limits(TEMPLATE, PLAN.annual_income_minor, "USD")[FOOD]
    assert advice.median_minor is None
    assert advice.basis.endswith("There are only 2 complete months of your own to go by.")
    assert food(history(100_00, 100_00)).basis.endswith("There is only 1 complete month of your own to go by.")
    assert "There is no complete month of your own yet" in food([]).basis


def test_one_unusual_month_does_not_move_the_recommendation():
    assert food(history(0, 100_00, 100_00, 5_000_00, 100_00, 100_00)).limit_minor == 100_00


def test_leaves_of_a_group_are_added_and_refunds_are_netted():
    sums = history(0, 100_00, 100_00, 100_00) + history(0, 20_00, 20_00, -30_00, category_id=COFFEE)
    advice = food(sums)
    assert (advice.low_minor, advice.median_minor, advice.high_minor) == (70_00, 120_00, 120_00)


def test_a_group_of_refunds_is_recommended_nothing_rather_than_less():
    advice = food(history(0, -10_00, -20_00, -30_00))
    assert (advice.limit_minor, advice.median_minor) == (0, -20_00)


def test_transfers_income_and_other_currencies_do_not_count():
    sums = history(0, 50_00, 50_00, 50_00) + history(0, 900_00, 900_00, 900_00, category_id=TRANSFER)
    sums += history(0, 70_00, 70_00, 70_00, currency="EUR")
    advice = recommend(TREE, sums, TEMPLATE, PLAN, NOVEMBER)
    assert advice[FOOD].limit_minor == 50_00
    assert {TREE.by_id[category_id].kind for category_id in advice} == {CategoryKind.EXPENSE}
    assert sum(item.limit_minor for item in advice.values()) == 50_00


def test_months_without_spending_count_as_months_of_nothing():
    advice = recommend(TREE, history(0, 50_00, 50_00, 50_00), TEMPLATE, PLAN, NOVEMBER)
    assert advice[TRAVEL].limit_minor == 0
    assert advice[TRAVEL].basis == "Nothing spent in 3 complete months."


def test_only_the_last_year_is_looked_at():
    advice = food(history(*[500_00] * 12, *[100_00] * 12))
    assert (advice.months, advice.high_minor) == (COMPLETE_MONTHS_MAX, 100_00)


@pytest.mark.parametrize(("currency", "limit_minor"), [("JPY", 101), ("KWD", 1_000), ("USD", 2_00)])
def test_recommendations_are_rounded_up_to_whole_units(currency, limit_minor):
    plan = Plan(None, currency, 1)
    sums = history(0, 101, 101, 101, currency=currency)
    assert recommend(TREE, sums, TEMPLATE, plan, NOVEMBER)[FOOD].limit_minor == limit_minor
