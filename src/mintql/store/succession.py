"""Which row stands for which, as it is written: successors, what moves along, and why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from mintql.domain.ids import SyncRunId, TransactionId, UserId
from mintql.domain.ingest import Personal
from mintql.store.ingest import PERSONAL_COLUMNS, Account, columns_of
from mintql.store.queries import Conn, load

SQL = load("succession")


@dataclass(frozen=True, slots=True)
class NewMatch:
    """That one row stands for another, or is suggested to: the row that gives way, and the one that stands."""

    user_id: UserId
    from_id: TransactionId
    to_id: TransactionId
    kind: str
    state: str
    run_id: SyncRunId


async def supersede_rows(
    conn: Conn, links: Sequence[tuple[UserId, TransactionId, TransactionId]], now: datetime
) -> None:
    """Point pending rows to their posted successors: (person, pending, posted)."""
    if links:
        await conn.execute(SQL.supersede_rows, *[list(column) for column in zip(*links, strict=True)], now)


async def write_personal(conn: Conn, rows: Sequence[tuple[UserId, TransactionId, Personal]]) -> None:
    """Write onto rows what a person had set on those that gave way to them."""
    if not rows:
        return
    said = [
        {"user_id": user_id, "transaction_id": transaction_id}
        | {name: getattr(personal, name) for name in PERSONAL_COLUMNS}
        for user_id, transaction_id, personal in rows
    ]
    await conn.execute(SQL.write_personal, json.dumps(said))


async def write_matches(conn: Conn, matches: Sequence[NewMatch], now: datetime) -> None:
    """Keep which row stands for which; what a person decided is left alone."""
    if not matches:
        return
    await conn.execute(
        SQL.write_matches,
        [item.user_id for item in matches],
        [item.from_id for item in matches],
        [item.to_id for item in matches],
        [item.kind for item in matches],
        [item.state for item in matches],
        [item.run_id for item in matches],
        now,
    )


async def move_suggestions(conn: Conn, links: Sequence[tuple[UserId, TransactionId, TransactionId]]) -> None:
    """Let suggestions about rows that gave way be about those that stand for them: (person, gave way, stands)."""
    if links:
        await conn.execute(SQL.move_suggestions, *[list(column) for column in zip(*links, strict=True)])


async def free_file_rows(
    conn: Conn, rows: Sequence[tuple[UserId, TransactionId]], now: datetime
) -> list[tuple[Account, TransactionId, date, bool]]:
    """Let rows of files count again that gave way to these, which are gone.

    Returns:
        Account, id and day of each, and whether it counts (none that was taken back itself does).
    """
    if not rows:
        return []
    freed = await conn.fetch(SQL.free_file_rows, *columns_of(rows), now)
    return [
        ((row["user_id"], row["account_id"]), row["transaction_id"], row["posted_on"], row["counts"]) for row in freed
    ]


async def forget_matches(conn: Conn, rows: Sequence[tuple[UserId, TransactionId]]) -> None:
    """Forget that these rows (person, id) gave way to others."""
    if rows:
        await conn.execute(SQL.forget_matches, *columns_of(rows))
