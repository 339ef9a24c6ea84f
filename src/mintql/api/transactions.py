"""Pages of transactions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache, partial
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated, Any, cast

import strawberry

from mintql.api.accounts import Account, load_accounts
from mintql.api.batches import batched
from mintql.api.categories import Category, category_node, category_nodes, decode_category_id
from mintql.api.categorizations import Categorization
from mintql.api.columns import Reading, Rows, column, read_together
from mintql.api.context import Context, Info
from mintql.api.money import Money, money, money_field
from mintql.api.nodes import Node, decode_id, encode_id, register_node
from mintql.api.paging import (
    AfterArgument,
    BeforeArgument,
    Connection,
    FirstArgument,
    LastArgument,
    decode_day_key,
    encode_day_key,
    page_request,
)
from mintql.api.scalars import DecimalText
from mintql.data import load_categories
from mintql.domain.categories import CategoryTree
from mintql.domain.ids import AccountId, TransactionId
from mintql.domain.node_ids import node_ids
from mintql.services import transactions as service
from mintql.services.archive_reading import kept_for_sure
from mintql.services.transactions import TransactionRow
from mintql.store.queries import Conn

COLUMNS_KEPT_MAX = 1_024
_numbers, _names, _sellers = map(Reading, ("row.transaction_id", "row.display_name", "row.seller"))
_trees, _category_ids = map(Reading, ("tree", "row.category_id"))
_POSTED_ON, _CATEGORY_ID, _PART_CATEGORY_IDS = map(itemgetter, ("posted_on", "category_id", "part_category_ids"))

if TYPE_CHECKING:
    from mintql.api.matches import TransactionOrigin
    from mintql.api.recurring_types import RecurringSeries
    from mintql.api.transfers import TransactionTransfer


async def _load_transfers(context: Context, transaction_ids: list[Any]) -> list[Any]:
    from mintql.api.transfers import load_transfers_of  # noqa: PLC0415 - the two types name each other

    return await load_transfers_of(context, transaction_ids)


async def _load_recurring(context: Context, transaction_ids: list[Any]) -> list[Any]:
    from mintql.api.recurring_types import load_recurring_of  # noqa: PLC0415 - the two types name each other

    return await load_recurring_of(context, transaction_ids)


@strawberry.type(description="A part of a split: so much of a transaction, in a category of its own.")
class TransactionPart:
    """A part as shown."""

    category: Category = strawberry.field(description="The category the part is in; never a group.")
    amount: Money = strawberry.field(description="So much of the transaction's amount, of the same sign.")
    note: str | None = strawberry.field(description="What the viewer wrote about the part.")


@strawberry.type(description="Money that left or reached an account.")
class Transaction(Node):
    """A transaction as shown; make it with `transaction_nodes`."""

    row: strawberry.Private[TransactionRow]
    tree: strawberry.Private[CategoryTree]

    @strawberry.field(description="Names this object among all objects. Opaque.")  # type: ignore[misc]
    @read_together(lambda found: node_ids("Transaction", _numbers(found)))
    def id(self) -> strawberry.ID:
        return encode_id("Transaction", self.row.transaction_id)

    posted_on = column(
        "row.posted_on",
        date,
        "Day it was booked on, in the institution's calendar; for a pending one, the day it was made.",
    )

    amount = money_field("row.amount_minor", "row.currency", "The amount; money that left the account is negative.")

    description = column("row.description", str, "The institution's own words.")

    @strawberry.field(
        description="The seller, cleaned up for showing, or the name that the viewer or a rule of theirs gave."
    )
    @read_together(lambda found: [name or seller for name, seller in zip(_names(found), _sellers(found), strict=True)])
    def merchant(self) -> str:
        return self.row.merchant

    merchant_key = column("row.merchant_key", str, "What the seller is known by, as rules name it.")
    pending = column(
        "row.pending", bool, "Whether it is not booked yet: its amount can still change, and it can vanish."
    )

    @strawberry.field(description="The category it is in; never a group.")
    @read_together(lambda found: category_nodes(_trees(found), _category_ids(found)))
    def category(self) -> Category:
        return category_node(self.tree, self.row.category_id)

    @strawberry.field(description="How it came into that category.")
    def categorization(self) -> Categorization:
        return Categorization(row=self.row, tree=self.tree)

    note = column("row.note", str | None, "What the viewer wrote about it.")

    @strawberry.field(description="The viewer's tags, in the order they were given.")
    def tags(self) -> list[str]:
        return list(self.row.tags)

    excluded_from_budgets = column(
        "row.excluded_from_budgets",
        bool,
        "Whether budgets leave it out, by the viewer's word or a rule of theirs; sums hold it all the same.",
    )
    created_at = column("row.created_at", datetime, "When it was first seen here.")
    updated_at = column("row.updated_at", datetime, "When anything about it last changed.")

    @batched(load_accounts, "row.account_id", description="The account it is on.")
    @staticmethod
    def account(found: Account | None) -> Account:
        if found is None:
            raise LookupError("a transaction has no account")
        return found

    @strawberry.field(description="The parts the viewer split it into; empty where it is whole.")
    def parts(self) -> list[TransactionPart]:
        return [
            TransactionPart(
                category=category_node(self.tree, part.category_id),
                amount=money(part.amount_minor, self.row.currency),
                note=part.note or None,
            )
            for part in self.row.parts
        ]

    rest = money_field(
        "row.rest_minor",
        "row.currency",
        "What its own category keeps: the amount without the parts, so all of it where there are none. Of the other "
        "sign when the amount has become smaller than the parts.",
    )

    @strawberry.field(description="Why it is there: where it came from, and which other rows it stands for.")
    async def origin(self, info: Info) -> Annotated[TransactionOrigin, strawberry.lazy("mintql.api.matches")]:
        from mintql.api.matches import transaction_origin  # noqa: PLC0415 - the two types name each other

        return await transaction_origin(info.context, self.row.transaction_id)

    @batched(
        _load_transfers,
        "row.transaction_id",
        description="The transfer between the viewer's own accounts that it is a side of, or may be; null for none.",
    )
    @staticmethod
    def transfer(
        found: TransactionTransfer | None,
    ) -> Annotated[TransactionTransfer, strawberry.lazy("mintql.api.transfers")] | None:
        return found

    @batched(
        _load_recurring,
        "row.transaction_id",
        description="The recurring series that it belongs to, unless the viewer dismissed that; null for none.",
    )
    @staticmethod
    def recurring(
        found: RecurringSeries | None,
    ) -> Annotated[RecurringSeries, strawberry.lazy("mintql.api.recurring_types")] | None:
        return found


_WHOLE = ("category_source", "category_detail", "institution_code", "merchant_key", "amount_minor", "currency")
_SPLIT = ("amount_minor", "currency", "part_amounts_minor", "part_notes")
_COLUMNS = {
    "__typename": (),
    "id": (),
    "postedOn": (),
    "amount": ("amount_minor", "currency"),
    "description": ("description",),
    "merchant": ("display_name", "merchant"),
    "merchantKey": ("merchant_key",),
    "pending": ("pending",),
    "category": (),
    "categorization": _WHOLE,
    "note": ("note",),
    "tags": ("tags",),
    "excludedFromBudgets": ("excluded_from_budgets",),
    "createdAt": ("created_at",),
    "updatedAt": ("updated_at",),
    "account": ("account_id",),
    "parts": _SPLIT,
    "rest": _SPLIT,
    "origin": (),
    "transfer": (),
    "recurring": (),
}
"""The columns that each field is made of, beside those that every page reads."""
_READ_ALWAYS = frozenset({"transaction_id", "posted_on", "category_id", "part_category_ids"})


@lru_cache(maxsize=COLUMNS_KEPT_MAX)
def _columns(asked: frozenset[str] | None) -> frozenset[str] | None:
    """Return the columns that these fields need, None for all of them."""
    if asked is None or not asked <= _COLUMNS.keys():
        return None
    return _READ_ALWAYS.union(*(_COLUMNS[name] for name in asked))


async def transaction_nodes(context: Context, conn: Conn, rows: Sequence[TransactionRow]) -> list[Transaction]:
    """Return transactions that were read on this connection as GraphQL shows them: a sequence to be shown as it is."""
    if not rows:
        return []
    context.shows_old |= min(map(_POSTED_ON, rows)) < kept_for_sure(context.now().date())
    named = set(map(_CATEGORY_ID, rows))
    named.update(*filter(None, map(_PART_CATEGORY_IDS, rows)))
    tree = await context.category_tree(conn, named)
    return cast("list[Transaction]", Rows(Transaction, "row", rows, tree=tree))


async def load_transactions(context: Context, transaction_ids: list[int]) -> list[Transaction | None]:
    """Return the viewer's transactions in the order of the ids, each followed from pending to posted.

    None for ids that are not theirs, and for transactions that the institution took back.
    """
    wanted = [TransactionId(number) for number in transaction_ids]
    async with context.person() as conn:
        rows = await context.runtime.archive.resolve(conn, context.user_id, wanted)
        nodes = dict(zip(rows, await transaction_nodes(context, conn, list(rows.values())), strict=True))
    return [nodes.get(asked) for asked in wanted]


register_node("Transaction", load_transactions)


@strawberry.input(description="What a page of transactions is narrowed to; all that is given has to hold.")
class TransactionFilter:
    """The filter as sent."""

    account_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description=f"On one of these accounts, up to {service.FILTER_IDS_MAX}."
    )
    category_ids: list[strawberry.ID] | None = strawberry.field(
        default=None,
        description=f"In one of these categories, up to {service.FILTER_IDS_MAX}, wholly or with a part of a split; a "
        "group stands for all in it.",
    )
    from_: date | None = strawberry.field(name="from", default=None, description="Booked on this day or later.")
    to: date | None = strawberry.field(default=None, description="Booked on this day or earlier.")
    min_amount: DecimalText | None = strawberry.field(
        default=None,
        description="Signed amount of at least this, in whole units of the transaction's own currency; money out is "
        'negative, so maxAmount "-50" finds purchases of 50 and more.',
    )
    max_amount: DecimalText | None = strawberry.field(
        default=None, description="Signed amount of at most this; see minAmount."
    )
    text: str | None = strawberry.field(
        default=None,
        description=f"Found as it is in description, merchant or the viewer's notes, whatever its case; up to "
        f"{service.FILTER_TEXT_LENGTH_MAX} characters.",
    )
    pending: bool | None = strawberry.field(
        default=None, description="True: only pending ones. False: only booked ones."
    )
    uncategorized: bool | None = strawberry.field(
        default=None,
        description="True: only those without a category. False: only those with one. A split one can be both.",
    )
    tags: list[str] | None = strawberry.field(
        default=None,
        description=f"With one of these tags, up to {service.FILTER_IDS_MAX}, whatever their case.",
    )
    has_note: bool | None = strawberry.field(
        default=None, description="True: only those the viewer wrote a note about. False: only the others."
    )
    excluded_from_budgets: bool | None = strawberry.field(
        default=None, description="True: only those that budgets leave out. False: only the others."
    )

    async def check(self, context: Context, conn: Conn) -> service.TransactionFilter:
        """Return the filter for the service; raise `InvalidInput` when a part of it cannot be used."""
        by_category = self.category_ids is not None or self.uncategorized is not None
        return service.check_filter(
            await context.category_tree(conn) if by_category else load_categories(),
            account_ids=None
            if self.account_ids is None
            else [AccountId(decode_id("Account", text, field="accountIds")) for text in self.account_ids],
            category_ids=None
            if self.category_ids is None
            else [decode_category_id(text, field="categoryIds") for text in self.category_ids],
            first=self.from_,
            last=self.to,
            least=None if self.min_amount is None else Decimal(self.min_amount),
            greatest=None if self.max_amount is None else Decimal(self.max_amount),
            text=self.text,
            pending=self.pending,
            uncategorized=self.uncategorized,
            tags=self.tags,
            has_note=self.has_note,
            excluded_from_budgets=self.excluded_from_budgets,
        )


@strawberry.type
class TransactionsQuery:
    """Reads of transactions."""

    @strawberry.field(
        description="The viewer's transactions, newest first by booking day. Pending ones that were posted and those "
        "the institution took back are not among them."
    )
    async def transactions(
        self,
        info: Info,
        first: FirstArgument = None,
        after: AfterArgument = None,
        last: LastArgument = None,
        before: BeforeArgument = None,
        filter: Annotated[
            TransactionFilter | None, strawberry.argument(description="What to narrow the list to.")
        ] = None,
    ) -> Connection[Transaction]:
        columns = _columns(info.context.asked)
        asked = page_request(decode_day_key, first=first, after=after, last=last, before=before)
        request = service.PageRequest(asked.size, not asked.backward, asked.after, asked.before)
        async with info.context.person() as conn:
            wanted = await (filter or TransactionFilter()).check(info.context, conn)
            read = partial(info.context.runtime.archive.page, info.context.now(), columns=columns)
            page = await service.list_page(conn, info.context.user_id, wanted, request, read)
            nodes = await transaction_nodes(info.context, conn, page.rows)
        return _connection(page, nodes)


def _connection(page: service.Page, nodes: list[Transaction]) -> Connection[Transaction]:
    return Connection(
        nodes=nodes,
        cursor_at=lambda index: encode_day_key(*page.rows[index].key),
        has_next=page.has_next,
        has_previous=page.has_previous,
    )
