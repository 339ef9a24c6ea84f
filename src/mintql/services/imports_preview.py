"""What a file would bring: its rows as they would be read, and which of them are there already."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TypeAlias

from mintql.domain.categories import CategoryTree
from mintql.domain.ids import AccountId, CategoryId, ImportId, TransactionId, UserId
from mintql.domain.ingest import StoredRow, fold
from mintql.domain.institutions import AccountKind, ProviderTransaction, RejectedRow
from mintql.domain.matching import SAME_PURCHASE_DAYS, Coverage, match_same_purchase, with_run
from mintql.domain.merchant_memory import remembered
from mintql.domain.periods import Period
from mintql.domain.rules import RuleClues
from mintql.institutions.files.base import ParsedFile, Statement
from mintql.institutions.files.reading import PREVIEW_ROWS, Preview, ReadOptions
from mintql.institutions.imported import ImportPlan, StatementPlan, apply_plan, statements_of
from mintql.services.categorize import Clues, default_categorizer
from mintql.services.crowd import CrowdCache
from mintql.services.imports_reading import beside
from mintql.services.imports_targets import FILES, Targets
from mintql.services.knowledge import NOTHING_KNOWN, Knowledge, load_knowledge
from mintql.store import imports as store
from mintql.store import ingest as rows_store
from mintql.store.imports import ImportRow, TargetAccount
from mintql.store.queries import Conn

REJECTED_SHOWN_MAX = 20
NO_ACCOUNT = AccountId(0)
"""Stands for an account that is made when the file goes in: no rule can name it yet."""
STATEMENTS_SHOWN_MAX = 100
"""A file of more accounts than these is no person's; the others go in as well."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The transaction that a row is, or may be when it is not `certain`, and why that is thought."""

    transaction_id: TransactionId
    why: str
    certain: bool


@dataclass(frozen=True, slots=True)
class PreviewedRow:
    """A row as it would be read."""

    posted_on: date
    amount_minor: int
    currency: str
    description: str
    pending: bool
    merchant: str
    category_id: CategoryId
    duplicate: Duplicate | None


@dataclass(frozen=True, slots=True)
class PreviewedStatement:
    """A statement as it would go in: into `account_id`, or a new account where that is None.

    `rows` are the first ones. `rows_total` counts all that can be read, `new_rows` those that would be added.
    """

    plan: StatementPlan
    said: Statement
    account_id: AccountId | None
    account_name: str
    account_kind: AccountKind
    account_currency: str
    rows_total: int
    duplicates: int
    rejected: int
    rows: tuple[PreviewedRow, ...]

    @property
    def new_rows(self) -> int:
        """How many rows are not there yet."""
        return self.rows_total - self.duplicates


@dataclass(frozen=True, slots=True)
class Previewed:
    """An import that waits for its person: what was found out, how surely, and what would happen.

    Categories of rows are of the person's `tree`.
    """

    row: ImportRow
    tree: CategoryTree
    encoding: str
    evidence: tuple[str, ...]
    unsure: tuple[str, ...]
    options: ReadOptions
    statements: tuple[PreviewedStatement, ...]
    rejected: tuple[RejectedRow, ...]
    rejected_total: int
    notices: tuple[str, ...]


@dataclass(slots=True)
class _Part:
    """One statement of the plan with its rows by external id, and which of them are there already."""

    plan: StatementPlan
    said: Statement
    account: TargetAccount | None
    rows: dict[str, ProviderTransaction]
    rejected: int
    days: tuple[date, date] | None
    duplicates: dict[str, Duplicate]


BringBack: TypeAlias = Callable[[Conn, UserId, Period], Awaitable[int]]


async def build(
    conn: Conn,
    user_id: UserId,
    row: ImportRow,
    plan: ImportPlan,
    found: Preview,
    targets: Targets,
    bring_back: BringBack,
) -> Previewed:
    """Return what an import would do. Changes nothing, but that archived months of its days are brought back first."""
    parts = await beside(_parts, plan, found.parsed, targets.accounts)
    await _find_duplicates(
        conn, user_id, row.import_id, [part for part in parts if part.account is not None], bring_back
    )
    knowledge = await _knowledge(conn, user_id, parts)
    return Previewed(
        row=row,
        tree=knowledge.tree,
        encoding=found.parsed.encoding,
        evidence=tuple(dict.fromkeys((*found.evidence, *targets.evidence))),
        unsure=tuple(dict.fromkeys((*targets.unsure, *found.unsure))),
        options=found.options,
        statements=tuple(_statement(part, knowledge) for part in parts[:STATEMENTS_SHOWN_MAX]),
        rejected=found.parsed.rejected[:REJECTED_SHOWN_MAX],
        rejected_total=len(found.parsed.rejected),
        notices=found.parsed.notices,
    )


def _parts(plan: ImportPlan, parsed: ParsedFile, accounts: Sequence[TargetAccount]) -> list[_Part]:
    """Read each statement as it would go in, by itself."""
    statements = statements_of(parsed)
    by_id = {account.account_id: account for account in accounts}
    of_files = {account.external_id: account for account in accounts if account.institution_id == FILES}
    parts = []
    for planned in plan.statements:
        said = statements[planned.place]
        if not planned.take:
            parts.append(_Part(planned, said, None, {}, 0, None, {}))
            continue
        imported = apply_plan(replace(plan, statements=(planned,)), parsed)
        target = planned.target
        folded = fold([imported.page])
        account = by_id.get(planned.account_id) if planned.account_id is not None else of_files.get(target)
        rejected = sum(rejected.account_external_id == target for _, rejected in folded.rejected)
        told = folded.by_account.get(target)
        rows = {} if told is None else told.rows
        parts.append(_Part(planned, said, account, rows, rejected, imported.covered.get(target), {}))
    return parts


async def _find_duplicates(
    conn: Conn, user_id: UserId, import_id: ImportId, parts: Sequence[_Part], bring_back: BringBack
) -> None:
    days = [row.posted_on for part in parts for row in part.rows.values()]
    if not days:
        return
    accounts = sorted({part.account.account_id for part in parts if part.account is not None})
    margin = timedelta(days=SAME_PURCHASE_DAYS)
    around = Period(min(days) - margin, max(days) + margin)
    await bring_back(conn, user_id, around)
    stored = await store.rows_around(conn, user_id, accounts, around.first, around.last)
    covered = await rows_store.coverage(conn, [(user_id, account_id) for account_id in accounts])
    for part in parts:
        if part.account is None:
            continue
        coverage = with_run(covered[user_id, part.account.account_id], import_id, part.days, None)
        there = stored.get(part.account.account_id, ())
        part.duplicates = await beside(_duplicates, part.rows, there, import_id, coverage)


def _duplicates(
    rows: Mapping[str, ProviderTransaction], stored: Sequence[StoredRow], origin: ImportId, coverage: Coverage
) -> dict[str, Duplicate]:
    """Find the rows that are there: under their own id, or as the same purchase told by another source."""
    found: dict[str, Duplicate] = {}
    for there in stored:
        if there.external_id in rows and not there.removed:
            stands = there.successor_id or there.transaction_id
            found[there.external_id] = Duplicate(stands, "An earlier file brought this very row.", certain=True)
    by_id = {there.external_id: there for there in stored}
    amounts = {(there.amount_minor, there.currency) for there in stored}
    free = [
        row
        for external_id, row in rows.items()
        if external_id not in found and not row.pending and (row.amount_minor, row.currency) in amounts
    ]
    keys = {row.external_id: remembered(row.description).key for row in free}
    for match in match_same_purchase(free, stored, keys, rows, origin=origin, coverage=coverage):
        there = by_id[match.to_id]
        why = _why(there, rows[match.from_id].posted_on)
        found[match.from_id] = Duplicate(there.transaction_id, why, certain=match.certain)
    return found


def _why(there: StoredRow, day: date) -> str:
    source = "An earlier file" if there.import_id is not None else "The connection"
    apart = abs((there.posted_on - day).days)
    when = "on the same day" if apart == 0 else "a day apart" if apart == 1 else f"{apart} days apart"
    return f"{source} brought a transaction of the same amount {when}."


async def _knowledge(conn: Conn, user_id: UserId, parts: Iterable[_Part]) -> Knowledge:
    """Return what the person said of the sellers that are shown."""
    keys = {remembered(row.description).key for part in parts for row in _shown(part)}
    return (await load_knowledge(conn, [user_id], sorted(keys), CrowdCache())).get(user_id, NOTHING_KNOWN)


def _shown(part: _Part) -> Iterator[ProviderTransaction]:
    for _, row in zip(range(PREVIEW_ROWS), part.rows.values(), strict=False):
        yield row


def _statement(part: _Part, knowledge: Knowledge) -> PreviewedStatement:
    target = part.account or part.plan.account
    certain = sum(duplicate.certain for duplicate in part.duplicates.values())
    return PreviewedStatement(
        plan=part.plan,
        said=part.said,
        account_id=None if part.account is None else part.account.account_id,
        account_name="" if target is None else target.name,
        account_kind=part.said.account_kind if target is None else target.kind,
        account_currency=part.said.currency if target is None else target.currency,
        rows_total=len(part.rows) if part.plan.take else len(part.said.transactions),
        duplicates=certain,
        rejected=part.rejected,
        rows=tuple(_row(row, part, knowledge) for row in _shown(part)),
    )


def _row(row: ProviderTransaction, part: _Part, knowledge: Knowledge) -> PreviewedRow:
    merchant = remembered(row.description)
    mcc, category_code = row.merchant_category_code, row.category_code
    clues = Clues(merchant.key, row.amount_minor, row.currency, mcc, category_code, merchant.domain)
    account_id = NO_ACCOUNT if part.account is None else part.account.account_id
    rule_clues = RuleClues(account_id, merchant.key, row.description, row.amount_minor, row.currency)
    decision = knowledge.decide(default_categorizer(), rule_clues, clues)
    return PreviewedRow(
        posted_on=row.posted_on,
        amount_minor=row.amount_minor,
        currency=row.currency,
        description=row.description,
        pending=row.pending,
        merchant=decision.personal.display_name or default_categorizer().display_name(merchant, row.currency),
        category_id=decision.category.category_id,
        duplicate=part.duplicates.get(row.external_id),
    )
