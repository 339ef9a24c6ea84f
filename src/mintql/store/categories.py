"""A person's own word on categories: on transactions, and on sellers from now on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from mintql.domain.ids import CategoryId, TransactionId, UserId
from mintql.store.queries import Conn, load

SQL = load("categories")


async def recategorize(
    conn: Conn,
    user_id: UserId,
    transaction_ids: Sequence[TransactionId],
    category_id: CategoryId,
    now: datetime,
) -> dict[TransactionId, date]:
    """Put transactions into a category by hand; return the posting dates of those that this changed."""
    rows = await conn.fetch(SQL.recategorize, user_id, transaction_ids, category_id, now)
    return {row["transaction_id"]: row["posted_on"] for row in rows}


async def remember_sellers(conn: Conn, user_id: UserId, merchant_keys: Sequence[str], category_id: CategoryId) -> None:
    """Remember that these sellers belong into the category from now on."""
    await conn.execute(SQL.remember_sellers, user_id, merchant_keys, category_id)
