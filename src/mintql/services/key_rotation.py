"""Wrapping data keys by the newest key of the ring, so that older ones can be dropped.

Only the wrapped data keys are written anew; what they seal is not opened. A batch is a transaction: whoever dies on the
way leaves rows under the old version, which the next time takes up. Everything goes on working meanwhile, since both
versions open.
"""

from __future__ import annotations

from dataclasses import dataclass

from mintql.gateways.vault import Sealed, SecretUnreadable, Vault
from mintql.store import key_rotation as store
from mintql.store.key_rotation import BEFORE_ALL, SealedKey, SealedRow
from mintql.store.queries import Conn

ROWS_PER_BATCH = 500
TABLES = tuple(store.QUERIES)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one batch has come to; `after` is where the next one goes on, None at the end of the table.

    `unreadable` names what could not be unwrapped: its key is not in the ring, or the row is not what was written.
    """

    rewrapped: int
    unreadable: tuple[str, ...]
    after: SealedKey | None


async def rewrap_batch(conn: Conn, vault: Vault, table: str, after: SealedKey = BEFORE_ALL) -> Batch:
    """Wrap the data keys of some rows of a table anew."""
    rows = await store.outdated_after(conn, table, after, vault.newest_version, ROWS_PER_BATCH)
    wrapped: list[tuple[SealedKey, int, bytes]] = []
    unreadable: list[str] = []
    for row in rows:
        try:
            found = vault.rewrap(_place(table, row.key), Sealed(row.key_version, row.wrapped_key, row.ciphertext))
        except SecretUnreadable as error:
            unreadable.append(str(error))
        else:
            wrapped.append((row.key, found.key_version, found.wrapped_key))
    await store.rewrap(conn, table, wrapped)
    return Batch(len(wrapped), tuple(unreadable), _next(rows))


def _next(rows: list[SealedRow]) -> SealedKey | None:
    return rows[-1].key if len(rows) == ROWS_PER_BATCH else None


def _place(table: str, key: SealedKey) -> tuple[str | int, ...]:
    """Return the name of a row as it was sealed under (`gateways/vault.py`)."""
    parts = {"connection_secrets": 2, "webhook_secrets": 3, "second_factors": 1}[table]
    return table, *key[:parts]
