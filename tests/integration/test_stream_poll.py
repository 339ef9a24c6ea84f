"""One look into the database finds the streams of a process that have news, and nobody else's."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from mintql.api.context import Context, Viewer
from mintql.api.stream_poll import STREAMS_PER_QUERY, poll_once
from mintql.api.subscriptions import follow_alerts, follow_events
from mintql.domain.audit import NOWHERE
from mintql.domain.errors import NotSignedIn
from mintql.services.events import NewEvent, append_events
from mintql.services.identity import hash_token
from mintql.store import sessions, streams
from mintql.store.locks import lock_users
from support.clients import PATIENCE_SECONDS, eventually
from support.factories import create_user
from support.statements import CountingRuntime

EVENT = "transactions_changed"


async def viewer_of(runtime, token, *, email):
    now = datetime.now(UTC)
    async with runtime.system() as conn:
        user_id = await create_user(conn, email=email)
        expires_at = now + timedelta(hours=1)
        session_id = await sessions.insert(conn, user_id, hash_token(token), now, expires_at, NOWHERE)
    return Viewer(user_id, session_id, expires_at)


@pytest.fixture
async def api_runtime(api_runtime):
    """One that hears of wake-ups already: when the line is joined, all who listen by then are woken."""
    await eventually(lambda: api_runtime.wakeups.connected)
    return api_runtime


@pytest.fixture
async def ada(runtime):
    return await viewer_of(runtime, "ada", email="ada@example.org")


@pytest.fixture
async def bob(runtime):
    return await viewer_of(runtime, "bob", email="bob@example.org")


async def tell(runtime, viewer, number=1):
    """Append events without a wake-up."""
    async with runtime.system() as conn:
        await lock_users(conn, [viewer.user_id])
        await append_events(conn, [NewEvent(viewer.user_id, EVENT, {"number": n}) for n in range(number)])


async def read(runtime, viewer, listener):
    async with Context(runtime, viewer).following(listener):
        pass


async def test_who_has_news_is_woken_and_nobody_else(runtime, api_runtime, ada, bob):
    wakeups = api_runtime.wakeups
    with wakeups.listen(ada.user_id, ada.session_id) as first, wakeups.listen(bob.user_id, bob.session_id) as second:
        await read(api_runtime, ada, first)
        await read(api_runtime, bob, second)
        await tell(runtime, ada)
        await poll_once(api_runtime)
        assert (first.is_woken(), second.is_woken()) == (True, False)
        first.clear()
        await read(api_runtime, ada, first)
        await poll_once(api_runtime)
        assert (first.is_woken(), second.is_woken()) == (False, False)


async def test_kept_answers_of_whoever_missed_a_wake_up_are_stale_before_they_hear_of_it(
    runtime, api_runtime, ada, bob
):
    cache, wakeups = api_runtime.cache, api_runtime.wakeups
    with wakeups.listen(ada.user_id, ada.session_id) as first, wakeups.listen(bob.user_id, bob.session_id) as second:
        await read(api_runtime, ada, first)
        await read(api_runtime, bob, second)
        before = [await cache.version(viewer.user_id) for viewer in (ada, bob)]
        await tell(runtime, ada)
        await tell(runtime, bob)
        second.wake()  # Bob has heard of it, by who made his answers stale as well.
        await poll_once(api_runtime)
        assert first.is_woken()
    after = [await cache.version(viewer.user_id) for viewer in (ada, bob)]
    assert after[0] not in (before[0], None)
    assert after[1] == before[1]


async def test_who_has_no_session_any_more_is_woken_and_refused(runtime, api_runtime, ada):
    with api_runtime.wakeups.listen(ada.user_id, ada.session_id) as listener:
        await read(api_runtime, ada, listener)
        async with runtime.system() as conn:
            assert await sessions.delete(conn, ada.user_id, ada.session_id)
        await poll_once(api_runtime)
        assert listener.is_woken()
        with pytest.raises(NotSignedIn):
            await read(api_runtime, ada, listener)


async def test_a_stream_through_a_share_looks_for_itself_each_time(api_runtime, ada):
    with api_runtime.wakeups.listen(ada.user_id) as listener:
        await poll_once(api_runtime)
        assert listener.is_woken()


async def test_a_poll_asks_once_for_thousands_of_streams(api_runtime, ada, monkeypatch):
    asked = []
    with_news = streams.with_news

    async def counted(conn, batch, now):
        asked.append(len(batch))
        return await with_news(conn, batch, now)

    monkeypatch.setattr(streams, "with_news", counted)
    with ExitStack() as stack:
        listeners = [
            stack.enter_context(api_runtime.wakeups.listen(ada.user_id, ada.session_id))
            for _ in range(STREAMS_PER_QUERY + 10)
        ]
        listeners[-1].seen = 7  # Another one than the newest there is.
        await poll_once(api_runtime)
        assert asked == [STREAMS_PER_QUERY, 10]
        assert [listener.is_woken() for listener in listeners] == [False] * (STREAMS_PER_QUERY + 9) + [True]


async def test_more_streams_than_connections_begin_at_once_and_requests_still_find_one(runtime, api_runtime, ada):
    seen = []

    async def follow_one():
        async for event in follow_events(Context(api_runtime, ada), None, EVENT):
            seen.append(event.seq)
            return

    tasks = [asyncio.create_task(follow_one()) for _ in range(20 * api_runtime.settings.database_pool_size)]
    await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE_SECONDS), api_runtime.system() as conn:
        assert await conn.fetchval("SELECT 1") == 1
    listening = api_runtime.wakeups.listening
    await eventually(lambda: len(listening()) == len(tasks) and all(item.seen == 0 for item in listening()))
    await eventually(lambda: not api_runtime.stream_turns.locked())
    await tell(runtime, ada)
    await poll_once(api_runtime)
    await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE_SECONDS)
    assert seen == [1] * len(tasks)


async def test_what_a_stream_reads_takes_two_ways_to_the_database(runtime, api_runtime, ada):
    counting = CountingRuntime(api_runtime)
    stream = follow_events(Context(counting, ada), None, EVENT)
    first = asyncio.create_task(anext(stream))
    await eventually(lambda: len(counting.statements) == 2)  # Where it begins, and the newest event, which it has.
    await tell(runtime, ada)
    await poll_once(api_runtime)
    assert (await first).seq == 1
    assert len(counting.statements) == 4
    await stream.aclose()


async def test_a_stream_whose_connection_is_lost_as_it_begins_to_read_takes_another(
    runtime, api_runtime, ada, monkeypatch
):
    begin_reading, cut = streams.begin_reading, []

    async def cut_once(conn, **asked):
        if not cut:
            cut.append(await conn.fetchval("SELECT pg_backend_pid()"))
            async with runtime.system() as other:
                assert await other.fetchval("SELECT pg_terminate_backend($1, 5000)", cut[0])
        return await begin_reading(conn, **asked)

    monkeypatch.setattr(streams, "begin_reading", cut_once)
    await tell(runtime, ada)
    stream = follow_events(Context(api_runtime, ada), 0, EVENT)
    assert (await asyncio.wait_for(anext(stream), 10)).seq == 1
    assert len(cut) == 1
    await stream.aclose()


async def test_a_stream_keeps_no_page_it_has_sent(runtime, api_runtime, ada):
    await tell(runtime, ada, 250)
    stream = follow_events(Context(api_runtime, ada), 0, EVENT)
    seqs = [(await anext(stream)).seq for _ in range(250)]
    assert seqs == list(range(1, 251))
    waiting = asyncio.create_task(anext(stream))
    await asyncio.sleep(0.2)
    assert "items" not in stream.ag_frame.f_locals
    waiting.cancel()
    await asyncio.wait([waiting])
    await stream.aclose()
    assert api_runtime.wakeups.listening() == []


async def test_alerts_of_somebody_without_any_begin_at_none(api_runtime, ada):
    stream = follow_alerts(Context(api_runtime, ada), 0)
    waiting = asyncio.create_task(anext(stream))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    waiting.cancel()
    await asyncio.wait([waiting])
    await stream.aclose()
