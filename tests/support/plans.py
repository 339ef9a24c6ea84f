"""A database with rows in every table, and what the planner says it would do there.

The rows are made by statements over the catalogue, so that a table which is added later is filled as well. Nothing in
them is to be believed: checks and references are off, only how many there are and how they spread is as in earnest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

PERSONS = 200
ROWS_EACH = 20
"""Of every table, for every person; two of transactions have more."""
TRANSACTIONS = {1: 100_000, 2: 30_000}
TRANSACTIONS_EACH = 500
_PLANS = "SET plan_cache_mode = force_generic_plan; SET jit = off; SET enable_seqscan = off;"
SETTINGS = {
    "api": f"{_PLANS} SET enable_bitmapscan = off; SET ROLE mintql_api; SELECT set_config('mintql.user_id', '1', false)",
    "worker": f"{_PLANS} SET enable_bitmapscan = on; RESET ROLE",
}
"""How each role plans, as in runtime.py."""

_COLUMNS = """
SELECT relation.oid::regclass::text AS table, column_.attname AS name, type.typname AS type, column_.attidentity <> '' AS own,
    column_.attname = 'user_id' AND EXISTS (
        SELECT FROM pg_constraint AS key WHERE key.conrelid = relation.oid AND key.contype = 'p'
          AND key.conkey = ARRAY[column_.attnum]) AS one_each
FROM pg_class AS relation
JOIN pg_attribute AS column_ ON column_.attrelid = relation.oid AND column_.attnum > 0 AND NOT column_.attisdropped
JOIN pg_type AS type ON type.oid = column_.atttypid
WHERE relation.relnamespace = 'public'::regnamespace AND relation.relkind IN ('r', 'p') AND NOT relation.relispartition
  AND relation.relname NOT IN ('schema_migrations', 'transactions') AND column_.attnotnull AND column_.attgenerated = ''
ORDER BY 1, column_.attnum
"""
_CHECKS = """
SELECT conrelid::regclass::text AS table, pg_get_constraintdef(oid) AS said, format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS drop
FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace AND conparentid = 0
"""
_INDEXES = """
SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS made_by FROM pg_index
WHERE indrelid = 'transactions'::regclass
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""
_VALUES = {
    "bool": "n % 2 = 0",
    "date": "'2024-11-01'::date + n % 730",
    "timestamptz": "'2024-11-01'::timestamptz + n % 730 * interval '1 day'",
    "bytea": "decode(md5(n::text), 'hex')",
    "bpchar": "'A' || n % 10",
    "jsonb": "'{}'",
    "datemultirange": "'{}'",
    "time": "'12:00'",
}
_ONE_OF = re.compile(r"\((\w+) = ANY \(ARRAY\[((?:'\w+'::text(?:, )?)+)\]\)\)")


def _value(column: asyncpg.Record, allowed: str) -> str:
    name, kind = column["name"], column["type"]
    if name == "user_id" and not column["one_each"]:
        return f"1 + n % {PERSONS}"
    if kind.startswith("_"):
        return "'{}'"
    if kind == "text" and allowed:
        # Most rows are in one state, and some in each of the others.
        return (
            f"CASE WHEN n % 10 > 0 THEN (ARRAY[{allowed}])[cardinality(ARRAY[{allowed}])]"
            f" ELSE (ARRAY[{allowed}])[1 + n / 10 % cardinality(ARRAY[{allowed}])] END"
        )
    if kind == "text":
        return f"'{name} ' || n"
    return _VALUES.get(kind, "n % 100" if kind == "int2" else "n")


async def fill(conn: asyncpg.Connection) -> None:
    """Put rows into every table, and gather statistics. The database is of no other use afterwards."""
    await conn.execute("SET session_replication_role = replica; SET synchronous_commit = off")
    allowed: dict[tuple[str, str], str] = {}
    for row in await conn.fetch(_CHECKS):
        allowed |= {(row["table"], column): texts for column, texts in _ONE_OF.findall(row["said"])}
        await conn.execute(row["drop"])
    tables: dict[str, list[asyncpg.Record]] = {}
    for row in await conn.fetch(_COLUMNS):
        tables.setdefault(row["table"], []).append(row)
    for table, columns in tables.items():
        names = ", ".join(f'"{column["name"]}"' for column in columns)
        values = ", ".join(_value(column, allowed.get((table, column["name"]), "")) for column in columns)
        overriding = "OVERRIDING SYSTEM VALUE" if any(column["own"] for column in columns) else ""
        await conn.execute(
            f"INSERT INTO {table} ({names}) {overriding} SELECT {values} FROM generate_series(1, $1::int) AS n"
            " ON CONFLICT DO NOTHING",
            PERSONS * ROWS_EACH,
        )
    await _fill_transactions(conn)
    await conn.execute("SET session_replication_role = origin; ANALYZE")


async def _fill_transactions(conn: asyncpg.Connection) -> None:
    """Day by day, as ingestion brings rows: those of one person lie far apart. Indexes are made afterwards, in one go."""
    indexes = await conn.fetch(_INDEXES)
    await conn.execute(f"DROP INDEX {', '.join(row['name'] for row in indexes)}")
    await conn.execute(
        """
        INSERT INTO transactions (user_id, transaction_id, account_id, external_id, posted_on, amount_minor, currency,
            pending, category_id, category_source, description, merchant, merchant_key, category_detail,
            institution_code, object_id, tags, display_name, part_category_ids, note, import_id, successor_id, removed_at)
        SELECT user_id, row_number() OVER (ORDER BY n::float / many, user_id),
            user_id + $1 * (n % 3), 'external ' || n,
            '2024-11-01'::date + (730 * n::float / many)::int, -(n * 7919::bigint % 20000), 'USD', n % 97 = 0,
            (ARRAY[601, 602, 701, 1101])[1 + n % 4], CASE WHEN n % 50 = 0 THEN 'none' ELSE 'dictionary' END,
            'SELLER ' || n % 500 || ' SEATTLE WA', 'Seller ' || n % 500, 'seller ' || n % 500, '', '', n / 100,
            CASE WHEN n % 40 = 0 THEN ARRAY['tag'] END, CASE WHEN n % 60 = 0 THEN 'Name' END,
            CASE WHEN n % 80 = 0 THEN ARRAY[601, 602] END, CASE WHEN n % 30 = 0 THEN 'note' END,
            CASE WHEN n % 20 = 0 THEN n / 1000 END, CASE WHEN n % 60 = 1 THEN n - 1 END,
            CASE WHEN n % 70 = 2 THEN now() END
        FROM (SELECT user_id, coalesce(($2::jsonb ->> user_id::text)::int, $3) AS many
              FROM generate_series(1, $1::bigint) AS user_id) AS persons,
            LATERAL generate_series(1, many) AS n
        """,
        PERSONS,
        json.dumps(TRANSACTIONS),
        TRANSACTIONS_EACH,
    )
    await conn.execute(";".join(row["made_by"] for row in indexes))


@dataclass(frozen=True)
class Scan:
    """A node of a plan that reads a table: by which index and conditions, and whether for a sort that a limit cuts."""

    kind: str
    table: str
    entries: tuple[tuple[str, tuple[str, ...]], ...]
    """Indexes, each with its conditions."""
    sorted_for_limit: bool
    first_only: bool

    @property
    def names_person(self) -> bool:
        """Whether each index is entered by the person."""
        return bool(self.entries) and all("user_id" in " ".join(said) for _, said in self.entries)

    def enters(self, leading: Mapping[str, str]) -> bool:
        """Whether each index is entered by its first column, or left after its first row."""
        return bool(self.entries) and all(
            self.first_only or any(leading[index] in condition for condition in said) for index, said in self.entries
        )

    @property
    def is_of_whole_person(self) -> bool:
        """Whether nothing but the person and a range bounds what is read."""
        return not any(
            re.search(r"\w\)? = ", condition) and "user_id = " not in condition
            for _, said in self.entries
            for condition in said
        )


def scans(
    node: dict[str, Any], *, limited: bool = False, sorts: bool = False, first_only: bool = False
) -> Iterator[Scan]:
    """Walk through a plan, from its end to its tables."""
    kind = node["Node Type"]
    limited = (limited or kind == "Limit") and kind not in ("Aggregate", "Group", "Unique", "WindowAgg", "SetOp")
    sorts = (sorts or (limited and kind == "Sort")) and kind not in ("Limit", "Aggregate")
    if "Relation Name" in node and kind.endswith("Scan"):
        entries = tuple(_entries(node))
        yield Scan(kind, node["Relation Name"], entries, sorts, first_only)
    for part in node.get("Plans", ()):
        if kind != "Bitmap Heap Scan":
            first_only = kind == "Limit" and node["Plan Rows"] == 1 and "Filter" not in part
            yield from scans(part, limited=limited, sorts=sorts, first_only=first_only)


def _entries(node: dict[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    if "Index Name" in node:
        condition = node.get("Index Cond", "")
        yield node["Index Name"], tuple(condition.split(" AND ")) if condition else ()
    if node["Node Type"].startswith("Bitmap"):
        for part in node.get("Plans", ()):
            yield from _entries(part)


async def plan(conn: asyncpg.Connection, text: str, values: Sequence[str]) -> dict[str, Any]:
    """Return the plan of a prepared statement of this text, with these values written as SQL."""
    await conn.execute(f"PREPARE asked AS {text}")
    try:
        given = f"({', '.join(values)})" if values else ""
        return json.loads(await conn.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE asked{given}"))[0]["Plan"]
    finally:
        await conn.execute("DEALLOCATE asked")
