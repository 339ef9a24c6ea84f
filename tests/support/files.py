"""Reading tables with options written as words, and what tests ask of a read file."""

from __future__ import annotations

from mintql.domain.institutions import ProviderTransaction
from mintql.institutions.files import delimited
from mintql.institutions.files.base import ParsedFile
from mintql.institutions.files.csv_mapping import CsvMapping
from mintql.institutions.files.options import ReadOptions


def read_table(content: bytes, mapping: CsvMapping | None = None, **options) -> ParsedFile:
    return delimited.read(content, ReadOptions(mapping=mapping, **options))


def detect_table(content: bytes, **options) -> CsvMapping:
    return delimited.detect(content, ReadOptions(**options))


def rows_of(parsed: ParsedFile) -> list[ProviderTransaction]:
    return [row for statement in parsed.statements for row in statement.transactions]


def amounts_of(parsed: ParsedFile) -> list[int]:
    return [row.amount_minor for row in rows_of(parsed)]
