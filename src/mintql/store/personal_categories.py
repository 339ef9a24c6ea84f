"""Rows of `personal_categories`: what persons say of categories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from mintql.domain.categories import UNCATEGORIZED_ID, CategoryKind, PersonalCategory
from mintql.domain.ids import CategoryId, TransactionId, UserId
from mintql.store.queries import Conn, load

SQL = load("personal_categories")


@dataclass(frozen=True, slots=True)
class Holdings:
    """How much is in a category: transactions and parts of splits that count, remembered sellers, and limits."""

    transactions: int
    parts: int
    sellers: int
    budgets: int

    @property
    def any(self) -> bool:
        """Whether there is anything."""
        return bool(self.transactions or self.parts or self.sellers or self.budgets)


@dataclass(frozen=True, slots=True)
class MovedTransactions:
    """Transactions that count and were moved wholly or with a part: how many, some of their ids, their months."""

    count: int
    transaction_ids: tuple[TransactionId, ...]
    months: frozenset[date]


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


async def lead_on(conn: Conn, user_id: UserId, gone_id: CategoryId, taker_id: CategoryId | None) -> None:
    """Let what was merged into a category that goes be merged into the one that takes its place, or into none."""
    await conn.execute(SQL.lead_on, user_id, gone_id, taker_id)


async def holdings(conn: Conn, user_id: UserId, category_id: CategoryId) -> Holdings:
    """Return how much of each sort is in a category."""
    row = await conn.fetchrow(SQL.holdings, user_id, category_id)
    return Holdings(**dict(row)) if row is not None else Holdings(0, 0, 0, 0)


async def move_transactions(
    conn: Conn, user_id: UserId, from_id: CategoryId, into_id: CategoryId, ids_max: int, now: datetime
) -> MovedTransactions:
    """Put all that is in one category into another, in one statement whatever its number.

    A person's choices stay theirs. What nobody chose has no reason any more where it becomes uncategorized.
    """
    row = await conn.fetchrow(SQL.move_transactions, user_id, from_id, into_id, now, UNCATEGORIZED_ID, ids_max)
    if row is None:
        return MovedTransactions(0, (), frozenset())
    return MovedTransactions(row["transactions"], tuple(row["transaction_ids"]), frozenset(row["months"]))


async def move_sellers(conn: Conn, user_id: UserId, from_id: CategoryId, into_id: CategoryId) -> int:
    """Let sellers remembered for one category be remembered for another; forget them where that is Uncategorized.

    Returns how many there were.
    """
    if into_id == UNCATEGORIZED_ID:
        return len(await conn.fetch(SQL.forget_sellers, user_id, from_id))
    return len(await conn.fetch(SQL.move_sellers, user_id, from_id, into_id))
