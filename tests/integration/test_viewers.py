"""Sessions that a process remembers: they spare the database a question, and never outlive their end."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from mintql.api import viewers as module
from mintql.api.context import find_viewer
from mintql.api.viewers import Viewers
from mintql.api.whose import Whose
from mintql.domain.audit import Origin
from mintql.gateways.answers import Found
from mintql.services.identity import begin_session, hash_token
from mintql.store import sessions
from support.factories import create_user

NOW = datetime.now(UTC)


class Counting:
    """A runtime that counts how often the database is asked for a session."""

    def __init__(self, runtime):
        self._runtime = runtime
        self.cache = runtime.cache
        self.asked = 0

    def ask(self, read):
        self.asked += 1
        return self._runtime.ask(read)


@pytest.fixture
async def runtime(api_runtime):
    return Counting(api_runtime)


@pytest.fixture
async def signed_in(conn):
    user_id = await create_user(conn)
    token, _ = await begin_session(conn, user_id, NOW, 1, Origin(user_agent="test"))
    return user_id, token


async def test_a_session_is_asked_for_until_it_was_found_under_a_version(runtime, signed_in):
    user_id, token = signed_in
    viewers = Viewers()
    found = [(await viewers.find(runtime, token, None))[0].user_id for _ in range(5)]
    assert found == [user_id] * 5
    assert runtime.asked == 2, "once to learn whose it is, once under the version that was read before"


async def test_a_session_that_ended_is_refused_at_once_in_every_process(conn, runtime, signed_in):
    user_id, token = signed_in
    processes = [Viewers(), Viewers()]
    for viewers in processes * 3:
        assert (await viewers.find(runtime, token, None))[0] is not None
    await sessions.delete_all(conn, user_id)
    await runtime.cache.bump({user_id})
    for viewers in processes:
        assert await viewers.find(runtime, token, "digest") == (None, module.NOTHING)


async def test_without_a_bump_a_session_that_ended_is_trusted_for_a_bounded_time(conn, runtime, signed_in, monkeypatch):
    user_id, token = signed_in
    monkeypatch.setattr(module, "TRUSTED_SECONDS", -1.0)
    viewers = Viewers()
    for _ in range(3):
        assert (await viewers.find(runtime, token, None))[0] is not None
    await sessions.delete_all(conn, user_id)
    assert (await viewers.find(runtime, token, None))[0] is None


async def test_a_session_that_runs_out_is_not_trusted_beyond_its_end(conn, runtime):
    user_id = await create_user(conn)
    token, _ = await begin_session(conn, user_id, NOW - timedelta(days=1), 1, Origin(user_agent="test"))
    await conn.execute("UPDATE sessions SET expires_at = now() + interval '5 s' WHERE user_id = $1", user_id)
    viewers = Viewers()
    for _ in range(3):
        assert (await viewers.find(runtime, token, None))[0] is not None
    (known,) = viewers._known.values()
    assert known.trusted_until <= time.monotonic() + 5 < time.monotonic() + module.TRUSTED_SECONDS
    viewers._known[hash_token(token)] = known._replace(trusted_until=time.monotonic())
    await sessions.delete_all(conn, user_id)
    assert (await viewers.find(runtime, token, None))[0] is None


async def test_nobody_is_found_for_a_token_of_nobody_and_nothing_is_kept_of_it(runtime):
    viewers = Viewers()
    assert await viewers.find(runtime, "no such token", "digest") == (None, module.NOTHING)
    assert not viewers._known


async def test_an_answer_comes_with_the_viewer(runtime, signed_in):
    user_id, token = signed_in
    viewers = Viewers()
    version = (await viewers.find(runtime, token, "digest"))[1].version
    await runtime.cache.put(user_id, version, "digest", b"answer")
    viewer, found = await viewers.find(runtime, token, "digest")
    assert (viewer.user_id, found) == (user_id, Found(version, b"answer"))
    assert (await viewers.find(runtime, token, "another"))[1] == Found(version, None)


async def test_who_could_not_be_marked_as_active_is_with_the_next_request(conn, api_runtime, signed_in):
    user_id, token = signed_in
    await conn.execute("UPDATE users SET last_active_on = last_active_on - 1")
    viewer = await find_viewer(api_runtime, token)
    whose = Whose(())
    await conn.execute("ALTER TABLE users RENAME TO away")
    with pytest.raises(asyncpg.UndefinedTableError):
        await whose.note(api_runtime, viewer)
    await conn.execute("ALTER TABLE away RENAME TO users")
    await whose.note(api_runtime, viewer)
    assert await conn.fetchval("SELECT last_active_on FROM users WHERE user_id = $1", user_id) >= NOW.date()
