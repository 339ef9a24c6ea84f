"""What a person says about a file they import: the file, how it is read, where it goes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from enum import Enum
from typing import Any, NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

from mintql.api.multipart import UploadedFile
from mintql.api.nodes import decode_id
from mintql.api.scalars import CurrencyCode
from mintql.domain.errors import InvalidInput
from mintql.domain.ids import AccountId
from mintql.domain.institutions import AccountKind
from mintql.domain.wording import shown
from mintql.institutions.files.base import FileKind
from mintql.institutions.files.dates import DateOrder
from mintql.services.imports_targets import Correction, NewAccount

Upload = NewType("Upload", UploadedFile)


def _parse_upload(value: object) -> UploadedFile:
    if not isinstance(value, UploadedFile):
        raise InvalidInput(
            f"{shown(value)} is no file: send the request as multipart/form-data, with null in the variable and the "
            "file as a part (GraphQL multipart request specification)."
        )
    return value


def _never_written(_value: object) -> object:
    raise TypeError("a file is never part of an answer")


_definition: ScalarDefinition = strawberry.scalar(
    name="Upload",
    description="A file, sent as a part of a form beside the request (GraphQL multipart request specification).",
    parse_value=_parse_upload,
    serialize=_never_written,
)
IMPORT_SCALARS: Mapping[object, ScalarDefinition] = {Upload: _definition}

strawberry.enum(FileKind, description="What sort of file it is.")
strawberry.enum(DateOrder, description="What stands first, second and third in a date of numbers only.")


@strawberry.enum(description="The sign that stands before the decimals of an amount.")
class DecimalSign(Enum):
    """Values of `ReadOptions.decimal`."""

    POINT = strawberry.enum_value(".", description="12.50")
    COMMA = strawberry.enum_value(",", description="12,50")


@strawberry.enum(description="What stands between the columns of a table.")
class Delimiter(Enum):
    """Values of `CsvMapping.delimiter`."""

    COMMA = strawberry.enum_value(",", description="A comma.")
    SEMICOLON = strawberry.enum_value(";", description="A semicolon.")
    TAB = strawberry.enum_value("\t", description="A tabulator.")
    BAR = strawberry.enum_value("|", description="A vertical bar.")


MAPPING_WORDS: Mapping[str, str] = {
    "delimiter": "What stands between the columns.",
    "source": "The budget program whose export it is: mint, ynab, actual or firefly; empty for any other table.",
    "header_line": "The line with the headings, from 1; 0 where no line names the columns.",
    "first_line": "The line in which transactions begin, from 1. Lines before it are about the account.",
    "headings": "The headings, as they are told apart.",
    "date_column": "Where the date stands.",
    "date_order": "How dates of numbers only are meant.",
    "other_date_columns": "Where a row's date is taken from when its column is empty.",
    "amount_column": "Where the signed amount stands, if money out and money in share a column.",
    "debit_column": "Where money out stands.",
    "credit_column": "Where money in stands.",
    "debit_is_negative": "Whether money out is written below zero in its own column.",
    "decimal": "The sign before the decimals.",
    "inverse_sign": "Whether money out is written above zero in the one column of amounts.",
    "direction_column": "Where a word says whether money went out or came in.",
    "balance_column": "Where the running balance stands.",
    "balance_proven": "Whether the amounts were found to make up the running balance.",
    "balance_is_owed": "Whether the balance is a debt that grows with each purchase.",
    "newest_first": "Whether the newest transaction stands first.",
    "currency_column": "Where a row's currency stands.",
    "currency": "The currency where no column names one.",
    "description_columns": "The columns that make up the text, in this order.",
    "account_column": "Where a row's account stands.",
    "id_column": "Where the bank's id of a row stands.",
    "status_column": "Where it says whether a row is booked or pending.",
}


def _said(name: str) -> Any:
    return strawberry.field(default=strawberry.UNSET, description=MAPPING_WORDS[name])


@strawberry.input(description="How the columns of a table are read. Columns count from 0, lines from 1.")
class CsvMappingInput:
    """See `files.csv_mapping.CsvMapping`."""

    delimiter: Delimiter = strawberry.field(description=MAPPING_WORDS["delimiter"])
    date_column: int = strawberry.field(description=MAPPING_WORDS["date_column"])
    source: str | None = _said("source")
    header_line: int | None = _said("header_line")
    first_line: int | None = _said("first_line")
    headings: list[str] | None = _said("headings")
    date_order: DateOrder | None = _said("date_order")
    other_date_columns: list[int] | None = _said("other_date_columns")
    amount_column: int | None = _said("amount_column")
    debit_column: int | None = _said("debit_column")
    credit_column: int | None = _said("credit_column")
    debit_is_negative: bool | None = _said("debit_is_negative")
    decimal: DecimalSign | None = _said("decimal")
    inverse_sign: bool | None = _said("inverse_sign")
    direction_column: int | None = _said("direction_column")
    balance_column: int | None = _said("balance_column")
    balance_proven: bool | None = _said("balance_proven")
    balance_is_owed: bool | None = _said("balance_is_owed")
    newest_first: bool | None = _said("newest_first")
    currency_column: int | None = _said("currency_column")
    currency: CurrencyCode | None = _said("currency")
    description_columns: list[int] | None = _said("description_columns")
    account_column: int | None = _said("account_column")
    id_column: int | None = _said("id_column")
    status_column: int | None = _said("status_column")


@strawberry.input(description="How a file is to be read. What is left out is found out, or stays as it was.")
class ImportOptionsInput:
    """See `files.options.ReadOptions`."""

    kind: FileKind | None = strawberry.field(
        default=strawberry.UNSET, description="The sort of file, instead of what it looks like."
    )
    encoding: str | None = strawberry.field(
        default=strawberry.UNSET, description="The encoding of its letters, e.g. utf-8, cp1252 or gb18030."
    )
    currency: CurrencyCode | None = strawberry.field(
        default=strawberry.UNSET, description="The currency, for files that name none."
    )
    date_order: DateOrder | None = strawberry.field(
        default=strawberry.UNSET, description="How dates of numbers only are meant."
    )
    decimal: DecimalSign | None = strawberry.field(
        default=strawberry.UNSET, description="The sign before the decimals of amounts."
    )
    inverse_sign: bool | None = strawberry.field(
        default=strawberry.UNSET, description="Whether to turn the sign of every amount around."
    )
    mapping: CsvMappingInput | None = strawberry.field(
        default=strawberry.UNSET, description="How the columns of a table are read; null to find it out anew."
    )


@strawberry.input(description="An account to make for a statement.")
class NewAccountInput:
    """See `services.imports_targets.NewAccount`."""

    name: str = strawberry.field(description="Its name.")
    kind: AccountKind = strawberry.field(description="What sort of account it is.")
    currency: CurrencyCode = strawberry.field(description="The currency it is held in.")


@strawberry.input(description="Where a statement of the file is to go.")
class ImportStatementInput:
    """See `services.imports_targets.Correction`."""

    place: int = strawberry.field(description="Which statement: its `place` in the preview.")
    account_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="The account it goes into, of a live connection or of earlier files."
    )
    new_account: NewAccountInput | None = strawberry.field(
        default=strawberry.UNSET, description="A new account it goes into, instead of one that is there."
    )
    take: bool | None = strawberry.field(default=strawberry.UNSET, description="Whether to take it in at all.")


def options_said(options: ImportOptionsInput | None) -> dict[str, Any]:
    """Return the fields of `ReadOptions` that a person gave a value."""
    return {} if options is None else _values(options)


def corrections_said(statements: list[ImportStatementInput]) -> list[Correction]:
    """Return what a person says of the statements; raise `InvalidInput` for an id that is none."""
    return [
        Correction(
            place=said.place,
            account_id=AccountId(decode_id("Account", said.account_id, field="accountId")) if said.account_id else None,
            new_account=NewAccount(said.new_account.name, said.new_account.kind, said.new_account.currency)
            if said.new_account
            else None,
            take=None if said.take is strawberry.UNSET else said.take,
        )
        for said in statements
    ]


@contextmanager
def naming_fields() -> Iterator[None]:
    """Let refusals of options name the field as this API does."""
    try:
        yield
    except InvalidInput as refused:
        if refused.field is not None:
            refused.field = re.sub(r"_([a-z])", lambda found: found[1].upper(), refused.field)
        raise


def _values(said: object) -> dict[str, Any]:
    found = {}
    for field in fields(said):  # type: ignore[arg-type] # Inputs are dataclasses.
        value = getattr(said, field.name)
        if value is strawberry.UNSET:
            continue
        if isinstance(value, CsvMappingInput):
            value = {name: item for name, item in _values(value).items() if item is not None}
        found[field.name] = value.value if isinstance(value, Enum) else value
    return found
