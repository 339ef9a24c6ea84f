"""Budgets of a month, a person's overrides, and recommendations."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import strawberry

from mintql.api.categories import Category, category_node, decode_category_id
from mintql.api.context import Info
from mintql.api.errors import InvalidInputError, NotFoundError, NotSignedInError
from mintql.api.money import Money, MoneyInput, money, money_or_none
from mintql.api.scalars import Month
from mintql.domain.budgets import (
    THRESHOLD_PERCENT_MAX,
    THRESHOLDS_DEFAULT,
    THRESHOLDS_MAX,
    LimitOrigin,
    Override,
    ThresholdState,
)
from mintql.domain.categories import CategoryTree
from mintql.domain.money import Money as Amount
from mintql.domain.money import parse_minor
from mintql.domain.recommendations import Recommendation, RecommendationSource
from mintql.services import budgets as service

strawberry.enum(
    LimitOrigin,
    name="BudgetOrigin",
    description="Where a limit comes from. TEMPLATE: from what households of that income spend. OVERRIDE: the "
    "person set it.",
)
strawberry.enum(
    ThresholdState,
    name="BudgetState",
    description="How near spending, pending amounts included, is to the limit. OK: below all thresholds. APPROACHING: "
    "a threshold has been reached. EXCEEDED: the limit is used up.",
)
strawberry.enum(
    RecommendationSource,
    description="What a recommendation rests on. HISTORY: the person's own complete months. TEMPLATE: what households "
    "of that income spend, while those months are few.",
)
strawberry.enum(
    service.Scope,
    name="BudgetScope",
    description="Which months are meant. THIS_MONTH: that month alone. FROM_THIS_MONTH: it and all later ones, but for "
    "single later months that have a limit of their own.",
)


@strawberry.type(description="What a person set about a budget.")
class BudgetOverride:
    """An override."""

    since: Month = strawberry.field(description="The month it was set for, or the first one if it is recurring.")
    recurring: bool = strawberry.field(description="Whether it holds for the months after, too.")
    limit: Money | None = strawberry.field(
        description="The limit; null when it says that the template's limit holds again."
    )


@strawberry.type(description="A budget in one month. Spending is positive here.")
class Budget:
    """A budget."""

    month: Month = strawberry.field(description="The month.")
    category: Category = strawberry.field(description="The category or group it is for.")
    limit: Money = strawberry.field(description="The limit that holds in the month.")
    origin: LimitOrigin = strawberry.field(description="Where the limit comes from.")
    template_limit: Money | None = strawberry.field(
        description="The limit the template has for it; null when it has none."
    )
    override: BudgetOverride | None = strawberry.field(description="What the person set that holds here, if anything.")
    spent: Money = strawberry.field(description="Booked spending, refunds netted.")
    pending: Money = strawberry.field(description="Spending that is not booked yet.")
    remaining: Money = strawberry.field(
        description="The limit less booked and pending spending; negative when exceeded."
    )
    percent_used: int | None = strawberry.field(
        description="Booked and pending spending as percent of the limit, rounded down; null when money was spent "
        "against a limit of 0."
    )
    thresholds: list[int] = strawberry.field(description="Percent of the limit at which alerts are raised, ascending.")
    state: ThresholdState = strawberry.field(description="How near spending is to the limit.")


@strawberry.type(description="A monthly limit that would fit the person.")
class BudgetRecommendation:
    """A recommendation."""

    category: Category = strawberry.field(description="The group it is for.")
    limit: Money = strawberry.field(description="The recommended limit.")
    source: RecommendationSource = strawberry.field(description="What it rests on.")
    months: int = strawberry.field(description="How many complete months were looked at.")
    median: Money | None = strawberry.field(
        description="The median of what was spent in them; null while they are too few."
    )
    low: Money | None = strawberry.field(description="The least that was spent in one of them.")
    high: Money | None = strawberry.field(description="The most that was spent in one of them.")
    basis: str = strawberry.field(description="What it rests on, in words.")


@strawberry.type(description="The limit is set.")
class SetBudgetOverrideSuccess:
    """What `setBudgetOverride` gives when it worked."""

    budget: Budget = strawberry.field(description="The budget of that month as it is now.")


@strawberry.type(description="What was set is taken back.")
class RemoveBudgetOverrideSuccess:
    """What `removeBudgetOverride` gives when it worked."""

    budget: Budget | None = strawberry.field(
        description="The budget of that month as it is now; null when the template has none."
    )


SetBudgetOverridePayload: TypeAlias = Annotated[
    SetBudgetOverrideSuccess | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("SetBudgetOverridePayload", description="What became of `setBudgetOverride`."),
]
RemoveBudgetOverridePayload: TypeAlias = Annotated[
    RemoveBudgetOverrideSuccess | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("RemoveBudgetOverridePayload", description="What became of `removeBudgetOverride`."),
]

CategoryArgument = Annotated[strawberry.ID, strawberry.argument(description="The category or group, one of spending.")]


@strawberry.type
class BudgetsQuery:
    """Reads of budgets."""

    @strawberry.field(description="The viewer's budgets in a month, with what was spent.")
    async def budgets(
        self, info: Info, month: Annotated[Month, strawberry.argument(description="The month.")]
    ) -> list[Budget]:
        async with info.context.ledger() as conn:
            found = await service.list_budgets(conn, info.context.user_id, month)
        return [budget_node(budget) for budget in found if info.context.shows_budget(budget.limit.category_id)]

    @strawberry.field(
        description="A limit that fits for each group of spending, from the viewer's complete months; from the "
        "template while those are few."
    )
    async def budget_recommendations(self, info: Info) -> list[BudgetRecommendation]:
        async with info.context.person() as conn:
            found, tree = await service.recommendations(conn, info.context.user_id, info.context.now())
        return [_recommendation(item, tree) for item in found]


@strawberry.type
class BudgetsMutation:
    """Changes of budgets."""

    @strawberry.mutation(
        description="Sets the limit of a budget. Alerts that the new limit calls for are raised at once; setting again "
        "what holds already repeats none."
    )
    async def set_budget_override(
        self,
        info: Info,
        category_id: CategoryArgument,
        month: Annotated[Month, strawberry.argument(description="The month, or the first one.")],
        limit: Annotated[
            MoneyInput, strawberry.argument(description="The limit, 0 or more, in the viewer's currency.")
        ],
        scope: Annotated[service.Scope, strawberry.argument(description="Which months are meant.")],
        thresholds: Annotated[
            list[int] | None,
            strawberry.argument(
                description=f"Percent of the limit at which to raise alerts: 1 to {THRESHOLDS_MAX} numbers up to "
                f"{THRESHOLD_PERCENT_MAX}, ascending. Those that hold, or "
                f"{' and '.join(map(str, THRESHOLDS_DEFAULT))}, unless given."
            ),
        ] = None,
    ) -> SetBudgetOverridePayload:
        context = info.context
        user_id = context.user_id
        chosen = decode_category_id(category_id)
        amount = Amount(parse_minor(limit.amount, limit.currency, field="limit"), limit.currency)
        async with context.person() as conn:
            budget, effects = await service.set_override(
                conn, user_id, chosen, month, amount, scope, context.now(), thresholds=thresholds
            )
        await context.runtime.perform(effects)
        return SetBudgetOverrideSuccess(budget=budget_node(budget))

    @strawberry.mutation(
        description="Takes back what was set for a month (what is set from an earlier month on holds again, else the "
        "template), or from that month on (the template holds again; earlier months keep their limit)."
    )
    async def remove_budget_override(
        self,
        info: Info,
        category_id: CategoryArgument,
        month: Annotated[Month, strawberry.argument(description="The month, or the first one.")],
        scope: Annotated[service.Scope, strawberry.argument(description="Which months are meant.")],
    ) -> RemoveBudgetOverridePayload:
        context = info.context
        user_id = context.user_id
        chosen = decode_category_id(category_id)
        async with context.person() as conn:
            budget, effects = await service.remove_override(conn, user_id, chosen, month, scope, context.now())
        await context.runtime.perform(effects)
        return RemoveBudgetOverrideSuccess(budget=None if budget is None else budget_node(budget))


def budget_node(budget: service.Budget) -> Budget:
    """Return a budget as GraphQL shows it."""
    limit = budget.limit
    return Budget(
        month=Month(limit.month),
        category=category_node(budget.tree, limit.category_id),
        limit=money(limit.limit_minor, limit.currency),
        origin=limit.origin,
        template_limit=money_or_none(limit.template_minor, limit.currency),
        override=None if budget.override is None else _override(budget.override),
        spent=money(budget.spent.posted_minor, limit.currency),
        pending=money(budget.spent.pending_minor, limit.currency),
        remaining=money(budget.remaining_minor, limit.currency),
        percent_used=budget.percent_used,
        thresholds=list(limit.thresholds),
        state=budget.state,
    )


def _override(override: Override) -> BudgetOverride:
    return BudgetOverride(
        since=Month(override.month),
        recurring=override.recurring,
        limit=money_or_none(override.limit_minor, override.currency),
    )


def _recommendation(item: Recommendation, tree: CategoryTree) -> BudgetRecommendation:
    return BudgetRecommendation(
        category=category_node(tree, item.category_id),
        limit=money(item.limit_minor, item.currency),
        source=item.source,
        months=item.months,
        median=money_or_none(item.median_minor, item.currency),
        low=money_or_none(item.low_minor, item.currency),
        high=money_or_none(item.high_minor, item.currency),
        basis=item.basis,
    )
