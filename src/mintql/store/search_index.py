"""Rows of `search_slices` and what belongs to them: where texts stand in the transactions of persons who have many."""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

import asyncpg

from mintql.domain.ids import ChangeSeq, UserId
from mintql.store.queries import Conn, load
from mintql.store.transactions_read import MINOR_PER_UNIT, Key
from mintql.store.transactions_search import Words, patterns

SQL = load("search_index")
BUILD = load("search_index_build")

_KEY = struct.Struct(">Iq")
"""How a key is kept: the number of its day, and its id. The query that reads single ones says how long that is."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A stretch of a person's transactions: those after a key and up to another. `size` were there when it was written.

    `places` are those of the stretches of text that were asked for, as `domain/search_grams.py` packs them.
    """

    slice_id: int
    after: Key
    newest: Key
    size: int
    places: Mapping[str, bytes]


class Head(NamedTuple):
    """Up to which key it is known where texts stand, and up to where in the log of changes."""

    newest: Key
    seq: ChangeSeq


class Changed(NamedTuple):
    """Keys of transactions that changed, and the last day of months that were moved out of the database."""

    keys: frozenset[Key]
    archived_until: date | None


class AskedSlices(NamedTuple):
    """Which slices are asked for: `limit` of those that have keys between two, both included; and of which grams."""

    newest: Key
    oldest: Key
    grams: Collection[str]
    limit: int


class Begun(NamedTuple):
    """Up to where the slices of a person are known and when that was, None for nowhere; and how far the log goes."""

    rows_seq: ChangeSeq | None
    built_at: datetime | None
    latest_seq: ChangeSeq


class Text(NamedTuple):
    """A transaction's key and what search looks through."""

    key: Key
    words: str


async def head(conn: Conn, user_id: UserId, days_max: int) -> Head | None:
    """Return up to where a person's slices go; None where there are none, or none written in so many days."""
    row = await conn.fetchrow(SQL.head, user_id, days_max)
    return None if row is None else Head((row["newest_on"], row["newest_id"]), ChangeSeq(row["rows_seq"]))


async def changed(conn: Conn, user_id: UserId, seq: ChangeSeq, limit: int) -> Changed | None:
    """Return what changed after a seq; None where the log mentions more than `limit`."""
    return _changed(await conn.fetchrow(SQL.changed, user_id, seq, limit + 1), limit)


def _changed(row: asyncpg.Record | None, limit: int) -> Changed | None:
    if row is None or row["mentions"] > limit:
        return None
    keys = zip(row["days"] or (), row["ids"] or (), strict=True)
    return Changed(frozenset(keys), row["archived_until"])


async def changed_and_slices(
    conn: Conn, user_id: UserId, seq: ChangeSeq, limit: int, words: Words, asked: AskedSlices
) -> tuple[Changed, list[Slice]] | None:
    """Return which transactions changed after a seq and have the words, and the slices that `slices` returns.

    None where the log mentions more than `limit`.
    """
    texts = *patterns(words), words.amounts, MINOR_PER_UNIT
    rows = await conn.fetch(SQL.changed_and_slices, user_id, seq, limit + 1, *texts, *_columns(asked))
    changed = _changed(rows[0], limit)
    return None if changed is None else (changed, [_with_places(row) for row in rows if row["slice_id"] is not None])


async def slices(conn: Conn, user_id: UserId, asked: AskedSlices) -> list[Slice]:
    """Return the next slices that have keys between two, newest first, with the places of stretches of text."""
    return [_with_places(row) for row in await conn.fetch(SQL.slices, user_id, *_columns(asked))]


def _columns(asked: AskedSlices) -> tuple[object, ...]:
    return *asked.newest, *asked.oldest, asked.limit, sorted(asked.grams)


def _with_places(row: asyncpg.Record) -> Slice:
    return _slice(row, dict(zip(row["grams"] or (), row["places"] or (), strict=True)))


async def keys(conn: Conn, user_id: UserId, places: Sequence[tuple[int, int]]) -> list[Key] | None:
    """Return the keys at places (slice, number), in any order; None where a slice is not there any more."""
    rows = await conn.fetch(SQL.keys, user_id, [one for one, _ in places], [place for _, place in places])
    return [_unpacked(row["key"]) for row in rows] if len(rows) == len(places) else None


async def seller_words(conn: Conn, user_id: UserId, days_max: int, limit: int) -> set[str] | None:
    """Return the words of a person's sellers; None where they are not known, or too much changed since."""
    row = await conn.fetchrow(SQL.seller_words, user_id, days_max)
    if row is None:
        return None
    since = await conn.fetchrow(SQL.changed_sellers, user_id, row["words_seq"], limit + 1)
    if since is None or since["mentions"] > limit:
        return None
    return {*row["words"], *(word for text in since["texts"] or () for word in text.lower().split())}


async def count_between(conn: Conn, user_id: UserId, after: Key, newest: Key, limit: int) -> int:
    """Return how many transactions a person has after a key and up to another, `limit` at most."""
    return int(await conn.fetchval(BUILD.count_between, user_id, *after, *newest, limit))


async def begin(conn: Conn, user_id: UserId) -> Begun | None:
    """Let nobody else write a person's slices until the commit; return what is known, None where somebody is at it."""
    await conn.execute(BUILD.add_person, user_id)
    row = await conn.fetchrow(BUILD.lock, user_id)
    if row is None:
        return None
    rows_seq = None if row["rows_seq"] is None else ChangeSeq(row["rows_seq"])
    return Begun(rows_seq, row["built_at"], ChangeSeq(row["latest_seq"] or 0))


async def lock(conn: Conn, user_id: UserId) -> bool:
    """Let nobody else write a person's slices until the commit; return whether nobody was at it."""
    return await conn.fetchrow(BUILD.lock, user_id) is not None


async def note_words(conn: Conn, user_id: UserId, seq: ChangeSeq, words: Collection[str]) -> None:
    """Write down the words of a person's sellers."""
    await conn.execute(BUILD.note_words, user_id, seq, sorted(words))


async def note_rows(conn: Conn, user_id: UserId, seq: ChangeSeq, now: datetime) -> None:
    """Write down up to where in the log of changes a person's slices are known."""
    await conn.execute(BUILD.note_rows, user_id, seq, now)
    await conn.execute(BUILD.remove_months, user_id)


async def list_slices(conn: Conn, user_id: UserId) -> list[Slice]:
    """Return a person's slices without places, oldest first."""
    return [_slice(row, {}) for row in await conn.fetch(BUILD.list_slices, user_id)]


async def remove(conn: Conn, user_id: UserId, slice_ids: Collection[int]) -> int:
    """Remove slices; return how many of them were there."""
    return len(await conn.fetch(BUILD.remove, user_id, list(slice_ids)))


async def settled_until(conn: Conn, user_id: UserId, newest_count: int) -> Key | None:
    """Return the key of the newest transaction but so many; None where there are fewer."""
    row = await conn.fetchrow(BUILD.settled_until, user_id, newest_count)
    return None if row is None else (row["posted_on"], row["transaction_id"])


async def texts(conn: Conn, user_id: UserId, after: Key, newest: Key, limit: int) -> list[Text]:
    """Return the next transactions after a key and up to another, oldest first."""
    rows = await conn.fetch(BUILD.texts, user_id, *after, *newest, limit, MINOR_PER_UNIT)
    return [Text((row["posted_on"], row["transaction_id"]), row["words"]) for row in rows]


async def add(
    conn: Conn, user_id: UserId, after: Key, newest: Key, keys_in_order: Sequence[Key], places: Mapping[str, bytes]
) -> None:
    """Add a slice."""
    packed = b"".join(_KEY.pack(day.toordinal(), number) for day, number in keys_in_order)
    slice_id = await conn.fetchval(BUILD.add_slice, user_id, *after, *newest, len(keys_in_order), packed)
    await conn.execute(BUILD.add_grams, user_id, slice_id, list(places), list(places.values()))


def _slice(row: asyncpg.Record, places: Mapping[str, bytes]) -> Slice:
    after, newest = (row["after_on"], row["after_id"]), (row["newest_on"], row["newest_id"])
    return Slice(row["slice_id"], after, newest, row["size"], places)


def _unpacked(packed: bytes) -> Key:
    number, transaction_id = _KEY.unpack(packed)
    return date.fromordinal(number), transaction_id
