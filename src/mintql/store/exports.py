"""Everything of a person, row by row through a cursor, so that no more than a batch is in memory at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg

from mintql.domain.ids import AccountId, UserId
from mintql.store.queries import Conn, load

SQL = load("exports")
TABLES_SQL = load("exports_tables")

ROWS_PER_FETCH = 500


def parts() -> list[str]:
    """Return the names of the parts of an export, in their order."""
    return [name for name, _ in TABLES_SQL]


async def rows_of(conn: Conn, part: str, user_id: UserId) -> AsyncIterator[str]:
    """Yield the rows of a part, each as a JSON text."""
    async for row in _cursor(conn, getattr(TABLES_SQL, part), user_id):
        yield row["line"]


def csv_rows(conn: Conn, user_id: UserId) -> AsyncIterator[asyncpg.Record]:
    """Yield transactions that count, newest first."""
    return _cursor(conn, SQL.csv_rows, user_id)


async def statements(conn: Conn, user_id: UserId, *, cards: bool) -> list[asyncpg.Record]:
    """Return accounts with posted transactions, once for each currency of these."""
    return list(await conn.fetch(SQL.statements, user_id, cards))


def statement_rows(conn: Conn, user_id: UserId, account_id: AccountId, currency: str) -> AsyncIterator[asyncpg.Record]:
    """Yield the posted transactions of an account in a currency, oldest first."""
    return _cursor(conn, SQL.statement_rows, user_id, account_id, currency)


async def _cursor(conn: Conn, query: str, *values: Any) -> AsyncIterator[asyncpg.Record]:
    async for row in conn.cursor(query, *values, prefetch=ROWS_PER_FETCH):
        yield row
