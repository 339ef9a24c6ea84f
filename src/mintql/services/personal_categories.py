"""A person's categories: the standard ones with what the person says of them, and their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias

from mintql.data import load_categories
from mintql.domain.categories import CategoryTree, PersonalCategory, personal_tree
from mintql.domain.ids import CategoryId, UserId
from mintql.store import personal_categories as store
from mintql.store.queries import Conn

ReadTree: TypeAlias = Callable[[Conn, Iterable[CategoryId]], Awaitable[CategoryTree]]
"""Gives the categories of the person in question, in which at least these are."""
TREES_KEPT_MAX = 256
"""Trees of persons with changes, of some tens of kilobytes each; the standard one is everybody else's."""


async def tree_of(conn: Conn, user_id: UserId) -> CategoryTree:
    """Return a person's categories.

    Read it after the rows whose categories it is to name: a category that was made stays in the tree for good, so
    that a later tree knows all of an earlier row's.
    """
    return (await trees_of(conn, [user_id]))[user_id]


def standard_tree() -> CategoryTree:
    """Return the categories of everybody who says nothing of them."""
    return _tree(())


async def trees_of(conn: Conn, user_ids: Sequence[UserId]) -> Mapping[UserId, CategoryTree]:
    """Return the categories of each of these persons."""
    said = await store.of_users(conn, user_ids)
    return {user_id: _tree(said.get(user_id, ())) for user_id in user_ids}


@lru_cache(maxsize=TREES_KEPT_MAX)
def _tree(said: tuple[PersonalCategory, ...]) -> CategoryTree:
    return personal_tree(load_categories(), said)
