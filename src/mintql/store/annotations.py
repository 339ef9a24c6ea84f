"""What a person wrote onto transactions: notes, tags and the parts of splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from mintql.domain.ids import TransactionId, UserId
from mintql.store.queries import Conn, load
from mintql.store.transactions_read import TransactionPart

SQL = load("annotations")


async def set_annotation(
    conn: Conn,
    user_id: UserId,
    transaction_id: TransactionId,
    note: str | None,
    tags: Sequence[str],
    now: datetime,
) -> bool:
    """Write note and tags onto a transaction; tell whether that changed anything."""
    return await conn.fetchval(SQL.set_annotation, user_id, transaction_id, note, tags or None, now) is not None


async def set_parts(
    conn: Conn, user_id: UserId, transaction_id: TransactionId, parts: Sequence[TransactionPart], now: datetime
) -> date | None:
    """Write the parts of a split, none to undo it; return the posting date of the transaction if that changed it."""
    posted_on: date | None = await conn.fetchval(
        SQL.set_parts,
        user_id,
        transaction_id,
        [part.category_id for part in parts] or None,
        [part.amount_minor for part in parts] or None,
        [part.note for part in parts] or None,
        now,
    )
    return posted_on


async def set_tags(
    conn: Conn, user_id: UserId, tags: Mapping[TransactionId, Sequence[str]], now: datetime
) -> list[TransactionId]:
    """Write the tags of several transactions; return the ids of those that this changed."""
    lines = [(transaction_id, tag) for transaction_id, carried in tags.items() for tag in carried or (None,)]
    rows = await conn.fetch(
        SQL.set_tags, user_id, [transaction_id for transaction_id, _ in lines], [tag for _, tag in lines], now
    )
    return [row["transaction_id"] for row in rows]


async def tag_counts(conn: Conn, user_id: UserId, *, without: Sequence[TransactionId] = ()) -> dict[str, int]:
    """Return how many transactions carry each tag, the most used tag first; those `without` are not looked at."""
    rows = await conn.fetch(SQL.tag_counts, user_id, without)
    return {row["tag"]: row["transactions"] for row in rows}


async def adjust(
    conn: Conn,
    user_id: UserId,
    transaction_ids: Sequence[TransactionId],
    *,
    name: tuple[bool, str | None],
    excluded: tuple[bool, bool | None],
    now: datetime,
) -> dict[TransactionId, date]:
    """Write the name to show and whether budgets leave them out, each if its first value says so.

    Returns the posting dates of the transactions that this changed.
    """
    rows = await conn.fetch(SQL.adjust, user_id, transaction_ids, *name, *excluded, now)
    return {row["transaction_id"]: row["posted_on"] for row in rows}
