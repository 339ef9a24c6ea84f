"""Letting somebody see or manage chosen accounts and budgets, and ending that at once.

Whoever is invited shows a token that only they were given, signed in with the address the invitation names. A
member's request reads the owner's rows: every transaction of theirs begins by entering the share, so that one that
was revoked opens nothing from the next transaction on.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from mintql.domain.budget_checks import check_budget_category
from mintql.domain.errors import InvalidInput, NotFound, NotShared
from mintql.domain.household import (
    ACCOUNTS_NAMED_MAX,
    BUDGETS_NAMED_MAX,
    INVITATION_DAYS,
    SHARES_LISTED_MAX,
    SHARES_MAX,
    Entered,
    Extent,
    Membership,
    Share,
    ShareRole,
    ShareState,
)
from mintql.domain.ids import AccountId, CategoryId, ShareId, TransactionId, UserId
from mintql.domain.wording import shown
from mintql.services import audit
from mintql.services.accounts import get_accounts
from mintql.services.effects import Effects
from mintql.services.identity import TOKEN_BYTES, TOKEN_LENGTH_MAX, check_email, get_user, hash_token
from mintql.services.personal_categories import tree_of
from mintql.store import household as store
from mintql.store.household import Invitation
from mintql.store.locks import lock_users
from mintql.store.queries import Conn

SUBJECTS_NOTED_MAX = 10
"""How many of the transactions that a member changes at once are named in the audit log."""
RefusedByFence = store.RefusedByFence
NO_LONGER_SHARED = "This is not shared with you, or no longer."


async def invite(conn: Conn, user_id: UserId, email: str, extent: Extent, now: datetime) -> tuple[Share, str]:
    """Offer a share to whoever signs in with an address; return it and the token to hand on, which is told once.

    Raises:
        InvalidInput: The address is none or one's own, an account or a budget cannot be shared, or too many stand.
    """
    await lock_users(conn, [user_id])
    address = check_email(email)
    if address.lower() == (await get_user(conn, user_id)).email.lower():
        raise InvalidInput("This is your own address; invite somebody else.", field="email")
    await _check_extent(conn, user_id, extent)
    if await store.count_open(conn, user_id, now) >= SHARES_MAX:
        raise InvalidInput(f"You share with {SHARES_MAX} already, which is as many as there can be; end one first.")
    token = secrets.token_urlsafe(TOKEN_BYTES)
    expires_at = now + timedelta(days=INVITATION_DAYS)
    share_id = await store.insert(conn, user_id, address, extent, hash_token(token), now, expires_at)
    await audit.record(conn, user_id, "household_invited", now, {"email": address, "role": extent.role.value})
    return await _get(conn, user_id, share_id), token


async def change(
    conn: Conn, user_id: UserId, share_id: ShareId, extent: Extent, now: datetime
) -> tuple[Share, Effects]:
    """Change what is shared, or as what; it holds from the member's next request on.

    Raises:
        NotFound: There is no such share.
        InvalidInput: It is over, or an account or a budget cannot be shared.
    """
    await lock_users(conn, [user_id])
    share = await _get(conn, user_id, share_id)
    if share.state not in (ShareState.INVITED, ShareState.ACCEPTED):
        raise InvalidInput("This share is over; invite them again.", field="id")
    await _check_extent(conn, user_id, extent)
    await store.change(conn, user_id, share_id, extent)
    await audit.record(conn, user_id, "household_changed", now, {"email": share.email, "role": extent.role.value})
    return await _get(conn, user_id, share_id), Effects(told={user_id})


async def revoke(conn: Conn, user_id: UserId, share_id: ShareId, now: datetime) -> tuple[Share, Effects]:
    """End a share, or take its invitation back; ending one that is over does nothing.

    The effect wakes the member's streams, which find the share gone and end.

    Raises:
        NotFound: There is no such share.
    """
    await lock_users(conn, [user_id])
    share = await _get(conn, user_id, share_id)
    if await store.revoke(conn, user_id, share_id, now) is None:
        return share, Effects()
    await audit.record(conn, user_id, "household_revoked", now, {"email": share.email})
    return await _get(conn, user_id, share_id), Effects(told={user_id})


async def list_shares(conn: Conn, user_id: UserId) -> list[Share]:
    """Return what a person shares or has shared, newest first."""
    return await store.list_of_owner(conn, user_id, SHARES_LISTED_MAX)


async def member_of(conn: Conn, share: Share) -> tuple[str, str] | None:
    """Return name and address of who has accepted a share of the current person; None while nobody has."""
    return await store.member(conn, share.share_id) if share.state is ShareState.ACCEPTED else None


async def note_change(conn: Conn, entered: Entered, change: str, subjects: Sequence[str], now: datetime) -> None:
    """Write into the owner's audit log that a member changes something; the transaction is the owner's."""
    found = await store.member(conn, entered.share_id)
    detail = {"change": change, "email": "" if found is None else found[1]}
    if subjects:
        rest = f" and {len(subjects) - SUBJECTS_NOTED_MAX} more" if len(subjects) > SUBJECTS_NOTED_MAX else ""
        detail["subjects"] = " ".join(subjects[:SUBJECTS_NOTED_MAX]) + rest
    await audit.record(conn, entered.owner_id, "household_change", now, detail)


async def answer(conn: Conn, user_id: UserId, token: str, now: datetime, *, accepts: bool) -> Invitation:
    """Accept or decline an invitation as the current person.

    Raises:
        InvalidInput: The token is none, has had its time, was used, or is for somebody with another address.
    """
    unknown = InvalidInput("This invitation is not known, was used or taken back, or has run out.", field="token")
    if not token or len(token) > TOKEN_LENGTH_MAX:
        raise unknown
    found = await store.invitation(conn, hash_token(token))
    if found is None or found.expires_at <= now:
        raise unknown
    me = await get_user(conn, user_id)
    if found.owner_id == user_id:
        raise InvalidInput("This is your own invitation; hand its token on to whom you invite.", field="token")
    if me.email.lower() != found.email.lower():
        raise InvalidInput(
            f"This invitation is for somebody else's address, and you are signed in as {shown(me.email)}. "
            "Ask for one to this address, or sign in with the other.",
            field="token",
        )
    await lock_users(conn, [found.owner_id])
    if accepts and any(item.owner_id == found.owner_id for item in await store.memberships(conn)):
        raise InvalidInput("They share with you already; leave that first, or let them change it.", field="token")
    state = ShareState.ACCEPTED if accepts else ShareState.DECLINED
    if not await store.answer(conn, found, hash_token(token), state, now):
        raise unknown
    await audit.record(conn, user_id, "household_joined" if accepts else "household_declined", now)
    return found


async def memberships(conn: Conn) -> list[Membership]:
    """Return what others share with the current person."""
    return await store.memberships(conn)


async def leave(conn: Conn, user_id: UserId, share_id: ShareId, now: datetime) -> Effects:
    """End a share as its member.

    Raises:
        NotFound: No such share stands.
    """
    owner_id = await store.leave(conn, share_id, now)
    if owner_id is None:
        raise NotFound(NO_LONGER_SHARED, field="id")
    await audit.record(conn, user_id, "household_left", now)
    return Effects(told={owner_id})


async def enter(conn: Conn, share_id: ShareId, *, fenced: bool) -> Entered:
    """Go over to a share's rows for the rest of the transaction, which belongs to its member until now.

    `fenced`: see only what is shared, and write nothing. Without it, the caller has made sure of that itself.

    Raises:
        NotShared: The share does not stand.
    """
    entered = await store.enter(conn, share_id)
    if entered is None:
        raise NotShared(NO_LONGER_SHARED)
    if fenced:
        await store.fence(conn)
    return entered


async def check_visible(conn: Conn, entered: Entered, transaction_ids: Sequence[TransactionId], field: str) -> None:
    """Make sure, in a fenced transaction, that all of these are shared; raise `NotFound` when one is not."""
    wanted = set(transaction_ids)
    if wanted and await store.count_visible(conn, entered.owner_id, wanted) != len(wanted):
        raise NotFound("There is no such transaction, or it is not shared with you.", field=field)


async def _get(conn: Conn, user_id: UserId, share_id: ShareId) -> Share:
    share = await store.get(conn, user_id, share_id)
    if share is None:
        raise NotFound("There is no such share.", field="id")
    return share


async def _check_extent(conn: Conn, user_id: UserId, extent: Extent) -> None:
    accounts, budgets = extent.account_ids, extent.budget_ids
    if accounts is not None and budgets is not None and not accounts and not budgets:
        raise InvalidInput("Choose at least one account or budget to share.", field="accountIds")
    if accounts is not None:
        await _check_accounts(conn, user_id, accounts)
    if budgets is not None:
        await _check_budgets(conn, user_id, budgets)


async def _check_accounts(conn: Conn, user_id: UserId, account_ids: Sequence[AccountId]) -> None:
    if len(account_ids) > ACCOUNTS_NAMED_MAX:
        raise InvalidInput(
            f"Name up to {ACCOUNTS_NAMED_MAX} accounts, not {len(account_ids)}, or leave them out for all.",
            field="accountIds",
        )
    known = await get_accounts(conn, user_id, list(account_ids))
    if any(account_id not in known for account_id in account_ids):
        raise NotFound("One of these is no account of yours.", field="accountIds")


async def _check_budgets(conn: Conn, user_id: UserId, category_ids: Sequence[CategoryId]) -> None:
    if len(category_ids) > BUDGETS_NAMED_MAX:
        raise InvalidInput(
            f"Name up to {BUDGETS_NAMED_MAX} budgets, not {len(category_ids)}, or leave them out for all.",
            field="budgetIds",
        )
    tree = await tree_of(conn, user_id)
    for category_id in category_ids:
        check_budget_category(tree, category_id, field="budgetIds")


def may_manage(entered: Entered) -> bool:
    """Tell whether a member may change what is shared."""
    return entered.extent.role is ShareRole.MANAGER
