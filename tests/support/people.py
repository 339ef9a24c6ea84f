"""Looking at the database as one person, the way the API does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mintql.data import load_categories
from mintql.domain.ids import CategoryId


@asynccontextmanager
async def acting_as(conn: Any, user_id: int) -> AsyncIterator[Any]:
    """A transaction on the owner's connection that row-level security binds to a person."""
    async with conn.transaction():
        await conn.execute("SET LOCAL ROLE mintql_api")
        await conn.execute("SELECT set_config('mintql.user_id', $1, true)", str(user_id))
        yield conn
        await conn.execute("RESET ROLE")


def category(slug: str) -> CategoryId:
    return load_categories().by_slug[slug].category_id
