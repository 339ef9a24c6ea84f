from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintql.data import load_categories, load_template
from mintql.domain.budget_checks import check_budget_category, check_limit, check_thresholds
from mintql.domain.budget_periods import calendar_month
from mintql.domain.budget_timeline import Timeline
from mintql.domain.budgets import (
    NOTHING_SPENT,
    THRESHOLDS_DEFAULT,
    BudgetKey,
    Limit,
    LimitOrigin,
    MonthlySum,
    Override,
    Plan,
    Spent,
    ThresholdState,
    crossed,
    percent_used,
    spent_by_budget,
    threshold_state,
)
from mintql.domain.categories import CategoryKind
from mintql.domain.errors import InvalidInput
from mintql.domain.money import AMOUNT_MINOR_MAX
from mintql.domain.months import add_months
from support.budgets import limits_of_month

TREE = load_categories()
TEMPLATE = load_template()
PLAN = Plan(annual_income_minor=60_000_00, currency="USD", template_revision=7)
NOVEMBER = date(2026, 11, 1)
FOOD = TREE.by_slug["food-and-dining"].category_id
GROCERIES = TREE.by_slug["groceries"].category_id
COFFEE = TREE.by_slug["coffee"].category_id

limit_amounts = st.integers(0, AMOUNT_MINOR_MAX)
spent_amounts = st.integers(-AMOUNT_MINOR_MAX, AMOUNT_MINOR_MAX)
thresholds = st.lists(st.integers(1, 200), min_size=1, max_size=5, unique=True).map(sorted).map(tuple)


def a_limit(limit_minor: int, thresholds: tuple[int, ...] = THRESHOLDS_DEFAULT) -> Limit:
    return Limit(GROCERIES, calendar_month(NOVEMBER), "USD", limit_minor, thresholds, 1, LimitOrigin.OVERRIDE, None)


def an_override(limit_minor: int | None = 400_00, **changes: object) -> Override:
    values: dict = {
        "category_id": GROCERIES, "since": NOVEMBER, "recurring": True, "limit_minor": limit_minor,
        "currency": "USD", "thresholds": THRESHOLDS_DEFAULT, "revision": 11,
    }  # fmt: skip
    return Override(**(values | changes))


def a_sum(category_id: int, posted_minor: int, pending_minor: int = 0, currency: str = "USD") -> MonthlySum:
    return MonthlySum(NOVEMBER, category_id, currency, posted_minor, pending_minor, 1, 0)


def limit_of(category_id: int, overrides: list[Override], month: date = NOVEMBER) -> Limit | None:
    return limits_of_month(TEMPLATE, PLAN, overrides, month).get(category_id)


def test_a_person_without_overrides_has_the_templates_limits_for_expense_groups():
    limits = limits_of_month(TEMPLATE, PLAN, [], NOVEMBER)
    assert set(limits) == {group.category_id for group in TREE.groups if group.kind is CategoryKind.EXPENSE}
    for category_id, limit in limits.items():
        assert limit.category_id == category_id
        assert limit.origin is LimitOrigin.TEMPLATE
        assert limit.limit_minor == limit.template_minor > 0
        assert (limit.period.first, limit.currency, limit.revision) == (NOVEMBER, "USD", 7)
        assert limit.thresholds == (80, 100)


def test_an_override_takes_the_templates_place_and_remembers_what_it_said():
    suggested = limit_of(FOOD, []).limit_minor
    limit = limit_of(FOOD, [an_override(900_00, category_id=FOOD, thresholds=(50, 90))])
    assert (limit.limit_minor, limit.revision, limit.origin) == (900_00, 11, LimitOrigin.OVERRIDE)
    assert limit.thresholds == (50, 90)
    assert limit.template_minor == suggested


def test_an_override_in_another_currency_is_not_compared_with_the_template():
    timeline = Timeline(TEMPLATE, PLAN, [an_override(900_00, category_id=FOOD, currency="EUR")])
    euros, dollars = (
        timeline.limit_on(BudgetKey(FOOD, "EUR"), NOVEMBER),
        timeline.limit_on(BudgetKey(FOOD, "USD"), NOVEMBER),
    )
    assert (euros.limit_minor, euros.currency, euros.template_minor) == (900_00, "EUR", None)
    assert dollars.origin is LimitOrigin.TEMPLATE


def test_a_leaf_has_a_budget_only_when_the_person_set_one():
    assert limit_of(GROCERIES, []) is None
    limit = limit_of(GROCERIES, [an_override(400_00)])
    assert (limit.limit_minor, limit.template_minor) == (400_00, None)


def test_a_recurring_override_holds_from_its_month_until_the_next():
    overrides = [
        an_override(300_00, since=add_months(NOVEMBER, -2), revision=1),
        an_override(500_00, since=add_months(NOVEMBER, 1), revision=2),
    ]
    for offset, expected in [(-2, 300_00), (0, 300_00), (1, 500_00), (14, 500_00)]:
        assert limit_of(GROCERIES, overrides, add_months(NOVEMBER, offset)).limit_minor == expected
    assert limit_of(GROCERIES, overrides, add_months(NOVEMBER, -3)) is None


def test_an_override_of_one_month_wins_in_that_month_alone():
    overrides = [
        an_override(999_00, recurring=False, revision=3),
        an_override(400_00, recurring=True, revision=2),
    ]
    assert limit_of(GROCERIES, overrides).limit_minor == 999_00
    assert limit_of(GROCERIES, overrides, add_months(NOVEMBER, 1)).limit_minor == 400_00
    assert limit_of(GROCERIES, overrides[:1], add_months(NOVEMBER, 1)) is None


def test_an_override_without_a_limit_lets_the_template_hold_again():
    overrides = [
        an_override(900_00, category_id=FOOD, since=add_months(NOVEMBER, -5)),
        an_override(None, category_id=FOOD, revision=12),
    ]
    limit = limit_of(FOOD, overrides)
    assert limit.origin is LimitOrigin.TEMPLATE
    assert limit.limit_minor == limit_of(FOOD, []).limit_minor
    assert limit.revision == PLAN.template_revision
    assert limit_of(GROCERIES, [an_override(None)]) is None


@given(st.permutations([
    an_override(1_00, since=add_months(NOVEMBER, -3), revision=1),
    an_override(2_00, since=add_months(NOVEMBER, -1), revision=2),
    an_override(3_00, since=add_months(NOVEMBER, 1), revision=3),
    an_override(4_00, since=add_months(NOVEMBER, -1), recurring=False, revision=4),
    an_override(5_00, since=NOVEMBER, recurring=False, revision=5),
]))  # fmt: skip
def test_the_order_of_overrides_does_not_matter(overrides):
    amounts = [limit_of(GROCERIES, overrides, add_months(NOVEMBER, offset)).limit_minor for offset in range(-3, 3)]
    assert amounts == [1_00, 1_00, 4_00, 5_00, 3_00, 3_00]


def test_spending_is_positive_and_counts_in_leaf_and_group():
    spent = spent_by_budget(TREE, [a_sum(GROCERIES, -30_00, -5_00), a_sum(COFFEE, -7_00)], "USD")
    assert spent[GROCERIES] == Spent(30_00, 5_00)
    assert spent[GROCERIES].total_minor == 35_00
    assert spent[FOOD] == Spent(37_00, 5_00)


def test_refunds_reduce_spending_and_may_turn_it_negative():
    spent = spent_by_budget(TREE, [a_sum(GROCERIES, 20_00), a_sum(COFFEE, -5_00)], "USD")
    assert spent[GROCERIES].total_minor == -20_00
    assert spent[FOOD].total_minor == -15_00


def test_income_transfers_and_other_currencies_are_no_spending():
    paycheck, transfer = TREE.by_slug["paycheck"].category_id, TREE.by_slug["credit-card-payment"].category_id
    sums = [a_sum(paycheck, 3000_00), a_sum(transfer, -500_00), a_sum(GROCERIES, -9_00, currency="EUR")]
    assert spent_by_budget(TREE, sums, "USD") == {}


@given(
    st.lists(
        st.builds(
            a_sum,
            st.sampled_from([leaf.category_id for leaf in TREE.leaves]),
            st.integers(-(10**9), 10**9),
            st.integers(-(10**9), 10**9),
            st.sampled_from(["USD", "EUR"]),
        ),
        max_size=30,
    )
)
def test_a_group_has_spent_what_its_leaves_have(sums):
    spent = spent_by_budget(TREE, sums, "USD")
    for group in TREE.groups:
        of_leaves = [spent.get(leaf.category_id, NOTHING_SPENT) for leaf in TREE.children(group.category_id)]
        of_group = spent.get(group.category_id, NOTHING_SPENT)
        assert of_group.posted_minor == sum(leaf.posted_minor for leaf in of_leaves)
        assert of_group.pending_minor == sum(leaf.pending_minor for leaf in of_leaves)


@pytest.mark.parametrize(
    ("spent_minor", "reached", "state", "percent"),
    [
        (-1, (), ThresholdState.OK, 0),
        (0, (), ThresholdState.OK, 0),
        (79_99, (), ThresholdState.OK, 79),
        (80_00, (80,), ThresholdState.APPROACHING, 80),
        (99_99, (80,), ThresholdState.APPROACHING, 99),
        (100_00, (80, 100), ThresholdState.EXCEEDED, 100),
        (250_00, (80, 100), ThresholdState.EXCEEDED, 250),
    ],
)
def test_thresholds_are_reached_to_the_cent(spent_minor, reached, state, percent):
    limit = a_limit(100_00)
    assert crossed(limit, spent_minor) == reached
    assert threshold_state(limit, spent_minor) is state
    assert percent_used(limit, spent_minor) == percent


def test_anything_spent_against_a_limit_of_zero_exceeds_it_and_has_no_percentage():
    limit = a_limit(0)
    assert crossed(limit, 1) == (80, 100)
    assert threshold_state(limit, 1) is ThresholdState.EXCEEDED
    assert percent_used(limit, 1) is None
    assert crossed(limit, 0) == crossed(limit, -1) == ()
    assert threshold_state(limit, 0) is ThresholdState.OK
    assert percent_used(limit, 0) == 0


def test_without_a_threshold_of_100_a_used_up_limit_is_exceeded_all_the_same():
    assert threshold_state(a_limit(100_00, (120,)), 110_00) is ThresholdState.EXCEEDED
    assert crossed(a_limit(100_00, (120,)), 110_00) == ()


@given(limit_amounts, spent_amounts, spent_amounts, thresholds)
def test_spending_more_never_uncrosses_a_threshold(limit_minor, one, other, percents):
    limit = a_limit(limit_minor, percents)
    less, more = sorted((one, other))
    assert set(crossed(limit, less)) <= set(crossed(limit, more))


@given(limit_amounts.filter(bool), spent_amounts, thresholds)
def test_what_is_crossed_agrees_with_the_percentage(limit_minor, spent_minor, percents):
    limit = a_limit(limit_minor, percents)
    percent = percent_used(limit, spent_minor)
    assert crossed(limit, spent_minor) == tuple(value for value in percents if value <= percent and spent_minor > 0)


@given(thresholds)
def test_usable_thresholds_are_kept_as_they_are(values):
    assert check_thresholds(list(values)) == values


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], "one to 5 thresholds, not 0"),
        ([10, 20, 30, 40, 50, 60], "one to 5 thresholds, not 6"),
        ([0, 80], "threshold of 0 %"),
        ([80, 201], "threshold of 201 %"),
        ([100, 80], "ascending order, each once, not 100, 80"),
        ([80, 80], "ascending order, each once, not 80, 80"),
    ],
)
def test_unusable_thresholds_are_refused_in_words(values, words):
    with pytest.raises(InvalidInput, match=words) as refused:
        check_thresholds(values)
    assert refused.value.field == "thresholds"


def test_limits_lie_between_zero_and_the_bound_on_amounts():
    assert check_limit(0, "USD") == 0
    assert check_limit(AMOUNT_MINOR_MAX, "USD") == AMOUNT_MINOR_MAX
    with pytest.raises(InvalidInput, match=r"-0\.01 USD is below zero"):
        check_limit(-1, "USD")
    with pytest.raises(InvalidInput, match="goes up to"):
        check_limit(AMOUNT_MINOR_MAX + 1, "USD")


def test_budgets_are_set_on_spending_only():
    assert check_budget_category(TREE, FOOD) == FOOD
    assert check_budget_category(TREE, GROCERIES) == GROCERIES
    with pytest.raises(InvalidInput, match="Paycheck is no spending"):
        check_budget_category(TREE, TREE.by_slug["paycheck"].category_id)
    with pytest.raises(InvalidInput, match="There is no category 424242"):
        check_budget_category(TREE, 424242)
