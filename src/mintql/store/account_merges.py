"""What merging one account into another changes, set by set."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

import orjson

from mintql.domain.ids import AccountId, ConnectionId, ImportId, SyncRunId, TransactionId, UserId
from mintql.domain.ingest import StoredRow
from mintql.store.queries import Conn, load

SQL = load("account_merges")


@dataclass(frozen=True, slots=True)
class MergedImport:
    """A file of which a part went into the account that is merged. `plan` is the JSON of an `ImportPlan`."""

    import_id: ImportId
    connection_id: ConnectionId
    object_key: str
    sha256: bytes
    plan: Mapping[str, Any]
    run_id: SyncRunId
    run_state: str


@dataclass(frozen=True, slots=True)
class MovedImport:
    """Where a file lies from now on, and the plan by which it is read, as its raw page holds it."""

    import_id: ImportId
    file_key: str
    plan_key: str
    plan: Mapping[str, Any]
    plan_sha256: bytes
    plan_bytes: int


class Candidate(NamedTuple):
    """Two accounts that may be one: of `compared` rows of the first, `shared` are in the second as well."""

    from_id: AccountId
    into_id: AccountId
    compared: int
    shared: int


async def imports_of(conn: Conn, user_id: UserId, external_id: str) -> list[MergedImport]:
    """Return the files of which a part went into an account of files, in the order in which they did."""
    found = await conn.fetch(SQL.imports_of, user_id, external_id)
    return [MergedImport(**{**dict(row), "plan": orjson.loads(row["plan"])}) for row in found]


async def days_of(conn: Conn, user_id: UserId, account_id: AccountId) -> tuple[date, date] | None:
    """Return the first and the last day of an account's transactions, None where it has none."""
    row = await conn.fetchrow(SQL.days, user_id, account_id)
    return None if row is None or row["first_day"] is None else (row["first_day"], row["last_day"])


async def decided(conn: Conn, user_id: UserId) -> set[TransactionId]:
    """Return the transactions of which a person said that they give way to none."""
    return {row["from_id"] for row in await conn.fetch(SQL.decided, user_id)}


async def same_rows(
    conn: Conn, user_id: UserId, from_id: AccountId, into_id: AccountId
) -> dict[TransactionId, TransactionId]:
    """Return the rows of one account that another one has under the same id: the one by the other."""
    found = await conn.fetch(SQL.same_rows, user_id, from_id, into_id)
    return {row["gone_id"]: row["stays_id"] for row in found}


async def drop_same_rows(
    conn: Conn, user_id: UserId, same: Mapping[TransactionId, TransactionId], now: datetime
) -> dict[TransactionId, date]:
    """Remove rows for the same ones of the other account; return those that counted, each with its day."""
    if not same:
        return {}
    await conn.execute(SQL.point_to_same, user_id, list(same), list(same.values()), now)
    dropped = await conn.fetch(SQL.drop_rows, user_id, list(same))
    return {row["transaction_id"]: row["posted_on"] for row in dropped if row["counted"]}


async def set_categories(conn: Conn, user_id: UserId, changed: Collection[StoredRow], now: datetime) -> None:
    """Write the categories of rows as they are given."""
    await conn.execute(
        SQL.set_categories,
        user_id,
        [row.transaction_id for row in changed],
        [row.category_id for row in changed],
        [row.category_source for row in changed],
        [row.category_detail for row in changed],
        now,
    )


async def move_rows(
    conn: Conn, user_id: UserId, from_id: AccountId, into_id: AccountId, now: datetime
) -> list[TransactionId]:
    """Put all transactions of an account into another one; return those that count."""
    moved = await conn.fetch(SQL.move_rows, user_id, from_id, into_id, now)
    return sorted(row["transaction_id"] for row in moved if row["counts"])


async def move_imports(conn: Conn, user_id: UserId, moved: Sequence[MovedImport], now: datetime) -> None:
    """Write where files and their plans lie now; their rows count as ingested at this moment."""
    ids, file_keys = [item.import_id for item in moved], [item.file_key for item in moved]
    plans = [orjson.dumps(item.plan).decode() for item in moved]
    await conn.execute(SQL.move_imports, user_id, ids, file_keys, plans)
    plan_keys = [item.plan_key for item in moved]
    digests, sizes = [item.plan_sha256 for item in moved], [item.plan_bytes for item in moved]
    await conn.execute(SQL.move_pages, user_id, ids, file_keys, plan_keys, digests, sizes, now)


async def absorb(conn: Conn, user_id: UserId, from_id: AccountId, into_id: AccountId) -> None:
    """Remove an account that has no transactions left; files that name it find the other one from now on."""
    await conn.execute(SQL.absorb, user_id, from_id, into_id)
    await conn.execute(SQL.drop_account, user_id, from_id)


async def candidates(
    conn: Conn, user_id: UserId, institution_id: str, *, pairs_max: int, rows_max: int, days: int
) -> list[Candidate]:
    """Return accounts of files (of `institution_id`) beside each live one of their currency, with what they share.

    At most so many pairs, by so many rows of each, which may be so many days apart.
    """
    found = await conn.fetch(SQL.candidates, user_id, institution_id, pairs_max, rows_max, days)
    return [Candidate(row["from_id"], row["into_id"], row["compared"], row["shared"]) for row in found]
