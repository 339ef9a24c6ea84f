"""The computation: the words that hold, what the database decided of them, sums by person, month, category, currency.

A program of Daft, which runs it in this process or on a Ray cluster: it has the files read by whoever is free, brings
the lines of each partition of the persons together, and has each added up (`partitions`), on as many machines as there
are.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import daft
import pyarrow as pa
import pyarrow.parquet as pq
from daft import DataType, col, lit
from daft.io.source import DataSource, DataSourceTask
from daft.recordbatch import RecordBatch

from mintql.batch.log import LINES, Wanted, read_file
from mintql.batch.partitions import (
    FIGURES,
    KEY,
    NAMED,
    PERSONS_PER_PARTITION,
    SUMS,
    Tables,
    partition_of,
    sums_of,
)

STORED = pa.schema([*NAMED, *((f"stored_{name}", pa.int64()) for name in FIGURES)])
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
            batches = self.reader(path)
            # In a thread: all tasks of a process share one loop, which would read one file at a time.
            while (batch := await asyncio.to_thread(next, batches, None)) is not None:
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


def sums(lines: daft.DataFrame, tables: Tables) -> daft.DataFrame:
    """Return the sums of `SUMS` that these lines come to, as `monthly_spending` has them."""

    @daft.func.batch(return_dtype=DataType.struct({item.name: DataType.from_arrow_type(item.type) for item in SUMS}))
    def summed(*columns: daft.Series) -> pa.Array:
        table = pa.table([column.to_arrow() for column in columns], names=LINES.names).cast(LINES)
        # The engine also asks for what nothing comes to.
        partition = partition_of(table["user_id"][0].as_py()) if len(table) else -1
        if partition not in tables.partitions:
            return SUMS.empty_table().to_struct_array().combine_chunks()
        found = sums_of(table, tables.accounts(partition), tables.decided(partition))
        return found.to_struct_array().combine_chunks()

    partitions = lines.with_column("partition", col("user_id") // PERSONS_PER_PARTITION).groupby("partition")
    return partitions.map_groups(summed(*(col(name) for name in LINES.names)).alias("sums")).select(
        col("sums").unnest()
    )


def differences(computed: daft.DataFrame, stored: daft.DataFrame) -> daft.DataFrame:
    """Return where the two differ, both beside each other; a sum that one of them lacks is all noughts there."""
    both = computed.join(stored, on=list(KEY), how="outer")
    both = both.with_columns({name: col(name).fill_null(0) for item in (SUMS, STORED) for name in item.names[4:]})
    differs = lit(False)
    for name in FIGURES:
        differs |= col(name) != col(f"stored_{name}")
    return both.where(differs)
