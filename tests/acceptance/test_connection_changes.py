"""`connectionChanged` tells whatever happens to a connection, whoever wrote it, once and in order."""

from __future__ import annotations

import asyncio

import pytest

from mintql.api.nodes import encode_id
from support.clients import client_of, eventually, socket_of
from support.factories import create_connection

CHANGES = """
subscription Changes($connectionId: ID, $after: Cursor) {
  connectionChanged(connectionId: $connectionId, after: $after) {
    cursor what connectionId createdAt
    connection { id status notice { message } sync { error { code message action } } }
    run { state reason error { code } }
  }
}
"""
DISCONNECT = """
mutation Disconnect($id: ID!, $keep: Boolean!) {
  disconnect(id: $id, keepHistory: $keep) { __typename ... on Error { message } }
}
"""
FIRST = "ZXZlbnQ6MA"
"""The cursor before all events."""


@pytest.fixture
async def client(bank, server):
    async with client_of(server) as opened:
        await opened.sign_up()
        yield opened


@pytest.fixture
async def user_id(client, owner):
    return await owner.fetchval("SELECT max(user_id) FROM users")


async def told(client, count, after=FIRST, **variables):
    """The next changes, and that none follows them."""
    async with socket_of(client) as socket:
        await socket.subscribe(CHANGES, after=after, **variables)
        found = [(await socket.next())["connectionChanged"] for _ in range(count)]
        assert await socket.is_silent(0.3)
    return found


async def test_the_life_of_a_connection_is_told_step_by_step(client, bank, owner, worker):
    connection_id = (await client.connect("ada"))["connection"]["id"]

    async def watch():
        async with socket_of(client) as socket:
            await socket.subscribe(CHANGES, after=FIRST)
            while True:
                await told_live.put((await socket.next(60))["connectionChanged"])

    told_live: asyncio.Queue[dict] = asyncio.Queue()
    watching = asyncio.create_task(watch())
    assert (await told_live.get())["what"] == "CONNECTED"
    ended = await told_live.get()
    assert (ended["what"], ended["run"]) == ("RUN_ENDED", {"state": "SUCCEEDED", "reason": "LINK", "error": None})
    assert ended["connection"] == {"id": connection_id, "status": "ACTIVE", "notice": None, "sync": {"error": None}}
    (await bank.control.put("/control/ada/scenario", json={"name": "login_expired"})).raise_for_status()
    await refresh(client, owner, connection_id)
    waiting = await told_live.get()
    assert waiting["what"] == "ACTION_REQUIRED"
    assert waiting["connection"]["status"] == "ACTION_REQUIRED"
    assert waiting["connection"]["sync"]["error"]["code"] == "AUTH_REQUIRED"
    assert waiting["connection"]["sync"]["error"]["action"]
    assert (await told_live.get())["run"]["error"] == {"code": "AUTH_REQUIRED"}
    (await bank.control.delete("/control/ada/scenario")).raise_for_status()
    await client.connect("ada")
    assert (await told_live.get())["what"] == "RECOVERED"
    assert (await told_live.get())["run"]["state"] == "SUCCEEDED"
    await client.ask(DISCONNECT, id=connection_id, keep=True)
    assert (await told_live.get())["what"] == "DISCONNECTED"
    await client.ask(DISCONNECT, id=connection_id, keep=False)
    removed = await told_live.get()
    assert (removed["what"], removed["connection"], removed["connectionId"]) == ("REMOVED", None, connection_id)
    assert told_live.empty()
    watching.cancel()
    await asyncio.wait([watching])


async def refresh(client, owner, connection_id):
    await owner.execute("UPDATE sync_runs SET started_at = started_at - interval '1 minute'")
    query = "mutation Refresh($id: ID!) { refreshConnection(id: $id) { __typename } }"
    result = (await client.ask(query, id=connection_id))["refreshConnection"]
    assert result["__typename"] == "ConnectionRunSuccess"


async def test_whoever_writes_the_database_itself_tells(client, owner, user_id):
    number = await create_connection(owner, user_id)
    for change in (
        "error_code = 'INSTITUTION_DOWN', error_message = 'It is down.', error_action = ''",
        "error_code = 'INSTITUTION_DOWN', error_message = 'It is down.', failures = failures + 1",  # Nothing new.
        "error_message = 'It is still down.'",
        "last_attempt_at = now(), requests = 7, next_attempt_at = now(), wanted_at = now()",  # No state.
        "status = 'action_required', error_code = 'AUTH_REQUIRED'",
        "notice = 'It ends.', noticed_at = now()",
        "noticed_at = now()",  # The same words again.
        "status = 'active', error_code = NULL, error_message = NULL, error_action = NULL",
        "status = 'disconnected', disconnected_at = now(), notice = NULL",
        "status = 'active', disconnected_at = NULL",
    ):
        await owner.execute(f"UPDATE connections SET {change} WHERE connection_id = $1", number)
    await owner.execute("DELETE FROM connections WHERE connection_id = $1", number)
    changes = await told(client, 9)
    assert [change["what"] for change in changes] == [
        "CONNECTED", "FAILING", "FAILING", "ACTION_REQUIRED", "NOTICE", "RECOVERED", "DISCONNECTED", "CONNECTED", "REMOVED",
    ]  # fmt: skip
    assert {change["connectionId"] for change in changes} == {encode_id("Connection", number)}
    assert {change["connection"] for change in changes} == {None}


async def test_none_is_lost_or_repeated_over_cuts_and_each_goes_on_after_its_cursor(client, owner, user_id):
    number = await create_connection(owner, user_id)

    async def fail_often():
        for turn in range(40):
            await owner.execute("UPDATE connections SET error_code = 'INTERNAL', error_message = $1", str(turn))

    failing = asyncio.create_task(fail_often())
    seen, cursor = [], FIRST
    while len(seen) < 41:
        async with socket_of(client) as socket:
            await socket.subscribe(CHANGES, after=cursor)
            for _ in range(min(9, 41 - len(seen))):
                item = (await socket.next())["connectionChanged"]
                cursor = item["cursor"]
                seen.append(item["what"])
            socket.raw.transport.abort()
    await failing
    assert seen == ["CONNECTED"] + ["FAILING"] * 40
    assert await told(client, 0, after=cursor) == []
    events = await owner.fetch("SELECT seq FROM events WHERE user_id = $1 ORDER BY seq", user_id)
    assert [row["seq"] for row in events] == list(range(1, 42))
    assert await owner.fetchval("SELECT count(*) FROM connections WHERE connection_id = $1", number) == 1


async def test_only_the_connection_that_is_asked_for_and_only_ones_own_are_told(client, owner, user_id):
    number = await create_connection(owner, user_id)
    await create_connection(owner, user_id)
    (change,) = await told(client, 1, connectionId=encode_id("Connection", number))
    assert change["connectionId"] == encode_id("Connection", number)
    await client.sign_up()
    assert await told(client, 0, connectionId=encode_id("Connection", number)) == []


async def test_a_person_who_is_removed_with_their_connections_can_be(owner, user_id):
    await create_connection(owner, user_id)
    await owner.execute("DELETE FROM users WHERE user_id = $1", user_id)
    assert await owner.fetchval("SELECT count(*) FROM connections") == 0
    assert await owner.fetchval("SELECT count(*) FROM events") == 0


async def test_a_refresh_that_changes_nothing_about_the_connection_adds_no_event_of_its_own(client, owner, worker):
    connection_id = (await client.connect("ada"))["connection"]["id"]

    async def done(times):
        ended = "SELECT count(*) FROM sync_runs WHERE state = 'succeeded'"
        return await owner.fetchval(ended) == times

    await eventually(lambda: done(1))
    await refresh(client, owner, connection_id)
    await eventually(lambda: done(2))
    count = "SELECT count(*) FROM events WHERE kind = 'connection_changed'"
    assert await owner.fetchval(count) == 1
