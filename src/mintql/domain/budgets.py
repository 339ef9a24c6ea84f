"""Budgets of a month: what the limit is, what was spent, and how near the two are.

All arithmetic is on whole minor units. Spending is positive here (transactions are signed the other way);
refunds reduce it, and a month with more refunds than purchases has negative spending.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import pairwise

from mintql.domain.categories import CategoryKind, CategoryTree, check_in_use
from mintql.domain.errors import InvalidInput
from mintql.domain.ids import CategoryId
from mintql.domain.money import AMOUNT_MINOR_MAX, to_decimal_text
from mintql.domain.templates import Template, monthly_limits

PERCENT = 100
THRESHOLDS_DEFAULT = (80, 100)
THRESHOLDS_MAX = 5
THRESHOLD_PERCENT_MAX = 200


class LimitOrigin(StrEnum):
    """Where a limit comes from."""

    TEMPLATE = "template"
    OVERRIDE = "override"


class ThresholdState(StrEnum):
    """How near spending is to its limit; agrees with the alerts that were raised."""

    OK = "ok"
    APPROACHING = "approaching"
    EXCEEDED = "exceeded"


@dataclass(frozen=True, slots=True)
class Override:
    """What a person changed about one budget.

    A `recurring` override holds from `month` on until the next recurring one, another for `month` alone.
    `limit_minor` None means that the template's limit holds again, with these thresholds.
    """

    category_id: CategoryId
    month: date
    recurring: bool
    limit_minor: int | None
    currency: str
    thresholds: tuple[int, ...]
    revision: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What the template rests on: a year's income (None: not known) and the main currency.

    The income is before taxes where the person stated it, else what was detected from their paychecks.
    """

    annual_income_minor: int | None
    currency: str
    template_revision: int
    income_detected: bool = False


@dataclass(frozen=True, slots=True)
class Limit:
    """The limit that holds for a category in a month.

    `revision` changes whenever the limit does, so that an alert is raised once for each of them.
    `template_minor` is what the template alone would say, None where it says nothing or speaks of another
    currency.
    """

    category_id: CategoryId
    month: date
    currency: str
    limit_minor: int
    thresholds: tuple[int, ...]
    revision: int
    origin: LimitOrigin
    template_minor: int | None


@dataclass(frozen=True, slots=True)
class MonthlySum:
    """Signed sums (money out is negative) of a person's transactions of one leaf, month and currency.

    The excluded amounts are what of the others budgets leave out, because the person or a rule of theirs said so.
    """

    month: date
    category_id: CategoryId
    currency: str
    posted_minor: int
    pending_minor: int
    posted_count: int
    pending_count: int
    excluded_posted_minor: int = 0
    excluded_pending_minor: int = 0


@dataclass(frozen=True, slots=True)
class Spent:
    """Money spent, positive; negative when refunds outweigh."""

    posted_minor: int
    pending_minor: int

    @property
    def total_minor(self) -> int:
        """Posted and pending together: what budgets are compared with."""
        return self.posted_minor + self.pending_minor


NOTHING_SPENT = Spent(0, 0)


def limits_for_month(
    template: Template, plan: Plan, overrides: Iterable[Override], month: date
) -> dict[CategoryId, Limit]:
    """Return the limit of each budget that a person has in `month` (its first day), by category.

    For each category: the override of this very month, else the latest recurring one up to it, else the
    template. `overrides` may hold those of other months; they are looked past.
    """
    suggested = monthly_limits(template, plan.annual_income_minor, plan.currency)
    limits = {
        category_id: Limit(
            category_id, month, plan.currency, limit_minor, THRESHOLDS_DEFAULT, plan.template_revision,
            LimitOrigin.TEMPLATE, limit_minor,
        )
        for category_id, limit_minor in suggested.items()
    }  # fmt: skip
    for category_id, override in _overrides_in_force(overrides, month).items():
        limit = _limit_of(override, plan, month, suggested.get(category_id))
        if limit is None:
            limits.pop(category_id, None)
        else:
            limits[category_id] = limit
    return limits


def _overrides_in_force(overrides: Iterable[Override], month: date) -> dict[CategoryId, Override]:
    chosen: dict[CategoryId, Override] = {}
    for override in overrides:
        if override.month > month or (override.month < month and not override.recurring):
            continue
        rival = chosen.get(override.category_id)
        if rival is None or _precedence(override) > _precedence(rival):
            chosen[override.category_id] = override
    return chosen


def _precedence(override: Override) -> tuple[bool, date]:
    return (not override.recurring, override.month)


def _limit_of(override: Override, plan: Plan, month: date, suggested_minor: int | None) -> Limit | None:
    if override.limit_minor is None:
        if suggested_minor is None:
            return None
        return Limit(
            override.category_id, month, plan.currency, suggested_minor, override.thresholds,
            plan.template_revision, LimitOrigin.TEMPLATE, suggested_minor,
        )  # fmt: skip
    comparable_minor = suggested_minor if override.currency == plan.currency else None
    return Limit(
        override.category_id, month, override.currency, override.limit_minor, override.thresholds,
        override.revision, LimitOrigin.OVERRIDE, comparable_minor,
    )  # fmt: skip


def spent_by_budget(tree: CategoryTree, sums: Iterable[MonthlySum], currency: str) -> dict[CategoryId, Spent]:
    """Add up sums in `currency`, per leaf and per group of leaves; income and transfers are no spending.

    What is excluded from budgets is left out.

    The caller passes the sums of the months it asks about, usually of one.

    Raises:
        KeyError: A sum belongs to a category the tree does not have.
    """
    spent: dict[CategoryId, Spent] = {}
    for item in sums:
        if item.currency != currency or tree.by_id[item.category_id].kind is not CategoryKind.EXPENSE:
            continue
        for category_id in tree.self_and_group(item.category_id):
            so_far = spent.get(category_id, NOTHING_SPENT)
            spent[category_id] = Spent(
                so_far.posted_minor - item.posted_minor + item.excluded_posted_minor,
                so_far.pending_minor - item.pending_minor + item.excluded_pending_minor,
            )
    return spent


def crossed(limit: Limit, spent_total_minor: int) -> tuple[int, ...]:
    """Return the thresholds (percent of the limit) that spending has reached, ascending.

    Nothing spent reaches nothing; anything spent against a limit of 0 reaches all of them.
    """
    if spent_total_minor <= 0:
        return ()
    return tuple(
        threshold for threshold in limit.thresholds if spent_total_minor * 100 >= limit.limit_minor * threshold
    )


def threshold_state(limit: Limit, spent_total_minor: int) -> ThresholdState:
    """Tell whether spending has used up the limit, or else has reached one of the thresholds."""
    if spent_total_minor > 0 and spent_total_minor >= limit.limit_minor:
        return ThresholdState.EXCEEDED
    return ThresholdState.APPROACHING if crossed(limit, spent_total_minor) else ThresholdState.OK


def percent_used(limit: Limit, spent_total_minor: int) -> int | None:
    """Return spending as whole percent of the limit, rounded down, 0 when refunds outweigh.

    None where money was spent against a limit of 0: no percentage says that.
    """
    if spent_total_minor <= 0:
        return 0
    if limit.limit_minor == 0:
        return None
    return spent_total_minor * 100 // limit.limit_minor


def check_thresholds(values: Sequence[int], *, field: str = "thresholds") -> tuple[int, ...]:
    """Return the thresholds as they are kept, or raise `InvalidInput` in words."""
    if not 1 <= len(values) <= THRESHOLDS_MAX:
        raise InvalidInput(f"Give one to {THRESHOLDS_MAX} thresholds, not {len(values)}.", field=field)
    for value in values:
        if not 1 <= value <= THRESHOLD_PERCENT_MAX:
            raise InvalidInput(
                f"A threshold of {value} % cannot be used; give 1 to {THRESHOLD_PERCENT_MAX}.", field=field
            )
    if any(left >= right for left, right in pairwise(values)):
        listed = ", ".join(str(value) for value in values)
        raise InvalidInput(f"Give thresholds in ascending order, each once, not {listed}.", field=field)
    return tuple(values)


def check_limit(limit_minor: int, currency: str, *, field: str = "limit") -> int:
    """Return the limit (minor units of `currency`), or raise `InvalidInput` when none can be that."""
    if limit_minor < 0:
        given = to_decimal_text(limit_minor, currency)
        raise InvalidInput(f"A limit of {given} {currency} is below zero.", field=field)
    if limit_minor > AMOUNT_MINOR_MAX:
        most = to_decimal_text(AMOUNT_MINOR_MAX, currency)
        raise InvalidInput(f"A limit goes up to {most} {currency}.", field=field)
    return limit_minor


def check_budget_category(tree: CategoryTree, category_id: CategoryId, *, field: str = "categoryId") -> CategoryId:
    """Return the id when a budget can be set on that category: a group or leaf of the kind expense.

    Raises:
        InvalidInput: There is no such category, it was merged into another, or money in it is no spending.
    """
    category = check_in_use(tree, category_id, field=field)
    if category.kind is not CategoryKind.EXPENSE:
        raise InvalidInput(f"{category.name} is no spending, so it cannot have a budget.", field=field)
    return category_id
