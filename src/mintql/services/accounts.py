"""Accounts of a person."""

from __future__ import annotations

from collections.abc import Sequence

from mintql.domain.ids import AccountId, ConnectionId, UserId
from mintql.store import accounts as store
from mintql.store.accounts import AccountRow
from mintql.store.queries import Conn

__all__ = ["AccountRow", "get_accounts", "list_accounts", "list_accounts_of"]


async def list_accounts(conn: Conn, user_id: UserId) -> list[AccountRow]:
    """Return the accounts whose connection has not been ended, oldest first."""
    return await store.list_by_user(conn, user_id)


async def get_accounts(conn: Conn, user_id: UserId, account_ids: Sequence[AccountId]) -> dict[AccountId, AccountRow]:
    """Return by id those of the accounts that are this person's, of ended connections too."""
    return {row.account_id: row for row in await store.list_by_ids(conn, user_id, account_ids)}


async def list_accounts_of(
    conn: Conn, user_id: UserId, connection_ids: Sequence[ConnectionId]
) -> dict[ConnectionId, list[AccountRow]]:
    """Return the accounts of each of these connections that has any, oldest first."""
    found: dict[ConnectionId, list[AccountRow]] = {}
    for row in await store.list_by_connections(conn, user_id, connection_ids):
        found.setdefault(row.connection_id, []).append(row)
    return found
