"""Transfers between a person's own accounts, as the person sees them: their word on them, and the search for old ones.

What keeps them right whenever transactions change is `services.transfer_pairs`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from mintql.domain.categories import CategoryKind, CategorySource, CategoryTree
from mintql.domain.errors import InvalidInput, NotFound
from mintql.domain.ids import TransactionId, TransferId, UserId
from mintql.domain.money import to_decimal_text
from mintql.domain.months import first_day
from mintql.domain.transfers import TransferState, may_be_side
from mintql.domain.wording import shown
from mintql.services import alerts
from mintql.services.effects import Effects
from mintql.services.events import EVENT_IDS_MAX, append_events, transactions_changed
from mintql.services.personal_categories import tree_of
from mintql.services.transfer_pairs import Settled, Settling, Touched, settle
from mintql.store import transactions_read
from mintql.store import transfers as store
from mintql.store.locks import lock_users
from mintql.store.queries import Conn
from mintql.store.transactions_read import TransactionRow
from mintql.store.transfers import Pair, SideRow

PERSONS_PER_SEARCH_MAX = 1_000
"""Persons whose history is looked through in one night; more wait for the next one."""
PERSONS_PER_PAGE = 100


async def confirm(conn: Conn, user_id: UserId, transfer_id: TransferId, now: datetime) -> Effects:
    """Say that a suggestion is right: both transactions become a transfer.

    Raises:
        NotFound: There is no such transfer of this person.
        InvalidInput: It was dismissed or undone, or its transactions have changed since.
    """
    pair = await _lock(conn, user_id, transfer_id)
    if pair.state not in (TransferState.SUGGESTED, TransferState.APPLIED):
        raise InvalidInput(
            "This was dismissed or undone; pair the two transactions if they are a transfer after all.", field="id"
        )
    if not _opposite(pair.out, pair.into):
        raise InvalidInput(
            "One of the two transactions has changed since this was suggested; look at the list again.", field="id"
        )
    return await _apply(conn, user_id, pair.out, pair.into, pair, now)


async def dismiss(conn: Conn, user_id: UserId, transfer_id: TransferId, now: datetime) -> Effects:
    """Say that a suggestion is wrong; it is not made again.

    Raises:
        NotFound: There is no such transfer of this person.
        InvalidInput: It is no suggestion.
    """
    pair = await _lock(conn, user_id, transfer_id)
    if pair.state is TransferState.DISMISSED:
        return Effects()
    if pair.state is not TransferState.SUGGESTED:
        raise InvalidInput("This is no suggestion; a transfer that was applied can be undone.", field="id")
    return await _end(conn, user_id, pair, TransferState.DISMISSED, now)


async def undo(conn: Conn, user_id: UserId, transfer_id: TransferId, now: datetime) -> Effects:
    """Say that a transfer is none: both transactions get back what they were, and are not paired again.

    Raises:
        NotFound: There is no such transfer of this person.
        InvalidInput: It was not applied.
    """
    pair = await _lock(conn, user_id, transfer_id)
    if pair.state is TransferState.UNDONE and pair.decided_at is not None:
        return Effects()
    # One that a choice of category had ended is ended by the person's word from now on, whatever becomes of the choice.
    if pair.state not in (TransferState.APPLIED, TransferState.UNDONE):
        raise InvalidInput("This was not applied, so there is nothing to undo.", field="id")
    return await _end(conn, user_id, pair, TransferState.UNDONE, now)


async def pair_by_hand(
    conn: Conn, user_id: UserId, out_id: TransactionId, in_id: TransactionId, now: datetime
) -> tuple[TransferId, Effects]:
    """Make two transactions a transfer by a person's word, however far apart their days are.

    The id of a pending transaction that was posted stands for the posted one.

    Raises:
        NotFound: An id is unknown, somebody else's, or of a transaction that was taken back.
        InvalidInput: They are on one account, of one sign, in two currencies, of different amounts, a side of another
            transfer, or in a category of spending or income by the person's own choice.
    """
    await lock_users(conn, [user_id])
    found = await transactions_read.resolve(conn, user_id, [out_id, in_id])
    for asked, field in ((out_id, "outId"), (in_id, "inId")):
        if asked not in found:
            raise NotFound("There is no transaction with this id; nothing was changed.", field=field)
    _check_opposite(found[out_id], found[in_id])
    ids = (found[out_id].transaction_id, found[in_id].transaction_id)
    keys = [(user_id, row_id) for row_id in ids]
    there = [pair for pair in await store.of_rows(conn, keys) if pair.state is TransferState.APPLIED]
    same = next((pair for pair in there if pair.ids == ids), None)
    for pair in there:
        if pair is not same:
            named, field = (found[out_id], "outId") if ids[0] in pair.ids else (found[in_id], "inId")
            raise InvalidInput(f"{_named(named)} is a side of another transfer; undo that first.", field=field)
    await store.drop_suggestions(conn, keys)
    rows = await store.rows(conn, keys)
    effects = await _apply(conn, user_id, rows[keys[0]], rows[keys[1]], same, now)
    transfer_id = await store.id_of_pair(conn, user_id, *ids)
    if transfer_id is None:
        raise LookupError(f"the transfer of {ids} was not written")
    return transfer_id, effects


async def follow(conn: Conn, user_id: UserId, changed: Iterable[TransactionId], now: datetime) -> Settled:
    """Let a person's transfers follow what was done to some of their transactions; see `transfer_pairs.settle`.

    For writers of one person's rows, under the person's lock: the caller tells of `changed` with its own, and gives
    `months` to `alerts.evaluate` along with its own.
    """
    touched = sorted(set(changed))
    settled = (await settle(conn, {user_id: Touched(changed=touched)}, now)).get(user_id, Settled())
    # A choice of category that was taken back may have made one a side again whose transfer is gone since.
    for row_id, posted_on in (await store.forget_lone_sides(conn, user_id, touched, now)).items():
        settled.changed.add(row_id)
        settled.months.add(first_day(posted_on))
    return settled


async def unsearched(conn: Conn, after: UserId) -> list[UserId]:
    """Return persons after one whose history was never looked through for transfers, a bounded number."""
    return await store.unsearched(conn, after, PERSONS_PER_PAGE)


async def search(conn: Conn, user_id: UserId, now: datetime) -> Effects:
    """Look through all of a person's transactions for transfers; later ones are found as they come."""
    await lock_users(conn, [user_id])
    ids = await store.all_ids(conn, user_id)
    settled = (await settle(conn, {user_id: Touched(added=ids)}, now)).get(user_id, Settled())
    await store.note_search(conn, user_id, now)
    return await _tell(conn, user_id, settled, now)


async def _lock(conn: Conn, user_id: UserId, transfer_id: TransferId) -> Pair:
    await lock_users(conn, [user_id])
    ids = await store.lock(conn, user_id, transfer_id)
    if ids is None:
        raise NotFound("There is no such transfer.", field="id")
    pairs = await store.of_rows(conn, [(user_id, ids[0])])
    return next(pair for pair in pairs if pair.transfer_id == transfer_id)


async def _apply(conn: Conn, user_id: UserId, out: SideRow, into: SideRow, pair: Pair | None, now: datetime) -> Effects:
    """Make two transactions a transfer by the person's word; `pair` is what is kept of the two, if anything."""
    tree = await tree_of(conn, user_id)
    settling = Settling(conn, now, await store.accounts(conn, [user_id]))
    await settling.know([user_id])
    for row, field in ((out, "outId"), (into, "inId")):
        _check_category(tree, settling, row, into, field if pair is None else "id")
    if pair is not None and pair.state is TransferState.APPLIED:
        if pair.decided_at is not None:
            return Effects()
        settling.void(pair)
        await settling.write()
        rows = await store.rows(conn, [out.key, into.key])
        out, into = rows[out.key], rows[into.key]
    settling.apply(out, into, now if pair is None else pair.created_at, now)
    await settling.write()
    effects = await _tell(conn, user_id, settling.settled.get(user_id, Settled()), now)
    effects.changed.add(user_id)
    return effects


async def _end(conn: Conn, user_id: UserId, pair: Pair, state: TransferState, now: datetime) -> Effects:
    settling = Settling(conn, now, await store.accounts(conn, [user_id]))
    await settling.know([user_id])
    settling.end(pair, state, now)
    await settling.write()
    # The two sides may belong to others.
    await settling.find([pair.out.key, pair.into.key], [user_id], ())
    effects = await _tell(conn, user_id, settling.settled.get(user_id, Settled()), now)
    effects.changed.add(user_id)
    return effects


def _opposite(out: SideRow, into: SideRow) -> bool:
    fits = out.amount_minor == -into.amount_minor and out.currency == into.currency
    return fits and out.live and into.live and out.account_id != into.account_id


def _check_opposite(out: TransactionRow, into: TransactionRow) -> None:
    if out.transaction_id == into.transaction_id:
        raise InvalidInput("This is one and the same transaction; a transfer has two.", field="inId")
    if out.account_id == into.account_id:
        raise InvalidInput(
            "Both transactions are on one account; a transfer leaves one account and reaches another.", field="inId"
        )
    if out.amount_minor >= 0:
        raise InvalidInput(f"{_named(out)} is not money that left its account; name one that is.", field="outId")
    if into.amount_minor <= 0:
        raise InvalidInput(f"{_named(into)} is not money that reached its account; name one that is.", field="inId")
    if out.currency != into.currency:
        raise InvalidInput(
            f"One is in {out.currency} and the other in {into.currency}; only transfers within one currency can be "
            "paired.",
            field="inId",
        )
    if out.amount_minor != -into.amount_minor:
        raise InvalidInput(
            f"{to_decimal_text(-out.amount_minor, out.currency)} left and "
            f"{to_decimal_text(into.amount_minor, into.currency)} arrived; a transfer has one amount.",
            field="inId",
        )


def _check_category(tree: CategoryTree, settling: Settling, row: SideRow, into: SideRow, field: str) -> None:
    """Refuse a side that the person put into a category of spending or income by hand, which nothing else changes.

    So did they with one that is split wholly into such categories: nothing of it would be a transfer.
    """
    category = tree.by_id[row.reason.category_id]
    reached = settling.side(into).account
    kinds = {tree.by_id[category_id].kind for category_id in row.part_category_ids}
    if row.is_split and row.rest_minor == 0 and CategoryKind.TRANSFER not in kinds:
        raise InvalidInput(
            f"You split the transaction of {row.posted_on}, and nothing of it is left to be a transfer; take the split "
            "back first.",
            field=field,
        )
    if row.reason.source is CategorySource.MANUAL and not may_be_side(category, reached):
        raise InvalidInput(
            f"You put the transaction of {row.posted_on} into {category.name}; put it into a category of transfers "
            "first.",
            field=field,
        )


def _named(row: TransactionRow) -> str:
    return f"{shown(row.merchant)} of {row.posted_on}"


async def _tell(conn: Conn, user_id: UserId, settled: Settled, now: datetime) -> Effects:
    if not settled.changed:
        return Effects()
    changed = sorted(settled.changed)
    event = transactions_changed(user_id, changed=changed[:EVENT_IDS_MAX], changed_count=len(changed))
    _, effects = await append_events(conn, [event])
    effects.changed.add(user_id)
    effects.merge(await alerts.evaluate(conn, {user_id: settled.months}, now))
    return effects
