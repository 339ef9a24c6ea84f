"""What recurs is found without laying every cycle over every part of a seller's transactions."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintql.domain import recurring_detection, recurring_fits
from mintql.domain.ids import AccountId, CategoryId, TransactionId
from mintql.domain.months import add_months, first_day
from mintql.domain.recurring_amounts import amounts_of
from mintql.domain.recurring_cycles import PACES, Cycle, Frequency, Weekend
from mintql.domain.recurring_detection import (
    OCCURRENCES_MIN,
    RARE,
    Leaning,
    Occurrence,
    confidence,
    confidence_at_most,
    confidence_of_near,
    find_series,
)
from mintql.domain.recurring_fits import (
    ANCHORS_MAX,
    MONTH_END_DAY,
    best_fit,
    fit,
    members_at_most,
    near_at_most,
    paces_of,
)

FIRST = date(2024, 9, 1)
DAYS = st.integers(0, 800).map(lambda days: FIRST + timedelta(days=days))
AMOUNTS = st.sampled_from([999, 1_049, 1_549, 1_549, 12_000]) | st.integers(100, 30_000)
LEANINGS = st.builds(Leaning, bill=st.booleans()) | st.just(Leaning(habit=True))
CYCLES = st.one_of(
    st.builds(Cycle, st.just(Frequency.WEEKLY), DAYS, step_days=st.sampled_from([7, 14, 28, 30])),
    st.builds(
        Cycle,
        st.sampled_from([Frequency.MONTHLY, Frequency.QUARTERLY, Frequency.YEARLY]),
        DAYS,
        anchor_day=st.integers(1, 31),
        weekend=st.sampled_from(Weekend),
    ),
    st.builds(
        Cycle, st.just(Frequency.SEMIMONTHLY), DAYS, anchor_day=st.integers(1, 15), second_day=st.integers(16, 31)
    ),
)


@st.composite
def sellers(draw):
    """A seller's transactions: some by the month, some every so many days, some whenever it happens."""
    found = []
    for _ in range(draw(st.integers(1, 3))):
        start, amount = draw(DAYS), draw(AMOUNTS)
        off = st.sampled_from([0, 0, 0, 1, 2])
        kind = draw(st.sampled_from(["by months", "by days", "at random"]))
        if kind == "by months":
            day = min(start.day, 28)
            months = (add_months(first_day(start), number) for number in range(draw(st.integers(2, 14))))
            days = [month.replace(day=day) + timedelta(days=draw(off)) for month in months]
        elif kind == "by days":
            step = draw(st.sampled_from([7, 14, 28, 30, 91, 365]))
            days = [start + timedelta(days=step * number + draw(off)) for number in range(draw(st.integers(2, 12)))]
        else:
            days = draw(st.lists(DAYS, min_size=2, max_size=25))
            amount = None
        found += [(day, draw(AMOUNTS) if amount is None else amount) for day in days]
    return [occurrence(number, *one) for number, one in enumerate(sorted(found))]


def occurrence(number, day, amount_minor):
    return Occurrence(TransactionId(number), day, amount_minor, AccountId(1), CategoryId(601))


def laid_one_by_one(days, cycle):
    """A cycle laid over days by what is nearest to each day: the numbers, members and how far off they are."""
    near = {}
    for place, day in enumerate(days):
        number, off = cycle.nearest(day)
        if abs(off) <= cycle.pace.tolerance_days:
            near.setdefault(number, []).append((abs(off), place))
    members = {number: min(found)[1] for number, found in near.items()}
    extras = sum(len(found) - 1 for found in near.values())
    return members, extras, sum(min(found)[0] for found in near.values())


@given(CYCLES, st.lists(DAYS, max_size=30).map(sorted))
def test_a_cycle_is_laid_over_many_days_as_over_each(cycle, days):
    laid = fit(days, cycle)
    members, extras, off_days = laid_one_by_one(days, cycle)
    if len(members) < 2:
        assert laid is None
        return
    assert dict(zip(laid.numbers, laid.members, strict=True)) == members
    assert (len(laid.extras), laid.off_days) == (extras, off_days / len(members))
    assert sorted([*laid.members, *laid.extras, *laid.strays]) == list(range(len(days)))


@given(st.lists(DAYS, min_size=2, max_size=60).map(sorted))
def test_of_all_pairs_of_days_twice_a_month_the_one_that_costs_least_is_laid(days):
    pace = PACES[Frequency.SEMIMONTHLY]
    found = [day for day, _ in Counter(day.day for day in days).most_common(2 * ANCHORS_MAX)]
    if any(day >= MONTH_END_DAY for day in found):
        found.append(31)
    cycles = [
        Cycle(Frequency.SEMIMONTHLY, first_day(days[0]), anchor_day=one, second_day=other)
        for one in found
        for other in found
        if 12 <= other - one <= 18
    ]
    fits = [laid for cycle in cycles if (laid := fit(days, cycle)) is not None]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recurring_fits, "_off_weekends", lambda _, laid: laid)
        laid = best_fit(days, pace)
    assert laid == (min(fits, key=lambda one: one.cost) if fits else None)


@given(sellers(), LEANINGS)
def test_what_is_found_is_the_same_as_when_everything_is_tried(rows, leaning):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recurring_detection, "confidence_at_most", lambda *_: 10_000)
        patch.setattr(recurring_detection, "near_at_most", lambda *_: None)
        everything = find_series(rows, leaning)
    assert find_series(rows, leaning) == everything


@given(sellers(), st.floats(0.001, 1), LEANINGS)
def test_nothing_is_surer_than_it_was_said_to_be_at_most(rows, share, leaning):
    days = [row.day for row in rows]
    for pace in paces_of(days):
        laid = best_fit(days, pace)
        if laid is not None:
            amounts = amounts_of([rows[place].amount_minor for place in laid.members], pace.per_year)
            members = members_at_most(days, pace)
            assert len(laid.members) <= members
            most = confidence_at_most(pace, len(rows), members, share, leaning)
            assert confidence(laid, amounts, share, leaning) <= most
            near = near_at_most(days, pace)
            if near is None:
                continue
            assert len(laid.members) <= near[-1]
            enough = len(laid.members) >= OCCURRENCES_MIN or leaning.bill or pace.frequency in RARE
            if enough:
                sure = confidence_of_near(pace, len(rows), near, min(near[-1], members), share, leaning)
                assert confidence(laid, amounts, share, leaning) <= sure


def test_of_very_many_amounts_those_that_came_three_times_are_not_looked_at(monkeypatch):
    """A seller from whom hundreds of things were bought cannot be sure to have sold one of them regularly."""
    laid = []

    def counting(days, pace):
        laid.append(len(days))
        return best_fit(days, pace)

    monkeypatch.setattr(recurring_detection, "best_fit", counting)
    bought = sorted(
        (FIRST + timedelta(days=amount * 37 % 600 + time * 61), 1_000 + amount * amount)
        for amount in range(1, 200)
        for time in range(3)
    )
    assert find_series([occurrence(number, *one) for number, one in enumerate(bought)], Leaning()) == []
    assert 3 not in laid
    bought = [one for one in bought if one[1] < 1_100]
    find_series([occurrence(number, *one) for number, one in enumerate(bought)], Leaning())
    assert 3 in laid
