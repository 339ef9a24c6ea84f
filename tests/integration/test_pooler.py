"""Behind a pooler that lends connections by the transaction: what a session needs comes with its login."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal

import asyncpg
import pytest

from mintql.domain.errors import InvalidInput
from mintql.embedded import processes
from mintql.runtime import open_runtime
from support.clients import client_of, eventually
from support.factories import create_user
from support.ports import free_port
from support.repository import ROOT
from support.servers import serving

LOGIN = "mintql_web"
PAGE = (ROOT / "docs" / "high-availability.md").read_text()


@pytest.fixture
async def login(conn):
    """The login that the page describes, made by the statements that stand there."""
    (statements,) = re.findall(r"^```sql\n(CREATE ROLE .*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    await conn.execute(statements.replace("'...'", "'secret'"))
    yield LOGIN
    await conn.execute(f"DROP ROLE {LOGIN}")


def through(settings, url):
    return settings.model_copy(update={"database_url": type(settings.database_url)(url), "database_pooler": True})


async def test_the_login_of_the_page_brings_the_role_and_the_settings(settings, database_url, login, conn):
    ours = through(settings, database_url.replace("mintql@", f"{login}@"))
    user_id, other = await create_user(conn), await create_user(conn)
    async with open_runtime(settings, role="api") as plain, open_runtime(ours, role="api") as pooled:
        shown = (
            "SELECT name, setting FROM pg_settings WHERE source IN ('client', 'user') AND name <> 'application_name'"
        )
        async with plain.person(user_id) as one, pooled.person(user_id) as two:
            wanted = {name: value for name, value in await one.fetch(shown) if name != "client_encoding"}
            assert {name: value for name, value in await two.fetch(shown) if name != "client_encoding"} == wanted
            assert await two.fetchval("SELECT array_agg(user_id) FROM users") == [user_id]
            assert other not in await two.fetchval("SELECT array_agg(user_id) FROM users")


async def test_the_api_does_not_start_with_a_login_that_sees_everything(settings, database_url):
    with pytest.raises(InvalidInput, match="ALTER ROLE"):
        async with open_runtime(through(settings, database_url), role="api"):
            pass


@pytest.fixture
async def pgbouncer(database_url, login, tmp_path):
    """PgBouncer in transaction pooling with fewer servers than a process has connections; gives its address."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        pytest.skip("there is no pgbouncer on this machine")
    folder = re.search(r"host=([^&]+)", database_url)[1].replace("%2F", "/")
    database = re.search(r"@/(\w+)", database_url)[1]
    port = free_port()
    config = tmp_path / "pgbouncer.ini"
    config.write_text(
        f"[databases]\n{database} = host={folder} dbname={database}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 2\n"
        f"max_prepared_statements = 512\n"
    )
    # With auth_type any, PgBouncer goes to the server as one user: the login.
    config.write_text(config.read_text().replace(f"dbname={database}\n", f"dbname={database} user={login}\n"))
    account = processes.unprivileged_account()
    if account is not None:
        os.chown(tmp_path, account.uid, account.gid)
    process = processes.spawn([program, config], log_path=tmp_path / "pgbouncer.log", account=account)
    url = f"postgresql://{login}:secret@127.0.0.1:{port}/{database}"
    try:
        await eventually(lambda: answers(url))
        yield url
    finally:
        processes.stop(process, signal.SIGINT, 5)


async def answers(url):
    try:
        await (await asyncpg.connect(url, timeout=2)).close()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    return True


async def test_changes_and_reads_of_many_at_once_go_through_pgbouncer(settings, pgbouncer):
    from mintql.app import create_app  # noqa: PLC0415 - only where there is a PgBouncer

    async with serving(create_app(through(settings, pgbouncer))) as server, asyncio.TaskGroup() as group:

        async def use(number):
            async with client_of(server) as client:
                await client.sign_up()
                rename = "mutation($name: String!) { updateProfile(input: { name: $name }) { __typename } }"
                for turn in range(5):
                    await client.ask(rename, name=f"{number} {turn}")
                    assert await client.ask("{ viewer { name } accounts { name } }") == {
                        "viewer": {"name": f"{number} {turn}"},
                        "accounts": [],
                    }

        for number in range(8):
            group.create_task(use(number))
