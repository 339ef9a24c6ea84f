"""Votes of persons on sellers, and the counts of all of them together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mintql.domain.ids import CategoryId, UserId
from mintql.store.queries import Conn, load

SQL = load("crowd")


@dataclass(frozen=True, slots=True)
class CrowdRow:
    """What the crowd chose for a seller: how many people chose anything, and how many of them the top category."""

    merchant_key: str
    voters: int
    top_category_id: CategoryId
    top_voters: int


async def settle_votes(
    conn: Conn, user_id: UserId, merchant_keys: Sequence[str], category_ids: Sequence[CategoryId]
) -> None:
    """Make a person's votes on these sellers what their latest choices say.

    To be called last in a transaction: it waits for others who vote on the same sellers. Votes count for these
    categories alone; a choice of any other is none.
    """
    if merchant_keys:
        await conn.execute(SQL.lock_crowd, merchant_keys)
        await conn.execute(SQL.settle_votes, user_id, merchant_keys, category_ids)


async def of_sellers(conn: Conn, merchant_keys: Sequence[str], least_voters: int) -> list[CrowdRow]:
    """Return what the crowd chose for those of these sellers that at least so many people chose for."""
    return [CrowdRow(**dict(row)) for row in await conn.fetch(SQL.of_sellers, merchant_keys, least_voters)]
