"""Merging an account that files brought into the one that a connection reads by now."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import strawberry

from mintql.api.accounts import Account, load_accounts
from mintql.api.context import Info
from mintql.api.errors import InvalidInputError, NotFoundError, NotSignedInError
from mintql.api.nodes import decode_id
from mintql.domain.errors import NotFound
from mintql.domain.ids import AccountId
from mintql.services import account_merges as service
from mintql.services.account_merges_suggested import Suggestion, suggest
from mintql.services.imports import ImportPlace


@strawberry.type(description="Two of the viewer's accounts that seem to be one.")
class AccountMergeSuggestion:
    """See `services.account_merges_suggested.Suggestion`."""

    from_id: strawberry.Private[AccountId]
    into_id: strawberry.Private[AccountId]
    why: str = strawberry.field(description="Why that is thought, as a sentence to show.")

    @strawberry.field(name="from", description="The account that files alone bring.")
    async def from_(self, info: Info) -> Account | None:
        return await info.context.loader(load_accounts).load(self.from_id)

    @strawberry.field(description="The account that a connection reads.")
    async def into(self, info: Info) -> Account | None:
        return await info.context.loader(load_accounts).load(self.into_id)


@strawberry.type(description="The two accounts are one.")
class MergeAccountsSuccess:
    """What merging gives when it worked."""

    account: Account = strawberry.field(description="The account that all the transactions are in now.")
    moved: int = strawberry.field(description="How many transactions that counted came from the account that is gone.")
    matched: int = strawberry.field(
        description="How many of them were there already and count once now. `Transaction.matches` shows each, and "
        "`undoMatch` undoes one."
    )
    suggested: int = strawberry.field(
        description="How many may have been there: `matchSuggestions` asks the viewer, and until then they count."
    )


MergeAccountsPayload: TypeAlias = Annotated[
    MergeAccountsSuccess | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("MergeAccountsPayload", description="What became of `mergeAccounts`."),
]


def _suggestion_node(found: Suggestion) -> AccountMergeSuggestion:
    return AccountMergeSuggestion(from_id=found.from_id, into_id=found.into_id, why=found.why)


@strawberry.type
class AccountMergesQuery:
    """Reads of accounts that may be one."""

    @strawberry.field(
        description="Accounts that files brought and that a connection seems to read by now: their purchases count "
        "twice until the two are merged."
    )
    async def account_merge_suggestions(self, info: Info) -> list[AccountMergeSuggestion]:
        async with info.context.person() as conn:
            found = await suggest(conn, info.context.user_id)
        return [_suggestion_node(item) for item in found]


@strawberry.type
class AccountMergesMutation:
    """Changes of accounts that are one."""

    @strawberry.mutation(
        description="Merges an account that files alone brought into another one of the same currency. Its "
        "transactions go there with all that was set on them, each purchase counts once, and files that went into it "
        "go into the other one from now on. The merge itself is not undone; imports and matches can be."
    )
    async def merge_accounts(
        self,
        info: Info,
        from_: Annotated[
            strawberry.ID, strawberry.argument(name="from", description="The account that files brought. It goes.")
        ],
        into: Annotated[strawberry.ID, strawberry.argument(description="The account that stays.")],
    ) -> MergeAccountsPayload:
        context = info.context
        accounts = (
            AccountId(decode_id("Account", from_, field="from")),
            AccountId(decode_id("Account", into, field="into")),
        )
        await context.bring_back(account_ids=accounts)
        merged, effects = await service.merge(
            ImportPlace(context.person, context.runtime.objects), context.user_id, *accounts, context.now()
        )
        await context.runtime.perform(effects)
        account = (await load_accounts(context, [merged.account_id]))[0]
        if account is None:
            raise NotFound("The account was removed at the same moment.", field="into")
        return MergeAccountsSuccess(
            account=account, moved=merged.moved, matched=merged.matched, suggested=merged.suggested
        )
