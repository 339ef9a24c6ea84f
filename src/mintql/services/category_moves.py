"""Merging a person's category into another, deleting one of their own, and bringing a merged one back.

Everything that names the category goes along in the caller's transaction: transactions and parts of splits, remembered
sellers, rules, limits. Sums follow by the triggers, and alerts are raised for what the target then holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from mintql.domain.categories import (
    KEPT_SLUGS,
    UNCATEGORIZED_ID,
    Category,
    CategoryTree,
    check_in_use,
    check_leaf,
)
from mintql.domain.errors import CategoryInUse, InvalidInput
from mintql.domain.ids import CategoryId, UserId
from mintql.domain.merged_budgets import ended, merge_overrides
from mintql.services import alerts
from mintql.services.category_changes import check_name_is_free, said_of, why_kept
from mintql.services.effects import Effects
from mintql.services.events import EVENT_IDS_MAX, append_events, transactions_changed
from mintql.services.personal_categories import tree_of
from mintql.store import budgets, household, rules
from mintql.store import personal_categories as store
from mintql.store.locks import lock_users
from mintql.store.personal_categories import Holdings
from mintql.store.queries import Conn

NOTES_MAX = 20
"""Sentences about limits: a person reads no more, and somebody may have set a limit for each of many months."""
CHILDREN_NAMED_MAX = 3


@dataclass(frozen=True, slots=True)
class Moved:
    """What went along: transactions, wholly or with parts, remembered sellers, and in words what became of limits."""

    transactions: int
    sellers: int
    notes: tuple[str, ...]


NOTHING_MOVED = Moved(0, 0, ())


async def merge(
    conn: Conn, user_id: UserId, category_id: CategoryId, into_id: CategoryId, now: datetime
) -> tuple[Moved, Effects]:
    """Put all that is in one category into another, for good: what would go into it later goes there as well.

    One of the person's own is gone then. A standard one takes nothing until it is brought back.

    Raises:
        InvalidInput: One of them does not exist, is a group, Uncategorized or needed, the target is hidden, or the two
            are of different kinds.
    """
    await lock_users(conn, [user_id])
    tree = await tree_of(conn, user_id)
    category = check_in_use(tree, category_id, field="id")
    taker = check_in_use(tree, into_id, field="intoId")
    _check_merge(category, taker)
    return await _put_away(conn, user_id, category, taker, now)


async def delete(
    conn: Conn, user_id: UserId, category_id: CategoryId, move_to: CategoryId | None, now: datetime
) -> tuple[Moved, Effects]:
    """Delete a category of the person's own; what is in it goes to `move_to`, which may be Uncategorized.

    Raises:
        CategoryInUse: Something is in it, and it was not said where that goes.
        InvalidInput: There is no such category, it is a standard one, a group that still has categories, or the target
            cannot take what is in it.
    """
    await lock_users(conn, [user_id])
    tree = await tree_of(conn, user_id)
    category = check_in_use(tree, category_id, field="id")
    if not category.is_own:
        raise InvalidInput(
            f"{category.name} is a standard category, which cannot be deleted; hide it, or merge it into another.",
            field="id",
        )
    if category.is_group:
        return await _delete_group(conn, user_id, tree, category, move_to)
    taker = None if move_to is None else _check_taker(tree, category, move_to)
    held = await store.holdings(conn, user_id, category_id)
    if taker is None and held.any:
        raise CategoryInUse(
            f"{category.name} holds {_in_words(held)}; say with moveTo which category takes them.",
            transactions=held.transactions,
            parts=held.parts,
            sellers=held.sellers,
            budgets=held.budgets,
        )
    return await _put_away(conn, user_id, category, taker, now)


async def restore(conn: Conn, user_id: UserId, category_id: CategoryId) -> tuple[CategoryId, Effects]:
    """Let a standard category that was merged into another take transactions again; return its id.

    What was moved stays where it is.

    Raises:
        InvalidInput: There is no such category, it was not merged, or another one is called as it is by now.
    """
    await lock_users(conn, [user_id])
    tree = await tree_of(conn, user_id)
    category = tree.by_id.get(category_id)
    if category is None or category.gone:
        raise InvalidInput(f"There is no category {category_id}.", field="id")
    if category.merged_into is None:
        raise InvalidInput(f"{category.name} was not merged into another; there is nothing to bring back.", field="id")
    check_name_is_free(tree, category.name, besides=category_id, field="id")
    row = await said_of(conn, user_id, category_id)
    await store.put(conn, user_id, replace(row, merged_into=None))
    return category_id, Effects(changed={user_id})


def _check_merge(category: Category, taker: Category) -> None:
    if category.category_id == taker.category_id:
        raise InvalidInput(f"{category.name} cannot be merged into itself.", field="intoId")
    for one, field in ((category, "id"), (taker, "intoId")):
        if one.is_group:
            raise InvalidInput(f"{one.name} is a group; merge its categories one by one.", field=field)
    if category.slug in KEPT_SLUGS:
        raise InvalidInput(f"{category.name} cannot be merged away: {why_kept(category)}.", field="id")
    if taker.category_id == UNCATEGORIZED_ID:
        raise InvalidInput(
            f"Nothing is merged into {taker.name}; hide {category.name}, or delete it if it is your own.",
            field="intoId",
        )
    _check_takes(category, taker, "intoId")


def _check_taker(tree: CategoryTree, category: Category, move_to: CategoryId) -> Category:
    taker = tree.by_id[check_leaf(tree, move_to, field="moveTo")]
    if taker.category_id == category.category_id:
        raise InvalidInput(f"{category.name} is what you delete; choose another category.", field="moveTo")
    if taker.category_id != UNCATEGORIZED_ID:
        _check_takes(category, taker, "moveTo")
    return taker


def _check_takes(category: Category, taker: Category, field: str) -> None:
    if taker.kind is not category.kind:
        raise InvalidInput(
            f"{category.name} is for {category.kind.value} and {taker.name} for {taker.kind.value}; choose a category "
            "of the same kind.",
            field=field,
        )
    if taker.hidden:
        raise InvalidInput(f"You have hidden {taker.name}; show it first.", field=field)


async def _delete_group(
    conn: Conn, user_id: UserId, tree: CategoryTree, group: Category, move_to: CategoryId | None
) -> tuple[Moved, Effects]:
    if move_to is not None:
        raise InvalidInput(f"{group.name} is a group, so nothing is in it to be moved.", field="moveTo")
    left = [leaf.name for leaf in tree.children(group.category_id) if leaf.in_use]
    if left:
        named = ", ".join(left[:CHILDREN_NAMED_MAX]) + (" and others" if len(left) > CHILDREN_NAMED_MAX else "")
        raise InvalidInput(f"{group.name} still has categories: {named}. Move, merge or delete them first.", field="id")
    rows = await budgets.overrides_of(conn, user_id, group.category_id)
    await budgets.remove(conn, user_id, rows)
    row = await said_of(conn, user_id, group.category_id)
    await store.put(conn, user_id, replace(row, gone=True, hidden=False))
    return replace(NOTHING_MOVED, notes=_bounded(list(ended(rows)))), Effects(changed={user_id})


async def _put_away(
    conn: Conn, user_id: UserId, category: Category, taker: Category | None, now: datetime
) -> tuple[Moved, Effects]:
    """Move all that names a leaf, and remember where; `taker` None says that nothing that counts is in it."""
    from_id, into_id = category.category_id, UNCATEGORIZED_ID if taker is None else taker.category_id
    moved = await store.move_transactions(conn, user_id, from_id, into_id, EVENT_IDS_MAX, now)
    sellers = await store.move_sellers(conn, user_id, from_id, into_id)
    await rules.move_category(conn, user_id, from_id, into_id)
    await household.rename_category(conn, user_id, from_id, None if into_id == UNCATEGORIZED_ID else into_id)
    notes = await _move_limits(conn, user_id, from_id, into_id, now)
    said = await said_of(conn, user_id, from_id)
    target = None if taker is None else into_id
    # What was merged into it goes the same way, but not out of all categories: then it stands for itself again.
    await store.lead_on(conn, user_id, from_id, None if target == UNCATEGORIZED_ID else target)
    await store.put(conn, user_id, replace(said, merged_into=target, hidden=False, gone=category.is_own))
    effects = Effects(changed={user_id})
    if moved.count:
        told = transactions_changed(user_id, changed=moved.transaction_ids, changed_count=moved.count)
        _, telling = await append_events(conn, [told])
        effects.merge(telling)
    months = moved.months | (alerts.recent_months(now) if notes else set())
    effects.merge(await alerts.evaluate(conn, {user_id: set(months)}, now))
    return Moved(moved.count, sellers, _bounded(notes)), effects


async def _move_limits(
    conn: Conn, user_id: UserId, from_id: CategoryId, into_id: CategoryId, now: datetime
) -> list[str]:
    """Join the limits of a leaf that goes with those of the one that takes its place; say what became of them."""
    gone = await budgets.overrides_of(conn, user_id, from_id)
    if not gone:
        return []
    await budgets.remove(conn, user_id, gone)
    if into_id == UNCATEGORIZED_ID:
        return list(ended(gone))
    stays = await budgets.overrides_of(conn, user_id, into_id)
    merged = merge_overrides(gone, stays, into_id, await budgets.take_revision(conn, user_id))
    for item in merged:
        await budgets.put(conn, user_id, item.override, now)
    return [item.words for item in merged if item.words]


def _bounded(notes: Sequence[str]) -> tuple[str, ...]:
    if len(notes) <= NOTES_MAX:
        return tuple(notes)
    return (*notes[: NOTES_MAX - 1], f"And so {len(notes) - NOTES_MAX + 1} more limits.")


def _in_words(held: Holdings) -> str:
    counted = (
        (held.transactions, "transaction", "transactions"),
        (held.parts, "part of a split", "parts of splits"),
        (held.sellers, "remembered seller", "remembered sellers"),
        (held.budgets, "limit of a budget", "limits of a budget"),
    )
    return ", ".join(f"{count:,} {one if count == 1 else many}" for count, one, many in counted if count)
