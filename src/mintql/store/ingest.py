"""The write path: accounts, known rows and transactions of a batch, set by set."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import asyncpg

from mintql.domain.categories import CategorySource
from mintql.domain.ids import (
    AccountId,
    CategoryId,
    ConnectionId,
    ImportId,
    RawObjectId,
    TransactionId,
    UserId,
)
from mintql.domain.ingest import NOTHING_PERSONAL, Personal, StoredRow
from mintql.domain.institutions import ProviderAccount, ProviderTransaction
from mintql.domain.matching import SAME_PURCHASE_DAYS, Coverage, Days
from mintql.store.queries import Conn, load

SQL = load("ingest")

SAME_PURCHASE = timedelta(days=SAME_PURCHASE_DAYS)
IDS_PER_BLOCK = 1_000
"""Increment of the sequence `transaction_ids`."""

PERSONAL_COLUMNS = (
    "note", "tags", "part_category_ids", "part_amounts_minor", "part_notes", "display_name", "excluded_from_budgets",
)  # fmt: skip

Account = tuple[UserId, AccountId]


@dataclass(frozen=True, slots=True)
class KnownAccount:
    """An account with the packed list of what of its rows is known.

    `is_new` says that this transaction wrote it, `is_missing` that its institution did not name it any more, and
    `is_failing` that it could not be fetched last.
    """

    user_id: UserId
    connection_id: ConnectionId
    external_id: str
    account_id: AccountId
    seen: bytes
    is_new: bool
    is_missing: bool
    is_failing: bool

    @property
    def name(self) -> tuple[UserId, ConnectionId, str]:
        """What its institution knows it by."""
        return self.user_id, self.connection_id, self.external_id


class NewRow(NamedTuple):
    """A transaction to insert: a value for each of `COPY_COLUMNS`, in their order."""

    user_id: UserId
    transaction_id: TransactionId
    account_id: AccountId
    external_id: str
    posted_on: date
    amount_minor: int
    currency: str
    pending: bool
    category_id: CategoryId
    category_source: CategorySource
    description: str
    merchant: str
    merchant_key: str
    category_detail: str
    institution_code: str
    object_id: RawObjectId | None
    import_id: ImportId | None = None
    successor_id: TransactionId | None = None
    note: str | None = None
    tags: tuple[str, ...] | None = None
    part_category_ids: tuple[CategoryId, ...] | None = None
    part_amounts_minor: tuple[int, ...] | None = None
    part_notes: tuple[str, ...] | None = None
    display_name: str | None = None
    excluded_from_budgets: bool | None = None

    def with_personal(self, personal: Personal) -> NewRow:
        """Return it with what a person wrote onto the rows it stands for."""
        if personal is NOTHING_PERSONAL:
            return self
        return self._replace(**{name: getattr(personal, name) for name in PERSONAL_COLUMNS})


COPY_COLUMNS = NewRow._fields


@dataclass(frozen=True, slots=True)
class FailedAccount:
    """An account that could not be fetched while others of its connection could."""

    user_id: UserId
    connection_id: ConnectionId
    external_id: str
    code: str
    message: str
    action: str


SaidAccount = tuple[UserId, ConnectionId, ProviderAccount]


def _said(accounts: Sequence[SaidAccount]) -> tuple[list[Any], ...]:
    return (
        [user_id for user_id, _, _ in accounts],
        [connection_id for _, connection_id, _ in accounts],
        [said.external_id for _, _, said in accounts],
        [said.name for _, _, said in accounts],
        [said.kind.value for _, _, said in accounts],
        [said.mask for _, _, said in accounts],
        [said.currency for _, _, said in accounts],
    )


async def continue_accounts(conn: Conn, accounts: Sequence[SaidAccount]) -> None:
    """Go on with accounts that their institution names by another id than before."""
    if accounts:
        await conn.execute(SQL.continue_accounts, *_said(accounts))


async def upsert_accounts(conn: Conn, accounts: Sequence[SaidAccount]) -> None:
    """Write accounts as their institutions describe them."""
    await conn.execute(
        SQL.upsert_accounts,
        *_said(accounts),
        [said.balance_minor for _, _, said in accounts],
        [said.available_minor for _, _, said in accounts],
        [said.balance_at for _, _, said in accounts],
    )


async def read_seen(conn: Conn, connections: Sequence[tuple[UserId, ConnectionId]]) -> list[KnownAccount]:
    """Return the accounts of these connections that have a sync row, as they stand."""
    return [_known(row) for row in await conn.fetch(SQL.read_seen, *columns_of(connections))]


async def open_account_sync(conn: Conn, connections: Sequence[tuple[UserId, ConnectionId]]) -> None:
    """Make sure that each account of these connections has its sync row."""
    await conn.execute(SQL.open_account_sync, *columns_of(connections))


async def read_bound(conn: Conn, accounts: Sequence[Account]) -> list[KnownAccount]:
    """Return accounts that files are imported into; of their rows nothing is taken for known."""
    await conn.execute(SQL.open_bound_sync, *columns_of(accounts))
    return [_known(row) for row in await conn.fetch(SQL.read_bound, *columns_of(accounts))]


async def settle_accounts(
    conn: Conn,
    connections: Sequence[tuple[UserId, ConnectionId]],
    failed: Sequence[FailedAccount],
    now: datetime,
) -> set[tuple[UserId, ConnectionId]]:
    """Note which accounts failed; return the connections of those that no longer do."""
    if not connections:
        return set()
    rows = await conn.fetch(
        SQL.settle_accounts,
        *columns_of(connections),
        [item.user_id for item in failed],
        [item.connection_id for item in failed],
        [item.external_id for item in failed],
        [item.code for item in failed],
        [item.message for item in failed],
        [item.action for item in failed],
        now,
    )
    return {(row["user_id"], row["connection_id"]) for row in rows}


def _known(row: asyncpg.Record) -> KnownAccount:
    return KnownAccount(
        row["user_id"],
        row["connection_id"],
        row["external_id"],
        row["account_id"],
        row["seen"],
        row["is_new"],
        row["is_missing"],
        row["is_failing"],
    )


def columns_of(items: Sequence[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Return pairs as two columns, for `unnest`."""
    return [first for first, _ in items], [second for _, second in items]


async def note_missing(
    conn: Conn,
    connections: Sequence[tuple[UserId, ConnectionId]],
    named: Sequence[tuple[UserId, ConnectionId, str]],
    now: datetime,
) -> None:
    """Note which accounts of these connections are not named any more: (person, connection, external id) are."""
    columns = [list(column) for column in zip(*named, strict=True)] or [[], [], []]
    await conn.execute(SQL.note_missing, *columns_of(connections), *columns, now)


async def write_seen(
    conn: Conn, lists: Sequence[tuple[UserId, AccountId, bytes | None, date | None, date | None]]
) -> None:
    """Replace the packed lists of known rows (None: leave it), and add the days that were told of completely."""
    if lists:
        await conn.execute(SQL.write_seen, *[list(column) for column in zip(*lists, strict=True)])


async def take_ids(conn: Conn, count: int) -> Iterable[TransactionId]:
    """Return at least `count` fresh transaction ids."""
    blocks = -(-count // IDS_PER_BLOCK)
    rows = await conn.fetch(SQL.take_ids, blocks)
    return (TransactionId(row["first"] + place) for row in rows for place in range(IDS_PER_BLOCK))


async def stored_pending(conn: Conn, accounts: Sequence[Account], since: date) -> dict[Account, list[StoredRow]]:
    """Return the pending rows without a successor, by account: those that count, and vanished ones from a day on."""
    return _by_account(await conn.fetch(SQL.stored_pending, *columns_of(accounts), since))


async def stored_rows(conn: Conn, keys: Sequence[tuple[UserId, AccountId, str]]) -> dict[Account, list[StoredRow]]:
    """Return the rows with these (person, account, external id), by account."""
    if not keys:
        return {}
    return _by_account(await conn.fetch(SQL.stored_rows, *[list(column) for column in zip(*keys, strict=True)]))


class NearAsked(NamedTuple):
    """New posted rows of an account that stored ones may be near to.

    `told` are the first and the last day of which the run tells all, None where it does of none. `shown` are all ids
    that the run shows of the account: what it shows is no other row under a new name.
    """

    account: Account
    rows: Sequence[ProviderTransaction]
    told: tuple[date, date] | None
    shown: Collection[str]


async def near_rows(conn: Conn, asked: Sequence[NearAsked]) -> dict[Account, list[StoredRow]]:
    """Return posted rows without a successor that one of these may be another word for, by account.

    They have the amount of one, and are not shown by its run. Where the person has imported files they are of a day
    around its own, else of the very day: only a row that its run should show and does not has changed its id.
    """
    # By month, so that no amount is compared with all of a long history.
    months = [(item, rows) for item in asked for rows in _by_month(item.rows)]
    if not months:
        return {}
    days = [[row.posted_on for row in rows] for _, rows in months]
    told = [
        [] if item.told is None else [day for day in of_month if item.told[0] <= day <= item.told[1]]
        for (item, _), of_month in zip(months, days, strict=True)
    ]
    found = await conn.fetch(
        SQL.near_rows,
        *columns_of([item.account for item, _ in months]),
        list(map(min, days)),
        list(map(max, days)),
        ["{" + ",".join({str(row.amount_minor) for row in rows}) + "}" for _, rows in months],
        SAME_PURCHASE_DAYS,
        [min(group, default=None) for group in told],
        [max(group, default=None) for group in told],
    )
    of_account = {item.account: item for item in asked}
    accounts = {(row["user_id"], row["account_id"]) for row in found}
    days_of = {account: _days_by_money(of_account[account].rows) for account in accounts}
    near = [
        row
        for row in found
        if row["external_id"] not in of_account[account := (row["user_id"], row["account_id"])].shown
        and any(
            abs(row["posted_on"] - day) <= SAME_PURCHASE
            for day in days_of[account].get((row["amount_minor"], row["currency"]), ())
        )
    ]
    return _by_account(near)


def _by_month(rows: Iterable[ProviderTransaction]) -> Iterable[list[ProviderTransaction]]:
    months: dict[tuple[int, int], list[ProviderTransaction]] = {}
    for row in rows:
        months.setdefault((row.posted_on.year, row.posted_on.month), []).append(row)
    return months.values()


def _days_by_money(rows: Iterable[ProviderTransaction]) -> dict[tuple[int, str], list[date]]:
    found: dict[tuple[int, str], list[date]] = {}
    for row in rows:
        found.setdefault((row.amount_minor, row.currency), []).append(row.posted_on)
    return found


async def coverage(conn: Conn, accounts: Sequence[Account]) -> dict[Account, Coverage]:
    """Return the days that the connections of these accounts, and files, have told of.

    A connection that is asked for windows of days has told of those that were complete; any other, and a file,
    of all from its first row to its last.
    """
    if not accounts:
        return {}
    live: dict[Account, list[Days]] = {}
    for row in await conn.fetch(SQL.covered_days, *columns_of(accounts)):
        live.setdefault((row["user_id"], row["account_id"]), []).append((row["first_day"], row["last_day"]))
    spans: dict[Account, dict[ImportId | None, Days]] = {}
    for row in await conn.fetch(SQL.coverage, *columns_of(accounts)):
        found = spans.setdefault((row["user_id"], row["account_id"]), {})
        found[row["import_id"]] = (row["first_day"], row["last_day"])
    return {account: coverage_of(live.get(account, ()), spans.get(account, {})) for account in accounts}


def coverage_of(covered: Sequence[Days], spans: Mapping[ImportId | None, Days]) -> Coverage:
    """Return the coverage of complete windows, if any, and of the days of rows by where they came from."""
    rows = spans.get(None)
    live = tuple(covered) or (() if rows is None else (rows,))
    return Coverage(live, {origin: days for origin, days in spans.items() if origin is not None})


def _by_account(rows: Sequence[asyncpg.Record]) -> dict[Account, list[StoredRow]]:
    found: dict[Account, list[StoredRow]] = {}
    for row in rows:
        values = dict(row)
        account = (values.pop("user_id"), values.pop("account_id"))
        found.setdefault(account, []).append(stored_row(values))
    return found


def stored_row(values: dict[str, Any]) -> StoredRow:
    """Return a row as the domain knows it, of the columns that the queries here name."""
    removed = values.pop("removed_at") is not None
    stands_for = frozenset(values.pop("stands_for") or ())
    state = values.pop("match_state", None)
    said: dict[str, Any] = {name: values.pop(name) for name in PERSONAL_COLUMNS}
    personal = NOTHING_PERSONAL
    if any(item is not None for item in said.values()):
        said |= {name: tuple(item) for name, item in said.items() if isinstance(item, list)}
        personal = Personal(**said)
    return StoredRow(
        **values,
        removed=removed,
        stands_for=stands_for,
        personal=personal,
        decided=state in ("dismissed", "undone"),
        suggested=state == "suggested",
    )


async def copy_rows(conn: Conn, rows: Sequence[NewRow]) -> bool:
    """Insert rows by COPY; False, with nothing written, when one of them is there already."""
    try:
        async with conn.transaction():
            await conn.copy_records_to_table("transactions", records=rows, columns=COPY_COLUMNS)
    except asyncpg.UniqueViolationError:
        return False
    return True


async def change_rows(conn: Conn, rows: Sequence[tuple[UserId, StoredRow, RawObjectId | None]], now: datetime) -> None:
    """Write rows as they are given, with the raw page that says so; what a person wrote onto them is left alone."""
    if not rows:
        return
    await conn.execute(
        SQL.change_rows,
        [user_id for user_id, _, _ in rows],
        [row.transaction_id for _, row, _ in rows],
        [row.posted_on for _, row, _ in rows],
        [row.amount_minor for _, row, _ in rows],
        [row.currency for _, row, _ in rows],
        [row.pending for _, row, _ in rows],
        [row.description for _, row, _ in rows],
        [row.merchant for _, row, _ in rows],
        [row.merchant_key for _, row, _ in rows],
        [row.category_id for _, row, _ in rows],
        [row.category_source for _, row, _ in rows],
        [row.category_detail for _, row, _ in rows],
        [row.institution_code for _, row, _ in rows],
        [object_id for _, _, object_id in rows],
        [row.successor_id for _, row, _ in rows],
        now,
    )


async def remove_rows(conn: Conn, rows: Sequence[tuple[UserId, TransactionId]], now: datetime) -> None:
    """Mark rows as taken back: (person, id)."""
    if rows:
        await conn.execute(SQL.remove_rows, *columns_of(rows), now)
