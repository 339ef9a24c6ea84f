"""Which transaction stands for which, as kept, and where transactions came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from mintql.domain.ids import AccountId, ImportId, RawObjectId, SyncRunId, TransactionId, UserId
from mintql.domain.ingest import StoredRow
from mintql.domain.matching import MatchKind, MatchState
from mintql.store.ingest import stored_row
from mintql.store.queries import Conn, load

SQL = load("matches")

SUCCESSION_STEPS_MAX = 20
"""How far back rows that gave way are followed."""


@dataclass(frozen=True, slots=True)
class LockedMatch:
    """A decision under lock."""

    from_id: TransactionId
    to_id: TransactionId
    kind: MatchKind
    state: MatchState


@dataclass(frozen=True, slots=True)
class MatchedRow:
    """A transaction as its connection or file told of it."""

    transaction_id: TransactionId
    posted_on: date
    amount_minor: int
    currency: str
    description: str
    pending: bool
    import_id: ImportId | None


@dataclass(frozen=True, slots=True)
class MatchRow:
    """That one row gives way to another, why, and who said so."""

    account_id: AccountId
    gives_way: MatchedRow
    stands: MatchedRow
    kind: MatchKind
    state: MatchState
    run_id: SyncRunId | None
    created_at: datetime
    decided_at: datetime | None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a transaction came from: its institution's id for it, and the raw page with the last word on it."""

    transaction_id: TransactionId
    external_id: str
    created_at: datetime
    updated_at: datetime
    object_id: RawObjectId | None
    import_id: ImportId | None
    run_id: SyncRunId | None


async def lock(conn: Conn, user_id: UserId, from_id: TransactionId) -> LockedMatch | None:
    """Return a person's decision about a row that gives way, locked."""
    row = await conn.fetchrow(SQL.lock, user_id, from_id)
    if row is None:
        return None
    return LockedMatch(row["from_id"], row["to_id"], MatchKind(row["kind"]), MatchState(row["state"]))


async def decide(conn: Conn, user_id: UserId, from_id: TransactionId, state: MatchState, now: datetime) -> None:
    """Keep what the person decided."""
    await conn.execute(SQL.decide, user_id, from_id, state.value, now)


async def rows(conn: Conn, user_id: UserId, ids: Sequence[TransactionId]) -> dict[TransactionId, StoredRow]:
    """Return transactions by their ids, whatever became of them, locked."""
    found = [stored_row(dict(row)) for row in await conn.fetch(SQL.rows, user_id, ids)]
    return {row.transaction_id: row for row in found}


async def set_successor(
    conn: Conn, user_id: UserId, transaction_id: TransactionId, successor_id: TransactionId | None, now: datetime
) -> None:
    """Let a transaction give way to another, or, with None, stand for itself again."""
    await conn.execute(SQL.set_successor, user_id, transaction_id, successor_id, now)


async def set_category(conn: Conn, user_id: UserId, row: StoredRow, now: datetime) -> None:
    """Write a row's category as it is given."""
    category = (row.category_id, row.category_source, row.category_detail)
    await conn.execute(SQL.set_category, user_id, row.transaction_id, *category, now)


async def by_ids(conn: Conn, user_id: UserId, from_ids: Sequence[TransactionId]) -> dict[TransactionId, MatchRow]:
    """Return decisions by the rows that give way."""
    found: dict[TransactionId, MatchRow] = {}
    for row in await conn.fetch(SQL.by_ids, user_id, from_ids):
        gives_way, stands = (
            MatchedRow(
                row[f"{side}_id"], row[f"{side}_posted_on"], row[f"{side}_amount_minor"], row[f"{side}_currency"],
                row[f"{side}_description"], row[f"{side}_pending"], row[f"{side}_import_id"],
            )
            for side in ("from", "to")
        )  # fmt: skip
        found[row["from_id"]] = MatchRow(
            row["account_id"], gives_way, stands, MatchKind(row["kind"]), MatchState(row["state"]), row["run_id"],
            row["created_at"], row["decided_at"],
        )  # fmt: skip
    return found


async def of_transactions(
    conn: Conn, user_id: UserId, transaction_ids: Sequence[TransactionId]
) -> dict[TransactionId, list[MatchRow]]:
    """Return, for each transaction, the decisions about rows that give way to it, and about itself."""
    pairs = await conn.fetch(SQL.ids_of_transactions, user_id, transaction_ids, SUCCESSION_STEPS_MAX)
    matches = await by_ids(conn, user_id, sorted({pair["from_id"] for pair in pairs}))
    found: dict[TransactionId, list[MatchRow]] = {}
    for pair in pairs:
        found.setdefault(pair["asked_id"], []).append(matches[pair["from_id"]])
    return found


async def suggested(conn: Conn, user_id: UserId, before: TransactionId, limit: int) -> list[MatchRow]:
    """Return suggestions nobody decided on, newest first, whose row that would give way has a lower id."""
    ids = [row["from_id"] for row in await conn.fetch(SQL.suggested, user_id, before, limit)]
    matches = await by_ids(conn, user_id, ids)
    return [matches[from_id] for from_id in ids]


async def origins(conn: Conn, user_id: UserId, transaction_ids: Sequence[TransactionId]) -> dict[TransactionId, Origin]:
    """Return where transactions came from."""
    return {
        row["transaction_id"]: Origin(**dict(row)) for row in await conn.fetch(SQL.origins, user_id, transaction_ids)
    }
