"""What streams ask of the database beside what they send: is there anything new, and may they still read it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from mintql.domain.ids import EventSeq, SessionId, UserId
from mintql.store.queries import Conn, load

SQL = load("streams")


class Begun(NamedTuple):
    """A person's newest event, and whether they say anything of categories."""

    event_seq: EventSeq
    has_own_categories: bool


async def with_news(conn: Conn, streams: Sequence[tuple[UserId, SessionId, EventSeq]], now: datetime) -> list[int]:
    """Return the places, from 0 on, of the streams that have to look again.

    A stream is its person, their session, and the newest event when it read last.
    """
    columns = zip(*streams, strict=True)
    return [row["place"] - 1 for row in await conn.fetch(SQL.with_news, *map(list, columns), now)]


async def begin_reading(conn: Conn, user_id: UserId, session_id: SessionId, now: datetime) -> Begun | None:
    """Return where a stream begins to read; None when its session holds no longer.

    Rows read after it on the same connection are at least as new.
    """
    row = await conn.fetchrow(SQL.begin_reading, user_id, session_id, now)
    if row is None or not row["is_live"]:
        return None
    return Begun(EventSeq(row["event_seq"]), row["has_own_categories"])
