"""Sealed rows of everybody's, table by table, for wrapping their data keys anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mintql.domain.ids import UserId
from mintql.store.queries import Conn, load

SQL = load("key_rotation")


class SealedKey(NamedTuple):
    """Which row of a table: its person, its id, and its number among several; 0 where the table has no such column."""

    user_id: UserId
    row_id: int
    part_no: int


BEFORE_ALL = SealedKey(UserId(-1), -1, -1)


@dataclass(frozen=True, slots=True)
class SealedRow:
    """A sealed row."""

    key: SealedKey
    key_version: int
    wrapped_key: bytes
    ciphertext: bytes


QUERIES = {
    "connection_secrets": (SQL.connections_after, SQL.rewrap_connections),
    "webhook_secrets": (SQL.webhooks_after, SQL.rewrap_webhooks),
    "second_factors": (SQL.second_factors_after, SQL.rewrap_second_factors),
}


async def outdated_after(conn: Conn, table: str, after: SealedKey, newest: int, limit: int) -> list[SealedRow]:
    """Return rows of a table that are wrapped by another version than the newest, locked, in the order of keys."""
    select, _ = QUERIES[table]
    return [
        SealedRow(
            SealedKey(UserId(row["user_id"]), row["row_id"], row["part_no"]),
            row["key_version"],
            row["wrapped_key"],
            row["ciphertext"],
        )
        for row in await conn.fetch(select, *after, newest, limit)
    ]


async def rewrap(conn: Conn, table: str, wrapped: Sequence[tuple[SealedKey, int, bytes]]) -> None:
    """Write data keys as they are wrapped anew: of which row, by which version, and the wrapped key."""
    _, update = QUERIES[table]
    await conn.execute(
        update,
        [key.user_id for key, _, _ in wrapped],
        [key.row_id for key, _, _ in wrapped],
        [key.part_no for key, _, _ in wrapped],
        [version for _, version, _ in wrapped],
        [wrapped_key for _, _, wrapped_key in wrapped],
    )


async def versions(conn: Conn) -> dict[tuple[str, int], int]:
    """Return how many secrets are wrapped by which version, by table and version."""
    return {(row["table_name"], row["key_version"]): row["secrets"] for row in await conn.fetch(SQL.versions)}
