"""Budgets of a period, and a person's overrides."""

from __future__ import annotations

from datetime import date
from typing import Annotated, TypeAlias, cast

import strawberry

from mintql.api.budgets_types import Budget, BudgetPeriodInput, BudgetRolloverInput
from mintql.api.categories import decode_category_id
from mintql.api.columns import Rows
from mintql.api.context import Info
from mintql.api.errors import InvalidInputError, NotFoundError, NotSignedInError
from mintql.api.money import MoneyInput
from mintql.api.scalars import CurrencyCode, Month
from mintql.domain.budget_periods import calendar_month
from mintql.domain.budgets import EVERYTHING_ID, THRESHOLD_PERCENT_MAX, THRESHOLDS_DEFAULT, THRESHOLDS_MAX
from mintql.domain.errors import InvalidInput
from mintql.domain.ids import CategoryId
from mintql.domain.money import Money as Amount
from mintql.domain.money import parse_minor
from mintql.domain.periods import Period
from mintql.services import budget_overrides as overrides
from mintql.services import budgets as service
from mintql.services.budget_overrides import Scope


@strawberry.type(description="The budget is set.")
class SetBudgetOverrideSuccess:
    """What `setBudgetOverride` gives when it worked."""

    budget: Budget = strawberry.field(description="The budget of that day as it is now.")


@strawberry.type(description="What was set is taken back.")
class RemoveBudgetOverrideSuccess:
    """What `removeBudgetOverride` gives when it worked."""

    budget: Budget | None = strawberry.field(
        description="The budget of that day as it is now; null when the template has none."
    )


SetBudgetOverridePayload: TypeAlias = Annotated[
    SetBudgetOverrideSuccess | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("SetBudgetOverridePayload", description="What became of `setBudgetOverride`."),
]
RemoveBudgetOverridePayload: TypeAlias = Annotated[
    RemoveBudgetOverrideSuccess | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("RemoveBudgetOverridePayload", description="What became of `removeBudgetOverride`."),
]

CategoryArgument = Annotated[
    strawberry.ID | None, strawberry.argument(description="The category or group, one of spending.")
]
EverythingArgument = Annotated[
    bool, strawberry.argument(description="The budget on all spending is meant, in the place of a category.")
]
MonthArgument = Annotated[
    Month | None, strawberry.argument(description="The month, or the first one. Give this or a day.")
]
OnArgument = Annotated[
    date | None, strawberry.argument(description="A day in the period, or in the first one. Give this or a month.")
]
ScopeArgument = Annotated[Scope, strawberry.argument(description="Which periods are meant.")]
CurrencyArgument = Annotated[
    CurrencyCode | None,
    strawberry.argument(description="The currency of the budget; that of the limit, else the viewer's, unless given."),
]


@strawberry.type
class BudgetsQuery:
    """Reads of budgets."""

    @strawberry.field(
        description="The viewer's budgets with what was spent: of every period that shares a day with a month, or the "
        "one of each budget that a day lies in. Of today unless a month or day is given; past and future ones can be "
        "read."
    )
    async def budgets(
        self,
        info: Info,
        month: Annotated[Month | None, strawberry.argument(description="The month.")] = None,
        on: Annotated[date | None, strawberry.argument(description="The day.")] = None,
    ) -> list[Budget]:
        context = info.context
        if month is not None and on is not None:
            raise InvalidInput("Give a month or a day, not both.", field="on")
        async with context.ledger() as conn:
            if month is not None:
                days = calendar_month(month)
            else:
                day = on or await service.today_of(conn, context.user_id, context.now())
                days = Period(day, day)
            found = await service.list_budgets(
                conn,
                context.user_id,
                days,
                context.now(),
                read_tree=context.category_tree,
                read_limits=context.limits,
            )
        if context.share is not None:
            found = [budget for budget in found if context.shows_budget(budget.limit.category_id)]
        return cast("list[Budget]", Rows(Budget, "found", found))


@strawberry.type
class BudgetsMutation:
    """Changes of budgets."""

    @strawberry.mutation(
        description="Sets the limit, the kind of period, the thresholds or the rollover of a budget; what is not given "
        "stays. Alerts that this calls for are raised at once; setting again what holds already repeats none."
    )
    async def set_budget_override(
        self,
        info: Info,
        scope: ScopeArgument,
        category_id: CategoryArgument = None,
        everything: EverythingArgument = False,
        month: MonthArgument = None,
        on: OnArgument = None,
        limit: Annotated[
            MoneyInput | None,
            strawberry.argument(
                description="The limit, 0 or more. The one that holds stays unless given. Each currency is a budget "
                "of its own, which counts what is spent in it."
            ),
        ] = None,
        thresholds: Annotated[
            list[int] | None,
            strawberry.argument(
                description=f"Percent of what is available at which to raise alerts: 1 to {THRESHOLDS_MAX} numbers up "
                f"to {THRESHOLD_PERCENT_MAX}, ascending. Those that hold, or "
                f"{' and '.join(map(str, THRESHOLDS_DEFAULT))}, unless given."
            ),
        ] = None,
        period: Annotated[
            BudgetPeriodInput | None,
            strawberry.argument(
                description="The kind of periods from that day on. A new kind begins with its period that the day lies "
                "in, yet not before the period that held; what is past stays."
            ),
        ] = None,
        rollover: Annotated[
            BudgetRolloverInput | None,
            strawberry.argument(description="What of each period from that day on goes over into the next one."),
        ] = None,
        currency: CurrencyArgument = None,
    ) -> SetBudgetOverridePayload:
        context = info.context
        user_id = context.user_id
        wish = overrides.Wish(
            category_id=_chosen(category_id, everything=everything),
            on=_day(month, on),
            scope=scope,
            limit=None
            if limit is None
            else Amount(parse_minor(limit.amount, limit.currency, field="limit"), limit.currency),
            currency=currency,
            schedule=None if period is None else period.to_schedule(),
            thresholds=thresholds,
            surplus=None if rollover is None else rollover.surplus,
            overspend=None if rollover is None else rollover.overspend,
        )
        if period is not None:
            await context.bring_back()
        async with context.person() as conn:
            budget, effects = await overrides.set_override(conn, user_id, wish, context.now())
        await context.runtime.perform(effects)
        return SetBudgetOverrideSuccess(budget=Budget(found=budget))

    @strawberry.mutation(
        description="Takes back what was set for a period (what is set from an earlier one on holds again, else the "
        "template), or from that period on (the template holds again, by months; earlier periods keep their limit)."
    )
    async def remove_budget_override(
        self,
        info: Info,
        scope: ScopeArgument,
        category_id: CategoryArgument = None,
        everything: EverythingArgument = False,
        month: MonthArgument = None,
        on: OnArgument = None,
        currency: CurrencyArgument = None,
    ) -> RemoveBudgetOverridePayload:
        context = info.context
        user_id = context.user_id
        chosen, day = _chosen(category_id, everything=everything), _day(month, on)
        async with context.person() as conn:
            budget, effects = await overrides.remove_override(
                conn, user_id, chosen, day, scope, context.now(), currency=currency
            )
        await context.runtime.perform(effects)
        return RemoveBudgetOverrideSuccess(budget=None if budget is None else Budget(found=budget))


def _chosen(category_id: str | None, *, everything: bool) -> CategoryId:
    """Return what a budget is for; raise `InvalidInput` unless exactly one thing is said."""
    if everything is (category_id is not None):
        raise InvalidInput("Give a category or group, or say everything: one of the two.", field="categoryId")
    return EVERYTHING_ID if category_id is None else decode_category_id(category_id)


def _day(month: Month | None, on: date | None) -> date:
    """Return a day of the period that is meant; raise `InvalidInput` unless exactly one is given."""
    given = [day for day in (month, on) if day is not None]
    if len(given) != 1:
        raise InvalidInput("Give a month or a day, one of the two.", field="on")
    return given[0]
