"""Rebuilding one person's ledger from the raw objects alone, and comparing it with the database.

Nothing is written. The rows are rebuilt in memory by the same pure rules as the ingestion uses, but without
its SQL, its triggers or its fingerprints, so the two check each other. Categories are the person's and the
time's, not the institution's: they are taken from the stored rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from mintql.data import load_categories, load_template
from mintql.domain.budgets import NOTHING_SPENT, MonthlySum, crossed, limits_for_month, spent_by_budget
from mintql.domain.categories import UNCATEGORIZED_ID, CategorySource
from mintql.domain.ids import CategoryId, ConnectionId, TransactionId, UserId
from mintql.domain.ingest import AccountRows, Folded, StoredRow, match_pending, merge
from mintql.domain.institutions import ProviderTransaction
from mintql.domain.merchants import normalize
from mintql.domain.months import first_day, month_text
from mintql.services.alerts import is_news
from mintql.services.extract import Workplace
from mintql.services.ingest import read_run
from mintql.store import alerts as alert_rows
from mintql.store import replay as store
from mintql.store.queries import Conn
from mintql.store.replay import RowKey

COMPARED = ("posted_on", "amount_minor", "currency", "pending", "description", "live")


@dataclass(slots=True)
class ReplayReport:
    """What was rebuilt, and each difference in words. No differences: the database is what the bank said."""

    pages: int = 0
    transactions: int = 0
    sums: int = 0
    alerts: int = 0
    dead_pages: int = 0
    differences: list[str] = field(default_factory=list)


class Ledger:
    """Transactions in memory, as a person's runs built them up."""

    def __init__(self) -> None:
        self.rows: dict[RowKey, StoredRow] = {}
        self._next_id = 1

    def apply(self, connection_id: ConnectionId, folded: Folded) -> None:
        """Lay a run over the ledger."""
        for account_id, said in folded.by_account.items():
            if account_id in folded.accounts or self._knows(connection_id, account_id):
                self._apply_account((connection_id, account_id), said)

    def _knows(self, connection_id: ConnectionId, account_id: str) -> bool:
        return any(key[:2] == (connection_id, account_id) for key in self.rows)

    def _apply_account(self, account: tuple[ConnectionId, str], said: AccountRows) -> None:
        mine = {key[2]: row for key, row in self.rows.items() if key[:2] == account}
        new_ids = [external_id for external_id in said.rows if external_id not in mine]
        merchant_keys = {key: normalize(said.rows[key].description).key for key in new_ids}
        pending = [row for row in mine.values() if row.pending and row.live]
        links, gone = match_pending(pending, said, new_ids, merchant_keys)
        for external_id, row in said.rows.items():
            before = mine.get(external_id)
            merchant = normalize(row.description)
            if before is None:
                after: StoredRow | None = self._new(row, merchant.name, merchant.key)
            else:
                after = merge(before, row, merchant.name, merchant.key)
            if after is not None:
                self.rows[*account, external_id] = after
        for external_id, row_before in links.items():
            key = (*account, row_before.external_id)
            self.rows[key] = replace(self.rows[key], successor_id=self.rows[*account, external_id].transaction_id)
        for external_id in [row.external_id for row in gone] + sorted(said.removed):
            taken = self.rows.get((*account, external_id))
            if taken is not None and taken.live:
                self.rows[*account, external_id] = replace(taken, removed=True)

    def _new(self, row: ProviderTransaction, merchant: str, merchant_key: str) -> StoredRow:
        self._next_id += 1
        return StoredRow(
            TransactionId(self._next_id), row.external_id, row.posted_on, row.amount_minor, row.currency,
            row.pending, row.description, merchant, merchant_key, UNCATEGORIZED_ID, CategorySource.NONE.value, "",
        )  # fmt: skip


async def replay(place: Workplace, conn: Conn, user_id: UserId) -> ReplayReport:
    """Rebuild a person's transactions, sums and due alerts from the raw objects; compare with the database.

    `conn` is read from only; give it a repeatable-read transaction when others may be writing.
    """
    report = ReplayReport()
    ledger = Ledger()
    for past in await store.runs(conn, user_id):
        for objects in await store.pages(conn, past.run.key):
            work = await read_run(place, past.run, objects)
            report.pages += len(objects)
            report.dead_pages += len(work.dead)
            ledger.apply(past.run.connection_id, work.folded)
    stored = await store.rows(conn, user_id)
    _compare_rows(ledger.rows, stored, report)
    sums = _sums(ledger.rows, stored)
    _compare_sums(sums, await store.sums(conn, user_id), report)
    if sums:
        await _compare_alerts(place, conn, user_id, sums, report)
    return report


def _compare_rows(
    rebuilt: Mapping[RowKey, StoredRow], stored: Mapping[RowKey, StoredRow], report: ReplayReport
) -> None:
    report.transactions = len(rebuilt)
    for key in sorted(rebuilt.keys() | stored.keys()):
        mine, theirs = rebuilt.get(key), stored.get(key)
        name = f"transaction {key[2]!r} of account {key[1]!r}"
        if mine is None:
            report.differences.append(f"{name} is stored, but no raw object speaks of it")
        elif theirs is None:
            report.differences.append(f"{name} is in the raw objects, but not stored")
        else:
            report.differences += [
                f"{name}: {column} is {getattr(theirs, column)!r}, by the raw objects {getattr(mine, column)!r}"
                for column in COMPARED
                if getattr(mine, column) != getattr(theirs, column)
            ]


def _sums(rebuilt: Mapping[RowKey, StoredRow], stored: Mapping[RowKey, StoredRow]) -> list[MonthlySum]:
    totals: dict[tuple[date, CategoryId, str], list[int]] = {}
    for key, row in rebuilt.items():
        if row.live:
            category_id = stored[key].category_id if key in stored else UNCATEGORIZED_ID
            total = totals.setdefault((first_day(row.posted_on), category_id, row.currency), [0, 0, 0, 0])
            place = 1 if row.pending else 0
            total[place] += row.amount_minor
            total[place + 2] += 1
    return [MonthlySum(*key, *total) for key, total in sorted(totals.items())]


def _compare_sums(rebuilt: Iterable[MonthlySum], stored: Iterable[MonthlySum], report: ReplayReport) -> None:
    mine = {(item.month, item.category_id, item.currency): item for item in rebuilt}
    theirs = {(item.month, item.category_id, item.currency): item for item in stored}
    report.sums = len(mine)
    for key in sorted(mine.keys() | theirs.keys()):
        if mine.get(key) != theirs.get(key):
            name = f"sum of {month_text(key[0])}, category {key[1]}, {key[2]}"
            report.differences.append(f"{name}: stored {theirs.get(key)}, by the raw objects {mine.get(key)}")


async def _compare_alerts(
    place: Workplace, conn: Conn, user_id: UserId, sums: list[MonthlySum], report: ReplayReport
) -> None:
    """Check that each threshold now reached, in a month recent enough for news, has its alert."""
    plan, time_zone = (await alert_rows.plans(conn, [user_id]))[user_id]
    months = sorted({item.month for item in sums if is_news(item.month, place.clock(), time_zone)})
    overrides = (await alert_rows.overrides(conn, [user_id])).get(user_id, [])
    raised = {
        (row["category_id"], row["month"], row["threshold_percent"], row["revision"])
        for row in (await alert_rows.list_by_month(conn, user_id, months[0]) if months else [])
    }
    for month in months:
        of_month = [item for item in sums if item.month == month]
        for category_id, limit in limits_for_month(load_template(), plan, overrides, month).items():
            spent = spent_by_budget(load_categories(), of_month, limit.currency).get(category_id, NOTHING_SPENT)
            for threshold in crossed(limit, spent.total_minor):
                report.alerts += 1
                if (category_id, month, threshold, limit.revision) not in raised:
                    name = f"alert of {month_text(month)}, category {category_id}, {threshold} %"
                    report.differences.append(f"{name}: due by the raw objects, but never raised")
