"""Rows of `household_shares`, and the way of a member to what is shared with them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from mintql.domain.household import Entered, Extent, Membership, Share, ShareRole, ShareState
from mintql.domain.ids import CategoryId, ShareId, TransactionId, UserId
from mintql.store.queries import Conn, load

SQL = load("household")

RefusedByFence = asyncpg.InsufficientPrivilegeError
"""What reading raises where a table or a column is not for members."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation as whoever shows its token sees it."""

    owner_id: UserId
    share_id: ShareId
    email: str
    expires_at: datetime


async def list_of_owner(conn: Conn, user_id: UserId, limit: int) -> list[Share]:
    """Return what a person shares or has shared, newest first."""
    return [_share(row) for row in await conn.fetch(SQL.list_of_owner, user_id, limit)]


async def get(conn: Conn, user_id: UserId, share_id: ShareId) -> Share | None:
    """Return one share of a person, None when it is not theirs."""
    row = await conn.fetchrow(SQL.get, user_id, share_id)
    return None if row is None else _share(row)


async def count_open(conn: Conn, user_id: UserId, now: datetime) -> int:
    """Return how many shares of a person stand or wait."""
    return int(await conn.fetchval(SQL.count_open, user_id, now))


async def insert(
    conn: Conn, user_id: UserId, email: str, extent: Extent, token_hash: bytes, now: datetime, expires_at: datetime
) -> ShareId:
    """Offer a share; return its id."""
    return ShareId(await conn.fetchval(SQL.insert, user_id, email, *_columns(extent), token_hash, now, expires_at))


async def change(conn: Conn, user_id: UserId, share_id: ShareId, extent: Extent) -> None:
    """Change role and extent of a share that stands or waits."""
    await conn.execute(SQL.change, user_id, share_id, *_columns(extent))


async def revoke(conn: Conn, user_id: UserId, share_id: ShareId, now: datetime) -> ShareState | None:
    """End a share or take its invitation back; return its state before, None when it was over already."""
    before = await conn.fetchval(SQL.revoke, user_id, share_id, now)
    return None if before is None else ShareState(before)


async def member(conn: Conn, share_id: ShareId) -> tuple[str, str] | None:
    """Return name and e-mail address of who has accepted a share of the current person."""
    row = await conn.fetchrow(SQL.member, share_id)
    return None if row is None else (row["name"], row["email"])


async def invitation(conn: Conn, token_hash: bytes) -> Invitation | None:
    """Return the invitation with this token, whoever asks."""
    row = await conn.fetchrow(SQL.invitation, token_hash)
    return None if row is None else Invitation(row["user_id"], row["share_id"], row["email"], row["expires_at"])


async def answer(conn: Conn, found: Invitation, token_hash: bytes, state: ShareState, now: datetime) -> bool:
    """Accept or decline an invitation as the current person; return whether it still held."""
    share_id = await conn.fetchval(SQL.answer, found.owner_id, found.share_id, token_hash, state.value, now)
    return share_id is not None


async def memberships(conn: Conn) -> list[Membership]:
    """Return what others share with the current person, the longest standing first."""
    return [
        Membership(
            ShareId(row["share_id"]),
            UserId(row["user_id"]),
            row["owner_name"],
            row["owner_email"],
            _extent(row),
            row["accepted_at"],
        )
        for row in await conn.fetch(SQL.memberships)
    ]


async def leave(conn: Conn, share_id: ShareId, now: datetime) -> UserId | None:
    """End a share as its member; return whose it was, None when it does not stand."""
    owner_id = await conn.fetchval(SQL.leave, share_id, now)
    return None if owner_id is None else UserId(owner_id)


async def enter(conn: Conn, share_id: ShareId) -> Entered | None:
    """Go over to the rows of a share's owner for the rest of the transaction; None when it does not stand."""
    row = await conn.fetchrow(SQL.enter, share_id)
    return None if row is None else Entered(share_id, UserId(row["user_id"]), _extent(row))


async def fence(conn: Conn) -> None:
    """See only what is shared for the rest of the transaction, which has entered a share."""
    await conn.execute(SQL.fence)


async def count_visible(conn: Conn, user_id: UserId, transaction_ids: Collection[TransactionId]) -> int:
    """Return how many of these transactions are seen."""
    return int(await conn.fetchval(SQL.visible_transactions, user_id, list(transaction_ids)))


async def rename_category(conn: Conn, user_id: UserId, gone: CategoryId, stays: CategoryId | None) -> None:
    """Let shares name another category in place of one that goes, or none."""
    if stays is None:
        await conn.execute(SQL.drop_category, user_id, gone)
    else:
        await conn.execute(SQL.rename_category, user_id, gone, stays)


def _columns(extent: Extent) -> tuple[str, list[int] | None, list[int] | None]:
    accounts, budgets = extent.account_ids, extent.budget_ids
    return extent.role.value, None if accounts is None else list(accounts), None if budgets is None else list(budgets)


def _extent(row: asyncpg.Record) -> Extent:
    accounts, budgets = row["account_ids"], row["budget_category_ids"]
    return Extent(
        ShareRole(row["role"]),
        None if accounts is None else tuple(accounts),
        None if budgets is None else tuple(budgets),
    )


def _share(row: asyncpg.Record) -> Share:
    return Share(
        share_id=ShareId(row["share_id"]),
        email=row["email"],
        extent=_extent(row),
        state=ShareState(row["state"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        accepted_at=row["accepted_at"],
        ended_at=row["ended_at"],
    )
