"""Rows of `transactions`, as they are read: pages by key, and single ones by id."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Final, TypeAlias

import asyncpg

from mintql.domain.categories import CategorySource
from mintql.domain.ids import AccountId, CategoryId, TransactionId, UserId
from mintql.domain.money import EXPONENTS
from mintql.store.queries import Conn, column, load

SQL = load("transactions_read")

Key: TypeAlias = tuple[date, int]
"""Place of a transaction in the order of pages: (posted_on, transaction_id)."""

KEY_OLDEST: Final[Key] = (date.min, 0)
KEY_NEWEST: Final[Key] = (date.max, 2**63 - 1)
MERGED_LISTS_MAX = 40
"""Up to so many accounts or categories, their lists are merged; beyond, all rows are walked and sifted."""
SUCCESSION_STEPS_MAX = 500
"""How far an id is followed to the row that stands for it: mostly one step, but some institutions change ids daily."""

NARROWED_MAX = 256
"""How many texts of queries that read some columns are kept: each choice of columns is a statement of its own."""

_COLUMNS_READ = re.compile(r"\btransaction_id, account_id, posted_on,[a-z_,\s]*\bupdated_at\b")
KEY_COLUMNS: Final = frozenset({"transaction_id", "posted_on"})
COLUMNS: Final = frozenset(_COLUMNS_READ.findall(SQL.page_newest_first)[0].replace(",", " ").split())
"""The columns of a whole row."""

MINOR_PER_UNIT = json.dumps({currency: 10**places for currency, places in EXPONENTS.items()})


@dataclass(frozen=True, slots=True)
class TransactionPart:
    """A part of a split: so much of the transaction's signed amount, in a category of its own. "" is no note."""

    category_id: CategoryId
    amount_minor: int
    note: str


class TransactionRow(asyncpg.Record):
    """A transaction that counts, as the database sends it: neither superseded nor removed.

    `amount_minor` is in minor units of `currency`, negative for money out. `note`, `tags`, `parts` and
    `excluded_from_budgets` are what the person set; `merchant` is the name they or a rule of theirs gave it, else the
    seller's. `institution_code` is what the institution said of the kind of seller: "mcc:5812", "pfc:...", or both with
    a space.
    """

    __slots__ = ()

    transaction_id: TransactionId = column("transaction_id")
    account_id: AccountId = column("account_id")
    posted_on: date = column("posted_on")
    amount_minor: int = column("amount_minor")
    currency: str = column("currency")
    pending: bool = column("pending")
    category_id: CategoryId = column("category_id")
    category_detail: str = column("category_detail")
    institution_code: str = column("institution_code")
    description: str = column("description")
    merchant_key: str = column("merchant_key")
    note: str | None = column("note")
    created_at: datetime = column("created_at")
    updated_at: datetime = column("updated_at")

    display_name: str | None = column("display_name")
    """The name that the person or a rule of theirs gave it."""
    seller: str = column("merchant")
    """The name of the seller, cleaned up for showing."""

    part_category_ids: list[CategoryId] | None = column("part_category_ids")
    """The categories of its parts; None where it is whole."""

    @property
    def category_source(self) -> CategorySource:
        """What put it into its category."""
        return CategorySource(self["category_source"])

    @property
    def merchant(self) -> str:
        """The name to show."""
        return self.display_name or self.seller

    @property
    def tags(self) -> tuple[str, ...]:
        """The person's tags, in the order they were given."""
        return tuple(self["tags"] or ())

    @property
    def parts(self) -> tuple[TransactionPart, ...]:
        """The parts of a split; none where it is whole."""
        if not self["part_category_ids"]:
            return ()
        parts = zip(self["part_category_ids"], self["part_amounts_minor"], self["part_notes"], strict=True)
        return tuple(TransactionPart(*part) for part in parts)

    @property
    def excluded_from_budgets(self) -> bool:
        """Whether budgets leave it out."""
        return self["excluded_from_budgets"] or False

    @property
    def rest_minor(self) -> int:
        """What its own category keeps: the amount without the parts, all of it where there are none.

        Of the other sign than the amount when that has become smaller than the parts.
        """
        return self.amount_minor - sum(part.amount_minor for part in self.parts)

    @property
    def key(self) -> Key:
        """Place in the order of pages."""
        return (self.posted_on, self.transaction_id)


@dataclass(frozen=True, slots=True)
class TransactionFilter:
    """What a page is narrowed to; None asks for nothing.

    `least` and `greatest` bound the signed amount in whole units of the transaction's own currency (-20
    stands for -20.00 USD and for -20 JPY). `text` is looked for in description, merchant and notes as it is,
    whatever its case. A split transaction is in the categories of its parts too. Of `tags` any will do, spelled as
    they are on the transactions. Days are both included.
    """

    account_ids: frozenset[AccountId] | None = None
    category_ids: frozenset[CategoryId] | None = None
    first_day: date | None = None
    last_day: date | None = None
    least: Decimal | None = None
    greatest: Decimal | None = None
    text: str | None = None
    pending: bool | None = None
    tags: frozenset[str] | None = None
    has_note: bool | None = None
    excluded_from_budgets: bool | None = None

    @property
    def newest(self) -> Key:
        """The newest key that can match."""
        return KEY_NEWEST if self.last_day is None else (self.last_day, KEY_NEWEST[1])

    @property
    def oldest(self) -> Key:
        """The oldest key that can match."""
        return KEY_OLDEST if self.first_day is None else (self.first_day, KEY_OLDEST[1])


async def page(
    conn: Conn,
    user_id: UserId,
    wanted: TransactionFilter,
    *,
    newest: Key,
    oldest: Key,
    newest_first: bool,
    limit: int,
    columns: frozenset[str] | None = None,
) -> list[TransactionRow]:
    """Return at most `limit` matching transactions with keys between two bounds, both included.

    With `columns`, the rows have these alone, and those of their key.
    """
    query = _page_query(wanted, newest_first=newest_first)
    return await conn.fetch(
        query if columns is None else narrowed(query, columns),
        *page_arguments(user_id, min(newest, wanted.newest), max(oldest, wanted.oldest), limit, wanted),
        record_class=TransactionRow,
    )


def page_arguments(
    user_id: UserId, newest: Key, oldest: Key, limit: int, wanted: TransactionFilter
) -> tuple[object, ...]:
    """Return $1 to $16 of every query that pages transactions: person, keys, number of rows, and the filter."""
    return user_id, *newest, *oldest, limit, *filter_arguments(wanted)


def filter_arguments(wanted: TransactionFilter) -> tuple[object, ...]:
    """Return what these queries are told of a filter besides its days."""
    return (
        None if wanted.account_ids is None else sorted(wanted.account_ids),
        None if wanted.category_ids is None else sorted(wanted.category_ids),
        wanted.pending,
        None if wanted.text is None else f"%{escape_like(wanted.text)}%",
        wanted.least,
        wanted.greatest,
        MINOR_PER_UNIT,
        None if wanted.tags is None else sorted(wanted.tags),
        wanted.has_note,
        wanted.excluded_from_budgets,
    )


async def resolve(
    conn: Conn, user_id: UserId, transaction_ids: Sequence[TransactionId]
) -> dict[TransactionId, TransactionRow]:
    """Return this person's transactions by the id asked for, each followed from pending to posted.

    Ids that are unknown, somebody else's, or of a removed transaction are not in the result.
    """
    rows = await conn.fetch(SQL.resolve, user_id, transaction_ids, SUCCESSION_STEPS_MAX, record_class=TransactionRow)
    return {TransactionId(row["asked_id"]): row for row in rows}


async def by_ids(
    conn: Conn, user_id: UserId, transaction_ids: Sequence[TransactionId]
) -> dict[TransactionId, TransactionRow]:
    """Return this person's transactions by exactly these ids; ones that do not count (any more) are left out."""
    rows = await conn.fetch(SQL.by_ids, user_id, transaction_ids, record_class=TransactionRow)
    return {row.transaction_id: row for row in rows}


async def by_id_after(conn: Conn, user_id: UserId, after: TransactionId, limit: int) -> list[TransactionRow]:
    """Return the next of this person's transactions after an id, in the order of their ids."""
    return await conn.fetch(SQL.by_id_after, user_id, after, limit, record_class=TransactionRow)


@lru_cache(maxsize=NARROWED_MAX)
def narrowed(query: str, columns: frozenset[str]) -> str:
    """Return a query of whole rows as one of these of their columns, and those of their key."""
    if not columns <= COLUMNS:
        raise ValueError(f"no columns of a page: {sorted(columns - COLUMNS)}")
    kept = [name for name in _COLUMNS_READ.findall(query)[0].replace(",", " ").split() if name in columns | KEY_COLUMNS]
    return _COLUMNS_READ.sub(", ".join(kept), query)


def escape_like(text: str) -> str:
    r"""Return the text as a LIKE pattern that matches it and nothing else: "100%" -> "100\%"."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _page_query(wanted: TransactionFilter, *, newest_first: bool) -> str:
    if wanted.tags is not None:
        return SQL.tagged_page_newest_first if newest_first else SQL.tagged_page_oldest_first
    if wanted.category_ids is not None and len(wanted.category_ids) <= MERGED_LISTS_MAX:
        return SQL.category_page_newest_first if newest_first else SQL.category_page_oldest_first
    if wanted.account_ids is not None and len(wanted.account_ids) <= MERGED_LISTS_MAX:
        return SQL.account_page_newest_first if newest_first else SQL.account_page_oldest_first
    return SQL.page_newest_first if newest_first else SQL.page_oldest_first
