"""Budgets: what is said about them, what was spent in a period, and how near the two are.

All arithmetic is on whole minor units. Spending is positive here (transactions are signed the other way);
refunds reduce it, and a period with more refunds than purchases has negative spending.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from mintql.domain.budget_periods import CALENDAR_MONTHS, Schedule
from mintql.domain.categories import CategoryKind, CategoryTree
from mintql.domain.ids import CategoryId
from mintql.domain.periods import Period
from mintql.domain.tuples import tuples

EVERYTHING_ID = CategoryId(0)
"""Stands where a category does for a budget on all spending; no category has it."""
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


class BudgetKey(NamedTuple):
    """What a person has one budget for: a category, a group or everything, in one currency."""

    category_id: CategoryId
    currency: str


class Rollover(NamedTuple):
    """What of a period goes over into the next: what was left, and what was spent too much."""

    surplus: bool = False
    overspend: bool = False


NO_ROLLOVER = Rollover()


@dataclass(frozen=True, slots=True)
class Override:
    """What a person changed about one budget.

    A `recurring` override holds from the day `since` on until the next recurring one begins, another for the period
    that begins on `since` alone. `limit_minor` None means that the template's limit holds, with these thresholds and
    this rollover; the template knows calendar months only.
    """

    category_id: CategoryId
    since: date
    recurring: bool
    limit_minor: int | None
    currency: str
    thresholds: tuple[int, ...]
    revision: int
    schedule: Schedule = CALENDAR_MONTHS
    rollover: Rollover = NO_ROLLOVER

    @property
    def key(self) -> BudgetKey:
        """The budget it is of."""
        return BudgetKey(self.category_id, self.currency)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the template rests on: a year's income (None: not known) and the main currency.

    The income is before taxes where the person stated it, else what was detected from their paychecks.
    """

    annual_income_minor: int | None
    currency: str
    template_revision: int
    income_detected: bool = False


class Limit(NamedTuple):
    """The limit that holds for a budget in a period.

    `revision` changes whenever the limit does, so that an alert is raised once for each of them.
    `template_minor` is what the template alone would say, None where it says nothing or speaks of another
    currency or kind of period. `carried_minor` is what went over from the periods before, negative where too much
    was spent in them.
    """

    category_id: CategoryId
    period: Period
    currency: str
    limit_minor: int
    thresholds: tuple[int, ...]
    revision: int
    origin: LimitOrigin
    template_minor: int | None
    schedule: Schedule = CALENDAR_MONTHS
    rollover: Rollover = NO_ROLLOVER
    carried_minor: int = 0

    @property
    def key(self) -> BudgetKey:
        """The budget it is of."""
        return BudgetKey(self.category_id, self.currency)

    @property
    def available_minor(self) -> int:
        """What may be spent in the period: the limit with what was carried. Below zero where that ate it up."""
        return self.limit_minor + self.carried_minor


class MonthlySum(NamedTuple):
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


class Spent(NamedTuple):
    """Money spent, positive; negative when refunds outweigh."""

    posted_minor: int
    pending_minor: int

    @property
    def total_minor(self) -> int:
        """Posted and pending together: what budgets are compared with."""
        return self.posted_minor + self.pending_minor


NOTHING_SPENT = Spent(0, 0)


def spent_by_budget(tree: CategoryTree, sums: Iterable[MonthlySum], currency: str) -> dict[CategoryId, Spent]:
    """Add up sums in `currency`, per leaf, per group, and of everything; income and transfers are no spending.

    What is excluded from budgets is left out. The caller passes the sums of the period it asks about.

    Raises:
        KeyError: A sum belongs to a category the tree does not have.
    """
    posted: dict[CategoryId, int] = {}
    pending: dict[CategoryId, int] = {}
    for item in sums:
        if item.currency != currency or tree.by_id[item.category_id].kind is not CategoryKind.EXPENSE:
            continue
        posted_minor = item.excluded_posted_minor - item.posted_minor
        pending_minor = item.excluded_pending_minor - item.pending_minor
        for category_id in (*tree.self_and_group(item.category_id), EVERYTHING_ID):
            if category_id in posted:
                posted[category_id] += posted_minor
                pending[category_id] += pending_minor
            else:
                posted[category_id], pending[category_id] = posted_minor, pending_minor
    return dict(zip(posted, tuples(Spent, zip(posted.values(), pending.values(), strict=True)), strict=True))


def budget_name(tree: CategoryTree, category_id: CategoryId) -> str:
    """Return what a budget is called: its category's name, or that it is for everything."""
    return "Everything" if category_id == EVERYTHING_ID else tree.by_id[category_id].name


def leaves_of(tree: CategoryTree, category_id: CategoryId) -> list[CategoryId]:
    """Return the leaves whose spending a budget counts: of everything, of a group, or the leaf itself."""
    if category_id == EVERYTHING_ID:
        return [leaf.category_id for leaf in tree.leaves if leaf.kind is CategoryKind.EXPENSE]
    return [leaf.category_id for leaf in tree.children(category_id)] or [category_id]


def crossed(limit: Limit, spent_total_minor: int) -> tuple[int, ...]:
    """Return the thresholds (percent of what is available) that spending has reached, ascending.

    Nothing spent reaches nothing; anything spent where nothing is available reaches all of them.
    """
    if spent_total_minor <= 0:
        return ()
    available_minor = max(0, limit.available_minor)
    return tuple(
        threshold for threshold in limit.thresholds if spent_total_minor * PERCENT >= available_minor * threshold
    )


def threshold_state(limit: Limit, spent_total_minor: int) -> ThresholdState:
    """Tell whether spending has used up what is available, or else has reached one of the thresholds."""
    if limit.available_minor < 0 or 0 < spent_total_minor >= limit.available_minor:
        return ThresholdState.EXCEEDED
    return ThresholdState.APPROACHING if crossed(limit, spent_total_minor) else ThresholdState.OK


def percent_used(limit: Limit, spent_total_minor: int) -> int | None:
    """Return spending as whole percent of what is available, rounded down, 0 when refunds outweigh.

    None where money was spent and nothing is available: no percentage says that.
    """
    if spent_total_minor <= 0:
        return 0
    if limit.available_minor <= 0:
        return None
    return spent_total_minor * PERCENT // limit.available_minor
