"""A person's own word on categories: choosing by hand, taking that back, and what is remembered of sellers."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypeAlias

import strawberry

from mintql.api.categories import Category, category_node, decode_category_id
from mintql.api.context import Info
from mintql.api.errors import InvalidInputError, NotFoundError, NotSignedInError
from mintql.api.nodes import decode_id
from mintql.api.paging import AfterArgument, Connection, FirstArgument, build_connection, page_request
from mintql.api.paging import decode_text as decode_cursor
from mintql.api.paging import encode_text as encode_cursor
from mintql.domain.ids import TransactionId
from mintql.services import choices as service

if TYPE_CHECKING:
    from mintql.api.transactions import Transaction

CURSOR_KIND = "memory"

strawberry.enum(
    service.Scope,
    name="RecategorizeScope",
    description="What a choice of category is meant for. ONCE: the named transactions. SELLER_FROM_NOW_ON: those, and "
    "transactions of the same sellers that come later or have no category yet; others stay as they are.",
)

IdsArgument = Annotated[
    list[strawberry.ID],
    strawberry.argument(
        description=f"The transactions, up to {service.RECATEGORIZED_MAX}. The id of a pending one that was "
        "posted since stands for the posted one."
    ),
]


@strawberry.type(description="The transactions are in the category now.")
class RecategorizeSuccess:
    """What `recategorize` and `undoRecategorize` give when they worked."""

    transactions: list[Annotated[Transaction, strawberry.lazy("mintql.api.transactions")]] = strawberry.field(
        description="The transactions in the order they were named, each once, as they are now."
    )


RecategorizePayload: TypeAlias = Annotated[
    RecategorizeSuccess | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("RecategorizePayload", description="What became of `recategorize` or `undoRecategorize`."),
]


@strawberry.type(description="The category that the viewer chose for a seller: its transactions go there from then on.")
class SellerMemory:
    """A memory as shown."""

    merchant_key: str = strawberry.field(description="The seller, as its transactions are told by; names it to others.")
    merchant: str = strawberry.field(description="The seller's name, to show.")
    category: Category = strawberry.field(description="The category chosen.")
    created_at: datetime = strawberry.field(description="Since when that holds.")


@strawberry.type(description="Nothing is remembered of the seller any more.")
class ForgetSellerSuccess:
    """What `forgetSeller` gives when it worked."""

    merchant_key: str = strawberry.field(description="The seller.")


ForgetSellerPayload: TypeAlias = Annotated[
    ForgetSellerSuccess | NotFoundError | NotSignedInError,
    strawberry.union("ForgetSellerPayload", description="What became of `forgetSeller`."),
]


@strawberry.type
class ChoicesQuery:
    """Reads of what a person chose."""

    @strawberry.field(description="What the viewer chose for sellers, by seller.")
    async def seller_memories(
        self, info: Info, first: FirstArgument = None, after: AfterArgument = None
    ) -> Connection[SellerMemory]:
        context = info.context
        request = page_request(lambda text, field: decode_cursor(CURSOR_KIND, text, field), first=first, after=after)
        async with context.person() as conn:
            rows = await service.list_memories(conn, context.user_id, request.after or "", request.limit)
            tree = await context.category_tree(conn, [row.category_id for row in rows])
        return build_connection(
            rows,
            request,
            lambda row: SellerMemory(
                merchant_key=row.merchant_key,
                merchant=row.merchant or row.merchant_key.title(),
                category=category_node(tree, row.category_id),
                created_at=row.created_at,
            ),
            lambda row: encode_cursor(CURSOR_KIND, row.merchant_key),
        )


@strawberry.type
class ChoicesMutation:
    """Choosing and taking back."""

    @strawberry.mutation(
        description="Puts transactions into a category by hand; no machine changes that later. All of them, or none "
        "when one cannot be changed. Unless the scope says otherwise, the choice is remembered for the sellers."
    )
    async def recategorize(
        self,
        info: Info,
        ids: IdsArgument,
        category_id: Annotated[
            strawberry.ID, strawberry.argument(description="The category; a group cannot hold transactions.")
        ],
        scope: Annotated[
            service.Scope, strawberry.argument(description="What the choice is meant for.")
        ] = service.Scope.SELLER_FROM_NOW_ON,
    ) -> RecategorizePayload:
        from mintql.api.transactions import transaction_nodes  # noqa: PLC0415 - the two types name each other

        context = info.context
        chosen = decode_category_id(category_id)
        wanted = _decode(ids)
        await context.bring_back_of(wanted)
        async with context.person() as conn:
            rows, effects = await service.recategorize(conn, context.user_id, wanted, chosen, scope, context.now())
            nodes = await transaction_nodes(context, conn, rows)
        await context.runtime.perform(effects)
        return RecategorizeSuccess(transactions=nodes)

    @strawberry.mutation(
        description="Takes choices by hand back: each transaction is again what it was before the viewer chose, and "
        "what the choices had remembered of sellers goes as well. Transactions nobody chose for stay as they are."
    )
    async def undo_recategorize(self, info: Info, ids: IdsArgument) -> RecategorizePayload:
        from mintql.api.transactions import transaction_nodes  # noqa: PLC0415 - the two types name each other

        context = info.context
        wanted = _decode(ids)
        await context.bring_back_of(wanted)
        async with context.person() as conn:
            rows, effects = await service.undo(conn, context.user_id, wanted, context.now())
            nodes = await transaction_nodes(context, conn, rows)
        await context.runtime.perform(effects)
        return RecategorizeSuccess(transactions=nodes)

    @strawberry.mutation(
        description="Forgets what the viewer chose for a seller. Its transactions stay as they are; later ones are "
        "categorized as for everybody."
    )
    async def forget_seller(
        self,
        info: Info,
        merchant_key: Annotated[str, strawberry.argument(description="The seller, as `sellerMemories` names it.")],
    ) -> ForgetSellerPayload:
        context = info.context
        async with context.person() as conn:
            effects = await service.forget_seller(conn, context.user_id, merchant_key)
        await context.runtime.perform(effects)
        return ForgetSellerSuccess(merchant_key=merchant_key)


def _decode(ids: list[strawberry.ID]) -> list[TransactionId]:
    return [TransactionId(decode_id("Transaction", text, field="ids")) for text in ids]
