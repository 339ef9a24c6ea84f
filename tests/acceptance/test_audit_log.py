"""The audit log: what was done to one's account, from where, for nobody else to read."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from mintql.services import audit
from mintql.services.audit import FAILURES_PER_HOUR_MAX
from support.clients import PASSWORD, client_of, eventually, socket_of

LOG = """
query Log($first: Int, $after: Cursor) {
  auditLog(first: $first, after: $after) {
    nodes { act words detail { name value } address userAgent }
    pageInfo { hasNextPage endCursor }
  }
}
"""
SIGN_IN = """
mutation SignIn($email: String!, $password: String!) {
  signIn(email: $email, password: $password) { __typename ... on SignInSuccess { token } ... on Error { code } }
}
"""
SIGN_OUT = "mutation Out($all: Boolean!) { signOut(everywhere: $all) { __typename } }"
DISCONNECT = """
mutation Disconnect($id: ID!, $keep: Boolean!) {
  disconnect(id: $id, keepHistory: $keep) { __typename ... on Error { message } }
}
"""


@pytest.fixture
async def client(server):
    async with client_of(server) as opened:
        yield opened


async def log_of(client, **more):
    return (await client.ask(LOG, **more))["auditLog"]


async def acts_of(client):
    return [entry["act"] for entry in (await log_of(client))["nodes"]]


async def sign_in(client, email, password=PASSWORD):
    result = (await client.ask(SIGN_IN, email=email, password=password))["signIn"]
    client.token = result.get("token", client.token)
    return result["__typename"]


async def test_sessions_that_begin_fail_and_end_are_written_down_newest_first(client):
    await client.sign_up("ada@example.org")
    assert await sign_in(client, "ada@example.org", "not the password") == "BadCredentials"
    await eventually(lambda: _has(client, "sign_in_failed"))
    await sign_in(client, "ada@example.org")
    await client.ask(SIGN_OUT, all=False)
    await sign_in(client, "ada@example.org")
    await client.ask(SIGN_OUT, all=True)
    await sign_in(client, "ada@example.org")
    assert await acts_of(client) == [
        "signed_in", "signed_out_everywhere", "signed_in", "signed_out", "signed_in", "sign_in_failed", "signed_up"
    ]  # fmt: skip


async def _has(client, act):
    return act in await acts_of(client)


async def test_an_entry_says_from_where_and_with_which_program(client):
    client.http.headers["user-agent"] = "Ada's phone\t" + "x" * 500
    await client.sign_up()
    (entry,) = (await log_of(client))["nodes"]
    assert entry["address"] == "127.0.0.1"
    assert entry["userAgent"] == ("Ada's phone" + "x" * 500)[:400]
    assert entry["words"] == "Signed up."


async def test_what_comes_over_a_websocket_says_from_where_as_well(client):
    await client.sign_up("ada@example.org")
    async with socket_of(client) as socket:
        await socket.subscribe(SIGN_OUT, all=False)
        await socket.next()
    await sign_in(client, "ada@example.org")
    entry = (await log_of(client))["nodes"][1]
    assert (entry["act"], entry["address"]) == ("signed_out", "127.0.0.1")
    assert "websockets" in entry["userAgent"]


async def test_connections_made_and_ended_are_written_down_by_their_institution(bank, client):
    await client.sign_up()
    made = await client.connect()
    await client.connect()
    connection_id = made["connection"]["id"]
    await client.ask(DISCONNECT, id=connection_id, keep=True)
    await client.connect()
    await client.ask(DISCONNECT, id=connection_id, keep=False)
    entries = (await log_of(client))["nodes"]
    assert [entry["act"] for entry in entries] == [
        "connection_removed", "connection_made", "connection_ended", "connection_renewed", "connection_made",
        "signed_up",
    ]  # fmt: skip
    assert entries[-2]["detail"] == [
        {"name": "institution", "value": "sandbox"}, {"name": "login", "value": "…"}
    ]  # fmt: skip


async def test_who_guesses_passwords_fills_nobody_s_log_and_unknown_addresses_leave_nothing(client, owner):
    await client.sign_up("ada@example.org")
    for _ in range(FAILURES_PER_HOUR_MAX + 3):
        assert await sign_in(client, "ada@example.org", "not the password") == "BadCredentials"
        await owner.execute("DELETE FROM guesses")  # Or it would take hours.
    assert await sign_in(client, "nobody@example.org", "not the password") == "BadCredentials"
    await eventually(lambda: owner.fetchval("SELECT count(*) >= 21 FROM audit_entries"))
    assert (await acts_of(client)).count("sign_in_failed") == FAILURES_PER_HOUR_MAX


async def test_attempts_that_come_at_once_are_all_counted(client, owner, api_runtime):
    await client.sign_up("ada@example.org")
    user_id = await owner.fetchval("SELECT user_id FROM users")

    async def fail():
        async with api_runtime.person(user_id) as conn:
            await audit.record_failure(conn, user_id, datetime.now(UTC))

    await asyncio.gather(*(fail() for _ in range(2 * FAILURES_PER_HOUR_MAX)))
    assert (await acts_of(client)).count("sign_in_failed") == FAILURES_PER_HOUR_MAX


async def test_the_log_comes_in_pages_and_is_one_s_own(client, server):
    await client.sign_up("ada@example.org")
    await sign_in(client, "ada@example.org")
    page = await log_of(client, first=1)
    assert ([entry["act"] for entry in page["nodes"]], page["pageInfo"]["hasNextPage"]) == (["signed_in"], True)
    rest = await log_of(client, first=1, after=page["pageInfo"]["endCursor"])
    assert ([entry["act"] for entry in rest["nodes"]], rest["pageInfo"]["hasNextPage"]) == (["signed_up"], False)
    async with client_of(server) as other:
        await other.sign_up()
        assert await acts_of(other) == ["signed_up"]
        other.token = None
        assert (await other.refusal(LOG))["extensions"]["code"] == "UNAUTHENTICATED"


async def test_old_entries_are_forgotten(client, owner, runtime):
    from mintql.jobs import sweep  # noqa: PLC0415

    await client.sign_up("ada@example.org")
    await sign_in(client, "ada@example.org")
    await owner.execute("UPDATE audit_entries SET created_at = now() - interval '401 days' WHERE act = 'signed_up'")
    await sweep({"runtime": runtime})
    assert await acts_of(client) == ["signed_in"]


SESSIONS = "{ sessions { id isCurrent userAgent } }"
REVOKE = """
mutation Revoke($id: ID!) {
  revokeSession(id: $id) {
    __typename
    ... on RevokeSessionSuccess { sessions { id } }
    ... on Error { code field }
  }
}
"""


async def test_a_session_is_ended_from_another_one(client, server):
    await client.sign_up("ada@example.org")
    async with client_of(server) as lost, client_of(server) as stranger:
        lost.http.headers["user-agent"] = "A lost phone"
        await sign_in(lost, "ada@example.org")
        await stranger.sign_up()
        newest, oldest = (await client.ask(SESSIONS))["sessions"]
        assert (newest["isCurrent"], newest["userAgent"], oldest["isCurrent"]) == (False, "A lost phone", True)
        assert (await stranger.ask(REVOKE, id=newest["id"]))["revokeSession"]["code"] == "NOT_FOUND"
        revoked = (await client.ask(REVOKE, id=newest["id"]))["revokeSession"]
        assert revoked["sessions"] == [{"id": oldest["id"]}]
        assert (await lost.refusal(LOG))["extensions"]["code"] == "UNAUTHENTICATED"
        assert (await client.ask(REVOKE, id=newest["id"]))["revokeSession"]["code"] == "NOT_FOUND"
    assert (await acts_of(client))[0] == "session_ended"
