"""Imports as GraphQL shows them."""

from __future__ import annotations

from datetime import date, datetime
from enum import Enum
from typing import Any

import strawberry
from strawberry.schema.exception_handlers import ExceptionHandler

from mintql.api.accounts import Account, load_accounts
from mintql.api.categories import Category, category_node
from mintql.api.context import Context, Info
from mintql.api.errors import Error
from mintql.api.imports_inputs import MAPPING_WORDS, DecimalSign, Delimiter
from mintql.api.money import Money, money, money_or_none
from mintql.api.nodes import Node, encode_id, register_node
from mintql.api.scalars import BigInt, CurrencyCode
from mintql.api.sync import SyncRun, load_runs
from mintql.api.transactions import Transaction, load_transactions
from mintql.domain.categories import CategoryTree
from mintql.domain.ids import AccountId, ImportId, TransactionId
from mintql.domain.institutions import AccountKind, RejectedRow
from mintql.institutions.files.base import FileKind, FileUnreadable
from mintql.institutions.files.csv_mapping import CsvMapping
from mintql.institutions.files.dates import DateOrder
from mintql.institutions.files.options import ReadOptions
from mintql.institutions.imported import FileAccount
from mintql.services.imports_preview import Duplicate, Previewed, PreviewedRow, PreviewedStatement
from mintql.store import imports as store
from mintql.store.imports import ImportRow


@strawberry.type(name="FileUnreadable", description="The file as a whole cannot be read; the message says what to do.")
class FileUnreadableError(Error):
    """See `institutions.files.base.FileUnreadable`."""


class _FileUnreadableHandler(ExceptionHandler[FileUnreadable, FileUnreadableError]):
    def handle(self, exception: FileUnreadable, *, field: Any, info: Any) -> FileUnreadableError:  # noqa: ARG002
        return FileUnreadableError(code=exception.code, message=exception.message, field=exception.field or "file")


IMPORT_HANDLERS: tuple[ExceptionHandler[Any, Any], ...] = (_FileUnreadableHandler(),)


@strawberry.enum(description="What became of a file.")
class ImportState(Enum):
    """Values of `file_imports.state`."""

    PREVIEWED = strawberry.enum_value("previewed", description="It waits to be confirmed, corrected or discarded.")
    CONFIRMED = strawberry.enum_value("confirmed", description="It was taken in; `run` says how far that is.")
    DISCARDED = strawberry.enum_value("discarded", description="It was not taken in and is gone.")
    UNDONE = strawberry.enum_value("undone", description="It was taken in, and what it added was taken back.")


@strawberry.type(description="A file that the viewer imported, or may yet.")
class Import(Node):
    """An import as shown; make it with `import_node`."""

    import_id: strawberry.Private[ImportId]
    state: ImportState = strawberry.field(description="What became of it.")
    file_name: str = strawberry.field(description="The name it came with.")
    kind: FileKind = strawberry.field(description="What sort of file it is.")
    size_bytes: BigInt = strawberry.field(description="Its size in bytes.")
    created_at: datetime = strawberry.field(description="When it came.")
    decided_at: datetime | None = strawberry.field(description="When it was confirmed, discarded or undone.")

    @strawberry.field(description="The run that brings it in; `syncProgress` follows it. Null before it is confirmed.")
    async def run(self, info: Info) -> SyncRun | None:
        return await info.context.loader(load_import_runs).load(self.import_id)


async def load_import_runs(context: Context, import_ids: list[ImportId]) -> list[SyncRun | None]:
    """Return the runs that bring the viewer's files in, in the order of the ids."""
    async with context.person() as conn:
        runs = await store.runs_of(conn, context.user_id, import_ids)
    shown = await load_runs(context, [run.run_id for run in runs.values()])
    found = dict(zip(runs, shown, strict=True))
    return [found.get(import_id) for import_id in import_ids]


def import_node(row: ImportRow) -> Import:
    """Return an import as GraphQL shows it."""
    return Import(
        id=encode_id("Import", row.import_id),
        import_id=row.import_id,
        state=ImportState(row.state),
        file_name=row.file_name,
        kind=FileKind(row.kind),
        size_bytes=BigInt(row.size_bytes),
        created_at=row.created_at,
        decided_at=row.decided_at,
    )


async def load_imports(context: Context, numbers: list[int]) -> list[Import | None]:
    """Return the viewer's imports in the order of the ids, None for ids that are not theirs."""
    wanted = [ImportId(number) for number in numbers]
    async with context.person() as conn:
        rows = await store.by_ids(conn, context.user_id, wanted)
    return [import_node(rows[import_id]) if import_id in rows else None for import_id in wanted]


register_node("Import", load_imports)


def _column(name: str) -> Any:
    return strawberry.field(description=MAPPING_WORDS[name])


@strawberry.type(name="CsvMapping", description="How the columns of a table are read. Columns count from 0.")
class CsvMappingType:
    """See `files.csv_mapping.CsvMapping`."""

    delimiter: Delimiter = _column("delimiter")
    source: str = _column("source")
    header_line: int = _column("header_line")
    first_line: int = _column("first_line")
    headings: list[str] = _column("headings")
    date_column: int = _column("date_column")
    date_order: DateOrder = _column("date_order")
    other_date_columns: list[int] = _column("other_date_columns")
    amount_column: int | None = _column("amount_column")
    debit_column: int | None = _column("debit_column")
    credit_column: int | None = _column("credit_column")
    debit_is_negative: bool = _column("debit_is_negative")
    decimal: DecimalSign = _column("decimal")
    inverse_sign: bool = _column("inverse_sign")
    direction_column: int | None = _column("direction_column")
    balance_column: int | None = _column("balance_column")
    balance_proven: bool = _column("balance_proven")
    balance_is_owed: bool = _column("balance_is_owed")
    newest_first: bool = _column("newest_first")
    currency_column: int | None = _column("currency_column")
    currency: CurrencyCode | None = _column("currency")
    description_columns: list[int] = _column("description_columns")
    account_column: int | None = _column("account_column")
    id_column: int | None = _column("id_column")
    status_column: int | None = _column("status_column")


@strawberry.type(description="How a file is read, ready to be corrected and sent back. Null where nothing was said.")
class ImportOptions:
    """See `files.options.ReadOptions`."""

    kind: FileKind | None = strawberry.field(description="The sort of file.")
    encoding: str | None = strawberry.field(description="The encoding, where a person chose one.")
    currency: CurrencyCode | None = strawberry.field(description="The currency where the file names none.")
    date_order: DateOrder | None = strawberry.field(description="How dates of numbers only are meant.")
    decimal: DecimalSign | None = strawberry.field(description="The sign before the decimals.")
    inverse_sign: bool | None = strawberry.field(description="Whether the sign of every amount is turned around.")
    mapping: CsvMappingType | None = strawberry.field(description="How columns are read; null for other than tables.")


@strawberry.type(description="A transaction that a row of a file is, or may be.")
class ImportDuplicate:
    """See `services.imports_preview.Duplicate`."""

    transaction_id: strawberry.Private[TransactionId]
    why: str = strawberry.field(description="Why that is thought, as a sentence to show.")
    certain: bool = strawberry.field(
        description="Whether the row is taken for it. If not, the row goes in, and the two are suggested to be one."
    )

    @strawberry.field(description="The transaction that is there.")
    async def transaction(self, info: Info) -> Transaction | None:
        return await info.context.loader(load_transactions).load(self.transaction_id)


@strawberry.type(description="A row of a file as it would be read.")
class ImportRowPreview:
    """See `services.imports_preview.PreviewedRow`."""

    posted_on: date = strawberry.field(description="The booking date.")
    amount: Money = strawberry.field(description="The amount; negative for money out.")
    description: str = strawberry.field(description="The text.")
    pending: bool = strawberry.field(description="Whether it is not booked yet.")
    merchant: str = strawberry.field(description="The seller that the text names.")
    category: Category = strawberry.field(description="The category it would be put into.")
    duplicate_of: ImportDuplicate | None = strawberry.field(description="The transaction that it is already.")


@strawberry.type(description="An account that would be made.")
class ImportNewAccount:
    """See `institutions.imported.FileAccount`."""

    name: str = strawberry.field(description="Its name.")
    kind: AccountKind = strawberry.field(description="What sort of account it is.")
    currency: CurrencyCode | None = strawberry.field(description="Its currency; null where nothing says which.")


@strawberry.type(description="One account's part of a file.")
class ImportStatement:
    """See `services.imports_preview.PreviewedStatement`."""

    account_id: strawberry.Private[AccountId | None]
    place: int = strawberry.field(description="Which statement of the file it is, from 0.")
    name: str = strawberry.field(description="How the file names the account; empty where it does not.")
    kind: AccountKind = strawberry.field(description="What sort of account the file says it is.")
    currency: CurrencyCode | None = strawberry.field(description="The currency the file says.")
    take: bool = strawberry.field(description="Whether it would be taken in.")
    new_account: ImportNewAccount | None = strawberry.field(description="The account that would be made for it.")
    rows_total: int = strawberry.field(description="Rows that can be read.")
    new_rows: int = strawberry.field(description="Rows that would be added.")
    duplicates: int = strawberry.field(description="Rows that are there already.")
    rejected: int = strawberry.field(description="Rows that cannot be read.")
    first_day: date | None = strawberry.field(description="The first day it covers.")
    last_day: date | None = strawberry.field(description="The last day it covers.")
    balance: Money | None = strawberry.field(description="The closing balance, where the file tells it.")
    balance_on: date | None = strawberry.field(description="The day of that balance.")
    rows: list[ImportRowPreview] = strawberry.field(description="The first rows, as they would be read.")

    @strawberry.field(description="The account it would go into; null when a new one would be made.")
    async def account(self, info: Info) -> Account | None:
        return None if self.account_id is None else await info.context.loader(load_accounts).load(self.account_id)


@strawberry.type(description="A row of a file that cannot be read.")
class ImportRejectedRow:
    """See `domain.institutions.RejectedRow`."""

    line: int | None = strawberry.field(description="The line it stands in, where that is known.")
    reason: str = strawberry.field(description="Why it cannot be read.")
    excerpt: str = strawberry.field(description="Its beginning.")


@strawberry.type(description="What a file would bring. Nothing of it is taken in yet, unless `import` says so.")
class ImportPreview:
    """See `services.imports_preview.Previewed`."""

    import_: Import = strawberry.field(
        name="import", description="The import: confirm, correct or discard it by its id."
    )
    encoding: str = strawberry.field(description="The encoding it was read in.")
    evidence: list[str] = strawberry.field(description="What was found out and why, as sentences to show.")
    unsure: list[str] = strawberry.field(description="What the person should look at before confirming.")
    options: ImportOptions = strawberry.field(description="How it is read.")
    statements: list[ImportStatement] = strawberry.field(description="The accounts of the file.")
    rejected: list[ImportRejectedRow] = strawberry.field(description="The first rows that cannot be read.")
    rejected_total: int = strawberry.field(description="How many rows cannot be read; the others go in.")
    notices: list[str] = strawberry.field(description="What the reader has to say about the file.")


def preview_node(previewed: Previewed) -> ImportPreview:
    """Return a preview as GraphQL shows it."""
    return ImportPreview(
        import_=import_node(previewed.row),
        encoding=previewed.encoding,
        evidence=list(previewed.evidence),
        unsure=list(previewed.unsure),
        options=_options(previewed.options),
        statements=[_statement(previewed.tree, statement) for statement in previewed.statements],
        rejected=[_rejected(row) for row in previewed.rejected],
        rejected_total=previewed.rejected_total,
        notices=list(previewed.notices),
    )


def _options(options: ReadOptions) -> ImportOptions:
    return ImportOptions(
        kind=options.kind,
        encoding=options.encoding or None,
        currency=_currency(options.currency),
        date_order=options.date_order,
        decimal=DecimalSign(options.decimal) if options.decimal else None,
        inverse_sign=options.inverse_sign,
        mapping=None if options.mapping is None else _mapping(options.mapping),
    )


def _mapping(mapping: CsvMapping) -> CsvMappingType:
    values = {name: value for name, value in mapping.to_json().items() if name in MAPPING_WORDS}
    values |= {
        "delimiter": Delimiter(mapping.delimiter),
        "decimal": DecimalSign(mapping.decimal),
        "date_order": mapping.date_order,
        "currency": _currency(mapping.currency),
    }
    return CsvMappingType(**values)


def _currency(code: str) -> CurrencyCode | None:
    return CurrencyCode(code) if code else None


def _statement(tree: CategoryTree, shown: PreviewedStatement) -> ImportStatement:
    said, plan = shown.said, shown.plan
    return ImportStatement(
        account_id=shown.account_id,
        place=plan.place,
        name=said.account_external_id,
        kind=said.account_kind,
        currency=_currency(said.currency),
        take=plan.take,
        new_account=_new_account(plan.account) if plan.account is not None and shown.account_id is None else None,
        rows_total=shown.rows_total,
        new_rows=shown.new_rows if plan.take else 0,
        duplicates=shown.duplicates,
        rejected=shown.rejected,
        first_day=said.first_day,
        last_day=said.last_day,
        balance=money_or_none(said.balance_minor, said.currency) if said.currency else None,
        balance_on=said.balance_on,
        rows=[_row(tree, row) for row in shown.rows],
    )


def _new_account(account: FileAccount) -> ImportNewAccount:
    return ImportNewAccount(name=account.name, kind=account.kind, currency=_currency(account.currency))


def _row(tree: CategoryTree, row: PreviewedRow) -> ImportRowPreview:
    return ImportRowPreview(
        posted_on=row.posted_on,
        amount=money(row.amount_minor, row.currency),
        description=row.description,
        pending=row.pending,
        merchant=row.merchant,
        category=category_node(tree, row.category_id),
        duplicate_of=None if row.duplicate is None else _duplicate(row.duplicate),
    )


def _duplicate(found: Duplicate) -> ImportDuplicate:
    return ImportDuplicate(transaction_id=found.transaction_id, why=found.why, certain=found.certain)


def _rejected(row: RejectedRow) -> ImportRejectedRow:
    return ImportRejectedRow(line=row.position if row.position > 0 else None, reason=row.reason, excerpt=row.excerpt)
