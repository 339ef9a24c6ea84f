"""What a person may say about how a file is to be read, and how that is kept for the next file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mintql.institutions.files.base import FileKind
from mintql.institutions.files.csv_mapping import DECIMALS, CsvMapping
from mintql.institutions.files.dates import DateOrder
from mintql.institutions.files.json_fields import JsonFields


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """Corrections to what is found out about a file. Whatever is left empty or None is found out.

    `kind` is taken instead of the one that the content looks like. `encoding` is any that
    `decoding.codec_of` knows. `currency` is the account's: it counts where the file names none, or only a sign that
    several currencies share. `date_order` counts in QIF and tables, whose dates can be read in several ways.
    `decimal` is "." or ",": how amounts are meant that can be read in two ways. `inverse_sign` True turns the
    sign of every amount around, for banks that write money out above zero; balances stay as they are, except in
    tables. `mapping` counts in tables; the other options outrank what it says.
    """

    kind: FileKind | None = None
    encoding: str = ""
    currency: str = ""
    date_order: DateOrder | None = None
    decimal: str = ""
    inverse_sign: bool | None = None
    mapping: CsvMapping | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` takes."""
        return {
            "kind": self.kind.value if self.kind else None,
            "encoding": self.encoding,
            "currency": self.currency,
            "date_order": self.date_order.value if self.date_order else None,
            "decimal": self.decimal,
            "inverse_sign": self.inverse_sign,
            "mapping": self.mapping.to_json() if self.mapping else None,
        }

    @classmethod
    def from_json(cls, value: object) -> ReadOptions:
        """Return the options that `to_json` gave, or that a person wrote; fields may be left out.

        Raises:
            InvalidInput: An unknown field or a value that cannot be, with the field's name, e.g. "mapping.decimal".
        """
        said = JsonFields(value, "")
        kind = said.choice("kind", tuple(FileKind), default="")
        order = said.choice("date_order", tuple(DateOrder), default="")
        mapping = said.take("mapping")
        options = cls(
            kind=FileKind(kind) if kind else None,
            encoding=said.encoding("encoding"),
            currency=said.currency("currency"),
            date_order=DateOrder(order) if order else None,
            decimal=said.choice("decimal", ("", *DECIMALS), default=""),
            inverse_sign=said.flag("inverse_sign"),
            mapping=CsvMapping.from_json(mapping) if mapping is not None else None,
        )
        said.no_others()
        return options


AS_FOUND = ReadOptions()
"""Everything is found out."""
