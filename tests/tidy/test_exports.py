"""An export forgets no table: each of persons is a part of it, or left out for a reason that is written down."""

from __future__ import annotations

import re

import asyncpg

from mintql.services.exports import LEFT_OUT
from mintql.store.queries import load

TABLES = """
SELECT DISTINCT column_.table_name FROM information_schema.columns AS column_
JOIN information_schema.tables AS table_ USING (table_schema, table_name)
WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND column_name = 'user_id'
"""
SECRETS = re.compile(r"hash|secret|token|ciphertext|wrapped|_key$|_keys$")
HARMLESS = {"merchant_key", "text_key"}
FROM = re.compile(r"FROM (\w+) AS one")


async def test_each_table_of_persons_is_exported_or_left_out_for_a_reason(database_url):
    conn = await asyncpg.connect(database_url)
    tables = {row["table_name"] for row in await conn.fetch(TABLES)}
    await conn.close()
    exported = [FROM.search(text)[1] for _, text in load("exports_tables")]
    assert len(exported) == len(set(exported))
    assert not set(exported) & set(LEFT_OUT)
    assert tables - set(exported) - set(LEFT_OUT) == set(), (
        "add a query to store/sql/exports_tables.sql, or a reason to services/exports.LEFT_OUT"
    )
    assert set(exported) | set(LEFT_OUT) == tables
    assert all(LEFT_OUT.values())


async def test_no_part_of_an_export_holds_a_secret(database_url):
    conn = await asyncpg.connect(database_url)
    suspicious = []
    for name, text in load("exports_tables"):
        table = FROM.search(text)[1]
        left = set(re.search(r"'\{([^}]*)\}'::text\[\]", text)[1].split(","))
        columns = await conn.fetch(
            "SELECT column_name, data_type FROM information_schema.columns "
            "WHERE table_schema = 'public' AND table_name = $1",
            table,
        )
        suspicious += [
            f"{name}.{row['column_name']}"
            for row in columns
            if row["column_name"] not in left | HARMLESS
            and (SECRETS.search(row["column_name"]) or row["data_type"] == "bytea")
        ]
    await conn.close()
    # The digest of a file the person has themselves.
    assert suspicious == ["imports.sha256"]
