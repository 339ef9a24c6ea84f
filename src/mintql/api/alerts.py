"""Budget alerts: what was raised, and in words why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated

import strawberry

from mintql.api.budgets_types import category_or_none
from mintql.api.categories import Category
from mintql.api.context import Context, Info
from mintql.api.money import Money, money
from mintql.api.nodes import Node, encode_id, register_node
from mintql.api.paging import (
    Connection,
    FirstArgument,
    PageRequest,
    build_connection,
    check_size,
    decode_number,
    encode_number,
)
from mintql.api.scalars import Cursor, Month
from mintql.api.transactions import Transaction, load_transactions
from mintql.domain.alert_words import alert_summary
from mintql.domain.budgets import EVERYTHING_ID, budget_name
from mintql.domain.categories import CategoryTree
from mintql.domain.ids import AlertId, TransactionId
from mintql.domain.money import Money as Amount
from mintql.domain.money import to_decimal_text
from mintql.domain.months import first_day
from mintql.domain.periods import Period
from mintql.services.transactions import TransactionRow
from mintql.store import alerts_read as store
from mintql.store.alerts_read import AlertRow
from mintql.store.queries import Conn

CURSOR_KIND = "alert"
NEWEST = AlertId(2**63 - 1)
PERCENT = 100
CAUSES_NAMED_MAX = 2


@strawberry.type(description="Spending has reached a threshold of a budget. Raised once for each threshold of a limit.")
class BudgetAlert(Node):
    """An alert as shown; make it with `alert_nodes`."""

    transaction_ids: strawberry.Private[tuple[TransactionId, ...]]
    summary: strawberry.Private[str]
    cursor: Cursor = strawberry.field(
        description="Its place among the viewer's alerts: `after` of the subscription `budgetAlerts` takes it."
    )
    category: Category | None = strawberry.field(
        description="The category or group the budget is for; null for everything."
    )
    budget_name: str = strawberry.field(description="What the budget is called: its category's name, or Everything.")
    month: Month = strawberry.field(description="The month that the budget's period begins in.")
    period_first: date = strawberry.field(description="The first day of the budget's period.")
    period_last: date = strawberry.field(description="The last day of the budget's period.")
    threshold_percent: int = strawberry.field(
        description="The threshold that was reached, in percent of what was available."
    )
    limit: Money = strawberry.field(description="The limit at that time.")
    available: Money = strawberry.field(
        description="The limit with what had gone over from the periods before: what could be spent."
    )
    spent: Money = strawberry.field(description="What was spent, booked and pending together; positive.")
    pending: Money = strawberry.field(description="The part of `spent` that was pending; positive.")
    percent_used: int | None = strawberry.field(
        description="`spent` in whole percent of `available`, rounded down; null when nothing was available."
    )
    created_at: datetime = strawberry.field(description="When the threshold was reached.")

    @strawberry.field(
        description="The largest purchases behind it, largest first. Ones the institution took back since are left out."
    )
    async def transactions(self, info: Info) -> list[Transaction]:
        return await _causes(info.context, self.transaction_ids)

    @strawberry.field(description="What happened, what is left and what most of it was, as sentences to show.")
    async def message(self, info: Info) -> str:
        causes = (await _causes(info.context, self.transaction_ids))[:CAUSES_NAMED_MAX]
        if not causes:
            return self.summary
        named = ", ".join(f"{cause.row.merchant} {_unsigned(cause.row)}" for cause in causes)
        return f"{self.summary} Most of it: {named}."


def _unsigned(row: TransactionRow) -> str:
    return to_decimal_text(abs(row.amount_minor), row.currency)


async def _causes(context: Context, ids: Sequence[TransactionId]) -> list[Transaction]:
    found = await context.loader(load_transactions).load_many(ids)
    return [transaction for transaction in found if transaction is not None]


async def alert_nodes(context: Context, conn: Conn, rows: Sequence[AlertRow]) -> list[BudgetAlert]:
    """Return alerts that were read on this connection as GraphQL shows them."""
    if not rows:
        return []
    tree = await context.category_tree(conn, {row.category_id for row in rows} - {EVERYTHING_ID})
    return [_alert(row, tree) for row in rows]


def _alert(row: AlertRow, tree: CategoryTree) -> BudgetAlert:
    spent_minor, available_minor = row.spent_minor + row.pending_minor, row.limit_minor + row.carried_minor
    name = budget_name(tree, row.category_id)
    return BudgetAlert(
        id=encode_id("BudgetAlert", row.alert_id),
        transaction_ids=row.transaction_ids,
        cursor=encode_number(CURSOR_KIND, row.alert_id),
        category=category_or_none(tree, row.category_id),
        budget_name=name,
        month=Month(first_day(row.period_first)),
        period_first=row.period_first,
        period_last=row.period_last,
        threshold_percent=row.threshold_percent,
        limit=money(row.limit_minor, row.currency),
        available=money(available_minor, row.currency),
        spent=money(spent_minor, row.currency),
        pending=money(row.pending_minor, row.currency),
        percent_used=spent_minor * PERCENT // available_minor if available_minor > 0 else None,
        summary=summary_of(row, name),
        created_at=row.created_at,
    )


def summary_of(row: AlertRow, name: str) -> str:
    """Say in words what happened and what is left of the budget of that name."""
    limit, spent, pending = (
        Amount(minor, row.currency)
        for minor in (row.limit_minor, row.spent_minor + row.pending_minor, row.pending_minor)
    )
    period = Period(row.period_first, row.period_last)
    return alert_summary(name, period, limit, spent, pending, row.threshold_percent, row.carried_minor)


def decode_alert_cursor(text: str, field: str = "after") -> AlertId:
    """Read the cursor of an alert; raise `InvalidInput` when it is none."""
    return AlertId(decode_number(CURSOR_KIND, text, field))


async def load_alerts(context: Context, numbers: list[int]) -> list[BudgetAlert | None]:
    """Return the viewer's alerts in the order of the ids, None for ids that are not theirs."""
    wanted = [AlertId(number) for number in numbers]
    async with context.person() as conn:
        rows = await store.by_ids(conn, context.user_id, wanted)
        nodes = dict(zip(rows, await alert_nodes(context, conn, list(rows.values())), strict=True))
    return [nodes.get(alert_id) for alert_id in wanted]


register_node("BudgetAlert", load_alerts)


@strawberry.type
class AlertsQuery:
    """Reads of alerts."""

    @strawberry.field(description="Budget alerts that were raised for the viewer, newest first.")
    async def budget_alerts(
        self,
        info: Info,
        first: FirstArgument = None,
        after: Annotated[
            Cursor | None, strawberry.argument(description="Return only alerts older than the one of this cursor.")
        ] = None,
    ) -> Connection[BudgetAlert]:
        position = None if after is None else decode_alert_cursor(after)
        request: PageRequest[AlertId] = PageRequest(check_size(first, "first"), after=position)
        async with info.context.person() as conn:
            rows = await store.before(conn, info.context.user_id, position or NEWEST, request.limit)
            nodes = await alert_nodes(info.context, conn, rows)
        return build_connection(nodes, request, lambda alert: alert, lambda alert: alert.cursor)
