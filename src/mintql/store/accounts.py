"""Rows of `accounts`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from mintql.domain.ids import AccountId, ConnectionId, UserId
from mintql.domain.institutions import AccountKind
from mintql.store.queries import Conn, load

SQL = load("accounts")


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account as stored. Balances are signed: what is owed is negative; None where none was told.

    `error_code` is set while the account alone cannot be fetched.
    """

    account_id: AccountId
    connection_id: ConnectionId
    name: str
    kind: AccountKind
    mask: str
    currency: str
    balance_minor: int | None
    available_minor: int | None
    balance_at: datetime | None
    created_at: datetime
    missing_since: datetime | None
    error_code: str | None
    error_message: str | None
    error_action: str | None
    failing_since: datetime | None


async def list_by_user(conn: Conn, user_id: UserId) -> list[AccountRow]:
    """Return the accounts whose connection has not been ended, oldest first."""
    return [_account(row) for row in await conn.fetch(SQL.list_by_user, user_id)]


async def list_by_ids(conn: Conn, user_id: UserId, account_ids: Sequence[AccountId]) -> list[AccountRow]:
    """Return those of the accounts that are this person's, in no order."""
    return [_account(row) for row in await conn.fetch(SQL.list_by_ids, user_id, account_ids)]


async def list_by_connections(conn: Conn, user_id: UserId, connection_ids: Sequence[ConnectionId]) -> list[AccountRow]:
    """Return the accounts of these connections, oldest first."""
    return [_account(row) for row in await conn.fetch(SQL.list_by_connections, user_id, connection_ids)]


def _account(row: asyncpg.Record) -> AccountRow:
    return AccountRow(
        account_id=row["account_id"],
        connection_id=row["connection_id"],
        name=row["name"],
        kind=AccountKind(row["kind"]),
        mask=row["mask"],
        currency=row["currency"],
        balance_minor=row["balance_minor"],
        available_minor=row["available_minor"],
        balance_at=row["balance_at"],
        created_at=row["created_at"],
        missing_since=row["missing_since"],
        error_code=row["error_code"],
        error_message=row["error_message"],
        error_action=row["error_action"],
        failing_since=row["failing_since"],
    )
