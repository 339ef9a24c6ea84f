"""Budgets as they stand: limits, what was carried and spent, and what the template rests on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import date, datetime
from typing import NamedTuple, TypeAlias

from mintql.data import load_template
from mintql.domain.budget_checks import check_day
from mintql.domain.budget_timeline import Timeline
from mintql.domain.budgets import (
    EVERYTHING_ID,
    NOTHING_SPENT,
    PERCENT,
    BudgetKey,
    Limit,
    LimitOrigin,
    Override,
    Spent,
    ThresholdState,
    budget_name,
    percent_used,
    threshold_state,
)
from mintql.domain.categories import Category, CategoryTree
from mintql.domain.errors import InvalidInput, NotFound
from mintql.domain.ids import UserId
from mintql.domain.money import AMOUNT_MINOR_MAX
from mintql.domain.months import local_date
from mintql.domain.periods import Period
from mintql.domain.tuples import tuples
from mintql.services import alerts
from mintql.services.budget_spending import Holder, measure
from mintql.services.effects import Effects
from mintql.services.personal_categories import ReadTree, tree_of
from mintql.store import budgets as store
from mintql.store.budgets import PlanRow
from mintql.store.queries import Conn

DETECTED_CHANGE_PERCENT_MIN = 5
"""Paychecks vary: a detected income that moved no further leaves limits, and the alerts on them, as they are."""
PERIOD_DAYS_MAX = 366
"""The longest range of days whose budgets are read at once."""


class Budget(NamedTuple):
    """A budget in one period: the limit that holds, the override it comes from if any, what was spent.

    `tree` is the person's, which the category of the limit is in; `today` is on their calendar.
    """

    tree: CategoryTree
    limit: Limit
    override: Override | None
    spent: Spent
    remaining_minor: int
    """What is left of what is available once pending amounts are posted; negative when exceeded."""
    today: date

    @property
    def category(self) -> Category | None:
        """The category or group it is for; None for everything."""
        return None if self.limit.category_id == EVERYTHING_ID else self.tree.by_id[self.limit.category_id]

    @property
    def name(self) -> str:
        """What it is called."""
        return budget_name(self.tree, self.limit.category_id)

    @property
    def is_noise(self) -> bool:
        """Whether it is the template's for a hidden group in which nothing was spent."""
        if self.spent != NOTHING_SPENT or self.limit.origin is not LimitOrigin.TEMPLATE:
            return False
        category = self.category
        return category is not None and category.hidden

    @property
    def percent_used(self) -> int | None:
        """Spending, posted and pending, as percent of what is available; None where nothing is."""
        return percent_used(self.limit, self.spent.total_minor)

    @property
    def state(self) -> ThresholdState:
        """How near posted and pending spending are to what is available."""
        return threshold_state(self.limit, self.spent.total_minor)


class Limits(NamedTuple):
    """What limits a person has, and the time zone that says which day it is for them."""

    timeline: Timeline
    time_zone: str


ReadLimits: TypeAlias = Callable[[Conn], Awaitable[Limits]]
"""Gives the limits of the person in question."""


async def list_budgets(
    conn: Conn,
    user_id: UserId,
    days: Period,
    now: datetime,
    *,
    read_tree: ReadTree | None = None,
    read_limits: ReadLimits | None = None,
) -> list[Budget]:
    """Return the budgets of all periods that share a day with these days, in the order of the categories.

    `read_tree` and `read_limits` give the person's categories and limits where somebody keeps them at hand.

    The template's for groups that the person has hidden are left out while nothing is spent in them.

    Raises:
        InvalidInput: There are more than `PERIOD_DAYS_MAX` days.
    """
    check_day(days.first, field="on")
    if days.days > PERIOD_DAYS_MAX:
        raise InvalidInput(f"{days.days} days are too many at once; ask for {PERIOD_DAYS_MAX} at most.", field="on")
    holder = await holder_of(conn, user_id, now, read_tree=read_tree, read_limits=read_limits)
    budgets = await measured_budgets(conn, holder, holder.timeline.limits_between(days.first, days.last))
    return [budget for budget in budgets if budget.spent != NOTHING_SPENT or not budget.is_noise]


async def today_of(conn: Conn, user_id: UserId, now: datetime) -> date:
    """Return the date on a person's calendar."""
    return local_date(now, (await plan_of(conn, user_id)).time_zone)


async def find_budget(conn: Conn, user_id: UserId, key: BudgetKey, day: date, now: datetime) -> Budget | None:
    """Return the budget on a day; None where there is none then."""
    holder = await holder_of(conn, user_id, now)
    limit = holder.timeline.limit_on(key, day)
    found = [] if limit is None else await measured_budgets(conn, holder, [limit])
    return found[0] if found else None


async def holder_of(
    conn: Conn,
    user_id: UserId,
    now: datetime,
    *,
    read_tree: ReadTree | None = None,
    read_limits: ReadLimits | None = None,
) -> Holder:
    """Return what a person's budgets depend on.

    Raises:
        NotFound: There is no such person any more.
    """
    timeline, time_zone = await (limits_of(conn, user_id) if read_limits is None else read_limits(conn))
    tree = await (tree_of(conn, user_id) if read_tree is None else read_tree(conn, timeline.category_ids))
    return Holder(user_id, timeline, tree, local_date(now, time_zone))


async def limits_of(conn: Conn, user_id: UserId) -> Limits:
    """Return the limits a person has.

    Raises:
        NotFound: There is no such person any more.
    """
    row = await plan_of(conn, user_id)
    overrides = (await store.overrides_by_users(conn, [user_id])).get(user_id, ())
    return Limits(Timeline(load_template(), row.plan, overrides), row.time_zone)


async def measured_budgets(conn: Conn, holder: Holder, limits: Iterable[Limit]) -> list[Budget]:
    """Return the budgets that these limits of a person are of, with what was spent and carried."""
    budgets: list[tuple[CategoryTree, Limit, Override | None, Spent, int, date]] = []
    timeline = holder.timeline
    for _, limit, spent in await measure(conn, [(holder, limit) for limit in limits]):
        override = timeline.override_on(limit.key, limit.period.first) if timeline.is_changed else None
        remaining_minor = limit.limit_minor + limit.carried_minor - spent.posted_minor - spent.pending_minor
        budgets.append((holder.tree, limit, override, spent, remaining_minor, holder.today))
    return tuples(Budget, budgets)


async def plan_of(conn: Conn, user_id: UserId) -> PlanRow:
    """Return what the template rests on for a person.

    Raises:
        NotFound: There is no such person any more.
    """
    plan = await store.get_plan(conn, user_id)
    if plan is None:
        raise NotFound("This person is gone.")
    return plan


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
