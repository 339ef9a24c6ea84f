"""Archived months as Parquet: one row a transaction; transfers and matches between them in the file's metadata.

Columns have the names and meanings of the table `transactions`. Any tool that reads Parquet reads them.
"""

from __future__ import annotations

import asyncio
from functools import cache
from typing import TYPE_CHECKING, Any

import orjson

from mintql.domain.archive import Contents

if TYPE_CHECKING:
    import pyarrow as pa

CONTENT_TYPE = "application/vnd.apache.parquet"
VERSION = b"1"
"""Of what is kept beside the columns; it rises when a reader of the one before would misread the new one."""
COMPRESSION = "zstd"

COLUMNS = {
    "user_id": "int64", "transaction_id": "int64", "account_id": "int64", "external_id": "text", "posted_on": "day",
    "amount_minor": "int64", "currency": "text", "pending": "bool", "category_id": "int32", "category_source": "text",
    "description": "text", "merchant": "text", "merchant_key": "text", "category_detail": "text", "object_id": "int64",
    "successor_id": "int64", "removed_at": "moment", "created_at": "moment", "updated_at": "moment", "note": "text",
    "tags": "texts", "part_category_ids": "int32s", "part_amounts_minor": "int64s", "part_notes": "texts",
    "import_id": "int64", "display_name": "text", "excluded_from_budgets": "bool", "institution_code": "text",
}  # fmt: skip
"""All columns of `transactions`. A file that is older than a column has no values of it: NULL then."""


class Unreadable(Exception):  # noqa: N818
    """The bytes are no archived month, or a later one than this program knows."""


async def encode(contents: Contents) -> bytes:
    """Return a month as the bytes of a file, the same each time."""
    return await asyncio.to_thread(_encode, contents)


async def decode(content: bytes) -> Contents:
    """Return what a file holds, every value as it was; raise `Unreadable` when it is none."""
    return await asyncio.to_thread(_decode, content)


def _encode(contents: Contents) -> bytes:
    import pyarrow as pa  # noqa: PLC0415 - takes a while to import, and most processes never archive
    import pyarrow.parquet as pq  # noqa: PLC0415

    table = pa.Table.from_pylist([dict(row) for row in contents.transactions], schema=_schema())
    beside = {
        "mintql_archive": VERSION,
        "transfers": orjson.dumps([dict(row) for row in contents.transfers]),
        "matches": orjson.dumps([dict(row) for row in contents.matches]),
    }
    sink = pa.BufferOutputStream()
    # Statistics and Arrow's own schema would be a third of a file of 50 rows, and nobody here reads them.
    with pq.ParquetWriter(
        sink, table.schema, compression=COMPRESSION, write_statistics=False, store_schema=False
    ) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(beside)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def _decode(content: bytes) -> Contents:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        table = file.read()
    except pa.ArrowException as error:
        raise Unreadable(f"not a Parquet file: {error}") from error
    kept = file.metadata.metadata or {}
    if kept.get(b"mintql_archive") != VERSION:
        raise Unreadable(f"an archive of version {kept.get(b'mintql_archive')!r}; this program knows {VERSION!r}")
    there = set(table.column_names)
    blank = dict.fromkeys(name for name in COLUMNS if name not in there)
    rows: list[dict[str, Any]] = [blank | row for row in table.to_pylist()]
    return Contents(rows, orjson.loads(kept[b"transfers"]), orjson.loads(kept[b"matches"]))


@cache
def _schema() -> pa.Schema:
    import pyarrow as pa  # noqa: PLC0415

    kinds = {
        "int64": pa.int64(), "int32": pa.int32(), "text": pa.string(), "bool": pa.bool_(), "day": pa.date32(),
        "moment": pa.timestamp("us", tz="UTC"), "texts": pa.list_(pa.string()), "int32s": pa.list_(pa.int32()),
        "int64s": pa.list_(pa.int64()),
    }  # fmt: skip
    return pa.schema([(name, kinds[kind]) for name, kind in COLUMNS.items()])
