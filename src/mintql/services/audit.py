"""The audit log: security-relevant acts, written in the transaction of the act, for the person to read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from mintql.domain.ids import UserId
from mintql.store import audit as store
from mintql.store.queries import Conn


async def record(
    conn: Conn, user_id: UserId, act: str, now: datetime, detail: Mapping[str, str | int] | None = None
) -> None:
    """Write down what was done, e.g. `webhook_added`. `detail` says to what, never a secret and never an amount."""
    await store.record(conn, user_id, act, detail or {}, now)
