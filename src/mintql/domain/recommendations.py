"""Limits that fit a person: from their own complete months, blended with the template while those are few."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from mintql.domain.budgets import MonthlySum, Plan, spent_by_budget
from mintql.domain.categories import CategoryKind, CategoryTree
from mintql.domain.estimates import MONTHS_PER_YEAR, BackTest, Estimate, back_test, estimate, median
from mintql.domain.ids import CategoryId
from mintql.domain.money import exponent
from mintql.domain.months import add_months, last_day, months_between
from mintql.domain.recommendation_words import basis_of
from mintql.domain.recurring import Expected
from mintql.domain.templates import Template, monthly_limits, template_basis

COMPLETE_MONTHS_ENOUGH = 6
"""With so many complete months the template has nothing more to say."""
TEMPLATE_WEIGHT = (1, 4)
"""While months are few, the template weighs as much as a quarter of a month of one's own: households of one income
differ far more from each other than a household's months do (`bench/recommendations.py`)."""
COMPLETE_MONTHS_MAX = 24
"""Habits change: two years are remembered, and hold every season twice."""
REGULAR_OCCURRENCES_MIN = 10
"""A bill that comes so often in a year is in the middle of the months already; one that is rarer comes on top."""


class RecommendationSource(StrEnum):
    """What a recommendation rests on."""

    HISTORY = "history"
    BLEND = "blend"
    TEMPLATE = "template"


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A monthly limit for a group with the figures behind it, all in minor units of `currency`.

    `months` counts the complete months looked at; `median_minor`, `low_minor` and `high_minor` describe what was spent
    in them, refunds netted, and are None without any. `expected_minor` is what the month asked about will probably
    cost, of which `bills_minor` are bills known to be due that do not come every month, and `season_minor` what the
    time of year adds. `months_over` says how many of the last twelve months would have gone over the limit, bills
    that do not come every month apart; None without history. `tested` says how good such estimates were.
    """

    category_id: CategoryId
    currency: str
    limit_minor: int
    source: RecommendationSource
    months: int
    expected_minor: int
    bills_minor: int
    season_minor: int
    template_minor: int | None
    median_minor: int | None
    low_minor: int | None
    high_minor: int | None
    months_over: int | None
    tested: BackTest | None
    bills: tuple[Expected, ...] = ()
    basis: str = ""


def recommend(
    tree: CategoryTree,
    sums: Iterable[MonthlySum],
    template: Template,
    plan: Plan,
    month: date,
    bills: Sequence[Expected] = (),
) -> dict[CategoryId, Recommendation]:
    """Return a recommendation for each expense group that history or template speaks of, by category.

    Args:
        tree: The person's categories. Hidden groups are left out.
        sums: Theirs of any months, all categories and currencies; those in the plan's currency count.
        template: What stands in for months that are missing.
        plan: Income and currency.
        month: The first day of the running month, which is not complete yet. The first month seen is taken for cut
            off where the history begins. The recommendation is for the month after this one.
        bills: What recurring series let expect in the year from that month on.
    """
    complete, spent = _spent_by_month(tree, sums, plan.currency, month)
    suggested = monthly_limits(template, plan.annual_income_minor, plan.currency)
    coming = add_months(month, 1)
    rare = _rare_bills(tree, bills, plan.currency, coming)
    unit_minor = 10 ** exponent(plan.currency)
    wanted = [
        group.category_id
        for group in tree.groups
        if group.kind is CategoryKind.EXPENSE and group.offered and (complete or group.category_id in suggested)
    ]
    found = {
        category_id: _recommend(
            category_id,
            plan.currency,
            [spent[item].get(category_id, 0) for item in complete],
            suggested.get(category_id),
            rare.get(category_id, ()),
            unit_minor,
        )
        for category_id in wanted
    }
    words = template_basis(template, plan.annual_income_minor, plan.currency, detected=plan.income_detected)
    return {category_id: replace(item, basis=basis_of(item, coming, words)) for category_id, item in found.items()}


def _recommend(
    category_id: CategoryId,
    currency: str,
    history_minor: Sequence[int],
    template_minor: int | None,
    bills: Sequence[Expected],
    unit_minor: int,
) -> Recommendation:
    bills_minor = sum(-bill.amount_minor for bill in bills)
    source, guess = _guess(history_minor, template_minor)
    limit_minor = -(-(guess.limit_minor + bills_minor) // unit_minor) * unit_minor
    last_year = history_minor[-MONTHS_PER_YEAR:]
    over = sum(spent_minor > limit_minor - bills_minor for spent_minor in last_year)
    return Recommendation(
        category_id=category_id,
        currency=currency,
        limit_minor=limit_minor,
        source=source,
        months=len(history_minor),
        expected_minor=guess.expected_minor + bills_minor,
        bills_minor=bills_minor,
        season_minor=guess.season_minor,
        template_minor=template_minor,
        median_minor=median(last_year) if last_year else None,
        low_minor=min(last_year) if last_year else None,
        high_minor=max(last_year) if last_year else None,
        months_over=over if last_year else None,
        tested=back_test(history_minor),
        bills=tuple(bills),
    )


def _guess(history_minor: Sequence[int], template_minor: int | None) -> tuple[RecommendationSource, Estimate]:
    """Return the estimate from history, from both while months are few, or the template's limit."""
    count = len(history_minor)
    if count == 0:
        return RecommendationSource.TEMPLATE, Estimate(template_minor or 0, 0, 0)
    own = estimate(history_minor)
    if count >= COMPLETE_MONTHS_ENOUGH or template_minor is None:
        return RecommendationSource.HISTORY, own
    part, whole = TEMPLATE_WEIGHT
    weight = count * whole + part
    blended = (own.expected_minor * count * whole + template_minor * part) // weight
    return RecommendationSource.BLEND, Estimate(blended, own.spread_minor, own.season_minor)


def _spent_by_month(
    tree: CategoryTree, sums: Iterable[MonthlySum], currency: str, month: date
) -> tuple[list[date], dict[date, Mapping[CategoryId, int]]]:
    by_month: dict[date, list[MonthlySum]] = {}
    for item in sums:
        if item.currency == currency and item.month < month:
            by_month.setdefault(item.month, []).append(item)
    if not by_month:
        return [], {}
    complete = list(months_between(add_months(min(by_month), 1), add_months(month, -1)))[-COMPLETE_MONTHS_MAX:]
    return complete, {
        item: {
            category_id: spent.total_minor
            for category_id, spent in spent_by_budget(tree, by_month.get(item, ()), currency).items()
        }
        for item in complete
    }


def _rare_bills(
    tree: CategoryTree, bills: Sequence[Expected], currency: str, coming: date
) -> dict[CategoryId, list[Expected]]:
    """Return by group the bills of the coming month whose series do not come every month, the earliest first."""
    often = Counter(bill.recurring_id for bill in bills)
    found: dict[CategoryId, list[Expected]] = {}
    for bill in sorted(bills, key=lambda bill: (bill.due_on, bill.recurring_id)):
        is_due = coming <= bill.due_on <= last_day(coming)
        is_rare = often[bill.recurring_id] < REGULAR_OCCURRENCES_MIN
        if is_due and is_rare and bill.amount_minor < 0 and bill.currency == currency:
            category = tree.by_id.get(bill.category_id)
            if category is not None and category.kind is CategoryKind.EXPENSE:
                found.setdefault(category.parent_id or category.category_id, []).append(bill)
    return found
