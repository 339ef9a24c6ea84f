"""Rows of `audit_entries`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import orjson

from mintql.domain.ids import UserId
from mintql.store.queries import Conn, load

SQL = load("audit")


async def record(conn: Conn, user_id: UserId, act: str, detail: Mapping[str, str | int], now: datetime) -> None:
    """Write down an act."""
    await conn.execute(SQL.record, user_id, act, orjson.dumps(dict(detail)).decode(), now)
