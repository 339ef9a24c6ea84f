"""Summaries of a person with many transactions walk indexes, in a number of statements that does not grow."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from mintql.domain.intervals import Interval
from mintql.services.cash_flow import cash_flow
from mintql.services.net_worth import net_worth
from mintql.services.spending_groups import Asked, GroupBy, summarize
from mintql.store.queries import load
from support.factories import create_many_transactions, create_person
from support.people import acting_as, category

TODAY = datetime.now(UTC).date()
READS_MAX = 9
"""Statements of the largest answer: sums, totals, foreign sums, first day, categories, two of rates, and the bounds."""


@pytest.fixture
async def person(database_url):
    connection = await asyncpg.connect(database_url)
    found, others = await create_person(connection), [await create_person(connection) for _ in range(5)]
    ids = [category("groceries"), category("restaurants"), category("paycheck")]
    await create_many_transactions(connection, user_ids=[found.user_id], per_user=3_000, category_ids=ids)
    await create_many_transactions(
        connection, user_ids=[other.user_id for other in others], per_user=500, category_ids=ids
    )
    await connection.execute("ANALYZE")
    yield connection, found
    await connection.close()


def nodes(plan):
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


async def test_no_query_of_summaries_reads_a_table_of_persons_from_end_to_end(person):
    conn, found = person
    spans = [TODAY - timedelta(days=30 * place) for place in range(12, 0, -1)]
    lasts = [day + timedelta(days=29) for day in spans]
    places = list(range(12))
    no_filter = [None] * 5
    asked = [
        ("summaries", "lines", (places, spans, lasts, "merchant", *no_filter, 100)),
        ("summaries", "lines", (places, spans, lasts, "tag", *no_filter, 100)),
        ("summaries", "month_lines", (places, spans, lasts)),
        ("summaries", "merchants", (spans, lasts, [category("groceries")], 10)),
        ("summaries", "first_day", ()),
        ("net_worth", "balances", (spans,)),
        ("net_worth", "accounts", ()),
        ("net_worth", "booked_after", (spans, [found.account_id], [TODAY], ["USD"])),
    ]
    await conn.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
    for noun, name, values in asked:
        text = await conn.fetchval(f"EXPLAIN (FORMAT JSON) {getattr(load(noun), name)}", found.user_id, *values)
        plan = json.loads(text)[0]["Plan"]
        scanned = {node["Relation Name"] for node in nodes(plan) if node["Node Type"] == "Seq Scan"}
        assert not scanned, f"{noun}.{name}"
        if name in ("lines", "merchants"):
            conditions = [node.get("Index Cond", "") for node in nodes(plan) if node.get("Alias") == "row"]
            assert conditions
            assert all("posted_on" in condition for condition in conditions)


async def test_the_number_of_statements_does_not_grow_with_the_range_or_its_periods(person):
    conn, found = person
    counts = set()
    for days, interval in [(10, Interval.DAY), (390, Interval.DAY), (3_000, Interval.MONTH)]:
        seen = []
        first = TODAY - timedelta(days=days)
        with conn.query_logger(lambda record, seen=seen: seen.append(record.query)):
            async with acting_as(conn, found.user_id):
                await summarize(
                    conn, found.user_id, Asked(first, TODAY, GroupBy.TAG, interval, in_currency="EUR", compared=12)
                )
                await cash_flow(conn, found.user_id, first, TODAY, interval, "EUR")
                await net_worth(conn, found.user_id, first, TODAY, interval, datetime.now(UTC), "EUR")
        counts.add(
            sum(not query.startswith(("SELECT set_config", "SET ", "RESET ", "BEGIN", "COMMIT")) for query in seen)
        )
    assert max(counts) - min(counts) <= 2, "whole months and the days around them are one statement each"
    assert max(counts) <= 3 * READS_MAX
