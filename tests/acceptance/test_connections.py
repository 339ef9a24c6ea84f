"""Connecting institutions, refreshing and ending connections, against the sandbox bank."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from mintql.api.nodes import encode_id
from support.clients import client_of, eventually
from support.factories import create_account, create_transaction
from support.people import category
from support.traces import files_in

CONNECTIONS = """
{
  connections {
    id status loginHint institution { id name } accounts { name }
    sync { lastSuccessAt lastAttemptAt nextAttemptAt error { code message action } latestRun { id state reason rowsAdded percentDone } }
  }
}
"""
REFRESH = """
mutation Refresh($id: ID!) {
  refreshConnection(id: $id) {
    __typename
    ... on ConnectionRunSuccess { run { id state reason } }
    ... on RateLimited { retryAt }
    ... on InstitutionError { action }
    ... on Error { code message field }
  }
}
"""
UPDATE = """
mutation Update($id: ID!, $password: String!) {
  updateCredentials(id: $id, login: "ada-lovelace", password: $password) {
    __typename
    ... on ConnectionRunSuccess { connection { status loginHint sync { error { code } } } run { id } }
    ... on Error { code message field }
  }
}
"""
DISCONNECT = """
mutation Disconnect($id: ID!, $keep: Boolean!) {
  disconnect(id: $id, keepHistory: $keep) {
    __typename
    ... on DisconnectSuccess { connection { id status disconnectedAt } }
    ... on Error { code message field }
  }
}
"""


@pytest.fixture
async def client(bank, server):
    async with client_of(server) as opened:
        await opened.sign_up()
        yield opened


async def counts(owner):
    tables = ("connections", "connection_secrets", "sync_runs", "accounts", "events")
    return {table: await owner.fetchval(f"SELECT count(*) FROM {table}") for table in tables}


NOTHING = {"connections": 0, "connection_secrets": 0, "sync_runs": 0, "accounts": 0, "events": 0}


async def state_of(client):
    (connection,) = (await client.ask(CONNECTIONS))["connections"]
    return connection


async def succeeded(client):
    async def look():
        connection = await state_of(client)
        return connection if connection["sync"]["latestRun"]["state"] == "SUCCEEDED" else None

    return await eventually(look)


INSTITUTIONS = """
{
  institutions {
    id name showsPending historyDays linkable
    fields { name label required secret isOption }
    capabilities { pending linksPending historyDays windowDays refreshIntervalSeconds requestsPerDay }
  }
}
"""


async def test_institutions_are_listed_without_a_session_with_what_they_ask_for_and_can_do(client):
    client.token = None
    found = {item["id"]: item for item in (await client.ask(INSTITUTIONS))["institutions"]}
    assert list(found) == ["ofx", "sandbox", "simplefin"]
    assert found["sandbox"] == {
        "id": "sandbox",
        "name": "Sandbox Bank",
        "showsPending": True,
        "historyDays": 730,
        "linkable": False,
        "fields": [
            {"name": "login", "label": "Login", "required": True, "secret": False, "isOption": False},
            {"name": "password", "label": "Password", "required": True, "secret": True, "isOption": False},
        ],
        "capabilities": {
            "pending": True,
            "linksPending": True,
            "historyDays": 730,
            "windowDays": 740,
            "refreshIntervalSeconds": 0,
            "requestsPerDay": None,
        },
    }
    assert found["simplefin"]["capabilities"]["requestsPerDay"] == 24
    assert [field["name"] for field in found["simplefin"]["fields"] if field["required"]] == ["password"]
    assert {field["name"] for field in found["ofx"]["fields"] if field["isOption"]} >= {"org", "fid"}


async def test_a_login_that_works_is_kept_sealed_and_a_run_is_opened(client, owner):
    result = await client.connect("ada-lovelace")
    assert result["__typename"] == "ConnectionRunSuccess"
    assert result["connection"]["status"] == "ACTIVE"
    assert result["run"]["state"] == "QUEUED"
    connection = await state_of(client)
    assert connection["loginHint"] == "a…e"
    assert connection["institution"] == {"id": "sandbox", "name": "Sandbox Bank"}
    assert connection["sync"]["latestRun"] == {
        "id": result["run"]["id"],
        "state": "QUEUED",
        "reason": "LINK",
        "rowsAdded": 0,
        "percentDone": 0,
    }
    assert connection["sync"]["lastSuccessAt"] is None
    secret = await owner.fetchrow("SELECT wrapped_key, ciphertext FROM connection_secrets")
    assert b"sandbox" not in secret["ciphertext"] + secret["wrapped_key"]
    assert b"lovelace" not in secret["ciphertext"]


async def test_a_wrong_password_is_told_in_words_and_leaves_nothing(client, owner):
    result = await client.connect(password="wrong")
    assert (result["__typename"], result["code"]) == ("InstitutionError", "AUTH_REQUIRED")
    assert "login or password" in result["message"]
    assert result["action"]
    assert result["retryable"] is False
    assert await counts(owner) == NOTHING


@pytest.mark.parametrize(
    ("scenario", "code"),
    [({"name": "outage"}, "INSTITUTION_DOWN"), ({"name": "garbage"}, "PROTOCOL_ERROR")],
)
async def test_a_bank_that_is_down_or_talks_nonsense_is_told_in_words_and_leaves_nothing(
    client, owner, bank, scenario, code
):
    (await bank.control.put("/control/ada/scenario", json=scenario)).raise_for_status()
    result = await client.connect("ada")
    assert (result["__typename"], result["code"]) == ("InstitutionError", code)
    assert result["message"].endswith(".")
    assert await counts(owner) == NOTHING


@pytest.mark.parametrize(
    ("login", "password", "field"),
    [("", "sandbox", "login"), (" ", "sandbox", "login"), ("ada", "", "password"), ("a" * 201, "x", "login")],
)
async def test_a_login_that_cannot_be_one_is_refused_before_anybody_is_asked(client, owner, login, password, field):
    result = await client.connect(login, password)
    assert (result["__typename"], result["field"]) == ("InvalidInput", field)
    assert await counts(owner) == NOTHING


async def test_an_institution_that_is_not_offered_is_not_found(client):
    result = await client.ask(
        'mutation { connectInstitution(institutionId: "moon", login: "a", password: "b") '
        "{ __typename ... on Error { field message } } }"
    )
    assert result["connectInstitution"]["__typename"] == "NotFound"
    assert "'moon'" in result["connectInstitution"]["message"]


async def test_connecting_needs_a_session(client, owner):
    client.token = None
    assert (await client.connect())["__typename"] == "NotSignedIn"
    assert await counts(owner) == NOTHING


async def test_refreshing_joins_the_run_that_is_open(client, owner):
    opened = await client.connect()
    refreshed = await client.ask(REFRESH, id=opened["connection"]["id"])
    assert refreshed["refreshConnection"]["run"]["id"] == opened["run"]["id"]
    assert await owner.fetchval("SELECT count(*) FROM sync_runs") == 1


async def test_refreshing_again_at_once_has_to_wait_and_is_told_until_when(client, owner):
    opened = await client.connect()
    await owner.execute("UPDATE sync_runs SET state = 'succeeded', started_at = now(), finished_at = now()")
    result = (await client.ask(REFRESH, id=opened["connection"]["id"]))["refreshConnection"]
    assert (result["__typename"], result["code"]) == ("RateLimited", "RATE_LIMITED")
    started_at = await owner.fetchval("SELECT started_at FROM sync_runs")
    assert (datetime.fromisoformat(result["retryAt"]) - started_at).total_seconds() == pytest.approx(30, abs=0.01)
    await owner.execute("UPDATE sync_runs SET started_at = now() - interval '31 seconds'")
    result = (await client.ask(REFRESH, id=opened["connection"]["id"]))["refreshConnection"]
    assert result["run"]["reason"] == "REQUEST"
    assert result["run"]["id"] != opened["run"]["id"]


async def test_a_failed_run_does_not_make_the_person_wait(client, owner):
    opened = await client.connect()
    await owner.execute("UPDATE sync_runs SET state = 'failed', started_at = now(), finished_at = now()")
    result = (await client.ask(REFRESH, id=opened["connection"]["id"]))["refreshConnection"]
    assert result["__typename"] == "ConnectionRunSuccess"


async def test_a_login_that_expired_is_shown_with_what_to_do_and_mended_with_a_new_one(client, owner):
    opened = await client.connect()
    connection_id = opened["connection"]["id"]
    await owner.execute("UPDATE sync_runs SET state = 'failed', finished_at = now()")
    await owner.execute(
        "UPDATE connections SET status = 'action_required', error_code = 'AUTH_REQUIRED', failures = 3, "
        "error_message = 'The bank refused.', error_action = 'Enter it again.'"
    )
    connection = await state_of(client)
    assert connection["status"] == "ACTION_REQUIRED"
    assert connection["sync"]["error"] == {
        "code": "AUTH_REQUIRED",
        "message": "The bank refused.",
        "action": "Enter it again.",
    }
    refused = (await client.ask(REFRESH, id=connection_id))["refreshConnection"]
    assert (refused["code"], refused["message"]) == ("AUTH_REQUIRED", "The bank refused.")
    before = await owner.fetchrow("SELECT * FROM connection_secrets")
    wrong = (await client.ask(UPDATE, id=connection_id, password="wrong"))["updateCredentials"]
    assert wrong["code"] == "AUTH_REQUIRED"
    assert await owner.fetchrow("SELECT * FROM connection_secrets") == before
    right = (await client.ask(UPDATE, id=connection_id, password="sandbox"))["updateCredentials"]
    assert right["connection"] == {"status": "ACTIVE", "loginHint": "a…e", "sync": {"error": None}}
    assert await owner.fetchrow("SELECT * FROM connection_secrets") != before
    assert await owner.fetchval("SELECT count(*) FROM connection_secrets") == 1


async def with_history(client, owner):
    connection_id = (await client.connect())["connection"]["id"]
    user_id, number = await owner.fetchrow("SELECT user_id, connection_id FROM connections")
    account_id = await create_account(owner, user_id, number)
    await create_transaction(owner, user_id, account_id, amount_minor=-1234)
    return connection_id


async def test_ending_a_connection_forgets_its_login_at_once_and_keeps_its_history(client, owner):
    connection_id = await with_history(client, owner)
    result = (await client.ask(DISCONNECT, id=connection_id, keep=True))["disconnect"]
    assert result["connection"]["status"] == "DISCONNECTED"
    assert result["connection"]["disconnectedAt"]
    assert await owner.fetchval("SELECT count(*) FROM connection_secrets") == 0
    assert await owner.fetchval("SELECT state FROM sync_runs") == "failed"
    assert await owner.fetchval("SELECT sum(posted_minor)::bigint FROM monthly_spending") == -1234
    for operation, variables in ((REFRESH, {}), (UPDATE, {"password": "sandbox"}), (DISCONNECT, {"keep": True})):
        (again,) = (await client.ask(operation, id=connection_id, **variables)).values()
        assert again["__typename"] == "NotFound"
    later = (await client.ask(DISCONNECT, id=connection_id, keep=False))["disconnect"]
    assert later["connection"] is None
    assert await owner.fetchval("SELECT count(*) FROM transactions") == 0


async def test_ending_a_connection_with_its_history_takes_it_out_of_the_sums_and_tells_so(client, owner):
    connection_id = await with_history(client, owner)
    result = (await client.ask(DISCONNECT, id=connection_id, keep=False))["disconnect"]
    assert result == {"__typename": "DisconnectSuccess", "connection": None}
    for table in ("connections", "connection_secrets", "accounts", "transactions", "sync_runs"):
        assert await owner.fetchval(f"SELECT count(*) FROM {table}") == 0
    assert await owner.fetchval("SELECT sum(posted_minor)::bigint FROM monthly_spending") == 0
    told = await owner.fetchval("SELECT payload ->> 'removed_count' FROM events WHERE kind = 'transactions_changed'")
    assert told == "1"


async def test_another_persons_connection_looks_like_none_and_stays_as_it_is(client, owner):
    connection_id = (await client.connect())["connection"]["id"]
    before = await owner.fetch("SELECT * FROM connections"), await owner.fetch("SELECT * FROM connection_secrets")
    await client.sign_up()
    missing = encode_id("Connection", 999)
    for operation, variables in (
        (REFRESH, {}),
        (UPDATE, {"password": "sandbox"}),
        (DISCONNECT, {"keep": True}),
        (DISCONNECT, {"keep": False}),
    ):
        (theirs,) = (await client.ask(operation, id=connection_id, **variables)).values()
        (none,) = (await client.ask(operation, id=missing, **variables)).values()
        assert theirs == none
        assert theirs["__typename"] == "NotFound"
    assert (await client.ask(CONNECTIONS))["connections"] == []
    after = await owner.fetch("SELECT * FROM connections"), await owner.fetch("SELECT * FROM connection_secrets")
    assert before == after


async def test_the_ids_of_other_things_are_refused(client):
    result = (await client.ask(REFRESH, id=encode_id("Account", 1)))["refreshConnection"]
    assert (result["__typename"], result["field"]) == ("InvalidInput", "id")


async def test_one_person_cannot_have_connections_without_end(client, owner, monkeypatch):
    monkeypatch.setattr("mintql.services.connections.CONNECTIONS_MAX", 2)
    await client.connect("ada1")
    await client.connect("ada2")
    result = await client.connect("ada3")
    assert result["__typename"] == "InvalidInput"
    assert await owner.fetchval("SELECT count(*) FROM connection_secrets") == 2


@pytest.mark.two_years
async def test_from_connecting_to_accounts_and_back(client, worker):
    await client.connect("ada")
    connection = await succeeded(client)
    assert len(connection["accounts"]) == 3
    assert connection["sync"]["latestRun"]["percentDone"] == 100
    assert connection["sync"]["latestRun"]["rowsAdded"] > 500
    assert connection["sync"]["lastSuccessAt"]
    assert connection["sync"]["error"] is None


async def test_removing_a_connection_with_its_history_removes_its_raw_pages_too(client, owner, worker, settings):
    first = await client.connect("ada-lovelace")
    await succeeded(client)
    folder = Path(settings.object_store.removeprefix("file:")) / "raw"
    assert files_in(folder)
    await client.ask(DISCONNECT, id=first["connection"]["id"], keep=False)

    async def gone():
        looks = await owner.fetchval("SELECT count(*) FROM doomed_objects WHERE due_at <= now()")
        return not files_in(folder) and not looks

    assert await eventually(gone)


async def test_a_run_that_the_person_ends_is_told_as_ended(client, owner):
    first = await client.connect("ada-lovelace")
    await client.ask(DISCONNECT, id=first["connection"]["id"], keep=True)
    told = await owner.fetch("SELECT payload->>'state' AS state FROM events WHERE kind = 'sync_progress' ORDER BY seq")
    assert [row["state"] for row in told] == ["queued", "failed"]


async def test_removing_the_connection_that_held_a_refund_raises_the_alert_the_rest_calls_for(client, owner):
    await client.connect("ada-lovelace")
    keep, go = await owner.fetchval("SELECT connection_id FROM connections"), await client.connect("grace-hopper")
    user_id = await owner.fetchval("SELECT user_id FROM connections LIMIT 1")
    gone_id = await owner.fetchval("SELECT max(connection_id) FROM connections")
    today = datetime.now(UTC).date()
    for connection_id, amount_minor in ((keep, -90_000_00), (gone_id, 90_000_00)):
        account_id = await create_account(owner, user_id, connection_id)
        await create_transaction(
            owner, user_id, account_id, amount_minor=amount_minor, category_id=category("groceries"), posted_on=today
        )
    await client.ask(DISCONNECT, id=go["connection"]["id"], keep=False)
    raised = await owner.fetch("SELECT DISTINCT threshold_percent FROM alerts ORDER BY 1")
    assert [row["threshold_percent"] for row in raised] == [80, 100]


async def test_the_api_role_can_neither_read_nor_change_a_sealed_login(client, api_runtime, owner):
    await client.connect("ada-lovelace")
    user_id = await owner.fetchval("SELECT user_id FROM connections")
    for act in ("SELECT ciphertext FROM connection_secrets", "UPDATE connection_secrets SET key_version = 2"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with api_runtime.person(user_id) as conn:
                await conn.execute(act)


SPENT = '{ monthlySpending(from: "2024-01", to: "2026-12") { month totals { currency spent { amountMinor } received { amountMinor } } } }'
UPDATE_LOGIN = """
mutation Update($id: ID!, $login: String!) {
  updateCredentials(id: $id, login: $login, password: "sandbox") {
    __typename
    ... on ConnectionRunSuccess { connection { id } }
    ... on Error { code message field }
  }
}
"""


async def test_one_login_connected_again_and_again_at_once_is_one_connection(client, owner):
    results = await asyncio.gather(*(client.connect("ada-lovelace") for _ in range(4)))
    assert {result["__typename"] for result in results} == {"ConnectionRunSuccess"}
    assert len({result["connection"]["id"] for result in results}) == 1
    assert (await counts(owner))["connections"] == 1
    assert (await counts(owner))["connection_secrets"] == 1


@pytest.mark.two_years
async def test_a_login_that_is_connected_again_after_it_was_ended_goes_on_with_its_history(client, owner, worker):
    first = await client.connect("ada-lovelace")
    await succeeded(client)
    rows = await owner.fetchval("SELECT count(*) FROM transactions")
    spent = await client.ask(SPENT)
    await client.ask(DISCONNECT, id=first["connection"]["id"], keep=True)
    again = await client.connect("ada-lovelace")
    assert again["connection"]["id"] == first["connection"]["id"]
    assert again["connection"]["status"] == "ACTIVE"
    await succeeded(client)
    assert await owner.fetchval("SELECT count(*) FROM transactions") == rows > 1_000
    assert await client.ask(SPENT) == spent
    assert len((await client.ask("{ accounts { name } }"))["accounts"]) == 3


@pytest.mark.two_years
async def test_another_login_on_a_connection_brings_its_whole_history_and_marks_the_old_accounts(client, owner, worker):
    first = await client.connect("ada-lovelace")
    await succeeded(client)
    await client.ask(UPDATE_LOGIN, id=first["connection"]["id"], login="grace-hopper")
    await succeeded(client)
    accounts = (await client.ask("{ accounts { missingSince } }"))["accounts"]
    assert sorted(account["missingSince"] is None for account in accounts) == [False] * 3 + [True] * 3
    oldest = await owner.fetch("SELECT min(posted_on) AS day FROM transactions GROUP BY account_id")
    assert len(oldest) == 6
    assert all((datetime.now(UTC).date() - row["day"]).days > 600 for row in oldest)


async def test_a_login_that_another_connection_has_is_refused_for_this_one(client, owner):
    await client.connect("ada-lovelace")
    second = await client.connect("grace-hopper")
    result = (await client.ask(UPDATE_LOGIN, id=second["connection"]["id"], login="ada-lovelace"))["updateCredentials"]
    assert (result["__typename"], result["field"]) == ("InvalidInput", "login")
    assert (await counts(owner))["connections"] == 2
