"""What a replay compares with: one person's runs, pages, rows and sums as stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mintql.domain.budgets import MonthlySum
from mintql.domain.ids import AccountId, ConnectionId, RawObjectId, SyncRunId, TransactionId, UserId
from mintql.domain.ingest import StoredRow
from mintql.store.ingest import stored_row
from mintql.store.queries import Conn, load
from mintql.store.sync import Ingestion, RawObject, RunKey

SQL = load("replay")

RowKey = tuple[AccountId, str]
"""A transaction as its institution names it: account and external id."""


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run that was ingested, and when."""

    run: Ingestion
    ingested_at: datetime


@dataclass(frozen=True, slots=True)
class Decision:
    """A person's word on whether one row stands for another: what holds since then."""

    from_id: TransactionId
    to_id: TransactionId
    state: str
    decided_at: datetime


async def runs(conn: Conn, user_id: UserId) -> list[PastRun]:
    """Return the attempts at a person's runs that were ingested, in that order."""
    past = []
    for row in await conn.fetch(SQL.runs, user_id):
        values = dict(row)
        ingested_at = values.pop("ingested_at")
        key = RunKey(user_id, SyncRunId(values.pop("run_id")))
        past.append(PastRun(Ingestion(key=key, **values), ingested_at))
    return past


async def pages(conn: Conn, run: Ingestion) -> list[RawObject]:
    """Return the ingested pages of an attempt at a run."""
    return [
        RawObject(run.key, RawObjectId(row["object_id"]), row["page"], row["object_key"], row["sha256"], row["state"])
        for row in await conn.fetch(SQL.pages, *run.key, run.attempt)
    ]


async def rows(conn: Conn, user_id: UserId) -> dict[RowKey, StoredRow]:
    """Return all of a person's transactions."""
    found: dict[RowKey, StoredRow] = {}
    for row in await conn.fetch(SQL.rows, user_id):
        values = dict(row)
        key = (values.pop("account_id"), row["external_id"])
        found[key] = stored_row(values)
    return found


async def accounts(conn: Conn, user_id: UserId) -> dict[tuple[ConnectionId, str], AccountId]:
    """Return a person's accounts by connection and each external id they were ever known by."""
    return {
        (row["connection_id"], external_id): row["account_id"]
        for row in await conn.fetch(SQL.accounts, user_id)
        for external_id in row["external_ids"]
    }


async def decisions(conn: Conn, user_id: UserId) -> list[Decision]:
    """Return what the person decided on rows that give way, in that order."""
    return [Decision(**dict(row)) for row in await conn.fetch(SQL.decisions, user_id)]


async def sums(conn: Conn, user_id: UserId) -> list[MonthlySum]:
    """Return all of a person's sums that are not nought."""
    return [MonthlySum(**dict(row)) for row in await conn.fetch(SQL.sums, user_id)]
