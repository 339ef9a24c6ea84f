"""Recurring series as GraphQL shows them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import strawberry

from mintql.api.accounts import Account, load_accounts
from mintql.api.categories import Category, category_node
from mintql.api.context import Context, Info
from mintql.api.money import Money, money
from mintql.api.nodes import Node, encode_id, register_node
from mintql.domain.categories import CategoryTree
from mintql.domain.errors import InvalidInput
from mintql.domain.ids import RecurringId, TransactionId
from mintql.domain.recurring_categories import is_subscription
from mintql.domain.recurring_cycles import Frequency
from mintql.domain.recurring_series import TRANSACTIONS_MAX, SeriesState
from mintql.domain.recurring_words import reasons, rhythm
from mintql.store import recurring_read
from mintql.store.queries import Conn
from mintql.store.recurring_read import ShownSeries, Wanted

if TYPE_CHECKING:
    from mintql.api.transactions import Transaction

TRANSACTIONS_DEFAULT = 12


class Direction(StrEnum):
    """Which way the money of a series goes."""

    OUT = "out"
    IN = "in"


strawberry.enum(Direction, name="RecurringDirection", description="OUT: bills and subscriptions. IN: income.")
strawberry.enum(
    Frequency,
    name="RecurringFrequency",
    description="How often a series recurs. BIWEEKLY: every two weeks. SEMIMONTHLY: on two days of each month. "
    "BIMONTHLY: every two months.",
)
strawberry.enum(
    SeriesState,
    name="RecurringState",
    description="What the viewer said of a series. SUGGESTED: nothing yet. CONFIRMED: that it is one. DISMISSED: that "
    "it is none; it lets expect nothing and is not suggested again.",
)


@strawberry.type(
    description="Transactions with one seller that come again and again: a bill, a subscription, a paycheck. Its "
    "amounts are positive whichever way they go; `direction` says that."
)
class RecurringSeries(Node):
    """A series as shown; make it with `recurring_nodes`."""

    row: strawberry.Private[ShownSeries]
    tree: strawberry.Private[CategoryTree]
    merchant: str = strawberry.field(description="The seller, or whoever pays, as the newest transaction names it.")
    merchant_key: str = strawberry.field(description="What the seller is known by, as rules name it.")
    category: Category = strawberry.field(description="The category of the newest transaction.")
    direction: Direction = strawberry.field(description="Which way the money goes.")
    frequency: Frequency = strawberry.field(description="How often it recurs.")
    rhythm: str = strawberry.field(description='When it falls due, in words: "every month on day 12".')
    mean_amount: Money = strawberry.field(description="The mean of the last twelve months' amounts.")
    last_amount: Money = strawberry.field(description="The newest amount.")
    expected_amount: Money = strawberry.field(
        description="What the next one will be about: what the viewer said, else the newest amount, else, where "
        "amounts vary, the mean of the newest ones."
    )
    spread: Money = strawberry.field(
        description="How far the last twelve months' amounts lie from their median, in the middle; 0 where they do not "
        "vary but for changes of the price."
    )
    yearly_amount: Money = strawberry.field(
        description="What it comes to in a year at the expected amount: what a subscription costs."
    )
    first_on: date = strawberry.field(description="Day of the first transaction that is known.")
    last_on: date = strawberry.field(description="Day of the newest transaction.")
    next_on: date | None = strawberry.field(
        description="Day the next one is expected on; null once it has ended or was dismissed. A day that has passed "
        "is one that it is overdue since."
    )
    active: bool = strawberry.field(
        description="Whether it goes on. One has ended when the next is overdue by more than a margin, on an account "
        "that was fetched since."
    )
    state: SeriesState = strawberry.field(description="What the viewer said of it.")
    occurrences: int = strawberry.field(description="How many of its transactions are known, a due day each.")
    missed: int = strawberry.field(description="How many due days between the first and the newest had none.")
    confidence: int = strawberry.field(
        description="How sure the machine is that this recurs, in whole percent; 100 where the viewer marked it."
    )
    reasons: list[str] = strawberry.field(description="What that rests on, in sentences.")
    subscription: bool = strawberry.field(
        description="Whether it is a subscription: what the viewer said, else by category and seller."
    )
    created_at: datetime = strawberry.field(description="When it was found or marked.")
    decided_at: datetime | None = strawberry.field(
        description="When the viewer confirmed, dismissed or marked it; null while it is the machine's word alone."
    )

    @strawberry.field(description="The account of the newest transaction.")
    async def account(self, info: Info) -> Account:
        found = await info.context.loader(load_accounts).load(self.row.account_id)
        if found is None:
            raise LookupError(f"series {self.id} has no account")
        return found

    @strawberry.field(description="Its transactions, newest first.")
    async def transactions(
        self,
        info: Info,
        first: Annotated[
            int, strawberry.argument(description=f"How many to return: {TRANSACTIONS_MAX} at most.")
        ] = TRANSACTIONS_DEFAULT,
    ) -> list[Annotated[Transaction, strawberry.lazy("mintql.api.transactions")]]:
        from mintql.api.transactions import load_transactions  # noqa: PLC0415 - the two types name each other

        if not 1 <= first <= TRANSACTIONS_MAX:
            raise InvalidInput(f"Ask for 1 to {TRANSACTIONS_MAX} transactions, not {first}.", field="first")
        loader = info.context.loader(load_transactions)
        found = await loader.load_many(list(self.row.series.transaction_ids[:first]))
        return [transaction for transaction in found if transaction is not None]


async def recurring_nodes(context: Context, conn: Conn, rows: Sequence[ShownSeries]) -> list[RecurringSeries]:
    """Return series that were read on this connection as GraphQL shows them."""
    if not rows:
        return []
    tree = await context.category_tree(conn, {row.category_id for row in rows})
    return [_node(row, tree) for row in rows]


def subscribed(row: ShownSeries, tree: CategoryTree) -> bool:
    """Tell whether a series is a subscription."""
    series = row.series
    if series.said_subscription is not None:
        return series.said_subscription
    return series.outgoing and is_subscription(tree, row.category_id, series.merchant_key)


def _node(row: ShownSeries, tree: CategoryTree) -> RecurringSeries:
    series = row.series
    currency = series.currency
    goes_on = not series.ended and series.state is not SeriesState.DISMISSED
    return RecurringSeries(
        id=encode_id("RecurringSeries", row.recurring_id),
        row=row,
        tree=tree,
        merchant=row.merchant,
        merchant_key=series.merchant_key,
        category=category_node(tree, row.category_id),
        direction=Direction.OUT if series.outgoing else Direction.IN,
        frequency=series.cycle.frequency,
        rhythm=rhythm(series.cycle),
        mean_amount=money(series.mean_minor, currency),
        last_amount=money(series.last_minor, currency),
        expected_amount=money(series.expected_minor, currency),
        spread=money(series.spread_minor, currency),
        yearly_amount=money(series.yearly_minor, currency),
        first_on=series.first_on,
        last_on=series.last_on,
        next_on=series.next_on if goes_on else None,
        active=not series.ended,
        state=series.state,
        occurrences=series.occurrences,
        missed=series.missed,
        confidence=series.confidence,
        reasons=reasons(series),
        subscription=subscribed(row, tree),
        created_at=row.created_at,
        decided_at=row.decided_at,
    )


async def load_recurring(context: Context, numbers: list[int]) -> list[RecurringSeries | None]:
    """Return the viewer's series in the order of the ids, None for ids that are not theirs."""
    wanted = [RecurringId(number) for number in numbers]
    async with context.person() as conn:
        rows = await recurring_read.shown(conn, context.user_id, Wanted(ids=wanted))
        nodes = await recurring_nodes(context, conn, rows)
    found = {row.recurring_id: node for row, node in zip(rows, nodes, strict=True)}
    return [found.get(asked) for asked in wanted]


register_node("RecurringSeries", load_recurring)


async def load_recurring_of(context: Context, ids: list[TransactionId]) -> list[RecurringSeries | None]:
    """Return the series of each of these transactions, None where it belongs to none."""
    async with context.person() as conn:
        owners = await recurring_read.of_transactions(conn, context.user_id, ids)
    nodes = await _by_id(context, list(dict.fromkeys(owners.values())))
    return [nodes.get(owners[asked]) if asked in owners else None for asked in ids]


async def _by_id(context: Context, ids: list[RecurringId]) -> dict[RecurringId, RecurringSeries]:
    """Return series by their ids, those that are there."""
    nodes = await load_recurring(context, list(ids)) if ids else []
    return {one: node for one, node in zip(ids, nodes, strict=True) if node is not None}
