"""Why a row is there, which rows it stands for, and the person's word on that: over real HTTP, from a real bank."""

from __future__ import annotations

import asyncpg
import pytest

from support.clients import client_of, eventually

MATCH = """
  id kind state explanation decidedAt
  givesWay { postedOn pending description amount { amount } importedFrom { id } }
  stands { postedOn pending description amount { amount } }
  transaction { id } run { state } account { name }
"""
WHY = (
    "query ($id: ID!) { node(id: $id) { ... on Transaction { id pending amount { amount } origin { externalId firstSeenAt"
    " rawPage { page sha256 state run { id } } run { id reason } importedFrom { id } matches {" + MATCH + "} } } } }"
)
LIST = "query ($text: String!) { transactions(first: 5, filter: {text: $text}) { nodes { id pending amount { amount } } } }"
SUGGESTIONS = (
    "query ($first: Int, $after: Cursor) { matchSuggestions(first: $first, after: $after) { nodes {"
    + MATCH
    + "} pageInfo { hasNextPage endCursor } } }"
)
DECIDE = """
mutation ($id: ID!) {{
  {name}(id: $id) {{ __typename ... on MatchSuccess {{ match {{ {match} }} }} ... on Error {{ code message field }} }}
}}
"""
REFRESH = """
mutation ($id: ID!) {
  refreshConnection(id: $id) { ... on ConnectionRunSuccess { run { id } } ... on Error { message } }
}
"""
RUN = "query ($id: ID!) { node(id: $id) { ... on SyncRun { state rowsMatched } } }"


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"refresh_pause_seconds": 0})


@pytest.fixture
async def client(bank, worker, server):
    async with client_of(server) as opened:
        await opened.sign_up()
        yield opened


async def finished(client, run_id):
    async def done():
        found = (await client.ask(RUN, id=run_id))["node"]
        return found if found["state"] in ("SUCCEEDED", "FAILED") else None

    return await eventually(done)


async def refreshed(client, connection_id):
    return await finished(client, (await client.ask(REFRESH, id=connection_id))["refreshConnection"]["run"]["id"])


async def found(client, text):
    return (await client.ask(LIST, text=text))["transactions"]["nodes"]


async def decide(client, name, match_id):
    return (await client.ask(DECIDE.format(name=name, match=MATCH), id=match_id))[name]


async def test_a_row_tells_its_raw_page_and_the_pending_row_it_was(bank, client):
    purchase = {"amount": "-40.00", "description": "TST* OSTERIA ROMA ODD", "pending": True}
    pending_id = (await bank.control.post("/control/ada/purchases", json=purchase)).json()["id"]
    connected = await client.connect()
    await finished(client, connected["run"]["id"])
    [pending] = await found(client, "ROMA ODD")
    assert pending["pending"] is True
    await bank.control.post(f"/control/ada/purchases/{pending_id}/post", json={"amount": "-48.00"})
    assert (await refreshed(client, connected["connection"]["id"]))["rowsMatched"] >= 1

    why = (await client.ask(WHY, id=pending["id"]))["node"]
    origin = why["origin"]
    assert (why["pending"], why["amount"]["amount"]) == (False, "-48.00")
    assert origin["externalId"] != pending_id
    assert origin["importedFrom"] is None
    assert origin["rawPage"]["state"] == "INGESTED"
    assert len(origin["rawPage"]["sha256"]) == 64
    assert origin["rawPage"]["run"]["id"] == origin["run"]["id"]
    assert origin["run"]["reason"] == "REQUEST"
    [match] = origin["matches"]
    assert (match["kind"], match["state"], match["decidedAt"]) == ("PENDING_LINK", "APPLIED", None)
    assert (match["givesWay"]["amount"]["amount"], match["givesWay"]["pending"]) == ("-40.00", True)
    assert match["explanation"].startswith("The bank says that “TST* OSTERIA ROMA ODD”")
    assert match["transaction"]["id"] == why["id"]

    undone = await decide(client, "undoMatch", match["id"])
    assert undone["match"]["state"] == "UNDONE"
    assert sorted(node["amount"]["amount"] for node in await found(client, "ROMA ODD")) == ["-40.00", "-48.00"]
    again = await decide(client, "confirmMatch", match["id"])
    assert (again["__typename"], again["field"]) == ("InvalidInput", "id")


async def test_rows_under_new_ids_count_once_and_say_why(bank, client):
    purchase = {"amount": "-77.70", "description": "UNMISTAKABLE SHOP"}
    await bank.control.post("/control/ada/purchases", json=purchase)
    connected = await client.connect()
    await finished(client, connected["run"]["id"])
    [before] = await found(client, "UNMISTAKABLE")
    answer = await bank.control.put("/control/ada/scenario", json={"name": "changed_ids"})
    assert answer.is_success, answer.text
    run = await refreshed(client, connected["connection"]["id"])
    assert run["rowsMatched"] > 0
    [after] = await found(client, "UNMISTAKABLE")
    assert after["id"] != before["id"]
    why = (await client.ask(WHY, id=before["id"]))["node"]
    assert why["id"] == after["id"], "the old id no longer leads to the row"
    assert [(match["kind"], match["state"]) for match in why["origin"]["matches"]] == [("CHANGED_ID", "APPLIED")]


async def test_nobody_decides_on_another_persons_matches(bank, client, server):
    await bank.control.post(
        "/control/ada/purchases", json={"amount": "-40.00", "description": "TST* OSTERIA ROMA ODD", "pending": True}
    )
    connected = await client.connect()
    await finished(client, connected["run"]["id"])
    [pending] = await found(client, "ROMA ODD")
    await bank.control.put("/control/ada/scenario", json={"name": "pending_to_posted", "percent": 10})
    await refreshed(client, connected["connection"]["id"])
    [match] = (await client.ask(WHY, id=pending["id"]))["node"]["origin"]["matches"]
    async with client_of(server) as stranger:
        await stranger.sign_up()
        for name in ("confirmMatch", "dismissMatch", "undoMatch"):
            assert (await decide(stranger, name, match["id"]))["__typename"] == "NotFound"
        assert (await stranger.ask(WHY, id=pending["id"]))["node"] is None
        assert (await stranger.ask(SUGGESTIONS))["matchSuggestions"]["nodes"] == []
    [same] = (await client.ask(WHY, id=pending["id"]))["node"]["origin"]["matches"]
    assert same == match


async def test_a_tip_without_a_link_is_suggested_and_confirmed_or_dismissed(bank, client, database_url):
    form = {"login": "tess", "password": "sandbox"}
    token = (await bank.control.post("/simplefin/create", data=form)).text
    connect = (
        'mutation ($password: String!) { connectInstitution(institutionId: "simplefin", password: $password) '
        "{ ... on ConnectionRunSuccess { connection { id } run { id } } ... on Error { message } } }"
    )
    for name, amount in (("FIRST TABLE", "-20.00"), ("SECOND TABLE", "-30.00")):
        purchase = {"amount": amount, "description": f"TST* {name}", "pending": True}
        assert (await bank.control.post("/control/tess/purchases", json=purchase)).is_success
    connected = (await client.ask(connect, password=token))["connectInstitution"]
    await finished(client, connected["run"]["id"])
    await bank.control.put("/control/tess/scenario", json={"name": "pending_to_posted", "percent": 20})
    conn = await asyncpg.connect(database_url)
    # A SimpleFIN server may be asked once an hour.
    await conn.execute("UPDATE sync_runs SET started_at = started_at - interval '1 hour'")
    await conn.close()
    await refreshed(client, connected["connection"]["id"])

    page = (await client.ask(SUGGESTIONS, first=1))["matchSuggestions"]
    rest = (await client.ask(SUGGESTIONS, after=page["pageInfo"]["endCursor"]))["matchSuggestions"]
    by_name = {node["stands"]["description"]: node for node in page["nodes"] + rest["nodes"]}
    first, second = by_name["TST* FIRST TABLE"], by_name["TST* SECOND TABLE"]
    assert (first["kind"], first["state"]) == ("PENDING_TIP", "SUGGESTED")
    assert (first["givesWay"]["amount"]["amount"], first["stands"]["amount"]["amount"]) == ("-20.00", "-24.00")
    assert first["explanation"].endswith("It is for you to say whether they are one.")

    confirmed = await decide(client, "confirmMatch", first["id"])
    assert (confirmed["match"]["state"], confirmed["match"]["decidedAt"] is None) == ("APPLIED", False)
    dismissed = await decide(client, "dismissMatch", second["id"])
    assert dismissed["match"]["state"] == "DISMISSED"
    left = (await client.ask(SUGGESTIONS))["matchSuggestions"]["nodes"]
    assert {first["id"], second["id"]} & {node["id"] for node in left} == set()
    assert [node["amount"]["amount"] for node in await found(client, "FIRST TABLE")] == ["-24.00"]
    assert [node["amount"]["amount"] for node in await found(client, "SECOND TABLE")] == ["-36.00"]
