"""Through Sentinels cache, wake-ups and jobs find the server that took over, within seconds, and nothing is stale."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest
from redis.exceptions import RedisError

from mintql.doctor import examine
from mintql.domain.errors import InvalidInput
from mintql.domain.ids import UserId
from mintql.gateways.redis_servers import Sentinels, arq_settings, open_redis, sentinels_of
from mintql.runtime import open_runtime
from mintql.services.effects import Effects
from support.clients import eventually
from support.sentinels import GROUP, watched_by_sentinels
from support.working import PATIENCE_SECONDS, SHORT_TIMEOUT_SECONDS, worker

ADA, BOB = UserId(1), UserId(2)
OURS = "a job of this test"
TAKEN_OVER_WITHIN_SECONDS = 60
"""A machine that is busy takes a while; by itself it is three."""


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    with watched_by_sentinels(tmp_path_factory.mktemp("sentinels") / "home") as running:
        yield running


@pytest.fixture
def settings(settings, watched):
    return settings.model_copy(update={"redis_url": type(settings.redis_url)(watched.url)})


def test_an_address_names_sentinels_group_database_and_both_passwords():
    found = sentinels_of("rediss+sentinel://me:p%40ss@one:1,two,[::1]:3/group/2?sentinel_user=s&sentinel_password=q")
    assert found == Sentinels((("one", 1), ("two", 26379), ("::1", 3)), "group", 2, True, "me", "p@ss", "s", "q")
    assert "p@ss" not in repr(found)
    assert sentinels_of("redis://one:1/2") is None


@pytest.mark.parametrize("url", ["redis+sentinel://one", "redis+sentinel:///group", "redis+sentinel://one:x/group"])
def test_an_address_that_says_too_little_is_refused_in_words(url):
    with pytest.raises(InvalidInput, match="REDIS_URL"):
        sentinels_of(url)


def test_arqs_own_program_finds_the_primary_too(settings, watched):
    told = arq_settings(settings)
    assert (told.sentinel, told.sentinel_master) == (True, GROUP)
    assert told.host == [("127.0.0.1", 1), ("127.0.0.1", watched.sentinel_port)]


async def test_the_doctor_finds_the_primary_through_sentinels(settings):
    findings = {finding.name: finding for finding in await examine(settings)}
    assert "version" in findings["redis"].words
    assert "none is at work" in findings["workers for persons"].words


async def test_all_that_redis_carries_goes_on_when_the_primary_dies(settings, watched, tmp_path, database_url):
    """The last test: it leaves one server."""
    async with (
        open_runtime(settings, role="api") as one,
        open_runtime(settings, role="api") as other,
        open_redis(settings, queue_name=settings.queue_name) as queue,
    ):
        with worker(tmp_path, database_url, watched.url, SHORT_TIMEOUT_SECONDS) as running:
            await eventually(lambda: _takes_a_job(queue))
            version = await one.cache.version(ADA)
            await one.cache.put(ADA, version, "digest", b"answer")
            assert (await other.cache.find(ADA, "digest")).body == b"answer"
            await eventually(lambda: one.wakeups.connected)
            assert one.cache._reader is one.redis  # Whose connections to a primary of before are given up.
            watched.kill_primary()
            killed = time.monotonic()
            assert (await other.cache.find(ADA, "another")).body is None  # Without waiting for whoever takes over.
            await one.cache.bump({ADA})
            await eventually(watched.replica_is_primary)
            renewed = await eventually(lambda: one.cache.version(ADA))
            assert renewed != version
            await one.cache.put(ADA, renewed, "newer", b"newer")
            await eventually(lambda: _finds(other, b"newer"))
            with one.wakeups.listen(ADA) as listener:
                await eventually(lambda: one.wakeups.connected)
                listener.clear()
                await other.perform(Effects(told={ADA}))
                await asyncio.wait_for(listener.wait(), PATIENCE_SECONDS)
            await eventually(lambda: _takes_a_job(queue))
            assert time.monotonic() - killed < TAKEN_OVER_WITHIN_SECONDS
            assert running.stop(signal.SIGTERM) == 0


async def test_who_was_changed_just_before_is_stale_again_where_another_server_takes_over(redis_url, settings):
    """The server that was told may have gone with what it was told."""
    plain = settings.model_copy(update={"redis_url": type(settings.redis_url)(redis_url)})
    async with open_runtime(plain, role="api") as runtime:
        await runtime.cache.bump({ADA})
        told, untold = await runtime.cache.version(ADA), await runtime.cache.version(BOB)
        runtime.cache.bump_again()
        await eventually(lambda: not runtime.cache._unbumped)
        assert await runtime.cache.version(ADA) not in (told, None)
        assert await runtime.cache.version(BOB) == untold


async def _finds(runtime, body):
    return (await runtime.cache.find(ADA, "newer")).body == body


async def _takes_a_job(queue):
    """Enqueue one, if none waits yet, and tell whether a worker took it."""
    try:
        await queue.enqueue_job("notify", _job_id=OURS)
        await asyncio.sleep(0.1)
        return await queue.zscore(queue.default_queue_name, OURS) is None
    except (RedisError, OSError):
        return False
