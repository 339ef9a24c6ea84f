"""Spending and income by month and category."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from mintql.domain.budgets import MonthlySum
from mintql.domain.categories import Category, CategoryKind, CategoryTree
from mintql.domain.ids import UserId
from mintql.domain.months import check_range, months_between
from mintql.domain.tuples import tuples
from mintql.services.personal_categories import ReadTree, tree_of
from mintql.store import spending as store
from mintql.store.queries import Conn


class CategorySpending(NamedTuple):
    """What one category came to in one month and currency.

    Minor units, positive for what is usual: booked money out of expense categories (`spent_minor`), booked money into
    income ones (`received_minor`), the other of the two nothing. Refunds are netted. `transactions` counts posted and
    pending ones together. `excluded_minor` is what of both budgets leave out.
    """

    category: Category
    currency: str
    spent_minor: int
    received_minor: int
    pending_minor: int
    transactions: int
    excluded_minor: int = 0

    @property
    def posted_minor(self) -> int:
        """What is booked, spent or received."""
        return self.spent_minor + self.received_minor


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
    """One month: its categories, largest first within kind and currency.

    The categories are of the person's `tree`.
    """

    month: date
    tree: CategoryTree
    categories: list[CategorySpending]

    @property
    def totals(self) -> list[CurrencyTotal]:
        """A total for each currency."""
        totals: dict[str, CurrencyTotal] = {}
        for line in self.categories:
            total = totals.get(line.currency)
            if total is None:
                total = totals[line.currency] = CurrencyTotal(line.currency)
            total.count += line.transactions
            total.spent_minor += line.spent_minor
            total.received_minor += line.received_minor
            if line.category.kind is CategoryKind.EXPENSE:
                total.pending_spent_minor += line.pending_minor
            else:
                total.pending_received_minor += line.pending_minor
        return [totals[currency] for currency in sorted(totals)]


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
    found: list[tuple[CategoryKind, str, int, int, tuple[Category, str, int, int, int, int, int]]] = []
    for place, item in enumerate(sums):
        category = tree.by_id[item.category_id]
        kind, posted, pending = category.kind, item.posted_minor, item.pending_minor
        if kind is CategoryKind.TRANSFER:
            continue
        excluded = item.excluded_posted_minor + item.excluded_pending_minor
        spent, received = 0, posted
        if kind is CategoryKind.EXPENSE:
            spent, received, pending, excluded = -posted, 0, -pending, -excluded
        transactions = item.posted_count + item.pending_count
        line = (category, item.currency, spent, received, pending, transactions, excluded)
        found.append((kind, item.currency, -spent - received - pending, place, line))
    found.sort()
    return MonthSpending(month, tree, tuples(CategorySpending, [line for *_, line in found]))
