"""Rows for tests, inserted with plain SQL by the owner of the tables.

Every factory takes what a test cares about and invents the rest, so that a test shows only what matters to
it. Amounts are signed minor units, money out negative, as in the tables.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from mintql.domain.categories import UNCATEGORIZED_ID
from mintql.domain.ids import AccountId, ConnectionId, TransactionId, UserId

_serial = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Person:
    """A user with one connection and one checking account."""

    user_id: UserId
    connection_id: ConnectionId
    account_id: AccountId


async def create_user(
    conn: Any,
    *,
    email: str | None = None,
    name: str = "Ada",
    password_hash: str = "not a hash, nobody signs in with it",
    time_zone: str = "UTC",
    currency: str = "USD",
    annual_income_minor: int | None = None,
    last_active_on: date | None = None,
) -> UserId:
    user_id = await conn.fetchval(
        """
        INSERT INTO users (email, password_hash, name, time_zone, currency, annual_income_minor, last_active_on)
        VALUES ($1, $2, $3, $4, $5, $6, coalesce($7, current_date)) RETURNING user_id
        """,
        email or f"person{next(_serial)}@example.org",
        password_hash,
        name,
        time_zone,
        currency,
        annual_income_minor,
        last_active_on,
    )
    await conn.execute("INSERT INTO user_counters (user_id) VALUES ($1)", user_id)
    return UserId(user_id)


async def create_connection(
    conn: Any,
    user_id: int,
    *,
    institution_id: str = "sandbox",
    login_hint: str = "a…a",
    status: str = "active",
    last_success_at: datetime | None = None,
    last_attempt_at: datetime | None = None,
    next_attempt_at: datetime | None = None,
    error_code: str | None = None,
    error_message: str | None = None,
    error_action: str | None = None,
) -> ConnectionId:
    connection_id = await conn.fetchval(
        """
        INSERT INTO connections (user_id, institution_id, login_hint, status, last_success_at, last_attempt_at,
                                 next_attempt_at, error_code, error_message, error_action)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING connection_id
        """,
        user_id,
        institution_id,
        login_hint,
        status,
        last_success_at,
        last_attempt_at,
        next_attempt_at,
        error_code,
        error_message,
        error_action,
    )
    return ConnectionId(connection_id)


async def create_account(
    conn: Any,
    user_id: int,
    connection_id: int | None = None,
    *,
    external_id: str | None = None,
    name: str = "Everyday checking",
    kind: str = "checking",
    mask: str = "1234",
    currency: str = "USD",
    balance_minor: int | None = 100_000,
    available_minor: int | None = None,
    balance_at: datetime | None = None,
) -> AccountId:
    if connection_id is None:
        connection_id = await create_connection(conn, user_id)
    account_id = await conn.fetchval(
        """
        INSERT INTO accounts (user_id, connection_id, external_id, name, kind, mask, currency, balance_minor,
                              available_minor, balance_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING account_id
        """,
        user_id,
        connection_id,
        external_id or f"account-{next(_serial)}",
        name,
        kind,
        mask,
        currency,
        balance_minor,
        available_minor,
        balance_at or datetime(2026, 11, 1, tzinfo=UTC),
    )
    return AccountId(account_id)


async def create_person(
    conn: Any,
    *,
    currency: str = "USD",
    annual_income_minor: int | None = None,
    time_zone: str = "UTC",
    email: str | None = None,
) -> Person:
    """Create a user with one connection and one checking account in their currency."""
    user_id = await create_user(
        conn, email=email, currency=currency, annual_income_minor=annual_income_minor, time_zone=time_zone
    )
    connection_id = await create_connection(conn, user_id)
    account_id = await create_account(conn, user_id, connection_id, currency=currency)
    return Person(user_id, connection_id, account_id)


async def create_transaction(
    conn: Any,
    user_id: int,
    account_id: int,
    *,
    posted_on: date = date(2026, 11, 10),
    amount_minor: int = -1_000,
    currency: str = "USD",
    pending: bool = False,
    category_id: int = UNCATEGORIZED_ID,
    category_source: str = "none",
    category_detail: str = "",
    description: str = "CORNER SHOP 0042",
    merchant: str = "Corner Shop",
    merchant_key: str | None = None,
    external_id: str | None = None,
    successor_id: int | None = None,
    removed_at: datetime | None = None,
) -> TransactionId:
    transaction_id = await conn.fetchval("SELECT nextval('transaction_ids')")
    await conn.execute(
        """
        INSERT INTO transactions (user_id, transaction_id, account_id, external_id, posted_on, amount_minor,
                                  currency, pending, category_id, category_source, category_detail, description,
                                  merchant, merchant_key, successor_id, removed_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
        """,
        user_id,
        transaction_id,
        account_id,
        external_id or f"transaction-{next(_serial)}",
        posted_on,
        amount_minor,
        currency,
        pending,
        category_id,
        category_source,
        category_detail,
        description,
        merchant,
        merchant.casefold() if merchant_key is None else merchant_key,
        successor_id,
        removed_at,
    )
    return TransactionId(transaction_id)


async def create_transactions(
    conn: Any, user_id: int, account_id: int, rows: Iterable[tuple[date, int, int]]
) -> list[TransactionId]:
    """Create posted transactions from (posting date, amount, category), in this order of ids."""
    return [
        await create_transaction(
            conn,
            user_id,
            account_id,
            posted_on=posted_on,
            amount_minor=amount_minor,
            category_id=category_id,
            category_source="dictionary",
        )
        for posted_on, amount_minor, category_id in rows
    ]


async def create_many_transactions(
    conn: Any, *, user_ids: Sequence[int], per_user: int, category_ids: Sequence[int], days: int = 730
) -> None:
    """Fill the table by one statement: `per_user` rows for each user, spread over the days before today.

    Every user needs an account already. For looking at plans and speed, not at amounts.
    """
    await conn.execute(
        """
        INSERT INTO transactions (user_id, transaction_id, account_id, external_id, posted_on, amount_minor,
                                  currency, pending, category_id, category_source, description, merchant,
                                  merchant_key)
        SELECT owners.user_id, nextval('transaction_ids'), owners.account_id, 'bulk-' || n,
               current_date - (n * 7919 % $3)::int, -(n * 104729 % 20000), owners.currency, n % 97 = 0,
               ($4::int[])[1 + (n * 31 % cardinality($4::int[]))::int], 'dictionary', 'SELLER ' || n % 200,
               'Seller ' || n % 200, 'seller ' || n % 200
        FROM (
            SELECT user_id, min(account_id) AS account_id, min(currency) AS currency
            FROM accounts WHERE user_id = ANY ($1::bigint[]) GROUP BY user_id
        ) AS owners, generate_series(1, $2::bigint) AS n
        """,
        list(user_ids),
        per_user,
        days,
        list(category_ids),
    )


async def create_override(
    conn: Any,
    user_id: int,
    *,
    category_id: int,
    month: date,
    limit_minor: int | None,
    recurring: bool = False,
    currency: str = "USD",
    thresholds: Sequence[int] = (80, 100),
) -> int:
    """Create a budget override with a new revision and return that revision."""
    revision = await conn.fetchval(
        "UPDATE user_counters SET budget_revision = budget_revision + 1 WHERE user_id = $1 RETURNING budget_revision",
        user_id,
    )
    await conn.execute(
        """
        INSERT INTO budget_overrides (user_id, category_id, since, recurring, limit_minor, currency, thresholds,
                                      revision)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        user_id,
        category_id,
        month,
        recurring,
        limit_minor,
        currency,
        list(thresholds),
        revision,
    )
    return int(revision)
