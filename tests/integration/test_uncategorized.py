"""Uncategorized transactions, when more becomes known than when they came in."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from mintql.domain.money import Money
from mintql.nightly import categorize_all
from mintql.services import choices, uncategorized
from mintql.services.budget_overrides import Scope
from mintql.store.reconcile import differences
from support.budgets import set_limit
from support.factories import create_person, create_transaction
from support.people import category

NOW, NOVEMBER = datetime(2026, 11, 12, 10, tzinfo=UTC), date(2026, 11, 1)
COFFEE, GROCERIES = category("coffee"), category("groceries")


async def bought(conn, person, merchant_key, **columns):
    return await create_transaction(conn, person.user_id, person.account_id, merchant_key=merchant_key, **columns)


async def categories(conn):
    rows = await conn.fetch("SELECT transaction_id, category_id, category_source FROM transactions")
    return {row["transaction_id"]: (row["category_id"], row["category_source"]) for row in rows}


async def test_they_go_where_they_would_go_now_and_nothing_else_moves(conn):
    ada, bob = await create_person(conn), await create_person(conn)
    async with conn.transaction():
        await set_limit(conn, ada.user_id, COFFEE, NOVEMBER, Money(10_00, "USD"), Scope.FROM_THIS_MONTH, NOW)
    known, unknown = await bought(conn, ada, "starbucks"), await bought(conn, ada, "zzq wibble")
    coded = await bought(conn, ada, "zzq", amount_minor=-5_00)
    await conn.execute("UPDATE transactions SET institution_code = 'mcc:5411' WHERE transaction_id = $1", coded)
    settled = await bought(conn, ada, "starbucks", category_id=GROCERIES, category_source="keyword")
    other = await bought(conn, bob, "starbucks")
    async with conn.transaction():
        count, effects = await uncategorized.categorize_uncategorized(conn, ada.user_id, NOW)
    assert (count, effects.changed) == (2, {ada.user_id})
    assert await categories(conn) == {
        known: (COFFEE, "dictionary"),
        unknown: (1, "none"),
        coded: (GROCERIES, "institution"),
        settled: (GROCERIES, "keyword"),
        other: (1, "none"),
    }
    (alert,) = await conn.fetch("SELECT category_id, max(threshold_percent) FROM alerts GROUP BY 1")
    assert tuple(alert) == (COFFEE, 100)
    (event,) = await conn.fetch("SELECT payload FROM events WHERE kind = 'transactions_changed'")
    assert f'"changed": [{coded}, {known}]' in event["payload"]
    assert await differences(conn, [ada.user_id, bob.user_id]) == []
    async with conn.transaction():
        assert (await uncategorized.categorize_uncategorized(conn, ada.user_id, NOW))[0] == 0


async def test_only_the_sellers_that_are_named_are_looked_at(conn):
    ada = await create_person(conn)
    named, other = await bought(conn, ada, "starbucks"), await bought(conn, ada, "walmart")
    async with conn.transaction():
        await uncategorized.categorize_uncategorized(conn, ada.user_id, NOW, merchant_keys=["starbucks"])
    assert {key: source for key, (_, source) in (await categories(conn)).items()} == {
        named: "dictionary",
        other: "none",
    }


async def test_rows_beyond_a_batch_are_looked_at_too_up_to_what_is_asked_for(conn, monkeypatch):
    monkeypatch.setattr(uncategorized, "BATCH", 2)
    ada = await create_person(conn)
    ids = [await bought(conn, ada, "starbucks") for _ in range(6)]
    async with conn.transaction():
        assert (await uncategorized.categorize_uncategorized(conn, ada.user_id, NOW, rows_max=3))[0] == 3
    assert [ids.index(key) for key, (_, source) in sorted((await categories(conn)).items()) if source == "none"] == [
        0,
        1,
        2,
    ]
    async with conn.transaction():
        assert (await uncategorized.categorize_uncategorized(conn, ada.user_id, NOW))[0] == 3


@pytest.mark.parametrize("persons_max", [20_000, 2])
async def test_a_night_reaches_everybody_once_wherever_it_begins_up_to_its_bound(runtime, monkeypatch, persons_max):
    monkeypatch.setattr(uncategorized, "PERSONS_PER_PAGE", 2)
    monkeypatch.setattr(uncategorized, "PERSONS_PER_NIGHT_MAX", persons_max)
    async with runtime.system() as conn:
        for _ in range(5):
            await bought(conn, await create_person(conn), "starbucks")
    reached = min(persons_max, 5)
    assert await categorize_all(runtime) == reached
    async with runtime.system() as conn:
        told = await conn.fetch(
            "SELECT count(*)::int AS events FROM events WHERE kind = 'transactions_changed' GROUP BY user_id"
        )
    assert [row["events"] for row in told] == [1] * reached
    assert await categorize_all(runtime) == min(persons_max, 5 - reached)


async def test_a_persons_own_memory_comes_before_what_everybody_knows(conn):
    ada = await create_person(conn)
    first, second = await bought(conn, ada, "starbucks"), await bought(conn, ada, "starbucks")
    async with conn.transaction():
        await choices.recategorize(conn, ada.user_id, [first], GROCERIES, choices.Scope.SELLER_FROM_NOW_ON, NOW)
        await uncategorized.categorize_uncategorized(conn, ada.user_id, NOW, merchant_keys=["starbucks"])
    assert await categories(conn) == {first: (GROCERIES, "manual"), second: (GROCERIES, "memory")}
