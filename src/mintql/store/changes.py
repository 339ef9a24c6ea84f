"""Rows of `transaction_changes` and `kind_changes`: what changed, as triggers wrote it down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mintql.domain.ids import ChangeSeq, TransactionId, UserId
from mintql.store.queries import Conn, load

SQL = load("changes")


@dataclass(frozen=True, slots=True)
class Mention:
    """A transaction that changed. `came` where it began to count, as opposed to changing or ceasing to.

    Mentions are in the order of (`seq`, `position`): the statement that wrote it, and its place in there from 1 on.
    """

    seq: ChangeSeq
    position: int
    transaction_id: TransactionId
    came: bool


async def latest_seq(conn: Conn, user_id: UserId) -> ChangeSeq:
    """Return how far the log of one person goes, 0 when nothing was ever written."""
    return ChangeSeq(await conn.fetchval(SQL.latest_seq, user_id) or 0)


async def list_after(conn: Conn, user_id: UserId, seq: ChangeSeq, position: int, limit: int) -> Sequence[Mention]:
    """Return the next mentions after a place, in their order. One transaction may be mentioned many times."""
    rows = await conn.fetch(SQL.list_after, user_id, seq, position, limit)
    return [
        Mention(ChangeSeq(row["seq"]), row["position"], TransactionId(row["transaction_id"]), row["came"])
        for row in rows
    ]


async def kinds_after(conn: Conn, user_id: UserId, seq: ChangeSeq) -> frozenset[str]:
    """Return the kinds, as `kind_changes` names them, of which something changed after a seq."""
    return frozenset(row["kind"] for row in await conn.fetch(SQL.kinds_after, user_id, seq))


async def purge(conn: Conn, before: datetime, limit: int) -> int:
    """Forget mentions older than `before`, at most `limit` rows; return how many went."""
    return int(await conn.fetchval(SQL.purge, before, limit))
