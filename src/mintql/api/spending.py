"""Spending and income by month."""

from __future__ import annotations

from typing import Annotated

import strawberry

from mintql.api.categories import Category, category_node
from mintql.api.context import Info
from mintql.api.money import Money, money
from mintql.api.scalars import CurrencyCode, Month
from mintql.domain.categories import CategoryKind, CategoryTree
from mintql.domain.months import MONTHS_PER_RANGE_MAX
from mintql.services import spending as service


@strawberry.type(description="What one category came to in one month and currency, refunds netted.")
class CategorySpending:
    """A line of a month."""

    category: Category = strawberry.field(description="The category; its group and kind are on it.")
    currency: CurrencyCode = strawberry.field(description="The currency; another one has its own line.")
    spent: Money = strawberry.field(
        description="Booked spending, positive; negative when refunds outweigh. 0 for income."
    )
    received: Money = strawberry.field(description="Booked income, positive. 0 for spending.")
    pending: Money = strawberry.field(
        description="What is not booked yet, counted like `spent` or `received`, and not part of them."
    )
    excluded: Money = strawberry.field(
        description="What of all these, pending amounts among them, budgets leave out; counted likewise."
    )
    count: int = strawberry.field(description="How many transactions, pending ones among them.")


@strawberry.type(description="What a month came to in one currency. Transfers between own accounts are left out.")
class MonthTotal:
    """The total of a month in one currency."""

    currency: CurrencyCode = strawberry.field(description="The currency; currencies are never added up.")
    spent: Money = strawberry.field(description="Booked spending, positive, refunds netted.")
    pending_spent: Money = strawberry.field(description="Spending that is not booked yet.")
    received: Money = strawberry.field(description="Booked income, positive.")
    pending_received: Money = strawberry.field(description="Income that is not booked yet.")
    count: int = strawberry.field(description="How many transactions, pending ones among them.")


@strawberry.type(description="Spending and income of one month.")
class MonthSpending:
    """A month."""

    month: Month = strawberry.field(description="The month.")
    totals: list[MonthTotal] = strawberry.field(description="One for each currency in which anything happened.")
    categories: list[CategorySpending] = strawberry.field(
        description="One for each category and currency in which anything happened: spending before income, "
        "currency by currency, largest first."
    )


@strawberry.type
class SpendingQuery:
    """Reads of monthly sums."""

    @strawberry.field(
        description="Spending and income by category, for each month of a range, also months in which nothing "
        "happened. Transfers between own accounts and payments of cards are neither and are left out."
    )
    async def monthly_spending(
        self,
        info: Info,
        from_: Annotated[Month, strawberry.argument(name="from", description="The first month.")],
        to: Annotated[
            Month,
            strawberry.argument(
                description=f"The last month, included; {MONTHS_PER_RANGE_MAX} months at most at once."
            ),
        ],
    ) -> list[MonthSpending]:
        async with info.context.person() as conn:
            months = await service.spending(conn, info.context.user_id, from_, to)
        return [
            MonthSpending(
                month=Month(month.month),
                totals=[_total(total) for total in month.totals],
                categories=[_line(month.tree, line) for line in month.categories],
            )
            for month in months
        ]


def _total(total: service.CurrencyTotal) -> MonthTotal:
    return MonthTotal(
        currency=CurrencyCode(total.currency),
        spent=money(total.spent_minor, total.currency),
        pending_spent=money(total.pending_spent_minor, total.currency),
        received=money(total.received_minor, total.currency),
        pending_received=money(total.pending_received_minor, total.currency),
        count=total.count,
    )


def _line(tree: CategoryTree, line: service.CategorySpending) -> CategorySpending:
    is_spending = line.category.kind is CategoryKind.EXPENSE
    return CategorySpending(
        category=category_node(tree, line.category.category_id),
        currency=CurrencyCode(line.currency),
        spent=money(line.posted_minor if is_spending else 0, line.currency),
        received=money(0 if is_spending else line.posted_minor, line.currency),
        pending=money(line.pending_minor, line.currency),
        excluded=money(line.excluded_minor, line.currency),
        count=line.count,
    )
