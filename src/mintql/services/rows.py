"""Transactions of a batch against what the database has: new, changed, linked, taken back, or known.

Called inside the ingestion's transaction, which holds the persons' locks, so nothing moves underneath. No
statement here is for one row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from mintql.domain.categories import Categorization, CategorySource
from mintql.domain.ids import AccountId, ConnectionId, RawObjectId, TransactionId, UserId
from mintql.domain.ingest import NOTHING_PERSONAL, AccountRows, Personal, StoredRow, institution_code, merge
from mintql.domain.matching import PENDING_MATCH_DAYS, MatchState
from mintql.domain.months import first_day
from mintql.services.categorize import default_categorizer
from mintql.services.crowd import CrowdCache
from mintql.services.fingerprints import fingerprints_of, pack
from mintql.services.knowledge import NOTHING_KNOWN, Decision, Knowledge, load_knowledge
from mintql.services.placing import Placed, placed, placed_for_all
from mintql.services.row_plan import (
    AccountWork,
    Candidate,
    Changes,
    Known,
    Plan,
    RowName,
    Slice,
    by_name,
    keeps_category,
    take_over,
    taken_back,
)
from mintql.services.row_sift import sift
from mintql.store import choices, succession
from mintql.store import ingest as store
from mintql.store.ingest import Account, KnownAccount, NearAsked, NewRow, SaidAccount
from mintql.store.queries import Conn
from mintql.store.succession import NewMatch
from mintql.store.sync import RunKey

VANISHED_DAYS = 2 * PENDING_MATCH_DAYS
"""How long a pending row that vanished may still be claimed by the posted row that it became."""
SEEN_DAYS = 45
"""How far back known rows are remembered by fingerprint: more than any window fetched again and again."""


class RowWriter:
    """Writes the rows of several runs in one transaction."""

    def __init__(self, conn: Conn, now: datetime, crowd: CrowdCache) -> None:
        self._conn = conn
        self._now = now
        self._categorizer = default_categorizer()
        self._crowd = crowd
        self._changes: dict[RunKey, Changes] = {}
        self._knowledge: dict[UserId, Knowledge] = {}
        self._taken_from: set[Account] = set()
        self.failing: set[tuple[UserId, ConnectionId]] = set()
        """Connections that had accounts that could not be fetched."""

    async def write(self, slices: Sequence[Slice]) -> dict[RunKey, Changes]:
        """Write the slices; return what became of each run's rows."""
        self._changes = {part.run.key: Changes() for part in slices}
        known = await self._accounts(slices)
        works = sift(slices, known)
        candidates = [item for work in works for item in work.candidates.values()]
        if candidates:
            self._knowledge = await load_knowledge(
                self._conn,
                sorted({item.account[0] for item in candidates}),
                sorted({item.merchant.key for item in candidates}),
                self._crowd,
            )
        stored = await self._stored(works)
        known_rows = await self._known(works)
        await self._write_candidates(works, known_rows, stored)
        await self._write_seen(works)
        return self._changes

    async def _accounts(self, slices: Sequence[Slice]) -> dict[tuple[RunKey, str], KnownAccount]:
        """Write the accounts; return each with its known rows, by run and external id."""
        said = [
            (part.run.key.user_id, part.run.connection_id, account)
            for part in slices
            for account in part.folded.accounts.values()
        ]
        connections = [(part.run.key.user_id, part.run.connection_id) for part in slices]
        there = await store.read_seen(self._conn, connections)
        if {(user_id, connection_id, account.external_id) for user_id, connection_id, account in said} <= {
            account.name for account in there
        }:
            await store.upsert_accounts(self._conn, said)
        else:
            there = await self._open_accounts(slices, said, connections)
        by_connection = {(part.run.key.user_id, part.run.connection_id): part.run.key for part in slices}
        known = {
            (by_connection[account.user_id, account.connection_id], account.external_id): account for account in there
        }
        for (run, _), account in known.items():
            self._changes[run].new_accounts += account.is_new
        self.failing = {(account.user_id, account.connection_id) for account in there if account.is_failing}
        known |= await self._bound(slices)
        await self._note_missing([part for part in slices if part.closing], there)
        return known

    async def _open_accounts(
        self,
        slices: Sequence[Slice],
        said: Sequence[SaidAccount],
        connections: Sequence[tuple[UserId, ConnectionId]],
    ) -> list[KnownAccount]:
        """Write accounts some of which are not there yet, or by another id."""
        # That a file names an account otherwise, or not at all, is no evidence of which one it is.
        live = {part.run.connection_id for part in slices if part.run.import_id is None}
        await store.continue_accounts(self._conn, [item for item in said if item[1] in live])
        await store.upsert_accounts(self._conn, said)
        await store.open_account_sync(self._conn, connections)
        return await store.read_seen(self._conn, connections)

    async def _bound(self, slices: Sequence[Slice]) -> dict[tuple[RunKey, str], KnownAccount]:
        """Return the accounts that files are imported into, by run and by how the file names them."""
        wanted = {
            (part.run.key, name): (part.run.key.user_id, account_id)
            for part in slices
            for name, account_id in part.bound.items()
        }
        if not wanted:
            return {}
        there = await store.read_bound(self._conn, sorted(set(wanted.values())))
        by_account = {(account.user_id, account.account_id): account for account in there}
        return {key: by_account[account] for key, account in wanted.items() if account in by_account}

    async def _note_missing(self, slices: Sequence[Slice], there: Sequence[KnownAccount]) -> None:
        """Note accounts that the institution does not name any more. A run that names none says nothing of that."""
        telling = [part for part in slices if part.folded.accounts and part.run.import_id is None]
        named = [
            (part.run.key.user_id, part.run.connection_id, external_id)
            for part in telling
            for external_id in part.folded.accounts
        ]
        connections = [(part.run.key.user_id, part.run.connection_id) for part in telling]
        told, names = set(connections), set(named)
        if all(
            account.is_missing != (account.name in names)
            for account in there
            if (account.user_id, account.connection_id) in told
        ):
            return  # As it was.
        await store.note_missing(self._conn, connections, named, self._now)

    async def _known(self, works: Sequence[AccountWork]) -> Known:
        """Return what the database has that a new row of these accounts may be another word for."""
        since = (self._now - timedelta(days=VANISHED_DAYS)).date()
        pending = await store.stored_pending(self._conn, [work.account for work in works], since)
        near = await store.near_rows(
            self._conn,
            [
                NearAsked(work.account, work.new_posted, _told(work.said), work.said.rows)
                for work in works
                if not work.is_new
            ],
        )
        # Days count only where a file and the connection, or two files, may have told of the same purchase.
        mixed = [
            work.account
            for work in works
            if any(
                row.import_id != work.run.import_id
                for row in (*near.get(work.account, ()), *pending.get(work.account, ()))
            )
        ]
        coverage = await store.coverage(self._conn, mixed)
        return Known(pending, near, coverage)

    async def _stored(self, works: Sequence[AccountWork]) -> dict[RowName, StoredRow]:
        """Return what the database has of the candidates whose ids are known; the others are tried by COPY."""
        keys = [
            (*work.account, external_id)
            for work in works
            for external_id, item in work.candidates.items()
            if item.id_known
        ]
        return by_name(await store.stored_rows(self._conn, keys + taken_back(works)))

    async def _write_candidates(
        self,
        works: Sequence[AccountWork],
        known: Known,
        stored: dict[RowName, StoredRow],
    ) -> None:
        plan = Plan(works, known, stored)
        if not await self._insert(plan):
            # One is there already, older than what the fingerprints remember or from a run that died halfway.
            keys = [(*work.account, external_id) for work in works for external_id in work.candidates]
            plan = Plan(works, known, by_name(await store.stored_rows(self._conn, keys + taken_back(works))))
            if not await self._insert(plan):
                raise RuntimeError("rows appeared while their person's lock was held")
        await self._change(plan)
        await self._match(plan)
        await self._remove(plan)

    async def _insert(self, plan: Plan) -> bool:
        """COPY the rows the database does not have; False when it has one of them after all."""
        if not plan.fresh:
            return True
        ids = iter(await store.take_ids(self._conn, len(plan.fresh)))
        places = [self._place(item, plan) for item in plan.fresh]
        rows = [self._new_row(item, place, next(ids), plan) for item, place in zip(plan.fresh, places, strict=True)]
        if not await store.copy_rows(self._conn, rows):
            return False
        days: dict[RunKey, set[date]] = {}
        for item, place, row in zip(plan.fresh, places, rows, strict=True):
            transaction_id = row.transaction_id
            plan.ids[item.account, row.external_id] = transaction_id
            if row.successor_id is None:
                changes = self._changes[item.run]
                changes.added.append(transaction_id)
                if place.may_be_side:
                    changes.sides.append(transaction_id)
                days.setdefault(item.run, set()).add(row.posted_on)
        for run, of_run in days.items():
            self._note(run, *of_run)
        return True

    def _new_row(self, item: Candidate, placed: Placed, transaction_id: TransactionId, plan: Plan) -> NewRow:
        row, account = item.row, item.account
        new = NewRow(  # In the order of its fields: naming each takes as long as all the rest.
            account[0], transaction_id, account[1], row.external_id, row.posted_on, row.amount_minor, row.currency,
            row.pending, placed.category_id, placed.source, row.description, placed.merchant, item.merchant.key,
            placed.detail, placed.institution_code, item.object_id, plan.imports[account],
            plan.gives_way_to((account, row.external_id)) if plan.matches else None,
        )  # fmt: skip
        return new.with_personal(placed.personal)

    def _place(self, item: Candidate, plan: Plan) -> Placed:
        """Return the category of a new row, and what goes with it."""
        row = item.row
        gave_way = plan.takes_over.get((item.account, row.external_id)) if plan.takes_over else None
        knowledge = self._knowledge.get(item.account[0], NOTHING_KNOWN)
        if not gave_way and knowledge.says_nothing and item.merchant.key not in knowledge.crowd:
            # As most rows: what is known of it is the same for everybody.
            return placed_for_all(
                item.merchant, row.amount_minor > 0, row.currency, row.merchant_category_code, row.category_code
            )
        decision = self._taken_over(item, gave_way, plan) if gave_way else self._decide(item)
        name = self._categorizer.display_name(item.merchant, row.currency)
        return placed(decision.category, name, institution_code(row), decision.personal)

    def _taken_over(self, item: Candidate, gave_way: Sequence[StoredRow], plan: Plan) -> Decision:
        """Return what a new row takes over from those that give way to it; where that is no category, its own."""
        personal = NOTHING_PERSONAL
        for before in gave_way:
            personal = personal.over(before.personal.in_currency(before.currency, item.row.currency))
        for before in gave_way:
            kind = plan.matches[item.account, before.external_id].kind
            if keeps_category(before, item.merchant, kind):
                source = CategorySource(before.category_source)
                return Decision(Categorization(before.category_id, source, before.category_detail, 0), personal)
        return Decision(self._decide(item).category, personal)

    def _decide(self, item: Candidate) -> Decision:
        known = self._knowledge.get(item.account[0], NOTHING_KNOWN)
        if not known.rules:
            return Decision(known.categorize(self._categorizer, item.clues), NOTHING_PERSONAL)
        return known.decide(self._categorizer, item.rule_clues, item.clues)

    async def _change(self, plan: Plan) -> None:
        """Write the rows that the institution now describes otherwise."""
        changed: list[tuple[UserId, StoredRow, RawObjectId | None]] = []
        personal: list[tuple[UserId, TransactionId, Personal]] = []
        revived: list[tuple[UserId, TransactionId]] = []
        for item, before in plan.known:
            user_id = item.account[0]
            after = merge(
                before,
                item.row,
                self._categorizer.display_name(item.merchant, item.row.currency),
                item.merchant.key,
                stays_superseded=plan.is_file(item.account),
            )
            after = after or before
            for gives_way in plan.takes_over.get((item.account, item.row.external_id), []):
                after = take_over(gives_way, after)
            if after == before:
                continue
            if after.category_source == CategorySource.NONE:
                category = self._decide(item).category
                after = replace(
                    after,
                    category_id=category.category_id,
                    category_source=category.source.value,
                    category_detail=category.detail,
                )
            changed.append((user_id, after, item.object_id))
            if after.personal != before.personal:
                personal.append((user_id, after.transaction_id, after.personal))
            if before.successor_id is not None and after.successor_id is None:
                revived.append((user_id, after.transaction_id))
            self._note(item.run, before.posted_on, after.posted_on).changed.append(after.transaction_id)
        await choices.hand_on(self._conn, plan.handed_on)
        await store.change_rows(self._conn, changed, self._now)
        await succession.write_personal(self._conn, personal)
        await succession.forget_matches(self._conn, revived)

    async def _match(self, plan: Plan) -> None:
        """Point rows that give way to the ones that stand for them, and keep why; keep suggestions as such."""
        links: list[tuple[UserId, TransactionId, TransactionId]] = []
        matches: list[NewMatch] = []
        for (account, from_id), match in plan.matches.items():
            gives_way, stands = plan.ids.get((account, from_id)), plan.ids.get((account, match.to_id))
            if gives_way is None or stands is None or gives_way == stands:
                continue
            run = plan.runs[account]
            state = MatchState.APPLIED if match.certain else MatchState.SUGGESTED
            matches.append(NewMatch(account[0], gives_way, stands, match.kind.value, state.value, run.run_id))
            if not match.certain:
                continue
            before = plan.rows.get((account, from_id))
            self._changes[run].matched += 1
            if before is None:
                continue  # A row of a file: it was written as giving way.
            links.append((account[0], gives_way, stands))
            if before.live:
                self._note(run, before.posted_on).removed.append(gives_way)
        await succession.supersede_rows(self._conn, links, self._now)
        await succession.move_suggestions(self._conn, links)
        await succession.write_matches(self._conn, matches, self._now)

    async def _remove(self, plan: Plan) -> None:
        """Mark what the institution took back, and pending rows that are gone."""
        gone = plan.gone
        await store.remove_rows(
            self._conn, [(account[0], row.transaction_id) for (account, _), row in gone.items()], self._now
        )
        for (account, _), row in gone.items():
            self._taken_from.add(account)
            self._note(plan.runs[account], row.posted_on).removed.append(row.transaction_id)
        names = [(account[0], row.transaction_id) for (account, _), row in gone.items()]
        for account, transaction_id, posted_on, counts in await succession.free_file_rows(self._conn, names, self._now):
            if counts:
                changes = self._note(plan.runs[account], posted_on)
                changes.added.append(transaction_id)
                changes.sides.append(transaction_id)

    def _note(self, run: RunKey, *days: date) -> Changes:
        changes = self._changes[run]
        changes.months.update(first_day(day) for day in days)
        return changes

    async def _write_seen(self, works: Sequence[AccountWork]) -> None:
        """Remember the run's recent rows by their fingerprints, once the run is closed and where they differ.

        A run without rows leaves what is known as it is, unless it took rows back: should those be given
        again, they must not be taken for known. Nor must rows that a run changed which never comes to its end.
        """
        lists: list[tuple[UserId, AccountId, bytes | None, date | None, date | None]] = []
        for work in works:
            if not work.closing or work.run.import_id is not None:
                if work.still_known is not None:
                    lists.append((*work.account, work.still_known, None, None))
                continue
            # A history fetched from an empty cursor goes on from there: its days have no end that could be told.
            window = None if work.run.whole else work.said.window
            covered = (None, None) if window is None else (window.first, window.last)
            if work.is_as_seen and work.account not in self._taken_from:
                lists.append((*work.account, None, *covered))
                continue
            newest = max((row.posted_on for row in work.said.rows.values()), default=None)
            if newest is not None and work.run.window_last is not None:
                newest = min(newest, work.run.window_last)
            if newest is not None:
                since = newest - timedelta(days=SEEN_DAYS)
                prints = fingerprints_of(work.said)
                recent = sorted(prints[row.external_id] for row in work.said.rows.values() if row.posted_on >= since)
                lists.append((*work.account, pack(recent), *covered))
            elif work.account in self._taken_from or window is not None:
                lists.append((*work.account, pack([]) if work.account in self._taken_from else None, *covered))
        await store.write_seen(self._conn, lists)


def _told(said: AccountRows) -> tuple[date, date] | None:
    """Return the days all of whose rows a run shows; each day where it names rows that it does not show any more."""
    if said.removed:
        return date.min, date.max
    return None if said.window is None else (said.window.first, said.window.last)
