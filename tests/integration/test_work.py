"""`mintql worker` outlives Redis: it waits for it, goes on with it, and stops at once when told to."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest
import redis
from arq.connections import ArqRedis
from redis.asyncio import ConnectionPool

from mintql.embedded.places import remove_home
from mintql.embedded.valkey import ValkeyServer, running_valkey
from mintql.gateways.queue import deserialize, serialize
from support.working import PATIENCE_SECONDS, PAUSE_SECONDS, SHORT_TIMEOUT_SECONDS, worker

LONGER_THAN_A_TRY_SECONDS = PAUSE_SECONDS + 0.3
QUEUE = "mintql:queue"


@pytest.fixture
def home(tmp_path):
    yield tmp_path / "home"
    remove_home(tmp_path / "home")


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
