"""Accounts of a person."""

from __future__ import annotations

from mintql.domain.ids import UserId
from mintql.store import accounts as store
from mintql.store.accounts import AccountRow
from mintql.store.queries import Conn

__all__ = ["AccountRow", "list_accounts"]


async def list_accounts(conn: Conn, user_id: UserId) -> list[AccountRow]:
    """Return the accounts whose connection has not been ended, oldest first."""
    return await store.list_by_user(conn, user_id)
