"""What changed since a client looked last, so that it can keep a copy of a person's transactions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import Enum
from typing import Final

from mintql.domain.errors import InvalidInput, ResyncNeeded
from mintql.domain.ids import ChangeSeq, TransactionId, UserId
from mintql.services.archive_reading import Finder
from mintql.store import changes as store
from mintql.store import transactions_read
from mintql.store.queries import Conn
from mintql.store.transactions_read import TransactionRow

CHANGES_DEFAULT = 100
CHANGES_MAX = 500
PLACE_VALID_DAYS = 366
CHANGES_KEPT_DAYS = 400
"""Longer than a place is valid, so that whoever comes on its last day has time to read what follows."""
WHOLE_STATEMENT: Final = 2**62
"""Position behind every mention of a statement."""
BEFORE_ALL: Final = TransactionId(0)


class Kind(Enum):
    """What else a client may keep a copy of; the values are those of the table."""

    ACCOUNTS = "accounts"
    CONNECTIONS = "connections"
    CATEGORIES = "categories"
    BUDGETS = "budgets"
    RULES = "rules"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True)
class Place:
    """How far a client has come: everything up to (`seq`, `position`) of the log of changes is with it.

    `reading_after` is set while it still reads everything for the first time, and then is the greatest id it has; the
    changes meanwhile come after that. `reached_on` is the day when nothing was left to read, or when reading began.
    """

    user_id: UserId
    reached_on: date
    seq: ChangeSeq
    position: int = WHOLE_STATEMENT
    reading_after: TransactionId | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What a client does next: take `added` and `modified` as they are now, drop `removed`, go on at `place`."""

    added: Sequence[TransactionRow]
    modified: Sequence[TransactionRow]
    removed: Sequence[TransactionId]
    kinds: frozenset[Kind]
    place: Place
    has_more: bool


async def list_changes(
    conn: Conn,
    user_id: UserId,
    since: Place | None,
    size: int,
    today: date,
    by_ids: Finder[TransactionRow] = transactions_read.by_ids,
) -> Changes:
    """Return the next changes after a place, or the beginning of everything without one.

    Rows are as they are now, which may be later than the mention that names them: what changed in between is mentioned
    again further on, so that whoever reads until nothing is left has exactly what holds. `by_ids` finds rows; while a
    client reads everything, all are read from the database.

    Raises:
        InvalidInput: The place is another person's.
        ResyncNeeded: The place is older than `PLACE_VALID_DAYS`, or ahead of all changes, as after a restored backup.
    """
    latest = await store.latest_seq(conn, user_id)
    if since is None:
        since = Place(user_id, today, latest, reading_after=BEFORE_ALL)
    _check(since, user_id, latest, today)
    if since.reading_after is not None:
        return await _everything(conn, since, since.reading_after, size)
    mentions = await store.list_after(conn, user_id, since.seq, since.position, size + 1)
    kinds = frozenset(Kind(kind) for kind in await store.kinds_after(conn, user_id, since.seq))
    has_more = len(mentions) > size
    mentions = mentions[:size]
    first_said = {mention.transaction_id: mention for mention in reversed(mentions)}
    rows = await by_ids(conn, user_id, sorted(first_said)) if first_said else {}
    if has_more:
        place = replace(since, seq=mentions[-1].seq, position=mentions[-1].position)
    else:
        place = Place(user_id, today, max(latest, mentions[-1].seq if mentions else latest))
    return Changes(
        added=[row for row in rows.values() if first_said[row.transaction_id].came],
        modified=[row for row in rows.values() if not first_said[row.transaction_id].came],
        removed=sorted(first_said.keys() - rows.keys()),
        kinds=kinds,
        place=place,
        has_more=has_more,
    )


async def _everything(conn: Conn, since: Place, after: TransactionId, size: int) -> Changes:
    """Return the next of all transactions; what changes meanwhile is read when they are at their end."""
    rows = await transactions_read.by_id_after(conn, since.user_id, after, size)
    at_end = len(rows) < size
    place = replace(since, reading_after=None if at_end else rows[-1].transaction_id)
    return Changes(rows, (), (), frozenset(Kind), place, has_more=True)


def _check(since: Place, user_id: UserId, latest: ChangeSeq, today: date) -> None:
    if since.user_id != user_id:
        raise InvalidInput("This cursor was given to somebody else; leave `since` out to begin anew.", field="since")
    if since.reached_on < today - timedelta(days=PLACE_VALID_DAYS) or since.seq > latest:
        raise ResyncNeeded(
            f"Changes since this cursor (of {since.reached_on}) are not known any more; drop what you hold and leave "
            "`since` out to read everything again.",
            field="since",
        )


def check_size(first: int | None) -> int:
    """Return how many changes to read, the default for None; raise `InvalidInput` when it is out of range."""
    if first is None:
        return CHANGES_DEFAULT
    if not 1 <= first <= CHANGES_MAX:
        raise InvalidInput(f"Changes come 1 to {CHANGES_MAX} at a time, not {first}.", field="first")
    return first
