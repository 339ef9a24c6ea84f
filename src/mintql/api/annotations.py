"""What a person writes onto transactions: notes, tags, and splits into several categories."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import strawberry

from mintql.api.categories import decode_category_id
from mintql.api.context import Info
from mintql.api.errors import InvalidInputError, NotFoundError, NotSignedInError
from mintql.api.money import MoneyInput
from mintql.api.nodes import decode_id
from mintql.api.transactions import Transaction, transaction_nodes
from mintql.domain.errors import InvalidInput
from mintql.domain.ids import TransactionId
from mintql.services import annotations as service

OneArgument = Annotated[
    strawberry.ID,
    strawberry.argument(
        description="The transaction. The id of a pending one that was posted since stands for the posted one."
    ),
]


@strawberry.type(description="A tag that the viewer uses.")
class Tag:
    """A tag with its use."""

    name: str = strawberry.field(description="The tag as the viewer spells it; its case makes no difference.")
    transaction_count: int = strawberry.field(description="How many transactions carry it.")


@strawberry.input(description="A part of a split.")
class TransactionPartInput:
    """A part as sent."""

    category_id: strawberry.ID = strawberry.field(
        description="The category of the part; a group cannot hold transactions."
    )
    amount: MoneyInput = strawberry.field(
        description="So much of the transaction's amount: in its currency and of its sign, negative for a purchase."
    )
    note: str | None = strawberry.field(
        default=None, description=f"What the part is, up to {service.PART_NOTE_LENGTH_MAX} characters."
    )

    def wish(self, place: int) -> service.PartWish:
        """Return the part for the service; `place` is its number among the parts, for the failure to name."""
        try:
            category_id = decode_category_id(self.category_id)
        except InvalidInput as failure:
            raise InvalidInput(f"The part at place {place}: {failure.message}", field="parts") from None
        return service.PartWish(category_id, self.amount.amount, self.amount.currency, self.note)


@strawberry.type(description="Note and tags are written.")
class AnnotateTransactionSuccess:
    """What `annotateTransaction` gives when it worked."""

    transaction: Transaction = strawberry.field(description="The transaction as it is now.")


@strawberry.type(description="The transaction is split as asked for.")
class SplitTransactionSuccess:
    """What `splitTransaction` gives when it worked."""

    transaction: Transaction = strawberry.field(description="The transaction as it is now.")


@strawberry.type(description="The tags are added and removed.")
class TagTransactionsSuccess:
    """What `tagTransactions` gives when it worked."""

    transactions: list[Transaction] = strawberry.field(
        description="The transactions in the order they were named, each once, as they are now."
    )


AnnotateTransactionPayload: TypeAlias = Annotated[
    AnnotateTransactionSuccess | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("AnnotateTransactionPayload", description="What became of `annotateTransaction`."),
]
SplitTransactionPayload: TypeAlias = Annotated[
    SplitTransactionSuccess | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("SplitTransactionPayload", description="What became of `splitTransaction`."),
]
TagTransactionsPayload: TypeAlias = Annotated[
    TagTransactionsSuccess | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("TagTransactionsPayload", description="What became of `tagTransactions`."),
]


@strawberry.type
class AnnotationsQuery:
    """Reads of what a person wrote."""

    @strawberry.field(
        description=f"The tags on the viewer's transactions, the most used first, {service.TAGS_LISTED_MAX:,} at most."
    )
    async def tags(self, info: Info) -> list[Tag]:
        context = info.context
        if context.share is not None and not context.share.extent.is_whole:
            # What is noted of a whole archived month is also of accounts that are not shared.
            await context.bring_back(account_ids=context.share.extent.account_ids)
        async with context.person() as conn:
            found = await service.list_tags(conn, context.user_id)
        return [Tag(name=name, transaction_count=count) for name, count in found]


@strawberry.type
class AnnotationsMutation:
    """Changes of what a person wrote."""

    @strawberry.mutation(
        description="Writes the viewer's note and tags onto a transaction. What is left out stays as it is; null "
        "removes it."
    )
    async def annotate_transaction(
        self,
        info: Info,
        id: OneArgument,
        note: Annotated[
            str | None,
            strawberry.argument(
                description=f"The note, up to {service.NOTE_LENGTH_MAX:,} characters, in place of the one there is."
            ),
        ] = strawberry.UNSET,
        tags: Annotated[
            list[str] | None,
            strawberry.argument(
                description=f"The tags, in place of those there are: up to {service.TAGS_MAX} of up to "
                f"{service.TAG_LENGTH_MAX} characters. Their case makes no difference."
            ),
        ] = strawberry.UNSET,
    ) -> AnnotateTransactionPayload:
        context = info.context
        user_id = context.user_id
        wanted = TransactionId(decode_id("Transaction", id))
        wish = service.Annotation(
            changes_note=note is not strawberry.UNSET,
            note=note or None,
            changes_tags=tags is not strawberry.UNSET,
            tags=tags or None,
        )
        await context.bring_back_of([wanted])
        async with context.person() as conn:
            row, effects = await service.annotate(conn, user_id, wanted, wish, context.now())
            (node,) = await transaction_nodes(context, conn, [row])
        await context.runtime.perform(effects)
        return AnnotateTransactionSuccess(transaction=node)

    @strawberry.mutation(
        description="Splits a transaction into parts with categories of their own, in place of a split there is. Its "
        "own category keeps the rest, so that sums stay right when a tip or a correction changes the amount later."
    )
    async def split_transaction(
        self,
        info: Info,
        id: OneArgument,
        parts: Annotated[
            list[TransactionPartInput],
            strawberry.argument(
                description=f"The parts, up to {service.PARTS_MAX}, together no more than the amount; none undo a "
                "split."
            ),
        ],
    ) -> SplitTransactionPayload:
        context = info.context
        user_id = context.user_id
        wanted = TransactionId(decode_id("Transaction", id))
        wishes = [part.wish(place) for place, part in enumerate(parts, start=1)]
        await context.bring_back_of([wanted])
        async with context.person() as conn:
            row, effects = await service.split(conn, user_id, wanted, wishes, context.now())
            (node,) = await transaction_nodes(context, conn, [row])
        await context.runtime.perform(effects)
        return SplitTransactionSuccess(transaction=node)

    @strawberry.mutation(
        description="Adds tags to transactions and removes others: on all of them, or on none when one cannot have "
        "them."
    )
    async def tag_transactions(
        self,
        info: Info,
        ids: Annotated[
            list[strawberry.ID],
            strawberry.argument(
                description=f"The transactions, up to {service.TAGGED_MAX}. The id of a pending one that was posted "
                "since stands for the posted one."
            ),
        ],
        add: Annotated[
            list[str] | None,
            strawberry.argument(
                description=f"Tags to add, of up to {service.TAG_LENGTH_MAX} characters; a transaction has "
                f"{service.TAGS_MAX} at most. One that the viewer uses already is spelled as before."
            ),
        ] = None,
        remove: Annotated[
            list[str] | None, strawberry.argument(description="Tags to remove where they are, whatever their case.")
        ] = None,
    ) -> TagTransactionsPayload:
        context = info.context
        user_id = context.user_id
        wanted = [TransactionId(decode_id("Transaction", text, field="ids")) for text in ids]
        await context.bring_back_of(wanted)
        async with context.person() as conn:
            rows, effects = await service.tag(
                conn, user_id, wanted, add=add or (), remove=remove or (), now=context.now()
            )
            nodes = await transaction_nodes(context, conn, rows)
        await context.runtime.perform(effects)
        return TagTransactionsSuccess(transactions=nodes)
