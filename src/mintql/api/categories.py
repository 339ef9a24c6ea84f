"""Categories as a person sees them, and their own word on what belongs into them.

A person's tree is read once for an operation; no field of a category asks the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, ClassVar

import strawberry

from mintql.api.context import Context, Info
from mintql.api.nodes import Node, decode_id, encode_id, register_node
from mintql.data import load_categories
from mintql.domain import categories as domain
from mintql.domain.categories import CategoryKind, CategoryTree
from mintql.domain.ids import CategoryId
from mintql.services.personal_categories import TREES_KEPT_MAX

strawberry.enum(
    CategoryKind,
    description="What money in a category is. EXPENSE counts as spending and INCOME as received; TRANSFER is "
    "money moved between own accounts and counts as neither.",
)


IncludeHidden = Annotated[
    bool,
    strawberry.argument(
        description="Whether also to list what the viewer has hidden, and standard categories that they merged into "
        "others."
    ),
]


@strawberry.type(description="A category: a group, one of a group, or Uncategorized, which stands alone.")
class Category(Node):
    """A category as shown; `category_node` gives the one object of each."""

    plan_once: ClassVar[bool] = True
    """The same object stands for a category everywhere, so that a plan makes its answer once (`api/plan_values.py`)."""

    category_id: strawberry.Private[CategoryId]
    group_id: strawberry.Private[CategoryId | None]
    taker_id: strawberry.Private[CategoryId | None]
    tree: strawberry.Private[CategoryTree]
    slug: str = strawberry.field(
        description='Stable name for programs, e.g. "groceries"; of one of the viewer\'s own, "own-" and a number.'
    )
    name: str = strawberry.field(description="Name to show.")
    kind: CategoryKind = strawberry.field(description="What money in it is.")
    icon: str = strawberry.field(description='Name of a pictogram, e.g. "shopping-basket" (lucide.dev).')
    plaid_code: str | None = strawberry.field(
        description="The code of Plaid's personal finance categories, version 2, that it stands for, e.g. "
        '"FOOD_AND_DRINK_GROCERIES"; null for groups and for the viewer\'s own.'
    )
    is_group: bool = strawberry.field(description="Whether it is for categories below it and so for no transactions.")
    is_own: bool = strawberry.field(description="Whether the viewer made it.")
    is_hidden: bool = strawberry.field(
        description="Whether the viewer has hidden it or its group: what is in it counts, and nothing new is put there."
    )

    @strawberry.field(description="The group it is in; null for groups and for Uncategorized.")
    def group(self) -> Category | None:
        return None if self.group_id is None else category_node(self.tree, self.group_id)

    @strawberry.field(
        description="The category it was merged into, which takes what would go into it; null for nearly all."
    )
    def merged_into(self) -> Category | None:
        return None if self.taker_id is None else category_node(self.tree, self.taker_id)

    @strawberry.field(description="The categories of a group; empty for any other.")
    def children(self, include_hidden: IncludeHidden = False) -> list[Category]:
        leaves = self.tree.children(self.category_id)
        return [category_node(self.tree, leaf.category_id) for leaf in leaves if _is_listed(leaf, include_hidden)]


def _is_listed(category: domain.Category, include_hidden: bool) -> bool:
    return category.offered or (include_hidden and not category.gone)


def category_node(tree: CategoryTree, category_id: CategoryId) -> Category:
    """Return the category of this id in a person's tree, the same object every time."""
    nodes = _nodes_of(tree)
    node = nodes.get(category_id)
    if node is None:
        node = nodes[category_id] = _node(tree, category_id)
    return node


def category_nodes(trees: Sequence[CategoryTree], category_ids: Sequence[CategoryId]) -> list[Category]:
    """Return many categories, each of an id in a tree; mostly all are of one tree."""
    if len(set(map(id, trees))) == 1:
        nodes = _nodes_of(trees[0])
        for category_id in set(category_ids).difference(nodes):
            category_node(trees[0], category_id)
        return [nodes[category_id] for category_id in category_ids]
    return [category_node(tree, category_id) for tree, category_id in zip(trees, category_ids, strict=True)]


@lru_cache(maxsize=TREES_KEPT_MAX)
def _nodes_of(_tree: CategoryTree) -> dict[CategoryId, Category]:
    return {}


def _node(tree: CategoryTree, category_id: CategoryId) -> Category:
    category = tree.by_id[category_id]
    return Category(
        id=encode_id("Category", category_id),
        category_id=category_id,
        group_id=category.parent_id,
        taker_id=category.merged_into,
        tree=tree,
        slug=category.slug,
        name=category.name,
        kind=category.kind,
        icon=category.icon,
        plaid_code=category.plaid_code or None,
        is_group=category.is_group,
        is_own=category.is_own,
        is_hidden=category.hidden,
    )


def decode_category_id(text: str, *, field: str = "categoryId") -> CategoryId:
    """Read the global id of a category; raise `InvalidInput` when it is none."""
    return CategoryId(decode_id("Category", text, field=field))


async def load_category_nodes(context: Context, category_ids: list[int]) -> Sequence[Category | None]:
    """Return the viewer's categories in the order of the ids, None for ids that are not theirs."""
    async with context.person() as conn:
        tree = await context.category_tree(conn)
    return [category_node(tree, CategoryId(number)) if number in tree.by_id else None for number in category_ids]


register_node("Category", load_category_nodes)


@strawberry.type
class CategoriesQuery:
    """Reads of categories."""

    @strawberry.field(
        description="All categories as a tree: groups with the categories in them as `children`, and Uncategorized. "
        "For somebody who is signed in, as they have changed them."
    )
    async def categories(
        self,
        info: Info,
        include_hidden: IncludeHidden = False,
    ) -> list[Category]:
        context = info.context
        tree = load_categories()
        if context.viewer is not None:
            async with context.person() as conn:
                tree = await context.category_tree(conn)
        tops = (category for category in tree.by_id.values() if category.parent_id is None)
        return [category_node(tree, top.category_id) for top in tops if _is_listed(top, include_hidden)]
