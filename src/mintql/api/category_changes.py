"""A person's changes of their categories: adding, renaming, hiding, merging, deleting, bringing back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeAlias, TypeVar

import strawberry
from strawberry.schema.exception_handlers import ExceptionHandler

from mintql.api.categories import Category, category_node, decode_category_id
from mintql.api.context import Context, Info
from mintql.api.errors import Error, InvalidInputError, NotSignedInError
from mintql.domain.categories import CategoryKind, CategoryTree
from mintql.domain.errors import CategoryInUse
from mintql.services import category_changes as service
from mintql.services import category_moves as moves
from mintql.services.effects import Effects
from mintql.store.queries import Conn

T = TypeVar("T")


@strawberry.type(
    name="CategoryInUse",
    description="Something is in the category that is to be deleted, and it was not said where that goes.",
)
class CategoryInUseError(Error):
    """See `domain.errors.CategoryInUse`."""

    transactions: int = strawberry.field(description="Transactions that are wholly in it.")
    parts: int = strawberry.field(description="Parts of splits that are in it.")
    sellers: int = strawberry.field(description="Sellers that are remembered for it.")
    budgets: int = strawberry.field(description="Limits that were set for it.")


class _CategoryInUseHandler(ExceptionHandler[CategoryInUse, CategoryInUseError]):
    def handle(self, exception: CategoryInUse, *, field: Any, info: Any) -> CategoryInUseError:  # noqa: ARG002
        return CategoryInUseError(
            code=exception.code,
            message=exception.message,
            field=exception.field,
            transactions=exception.transactions,
            parts=exception.parts,
            sellers=exception.sellers,
            budgets=exception.budgets,
        )


CATEGORY_HANDLERS: tuple[ExceptionHandler[Any, Any], ...] = (_CategoryInUseHandler(),)


@strawberry.type(description="The category is there.")
class AddCategorySuccess:
    """What `addCategory` gives when it worked."""

    category: Category = strawberry.field(description="The new category.")


@strawberry.type(description="The category is changed.")
class ChangeCategorySuccess:
    """What `changeCategory` gives when it worked."""

    category: Category = strawberry.field(description="The category as it is now.")


@strawberry.type(description="The category is merged.")
class MergeCategoriesSuccess:
    """What `mergeCategories` gives when it worked."""

    category: Category = strawberry.field(description="The category that holds both now.")
    transaction_count: int = strawberry.field(description="Transactions that were moved, wholly or with a part.")
    seller_count: int = strawberry.field(description="Sellers that are remembered for the other category now.")
    notes: list[str] = strawberry.field(description="What became of the limits that were set, as sentences to show.")


@strawberry.type(description="The category is deleted.")
class DeleteCategorySuccess:
    """What `deleteCategory` gives when it worked."""

    deleted_id: strawberry.ID = strawberry.field(description="The category that is gone.")
    moved_to: Category | None = strawberry.field(description="Where what was in it went; null when nothing was.")
    transaction_count: int = strawberry.field(description="Transactions that were moved, wholly or with a part.")
    seller_count: int = strawberry.field(
        description="Sellers that are remembered for the other category now; forgotten, if that is Uncategorized."
    )
    notes: list[str] = strawberry.field(description="What became of the limits that were set, as sentences to show.")


@strawberry.type(description="The category takes transactions again.")
class RestoreCategorySuccess:
    """What `restoreCategory` gives when it worked."""

    category: Category = strawberry.field(description="The category as it is now.")


AddCategoryPayload: TypeAlias = Annotated[
    AddCategorySuccess | InvalidInputError | NotSignedInError,
    strawberry.union("AddCategoryPayload", description="What became of `addCategory`."),
]
ChangeCategoryPayload: TypeAlias = Annotated[
    ChangeCategorySuccess | InvalidInputError | NotSignedInError,
    strawberry.union("ChangeCategoryPayload", description="What became of `changeCategory`."),
]
MergeCategoriesPayload: TypeAlias = Annotated[
    MergeCategoriesSuccess | InvalidInputError | NotSignedInError,
    strawberry.union("MergeCategoriesPayload", description="What became of `mergeCategories`."),
]
DeleteCategoryPayload: TypeAlias = Annotated[
    DeleteCategorySuccess | CategoryInUseError | InvalidInputError | NotSignedInError,
    strawberry.union("DeleteCategoryPayload", description="What became of `deleteCategory`."),
]
RestoreCategoryPayload: TypeAlias = Annotated[
    RestoreCategorySuccess | InvalidInputError | NotSignedInError,
    strawberry.union("RestoreCategoryPayload", description="What became of `restoreCategory`."),
]


async def _change(context: Context, do: Callable[[Conn], Awaitable[tuple[T, Effects]]]) -> tuple[T, CategoryTree]:
    """Do something to the viewer's categories; return what came of it, with the tree as it is then."""
    async with context.person() as conn:
        found, effects = await do(conn)
        context.forget()
        tree = await context.category_tree(conn)
    await context.runtime.perform(effects)
    return found, tree


@strawberry.type
class CategoryChangesMutation:
    """Changes of a person's categories."""

    @strawberry.mutation(
        description="Adds a category of the viewer's own: into a group, or as a group of its own. Up to "
        f"{service.OWN_MAX} at a time."
    )
    async def add_category(
        self,
        info: Info,
        name: Annotated[
            str,
            strawberry.argument(
                description=f"Its name, up to {service.NAME_LENGTH_MAX} characters, which no other category has."
            ),
        ],
        group_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(description="The group it goes into, a standard or an own one; its kind holds."),
        ] = None,
        kind: Annotated[
            CategoryKind | None,
            strawberry.argument(description="For a new group: what money in it is. Instead of `groupId`."),
        ] = None,
        icon: Annotated[
            str | None,
            strawberry.argument(description='Name of a pictogram; that of the group, or "tag", unless given.'),
        ] = None,
    ) -> AddCategoryPayload:
        context = info.context
        chosen = None if group_id is None else decode_category_id(group_id, field="groupId")
        wish = service.NewCategory(name, chosen, kind, icon)
        added, tree = await _change(context, lambda conn: service.add(conn, context.user_id, wish))
        return AddCategorySuccess(category=category_node(tree, added))

    @strawberry.mutation(
        description="Renames, hides or shows a category, gives it another icon, or puts one of the viewer's own into "
        "another group. What is left out stays. What is in a hidden one counts as before, and nothing new is put there."
    )
    async def change_category(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The category or group.")],
        name: Annotated[
            str | None,
            strawberry.argument(description="Its new name; null gives a standard category its own name back."),
        ] = strawberry.UNSET,
        icon: Annotated[
            str | None, strawberry.argument(description="Its new icon; null gives a standard category its own back.")
        ] = strawberry.UNSET,
        group_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(description="The group that one of the viewer's own goes into, of the same kind."),
        ] = None,
        hidden: Annotated[
            bool | None,
            strawberry.argument(description="True: hide it, a group with all in it. False: show it again."),
        ] = None,
    ) -> ChangeCategoryPayload:
        context = info.context
        chosen = decode_category_id(id, field="id")
        wish = service.CategoryWish(
            changes_name=name is not strawberry.UNSET,
            name=name if name is not strawberry.UNSET else None,
            changes_icon=icon is not strawberry.UNSET,
            icon=icon if icon is not strawberry.UNSET else None,
            group_id=None if group_id is None else decode_category_id(group_id, field="groupId"),
            hidden=hidden,
        )
        changed, tree = await _change(
            context, lambda conn: service.change(conn, context.user_id, chosen, wish, context.now())
        )
        return ChangeCategorySuccess(category=category_node(tree, changed))

    @strawberry.mutation(
        description="Puts all that is in one category into another of the same kind: transactions, parts of splits, "
        "remembered sellers, and limits, which add up. What would go into the first goes into the other from then on. "
        "One of the viewer's own is gone; a standard one can be brought back with `restoreCategory`."
    )
    async def merge_categories(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The category that goes.")],
        into_id: Annotated[strawberry.ID, strawberry.argument(description="The category that takes its place.")],
    ) -> MergeCategoriesPayload:
        context = info.context
        gone, taker = decode_category_id(id, field="id"), decode_category_id(into_id, field="intoId")
        await context.bring_back(category_ids=[gone])
        moved, tree = await _change(
            context, lambda conn: moves.merge(conn, context.user_id, gone, taker, context.now())
        )
        return MergeCategoriesSuccess(
            category=category_node(tree, taker),
            transaction_count=moved.transactions,
            seller_count=moved.sellers,
            notes=list(moved.notes),
        )

    @strawberry.mutation(
        description="Deletes a category of the viewer's own. When something is in it, it has to be said where that "
        "goes. A group has to be empty."
    )
    async def delete_category(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The category.")],
        move_to: Annotated[
            strawberry.ID | None,
            strawberry.argument(
                description="The category of the same kind, or Uncategorized, that takes what is in it."
            ),
        ] = None,
    ) -> DeleteCategoryPayload:
        context = info.context
        gone = decode_category_id(id, field="id")
        taker = None if move_to is None else decode_category_id(move_to, field="moveTo")
        await context.bring_back(category_ids=[gone])
        moved, tree = await _change(
            context, lambda conn: moves.delete(conn, context.user_id, gone, taker, context.now())
        )
        return DeleteCategorySuccess(
            deleted_id=id,
            moved_to=None if taker is None else category_node(tree, taker),
            transaction_count=moved.transactions,
            seller_count=moved.sellers,
            notes=list(moved.notes),
        )

    @strawberry.mutation(
        description="Lets a standard category that was merged into another take transactions again. What was moved "
        "stays where it is."
    )
    async def restore_category(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The category that was merged.")],
    ) -> RestoreCategoryPayload:
        context = info.context
        chosen = decode_category_id(id, field="id")
        restored, tree = await _change(context, lambda conn: moves.restore(conn, context.user_id, chosen))
        return RestoreCategorySuccess(category=category_node(tree, restored))
