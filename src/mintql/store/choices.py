"""What a person chose by hand: categories of transactions, what each was before, and what is remembered of sellers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from mintql.domain.categories import Categorization
from mintql.domain.ids import CategoryId, TransactionId, UserId
from mintql.store.queries import Conn, load

SQL = load("choices")

SUCCESSION_STEPS_MAX = 500
"""How far a choice follows its transaction to the one that stands for it by now."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A choice that was taken back.

    `remembered` says that it was meant for the seller; `memory_before` is what was remembered of it before any was.
    """

    transaction_id: TransactionId
    merchant_key: str
    remembered: bool
    memory_before: CategoryId | None
    before_category_id: CategoryId
    before_source: str
    before_detail: str


@dataclass(frozen=True, slots=True)
class SellerMemory:
    """What a person chose for a seller. `merchant` is its name on the transaction last chosen for, if that is there."""

    merchant_key: str
    category_id: CategoryId
    created_at: datetime
    merchant: str | None


async def keep_choices(
    conn: Conn,
    user_id: UserId,
    transaction_ids: Sequence[TransactionId],
    category_id: CategoryId,
    now: datetime,
    *,
    remembered: bool,
) -> None:
    """Keep what transactions are, to be called before they are put into the category chosen for them."""
    await conn.execute(SQL.keep_choices, user_id, transaction_ids, category_id, now, remembered)


async def recategorize(
    conn: Conn,
    user_id: UserId,
    transaction_ids: Sequence[TransactionId],
    category_id: CategoryId,
    now: datetime,
) -> dict[TransactionId, date]:
    """Put transactions into a category by hand; return the posting dates of those that this changed."""
    rows = await conn.fetch(SQL.recategorize, user_id, transaction_ids, category_id, now)
    return {row["transaction_id"]: row["posted_on"] for row in rows}


async def remember_sellers(conn: Conn, user_id: UserId, merchant_keys: Sequence[str], category_id: CategoryId) -> None:
    """Remember that these sellers belong into the category from now on."""
    await conn.execute(SQL.remember_sellers, user_id, merchant_keys, category_id)


async def take_back(conn: Conn, user_id: UserId, transaction_ids: Sequence[TransactionId]) -> list[Choice]:
    """Forget the choices on these transactions, and on those that gave way to them; return them.

    A transaction that took the category of such a one over is named with what that one was, unless it has a choice
    with what it was itself.
    """
    led = await conn.fetch(SQL.led_to, user_id, transaction_ids, SUCCESSION_STEPS_MAX)
    wanted = [*transaction_ids, *(row["old_id"] for row in led)]
    taken = {row["transaction_id"]: Choice(**dict(row)) for row in await conn.fetch(SQL.take_back, user_id, wanted)}
    for row in led:
        if row["now_id"] not in taken and row["old_id"] in taken:
            taken[row["now_id"]] = replace(taken[row["old_id"]], transaction_id=row["now_id"])
    return list(taken.values())


async def hand_on(conn: Conn, links: Sequence[tuple[UserId, TransactionId, TransactionId]]) -> None:
    """Let choices be known on transactions that take them over: (person, from, to), before they do."""
    if links:
        await conn.execute(SQL.hand_on, *[list(column) for column in zip(*links, strict=True)])


async def standing(conn: Conn, user_id: UserId, merchant_keys: Sequence[str]) -> dict[str, CategoryId]:
    """Return the latest choice that stands for each of these sellers and was meant for it."""
    rows = await conn.fetch(SQL.standing, user_id, merchant_keys)
    return {row["merchant_key"]: row["category_id"] for row in rows}


async def set_memories(conn: Conn, user_id: UserId, memories: Mapping[str, CategoryId | None]) -> None:
    """Remember what is given of each seller; None forgets it."""
    await conn.execute(SQL.set_memories, user_id, list(memories), list(memories.values()))


async def restore(
    conn: Conn, user_id: UserId, before: Mapping[TransactionId, Categorization], now: datetime
) -> dict[TransactionId, date]:
    """Give transactions back what they were; return the posting dates of those that this changed."""
    rows = await conn.fetch(
        SQL.restore,
        user_id,
        list(before),
        [reason.category_id for reason in before.values()],
        [reason.source.value for reason in before.values()],
        [reason.detail for reason in before.values()],
        now,
    )
    return {row["transaction_id"]: row["posted_on"] for row in rows}


async def memories(conn: Conn, user_id: UserId, after: str, limit: int) -> list[SellerMemory]:
    """Return what a person chose for sellers, by merchant key, after one."""
    return [SellerMemory(**dict(row)) for row in await conn.fetch(SQL.memories, user_id, after, limit)]


async def forget_seller(conn: Conn, user_id: UserId, merchant_key: str) -> bool:
    """Forget what a person chose for a seller; tell whether there was anything."""
    return await conn.fetchval(SQL.forget_seller, user_id, merchant_key) is not None
