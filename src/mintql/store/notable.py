"""Rows of `transactions` as they are looked at for what is large or unusual."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date

from mintql.domain.ids import CategoryId, TransactionId, UserId
from mintql.domain.notable import Charge, Earlier, Spread
from mintql.domain.notices import NoticeKind
from mintql.store.queries import Conn, load

SQL = load("notable")

Seller = tuple[str, str]
"""(merchant key, currency)."""


async def charges(
    conn: Conn,
    user_id: UserId,
    first: date,
    last: date,
    left_out: Collection[CategoryId],
    limit: int,
    only: Collection[str] | None = None,
) -> list[Charge]:
    """Return money out on these days, oldest first, without these categories and without rows of files.

    Of the sellers `only`, by their keys, where they are given.
    """
    keys = None if only is None else sorted(only)
    rows = await conn.fetch(SQL.charges, user_id, first, last, sorted(left_out), limit, keys)
    return [Charge(**dict(row)) for row in rows]


async def spreads(
    conn: Conn, user_id: UserId, first: date, last: date, left_out: Collection[CategoryId], limit: int
) -> dict[str, Spread]:
    """Return how the newest charges on these days were, at most `limit` of them, by currency."""
    rows = await conn.fetch(SQL.spreads, user_id, first, last, sorted(left_out), limit)
    return {row["currency"]: Spread(row["count"], row["p95_minor"], row["p99_minor"]) for row in rows}


async def earlier(
    conn: Conn, user_id: UserId, sellers: Iterable[Seller], since: date, limit: int
) -> dict[Seller, list[Earlier]]:
    """Return the latest charges of these sellers since a day, at most `limit` of each."""
    wanted = sorted(set(sellers))
    found: dict[Seller, list[Earlier]] = {seller: [] for seller in wanted}
    keys, currencies = [key for key, _ in wanted], [currency for _, currency in wanted]
    for row in await conn.fetch(SQL.earlier, user_id, keys, currencies, since, limit):
        item = Earlier(TransactionId(row["transaction_id"]), row["posted_on"], row["amount_minor"])
        found[row["merchant_key"], row["currency"]].append(item)
    return found


async def told_subjects(conn: Conn, user_id: UserId, kinds: Iterable[NoticeKind], subjects: Iterable[str]) -> set[str]:
    """Return the subjects that a person was told of already, by whichever of these kinds."""
    rows = await conn.fetch(SQL.told_subjects, user_id, [kind.value for kind in kinds], sorted(set(subjects)))
    return {row["subject"] for row in rows}
