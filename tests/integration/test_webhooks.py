"""Webhooks over real HTTP, signed by the sandbox bank's Plaid: believed when signed, and never a flood of runs."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest
from pydantic import SecretStr

from mintql.gateways.webhooks import AGE_SECONDS_MAX
from mintql.jobs import workplace
from mintql.sandbox.plaid_store import PlaidStore
from mintql.sandbox.plaid_webhooks import Signer
from mintql.services.webhooks import PAUSE_SECONDS, open_wanted
from support.clients import client_of, eventually
from support.local import local_client

CONNECT = """
mutation Connect($token: String!) {
  connectInstitution(institutionId: "plaid", password: $token) {
    ... on ConnectionRunSuccess { connection { id } run { id } }
    ... on Error { code message field }
  }
}
"""
CONNECTIONS = """
{ connections { status notice { message } sync { error { code action } latestRun { state reason } } } }
"""
DISCONNECT = (
    "mutation Disconnect($id: ID!) { disconnect(id: $id) { ... on DisconnectSuccess { connection { status } } } }"
)


@pytest.fixture
def settings(settings):
    """The sandbox bank as Plaid."""
    keys = {"plaid_client_id": "sandbox", "plaid_secret": SecretStr("sandbox")}
    return settings.model_copy(update={"plaid_url": f"{settings.sandbox_url}/plaid"} | keys)


@pytest.fixture
async def client(bank, server):
    async with client_of(server) as opened:
        await opened.sign_up()
        yield opened


@pytest.fixture
async def owner(database_url):
    conn = await asyncpg.connect(database_url)
    yield conn
    await conn.close()


class Plaid:
    """What the institution does: sign webhooks for the one item there is, and send them."""

    def __init__(self, bank, server, store_path, item_id):
        self.bank, self.url, self.item_id = bank, f"{server.url}/webhooks/plaid", item_id
        self.store = PlaidStore(store_path)

    def body(self, code="SYNC_UPDATES_AVAILABLE", kind="TRANSACTIONS", **more):
        return json.dumps({"webhook_type": kind, "webhook_code": code, "item_id": self.item_id} | more).encode()

    def signature(self, body, *, age_seconds=0):
        return Signer(self.store).sign(body, int(time.time()) - age_seconds)

    async def send(self, body, signature=None, url=None):
        headers = {"content-type": "application/json"} | ({"plaid-verification": signature} if signature else {})
        async with local_client() as http:
            return await http.post(url or self.url, content=body, headers=headers)

    async def tell(self, *told, **more):
        body = self.body(*told, **more)
        answer = await self.send(body, self.signature(body))
        assert (answer.status_code, answer.content) == (200, b"")


@pytest.fixture
async def plaid(client, bank, server, owner, tmp_path):
    """A connection through Plaid whose first run is over since an hour."""
    token = await public_token(bank)
    connected = (await client.ask(CONNECT, token=token))["connectInstitution"]
    assert "connection" in connected, connected
    item_id, _ = await asyncio.to_thread(only_item, tmp_path / "bank.sqlite")
    await rest(owner)
    found = Plaid(bank, server, tmp_path / "bank.sqlite", item_id)
    found.connection_id = connected["connection"]["id"]
    return found


async def public_token(bank):
    """What a visit to the bank's own pages ends with."""
    asked = {
        "institution_id": "ins_109508",
        "initial_products": ["transactions"],
        "options": {"override_username": "ada"},
    }
    keys = {"client_id": "sandbox", "secret": "sandbox"}
    made = await bank.control.post("/plaid/sandbox/public_token/create", json=keys | asked)
    return made.json()["public_token"]


def only_item(path):
    """The one item in the bank's own file: its id, and whether it was removed."""
    with closing(sqlite3.connect(path)) as db:
        ((item_id, removed),) = db.execute("SELECT item_id, removed FROM plaid_items")
    return item_id, bool(removed)


async def rest(owner, *, ended="1 hour"):
    """Let the open run have gone well some time ago."""
    await owner.execute(
        f"UPDATE sync_runs SET state = 'succeeded', started_at = now() - interval '{ended}', finished_at = now() "
        "WHERE state <> 'succeeded'"
    )
    await owner.execute(f"UPDATE connections SET last_attempt_at = now() - interval '{ended}'")


async def runs(owner):
    return [
        (row["reason"], row["state"])
        for row in await owner.fetch("SELECT reason, state FROM sync_runs ORDER BY run_id")
    ]


LINKED = ("link", "succeeded")


async def test_a_flood_of_webhooks_opens_one_run(plaid, owner):
    await asyncio.gather(*(plaid.tell() for _ in range(12)))
    assert await runs(owner) == [LINKED, ("webhook", "queued")]
    assert await owner.fetchval("SELECT wanted_at FROM connections") is None


async def test_one_that_comes_while_a_run_is_under_way_is_remembered_until_the_next(plaid, owner, runtime):
    await plaid.tell()
    await owner.execute("UPDATE sync_runs SET state = 'extracting', started_at = now() WHERE state = 'queued'")
    await plaid.tell()
    assert await open_wanted(workplace(runtime)) == 0
    assert await runs(owner) == [LINKED, ("webhook", "extracting")]
    await rest(owner, ended="1 minute")
    assert await open_wanted(workplace(runtime)) == 1
    assert await open_wanted(workplace(runtime)) == 0
    assert await runs(owner) == [LINKED, ("webhook", "succeeded"), ("webhook", "queued")]
    assert await owner.fetchval("SELECT wanted_at FROM connections") is None


async def test_however_many_wait_all_are_fetched_with_the_next_sweep(plaid, owner, runtime, monkeypatch):
    monkeypatch.setattr("mintql.services.webhooks.WANTED_PAGE", 3)
    await owner.execute(
        "INSERT INTO connections (user_id, institution_id, wanted_at, status) SELECT user_id, 'plaid', now(), status"
        " FROM users, unnest(ARRAY['active', 'active', 'active', 'active', 'active', 'active', 'disconnected']) AS status"
    )
    assert await open_wanted(workplace(runtime)) == 6
    assert await runs(owner) == [LINKED] + [("webhook", "queued")] * 6
    assert await owner.fetchval("SELECT count(*) FROM connections WHERE wanted_at IS NOT NULL") == 1
    jobs = await runtime.redis.queued_jobs(queue_name=runtime.settings.queue_name)
    assert [job.function for job in jobs].count("extract") >= 6


@pytest.mark.parametrize("state", ["succeeded", "failed"])
async def test_one_that_comes_just_after_a_run_waits_for_the_pause(plaid, owner, runtime, state):
    await owner.execute("UPDATE sync_runs SET state = $1, started_at = now()", state)
    tried_at = await owner.fetchval("UPDATE connections SET last_attempt_at = now() RETURNING last_attempt_at")
    await plaid.tell()
    assert await runs(owner) == [("link", state)]
    soon = tried_at + timedelta(seconds=PAUSE_SECONDS - 1)
    assert await open_wanted(replace(workplace(runtime), clock=lambda: soon)) == 0
    assert await open_wanted(replace(workplace(runtime), clock=lambda: soon + timedelta(seconds=2))) == 1
    assert await runs(owner) == [("link", state), ("webhook", "queued")]


async def test_a_run_that_waits_out_an_outage_is_not_hurried(plaid, owner):
    await owner.execute(
        "UPDATE sync_runs SET state = 'queued', next_attempt_at = now() + interval '9 minutes', "
        "error_code = 'INSTITUTION_DOWN'"
    )
    before = await owner.fetch("SELECT * FROM sync_runs")
    await plaid.tell()
    assert await owner.fetch("SELECT * FROM sync_runs") == before
    assert await owner.fetchval("SELECT wanted_at FROM connections") is None


async def test_nothing_is_fetched_for_who_has_not_been_here_for_a_month(plaid, owner):
    await owner.execute("UPDATE users SET last_active_on = current_date - 32")
    await plaid.tell()
    assert await runs(owner) == [LINKED]
    await owner.execute("UPDATE users SET last_active_on = current_date - 29")
    await plaid.tell()
    assert await runs(owner) == [LINKED, ("webhook", "queued")]


async def test_what_is_not_signed_by_the_institution_is_refused_without_a_word_and_changes_nothing(plaid, owner):
    body = plaid.body()
    right = plaid.signature(body)
    header, claims, sealed = right.split(".")
    for wrong, content in (
        (None, body),
        ("", body),
        ("x", body),
        (right, plaid.body("ERROR", "ITEM")),
        (plaid.signature(plaid.body(more=1)), body),
        (f"{header}.{claims}.{sealed[:-4]}AAAA", body),
        (plaid.signature(body, age_seconds=AGE_SECONDS_MAX + 1), body),
        (plaid.signature(b"[]"), b"[]"),
    ):
        answer = await plaid.send(content, wrong)
        assert (answer.status_code, answer.content) == (401, b""), (wrong, content)
    assert await runs(owner) == [LINKED]
    assert await owner.fetchval("SELECT count(*) FROM events WHERE kind = 'connection_changed'") == 1
    assert (await plaid.send(body, right)).status_code == 200


async def test_a_login_that_nobody_has_looks_like_one_that_somebody_has(plaid, owner):
    plaid.item_id = "f" * 36
    await plaid.tell()
    assert await runs(owner) == [LINKED]


async def test_who_sends_too_much_or_to_nobody_is_not_listened_to(plaid, server):
    assert (await plaid.send(b"x" * 70_000)).status_code == 413

    async def endless():
        for _ in range(80):
            yield b"x" * 1024

    async with local_client() as http:
        assert (await http.post(plaid.url, content=endless())).status_code == 413
        assert (await http.get(plaid.url)).status_code == 405
    for nobody in ("moon", "sandbox", "plaid/more"):
        assert (await plaid.send(b"{}", url=f"{server.url}/webhooks/{nobody}")).status_code == 404


async def test_a_webhook_whose_key_cannot_be_had_just_now_is_to_be_sent_again(plaid, owner, tmp_path):
    body = plaid.body()
    plaid.store = PlaidStore(tmp_path / "another bank.sqlite")  # Its key is one that this institution does not know.
    answer = await plaid.send(body, plaid.signature(body))
    assert (answer.status_code, answer.content) == (503, b"")
    assert await runs(owner) == [LINKED]


async def test_a_webhook_of_a_connection_that_has_ended_does_nothing(plaid, client, owner):
    await client.ask(DISCONNECT, id=plaid.connection_id)
    before = await owner.fetch("SELECT * FROM connections")
    await plaid.tell()
    await plaid.tell("PENDING_DISCONNECT", "ITEM", disconnect_time="2026-12-24T00:00:00Z")
    assert await owner.fetch("SELECT * FROM connections") == before
    assert await runs(owner) == [LINKED]


async def test_what_the_institution_has_to_tell_is_told_to_the_person(plaid, client, owner):
    await plaid.tell("PENDING_EXPIRATION", "ITEM", consent_expiration_time="2031-12-24T10:00:00Z")
    (connection,) = (await client.ask(CONNECTIONS))["connections"]
    assert "2031-12-24" in connection["notice"]["message"]
    assert connection["status"] == "ACTIVE"
    told = "SELECT payload ->> 'what' FROM events WHERE kind = 'connection_changed' ORDER BY seq"
    assert [row[0] for row in await owner.fetch(told)] == ["connected", "notice"]
    await plaid.tell("PENDING_EXPIRATION", "ITEM", consent_expiration_time="2031-12-24T10:00:00Z")
    assert [row[0] for row in await owner.fetch(told)] == ["connected", "notice"]
    await owner.execute("UPDATE connections SET noticed_at = noticed_at - interval '15 days'")
    (connection,) = (await client.ask(CONNECTIONS))["connections"]
    assert connection["notice"] is None
    assert await runs(owner) == [LINKED]


async def test_an_item_in_error_is_looked_at_and_waits_for_its_person(plaid, client, worker):
    (await plaid.bank.control.put("/control/ada/scenario", json={"name": "login_expired"})).raise_for_status()
    await plaid.tell("ERROR", "ITEM")

    async def waits():
        (connection,) = (await client.ask(CONNECTIONS))["connections"]
        return connection if connection["status"] == "ACTION_REQUIRED" else None

    connection = await eventually(waits)
    assert connection["sync"]["error"]["code"] == "AUTH_REQUIRED"
    assert connection["sync"]["error"]["action"]
    assert connection["sync"]["latestRun"] == {"state": "FAILED", "reason": "WEBHOOK"}


UPDATE = """
mutation Update($id: ID!, $token: String!) {
  updateCredentials(id: $id, password: $token) {
    ... on ConnectionRunSuccess { connection { id status } }
    ... on Error { code message }
  }
}
"""
SPENT = '{ monthlySpending(from: "2024-01", to: "2027-12") { month totals { currency spent { amountMinor } received { amountMinor } } } }'


async def test_a_connection_that_is_mended_by_a_new_visit_doubles_nothing_and_the_old_access_is_ended(
    plaid, client, bank, owner, worker, tmp_path
):
    await owner.execute("UPDATE sync_runs SET state = 'queued', next_attempt_at = now()")  # Let the first run go on.

    async def succeeded(times):
        found = await owner.fetch("SELECT state FROM sync_runs ORDER BY run_id")
        return [row["state"] for row in found] == ["succeeded"] * times

    await eventually(lambda: succeeded(1), 40)
    spent, accounts = await client.ask(SPENT), await client.ask("{ accounts { id name } }")
    token = await public_token(bank)
    mended = (await client.ask(UPDATE, id=plaid.connection_id, token=token))["updateCredentials"]
    assert mended == {"connection": {"id": plaid.connection_id, "status": "ACTIVE"}}
    await eventually(lambda: succeeded(2), 40)
    assert await client.ask("{ accounts { id name } }") == accounts
    assert await client.ask(SPENT) == spent

    async def items():
        with closing(sqlite3.connect(tmp_path / "bank.sqlite")) as db:
            return sorted(removed for (removed,) in db.execute("SELECT removed FROM plaid_items")) == [0, 1]

    assert await eventually(items)


async def test_the_institution_is_told_that_a_connection_has_ended(plaid, client, owner, worker, tmp_path):
    async def is_removed():
        return (await asyncio.to_thread(only_item, tmp_path / "bank.sqlite"))[1]

    await client.ask(DISCONNECT, id=plaid.connection_id)
    assert await eventually(is_removed)

    async def is_forgotten():
        return await owner.fetchval("SELECT count(*) = 0 FROM farewells")

    assert await eventually(is_forgotten)
