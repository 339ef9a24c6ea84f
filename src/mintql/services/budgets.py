"""Budgets of a month, a person's overrides of the template, and recommendations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum

from mintql.data import load_template
from mintql.domain.budgets import (
    NOTHING_SPENT,
    PERCENT,
    THRESHOLDS_DEFAULT,
    Limit,
    LimitOrigin,
    Override,
    Spent,
    ThresholdState,
    check_budget_category,
    check_limit,
    check_thresholds,
    limits_for_month,
    percent_used,
    spent_by_budget,
    threshold_state,
)
from mintql.domain.categories import Category, CategoryTree
from mintql.domain.errors import InvalidInput, NotFound
from mintql.domain.ids import CategoryId, UserId
from mintql.domain.money import AMOUNT_MINOR_MAX, Money
from mintql.domain.months import add_months, first_day, local_date, month_text, months_between
from mintql.domain.recommendations import COMPLETE_MONTHS_MAX, Recommendation, recommend
from mintql.services import alerts
from mintql.services.effects import Effects
from mintql.services.personal_categories import tree_of
from mintql.store import budgets as store
from mintql.store import spending as spending_store
from mintql.store.budgets import PlanRow
from mintql.store.locks import lock_users
from mintql.store.queries import Conn

DETECTED_CHANGE_PERCENT_MIN = 5
"""Paychecks vary: a detected income that moved no further leaves limits, and the alerts on them, as they are."""


class Scope(StrEnum):
    """For which months a change of a budget is meant."""

    THIS_MONTH = "this_month"
    FROM_THIS_MONTH = "from_this_month"


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget in one month: the limit that holds, the override it comes from if any, what was spent.

    `tree` is the person's, which the category of the limit is in.
    """

    tree: CategoryTree
    limit: Limit
    override: Override | None
    spent: Spent

    @property
    def category(self) -> Category:
        """The category or group it is for."""
        return self.tree.by_id[self.limit.category_id]

    @property
    def is_noise(self) -> bool:
        """Whether it is the template's for a hidden group in which nothing was spent."""
        unused = self.limit.origin is LimitOrigin.TEMPLATE and self.spent == NOTHING_SPENT
        return unused and self.category.hidden

    @property
    def remaining_minor(self) -> int:
        """What is left of the limit once pending amounts are posted; negative when exceeded."""
        return self.limit.limit_minor - self.spent.total_minor

    @property
    def percent_used(self) -> int | None:
        """Spending, posted and pending, as percent of the limit; None against a limit of 0."""
        return percent_used(self.limit, self.spent.total_minor)

    @property
    def state(self) -> ThresholdState:
        """How near posted and pending spending are to the limit."""
        return threshold_state(self.limit, self.spent.total_minor)


async def list_budgets(conn: Conn, user_id: UserId, month: date) -> list[Budget]:
    """Return the budgets that hold in a month (its first day), in the order of the categories.

    The template's for groups that the person has hidden are left out while nothing is spent in them.
    """
    plan = await _plan(conn, user_id)
    overrides = await store.overrides_until(conn, user_id, month)
    sums = await spending_store.sums_between(conn, user_id, month, month)
    tree = await tree_of(conn, user_id)
    limits = limits_for_month(load_template(), plan.plan, overrides, month)
    spent = {
        currency: spent_by_budget(tree, sums, currency) for currency in {limit.currency for limit in limits.values()}
    }
    in_force = {
        category_id: override
        for category_id in limits
        if (override := override_in_force(overrides, category_id, month)) is not None
    }
    budgets = [
        Budget(
            tree=tree,
            limit=limits[category_id],
            override=in_force.get(category_id),
            spent=spent[limits[category_id].currency].get(category_id, NOTHING_SPENT),
        )
        for category_id in sorted(limits)
    ]
    return [budget for budget in budgets if not budget.is_noise]


def override_in_force(overrides: Sequence[Override], category_id: CategoryId, month: date) -> Override | None:
    """Return the override that decides about a category in a month: its own, else the latest recurring one."""
    candidates = [
        override
        for override in overrides
        if override.category_id == category_id
        and (override.month == month or (override.recurring and override.month < month))
    ]
    return max(candidates, key=lambda override: (not override.recurring, override.month), default=None)


async def set_override(
    conn: Conn,
    user_id: UserId,
    category_id: CategoryId,
    month: date,
    limit: Money,
    scope: Scope,
    now: datetime,
    *,
    thresholds: Sequence[int] | None = None,
) -> tuple[Budget, Effects]:
    """Set the limit of a budget for one month, or from that month on.

    From a month on, it replaces what was set for that month and recurring changes that were to begin later;
    limits of single later months stay. Setting again what holds already changes nothing: the limit keeps its
    revision, so no alert is repeated. Without `thresholds` those that hold stay.

    Raises:
        InvalidInput: The category cannot have a budget, the limit is below zero or not in the person's
            currency, or the thresholds cannot be used.
    """
    check_limit(limit.amount_minor, limit.currency)
    given = None if thresholds is None else check_thresholds(thresholds)
    await lock_users(conn, [user_id])
    check_budget_category(await tree_of(conn, user_id), category_id)
    plan = await _plan(conn, user_id)
    if limit.currency != plan.plan.currency:
        raise InvalidInput(f"Your budgets are in {plan.plan.currency}, not in {limit.currency}.", field="limit")
    recurring = scope is Scope.FROM_THIS_MONTH
    rows = await store.overrides_of(conn, user_id, category_id)
    held = override_in_force(rows, category_id, month)
    superseded = [row for row in rows if recurring and _ends_with(row, month)]
    kept = {(row.month, row.recurring): row for row in rows if row not in superseded}.get((month, recurring))
    wanted = Override(
        category_id=category_id,
        month=month,
        recurring=recurring,
        limit_minor=limit.amount_minor,
        currency=limit.currency,
        thresholds=given or (held.thresholds if held else THRESHOLDS_DEFAULT),
        revision=kept.revision if kept else 0,
    )
    if wanted == kept and not superseded:
        return await _budget(conn, user_id, category_id, month), Effects()
    same_limit = held is not None and (held.limit_minor, held.currency) == (limit.amount_minor, limit.currency)
    revision = held.revision if held and same_limit else await store.take_revision(conn, user_id)
    await store.remove(conn, user_id, superseded)
    await store.put(conn, user_id, replace(wanted, revision=revision), now)
    effects = await _evaluate(conn, user_id, plan, month, scope, now)
    return await _budget(conn, user_id, category_id, month), effects


async def remove_override(
    conn: Conn, user_id: UserId, category_id: CategoryId, month: date, scope: Scope, now: datetime
) -> tuple[Budget | None, Effects]:
    """Take back what was set for one month, or from that month on.

    For one month, what is set from an earlier month on holds again, else the template. From a month on, the
    template holds again; months before keep their limit, and so do single later months. Returns the budget
    of that month afterwards, None where the template has none.

    Raises:
        InvalidInput: The category cannot have a budget.
        NotFound: Nothing is set that could be taken back.
    """
    await lock_users(conn, [user_id])
    tree = await tree_of(conn, user_id)
    category = tree.by_id[check_budget_category(tree, category_id)]
    plan = await _plan(conn, user_id)
    rows = await store.overrides_of(conn, user_id, category_id)
    if scope is Scope.THIS_MONTH:
        gone = [row for row in rows if row.month == month and not row.recurring]
        earlier = None
    else:
        gone = [row for row in rows if _ends_with(row, month) or (row.month == month and row.recurring)]
        earlier = override_in_force([row for row in rows if row.recurring and row.month < month], category_id, month)
    if not gone and (earlier is None or earlier.limit_minor is None):
        raise NotFound(f"Nothing is set for {category.name} in {month_text(month)} that could be taken back.")
    await store.remove(conn, user_id, gone)
    if earlier is not None and earlier.limit_minor is not None:
        await store.put(conn, user_id, _template_again(earlier, month, plan.plan.currency), now)
    effects = await _evaluate(conn, user_id, plan, month, scope, now)
    return await _find_budget(conn, user_id, category_id, month), effects


async def recommendations(conn: Conn, user_id: UserId, now: datetime) -> tuple[list[Recommendation], CategoryTree]:
    """Return a limit that fits for each group, from the person's complete months or else the template.

    With them comes the person's tree, which the groups are of.
    """
    plan = await _plan(conn, user_id)
    month = first_day(local_date(now, plan.time_zone))
    # One month more than are looked at: the first one seen is taken for cut off.
    first = add_months(month, -COMPLETE_MONTHS_MAX - 1)
    sums = await spending_store.sums_between(conn, user_id, first, add_months(month, -1))
    tree = await tree_of(conn, user_id)
    found = recommend(tree, sums, load_template(), plan.plan, month)
    return [found[category_id] for category_id in sorted(found)], tree


async def income_detected(conn: Conn, user_id: UserId, annual_income_minor: int | None, now: datetime) -> Effects:
    """Write the yearly income that a person's paychecks tell of, in minor units of their currency; None for none.

    Where no income is stated the template follows it, with a revision of its own, and alerts are raised where a new
    limit is reached already. A change of no more than `DETECTED_CHANGE_PERCENT_MIN` is none. To be called under the
    person's lock.
    """
    found = await store.get_detected_income(conn, user_id)
    if found is None:
        raise NotFound("This person is gone.")
    before, stated = found
    after = None if annual_income_minor is None else max(0, min(annual_income_minor, AMOUNT_MINOR_MAX))
    if _same_income(before, after):
        return Effects()
    revision = await store.take_revision(conn, user_id) if stated is None else None
    await store.note_detected_income(conn, user_id, after, now, revision)
    effects = Effects(changed={user_id})
    if stated is None:
        effects.merge(await alerts.evaluate(conn, {user_id: alerts.recent_months(now)}, now))
    return effects


def _same_income(before: int | None, after: int | None) -> bool:
    if before is None or after is None:
        return before == after
    return abs(after - before) * PERCENT <= before * DETECTED_CHANGE_PERCENT_MIN


def _ends_with(override: Override, month: date) -> bool:
    """Tell whether an override gives way to what is said "from this month on"."""
    return override.month > month if override.recurring else override.month == month


def _template_again(earlier: Override, month: date, currency: str) -> Override:
    return Override(earlier.category_id, month, True, None, currency, THRESHOLDS_DEFAULT, earlier.revision)


async def _evaluate(conn: Conn, user_id: UserId, plan: PlanRow, month: date, scope: Scope, now: datetime) -> Effects:
    """Raise the alerts that a changed limit calls for in the months it can hold in."""
    last = month
    if scope is Scope.FROM_THIS_MONTH:
        # Bookings may already stand in the month after today's.
        last = max(month, add_months(first_day(local_date(now, plan.time_zone)), 1))
    effects = await alerts.evaluate(conn, {user_id: set(months_between(month, last))}, now)
    effects.changed.add(user_id)
    return effects


async def _find_budget(conn: Conn, user_id: UserId, category_id: CategoryId, month: date) -> Budget | None:
    budgets = await list_budgets(conn, user_id, month)
    return next((budget for budget in budgets if budget.category.category_id == category_id), None)


async def _budget(conn: Conn, user_id: UserId, category_id: CategoryId, month: date) -> Budget:
    budget = await _find_budget(conn, user_id, category_id, month)
    if budget is None:
        raise LookupError(f"an override was written for category {category_id} and gives no limit")
    return budget


async def _plan(conn: Conn, user_id: UserId) -> PlanRow:
    plan = await store.get_plan(conn, user_id)
    if plan is None:
        raise NotFound("This person is gone.")
    return plan
