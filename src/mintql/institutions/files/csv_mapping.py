"""How a table's columns are read: found out by `delimited_mapping`, corrected and remembered by the person."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from mintql.domain.errors import InvalidInput
from mintql.institutions.files.dates import DateOrder
from mintql.institutions.files.json_fields import JsonFields

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
DECIMALS = (".", ",")
COLUMNS_MAX = 200
FIRST_LINE_MAX = 10_000
HEADING_CHARACTERS_MAX = 100
SOURCES = ("", "firefly", "mint", "ynab", "actual", "revolut")


@dataclass(frozen=True, slots=True)
class CsvMapping:
    """How a table is read. Columns count from 0, lines from 1; `evidence` says in words why, `unsure` what to look at.

    The person corrects it by replacing fields. `header_line` is 0 where no line names the columns; rows begin in
    `first_line`, and where a file's headings stand in another line, as many lines behind them. `encoding` is the
    one that was found, no more than evidence for the next file. `currency` stands where no column or sign beside
    an amount names one. Rows without a date in its column take it from `other_date_columns`. `debit_is_negative`
    tells that money out is written below zero in a column of its own, `credit_is_negative` that money in is. What
    stands in `fee_column` is taken from the account beside the amount. `balance_is_owed` tells a card's balance that
    grows with each purchase. `source` names the budget program whose export this is, "" for any other table.
    """

    encoding: str
    delimiter: str
    source: str = ""
    header_line: int = 0
    first_line: int = 1
    headings: tuple[str, ...] = ()
    date_column: int = 0
    date_order: DateOrder = DateOrder.YMD
    other_date_columns: tuple[int, ...] = ()
    amount_column: int | None = None
    debit_column: int | None = None
    credit_column: int | None = None
    debit_is_negative: bool = False
    credit_is_negative: bool = False
    fee_column: int | None = None
    decimal: str = "."
    inverse_sign: bool = False
    direction_column: int | None = None
    balance_column: int | None = None
    balance_proven: bool = False
    balance_is_owed: bool = False
    newest_first: bool = False
    currency_column: int | None = None
    currency: str = ""
    description_columns: tuple[int, ...] = ()
    account_column: int | None = None
    id_column: int | None = None
    status_column: int | None = None
    evidence: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` takes: everything but the words about it."""
        told = (one.name for one in fields(self) if one.name not in {"evidence", "unsure"})
        values = ((name, getattr(self, name)) for name in told)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values}

    @classmethod
    def from_json(cls, value: object, *, within: str = "mapping") -> CsvMapping:
        """Return the mapping that `to_json` gave, or that a person wrote; what is left out has its default.

        Raises:
            InvalidInput: An unknown field or a value that cannot be, with the field's name.
        """
        said = JsonFields(value, within)
        last = COLUMNS_MAX - 1
        mapping = cls(
            encoding=said.encoding("encoding"),
            delimiter=said.choice("delimiter", tuple(DELIMITERS)),
            source=said.choice("source", SOURCES, default=""),
            header_line=said.number("header_line", FIRST_LINE_MAX) or 0,
            first_line=said.number("first_line", FIRST_LINE_MAX, least=1) or 1,
            headings=said.texts("headings", COLUMNS_MAX, HEADING_CHARACTERS_MAX),
            date_column=said.number("date_column", last) or 0,
            date_order=DateOrder(said.choice("date_order", tuple(DateOrder), default=DateOrder.YMD)),
            other_date_columns=said.numbers("other_date_columns", COLUMNS_MAX),
            debit_is_negative=said.flag("debit_is_negative") or False,
            credit_is_negative=said.flag("credit_is_negative") or False,
            fee_column=said.number("fee_column", last),
            decimal=said.choice("decimal", DECIMALS, default="."),
            inverse_sign=said.flag("inverse_sign") or False,
            balance_proven=said.flag("balance_proven") or False,
            balance_is_owed=said.flag("balance_is_owed") or False,
            newest_first=said.flag("newest_first") or False,
            currency=said.currency("currency"),
            description_columns=said.numbers("description_columns", COLUMNS_MAX),
            amount_column=said.number("amount_column", last),
            debit_column=said.number("debit_column", last),
            credit_column=said.number("credit_column", last),
            direction_column=said.number("direction_column", last),
            balance_column=said.number("balance_column", last),
            currency_column=said.number("currency_column", last),
            account_column=said.number("account_column", last),
            id_column=said.number("id_column", last),
            status_column=said.number("status_column", last),
        )
        said.no_others()
        if mapping.amount_column is None and mapping.debit_column is None and mapping.credit_column is None:
            name = f"{within}.amount_column"
            raise InvalidInput("Say in which column amounts stand, or in which money out and money in.", field=name)
        if mapping.header_line and mapping.first_line <= mapping.header_line:
            raise InvalidInput(
                f"Rows begin behind the headings of line {mapping.header_line}, not in line {mapping.first_line}.",
                field=f"{within}.first_line",
            )
        return mapping
