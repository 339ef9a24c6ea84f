"""What a person sees of their connections, and how they steer them: forms, paces, histories, bad rows, bad accounts."""

from __future__ import annotations

import gzip
import hashlib
import io
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from mintql.api.nodes import encode_id
from support.clients import client_of, eventually
from support.factories import create_account, create_connection

CONNECT = """
mutation Connect($id: ID!, $url: String! = "", $login: String! = "", $password: String! = "",
    $options: [CredentialOptionInput!]! = []) {
  connectInstitution(institutionId: $id, url: $url, login: $login, password: $password, options: $options) {
    __typename
    ... on ConnectionRunSuccess { connection { id } run { id } }
    ... on Error { code message field }
  }
}
"""
LINK = """
mutation Link($id: ID!) {
  createLinkSession(institutionId: $id) {
    __typename
    ... on LinkSessionSuccess { token url expiresAt }
    ... on Error { code message field }
  }
}
"""
REFRESH = """
mutation Refresh($id: ID!, $balancesOnly: Boolean! = false) {
  refreshConnection(id: $id, balancesOnly: $balancesOnly) {
    __typename
    ... on ConnectionRunSuccess { run { id state reason balancesOnly } }
    ... on RateLimited { retryAt }
    ... on InstitutionError { action }
    ... on Error { code message field }
  }
}
"""
SYNC = "{ connections { id status sync { refreshableAt requestsLeftToday latestRun { state rowsAdded } } } }"
RUNS = """
query Runs($id: ID!, $first: Int, $after: Cursor) {
  node(id: $id) {
    ... on Connection {
      runs(first: $first, after: $after) { nodes { id reason } pageInfo { hasNextPage hasPreviousPage endCursor } }
    }
  }
}
"""
BAD_ROWS = """
query BadRows($id: ID!, $first: Int, $after: Cursor) {
  node(id: $id) {
    ... on SyncRun {
      rowsQuarantined
      quarantined(first: $first, after: $after) {
        nodes { rawPageId page position reason excerpt account { name } }
        pageInfo { hasNextPage endCursor }
      }
    }
  }
}
"""
RAW_PAGES = """
query RawPages($id: ID!, $first: Int, $after: Cursor) {
  node(id: $id) {
    ... on SyncRun {
      pages
      rawPages(first: $first, after: $after) {
        nodes { id page attempt sizeBytes sha256 contentType storedAt ingestedAt state error run { id } }
        pageInfo { hasNextPage endCursor }
      }
    }
  }
}
"""
ERRORS = "{ connections { status accounts { kind error { code message action since } } sync { error { code } } } }"
NOW = datetime.now(UTC)


@pytest.fixture
def settings(settings):
    """The sandbox bank as Plaid too."""
    keys = {"plaid_client_id": "sandbox", "plaid_secret": SecretStr("sandbox")}
    return settings.model_copy(update={"plaid_url": f"{settings.sandbox_url}/plaid"} | keys)


@pytest.fixture
async def client(bank, server):
    async with client_of(server) as opened:
        await opened.sign_up()
        yield opened


@pytest.fixture
async def user_id(client, owner):
    return await owner.fetchval("SELECT max(user_id) FROM users")


async def succeeded(client):
    async def look():
        (connection,) = (await client.ask(SYNC))["connections"]
        return connection if connection["sync"]["latestRun"]["state"] == "SUCCEEDED" else None

    return await eventually(look)


def option(name, value):
    return {"name": name, "value": value}


REFUSED = [
    ({"id": "ofx", "login": "ada", "password": "x"}, "url", "is missing"),
    ({"id": "ofx", "url": "https://bank.example", "password": "x"}, "login", "is missing"),
    ({"id": "simplefin"}, "password", "Setup token is missing"),
    ({"id": "simplefin", "login": "ada", "password": "x"}, "login", "asks for no login"),
    ({"id": "simplefin", "password": "x", "options": [option("org", "B1")]}, "options", "'org'; its options are time_zone"),
    ({"id": "sandbox", "login": "ada", "password": "x", "options": [option("fid", "1")]}, "options", "has no options"),
    ({"id": "sandbox", "login": "ada", "password": "x", "options": [option("login", "b")]}, "options", "'login'"),
    ({"id": "ofx", "url": "https://bank.example", "login": "ada", "password": "x",
      "options": [option("org", "B1"), option("org", "B2")]}, "org", "given twice"),
    ({"id": "ofx", "url": "https://bank.example", "login": "ada", "password": "x",
      "options": [option("org", "x" * 4_001)]}, "org", "at most 4000 characters"),
    ({"id": "ofx", "url": "https://bank.example", "login": "ada", "password": "x",
      "options": [option("fid", "1\0")]}, "fid", "nobody can type"),
    ({"id": "sandbox", "login": "a" * 201, "password": "x"}, "login", "at most 200 characters"),
]  # fmt: skip


async def test_what_an_institution_does_not_ask_for_or_misses_is_refused_by_name(client, owner):
    for given, field, words in REFUSED:
        result = (await client.ask(CONNECT, **given))["connectInstitution"]
        assert (result["__typename"], result["field"]) == ("InvalidInput", field), (given, result)
        assert words in result["message"]
    assert await owner.fetchval("SELECT count(*) FROM connections") == 0


async def test_a_visit_to_the_banks_own_pages_ends_with_what_to_connect_with(client, bank, owner, worker):
    session = (await client.ask(LINK, id="plaid"))["createLinkSession"]
    assert session["__typename"] == "LinkSessionSuccess"
    assert datetime.fromisoformat(session["expiresAt"]) > NOW
    early = (await client.ask(CONNECT, id="plaid", password=session["token"]))["connectInstitution"]
    assert (early["__typename"], early["code"]) == ("InstitutionError", "AUTH_REQUIRED")
    (await bank.control.post(session["url"], data={"login": "ada", "password": "sandbox"})).raise_for_status()
    result = (await client.ask(CONNECT, id="plaid", password=session["token"] + "\r\n"))["connectInstitution"]
    assert result["__typename"] == "ConnectionRunSuccess"
    assert (await succeeded(client))["sync"]["latestRun"]["rowsAdded"] > 500
    assert await owner.fetchval("SELECT length(webhook_key) FROM connections") == 32


async def test_a_visit_is_opened_only_where_there_are_pages_and_only_for_somebody(client):
    for institution, kind, words in (
        ("simplefin", "InvalidInput", "no pages of its own"),
        ("moon", "NotFound", "'moon'"),
    ):
        result = (await client.ask(LINK, id=institution))["createLinkSession"]
        assert (result["__typename"], result["field"]) == (kind, "institutionId")
        assert words in result["message"]
    client.token = None
    assert (await client.ask(LINK, id="plaid"))["createLinkSession"]["__typename"] == "NotSignedIn"


async def test_a_days_allowance_is_shown_and_the_next_chance_is_in_the_answer(client, owner, user_id):
    number = await create_connection(owner, user_id, institution_id="simplefin")
    spent = "UPDATE connections SET requests_on = $1, requests = $2"
    (before,) = (await client.ask(SYNC))["connections"]
    assert before["sync"]["requestsLeftToday"] == 24
    assert datetime.fromisoformat(before["sync"]["refreshableAt"]) <= datetime.now(UTC)
    await owner.execute(spent, datetime.now(UTC).date(), 24)
    midnight = datetime.combine(datetime.now(UTC).date() + timedelta(days=1), time(tzinfo=UTC))
    (used,) = (await client.ask(SYNC))["connections"]
    assert used["sync"]["requestsLeftToday"] == 0
    assert datetime.fromisoformat(used["sync"]["refreshableAt"]) == midnight
    refused = (await client.ask(REFRESH, id=encode_id("Connection", number)))["refreshConnection"]
    assert (refused["__typename"], datetime.fromisoformat(refused["retryAt"])) == ("RateLimited", midnight)
    assert "All 24 requests" in refused["message"]
    await owner.execute(spent, datetime.now(UTC).date() - timedelta(days=1), 24)
    assert (await client.ask(SYNC))["connections"][0]["sync"]["requestsLeftToday"] == 24
    opened = (await client.ask(REFRESH, id=encode_id("Connection", number)))["refreshConnection"]
    assert opened["__typename"] == "ConnectionRunSuccess"


async def test_an_institutions_own_pause_is_kept_for_whole_refreshes(client, owner, user_id):
    number = await create_connection(owner, user_id, institution_id="simplefin")
    connection_id = encode_id("Connection", number)
    ended = "UPDATE sync_runs SET state = 'succeeded', started_at = now(), finished_at = now() WHERE state = 'queued'"
    opened = (await client.ask(REFRESH, id=connection_id, balancesOnly=True))["refreshConnection"]
    assert opened["run"]["balancesOnly"] is True
    await owner.execute(ended)
    again = (await client.ask(REFRESH, id=connection_id, balancesOnly=True))["refreshConnection"]
    assert again["__typename"] == "RateLimited"
    whole = (await client.ask(REFRESH, id=connection_id))["refreshConnection"]
    assert whole["run"]["balancesOnly"] is False
    await owner.execute(ended)
    refused = (await client.ask(REFRESH, id=connection_id))["refreshConnection"]
    assert "The institution is asked once in 60 minutes at most. Try again in 60 minutes." in refused["message"]
    started_at = await owner.fetchval("SELECT max(started_at) FROM sync_runs")
    assert datetime.fromisoformat(refused["retryAt"]) - started_at == pytest.approx(
        timedelta(hours=1), abs=timedelta(milliseconds=2)
    )
    (shown,) = (await client.ask(SYNC))["connections"]
    assert shown["sync"]["refreshableAt"] == refused["retryAt"]


async def test_nothing_is_promised_for_a_connection_that_waits_for_its_person_or_has_ended(client, owner, user_id):
    await create_connection(
        owner, user_id, status="action_required", error_code="CONSENT_EXPIRED", error_message="Over."
    )
    await create_connection(owner, user_id, status="disconnected")
    waiting, ended = (await client.ask(SYNC))["connections"]
    assert (waiting["sync"]["refreshableAt"], ended["sync"]["refreshableAt"]) == (None, None)
    refused = (await client.ask(REFRESH, id=waiting["id"]))["refreshConnection"]
    assert (refused["__typename"], refused["code"], refused["message"]) == (
        "InstitutionError",
        "CONSENT_EXPIRED",
        "Over.",
    )
    assert refused["action"] == "Give your permission at the institution again."


async def test_an_institution_that_asked_to_wait_says_until_when_and_is_not_asked_before(client, owner, user_id):
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=20)
    number = await create_connection(
        owner,
        user_id,
        error_code="INSTITUTION_RATE_LIMITED",
        error_message="The bank asked to come back later.",
        next_attempt_at=at,
    )
    opened = (await client.ask(REFRESH, id=encode_id("Connection", number)))["refreshConnection"]
    assert opened["__typename"] == "ConnectionRunSuccess"
    await owner.execute("UPDATE sync_runs SET error_code = 'INSTITUTION_RATE_LIMITED', next_attempt_at = $1", at)
    (connection,) = (await client.ask(SYNC))["connections"]
    assert datetime.fromisoformat(connection["sync"]["refreshableAt"]) == at
    refused = (await client.ask(REFRESH, id=encode_id("Connection", number)))["refreshConnection"]
    assert (refused["__typename"], datetime.fromisoformat(refused["retryAt"])) == ("RateLimited", at)
    assert refused["message"] == "The bank asked to come back later. It is tried by itself in 20 minutes."
    await owner.execute("UPDATE sync_runs SET next_attempt_at = now()")
    joined = (await client.ask(REFRESH, id=encode_id("Connection", number)))["refreshConnection"]
    assert joined["run"]["id"] == opened["run"]["id"]


async def test_imported_files_have_a_name_and_are_not_refreshed(client, owner, user_id):
    number = await create_connection(owner, user_id, institution_id="files")
    (shown,) = (await client.ask("{ connections { institution { id name fields { name } } sync { refreshableAt } } }"))[
        "connections"
    ]
    assert shown == {
        "institution": {"id": "files", "name": "Imported files", "fields": []},
        "sync": {"refreshableAt": None},
    }
    refused = (await client.ask(REFRESH, id=encode_id("Connection", number)))["refreshConnection"]
    assert (refused["__typename"], refused["field"]) == ("InvalidInput", "id")
    assert "import a newer one" in refused["message"]


async def test_the_runs_of_a_connection_are_listed_newest_first_page_by_page(client, owner, user_id):
    number = await create_connection(owner, user_id)
    other = await create_connection(owner, user_id)
    made = "INSERT INTO sync_runs (user_id, connection_id, reason, state, day) VALUES ($1, $2, $3, 'succeeded', $4)"
    for days in range(5):
        await owner.execute(made, user_id, number, "daily", NOW.date() - timedelta(days=days))
        await owner.execute(made, user_id, other, "daily", NOW.date() - timedelta(days=days))
    connection_id, seen, after = encode_id("Connection", number), [], None
    while True:
        page = (await client.ask(RUNS, id=connection_id, first=2, after=after))["node"]["runs"]
        seen += [node["id"] for node in page["nodes"]]
        assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    ids = await owner.fetch("SELECT run_id FROM sync_runs WHERE connection_id = $1 ORDER BY run_id DESC", number)
    assert seen == [encode_id("SyncRun", row["run_id"]) for row in ids]
    assert len(seen) == 5
    both = await client.ask("{ connections { runs(first: 3) { nodes { id } } } }")
    assert [len(connection["runs"]["nodes"]) for connection in both["connections"]] == [3, 3]
    refused = await client.refusal(RUNS, id=connection_id, after="ZXZlbnQ6MQ")
    assert refused["extensions"]["code"] == "BAD_USER_INPUT"
    await client.sign_up()
    assert (await client.ask(RUNS, id=connection_id))["node"] is None


async def test_bad_rows_and_raw_pages_of_a_run_can_be_looked_at(client, bank, owner, worker, settings):
    (await bank.control.put("/control/ada/scenario", json={"name": "bad_row", "field": "amount"})).raise_for_status()
    await client.connect("ada")
    await succeeded(client)
    run_id = encode_id("SyncRun", await owner.fetchval("SELECT run_id FROM sync_runs"))
    run = (await client.ask(BAD_ROWS, id=run_id))["node"]
    rows = run["quarantined"]["nodes"]
    assert run["rowsQuarantined"] == len(rows) > 0
    assert all(row["reason"] and row["excerpt"] for row in rows)
    assert {row["account"]["name"] for row in rows} <= {"Everyday Checking", "Rainy Day Savings", "Rewards Card"}
    one = (await client.ask(BAD_ROWS, id=run_id, first=1))["node"]["quarantined"]
    rest = (await client.ask(BAD_ROWS, id=run_id, after=one["pageInfo"]["endCursor"]))["node"]["quarantined"]
    assert one["nodes"] + rest["nodes"] == rows
    seen, after = [], None
    while True:
        page = (await client.ask(RAW_PAGES, id=run_id, first=3, after=after))["node"]["rawPages"]
        seen += page["nodes"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert len(seen) == await owner.fetchval("SELECT pages FROM sync_runs")
    assert [item["page"] for item in seen] == list(range(len(seen)))
    assert {(item["state"], item["attempt"], item["error"]) for item in seen} == {("INGESTED", 1, None)}
    assert {item["run"]["id"] for item in seen} == {run_id}
    folder = Path(settings.object_store.removeprefix("file:"))
    # Small pages share an object, one after the other.
    kept = io.BytesIO(b"".join(gzip.decompress(path.read_bytes()) for path in sorted((folder / "raw").rglob("*.gz"))))
    assert [item["sha256"] for item in seen] == [
        hashlib.sha256(kept.read(item["sizeBytes"])).hexdigest() for item in seen
    ]
    assert kept.read() == b""
    await client.sign_up()
    for thing in (run_id, seen[0]["id"]):
        assert (await client.ask("query Any($id: ID!) { node(id: $id) { id } }", id=thing))["node"] is None


async def test_an_account_that_fails_alone_says_why_while_its_connection_works(client, bank, owner, worker):
    await client.connect("ada")
    await succeeded(client)
    (await bank.control.put("/control/ada/scenario", json={"name": "account_gone"})).raise_for_status()
    await refreshed(client, owner)
    (connection,) = (await client.ask(ERRORS))["connections"]
    assert (connection["status"], connection["sync"]["error"]) == ("ACTIVE", None)
    errors = {account["kind"]: account["error"] for account in connection["accounts"]}
    assert (errors["CHECKING"], errors["CREDIT_CARD"]) == (None, None)
    assert errors["SAVINGS"]["code"] == "ACCOUNT_GONE"
    assert errors["SAVINGS"]["message"].endswith(".")
    assert errors["SAVINGS"]["action"]
    assert datetime.fromisoformat(errors["SAVINGS"]["since"]) > NOW
    (await bank.control.delete("/control/ada/scenario")).raise_for_status()
    await refreshed(client, owner)
    (connection,) = (await client.ask(ERRORS))["connections"]
    assert [account["error"] for account in connection["accounts"]] == [None] * 3


async def refreshed(client, owner):
    """Refresh, however lately that was done before, and wait until it is done."""
    await owner.execute("UPDATE sync_runs SET started_at = started_at - interval '1 minute'")
    (connection,) = (await client.ask(SYNC))["connections"]
    opened = (await client.ask(REFRESH, id=connection["id"]))["refreshConnection"]
    assert opened["__typename"] == "ConnectionRunSuccess", opened
    await succeeded(client)


async def test_an_error_of_an_account_is_the_persons_own_to_see(client, owner, user_id):
    await create_account(owner, user_id)
    await owner.execute(
        "UPDATE accounts SET error_code = 'CONSENT_EXPIRED', error_message = 'Over.', error_action = 'Renew.', "
        "failing_since = $1", NOW,
    )  # fmt: skip
    query = "{ accounts { error { code message action since } } }"
    (account,) = (await client.ask(query))["accounts"]
    since = datetime.fromisoformat(account["error"].pop("since"))
    assert abs(since - NOW) < timedelta(milliseconds=1)
    assert account["error"] == {"code": "CONSENT_EXPIRED", "message": "Over.", "action": "Renew."}
    await client.sign_up()
    assert (await client.ask(query))["accounts"] == []
