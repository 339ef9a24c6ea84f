"""What a person writes onto transactions: notes, tags, and splits into several categories."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from mintql.domain.categories import CategoryTree, check_leaf
from mintql.domain.errors import InvalidInput
from mintql.domain.ids import CategoryId, TransactionId, UserId
from mintql.domain.money import parse_minor, to_decimal_text
from mintql.domain.months import first_day
from mintql.domain.wording import fits_a_line, shown
from mintql.services import alerts, transfers
from mintql.services.choices import RECATEGORIZED_MAX, find_transactions
from mintql.services.effects import Effects
from mintql.services.events import append_events, transactions_changed
from mintql.services.personal_categories import tree_of
from mintql.store import annotations as store
from mintql.store.locks import lock_users
from mintql.store.queries import Conn
from mintql.store.transactions_read import TransactionPart, TransactionRow

__all__ = [
    "Annotation",
    "PartWish",
    "TransactionPart",
    "annotate",
    "check_parts",
    "check_tags",
    "list_tags",
    "split",
    "tag",
    "tag_key",
]

NOTE_LENGTH_MAX = 2_000
"""About a page of text; the table holds to it as well."""
TAG_LENGTH_MAX = 50
TAGS_MAX = 20
"""Tags of one transaction; more would be a note. The table holds to it as well."""
PARTS_MAX = 50
"""More than the lines of nearly every receipt; the table holds to it as well."""
PART_NOTE_LENGTH_MAX = 200
"""A line of a receipt. What is longer belongs into the note of the transaction."""
TAGGED_MAX = RECATEGORIZED_MAX
"""Transactions in one call: what is chosen to be recategorized can be chosen to be tagged."""
TAGS_LISTED_MAX = 1_000
"""More than anybody chooses from; a person who has more is told of those used most."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """What a person wishes to change: a text replaces the note and None removes it, if `changes_note`; tags alike."""

    changes_note: bool = False
    note: str | None = None
    changes_tags: bool = False
    tags: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class PartWish:
    """A part of a split as a person asks for it; the amount is a decimal text, signed as the transaction's."""

    category_id: CategoryId
    amount: str
    currency: str
    note: str | None = None


async def annotate(
    conn: Conn, user_id: UserId, transaction_id: TransactionId, wish: Annotation, now: datetime
) -> tuple[TransactionRow, Effects]:
    """Write a person's note and tags onto a transaction; return it as it is then.

    The tags wished for take the place of those there are. A tag that is on other transactions already is spelled
    as it is there.

    Raises:
        InvalidInput: The note or a tag is too long or holds what no text can, or there are too many tags.
        NotFound: The id is unknown, somebody else's, or of a transaction that was taken back.
    """
    note = _check_note(wish.note, NOTE_LENGTH_MAX, "note", "A note")
    tags = check_tags(wish.tags or (), "tags")
    _check_count(tags, "tags", "The transaction")
    await lock_users(conn, [user_id])
    (row,) = await find_transactions(conn, user_id, [transaction_id], "id")
    if wish.changes_tags:
        others = await store.tag_counts(conn, user_id, without=[row.transaction_id])
        tags = _as_spelled(tags, others)
    changed = await store.set_annotation(
        conn,
        user_id,
        row.transaction_id,
        note if wish.changes_note else row.note,
        tags if wish.changes_tags else row.tags,
        now,
    )
    effects = await _tell(conn, user_id, [row.transaction_id] if changed else [])
    (row,) = await find_transactions(conn, user_id, [row.transaction_id], "id")
    return row, effects


async def split(
    conn: Conn, user_id: UserId, transaction_id: TransactionId, wishes: Sequence[PartWish], now: datetime
) -> tuple[TransactionRow, Effects]:
    """Split a transaction into parts with categories of their own; return it as it is then. No parts undo a split.

    The transaction's own category keeps the rest, so that the parts stay as they are when a tip or a correction
    changes the amount later, and all sums right to the cent.

    Raises:
        InvalidInput: Too many parts, or one that is in no category transactions can carry, not in the transaction's
            currency, of the other sign, 0, or beyond what the amount leaves; the message says which and why.
        NotFound: The id is unknown, somebody else's, or of a transaction that was taken back.
    """
    await lock_users(conn, [user_id])
    (row,) = await find_transactions(conn, user_id, [transaction_id], "id")
    parts = check_parts(await tree_of(conn, user_id), wishes, row.amount_minor, row.currency)
    posted_on = await store.set_parts(conn, user_id, row.transaction_id, parts, now)
    effects = Effects()
    if posted_on is not None:
        settled = await transfers.follow(conn, user_id, [row.transaction_id], now)
        effects = await _tell(conn, user_id, sorted({row.transaction_id} | settled.changed))
        effects.merge(await alerts.evaluate(conn, {user_id: {first_day(posted_on)} | settled.months}, now))
    (row,) = await find_transactions(conn, user_id, [row.transaction_id], "id")
    return row, effects


async def tag(
    conn: Conn,
    user_id: UserId,
    transaction_ids: Sequence[TransactionId],
    *,
    add: Sequence[str],
    remove: Sequence[str],
    now: datetime,
) -> tuple[list[TransactionRow], Effects]:
    """Add tags to transactions and remove others: on all of them or, when one cannot have them, on none.

    Returns the transactions in the order they were named, each once. A tag is the same whatever its case, and an added
    one is spelled as it is on the person's transactions already.

    Raises:
        InvalidInput: No ids or too many, no tags, a tag that cannot be or is in both lists, or a transaction would
            have too many.
        NotFound: An id is unknown, somebody else's, or of a transaction that was taken back.
    """
    if not 1 <= len(transaction_ids) <= TAGGED_MAX:
        raise InvalidInput(f"Name 1 to {TAGGED_MAX} transactions, not {len(transaction_ids)}.", field="ids")
    added, removed = check_tags(add, "add"), {tag_key(text) for text in check_tags(remove, "remove")}
    if not added and not removed:
        raise InvalidInput("Name tags to add or tags to remove.", field="add")
    both = next((text for text in added if tag_key(text) in removed), None)
    if both is not None:
        raise InvalidInput(f"{shown(both)} is to be added and removed at once; choose one.", field="remove")
    await lock_users(conn, [user_id])
    rows = await find_transactions(conn, user_id, transaction_ids, "ids")
    added = _as_spelled(added, await store.tag_counts(conn, user_id))
    wanted: dict[TransactionId, tuple[str, ...]] = {}
    for row in rows:
        carried = {tag_key(text): text for text in row.tags if tag_key(text) not in removed}
        for text in added:
            carried.setdefault(tag_key(text), text)
        wanted[row.transaction_id] = tuple(carried.values())
        _check_count(wanted[row.transaction_id], "add", f"{shown(row.merchant)} of {row.posted_on}")
    effects = await _tell(conn, user_id, sorted(await store.set_tags(conn, user_id, wanted, now)))
    return await find_transactions(conn, user_id, list(wanted), "ids"), effects


async def list_tags(conn: Conn, user_id: UserId) -> list[tuple[str, int]]:
    """Return a person's tags with how many transactions carry each, the most used first, a bounded number."""
    return list((await store.tag_counts(conn, user_id)).items())[:TAGS_LISTED_MAX]


def tag_key(text: str) -> str:
    """Return what two spellings of one tag have in common."""
    return unicodedata.normalize("NFC", text.casefold())


def check_tags(texts: Iterable[str], field: str) -> tuple[str, ...]:
    """Return tags as they are kept, each once; raise `InvalidInput` when one of them cannot be."""
    kept: dict[str, str] = {}
    for text in texts:
        tag = unicodedata.normalize("NFC", text.strip())
        if not 1 <= len(tag) <= TAG_LENGTH_MAX:
            raise InvalidInput(f"A tag has 1 to {TAG_LENGTH_MAX} characters; {shown(tag)} has {len(tag)}.", field=field)
        if not fits_a_line(tag):
            raise InvalidInput(f"The tag {shown(tag)} holds a character that cannot be shown on a line.", field=field)
        kept.setdefault(tag_key(tag), tag)
    return tuple(kept.values())


def check_parts(
    tree: CategoryTree, wishes: Sequence[PartWish], amount_minor: int, currency: str
) -> list[TransactionPart]:
    """Return the parts that wishes come to, for a transaction of this amount.

    Raises:
        InvalidInput: One of them cannot be; the message says which and why.
    """
    if len(wishes) > PARTS_MAX:
        raise InvalidInput(f"{len(wishes)} parts are too many; a split has {PARTS_MAX} at most.", field="parts")
    parts: list[TransactionPart] = []
    left_minor = amount_minor
    for place, wish in enumerate(wishes, start=1):
        try:
            part = _check_part(tree, wish, amount_minor, left_minor, currency)
        except InvalidInput as failure:
            raise InvalidInput(f"The part at place {place}: {failure.message}", field="parts") from None
        left_minor -= part.amount_minor
        parts.append(part)
    return parts


def _check_part(
    tree: CategoryTree, wish: PartWish, amount_minor: int, left_minor: int, currency: str
) -> TransactionPart:
    check_leaf(tree, wish.category_id)
    if wish.currency != currency:
        raise InvalidInput(f"The transaction is in {currency}, so no part of it is in {shown(wish.currency)}.")
    minor = parse_minor(wish.amount, currency)
    whole = to_decimal_text(amount_minor, currency)
    if minor == 0 or (minor < 0) is not (amount_minor < 0) or amount_minor == 0:
        raise InvalidInput(f"{wish.amount} is no part of {whole}: it has to have the same sign, and neither can be 0.")
    if abs(minor) > abs(left_minor):
        raise InvalidInput(
            f"{wish.amount} is more than the {to_decimal_text(left_minor, currency)} that the parts before it leave "
            f"of {whole}."
        )
    note = _check_note(wish.note, PART_NOTE_LENGTH_MAX, "parts", "The note of a part")
    return TransactionPart(wish.category_id, minor, note or "")


def _check_note(text: str | None, length_max: int, field: str, name: str) -> str | None:
    """Return a note as it is kept, None when there is nothing in it."""
    note = (text or "").strip()
    if len(note) > length_max:
        raise InvalidInput(f"{name} has at most {length_max} characters; this one has {len(note)}.", field=field)
    if any(character == "\0" or unicodedata.category(character) == "Cs" for character in note):
        raise InvalidInput(
            f"{name} holds a character that no text can have (U+0000, or half of a surrogate pair).", field=field
        )
    return note or None


def _as_spelled(tags: Iterable[str], known: Mapping[str, int]) -> tuple[str, ...]:
    """Return tags in the spelling that is used most already, where one is."""
    spelled: dict[str, str] = {}
    for text in known:
        spelled.setdefault(tag_key(text), text)
    return tuple(spelled.get(tag_key(text), text) for text in tags)


def _check_count(tags: Sequence[str], field: str, whose: str) -> None:
    if len(tags) > TAGS_MAX:
        raise InvalidInput(f"{whose} would have {len(tags)} tags; {TAGS_MAX} is the most.", field=field)


async def _tell(conn: Conn, user_id: UserId, changed: Sequence[TransactionId]) -> Effects:
    if not changed:
        return Effects()
    _, effects = await append_events(conn, [transactions_changed(user_id, changed=changed)])
    effects.changed.add(user_id)
    return effects
