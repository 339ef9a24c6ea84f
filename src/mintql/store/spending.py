"""Rows of `monthly_spending`, which the triggers on `transactions` keep."""

from __future__ import annotations

from datetime import date

from mintql.domain.budgets import MonthlySum
from mintql.domain.ids import UserId
from mintql.domain.tuples import tuples
from mintql.store.queries import Conn, load

SQL = load("spending")


async def sums_between(conn: Conn, user_id: UserId, first: date, last: date) -> list[MonthlySum]:
    """Return the sums from one month to another (their first days, both included), in order of month."""
    return tuples(MonthlySum, await conn.fetch(SQL.sums_between, user_id, first, last))
