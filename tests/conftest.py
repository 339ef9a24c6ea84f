"""Fixtures on real servers. Nothing starts until a test asks for it.

One PostgreSQL cluster per run; its template database is migrated once, and each test has a copy of it to itself,
which is cleaned for the next test. Each process of the run has a Valkey of its own. With xdist the controller starts
the cluster and tells the others.
"""

from __future__ import annotations

import asyncio
import gc
import os
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import argon2
import pytest
import redis as redis_client
import uvloop
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from mintql.embedded.valkey import running_valkey
from mintql.gateways import passwords
from mintql.settings import Settings
from support.databases import Databases
from support.local import local_client
from support.servers import BankServer, Cluster, running_cluster, serving
from support.streams import connected

HISTORY_DAYS = 60
"""Enough to see months and budgets; two years are read where a test says that it is about them."""
EVENT_POLL_SECONDS = 0.5
SWEEP_SECONDS = 1
REDIS_TIMEOUT_SECONDS = 10
"""Nobody waits for it where Redis answers or is not there, and a machine that is busy stands still for a while."""
CHEAP_PASSWORDS = argon2.Parameters(
    type=argon2.Type.ID,
    version=argon2.low_level.ARGON2_VERSION,
    salt_len=16,
    hash_len=32,
    time_cost=1,
    memory_cost=64,
    parallelism=1,
)

_cluster_key = pytest.StashKey[Cluster]()
_stack_key = pytest.StashKey[ExitStack]()


# The same examples every time, so that a change is judged by what it changes; `MINTQL_HYPOTHESIS=search` looks
# for new ones. How long an example takes says how busy the machine is, and nothing of what is tested.
_UNTIMED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
hypothesis_settings.register_profile("fixed", derandomize=True, database=None, **_UNTIMED)
hypothesis_settings.register_profile("search", print_blob=True, **_UNTIMED)
hypothesis_settings.load_profile(os.environ.get("MINTQL_HYPOTHESIS", "fixed"))


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_stack_key] = ExitStack()


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session):
    """Keep the garbage collector away from what is collected: all of it stays until the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item):
    """Run tests on the loop that the API runs on, which takes less of the machine than asyncio's own."""
    return {"uvloop": uvloop.new_event_loop}


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[_stack_key].close()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:
    cluster = _own_cluster(node.config)
    node.workerinput["cluster"] = (str(cluster.home), cluster.url_of_postgres)


def _own_cluster(config: pytest.Config) -> Cluster:
    if _cluster_key not in config.stash:
        config.stash[_cluster_key] = config.stash[_stack_key].enter_context(running_cluster())
    return config.stash[_cluster_key]


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Cluster:
    """The PostgreSQL of this run."""
    told = getattr(request.config, "workerinput", {}).get("cluster")
    return Cluster(Path(told[0]), told[1]) if told else _own_cluster(request.config)


@pytest.fixture(scope="session")
def _valkey(cluster: Cluster):
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    with running_valkey(cluster.home / worker, durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def _databases(cluster: Cluster) -> Databases:
    return Databases(cluster, f"test_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}")


@pytest.fixture
async def database_url(_databases: Databases):
    """A migrated database of this test's own, with nothing in it."""
    async with _databases.lend() as url:
        yield url


@pytest.fixture
def redis_url(_valkey) -> str:
    """A Valkey with nothing in it."""
    with redis_client.from_url(_valkey.url) as client:
        client.flushall()
    return _valkey.url


@pytest.fixture
def settings(
    request: pytest.FixtureRequest,
    database_url: str,
    redis_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Settings:
    """Settings for the servers of this test; the sandbox bank is among them when the test asks for `bank`.

    Passwords cost next to nothing here: most tests begin with somebody who signs up.
    """
    monkeypatch.setattr(passwords, "PARAMETERS", CHEAP_PASSWORDS)
    wants_bank = "bank" in request.fixturenames
    return Settings(
        DATABASE_URL=database_url,
        REDIS_URL=redis_url,
        object_store=f"file:{tmp_path / 'objects'}",
        sandbox_url=request.getfixturevalue("bank").url if wants_bank else None,
        history_days=730 if request.node.get_closest_marker("two_years") else HISTORY_DAYS,
        event_poll_seconds=EVENT_POLL_SECONDS,
        sweep_seconds=SWEEP_SECONDS,
        redis_timeout_seconds=REDIS_TIMEOUT_SECONDS,
        database_pool_size=5,
    )


@pytest.fixture
async def bank(tmp_path: Path):
    """A sandbox bank over real HTTP: `.url`, and `.control`, a client of it that can make things happen.

    Its day stands, or what it has to tell would be more after midnight.
    """
    from mintql.sandbox import create_bank  # noqa: PLC0415 - only tests that ask for it need it

    day = datetime.now(UTC).date()
    serving_bank = serving(create_bank(tmp_path / "bank.sqlite", today=lambda: day))
    async with serving_bank as running, local_client(base_url=running.url) as client:
        yield BankServer(running.url, client)


@pytest.fixture
async def runtime(settings: Settings):
    """The resources of a worker."""
    from mintql.runtime import open_runtime  # noqa: PLC0415 - only tests that ask for it need all of it

    async with open_runtime(settings, role="worker") as opened:
        yield opened


@pytest.fixture
async def api_runtime(settings: Settings):
    """The resources of the API, under row-level security."""
    from mintql.runtime import open_runtime  # noqa: PLC0415 - only tests that ask for it need all of it

    async with open_runtime(settings, role="api") as opened:
        yield opened


@pytest.fixture
async def server(settings: Settings):
    """The API over real HTTP: `.url`, `.ws_url`."""
    from mintql.app import create_app  # noqa: PLC0415

    async with serving(create_app(settings)) as running:
        await connected(running)
        yield running


@pytest.fixture
async def worker(settings: Settings):
    """An arq worker that runs in the loop of the test."""
    from arq.worker import Worker  # noqa: PLC0415

    from mintql.jobs import worker_options  # noqa: PLC0415

    running = Worker(**worker_options(settings), ctx={"settings": settings}, handle_signals=False)
    task = asyncio.create_task(running.async_run())
    yield running
    task.cancel()
    await asyncio.wait([task])
    # A job that is cancelled must not raise here: pytest would skip the teardown of all other fixtures.
    jobs = list(running.tasks.values())
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)
    running.tasks.clear()
    await running.close()
