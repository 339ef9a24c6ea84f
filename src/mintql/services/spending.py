"""Spending and income by month and category."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from mintql.domain.budgets import MonthlySum
from mintql.domain.categories import Category, CategoryKind, CategoryTree
from mintql.domain.ids import UserId
from mintql.domain.months import check_range, months_between
from mintql.services.personal_categories import ReadTree, tree_of
from mintql.store import spending as store
from mintql.store.queries import Conn


class CategorySpending(NamedTuple):
    """What one category came to in one month and currency.

    Minor units, positive for what is usual: money out of expense categories, money into income ones.
    Refunds are netted. `transactions` counts posted and pending ones together. `excluded_minor` is what of both
    budgets leave out.
    """

    category: Category
    currency: str
    posted_minor: int
    pending_minor: int
    transactions: int
    excluded_minor: int = 0

    @property
    def is_spending(self) -> bool:
        """Whether the category is one of spending, and not of income."""
        return self.category.kind is CategoryKind.EXPENSE

    @property
    def spent_minor(self) -> int:
        """Booked spending; nothing for income."""
        return self.posted_minor if self.is_spending else 0

    @property
    def received_minor(self) -> int:
        """Booked income; nothing for spending."""
        return 0 if self.is_spending else self.posted_minor


@dataclass(slots=True)
class CurrencyTotal:
    """What one month came to in one currency; pending amounts apart from posted ones."""

    currency: str
    spent_minor: int = 0
    pending_spent_minor: int = 0
    received_minor: int = 0
    pending_received_minor: int = 0
    count: int = 0


@dataclass(frozen=True, slots=True)
class MonthSpending:
    """One month: its categories, largest first within kind and currency, and a total for each currency.

    The categories are of the person's `tree`.
    """

    month: date
    tree: CategoryTree
    categories: list[CategorySpending] = field(default_factory=list)
    totals: list[CurrencyTotal] = field(default_factory=list)


async def spending(
    conn: Conn, user_id: UserId, first: date, last: date, *, read_tree: ReadTree | None = None
) -> list[MonthSpending]:
    """Return each month of a range (first days, both included), also those in which nothing happened.

    `read_tree` gives the person's categories where somebody keeps them at hand.

    Transfers between own accounts and payments of cards are left out: they are neither spent nor received.
    Amounts of different currencies are never added.

    Raises:
        InvalidInput: The range is empty or too long.
    """
    check_range(first, last)
    by_month: dict[date, list[MonthlySum]] = {}
    sums = await store.sums_between(conn, user_id, first, last)
    for item in sums:
        by_month.setdefault(item.month, []).append(item)
    named = {item.category_id for item in sums}
    tree = await (tree_of(conn, user_id) if read_tree is None else read_tree(conn, named))
    return [_month(month, tree, by_month.get(month, ())) for month in months_between(first, last)]


def _month(month: date, tree: CategoryTree, sums: Sequence[MonthlySum]) -> MonthSpending:
    found = MonthSpending(month, tree)
    totals: dict[str, CurrencyTotal] = {}
    for item in sums:
        category = tree.by_id[item.category_id]
        if category.kind is CategoryKind.TRANSFER:
            continue
        sign = -1 if category.kind is CategoryKind.EXPENSE else 1
        line = CategorySpending(
            category,
            item.currency,
            sign * item.posted_minor,
            sign * item.pending_minor,
            item.posted_count + item.pending_count,
            sign * (item.excluded_posted_minor + item.excluded_pending_minor),
        )
        found.categories.append(line)
        total = totals.get(item.currency)
        if total is None:
            total = totals[item.currency] = CurrencyTotal(item.currency)
        _add(total, line)
    found.categories.sort(key=lambda line: (line.category.kind, line.currency, -line.posted_minor - line.pending_minor))
    found.totals.extend(totals[currency] for currency in sorted(totals))
    return found


def _add(total: CurrencyTotal, line: CategorySpending) -> None:
    total.count += line.transactions
    if line.category.kind is CategoryKind.EXPENSE:
        total.spent_minor += line.posted_minor
        total.pending_spent_minor += line.pending_minor
    else:
        total.received_minor += line.posted_minor
        total.pending_received_minor += line.pending_minor
