"""Limits that processes share by Redis: what each lets through, what it tells, and what it does alone."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis

from mintql.gateways import rate_limits
from mintql.gateways.cache import LIMITS_PREFIX, Cache
from mintql.gateways.rate_limits import CostLimiter, Counters, CountLimiter

LIMIT = 1_000
STEP = LIMIT // 20


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 60_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def redis(redis_url):
    client = Redis.from_url(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def clock():
    return Clock()


def process_of(redis, clock, limit=LIMIT):
    """A limiter as a process of its own has it."""
    return CostLimiter("person", limit, Counters(redis), clock)


async def test_what_is_asked_for_is_taken_from_the_limit_until_the_window_ends(redis, clock):
    limiter = process_of(redis, clock)
    clock.now += 18
    assert limiter.charge(7, 600) == ("person", True, LIMIT, 400, 42)
    assert limiter.charge(7, 500) == ("person", False, LIMIT, 400, 42)
    assert limiter.charge(7, 400) == ("person", True, LIMIT, 0, 42)
    assert limiter.charge(8, 1).remaining == LIMIT - 1
    assert limiter.is_spent(7, 1)
    clock.now += 42
    assert not limiter.is_spent(7, 1)
    assert limiter.charge(7, 1) == ("person", True, LIMIT, LIMIT - 1, 60)


async def test_what_is_larger_than_the_limit_by_itself_can_be_asked_for_once(redis, clock):
    limiter = process_of(redis, clock)
    assert limiter.charge(7, 5 * LIMIT) == ("person", True, LIMIT, 0, 60)
    assert not limiter.charge(7, 1).admitted


async def test_processes_know_of_each_other_but_for_a_share_of_the_limit(redis, clock):
    first, second = process_of(redis, clock), process_of(redis, clock)
    admitted = 0
    for limiter in (first, second) * LIMIT:
        admitted += limiter.charge(7, 1).admitted
        await limiter.settled()
    assert LIMIT <= admitted <= LIMIT + 2 * STEP


async def test_redis_is_not_told_of_those_who_ask_for_little(redis, clock):
    limiter = process_of(redis, clock)
    for person in range(100):
        limiter.charge(person, STEP - 1)
    await limiter.settled()
    assert await redis.keys(f"{LIMITS_PREFIX}*") == []
    limiter.charge(7, 1)
    await limiter.settled()
    (key,) = await redis.keys(f"{LIMITS_PREFIX}*")
    assert int(await redis.get(key)) == STEP
    assert 0 < await redis.ttl(key) <= 120


async def test_emptying_redis_gives_nothing_back_to_who_has_spent_it(redis, clock):
    limiter = process_of(redis, clock)
    limiter.charge(7, 900)
    await limiter.settled()
    await redis.flushall()
    limiter.charge(7, STEP)
    await limiter.settled()
    assert limiter.standing(7).remaining == LIMIT - 900 - STEP


async def test_without_redis_a_process_holds_to_the_limits_alone(clock, monkeypatch, tmp_path):
    monkeypatch.setattr(rate_limits, "PAUSE_SECONDS", 1000.0)
    async with Redis(unix_socket_path=str(tmp_path / "nobody")) as nowhere:
        counters = Counters(nowhere)
        limiter, counts = CostLimiter("person", LIMIT, counters, clock), CountLimiter(counters)
        assert limiter.charge(7, 900).admitted
        await limiter.settled()
        assert counters.are_away
        assert not limiter.charge(7, 101).admitted
        assert limiter.charge(7, 100).admitted
        taken = [(await counts.take("refreshes", 7, 3)).admitted for _ in range(4)]
        assert taken == [True, True, True, False]


async def test_the_payers_a_process_keeps_count_of_are_bounded(redis, clock, monkeypatch):
    monkeypatch.setattr(rate_limits, "PAYERS_MAX", 2)
    limiter = process_of(redis, clock)
    assert limiter.charge("192.0.2.1", 10).remaining == LIMIT - 10
    assert limiter.charge("192.0.2.2", 10).remaining == LIMIT - 10
    assert limiter.charge("192.0.2.3", 10).remaining == LIMIT - 10
    assert limiter.charge("192.0.2.4", 10).remaining == LIMIT - 20
    assert limiter.charge("192.0.2.1", 10).remaining == LIMIT - 20


async def test_what_is_rare_is_counted_exactly_over_all_processes(redis):
    first, second = CountLimiter(Counters(redis)), CountLimiter(Counters(redis))
    taken = await asyncio.gather(*(limiter.take("sign-ups", "192.0.2.1", 5) for limiter in (first, second) * 5))
    assert sum(standing.admitted for standing in taken) == 5
    refused = next(standing for standing in taken if not standing.admitted)
    assert (refused.name, refused.limit, refused.remaining) == ("sign-ups", 5, 0)
    assert 3_590 < refused.reset_seconds <= 3_601
    assert (await first.take("sign-ups", "192.0.2.2", 5)).admitted
    assert (await first.take("refreshes", "192.0.2.1", 5)).admitted


async def test_several_at_once_are_taken_all_or_none(redis):
    counts = CountLimiter(Counters(redis))
    assert (await counts.take("refreshes", 7, 5, count=3)).admitted
    assert not (await counts.take("refreshes", 7, 5, count=3)).admitted
    assert (await counts.take("refreshes", 7, 5, count=2)).admitted


async def test_a_limit_of_nought_is_none(redis):
    counts = CountLimiter(Counters(redis))
    assert (await counts.take("refreshes", 7, 0, count=1_000)).admitted


async def test_a_person_who_is_forgotten_is_forgotten_here_too(redis, clock):
    limiter, counts = process_of(redis, clock), CountLimiter(Counters(redis))
    for person in (7, 77):
        limiter.charge(person, STEP)
        await counts.take("refreshes", person, 5)
    await limiter.settled()
    cache = Cache(redis, 60)
    assert await cache.forget(7) == 2
    kept = await redis.keys(f"{LIMITS_PREFIX}*")
    assert len(kept) == 2
    assert all(b"/77/" in key for key in kept)
    await cache.close()
