"""Rows of `search_months`: what stands in each month of persons who have many transactions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date

from mintql.domain.ids import ChangeSeq, UserId
from mintql.store.queries import Conn, load
from mintql.store.transactions_read import MINOR_PER_UNIT

SQL = load("search_months")
BUILD = load("search_months_build")


async def count_up_to(conn: Conn, user_id: UserId, limit: int) -> int:
    """Return how many transactions a person has, `limit` at most."""
    return int(await conn.fetchval(BUILD.count_up_to, user_id, limit))


async def rebuild(conn: Conn, user_id: UserId) -> None:
    """Write down what stands in each month of a person now."""
    await conn.execute(BUILD.rebuild, user_id, MINOR_PER_UNIT)


async def built_seq(conn: Conn, user_id: UserId) -> ChangeSeq | None:
    """Return up to where in the log of changes it is known what stands in a person's months, None where it is not."""
    seq = await conn.fetchval(SQL.built_seq, user_id)
    return None if seq is None else ChangeSeq(seq)


async def newest_month(conn: Conn, user_id: UserId) -> date | None:
    """Return the first day of the newest month that is written down, None where none is."""
    month: date | None = await conn.fetchval(SQL.newest_month, user_id)
    return month


async def changed(conn: Conn, user_id: UserId, seq: ChangeSeq, limit: int) -> set[date] | None:
    """Return months with changes after a seq, by their first days; None where more than `limit` rows changed."""
    row = await conn.fetchrow(SQL.changed, user_id, seq, limit + 1)
    if row is None or row["mentions"] > limit:
        return None
    return set(row["months"] or ())


async def having(conn: Conn, user_id: UserId, words: Sequence[Sequence[str]]) -> set[date]:
    """Return months that have something of each word's texts, by their first days."""
    return {row["month"] for row in await conn.fetch(SQL.having, user_id, json.dumps([list(one) for one in words]))}
