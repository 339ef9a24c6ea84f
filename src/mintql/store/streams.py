"""What streams ask of the database beside what they send: is there anything new, and may they still read it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mintql.domain.ids import EventSeq, SessionId, UserId
from mintql.store.queries import Conn, load

SQL = load("streams")


async def with_news(conn: Conn, streams: Sequence[tuple[UserId, SessionId, EventSeq]], now: datetime) -> list[int]:
    """Return the places, from 0 on, of the streams that have to look again.

    A stream is its person, their session, and the newest event when it read last.
    """
    columns = zip(*streams, strict=True)
    return [row["place"] - 1 for row in await conn.fetch(SQL.with_news, *map(list, columns), now)]


async def begin_reading(conn: Conn, user_id: UserId, session_id: SessionId, now: datetime) -> EventSeq | None:
    """Return the person's newest event, None when the session holds no longer.

    Rows read after it on the same connection are at least as new.
    """
    row = await conn.fetchrow(SQL.begin_reading, user_id, session_id, now)
    return EventSeq(row["event_seq"]) if row is not None and row["is_live"] else None
