"""The databases of the tests themselves: one that is lent again looks like one that nobody has used."""

from __future__ import annotations

import os

import asyncpg
import pytest

from support.databases import Databases
from support.factories import create_connection, create_user


@pytest.fixture
def databases(cluster):
    made = Databases(cluster, f"lent_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{os.urandom(4).hex()}")
    yield made
    made.end_sessions()


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


async def session_of(url, **options):
    """Open a connection, close it, and return the process of its session."""
    conn = await asyncpg.connect(url, **options)
    pid = conn.get_server_pid()
    await conn.close()
    return pid


LEFT_BEHIND = """
CREATE TEMPORARY TABLE mine (id int);
SELECT pg_advisory_lock(42);
SELECT nextval('transaction_ids');
LISTEN news;
SET timezone = 'Asia/Tokyo';
SET mintql.user_id = '42';
DECLARE held CURSOR WITH HOLD FOR SELECT 1;
SET ROLE mintql_api;
"""
LOOKS = {
    "SELECT current_user || '/' || session_user": "mintql/mintql",
    "SELECT current_setting('timezone')": "UTC",
    "SELECT coalesce(current_setting('mintql.user_id', true), '')": "",
    "SELECT to_regclass('mine')": None,
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()": 0,
    "SELECT count(*) FROM pg_listening_channels()": 0,
    "SELECT count(*) FROM pg_cursors WHERE name = 'held'": 0,
    "SELECT count(*) FROM users": 0,
    "SELECT pg_current_xact_id_if_assigned()": None,
}


async def test_a_session_is_lent_again_and_looks_like_a_new_one(databases):
    async with databases.lend() as url:
        conn = await asyncpg.connect(url)
        new = {query: await conn.fetchval(query) for query in LOOKS}
        assert new == LOOKS
        await conn.execute(LEFT_BEHIND)
        await conn.execute("RESET ROLE; BEGIN")
        await create_user(conn)
        assert {query: await conn.fetchval(query) for query in LOOKS}.items() & LOOKS.items() == {
            ("SELECT current_user || '/' || session_user", "mintql/mintql")
        }
        await conn.execute("SET ROLE mintql_api")
        pid = conn.get_server_pid()
        await conn.close()

        again = await asyncpg.connect(url)
        assert again.get_server_pid() == pid
        assert not again.is_in_transaction()
        assert {query: await again.fetchval(query) for query in LOOKS} == LOOKS
        with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError):
            await again.fetchval("SELECT currval('transaction_ids')")
        await again.close()


async def test_a_session_of_the_test_before_is_lent_to_the_next(databases):
    async with databases.lend() as url:
        pid = await session_of(url)
    async with databases.lend() as url:
        assert await session_of(url) == pid


async def test_only_who_connects_in_the_same_way_gets_the_session(databases):
    async with databases.lend() as url:
        bound = {"server_settings": {"role": "mintql_api"}}
        pid, other = await session_of(url), await session_of(url, **bound)
        assert pid != other
        conn = await asyncpg.connect(url, **bound)
        assert conn.get_server_pid() == other
        assert await conn.fetchval("SELECT current_user") == "mintql_api"
        await conn.close()
        assert await session_of(url) == pid


@pytest.mark.parametrize("how", ["terminated", "killed while in use", "killed while idle"])
async def test_a_session_that_has_ended_is_not_lent(databases, how):
    async with databases.lend() as url:
        other = await asyncpg.connect(url)
        conn = await asyncpg.connect(url)
        pid = conn.get_server_pid()
        if how == "terminated":
            conn.terminate()
        elif how == "killed while in use":
            await other.execute(f"SELECT pg_terminate_backend({pid}, 5000)")
            await conn.close()
        else:
            await conn.close()
            await other.execute(f"SELECT pg_terminate_backend({pid}, 5000)")
        again = await asyncpg.connect(url)
        assert again.get_server_pid() != pid
        assert await again.fetchval("SELECT 1") == 1
        await again.close()
        await other.close()


async def test_what_is_asked_on_a_lent_session_can_be_cancelled(databases):
    async with databases.lend() as url:
        pid = await session_of(url)
        conn = await asyncpg.connect(url)
        assert conn.get_server_pid() == pid
        with pytest.raises(TimeoutError):
            await conn.execute("SELECT pg_sleep(60)", timeout=0.05)
        assert await conn.fetchval("SELECT 1") == 1
        await conn.close()
