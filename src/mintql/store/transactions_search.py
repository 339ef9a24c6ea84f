"""Rows of `transactions`, found by words and sorted by day or amount."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

from mintql.domain.ids import TransactionId, UserId
from mintql.store.queries import Conn, load
from mintql.store.transactions_read import (
    Key,
    TransactionFilter,
    TransactionRow,
    escape_like,
    filter_arguments,
)

SQL = load("transactions_search")

WORDS_MAX: Final = 6
"""As many as the queries have parameters for."""
SELLERS_MAX: Final = 5_000


@dataclass(frozen=True, slots=True)
class Words:
    """What is looked for: for each word the texts of which any will do, in small letters.

    Where `alike` has a word, the text has to be like that as well. `amounts` says that one of the texts is an amount,
    with the capitals A to K for digits and point.
    """

    any_of: Sequence[Sequence[str]]
    alike: Sequence[str | None] | None = None
    amounts: bool = False


class Stretch(NamedTuple):
    """A stretch of a person's transactions, by its newest and its oldest key, both included."""

    newest: Key
    oldest: Key


AmountKey = tuple[int, TransactionId]
"""Place in the order by amount: (signed ten thousandths of the unit, least first; transaction_id)."""


async def by_day(
    conn: Conn,
    user_id: UserId,
    wanted: TransactionFilter,
    words: Words,
    stretches: Sequence[Stretch],
    newest_first: bool,
    limit: int,
) -> list[TransactionRow]:
    """Return the first transactions of some stretches that have the words, by day."""
    query = SQL.newest_first if newest_first else SQL.oldest_first
    return await conn.fetch(query, *_arguments(user_id, stretches, limit, wanted, words), record_class=TransactionRow)


async def by_amount(
    conn: Conn,
    user_id: UserId,
    wanted: TransactionFilter,
    words: Words,
    stretches: Sequence[Stretch],
    after: AmountKey | None,
    least_first: bool,
    limit: int,
) -> list[tuple[AmountKey, TransactionRow]]:
    """Return the next transactions of some stretches with the words behind a key, by signed amount, with their keys."""
    key, transaction_id = (None, None) if after is None else after
    rows = await conn.fetch(
        SQL.by_amount,
        *_arguments(user_id, stretches, limit, wanted, words),
        1 if least_first else -1,
        None if key is None else Decimal(key),
        transaction_id,
        record_class=TransactionRow,
    )
    return [((int(row["sort_key"]), row.transaction_id), row) for row in rows]


async def count_up_to(
    conn: Conn, user_id: UserId, wanted: TransactionFilter, words: Words, stretches: Sequence[Stretch], limit: int
) -> int:
    """Return how many transactions of some stretches have the words, `limit` at most."""
    return int(await conn.fetchval(SQL.count_up_to, *_arguments(user_id, stretches, limit, wanted, words)))


async def seller_words(conn: Conn, user_id: UserId) -> set[str]:
    """Return the words in the names of this person's sellers, in small letters; of `SELLERS_MAX` sellers at most."""
    return {
        word for row in await conn.fetch(SQL.seller_words, user_id, SELLERS_MAX) for word in row["text"].lower().split()
    }


def patterns(words: Words) -> list[list[str] | None]:
    """Return what texts are compared with: for each word patterns of which any will do, None where there is no word."""
    found = [[f"%{escape_like(text)}%" for text in texts] for texts in words.any_of]
    return [*found, *[None] * (WORDS_MAX - len(found))]


def _arguments(
    user_id: UserId, stretches: Sequence[Stretch], limit: int, wanted: TransactionFilter, words: Words
) -> list[object]:
    return [
        user_id,
        [stretch.newest[0] for stretch in stretches],
        [stretch.newest[1] for stretch in stretches],
        [stretch.oldest[0] for stretch in stretches],
        [stretch.oldest[1] for stretch in stretches],
        limit,
        *filter_arguments(wanted),
        *patterns(words),
        words.alike,
        words.amounts,
    ]
