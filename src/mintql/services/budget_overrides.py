"""What a person changes about budgets: limits, kinds of periods, thresholds and rollover, and taking that back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum

from mintql.data import load_template
from mintql.domain.budget_checks import check_budget_category, check_day, check_limit, check_thresholds
from mintql.domain.budget_periods import CALENDAR_MONTHS, Schedule, period_of, period_words, schedule_words
from mintql.domain.budget_timeline import Timeline
from mintql.domain.budgets import (
    NO_ROLLOVER,
    THRESHOLDS_DEFAULT,
    BudgetKey,
    Override,
    Rollover,
    budget_name,
)
from mintql.domain.errors import InvalidInput, NotFound
from mintql.domain.ids import CategoryId, UserId
from mintql.domain.money import Money, check_currency
from mintql.domain.months import add_months, first_day, local_date, months_between
from mintql.domain.periods import DAY
from mintql.services import alerts
from mintql.services.budgets import Budget, find_budget, plan_of
from mintql.services.effects import Effects
from mintql.services.personal_categories import tree_of
from mintql.store import budgets as store
from mintql.store.budgets import PlanRow
from mintql.store.locks import lock_users
from mintql.store.queries import Conn


class Scope(StrEnum):
    """For which periods a change of a budget is meant."""

    THIS_MONTH = "this_month"
    FROM_THIS_MONTH = "from_this_month"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants of a budget from a day's period on, or in that period alone. None leaves what holds.

    `currency` is that of the limit where one is given, else the person's unless given.
    """

    category_id: CategoryId
    on: date
    scope: Scope
    limit: Money | None = None
    currency: str | None = None
    schedule: Schedule | None = None
    thresholds: Sequence[int] | None = None
    surplus: bool | None = None
    overspend: bool | None = None

    def __post_init__(self) -> None:
        """Raise `InvalidInput` for what no budget can be."""
        check_day(self.on, field="on")
        if self.limit is not None:
            check_limit(self.limit.amount_minor, self.limit.currency)
            if self.currency not in (None, self.limit.currency):
                raise InvalidInput(
                    f"The limit is in {self.limit.currency}, but the budget in {self.currency}; give one currency.",
                    field="currency",
                )
        if self.currency is not None:
            check_currency(self.currency, field="currency")
        if self.thresholds is not None:
            check_thresholds(self.thresholds)
        if self.scope is Scope.THIS_MONTH and (self.surplus is not None or self.overspend is not None):
            raise InvalidInput("Rollover goes on from period to period; set it from this one on.", field="rollover")

    @property
    def recurring(self) -> bool:
        """Whether it is meant for later periods too."""
        return self.scope is Scope.FROM_THIS_MONTH

    def key(self, plan: PlanRow) -> BudgetKey:
        """Return which budget it is about."""
        currency = self.currency if self.limit is None else self.limit.currency
        return BudgetKey(self.category_id, check_currency(currency or plan.plan.currency))


async def set_override(conn: Conn, user_id: UserId, wish: Wish, now: datetime) -> tuple[Budget, Effects]:
    """Change a budget for one period, or from that period on.

    From a period on, it replaces what was set for that period and recurring changes that were to begin later; limits
    of single later periods stay, but for those of another kind of period. A new kind begins with its period that the
    day lies in, yet not before the one that held: the past stays as it was. Setting again what holds already changes
    nothing: the limit keeps its revision, so no alert is repeated.

    Raises:
        InvalidInput: The category cannot have a budget, or what is wanted of it cannot be.
    """
    await lock_users(conn, [user_id])
    check_budget_category(await tree_of(conn, user_id), wish.category_id)
    plan = await plan_of(conn, user_id)
    key = wish.key(plan)
    rows = [row for row in await store.overrides_of(conn, user_id, wish.category_id) if row.key == key]
    timeline = Timeline(load_template(), plan.plan, rows)
    wanted = _wanted(wish, key, timeline)
    superseded = [row for row in rows if wanted.recurring and _gives_way(row, wanted)]
    kept = next((row for row in rows if (row.since, row.recurring) == (wanted.since, wanted.recurring)), None)
    if kept is not None and replace(wanted, revision=kept.revision) == kept and not superseded:
        return await _budget(conn, user_id, key, wish.on, now), Effects()
    held = timeline.override_on(key, wish.on)
    same_limit = held is not None and (held.limit_minor, held.schedule) == (wanted.limit_minor, wanted.schedule)
    revision = held.revision if held is not None and same_limit else await store.take_revision(conn, user_id)
    await store.remove(conn, user_id, superseded)
    await store.put(conn, user_id, replace(wanted, revision=revision), now)
    effects = await _evaluate(conn, user_id, plan, wanted.since, wish, now)
    return await _budget(conn, user_id, key, wish.on, now), effects


def _wanted(wish: Wish, key: BudgetKey, timeline: Timeline) -> Override:
    """Return the override that a wish asks for, with a revision of 0."""
    held, limit = timeline.override_on(key, wish.on), timeline.limit_on(key, wish.on)
    base = timeline.recurring_on(key, wish.on)
    schedule_held = CALENDAR_MONTHS if base is None else base.schedule
    rollover_held = NO_ROLLOVER if base is None else base.rollover
    schedule = wish.schedule or schedule_held
    if wish.limit is None:
        _check_without_limit(wish, schedule, schedule_held, has_limit=limit is not None)
    since = timeline.period_on(key, wish.on).first
    if schedule != schedule_held:
        if not wish.recurring:
            raise InvalidInput(
                f"This budget's periods come {schedule_words(schedule_held)}; a single one cannot be of another kind. "
                "Change the kind from this period on.",
                field="period",
            )
        earliest = since if limit is not None else date.min if base is None else base.since
        since = max(period_of(schedule, wish.on).first, earliest)
    limit_held = None if held is None else held.limit_minor
    return Override(
        category_id=key.category_id,
        since=since,
        recurring=wish.recurring,
        limit_minor=limit_held if wish.limit is None else wish.limit.amount_minor,
        currency=key.currency,
        thresholds=tuple(wish.thresholds or (held.thresholds if held else THRESHOLDS_DEFAULT)),
        revision=0,
        schedule=schedule,
        rollover=Rollover(
            surplus=rollover_held.surplus if wish.surplus is None else wish.surplus,
            overspend=rollover_held.overspend if wish.overspend is None else wish.overspend,
        )
        if wish.recurring
        else NO_ROLLOVER,
    )


def _check_without_limit(wish: Wish, schedule: Schedule, held: Schedule, *, has_limit: bool) -> None:
    if schedule != held:
        raise InvalidInput(
            f"Give the limit that is meant {schedule_words(schedule)}: the one that holds is {schedule_words(held)}.",
            field="limit",
        )
    if not has_limit:
        raise InvalidInput(f"No limit holds on {wish.on}; give one.", field="limit")


def _gives_way(row: Override, to: Override) -> bool:
    """Tell whether an override gives way to what is said from a period on."""
    if row.recurring:
        return row.since > to.since
    return row.since == to.since or (row.since > to.since and row.schedule != to.schedule)


async def remove_override(
    conn: Conn,
    user_id: UserId,
    category_id: CategoryId,
    on: date,
    scope: Scope,
    now: datetime,
    *,
    currency: str | None = None,
) -> tuple[Budget | None, Effects]:
    """Take back what was set for the period of a day, or from that period on.

    For one period, what is set from an earlier one on holds again, else the template. From a period on, the
    template holds again, in calendar months; periods before keep their limit, and so do single later months. Returns
    the budget of that day afterwards, None where the template has none.

    Raises:
        InvalidInput: The category cannot have a budget.
        NotFound: Nothing is set that could be taken back.
    """
    wish = Wish(category_id, on, scope, currency=currency)
    await lock_users(conn, [user_id])
    tree = await tree_of(conn, user_id)
    check_budget_category(tree, category_id)
    plan = await plan_of(conn, user_id)
    key = wish.key(plan)
    rows = [row for row in await store.overrides_of(conn, user_id, category_id) if row.key == key]
    timeline = Timeline(load_template(), plan.plan, rows)
    period, earlier = timeline.period_on(key, on), None
    again = Override(category_id, period.first, True, None, key.currency, THRESHOLDS_DEFAULT, 0)
    if wish.recurring:
        gone = [row for row in rows if _gives_way(row, again) or (row.recurring and row.since == period.first)]
        earlier = timeline.recurring_on(key, period.first - DAY)
    else:
        gone = [row for row in rows if row.since == period.first and not row.recurring]
    says_something = earlier is not None and (
        earlier.limit_minor is not None or earlier.rollover != NO_ROLLOVER or earlier.thresholds != THRESHOLDS_DEFAULT
    )
    if not gone and not says_something:
        words = f"Nothing is set for {budget_name(tree, category_id)} in {period_words(period)}"
        raise NotFound(f"{words} that could be taken back.")
    await store.remove(conn, user_id, gone)
    if earlier is not None and says_something:
        await store.put(conn, user_id, replace(again, revision=earlier.revision), now)
    effects = await _evaluate(conn, user_id, plan, period.first, wish, now)
    return await find_budget(conn, user_id, key, on, now), effects


async def _evaluate(conn: Conn, user_id: UserId, plan: PlanRow, since: date, wish: Wish, now: datetime) -> Effects:
    """Raise the alerts that a changed limit calls for in the months it can hold in."""
    last = max(since, wish.on)
    if wish.recurring:
        # Bookings may already stand in the month after today's.
        last = max(last, add_months(first_day(local_date(now, plan.time_zone)), 1))
    effects = await alerts.evaluate(conn, {user_id: set(months_between(since, last))}, now)
    effects.changed.add(user_id)
    return effects


async def _budget(conn: Conn, user_id: UserId, key: BudgetKey, on: date, now: datetime) -> Budget:
    budget = await find_budget(conn, user_id, key, on, now)
    if budget is None:
        raise LookupError(f"an override was written for category {key.category_id} and gives no limit")
    return budget
