"""What a person sets on several transactions at once: the name to show, and whether budgets count them."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import strawberry

from mintql.api.context import Info
from mintql.api.errors import InvalidInputError, NotFoundError, NotSignedInError
from mintql.api.nodes import decode_id
from mintql.api.transactions import Transaction, transaction_nodes
from mintql.domain.ids import TransactionId
from mintql.services import adjustments as service
from mintql.services.rules import DISPLAY_NAME_LENGTH_MAX


@strawberry.type(description="The transactions are as asked for.")
class AdjustTransactionsSuccess:
    """What `adjustTransactions` gives when it worked."""

    transactions: list[Transaction] = strawberry.field(
        description="The transactions in the order they were named, each once, as they are now."
    )


AdjustTransactionsPayload: TypeAlias = Annotated[
    AdjustTransactionsSuccess | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("AdjustTransactionsPayload", description="What became of `adjustTransactions`."),
]


@strawberry.type
class AdjustmentsMutation:
    """Changes of how transactions are shown and counted."""

    @strawberry.mutation(
        description="Sets the name to show on transactions, or whether budgets leave them out: on all, or on none when "
        "one cannot be changed. What is left out stays; null takes the viewer's word, or that of a rule, away."
    )
    async def adjust_transactions(
        self,
        info: Info,
        ids: Annotated[
            list[strawberry.ID],
            strawberry.argument(
                description=f"The transactions, up to {service.ADJUSTED_MAX}. The id of a pending one that was posted "
                "since stands for the posted one."
            ),
        ],
        display_name: Annotated[
            str | None,
            strawberry.argument(
                description=f"The name to show instead of the seller's, up to {DISPLAY_NAME_LENGTH_MAX} characters."
            ),
        ] = strawberry.UNSET,
        excluded_from_budgets: Annotated[
            bool | None, strawberry.argument(description="Whether budgets leave them out; sums hold them all the same.")
        ] = strawberry.UNSET,
    ) -> AdjustTransactionsPayload:
        context = info.context
        user_id = context.user_id
        wanted = [TransactionId(decode_id("Transaction", text, field="ids")) for text in ids]
        wish = service.Adjustment(
            changes_name=display_name is not strawberry.UNSET,
            display_name=display_name or None,
            changes_excluded=excluded_from_budgets is not strawberry.UNSET,
            excluded_from_budgets=None if excluded_from_budgets is strawberry.UNSET else excluded_from_budgets,
        )
        await context.bring_back_of(wanted)
        async with context.person() as conn:
            rows, effects = await service.adjust(conn, user_id, wanted, wish, context.now())
            nodes = await transaction_nodes(context, conn, rows)
        await context.runtime.perform(effects)
        return AdjustTransactionsSuccess(transactions=nodes)
