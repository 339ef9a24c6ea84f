"""Recommended limits with the figures and words behind them."""

from __future__ import annotations

import strawberry

from mintql.api.categories import Category, category_node
from mintql.api.context import Info
from mintql.api.money import Money, money, money_or_none
from mintql.api.scalars import Month
from mintql.domain.categories import CategoryTree
from mintql.domain.estimates import BackTest
from mintql.domain.recommendations import Recommendation, RecommendationSource
from mintql.services import recommendations as service

strawberry.enum(
    RecommendationSource,
    description="What a recommendation rests on. HISTORY: the person's own complete months. BLEND: those and the "
    "template, while they are few. TEMPLATE: what households of such an income spend.",
)


@strawberry.type(description="How good such estimates were, each made from the months before it alone.")
class RecommendationBackTest:
    """A back-test."""

    months: int = strawberry.field(description="How many past months were estimated.")
    mean_error: Money = strawberry.field(description="How far from what was spent they were on average.")
    over: int = strawberry.field(description="In how many of them more was spent than recommended.")


@strawberry.type(description="A monthly limit that fits, with what it rests on.")
class BudgetRecommendation:
    """A recommendation."""

    category: Category = strawberry.field(description="The group it is for.")
    month: Month = strawberry.field(description="The month it is made for: the coming one.")
    limit: Money = strawberry.field(
        description="The recommended limit: what is expected and, from history, a margin that about three months in "
        "four stay within; whole units of the currency."
    )
    source: RecommendationSource = strawberry.field(description="What it rests on.")
    months: int = strawberry.field(description="How many complete months were looked at.")
    expected: Money = strawberry.field(description="What the month will probably cost.")
    season: Money = strawberry.field(description="What of that the time of year adds; negative when it is less.")
    bills: Money = strawberry.field(description="What of that are bills known to be due that do not come every month.")
    template_limit: Money | None = strawberry.field(description="What the template alone would say.")
    median: Money | None = strawberry.field(
        description="The middle of what was spent in the last twelve complete months, refunds netted."
    )
    low: Money | None = strawberry.field(description="The least that was spent in one of them.")
    high: Money | None = strawberry.field(description="The most that was spent in one of them.")
    months_over: int | None = strawberry.field(
        description="How many of them would have gone over the limit, so how many in a year are to be expected."
    )
    back_test: RecommendationBackTest | None = strawberry.field(
        description="How good such estimates were in past months; null while there are too few."
    )
    basis: str = strawberry.field(description="What it rests on, in words and figures.")


@strawberry.type
class RecommendationsQuery:
    """Reads of recommendations."""

    @strawberry.field(
        description="A limit that fits for each group of spending in the coming month: from the viewer's complete "
        "months, the time of year and bills that are due, blended with the template while months are few."
    )
    async def budget_recommendations(self, info: Info) -> list[BudgetRecommendation]:
        context = info.context
        async with context.person() as conn:
            found = await service.recommendations(conn, context.user_id, context.now())
        return [_node(item, found.tree, Month(found.month)) for item in found.items]


def _node(item: Recommendation, tree: CategoryTree, coming: Month) -> BudgetRecommendation:
    return BudgetRecommendation(
        category=category_node(tree, item.category_id),
        month=coming,
        limit=money(item.limit_minor, item.currency),
        source=item.source,
        months=item.months,
        expected=money(item.expected_minor, item.currency),
        season=money(item.season_minor, item.currency),
        bills=money(item.bills_minor, item.currency),
        template_limit=money_or_none(item.template_minor, item.currency),
        median=money_or_none(item.median_minor, item.currency),
        low=money_or_none(item.low_minor, item.currency),
        high=money_or_none(item.high_minor, item.currency),
        months_over=item.months_over,
        back_test=None if item.tested is None else _back_test(item.tested, item.currency),
        basis=item.basis,
    )


def _back_test(tested: BackTest, currency: str) -> RecommendationBackTest:
    return RecommendationBackTest(
        months=tested.months, mean_error=money(tested.error_minor, currency), over=tested.over
    )
