"""What a person changes about their categories one by one: adding, renaming, hiding, moving to another group.

Merging, deleting and bringing back are `services.category_moves`.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

from mintql.data import load_categories
from mintql.domain.categories import (
    KEPT_SLUGS,
    OWN_ID_MIN,
    Category,
    CategoryKind,
    CategoryTree,
    PersonalCategory,
    check_in_use,
)
from mintql.domain.errors import InvalidInput
from mintql.domain.ids import CategoryId, UserId
from mintql.domain.wording import fits_a_line, shown
from mintql.services import alerts
from mintql.services.annotations import tag_key
from mintql.services.effects import Effects
from mintql.services.personal_categories import tree_of
from mintql.store import personal_categories as store
from mintql.store.locks import lock_users
from mintql.store.queries import Conn

NAME_LENGTH_MAX = 60
"""Twice the longest standard name; the table holds to it as well."""
OWN_MAX = 200
"""Own categories of a person at a time: more than the standard ones, and few enough to choose from."""
OWN_EVER_MAX = 1_000
"""With deleted ones, whose rows stay because alerts of the past name them: what every read of a tree goes through."""
SEEN: Final = "LNPS"
"""First letters of Unicode's general categories that show by themselves: letters, numbers, punctuation, symbols."""
ICON: Final = re.compile(r"[a-z0-9-]{1,50}")
ICON_DEFAULT = "tag"


@dataclass(frozen=True, slots=True)
class NewCategory:
    """A category as a person asks for it: a leaf of the group `group_id`, or a group of a kind."""

    name: str
    group_id: CategoryId | None = None
    kind: CategoryKind | None = None
    icon: str | None = None


@dataclass(frozen=True, slots=True)
class CategoryWish:
    """What is to be otherwise about a category.

    Name and icon are only looked at if `changes_name` and `changes_icon`; None gives a standard category its own back.
    """

    changes_name: bool = False
    name: str | None = None
    changes_icon: bool = False
    icon: str | None = None
    group_id: CategoryId | None = None
    hidden: bool | None = None


async def add(conn: Conn, user_id: UserId, wish: NewCategory) -> tuple[CategoryId, Effects]:
    """Make a category of the person's own; return its id.

    Raises:
        InvalidInput: The name is taken or cannot be, the group cannot hold it, neither or both of group and kind are
            given, or there are too many already.
    """
    icon = _check_icon(wish.icon)
    await lock_users(conn, [user_id])
    tree = await tree_of(conn, user_id)
    name = check_name(tree, wish.name)
    if (wish.group_id is None) is (wish.kind is None):
        raise InvalidInput("Give the group it goes into, or for a new group its kind; one of the two.", field="groupId")
    group = None if wish.group_id is None else check_group(tree, wish.group_id)
    own = [category for category in tree.by_id.values() if category.is_own]
    if sum(category.in_use for category in own) >= OWN_MAX:
        raise InvalidInput(f"You have {OWN_MAX} categories of your own, the most there can be; delete one first.")
    if len(own) >= OWN_EVER_MAX:
        raise InvalidInput(
            f"You have made {OWN_EVER_MAX:,} categories, deleted ones among them, the most there can be; rename one."
        )
    row = PersonalCategory(
        category_id=CategoryId(max((category.category_id for category in own), default=OWN_ID_MIN - 1) + 1),
        parent_id=wish.group_id,
        name=name,
        kind=wish.kind if group is None else group.kind,
        icon=icon or (ICON_DEFAULT if group is None else group.icon),
    )
    await store.put(conn, user_id, row)
    return row.category_id, Effects(changed={user_id})


async def change(
    conn: Conn, user_id: UserId, category_id: CategoryId, wish: CategoryWish, now: datetime
) -> tuple[CategoryId, Effects]:
    """Rename, hide or show a category, give it another icon, or put an own one into another group; return its id.

    What is in it stays and counts; with another group it counts in the budget of that one.

    Raises:
        InvalidInput: There is no such category, the name is taken or cannot be, it cannot be hidden, or the group
            cannot hold it.
    """
    icon = _check_icon(wish.icon)
    await lock_users(conn, [user_id])
    tree = await tree_of(conn, user_id)
    category = check_in_use(tree, category_id, field="id")
    row = await said_of(conn, user_id, category_id)
    if wish.changes_name:
        row = replace(row, name=_new_name(tree, category, wish.name))
    if wish.changes_icon:
        if icon is None and category.is_own:
            raise InvalidInput(f"{category.name} is your own category; it needs an icon.", field="icon")
        row = replace(row, icon=icon)
    if wish.hidden is not None:
        _check_hiding(tree, category, hidden=wish.hidden)
        row = replace(row, hidden=wish.hidden)
    moved_months: set[date] = set()
    if wish.group_id is not None and wish.group_id != category.parent_id:
        _check_move(tree, category, wish.group_id)
        row = replace(row, parent_id=wish.group_id)
        moved_months = alerts.recent_months(now)
    await store.put(conn, user_id, row)
    effects = Effects(changed={user_id})
    effects.merge(await alerts.evaluate(conn, {user_id: moved_months}, now))
    return category_id, effects


async def said_of(conn: Conn, user_id: UserId, category_id: CategoryId) -> PersonalCategory:
    """Return what the person says of a category so far."""
    rows = (await store.of_users(conn, [user_id])).get(user_id, ())
    return next((row for row in rows if row.category_id == category_id), PersonalCategory(category_id))


def check_name(tree: CategoryTree, text: str, *, besides: CategoryId | None = None) -> str:
    """Return a name as it is kept, for a new category or the one of `besides`.

    Raises:
        InvalidInput: It is empty, too long, holds what cannot be shown, or another category has it, whatever the case.
    """
    name = unicodedata.normalize("NFC", text.strip())
    if not 1 <= len(name) <= NAME_LENGTH_MAX:
        raise InvalidInput(
            f"A name has 1 to {NAME_LENGTH_MAX} characters; {shown(name)} has {len(name)}.", field="name"
        )
    if not fits_a_line(name):
        raise InvalidInput(f"The name {shown(name)} holds a character that cannot be shown on a line.", field="name")
    if not any(unicodedata.category(character)[0] in SEEN for character in name):
        raise InvalidInput(f"The name {shown(name)} holds nothing that can be seen.", field="name")
    check_name_is_free(tree, name, besides=besides, field="name")
    return name


def check_name_is_free(tree: CategoryTree, name: str, *, besides: CategoryId | None, field: str) -> None:
    """Raise `InvalidInput` when another category that the person has is called so, whatever the case."""
    key = tag_key(name)
    for other in tree.by_id.values():
        if other.in_use and other.category_id != besides and tag_key(other.name) == key:
            hidden = ", which you have hidden" if other.hidden else ""
            raise InvalidInput(f"There is a category {other.name} already{hidden}; choose another name.", field=field)


def check_group(tree: CategoryTree, group_id: CategoryId) -> Category:
    """Return the group when a person can put a category of their own into it, else raise `InvalidInput`."""
    group = check_in_use(tree, group_id, field="groupId")
    if not group.is_group:
        raise InvalidInput(f"{group.name} is no group; categories go into groups.", field="groupId")
    if group.hidden:
        raise InvalidInput(f"You have hidden {group.name}; show it first.", field="groupId")
    return group


def _new_name(tree: CategoryTree, category: Category, name: str | None) -> str | None:
    """Return the name to keep for a category: None for a standard one that is to be called as for everybody."""
    if name is None and category.is_own:
        raise InvalidInput(f"{category.name} is your own category; it needs a name.", field="name")
    standard = None if category.is_own else standard_name(category.category_id)
    if name is None and standard is not None:
        check_name_is_free(tree, standard, besides=category.category_id, field="name")
        return None
    kept = check_name(tree, name or "", besides=category.category_id)
    return None if kept == standard else kept


def standard_name(category_id: CategoryId) -> str:
    """Return what a standard category is called for everybody."""
    return load_categories().by_id[category_id].name


def _check_icon(icon: str | None) -> str | None:
    if icon is not None and not ICON.fullmatch(icon):
        raise InvalidInput(
            f"{shown(icon)} is no name of an icon; give one as lucide.dev has it, such as shopping-basket.",
            field="icon",
        )
    return icon


def _check_hiding(tree: CategoryTree, category: Category, *, hidden: bool) -> None:
    if hidden and category.slug in KEPT_SLUGS:
        raise InvalidInput(f"{category.name} cannot be hidden: {why_kept(category)}.", field="hidden")
    group = None if category.parent_id is None else tree.by_id[category.parent_id]
    if not hidden and group is not None and group.hidden:
        raise InvalidInput(f"{category.name} is hidden with its group; show {group.name} first.", field="hidden")


def _check_move(tree: CategoryTree, category: Category, group_id: CategoryId) -> None:
    if not category.is_own:
        raise InvalidInput(f"{category.name} is a standard category; it stays in its group.", field="groupId")
    if category.is_group:
        raise InvalidInput(f"{category.name} is a group; groups are in no other.", field="groupId")
    group = check_group(tree, group_id)
    if group.kind is not category.kind:
        raise InvalidInput(
            f"{category.name} is for {category.kind.value} and {group.name} for {group.kind.value}; choose a group of "
            "its kind.",
            field="groupId",
        )


def why_kept(category: Category) -> str:
    """Say why a category cannot be hidden or merged away."""
    if category.kind is CategoryKind.TRANSFER:
        return "money moved between your own accounts is kept out of spending there"
    return "it holds what is in no other"
