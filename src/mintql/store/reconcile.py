"""Stored sums against computed ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from mintql.domain.ids import CategoryId, UserId
from mintql.store.queries import Conn, load

SQL = load("reconcile")


@dataclass(frozen=True, slots=True)
class Difference:
    """A sum as it is stored and as the transactions add up."""

    user_id: UserId
    month: date
    category_id: CategoryId
    currency: str
    stored_posted_minor: int
    posted_minor: int
    stored_pending_minor: int
    pending_minor: int
    stored_posted_count: int
    posted_count: int
    stored_pending_count: int
    pending_count: int
    stored_excluded_posted_minor: int
    excluded_posted_minor: int
    stored_excluded_pending_minor: int
    excluded_pending_minor: int


async def users_after(conn: Conn, after: UserId, limit: int) -> list[UserId]:
    """Return the next persons by id."""
    return [row["user_id"] for row in await conn.fetch(SQL.users_after, after, limit)]


async def differences(conn: Conn, user_ids: Sequence[UserId]) -> list[Difference]:
    """Return the sums of these persons that are not what their transactions add up to."""
    return [Difference(**dict(row)) for row in await conn.fetch(SQL.differences, user_ids)]


async def mend(conn: Conn, found: Sequence[Difference]) -> None:
    """Write the sums as they should be, and keep what was found."""
    keys = (
        [item.user_id for item in found],
        [item.month for item in found],
        [item.category_id for item in found],
        [item.currency for item in found],
    )
    await conn.execute(
        SQL.mend,
        *keys,
        [item.posted_minor for item in found],
        [item.pending_minor for item in found],
        [item.posted_count for item in found],
        [item.pending_count for item in found],
        [item.excluded_posted_minor for item in found],
        [item.excluded_pending_minor for item in found],
    )
    await record(
        conn,
        [
            (item.user_id, item.month, item.category_id, item.currency,
             item.stored_posted_minor + item.stored_pending_minor, item.posted_minor + item.pending_minor)
            for item in found
        ],
    )  # fmt: skip


async def where_left(conn: Conn) -> UserId:
    """Return the person after whom the nightly comparison goes on; 0 where it begins anew."""
    return UserId(await conn.fetchval(SQL.where_left) or 0)


async def leave_at(conn: Conn, after: UserId | None, now: datetime) -> None:
    """Note how far the nightly comparison has come; None when it has been through with everybody."""
    await conn.execute(SQL.leave_at, after or 0, now, after is None)


async def record(conn: Conn, found: Sequence[tuple[UserId, date, CategoryId, str, int, int]]) -> None:
    """Keep which sums were wrong: (person, month, category, currency, stored, as it should have been), minor units."""
    await conn.execute(SQL.record, *zip(*found, strict=True))
