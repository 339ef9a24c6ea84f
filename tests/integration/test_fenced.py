"""Reads that are transactions by themselves: they see what a transaction for the person sees, and nothing of others."""

from __future__ import annotations

from datetime import UTC, datetime

import asyncpg
import pytest

from mintql.store import fenced as store
from mintql.store import transactions_read
from mintql.store.fenced import fenced
from support.factories import create_account, create_connection, create_transaction, create_user

TODAY = datetime.now(UTC).date()


@pytest.fixture
async def persons(conn):
    found = []
    for amount in (-100, -200):
        user_id = await create_user(conn)
        account_id = await create_account(conn, user_id, await create_connection(conn, user_id))
        for _ in range(3):
            await create_transaction(conn, user_id, account_id, posted_on=TODAY, amount_minor=amount)
        found.append(user_id)
    return found


async def amounts(conn, user_id):
    rows = await transactions_read.page(
        conn, user_id, transactions_read.TransactionFilter(), newest=transactions_read.KEY_NEWEST,
        oldest=transactions_read.KEY_OLDEST, newest_first=True, limit=10,
    )  # fmt: skip
    return [row.amount_minor for row in rows]


async def test_each_reads_their_own_rows_on_the_same_connection(api_runtime, persons):
    async with api_runtime.pool.acquire() as conn:
        for user_id, amount in zip(persons, (-100, -200), strict=True):
            async with api_runtime.reading(user_id) as other:
                assert await amounts(other, user_id) == [amount] * 3
            assert await amounts(store.fence(conn, user_id), user_id) == [amount] * 3


async def test_tables_that_are_joined_are_looked_at_after_the_person_is_named(api_runtime, persons):
    joined = """
        SELECT row.amount_minor FROM accounts AS account
        JOIN transactions AS row ON row.user_id = account.user_id AND row.account_id = account.account_id
        JOIN transactions AS other ON other.user_id = row.user_id AND other.transaction_id = row.transaction_id
        WHERE account.user_id = $1
    """
    async with api_runtime.fenced(persons[0]) as conn:
        assert [row["amount_minor"] for row in await conn.fetch(joined, persons[0])] == [-100] * 3


async def test_who_asks_for_another_sees_nothing(api_runtime, persons):
    mine, others = persons
    async with api_runtime.fenced(mine) as conn:
        assert await amounts(conn, others) == []
        assert await conn.fetch("SELECT 1 FROM transactions WHERE user_id = ANY ($1)", [mine, others]) == [(1,)] * 3
        assert await conn.fetch("SELECT 1 FROM transactions WHERE user_id = ANY ($1)", [others]) == []
        assert await conn.fetchval("SELECT count(*) FROM transactions WHERE amount_minor = $1", -200) == 0
        assert await conn.fetchval("SELECT count(*) FROM transactions WHERE amount_minor = $1", -100) == 3


async def test_nobody_is_named_once_a_statement_has_ended(api_runtime, persons):
    async with api_runtime.fenced(persons[0]) as conn:
        assert await conn.fetchval("SELECT count(*) FROM transactions WHERE user_id = $1", persons[0]) == 3
        assert await conn.fetchval("SELECT count(*) FROM transactions") == 0
        with pytest.raises(asyncpg.DivisionByZeroError):
            await conn.fetchval("SELECT 1 / 0 FROM transactions WHERE user_id = $1", persons[0])
        assert await conn.fetchval("SELECT count(*) FROM transactions") == 0
        assert await amounts(conn, persons[0]) == [-100] * 3


async def test_nothing_can_be_changed(api_runtime, persons):
    mine = persons[0]
    async with api_runtime.fenced(mine) as conn:
        with pytest.raises(ValueError, match="has to be the person"):
            await conn.fetch("DELETE FROM transactions WHERE user_id = $1", mine)
        with pytest.raises(asyncpg.PostgresSyntaxError):
            await conn.fetch("SELECT 1 WHERE $1 > 0) AS x; DELETE FROM transactions; --", mine)
        with pytest.raises(asyncpg.FeatureNotSupportedError):
            await conn.fetch(
                "WITH gone AS (DELETE FROM transactions WHERE user_id = $1 RETURNING 1) SELECT * FROM gone", mine
            )
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await conn.fetch("DELETE FROM transactions WHERE amount_minor = $1", -100)
        assert await amounts(conn, mine) == [-100] * 3


def test_a_statement_that_does_not_name_the_person_is_refused():
    for text in ("SELECT 1 FROM transactions", "SELECT $10::bigint", "UPDATE users SET name = '' WHERE user_id = $1"):
        with pytest.raises(ValueError, match="has to be the person"):
            fenced(text)
