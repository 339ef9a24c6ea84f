"""What is to be done with the rows of a transaction: insert, compare, let one stand for another, take back.

Values only, between what `services.rows` reads from the database and what it writes there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from mintql.domain.categories import CategorySource
from mintql.domain.ids import AccountId, ImportId, RawObjectId, TransactionId, UserId
from mintql.domain.ingest import AccountRows, Folded, StoredRow
from mintql.domain.institutions import ProviderTransaction
from mintql.domain.matching import (
    NO_COVERAGE,
    Coverage,
    Match,
    Matches,
    MatchKind,
    match_rows,
    shows_again,
    with_run,
)
from mintql.domain.merchants import Merchant
from mintql.domain.rules import RuleClues
from mintql.observing import metrics
from mintql.observing.instruments import Counter
from mintql.services.categorize import Clues
from mintql.store.ingest import Account
from mintql.store.sync import Ingestion, RunKey

RowName = tuple[Account, str]
"""A row by its account and external id."""


@dataclass(slots=True)
class Slice:
    """The part of a run that one transaction writes. The closing one also takes back what is gone."""

    run: Ingestion
    folded: Folded
    rows: list[ProviderTransaction]
    closing: bool
    object_ids: Sequence[RawObjectId] = ()
    done: int = 0
    bound: Mapping[str, AccountId] = field(default_factory=dict)
    """Accounts that rows of a file go into, by how the file names them; others are the run's own."""
    covered: Mapping[str, tuple[date, date]] = field(default_factory=dict)
    """Days of which a file tells everything, by the same names."""


@dataclass(slots=True)
class Changes:
    """What a transaction did to a run's rows, the months whose sums it moved, and how many accounts are new.

    `sides` are those of `added` that may be sides of transfers. `matched` counts rows that were found to be ones
    that are there already, or that took the place of such.
    """

    added: list[TransactionId] = field(default_factory=list)
    sides: list[TransactionId] = field(default_factory=list)
    changed: list[TransactionId] = field(default_factory=list)
    removed: list[TransactionId] = field(default_factory=list)
    months: set[date] = field(default_factory=set)
    new_accounts: int = 0
    matched: int = 0

    @property
    def any(self) -> bool:
        """Whether anything was done."""
        return bool(self.added or self.changed or self.removed)


def row_counts(slices: Sequence[tuple[Slice, Changes]]) -> list[tuple[Counter, float]]:
    """Return what a transaction did to rows, as the metrics count it. What a run could not read counts at its end."""
    done = {
        "added": sum(len(changes.added) for _, changes in slices),
        "changed": sum(len(changes.changed) for _, changes in slices),
        "removed": sum(len(changes.removed) for _, changes in slices),
        "matched": sum(changes.matched for _, changes in slices),
        "quarantined": sum(len(part.folded.rejected) for part, _ in slices if part.closing),
        "unchanged": sum(max(0, len(part.rows) - len(of.added) - len(of.changed) - of.matched) for part, of in slices),
    }
    return [(metrics.INGEST_ROWS.of(outcome), count) for outcome, count in done.items()]


@dataclass(slots=True)
class Candidate:
    """A row that is not known by its fingerprint; `id_known` when only its content is not."""

    run: RunKey
    account: Account
    row: ProviderTransaction
    merchant: Merchant
    object_id: RawObjectId | None
    id_known: bool

    @property
    def clues(self) -> Clues:
        """What tells where it belongs without knowing the person."""
        row = self.row
        key, mcc = self.merchant.key, row.merchant_category_code
        return Clues(key, row.amount_minor, row.currency, mcc, row.category_code, self.merchant.domain)

    @property
    def rule_clues(self) -> RuleClues:
        """What rules of its person look at."""
        row = self.row
        return RuleClues(self.account[1], self.merchant.key, row.description, row.amount_minor, row.currency)


@dataclass(slots=True)
class AccountWork:
    """An account of a slice: what the run says of it, and which rows of this slice are new to us.

    `is_as_seen` says that the run's rows are those that are remembered, all of them and no others. `still_known` is
    what of the remembered rows is left as it was, where this slice changes some and is not the last; None where all is.
    """

    run: Ingestion
    account: Account
    said: AccountRows
    closing: bool
    is_new: bool
    covered: tuple[date, date] | None = None
    is_as_seen: bool = False
    still_known: bytes | None = None
    candidates: dict[str, Candidate] = field(default_factory=dict)

    @property
    def new_posted(self) -> list[ProviderTransaction]:
        """The rows that are new to us and are no pending ones."""
        return [item.row for item in self.candidates.values() if not item.row.pending]


@dataclass(slots=True)
class Known:
    """What the database has that bears on a slice, by account.

    `pending` are rows without a successor, `near` posted ones that a new row may be, `coverage` the days that
    connection and files have told of.
    """

    pending: Mapping[Account, Sequence[StoredRow]]
    near: Mapping[Account, Sequence[StoredRow]]
    coverage: Mapping[Account, Coverage]


class Plan:
    """What is to be done with the candidates.

    `fresh` are to be inserted, `known` to be compared with what is stored. `matches` says which row stands for
    which, `takes_over` the stored rows that give way to a candidate, `gone` the rows to take back, and `ids`
    the transaction ids as far as they are known.
    """

    def __init__(self, works: Sequence[AccountWork], known: Known, stored: Mapping[RowName, StoredRow]) -> None:
        self.fresh: list[Candidate] = []
        self.known: list[tuple[Candidate, StoredRow]] = []
        self.matches: dict[RowName, Match] = {}
        self.takes_over: dict[RowName, list[StoredRow]] = {}
        self.gone: dict[RowName, StoredRow] = {}
        self.ids: dict[RowName, TransactionId] = {key: row.transaction_id for key, row in stored.items()}
        self.rows: dict[RowName, StoredRow] = dict(stored)
        self.runs: dict[Account, RunKey] = {work.account: work.run.key for work in works}
        self.imports: dict[Account, ImportId | None] = {work.account: work.run.import_id for work in works}
        for work in works:
            for external_id, item in work.candidates.items():
                row = stored.get((work.account, external_id))
                if row is None:
                    self.fresh.append(item)
                else:
                    self.known.append((item, row))
            self._match(work, known, stored)

    def is_file(self, account: Account) -> bool:
        """Tell whether the rows of an account come from a file."""
        return self.imports[account] is not None

    @property
    def handed_on(self) -> list[tuple[UserId, TransactionId, TransactionId]]:
        """Stored rows whose category was chosen by hand, with the stored ones that take it over: (person, from, to)."""
        return [
            (account[0], before.transaction_id, self.rows[account, external_id].transaction_id)
            for (account, external_id), given in self.takes_over.items()
            for before in given
            if before.category_source == CategorySource.MANUAL and (account, external_id) in self.rows
        ]

    def gives_way_to(self, name: RowName) -> TransactionId | None:
        """Return the stored row that stands for a fresh one for certain; None where none does."""
        match = self.matches.get(name)
        return self.ids.get((name[0], match.to_id)) if match is not None and match.certain else None

    def _match(self, work: AccountWork, known: Known, stored: Mapping[RowName, StoredRow]) -> None:
        account = work.account
        pending, near = known.pending.get(account, ()), known.near.get(account, ())
        for row in (*pending, *near):
            self.ids[account, row.external_id] = row.transaction_id
            self.rows[account, row.external_id] = row
        said = work.said
        is_file = work.run.import_id is not None
        new_ids = [key for key in work.candidates if (account, key) not in stored]
        shown_again = [
            key
            for key, item in work.candidates.items()
            if (account, key) in stored and shows_again(stored[account, key], item.row, is_file=is_file)
        ]
        found = match_rows(
            pending,
            near,
            said,
            new_ids,
            {external_id: item.merchant.key for external_id, item in work.candidates.items()},
            shown_again=shown_again,
            origin=work.run.import_id,
            coverage=with_run(known.coverage.get(account, NO_COVERAGE), work.run.import_id, work.covered, said.window),
        )
        for match in found.found:
            if match.kind is MatchKind.PENDING_TIP and not work.closing:
                continue  # The rest of the run may hold the very amount.
            self.matches[account, match.from_id] = match
            giving_way = self.rows.get((account, match.from_id))
            if match.certain and giving_way is not None:
                self.takes_over.setdefault((account, match.to_id), []).append(giving_way)
        if work.closing:
            self._take_back(account, said, found, stored)

    def _take_back(
        self, account: Account, said: AccountRows, found: Matches, stored: Mapping[RowName, StoredRow]
    ) -> None:
        self.gone |= {(account, row.external_id): row for row in found.gone}
        for external_id in said.removed:
            taken_back = stored.get((account, external_id))
            if taken_back is not None and taken_back.live:
                self.gone[account, external_id] = taken_back
        for match in found.certain:
            self.gone.pop((account, match.from_id), None)


def by_name(rows: Mapping[Account, Iterable[StoredRow]]) -> dict[RowName, StoredRow]:
    """Return rows by account and external id."""
    return {(account, row.external_id): row for account, found in rows.items() for row in found}


def taken_back(works: Iterable[AccountWork]) -> list[tuple[UserId, AccountId, str]]:
    """Name the rows that institutions say they took back."""
    return [(*work.account, external_id) for work in works if work.closing for external_id in sorted(work.said.removed)]


def take_over(gives_way: StoredRow, stands: StoredRow) -> StoredRow:
    """Move what a person chose on a row along to the one that stands for it, where they chose nothing there."""
    moved = gives_way.personal.in_currency(gives_way.currency, stands.currency)
    stands = replace(stands, personal=stands.personal.over(moved))
    manual = CategorySource.MANUAL
    if gives_way.category_source != manual or stands.category_source == manual:
        return stands
    return replace(
        stands,
        category_id=gives_way.category_id,
        category_source=gives_way.category_source,
        category_detail=gives_way.category_detail,
    )


def keeps_category(before: StoredRow, merchant: Merchant, kind: MatchKind) -> bool:
    """Tell whether a row takes over the category of the one that gives way to it.

    Nothing that has a category gets another one by itself; but where only the amount says that the two are one
    purchase, and the sellers differ, the category goes along only if the person chose it.
    """
    # A side of a transfer is one by its amount: the row that stands for it is paired anew.
    if before.category_source in (CategorySource.NONE, CategorySource.TRANSFER, CategorySource.MANUAL):
        return before.category_source == CategorySource.MANUAL
    return kind is MatchKind.PENDING_LINK or before.merchant_key == merchant.key
