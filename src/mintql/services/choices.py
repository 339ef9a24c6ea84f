"""A person's own word on which category transactions and sellers belong to, and taking it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum

from mintql.domain.categories import (
    UNCATEGORIZED,
    UNCATEGORIZED_ID,
    Categorization,
    CategorySource,
    CategoryTree,
    check_leaf,
)
from mintql.domain.errors import InvalidInput, NotFound
from mintql.domain.ids import CategoryId, TransactionId, UserId
from mintql.domain.months import first_day
from mintql.domain.reasons import reason
from mintql.services import alerts, crowd, transfers
from mintql.services.crowd import NO_SELLER
from mintql.services.effects import Effects
from mintql.services.events import append_events, transactions_changed
from mintql.services.personal_categories import tree_of
from mintql.services.uncategorized import categorize_uncategorized
from mintql.store import choices as store
from mintql.store import transactions_read
from mintql.store.choices import Choice, SellerMemory
from mintql.store.locks import lock_users
from mintql.store.queries import Conn
from mintql.store.transactions_read import TransactionRow

__all__ = [
    "RECATEGORIZED_MAX",
    "Scope",
    "SellerMemory",
    "find_transactions",
    "forget_seller",
    "list_memories",
    "recategorize",
    "undo",
]

RECATEGORIZED_MAX = 500


class Scope(StrEnum):
    """What a choice of category is meant for."""

    ONCE = "once"
    SELLER_FROM_NOW_ON = "seller_from_now_on"


async def recategorize(
    conn: Conn,
    user_id: UserId,
    transaction_ids: Sequence[TransactionId],
    category_id: CategoryId,
    scope: Scope,
    now: datetime,
) -> tuple[list[TransactionRow], Effects]:
    """Put transactions into a category by hand: all of them or, when one cannot be, none.

    With `SELLER_FROM_NOW_ON` transactions of the same sellers that come later or have no category yet go there too;
    those that have one and are not named stay as they are. The id of a pending transaction that was posted stands
    for the posted one. Returns the transactions in the order they were named, each once.

    Raises:
        InvalidInput: No ids or too many, or a category that transactions cannot carry.
        NotFound: An id is unknown, somebody else's, or of a transaction that was taken back.
    """
    _check_count(transaction_ids)
    await lock_users(conn, [user_id])
    check_leaf(await tree_of(conn, user_id), category_id)
    rows = await find_transactions(conn, user_id, transaction_ids, "ids")
    wanted = [row.transaction_id for row in rows]
    keys = sorted({row.merchant_key for row in rows} - {NO_SELLER, ""})
    remembered = scope is Scope.SELLER_FROM_NOW_ON
    await store.keep_choices(conn, user_id, wanted, category_id, now, remembered=remembered)
    if remembered:
        await store.remember_sellers(conn, user_id, keys, category_id)
    changed = await store.recategorize(conn, user_id, wanted, category_id, now)
    effects = await _follow(conn, user_id, changed, now)
    if remembered:
        _, more = await categorize_uncategorized(conn, user_id, now, merchant_keys=keys)
        effects.merge(more)
    current = await find_transactions(conn, user_id, wanted, "ids")
    await crowd.settle_votes(conn, user_id, keys)
    return current, effects


async def undo(
    conn: Conn, user_id: UserId, transaction_ids: Sequence[TransactionId], now: datetime
) -> tuple[list[TransactionRow], Effects]:
    """Take choices by hand back: each transaction is again what it was before the person chose for it.

    What the choices had remembered of sellers is forgotten, or what was remembered before holds again, and votes go
    with them. Transactions that nobody chose for stay as they are.

    Raises:
        InvalidInput: No ids or too many.
        NotFound: An id is unknown, somebody else's, or of a transaction that was taken back.
    """
    _check_count(transaction_ids)
    await lock_users(conn, [user_id])
    wanted = [row.transaction_id for row in await find_transactions(conn, user_id, transaction_ids, "ids")]
    choices = await store.take_back(conn, user_id, wanted)
    tree = await tree_of(conn, user_id)
    before = {choice.transaction_id: _before(tree, choice) for choice in choices}
    changed = await store.restore(conn, user_id, before, now)
    keys = sorted({choice.merchant_key for choice in choices})
    standing = await store.standing(conn, user_id, keys)
    await store.set_memories(conn, user_id, _memories(tree, choices, standing))
    effects = await _follow(conn, user_id, changed, now)
    current = await find_transactions(conn, user_id, wanted, "ids")
    await crowd.settle_votes(conn, user_id, keys)
    return current, effects


async def list_memories(conn: Conn, user_id: UserId, after: str, limit: int) -> list[SellerMemory]:
    """Return what a person chose for sellers, by merchant key, after one."""
    return await store.memories(conn, user_id, after, limit)


async def forget_seller(conn: Conn, user_id: UserId, merchant_key: str) -> Effects:
    """Forget what a person chose for a seller: transactions that come later are categorized as for everybody.

    Those that are there stay as they are, and so does the person's vote.

    Raises:
        NotFound: Nothing is remembered of this seller.
    """
    await lock_users(conn, [user_id])
    # No key holds what cannot be shown, and the database could not even be asked for some of it.
    if not merchant_key.isprintable() or not await store.forget_seller(conn, user_id, merchant_key):
        raise NotFound("Nothing is remembered of this seller.", field="merchantKey")
    return Effects(changed={user_id})


def _check_count(transaction_ids: Sequence[TransactionId]) -> None:
    if not 1 <= len(transaction_ids) <= RECATEGORIZED_MAX:
        raise InvalidInput(f"Name 1 to {RECATEGORIZED_MAX} transactions, not {len(transaction_ids)}.", field="ids")


async def find_transactions(
    conn: Conn, user_id: UserId, transaction_ids: Sequence[TransactionId], field: str
) -> list[TransactionRow]:
    """Return the transactions of these ids in their order, each once; raise `NotFound` when there is one without."""
    found = await transactions_read.resolve(conn, user_id, transaction_ids)
    for place, asked in enumerate(transaction_ids, start=1):
        if asked not in found:
            where = "this id" if field == "id" else f"the id at place {place}"
            raise NotFound(f"There is no transaction with {where}; nothing was changed.", field=field)
    return list({found[asked].transaction_id: found[asked] for asked in transaction_ids}.values())


def _before(tree: CategoryTree, choice: Choice) -> Categorization:
    """Return what a transaction was, in a category that is still there."""
    category = tree.by_id.get(choice.before_category_id)
    if category is None or (not category.in_use and category.merged_into in (None, UNCATEGORIZED_ID)):
        return UNCATEGORIZED
    return reason(
        category.merged_into or category.category_id, CategorySource(choice.before_source), choice.before_detail
    )


def _memories(
    tree: CategoryTree, choices: Sequence[Choice], standing: Mapping[str, CategoryId]
) -> dict[str, CategoryId | None]:
    """Return what is to be remembered of sellers once these choices are taken back."""
    memories: dict[str, CategoryId | None] = {}
    for choice in choices:
        if choice.remembered:
            memories[choice.merchant_key] = choice.memory_before or memories.get(choice.merchant_key)
    memories |= {key: category_id for key, category_id in standing.items() if key in memories}
    return {
        key: None if category_id is None else tree.redirects.get(category_id, category_id)
        for key, category_id in memories.items()
    }


async def _follow(conn: Conn, user_id: UserId, changed: Mapping[TransactionId, date], now: datetime) -> Effects:
    """Tell of changed transactions, and raise the alerts that their months call for."""
    if not changed:
        return Effects()
    settled = await transfers.follow(conn, user_id, changed, now)
    told = transactions_changed(user_id, changed=sorted(changed.keys() | settled.changed))
    _, effects = await append_events(conn, [told])
    effects.changed.add(user_id)
    months = {first_day(posted_on) for posted_on in changed.values()} | settled.months
    effects.merge(await alerts.evaluate(conn, {user_id: months}, now))
    return effects
