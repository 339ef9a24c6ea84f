"""How what an institution says becomes rows: folding pages, naming rows, linking pending to posted.

Pure functions, used by the ingestion and, on its own, by the replay that checks it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from mintql.domain.ids import CategoryId, TransactionId
from mintql.domain.institutions import ParsedPage, ProviderAccount, ProviderTransaction, RejectedRow, Window
from mintql.domain.money import AMOUNT_MINOR_MAX
from mintql.domain.months import YEAR_MAX, YEAR_MIN

EXTERNAL_ID_CHARACTERS_MAX = 255
DESCRIPTION_CHARACTERS_MAX = 1_000
MERCHANT_CATEGORY_CODE_CHARACTERS_MAX = 20
EXCERPT_CHARACTERS_MAX = 200
PENDING_MATCH_DAYS = 7
"""A pending row that has vanished is taken to be a new posted one of the same amount this many days later."""


@dataclass(slots=True)
class AccountRows:
    """What a run says of one account: its rows by external id, what was taken back, the days covered.

    `pages` gives the number of the page that had the last word on a row.
    """

    rows: dict[str, ProviderTransaction] = field(default_factory=dict)
    pages: dict[str, int] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    window: Window | None = None


@dataclass(slots=True)
class Folded:
    """A whole run, its pages laid over each other in order."""

    accounts: dict[str, ProviderAccount] = field(default_factory=dict)
    by_account: dict[str, AccountRows] = field(default_factory=dict)
    rejected: list[tuple[int, RejectedRow]] = field(default_factory=list)

    def rows_total(self) -> int:
        """Return how many transactions the run holds."""
        return sum(len(account.rows) for account in self.by_account.values())


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A transaction as the database has it."""

    transaction_id: TransactionId
    external_id: str
    posted_on: date
    amount_minor: int
    currency: str
    pending: bool
    description: str
    merchant: str
    merchant_key: str
    category_id: CategoryId
    category_source: str
    category_detail: str
    successor_id: TransactionId | None = None
    removed: bool = False

    @property
    def live(self) -> bool:
        """Whether the row counts: neither superseded nor taken back."""
        return self.successor_id is None and not self.removed


def fold(pages: Iterable[ParsedPage], *, complete: bool = True) -> Folded:
    """Lay the pages of one run over each other: of rows with one id the last page's word holds.

    A page that comes twice changes nothing. A pending row whose posted successor is in the same run is
    dropped, so that the two are never both counted. Rows without an id get one made of their content and
    how many equal rows came before. A row that no institution can mean, by its date, amount or text, is
    rejected. Where a row of an account could not be read, or, with `complete` False, a page of the run, no
    window is taken for complete: what it seems to lack may be there.
    """
    folded = Folded()
    counters: Counter[tuple[str, str]] = Counter()
    for number, page in enumerate(pages):
        for account in page.accounts:
            folded.accounts[account.external_id] = account
        for place, row in enumerate(page.transactions):
            reason = unfit(row)
            if reason is not None:
                excerpt = _printable(row.description)[:EXCERPT_CHARACTERS_MAX]
                rejected = RejectedRow(-1 - place, reason, excerpt, row.account_external_id)
                folded.rejected.append((number, rejected))
                continue
            named = row if row.external_id else _name_by_content(row, counters)
            account_rows = folded.by_account.setdefault(row.account_external_id, AccountRows())
            account_rows.removed.discard(named.external_id)
            account_rows.rows.pop(named.external_id, None)
            account_rows.rows[named.external_id] = named
            account_rows.pages[named.external_id] = number
        for account_id, external_id in page.removed:
            account_rows = folded.by_account.setdefault(account_id, AccountRows())
            account_rows.rows.pop(external_id, None)
            account_rows.removed.add(external_id)
        for window in page.windows:
            folded.by_account.setdefault(window.account_external_id, AccountRows()).window = window
        folded.rejected.extend((number, rejected) for rejected in page.rejected)
    unreadable = {rejected.account_external_id for _, rejected in folded.rejected}
    for account_id, account_rows in folded.by_account.items():
        _drop_superseded(account_rows)
        if not complete or account_id in unreadable or "" in unreadable:
            account_rows.window = None
    return folded


def unfit(row: ProviderTransaction) -> str | None:
    """Return why a row cannot be what an institution means, None when it can."""
    for name, text, most in (
        ("id", row.external_id, EXTERNAL_ID_CHARACTERS_MAX),
        ("pending id", row.pending_external_id, EXTERNAL_ID_CHARACTERS_MAX),
        ("text", row.description, DESCRIPTION_CHARACTERS_MAX),
        ("merchant category code", row.merchant_category_code, MERCHANT_CATEGORY_CODE_CHARACTERS_MAX),
    ):
        if len(text) > most:
            return f"its {name} has {len(text)} characters, more than {most}"
        if text != _printable(text):
            return f"its {name} holds characters that no text can have"
    if abs(row.amount_minor) > AMOUNT_MINOR_MAX:
        return "its amount is beyond what an account can hold"
    if not YEAR_MIN <= row.posted_on.year <= YEAR_MAX:
        return f"its date {row.posted_on} is not between {YEAR_MIN} and {YEAR_MAX}"
    return None


def _printable(text: str) -> str:
    """Return the text without what neither UTF-8 nor PostgreSQL can hold: NUL and lone surrogates."""
    return text.replace("\0", "").encode("utf-8", "ignore").decode()


def _name_by_content(row: ProviderTransaction, counters: Counter[tuple[str, str]]) -> ProviderTransaction:
    parts = (row.posted_on.isoformat(), str(row.amount_minor), row.currency, row.description)
    digest = hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]
    key = (row.account_external_id, digest)
    counters[key] += 1
    return replace(row, external_id=f"content:{digest}:{counters[key]}")


def _drop_superseded(account: AccountRows) -> None:
    linked = [row.pending_external_id for row in account.rows.values() if not row.pending]
    for pending_id in linked:
        pending = account.rows.get(pending_id)
        if pending is not None and pending.pending:
            del account.rows[pending_id]


def match_pending(
    stored_pending: Iterable[StoredRow],
    account: AccountRows,
    new_ids: Collection[str],
    merchant_keys: Mapping[str, str],
) -> tuple[dict[str, StoredRow], list[StoredRow]]:
    """Find which posted rows succeed which stored pending rows, and which pending rows are gone.

    By the institution's link where it gives one. Else a pending row that a complete window no longer shows
    is claimed by a new posted row of exactly its amount, of the same day or up to `PENDING_MATCH_DAYS`
    later, one to one; the same seller and the nearer day go first. A pending row that a complete window no
    longer shows, and that nothing claims, is gone. A window reaches back far enough that a pending row older
    than it is gone as well.

    Args:
        stored_pending: Pending rows of the account that the database has; of those not live only links count.
        account: The run's rows of the account.
        new_ids: External ids of the run's rows that the database does not have yet.
        merchant_keys: Seller key by external id, for the new rows.

    Returns:
        The pending row by the external id of its posted successor, and the pending rows that are gone.
    """
    pending_by_id = {row.external_id: row for row in stored_pending if row.successor_id is None}
    claimed: dict[str, StoredRow] = {}
    for row in account.rows.values():
        if not row.pending and row.pending_external_id != row.external_id:
            pending = pending_by_id.get(row.pending_external_id)
            itself = account.rows.get(row.pending_external_id)
            if pending is not None and pending.pending and (itself is None or itself.pending):
                claimed[row.external_id] = pending
                del pending_by_id[row.pending_external_id]
    if account.window is None:
        return claimed, []
    missing = [
        row
        for row in pending_by_id.values()
        if row.live and row.pending and row.external_id not in account.rows and row.posted_on <= account.window.last
    ]
    free = [account.rows[new_id] for new_id in new_ids if new_id in account.rows and new_id not in claimed]
    gone: list[StoredRow] = []
    for pending in sorted(missing, key=lambda row: (row.posted_on, row.external_id)):
        successor = _nearest(pending, free, merchant_keys)
        if successor is None:
            gone.append(pending)
        else:
            claimed[successor.external_id] = pending
            free.remove(successor)
    return claimed, gone


def _nearest(
    pending: StoredRow, free: Iterable[ProviderTransaction], merchant_keys: Mapping[str, str]
) -> ProviderTransaction | None:
    latest = pending.posted_on + timedelta(days=PENDING_MATCH_DAYS)
    fitting = [
        row
        for row in free
        if not row.pending
        and not row.pending_external_id
        and row.amount_minor == pending.amount_minor
        and row.currency == pending.currency
        and pending.posted_on <= row.posted_on <= latest
    ]
    return min(
        fitting,
        key=lambda row: (merchant_keys.get(row.external_id) != pending.merchant_key, row.posted_on, row.external_id),
        default=None,
    )


def merge(stored: StoredRow, said: ProviderTransaction, merchant: str, merchant_key: str) -> StoredRow | None:
    """Return the stored row as it should be after what the institution says now; None when nothing changes.

    A posted row never becomes pending again, nor does a superseded one count again as pending: such words come
    from an older page. A superseded row that is posted under its own id was no forerunner of the row it was
    taken for, and counts again. The category stays, whoever chose it; only a row without one may get one by
    its new text, which is the caller's to look up.
    """
    if said.pending and (stored.successor_id is not None or not stored.pending):
        return None
    now = replace(
        stored,
        posted_on=said.posted_on,
        amount_minor=said.amount_minor,
        currency=said.currency,
        pending=said.pending,
        description=said.description,
        merchant=merchant,
        merchant_key=merchant_key,
        successor_id=None,
        removed=False,
    )
    return None if now == stored else now
