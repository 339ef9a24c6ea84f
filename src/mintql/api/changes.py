"""Keeping a copy: what changed since a client looked last."""

from __future__ import annotations

from datetime import date
from enum import Enum
from typing import Annotated

import strawberry

from mintql.api.context import Info
from mintql.api.nodes import encode_id
from mintql.api.paging import decode_numbers, encode_numbers
from mintql.api.scalars import Cursor
from mintql.api.transactions import Transaction, transaction_nodes
from mintql.domain.errors import InvalidInput
from mintql.domain.ids import ChangeSeq, TransactionId, UserId
from mintql.services import changes as service
from mintql.services.changes import Kind, Place

CURSOR_KIND = "changes"
CURSOR_NUMBERS = 5


@strawberry.enum(description="What else a client may keep a copy of.")
class ChangedKind(Enum):
    """See `services.changes.Kind`."""

    ACCOUNTS = strawberry.enum_value("accounts", description="Accounts and their balances.")
    CONNECTIONS = strawberry.enum_value("connections", description="Connections and how they are.")
    CATEGORIES = strawberry.enum_value("categories", description="The viewer's categories.")
    BUDGETS = strawberry.enum_value("budgets", description="Limits the viewer set. What is spent is another matter.")
    RULES = strawberry.enum_value("rules", description="Rules, and categories remembered for sellers.")
    VIEWER = strawberry.enum_value("viewer", description="What the viewer said of themselves: currency, time zone.")


@strawberry.type(
    description="What to do with a copy to bring it up to date: take in `added` and `modified` as they are here, drop "
    "`removed`, keep `cursor`, and ask again with it at once while `hasMore` is true."
)
class Changes:
    """Changes as shown."""

    added: list[Transaction] = strawberry.field(description="Transactions that were not listed at the cursor.")
    modified: list[Transaction] = strawberry.field(
        description="Transactions about which anything may have changed, as they are now."
    )
    removed: list[strawberry.ID] = strawberry.field(
        description="Ids of transactions that are listed no more: taken back, deleted with their account, or standing "
        "for nothing since a posted one took their place. Some may never have been in the copy."
    )
    changed_kinds: list[ChangedKind] = strawberry.field(
        description="Of what else something changed, to be read again where a copy is kept; all kinds while everything "
        "is read from the beginning."
    )
    cursor: Cursor = strawberry.field(
        description=f"What to send as `since` next time; good for {service.PLACE_VALID_DAYS} days."
    )
    has_more: bool = strawberry.field(description="Whether to ask again at once: the copy is not yet complete.")


@strawberry.type
class ChangesQuery:
    """Reads of what changed."""

    @strawberry.field(
        description="What changed in the viewer's transactions since a cursor, or everything from the beginning "
        "without one. Asked again until `hasMore` is false, it makes a copy the same as the list `transactions`. "
        "A cursor that has become too old is answered with the error RESYNC_NEEDED."
    )
    async def changes(
        self,
        info: Info,
        since: Annotated[
            Cursor | None,
            strawberry.argument(description="The cursor of the last answer; none to begin from the beginning."),
        ] = None,
        first: Annotated[
            int | None,
            strawberry.argument(
                description=f"How many changes to read: {service.CHANGES_DEFAULT} unless told, {service.CHANGES_MAX} "
                "at most. Fewer transactions come where one changed more than once."
            ),
        ] = None,
    ) -> Changes:
        size = service.check_size(first)
        place = None if since is None else decode_place(since)
        context = info.context
        if place is None or place.reading_after is not None:
            await context.bring_back()
        async with context.person() as conn:
            found = await service.list_changes(
                conn, context.user_id, place, size, context.now().date(), context.runtime.archive.by_ids
            )
            nodes = await transaction_nodes(context, conn, [*found.added, *found.modified])
        return Changes(
            added=nodes[: len(found.added)],
            modified=nodes[len(found.added) :],
            removed=[encode_id("Transaction", number) for number in found.removed],
            changed_kinds=[ChangedKind(kind.value) for kind in Kind if kind in found.kinds],
            cursor=encode_place(found.place),
            has_more=found.has_more,
        )


def encode_place(place: Place) -> Cursor:
    """Return a place as a client keeps it."""
    reading = 0 if place.reading_after is None else place.reading_after + 1
    return encode_numbers(
        CURSOR_KIND, [place.user_id, place.reached_on.toordinal(), place.seq, place.position, reading]
    )


def decode_place(text: str) -> Place:
    """Read a place; raise `InvalidInput` when it is none."""
    user_id, day, seq, position, reading = decode_numbers(CURSOR_KIND, text, CURSOR_NUMBERS, "since")
    if not date.min.toordinal() <= day <= date.max.toordinal():
        raise InvalidInput("The cursor was altered; leave `since` out to begin anew.", field="since")
    return Place(
        UserId(user_id),
        date.fromordinal(day),
        ChangeSeq(seq),
        position,
        None if reading == 0 else TransactionId(reading - 1),
    )
