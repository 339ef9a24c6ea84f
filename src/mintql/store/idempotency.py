"""Rows of `idempotency_keys`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mintql.domain.ids import UserId
from mintql.store.queries import Conn, load

SQL = load("idempotency")
PURGE_SQL = load("idempotency_purge")
"""Apart, because the API writes keys down but takes none away."""


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key that something was done under; `answer` is None while, or because, there is none.

    It is sealed: key version, wrapped key and ciphertext.
    """

    fingerprint: bytes
    created_at: datetime
    answer: tuple[int, bytes, bytes] | None


async def try_lock(conn: Conn, user_id: UserId, key: str) -> bool:
    """Take a key until the transaction ends; False when another transaction has it. Waits for nobody."""
    return bool(await conn.fetchval(SQL.try_lock, user_id, key))


async def find(conn: Conn, user_id: UserId, key: str, since: datetime) -> KeyRow | None:
    """Return what is known of a key that was first used after `since`."""
    row = await conn.fetchrow(SQL.find, user_id, key, since)
    if row is None:
        return None
    sealed = None
    if row["ciphertext"] is not None:
        sealed = (row["key_version"], row["wrapped_key"], row["ciphertext"])
    return KeyRow(row["fingerprint"], row["created_at"], sealed)


async def go_back_to(conn: Conn, user_id: UserId) -> bool:
    """Make the transaction a person's again who may have entered a share.

    Tell whether it has written, or locked rows, so far.
    """
    return bool(await conn.fetchval(SQL.go_back_to, user_id))


async def record(conn: Conn, user_id: UserId, key: str, fingerprint: bytes, now: datetime, since: datetime) -> bool:
    """Note a key as used by this transaction; False when it was used after `since` already."""
    return bool(await conn.fetchval(SQL.record, user_id, key, fingerprint, now, since))


async def keep_answer(
    conn: Conn,
    user_id: UserId,
    key: str,
    fingerprint: bytes,
    now: datetime,
    since: datetime,
    answer: tuple[int, bytes, bytes],
) -> None:
    """Keep a sealed answer, beside the key as it was noted or with a row of its own."""
    await conn.execute(SQL.keep_answer, user_id, key, fingerprint, now, since, *answer)


async def purge(conn: Conn, before: datetime, limit: int) -> int:
    """Forget keys first used before `before`, at most `limit`; return how many went."""
    return int(await conn.fetchval(PURGE_SQL.purge, before, limit))
