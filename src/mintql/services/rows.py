"""Transactions of a batch against what the database has: new, changed, linked, taken back, or known.

Called inside the ingestion's transaction, which holds the persons' locks, so nothing moves underneath. No
statement here is for one row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from mintql.domain.categories import Categorization, CategorySource
from mintql.domain.ids import AccountId, CategoryId, RawObjectId, TransactionId, UserId
from mintql.domain.ingest import AccountRows, Folded, StoredRow, match_pending, merge
from mintql.domain.institutions import ProviderTransaction, RejectedRow
from mintql.domain.merchants import Merchant, normalize
from mintql.domain.months import first_day
from mintql.services.categorize import Categorizer, default_categorizer
from mintql.services.fingerprints import fingerprint, pack, unpack
from mintql.store import ingest as store
from mintql.store.ingest import Account, KnownAccount, NewRow
from mintql.store.queries import Conn
from mintql.store.sync import Ingestion, RunKey

REJECTED_ACCOUNT_POSITION = -1_000_000
"""Positions of rows whose account is unknown count down from here, clear of all others."""
SEEN_DAYS = 45
"""How far back known rows are remembered by fingerprint: more than any window fetched again and again."""


@dataclass(slots=True)
class Slice:
    """The part of a run that one transaction writes. The closing one also takes back what is gone."""

    run: Ingestion
    folded: Folded
    rows: list[ProviderTransaction]
    closing: bool
    object_ids: Sequence[RawObjectId] = ()
    done: int = 0


@dataclass(slots=True)
class Changes:
    """What a transaction did to a run's rows, the months whose sums it moved, and how many accounts are new."""

    added: list[TransactionId] = field(default_factory=list)
    changed: list[TransactionId] = field(default_factory=list)
    removed: list[TransactionId] = field(default_factory=list)
    months: set[date] = field(default_factory=set)
    new_accounts: int = 0

    @property
    def any(self) -> bool:
        """Whether anything was done."""
        return bool(self.added or self.changed or self.removed)


@dataclass(slots=True)
class _Candidate:
    """A row that is not known by its fingerprint; `id_known` when only its content is not."""

    run: RunKey
    account: Account
    row: ProviderTransaction
    merchant: Merchant
    object_id: RawObjectId | None
    id_known: bool


@dataclass(slots=True)
class _AccountWork:
    """An account of a slice: what the run says of it, and which rows of this slice are new to us."""

    run: Ingestion
    account: Account
    said: AccountRows
    closing: bool
    candidates: dict[str, _Candidate] = field(default_factory=dict)


class RowWriter:
    """Writes the rows of several runs in one transaction."""

    def __init__(self, conn: Conn, now: datetime, categorizer: Categorizer | None = None) -> None:
        self._conn = conn
        self._now = now
        self._categorizer = categorizer or default_categorizer()
        self._changes: dict[RunKey, Changes] = {}
        self._rules: dict[UserId, dict[str, CategoryId]] = {}
        self._merchants: dict[str, Merchant] = {}
        self._taken_from: set[Account] = set()

    async def write(self, slices: Sequence[Slice]) -> dict[RunKey, Changes]:
        """Write the slices; return what became of each run's rows."""
        self._changes = {part.run.key: Changes() for part in slices}
        known = await self._accounts(slices)
        works = self._sift(slices, known)
        candidates = [item for work in works for item in work.candidates.values()]
        self._rules = await store.merchant_rules(
            self._conn,
            sorted({item.account[0] for item in candidates}),
            sorted({item.merchant.key for item in candidates}),
        )
        pending = await store.stored_pending(self._conn, [work.account for work in works])
        stored = await self._stored(works)
        await self._write_candidates(works, pending, stored)
        await self._write_seen(works)
        return self._changes

    async def _accounts(self, slices: Sequence[Slice]) -> dict[tuple[RunKey, str], KnownAccount]:
        """Write the accounts; return each with its known rows, by run and external id."""
        said = [
            (part.run.key.user_id, part.run.connection_id, account)
            for part in slices
            for account in part.folded.accounts.values()
        ]
        await store.upsert_accounts(self._conn, said)
        connections = [(part.run.key.user_id, part.run.connection_id) for part in slices]
        by_connection = {(part.run.key.user_id, part.run.connection_id): part.run.key for part in slices}
        known = {
            (by_connection[account.user_id, account.connection_id], account.external_id): account
            for account in await store.lock_seen(self._conn, connections)
        }
        for (run, _), account in known.items():
            self._changes[run].new_accounts += account.is_new
        await self._note_missing([part for part in slices if part.closing])
        return known

    async def _note_missing(self, slices: Sequence[Slice]) -> None:
        """Note accounts that the institution does not name any more. A run that names none says nothing of that."""
        telling = [part for part in slices if part.folded.accounts]
        named = [
            (part.run.key.user_id, part.run.connection_id, external_id)
            for part in telling
            for external_id in part.folded.accounts
        ]
        connections = [(part.run.key.user_id, part.run.connection_id) for part in telling]
        await store.note_missing(self._conn, connections, named, self._now)

    def _sift(self, slices: Sequence[Slice], known: dict[tuple[RunKey, str], KnownAccount]) -> list[_AccountWork]:
        """Drop rows whose fingerprints are known; put rows of unknown accounts aside."""
        works: dict[tuple[RunKey, str], _AccountWork] = {}
        for part in slices:
            for external_id, said in part.folded.by_account.items():
                account = known.get((part.run.key, external_id))
                if account is None:
                    _reject_account(part.folded, external_id, said)
                    continue
                key = (account.user_id, account.account_id)
                works[part.run.key, external_id] = _AccountWork(part.run, key, said, part.closing)
            seen = {
                account.external_id: unpack(account.seen) for (run, _), account in known.items() if run == part.run.key
            }
            for row in part.rows:
                work = works.get((part.run.key, row.account_external_id))
                if work is None:
                    continue
                id_hash, content_hash = fingerprint(row)
                known_hash = seen[row.account_external_id].get(id_hash)
                if known_hash != content_hash:
                    work.candidates[row.external_id] = _Candidate(
                        run=part.run.key,
                        account=work.account,
                        row=row,
                        merchant=self._merchant(row.description),
                        object_id=_object_id(part, work.said, row.external_id),
                        id_known=known_hash is not None,
                    )
        return list(works.values())

    def _merchant(self, description: str) -> Merchant:
        merchant = self._merchants.get(description)
        if merchant is None:
            merchant = self._merchants[description] = normalize(description)
        return merchant

    async def _stored(self, works: Sequence[_AccountWork]) -> dict[tuple[Account, str], StoredRow]:
        """Return what the database has of the candidates whose ids are known; the others are tried by COPY."""
        keys = [
            (*work.account, external_id)
            for work in works
            for external_id, item in work.candidates.items()
            if item.id_known
        ]
        return _by_key(await store.stored_rows(self._conn, keys + _taken_back(works)))

    async def _write_candidates(
        self,
        works: Sequence[_AccountWork],
        pending: dict[Account, list[StoredRow]],
        stored: dict[tuple[Account, str], StoredRow],
    ) -> None:
        plan = _Plan(works, pending, stored)
        if not await self._insert(plan):
            # One is there already, older than what the fingerprints remember or from a run that died halfway.
            keys = [(*work.account, external_id) for work in works for external_id in work.candidates]
            plan = _Plan(works, pending, _by_key(await store.stored_rows(self._conn, keys + _taken_back(works))))
            if not await self._insert(plan):
                raise RuntimeError("rows appeared while their person's lock was held")
        await self._change(plan)
        await self._link(plan)
        await self._remove(plan)

    async def _insert(self, plan: _Plan) -> bool:
        """COPY the rows the database does not have; False when it has one of them after all."""
        if not plan.fresh:
            return True
        ids = iter(await store.take_ids(self._conn, len(plan.fresh)))
        rows = [self._new_row(item, next(ids), plan) for item in plan.fresh]
        if not await store.copy_rows(self._conn, rows):
            return False
        for item, row in zip(plan.fresh, rows, strict=True):
            plan.ids[item.account, row.external_id] = row.transaction_id
            self._note(item.run, row.posted_on).added.append(row.transaction_id)
        return True

    def _new_row(self, item: _Candidate, transaction_id: TransactionId, plan: _Plan) -> NewRow:
        row = item.row
        category = self._categorize(item)
        pending = plan.links.get((item.account, row.external_id))
        if pending is not None and pending.category_source != CategorySource.NONE:
            category = Categorization(
                pending.category_id, CategorySource(pending.category_source), pending.category_detail
            )
        return NewRow(
            user_id=item.account[0],
            transaction_id=transaction_id,
            account_id=item.account[1],
            external_id=row.external_id,
            posted_on=row.posted_on,
            amount_minor=row.amount_minor,
            currency=row.currency,
            pending=row.pending,
            category_id=category.category_id,
            category_source=category.source.value,
            description=row.description,
            merchant=item.merchant.name,
            merchant_key=item.merchant.key,
            category_detail=category.detail,
            object_id=item.object_id,
        )

    def _categorize(self, item: _Candidate) -> Categorization:
        rules = self._rules.get(item.account[0], {})
        return self._categorizer.categorize(
            item.merchant, item.row.amount_minor, item.row.merchant_category_code, rules
        )

    async def _change(self, plan: _Plan) -> None:
        """Write the rows that the institution now describes otherwise."""
        changed: list[tuple[UserId, StoredRow]] = []
        for item, before in plan.known:
            after = merge(before, item.row, item.merchant.name, item.merchant.key)
            after = _take_over(plan.links.get((item.account, item.row.external_id)), after or before)
            if after == before:
                continue
            if after.category_source == CategorySource.NONE:
                category = self._categorize(item)
                after = replace(
                    after,
                    category_id=category.category_id,
                    category_source=category.source.value,
                    category_detail=category.detail,
                )
            changed.append((item.account[0], after))
            self._note(item.run, before.posted_on, after.posted_on).changed.append(after.transaction_id)
        await store.change_rows(self._conn, changed, self._now)

    async def _link(self, plan: _Plan) -> None:
        """Point pending rows to the posted ones that succeed them."""
        links: list[tuple[UserId, TransactionId, TransactionId]] = []
        for (account, external_id), pending in plan.links.items():
            posted_id = plan.ids.get((account, external_id))
            if posted_id is None or posted_id == pending.transaction_id:
                continue
            links.append((account[0], pending.transaction_id, posted_id))
            self._note(plan.runs[account], pending.posted_on).removed.append(pending.transaction_id)
        await store.supersede_rows(self._conn, links, self._now)

    async def _remove(self, plan: _Plan) -> None:
        """Mark what the institution took back, and pending rows that are gone."""
        superseded = {row.transaction_id for row in plan.links.values()}
        gone = [(key, row) for key, row in plan.gone.items() if row.transaction_id not in superseded]
        await store.remove_rows(self._conn, [(account[0], row.transaction_id) for (account, _), row in gone], self._now)
        for (account, _), row in gone:
            self._taken_from.add(account)
            self._note(plan.runs[account], row.posted_on).removed.append(row.transaction_id)

    def _note(self, run: RunKey, *days: date) -> Changes:
        changes = self._changes[run]
        changes.months.update(first_day(day) for day in days)
        return changes

    async def _write_seen(self, works: Sequence[_AccountWork]) -> None:
        """Remember the run's recent rows by their fingerprints, once the run is closed.

        A run without rows leaves what is known as it is, unless it took rows back: should those be given
        again, they must not be taken for known.
        """
        lists: list[tuple[UserId, AccountId, bytes]] = []
        for work in works:
            if not work.closing:
                continue
            newest = max((row.posted_on for row in work.said.rows.values()), default=None)
            if newest is not None and work.run.window_last is not None:
                newest = min(newest, work.run.window_last)
            if newest is None:
                if work.account in self._taken_from:
                    lists.append((*work.account, pack([])))
                continue
            since = newest - timedelta(days=SEEN_DAYS)
            recent = sorted(fingerprint(row) for row in work.said.rows.values() if row.posted_on >= since)
            lists.append((*work.account, pack(recent)))
        await store.write_seen(self._conn, lists)


class _Plan:
    """What is to be done with the candidates: insert, compare, link, take back."""

    def __init__(
        self,
        works: Sequence[_AccountWork],
        pending: dict[Account, list[StoredRow]],
        stored: dict[tuple[Account, str], StoredRow],
    ) -> None:
        self.fresh: list[_Candidate] = []
        self.known: list[tuple[_Candidate, StoredRow]] = []
        self.links: dict[tuple[Account, str], StoredRow] = {}
        self.gone: dict[tuple[Account, str], StoredRow] = {}
        self.ids: dict[tuple[Account, str], TransactionId] = {key: row.transaction_id for key, row in stored.items()}
        self.runs: dict[Account, RunKey] = {work.account: work.run.key for work in works}
        for work in works:
            for external_id, item in work.candidates.items():
                row = stored.get((work.account, external_id))
                if row is None:
                    self.fresh.append(item)
                else:
                    self.known.append((item, row))
            self._match(work, pending.get(work.account, []), stored)

    def _match(
        self,
        work: _AccountWork,
        pending: Sequence[StoredRow],
        stored: dict[tuple[Account, str], StoredRow],
    ) -> None:
        new_ids = [key for key in work.candidates if (work.account, key) not in stored]
        said = work.said if work.closing else replace(work.said, window=None)
        keys = {external_id: item.merchant.key for external_id, item in work.candidates.items()}
        claimed, gone = match_pending(pending, said, new_ids, keys)
        self.links |= {(work.account, external_id): row for external_id, row in claimed.items()}
        self.gone |= {(work.account, row.external_id): row for row in gone}
        for external_id in work.said.removed if work.closing else ():
            row = stored.get((work.account, external_id))
            if row is not None and row.live:
                self.gone[work.account, external_id] = row


def _by_key(rows: dict[Account, list[StoredRow]]) -> dict[tuple[Account, str], StoredRow]:
    return {(account, row.external_id): row for account, found in rows.items() for row in found}


def _taken_back(works: Sequence[_AccountWork]) -> list[tuple[UserId, AccountId, str]]:
    """Name the rows that institutions say they took back."""
    return [(*work.account, external_id) for work in works if work.closing for external_id in sorted(work.said.removed)]


def _take_over(pending: StoredRow | None, posted: StoredRow) -> StoredRow:
    """Move a person's own choice from a pending row along to the posted one that succeeds it."""
    if pending is None or pending.category_source != CategorySource.MANUAL:
        return posted
    if posted.category_source == CategorySource.MANUAL:
        return posted
    return replace(
        posted,
        category_id=pending.category_id,
        category_source=pending.category_source,
        category_detail=pending.category_detail,
    )


def _object_id(part: Slice, said: AccountRows, external_id: str) -> RawObjectId | None:
    """Return the raw page that had the last word on a row."""
    page = said.pages.get(external_id)
    return None if page is None or page >= len(part.object_ids) else part.object_ids[page]


def _reject_account(folded: Folded, external_id: str, said: AccountRows) -> None:
    """Put the rows of an account that the institution never described into quarantine."""
    reason = f"it belongs to account {external_id!r}, which the institution did not describe"
    known = {(number, row.position, row.account_external_id) for number, row in folded.rejected}
    for place, row in enumerate(said.rows.values()):
        position = REJECTED_ACCOUNT_POSITION - place
        if (0, position, external_id) not in known:
            folded.rejected.append((0, RejectedRow(position, reason, row.description, external_id)))
