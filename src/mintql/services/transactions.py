"""Pages of transactions, and single ones by id."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Protocol, TypeVar

from mintql.domain.categories import UNCATEGORIZED_ID, CategoryTree, check_in_use
from mintql.domain.errors import InvalidInput
from mintql.domain.ids import AccountId, CategoryId, TransactionId, UserId
from mintql.domain.money import AMOUNT_MINOR_MAX
from mintql.services.annotations import check_tags, tag_key
from mintql.store import transactions_read as store
from mintql.store.annotations import tag_counts
from mintql.store.queries import Conn
from mintql.store.transactions_read import (
    KEY_NEWEST,
    KEY_OLDEST,
    Key,
    TransactionFilter,
    TransactionPart,
    TransactionRow,
)

__all__ = [
    "Key",
    "Page",
    "PageRequest",
    "TransactionFilter",
    "TransactionPart",
    "TransactionRow",
    "check_filter",
    "get_transactions",
    "list_page",
]

Id = TypeVar("Id")


class PageReader(Protocol):
    """How rows of a page are found: `store.transactions_read.page`, or with archived months among them."""

    async def __call__(
        self,
        conn: Conn,
        user_id: UserId,
        wanted: TransactionFilter,
        /,
        *,
        newest: Key,
        oldest: Key,
        newest_first: bool,
        limit: int,
    ) -> list[TransactionRow]:
        """Return at most `limit` matching transactions with keys between two bounds, both included."""
        ...


FILTER_IDS_MAX = 200
FILTER_TEXT_LENGTH_MAX = 100
FILTER_DECIMALS_MAX = 4
"""ISO 4217 knows no currency with more."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page: `size` rows from the newest end (`forward`) or the oldest of those between two cursors.

    Newest rows come first in either case. `after` and `before` are keys the page lies behind and ahead of.
    """

    size: int
    forward: bool = True
    after: Key | None = None
    before: Key | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page, newest first, and whether matching rows lie before it (newer) and behind it (older)."""

    rows: Sequence[TransactionRow]
    has_previous: bool
    has_next: bool


async def list_page(
    conn: Conn, user_id: UserId, wanted: TransactionFilter, request: PageRequest, read: PageReader = store.page
) -> Page:
    """Return one page of matching transactions, as `read` finds them.

    One statement as a rule. The rows of the cursors themselves are fetched along with the page: if they are
    still listed, they prove that the page has neighbours; if not, each costs another statement to find out.
    A filter by tags costs one more, to find out how they are spelled.
    """
    wanted = await as_spelled(conn, user_id, wanted)
    cursors = [cursor for cursor in (request.after, request.before) if cursor is not None]
    rows = await read(
        conn,
        user_id,
        wanted,
        newest=request.after or KEY_NEWEST,
        oldest=request.before or KEY_OLDEST,
        newest_first=request.forward,
        limit=request.size + 1 + len(cursors),
    )
    met = {row.key for row in rows} if cursors else set()
    rows = [row for row in rows if row.key not in cursors] if cursors else rows
    more = len(rows) > request.size
    rows = rows[: request.size]
    if not request.forward:
        rows.reverse()
    has_previous, has_next = (False, more) if request.forward else (more, False)

    async def any_from(*, newer_than: Key = KEY_OLDEST, older_than: Key = KEY_NEWEST) -> bool:
        """Tell whether a row matches at or beyond a key."""
        return bool(await read(conn, user_id, wanted, newest=older_than, oldest=newer_than, newest_first=True, limit=1))

    if request.after and not has_previous:
        has_previous = request.after in met or await any_from(newer_than=request.after)
    if request.before and not has_next:
        has_next = request.before in met or await any_from(older_than=request.before)
    return Page(rows, has_previous, has_next)


async def get_transactions(
    conn: Conn, user_id: UserId, transaction_ids: Sequence[TransactionId]
) -> dict[TransactionId, TransactionRow]:
    """Return this person's transactions by the id asked for, each followed from pending to posted.

    Ids that are unknown, somebody else's, or of a transaction that was taken back are not in the result.
    """
    return await store.resolve(conn, user_id, transaction_ids)


async def as_spelled(conn: Conn, user_id: UserId, wanted: TransactionFilter) -> TransactionFilter:
    """Return the filter with tags as the person's transactions spell them, whatever the case they are asked for in."""
    if wanted.tags is None:
        return wanted
    keys = {tag_key(text) for text in wanted.tags}
    known = await tag_counts(conn, user_id)
    return replace(wanted, tags=frozenset(text for text in known if tag_key(text) in keys))


def check_filter(
    tree: CategoryTree,
    *,
    account_ids: Collection[AccountId] | None = None,
    category_ids: Collection[CategoryId] | None = None,
    first: date | None = None,
    last: date | None = None,
    least: Decimal | None = None,
    greatest: Decimal | None = None,
    text: str | None = None,
    pending: bool | None = None,
    uncategorized: bool | None = None,
    tags: Collection[str] | None = None,
    has_note: bool | None = None,
    excluded_from_budgets: bool | None = None,
) -> TransactionFilter:
    """Return the filter that a person's wishes come to; a group of their tree stands for its leaves.

    Raises:
        InvalidInput: A wish cannot be met; the message says which and why.
    """
    if first and last and last < first:
        raise InvalidInput(f"The days end ({last}) before they begin ({first}).", field="to")
    if least is not None and greatest is not None and greatest < least:
        raise InvalidInput(f"The greatest amount ({greatest}) is below the least ({least}).", field="maxAmount")
    return TransactionFilter(
        account_ids=_at_most(account_ids, "accountIds"),
        category_ids=_leaves(tree, _at_most(category_ids, "categoryIds"), uncategorized),
        first_day=first,
        last_day=last,
        least=_amount(least, "minAmount"),
        greatest=_amount(greatest, "maxAmount"),
        text=check_text(text),
        pending=pending,
        tags=None if tags is None else frozenset(check_tags(_at_most(tags, "tags") or (), "tags")),
        has_note=has_note,
        excluded_from_budgets=excluded_from_budgets,
    )


def check_merchant_keys(keys: Collection[str] | None) -> frozenset[str] | None:
    """Return sellers' keys to filter by; raise `InvalidInput` when they are too many."""
    return _at_most(keys, "merchantKeys")


def _at_most(ids: Collection[Id] | None, field: str) -> frozenset[Id] | None:
    if ids is not None and len(ids) > FILTER_IDS_MAX:
        raise InvalidInput(f"{len(ids)} {field} are too many at once; give {FILTER_IDS_MAX} at most.", field=field)
    return None if ids is None else frozenset(ids)


def _leaves(
    tree: CategoryTree, category_ids: frozenset[CategoryId] | None, uncategorized: bool | None
) -> frozenset[CategoryId] | None:
    leaves: set[CategoryId] | None = None
    if category_ids is not None:
        leaves = set()
        for category_id in category_ids:
            check_in_use(tree, category_id, field="categoryIds")
            leaves |= {leaf.category_id for leaf in tree.children(category_id)} or {category_id}
    if uncategorized is not None:
        asked = {leaf.category_id for leaf in tree.leaves if (leaf.category_id == UNCATEGORIZED_ID) is uncategorized}
        leaves = asked if leaves is None else leaves & asked
    return None if leaves is None else frozenset(leaves)


def _amount(amount: Decimal | None, field: str) -> Decimal | None:
    if amount is None:
        return None
    if not amount.is_finite() or abs(amount) > AMOUNT_MINOR_MAX:
        raise InvalidInput(f"{amount} is not an amount to look for.", field=field)
    if amount != round(amount, FILTER_DECIMALS_MAX):
        raise InvalidInput(
            f"{amount} has too many decimals: no currency has more than {FILTER_DECIMALS_MAX}.", field=field
        )
    return amount


def check_text(text: str | None) -> str | None:
    """Return a text to look for without blanks around it, None for nothing; raise `InvalidInput` when it cannot be."""
    if text is None or not text.strip():
        return None
    if len(text) > FILTER_TEXT_LENGTH_MAX:
        raise InvalidInput(
            f"{len(text)} characters are too many to look for; give {FILTER_TEXT_LENGTH_MAX} at most.", field="text"
        )
    if "\0" in text:
        raise InvalidInput("The text holds a character (U+0000) that no text can have.", field="text")
    return text.strip()
