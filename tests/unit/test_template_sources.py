"""The template against the survey it is made of.

The survey's table is not part of the project; MINTQL_SHARED_DATA names the folder that holds it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mintql.data import load_template
from mintql.domain.templates import BASIS_POINTS
from support.people import category

SHARED = os.environ.get("MINTQL_SHARED_DATA", "")
pytestmark = pytest.mark.skipif(not SHARED, reason="MINTQL_SHARED_DATA names no folder")
TEMPLATE = load_template()


def survey():
    lines = (Path(SHARED) / "bls_ce_2012_quintiles.tsv").read_text(encoding="utf-8").splitlines()
    header, *rows = (line.split("\t") for line in lines if not line.startswith("#"))
    return [{row[0]: int(row[number]) for row in rows if row[number]} for number in range(1, len(header))]


def test_incomes_and_plans_are_the_surveys_and_no_plan_exceeds_its_income():
    for tier, said in zip((TEMPLATE.overall, *TEMPLATE.tiers), survey(), strict=True):
        assert tier.income == said["income_before_taxes"]
        planned = tier.income * tier.plan_basis_points / BASIS_POINTS
        # Pensions are kept back from pay; of insurance a part stays.
        least, most = said["total_expenditures"] - said["insurance_pensions"], said["total_expenditures"]
        assert min(least, tier.income) - 10 <= planned <= min(most, tier.income)


def test_food_has_the_share_that_the_survey_says():
    food = category("food-and-dining")
    for tier, said in zip((TEMPLATE.overall, *TEMPLATE.tiers), survey(), strict=True):
        whole = (said["food"] + said["alcohol"]) * BASIS_POINTS / tier.shares_basis_points[food]
        assert said["total_expenditures"] - said["insurance_pensions"] <= whole <= said["total_expenditures"]


def test_the_lowest_households_spend_more_than_they_earn_and_are_planned_what_they_earn():
    lowest, said = TEMPLATE.tiers[0], survey()[1]
    assert said["total_expenditures"] > 2 * said["income_before_taxes"]
    assert lowest.plan_basis_points == BASIS_POINTS
