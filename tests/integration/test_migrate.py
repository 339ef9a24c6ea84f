"""Migrations are applied once, in order, by one process at a time, and never silently changed."""

from __future__ import annotations

import asyncio
import itertools
import os
from pathlib import Path

import asyncpg
import pytest

from mintql.store import migrate as module
from mintql.store.migrate import LOCK_ID, MigrationError, migrate, migrations_directory, pending_names
from support.clients import eventually
from support.servers import fresh_database

_serial = itertools.count(1)


@pytest.fixture
async def empty_url(cluster):
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    async with fresh_database(cluster, f"migrate_{worker}_{next(_serial)}", template="template1") as url:
        yield url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_notes.sql").write_text("CREATE TABLE notes (id int PRIMARY KEY);\n")
    (tmp_path / "0002_more.sql").write_text(
        "ALTER TABLE notes ADD COLUMN text text;\nINSERT INTO notes VALUES (1, 'a');\n"
    )
    return tmp_path


async def fetchval(url: str, query: str):
    conn = await asyncpg.connect(url)
    try:
        return await conn.fetchval(query)
    finally:
        await conn.close()


async def test_files_are_applied_in_order_and_only_once(empty_url, folder):
    assert await pending_names(empty_url, folder) == ["0001_notes.sql", "0002_more.sql"]
    assert await migrate(empty_url, folder) == ["0001_notes.sql", "0002_more.sql"]
    assert await migrate(empty_url, folder) == []
    assert await pending_names(empty_url, folder) == []
    assert await fetchval(empty_url, "SELECT count(*) FROM notes") == 1


async def test_many_processes_starting_at_once_apply_each_file_once(empty_url, folder):
    results = await asyncio.gather(*(migrate(empty_url, folder) for _ in range(8)))
    assert sorted(name for applied in results for name in applied) == ["0001_notes.sql", "0002_more.sql"]
    assert await fetchval(empty_url, "SELECT count(*) FROM notes") == 1


async def test_a_file_that_fails_leaves_nothing_behind_and_can_be_mended(empty_url, folder):
    (folder / "0003_bad.sql").write_text("CREATE TABLE half (id int);\nSELECT 1 / 0;\n")
    with pytest.raises(MigrationError, match=r"0003_bad\.sql failed, nothing of it was kept: division by zero"):
        await migrate(empty_url, folder)
    assert await fetchval(empty_url, "SELECT to_regclass('half')") is None
    (folder / "0003_bad.sql").write_text("CREATE TABLE half (id int);\n")
    assert await migrate(empty_url, folder) == ["0003_bad.sql"]


async def test_an_applied_file_that_was_changed_is_refused(empty_url, folder):
    await migrate(empty_url, folder)
    (folder / "0001_notes.sql").write_text("CREATE TABLE notes (id bigint PRIMARY KEY);\n")
    with pytest.raises(MigrationError, match=r"0001_notes\.sql was changed after it was applied"):
        await migrate(empty_url, folder)


async def test_older_code_refuses_a_newer_database(empty_url, folder):
    await migrate(empty_url, folder)
    (folder / "0002_more.sql").unlink()
    with pytest.raises(MigrationError, match=r"the database has had 0002_more\.sql, which is not here"):
        await migrate(empty_url, folder)


async def test_a_gap_in_the_numbers_is_refused(empty_url, folder):
    (folder / "0004_late.sql").write_text("SELECT 1;\n")
    with pytest.raises(MigrationError, match=r"0004_late\.sql: the next number is 0003"):
        await migrate(empty_url, folder)


async def test_an_index_can_be_built_concurrently_while_others_wait_for_the_lock(empty_url, folder):
    (folder / "0003_index.sql").write_text(
        "-- mintql: no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS notes_text_idx ON notes (text);\n"
    )
    async with asyncio.timeout(20):
        results = await asyncio.gather(*(migrate(empty_url, folder) for _ in range(4)))
    assert sum("0003_index.sql" in applied for applied in results) == 1
    assert await fetchval(empty_url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'notes_text_idx'::regclass")


async def test_a_lock_that_stays_taken_is_reported_after_a_bounded_wait(empty_url, folder):
    holder = await asyncpg.connect(empty_url)
    try:
        await holder.execute("SELECT pg_advisory_lock($1)", LOCK_ID)
        with pytest.raises(MigrationError, match=r"another process has been migrating for more than 0\.2 s"):
            await migrate(empty_url, folder, lock_timeout_seconds=0.2)
    finally:
        await holder.close()


async def test_the_projects_own_migrations_make_an_empty_database_complete(empty_url):
    applied = await migrate(empty_url)
    assert applied == sorted(path.name for path in migrations_directory().glob("*.sql"))
    assert await fetchval(empty_url, "SELECT to_regclass('transactions')::text") == "transactions"


async def test_a_table_in_use_is_asked_for_again_and_again_and_nobody_waits_behind_that(empty_url, folder, monkeypatch):
    monkeypatch.setattr(module, "TABLE_LOCK_SECONDS", 0.1)
    monkeypatch.setattr(module, "TABLE_LOCK_PAUSE_SECONDS", 0.1)
    await migrate(empty_url, folder)
    (folder / "0003_later.sql").write_text("ALTER TABLE notes ADD COLUMN more text;\n")
    reader, other = await asyncpg.connect(empty_url), await asyncpg.connect(empty_url)
    try:
        async with reader.transaction():
            await reader.fetchval("SELECT count(*) FROM notes")
            migrating = asyncio.create_task(migrate(empty_url, folder))
            waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'notes'::regclass"
            await eventually(lambda: other.fetchval(waits))
            assert await other.fetchval("SELECT count(*) FROM notes", timeout=5) == 1
            await eventually(lambda: _has_given_up(other, waits))
            assert not migrating.done()
        assert await migrating == ["0003_later.sql"]
    finally:
        await reader.close()
        await other.close()


async def _has_given_up(conn, waits):
    return await conn.fetchval(waits) == 0
