"""The databases of the tests themselves: one that is lent again looks like one that nobody has used."""

from __future__ import annotations

import os

import asyncpg
import pytest

from support.databases import Databases
from support.factories import create_connection, create_user


@pytest.fixture
def databases(cluster):
    return Databases(cluster, f"lent_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{os.urandom(4).hex()}")


async def fill(url):
    """Write a person with a connection; return their ids, and leave the connection to the database open."""
    conn = await asyncpg.connect(url)
    user_id = await create_user(conn)
    return conn, user_id, await create_connection(conn, user_id)


async def test_rows_ids_and_sessions_of_the_test_before_are_gone(databases):
    async with databases.lend() as first:
        left_open, *ids = await fill(first)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError)):
        await left_open.fetch("SELECT 1")
    async with databases.lend() as second:
        assert second == first
        conn, *same_ids = await fill(second)
        assert same_ids == ids
        assert await conn.fetchval("SELECT count(*) FROM users") == 1
        assert await conn.fetchval("SELECT count(*) FROM schema_migrations") > 0
        await conn.close()


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE more (id int)",
        "CREATE FUNCTION more() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER TABLE users ADD more int",
        "ALTER TABLE users ADD CHECK (email <> '')",
        "ALTER TABLE transactions DISABLE TRIGGER USER",
        "ALTER TABLE users DISABLE ROW LEVEL SECURITY",
        "GRANT TRUNCATE ON users TO mintql_api",
        "ANALYZE transactions; INSERT INTO users (email, password_hash, name) VALUES ('a@b.de', '', ''); ANALYZE users",
    ],
)
async def test_a_database_whose_schema_or_plans_a_test_has_changed_is_not_lent_again(databases, change):
    async with databases.lend() as first:
        conn = await asyncpg.connect(first)
        await conn.execute(change)
        await conn.close()
    async with databases.lend() as second:
        assert second != first


async def test_two_at_once_have_one_each(databases):
    async with databases.lend() as first, databases.lend() as second:
        assert first != second
