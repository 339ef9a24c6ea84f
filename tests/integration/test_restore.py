"""What docs/operations.md says of backups is so: a dump made under writes, put into a server that is new, is a whole."""

from __future__ import annotations

import asyncio
import os
import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest

from mintql.embedded.places import remove_home
from mintql.embedded.postgres import installed_binaries, running_postgres
from mintql.store.migrate import pending_names
from mintql.store.reconcile import differences
from support.people import acting_as
from support.pipeline import open_pipeline
from support.scripted import page, row

DAY = date(2026, 11, 10)
REFRESHES_MEANWHILE = 6
RUNS_OPEN = "SELECT count(*) FROM sync_runs WHERE state NOT IN ('succeeded', 'failed')"
LEDGER = "SELECT external_id, amount_minor FROM transactions WHERE user_id = $1 ORDER BY external_id"
SUMS = "SELECT month, category_id, posted_minor FROM monthly_spending WHERE user_id = $1 AND posted_count > 0 ORDER BY 1, 2"


@pytest.fixture
def new_server(tmp_path: Path):
    """A PostgreSQL that has never heard of mintql."""
    with running_postgres(tmp_path / "restored", durable=False) as server:
        yield server
    remove_home(tmp_path / "restored")


async def run(program: str, *options: str | Path) -> bytes:
    process = await asyncio.create_subprocess_exec(
        next(installed_binaries()).bin / program, *options,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if not name.startswith("PG")},
    )  # fmt: skip
    told, complained = await process.communicate()
    assert process.returncode == 0, complained.decode()
    return told


def statement(count: int) -> bytes:
    return page(*(row(f"row-{number}", -100 - number, DAY) for number in range(count)))


async def carry_on(pipeline):
    """Let the sweeper bring open runs to their end.

    The object store has pages of runs whose numbers are given anew: the first attempt of such a run finds its place
    taken, and the next one has a place of its own.
    """
    for _ in range(4):
        await pipeline.sweep(timedelta(minutes=10))
    assert await pipeline.value(RUNS_OPEN) == 0


async def test_a_dump_made_under_writes_is_whole_and_what_came_later_is_read_again(
    database_url, cluster, new_server, tmp_path
):
    objects, kept = tmp_path / "objects", tmp_path / "kept"
    dump, roles = tmp_path / "mintql.dump", tmp_path / "roles.sql"
    async with open_pipeline(database_url, objects) as before:
        user_id, connection_id = await before.person()
        await before.refresh(user_id, connection_id, statement(20))

        # The three commands of the page, while more comes in.
        dumping = asyncio.create_task(run("pg_dump", "--format=custom", "--file", dump, database_url))
        for more in range(1, REFRESHES_MEANWHILE + 1):
            await before.refresh(user_id, connection_id, statement(20 + 5 * more))
        await dumping
        roles.write_bytes(await run("pg_dumpall", "--roles-only", "--dbname", cluster.url_of_postgres))
        await before.refresh(user_id, connection_id, statement(60))
        shutil.copytree(objects, kept)
        await before.refresh(user_id, connection_id, statement(100))
        last_ledger, last_sums = await before.fetch(LEDGER, user_id), await before.fetch(SUMS, user_id)
        assert len(last_ledger) == 100

    url = new_server.url("mintql")
    await run("psql", "--quiet", "--file", roles, new_server.url("postgres"))
    await run("createdb", "--host", new_server.socket_dir, "--username", "mintql", "mintql")
    await run("pg_restore", "--exit-on-error", "--dbname", url, dump)
    assert await pending_names(url) == []

    async with open_pipeline(url, kept) as after:
        restored = await after.fetch(LEDGER, user_id)
        assert 20 <= len(restored) < 100
        async with after.begin() as conn:
            assert await differences(conn, [user_id]) == []
            async with acting_as(conn, user_id):
                assert await conn.fetchval("SELECT count(*) FROM transactions") == len(restored)
        report = await after.replay(user_id)
        assert report.differences == []
        after.now = before.now
        after.institution.pages = [statement(100)]
        await carry_on(after)  # What was under way when the dump was made.
        await after.refresh(user_id, connection_id)
        await carry_on(after)
        assert await after.fetch(LEDGER, user_id) == last_ledger
        assert await after.fetch(SUMS, user_id) == last_sums
        assert (await after.replay(user_id)).differences == []
