"""Renewing the login of a connection in place: a visit to the bank's own pages, and the connection goes on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from mintql.api.nodes import encode_id
from mintql.gateways.vault import Sealed, Vault
from mintql.services import link_visits
from support.clients import Client, client_of, eventually
from support.factories import create_connection
from support.plaid import drawn

LINK = """
mutation Link($institution: ID! = "plaid", $connection: ID) {
  createLinkSession(institutionId: $institution, connectionId: $connection) {
    __typename
    ... on LinkSessionSuccess { token url expiresAt }
    ... on InstitutionError { action retryable }
    ... on Error { code message field }
  }
}
"""
CONNECT = """
mutation Connect($token: String!) {
  connectInstitution(institutionId: "plaid", password: $token) {
    __typename
    ... on ConnectionRunSuccess { connection { id } }
    ... on Error { code message }
  }
}
"""
UPDATE = """
mutation Update($id: ID!, $token: String!) {
  updateCredentials(id: $id, password: $token) {
    __typename
    ... on ConnectionRunSuccess { connection { id status sync { error { code } } } run { id reason } }
    ... on InstitutionError { action }
    ... on Error { code message field }
  }
}
"""
REFRESH = """
mutation Refresh($id: ID!) {
  refreshConnection(id: $id) {
    __typename
    ... on ConnectionRunSuccess { connection { id status sync { error { code } } } run { id reason } }
    ... on InstitutionError { action }
    ... on Error { code message field }
  }
}
"""
STATE = """
{ connections { id status notice { message } accounts { name }
    sync { error { code action } latestRun { id state rowsAdded rowsChanged rowsRemoved } } } }
"""
LIVE = "SELECT count(*) FROM transactions WHERE successor_id IS NULL AND removed_at IS NULL"
TOTAL = "SELECT sum(posted_minor + pending_minor)::bigint FROM monthly_spending"
LOGIN_FORM = {"login": "ada", "password": "sandbox"}


@pytest.fixture
def settings(settings):
    """The sandbox bank as Plaid too, and no pause between two refreshes."""
    keys = {"plaid_client_id": "sandbox", "plaid_secret": SecretStr("sandbox"), "refresh_pause_seconds": 0}
    return settings.model_copy(update={"plaid_url": f"{settings.sandbox_url}/plaid"} | keys)


@pytest.fixture(autouse=True)
def short_history(monkeypatch):
    """Forty days instead of two years, drawn once for all tests."""
    monkeypatch.setattr("mintql.sandbox.bank.History", drawn)
    monkeypatch.setattr("mintql.institutions.plaid.HISTORY_DAYS", 40)


@pytest.fixture
async def client(bank, server):
    async with client_of(server) as opened:
        await opened.sign_up()
        yield opened


@dataclass
class Linked:
    """A connection through Plaid whose history is here; `access_token` is what the server keeps for it."""

    client: Client
    control: httpx.AsyncClient
    connection_id: str
    access_token: str
    bank_file: Path

    async def state(self) -> dict[str, Any]:
        (connection,) = (await self.client.ask(STATE))["connections"]
        return connection

    async def ended(self, run_id: str, state: str = "SUCCEEDED") -> dict[str, Any]:
        async def look():
            connection = await self.state()
            run = connection["sync"]["latestRun"]
            return connection if (run["id"], run["state"]) == (run_id, state) else None

        return await eventually(look)

    async def ask_bank(self, path: str) -> None:
        """Have Plaid's sandbox do something to the item."""
        body = {"client_id": "sandbox", "secret": "sandbox", "access_token": self.access_token}
        (await self.control.post(f"/plaid{path}", json=body)).raise_for_status()

    async def lose_login(self) -> None:
        """The bank wants the person to log in again, which a refresh finds out."""
        await self.ask_bank("/sandbox/item/reset_login")
        run = (await self.client.ask(REFRESH, id=self.connection_id))["refreshConnection"]["run"]
        await self.ended(run["id"], "FAILED")

    async def open_visit(self) -> dict[str, Any]:
        return (await self.client.ask(LINK, connection=self.connection_id))["createLinkSession"]

    def count(self, table: str) -> int:
        with closing(sqlite3.connect(self.bank_file)) as db:
            return db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


@pytest.fixture
async def linked(client, bank, owner, worker, settings, tmp_path) -> Linked:
    session = (await client.ask(LINK))["createLinkSession"]
    (await bank.control.post(session["url"], data=LOGIN_FORM)).raise_for_status()
    opened = (await client.ask(CONNECT, token=session["token"]))["connectInstitution"]
    row = await owner.fetchrow("SELECT * FROM connection_secrets")
    sealed = Sealed(row["key_version"], row["wrapped_key"], row["ciphertext"])
    credentials = Vault(settings.keyring()).open(row["user_id"], row["connection_id"], sealed)
    found = Linked(client, bank.control, opened["connection"]["id"], credentials.password, tmp_path / "bank.sqlite")

    async def complete():
        return (await found.state())["sync"]["latestRun"]["state"] == "SUCCEEDED"

    assert await eventually(complete)
    return found


@pytest.mark.parametrize("finish", ["updateCredentials", "refreshConnection"])
async def test_a_visit_renews_the_login_and_the_connection_goes_on_with_nothing_doubled(linked, owner, finish):
    rows, total = await owner.fetchval(LIVE), await owner.fetchval(TOTAL)
    secret = await owner.fetchrow("SELECT * FROM connection_secrets")
    keys = "SELECT login_key, webhook_key, sync_cursor FROM connections"
    before = await owner.fetchrow(keys)
    await linked.lose_login()
    lost = await linked.state()
    assert (lost["status"], lost["sync"]["error"]["code"]) == ("ACTION_REQUIRED", "AUTH_REQUIRED")
    assert "link session for this connection" in lost["sync"]["error"]["action"]

    visit = await linked.open_visit()
    assert visit["__typename"] == "LinkSessionSuccess"
    assert datetime.fromisoformat(visit["expiresAt"]) > datetime.now(UTC)
    for operation, variables in ((UPDATE, {"token": visit["token"]}), (REFRESH, {})):
        (early,) = (await linked.client.ask(operation, id=linked.connection_id, **variables)).values()
        assert (early["__typename"], early["code"]) == ("InstitutionError", "AUTH_REQUIRED")
        assert "has not ended with a login" in early["message"]
    assert (await linked.state())["status"] == "ACTION_REQUIRED"
    other = await linked.control.post(visit["url"], data={"login": "grace", "password": "sandbox"})
    assert other.status_code == 403
    (await linked.control.post(visit["url"], data=LOGIN_FORM)).raise_for_status()
    bought = {"amount": "-12.34", "description": "SHELL OIL 57444212"}
    (await linked.control.post("/control/ada/purchases", json=bought)).raise_for_status()

    operation, variables = (
        (UPDATE, {"token": f"{visit['token']}\r\n"}) if finish == "updateCredentials" else (REFRESH, {})
    )
    renewed = (await linked.client.ask(operation, id=linked.connection_id, **variables))[finish]
    assert renewed["connection"] == {"id": linked.connection_id, "status": "ACTIVE", "sync": {"error": None}}
    assert renewed["run"]["reason"] == "REQUEST"
    after = await linked.ended(renewed["run"]["id"])
    run = after["sync"]["latestRun"]
    assert (run["rowsAdded"], run["rowsChanged"], run["rowsRemoved"]) == (1, 0, 0)
    assert await owner.fetchval(LIVE) == rows + 1
    assert await owner.fetchval(TOTAL) == total - 1234
    assert (linked.count("plaid_items"), linked.count("plaid_links")) == (1, 2)
    assert await owner.fetchrow("SELECT * FROM connection_secrets") == secret
    assert (await owner.fetchrow(keys))[:2] == before[:2]
    assert await owner.fetchval("SELECT count(*) FROM link_visits") == 0


async def test_a_visit_that_plaids_own_script_ended_is_finished_with_the_token_it_gave(linked, owner):
    await linked.lose_login()
    visit = await linked.open_visit()
    page = await linked.control.post(visit["url"], data=LOGIN_FORM)
    token = page.text.partition('id="public_token">')[2].partition("<")[0]
    renewed = (await linked.client.ask(UPDATE, id=linked.connection_id, token=token))["updateCredentials"]
    assert renewed["connection"]["status"] == "ACTIVE"
    run = (await linked.ended(renewed["run"]["id"]))["sync"]["latestRun"]
    assert (run["rowsAdded"], run["rowsChanged"], run["rowsRemoved"]) == (0, 0, 0)
    assert linked.count("plaid_items") == 1
    assert await owner.fetchval("SELECT count(*) FROM farewells") == 0


async def test_a_permission_is_renewed_before_it_ends_and_the_notice_of_its_end_goes(linked, owner):
    await owner.execute("UPDATE connections SET notice = 'The permission ends soon.', noticed_at = now()")
    assert (await linked.state())["notice"] == {"message": "The permission ends soon."}
    visit = await linked.open_visit()
    (await linked.control.post(visit["url"], data=LOGIN_FORM)).raise_for_status()
    renewed = (await linked.client.ask(UPDATE, id=linked.connection_id, token=visit["token"]))["updateCredentials"]
    assert (await linked.ended(renewed["run"]["id"]))["notice"] is None


async def test_a_visit_that_the_institution_does_not_open_says_why(linked, owner):
    await linked.ask_bank("/item/remove")
    refused = await linked.open_visit()
    assert (refused["__typename"], refused["code"]) == ("InstitutionError", "AUTH_REQUIRED")
    assert "no longer knows this connection" in refused["message"]
    assert "Open a new link session" in refused["action"]
    assert await owner.fetchval("SELECT state FROM link_visits") == "refused"
    assert linked.count("plaid_links") == 1


async def test_a_visit_to_renew_is_opened_only_for_ones_own_connection_to_that_institution(linked, owner):
    mine = linked.connection_id
    refusals = [
        (await linked.client.ask(LINK, **({"connection": mine} | variables)))["createLinkSession"]
        for variables in ({"institution": "sandbox"}, {"connection": encode_id("Account", 1)})
    ]
    assert [(refused["__typename"], refused["field"]) for refused in refusals] == [
        ("InvalidInput", "institutionId"), ("InvalidInput", "connectionId"),
    ]  # fmt: skip
    user_id = await owner.fetchval("SELECT user_id FROM connections")
    elsewhere = encode_id("Connection", await create_connection(owner, user_id))
    refused = (await linked.client.ask(LINK, connection=elsewhere))["createLinkSession"]
    assert (refused["__typename"], refused["field"]) == ("InvalidInput", "connectionId")
    assert "'sandbox'" in refused["message"]
    await linked.client.sign_up()
    theirs = (await linked.client.ask(LINK, connection=mine))["createLinkSession"]
    none = (await linked.client.ask(LINK, connection=encode_id("Connection", 999)))["createLinkSession"]
    assert theirs == none
    assert (theirs["__typename"], theirs["field"]) == ("NotFound", "connectionId")
    linked.client.token = None
    assert (await linked.open_visit())["__typename"] == "NotSignedIn"
    assert await owner.fetchval("SELECT count(*) FROM link_visits") == 0
    assert linked.count("plaid_links") == 1


async def test_a_visit_of_one_person_is_no_password_for_anothers_connection(linked, owner):
    await linked.lose_login()
    visit = await linked.open_visit()
    (await linked.control.post(visit["url"], data=LOGIN_FORM)).raise_for_status()
    await linked.client.sign_up()
    refused = (await linked.client.ask(UPDATE, id=linked.connection_id, token=visit["token"]))["updateCredentials"]
    assert refused["__typename"] == "NotFound"
    assert await owner.fetchval("SELECT status FROM connections") == "action_required"


async def test_without_a_worker_the_person_is_told_to_try_again_and_nothing_is_opened(
    client, owner, bank, tmp_path, monkeypatch
):
    monkeypatch.setattr(link_visits, "WAIT_SECONDS", 0.3)
    user_id = await owner.fetchval("SELECT user_id FROM users")
    connection_id = encode_id("Connection", await create_connection(owner, user_id, institution_id="plaid"))
    refused = (await client.ask(LINK, connection=connection_id))["createLinkSession"]
    assert (refused["__typename"], refused["code"], refused["retryable"]) == ("InstitutionError", "INTERNAL", True)
    assert "try again in a moment" in refused["message"]
    row = await owner.fetchrow("SELECT state, (wanted_until < now()) AS too_late FROM link_visits")
    assert (row["state"], row["too_late"]) == ("wanted", True)
