"""Categories, and a person's own word on what belongs into them.

The tree is a data file of the process: no field here asks the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Annotated, TypeAlias

import strawberry

from mintql.api.context import Context, Info
from mintql.api.errors import InvalidInputError, NotFoundError, NotSignedInError
from mintql.api.nodes import Node, decode_id, encode_id, register_node
from mintql.data import load_categories
from mintql.domain.categories import CategoryKind
from mintql.domain.ids import CategoryId, TransactionId
from mintql.services import categories as service

if TYPE_CHECKING:
    from mintql.api.transactions import Transaction

strawberry.enum(
    CategoryKind,
    description="What money in a category is. EXPENSE counts as spending and INCOME as received; TRANSFER is "
    "money moved between own accounts and counts as neither.",
)
strawberry.enum(
    service.Scope,
    name="RecategorizeScope",
    description="What a choice of category is meant for. ONCE: the named transactions. SELLER_FROM_NOW_ON: those, and "
    "transactions of the same sellers that come later; earlier ones that are not named stay as they are.",
)


@strawberry.type(description="A category: a group, one of a group, or Uncategorized, which stands alone.")
class Category(Node):
    """A category as shown; `category_node` gives the one object of each."""

    category_id: strawberry.Private[CategoryId]
    group_id: strawberry.Private[CategoryId | None]
    slug: str = strawberry.field(description='Stable name for programs, e.g. "groceries".')
    name: str = strawberry.field(description="Name to show.")
    kind: CategoryKind = strawberry.field(description="What money in it is.")
    icon: str = strawberry.field(description='Name of a pictogram, e.g. "shopping-basket" (lucide.dev).')
    is_group: bool = strawberry.field(description="Whether it has categories below it and so no transactions itself.")

    @strawberry.field(description="The group it is in; null for groups and for Uncategorized.")
    def group(self) -> Category | None:
        return None if self.group_id is None else category_node(self.group_id)

    @strawberry.field(description="The categories of a group; empty for any other.")
    def children(self) -> list[Category]:
        return [category_node(leaf.category_id) for leaf in load_categories().children(self.category_id)]


@cache
def category_node(category_id: CategoryId) -> Category:
    """Return the category of this id, the same object every time."""
    tree = load_categories()
    category = tree.by_id[category_id]
    return Category(
        id=encode_id("Category", category_id),
        category_id=category_id,
        group_id=category.parent_id,
        slug=category.slug,
        name=category.name,
        kind=category.kind,
        icon=category.icon,
        is_group=tree.is_group(category_id),
    )


def decode_category_id(text: str, *, field: str = "categoryId") -> CategoryId:
    """Read the global id of a category; raise `InvalidInput` when it is none."""
    return CategoryId(decode_id("Category", text, field=field))


async def _nodes(_context: Context, category_ids: list[int]) -> Sequence[Category | None]:
    known = load_categories().by_id
    return [category_node(CategoryId(number)) if number in known else None for number in category_ids]


register_node("Category", _nodes)


@strawberry.type(description="The transactions are in the category now.")
class RecategorizeSuccess:
    """What `recategorize` gives when it worked."""

    transactions: list[Annotated[Transaction, strawberry.lazy("mintql.api.transactions")]] = strawberry.field(
        description="The transactions in the order they were named, each once, as they are now."
    )


RecategorizePayload: TypeAlias = Annotated[
    RecategorizeSuccess | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("RecategorizePayload", description="What became of `recategorize`."),
]


@strawberry.type
class CategoriesQuery:
    """Reads of categories."""

    @strawberry.field(
        description="All categories as a tree: groups with the categories in them as `children`, and Uncategorized."
    )
    def categories(self) -> list[Category]:
        return [
            category_node(category.category_id)
            for category in load_categories().by_id.values()
            if category.parent_id is None
        ]


@strawberry.type
class CategoriesMutation:
    """Changes of categories."""

    @strawberry.mutation(
        description="Puts transactions into a category by hand; no machine changes that later. All of them, or none "
        "when one cannot be changed."
    )
    async def recategorize(
        self,
        info: Info,
        ids: Annotated[
            list[strawberry.ID],
            strawberry.argument(
                description=f"The transactions, up to {service.RECATEGORIZED_MAX}. The id of a pending one that was "
                "posted since stands for the posted one."
            ),
        ],
        category_id: Annotated[
            strawberry.ID, strawberry.argument(description="The category; a group cannot hold transactions.")
        ],
        scope: Annotated[
            service.Scope, strawberry.argument(description="What the choice is meant for.")
        ] = service.Scope.ONCE,
    ) -> RecategorizePayload:
        from mintql.api.transactions import transaction_node  # noqa: PLC0415 - the two types name each other

        context = info.context
        user_id = context.user_id
        wanted = [TransactionId(decode_id("Transaction", text, field="ids")) for text in ids]
        chosen = decode_category_id(category_id)
        async with context.person() as conn:
            rows, effects = await service.recategorize(conn, user_id, wanted, chosen, scope, context.now())
        await context.runtime.perform(effects)
        return RecategorizeSuccess(transactions=[transaction_node(row) for row in rows])
