"""Transfers as they are kept, and the transactions that may be sides of some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import asyncpg

from mintql.domain.categories import UNCATEGORIZED_ID, CategorySource
from mintql.domain.ids import AccountId, CategoryId, ConnectionId, TransactionId, TransferId, UserId
from mintql.domain.institutions import AccountKind
from mintql.domain.transfers import OwnAccount, Reason, TransferState
from mintql.store.ingest import columns_of
from mintql.store.queries import Conn, load

SQL = load("transfers")
SEARCHES_SQL = load("transfer_searches")

RowKey = tuple[UserId, TransactionId]
"""A transaction by its person and id."""


@dataclass(frozen=True, slots=True)
class SideRow:
    """A transaction with what a side is judged by. `reason` is what it keeps now."""

    user_id: UserId
    transaction_id: TransactionId
    external_id: str
    account_id: AccountId
    posted_on: date
    amount_minor: int
    currency: str
    reason: Reason
    part_category_ids: tuple[CategoryId, ...] = ()
    rest_minor: int = 0
    is_split: bool = False
    successor_id: TransactionId | None = None
    removed: bool = False

    @property
    def key(self) -> RowKey:
        """Its person and id."""
        return self.user_id, self.transaction_id

    @property
    def live(self) -> bool:
        """Whether it counts: neither superseded nor taken back."""
        return self.successor_id is None and not self.removed


@dataclass(frozen=True, slots=True)
class Pair:
    """A transfer with both sides as they are now.

    `out_before` and `in_before` are the sides' reasons before it was applied, None where it left a side as it was.
    """

    user_id: UserId
    transfer_id: TransferId
    out: SideRow
    into: SideRow
    state: TransferState
    out_before: Reason | None
    in_before: Reason | None
    created_at: datetime
    decided_at: datetime | None

    @property
    def ids(self) -> tuple[TransactionId, TransactionId]:
        """The two transactions: out, in."""
        return self.out.transaction_id, self.into.transaction_id


@dataclass(frozen=True, slots=True)
class NewPair:
    """A transfer to write."""

    user_id: UserId
    out_id: TransactionId
    in_id: TransactionId
    state: TransferState
    out_before: Reason | None
    in_before: Reason | None
    created_at: datetime
    decided_at: datetime | None


@dataclass(frozen=True, slots=True)
class TransferRow:
    """A transfer as it is read."""

    transfer_id: TransferId
    out_id: TransactionId
    in_id: TransactionId
    state: TransferState
    created_at: datetime
    decided_at: datetime | None

    def other(self, transaction_id: TransactionId) -> TransactionId:
        """Return the other side of one of the two."""
        return self.in_id if transaction_id == self.out_id else self.out_id


async def accounts(conn: Conn, user_ids: Sequence[UserId]) -> dict[UserId, dict[AccountId, OwnAccount]]:
    """Return the accounts of those of these persons who have two or more."""
    found: dict[UserId, dict[AccountId, OwnAccount]] = {}
    for row in await conn.fetch(SQL.accounts, user_ids):
        account = OwnAccount(row["account_id"], row["connection_id"], AccountKind(row["kind"]), row["mask"])
        found.setdefault(row["user_id"], {})[account.account_id] = account
    return found


async def near(conn: Conn, keys: Sequence[RowKey], days: int) -> list[SideRow]:
    """Return what may be a side around these transactions, where the opposite amount is there as well.

    Args:
        conn: The caller's transaction.
        keys: The transactions.
        days: How many days before the first and after the last of a person's transactions of an amount.
    """
    if not keys:
        return []
    found = await conn.fetch(SQL.near, *columns_of(keys), days)
    return [
        SideRow(
            row["user_id"], row["transaction_id"], row["external_id"], row["account_id"], row["posted_on"],
            row["amount_minor"], row["currency"],
            Reason(row["category_id"], CategorySource(row["category_source"]), row["category_detail"]),
            is_split=row["is_split"],
        )
        for row in found
    ]  # fmt: skip


async def all_ids(conn: Conn, user_id: UserId) -> list[TransactionId]:
    """Return all of a person's transactions that count."""
    return [row["transaction_id"] for row in await conn.fetch(SEARCHES_SQL.all_ids, user_id)]


async def of_rows(conn: Conn, keys: Sequence[RowKey]) -> list[Pair]:
    """Return the transfers, of whatever state, that have one of these transactions as a side."""
    if not keys:
        return []
    return [
        Pair(
            row["user_id"], row["transfer_id"], _side(row, "out_"), _side(row, "in_"), TransferState(row["state"]),
            _before(row, "out_"), _before(row, "in_"), row["created_at"], row["decided_at"],
        )
        for row in await conn.fetch(SQL.of_rows, *columns_of(keys))
    ]  # fmt: skip


async def rows(conn: Conn, keys: Sequence[RowKey]) -> dict[RowKey, SideRow]:
    """Return transactions with what a side is judged by, whatever became of them."""
    if not keys:
        return {}
    found = [
        _row(row, row["transaction_id"], "", (row["category_id"], row["category_source"], row["category_detail"]))
        for row in await conn.fetch(SQL.rows, *columns_of(keys))
    ]
    return {row.key: row for row in found}


async def sides_of_connection(conn: Conn, user_id: UserId, connection_id: ConnectionId) -> list[TransactionId]:
    """Return a connection's transactions that are sides of applied transfers."""
    return [row["transaction_id"] for row in await conn.fetch(SQL.sides_of_connection, user_id, connection_id)]


async def drop(conn: Conn, pairs: Sequence[tuple[UserId, TransferId]]) -> None:
    """Forget transfers."""
    if pairs:
        await conn.execute(SQL.drop, *columns_of(pairs))


async def drop_suggestions(conn: Conn, keys: Sequence[RowKey]) -> None:
    """Forget what is suggested of these transactions."""
    if keys:
        await conn.execute(SQL.drop_suggestions, *columns_of(keys))


async def put(conn: Conn, pairs: Sequence[NewPair]) -> None:
    """Write transfers; one of the same two transactions takes what is given."""
    if not pairs:
        return
    nothing = (None, None, None)
    records = [
        (
            pair.user_id, pair.out_id, pair.in_id, pair.state.value, *(pair.out_before or nothing),
            *(pair.in_before or nothing), pair.created_at, pair.decided_at,
        )
        for pair in pairs
    ]  # fmt: skip
    await conn.execute(SQL.put, *[list(column) for column in zip(*records, strict=True)])


async def categorize(conn: Conn, wanted: Mapping[RowKey, Reason], now: datetime) -> None:
    """Put transactions into categories with the reasons for them."""
    if wanted:
        records = [(*key, *reason) for key, reason in sorted(wanted.items())]
        await conn.execute(SQL.categorize, *[list(column) for column in zip(*records, strict=True)], now)


async def forget_lone_sides(
    conn: Conn, user_id: UserId, transaction_ids: Sequence[TransactionId], now: datetime
) -> dict[TransactionId, date]:
    """Leave those of these that say that they are sides of a transfer, and are not, uncategorized; return days."""
    found = await conn.fetch(SQL.forget_lone_sides, user_id, transaction_ids, UNCATEGORIZED_ID, now)
    return {row["transaction_id"]: row["posted_on"] for row in found if row["counts"]}


async def lock(conn: Conn, user_id: UserId, transfer_id: TransferId) -> tuple[TransactionId, TransactionId] | None:
    """Return the two sides of a person's transfer, locked; None when there is none."""
    row = await conn.fetchrow(SQL.lock, user_id, transfer_id)
    return None if row is None else (row["out_id"], row["in_id"])


async def by_ids(conn: Conn, user_id: UserId, transfer_ids: Sequence[TransferId]) -> dict[TransferId, TransferRow]:
    """Return a person's transfers by their ids."""
    found = [_transfer(row) for row in await conn.fetch(SQL.by_ids, user_id, transfer_ids)]
    return {row.transfer_id: row for row in found}


async def id_of_pair(conn: Conn, user_id: UserId, out_id: TransactionId, in_id: TransactionId) -> TransferId | None:
    """Return the transfer of two transactions, of whatever state."""
    found: TransferId | None = await conn.fetchval(SQL.id_of_pair, user_id, out_id, in_id)
    return found


async def of_transactions(
    conn: Conn, user_id: UserId, transaction_ids: Sequence[TransactionId]
) -> dict[TransactionId, TransferRow]:
    """Return what is applied or suggested of these transactions."""
    found: dict[TransactionId, TransferRow] = {}
    for row in await conn.fetch(SQL.of_transactions, user_id, transaction_ids):
        found[row["out_id"]] = found[row["in_id"]] = _transfer(row)
    return found


async def suggested(conn: Conn, user_id: UserId, before: TransferId, limit: int) -> list[TransferRow]:
    """Return suggestions nobody decided on, newest first, with lower ids."""
    return [_transfer(row) for row in await conn.fetch(SQL.suggested, user_id, before, limit)]


async def unsearched(conn: Conn, after: UserId, limit: int) -> list[UserId]:
    """Return persons after one whose history was never looked through."""
    return [row["user_id"] for row in await conn.fetch(SEARCHES_SQL.unsearched, after, limit)]


async def note_search(conn: Conn, user_id: UserId, now: datetime) -> None:
    """Note that a person's history was looked through."""
    await conn.execute(SEARCHES_SQL.note_search, user_id, now)


def _transfer(row: asyncpg.Record) -> TransferRow:
    return TransferRow(
        row["transfer_id"], row["out_id"], row["in_id"], TransferState(row["state"]), row["created_at"],
        row["decided_at"],
    )  # fmt: skip


def _side(row: asyncpg.Record, prefix: str) -> SideRow:
    now = (row[f"{prefix}now_id"], row[f"{prefix}now_source"], row[f"{prefix}now_detail"])
    return _row(row, row[f"{prefix}id"], prefix, now)


def _row(row: asyncpg.Record, transaction_id: TransactionId, prefix: str, reason: tuple[int, str, str]) -> SideRow:
    parts, amounts = row[f"{prefix}part_category_ids"], row[f"{prefix}part_amounts_minor"]
    category_id, source, detail = reason
    return SideRow(
        row["user_id"], transaction_id, row[f"{prefix}external_id"], row[f"{prefix}account_id"],
        row[f"{prefix}posted_on"], row[f"{prefix}amount_minor"], row[f"{prefix}currency"],
        Reason(CategoryId(category_id), CategorySource(source), detail), tuple(parts or ()),
        row[f"{prefix}amount_minor"] - sum(amounts or ()), parts is not None, row[f"{prefix}successor_id"],
        row[f"{prefix}removed"],
    )  # fmt: skip


def _before(row: asyncpg.Record, prefix: str) -> Reason | None:
    category_id = row[f"{prefix}category_id"]
    if category_id is None:
        return None
    source = CategorySource(row[f"{prefix}category_source"])
    return Reason(category_id, source, row[f"{prefix}category_detail"])
