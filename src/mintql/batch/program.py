"""The computation: the words that hold, what the database decided of them, sums by person, month, category, currency.

A program of Daft, which runs it in this process or on a Ray cluster. Its steps are two joins and two groupings, whose
keys begin with the person, so that persons can be spread over as many machines as there are.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import daft
import pyarrow as pa
import pyarrow.parquet as pq
from daft import DataType, col, lit
from daft.functions import when
from daft.io.source import DataSource, DataSourceTask
from daft.recordbatch import RecordBatch

from mintql.batch.log import LINES, SAID, Wanted, read_file, unpack

ACCOUNTS = pa.schema(
    [("user_id", pa.int64()), ("connection_id", pa.int64()), ("account", pa.string()), ("account_id", pa.int64())]
)
"""Which account lines speak of, by every name that it has or had."""
DECIDED = pa.schema(
    [
        ("user_id", pa.int64()),
        ("account_id", pa.int64()),
        ("external_id", pa.string()),
        ("counts", pa.bool_()),
        ("category_id", pa.int32()),
        ("part_minor", pa.int64()),
        ("rest_minor", pa.int64()),
        ("excluded", pa.bool_()),
    ]
)
"""What the database decided of a row: whether it counts, where it belongs (null: where the log says), whether budgets
leave it out. A split row has a line for each part, with its amount, and one for the rest: `rest_minor` is what the
parts take from its amount."""
KEY = ("user_id", "month", "category_id", "currency")
FIGURES = (
    "posted_minor", "pending_minor", "posted_count", "pending_count", "excluded_posted_minor", "excluded_pending_minor",
)  # fmt: skip
_NAMED = [("user_id", pa.int64()), ("month", pa.int32()), ("category_id", pa.int32()), ("currency", pa.int32())]
SUMS = pa.schema([*_NAMED, *((name, pa.int64()) for name in FIGURES)])
"""As `monthly_spending` has them; months and currencies as numbers of `log`."""
STORED = pa.schema([*_NAMED, *((f"stored_{name}", pa.int64()) for name in FIGURES)])
FILES_PER_TASK_MAX = 64
TASKS_MIN = 64
"""So many tasks at least, where there are as many files: enough for each worker to get its share of them."""

Reader = Callable[[str], Iterator[pa.RecordBatch]]


@dataclass(frozen=True, slots=True)
class _Task(DataSourceTask):
    """Some files, read one after the other by whichever worker it falls to."""

    paths: Sequence[str]
    reader: Reader
    columns: pa.Schema

    @property
    def schema(self) -> daft.Schema:
        return daft.Schema.from_pyarrow_schema(self.columns)

    async def read(self) -> AsyncIterator[RecordBatch]:
        for path in self.paths:
            for batch in self.reader(path):
                chosen = batch.select(self.columns.names)
                yield RecordBatch.from_arrow_record_batches([chosen], chosen.schema)


@dataclass(frozen=True, slots=True)
class Files(DataSource):
    """Files of one shape as a table; the engine may ask for some of their columns."""

    paths: Sequence[str]
    reader: Reader
    columns: pa.Schema

    @property
    def name(self) -> str:
        """What the engine's plans call it."""
        return "files"

    @property
    def schema(self) -> daft.Schema:
        """The columns of every file."""
        return daft.Schema.from_pyarrow_schema(self.columns)

    async def get_tasks(self, pushdowns: Any) -> AsyncIterator[DataSourceTask]:
        """Yield tasks of some files each."""
        names = self.columns.names if pushdowns.columns is None else pushdowns.columns
        wanted = pa.schema([item for item in self.columns if item.name in names])
        at_once = min(max(len(self.paths) // TASKS_MIN, 1), FILES_PER_TASK_MAX)
        for start in range(0, len(self.paths), at_once):
            yield _Task(self.paths[start : start + at_once], self.reader, wanted)


def read_parquet(files: Any, path: str) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a Parquet file. `files` is a pyarrow file system."""
    with files.open_input_file(path) as opened:
        yield from pq.ParquetFile(opened).iter_batches()


def log_lines(files: Any, paths: Sequence[str], wanted: Wanted) -> daft.DataFrame:
    """Return the lines of files of the raw log."""
    return Files(paths, partial(read_file, files, wanted=wanted), LINES).read()


def parquet_table(files: Any, paths: Sequence[str], columns: pa.Schema) -> daft.DataFrame:
    """Return the rows of Parquet files."""
    return Files(paths, partial(read_parquet, files), columns).read()


@daft.func.batch(return_dtype=DataType.struct({item.name: DataType.from_arrow_type(item.type) for item in SAID}))
def _unpacked(said: daft.Series) -> pa.StructArray:
    values = said.to_arrow()
    return unpack(values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values)


def sums(lines: daft.DataFrame, accounts: daft.DataFrame, decided: daft.DataFrame) -> daft.DataFrame:
    """Return the sums of `SUMS` that these lines come to, as `monthly_spending` has them."""
    row = ["user_id", "account_id", "external_id"]
    rows = (
        lines.join(accounts, on=["user_id", "connection_id", "account"])
        .groupby(*row)
        .agg(col("said").max())
        .with_column("what", _unpacked(col("said")))
        .select(*row, *(col("what").get(name).alias(f"said_{name}") for name in SAID.names))
        .join(decided, on=row, how="left")
        .where(col("counts").fill_null(~col("said_pending")))
    )
    amount = col("part_minor").fill_null(col("said_amount_minor") - col("rest_minor").fill_null(0))
    counted = rows.select(
        "user_id",
        col("said_month").alias("month"),
        col("category_id").fill_null(col("said_category_id")).alias("category_id"),
        col("said_currency").alias("currency"),
        col("said_pending").alias("pending"),
        col("excluded").fill_null(lit(False)).alias("excluded"),
        amount.alias("amount_minor"),
    )
    totals = counted.groupby(*KEY, "pending", "excluded").agg(
        col("amount_minor").sum().alias("minor"), col("amount_minor").count().cast(DataType.int64()).alias("count")
    )
    return _by_state(totals)


def _by_state(totals: daft.DataFrame) -> daft.DataFrame:
    """Put what is posted, pending, and left out by budgets beside each other."""

    def where(condition: Any, column: str, name: str) -> Any:
        return when(condition, col(column)).otherwise(0).sum().cast(DataType.int64()).alias(name)

    pending, excluded = col("pending"), col("excluded")
    return totals.groupby(*KEY).agg(
        where(~pending, "minor", "posted_minor"),
        where(pending, "minor", "pending_minor"),
        where(~pending, "count", "posted_count"),
        where(pending, "count", "pending_count"),
        where(~pending & excluded, "minor", "excluded_posted_minor"),
        where(pending & excluded, "minor", "excluded_pending_minor"),
    )


def differences(computed: daft.DataFrame, stored: daft.DataFrame) -> daft.DataFrame:
    """Return where the two differ, both beside each other; a sum that one of them lacks is all noughts there."""
    both = computed.join(stored, on=list(KEY), how="outer")
    both = both.with_columns({name: col(name).fill_null(0) for item in (SUMS, STORED) for name in item.names[4:]})
    differs = lit(False)
    for name in FIGURES:
        differs |= col(name) != col(f"stored_{name}")
    return both.where(differs)
