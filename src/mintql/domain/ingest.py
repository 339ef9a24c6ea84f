"""How what an institution says becomes rows: folding pages, naming rows, merging what changed.

Pure functions, used by the ingestion and, on its own, by the replay that checks it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from mintql.domain.ids import CategoryId, ImportId, TransactionId
from mintql.domain.institutions import ParsedPage, ProviderAccount, ProviderTransaction, RejectedRow, Window
from mintql.domain.money import AMOUNT_MINOR_MAX
from mintql.domain.months import YEAR_MAX, YEAR_MIN

EXTERNAL_ID_CHARACTERS_MAX = 255
DESCRIPTION_CHARACTERS_MAX = 1_000
MERCHANT_CATEGORY_CODE_CHARACTERS_MAX = 20
CATEGORY_CODE_CHARACTERS_MAX = 100
EXCERPT_CHARACTERS_MAX = 200
_MCC = "mcc:"
CONTENT_ID_PREFIX = "content:"
"""Begins the ids of rows that the institution gives none, which are made of their content."""


@dataclass(slots=True)
class AccountRows:
    """What a run says of one account: its rows by external id, what was taken back, the days covered.

    `pages` gives the number of the page that had the last word on a row. `fingerprints` are those of the rows, made
    once by who first asks for them (`services.fingerprints`).
    """

    rows: dict[str, ProviderTransaction] = field(default_factory=dict)
    pages: dict[str, int] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    window: Window | None = None
    fingerprints: dict[str, tuple[int, int]] = field(default_factory=dict)

    def say(self, rows: Iterable[ProviderTransaction], page: int) -> None:
        """Let a page have the last word on rows so far, and its own last word on those that it names twice."""
        named = {row.external_id: row for row in rows}
        self.removed -= named.keys()
        for known in self.rows.keys() & named.keys():
            del self.rows[known]
        self.rows.update(named)
        self.pages.update(dict.fromkeys(named, page))


@dataclass(slots=True)
class Folded:
    """A whole run, its pages laid over each other in order."""

    accounts: dict[str, ProviderAccount] = field(default_factory=dict)
    by_account: dict[str, AccountRows] = field(default_factory=dict)
    rejected: list[tuple[int, RejectedRow]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def rows_of(self, account_id: str) -> AccountRows:
        """Return what the run says of an account, which may be nothing so far."""
        found = self.by_account.get(account_id)
        if found is None:
            found = self.by_account[account_id] = AccountRows()
        return found

    def rows_total(self) -> int:
        """Return how many transactions the run holds."""
        return sum(len(account.rows) for account in self.by_account.values())


@dataclass(frozen=True, slots=True)
class Personal:
    """What a person wrote onto a transaction, None where nothing: it moves along to the row that succeeds theirs.

    The three lists of parts belong together: each part's category, signed amount and note. `display_name` takes the
    place of the seller's; `excluded_from_budgets` may be False where a person overrules a rule of theirs.
    """

    note: str | None = None
    tags: tuple[str, ...] | None = None
    part_category_ids: tuple[CategoryId, ...] | None = None
    part_amounts_minor: tuple[int, ...] | None = None
    part_notes: tuple[str, ...] | None = None
    display_name: str | None = None
    excluded_from_budgets: bool | None = None

    def in_currency(self, before: str, now: str) -> Personal:
        """Return this for a row whose currency changes: parts of an amount in another one mean nothing."""
        if before == now:
            return self
        return replace(self, part_category_ids=None, part_amounts_minor=None, part_notes=None)

    def over(self, other: Personal) -> Personal:
        """Return this with what it lacks taken from `other`; a split is taken whole or not at all."""
        split = self if self.part_category_ids is not None else other
        return Personal(
            other.note if self.note is None else self.note,
            other.tags if self.tags is None else self.tags,
            split.part_category_ids,
            split.part_amounts_minor,
            split.part_notes,
            other.display_name if self.display_name is None else self.display_name,
            other.excluded_from_budgets if self.excluded_from_budgets is None else self.excluded_from_budgets,
        )


NOTHING_PERSONAL = Personal()


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A transaction as the database has it.

    `import_id` is the file it came with, None for a connection's. `stands_for` holds the external ids of rows that
    gave way to it, directly or through others; `decided` says that the person said that it gives way to none, and
    `suggested` that it is up to them whether it does.
    """

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
    institution_code: str = ""
    successor_id: TransactionId | None = None
    removed: bool = False
    import_id: ImportId | None = None
    personal: Personal = NOTHING_PERSONAL
    stands_for: frozenset[str] = frozenset()
    decided: bool = False
    suggested: bool = False

    @property
    def live(self) -> bool:
        """Whether the row counts: neither superseded nor taken back."""
        return self.successor_id is None and not self.removed


def institution_code(said: ProviderTransaction) -> str:
    """Return what the institution said of the kind of seller, as it is kept: "mcc:5812", "pfc:...", or both so."""
    return joined_code(said.merchant_category_code, said.category_code)


def joined_code(merchant_category_code: str, category_code: str) -> str:
    """Return a merchant category code and an institution's own category, either may be empty, as they are kept."""
    mcc = f"{_MCC}{merchant_category_code}" if merchant_category_code else ""
    return f"{mcc} {category_code}".strip()


def institution_codes(code: str) -> tuple[str, str]:
    """Return the merchant category code and the institution's own category that `institution_code` joined."""
    first, _, rest = code.partition(" ")
    if first.startswith(_MCC):
        return first.removeprefix(_MCC), rest
    return "", code


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
        for account_id, rows in _by_account(_fit(page.transactions, number, folded.rejected)).items():
            named = [row if row.external_id else _name_by_content(row, counters) for row in rows]
            folded.rows_of(account_id).say(named, number)
        for account_id, external_id in page.removed:
            account_rows = folded.by_account.setdefault(account_id, AccountRows())
            account_rows.rows.pop(external_id, None)
            account_rows.removed.add(external_id)
            if not account_id:
                _drop_anywhere(folded, external_id)
        for window in page.windows:
            folded.by_account.setdefault(window.account_external_id, AccountRows()).window = window
        folded.rejected.extend((number, rejected) for rejected in page.rejected)
        folded.notices += [notice for notice in page.notices if notice not in folded.notices]
    _spread_removed(folded)
    unreadable = {rejected.account_external_id for _, rejected in folded.rejected}
    for account_id, account_rows in folded.by_account.items():
        _drop_superseded(account_rows)
        if not complete or account_id in unreadable or "" in unreadable:
            account_rows.window = None
    return folded


def _drop_anywhere(folded: Folded, external_id: str) -> None:
    """Drop a row that the institution took back without saying of which account."""
    for account_rows in folded.by_account.values():
        account_rows.rows.pop(external_id, None)


def _spread_removed(folded: Folded) -> None:
    """Let rows that were taken back without an account be looked for in every account of the run."""
    nowhere = folded.by_account.pop("", None)
    for external_id in nowhere.removed if nowhere else ():
        for account_id in folded.accounts:
            account_rows = folded.by_account.setdefault(account_id, AccountRows())
            if external_id not in account_rows.rows:
                account_rows.removed.add(external_id)


def _fit(
    rows: Sequence[ProviderTransaction], page: int, rejected: list[tuple[int, RejectedRow]]
) -> Sequence[ProviderTransaction]:
    """Return the rows of a page that an institution can mean; put the others aside."""
    if not rows or _all_fit(rows):
        return rows
    fit = []
    for place, row in enumerate(rows):
        reason = unfit(row)
        if reason is None:
            fit.append(row)
            continue
        excerpt = _printable(row.description)[:EXCERPT_CHARACTERS_MAX]
        rejected.append((page, RejectedRow(-1 - place, reason, excerpt, row.account_external_id)))
    return fit


def _all_fit(rows: Sequence[ProviderTransaction]) -> bool:
    """Tell by one look at each column whether nothing can be wrong with any row, as is the rule."""
    _, ids, days, amounts, _, descriptions, _, pending_ids, _, merchant_codes, codes = zip(*rows, strict=True)
    return (
        max(map(len, ids)) <= EXTERNAL_ID_CHARACTERS_MAX
        and max(map(len, pending_ids)) <= EXTERNAL_ID_CHARACTERS_MAX
        and max(map(len, descriptions)) <= DESCRIPTION_CHARACTERS_MAX
        and max(map(len, merchant_codes)) <= MERCHANT_CATEGORY_CODE_CHARACTERS_MAX
        and max(map(len, codes)) <= CATEGORY_CODE_CHARACTERS_MAX
        and "".join((*ids, *pending_ids, *descriptions, *merchant_codes, *codes)).isprintable()
        and min(amounts) >= -AMOUNT_MINOR_MAX
        and max(amounts) <= AMOUNT_MINOR_MAX
        and all(YEAR_MIN <= year <= YEAR_MAX for year in {day.year for day in days})
    )


def _by_account(rows: Iterable[ProviderTransaction]) -> dict[str, list[ProviderTransaction]]:
    found: dict[str, list[ProviderTransaction]] = {}
    for row in rows:
        found.setdefault(row.account_external_id, []).append(row)
    return found


def unfit(row: ProviderTransaction) -> str | None:
    """Return why a row cannot be what an institution means, None when it can."""
    for name, text, most in (
        ("id", row.external_id, EXTERNAL_ID_CHARACTERS_MAX),
        ("pending id", row.pending_external_id, EXTERNAL_ID_CHARACTERS_MAX),
        ("text", row.description, DESCRIPTION_CHARACTERS_MAX),
        ("merchant category code", row.merchant_category_code, MERCHANT_CATEGORY_CODE_CHARACTERS_MAX),
        ("category", row.category_code, CATEGORY_CODE_CHARACTERS_MAX),
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
    return row._replace(external_id=f"{CONTENT_ID_PREFIX}{digest}:{counters[key]}")


def _drop_superseded(account: AccountRows) -> None:
    linked = [row.pending_external_id for row in account.rows.values() if row.pending_external_id and not row.pending]
    for pending_id in linked:
        pending = account.rows.get(pending_id)
        if pending is not None and pending.pending:
            del account.rows[pending_id]


def merge(
    stored: StoredRow,
    said: ProviderTransaction,
    merchant: str,
    merchant_key: str,
    *,
    stays_superseded: bool = False,
) -> StoredRow | None:
    """Return the stored row as it should be after what the institution says now; None when nothing changes.

    A posted row never becomes pending again, nor does a superseded one count again as pending: such words come
    from an older page. A superseded row that is posted under its own id was no forerunner of the row it was
    taken for, and counts again; but a row of a file (`stays_superseded`) that gave way to the connection's says
    nothing new when the file is imported once more. The category stays, whoever chose it; only a row without one
    may get one by its new text, which is the caller's to look up.
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
        institution_code=institution_code(said) or stored.institution_code,
        successor_id=stored.successor_id if stays_superseded else None,
        removed=False,
        personal=stored.personal.in_currency(stored.currency, said.currency),
    )
    return None if now == stored else now
