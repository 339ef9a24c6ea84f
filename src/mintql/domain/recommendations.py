"""Limits that fit a person: from their own complete months, or from the template while those are few."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from mintql.domain.budgets import MonthlySum, Plan, spent_by_budget
from mintql.domain.categories import CategoryKind, CategoryTree
from mintql.domain.ids import CategoryId
from mintql.domain.money import exponent, to_decimal_text
from mintql.domain.months import add_months, months_between
from mintql.domain.templates import Template, monthly_limits, template_basis

COMPLETE_MONTHS_MIN = 3
"""With fewer months one unusual purchase would be taken for a habit."""
COMPLETE_MONTHS_MAX = 12
"""Habits change: a year is remembered, and holds every season once."""


class RecommendationSource(StrEnum):
    """What a recommendation rests on."""

    HISTORY = "history"
    TEMPLATE = "template"


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A monthly limit for a group with the figures behind it, all in minor units of `currency`.

    `months` counts the complete months looked at; `median_minor`, `low_minor` and `high_minor` describe what
    was spent in them, refunds netted, and are None while there are too few.
    """

    category_id: CategoryId
    currency: str
    limit_minor: int
    source: RecommendationSource
    months: int
    median_minor: int | None
    low_minor: int | None
    high_minor: int | None
    basis: str


def recommend(
    tree: CategoryTree, sums: Iterable[MonthlySum], template: Template, plan: Plan, month: date
) -> dict[CategoryId, Recommendation]:
    """Return a recommendation for each expense group that history or template speaks of, by category.

    `sums` are the person's of any months, all categories and currencies; those in the plan's currency
    count. `month` (its first day) and later ones are not complete yet, and the first month seen is taken
    for cut off where the history begins. A group is recommended the median of its complete months, rounded
    up to whole units of the currency; months without spending count as months of 0. Hidden groups are left out.
    """
    months, spent = _spent_by_month(tree, sums, plan.currency, month)
    if len(months) < COMPLETE_MONTHS_MIN:
        suggested = _from_template(template, plan, len(months))
        return {group_id: item for group_id, item in suggested.items() if tree.by_id[group_id].offered}
    expense_groups = (group for group in tree.groups if group.kind is CategoryKind.EXPENSE and group.offered)
    return {
        group.category_id: _from_history(
            group.category_id, plan.currency, [spent[item].get(group.category_id, 0) for item in months]
        )
        for group in expense_groups
    }


def _spent_by_month(
    tree: CategoryTree, sums: Iterable[MonthlySum], currency: str, month: date
) -> tuple[list[date], dict[date, dict[CategoryId, int]]]:
    by_month: dict[date, list[MonthlySum]] = {}
    for item in sums:
        if item.currency == currency and item.month < month:
            by_month.setdefault(item.month, []).append(item)
    if not by_month:
        return [], {}
    complete = list(months_between(add_months(min(by_month), 1), add_months(month, -1)))[-COMPLETE_MONTHS_MAX:]
    spent = {
        item: {
            category_id: spent.total_minor
            for category_id, spent in spent_by_budget(tree, by_month.get(item, ()), currency).items()
        }
        for item in complete
    }
    return complete, spent


def _from_template(template: Template, plan: Plan, months: int) -> dict[CategoryId, Recommendation]:
    if months == 0:
        known = "There is no complete month of your own yet to go by."
    elif months == 1:
        known = "There is only 1 complete month of your own to go by."
    else:
        known = f"There are only {months} complete months of your own to go by."
    basis = (
        f"{template_basis(template, plan.annual_income_minor, plan.currency, detected=plan.income_detected)} {known}"
    )
    return {
        category_id: Recommendation(
            category_id, plan.currency, limit_minor, RecommendationSource.TEMPLATE, months, None, None, None, basis
        )
        for category_id, limit_minor in monthly_limits(template, plan.annual_income_minor, plan.currency).items()
    }


def _from_history(category_id: CategoryId, currency: str, spent_minor: Sequence[int]) -> Recommendation:
    ordered = sorted(spent_minor)
    count = len(ordered)
    median_minor = (ordered[(count - 1) // 2] + ordered[count // 2]) // 2
    low_minor, high_minor = ordered[0], ordered[-1]
    unit_minor = 10 ** exponent(currency)
    return Recommendation(
        category_id=category_id,
        currency=currency,
        limit_minor=-(-max(0, median_minor) // unit_minor) * unit_minor,
        source=RecommendationSource.HISTORY,
        months=count,
        median_minor=median_minor,
        low_minor=low_minor,
        high_minor=high_minor,
        basis=_history_basis(currency, count, low_minor, high_minor),
    )


def _history_basis(currency: str, count: int, low_minor: int, high_minor: int) -> str:
    if low_minor == high_minor == 0:
        return f"Nothing spent in {count} complete months."
    low, high = to_decimal_text(low_minor, currency), to_decimal_text(high_minor, currency)
    return f"Median of {count} complete months, {low} to {high}."
