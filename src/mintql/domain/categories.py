"""Categories as a tree of two levels, and what it means that a transaction was put into one.

Groups (Food & Dining) have leaves (Groceries). Transactions carry leaves; budgets may be set on either.
Uncategorized stands alone: it is a leaf without a group.

The standard tree is everybody's. A person may change it for themselves: add groups and leaves of their own, rename
and hide, merge one leaf into another. `personal_tree` lays what they said over the standard tree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

from mintql.domain.errors import InvalidInput
from mintql.domain.ids import CategoryId

UNCATEGORIZED_ID = CategoryId(1)
OWN_ID_MIN = CategoryId(10_000)
"""Ids from here on are of categories that persons made, each counting for themselves; below are the standard ones."""


KEPT_SLUGS = frozenset(
    {
        "uncategorized",
        "transfers",
        "account-transfer",
        "credit-card-payment",
        "savings-transfer",
        "investment-transfer",
    }
)
"""Standard categories that cannot be hidden or merged away: what has no other, and money moved between own accounts,
which would otherwise count as spending or income."""


class CategoryKind(StrEnum):
    """What money in a category is. Only `expense` counts as spending; `transfer` counts as nothing."""

    EXPENSE = "expense"
    INCOME = "income"
    TRANSFER = "transfer"


class CategorySource(StrEnum):
    """Who or what put a transaction into its category, strongest first.

    `memory` is what the person chose for the seller before, `transfer` that the transaction is one side of a
    transfer between the person's own accounts.
    """

    MANUAL = "manual"
    RULE = "rule"
    MEMORY = "memory"
    TRANSFER = "transfer"
    CROWD = "crowd"
    INSTITUTION = "institution"
    DICTIONARY = "dictionary"
    KEYWORD = "keyword"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Category:
    """A group (`parent_id` is None and it has children) or a leaf.

    `slug` is the stable name for programs, `plaid_code` the detailed code of Plaid's personal finance
    categories, version 2 (empty for groups and for a person's own), `icon` the name of a pictogram for frontends.

    `hidden` is what the person does not want to see, and all in a hidden group. `merged_into` is the leaf that takes
    what would go into this one. `gone` is an own category that was deleted or merged: only history names it.
    """

    category_id: CategoryId
    parent_id: CategoryId | None
    slug: str
    name: str
    kind: CategoryKind
    icon: str
    plaid_code: str
    hidden: bool = False
    merged_into: CategoryId | None = None
    gone: bool = False

    @property
    def is_own(self) -> bool:
        """Whether a person made it."""
        return self.category_id >= OWN_ID_MIN

    @property
    def is_group(self) -> bool:
        """Whether it is for leaves, and so cannot be carried by a transaction."""
        return self.parent_id is None and self.category_id != UNCATEGORIZED_ID

    @property
    def in_use(self) -> bool:
        """Whether something may be in it: neither merged into another nor gone."""
        return self.merged_into is None and not self.gone

    @property
    def offered(self) -> bool:
        """Whether the person is shown it to choose from."""
        return self.in_use and not self.hidden


@dataclass(frozen=True, slots=True)
class PersonalCategory:
    """What a person says of one category: of an own one all there is, of a standard one what is otherwise for them.

    None stands for the standard's. `parent_id` and `kind` are those of own categories alone; an own group has no
    parent.
    """

    category_id: CategoryId
    parent_id: CategoryId | None = None
    name: str | None = None
    kind: CategoryKind | None = None
    icon: str | None = None
    hidden: bool = False
    merged_into: CategoryId | None = None
    gone: bool = False

    @property
    def says_nothing(self) -> bool:
        """Whether a standard category is as it is for everybody."""
        return self == PersonalCategory(self.category_id)


@dataclass(frozen=True, slots=True)
class Categorization:
    """A category with the reason for it.

    `detail` names the rule, vote, code or entry that decided. `confidence` is how often, in whole percent, such a
    reason is right; 0 where nothing was found.
    """

    category_id: CategoryId
    source: CategorySource
    detail: str
    confidence: int


UNCATEGORIZED = Categorization(UNCATEGORIZED_ID, CategorySource.NONE, "", 0)
CERTAIN = 100
"""The confidence of a person's own word."""


class CategoryTree:
    """All categories, looked up by id, slug and place. Immutable.

    Raises:
        ValueError: Ids or slugs repeat, a parent is missing or is itself a child, or a leaf's kind is not
            that of its group.
    """

    by_id: Mapping[CategoryId, Category]
    by_slug: Mapping[str, Category]
    groups: tuple[Category, ...]
    """Categories that are for leaves, by id."""
    leaves: tuple[Category, ...]
    """Categories that transactions can carry, Uncategorized among them, by id."""
    redirects: Mapping[CategoryId, CategoryId | None]
    """Leaves that take nothing new: the leaf that does instead, None where none does."""

    def __init__(self, categories: Iterable[Category]) -> None:
        ordered = sorted(categories, key=lambda category: category.category_id)
        self.by_id = MappingProxyType({category.category_id: category for category in ordered})
        self.by_slug = MappingProxyType({category.slug: category for category in ordered})
        if not len(ordered) == len(self.by_id) == len(self.by_slug):
            raise ValueError("a category id or slug is used twice")
        children: dict[CategoryId, list[Category]] = {}
        for category in ordered:
            if category.parent_id is not None:
                self._check_parent(category)
                children.setdefault(category.parent_id, []).append(category)
        self._children = {group_id: tuple(leaves) for group_id, leaves in children.items()}
        self.groups = tuple(category for category in ordered if category.is_group)
        self.leaves = tuple(category for category in ordered if not category.is_group)
        self.redirects = MappingProxyType(
            {leaf.category_id: self._taker(leaf) for leaf in self.leaves if not leaf.offered}
        )
        self._self_and_group = {
            category.category_id: (category.category_id,)
            if category.parent_id is None
            else (category.category_id, category.parent_id)
            for category in ordered
        }

    def _check_parent(self, category: Category) -> None:
        parent = self.by_id.get(category.parent_id) if category.parent_id is not None else None
        if parent is None or not parent.is_group:
            raise ValueError(f"category {category.slug} needs a parent that is a group")
        if parent.kind is not category.kind:
            raise ValueError(f"category {category.slug} is not of the kind of its group {parent.slug}")

    def children(self, group_id: CategoryId) -> tuple[Category, ...]:
        """Return the leaves of a group by id; none for a leaf or an unknown id."""
        return self._children.get(group_id, ())

    def self_and_group(self, category_id: CategoryId) -> tuple[CategoryId, ...]:
        """Return the category and, for a leaf of a group, that group: the budgets a transaction counts in.

        Raises:
            KeyError: There is no such category.
        """
        return self._self_and_group[category_id]

    def is_group(self, category_id: CategoryId) -> bool:
        """Tell whether the category is for leaves, and so cannot be carried by a transaction."""
        category = self.by_id.get(category_id)
        return category is not None and category.is_group

    def redirect(self, category_id: CategoryId) -> CategoryId | None:
        """Return the leaf that takes what a machine, a rule or a memory puts into this one; None where none does."""
        return self.redirects.get(category_id, category_id)

    def _taker(self, leaf: Category) -> CategoryId | None:
        taker = leaf if leaf.merged_into is None else self.by_id.get(leaf.merged_into)
        return taker.category_id if taker is not None and taker.offered else None


def personal_tree(standard: CategoryTree, said: Sequence[PersonalCategory]) -> CategoryTree:
    """Return the tree as a person sees it.

    Raises:
        ValueError: What was said contradicts itself; see `CategoryTree`.
    """
    if not said:
        return standard
    by_id = dict(standard.by_id)
    for row in said:
        own = row.category_id >= OWN_ID_MIN
        by_id[row.category_id] = _own(row) if own else _changed(standard.by_id[row.category_id], row)
    hidden_groups = {category.category_id for category in by_id.values() if category.is_group and category.hidden}
    return CategoryTree(
        replace(category, hidden=True) if category.parent_id in hidden_groups else category
        for category in by_id.values()
    )


def _own(row: PersonalCategory) -> Category:
    if row.name is None or row.kind is None or row.icon is None:
        raise ValueError(f"own category {row.category_id} lacks a name, a kind or an icon")
    return Category(
        category_id=row.category_id,
        parent_id=row.parent_id,
        slug=f"own-{row.category_id}",
        name=row.name,
        kind=row.kind,
        icon=row.icon,
        plaid_code="",
        hidden=row.hidden,
        merged_into=row.merged_into,
        gone=row.gone,
    )


def _changed(category: Category, row: PersonalCategory) -> Category:
    return replace(
        category,
        name=row.name or category.name,
        icon=row.icon or category.icon,
        hidden=row.hidden,
        merged_into=row.merged_into,
    )


def check_in_use(tree: CategoryTree, category_id: CategoryId, *, field: str = "categoryId") -> Category:
    """Return the category when it is there for the person.

    Raises:
        InvalidInput: There is none, or it was merged into another.
    """
    category = tree.by_id.get(category_id)
    if category is None or category.gone:
        raise InvalidInput(f"There is no category {category_id}.", field=field)
    if category.merged_into is not None:
        taker = tree.by_id[category.merged_into]
        raise InvalidInput(
            f"{category.name} was merged into {taker.name}; use that, or bring {category.name} back first.", field=field
        )
    return category


def check_leaf(tree: CategoryTree, category_id: CategoryId, *, field: str = "categoryId") -> CategoryId:
    """Return the id when the person's transactions can carry the category; a hidden one they can.

    Raises:
        InvalidInput: There is no such category, it was merged into another, or it is a group.
    """
    category = check_in_use(tree, category_id, field=field)
    if category.is_group:
        leaves = [leaf for leaf in tree.children(category_id) if leaf.offered]
        hint = f"choose one of its categories, such as {leaves[0].name}" if leaves else "add a category to it first"
        raise InvalidInput(f"{category.name} is a group; {hint}.", field=field)
    return category_id
