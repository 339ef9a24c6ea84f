from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintql.data import load_template
from mintql.domain.money import AMOUNT_MINOR_MAX, exponent
from mintql.domain.templates import Template, monthly_limits, template_basis

TEMPLATE = load_template()
incomes = st.integers(0, AMOUNT_MINOR_MAX)
currencies = st.sampled_from(["USD", "EUR", "JPY", "KWD"])


@given(incomes, currencies)
def test_a_year_of_limits_never_exceeds_the_income(income_minor, currency):
    limits = monthly_limits(TEMPLATE, income_minor, currency)
    assert sum(limits.values()) * 12 <= income_minor
    assert min(limits.values()) >= 0


@given(incomes, incomes, currencies)
def test_more_income_never_means_a_smaller_plan(one, other, currency):
    less, more = sorted((one, other))
    unit_minor = 10 ** exponent(currency)
    smaller, larger = monthly_limits(TEMPLATE, less, currency), monthly_limits(TEMPLATE, more, currency)
    slack = sum(max(unit_minor, limit // 100) for limit in smaller.values())
    assert sum(larger.values()) >= sum(smaller.values()) - slack


@given(incomes, currencies)
def test_limits_are_whole_units_of_three_leading_digits(income_minor, currency):
    for limit_minor in monthly_limits(TEMPLATE, income_minor, currency).values():
        units, rest = divmod(limit_minor, 10 ** exponent(currency))
        assert rest == 0
        assert len(str(units).rstrip("0")) <= 3


def test_one_more_dollar_of_income_makes_no_jump():
    for tier in TEMPLATE.tiers:
        before = monthly_limits(TEMPLATE, tier.income * 100 - 1_00, "USD")
        after = monthly_limits(TEMPLATE, tier.income * 100 + 1_00, "USD")
        for category_id, limit_minor in before.items():
            assert abs(after[category_id] - limit_minor) <= max(1_00, limit_minor // 50)


def test_the_survey_s_third_quintile_gets_what_it_spends():
    third = TEMPLATE.tiers[2]
    limits = monthly_limits(TEMPLATE, third.income * 100, "USD")
    food = next(key for key, share in third.shares_basis_points.items() if share == 1555)
    # 5,798 for food and 363 for alcohol a year, as the survey says.
    assert limits[food] == 513_00


def test_without_an_income_the_overall_household_s_is_taken():
    assert monthly_limits(TEMPLATE, None, "EUR") == monthly_limits(TEMPLATE, 65_596_00, "EUR")
    assert monthly_limits(TEMPLATE, None, "USD") == monthly_limits(TEMPLATE, None, "EUR")
    assert sum(monthly_limits(TEMPLATE, None, "JPY").values()) > 300_000


def test_the_basis_says_what_is_assumed():
    assert "around 60000.00 USD" in template_basis(TEMPLATE, 60_000_00, "USD")
    assert "shares of an income of 60000.00 EUR" in template_basis(TEMPLATE, 60_000_00, "EUR")
    assert "no income is stated" in template_basis(TEMPLATE, None, "USD")
    assert "6559600 JPY a year is assumed" in template_basis(TEMPLATE, None, "JPY")


def test_an_income_of_nothing_leaves_nothing_to_spend():
    assert set(monthly_limits(TEMPLATE, 0, "USD").values()) == {0}


@pytest.mark.parametrize(
    ("tiers", "complaint"),
    [
        ((), "ascending order"),
        (TEMPLATE.tiers[::-1], "ascending order"),
        ((replace(TEMPLATE.tiers[0], plan_basis_points=10_001),), "not a part of its income"),
        ((replace(TEMPLATE.tiers[0], shares_basis_points={100: 9_999}),), "do not add up"),
        ((replace(TEMPLATE.tiers[0], shares_basis_points={100: 10_000}),), "other categories"),
    ],
)
def test_a_table_that_cannot_be_right_is_refused(tiers, complaint):
    with pytest.raises(ValueError, match=complaint):
        Template(TEMPLATE.overall, tiers)


def test_a_detected_income_is_said_to_be_one():
    assert template_basis(TEMPLATE, 52_000_00, "USD", detected=True) == (
        "What US households with an income around 52000.00 USD a year, detected from your paychecks, spend."
    )
    assert template_basis(TEMPLATE, 52_000_00, "EUR", detected=True) == (
        "What the average US household spends, as shares of an income of 52000.00 EUR a year, detected from your "
        "paychecks."
    )
