"""Rows of `audit_entries`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg
import orjson

from mintql.domain.audit import Origin
from mintql.domain.ids import AuditEntryId, UserId
from mintql.store.queries import Conn, load

SQL = load("audit")
PURGE_SQL = load("audit_purge")
"""Apart, because the API writes acts down but takes none away."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An act as it was written down."""

    entry_id: AuditEntryId
    act: str
    detail: Mapping[str, str | int]
    address: str
    user_agent: str
    created_at: datetime


async def record(
    conn: Conn,
    user_id: UserId,
    act: str,
    detail: Mapping[str, str | int],
    origin: Origin,
    now: datetime,
    *,
    since: datetime | None = None,
    at_most: int | None = None,
) -> None:
    """Write down an act; with `at_most`, only unless that many of the kind were written down since a moment."""
    text = orjson.dumps(dict(detail)).decode()
    await conn.execute(SQL.record, user_id, act, text, origin.address, origin.user_agent, now, since or now, at_most)


async def take_turn(conn: Conn, user_id: UserId) -> None:
    """Keep others from counting a person's failed attempts until the transaction ends.

    Not the lock of the person: whoever guesses passwords would hold connections for as long as a batch has that.
    """
    await conn.execute(SQL.take_turn, user_id)


async def list_before(conn: Conn, user_id: UserId, before: AuditEntryId, limit: int) -> list[AuditEntry]:
    """Return a person's acts before an entry, newest first."""
    return [_entry(row) for row in await conn.fetch(SQL.list_before, user_id, before, limit)]


async def by_ids(conn: Conn, user_id: UserId, ids: Sequence[int]) -> dict[int, AuditEntry]:
    """Return a person's acts by their ids."""
    return {row["entry_id"]: _entry(row) for row in await conn.fetch(SQL.by_ids, user_id, list(ids))}


async def purge(conn: Conn, before: datetime, limit: int) -> int:
    """Forget acts older than `before`, at most `limit`; return how many went."""
    return int(await conn.fetchval(PURGE_SQL.purge, before, limit))


def _entry(row: asyncpg.Record) -> AuditEntry:
    return AuditEntry(
        AuditEntryId(row["entry_id"]), row["act"], orjson.loads(row["detail"]), row["address"], row["user_agent"],
        row["created_at"],
    )  # fmt: skip
