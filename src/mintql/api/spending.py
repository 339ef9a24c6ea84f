"""Spending and income by month."""

from __future__ import annotations

from typing import Annotated, cast

import strawberry

from mintql.api.categories import Category, category_node, category_nodes
from mintql.api.columns import Reading, Rows, column, read_together
from mintql.api.context import Info
from mintql.api.money import Money, money, money_field
from mintql.api.scalars import CurrencyCode, Month
from mintql.domain.categories import CategoryTree
from mintql.domain.months import MONTHS_PER_RANGE_MAX
from mintql.services import spending as service

_trees, _category_ids = map(Reading, ("tree", "line.category.category_id"))


@strawberry.type(description="What one category came to in one month and currency, refunds netted.")
class CategorySpending:
    """A line of a month; each field is worked out when it is asked for."""

    line: strawberry.Private[service.CategorySpending]
    tree: strawberry.Private[CategoryTree]

    @strawberry.field(description="The category; its group and kind are on it.")
    @read_together(lambda found: category_nodes(_trees(found), _category_ids(found)))
    def category(self) -> Category:
        return category_node(self.tree, self.line.category.category_id)

    @strawberry.field(description="The currency; another one has its own line.")
    def currency(self) -> CurrencyCode:
        return CurrencyCode(self.line.currency)

    spent = money_field(
        "line.spent_minor",
        "line.currency",
        "Booked spending, positive; negative when refunds outweigh. 0 for income.",
    )
    received = money_field("line.received_minor", "line.currency", "Booked income, positive. 0 for spending.")
    pending = money_field(
        "line.pending_minor",
        "line.currency",
        "What is not booked yet, counted like `spent` or `received`, and not part of them.",
    )
    excluded = money_field(
        "line.excluded_minor",
        "line.currency",
        "What of all these, pending amounts among them, budgets leave out; counted likewise.",
    )
    count = column("line.transactions", int, "How many transactions, pending ones among them.")


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

    found: strawberry.Private[service.MonthSpending]
    month: Month = strawberry.field(description="The month.")

    @strawberry.field(description="One for each currency in which anything happened.")
    def totals(self) -> list[MonthTotal]:
        return [_total(total) for total in self.found.totals]

    @strawberry.field(
        description="One for each category and currency in which anything happened: spending before income, "
        "currency by currency, largest first."
    )
    def categories(self) -> list[CategorySpending]:
        lines = Rows(CategorySpending, "line", self.found.categories, tree=self.found.tree)
        return cast("list[CategorySpending]", lines)


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
        context = info.context
        async with context.person() as conn:
            months = await service.spending(conn, context.user_id, from_, to, read_tree=context.category_tree)
        return [MonthSpending(found=month, month=Month(month.month)) for month in months]


def _total(total: service.CurrencyTotal) -> MonthTotal:
    return MonthTotal(
        currency=CurrencyCode(total.currency),
        spent=money(total.spent_minor, total.currency),
        pending_spent=money(total.pending_spent_minor, total.currency),
        received=money(total.received_minor, total.currency),
        pending_received=money(total.pending_received_minor, total.currency),
        count=total.count,
    )
