"""Transactions that nothing was known of when they came in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from mintql.domain.categories import Categorization
from mintql.domain.ids import AccountId, TransactionId, UserId
from mintql.domain.ingest import Personal
from mintql.store.queries import Conn, load

SQL = load("uncategorized")


@dataclass(frozen=True, slots=True)
class UncategorizedRow:
    """What of a transaction tells where it belongs; the amount is signed, negative for money out."""

    transaction_id: TransactionId
    account_id: AccountId
    amount_minor: int
    currency: str
    description: str
    merchant_key: str
    institution_code: str


Decided = tuple[Categorization, Personal]
"""A category, and what is written onto the transaction with it."""


async def rows(
    conn: Conn, user_id: UserId, before: int, merchant_keys: Sequence[str] | None, limit: int
) -> list[UncategorizedRow]:
    """Return uncategorized transactions with ids below `before`, the newest first; of some sellers, or of all."""
    found = await conn.fetch(SQL.rows, user_id, before, merchant_keys, limit)
    return [UncategorizedRow(**dict(row)) for row in found]


async def write(
    conn: Conn, user_id: UserId, decided: Mapping[TransactionId, Decided], now: datetime
) -> dict[TransactionId, date]:
    """Put transactions where they belong; return the posting dates of those that were uncategorized until then."""
    if not decided:
        return {}
    numbers = {item: number for number, item in enumerate(dict.fromkeys(decided.values()))}
    said = [
        {
            "number": number,
            "category_id": category.category_id,
            "source": category.source.value,
            "detail": category.detail,
            "display_name": personal.display_name,
            "excluded_from_budgets": personal.excluded_from_budgets,
            "tags": personal.tags,
        }
        for (category, personal), number in numbers.items()
    ]
    ids, which = list(decided), [numbers[item] for item in decided.values()]
    changed = await conn.fetch(SQL.write, user_id, ids, which, json.dumps(said), now)
    return {row["transaction_id"]: row["posted_on"] for row in changed}


async def users(conn: Conn, after: UserId, limit: int) -> list[UserId]:
    """Return persons that have uncategorized transactions, with ids above `after`, ascending."""
    return [row["user_id"] for row in await conn.fetch(SQL.users, after, limit)]


async def highest_user(conn: Conn) -> UserId:
    """Return the highest id that a person has, 0 where there is nobody."""
    return UserId(await conn.fetchval(SQL.highest_user))
