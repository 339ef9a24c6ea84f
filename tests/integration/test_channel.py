"""Wake-ups reach the listeners of a person in every process, and the line mends itself."""

from __future__ import annotations

import asyncio
import time

import pytest
from redis.asyncio import Redis

from mintql.domain.ids import SessionId, UserId
from mintql.gateways import channel as module
from mintql.gateways.channel import PERSONS_PER_MESSAGE, Channel, Wakeups
from support.clients import PATIENCE_SECONDS, eventually

ADA, BOB = UserId(1), UserId(2)


@pytest.fixture
async def redis(redis_url):
    client = Redis.from_url(redis_url, socket_timeout=PATIENCE_SECONDS)
    yield client
    await client.aclose()


@pytest.fixture
async def wakeups(redis):
    opened = Wakeups(redis)
    await opened.start()
    await eventually(lambda: opened.connected)
    yield opened
    await opened.stop()


async def test_a_person_is_woken_within_a_moment_and_nobody_else(redis, wakeups):
    with wakeups.listen(ADA) as ada, wakeups.listen(BOB) as bob:
        worked = time.process_time()
        await Channel(redis).publish({ADA})
        await asyncio.wait_for(ada.wait(), PATIENCE_SECONDS)
        assert time.process_time() - worked < 0.5
        assert not bob.is_woken()


async def test_all_listeners_of_a_person_are_woken(redis, wakeups):
    with wakeups.listen(ADA) as first, wakeups.listen(ADA) as second:
        await Channel(redis).publish({ADA})
        await asyncio.wait_for(asyncio.gather(first.wait(), second.wait()), PATIENCE_SECONDS)


async def test_more_persons_than_fit_one_message_are_all_woken(redis, wakeups):
    last = UserId(PERSONS_PER_MESSAGE + 500)
    with wakeups.listen(ADA) as first, wakeups.listen(last) as second:
        await Channel(redis).publish(UserId(number) for number in range(1, last + 1))
        await asyncio.wait_for(asyncio.gather(first.wait(), second.wait()), PATIENCE_SECONDS)


async def test_a_session_that_ends_wakes_its_own_streams_whosever_events_they_follow(redis, wakeups):
    ended, told = SessionId(7), []
    wakeups.on_session_end = told.append
    with (
        wakeups.listen(ADA, ended) as own,
        wakeups.listen(BOB, None, ended) as through_a_share,
        wakeups.listen(ADA, SessionId(8)) as other,
    ):
        await Channel(redis).publish_session_end({ended})
        await asyncio.wait_for(asyncio.gather(own.wait(), through_a_share.wait()), PATIENCE_SECONDS)
        assert not other.is_woken()
    assert told == [ended]


async def test_listeners_that_have_gone_leave_nothing_behind(wakeups):
    with wakeups.listen(ADA), wakeups.listen(ADA):
        pass
    assert wakeups._listeners == {}


async def test_a_cut_line_is_joined_again_and_wakes_everybody(redis, wakeups, monkeypatch):
    monkeypatch.setattr(module, "RECONNECT_SECONDS_MIN", 0.01)
    with wakeups.listen(ADA) as woken:
        await redis.client_kill_filter(_type="pubsub")
        await asyncio.wait_for(woken.wait(), PATIENCE_SECONDS)
        await eventually(lambda: wakeups.connected)
        woken.clear()
        await Channel(redis).publish({ADA})
        await asyncio.wait_for(woken.wait(), PATIENCE_SECONDS)


async def test_a_line_that_falls_silent_is_found_out_by_asking(redis, monkeypatch):
    monkeypatch.setattr(module, "PING_SECONDS", 0.5)
    wakeups = Wakeups(redis)
    await wakeups.start()
    await eventually(lambda: wakeups.connected)

    async def pinged():
        return (await redis.info("commandstats")).get("cmdstat_ping", {"calls": 0})["calls"] >= 3

    await eventually(pinged)
    assert wakeups.connected
    await wakeups.stop()
    assert not wakeups.connected


async def test_without_redis_publishing_and_listening_fail_quietly():
    gone = Redis(host="127.0.0.1", port=1, socket_connect_timeout=0.2)
    await Channel(gone).publish({ADA})
    wakeups = Wakeups(gone)
    await wakeups.start()
    with wakeups.listen(ADA) as woken:
        await asyncio.sleep(0.1)
        assert not wakeups.connected
        assert not woken.is_woken()
    await wakeups.stop()
    await gone.aclose()
