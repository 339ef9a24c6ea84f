"""Rebuilding one person's ledger from the raw objects alone, and comparing it with the database.

Nothing is written. The rows are rebuilt in memory by the same pure rules as the ingestion uses, but without
its SQL, its triggers or its fingerprints, so the two check each other. Categories are the person's and the
time's, not the institution's: they are taken from the stored rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from mintql.domain.budget_periods import calendar_month, period_words
from mintql.domain.budgets import NOTHING_SPENT, Limit, MonthlySum, crossed, spent_by_budget
from mintql.domain.categories import UNCATEGORIZED_ID, CategorySource
from mintql.domain.ids import AccountId, CategoryId, ConnectionId, ImportId, TransactionId, UserId
from mintql.domain.ingest import AccountRows, StoredRow, institution_code, merge
from mintql.domain.institutions import ProviderTransaction
from mintql.domain.matching import (
    Coverage,
    Days,
    Matches,
    MatchKind,
    MatchState,
    match_rows,
    shows_again,
    with_run,
)
from mintql.domain.merchants import Merchant, normalize
from mintql.domain.months import first_day, last_day, month_text
from mintql.services.alerts import is_news
from mintql.services.budgets import holder_of
from mintql.services.categorize import default_categorizer
from mintql.services.extract import Workplace
from mintql.services.pages import Work, read_run
from mintql.services.rows import VANISHED_DAYS
from mintql.store import alerts as alert_rows
from mintql.store import replay as store
from mintql.store.ingest import coverage_of
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
    """Transactions in memory, as a person's runs built them up.

    `accounts` names the accounts by connection and the ids institutions gave them.
    """

    def __init__(self, accounts: Mapping[tuple[ConnectionId, str], AccountId]) -> None:
        self.rows: dict[RowKey, StoredRow] = {}
        self._accounts = accounts
        self._there = frozenset(accounts.values())
        self._decided: set[RowKey] = set()
        """Rows of which the person said that no other stands for them."""
        self._stands: dict[RowKey, tuple[RowKey, MatchKind]] = {}
        """The row that stands for a row that gave way, and why."""
        self._covered: dict[AccountId, list[Days]] = {}
        self._next_id = 1

    def decide(self, gives_way: RowKey, stands: RowKey, state: MatchState) -> None:
        """Take the person's word on a row."""
        row = self.rows.get(gives_way)
        if row is None or stands not in self.rows:
            return
        if state is MatchState.APPLIED:
            self.rows[gives_way] = replace(row, successor_id=self.rows[stands].transaction_id)
            self._stands[gives_way] = (stands, MatchKind.PENDING_TIP)
            return
        self._decided.add(gives_way)
        if state is MatchState.UNDONE:
            self.rows[gives_way] = replace(row, successor_id=None)
            self._stands.pop(gives_way, None)

    def apply(self, work: Work, at: date) -> None:
        """Lay a run that was ingested on a day over the ledger."""
        for name, said in work.folded.by_account.items():
            account = work.bound.get(name, self._accounts.get((work.run.connection_id, name)))
            if account is not None and account in self._there:
                self._apply_account(work, account, said, work.covered.get(name), at)
                if work.run.import_id is None and said.window is not None and not work.run.whole:
                    self._covered.setdefault(account, []).append((said.window.first, said.window.last))

    def _apply_account(self, work: Work, account: AccountId, said: AccountRows, covered: Days | None, at: date) -> None:
        mine = {key[1]: row for key, row in self.rows.items() if key[0] == account}
        is_file = work.run.import_id is not None
        merchants = {external_id: normalize(row.description) for external_id, row in said.rows.items()}
        found = self._match(work, account, said, covered, mine, at)
        for external_id, row in said.rows.items():
            before, merchant = mine.get(external_id), merchants[external_id]
            if before is None:
                after: StoredRow | None = self._new(row, merchant, work.run.import_id)
            else:
                after = merge(before, row, _shown_name(merchant, row), merchant.key, stays_superseded=is_file)
            if after is not None:
                self.rows[account, external_id] = after
                if after.successor_id is None:
                    self._stands.pop((account, external_id), None)
        for match in found.certain:
            gives_way, stands = (account, match.from_id), (account, match.to_id)
            if stands in self.rows:
                self.rows[gives_way] = replace(self.rows[gives_way], successor_id=self.rows[stands].transaction_id)
                self._stands[gives_way] = (stands, match.kind)
        for external_id in [row.external_id for row in found.gone] + sorted(said.removed):
            taken = self.rows.get((account, external_id))
            if taken is not None and taken.live:
                self.rows[account, external_id] = replace(taken, removed=True)
                self._free_file_rows((account, external_id))

    def _free_file_rows(self, gone: RowKey) -> None:
        """Let rows of files count again that gave way to a row that was taken back."""
        for key, (stands, kind) in list(self._stands.items()):
            if stands != gone:
                continue
            if kind is MatchKind.SAME_PURCHASE:
                self.rows[key] = replace(self.rows[key], successor_id=None)
                del self._stands[key]
            else:
                self._free_file_rows(key)

    def _match(
        self,
        work: Work,
        account: AccountId,
        said: AccountRows,
        covered: Days | None,
        mine: Mapping[str, StoredRow],
        at: date,
    ) -> Matches:
        """Find which rows stand for which, as the ingestion does, but by looking at every row of the account."""
        origin = work.run.import_id
        since = at - timedelta(days=VANISHED_DAYS)
        gave_way: dict[RowKey, list[RowKey]] = {}
        for key, (stands, _) in self._stands.items():
            gave_way.setdefault(stands, []).append(key)
        free = [
            replace(
                row,
                stands_for=_stands_for(gave_way, (account, row.external_id)),
                decided=(account, row.external_id) in self._decided,
            )
            for row in mine.values()
            if row.successor_id is None
        ]
        pending = [row for row in free if row.pending and (not row.removed or row.posted_on >= since)]
        near = [row for row in free if not row.pending and not row.decided]
        new_ids = [external_id for external_id in said.rows if external_id not in mine]
        shown_again = [
            key
            for key, row in said.rows.items()
            if key in mine and shows_again(mine[key], row, is_file=origin is not None)
        ]
        keys = {key: normalize(said.rows[key].description).key for key in (*new_ids, *shown_again)}
        coverage = with_run(self._coverage(account, mine.values()), origin, covered, said.window)
        return match_rows(pending, near, said, new_ids, keys, shown_again=shown_again, origin=origin, coverage=coverage)

    def _coverage(self, account: AccountId, rows: Iterable[StoredRow]) -> Coverage:
        spans: dict[ImportId | None, Days] = {}
        for row in rows:
            first, last = spans.get(row.import_id, (row.posted_on, row.posted_on))
            spans[row.import_id] = (min(first, row.posted_on), max(last, row.posted_on))
        return coverage_of(self._covered.get(account, ()), spans)

    def _new(self, row: ProviderTransaction, merchant: Merchant, import_id: ImportId | None) -> StoredRow:
        self._next_id += 1
        return StoredRow(
            TransactionId(self._next_id), row.external_id, row.posted_on, row.amount_minor, row.currency,
            row.pending, row.description, _shown_name(merchant, row), merchant.key, UNCATEGORIZED_ID,
            CategorySource.NONE.value, "", institution_code(row), import_id=import_id,
        )  # fmt: skip


def _stands_for(gave_way: Mapping[RowKey, Iterable[RowKey]], stands: RowKey) -> frozenset[str]:
    """Return the ids of rows that gave way to this one, directly or through others."""
    given = list(gave_way.get(stands, ()))
    return frozenset(key[1] for key in given).union(*(_stands_for(gave_way, key) for key in given))


async def replay(place: Workplace, conn: Conn, user_id: UserId) -> ReplayReport:
    """Rebuild a person's transactions, sums and due alerts from the raw objects; compare with the database.

    `conn` is read from only; give it a repeatable-read transaction when others may be writing.
    """
    report = ReplayReport()
    stored = await store.rows(conn, user_id)
    ledger = Ledger(await store.accounts(conn, user_id))
    await _rebuild(place, conn, user_id, ledger, {row.transaction_id: key for key, row in stored.items()}, report)
    _compare_rows(ledger.rows, stored, report)
    sums = _sums(ledger.rows, stored)
    _compare_sums(sums, await store.sums(conn, user_id), report)
    if sums:
        await _compare_alerts(place, conn, user_id, sums, report)
    return report


async def _rebuild(
    place: Workplace,
    conn: Conn,
    user_id: UserId,
    ledger: Ledger,
    keys: Mapping[TransactionId, RowKey],
    report: ReplayReport,
) -> None:
    """Lay runs and the person's decisions over the ledger, in the order in which they happened."""
    decisions = [item for item in await store.decisions(conn, user_id) if {item.from_id, item.to_id} <= keys.keys()]

    def decide(until: datetime | None) -> None:
        while decisions and (until is None or decisions[0].decided_at < until):
            item = decisions.pop(0)
            ledger.decide(keys[item.from_id], keys[item.to_id], MatchState(item.state))

    for past in await store.runs(conn, user_id):
        decide(past.ingested_at)
        objects = await store.pages(conn, past.run)
        work = await read_run(place, past.run, objects)
        report.pages += len(objects)
        report.dead_pages += len(work.dead)
        ledger.apply(work, past.ingested_at.date())
    decide(None)


def _compare_rows(
    rebuilt: Mapping[RowKey, StoredRow], stored: Mapping[RowKey, StoredRow], report: ReplayReport
) -> None:
    report.transactions = len(rebuilt)
    for key in sorted(rebuilt.keys() | stored.keys()):
        mine, theirs = rebuilt.get(key), stored.get(key)
        name = f"transaction {key[1]!r} of account {key[0]}"
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
        if not row.live:
            continue
        of = stored.get(key)
        left_out = of is not None and of.personal.excluded_from_budgets
        for category_id, amount_minor in _shares(row.amount_minor, of):
            total = totals.setdefault((first_day(row.posted_on), category_id, row.currency), [0, 0, 0, 0, 0, 0])
            place = 1 if row.pending else 0
            total[place] += amount_minor
            total[place + 2] += 1
            total[place + 4] += amount_minor if left_out else 0
    return [MonthlySum(*key, *total) for key, total in sorted(totals.items())]


def _shares(amount_minor: int, stored: StoredRow | None) -> list[tuple[CategoryId, int]]:
    """Return how an amount falls to categories: the person's parts to theirs, the rest to the row's own."""
    if stored is None:
        return [(UNCATEGORIZED_ID, amount_minor)]
    parts = list(zip(stored.personal.part_category_ids or (), stored.personal.part_amounts_minor or (), strict=True))
    return [(stored.category_id, amount_minor - sum(amount for _, amount in parts)), *parts]


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
    """Check that each threshold now reached, in a period recent enough for news, has its alert.

    Looked at are budgets whose periods are made of calendar months, as the rebuilt sums are.
    """
    holder = await holder_of(conn, user_id, place.clock())
    months = sorted({item.month for item in sums if is_news(calendar_month(item.month), holder.today)})
    if not months:
        return
    limits = [
        limit
        for limit in holder.timeline.limits_between(months[0], last_day(months[-1]))
        if limit.period.is_whole_months and is_news(limit.period, holder.today)
    ]
    since = min((limit.period.first for limit in limits), default=months[0])
    raised = {
        (row["category_id"], row["currency"], row["period_first"], row["threshold_percent"], row["revision"])
        for row in await alert_rows.list_since(conn, user_id, since)
    }

    def spent_of(limit: Limit) -> int:
        period = limit.period
        within = [item for item in sums if period.first <= item.month <= period.last]
        return spent_by_budget(holder.tree, within, limit.currency).get(limit.category_id, NOTHING_SPENT).total_minor

    for limit in (holder.timeline.with_carried(item, holder.today, spent_of) for item in limits):
        for threshold in crossed(limit, spent_of(limit)):
            report.alerts += 1
            if (*limit.key, limit.period.first, threshold, limit.revision) not in raised:
                name = f"alert of {period_words(limit.period)}, category {limit.category_id}, {threshold} %"
                report.differences.append(f"{name}: due by the raw objects, but never raised")


def _shown_name(merchant: Merchant, row: ProviderTransaction) -> str:
    return default_categorizer().display_name(merchant, row.currency)
