"""Streams lose nothing and repeat nothing, whatever happens to sockets, wake-ups and Redis."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, date, datetime

import asyncpg
import pytest
import websockets

from mintql.api.alerts import CURSOR_KIND
from mintql.api.http import OPERATIONS_PER_SOCKET_MAX
from mintql.api.nodes import encode_id
from mintql.api.paging import encode_number
from mintql.app import create_app
from mintql.gateways.channel import CHANNEL
from mintql.services.effects import Effects
from mintql.services.events import NewEvent, append_events
from mintql.store.locks import lock_users
from support import servers
from support.clients import client_of, eventually, raw_socket, socket_of
from support.servers import serving
from support.streams import begun

ALERTS = """
subscription Alerts($after: Cursor) {
  budgetAlerts(after: $after) { cursor thresholdPercent percentUsed message spent { amount } limit { amount } }
}
"""
PROGRESS = """
subscription Progress($connectionId: ID, $after: Cursor) {
  syncProgress(connectionId: $connectionId, after: $after) { cursor state percentDone rowsDone connectionId }
}
"""
CHANGES = "subscription Changes($after: Cursor) { transactionsChanged(after: $after) { cursor addedCount removedIds } }"
POLL_SECONDS = 0.5
SELDOM_SECONDS = 60
"""Whatever comes within the patience of a test has come by a wake-up."""


@pytest.fixture
def poll_seconds():
    return POLL_SECONDS


@pytest.fixture
def settings(settings, poll_seconds):
    return settings.model_copy(update={"event_poll_seconds": poll_seconds})


@pytest.fixture
async def client(server):
    async with client_of(server) as opened:
        await opened.sign_up()
        yield opened


class Teller:
    """Writes what the pipeline would write for a person."""

    def __init__(self, runtime, user_id):
        self.runtime, self.user_id = runtime, user_id

    async def alert(self, threshold, *, wake=True):
        async with self.runtime.system() as conn:
            await lock_users(conn, [self.user_id])
            alert_id = await conn.fetchval(
                """
                INSERT INTO alerts (user_id, category_id, period_first, period_last, threshold_percent, revision,
                    limit_minor, spent_minor, pending_minor, currency)
                VALUES ($1, 1, $2, '2026-11-30', 80, $3, 10000, $4, 500, 'USD') RETURNING alert_id
                """,
                self.user_id,
                date(2026, 11, 1),
                threshold,
                threshold * 100,
            )
            event = NewEvent(self.user_id, "budget_alert", {"alert_id": alert_id})
            _, effects = await append_events(conn, [event])
        await self._tell(effects, wake)

    async def progress(self, rows_done, connection_id=1, *, wake=True):
        counts = dict.fromkeys(("pages", "rows_added", "rows_changed", "rows_removed", "rows_quarantined"), 0)
        payload = {
            "run_id": 1,
            "connection_id": connection_id,
            "state": "ingesting",
            "rows_total": 1000,
            "rows_done": rows_done,
            "error_code": None,
            "error_message": None,
        }
        async with self.runtime.system() as conn:
            await lock_users(conn, [self.user_id])
            _, effects = await append_events(conn, [NewEvent(self.user_id, "sync_progress", counts | payload)])
        await self._tell(effects, wake)

    async def _tell(self, effects, wake):
        if wake:
            await self.runtime.perform(Effects(told=effects.told))


@pytest.fixture
async def teller(client, runtime):
    async with runtime.system() as conn:
        return Teller(runtime, await conn.fetchval("SELECT max(user_id) FROM users"))


@pytest.mark.parametrize("poll_seconds", [SELDOM_SECONDS])
async def test_an_alert_is_on_the_screen_within_a_second(client, teller):
    async with socket_of(client) as socket:
        await socket.subscribe(ALERTS)
        await begun(client)
        worked = time.process_time()
        await teller.alert(80)
        alert = (await socket.next())["budgetAlerts"]
        assert time.process_time() - worked < 1
    assert alert["percentUsed"] == 85
    assert alert["spent"]["amount"] == "85.00"
    assert alert["limit"]["amount"] == "100.00"
    assert "85 %" in alert["message"]
    assert "15.00 USD is left" in alert["message"]


async def test_without_a_cursor_a_stream_begins_now(client, teller):
    await teller.alert(80)
    async with socket_of(client) as socket:
        await socket.subscribe(ALERTS)
        await begun(client)
        await teller.alert(100)
        assert (await socket.next())["budgetAlerts"]["percentUsed"] == 105
        assert await socket.is_silent(2 * POLL_SECONDS)


async def test_a_stream_goes_on_after_its_cursor_over_many_cuts_with_none_lost_or_repeated(client, teller):
    async with socket_of(client) as socket:
        await socket.subscribe(ALERTS)
        await begun(client)
        await teller.alert(1)
        cursor = (await socket.next())["budgetAlerts"]["cursor"]
    count, seen = 60, [6]

    async def raise_all():
        for threshold in range(2, count + 1):
            await teller.alert(threshold, wake=threshold % 3 != 0)

    raising = asyncio.create_task(raise_all())
    while len(seen) < count:
        async with socket_of(client) as socket:
            await socket.subscribe(ALERTS, after=cursor)
            for _ in range(7):
                if len(seen) == count:
                    break
                item = (await socket.next())["budgetAlerts"]
                cursor = item["cursor"]
                seen.append(item["percentUsed"])
            socket.raw.transport.abort()
    await raising
    assert seen == [threshold + 5 for threshold in range(1, count + 1)]


async def test_more_than_a_page_is_replayed_in_order(client, teller):
    await teller.progress(0)
    for rows_done in range(1, 231):
        await teller.progress(rows_done, wake=False)
    async with socket_of(client) as socket:
        await socket.subscribe(PROGRESS, after="ZXZlbnQ6MQ")
        steps = [(await socket.next())["syncProgress"]["rowsDone"] for _ in range(230)]
        assert steps == list(range(1, 231))
        assert await socket.is_silent(2 * POLL_SECONDS)


async def test_a_lost_wake_up_is_made_up_by_the_poll(client, teller):
    async with socket_of(client) as socket:
        await socket.subscribe(PROGRESS)
        await begun(client)
        await teller.progress(10, wake=False)
        assert (await socket.next())["syncProgress"]["rowsDone"] == 10


async def test_progress_can_be_narrowed_to_a_connection(client, teller):
    async with socket_of(client) as socket:
        await socket.subscribe(PROGRESS, connectionId=encode_id("Connection", 2))
        await begun(client)
        await teller.progress(10, connection_id=1)
        await teller.progress(500, connection_id=2)
        step = (await socket.next())["syncProgress"]
    assert (step["rowsDone"], step["connectionId"], step["state"]) == (500, encode_id("Connection", 2), "INGESTING")
    assert step["percentDone"] == 54


async def test_nobody_hears_of_another_person(client, teller, server):
    async with client_of(server) as other:
        await other.sign_up()
        async with socket_of(other) as socket:
            for number, operation in enumerate((ALERTS, PROGRESS, CHANGES)):
                await socket.subscribe(operation, operation_id=str(number))
            await begun(other, 3)
            await teller.alert(80)
            await teller.progress(1)
            assert await socket.is_silent(3 * POLL_SECONDS)


async def test_a_process_subscribes_to_redis_once_however_many_sockets_it_has(client, runtime):
    before = dict(await runtime.redis.pubsub_numsub(CHANNEL))[CHANNEL.encode()]
    async with socket_of(client) as first, socket_of(client) as second, socket_of(client) as third:
        for socket in (first, second, third):
            await socket.subscribe(ALERTS)
            await socket.subscribe(PROGRESS, operation_id="progress")
        await begun(client, 6)
        assert dict(await runtime.redis.pubsub_numsub(CHANNEL))[CHANNEL.encode()] == before == 1


async def test_one_socket_carries_several_streams_and_queries(client, teller):
    async with socket_of(client) as socket:
        await socket.subscribe(ALERTS, operation_id="alerts")
        await socket.subscribe(PROGRESS, operation_id="progress")
        await begun(client, 2)
        await socket.subscribe("{ viewer { name } }", operation_id="query")
        assert await socket.next() == {"viewer": {"name": "Ada"}}
        assert await socket.receive() == {"id": "query", "type": "complete"}
        await teller.alert(80)
        assert (await socket.receive())["id"] == "alerts"
        await teller.progress(1)
        assert (await socket.receive())["id"] == "progress"
        await socket.send({"id": "alerts", "type": "complete"})
        await socket.send({"type": "ping"})
        assert (await socket.receive())["type"] == "pong"  # What came before is done by then.
        await teller.alert(100)
        assert await socket.is_silent(2 * POLL_SECONDS)


@pytest.mark.parametrize("cursor", ["nonsense", "ZXZlbnQ6MQ", "YWxlcnQ6OTk5OTk5"])
async def test_a_cursor_that_was_never_given_out_is_refused_in_words(client, cursor):
    async with socket_of(client) as socket:
        await socket.subscribe(ALERTS, after=cursor)
        message = await socket.receive()
        (error,) = message["payload"]["errors"] if message["type"] == "next" else message["payload"]
        assert error["extensions"] == {"code": "BAD_USER_INPUT", "field": "after"}
        assert "cursor" in error["message"]


@pytest.mark.parametrize("poll_seconds", [SELDOM_SECONDS])
async def test_signing_out_ends_the_streams_of_the_session_at_once(client):
    async with socket_of(client) as socket:
        await socket.subscribe(ALERTS)
        await begun(client)
        await client.ask("mutation { signOut { __typename } }")
        assert await socket.closed() == 4403


async def test_a_session_that_runs_out_ends_its_streams_within_the_poll(client, database_url):
    owner = await asyncpg.connect(database_url)
    async with socket_of(client) as socket:
        await socket.subscribe(ALERTS)
        await begun(client)
        await owner.execute("UPDATE sessions SET expires_at = $1", datetime.now(UTC))
        message = await socket.receive()
        assert message["payload"]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    await owner.close()


@pytest.mark.parametrize(
    "payload", [{"authorization": "Bearer wrong"}, {"authorization": "wrong"}, {"authorization": 1}]
)
async def test_a_token_that_does_not_hold_is_refused_at_the_door(client, payload):
    async with raw_socket(client.ws_url) as socket:
        await socket.send({"type": "connection_init", "payload": payload})
        assert await socket.closed() == 4403


async def test_without_a_session_a_stream_is_refused_and_a_public_query_answered(client):
    client.token = None
    async with socket_of(client) as socket:
        await socket.subscribe(ALERTS)
        message = await socket.receive()
        assert message["payload"]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        await socket.receive()
        await socket.subscribe("{ __typename }", operation_id="2")
        assert await socket.next() == {"__typename": "Query"}


async def test_a_cookie_opens_a_socket_for_pages_of_this_site_only(client):
    cookie = f"__Host-mintql={client.token}"
    own = client.url.removesuffix("/graphql")
    async with raw_socket(client.ws_url, cookie=cookie, origin=own) as socket:
        await socket.send({"type": "connection_init"})
        await socket.receive()
        await socket.subscribe("{ viewer { name } }")
        assert await socket.next() == {"viewer": {"name": "Ada"}}
    with pytest.raises(Exception, match="403"):
        async with raw_socket(client.ws_url, cookie=cookie, origin="https://evil.example"):
            pass


@pytest.mark.parametrize(
    "message",
    [
        [],
        "text",
        1,
        {},
        {"type": 1},
        {"type": "unknown"},
        {"type": "subscribe"},
        {"type": "subscribe", "id": 1, "payload": {"query": "{ __typename }"}},
        {"type": "subscribe", "id": "1", "payload": "x"},
        {"type": "subscribe", "id": "1", "payload": {"query": 1}},
        {"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }", "variables": []}},
        {"type": "complete"},
    ],
)
async def test_a_message_that_is_none_closes_the_socket_with_a_reason(client, message):
    async with socket_of(client) as socket:
        await socket.send(message)
        assert await socket.closed() == 4400
        assert socket.raw.close_reason


async def test_limits_hold_on_sockets_too(client):
    async with socket_of(client) as socket:
        await socket.subscribe("{" + "...{" * 80 + "__typename" + "}" * 81)
        message = await socket.receive()
        assert message["type"] == "error"
        assert message["payload"][0]["extensions"]["code"] == "QUERY_TOO_COMPLEX"
        await socket.raw.send("x" * 200_000)
        assert await socket.closed() == 1009


async def test_an_operation_too_many_is_refused_by_its_code_and_the_others_go_on(client, teller):
    async with socket_of(client) as socket:
        before_all = encode_number(CURSOR_KIND, 0)  # Fifty streams do not begin within a known time.
        for number in range(OPERATIONS_PER_SOCKET_MAX):
            await socket.subscribe(ALERTS, str(number), after=before_all)
        await socket.subscribe(ALERTS, "more")
        message = await socket.receive()
        assert (message["id"], message["type"]) == ("more", "error")
        (error,) = message["payload"]
        assert error["extensions"] == {"code": "QUERY_TOO_COMPLEX"}
        assert "51 operations at once on a WebSocket; the limit is 50" in error["message"]
        await teller.alert(80)
        assert {(await socket.receive())["id"] for _ in range(50)} == {str(number) for number in range(50)}
        await socket.send({"id": "0", "type": "complete"})
        await socket.subscribe("{ __typename }", "more")
        assert await socket.next() == {"__typename": "Query"}


async def test_asking_before_saying_who_one_is_closes_the_socket(client):
    async with raw_socket(client.ws_url) as socket:
        await socket.subscribe("{ __typename }")
        assert await socket.closed() == 4401


async def test_saying_things_twice_closes_the_socket(client):
    async with socket_of(client) as socket:
        await socket.send({"type": "connection_init"})
        assert await socket.closed() == 4429
    async with socket_of(client) as socket:
        await socket.subscribe(ALERTS, "same")
        await socket.subscribe(ALERTS, "same")
        assert await socket.closed() == 4409


async def test_a_message_is_measured_in_bytes(client):
    async with socket_of(client) as socket:
        await socket.raw.send(json.dumps({"type": "ping", "payload": {"x": "é" * 70_000}}, ensure_ascii=False))
        assert await socket.closed() == 1009


async def test_a_server_that_stops_lets_its_sockets_go_at_once(settings, caplog, monkeypatch):
    monkeypatch.setattr(servers, "GRACE_SECONDS", 20)  # Which it would wait for them to go by themselves.
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(create_app(settings)))
        # uvicorn sets its logger up when it starts, and passes nothing on to the root.
        logging.getLogger("uvicorn.error").addHandler(caplog.handler)
        async with client_of(server) as client:
            await client.sign_up()
            async with socket_of(client) as socket:
                await socket.subscribe(ALERTS)
                await begun(client)
                stopped_at = time.monotonic()
                await stack.aclose()
                assert await socket.closed() in (1001, 1012)
    assert time.monotonic() - stopped_at < servers.GRACE_SECONDS
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


async def test_other_protocols_are_not_spoken(client):
    async with websockets.connect(client.ws_url, subprotocols=["graphql-ws"]) as raw:
        await raw.wait_closed()
        assert raw.close_code == 4406


async def test_alerts_so_far_are_paged_newest_first_and_lead_into_the_stream(client, teller):
    for threshold in range(1, 6):
        await teller.alert(threshold, wake=False)
    ask = "query ($after: Cursor) { budgetAlerts(first: 3, after: $after) { nodes { percentUsed cursor } pageInfo { hasNextPage endCursor } } }"
    first = (await client.ask(ask))["budgetAlerts"]
    assert [node["percentUsed"] for node in first["nodes"]] == [10, 9, 8]
    second = (await client.ask(ask, after=first["pageInfo"]["endCursor"]))["budgetAlerts"]
    assert [node["percentUsed"] for node in second["nodes"]] == [7, 6]
    assert (first["pageInfo"]["hasNextPage"], second["pageInfo"]["hasNextPage"]) == (True, False)
    async with socket_of(client) as socket:
        await socket.subscribe(ALERTS, after=first["nodes"][1]["cursor"])
        assert (await socket.next())["budgetAlerts"]["percentUsed"] == 10
        assert await socket.is_silent(2 * POLL_SECONDS)


CHANGE = 'mutation { updateProfile(input: {name: "Grace"}) { __typename } }'
NAME = "{ viewer { name } }"
LEFT_SECONDS = 0.3
"""For the server to see that its client has left, and for a change that would be given up with it to be given up."""


@asynccontextmanager
async def over_socket(client):
    async with socket_of(client) as socket:
        await socket.subscribe(CHANGE)
        yield


@asynccontextmanager
async def over_socket_and_completed(client):
    async with socket_of(client) as socket:
        await socket.subscribe(CHANGE)
        yield
        await socket.send({"id": "1", "type": "complete"})
        await asyncio.sleep(LEFT_SECONDS)


@asynccontextmanager
async def over_events(client, query=CHANGE):
    async def follow():
        headers = {"accept": "text/event-stream"} | client.headers()
        async with client.http.stream("POST", client.url, json={"query": query}, headers=headers) as response:
            await response.aread()

    asking = asyncio.create_task(follow())
    yield
    asking.cancel()
    await asyncio.wait([asking])
    await asyncio.sleep(LEFT_SECONDS)


@pytest.mark.parametrize("leaving", [over_socket, over_socket_and_completed, over_events])
async def test_a_change_whose_client_leaves_is_made_and_shown_everywhere(settings, database_url, client, leaving):
    async def is_made():
        return await owner.fetchval("SELECT name = 'Grace' FROM users")

    owner = await asyncpg.connect(database_url)
    async with serving(create_app(settings)) as other_server, client_of(other_server) as other:
        other.token = client.token
        assert await other.ask(NAME) == await client.ask(NAME) == {"viewer": {"name": "Ada"}}
        async with owner.transaction():
            await owner.execute("SELECT FROM users FOR UPDATE")
            async with leaving(client):
                await eventually(lambda: _waits(owner))
            assert not await is_made()
        await eventually(is_made)
        await eventually(lambda: _shows(other, "Grace"))
        await eventually(lambda: _shows(client, "Grace"))
    await owner.close()


@pytest.mark.parametrize("query", [NAME, ALERTS])
async def test_a_client_that_leaves_while_its_stream_reads_is_no_fault(
    client, database_url, monkeypatch, caplog, query
):
    monkeypatch.setattr(logging.getLogger("uvicorn"), "propagate", True)
    owner = await asyncpg.connect(database_url)
    count = len(asyncio.all_tasks())
    async with owner.transaction():
        await owner.execute("LOCK TABLE users, alerts")
        async with over_events(client, query):
            await eventually(lambda: _waits(owner))
    await eventually(lambda: len(asyncio.all_tasks()) <= count)
    assert not [record for record in caplog.records if record.exc_info]
    await owner.close()


async def _waits(owner):
    return await owner.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )


async def _shows(client, name):
    return (await client.ask(NAME))["viewer"]["name"] == name
