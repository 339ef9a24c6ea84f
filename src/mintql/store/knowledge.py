"""What persons said about where transactions belong, as a batch reads it."""

from __future__ import annotations

from collections.abc import Sequence

from mintql.domain.ids import CategoryId, UserId
from mintql.store.queries import Conn, load

SQL = load("knowledge")


async def seller_memories(
    conn: Conn, user_ids: Sequence[UserId], merchant_keys: Sequence[str]
) -> dict[UserId, dict[str, CategoryId]]:
    """Return what these persons chose for these sellers."""
    memories: dict[UserId, dict[str, CategoryId]] = {}
    for row in await conn.fetch(SQL.seller_memories, user_ids, merchant_keys):
        memories.setdefault(row["user_id"], {})[row["merchant_key"]] = row["category_id"]
    return memories
