"""What the database decided of rows of the raw log: the tables `partitions.ACCOUNTS` and `partitions.DECIDED`.

Amounts, days, currencies and texts come from the log alone, and so does the category, by what everybody knows. Taken
from the database is what no institution said: which account a name means, which rows do not count (superseded, taken
back) and which pending ones do, what a person split or left out of budgets, and the category where it is another one
than everybody's knowledge gives: by hand, by rule, by memory, by the crowd, for a transfer, or kept from earlier words,
because nothing already categorized is categorized again on its own. Archived months say the same of their rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mintql.batch.log import category_of, currency_number
from mintql.batch.partitions import ACCOUNTS, DECIDED, accounts_path, decided_path, partition_of
from mintql.batch.program import STORED
from mintql.domain.archive import counts
from mintql.domain.ids import UserId
from mintql.domain.ingest import institution_codes
from mintql.gateways.objects import ObjectStore
from mintql.services.archive import load
from mintql.services.imports_targets import FILES
from mintql.store import batch as store
from mintql.store.batch import BatchSum, RowClues
from mintql.store.queries import Conn

Line = tuple[Any, ...]


@dataclass(slots=True)
class Decisions:
    """Partitions whose tables were written, runs whose lines say nothing, and how many rows were decided by what."""

    partitions: set[int] = field(default_factory=set)
    runs_left_out: list[int] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)


async def export(
    conn: Conn, objects: ObjectStore, files: Any, folder: str, user_ids: Sequence[UserId], into: Decisions
) -> None:
    """Write what was decided for the persons of one partition into a folder of a pyarrow file system."""
    partition = partition_of(user_ids[0])
    accounts = await store.accounts(conn, user_ids, FILES)
    into.runs_left_out += await store.runs_left_out(conn, user_ids)
    elsewhere = [clues for clues in await store.clues(conn, user_ids) if _is_elsewhere(clues)]
    rows: list[Mapping[str, Any]] = list(await store.decided(conn, user_ids, elsewhere))
    for _, month in await store.archived(conn, user_ids):
        rows += [row for row in (await load(objects, month)).transactions if _says_more(row)]
    lines = [line for row in rows for line in _lines(row)]
    into.reasons.update(_reason(row) for row in rows)
    _write(files, accounts_path(folder, partition), accounts, ACCOUNTS)
    _write(files, decided_path(folder, partition), lines, DECIDED)
    into.partitions.add(partition)


def write_stored(files: Any, folder: str, sums: Sequence[BatchSum], number: int) -> str:
    """Write stored sums as a Parquet file, to compare with; return its path."""
    lines = [
        (item.user_id, item.month.year * 12 + item.month.month - 1, item.category_id, currency_number(item.currency),
         *item.values)
        for item in sums
    ]  # fmt: skip
    return _write(files, f"{folder}/stored-{number:06}.parquet", lines, STORED)


def _is_elsewhere(clues: RowClues) -> bool:
    """Tell whether transactions may be in another category than the word that holds leads to.

    A word without a code leaves the transaction the one of an earlier word, and the category that followed from it.
    """
    codes = {clues.institution_code, ""} if clues.rewritten else {clues.institution_code}
    return any(_expected(clues, code) != clues.category_id for code in codes)


def _expected(clues: RowClues, institution_code: str) -> int:
    mcc, code = institution_codes(institution_code)
    return category_of(clues.description, clues.currency, mcc, code, income=clues.income)


def _says_more(row: Mapping[str, Any]) -> bool:
    """Tell of an archived row what the query `decided` tells of others."""
    if row["pending"] == counts(row):
        return True
    clues = RowClues(
        row["description"],
        row["amount_minor"] > 0,
        row["currency"],
        row["institution_code"],
        row["category_id"],
        rewritten=row["institution_code"] != "" and row["updated_at"] != row["created_at"],
    )
    special = row["part_category_ids"] is not None or row["excluded_from_budgets"]
    return counts(row) and bool(special or _is_elsewhere(clues))


def _lines(row: Mapping[str, Any]) -> Iterator[Line]:
    """Give the lines of `DECIDED` for a row: one for itself, and one for each part it is split into."""
    name = (row["user_id"], row["account_id"], row["external_id"])
    if not counts(row):
        yield (*name, False, None, None, None, False)
        return
    excluded = bool(row["excluded_from_budgets"])
    parts = list(zip(row["part_category_ids"] or (), row["part_amounts_minor"] or (), strict=True))
    rest_minor = sum(amount_minor for _, amount_minor in parts)
    yield (*name, True, row["category_id"], None, rest_minor, excluded)
    for category_id, amount_minor in parts:
        yield (*name, True, category_id, amount_minor, None, excluded)


def _reason(row: Mapping[str, Any]) -> str:
    """Return in a word why a row is not what the log alone would make of it."""
    if not counts(row):
        return "taken back" if row["removed_at"] is not None else "another row stands for it"
    if row["part_category_ids"] is not None:
        return "split"
    return f"category by {row['category_source']}"


def _write(files: Any, path: str, lines: Sequence[Line], columns: pa.Schema) -> str:
    values = list(zip(*lines, strict=True)) if lines else [()] * len(columns)
    arrays = [pa.array(column, item.type) for column, item in zip(values, columns, strict=True)]
    with files.open_output_stream(path) as sink:
        pq.write_table(pa.table(arrays, schema=columns), sink)
    return path
