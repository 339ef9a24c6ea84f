"""Everything a person has, as files: of one moment, piece by piece, with little in memory.

Each writer reads on a connection whose transaction is a snapshot of one moment, and hands pieces of bytes to `write`.
"""

from __future__ import annotations

import zipfile
from collections.abc import Awaitable, Callable
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

import asyncpg
import orjson

from mintql.domain import export_csv, export_ofx
from mintql.domain.categories import CategoryTree
from mintql.domain.export_csv import Line, Part
from mintql.domain.export_ofx import StatementAccount, StatementRow
from mintql.domain.ids import AccountId, CategoryId, UserId
from mintql.domain.institutions import AccountKind
from mintql.gateways.objects import ObjectMissing, ObjectStore
from mintql.services.personal_categories import tree_of
from mintql.store import exports as store
from mintql.store.queries import Conn

Write: TypeAlias = Callable[[bytes], Awaitable[None]]

FORMAT = "mintql-export"
VERSION = 1
"""Of the JSON export; it rises when a reader of the one before would misread the new one."""

LEFT_OUT = {
    "user_counters": "numbers that events and budgets are counted by",
    "connection_secrets": "sealed logins of institutions, which nobody is shown",
    "second_factors": "sealed secrets that codes are made from, which nobody is shown twice",
    "recovery_codes": "hashes of recovery codes",
    "account_sync": "fingerprints by which known rows are recognised",
    "raw_objects": "the list of raw pages, which are in the archive themselves",
    "monthly_spending": "sums of the transactions",
    "archived_months": "where old transactions are kept, which are brought back for an export",
    "events": "what clients were told, of things that stand elsewhere",
    "outbox": "deliveries under way",
    "webhook_secrets": "sealed secrets that webhooks are signed with, which nobody is shown twice",
    "webhook_deliveries": "copies of what stands elsewhere, kept for a month",
    "webhook_attempts": "how those copies were sent",
    "doomed_objects": "objects about to be removed",
    "reconcile_findings": "what was found by recomputing sums, for the operator",
    "farewells": "sealed logins that an institution has still to be told of",
    "link_visits": "visits to an institution's pages, open for minutes",
    "transaction_changes": "ids of transactions in the order they changed, for copies on devices",
    "kind_changes": "when anything of a kind last changed, for the same",
    "transfer_searches": "whether old transactions were searched for transfers",
    "raw_log_files": "which files of the raw log hold lines of the person",
    "search_months": "the words of transactions once more, as an earlier version wrote them for searching",
    "search_persons": "the words of sellers once more, for searching",
    "search_slices": "where words stand in transactions, for searching",
    "search_grams": "where words stand in transactions, for searching",
    "examinations": "whether new transactions were looked at",
    "idempotency_keys": "keys of changes of the last day, with sealed answers, so that they are made once",
    "summaries_due": "whether a summary is still to be made",
}
"""Tables of persons that an export leaves out, each with the reason. A test finds the ones that are in neither."""


class ExportKind(StrEnum):
    """What can be exported; the value is the name of the file."""

    TRANSACTIONS_CSV = "transactions.csv"
    EVERYTHING_JSON = "everything.json"
    ACCOUNTS_OFX = "accounts.ofx"
    ARCHIVE_ZIP = "archive.zip"


async def write_csv(conn: Conn, user_id: UserId, now: datetime, write: Write) -> None:  # noqa: ARG001
    """Write the transactions that count as a table, newest first; see `domain.export_csv`."""
    tree = await tree_of(conn, user_id)
    await write(export_csv.header().encode())
    async for row in store.csv_rows(conn, user_id):
        await write(export_csv.written(_line(row, tree)).encode())


def _line(row: asyncpg.Record, tree: CategoryTree) -> Line:
    category, group = _names(tree, row["category_id"])
    parts = zip(row["part_category_ids"] or (), row["part_amounts_minor"] or (), row["part_notes"] or (), strict=True)
    return Line(
        transaction=str(row["transaction_id"]),
        posted_on=row["posted_on"],
        amount_minor=row["amount_minor"],
        currency=row["currency"],
        description=row["description"],
        merchant=row["display_name"] or row["merchant"],
        category=category,
        group=group,
        account=f"{row['account']} {row['mask']}".strip(),
        account_kind=row["account_kind"],
        institution=row["institution_id"],
        pending=row["pending"],
        excluded=bool(row["excluded_from_budgets"]),
        categorized_by=row["category_source"],
        tags=tuple(row["tags"] or ()),
        note=row["note"] or "",
        parts=tuple(Part(*_names(tree, number), amount, note or "") for number, amount, note in parts),
    )


def _names(tree: CategoryTree, number: int) -> tuple[str, str]:
    category = tree.by_id[CategoryId(number)]
    group = tree.by_id.get(category.parent_id) if category.parent_id is not None else None
    return category.name, group.name if group is not None else ""


async def write_json(conn: Conn, user_id: UserId, now: datetime, write: Write) -> None:
    """Write everything as one JSON object: for each part a list of its rows, one on a line.

    `complete` comes last: a file without it was cut off.
    """
    tree = await tree_of(conn, user_id)
    about = {"format": FORMAT, "version": VERSION, "exported_at": now.isoformat(), "left_out": LEFT_OUT}
    await write(orjson.dumps(about)[:-1] + b",\n")
    names = [
        {"category_id": one.category_id, "name": one.name, "kind": one.kind, "group_id": one.parent_id}
        for one in tree.by_id.values()
    ]
    await write(b'"categories":' + orjson.dumps(names) + b",\n")
    for part in store.parts():
        await write(f'"{part}":['.encode())
        first = True
        async for row in store.rows_of(conn, part, user_id):
            await write((("\n" if first else ",\n") + row).encode())
            first = False
        await write(b"],\n")
    await write(b'"complete":true}\n')


async def write_ofx(conn: Conn, user_id: UserId, now: datetime, write: Write) -> None:
    """Write posted transactions as statements, one for each account and currency; see `domain.export_ofx`."""
    await write(export_ofx.opening(now).encode())
    number = 0
    for cards in (False, True):
        found = await store.statements(conn, user_id, cards=cards)
        if found:
            await write(export_ofx.begin_section(cards=cards).encode())
            for row in found:
                number += 1
                await _write_statement(conn, user_id, _statement(row), number, write)
            await write(export_ofx.end_section(cards=cards).encode())
    await write(export_ofx.closing().encode())


async def _write_statement(conn: Conn, user_id: UserId, account: StatementAccount, number: int, write: Write) -> None:
    await write(export_ofx.begin_statement(account, number).encode())
    async for row in store.statement_rows(conn, user_id, AccountId(account.account_id), account.currency):
        said = StatementRow(
            row["external_id"], row["posted_on"], row["amount_minor"], row["currency"], row["description"],
            row["note"] or "",
        )  # fmt: skip
        await write(export_ofx.written(said).encode())
    await write(export_ofx.end_statement(account).encode())


def _statement(row: asyncpg.Record) -> StatementAccount:
    return StatementAccount(
        row["account_id"], AccountKind(row["kind"]), row["mask"], row["institution_id"], row["currency"],
        row["first_day"], row["last_day"], row["balance_minor"], row["balance_at"],
    )  # fmt: skip


Writer: TypeAlias = Callable[[Conn, UserId, datetime, Write], Awaitable[None]]

WRITERS: dict[ExportKind, Writer] = {
    ExportKind.TRANSACTIONS_CSV: write_csv,
    ExportKind.EVERYTHING_JSON: write_json,
    ExportKind.ACCOUNTS_OFX: write_ofx,
}


class Archive:
    """A ZIP archive that is written as it grows, its members packed piece by piece."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._target = _Collected()
        self._zip = zipfile.ZipFile(self._target, "w")

    async def add(self, name: str, content: bytes, now: datetime) -> None:
        """Add a file that is packed already."""
        self._zip.writestr(zipfile.ZipInfo(name, now.timetuple()[:6]), content)
        await self._write(self._target.take())

    async def add_written(self, name: str, now: datetime, fill: Callable[[Write], Awaitable[None]]) -> None:
        """Add a file of unknown length, which `fill` writes."""
        info = zipfile.ZipInfo(name, now.timetuple()[:6])
        info.compress_type = zipfile.ZIP_DEFLATED
        with self._zip.open(info, "w", force_zip64=True) as member:

            async def write(content: bytes) -> None:
                member.write(content)
                await self._write(self._target.take())

            await fill(write)
        await self._write(self._target.take())

    async def close(self) -> None:
        """Write the list of members, without which an archive is none."""
        self._zip.close()
        await self._write(self._target.take())


class _Collected:
    """Where `zipfile` writes to: it cannot be sought in, and is emptied between two pieces."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, content: Any, /) -> int:
        piece = bytes(content)
        self._pieces.append(piece)
        return len(piece)

    def flush(self) -> None:
        """Do nothing: what is collected is taken."""

    def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


async def write_files(conn: Conn, user_id: UserId, now: datetime, archive: Archive) -> None:
    """Add the three files that an archive holds of the database."""
    for kind, writer in WRITERS.items():

        async def fill(write: Write, writer: Writer = writer) -> None:
            await writer(conn, user_id, now, write)

        await archive.add_written(kind.value, now, fill)


async def write_raw_pages(objects: ObjectStore, user_id: UserId, now: datetime, archive: Archive) -> None:
    """Add everything that institutions and files said, as it came, one object at a time."""
    async for key in objects.list(f"raw/{user_id}/"):
        try:
            content = await objects.get(key)
        except ObjectMissing:
            continue  # Removed since it was listed.
        await archive.add(f"raw/{key.removeprefix(f'raw/{user_id}/')}", content, now)
