"""What recurs for a person: found in their rows, confirmed or dismissed by them, expected on coming days."""

from __future__ import annotations

from datetime import date

from mintql.domain.ids import UserId
from mintql.domain.recurring import Expected
from mintql.store.queries import Conn


async def expected_between(conn: Conn, user_id: UserId, first: date, last: date) -> list[Expected]:
    """Return what active series let expect from `first` to `last`, both included, and was not booked yet, by day."""
    del conn, user_id, first, last
    return []
