"""Rows of `personal_categories`: what persons say of categories."""

from __future__ import annotations

from collections.abc import Sequence

from mintql.domain.categories import CategoryKind, PersonalCategory
from mintql.domain.ids import CategoryId, UserId
from mintql.store.queries import Conn, load

SQL = load("personal_categories")


async def of_users(conn: Conn, user_ids: Sequence[UserId]) -> dict[UserId, tuple[PersonalCategory, ...]]:
    """Return what these persons say, by category id; a person who says nothing is not in the result."""
    said: dict[UserId, list[PersonalCategory]] = {}
    for row in await conn.fetch(SQL.of_users, user_ids):
        values = dict(row)
        user_id = values.pop("user_id")
        values["kind"] = None if row["kind"] is None else CategoryKind(row["kind"])
        said.setdefault(user_id, []).append(PersonalCategory(**values))
    return {user_id: tuple(rows) for user_id, rows in said.items()}


async def put(conn: Conn, user_id: UserId, row: PersonalCategory) -> None:
    """Write what a person says of one category; where that is nothing, keep no row. The kind is written once."""
    if row.says_nothing:
        await conn.execute(SQL.forget, user_id, row.category_id)
        return
    await conn.execute(
        SQL.put,
        user_id,
        row.category_id,
        row.parent_id,
        row.name,
        None if row.kind is None else row.kind.value,
        row.icon,
        row.hidden,
        row.merged_into,
        row.gone,
    )


async def lead_on(conn: Conn, user_id: UserId, gone_id: CategoryId, taker_id: CategoryId) -> None:
    """Let what was merged into a category that goes be merged into the one that takes its place."""
    await conn.execute(SQL.lead_on, user_id, gone_id, taker_id)
