"""Transfers between the viewer's own accounts: what is paired, what may be, and the viewer's word on it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypeAlias

import strawberry

from mintql.api.context import Context, Info
from mintql.api.errors import InvalidInputError, NotFoundError, NotSignedInError
from mintql.api.nodes import Node, decode_id, encode_id, register_node
from mintql.api.paging import (
    NUMBER_MAX,
    AfterArgument,
    Connection,
    FirstArgument,
    build_connection,
    decode_number,
    encode_number,
    page_request,
)
from mintql.domain.ids import TransactionId, TransferId
from mintql.domain.transfers import TransferState
from mintql.services import transfers as service
from mintql.store import transfers as store
from mintql.store.transfers import TransferRow

if TYPE_CHECKING:
    from mintql.api.transactions import Transaction

CURSOR_KIND = "transfer"

strawberry.enum(
    TransferState,
    description="What holds of a transfer. APPLIED: both transactions are in a category of transfers, and count as "
    "neither spending nor income, but for what is paid for a loan. SUGGESTED: they count as they did, and it is for "
    "the viewer to say. DISMISSED, UNDONE: the viewer said that they are none.",
)


async def _transaction(info: Info, transaction_id: TransactionId) -> Transaction | None:
    from mintql.api.transactions import load_transactions  # noqa: PLC0415 - the two types name each other

    return await info.context.loader(load_transactions).load(transaction_id)


@strawberry.type(description="Money that left one of the viewer's accounts and reached another.")
class Transfer(Node):
    """A transfer as shown; make it with `transfer_node`."""

    row: strawberry.Private[TransferRow]
    state: TransferState = strawberry.field(description="What holds of it.")
    created_at: datetime = strawberry.field(description="When it was found or made.")
    decided_at: datetime | None = strawberry.field(
        description="When the viewer made, confirmed, dismissed or undid it; null while it is the machine's word alone."
    )

    @strawberry.field(description="The transaction by which the money left; null when it is gone since.")
    async def money_out(self, info: Info) -> Annotated[Transaction, strawberry.lazy("mintql.api.transactions")] | None:
        return await _transaction(info, self.row.out_id)

    @strawberry.field(description="The transaction by which the money arrived; null when it is gone since.")
    async def money_in(self, info: Info) -> Annotated[Transaction, strawberry.lazy("mintql.api.transactions")] | None:
        return await _transaction(info, self.row.in_id)


@strawberry.type(description="A transfer, seen from one of its two transactions.")
class TransactionTransfer:
    """A side as shown."""

    other_id: strawberry.Private[TransactionId]
    state: TransferState = strawberry.field(description="APPLIED or SUGGESTED.")
    transfer: Transfer = strawberry.field(description="The transfer, to be confirmed, dismissed or undone by its id.")

    @strawberry.field(description="The other transaction; null when it is gone since.")
    async def other(self, info: Info) -> Annotated[Transaction, strawberry.lazy("mintql.api.transactions")] | None:
        return await _transaction(info, self.other_id)


def transfer_node(row: TransferRow) -> Transfer:
    """Return a transfer as GraphQL shows it."""
    return Transfer(
        id=encode_id("Transfer", row.transfer_id),
        row=row,
        state=row.state,
        created_at=row.created_at,
        decided_at=row.decided_at,
    )


async def load_transfers(context: Context, numbers: list[int]) -> list[Transfer | None]:
    """Return the viewer's transfers in the order of the ids, None for ids that are not theirs."""
    wanted = [TransferId(number) for number in numbers]
    async with context.person() as conn:
        rows = await context.runtime.archive.find_anywhere(conn, context.user_id, wanted, store.by_ids)
    return [transfer_node(rows[asked]) if asked in rows else None for asked in wanted]


register_node("Transfer", load_transfers)


async def load_transfers_of(context: Context, ids: list[TransactionId]) -> list[TransactionTransfer | None]:
    """Return what is applied or suggested of each of these transactions."""
    async with context.person() as conn:
        rows = await context.find(conn, ids, store.of_transactions)
    return [
        TransactionTransfer(
            other_id=rows[asked].other(asked), state=rows[asked].state, transfer=transfer_node(rows[asked])
        )
        if asked in rows
        else None
        for asked in ids
    ]


async def _bring_back(context: Context, transfer_id: TransferId) -> None:
    """Have a transfer in the database, before it is changed."""
    async with context.person() as conn:
        there = await store.by_ids(conn, context.user_id, [transfer_id])
    if not there:
        await context.bring_back()


@strawberry.type(description="The viewer's word was kept.")
class TransferSuccess:
    """What confirming, dismissing, undoing and pairing give when they worked."""

    transfer: Transfer = strawberry.field(description="The transfer as it is now.")


TransferPayload: TypeAlias = Annotated[
    TransferSuccess | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union(
        "TransferPayload",
        description="What became of `confirmTransfer`, `dismissTransfer`, `undoTransfer` or `pairTransfers`.",
    ),
]
TransferArgument = Annotated[strawberry.ID, strawberry.argument(description="The transfer.")]


@strawberry.type
class TransfersQuery:
    """Reads of transfers."""

    @strawberry.field(
        description="Transactions that may be transfers between two of the viewer's accounts, for the viewer to say: "
        "opposite amounts within days, of which neither side says clearly what it is. Newest first; decided ones are "
        "not among them."
    )
    async def transfer_suggestions(
        self, info: Info, first: FirstArgument = None, after: AfterArgument = None
    ) -> Connection[Transfer]:
        request = page_request(lambda text, field: decode_number(CURSOR_KIND, text, field), first=first, after=after)
        before = TransferId(NUMBER_MAX if request.after is None else request.after)
        async with info.context.person() as conn:
            rows = await store.suggested(conn, info.context.user_id, before, request.limit)
        return build_connection(rows, request, transfer_node, lambda row: encode_number(CURSOR_KIND, row.transfer_id))


@strawberry.type
class TransfersMutation:
    """The viewer's word on transfers."""

    @strawberry.mutation(description="Says that a suggestion is right: both transactions become a transfer.")
    async def confirm_transfer(self, info: Info, id: TransferArgument) -> TransferPayload:
        transfer_id = _decode(id)
        await _bring_back(info.context, transfer_id)
        await info.context.carry_out(service.confirm, transfer_id)
        return await _success(info.context, transfer_id)

    @strawberry.mutation(description="Says that a suggestion is wrong: it is not made again.")
    async def dismiss_transfer(self, info: Info, id: TransferArgument) -> TransferPayload:
        transfer_id = _decode(id)
        await _bring_back(info.context, transfer_id)
        await info.context.carry_out(service.dismiss, transfer_id)
        return await _success(info.context, transfer_id)

    @strawberry.mutation(
        description="Undoes a transfer: both transactions get back the categories they had, unless they were given "
        "others since, and no machine pairs the two again."
    )
    async def undo_transfer(self, info: Info, id: TransferArgument) -> TransferPayload:
        transfer_id = _decode(id)
        await _bring_back(info.context, transfer_id)
        await info.context.carry_out(service.undo, transfer_id)
        return await _success(info.context, transfer_id)

    @strawberry.mutation(
        description="Makes two transactions a transfer, however far apart their days are: on two accounts, of exactly "
        "opposite amounts in one currency. A side that the viewer put into a category of transfers keeps it."
    )
    async def pair_transfers(
        self,
        info: Info,
        out_id: Annotated[strawberry.ID, strawberry.argument(description="The transaction by which the money left.")],
        in_id: Annotated[strawberry.ID, strawberry.argument(description="The transaction by which it arrived.")],
    ) -> TransferPayload:
        context = info.context
        ids = (
            TransactionId(decode_id("Transaction", out_id, field="outId")),
            TransactionId(decode_id("Transaction", in_id, field="inId")),
        )
        await context.bring_back_of(ids)
        async with context.person() as conn:
            transfer_id, effects = await service.pair_by_hand(conn, context.user_id, *ids, context.now())
        await context.runtime.perform(effects)
        return await _success(context, transfer_id)


def _decode(text: str) -> TransferId:
    return TransferId(decode_id("Transfer", text))


async def _success(context: Context, transfer_id: TransferId) -> TransferSuccess:
    context.forget()
    transfer = (await load_transfers(context, [transfer_id]))[0]
    if transfer is None:
        raise LookupError(f"transfer {transfer_id} is gone")
    return TransferSuccess(transfer=transfer)
