"""Rows of `low_balance_limits` and `low_balances`: below what an account is low, and which are low now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from mintql.domain.ids import AccountId, UserId
from mintql.domain.institutions import AccountKind
from mintql.store.queries import Conn, load

SQL = load("balance_limits")


@dataclass(frozen=True, slots=True)
class BalanceLimit:
    """An account with its balances and the limit a person set (`is_set`; None: never). Minor units of `currency`."""

    account_id: AccountId
    name: str
    kind: AccountKind
    currency: str
    balance_minor: int | None
    available_minor: int | None
    balance_at: datetime | None
    is_set: bool
    limit_minor: int | None
    since: datetime | None


async def limits_of(conn: Conn, user_id: UserId) -> list[BalanceLimit]:
    """Return one person's accounts with what was set for each, oldest first."""
    return [
        BalanceLimit(**{**row, "kind": AccountKind(row["kind"])})
        for row in map(dict, await conn.fetch(SQL.limits, user_id))
    ]


async def set_limit(conn: Conn, user_id: UserId, account_id: AccountId, limit_minor: int | None, now: datetime) -> None:
    """Set below which balance an account is low; None: never."""
    await conn.execute(SQL.set_limit, user_id, account_id, limit_minor, now)


async def unset_limit(conn: Conn, user_id: UserId, account_id: AccountId) -> None:
    """Go back to the default for an account."""
    await conn.execute(SQL.unset_limit, user_id, account_id)


async def begin_dips(conn: Conn, user_id: UserId, account_ids: Iterable[AccountId], now: datetime) -> None:
    """Note that accounts are low from now on."""
    await conn.execute(SQL.begin_dips, user_id, sorted(account_ids), now)


async def end_dips(conn: Conn, user_id: UserId, account_ids: Iterable[AccountId]) -> None:
    """Note that accounts are low no longer."""
    await conn.execute(SQL.end_dips, user_id, sorted(account_ids))
