"""The commands and health checks of docker-compose.yml, run as they stand there, without containers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from moto.server import ThreadedMotoServer

from support.compose import compose, filled, made_variables
from support.local import local_client
from support.ports import free_port
from support.repository import ROOT
from support.servers import TEMPLATE, fresh_database

SERVICES = compose()["services"]
PATIENCE_SECONDS = 120
"""A process is four seconds of work, of which a busy machine makes many."""
STOP_SECONDS = 30
MINTQL = [sys.executable, "-m", "mintql"]


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def template() -> str:
    """What the database of the test is a copy of: the migrated one."""
    return TEMPLATE


@pytest.fixture
async def container(template, cluster, redis_url, tmp_path) -> AsyncIterator[dict[str, str]]:
    """The environment of our containers, with the servers of this test in the place of those of compose."""
    given = {name: filled(value, made_variables()) for name, value in _environment("api-1").items() if value}
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    async with fresh_database(cluster, f"compose_{worker}", template=template) as url:
        yield {
            **given,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(sys.path),
            "DATABASE_URL": url,
            "REDIS_URL": redis_url,
            "MINTQL_OBJECT_STORE": f"file:{tmp_path / 'objects'}",
            "MINTQL_SANDBOX_STORE": str(tmp_path / "bank.sqlite"),
        }


def _environment(service: str) -> dict[str, str]:
    return SERVICES[service]["environment"]


def _moved(words: list[str], port: int) -> list[str]:
    """The words with the ports of the container replaced by one that is free here."""
    return [re.sub(r"\b(8000|8001|9464)\b", str(port), word) for word in words]


async def _run(words: list[str], env: dict[str, str], folder: Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *words, env=env, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
    return process.returncode or 0, output.decode()


@asynccontextmanager
async def _running(service: str, env: dict[str, str], folder: Path, port: int) -> AsyncIterator[None]:
    """Run a service until its health check succeeds, then the block; stopped by SIGTERM it has to end well."""
    # A worker listens for its health check alone.
    env = {**env, "MINTQL_METRICS_PORT": str(port) if service == "worker" else "0"}
    command = [*MINTQL, *_moved(SERVICES[service]["command"], port)]
    check = _moved(SERVICES[service]["healthcheck"]["test"][1:], port)
    assert (await _run(check, env, folder))[0] != 0, "the health check succeeds before anything runs"
    process = await asyncio.create_subprocess_exec(*command, env=env, cwd=folder)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await _until_it_listens(process, port)
            while (await _run(check, env, folder))[0] != 0:
                assert process.returncode is None
                await asyncio.sleep(0.1)
        yield
        process.terminate()
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@pytest.mark.parametrize("template", ["template0"])
async def test_migrate_brings_an_empty_database_to_the_schema_and_is_done_the_second_time(container, tmp_path):
    command = [*MINTQL, *SERVICES["migrate"]["command"]]
    migrations = sorted((ROOT / "migrations").glob("*.sql"))
    assert len(migrations) > 1
    assert await _run(command, container, tmp_path) == (0, "".join(f"applied {path.name}\n" for path in migrations))
    assert (await _run(command, container, tmp_path))[0] == 0
    conn = await asyncpg.connect(container["DATABASE_URL"])
    try:
        assert await conn.fetchval("SELECT count(*) FROM schema_migrations") == len(migrations)
    finally:
        await conn.close()


async def _until_it_listens(process: asyncio.subprocess.Process, port: int) -> None:
    """Wait until somebody listens: each health check before that is a process in the way of the one it asks for."""
    while True:
        assert process.returncode is None
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.02)


async def test_the_api_becomes_healthy_and_the_path_the_proxy_asks_says_that_it_is_ready(container, tmp_path, port):
    async with _running("api-1", container, tmp_path, port), local_client() as client:
        ready = await client.get(f"http://127.0.0.1:{port}/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "ready")
        page = await client.get(f"http://127.0.0.1:{port}/graphql", headers={"accept": "text/html"})
        assert page.status_code == 406, "production serves no IDE"


async def test_the_worker_becomes_healthy(container, tmp_path, port):
    async with _running("worker", container, tmp_path, port):
        pass


async def test_the_sandbox_bank_becomes_healthy(container, tmp_path, port):
    async with _running("sandbox", container, tmp_path, port):
        pass


@pytest.fixture
def s3_url() -> Iterator[str]:
    """moto's S3 server in the place of the object store of compose."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


async def test_the_object_store_can_be_used_with_the_keys_and_the_bucket_of_compose(container, tmp_path, s3_url):
    given = {name: filled(value, made_variables()) for name, value in _environment("worker").items() if value}
    keys = {name: value for name, value in given.items() if name.startswith("AWS_")}
    env = {**container, **keys, "MINTQL_OBJECT_STORE": given["MINTQL_OBJECT_STORE"], "MINTQL_S3_ENDPOINT_URL": s3_url}
    status, output = await _run([*MINTQL, "doctor"], env, tmp_path)
    assert (status, "BAD   object store" in output) == (1, True), "the bucket is not there yet"
    bucket = next(word for word in SERVICES["objects"]["command"] if word.startswith("-bucket=")).removeprefix(
        "-bucket="
    )
    async with local_client() as client:
        (await client.put(f"{s3_url}/{bucket}")).raise_for_status()
    status, output = await _run([*MINTQL, "doctor"], env, tmp_path)
    assert (status, "BAD" in output) == (0, False), output


async def test_nothing_runs_in_production_with_the_public_key(container, tmp_path):
    env = {name: value for name, value in container.items() if name != "MINTQL_SECRET_KEYS"}
    status, output = await _run([*MINTQL, "migrate"], env, tmp_path)
    assert status == 1
    assert "MINTQL_SECRET_KEYS must be set in production" in output
