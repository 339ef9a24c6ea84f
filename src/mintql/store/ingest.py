"""The write path: accounts, known rows and transactions of a batch, set by set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import asyncpg

from mintql.domain.ids import AccountId, CategoryId, ConnectionId, RawObjectId, TransactionId, UserId
from mintql.domain.ingest import StoredRow
from mintql.domain.institutions import ProviderAccount
from mintql.store.queries import Conn, load

SQL = load("ingest")

IDS_PER_BLOCK = 1_000
"""Increment of the sequence `transaction_ids`."""

COPY_COLUMNS = (
    "user_id", "transaction_id", "account_id", "external_id", "posted_on", "amount_minor", "currency", "pending",
    "category_id", "category_source", "description", "merchant", "merchant_key", "category_detail", "object_id",
)  # fmt: skip

Account = tuple[UserId, AccountId]


@dataclass(frozen=True, slots=True)
class KnownAccount:
    """An account with the packed list of what of its rows is known."""

    user_id: UserId
    connection_id: ConnectionId
    external_id: str
    account_id: AccountId
    seen: bytes
    is_new: bool


@dataclass(frozen=True, slots=True)
class NewRow:
    """A transaction to insert, in the order of `COPY_COLUMNS`."""

    user_id: UserId
    transaction_id: TransactionId
    account_id: AccountId
    external_id: str
    posted_on: date
    amount_minor: int
    currency: str
    pending: bool
    category_id: CategoryId
    category_source: str
    description: str
    merchant: str
    merchant_key: str
    category_detail: str
    object_id: RawObjectId | None

    def record(self) -> tuple[object, ...]:
        """Return the values in the order of `COPY_COLUMNS`."""
        return (
            self.user_id, self.transaction_id, self.account_id, self.external_id, self.posted_on,
            self.amount_minor, self.currency, self.pending, self.category_id, self.category_source,
            self.description, self.merchant, self.merchant_key, self.category_detail, self.object_id,
        )  # fmt: skip


async def upsert_accounts(conn: Conn, accounts: Sequence[tuple[UserId, ConnectionId, ProviderAccount]]) -> None:
    """Write accounts as their institutions describe them, with a sync row each."""
    await conn.execute(
        SQL.upsert_accounts,
        [user_id for user_id, _, _ in accounts],
        [connection_id for _, connection_id, _ in accounts],
        [said.external_id for _, _, said in accounts],
        [said.name for _, _, said in accounts],
        [said.kind.value for _, _, said in accounts],
        [said.mask for _, _, said in accounts],
        [said.currency for _, _, said in accounts],
        [said.balance_minor for _, _, said in accounts],
        [said.available_minor for _, _, said in accounts],
        [said.balance_at for _, _, said in accounts],
    )


async def lock_seen(conn: Conn, connections: Sequence[tuple[UserId, ConnectionId]]) -> list[KnownAccount]:
    """Return the accounts of these connections, their sync rows locked in order."""
    columns = _pairs(connections)
    await conn.execute(SQL.open_account_sync, *columns)
    return [_known(row) for row in await conn.fetch(SQL.lock_seen, *columns)]


async def read_seen(conn: Conn, connections: Sequence[tuple[UserId, ConnectionId]]) -> list[KnownAccount]:
    """Return the accounts of these connections as they stand, without a lock."""
    return [_known(row) for row in await conn.fetch(SQL.read_seen, *_pairs(connections))]


def _known(row: asyncpg.Record) -> KnownAccount:
    return KnownAccount(
        row["user_id"], row["connection_id"], row["external_id"], row["account_id"], row["seen"], row["is_new"]
    )


def _pairs(items: Sequence[tuple[int, int]]) -> tuple[list[int], list[int]]:
    return [first for first, _ in items], [second for _, second in items]


async def note_missing(
    conn: Conn,
    connections: Sequence[tuple[UserId, ConnectionId]],
    named: Sequence[tuple[UserId, ConnectionId, str]],
    now: datetime,
) -> None:
    """Note which accounts of these connections are not named any more: (person, connection, external id) are."""
    columns = [list(column) for column in zip(*named, strict=True)] or [[], [], []]
    await conn.execute(SQL.note_missing, *_pairs(connections), *columns, now)


async def write_seen(conn: Conn, lists: Sequence[tuple[UserId, AccountId, bytes]]) -> None:
    """Replace the packed lists of known rows."""
    if lists:
        await conn.execute(SQL.write_seen, *[list(column) for column in zip(*lists, strict=True)])


async def take_ids(conn: Conn, count: int) -> Iterable[TransactionId]:
    """Return at least `count` fresh transaction ids."""
    blocks = -(-count // IDS_PER_BLOCK)
    rows = await conn.fetch(SQL.take_ids, blocks)
    return (TransactionId(row["first"] + place) for row in rows for place in range(IDS_PER_BLOCK))


async def stored_pending(conn: Conn, accounts: Sequence[Account]) -> dict[Account, list[StoredRow]]:
    """Return the pending rows that count, by account."""
    return _by_account(await conn.fetch(SQL.stored_pending, *_pairs(accounts)))


async def stored_rows(conn: Conn, keys: Sequence[tuple[UserId, AccountId, str]]) -> dict[Account, list[StoredRow]]:
    """Return the rows with these (person, account, external id), by account."""
    if not keys:
        return {}
    return _by_account(await conn.fetch(SQL.stored_rows, *[list(column) for column in zip(*keys, strict=True)]))


def _by_account(rows: Sequence[asyncpg.Record]) -> dict[Account, list[StoredRow]]:
    found: dict[Account, list[StoredRow]] = {}
    for row in rows:
        values = dict(row)
        account = (values.pop("user_id"), values.pop("account_id"))
        removed = values.pop("removed_at") is not None
        found.setdefault(account, []).append(StoredRow(**values, removed=removed))
    return found


async def merchant_rules(
    conn: Conn, user_ids: Sequence[UserId], merchant_keys: Sequence[str]
) -> dict[UserId, dict[str, CategoryId]]:
    """Return what these persons said of these sellers."""
    rules: dict[UserId, dict[str, CategoryId]] = {}
    for row in await conn.fetch(SQL.merchant_rules, user_ids, merchant_keys):
        rules.setdefault(row["user_id"], {})[row["merchant_key"]] = row["category_id"]
    return rules


async def copy_rows(conn: Conn, rows: Sequence[NewRow]) -> bool:
    """Insert rows by COPY; False, with nothing written, when one of them is there already."""
    try:
        async with conn.transaction():
            await conn.copy_records_to_table(
                "transactions", records=[row.record() for row in rows], columns=COPY_COLUMNS
            )
    except asyncpg.UniqueViolationError:
        return False
    return True


async def change_rows(conn: Conn, rows: Sequence[tuple[UserId, StoredRow]], now: datetime) -> None:
    """Write rows as they are given."""
    if not rows:
        return
    await conn.execute(
        SQL.change_rows,
        [user_id for user_id, _ in rows],
        [row.transaction_id for _, row in rows],
        [row.posted_on for _, row in rows],
        [row.amount_minor for _, row in rows],
        [row.currency for _, row in rows],
        [row.pending for _, row in rows],
        [row.description for _, row in rows],
        [row.merchant for _, row in rows],
        [row.merchant_key for _, row in rows],
        [row.category_id for _, row in rows],
        [row.category_source for _, row in rows],
        [row.category_detail for _, row in rows],
        now,
    )


async def supersede_rows(
    conn: Conn, links: Sequence[tuple[UserId, TransactionId, TransactionId]], now: datetime
) -> None:
    """Point pending rows to their posted successors: (person, pending, posted)."""
    if links:
        await conn.execute(SQL.supersede_rows, *[list(column) for column in zip(*links, strict=True)], now)


async def remove_rows(conn: Conn, rows: Sequence[tuple[UserId, TransactionId]], now: datetime) -> None:
    """Mark rows as taken back: (person, id)."""
    if rows:
        await conn.execute(SQL.remove_rows, *_pairs(rows), now)
