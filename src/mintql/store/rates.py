"""Rows of `exchange_rates`, which are everybody's, and of `manual_rates`, which are a person's own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from mintql.domain.ids import UserId
from mintql.domain.rates import ManualRate, Rate
from mintql.store.queries import Conn, load

SQL = load("rates")
FEED_SQL = load("rates_feed")


async def save(conn: Conn, rates: Sequence[Rate], source: str) -> int:
    """Write published rates, each currency and day once; return how many were new or are other ones now."""
    columns = [rate.currency for rate in rates], [rate.on for rate in rates], [rate.per_euro for rate in rates]
    return int(await conn.fetchval(FEED_SQL.save, *columns, source))


async def between(conn: Conn, currencies: Sequence[str], first: date, last: date) -> list[Rate]:
    """Return the published rates of these currencies on these days, both included."""
    rows = await conn.fetch(SQL.between, currencies, first, last)
    return [Rate(row["currency"], row["on_date"], Decimal(row["per_euro"])) for row in rows]


async def manual(conn: Conn, user_id: UserId) -> list[ManualRate]:
    """Return a person's own rates, by pair, newest first."""
    rows = await conn.fetch(SQL.manual, user_id)
    return [ManualRate(row["currency"], row["quote"], row["on_date"], Decimal(row["rate"])) for row in rows]


async def set_manual(conn: Conn, user_id: UserId, rate: ManualRate, others_max: int) -> bool:
    """Write a person's own rate; return False where they have `others_max` others."""
    values = rate.currency, rate.quote, rate.on, rate.rate
    return bool(await conn.fetchval(SQL.set_manual, user_id, *values, others_max))


async def remove_manual(conn: Conn, user_id: UserId, currency: str, quote: str, on: date) -> bool:
    """Remove a person's own rate of a day; return whether there was one."""
    return bool(await conn.fetchval(SQL.remove_manual, user_id, currency, quote, on))
