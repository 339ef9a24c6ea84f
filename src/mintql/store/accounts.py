"""Rows of `accounts`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from mintql.domain.ids import AccountId, ConnectionId, UserId
from mintql.domain.institutions import AccountKind
from mintql.store.queries import Conn, column, load

SQL = load("accounts")

_KINDS: Final = {kind.value: kind for kind in AccountKind}


class AccountRow(asyncpg.Record):
    """An account, as the database sends it. Balances are signed: what is owed is negative; None where none was told.

    `error_code` is set while the account alone cannot be fetched.
    """

    __slots__ = ()

    account_id: AccountId = column("account_id")
    connection_id: ConnectionId = column("connection_id")
    name: str = column("name")
    mask: str = column("mask")
    currency: str = column("currency")
    balance_minor: int | None = column("balance_minor")
    available_minor: int | None = column("available_minor")
    balance_at: datetime | None = column("balance_at")
    created_at: datetime = column("created_at")
    missing_since: datetime | None = column("missing_since")
    error_code: str | None = column("error_code")
    error_message: str | None = column("error_message")
    error_action: str | None = column("error_action")
    failing_since: datetime | None = column("failing_since")

    @property
    def kind(self) -> AccountKind:
        """What sort of account it is."""
        return _KINDS[self["kind"]]


async def list_by_user(conn: Conn, user_id: UserId) -> list[AccountRow]:
    """Return the accounts whose connection has not been ended, oldest first."""
    return await conn.fetch(SQL.list_by_user, user_id, record_class=AccountRow)


async def list_by_ids(conn: Conn, user_id: UserId, account_ids: Sequence[AccountId]) -> list[AccountRow]:
    """Return those of the accounts that are this person's, in no order."""
    return await conn.fetch(SQL.list_by_ids, user_id, account_ids, record_class=AccountRow)


async def list_by_connections(conn: Conn, user_id: UserId, connection_ids: Sequence[ConnectionId]) -> list[AccountRow]:
    """Return the accounts of these connections, oldest first."""
    return await conn.fetch(SQL.list_by_connections, user_id, connection_ids, record_class=AccountRow)
