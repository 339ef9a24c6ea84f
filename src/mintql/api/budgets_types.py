"""Budgets as GraphQL shows them: periods, limits, what is carried, spent and left."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import strawberry

from mintql.api.categories import Category, category_node, category_nodes
from mintql.api.columns import Reading, read_together
from mintql.api.context import Context, Info
from mintql.api.money import Money, money, money_field, money_or_none
from mintql.api.scalars import Month
from mintql.domain.budget_checks import check_day
from mintql.domain.budget_periods import (
    ANCHOR_MONDAY,
    ANCHOR_MONTH,
    EVERY_MAX,
    PeriodUnit,
    Schedule,
    period_words,
    schedule,
    schedule_words,
)
from mintql.domain.budgets import EVERYTHING_ID, LimitOrigin, Override, Rollover, ThresholdState
from mintql.domain.categories import CategoryTree
from mintql.domain.forecasts import Forecast
from mintql.domain.ids import CategoryId
from mintql.domain.months import first_day
from mintql.domain.periods import Period
from mintql.services.budget_forecasts import Outlook, outlooks
from mintql.services.budget_overrides import Scope
from mintql.services.budgets import Budget as Found

strawberry.enum(
    LimitOrigin,
    name="BudgetOrigin",
    description="Where a limit comes from. TEMPLATE: from what households of that income spend. OVERRIDE: the "
    "person set it.",
)
strawberry.enum(
    ThresholdState,
    name="BudgetState",
    description="How near spending, pending amounts included, is to what is available. OK: below all thresholds. "
    "APPROACHING: a threshold has been reached. EXCEEDED: it is used up.",
)
strawberry.enum(
    Scope,
    name="BudgetScope",
    description="Which periods are meant. THIS_MONTH: that month, or other period, alone. FROM_THIS_MONTH: it and all "
    "later ones, but for single later ones that have a limit of their own.",
)
strawberry.enum(PeriodUnit, name="BudgetPeriodUnit", description="What the periods of a budget are counted in.")


@strawberry.type(description="Days that a budget is for, and how such periods follow each other.")
class BudgetPeriod:
    """A period of a budget."""

    first: date = strawberry.field(description="Its first day.")
    last: date = strawberry.field(description="Its last day.")
    days: int = strawberry.field(description="How many days it has.")
    unit: PeriodUnit = strawberry.field(description="What periods are counted in.")
    every: int = strawberry.field(description="How many units a period has.")
    name: str = strawberry.field(
        description='Its name as one says after "for", e.g. November 2026 or the week of 23 to 29 November 2026.'
    )
    schedule: str = strawberry.field(description="How often such periods come, e.g. every 2 weeks from Friday.")


@strawberry.input(description="How the periods of a budget follow each other.")
class BudgetPeriodInput:
    """A kind of period as sent."""

    unit: PeriodUnit = strawberry.field(description="What periods are counted in.")
    every: int = strawberry.field(
        default=1, description=f"How many weeks or months each has, 1 to {EVERY_MAX}; 1 for years."
    )
    start: date | None = strawberry.field(
        default=None,
        description="A day that a period begins on, of any time: it says which day of the week, month or year. Monday, "
        "the first of the month or of January unless given. A month or year that has no such day begins on the last "
        "day of the month.",
    )

    def to_schedule(self) -> Schedule:
        """Return what it means; raise `InvalidInput` when there are no such periods."""
        start = self.start or (ANCHOR_MONDAY if self.unit is PeriodUnit.WEEK else ANCHOR_MONTH)
        return schedule(self.unit, self.every, check_day(start, field="start"))


@strawberry.type(description="What of a period goes over into the next one.")
class BudgetRollover:
    """What is carried."""

    surplus: bool = strawberry.field(description="Whether what is left over makes more available.")
    overspend: bool = strawberry.field(description="Whether what was spent too much makes less available.")


@strawberry.input(description="What of a period is to go over into the next one; null leaves what holds.")
class BudgetRolloverInput:
    """What is to be carried."""

    surplus: bool | None = strawberry.field(default=None, description="Whether what is left over makes more available.")
    overspend: bool | None = strawberry.field(
        default=None, description="Whether what was spent too much makes less available."
    )


@strawberry.type(description="What a person set about a budget.")
class BudgetOverride:
    """An override."""

    since: date = strawberry.field(description="The first day of the period it was set for, or of the first one.")
    recurring: bool = strawberry.field(description="Whether it holds for the periods after, too.")
    limit: Money | None = strawberry.field(description="The limit; null when it says that the template's limit holds.")


@strawberry.type(description="How a budget's period is likely to end. Spending is positive here.")
class BudgetForecast:
    """A forecast."""

    spent: Money = strawberry.field(description="What will have been spent by the period's end.")
    over: Money | None = strawberry.field(
        description="By how much that exceeds what is available; null when it does not."
    )
    exceeds: bool = strawberry.field(description="Whether it exceeds what is available.")
    bills: Money = strawberry.field(description="Known bills that are still to come in the period, within `spent`.")
    bill_count: int = strawberry.field(description="How many bills those are.")
    pace: Money = strawberry.field(
        description="What a day costs beside bills: the mean of the period's days so far and of the 90 days before it, "
        "where single large purchases count for less."
    )
    basis: str = strawberry.field(description="What it rests on, in words.")


_trees, _category_ids = map(Reading, ("found.tree", "found.limit.category_id"))


@strawberry.type(description="A budget in one period. Spending is positive here.")
class Budget:
    """A budget; each field is worked out when it is asked for."""

    found: strawberry.Private[Found]

    @strawberry.field(description="The period.")
    def period(self) -> BudgetPeriod:
        return _period(self.found.limit.period, self.found.limit.schedule)

    @strawberry.field(description="The month that the period begins in.")
    def month(self) -> Month:
        return Month(first_day(self.found.limit.period.first))

    @strawberry.field(description="The category or group it is for; null for everything.")
    @read_together(lambda found: categories_or_none(_trees(found), _category_ids(found)))
    def category(self) -> Category | None:
        return category_or_none(self.found.tree, self.found.limit.category_id)

    @strawberry.field(
        description="Whether it is for all spending, but for transfers and what is excluded from budgets."
    )
    def everything(self) -> bool:
        return self.found.limit.category_id == EVERYTHING_ID

    @strawberry.field(description="What it is called: its category's name, or Everything.")
    def name(self) -> str:
        return self.found.name

    limit = money_field("found.limit.limit_minor", "found.limit.currency", "The limit that holds in the period.")

    carried = money_field(
        "found.limit.carried_minor",
        "found.limit.currency",
        "What went over from the completed periods before; negative where too much was spent in them.",
    )

    available = money_field(
        "found.limit.available_minor",
        "found.limit.currency",
        "The limit with what was carried: what may be spent in the period.",
    )

    @strawberry.field(description="What of this period goes over into the next one.")
    def rollover(self) -> BudgetRollover:
        return _rollover(self.found.limit.rollover)

    @strawberry.field(description="Where the limit comes from.")
    def origin(self) -> LimitOrigin:
        return self.found.limit.origin

    @strawberry.field(
        description="The limit the template has for it; null when it has none, as for periods that are no months."
    )
    def template_limit(self) -> Money | None:
        return money_or_none(self.found.limit.template_minor, self.found.limit.currency)

    @strawberry.field(description="What the person set that holds here, if anything.")
    def override(self) -> BudgetOverride | None:
        return None if self.found.override is None else _override(self.found.override)

    spent = money_field("found.spent.posted_minor", "found.limit.currency", "Booked spending, refunds netted.")

    pending = money_field("found.spent.pending_minor", "found.limit.currency", "Spending that is not booked yet.")

    remaining = money_field(
        "found.remaining_minor",
        "found.limit.currency",
        "What is available less booked and pending spending; negative when exceeded.",
    )

    @strawberry.field(
        description="Booked and pending spending as percent of what is available, rounded down; null when money was "
        "spent and nothing is available."
    )
    def percent_used(self) -> int | None:
        return self.found.percent_used

    @strawberry.field(description="Percent of what is available at which alerts are raised, ascending.")
    def thresholds(self) -> list[int]:
        return list(self.found.limit.thresholds)

    @strawberry.field(description="How near spending is to what is available.")
    def state(self) -> ThresholdState:
        return self.found.state

    @strawberry.field(
        description="What may still be spent today so that each day to the period's end gets the same: what is "
        "available, less what was spent before today and the known bills until the end, shared by the days that are "
        "left, today among them; less what was spent today. Never below zero. Null unless today is in the period."
    )
    async def available_today(self, info: Info) -> Money | None:
        outlook = await info.context.loader(_load_outlooks).load(self.found)
        return None if outlook is None else money(outlook.available_today_minor, self.found.limit.currency)

    @strawberry.field(
        description="How the period is likely to end, from its pace so far, the days before it and known bills. Null "
        "unless today is in the period."
    )
    async def forecast(self, info: Info) -> BudgetForecast | None:
        outlook = await info.context.loader(_load_outlooks).load(self.found)
        return None if outlook is None else _forecast(outlook.forecast, self.found.limit.currency)


async def _load_outlooks(context: Context, budgets: list[Found]) -> list[Outlook | None]:
    async with context.ledger() as conn:
        return await outlooks(conn, context.user_id, budgets)


def _forecast(item: Forecast, currency: str) -> BudgetForecast:
    return BudgetForecast(
        spent=money(item.spent_minor, currency),
        over=money_or_none(item.over_minor if item.exceeds else None, currency),
        exceeds=item.exceeds,
        bills=money(item.bills_minor, currency),
        bill_count=item.bills,
        pace=money(item.pace_minor, currency),
        basis=item.basis,
    )


def category_or_none(tree: CategoryTree, category_id: CategoryId) -> Category | None:
    """Return the category that a budget is for; None for everything."""
    return None if category_id == EVERYTHING_ID else category_node(tree, category_id)


def categories_or_none(trees: Sequence[CategoryTree], category_ids: Sequence[CategoryId]) -> Sequence[Category | None]:
    """Return the categories of many budgets, as `category_or_none` does each."""
    if EVERYTHING_ID not in category_ids:
        return category_nodes(trees, category_ids)
    return list(map(category_or_none, trees, category_ids))


def _period(period: Period, of: Schedule) -> BudgetPeriod:
    return BudgetPeriod(
        first=period.first,
        last=period.last,
        days=period.days,
        unit=of.unit,
        every=of.every,
        name=period_words(period),
        schedule=schedule_words(of),
    )


def _rollover(rollover: Rollover) -> BudgetRollover:
    return BudgetRollover(surplus=rollover.surplus, overspend=rollover.overspend)


def _override(override: Override) -> BudgetOverride:
    return BudgetOverride(
        since=override.since,
        recurring=override.recurring,
        limit=money_or_none(override.limit_minor, override.currency),
    )
