"""The cache never gives one person another's answer, nor a stale one, whatever Redis does."""

from __future__ import annotations

import asyncio
import socket

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from mintql.domain.ids import UserId
from mintql.domain.positions import Position
from mintql.gateways import cache as module
from mintql.gateways.answers import Found
from mintql.gateways.cache import BODY_BYTES_MAX, Cache
from mintql.gateways.placing import Placing
from mintql.observing import metrics
from support.clients import PATIENCE_SECONDS, eventually
from support.metrics import Moves

ADA, BOB = UserId(1), UserId(2)
TIMEOUT_SECONDS = 0.2
"""Of who is waited for in vain."""


def redis_at(url, seconds=PATIENCE_SECONDS):
    return Redis.from_url(url, socket_timeout=seconds, socket_connect_timeout=seconds, retry=Retry(NoBackoff(), 0))


@pytest.fixture
async def redis(redis_url):
    client = redis_at(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
async def open_cache(redis):
    """What opens caches that are closed at the end, before their clients."""
    opened = []

    def open_one(*how):
        opened.append(Cache(*how))
        return opened[-1]

    yield open_one
    for one in opened:
        await one.close()


@pytest.fixture
async def cache(redis, open_cache):
    return open_cache(redis, 60)


@pytest.fixture
def silent_url():
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


async def test_an_answer_is_found_again_under_the_version_it_was_made_for(cache):
    version = await cache.version(ADA)
    assert await cache.get(ADA, version, "digest") is None
    await cache.put(ADA, version, "digest", b"answer")
    assert await cache.version(ADA) == version
    assert await cache.get(ADA, version, "digest") == b"answer"
    assert await cache.get(ADA, version, "another") is None


async def test_a_bump_makes_everything_stale_for_one_person_only(cache):
    versions = {user: await cache.version(user) for user in (ADA, BOB)}
    for user, version in versions.items():
        await cache.put(user, version, "digest", b"answer")
    await cache.bump({ADA})
    renewed = await cache.version(ADA)
    assert renewed != versions[ADA]
    assert await cache.get(ADA, renewed, "digest") is None
    assert await cache.version(BOB) == versions[BOB]
    assert await cache.get(BOB, versions[BOB], "digest") == b"answer"


async def test_an_answer_made_before_a_bump_is_never_found_after_it(cache):
    version = await cache.version(ADA)
    await cache.bump({ADA})
    await cache.put(ADA, version, "digest", b"made from what was true before")
    assert await cache.get(ADA, await cache.version(ADA), "digest") is None


async def test_a_version_that_was_lost_does_not_come_back(cache, redis):
    version = await cache.version(ADA)
    await cache.put(ADA, version, "digest", b"answer")
    await redis.delete("version:1")
    assert await cache.version(ADA) != version


async def test_two_readers_at_once_agree_on_a_version(redis_url, open_cache):
    clients = [redis_at(redis_url) for _ in range(8)]
    caches = [open_cache(client, 60) for client in clients]
    versions = await asyncio.gather(*(cache.version(ADA) for cache in caches))
    assert len(set(versions)) == 1
    for client in clients:
        await client.aclose()


async def test_entries_and_versions_have_an_end(cache, redis):
    version = await cache.version(ADA)
    await cache.put(ADA, version, "digest", b"answer")
    assert 0 < await redis.ttl("1:digest") <= 60
    assert await redis.ttl("version:1") > 60


async def test_an_answer_that_is_too_large_is_not_kept(cache):
    version = await cache.version(ADA)
    await cache.put(ADA, version, "digest", b"x" * (BODY_BYTES_MAX + 1))
    assert await cache.get(ADA, version, "digest") is None


async def test_a_life_of_nothing_keeps_no_answers_and_versions_all_the_same(redis, open_cache):
    cache = open_cache(redis, 0)
    version = (await cache.find(ADA, "digest")).version
    await cache.put(ADA, version, "digest", b"answer")
    assert await cache.find(ADA, "digest") == Found(version, None)
    await cache.bump({ADA})
    assert await cache.version(ADA) != version
    assert await redis.keys() == [b"version:1"]


async def test_a_redis_that_never_answers_is_waited_for_once_and_not_by_each_reader(
    silent_url, monkeypatch, open_cache
):
    monkeypatch.setattr(module, "PAUSE_SECONDS", 60)
    cache = open_cache(redis_at(silent_url, TIMEOUT_SECONDS), 60)
    moves = Moves(metrics.REDIS_FAILURES)
    for _ in range(50):
        assert await cache.version(ADA) is None
    assert moves(metrics.REDIS_FAILURES, "cache") == 1
    await cache.close()


async def test_after_a_failed_bump_the_person_is_served_uncached_until_it_succeeds(
    redis_url, silent_url, monkeypatch, open_cache
):
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.05)
    away, back = redis_at(silent_url, TIMEOUT_SECONDS), redis_at(redis_url)
    cache = open_cache(back, 60)
    version = await cache.version(ADA)
    await cache.put(ADA, version, "digest", b"soon stale")
    other = await cache.version(BOB)
    cache._redis = away
    await cache.bump({ADA})
    cache._redis = back
    assert await cache.version(ADA) is None
    renewed = await eventually(lambda: cache.version(ADA))
    assert renewed != version
    assert await cache.get(ADA, renewed, "digest") is None
    assert await cache.version(BOB) == other
    await cache.close()
    await away.aclose()
    await back.aclose()


async def test_a_bump_whose_caller_is_cancelled_is_made_all_the_same(redis_url, silent_url, monkeypatch, open_cache):
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.05)
    away, back = redis_at(silent_url, TIMEOUT_SECONDS), redis_at(redis_url)
    cache = open_cache(back, 60)
    version = await cache.version(ADA)
    cache._redis = away
    bump = asyncio.create_task(cache.bump({ADA}))
    await asyncio.sleep(TIMEOUT_SECONDS / 4)
    bump.cancel()
    with pytest.raises(asyncio.CancelledError):
        await bump
    cache._redis = back
    renewed = await eventually(lambda: cache.version(ADA))
    assert renewed != version
    await cache.close()
    await away.aclose()
    await back.aclose()


async def test_a_bump_whose_caller_was_cancelled_by_the_end_of_the_process_is_made_before_that(
    redis_url, silent_url, cache, open_cache
):
    version = await cache.version(ADA)
    away, back = redis_at(silent_url), redis_at(redis_url)
    ending = open_cache(away, 60)
    bump = asyncio.create_task(ending.bump({ADA}))
    await asyncio.sleep(TIMEOUT_SECONDS / 4)
    bump.cancel()
    await asyncio.wait([bump])
    ending._redis = back
    await ending.close()
    assert await cache.version(ADA) != version
    await away.aclose()
    await back.aclose()


async def test_failed_bumps_are_forgotten_once_nothing_stale_can_be_left(silent_url, monkeypatch, open_cache):
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(module, "BUMP_MEMORY_MARGIN_SECONDS", -1)
    cache = open_cache(redis_at(silent_url, TIMEOUT_SECONDS), 1)
    await cache.bump(UserId(number) for number in range(1000))
    await eventually(lambda: not cache._unbumped)
    await cache.close()


async def test_two_processes_find_each_others_answers_and_each_sees_the_others_bump(redis_url, open_cache):
    clients = [redis_at(redis_url) for _ in range(2)]
    one, other = (open_cache(client, 60) for client in clients)
    version = (await one.find(ADA, "digest")).version
    await one.put(ADA, version, "digest", b"answer")
    assert await other.find(ADA, "digest") == Found(version, b"answer")
    assert await other.find(ADA, "digest") == Found(version, b"answer")  # Now from its own memory.
    await one.bump({ADA})
    renewed, body, _ = await other.find(ADA, "digest")
    assert renewed != version
    assert body is None
    for cache, client in zip((one, other), clients, strict=True):
        await cache.close()
        await client.aclose()


async def test_what_is_asked_for_at_once_is_one_command_and_each_gets_its_own(cache, redis, open_cache):
    for number in range(1, 4):
        user_id = UserId(number)
        await cache.put(user_id, await cache.version(user_id), "digest", b"answer of %d" % number)
    before = (await redis.info("commandstats"))["cmdstat_mget"]["calls"]
    other = open_cache(redis, 60)
    found = await asyncio.gather(*(other.find(UserId(number), "digest") for number in range(1, 4)))
    assert [answer.body for answer in found] == [b"answer of 1", b"answer of 2", b"answer of 3"]
    assert (await redis.info("commandstats"))["cmdstat_mget"]["calls"] == before + 1


async def test_a_reader_that_goes_away_takes_nobody_elses_answer_along(cache):
    versions = {user: await cache.version(user) for user in (ADA, BOB)}
    for user, version in versions.items():
        await cache.put(user, version, "digest", b"answer of %d" % user)
    readers = [asyncio.create_task(cache.get(user, versions[user], "digest")) for user in (ADA, BOB)]
    await asyncio.sleep(0)
    readers[0].cancel()
    assert await readers[1] == b"answer of 2"


async def test_an_answer_goes_to_redis_when_the_same_is_asked_for_again(cache, redis):
    version = await cache.version(ADA)
    cache.keep(ADA, version, "digest", b"first")
    await asyncio.sleep(0.05)
    assert await redis.exists("1:digest") == 0
    assert await cache.find(ADA, "digest") == Found(version, b"first")
    await cache.bump({ADA})
    renewed, *_ = await cache.find(ADA, "digest")
    cache.keep(ADA, renewed, "digest", b"second")
    await eventually(lambda: redis.exists("1:digest"))
    assert await cache.get(ADA, renewed, "digest") == b"second"


async def test_a_version_is_placed_after_what_was_asked_and_only_while_it_holds(redis, open_cache):
    """A bump that comes between the asking and the placing lets the position go: it may be too old by then."""
    asked, answered = asyncio.Event(), asyncio.Event()

    async def ask():
        asked.set()
        await answered.wait()
        return Position(1, 0x16)

    placing = Placing(redis, ask)
    cache = open_cache(redis, 60, placing)
    first = await cache.find(ADA, "digest")
    assert first.position is None
    await asked.wait()
    await cache.bump({ADA})
    plain = open_cache(redis, 60)  # Of a process that knows of no replicas.
    second = await plain.find(ADA, "digest")
    answered.set()
    await placing.finish()
    assert await plain.find(ADA, "digest") == Found(second.version, None, None)
    assert (await cache.find(ADA, "digest")).position is None
    await placing.finish()
    assert await cache.find(ADA, "digest") == Found(second.version, None, Position(1, 0x16))
    assert 0 < await redis.ttl(f"version:{ADA}") <= module.VERSION_TTL_SECONDS
    await cache.bump({ADA})
    assert (await plain.find(ADA, "digest")).position is None
    await cache.close()
    await plain.close()


async def test_an_answer_is_kept_under_its_version_before_and_after_that_is_placed(redis, open_cache):
    async def ask():
        return Position(2, 0xABC0)

    placing = Placing(redis, ask)
    cache, other = open_cache(redis, 60, placing), open_cache(redis, 60, placing)
    version = (await cache.find(ADA, "digest")).version
    await cache.put(ADA, version, "digest", b"answer")
    await placing.finish()
    assert await cache.find(ADA, "digest") == Found(version, b"answer", Position(2, 0xABC0))
    assert await other.find(ADA, "digest") == Found(version, b"answer", Position(2, 0xABC0))
    await cache.close()
    await other.close()


async def test_a_version_stays_unplaced_while_the_database_does_not_answer(redis, open_cache):
    async def ask():
        raise ConnectionRefusedError

    placing = Placing(redis, ask)
    cache = open_cache(redis, 60, placing)
    version = (await cache.find(ADA, "digest")).version
    await placing.finish()
    assert await cache.find(ADA, "digest") == Found(version, None, None)
    await cache.close()


async def test_a_connection_that_redis_has_closed_is_opened_anew(redis_url, redis, open_cache):
    cache = open_cache(redis_at(redis_url), 60)
    version = await cache.version(ADA)
    assert await redis.client_kill_filter(_id=await cache._reader.client_id()) == 1
    assert await cache.version(ADA) == version
