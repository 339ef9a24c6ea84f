"""What a summary tells that no other read has: largest purchases, and what was found in the period."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mintql.domain.digests import DigestNews, DigestPurchase
from mintql.domain.ids import CategoryId, TransactionId, UserId
from mintql.domain.notices import NoticeKind
from mintql.domain.periods import Period
from mintql.store.queries import Conn, load

SQL = load("digests_read")


async def purchases(
    conn: Conn, user_id: UserId, span: Period, first: int, expense_ids: Sequence[CategoryId]
) -> dict[str, list[DigestPurchase]]:
    """Return the first purchases by size, of each currency.

    `expense_ids` are the standard categories that count as spending; the person's own ones are known to the database.
    """
    found: dict[str, list[DigestPurchase]] = {}
    for row in await conn.fetch(SQL.purchases, user_id, span.first, span.last, first, expense_ids):
        purchase = DigestPurchase(
            TransactionId(row["transaction_id"]), row["merchant"], row["posted_on"], row["spent_minor"], row["pending"]
        )
        found.setdefault(row["currency"], []).append(purchase)
    return found


async def news(
    conn: Conn, user_id: UserId, kinds: Sequence[NoticeKind], since: datetime, before: datetime, limit: int
) -> list[DigestNews]:
    """Return what the person was told of these kinds since a moment and before another, the oldest first."""
    rows = await conn.fetch(SQL.news, user_id, [kind.value for kind in kinds], since, before, limit)
    return [DigestNews(NoticeKind(row["kind"]), row["title"], row["body"]) for row in rows]
