"""Ended connections whose accounts a new one shows again, and what of them goes on in that one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mintql.domain.ids import ConnectionId, UserId
from mintql.domain.institutions import AccountKind, ProviderAccount
from mintql.store import connections
from mintql.store.queries import Conn, load

SQL = load("taking_up")


@dataclass(frozen=True, slots=True)
class Link:
    """A connection that is locked: a new one, or one that was ended at `disconnected_at`."""

    connection_id: ConnectionId
    status: str
    disconnected_at: datetime | None


async def newcomers(
    conn: Conn, connections: Sequence[tuple[UserId, ConnectionId]]
) -> list[tuple[UserId, ConnectionId]]:
    """Return which of these have no accounts, and a person who has ended one with accounts at the same institution."""
    columns = [user_id for user_id, _ in connections], [connection_id for _, connection_id in connections]
    return [(row["user_id"], row["connection_id"]) for row in await conn.fetch(SQL.newcomers, *columns)]


async def lock(conn: Conn, user_id: UserId, connection_id: ConnectionId) -> list[Link]:
    """Lock a connection and the ended ones of its person at its institution; return them all."""
    return [Link(**dict(row)) for row in await conn.fetch(SQL.lock, user_id, connection_id)]


async def accounts(
    conn: Conn, user_id: UserId, connection_ids: Sequence[ConnectionId]
) -> dict[ConnectionId, list[ProviderAccount]]:
    """Return the accounts of some of a person's connections, as they were described last; balances are left out."""
    found: dict[ConnectionId, list[ProviderAccount]] = {}
    for row in await conn.fetch(SQL.accounts, user_id, connection_ids):
        values = dict(row)
        known = found.setdefault(ConnectionId(values.pop("connection_id")), [])
        known.append(ProviderAccount(**values | {"kind": AccountKind(values["kind"])}))
    return found


async def take_up(conn: Conn, user_id: UserId, connection_id: ConnectionId, ended_id: ConnectionId) -> None:
    """Let everything of an ended connection, which has no run open, be another one's; then it is gone."""
    for statement in (SQL.move_accounts, SQL.move_runs, SQL.note_former):
        await conn.execute(statement, user_id, connection_id, ended_id)
    await connections.delete(conn, user_id, ended_id)
