"""Keeping transfers right within whatever changes transactions: voiding, following, finding and applying them.

A pair whose side was taken back, changed its amount or was put elsewhere by the person's word ends, and the other side
gets back what it was. A side that gave way to another hands its place on. Then the transactions around those that were
touched are matched anew: what the machine found stands until the same rules find better, what a person decided stays.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from mintql.domain.categories import UNCATEGORIZED_ID, CategoryKind, CategorySource, CategoryTree
from mintql.domain.ids import AccountId, ConnectionId, TransactionId, TransferId, UserId
from mintql.domain.months import first_day
from mintql.domain.transfers import (
    TRANSFER_DAYS_MAX,
    Found,
    OwnAccount,
    Reason,
    Side,
    TransferState,
    match_transfers,
    may_be_side,
    side_categories,
)
from mintql.services.personal_categories import trees_of
from mintql.store import transfers as store
from mintql.store.queries import Conn
from mintql.store.transfers import NewPair, Pair, RowKey, SideRow

NEAR_DAYS = 2 * TRANSFER_DAYS_MAX
"""How far around a touched transaction others are weighed: its partners, and those that compete for them."""
SUCCESSION_STEPS_MAX = 20
"""How often a side hands its place on within one change."""

_NOTHING = Reason(UNCATEGORIZED_ID, CategorySource.NONE, "")


@dataclass(frozen=True, slots=True)
class Touched:
    """A person's transactions that were written: new ones, and those that were changed, taken back or gave way."""

    added: Collection[TransactionId] = ()
    changed: Collection[TransactionId] = ()


@dataclass(slots=True)
class Settled:
    """What that did to a person's transactions: those that count and are in another category now, and their months."""

    changed: set[TransactionId] = field(default_factory=set)
    months: set[date] = field(default_factory=set)


NOTHING_SETTLED = Settled()


async def settle(
    conn: Conn,
    touched: Mapping[UserId, Touched],
    now: datetime,
    heirs: Mapping[TransactionId, TransactionId] | None = None,
) -> dict[UserId, Settled]:
    """Let transfers follow what was done to transactions. Called under the persons' locks, before alerts.

    Args:
        conn: The caller's transaction.
        touched: What was written, by person.
        now: The time.
        heirs: Transactions that are about to be removed, and those that take their places.
    """
    settling = Settling(conn, now, await store.accounts(conn, sorted(touched)))
    changed = [(user_id, row_id) for user_id, rows in touched.items() for row_id in rows.changed]
    await settling.review(changed, heirs or {})
    added = [(user_id, row_id) for user_id, rows in touched.items() for row_id in rows.added]
    await settling.find([*added, *changed], set(touched), set(heirs or ()))
    return settling.settled


async def release(conn: Conn, user_id: UserId, connection_id: ConnectionId, now: datetime) -> Settled:
    """End the transfers with a connection that is about to be removed; the other sides get back what they were."""
    leaving = set(await store.sides_of_connection(conn, user_id, connection_id))
    settling = Settling(conn, now, await store.accounts(conn, [user_id]))
    pairs = await store.of_rows(conn, [(user_id, row_id) for row_id in sorted(leaving)])
    await settling.know(pair.user_id for pair in pairs)
    for pair in pairs:
        settling.void(pair)
    await settling.write()
    settled = settling.settled.get(user_id, NOTHING_SETTLED)
    return replace(settled, changed=settled.changed - leaving)


class Settling:
    """One change of transactions: what is to be written, collected and written set by set."""

    def __init__(self, conn: Conn, now: datetime, accounts: Mapping[UserId, Mapping[AccountId, OwnAccount]]) -> None:
        self.settled: dict[UserId, Settled] = {}
        self._conn = conn
        self._now = now
        self._accounts = accounts
        self._trees: dict[UserId, CategoryTree] = {}
        self._rows: dict[RowKey, SideRow] = {}
        self._wanted: dict[RowKey, Reason] = {}
        self._dropped: list[tuple[UserId, TransferId]] = []
        self._put: list[NewPair] = []
        self._freed: set[RowKey] = set()

    async def know(self, user_ids: Iterable[UserId]) -> None:
        """Read the categories of persons."""
        unknown = sorted(set(user_ids) - self._trees.keys())
        if unknown:
            self._trees |= await trees_of(self._conn, unknown)

    # What is there

    async def review(self, keys: Sequence[RowKey], heirs: Mapping[TransactionId, TransactionId]) -> None:
        """Look at the pairs of transactions that changed; end, hand on or leave each."""
        pairs = await store.of_rows(self._conn, keys)
        if not pairs:
            return
        await self.know(pair.user_id for pair in pairs)
        followed = await self._follow(pairs, heirs)
        ended = [side.key for pair in pairs if pair.state is TransferState.UNDONE for side in (pair.out, pair.into)]
        others = await store.of_rows(self._conn, sorted({row.key for row in followed.values()} | set(ended)))
        known = {(pair.user_id, *pair.ids) for pair in others}
        taken = {side.key for pair in others if pair.state is TransferState.APPLIED for side in (pair.out, pair.into)}
        for pair in pairs:
            out, into = followed.get(pair.out.key, pair.out), followed.get(pair.into.key, pair.into)
            moved = (out.key, into.key) != (pair.out.key, pair.into.key)
            free = (pair.user_id, out.transaction_id, into.transaction_id) not in known
            if pair.state in (TransferState.DISMISSED, TransferState.UNDONE):
                if moved:
                    self._drop(pair)
                    pair = replace(pair, out=out, into=into)  # noqa: PLW2901 - from here on it is about these
                    self._put += [_as_it_is(pair)] if free else []
                self._review_ended(pair, free=taken.isdisjoint({out.key, into.key}))
            elif not moved:
                self._review_unmoved(pair)
            elif pair.state is TransferState.SUGGESTED or pair.decided_at is None:
                self.void(pair)
            else:
                free = free and taken.isdisjoint({out.key, into.key} - {pair.out.key, pair.into.key})
                self._hand_on(pair, out, into, free=free)
            self._freed |= {out.key, into.key}
        await self.write()

    async def _follow(
        self, pairs: Sequence[Pair], heirs: Mapping[TransactionId, TransactionId]
    ) -> dict[RowKey, SideRow]:
        """Return the transactions that have taken the places of sides, by those."""
        sides = {side.key: side for pair in pairs for side in (pair.out, pair.into)}
        next_of = {key: (key[0], heirs.get(key[1], row.successor_id)) for key, row in sides.items()}
        ways = {key: (user_id, to_id) for key, (user_id, to_id) in next_of.items() if to_id is not None}
        ends: dict[RowKey, SideRow] = {}
        for _ in range(SUCCESSION_STEPS_MAX):
            if not ways:
                break
            found = await store.rows(self._conn, sorted(set(ways.values())))
            ends |= {key: found[to] for key, to in ways.items() if to in found}
            ways = {
                key: (key[0], found[to].successor_id or to[1])
                for key, to in ways.items()
                if to in found and found[to].successor_id is not None
            }
        return ends

    def _review_unmoved(self, pair: Pair) -> None:
        if not self._is_transfer(pair.user_id, pair.out, pair.into):
            self.void(pair)
        elif pair.state is TransferState.SUGGESTED:
            if not match_transfers(self._trees[pair.user_id], [self.side(pair.out), self.side(pair.into)]):
                self.void(pair)
        elif self._said_otherwise(pair, pair.out) or self._said_otherwise(pair, pair.into):
            self.end(pair, TransferState.UNDONE, None)

    def _is_transfer(self, user_id: UserId, out: SideRow, into: SideRow) -> bool:
        """Tell whether two transactions still are of opposite amounts, and both count."""
        accounts = self._accounts.get(user_id, {})
        return (
            out.live
            and into.live
            and out.amount_minor < 0
            and out.amount_minor == -into.amount_minor
            and out.currency == into.currency
            and {out.account_id, into.account_id} <= accounts.keys()
            and out.account_id != into.account_id
        )

    def _said_otherwise(self, pair: Pair, side: SideRow) -> bool:
        """Tell whether a side was put into a category that is no transfer's, or split wholly into such."""
        tree = self._trees[pair.user_id]
        if side.is_split and side.rest_minor == 0:
            kinds = {tree.by_id[category_id].kind for category_id in side.part_category_ids}
            if CategoryKind.TRANSFER not in kinds:
                return True
        if side.reason.source is CategorySource.TRANSFER:
            return False
        return not may_be_side(tree.by_id[side.reason.category_id], self._accounts[pair.user_id][pair.into.account_id])

    def _hand_on(self, pair: Pair, out: SideRow, into: SideRow, *, free: bool) -> None:
        """Let others be the sides of a pair that a person decided on, where they still match."""
        self.void(pair)
        if free and self._is_transfer(pair.user_id, out, into):
            self.apply(out, into, pair.created_at, pair.decided_at)

    def _review_ended(self, pair: Pair, *, free: bool) -> None:
        """Let a side that is one again, because a choice of category was taken back, be one, or what it was before."""
        claims = [
            (side, before) for side, before, other in _sides(pair) if before is not None and _is_side_with(side, other)
        ]
        if not claims:
            return
        for side, before in claims:
            self._rows[side.key] = side
            self._wanted[side.key] = self._back(pair.user_id, before)
        if pair.decided_at is None and free and self._is_transfer(pair.user_id, pair.out, pair.into):
            self.apply(pair.out, pair.into, pair.created_at, None)

    # What is done

    def void(self, pair: Pair) -> None:
        """Forget a pair; its sides get back what they were."""
        self._give_back(pair)
        self._drop(pair)

    def end(self, pair: Pair, state: TransferState, decided_at: datetime | None) -> None:
        """End a pair by a person's word, so that it is not found again; its sides get back what they were.

        `decided_at` is None where the word was about a side's category. What such a side was is kept with the pair.
        """
        self._give_back(pair)
        kept = [None if _is_side_with(side, other) else before for side, before, other in _sides(pair)]
        self._put.append(NewPair(pair.user_id, *pair.ids, state, kept[0], kept[1], pair.created_at, decided_at))

    def apply(self, out: SideRow, into: SideRow, created_at: datetime, decided_at: datetime | None) -> None:
        """Make two transactions a transfer: each gets the category that the kinds of the accounts call for."""
        user_id = out.user_id
        out_side, in_side = self.side(out), self.side(into)
        categories = side_categories(self._trees[user_id], out_side, in_side)
        before: list[Reason | None] = []
        for row, side, other, category_id in (
            (out, out_side, into, categories[0]), (into, in_side, out, categories[1])
        ):  # fmt: skip
            self._rows[row.key] = row
            before.append(None if category_id is None else side.reason)
            if category_id is not None:
                detail = str(other.transaction_id)
                self._wanted[row.key] = Reason(category_id, CategorySource.TRANSFER, detail)
            else:
                self._wanted[row.key] = side.reason
        ids = (out.transaction_id, into.transaction_id)
        self._put.append(NewPair(user_id, *ids, TransferState.APPLIED, before[0], before[1], created_at, decided_at))

    def side(self, row: SideRow) -> Side:
        """Return a transaction as a side, with the reason that it has by itself, or will have."""
        account = self._accounts[row.user_id][row.account_id]
        reason = self._wanted.get(row.key, row.reason)
        return Side(row.transaction_id, row.external_id, account, row.posted_on, row.amount_minor, row.currency, reason)

    def _give_back(self, pair: Pair) -> None:
        if pair.state is not TransferState.APPLIED:
            return
        for side, before, other in _sides(pair):
            self._rows[side.key] = side
            if before is not None and _is_side_with(side, other):
                self._wanted[side.key] = self._back(pair.user_id, before)

    def _back(self, user_id: UserId, before: Reason) -> Reason:
        """Return a reason as it would be by now, had its category been merged or deleted since."""
        category = self._trees[user_id].by_id[before.category_id]
        if category.in_use:
            return before
        if category.merged_into is None or category.merged_into == UNCATEGORIZED_ID:
            return _NOTHING
        return before._replace(category_id=category.merged_into)

    def _drop(self, pair: Pair) -> None:
        self._dropped.append((pair.user_id, pair.transfer_id))

    async def write(self) -> None:
        """Write what was collected, and note what it changed."""
        changed = {key: reason for key, reason in self._wanted.items() if reason != self._rows[key].reason}
        await store.drop(self._conn, self._dropped)
        await store.categorize(self._conn, changed, self._now)
        await store.put(
            self._conn, list({(pair.user_id, pair.out_id, pair.in_id): pair for pair in self._put}.values())
        )
        for key in changed:
            row = self._rows[key]
            if row.live:
                settled = self.settled.setdefault(key[0], Settled())
                settled.changed.add(key[1])
                settled.months.add(first_day(row.posted_on))
        self._wanted.clear()
        self._rows.clear()
        self._dropped.clear()
        self._put.clear()

    # What is found

    async def find(
        self, keys: Sequence[RowKey], user_ids: Collection[UserId], leaving: Collection[TransactionId]
    ) -> None:
        """Match the transactions around these anew, where their persons have more than one account."""
        looked_for = {key for key in (*keys, *self._freed) if key[0] in self._accounts and key[1] not in leaving}
        around = await store.near(self._conn, sorted(looked_for), NEAR_DAYS)
        groups: dict[tuple[UserId, str, int], list[SideRow]] = {}
        for row in around:
            if row.transaction_id not in leaving:
                groups.setdefault((row.user_id, row.currency, abs(row.amount_minor)), []).append(row)
        near = {
            row.key: row for group in groups.values() if any(row.key in looked_for for row in group) for row in group
        }
        if not near:
            return
        await self.know({key[0] for key in near})
        pairs = await store.of_rows(self._conn, sorted(near))
        for user_id in sorted({key[0] for key in near} & set(user_ids)):
            mine = [pair for pair in pairs if pair.user_id == user_id]
            self._match(user_id, {key[1]: row for key, row in near.items() if key[0] == user_id}, mine)
        await self.write()

    def _match(self, user_id: UserId, near: Mapping[TransactionId, SideRow], pairs: Sequence[Pair]) -> None:
        kept_apart = {pair.ids for pair in pairs if pair.state in (TransferState.DISMISSED, TransferState.UNDONE)}
        standing = [pair for pair in pairs if pair.state in (TransferState.APPLIED, TransferState.SUGGESTED)]
        loose = {pair.ids: pair for pair in standing if self._is_loose(pair, near)}
        fixed = {row_id for pair in standing if pair.ids not in loose for row_id in pair.ids}
        own = {
            side.transaction_id: self._back(user_id, before)
            for pair in loose.values()
            for side, before in ((pair.out, pair.out_before), (pair.into, pair.in_before))
            if before is not None and side.reason.source is CategorySource.TRANSFER
        }
        sides = [
            replace(self.side(row), reason=own.get(row_id, row.reason))
            for row_id, row in near.items()
            if row_id not in fixed and not row.is_split and row.account_id in self._accounts[user_id]
        ]
        found = match_transfers(self._trees[user_id], sides, kept_apart)
        states = {(item.out.transaction_id, item.into.transaction_id): _state(item) for item in found}
        for ids, pair in loose.items():
            if states.get(ids) is not pair.state:
                self.void(pair)
        for item in found:
            ids = (item.out.transaction_id, item.into.transaction_id)
            there = loose.get(ids)
            if there is not None and there.state is states[ids]:
                continue
            created_at = self._now if there is None else there.created_at
            if item.certain:
                self.apply(near[ids[0]], near[ids[1]], created_at, None)
            else:
                self._put.append(NewPair(user_id, *ids, TransferState.SUGGESTED, None, None, created_at, None))

    def _is_loose(self, pair: Pair, near: Mapping[TransactionId, SideRow]) -> bool:
        """Tell whether a pair is the machine's alone, and so to be matched anew."""
        if pair.decided_at is not None or not set(pair.ids) <= near.keys():
            return False
        return not (pair.out.is_split or pair.into.is_split)


def _state(item: Found) -> TransferState:
    return TransferState.APPLIED if item.certain else TransferState.SUGGESTED


def _sides(pair: Pair) -> list[tuple[SideRow, Reason | None, SideRow]]:
    """Return each side with what it was and the other one."""
    return [(pair.out, pair.out_before, pair.into), (pair.into, pair.in_before, pair.out)]


def _is_side_with(side: SideRow, other: SideRow) -> bool:
    """Tell whether a transaction is in its category as one side, with this other one."""
    return side.reason.source is CategorySource.TRANSFER and side.reason.detail == str(other.transaction_id)


def _as_it_is(pair: Pair) -> NewPair:
    return NewPair(
        pair.user_id, *pair.ids, pair.state, pair.out_before, pair.in_before, pair.created_at, pair.decided_at
    )  # fmt: skip
