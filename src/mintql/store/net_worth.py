"""Rows of `account_balances`, which a trigger on `accounts` keeps, and what is needed to go back before them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from mintql.domain.ids import AccountId, UserId
from mintql.domain.institutions import AccountKind
from mintql.store.queries import Conn, load

SQL = load("net_worth")


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account held at the end of the day of a place (from 1), as told on `on_date` last. Signed."""

    place: int
    account_id: AccountId
    balance_minor: int
    currency: str
    on_date: date


@dataclass(frozen=True, slots=True)
class BalanceHistory:
    """Where the balances of an account begin (`known_on`, with the first one) and its transactions (`begun_on`).

    `ended_on` is the day from which on the institution no longer tells of it; None while it does.
    """

    account_id: AccountId
    kind: AccountKind
    known_on: date
    balance_minor: int
    currency: str
    begun_on: date | None
    ended_on: date | None


async def balances(conn: Conn, user_id: UserId, days: Sequence[date]) -> list[Balance]:
    """Return the balances at the end of each day, of accounts of which one is known by then."""
    return [Balance(**row) for row in await conn.fetch(SQL.balances, user_id, days)]


async def histories(conn: Conn, user_id: UserId) -> list[BalanceHistory]:
    """Return where the balances of each account begin, for accounts of which any is known."""
    rows = await conn.fetch(SQL.accounts, user_id)
    return [BalanceHistory(**(dict(row) | {"kind": AccountKind(row["kind"])})) for row in rows]


async def booked_after(
    conn: Conn, user_id: UserId, days: Sequence[date], accounts: Sequence[BalanceHistory]
) -> dict[tuple[AccountId, int], int]:
    """Return what was booked on accounts between days (ascending), up to the day their balance is known from.

    By account and place of a day (from 1): what was booked after that day and not after the next one.
    """
    rows = await conn.fetch(
        SQL.booked_after,
        user_id,
        days,
        [one.account_id for one in accounts],
        [one.known_on for one in accounts],
        [one.currency for one in accounts],
    )
    return {(AccountId(row["account_id"]), row["place"]): row["amount_minor"] for row in rows}
