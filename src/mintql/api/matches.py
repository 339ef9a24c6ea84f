"""Why a transaction is there: where it came from, which rows it stands for, and the person's word on that."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, TypeAlias

import strawberry

from mintql.api.accounts import Account, load_accounts
from mintql.api.context import Context, Info
from mintql.api.errors import InvalidInputError, NotFoundError, NotSignedInError
from mintql.api.imports_types import Import, load_imports
from mintql.api.money import Money, money
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
from mintql.api.raw_pages import RawPage, load_raw_pages
from mintql.api.sync import SyncRun, load_runs
from mintql.domain.ids import ImportId, TransactionId
from mintql.domain.matching import MatchKind, MatchState
from mintql.services import matches as service
from mintql.store import matches as store
from mintql.store.matches import MatchedRow as RowOfMatch
from mintql.store.matches import MatchRow, Origin

if TYPE_CHECKING:
    from mintql.api.transactions import Transaction

CURSOR_KIND = "match"

strawberry.enum(
    MatchKind,
    description="Why one row is taken to stand for another. PENDING_LINK: the institution says so. PENDING_EXACT: a "
    "pending row vanished, and a posted one of its amount came. PENDING_TIP: the same, with up to 30 % more. "
    "CHANGED_ID: the institution shows the row under a new id. SAME_PURCHASE: a file and a connection, or two files, "
    "told of one purchase.",
)
strawberry.enum(
    MatchState,
    description="What holds of a match. APPLIED: one row gave way, and counts no more. SUGGESTED: both count as they "
    "did, and it is for the viewer to say. DISMISSED, UNDONE: the viewer said that they are two.",
)


@strawberry.type(description="A row as a connection or a file told of it.")
class MatchedRow:
    """One side of a match."""

    import_id: strawberry.Private[ImportId | None]
    posted_on: date = strawberry.field(description="Its day.")
    amount: Money = strawberry.field(description="Its amount; money that left the account is negative.")
    description: str = strawberry.field(description="Its text.")
    pending: bool = strawberry.field(description="Whether it was last told of as pending.")

    @strawberry.field(description="The file it came with; null where a connection brought it.")
    async def imported_from(self, info: Info) -> Import | None:
        return None if self.import_id is None else await info.context.loader(load_imports).load(self.import_id)


def _row(row: RowOfMatch) -> MatchedRow:
    return MatchedRow(
        import_id=row.import_id,
        posted_on=row.posted_on,
        amount=money(row.amount_minor, row.currency),
        description=row.description,
        pending=row.pending,
    )


@strawberry.type(description="That one row gives way to another, so that a purchase counts once, and why.")
class TransactionMatch(Node):
    """A match as shown; make it with `match_node`."""

    row: strawberry.Private[MatchRow]
    kind: MatchKind = strawberry.field(description="Why.")
    state: MatchState = strawberry.field(description="What holds of it.")
    explanation: str = strawberry.field(description="All of it in words.")
    gives_way: MatchedRow = strawberry.field(description="The row that gives way.")
    stands: MatchedRow = strawberry.field(description="The row that stands for both.")
    created_at: datetime = strawberry.field(description="When it was found.")
    decided_at: datetime | None = strawberry.field(
        description="When the viewer confirmed, dismissed or undid it; null while it is the machine's word alone."
    )

    @strawberry.field(description="The account both rows are on.")
    async def account(self, info: Info) -> Account | None:
        return await info.context.loader(load_accounts).load(self.row.account_id)

    @strawberry.field(description="The run that found it.")
    async def run(self, info: Info) -> SyncRun | None:
        return None if self.row.run_id is None else await info.context.loader(load_runs).load(self.row.run_id)

    @strawberry.field(description="The transaction that stands, as it is now; null when it is gone since.")
    async def transaction(
        self, info: Info
    ) -> Annotated[Transaction, strawberry.lazy("mintql.api.transactions")] | None:
        from mintql.api.transactions import load_transactions  # noqa: PLC0415 - the two types name each other

        return await info.context.loader(load_transactions).load(self.row.stands.transaction_id)


def match_node(row: MatchRow) -> TransactionMatch:
    """Return a match as GraphQL shows it."""
    return TransactionMatch(
        id=encode_id("TransactionMatch", row.gives_way.transaction_id),
        row=row,
        kind=row.kind,
        state=row.state,
        explanation=service.explain(row),
        gives_way=_row(row.gives_way),
        stands=_row(row.stands),
        created_at=row.created_at,
        decided_at=row.decided_at,
    )


async def load_matches(context: Context, numbers: list[int]) -> list[TransactionMatch | None]:
    """Return the viewer's matches in the order of the ids, None for ids that are not theirs."""
    wanted = [TransactionId(number) for number in numbers]
    async with context.person() as conn:
        rows = await context.runtime.archive.find(conn, context.user_id, wanted, store.by_ids)
    return [match_node(rows[asked]) if asked in rows else None for asked in wanted]


register_node("TransactionMatch", load_matches)


async def load_matches_of(context: Context, ids: list[TransactionId]) -> list[list[TransactionMatch]]:
    """Return what was decided about each of these transactions."""
    async with context.person() as conn:
        rows = await context.find(conn, ids, store.of_transactions)
    return [[match_node(row) for row in rows.get(asked, [])] for asked in ids]


async def load_origins(context: Context, ids: list[TransactionId]) -> list[Origin | None]:
    """Return where each of these transactions came from."""
    async with context.person() as conn:
        rows = await context.runtime.archive.find(conn, context.user_id, ids, store.origins)
    return [rows.get(asked) for asked in ids]


@strawberry.type(description="Why a transaction is there: where it came from, and which other rows it stands for.")
class TransactionOrigin:
    """An origin as shown."""

    origin: strawberry.Private[Origin]
    external_id: str = strawberry.field(
        description="What its institution or file calls it; made of its content where that gives no ids."
    )
    first_seen_at: datetime = strawberry.field(description="When it was first seen here.")

    @strawberry.field(description="The raw page that had the last word on it; null when that was removed.")
    async def raw_page(self, info: Info) -> RawPage | None:
        found = self.origin.object_id
        return None if found is None else await info.context.loader(load_raw_pages).load(found)

    @strawberry.field(description="The run that brought that page.")
    async def run(self, info: Info) -> SyncRun | None:
        found = self.origin.run_id
        return None if found is None else await info.context.loader(load_runs).load(found)

    @strawberry.field(description="The file it came with; null where a connection brought it.")
    async def imported_from(self, info: Info) -> Import | None:
        found = self.origin.import_id
        return None if found is None else await info.context.loader(load_imports).load(found)

    @strawberry.field(description="Rows that gave way to it, that may, and what was decided about itself.")
    async def matches(self, info: Info) -> list[TransactionMatch]:
        return await info.context.loader(load_matches_of).load(self.origin.transaction_id)


async def transaction_origin(context: Context, transaction_id: TransactionId) -> TransactionOrigin:
    """Return where a transaction came from."""
    found = await context.loader(load_origins).load(transaction_id)
    if found is None:
        raise LookupError(f"transaction {transaction_id} is gone")
    return TransactionOrigin(origin=found, external_id=found.external_id, first_seen_at=found.created_at)


@strawberry.type(description="The viewer's word was kept.")
class MatchSuccess:
    """What confirming, dismissing and undoing give when they worked."""

    match: TransactionMatch = strawberry.field(description="The match as it is now.")


MatchPayload: TypeAlias = Annotated[
    MatchSuccess | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("MatchPayload", description="What became of `confirmMatch`, `dismissMatch` or `undoMatch`."),
]
MatchArgument = Annotated[strawberry.ID, strawberry.argument(description="The match.")]


@strawberry.type
class MatchesQuery:
    """Reads of matches."""

    @strawberry.field(
        description="Rows that may be one purchase, for the viewer to say: tips that changed an amount, and purchases "
        "at the edge of what files and connections told of. Newest first; decided ones are not among them."
    )
    async def match_suggestions(
        self, info: Info, first: FirstArgument = None, after: AfterArgument = None
    ) -> Connection[TransactionMatch]:
        request = page_request(lambda text, field: decode_number(CURSOR_KIND, text, field), first=first, after=after)
        before = TransactionId(NUMBER_MAX if request.after is None else request.after)
        async with info.context.person() as conn:
            rows = await store.suggested(conn, info.context.user_id, before, request.limit)
        return build_connection(
            rows, request, match_node, lambda row: encode_number(CURSOR_KIND, row.gives_way.transaction_id)
        )


@strawberry.type
class MatchesMutation:
    """The viewer's word on matches."""

    @strawberry.mutation(
        description="Says that a suggestion is right: the row gives way, and category, note, tags and split that the "
        "viewer set on it move along."
    )
    async def confirm_match(self, info: Info, id: MatchArgument) -> MatchPayload:
        from_id = _decode(id)
        await info.context.bring_back_of([from_id])
        await info.context.carry_out(service.confirm, from_id)
        return await _success(info.context, from_id)

    @strawberry.mutation(description="Says that a suggestion is wrong: they are two, and it is not suggested again.")
    async def dismiss_match(self, info: Info, id: MatchArgument) -> MatchPayload:
        from_id = _decode(id)
        await info.context.bring_back_of([from_id])
        await info.context.carry_out(service.dismiss, from_id)
        return await _success(info.context, from_id)

    @strawberry.mutation(
        description="Undoes a match that was applied: the row that gave way counts again, unless its institution took "
        "it back, and no machine matches it again."
    )
    async def undo_match(self, info: Info, id: MatchArgument) -> MatchPayload:
        from_id = _decode(id)
        await info.context.bring_back_of([from_id])
        await info.context.carry_out(service.undo, from_id)
        return await _success(info.context, from_id)


def _decode(text: str) -> TransactionId:
    return TransactionId(decode_id("TransactionMatch", text))


async def _success(context: Context, from_id: TransactionId) -> MatchSuccess:
    match = (await load_matches(context, [from_id]))[0]
    if match is None:
        raise LookupError(f"match of {from_id} is gone")
    return MatchSuccess(match=match)
