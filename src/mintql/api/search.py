"""Transactions by words."""

from __future__ import annotations

from datetime import date
from enum import Enum
from typing import Annotated

import strawberry

from mintql.api.context import Info
from mintql.api.paging import AfterArgument, Edge, FirstArgument, PageInfo, check_size, decode_words, encode_words
from mintql.api.scalars import Cursor
from mintql.api.transactions import Transaction, TransactionFilter, transaction_nodes
from mintql.domain.errors import InvalidInput
from mintql.domain.ids import TransactionId
from mintql.domain.periods import Period
from mintql.services import search as service
from mintql.services.search import Place, Reading, Search, Sort
from mintql.store.transactions_search import Words

NUMBER_MAX = 10**30
"""No amount in ten thousandths is near it."""


@strawberry.enum(description="What found transactions are sorted by.")
class TransactionSort(Enum):
    """See `services.search.Sort`."""

    DATE = strawberry.enum_value("date", description="By booking day.")
    AMOUNT = strawberry.enum_value(
        "amount",
        description="By signed amount, each in whole units of its own currency: ascending has the largest purchases "
        "first, descending the largest receipts.",
    )


@strawberry.enum(description="Which end comes first.")
class SortDirection(Enum):
    """The direction of a sort."""

    ASCENDING = strawberry.enum_value("ascending", description="The oldest or least first.")
    DESCENDING = strawberry.enum_value("descending", description="The newest or greatest first.")


@strawberry.enum(description="How the words had to be read to find anything.")
class SearchReading(Enum):
    """See `services.search.Reading`."""

    AS_WRITTEN = strawberry.enum_value(0, description="As they are.")
    CORRECTED = strawberry.enum_value(
        1, description="Nothing has them as they are: some were read as `corrections` say."
    )
    ALIKE = strawberry.enum_value(2, description="Nothing has them, corrected or not: what is like them was found.")


@strawberry.type(description="A word that was taken for a misspelling.")
class SearchCorrection:
    """A correction as shown."""

    word: str = strawberry.field(description="The word that was searched for, in small letters.")
    read_as: list[str] = strawberry.field(description="Words of sellers it was read as, the likeliest first.")


@strawberry.type(description="How many transactions were found in all.")
class SearchTotal:
    """A bounded count."""

    count: int = strawberry.field(description=f"How many; counted up to {service.COUNTED_MAX:,}.")
    or_more: bool = strawberry.field(description="Whether there are more than were counted.")


@strawberry.type(description="A page of found transactions.")
class TransactionSearch:
    """A page as shown."""

    asked: strawberry.Private[Search]
    words: strawberry.Private[Words]
    edges: list[Edge[Transaction]] = strawberry.field(description="The transactions with their cursors, in order.")
    nodes: list[Transaction] = strawberry.field(description="The transactions without cursors, in order.")
    page_info: PageInfo = strawberry.field(description="Where the page stands in the list.")
    reading: SearchReading = strawberry.field(description="How the words were read.")
    corrections: list[SearchCorrection] = strawberry.field(description="Words that were taken for misspellings.")

    @strawberry.field(
        description="How many there are in all. Costs as much as the search: ask for it on the first page."
    )
    async def total(self, info: Info) -> SearchTotal:
        async with info.context.person() as conn:
            found = await service.count(conn, info.context.user_id, self.asked, self.words)
        return SearchTotal(count=min(found, service.COUNTED_MAX), or_more=found > service.COUNTED_MAX)


@strawberry.type
class SearchQuery:
    """Searching."""

    @strawberry.field(
        description="The viewer's transactions that have every word of a text somewhere: in merchant, description, "
        "notes, tags or the name they were given, as parts of words too and whatever the case. A word that is "
        "an amount, such as 12.50, also finds that amount. Typos are forgiven where nothing has the words as written."
    )
    async def search_transactions(
        self,
        info: Info,
        text: Annotated[
            str,
            strawberry.argument(
                description=f"The words, up to {service.WORDS_MAX}, with at least one letter or digit among them."
            ),
        ],
        filter: Annotated[TransactionFilter | None, strawberry.argument(description="What else has to hold.")] = None,
        sort: Annotated[TransactionSort, strawberry.argument(description="What to sort by.")] = TransactionSort.DATE,
        direction: Annotated[
            SortDirection, strawberry.argument(description="Which end comes first.")
        ] = SortDirection.DESCENDING,
        first: FirstArgument = None,
        after: AfterArgument = None,
    ) -> TransactionSearch:
        context = info.context
        words, size, by = service.check_words(text), check_size(first, "first"), Sort(sort.value)
        place = None if after is None else decode_place(after, by)
        wide = Period((filter and filter.from_) or date.min, (filter and filter.to) or date.max)
        await context.bring_back([wide])
        async with context.person() as conn:
            wanted = await (filter or TransactionFilter()).check(context, conn)
            asked = Search(words, wanted, by, ascending=direction is SortDirection.ASCENDING)
            found = await service.search(conn, context.user_id, asked, place, size)
            nodes = await transaction_nodes(context, conn, [row for _, row in found.rows])
        return _search(asked, found, nodes, paged=place is not None)


def _search(asked: Search, found: service.Found, nodes: list[Transaction], *, paged: bool) -> TransactionSearch:
    cursors = [encode_place(place) for place, _ in found.rows]
    return TransactionSearch(
        asked=asked,
        words=found.words,
        edges=[Edge(cursor=cursor, node=node) for cursor, node in zip(cursors, nodes, strict=True)],
        nodes=nodes,
        page_info=PageInfo(
            has_next_page=found.has_next,
            has_previous_page=paged,
            start_cursor=cursors[0] if cursors else None,
            end_cursor=cursors[-1] if cursors else None,
        ),
        reading=SearchReading(found.reading.value),
        corrections=[SearchCorrection(word=word, read_as=list(texts)) for word, texts in found.corrections.items()],
    )


def encode_place(place: Place) -> Cursor:
    """Return a place as a cursor, which holds how the list is sorted as well."""
    key, transaction_id = place.key
    sort = Sort.DATE if isinstance(key, date) else Sort.AMOUNT
    return encode_words(f"found-{sort.value}", [str(place.reading.value), str(key), str(transaction_id)])


def decode_place(text: str, sort: Sort) -> Place:
    """Read a cursor of a search that is sorted so; raise `InvalidInput` for any other text."""
    wrong = InvalidInput("This is not a cursor of this search; send back one of it as it was given out.", field="after")
    parts = decode_words(f"found-{sort.value}", text, "after")
    try:
        reading, key, number = parts
        transaction_id = TransactionId(int(number))
        if sort is Sort.DATE:
            return Place(Reading(int(reading)), (date.fromisoformat(key), transaction_id))
        if abs(int(key)) > NUMBER_MAX:
            raise wrong
        return Place(Reading(int(reading)), (int(key), transaction_id))
    except ValueError:
        raise wrong from None
