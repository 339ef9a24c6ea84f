"""Limits of two categories that become one: what was set for either month is still there, or is said to have ended."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintql.data import load_categories, load_template
from mintql.domain.budget_periods import PeriodUnit, schedule
from mintql.domain.budgets import Override, Plan
from mintql.domain.merged_budgets import ended, merge_overrides
from support.budgets import limits_of_month
from support.people import category

COFFEE, SNACKS = category("coffee"), category("vending-and-snacks")
PLAN = Plan(None, "USD", 0)
MONTHS = [date(2026, number, 1) for number in range(1, 8)]
NEW_REVISION = 99


def override(category_id, month, limit_minor, *, recurring=True, currency="USD", revision=1, thresholds=(80, 100)):
    return Override(category_id, date(2026, month, 1), recurring, limit_minor, currency, thresholds, revision)


def limit_of(rows, category_id, month):
    found = limits_of_month(load_template(), PLAN, rows, month).get(category_id)
    return None if found is None else found.limit_minor


def merged(gone, stays):
    found = merge_overrides(gone, stays, SNACKS, NEW_REVISION)
    return [item.override for item in found], [item.words for item in found if item.words]


def test_the_template_speaks_of_groups_alone_so_that_a_leafs_limits_are_all_there_are():
    assert set(limits_of_month(load_template(), PLAN, (), MONTHS[0])) <= {
        group.category_id for group in load_categories().groups
    }


def test_two_limits_add_up_under_a_new_revision_and_the_stayers_thresholds():
    gone = [override(COFFEE, 3, 50_00, thresholds=(50,), revision=4)]
    stays = [override(SNACKS, 1, 20_00, thresholds=(90,), revision=7)]
    rows, words = merged(gone, stays)
    assert rows == [
        override(SNACKS, 1, 20_00, thresholds=(90,), revision=7),
        override(SNACKS, 3, 70_00, thresholds=(90,), revision=NEW_REVISION),
    ]
    assert words == ["The limit from 2026-03 on is 70.00 USD now: 20.00 USD and 50.00 USD together."]


def test_a_limit_that_only_the_one_that_goes_had_is_taken_over():
    rows, words = merged([override(COFFEE, 3, 50_00, recurring=False)], [])
    assert rows == [override(SNACKS, 3, 50_00, recurring=False, revision=NEW_REVISION)]
    assert words == ["The limit of 50.00 USD in 2026-03 was taken over."]


def test_limits_in_two_currencies_are_two_budgets_that_both_stay():
    rows, words = merged([override(COFFEE, 3, 50_00, currency="EUR")], [override(SNACKS, 3, 20_00)])
    assert rows == [
        override(SNACKS, 3, 50_00, currency="EUR", revision=NEW_REVISION),
        override(SNACKS, 3, 20_00),
    ]
    assert words == ["The limit of 50.00 EUR from 2026-03 on was taken over."]


def test_limits_of_two_kinds_of_periods_cannot_add_up_and_that_is_said():
    weekly = replace(override(COFFEE, 3, 50_00), schedule=schedule(PeriodUnit.WEEK, 1, date(2026, 3, 2)))
    rows, words = merged([weekly], [override(SNACKS, 3, 20_00)])
    assert rows == [override(SNACKS, 3, 20_00)]
    (said,) = words
    assert said == (
        "Its limit of 50.00 USD every week from Monday, from 2026-03-01 on, has ended. "
        "The budget that stays has periods of another kind, so they cannot add up."
    )
    assert merged([weekly], [])[0] == [replace(weekly, category_id=SNACKS, revision=NEW_REVISION)]


def test_limits_that_nothing_takes_over_are_said_to_have_ended():
    rows = [override(COFFEE, 5, None), override(COFFEE, 3, 50_00), override(COFFEE, 4, 60_00, recurring=False)]
    assert list(ended(rows)) == [
        "Its limit of 50.00 USD from 2026-03 on has ended.",
        "Its limit of 60.00 USD in 2026-04 has ended.",
    ]


def rows_of(category_id):
    keys = st.tuples(st.sampled_from(range(1, 7)), st.booleans())
    limits = st.dictionaries(keys, st.none() | st.integers(0, 500), max_size=5)
    return limits.map(
        lambda said: [
            override(category_id, month, limit, recurring=recurring) for (month, recurring), limit in said.items()
        ]
    )


@given(rows_of(COFFEE), rows_of(SNACKS))
def test_in_every_month_the_limit_is_the_sum_of_those_that_held(gone, stays):
    rows, _ = merged(gone, stays)
    assert len({(row.since, row.recurring) for row in rows}) == len(rows)
    for month in MONTHS:
        held = [limit_of(gone, COFFEE, month), limit_of(stays, SNACKS, month)]
        known = [limit for limit in held if limit is not None]
        assert limit_of(rows, SNACKS, month) == (sum(known) if known else None), month


@given(rows_of(SNACKS))
@pytest.mark.parametrize("gone", [[], [override(COFFEE, 2, None)]])
def test_where_the_one_that_goes_has_no_limit_the_others_keep_their_revisions(gone, stays):
    rows, words = merged(gone, stays)
    assert words == []
    assert all(row.revision == 1 for row in rows)
