"""`mintql worker` outlives Redis: it waits for it, goes on with it, and stops at once when told to."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from arq.connections import ArqRedis
from redis.asyncio import ConnectionPool

from mintql.embedded.places import remove_home
from mintql.embedded.valkey import ValkeyServer, running_valkey
from mintql.gateways.queue import deserialize, serialize
from mintql.work import REDIS_TIMEOUT_SECONDS

PATIENCE_SECONDS = 30
AT_ONCE_SECONDS = 12
"""A machine that is busy with other tests, and jobs under way that may still come to their end."""
PAUSE_SECONDS = 0.2
LONGER_THAN_A_TRY_SECONDS = PAUSE_SECONDS + 0.3
SHORT_TIMEOUT_SECONDS = 0.5
"""Of an answer of Redis, where one is waited for in vain."""
QUEUE = "mintql:queue"
WORKER = """
from mintql import cli, work
work.PAUSE_SECONDS = {pause_seconds}
work.REDIS_TIMEOUT_SECONDS = {timeout_seconds}
cli.main()
"""
"""`mintql worker` that tries more often than one does in earnest."""


@pytest.fixture
def home(tmp_path):
    yield tmp_path / "home"
    remove_home(tmp_path / "home")


class Running:
    """A started `mintql worker` and its log."""

    def __init__(self, process: subprocess.Popen[bytes], log_path: Path) -> None:
        self.process = process
        self.log_path = log_path

    async def until_said(self, text: str, times: int = 1) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.log_path.read_text().count(text) < times:
            assert self.process.poll() is None, self.log_path.read_text()
            assert time.monotonic() < deadline, self.log_path.read_text()
            await asyncio.sleep(0.05)

    def stop(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        return self.process.wait(AT_ONCE_SECONDS)


@contextmanager
def worker(
    folder: Path, database_url: str, redis_url: str, timeout_seconds: float = REDIS_TIMEOUT_SECONDS
) -> Iterator[Running]:
    environment = os.environ | {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "MINTQL_OBJECT_STORE": f"file:{folder / 'objects'}",
        "MINTQL_SWEEP_SECONDS": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    log_path = folder / "worker.log"
    with log_path.open("wb") as output:
        code = WORKER.format(pause_seconds=PAUSE_SECONDS, timeout_seconds=timeout_seconds)
        process = subprocess.Popen([sys.executable, "-c", code, "worker"], cwd=folder, env=environment, stderr=output)
    try:
        yield Running(process, log_path)
    finally:
        process.kill()
        process.wait()


async def until_at_work(server: ValkeyServer) -> None:
    """Wait until a job that is enqueued now has been done."""
    client = ArqRedis(ConnectionPool.from_url(server.url), job_serializer=serialize, job_deserializer=deserialize)
    try:
        job = await client.enqueue_job("notify", _queue_name=QUEUE)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while await client.zscore(QUEUE, job.job_id) is not None:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
    finally:
        await client.aclose(close_connection_pool=True)


async def test_a_worker_waits_for_redis_says_so_once_and_goes_on_after_each_outage(tmp_path, home, database_url):
    with running_valkey(home) as server:
        url = server.url
    with worker(tmp_path, database_url, url) as running:
        await running.until_said("does not answer")
        await asyncio.sleep(LONGER_THAN_A_TRY_SECONDS)
        with running_valkey(home) as server:
            await until_at_work(server)
            assert redis.from_url(url).exists(f"{QUEUE}:health-check")
            server.process.kill()
            server.process.wait()
            await running.until_said("was lost")
            await asyncio.sleep(LONGER_THAN_A_TRY_SECONDS)
            server.launch()
            server.wait_until_ready()
            await running.until_said(" answers", times=2)
            await until_at_work(server)
            assert running.stop(signal.SIGTERM) == 0
            assert not redis.from_url(url).exists(f"{QUEUE}:health-check")
        said = running.log_path.read_text()
        assert "Traceback" not in said
        assert said.count("WARNING") == 2


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
async def test_a_worker_that_waits_for_redis_stops_at_once(tmp_path, database_url, how):
    with worker(tmp_path, database_url, "redis://:secret@127.0.0.1:1/0") as running:
        await running.until_said("Redis at 127.0.0.1:1 does not answer")
        assert running.stop(how) == 0
        assert "secret" not in running.log_path.read_text()


async def test_a_redis_that_hangs_counts_as_one_that_is_away(tmp_path, home, database_url):
    started = running_valkey(home)
    with started as server, worker(tmp_path, database_url, server.url, SHORT_TIMEOUT_SECONDS) as running:
        await until_at_work(server)
        server.process.send_signal(signal.SIGSTOP)
        try:
            await running.until_said("was lost")
        finally:
            server.process.send_signal(signal.SIGCONT)
        await until_at_work(server)
        assert running.stop(signal.SIGTERM) == 0
