"""What lines of some persons come to: the words that hold, what the database decided of them, and their sums.

Persons are in partitions by their numbers. All that is known of a person is in one of them, so each is added up by
itself, by whichever worker it falls to.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mintql.batch.log import SAID, unpack

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
NAMED = [("user_id", pa.int64()), ("month", pa.int32()), ("category_id", pa.int32()), ("currency", pa.int32())]
SUMS = pa.schema([*NAMED, *((name, pa.int64()) for name in FIGURES)])
"""As `monthly_spending` has them; months and currencies as numbers of `log`."""
PERSONS_PER_PARTITION = 500
"""Persons whose numbers fall into one partition: what the database is asked for and a worker adds up at once."""

_ROW = ["user_id", "account_id", "external_id"]


@dataclass(frozen=True, slots=True)
class Tables:
    """Where what the database says of persons lies: a folder of a pyarrow file system and the partitions in it.

    A partition that is not there has no accounts, so that its lines come to nothing.
    """

    files: Any
    folder: str
    partitions: AbstractSet[int]

    def accounts(self, partition: int) -> pa.Table:
        """Return the table `ACCOUNTS` of a partition."""
        return self._read(accounts_path(self.folder, partition))

    def decided(self, partition: int) -> pa.Table:
        """Return the table `DECIDED` of a partition."""
        return self._read(decided_path(self.folder, partition))

    def _read(self, path: str) -> pa.Table:
        with self.files.open_input_file(path) as opened:
            return pq.ParquetFile(opened).read(use_threads=False)


def partition_of(user_id: int) -> int:
    """Return the partition of a person."""
    return user_id // PERSONS_PER_PARTITION


def accounts_path(folder: str, partition: int) -> str:
    """Return where the table `ACCOUNTS` of a partition is."""
    return f"{folder}/accounts-{partition:012}.parquet"


def decided_path(folder: str, partition: int) -> str:
    """Return where the table `DECIDED` of a partition is."""
    return f"{folder}/decided-{partition:012}.parquet"


def sums_of(lines: pa.Table, accounts: pa.Table, decided: pa.Table) -> pa.Table:
    """Return the sums of `SUMS` that lines come to, given all lines of these persons and all tables of them."""
    words = (
        lines.join(accounts, ["user_id", "connection_id", "account"], join_type="inner", use_threads=False)
        .group_by(_ROW, use_threads=False)
        .aggregate([("said", "max")])
    )
    said = unpack(words["said_max"].combine_chunks()).flatten()
    rows = pa.table([*words.select(_ROW).columns, *said], names=[*_ROW, *(f"said_{name}" for name in SAID.names)])
    rows = rows.join(decided, _ROW, join_type="left outer", use_threads=False)
    return _added(rows.filter(pc.coalesce(rows["counts"], pc.invert(rows["said_pending"]))))


def _added(rows: pa.Table) -> pa.Table:
    pending, excluded = rows["said_pending"], pc.fill_null(rows["excluded"], False)
    posted = pc.invert(pending)
    rest_minor = pc.subtract_checked(rows["said_amount_minor"], pc.fill_null(rows["rest_minor"], 0))
    amount_minor = pc.coalesce(rows["part_minor"], rest_minor)
    figures = (
        _where(posted, amount_minor),
        _where(pending, amount_minor),
        pc.cast(posted, pa.int64()),
        pc.cast(pending, pa.int64()),
        _where(pc.and_(posted, excluded), amount_minor),
        _where(pc.and_(pending, excluded), amount_minor),
    )
    category_id = pc.coalesce(rows["category_id"], rows["said_category_id"])
    counted = pa.table([rows["user_id"], rows["said_month"], category_id, rows["said_currency"], *figures], schema=SUMS)
    totals = counted.group_by(list(KEY), use_threads=False).aggregate([(name, "sum") for name in FIGURES])
    return totals.select([*KEY, *(f"{name}_sum" for name in FIGURES)]).rename_columns(SUMS.names).cast(SUMS)


def _where(condition: pa.Array, amount_minor: pa.Array) -> pa.Array:
    return pc.if_else(condition, amount_minor, pa.scalar(0, pa.int64()))
