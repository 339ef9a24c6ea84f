"""Relay paging by key. A cursor is the key of a row, so that rows that come and go shift no page."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Generic, TypeAlias, TypeVar
from urllib.parse import quote, unquote

import strawberry

from mintql.api.scalars import Cursor
from mintql.domain.errors import InvalidInput
from mintql.domain.ids import EventSeq
from mintql.domain.wording import shown

PAGE_SIZE_DEFAULT = 50
PAGE_SIZE_MAX = 100
NUMBER_MAX = 2**63 - 1

T = TypeVar("T")
K = TypeVar("K")
R = TypeVar("R")

FirstArgument = Annotated[
    int | None,
    strawberry.argument(
        description=f"How many to return, from the start: {PAGE_SIZE_DEFAULT} unless told, {PAGE_SIZE_MAX} at most."
    ),
]
AfterArgument = Annotated[Cursor | None, strawberry.argument(description="Return only what comes after this cursor.")]
LastArgument = Annotated[
    int | None,
    strawberry.argument(
        description=f"How many to return, from the end: {PAGE_SIZE_MAX} at most. Not together with `first`."
    ),
]
BeforeArgument = Annotated[Cursor | None, strawberry.argument(description="Return only what comes before this cursor.")]


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    """Relay's page information."""

    has_next_page: bool = strawberry.field(description="Whether more follows this page.")
    has_previous_page: bool = strawberry.field(description="Whether anything comes before this page.")
    start_cursor: Cursor | None = strawberry.field(description="Cursor of the first item of the page.")
    end_cursor: Cursor | None = strawberry.field(description="Cursor of the last item of the page.")


@strawberry.type(description="An item of a list together with its place.")
class Edge(Generic[T]):
    """Relay's edge."""

    cursor: Cursor = strawberry.field(description="The place of the item: `after` and `before` take it.")
    node: T = strawberry.field(description="The item.")


@strawberry.type(description="A page of a list.")
class Connection(Generic[T]):
    """Relay's connection. Cursors, `cursor_at(index)` of the nodes, are made when they are asked for."""

    cursor_at: strawberry.Private[Callable[[int], Cursor]]
    has_next: strawberry.Private[bool]
    has_previous: strawberry.Private[bool]

    @strawberry.field(description="The items of the page with their cursors, in order.")
    def edges(self) -> list[Edge[T]]:
        return [Edge(cursor=self.cursor_at(index), node=node) for index, node in enumerate(self.nodes)]

    nodes: list[T] = strawberry.field(description="The items of the page without cursors, in order.")

    @strawberry.field(description="Where the page stands in the list.")
    def page_info(self) -> PageInfo:
        return PageInfo(
            has_next_page=self.has_next,
            has_previous_page=self.has_previous,
            start_cursor=self.cursor_at(0) if self.nodes else None,
            end_cursor=self.cursor_at(len(self.nodes) - 1) if self.nodes else None,
        )


@dataclass(frozen=True, slots=True)
class PageRequest(Generic[K]):
    """A checked request for a page: up to `size` rows between two keys, from the end when `backward`."""

    size: int
    backward: bool = False
    after: K | None = None
    before: K | None = None

    @property
    def limit(self) -> int:
        """How many rows to fetch: one more than are shown, to see whether more follow."""
        return self.size + 1


def page_request(
    decode: Callable[[str, str], K],
    *,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
) -> PageRequest[K]:
    """Check the four arguments of a connection; `decode(text, field)` reads a cursor.

    Raises:
        InvalidInput: Both `first` and `last`, a size out of range, or a cursor that is none of this list.
    """
    if first is not None and last is not None:
        raise InvalidInput("Give `first` or `last`, not both.", field="last")
    return PageRequest(
        size=check_size(last, "last") if last is not None else check_size(first, "first"),
        backward=last is not None,
        after=None if after is None else decode(after, "after"),
        before=None if before is None else decode(before, "before"),
    )


def check_size(size: int | None, field: str) -> int:
    """Return the page size, the default for None; raise `InvalidInput` when it is out of range."""
    if size is None:
        return PAGE_SIZE_DEFAULT
    if not 1 <= size <= PAGE_SIZE_MAX:
        raise InvalidInput(f"A page holds 1 to {PAGE_SIZE_MAX} items, not {size}.", field=field)
    return size


def build_connection(
    rows: Sequence[R], request: PageRequest[K], node_of: Callable[[R], T], cursor_of: Callable[[R], Cursor]
) -> Connection[T]:
    """Make a page from up to `request.limit` rows.

    Forward rows come in the order of the list; backward rows come from its end, and are turned round here.
    """
    more = len(rows) > request.size
    shown = list(rows[: request.size])
    if request.backward:
        shown.reverse()
    return Connection(
        nodes=[node_of(row) for row in shown],
        cursor_at=lambda index: cursor_of(shown[index]),
        has_next=request.before is not None if request.backward else more,
        has_previous=more if request.backward else request.after is not None,
    )


DayKey: TypeAlias = tuple[date, int]
"""The key of rows that are listed by day: (date, id)."""


def encode_day_key(day: date, number: int) -> Cursor:
    """Return the cursor of a row listed by day."""
    return _encode(f"day:{day.isoformat()}:{number}")


def decode_day_key(text: str, field: str = "after") -> DayKey:
    """Read a cursor of a list by day; raise `InvalidInput` for any other text."""
    day, _, number = _decode(text, "day", field).partition(":")
    try:
        return date.fromisoformat(day), _number(number)
    except ValueError:
        raise _not_a_cursor(text, field) from None


def encode_number(kind: str, number: int) -> Cursor:
    """Return the cursor of a row listed by a number; `kind` keeps cursors of different lists apart."""
    return _encode(f"{kind}:{number}")


def decode_number(kind: str, text: str, field: str = "after") -> int:
    """Read a cursor made by `encode_number` for the same kind; raise `InvalidInput` for any other text."""
    try:
        return _number(_decode(text, kind, field))
    except ValueError:
        raise _not_a_cursor(text, field) from None


def encode_pair(kind: str, first: int, second: int) -> Cursor:
    """Return the cursor of a row listed by two numbers; `kind` keeps cursors of different lists apart."""
    return _encode(f"{kind}:{first}:{second}")


def decode_pair(kind: str, text: str, field: str = "after") -> tuple[int, int]:
    """Read a cursor made by `encode_pair` for the same kind; raise `InvalidInput` for any other text."""
    first, _, second = _decode(text, kind, field).partition(":")
    try:
        return _number(first), _number(second)
    except ValueError:
        raise _not_a_cursor(text, field) from None


def encode_words(kind: str, words: Sequence[str]) -> Cursor:
    """Return a cursor that holds some ASCII words without colons; `kind` keeps cursors of different lists apart."""
    return _encode(":".join([kind, *words]))


def decode_words(kind: str, text: str, field: str = "after") -> list[str]:
    """Read a cursor made by `encode_words` for the same kind; raise `InvalidInput` for any other text."""
    return _decode(text, kind, field).split(":")


def encode_numbers(kind: str, numbers: Sequence[int]) -> Cursor:
    """Return a cursor that holds some numbers; `kind` keeps cursors of different lists apart."""
    return encode_words(kind, list(map(str, numbers)))


def decode_numbers(kind: str, text: str, count: int, field: str = "after") -> list[int]:
    """Read a cursor of so many numbers of the same kind; raise `InvalidInput` for any other text."""
    try:
        numbers = [_number(part) for part in decode_words(kind, text, field)]
    except ValueError:
        raise _not_a_cursor(text, field) from None
    if len(numbers) != count:
        raise _not_a_cursor(text, field)
    return numbers


def encode_text(kind: str, text: str) -> Cursor:
    """Return the cursor of a row listed by a text; `kind` keeps cursors of different lists apart."""
    return _encode(f"{kind}:{quote(text)}")


def decode_text(kind: str, text: str, field: str = "after") -> str:
    """Read a cursor made by `encode_text` for the same kind; raise `InvalidInput` for any other text."""
    try:
        plain = unquote(_decode(text, kind, field), errors="strict")
    except UnicodeDecodeError:
        raise _not_a_cursor(text, field) from None
    if "\0" in plain:
        raise _not_a_cursor(text, field)
    return plain


def encode_seq(seq: int) -> Cursor:
    """Return the cursor of an event."""
    return encode_number("event", seq)


def decode_seq(text: str, field: str = "after") -> EventSeq:
    """Read the cursor of an event."""
    return EventSeq(decode_number("event", text, field))


def _encode(plain: str) -> Cursor:
    return Cursor(base64.urlsafe_b64encode(plain.encode()).decode().rstrip("="))


def _decode(text: str, kind: str, field: str) -> str:
    try:
        plain = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        raise _not_a_cursor(text, field) from None
    found, _, rest = plain.partition(":")
    if found != kind:
        raise _not_a_cursor(text, field)
    return rest


def _number(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= number <= NUMBER_MAX:
        raise ValueError(text)
    return number


def _not_a_cursor(text: str, field: str) -> InvalidInput:
    return InvalidInput(f"{shown(text)} is not a cursor of this list; send one back as it was given out.", field=field)
