"""Notifications: what a person is told, in words and in fields, as a list and as a stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import date, datetime
from typing import Annotated, TypeAlias

import strawberry

from mintql.api.accounts import Account, load_accounts
from mintql.api.alerts import BudgetAlert, load_alerts
from mintql.api.categories import Category, category_node
from mintql.api.connections import Connection as BankConnection
from mintql.api.connections import load_connections
from mintql.api.context import Context, Info
from mintql.api.errors import InvalidInputError, NotFoundError, NotSignedInError
from mintql.api.money import Money, money_or_none
from mintql.api.nodes import Node, decode_id, encode_id, register_node
from mintql.api.notification_kinds import NotificationKind
from mintql.api.paging import (
    Connection,
    FirstArgument,
    PageRequest,
    build_connection,
    check_size,
    decode_number,
    encode_number,
)
from mintql.api.recurring_types import RecurringSeries, load_recurring
from mintql.api.scalars import Cursor
from mintql.api.subscriptions import ROWS_PER_READ, SubscriptionAfter, follow
from mintql.api.transactions import Transaction, load_transactions
from mintql.domain.categories import CategoryTree
from mintql.domain.ids import NotificationId, TransactionId
from mintql.domain.notices import BUDGET_KINDS
from mintql.services import notices as service
from mintql.store import notices_read as store
from mintql.store.notices_read import NoticeRow
from mintql.store.queries import Conn

CURSOR_KIND = "notification"
NEWEST = NotificationId(2**63 - 1)


@strawberry.type(
    description="What the viewer is told: what happened, why, and what is left until when, in words and in fields. "
    "Raised once for each thing it is about."
)
class Notification(Node):
    """A notification as shown; make it with `notification_nodes`."""

    account_number: strawberry.Private[int | None]
    connection_number: strawberry.Private[int | None]
    alert_number: strawberry.Private[int | None]
    recurring_number: strawberry.Private[int | None]
    transaction_ids: strawberry.Private[tuple[TransactionId, ...]]
    cursor: Cursor = strawberry.field(
        description="Its place: `after` of the subscription `notifications` and `upTo` of `markNotificationsRead` take "
        "it."
    )
    kind: NotificationKind = strawberry.field(description="Why it was raised.")
    title: str = strawberry.field(description="A line to show.")
    body: str = strawberry.field(description="What happened, why, and what is left until when: sentences to show.")
    category: Category | None = strawberry.field(description="The category or group it is about.")
    amount: Money | None = strawberry.field(
        description="The amount it is about: what was spent, positive; of a low balance, the balance."
    )
    limit: Money | None = strawberry.field(description="The limit that was reached, or what is usual.")
    left: Money | None = strawberry.field(
        description="Of a budget, what was left of its limit; negative when it was exceeded."
    )
    period_first: date | None = strawberry.field(description="The first day of the period it is about.")
    period_last: date | None = strawberry.field(description="The last day of the period it is about.")
    created_at: datetime = strawberry.field(description="When it was raised.")
    read_at: datetime | None = strawberry.field(description="When it was read; null while it is unread.")

    @strawberry.field(description="The account it is about; null when it is about none, or the account is gone.")
    async def account(self, info: Info) -> Account | None:
        return (
            None if self.account_number is None else await info.context.loader(load_accounts).load(self.account_number)
        )

    @strawberry.field(description="The connection it is about; null when it is about none, or it is gone.")
    async def connection(self, info: Info) -> BankConnection | None:
        return (
            None
            if self.connection_number is None
            else await info.context.loader(load_connections).load(self.connection_number)
        )

    @strawberry.field(description="The budget alert it goes with.")
    async def alert(self, info: Info) -> BudgetAlert | None:
        return None if self.alert_number is None else await info.context.loader(load_alerts).load(self.alert_number)

    @strawberry.field(description="The recurring charge it is about; null when it is about none, or it is gone.")
    async def recurring(self, info: Info) -> RecurringSeries | None:
        number = self.recurring_number
        return None if number is None else await info.context.loader(load_recurring).load(number)

    @strawberry.field(
        description="The transactions that did it, the largest first. Ones the institution took back are left out."
    )
    async def transactions(self, info: Info) -> list[Transaction]:
        found = await info.context.loader(load_transactions).load_many(self.transaction_ids)
        return [transaction for transaction in found if transaction is not None]


async def notification_nodes(context: Context, conn: Conn, rows: Sequence[NoticeRow]) -> list[Notification]:
    """Return notifications that were read on this connection as GraphQL shows them."""
    named = [row.category_id for row in rows if row.category_id is not None]
    tree = await context.category_tree(conn, named) if named else None
    return [_notification(row, tree) for row in rows]


def _notification(row: NoticeRow, tree: CategoryTree | None) -> Notification:
    left_minor = None
    if row.kind in BUDGET_KINDS and row.amount_minor is not None and row.limit_minor is not None:
        left_minor = row.limit_minor - row.amount_minor
    return Notification(
        id=encode_id("Notification", row.notification_id),
        account_number=row.account_id,
        connection_number=row.connection_id,
        alert_number=row.alert_id,
        recurring_number=row.recurring_id,
        transaction_ids=row.transaction_ids,
        cursor=encode_number(CURSOR_KIND, row.notification_id),
        kind=row.kind,
        title=row.title,
        body=row.body,
        category=None if tree is None or row.category_id is None else category_node(tree, row.category_id),
        amount=money_or_none(row.amount_minor, row.currency),
        limit=money_or_none(row.limit_minor, row.currency),
        left=money_or_none(left_minor, row.currency),
        period_first=row.period_first,
        period_last=row.period_last,
        created_at=row.created_at,
        read_at=row.read_at,
    )


def decode_notification_cursor(text: str, field: str = "after") -> NotificationId:
    """Read the cursor of a notification; raise `InvalidInput` when it is none."""
    return NotificationId(decode_number(CURSOR_KIND, text, field))


async def load_notifications(context: Context, numbers: list[int]) -> list[Notification | None]:
    """Return the viewer's notifications in the order of the ids, None for ids that are not theirs."""
    wanted = [NotificationId(number) for number in numbers]
    async with context.person() as conn:
        rows = await store.by_ids(conn, context.user_id, wanted)
        nodes = dict(zip(rows, await notification_nodes(context, conn, list(rows.values())), strict=True))
    return [nodes.get(number) for number in wanted]


register_node("Notification", load_notifications)


@strawberry.type
class NotificationsQuery:
    """Reads of the inbox."""

    @strawberry.field(description="The viewer's notifications that were not dismissed, newest first.")
    async def notifications(
        self,
        info: Info,
        first: FirstArgument = None,
        after: Annotated[
            Cursor | None, strawberry.argument(description="Return only those older than the one of this cursor.")
        ] = None,
        unread_only: Annotated[bool, strawberry.argument(description="Return only those that were not read.")] = False,
        kinds: Annotated[
            list[NotificationKind] | None,
            strawberry.argument(description="Return only those of these kinds."),
        ] = None,
    ) -> Connection[Notification]:
        position = None if after is None else decode_notification_cursor(after)
        request: PageRequest[NotificationId] = PageRequest(check_size(first, "first"), after=position)
        context = info.context
        async with context.person() as conn:
            rows = await store.before(
                conn, context.user_id, position or NEWEST, request.limit, kinds=kinds, unread_only=unread_only
            )
            nodes = await notification_nodes(context, conn, rows)
        return build_connection(nodes, request, lambda node: node, lambda node: node.cursor)

    @strawberry.field(description="How many of the viewer's notifications are neither read nor dismissed.")
    async def unread_notification_count(self, info: Info) -> int:
        async with info.context.person() as conn:
            return await store.unread_count(conn, info.context.user_id)


@strawberry.type(description="The notifications are as asked for.")
class NotificationsSuccess:
    """What changes of the inbox give when they worked."""

    notifications: list[Notification] = strawberry.field(
        description="Those that were named by id, in that order, as they are now."
    )
    unread_count: int = strawberry.field(description="How many are neither read nor dismissed now.")


NotificationsPayload: TypeAlias = Annotated[
    NotificationsSuccess | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("NotificationsPayload", description="What became of a change of the inbox."),
]
IdsArgument = Annotated[
    list[strawberry.ID], strawberry.argument(description=f"The notifications, up to {service.NAMED_MAX}.")
]


@strawberry.type
class NotificationsMutation:
    """Changes of the inbox."""

    @strawberry.mutation(description="Marks notifications as read: those named, and all up to one.")
    async def mark_notifications_read(
        self,
        info: Info,
        ids: Annotated[
            list[strawberry.ID] | None,
            strawberry.argument(description=f"The notifications, up to {service.NAMED_MAX}."),
        ] = None,
        up_to: Annotated[
            Cursor | None,
            strawberry.argument(description="The cursor of a notification: it and all older ones become read."),
        ] = None,
    ) -> NotificationsPayload:
        context = info.context
        wanted = _wanted(ids or [])
        newest = None if up_to is None else decode_notification_cursor(up_to, "upTo")
        async with context.person() as conn:
            effects = await service.mark_read(conn, context.user_id, wanted, newest, context.now())
            result = await _success(context, conn, wanted)
        await context.runtime.perform(effects)
        return result

    @strawberry.mutation(description="Takes notifications out of the list for good; unread ones count as read.")
    async def dismiss_notifications(self, info: Info, ids: IdsArgument) -> NotificationsPayload:
        context = info.context
        wanted = _wanted(ids)
        async with context.person() as conn:
            effects = await service.dismiss(conn, context.user_id, wanted, context.now())
            result = await _success(context, conn, wanted)
        await context.runtime.perform(effects)
        return result


def _wanted(ids: Sequence[strawberry.ID]) -> list[NotificationId]:
    numbers = dict.fromkeys(decode_id("Notification", text, field="ids") for text in ids)
    return [NotificationId(number) for number in numbers]


async def _success(context: Context, conn: Conn, wanted: list[NotificationId]) -> NotificationsSuccess:
    rows = await store.by_ids(conn, context.user_id, wanted)
    nodes = await notification_nodes(context, conn, [rows[notification_id] for notification_id in wanted])
    return NotificationsSuccess(notifications=nodes, unread_count=await store.unread_count(conn, context.user_id))


def follow_notifications(context: Context, after: NotificationId | None) -> AsyncGenerator[Notification, None]:
    """Yield notifications after a cursor. They are read from where they are kept, not from the events."""
    user_id = context.user_id

    async def read(conn: Conn, position: NotificationId) -> list[tuple[NotificationId, Notification]]:
        rows = await store.after(conn, user_id, position, ROWS_PER_READ)
        nodes = await notification_nodes(context, conn, rows)
        return list(zip((row.notification_id for row in rows), nodes, strict=True))

    return follow(context, after, lambda conn: store.latest_id(conn, user_id), read)


@strawberry.type
class NotificationsSubscription:
    """The stream of notifications."""

    @strawberry.subscription(description="Notifications of the viewer as they are raised. None is lost or repeated.")
    async def notifications(self, info: Info, after: SubscriptionAfter = None) -> AsyncGenerator[Notification, None]:
        position = None if after is None else decode_notification_cursor(after)
        async with aclosing(follow_notifications(info.context, position)) as notifications:
            async for notification in notifications:
                yield notification
