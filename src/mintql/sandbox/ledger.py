"""The accounts of a login as they show today: the drawn history, with what control did to it on top."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from mintql.sandbox.history import PENDING_DAYS_MAX, Entry, History
from mintql.sandbox.people import Account, AccountName
from mintql.sandbox.store import Change, Renaming

NEW_NAME = "~"
"""Stands in an id before the number of its renaming; no entry id has it."""


@dataclass(frozen=True, slots=True)
class Row:
    """A transaction as the bank shows it. `pending_id`: the id it had while pending, if it ever was."""

    row_id: str
    account: AccountName
    posted_on: date
    occurred_at: datetime
    amount_minor: int
    description: str
    pending: bool
    pending_id: str
    mcc: str
    entry: Entry


@dataclass(frozen=True, slots=True)
class Balance:
    """What is posted, and what is left to spend (with pending rows, and with the credit limit of a card)."""

    current_minor: int
    available_minor: int


class Ledger:
    """One login on one day. Cheap to make; reads the history through its cache."""

    def __init__(
        self,
        history: History,
        added: Mapping[str, Entry],
        changes: Mapping[str, Change],
        today: date,
        renamings: Mapping[AccountName, Renaming] | None = None,
    ) -> None:
        self._history = history
        self._added = added
        self._changes = changes
        self._today = today
        self._renamings = renamings or {}

    @property
    def accounts(self) -> dict[AccountName, Account]:
        """The accounts by name."""
        return self._history.person.accounts

    def rows(self, account: AccountName, first: date, last: date) -> list[Row]:
        """Return the rows with a date from `first` to `last`, both included, oldest first."""
        drawn = self._history.entries(account, first - timedelta(days=PENDING_DAYS_MAX), min(last, self._today))
        untouched = (entry for entry in drawn if entry.entry_id not in self._changes)
        seen = (self.show(entry) for entry in (*untouched, *self._touched(account)))
        rows = [row for row in seen if row is not None and first <= row.posted_on <= last]
        return sorted(rows, key=lambda row: (row.posted_on, row.row_id))

    def removed(self, account: AccountName, first: date, last: date) -> list[str]:
        """Return the ids of rows that were taken back and had a date from `first` to `last`.

        A row that was added again under the id it had is not among them.
        """
        ids = []
        for change in self._changes.values():
            entry = self.find(change.entry_id) if change.removed_id and change.account is account else None
            row = self._show(entry, replace(change, removed_id=None)) if entry is not None else None
            if row is not None and first <= row.posted_on <= last and (change.gone or row.row_id != change.removed_id):
                ids.append(change.removed_id or "")
        return sorted(ids)

    def balance(self, account: AccountName) -> Balance:
        """Return the opening balance plus all that is posted; what is pending counts in the second figure only."""
        held = self.accounts[account]
        posted = held.opening_minor + self._history.posted_minor(account, self._today)
        for entry in self._touched(account):
            now = self.show(entry)
            posted += now.amount_minor if now is not None and not now.pending else 0
            drawn = self._show(entry, None) if entry.entry_id not in self._added else None
            posted -= drawn.amount_minor if drawn is not None and not drawn.pending else 0
        recent = self._today - timedelta(days=PENDING_DAYS_MAX)
        drawn_now = self._history.entries(account, recent, self._today)
        candidates = [*(e for e in drawn_now if e.entry_id not in self._changes), *self._touched(account)]
        shown = (self.show(entry) for entry in candidates)
        pending = sum(row.amount_minor for row in shown if row is not None and row.pending)
        return Balance(posted, posted + pending + held.credit_limit_minor)

    def find(self, any_id: str) -> Entry | None:
        """Return the entry that shows, or has shown, under this id."""
        entry_id = any_id.removesuffix(".pending").partition(NEW_NAME)[0]
        return self._added.get(entry_id) or self._history.find(entry_id)

    def change_of(self, entry: Entry) -> Change:
        """Return what was done to the entry so far."""
        return self._changes.get(entry.entry_id) or Change(entry.entry_id, entry.account)

    def last_removed(self, account: AccountName) -> Entry | None:
        """Return what was taken back last, of what has not been added again."""
        gone = [change.entry_id for change in self._changes.values() if change.gone and change.account is account]
        return self.find(gone[-1]) if gone else None

    def show(self, entry: Entry) -> Row | None:
        """Return the entry as it shows today; None when it does not."""
        return self._show(entry, self._changes.get(entry.entry_id))

    def name_number(self, entry: Entry) -> int:
        """Return how many times the entry has got a new id."""
        renaming = self._renamings.get(entry.account)
        return self.change_of(entry).renamed + (renaming.number if renaming else 0)

    def _show(self, entry: Entry, change: Change | None) -> Row | None:
        row = show(entry, change, self._today)
        number = self.name_number(entry)
        if row is None or number == 0:
            return row
        entry_id = f"{entry.entry_id}{NEW_NAME}{number}"
        pending_id = entry_id + ".pending"
        # A row that was posted when it got its new id names no pending one: nothing links it to what it was.
        links = bool(row.pending_id) and self._settled_under(entry, number)
        return replace(row, row_id=pending_id if row.pending else entry_id, pending_id=pending_id if links else "")

    def _settled_under(self, entry: Entry, number: int) -> bool:
        """Tell whether a posted entry was pending under its present name, the one of this number."""
        change, renaming = self.change_of(entry), self._renamings.get(entry.account)
        if change.settled_on is not None:
            return change.settled_as == number
        days = [day for day in (change.renamed_on, renaming.renamed_on if renaming else None) if day is not None]
        return entry.settles_on is not None and entry.settles_on > max(days)

    def _touched(self, account: AccountName) -> Iterator[Entry]:
        """Yield the entries that were added or changed, whatever their day."""
        yield from (entry for entry in self._added.values() if entry.account is account)
        for entry_id, change in self._changes.items():
            if change.account is account and entry_id not in self._added:
                entry = self._history.find(entry_id)
                if entry is not None:
                    yield entry


def show(entry: Entry, change: Change | None, today: date) -> Row | None:
    """Return an entry, with a change, as it shows on a day; None before it happened and after its removal."""
    if entry.day > today or (change is not None and change.gone):
        return None
    settles_on = change.settled_on if change is not None and change.settled_on else entry.settles_on
    pending = settles_on is None or settles_on > today
    posted_on = entry.day if pending or settles_on is None else settles_on
    amount_minor = entry.pending_amount_minor if pending else entry.amount_minor
    description = entry.description
    if change is not None:
        posted_on = change.posted_on or posted_on
        amount_minor = amount_minor if change.amount_minor is None else change.amount_minor
        description = change.description or description
    ever_pending = entry.settles_on is None or entry.settles_on > entry.day
    return Row(
        row_id=entry.pending_id if pending else entry.entry_id,
        account=entry.account,
        posted_on=posted_on,
        occurred_at=entry.occurred_at,
        amount_minor=amount_minor,
        description=description,
        pending=pending,
        pending_id=entry.pending_id if ever_pending and not pending else "",
        mcc=entry.mcc,
        entry=entry,
    )
