"""Sharing chosen accounts and budgets with somebody, and what others share with the viewer."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypeAlias

import strawberry

from mintql.api.categories import Category, category_node, decode_category_id
from mintql.api.context import Context, Info
from mintql.api.errors import InvalidInputError, NotFoundError, NotSignedInError
from mintql.api.nodes import decode_id, encode_id
from mintql.domain.budgets import EVERYTHING_ID
from mintql.domain.household import (
    ACCOUNTS_NAMED_MAX,
    BUDGETS_NAMED_MAX,
    INVITATION_DAYS,
    SHARES_LISTED_MAX,
    SHARES_MAX,
    Extent,
    Membership,
    Share,
    ShareRole,
    ShareState,
)
from mintql.domain.ids import AccountId, CategoryId, ShareId
from mintql.services import household as service

if TYPE_CHECKING:
    from mintql.api.accounts import Account

strawberry.enum(
    ShareRole,
    name="HouseholdRole",
    description="What a member may do. VIEWER: look. MANAGER: also note, tag, split, categorize and adjust "
    "transactions, and set the limits of budgets.",
)
strawberry.enum(ShareState, name="HouseholdShareState", description="How far a share is.")


@strawberry.type(description="Something the viewer shares with somebody, or has shared.")
class HouseholdShare:
    """A share as its owner sees it."""

    share: strawberry.Private[Share]
    id: strawberry.ID = strawberry.field(description="Names the share.")
    email: str = strawberry.field(description="The address that was invited.")
    role: ShareRole = strawberry.field(description="What the member may do.")
    state: ShareState = strawberry.field(description="How far it is.")
    all_accounts: bool = strawberry.field(description="Whether all accounts are shared, later ones too.")
    all_budgets: bool = strawberry.field(description="Whether all budgets are shared, later ones too.")
    everything_budget: bool = strawberry.field(description="Whether the budget on everything is one of those chosen.")
    created_at: datetime = strawberry.field(description="When it was offered.")
    expires_at: datetime = strawberry.field(description="Until when the invitation can be accepted.")
    accepted_at: datetime | None = strawberry.field(description="When it was accepted.")
    ended_at: datetime | None = strawberry.field(description="When it was declined, revoked or left.")

    @strawberry.field(description="The accounts chosen; empty where all are shared.")
    async def accounts(self, info: Info) -> list[Annotated[Account, strawberry.lazy("mintql.api.accounts")]]:
        from mintql.api.accounts import load_accounts  # noqa: PLC0415 - the two types name each other

        found = await info.context.loader(load_accounts).load_many(list(self.share.extent.account_ids or ()))
        return [account for account in found if account is not None]

    @strawberry.field(description="What the budgets chosen are for; empty where all are shared.")
    async def budgets(self, info: Info) -> list[Category]:
        wanted = [one for one in self.share.extent.budget_ids or () if one != EVERYTHING_ID]
        async with info.context.person() as conn:
            tree = await info.context.category_tree(conn, wanted)
        return [category_node(tree, category_id) for category_id in wanted if category_id in tree.by_id]

    @strawberry.field(description="What the member is called; null while nobody has accepted.")
    async def member_name(self, info: Info) -> str | None:
        async with info.context.person() as conn:
            found = await service.member_of(conn, self.share)
        return None if found is None else found[0]


@strawberry.type(description="What somebody shares with the viewer.")
class HouseholdMembership:
    """A share as its member sees it."""

    id: strawberry.ID = strawberry.field(
        description="Names the share. Sent as the header X-Mintql-Share, or as `share` in the payload of "
        "connection_init, it lets a request speak of what is shared."
    )
    owner_name: str = strawberry.field(description="Who shares.")
    owner_email: str = strawberry.field(description="Their e-mail address.")
    role: ShareRole = strawberry.field(description="What the viewer may do.")
    all_accounts: bool = strawberry.field(description="Whether all accounts are shared.")
    all_budgets: bool = strawberry.field(description="Whether all budgets are shared.")
    since: datetime = strawberry.field(description="Since when.")


@strawberry.input(description="What is shared. What is left out is not shared.")
class HouseholdExtentInput:
    """The extent as sent."""

    role: ShareRole = strawberry.field(description="What the member may do.")
    all_accounts: bool = strawberry.field(default=False, description="All accounts, later ones too.")
    account_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list, description=f"Or these accounts, up to {ACCOUNTS_NAMED_MAX}."
    )
    all_budgets: bool = strawberry.field(default=False, description="All budgets, later ones too.")
    budget_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list,
        description=f"Or the budgets of these categories and groups, up to {BUDGETS_NAMED_MAX}.",
    )
    everything_budget: bool = strawberry.field(default=False, description="And the budget on everything.")

    def extent(self) -> Extent:
        """Return what is meant; raise `InvalidInput` for an id that is none."""
        return Extent(
            role=self.role,
            account_ids=None
            if self.all_accounts
            else tuple(AccountId(decode_id("Account", text, field="accountIds")) for text in self.account_ids),
            budget_ids=None if self.all_budgets else self._budgets(),
        )

    def _budgets(self) -> tuple[CategoryId, ...]:
        named = tuple(decode_category_id(text, field="budgetIds") for text in self.budget_ids)
        return (*named, EVERYTHING_ID) if self.everything_budget else named


@strawberry.type(description="The share is offered.")
class InviteSuccess:
    """What `inviteToHousehold` gives when it worked."""

    share: HouseholdShare = strawberry.field(description="The share, which waits to be accepted.")
    token: str = strawberry.field(
        description="What the one invited accepts with, signed in with that address. Told only now: hand it on."
    )


@strawberry.type(description="The share is as asked.")
class HouseholdShareSuccess:
    """What changing and revoking give when they worked."""

    share: HouseholdShare = strawberry.field(description="The share as it is now.")


@strawberry.type(description="The viewer's answer is taken.")
class HouseholdAnswerSuccess:
    """What answering an invitation, and leaving, give when they worked."""

    memberships: list[HouseholdMembership] = strawberry.field(description="What is shared with the viewer now.")


InvitePayload: TypeAlias = Annotated[
    InviteSuccess | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("InviteToHouseholdPayload", description="What became of `inviteToHousehold`."),
]
SharePayload: TypeAlias = Annotated[
    HouseholdShareSuccess | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("HouseholdSharePayload", description="What became of a change of a share."),
]
AnswerPayload: TypeAlias = Annotated[
    HouseholdAnswerSuccess | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("HouseholdAnswerPayload", description="What became of an answer to an invitation."),
]

ShareArgument = Annotated[strawberry.ID, strawberry.argument(description="The share.")]
TokenArgument = Annotated[str, strawberry.argument(description="The invitation's token.")]
ExtentArgument = Annotated[HouseholdExtentInput, strawberry.argument(description="What is shared, and as what.")]


@strawberry.type
class HouseholdQuery:
    """Reads of shares."""

    @strawberry.field(description=f"What the viewer shares or has shared, newest first, {SHARES_LISTED_MAX} at most.")
    async def household_shares(self, info: Info) -> list[HouseholdShare]:
        async with info.context.person() as conn:
            return [share_node(share) for share in await service.list_shares(conn, info.context.user_id)]

    @strawberry.field(description="What others share with the viewer, the longest standing first.")
    async def household_memberships(self, info: Info) -> list[HouseholdMembership]:
        return await _memberships(info.context)


@strawberry.type
class HouseholdMutation:
    """Changes of shares."""

    @strawberry.mutation(
        description=f"Offers somebody to see or manage accounts and budgets. The invitation holds for "
        f"{INVITATION_DAYS} days and once; up to {SHARES_MAX} shares stand or wait at a time."
    )
    async def invite_to_household(
        self,
        info: Info,
        email: Annotated[str, strawberry.argument(description="The address they sign in with.")],
        extent: ExtentArgument,
    ) -> InvitePayload:
        context = info.context
        async with context.person() as conn:
            share, token = await service.invite(conn, context.user_id, email, extent.extent(), context.now())
        return InviteSuccess(share=share_node(share), token=token)

    @strawberry.mutation(description="Changes what is shared, all of it anew; it holds from the next request on.")
    async def change_household_share(self, info: Info, id: ShareArgument, extent: ExtentArgument) -> SharePayload:
        context = info.context
        async with context.person() as conn:
            share, effects = await service.change(conn, context.user_id, _share_id(id), extent.extent(), context.now())
        await context.runtime.perform(effects)
        return HouseholdShareSuccess(share=share_node(share))

    @strawberry.mutation(
        description="Ends a share, or takes its invitation back, at once: the member's open streams end as well."
    )
    async def revoke_household_share(self, info: Info, id: ShareArgument) -> SharePayload:
        context = info.context
        async with context.person() as conn:
            share, effects = await service.revoke(conn, context.user_id, _share_id(id), context.now())
        await context.runtime.perform(effects)
        return HouseholdShareSuccess(share=share_node(share))

    @strawberry.mutation(description="Accepts an invitation to the address the viewer signs in with.")
    async def accept_household_invitation(self, info: Info, token: TokenArgument) -> AnswerPayload:
        return await _answer(info.context, token, accepts=True)

    @strawberry.mutation(description="Declines an invitation to the address the viewer signs in with.")
    async def decline_household_invitation(self, info: Info, token: TokenArgument) -> AnswerPayload:
        return await _answer(info.context, token, accepts=False)

    @strawberry.mutation(description="Leaves what somebody shares with the viewer.")
    async def leave_household(self, info: Info, id: ShareArgument) -> AnswerPayload:
        context = info.context
        async with context.person() as conn:
            effects = await service.leave(conn, context.user_id, _share_id(id), context.now())
        await context.runtime.perform(effects)
        return HouseholdAnswerSuccess(memberships=await _memberships(context))


def share_node(share: Share) -> HouseholdShare:
    """Return a share as GraphQL shows it."""
    return HouseholdShare(
        share=share,
        id=encode_id("HouseholdShare", share.share_id),
        email=share.email,
        role=share.extent.role,
        state=share.state,
        all_accounts=share.extent.account_ids is None,
        all_budgets=share.extent.budget_ids is None,
        everything_budget=EVERYTHING_ID in (share.extent.budget_ids or ()),
        created_at=share.created_at,
        expires_at=share.expires_at,
        accepted_at=share.accepted_at,
        ended_at=share.ended_at,
    )


def _membership_node(item: Membership) -> HouseholdMembership:
    return HouseholdMembership(
        id=encode_id("HouseholdShare", item.share_id),
        owner_name=item.owner_name,
        owner_email=item.owner_email,
        role=item.extent.role,
        all_accounts=item.extent.account_ids is None,
        all_budgets=item.extent.budget_ids is None,
        since=item.accepted_at,
    )


async def _memberships(context: Context) -> list[HouseholdMembership]:
    async with context.person() as conn:
        return [_membership_node(item) for item in await service.memberships(conn)]


async def _answer(context: Context, token: str, *, accepts: bool) -> HouseholdAnswerSuccess:
    async with context.person() as conn:
        await service.answer(conn, context.user_id, token, context.now(), accepts=accepts)
    return HouseholdAnswerSuccess(memberships=await _memberships(context))


def _share_id(text: str) -> ShareId:
    return ShareId(decode_id("HouseholdShare", text))
