"""Rows of `connections` that wait for their person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mintql.domain.ids import ConnectionId, UserId
from mintql.store.queries import Conn, load

SQL = load("attention")


@dataclass(frozen=True, slots=True)
class WaitingConnection:
    """A connection that only its person can help, with the failure in words and what they can do."""

    connection_id: ConnectionId
    institution_id: str
    login_hint: str
    last_success_at: datetime | None
    error_code: str | None
    error_message: str | None
    error_action: str | None
    account_names: tuple[str, ...]


async def waiting(conn: Conn, user_id: UserId) -> list[WaitingConnection]:
    """Return one person's connections that wait for them, oldest first."""
    rows = await conn.fetch(SQL.waiting, user_id)
    return [WaitingConnection(**{**row, "account_names": tuple(row["account_names"])}) for row in map(dict, rows)]
