"""Categories as a tree of two levels, and what it means that a transaction was put into one.

Groups (Food & Dining) have leaves (Groceries). Transactions carry leaves; budgets may be set on either.
Uncategorized stands alone: it is a leaf without a group.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from mintql.domain.ids import CategoryId

UNCATEGORIZED_ID = CategoryId(1)


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
    categories, version 2 (empty for groups), `icon` the name of a pictogram for frontends.
    """

    category_id: CategoryId
    parent_id: CategoryId | None
    slug: str
    name: str
    kind: CategoryKind
    icon: str
    plaid_code: str


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
    """Categories that have children, by id."""
    leaves: tuple[Category, ...]
    """Categories that transactions can carry, Uncategorized among them, by id."""

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
        self.groups = tuple(category for category in ordered if category.category_id in children)
        self.leaves = tuple(category for category in ordered if category.category_id not in children)
        self._self_and_group = {
            category.category_id: (category.category_id,)
            if category.parent_id is None
            else (category.category_id, category.parent_id)
            for category in ordered
        }

    def _check_parent(self, category: Category) -> None:
        parent = self.by_id.get(category.parent_id) if category.parent_id is not None else None
        if parent is None or parent.parent_id is not None:
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
        """Tell whether the category has children, and so cannot be carried by a transaction."""
        return category_id in self._children
