from __future__ import annotations

from datetime import date

import pytest

from mintql.data import load_categories, load_template
from mintql.domain.budgets import MonthlySum, Plan
from mintql.domain.categories import CategoryKind
from mintql.domain.months import add_months
from mintql.domain.recommendations import COMPLETE_MONTHS_MAX, Recommendation, RecommendationSource, recommend
from mintql.domain.recurring import Expected
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


def test_the_middle_of_complete_months_and_a_margin_are_recommended_with_their_figures():
    advice = food(history(1_00, 312_40, 455_10, 400_00, 380_50, 350_00, 410_00))
    assert advice.source is RecommendationSource.HISTORY
    assert (advice.months, advice.low_minor, advice.high_minor) == (6, 312_40, 455_10)
    assert (advice.median_minor, advice.expected_minor) == (390_25, 390_25)
    # Distances from the middle: 9.75, 9.75, 19.75, 40.25, 64.85, 77.85; 30.00 * 1.4826 is the spread, 67 % of it 29.80.
    assert advice.limit_minor == 421_00
    assert advice.months_over == 1
    assert (advice.tested.months, advice.tested.over) == (3, 0)
    # 400.00 expected and 380.50 spent, 390.25 and 350.00, 380.50 and 410.00.
    assert advice.tested.error_minor == (19_50 + 40_25 + 29_50) // 3
    assert advice.basis == (
        "You spent 312.40 to 455.10 USD in 6 complete months, 390.25 USD in the middle. 1 of 6 would have gone over. "
        "Such estimates were 29.75 USD off on average in 3 past months."
    )


def test_the_first_month_seen_and_the_running_one_are_not_complete():
    sums = [*history(9_999_00, *[100_00] * 6), MonthlySum(NOVEMBER, GROCERIES, "USD", -8_888_00, 0, 1, 0)]
    assert (food(sums).months, food(sums).limit_minor) == (6, 100_00)


def test_without_a_complete_month_the_template_speaks():
    advice = food(history(100_00))
    assert advice.source is RecommendationSource.TEMPLATE
    assert advice.limit_minor == monthly_limits(TEMPLATE, PLAN.annual_income_minor, "USD")[FOOD]
    assert (advice.median_minor, advice.months_over, advice.tested) == (None, None, None)
    assert advice.basis.endswith("There is no complete month of your own yet to go by.")


def test_while_months_are_few_the_template_counts_as_a_quarter_of_one():
    suggested = monthly_limits(TEMPLATE, PLAN.annual_income_minor, "USD")[FOOD]
    one, five = food(history(0, 100_00)), food(history(0, *[100_00] * 5))
    assert {one.source, five.source} == {RecommendationSource.BLEND}
    assert one.expected_minor == (4 * 100_00 + suggested) // 5
    assert five.expected_minor == (20 * 100_00 + suggested) // 21
    assert one.basis.startswith("You spent 100.00 USD in 1 complete month. As that is little to go by, the template's ")
    assert food(history(0, *[100_00] * 6)).expected_minor == 100_00


def test_one_unusual_month_does_not_move_the_recommendation():
    assert food(history(0, 100_00, 100_00, 100_00, 5_000_00, 100_00, 100_00)).limit_minor == 100_00


def test_a_december_that_was_dear_twice_is_expected_again_and_once_is_a_third():
    year = [300_00, *[100_00 + 1_00 * (month % 3) for month in range(11)]]
    twice = food(history(0, *year, *year))
    assert twice.season_minor == 300_00 - 101_00
    assert twice.expected_minor == 300_00
    assert "December was more than other months before, so 199.00 USD more is expected." in twice.basis
    assert food(history(0, *year)).season_minor == (300_00 - 101_00) // 3
    assert food(history(0, *year[1:], *year[1:])).season_minor == 0


def bill(due_on: date, amount_minor: int, recurring_id: int = 1, **said) -> Expected:
    return Expected(
        recurring_id=recurring_id, merchant="Hearth Mutual", category_id=said.get("category_id", GROCERIES),
        account_id=1, currency=said.get("currency", "USD"), due_on=due_on, amount_minor=amount_minor, spread_minor=0,
    )  # fmt: skip


def test_a_bill_of_the_coming_month_that_is_rare_comes_on_top_and_a_monthly_one_does_not():
    sums = history(0, *[100_00] * 6)
    monthly = [bill(add_months(date(2026, 12, 1), month).replace(day=7), -40_00, 2) for month in range(12)]
    rare = [bill(date(2026, 12, 3), -600_00), bill(date(2027, 6, 3), -600_00)]
    others = [bill(date(2026, 12, 3), -1_00, 3, currency="EUR"), bill(date(2026, 12, 4), 5_00, 4)]
    advice = recommend(TREE, sums, TEMPLATE, PLAN, NOVEMBER, [*monthly, *rare, *others])[FOOD]
    assert (advice.bills_minor, advice.expected_minor, advice.limit_minor) == (600_00, 700_00, 700_00)
    assert advice.months_over == 0
    assert "It holds 600.00 USD for what does not come every month: Hearth Mutual 600.00 on 3 December." in advice.basis


def test_leaves_of_a_group_are_added_and_refunds_are_netted():
    sums = history(0, *[100_00] * 6) + history(0, 20_00, 20_00, 20_00, 20_00, 20_00, -30_00, category_id=COFFEE)
    advice = food(sums)
    assert (advice.low_minor, advice.median_minor, advice.high_minor) == (70_00, 120_00, 120_00)


def test_a_group_of_refunds_is_recommended_nothing_rather_than_less():
    advice = food(history(0, *[-20_00] * 6))
    assert (advice.limit_minor, advice.expected_minor, advice.median_minor) == (0, 0, -20_00)


def test_transfers_income_and_other_currencies_do_not_count():
    sums = history(0, *[50_00] * 6) + history(0, *[900_00] * 6, category_id=TRANSFER)
    sums += history(0, *[70_00] * 6, currency="EUR")
    advice = recommend(TREE, sums, TEMPLATE, PLAN, NOVEMBER)
    assert advice[FOOD].limit_minor == 50_00
    assert {TREE.by_id[category_id].kind for category_id in advice} == {CategoryKind.EXPENSE}
    assert sum(item.limit_minor for item in advice.values()) == 50_00


def test_months_without_spending_count_as_months_of_nothing():
    advice = recommend(TREE, history(0, *[50_00] * 6), TEMPLATE, PLAN, NOVEMBER)
    assert advice[TRAVEL].limit_minor == 0
    assert advice[TRAVEL].basis == (
        "You spent nothing in 6 complete months. None of these months would have gone over. "
        "Such estimates were 0.00 USD off on average in 3 past months."
    )


def test_two_years_are_looked_at_and_the_last_one_is_described():
    advice = food(history(9_00, *[500_00] * 20, *[100_00] * 12))
    assert (advice.months, advice.high_minor) == (COMPLETE_MONTHS_MAX, 100_00)


@pytest.mark.parametrize(("currency", "limit_minor"), [("JPY", 101), ("KWD", 1_000), ("USD", 2_00)])
def test_recommendations_are_rounded_up_to_whole_units(currency, limit_minor):
    plan = Plan(None, currency, 1)
    sums = history(0, *[101] * 6, currency=currency)
    assert recommend(TREE, sums, TEMPLATE, plan, NOVEMBER)[FOOD].limit_minor == limit_minor
