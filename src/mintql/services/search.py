"""Transactions by words, typos forgiven, sorted by day or amount."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Final, cast

from mintql.domain.errors import InvalidInput
from mintql.domain.ids import UserId
from mintql.domain.spelling import meant
from mintql.domain.wording import shown
from mintql.services import search_index
from mintql.services.transactions import FILTER_TEXT_LENGTH_MAX, as_spelled, check_text
from mintql.store import transactions_search as store
from mintql.store.queries import Conn
from mintql.store.transactions_read import Key, TransactionFilter, TransactionRow
from mintql.store.transactions_search import WORDS_MAX, AmountKey, Stretch, Words

COUNTED_MAX = 1_000
PIECE_LENGTH: Final = 3
_GROUPED = re.compile(r"[-+]?\d{1,3}(?:(?:,\d{3})+\.\d{1,4}|(?:\.\d{3})+,\d{1,4})", re.ASCII)
"""An amount with marks between its thousands, which only one of the two can be: that of the decimals comes last."""
_AMOUNT = re.compile(r"[-+]?(\d{1,15})(?:[.,](\d{1,4}))?", re.ASCII)

_AMOUNT_LETTERS = str.maketrans("0123456789.", "ABCDEFGHIJK")


class Sort(Enum):
    """What found transactions are sorted by."""

    DATE = "date"
    AMOUNT = "amount"


class Reading(IntEnum):
    """How the words were read to find anything: each is tried when the one before it finds nothing."""

    AS_WRITTEN = 0
    CORRECTED = 1
    ALIKE = 2


@dataclass(frozen=True, slots=True)
class Search:
    """What is asked for. `words` are in small letters; the filter's tags are as the transactions spell them."""

    words: Sequence[str]
    wanted: TransactionFilter
    sort: Sort = Sort.DATE
    ascending: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: the key of its last row, and how the words were read."""

    reading: Reading
    key: Key | AmountKey


@dataclass(frozen=True, slots=True)
class Found:
    """A page, each row with its place. `corrections` says for words that were mistyped what they were read as."""

    rows: Sequence[tuple[Place, TransactionRow]]
    has_next: bool
    reading: Reading
    words: Words
    corrections: Mapping[str, Sequence[str]] = field(default_factory=dict)


def check_words(text: str) -> list[str]:
    """Return the words of a text to search for; raise `InvalidInput` when there are none, or too many."""
    checked = check_text(text) or ""
    words = list(dict.fromkeys(word for word in checked.lower().split() if any(map(str.isalnum, word))))
    if not words:
        raise InvalidInput(
            f"{shown(text)} is too short to search for; give at least one letter or digit, and "
            f"{FILTER_TEXT_LENGTH_MAX} characters at most.",
            field="text",
        )
    if len(words) > WORDS_MAX:
        raise InvalidInput(
            f"{len(words)} words are too many to search for; give the {WORDS_MAX} that tell most.", field="text"
        )
    return words


async def search(conn: Conn, user_id: UserId, asked: Search, after: Place | None, size: int) -> Found:
    """Return the next page of transactions that have every word somewhere.

    Where nothing has them as they are written, words that no seller is called by are read as ones that some are; where
    that finds nothing either, any words that are like them will do. Later pages are read as the first one was.
    """
    asked = Search(asked.words, await as_spelled(conn, user_id, asked.wanted), asked.sort, asked.ascending)
    corrections: Mapping[str, Sequence[str]] = {}
    for reading in [after.reading] if after else Reading:
        if reading is Reading.CORRECTED or after:
            corrections = {} if reading is Reading.AS_WRITTEN else await _corrections(conn, user_id, asked.words)
        found = await _read(conn, user_id, asked, (reading, corrections), after, size)
        if found is not None and (found.rows or after):
            return found
    return Found((), has_next=False, reading=Reading.AS_WRITTEN, words=_words(asked, {}))


async def count(conn: Conn, user_id: UserId, asked: Search, words: Words) -> int:
    """Return how many transactions `search` finds in all, `COUNTED_MAX` + 1 for more than `COUNTED_MAX`."""
    wanted, counts = await as_spelled(conn, user_id, asked.wanted), list[int]()
    whole = Stretch(wanted.newest, wanted.oldest)
    async for stretches in search_index.lots(conn, user_id, whole, words, is_rare=lambda: not any(counts)):
        left = COUNTED_MAX + 1 - sum(counts)
        counts.append(await store.count_up_to(conn, user_id, wanted, words, stretches, left))
        if counts[-1] == left:
            break
    return sum(counts)


async def _corrections(conn: Conn, user_id: UserId, words: Sequence[str]) -> dict[str, list[str]]:
    """Return for words that no seller is called by what they may have been meant to be."""
    known = await search_index.seller_words(conn, user_id)
    return {word: texts for word in words if (texts := meant(word, known))}


async def _read(
    conn: Conn,
    user_id: UserId,
    asked: Search,
    how: tuple[Reading, Mapping[str, Sequence[str]]],
    after: Place | None,
    size: int,
) -> Found | None:
    """Return the page as one reading has it, with its corrections; None where that is no other than the one before."""
    reading, corrections = how
    if reading is Reading.CORRECTED and not corrections:
        return None
    words = _words(asked, corrections, alike=reading is Reading.ALIKE)
    if reading is Reading.ALIKE and words.alike is None:
        return None
    rows = await _page(conn, user_id, asked, words, reading, after, size + 1)
    return Found(rows[:size], len(rows) > size, reading, words, corrections)


async def _page(
    conn: Conn, user_id: UserId, asked: Search, words: Words, reading: Reading, after: Place | None, limit: int
) -> list[tuple[Place, TransactionRow]]:
    key = None if after is None else after.key
    if asked.sort is Sort.AMOUNT:
        found = await _by_amount(conn, user_id, asked, words, cast("AmountKey | None", key), limit)
        return [(Place(reading, amount_key), row) for amount_key, row in found]
    rows = await _by_day(conn, user_id, asked, words, cast("Key | None", key), limit)
    return [(Place(reading, row.key), row) for row in rows]


async def _by_day(
    conn: Conn, user_id: UserId, asked: Search, words: Words, after: Key | None, limit: int
) -> list[TransactionRow]:
    newest, oldest = asked.wanted.newest, asked.wanted.oldest
    if after is not None and asked.ascending:
        oldest = max(oldest, (after[0], after[1] + 1))
    elif after is not None:
        newest = min(newest, (after[0], after[1] - 1))
    rows: list[TransactionRow] = []
    newest_first = not asked.ascending
    whole = Stretch(newest, oldest)
    async for stretches in search_index.lots(
        conn, user_id, whole, words, newest_first=newest_first, is_rare=lambda: not rows
    ):
        left = limit - len(rows)
        rows.extend(await store.by_day(conn, user_id, asked.wanted, words, stretches, newest_first, left))
        if len(rows) == limit:
            break
    return rows


async def _by_amount(
    conn: Conn, user_id: UserId, asked: Search, words: Words, after: AmountKey | None, limit: int
) -> list[tuple[AmountKey, TransactionRow]]:
    found: list[tuple[AmountKey, TransactionRow]] = []
    whole = Stretch(asked.wanted.newest, asked.wanted.oldest)
    async for stretches in search_index.lots(conn, user_id, whole, words, is_rare=lambda: True):
        found += await store.by_amount(conn, user_id, asked.wanted, words, stretches, after, asked.ascending, limit)
    return sorted(found, key=lambda item: item[0])[:limit]


def _words(asked: Search, corrections: Mapping[str, Sequence[str]], *, alike: bool = False) -> Words:
    any_of: list[list[str]] = []
    likes: list[str | None] = []
    for word in asked.words:
        texts = [word, *corrections.get(word, ())]
        amount = _amount_text(word)
        if amount is not None:
            texts.append(amount)
        may_be_alike = alike and len(texts) == 1 and _can_be_alike(word)
        any_of.append(_pieces(word) if may_be_alike else texts)
        likes.append(word if may_be_alike else None)
    return Words(any_of, likes if any(likes) else None, any(map(_amount_text, asked.words)))


def _can_be_alike(word: str) -> bool:
    """Tell whether trigrams can compare a word: under the locale of the database they are of ASCII letters only."""
    return len(word) > PIECE_LENGTH and word.isascii() and word.isalnum()


def _pieces(word: str) -> list[str]:
    """Return the stretches of a word of which any text that is like it has one: to look for them costs far less."""
    return list(dict.fromkeys(word[start : start + PIECE_LENGTH] for start in range(len(word) - PIECE_LENGTH + 1)))


def _amount_text(word: str) -> str | None:
    """Return an amount as the queries write it ("12,50" -> "=BCKF=", 12.5), None for words that are none."""
    bare = word.strip("$€£¥")
    if _GROUPED.fullmatch(bare):
        bare = bare.replace("," if bare.find(",") < bare.find(".") else ".", "")
    said = _AMOUNT.fullmatch(bare)
    if said is None:
        return None
    amount = Decimal(f"{said[1]}.{said[2] or 0}").normalize()
    return f"={amount:f}=".translate(_AMOUNT_LETTERS)
