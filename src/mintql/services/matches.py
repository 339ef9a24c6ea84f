"""A person's word on which transaction stands for which: confirming, dismissing and undoing what was found."""

from __future__ import annotations

from datetime import datetime

from mintql.domain.errors import InvalidInput, NotFound
from mintql.domain.ids import TransactionId, UserId
from mintql.domain.ingest import StoredRow
from mintql.domain.matching import MatchKind, MatchState
from mintql.domain.months import first_day
from mintql.services import alerts, transfers
from mintql.services.effects import Effects
from mintql.services.events import append_events, transactions_changed
from mintql.services.row_plan import take_over
from mintql.store import choices, succession
from mintql.store import matches as store
from mintql.store.locks import lock_users
from mintql.store.matches import LockedMatch, MatchedRow, MatchRow
from mintql.store.queries import Conn

_FOUND = {
    MatchKind.PENDING_LINK: "The bank says that {stands} is what became of the pending {gives}.",
    MatchKind.PENDING_EXACT: "{Gives} was pending and vanished; {stands} has its amount and came within a week, so it "
    "is taken for what became of it.",
    MatchKind.PENDING_TIP: "{Gives} was pending and vanished; {stands} came within days and is up to 30 % more, as "
    "with a tip.",
    MatchKind.CHANGED_ID: "The bank no longer shows {gives} under the id it had, and shows {stands} under a new one: "
    "same day, amount and seller.",
    MatchKind.SAME_PURCHASE: "{Gives} and {stands} came from two sources and have one amount within three days, so "
    "they are taken for one purchase.",
}
_SO = {
    MatchState.APPLIED: "It counts once.",
    MatchState.SUGGESTED: "It is for you to say whether they are one.",
    MatchState.DISMISSED: "You said that they are two.",
    MatchState.UNDONE: "You said that they are two, and both count.",
}


def explain(match: MatchRow) -> str:
    """Return in words why one row gives way to another, and what holds now."""
    gives, stands = _shown(match.gives_way), _shown(match.stands)
    found = _FOUND[match.kind].format(gives=gives, Gives=gives, stands=stands)
    so = _SO[match.state]
    if match.state is MatchState.APPLIED and match.decided_at is not None:
        so = f"You confirmed it. {so}"
    return f"{found} {so}"


def _shown(row: MatchedRow) -> str:
    words = f"“{row.description}” of {row.posted_on}"
    return words if row.import_id is None else f"{words} in a file"


async def confirm(conn: Conn, user_id: UserId, from_id: TransactionId, now: datetime) -> Effects:
    """Say that a suggestion is right: the row gives way, and what the person set on it moves along.

    Raises:
        NotFound: There is no such match of this person.
        InvalidInput: It is no suggestion, or a row of it has changed since.
    """
    match = await _lock(conn, user_id, from_id)
    if match.state is MatchState.APPLIED:
        return Effects()
    if match.state is not MatchState.SUGGESTED:
        raise InvalidInput("This was dismissed or undone; only a suggestion can be confirmed.", field="id")
    gives_way, stands = await _rows(conn, user_id, match)
    if not stands.live or gives_way.successor_id is not None:
        raise InvalidInput(
            "One of the two transactions has changed since this was suggested; look at the list again.", field="id"
        )
    await store.set_successor(conn, user_id, from_id, match.to_id, now)
    after = take_over(gives_way, stands)
    await choices.hand_on(conn, [(user_id, from_id, match.to_id)])
    if after.category_id != stands.category_id or after.category_source != stands.category_source:
        await store.set_category(conn, user_id, after, now)
    if after.personal != stands.personal:
        await succession.write_personal(conn, [(user_id, match.to_id, after.personal)])
    await store.decide(conn, user_id, from_id, MatchState.APPLIED, now)
    removed = [from_id] if gives_way.live else []
    return await _tell(conn, user_id, [gives_way, stands], now, changed=[match.to_id], removed=removed)


async def dismiss(conn: Conn, user_id: UserId, from_id: TransactionId, now: datetime) -> Effects:
    """Say that a suggestion is wrong; it is not made again.

    Raises:
        NotFound: There is no such match of this person.
        InvalidInput: It is no suggestion.
    """
    match = await _lock(conn, user_id, from_id)
    if match.state is MatchState.DISMISSED:
        return Effects()
    if match.state is not MatchState.SUGGESTED:
        raise InvalidInput("This is no suggestion; what was done can be undone.", field="id")
    await store.decide(conn, user_id, from_id, MatchState.DISMISSED, now)
    return Effects(changed={user_id})


async def undo(conn: Conn, user_id: UserId, from_id: TransactionId, now: datetime) -> Effects:
    """Let a row stand for itself again; it is not matched again by itself.

    What the person had set on it stays, there and where it moved along to.

    Raises:
        NotFound: There is no such match of this person.
        InvalidInput: It was not done.
    """
    match = await _lock(conn, user_id, from_id)
    if match.state is MatchState.UNDONE:
        return Effects()
    if match.state is not MatchState.APPLIED:
        raise InvalidInput("This was not done, so there is nothing to undo.", field="id")
    gives_way, stands = await _rows(conn, user_id, match)
    await store.set_successor(conn, user_id, from_id, None, now)
    await store.decide(conn, user_id, from_id, MatchState.UNDONE, now)
    added = [] if gives_way.removed else [from_id]
    return await _tell(conn, user_id, [gives_way, stands], now, added=added, changed=[match.to_id])


async def _lock(conn: Conn, user_id: UserId, from_id: TransactionId) -> LockedMatch:
    await lock_users(conn, [user_id])
    match = await store.lock(conn, user_id, from_id)
    if match is None:
        raise NotFound("There is no such match.", field="id")
    return match


async def _rows(conn: Conn, user_id: UserId, match: LockedMatch) -> tuple[StoredRow, StoredRow]:
    rows = await store.rows(conn, user_id, [match.from_id, match.to_id])
    return rows[match.from_id], rows[match.to_id]


async def _tell(
    conn: Conn,
    user_id: UserId,
    rows: list[StoredRow],
    now: datetime,
    *,
    added: list[TransactionId] | None = None,
    changed: list[TransactionId] | None = None,
    removed: list[TransactionId] | None = None,
) -> Effects:
    settled = await transfers.follow(conn, user_id, [row.transaction_id for row in rows], now)
    told = sorted({*(changed or ()), *(settled.changed - set(added or ()))})
    event = transactions_changed(user_id, added=added or (), changed=told, removed=removed or ())
    _, effects = await append_events(conn, [event])
    effects.changed.add(user_id)
    months = {first_day(row.posted_on) for row in rows} | settled.months
    effects.merge(await alerts.evaluate(conn, {user_id: months}, now))
    return effects
