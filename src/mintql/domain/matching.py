"""Which transaction stands for which: pending and posted, old and new ids, a file's row and the bank's own.

Pure functions over one account, used by the ingestion, by the preview of files, and by the replay that checks
them. A match says that one row gives way to another and counts no more; a suggestion says it only to the
person. All of them are one to one, the surest pairs first, and every pair is kept with its kind.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum

from mintql.domain.ids import ImportId
from mintql.domain.ingest import CONTENT_ID_PREFIX, AccountRows, StoredRow
from mintql.domain.institutions import ProviderTransaction, Window

PENDING_MATCH_DAYS = 7
"""A pending row that has vanished is taken to be a new posted one of the same amount this many days later."""
TIP_DAYS = 3
TIP_PERCENT_MAX = 30
"""Restaurants, fuel and rides post up to this much more than was authorized, within these days."""
SAME_PURCHASE_DAYS = 3
"""Banks' files and their interfaces may date one purchase this many days apart: value date, booking date, weekends."""


class MatchKind(StrEnum):
    """Why one row is taken to stand for another."""

    PENDING_LINK = "pending_link"
    PENDING_EXACT = "pending_exact"
    PENDING_TIP = "pending_tip"
    CHANGED_ID = "changed_id"
    SAME_PURCHASE = "same_purchase"


class MatchState(StrEnum):
    """What holds of a match: what the machine did or suggests, and what the person said to it."""

    APPLIED = "applied"
    SUGGESTED = "suggested"
    DISMISSED = "dismissed"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class Match:
    """`from_id` gives way to `to_id`, both external ids of one account; a suggestion where it is not `certain`."""

    from_id: str
    to_id: str
    kind: MatchKind
    certain: bool = True


Days = tuple[date, date]
"""A first and a last day, both included."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """The days of an account that its connection, and each file, have told of completely."""

    live: Sequence[Days] = ()
    imports: Mapping[ImportId, Days] = field(default_factory=dict)

    def holds(self, origin: ImportId | None, day: date) -> bool:
        """Tell whether the connection (None) or a file has told of a day."""
        if origin is None:
            return any(first <= day <= last for first, last in self.live)
        days = self.imports.get(origin)
        return days is not None and days[0] <= day <= days[1]


NO_COVERAGE = Coverage()


def with_run(coverage: Coverage, origin: ImportId | None, covered: Days | None, window: Window | None) -> Coverage:
    """Return the coverage with the days that a run tells of: those a file covers, or a connection's window."""
    if origin is not None:
        return coverage if covered is None else replace(coverage, imports={**coverage.imports, origin: covered})
    if window is None:
        return coverage
    return replace(coverage, live=(*coverage.live, (window.first, window.last)))


@dataclass(slots=True)
class Matches:
    """What was found for one account: the matches, and stored pending rows that are gone without a successor."""

    found: list[Match] = field(default_factory=list)
    gone: list[StoredRow] = field(default_factory=list)

    @property
    def certain(self) -> Iterator[Match]:
        """Those that are done, not only suggested."""
        return (match for match in self.found if match.certain)


Money = tuple[int, str]
"""Signed minor units and their currency."""


@dataclass(slots=True)
class _Account:
    """One account while its pairs are being found: new posted rows that are still free, also by their amount.

    A whole history may come at once, so that nothing here looks at every pair.
    """

    said: AccountRows
    merchant_keys: Mapping[str, str]
    origin: ImportId | None
    result: Matches = field(default_factory=Matches)
    free: dict[str, ProviderTransaction] = field(default_factory=dict)
    by_money: dict[Money, dict[str, ProviderTransaction]] = field(default_factory=dict)

    def free_of(self, stored: StoredRow) -> Iterable[ProviderTransaction]:
        """Return the free rows of a stored row's amount."""
        return self.by_money.get(_money(stored), {}).values()

    def add(self, rows: Iterable[ProviderTransaction]) -> None:
        """Let more rows be found."""
        for row in rows:
            self.free[row.external_id] = row
            self.by_money.setdefault(_money(row), {})[row.external_id] = row

    def drop(self, external_id: str) -> None:
        """Let a row be found no more."""
        row = self.free.pop(external_id, None)
        if row is not None:
            del self.by_money[_money(row)][external_id]

    def take(self, match: Match) -> None:
        """Keep a pair whose new row is `to_id`, which is free no more."""
        self.result.found.append(match)
        self.drop(match.to_id)


def match_rows(
    pending: Collection[StoredRow],
    near: Collection[StoredRow],
    said: AccountRows,
    new_ids: Collection[str],
    merchant_keys: Mapping[str, str],
    *,
    shown_again: Collection[str] = (),
    origin: ImportId | None = None,
    coverage: Coverage = NO_COVERAGE,
) -> Matches:
    """Find which rows of a run stand for which stored ones, and which pending rows are gone.

    In this order:

    1. The institution's own link from a posted row to the pending one it was.
    2. A pending row that the run no longer shows, or that had vanished lately, and a new posted row of exactly
       its amount, of the same day or up to `PENDING_MATCH_DAYS` later; of the same seller if it vanished earlier.
    3. A row that the run no longer shows, and a new one of the same day, amount and seller: its id changed. Or one
       that is shown again after it had given way: its id changed back.
    4. A row of a file and one of the connection, or of another file: see `match_same_purchase`.
    5. A vanished pending row and a new posted one of up to `TIP_PERCENT_MAX` more within `TIP_DAYS`: suggested.

    Each row gives way once, and stands for one other of its own source; a new row that succeeds a pending one may
    be what a file told of as well. A run shows a row no longer when it says that it removed it, or when a complete
    window of days lacks it.

    Args:
        pending: Stored pending rows without a successor, removed ones of late among them.
        near: Stored posted rows without a successor that have the amount of a new row, around its day.
        said: What the run says of the account.
        new_ids: External ids of the run's rows that the database does not have yet.
        merchant_keys: Seller key by external id, for the new rows and those shown again.
        shown_again: External ids of the run's posted rows that the database has, but counts no more.
        origin: The file that the run is an import of; None for a connection.
        coverage: Which days the connection and the files have told of.
    """
    if not pending and not near:
        return Matches()  # As for most accounts of most runs.
    new = [said.rows[key] for key in sorted(new_ids) if key in said.rows]
    account = _Account(said, merchant_keys, origin)
    account.add(row for row in new if not row.pending)
    pending_by_id = {row.external_id: row for row in pending if not row.decided}
    near = [row for row in near if row.external_id not in pending_by_id]
    _match_links(account, pending_by_id)
    # A file says nothing of what the connection shows as pending, nor the connection of what a file did.
    own = [row for row in pending if (row.import_id is None) is (origin is None)]
    account.result.gone = [row for row in own if row.decided and row.live and _is_gone(row, said)]
    vanished = [row for row in own if row.external_id in pending_by_id and _is_gone(row, said)]
    _match_vanished(account, vanished)
    again = [said.rows[key] for key in sorted(shown_again)]
    if origin is None:
        _match_changed_ids(account, [row for row in near if row.import_id is None and _is_gone(row, said)], again)
        _match_changed_pending_ids(account, vanished, [row for row in new if row.pending])
    taken = {match.from_id for match in account.result.found}
    renamed = {match.to_id for match in account.result.found if match.kind is MatchKind.CHANGED_ID}
    account.result.found += match_same_purchase(
        [row for row in (*new, *again) if not row.pending and row.external_id not in renamed],
        [row for row in (*near, *pending_by_id.values()) if row.external_id not in taken],
        merchant_keys, said.rows, origin=origin, coverage=coverage,
    )  # fmt: skip
    for match in account.result.found:
        account.drop(match.to_id)
        account.drop(match.from_id)
    left = [row for row in vanished if row.external_id not in {match.from_id for match in account.result.found}]
    _suggest_tips(account, [row for row in left if not row.suggested])
    account.result.gone += [row for row in left if row.live]
    return account.result


def shows_again(stored: StoredRow, said: ProviderTransaction, *, is_file: bool) -> bool:
    """Tell whether a row that counts no more counts again by being shown.

    A row of a file that gave way to a connection's says nothing new when the file comes again.
    """
    return not said.pending and not stored.live and not (is_file and stored.successor_id is not None)


def _is_gone(row: StoredRow, said: AccountRows) -> bool:
    """Tell whether the run no longer shows a stored row, or an earlier one did not."""
    if row.external_id in said.rows:
        return False
    return row.removed or row.external_id in said.removed or _lacks(said.window, row)


def _lacks(window: Window | None, row: StoredRow) -> bool:
    """Tell whether a complete window should show the row; a pending one that is older than it is gone as well."""
    if window is None or row.posted_on > window.last:
        return False
    return row.pending or row.posted_on >= window.first


def _match_links(account: _Account, pending_by_id: dict[str, StoredRow]) -> None:
    if not pending_by_id:
        return
    for row in account.said.rows.values():
        if not row.pending_external_id or row.pending or row.pending_external_id == row.external_id:
            continue
        pending = pending_by_id.get(row.pending_external_id)
        itself = account.said.rows.get(row.pending_external_id)
        if pending is not None and (itself is None or itself.pending):
            account.take(Match(pending.external_id, row.external_id, MatchKind.PENDING_LINK))
            del pending_by_id[row.pending_external_id]


def _match_vanished(account: _Account, vanished: Iterable[StoredRow]) -> None:
    # Those that counted until now first: they are what the new rows are likeliest to be.
    for pending in sorted(vanished, key=lambda row: (not row.live, row.posted_on, row.external_id)):
        latest = pending.posted_on + timedelta(days=PENDING_MATCH_DAYS)
        fitting = [
            row
            for row in account.free_of(pending)
            if not row.pending_external_id
            and pending.posted_on <= row.posted_on <= latest
            and (pending.live or account.merchant_keys.get(row.external_id) == pending.merchant_key)
        ]
        successor = min(fitting, key=lambda row: _distance(account.merchant_keys, pending, row), default=None)
        if successor is not None:
            account.take(Match(pending.external_id, successor.external_id, MatchKind.PENDING_EXACT))


def _match_changed_ids(account: _Account, missing: Iterable[StoredRow], again: Sequence[ProviderTransaction]) -> None:
    account.add(again)
    for stored in sorted(missing, key=lambda row: (row.posted_on, row.external_id)):
        successor = _renamed(account.merchant_keys, stored, account.free_of(stored))
        if successor is not None:
            account.take(Match(stored.external_id, successor.external_id, MatchKind.CHANGED_ID))
    for row in again:
        account.drop(row.external_id)


def _match_changed_pending_ids(
    account: _Account, vanished: Iterable[StoredRow], new: Sequence[ProviderTransaction]
) -> None:
    """Let a pending row that is still pending, under another id, go on under it."""
    taken = {match.from_id for match in account.result.found}
    waiting = _Account(account.said, account.merchant_keys, account.origin)
    waiting.add(new)
    for stored in sorted(vanished, key=lambda row: (row.posted_on, row.external_id)):
        successor = _renamed(account.merchant_keys, stored, waiting.free_of(stored))
        if successor is not None and stored.live and stored.external_id not in taken:
            waiting.drop(successor.external_id)
            account.result.found.append(Match(stored.external_id, successor.external_id, MatchKind.CHANGED_ID))


def _renamed(
    merchant_keys: Mapping[str, str], stored: StoredRow, rows: Iterable[ProviderTransaction]
) -> ProviderTransaction | None:
    """Return the row that is this one under another id, of those of its amount."""
    fitting = [row for row in rows if row.posted_on == stored.posted_on and _same_seller(merchant_keys, stored, row)]
    return min(fitting, key=lambda row: (row.description != stored.description, row.external_id), default=None)


def _suggest_tips(account: _Account, vanished: Iterable[StoredRow]) -> None:
    for pending in sorted(vanished, key=lambda row: (row.posted_on, row.external_id)):
        latest = pending.posted_on + timedelta(days=TIP_DAYS)
        fitting = [
            row
            for row in account.free.values()
            if not row.pending_external_id
            and row.currency == pending.currency
            and _is_tipped(pending.amount_minor, row.amount_minor)
            and pending.posted_on <= row.posted_on <= latest
        ]
        likely = min(fitting, key=lambda row: _distance(account.merchant_keys, pending, row), default=None)
        if likely is not None:
            account.take(Match(pending.external_id, likely.external_id, MatchKind.PENDING_TIP, certain=False))


def _is_tipped(authorized_minor: int, posted_minor: int) -> bool:
    if authorized_minor * posted_minor <= 0:
        return False
    return abs(authorized_minor) < abs(posted_minor) <= abs(authorized_minor) * (100 + TIP_PERCENT_MAX) / 100


def _money(row: StoredRow | ProviderTransaction) -> Money:
    return row.amount_minor, row.currency


def _same_seller(merchant_keys: Mapping[str, str], stored: StoredRow, row: ProviderTransaction) -> bool:
    """Tell whether both name one seller; where rows have no ids, a text that changed makes another row."""
    if stored.external_id.startswith(CONTENT_ID_PREFIX):
        return True
    return row.description == stored.description or merchant_keys.get(row.external_id) == stored.merchant_key


def _distance(
    merchant_keys: Mapping[str, str], pending: StoredRow, row: ProviderTransaction
) -> tuple[bool, date, int, str]:
    """Order candidates: the same seller first, then the nearest day, then the nearest amount."""
    other_seller = merchant_keys.get(row.external_id) != pending.merchant_key
    return other_seller, row.posted_on, abs(row.amount_minor), row.external_id


def match_same_purchase(
    rows: Sequence[ProviderTransaction],
    stored: Iterable[StoredRow],
    merchant_keys: Mapping[str, str],
    shown: Collection[str] = (),
    *,
    origin: ImportId | None,
    coverage: Coverage,
) -> list[Match]:
    """Find rows of a file and of the connection, or of two files, that are one purchase.

    Of the same amount, up to `SAME_PURCHASE_DAYS` apart, one to one, the nearest days and the same seller first.
    The connection's row stands, of two files' rows the one that was there. It is certain where each side has
    told of the other's day completely, so that a second purchase of that amount would have shown; else it is
    a suggestion: two purchases of one amount at the edge of what is known may well be two.

    Args:
        rows: New rows, of the file `origin` or of the connection (None).
        stored: Stored rows without a successor, pending ones among them.
        merchant_keys: Seller key by external id, for the new rows.
        shown: External ids that the new rows' run shows: a stored row among them is a purchase of its own there.
        origin: Where the new rows are from.
        coverage: Which days the connection and the files have told of.
    """
    candidates: dict[Money, list[StoredRow]] = {}
    for other in stored:
        # A row of this very source gave way to it already: that is the purchase it stands for.
        is_taken = not other.stands_for.isdisjoint(shown)
        if other.live and other.external_id not in shown and other.import_id != origin and not is_taken:
            candidates.setdefault(_money(other), []).append(other)
    pairs = sorted(
        (
            (abs((row.posted_on - other.posted_on).days), merchant_keys.get(row.external_id) != other.merchant_key,
             other.posted_on, other.external_id, row.external_id, row, other)
            for row in rows
            for other in candidates.get(_money(row), ())
            if abs((row.posted_on - other.posted_on).days) <= SAME_PURCHASE_DAYS
        ),
        key=lambda pair: pair[:5],
    )  # fmt: skip
    used: set[str] = set()
    found: list[Match] = []
    for *_, row, other in pairs:
        if row.external_id in used or other.external_id in used:
            continue
        used |= {row.external_id, other.external_id}
        certain = coverage.holds(other.import_id, row.posted_on) and coverage.holds(origin, other.posted_on)
        gives_way = (other, row) if origin is None else (row, other)
        found.append(
            Match(gives_way[0].external_id, gives_way[1].external_id, MatchKind.SAME_PURCHASE, certain=certain)
        )
    return found
