"""Every query of the store finds its rows by an index, in a database where every table has rows.

Queries are planned as the processes plan them, for any values: those of the API under its role, row-level security and
settings, all of them as a worker's. Tables are found in the catalogue, queries in their
files, so that new ones are looked at without being named here.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain

import asyncpg

from mintql.store.fenced import fenced
from mintql.store.queries import load, nouns
from support.plans import SETTINGS, Scan, fill, plan, scans
from tidy.test_queries import API_NOUNS
from tidy.test_schema import OF_NOBODY

ALLOWED = {
    **{
        ("key_rotation.versions", table): "an operator counts all of them"
        for table in ("connection_secrets", "webhook_secrets", "second_factors", "farewells", "idempotency_keys")
    },
    ("archive.announced_before", "archive_use"): "nobody's: one row",
    ("archive_read.in_use", "archive_use"): "nobody's: one row",
    ("rates.between", "exchange_rates"): "everybody's: days of each of some forty currencies, leapt over",
    ("digests.finished", "summary_rounds"): "nobody's: a row for each period and time zone",
    ("vitals.reconciled", "reconcile_progress"): "nobody's: one row",
    ("digests.purge_rounds", "summary_rounds"): "nobody's: a row for each period and time zone",
}
"""Scans that are not entered by the first column of an index, or read a table from end to end, with the reason."""

SORTS_ALLOWED = {
    ("archive.announced_before", "archive_use"): "nobody's: one row",
    ("archive_read.in_use", "archive_use"): "nobody's: one row",
    ("transactions_search.by_amount", "transactions"): "no index by amount: it would cost every row that comes in",
    ("notable.charges", "accounts"): "a person has few accounts; the charges are those of a week",
    ("deletions_work.due", "deletions"): "those that are under way",
}
"""Sorts for a limit of which nothing but the person bounds the rows, with the reason."""

PERSON_AND_ID = 2
NO_READS = (asyncpg.PostgresSyntaxError, asyncpg.FeatureNotSupportedError)
"""What changes something is no subquery, as which the reads of plans are sent."""

WORKERS = {
    "connections.wanted": "the sweeper looks at everybody's connections",
    "examinations.due": "a worker takes whoever waits longest",
}
"""Queries in files of the API that only a worker runs."""

LEADING = """
SELECT index.relname AS name, column_.attname AS leads
FROM pg_index JOIN pg_class AS index ON index.oid = indexrelid
JOIN pg_attribute AS column_ ON column_.attrelid = indexrelid AND column_.attnum = 1
WHERE index.relnamespace = 'public'::regnamespace
"""
REFERENCES = """
SELECT conrelid::regclass::text AS table,
    (SELECT array_agg(attname::text ORDER BY place) FROM unnest(conkey) WITH ORDINALITY AS key (number, place)
     JOIN pg_attribute ON attrelid = conrelid AND attnum = key.number) AS columns
FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace AND conparentid = 0
"""


@dataclass
class Planned:
    """What reads tables, by the role that reads, and the leading column of each index."""

    leading: dict[str, str]
    scans: dict[str, list[tuple[str, Scan]]] = field(default_factory=dict)
    references: list[tuple[str, list[str], list[Scan]]] = field(default_factory=list)
    unfenced: set[str] = field(default_factory=set)
    """Queries that, as plans of the API send them, may look at a table before the person is named."""


async def look(conn: asyncpg.Connection) -> Planned:
    """Plan everything there is, as every role that runs it."""
    found = Planned({row["name"]: row["leads"] for row in await conn.fetch(LEADING)})
    for role, settings in SETTINGS.items():
        await conn.execute(settings)
        found.scans[role] = [item async for item in _planned(conn, role, found)]
    for row in await conn.fetch(REFERENCES):
        found.references.append((row["table"], row["columns"], await _deleting(conn, row)))
    return found


async def _planned(conn, role, planned):
    for noun in nouns():
        if role == "api" and noun not in API_NOUNS:
            continue
        for name, text in load(noun):
            query = f"{noun}.{name}"
            if role == "api" and query in WORKERS:
                continue
            parameters = [parameter.name for parameter in (await conn.prepare(text)).get_parameters()]
            values = ["NULL" for _ in parameters]
            plans = [await plan(conn, text, values)]
            if role == "api" and parameters[:1] in (["int8"], ["int8[]"]) and "$1" in text:
                with suppress(ValueError, *NO_READS):
                    plans.append(await plan(conn, fenced(text, many=parameters[0] == "int8[]"), values))
                    if not names_the_person_first(plans[-1]):
                        planned.unfenced.add(query)
            for scan in chain.from_iterable(map(scans, plans)):
                if not scan.table.startswith("pg_"):  # PostgreSQL's own catalogue is as large as the schema.
                    yield query, scan


def names_the_person_first(found) -> bool:
    """Whether a plan makes the setting of row-level security, and only for the row of that looks at any table."""
    if found["Node Type"] != "Nested Loop":
        return False
    outer, *_ = [part for part in found["Plans"] if part["Parent Relationship"] == "Outer"]
    others = [part for part in found["Plans"] if part["Parent Relationship"] not in ("Outer", "Inner")]
    return not any("Relation Name" in json.dumps(part) for part in (outer, *others))


async def _deleting(conn, reference) -> list[Scan]:
    """Plan what PostgreSQL asks when a row that others refer to is deleted."""
    conditions = " AND ".join(f"{column} = ${place}" for place, column in enumerate(reference["columns"], 1))
    text = f"SELECT 1 FROM ONLY {reference['table']} AS x WHERE {conditions} FOR KEY SHARE OF x"
    return list(scans(await plan(conn, text, ["NULL" for _ in reference["columns"]])))


def read_from_end_to_end(planned: Planned) -> set[str]:
    return {
        f"{query}, {scan}"
        for found in planned.scans.values()
        for query, scan in found
        if not scan.enters(planned.leading) and (query, scan.table) not in ALLOWED
    }


def entered_without_the_person(planned: Planned) -> set[str]:
    return {
        f"{query}, {scan}"
        for query, scan in planned.scans["api"]
        if scan.table not in OF_NOBODY and not scan.names_person and (query, scan.table) not in ALLOWED
    }


def sorted_out_of_all_rows_of_a_person(planned: Planned) -> set[str]:
    """Workers plan with bitmaps, which are sorted; pages are the API's, so its queries are looked at as it plans them."""
    return {
        f"{query}, {scan}"
        for role, found in planned.scans.items()
        for query, scan in found
        if scan.sorted_for_limit
        and scan.is_of_whole_person
        and (role == "api" or query.partition(".")[0] not in API_NOUNS)
        and (query, scan.table) not in SORTS_ALLOWED
    }


def looked_up_by_id_in_all_rows_of_a_person(planned: Planned) -> set[str]:
    """An index that has the id behind other columns is read for the whole person where nothing is said of these."""
    return {
        f"{query}, {scan}"
        for found in planned.scans.values()
        for query, scan in found
        for index, said in scan.entries
        if scan.table == "transactions"
        and index != "transactions_pkey"
        and len(said) <= PERSON_AND_ID
        and any(re.search(r"\btransaction_id\)? = ", condition) for condition in said)
    }


def found_by_less_than_their_reference(planned: Planned) -> set[str]:
    """What PostgreSQL looks for when a row that others refer to is deleted."""
    return {
        f"{table} ({', '.join(columns)})"
        for table, columns, found in planned.references
        for scan in found
        if not scan.enters(planned.leading) or any(column not in str(scan.entries) for column in columns)
    }


def allowed_without_need(planned: Planned) -> set[tuple[str, str]]:
    """A reason without its query would let a later one pass."""
    return {*ALLOWED, *SORTS_ALLOWED} - {
        (query, scan.table) for found in planned.scans.values() for query, scan in found
    }


async def test_every_query_finds_its_rows_by_an_index(database_url):
    conn = await asyncpg.connect(database_url)
    try:
        await fill(conn)
        planned = await look(conn)
    finally:
        await conn.close()
    assert min(map(len, planned.scans.values())) > 300
    assert len(planned.references) > 40
    assert read_from_end_to_end(planned) == set()
    assert entered_without_the_person(planned) == set()
    assert sorted_out_of_all_rows_of_a_person(planned) == set()
    assert looked_up_by_id_in_all_rows_of_a_person(planned) == set()
    assert found_by_less_than_their_reference(planned) == set()
    assert allowed_without_need(planned) == set()
    assert planned.unfenced == set()


async def test_a_scan_of_a_whole_table_is_seen(database_url):
    conn = await asyncpg.connect(database_url)
    try:
        (scan,) = scans(await plan(conn, "SELECT FROM users ORDER BY name LIMIT 1", []))
    finally:
        await conn.close()
    assert (scan.kind, scan.table, scan.enters({}), scan.sorted_for_limit) == ("Seq Scan", "users", False, True)


async def test_a_read_that_may_begin_before_the_person_is_named_is_seen(database_url):
    read = "SELECT transaction_id FROM transactions WHERE user_id = $1"
    flat = (
        "SELECT found.* FROM (SELECT set_config('mintql.user_id', $1::bigint::text, true)::bigint AS user_id) AS person"
    )
    flat = f"{flat} CROSS JOIN LATERAL ({read.replace('$1', 'person.user_id')}) AS found"
    conn = await asyncpg.connect(database_url)
    try:
        await conn.execute(SETTINGS["api"])
        assert names_the_person_first(await plan(conn, fenced(read), ["NULL"]))
        assert not names_the_person_first(await plan(conn, flat.replace("person.user_id", "7"), ["NULL"]))
        assert not names_the_person_first(await plan(conn, read, ["NULL"]))
    finally:
        await conn.close()
