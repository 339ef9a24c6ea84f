"""Files of the raw log as columns: which row a line is of, and what it says of it as a value that sorts by its weight.

A value of `said` begins with eight bytes by which a word that holds is greater than those before it, whatever file it
stands in; what follows is what counts of the line. So an engine finds the word that holds as a plain maximum.
"""

from __future__ import annotations

import array
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from mintql.domain.ids import UserId
from mintql.domain.merchant_memory import remembered
from mintql.domain.money import parse_minor
from mintql.services.categorize import Clues, default_categorizer

LINES = pa.schema(
    [
        ("user_id", pa.int64()),
        ("connection_id", pa.int64()),
        ("account", pa.string()),
        ("external_id", pa.string()),
        ("said", pa.binary()),
    ]
)
"""`account` is the institution's name of it, or `=` and the number of one that is there."""
SAID = pa.schema(
    [
        ("amount_minor", pa.int64()),
        ("month", pa.int32()),
        ("category_id", pa.int32()),
        ("currency", pa.int32()),
        ("pending", pa.bool_()),
    ]
)
"""What a value of `said` holds behind its weight: `month` counts from year 0, `currency` is `currency_number`."""

BLOCK_BYTES = 16 * 1024 * 1024
"""Read at once of one file. The larger, the fewer times a seller that repeats is looked up."""
REMEMBERED_MAX = 2_000_000
"""Sellers that a process remembers of one kind of other clues, some 150 bytes each; most lines are of few kinds."""
KINDS_MAX = 10_000
"""Kinds of other clues that a process remembers sellers of."""
_WEIGHT_BYTES = 8
_SETTLED_SHIFT, _VERSION_SHIFT = 62, 14
_PENDING_BIT = 1 << 24
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_TYPES = {
    "user_id": pa.int64(), "seller": pa.dictionary(pa.int32(), pa.string()), "amount": pa.string(),
    "currency": pa.dictionary(pa.int32(), pa.string()), "connection_id": pa.int64(), "account": pa.string(),
    "external_id": pa.string(), "state": pa.dictionary(pa.int32(), pa.string()),
    "merchant_category_code": pa.dictionary(pa.int32(), pa.string()), "version": pa.int64(), "attempt": pa.int64(),
    "amount_minor": pa.int64(), "category_code": pa.dictionary(pa.int32(), pa.string()), "account_id": pa.string(),
}  # fmt: skip
_OTHER_CLUES = ("currency", "merchant_category_code", "category_code")
_Kind = tuple[str, str, str, bool]
"""Clues beside the seller: currency, merchant category code, the institution's category, whether it is income."""


class _Decided(dict[str, int]):
    """Categories of sellers that were met with one kind of other clues; several threads look into it."""

    def __init__(self, kind: _Kind) -> None:
        super().__init__()
        self.kind = kind


_decided: dict[_Kind, _Decided] = {}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines are read: of one person or all (None), of no run that is left out or later than the last one."""

    user_id: UserId | None = None
    runs_left_out: Sequence[int] = field(default=())
    last_run: int = 2**48


def read_file(files: Any, path: str, wanted: Wanted) -> Iterator[pa.RecordBatch]:
    """Yield what a file says as batches of `LINES`. `files` is a pyarrow file system."""
    is_old = "/v1/" in path
    columns = [name for name in _TYPES if name != "amount" or is_old]
    month = month_number(path)
    with files.open_input_stream(path, compression="gzip") as stream:
        reader = csv.open_csv(
            stream,
            read_options=csv.ReadOptions(block_size=BLOCK_BYTES),
            parse_options=csv.ParseOptions(delimiter="\t", quote_char=False),
            convert_options=csv.ConvertOptions(
                column_types=_TYPES, include_columns=columns, include_missing_columns=is_old, strings_can_be_null=False
            ),
        )
        for batch in reader:
            kept = _sifted(batch, wanted)
            if kept.num_rows:
                yield _lines(kept, month)


def month_number(path: str) -> int:
    """Return the month of a file by its folder, `month=2026-11`, as the number of months since year 0."""
    found = re.search(r"/month=(\d{4})-(\d\d)/", path)
    if found is None:
        raise ValueError(f"{path!r} is no file of the raw log: it lies in no folder of a month")
    return int(found[1]) * 12 + int(found[2]) - 1


def currency_number(code: str) -> int:
    """Return the three letters of a currency as one number, below 2 to the power of 24."""
    return int.from_bytes(code.encode("ascii").ljust(3), "big")


def currency_code(number: int) -> str:
    """Return the letters of a currency by `currency_number`."""
    return number.to_bytes(3, "big").decode("ascii").rstrip()


def unpack(said: pa.Array) -> pa.StructArray:
    """Return what values of `said` hold, as a struct of `SAID`."""
    place = _WEIGHT_BYTES
    columns = []
    for width, kind in ((8, pa.int64()), (4, pa.int32()), (4, pa.int32()), (4, pa.int32())):
        part = pc.binary_slice(said, place, place + width)
        columns.append(part.cast(pa.binary(width)).view(kind))
        place += width
    amounts, months, categories, marks = columns
    currencies = pc.bit_wise_and(marks, pa.scalar(_PENDING_BIT - 1, pa.int32()))
    return pa.StructArray.from_arrays(
        [amounts, months, categories, currencies, pc.greater_equal(marks, _PENDING_BIT)], fields=list(SAID)
    )


def _sifted(batch: pa.RecordBatch, wanted: Wanted) -> pa.RecordBatch:
    """Drop what is not asked for; what was removed says nothing more than the database knows of the row."""
    keep = pc.invert(_by_values(batch.column("state"), lambda state: state == "removed", pa.bool_()))
    keep = pc.and_(keep, pc.less_equal(batch.column("version"), wanted.last_run))
    if wanted.runs_left_out:
        runs = pa.array(wanted.runs_left_out, pa.int64())
        keep = pc.and_(keep, pc.invert(pc.is_in(batch.column("version"), value_set=runs)))
    if wanted.user_id is not None:
        keep = pc.and_(keep, pc.equal(batch.column("user_id"), wanted.user_id))
    return batch if keep.true_count == len(keep) else batch.filter(keep)


def _lines(batch: pa.RecordBatch, month: int) -> pa.RecordBatch:
    amounts = batch.column("amount_minor")
    if amounts.null_count:  # An older file, which has decimals alone.
        pairs = zip(batch.column("amount").to_pylist(), batch.column("currency").to_pylist(), strict=True)
        amounts = pa.array([parse_minor(text, currency) for text, currency in pairs], pa.int64())
    pending = _by_values(batch.column("state"), lambda state: state == "pending", pa.bool_())
    currencies = _by_values(batch.column("currency"), currency_number, pa.int32())
    marks = pc.if_else(pending, pc.add(currencies, pa.scalar(_PENDING_BIT, pa.int32())), currencies)
    said = _joined(
        _weights(pending, batch.column("version"), batch.column("attempt")),
        amounts,
        pa.repeat(pa.scalar(month, pa.int32()), len(batch)),
        _categories(batch, amounts),
        marks,
    )
    return pa.record_batch(
        [
            batch.column("user_id"),
            batch.column("connection_id"),
            _account(batch),
            _unescaped(batch.column("external_id")),
            said,
        ],
        schema=LINES,
    )


def _weights(pending: pa.Array, versions: pa.Array, attempts: pa.Array) -> pa.Array:
    """Return by which a word is greater than another: settled before pending, then the later run and attempt."""
    settled = pc.shift_left(pc.cast(pc.invert(pending), pa.int64()), _SETTLED_SHIFT)
    run = pc.add(pc.shift_left(versions, _VERSION_SHIFT), attempts)
    numbers = pc.add(settled, run)
    swapped = array.array("q")
    swapped.frombytes(numbers.buffers()[1][numbers.offset * 8 : (numbers.offset + len(numbers)) * 8])
    if sys.byteorder == "little":
        swapped.byteswap()
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(swapped)])


def _joined(*columns: pa.Array) -> pa.Array:
    """Return the bytes of numbers of fixed width one behind the other."""
    parts = [column.view(pa.binary(column.type.bit_width // 8)).cast(pa.binary()) for column in columns]
    return pc.binary_join_element_wise(*parts, b"")


def _account(batch: pa.RecordBatch) -> pa.Array:
    names = _unescaped(batch.column("account"))
    numbers = batch.column("account_id")
    if numbers.null_count or not pc.any(pc.not_equal(numbers, "")).as_py():
        return names
    return pc.if_else(pc.equal(numbers, ""), names, pc.binary_join_element_wise("=", numbers, ""))


def _categories(batch: pa.RecordBatch, amounts: pa.Array) -> pa.Array:
    """Return the category of each line by what everybody knows, each distinct seller being asked for once."""
    sellers = batch.column("seller")
    kinds, remembered_by = _kinds(batch, amounts)
    numbers = pc.add(pc.multiply(kinds, len(sellers.dictionary)), _indices(sellers))
    distinct = numbers.dictionary_encode()
    kind_of = pc.divide(distinct.dictionary, max(len(sellers.dictionary), 1))
    places = pc.subtract(distinct.dictionary, pc.multiply(kind_of, len(sellers.dictionary)))
    names = sellers.dictionary.take(places).to_pylist()
    # A dictionary for each kind, looked into by the seller alone: building and hashing keys of all clues took longer
    # than the rest of this.
    decided = [
        found if (found := remembered_by[kind].get(name)) is not None else _decide(remembered_by[kind], name)
        for kind, name in zip(kind_of.to_pylist(), names, strict=True)
    ]
    return pa.array(decided, pa.int32()).take(distinct.indices)


def _kinds(batch: pa.RecordBatch, amounts: pa.Array) -> tuple[pa.Array, list[_Decided]]:
    """Return which of the combinations of the other clues each line has, and what is remembered of each of these."""
    clues = [batch.column(name) for name in _OTHER_CLUES]
    numbers = pc.cast(pc.greater(amounts, 0), pa.int64())
    for clue in clues:
        numbers = pc.add(pc.multiply(numbers, max(len(clue.dictionary), 1)), _indices(clue))
    kinds = numbers.dictionary_encode()
    if len(_decided) >= KINDS_MAX:
        _decided.clear()
    known = []
    for number in kinds.dictionary.to_pylist():
        texts, rest = [], number
        for clue in reversed(clues):
            rest, place = divmod(rest, max(len(clue.dictionary), 1))
            texts.append(clue.dictionary[place].as_py() if len(clue.dictionary) else "")
        code, mcc, currency = texts
        kind = (currency, mcc, code, bool(rest))
        known.append(_decided.setdefault(kind, _Decided(kind)))
    return pc.cast(kinds.indices, pa.int64()), known


def _indices(column: pa.DictionaryArray) -> pa.Array:
    """Return where in its dictionary each value stands; of a column that an older file lacks, 0."""
    return pc.fill_null(pc.cast(column.indices, pa.int64()), 0)


def _decide(known: _Decided, seller: str) -> int:
    if len(known) >= REMEMBERED_MAX:
        known.clear()
    currency, mcc, code, income = known.kind
    found = category_of(_plain(seller), _plain(currency), _plain(mcc), _plain(code), income=income)
    known[seller] = found
    return found


def category_of(description: str, currency: str, mcc: str, code: str, *, income: bool) -> int:
    """Return the category of a transaction by what everybody knows of it, as the ingestion finds it."""
    merchant = remembered(description)
    clues = Clues(merchant.key, 1 if income else -1, currency, mcc, code, merchant.domain)
    return default_categorizer().categorize(clues).category_id


def _by_values(column: pa.DictionaryArray, function: Any, kind: pa.DataType) -> pa.Array:
    """Apply a function to the distinct values of a column."""
    return pa.array([function(value) for value in column.dictionary.to_pylist()], kind).take(column.indices)


def _unescaped(column: pa.Array) -> pa.Array:
    if not pc.any(pc.match_substring(column, "\\")).as_py():
        return column
    return pa.array([_plain(text) for text in column.to_pylist()], pa.string())


def _plain(text: str) -> str:
    """Return a value as it was before it was escaped (`services.rawlog`)."""
    return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), text) if "\\" in text else text
