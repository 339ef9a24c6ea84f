"""Accounts of files and of a connection over real HTTP: suggested to be one, and merged."""

from __future__ import annotations

import pytest

from support.clients import client_of, eventually
from support.uploads import confirm, send_file

SUGGESTIONS = "{ accountMergeSuggestions { why from { id name } into { id name } } }"
MERGE = """
mutation Merge($from: ID!, $into: ID!) {
  mergeAccounts(from: $from, into: $into) {
    __typename
    ... on MergeAccountsSuccess { moved matched suggested account { id name } }
    ... on Error { code message field }
  }
}
"""
ACCOUNTS = "{ accounts { id name connection { institution { id } } } }"
BANKED = """
{ transactions(first: 100) { nodes { id postedOn pending merchant note amount { amount } account { id } } } }
"""
NOTE = """
mutation Note($id: ID!) { annotateTransaction(id: $id, note: "with Grace") { __typename ... on Error { message } } }
"""
RUNS = "{ connections { sync { latestRun { state } } } }"
STATE = "query ($id: ID!) { node(id: $id) { ... on SyncRun { state } } }"


@pytest.fixture
async def client(bank, worker, server):
    async with client_of(server) as opened:
        await opened.sign_up()
        yield opened


async def connected(client):
    await client.connect()

    async def read():
        links = (await client.ask(RUNS))["connections"]
        return all(link["sync"]["latestRun"]["state"] == "SUCCEEDED" for link in links)

    await eventually(read)
    return (await client.ask(BANKED))["transactions"]["nodes"]


async def take_in(client, content):
    preview = await send_file(client, content, "old program.csv", options={"currency": "USD", "inverseSign": False})
    run = (await confirm(client, preview))["run"]

    async def read():
        return (await client.ask(STATE, id=run["id"]))["node"]["state"] == "SUCCEEDED"

    await eventually(read)


def told(nodes):
    return sorted((node["postedOn"], node["amount"]["amount"]) for node in nodes)


async def test_an_account_of_files_that_is_the_banks_is_suggested_and_merged_into_it(client):
    banked = await connected(client)
    account = banked[0]["account"]["id"]
    booked = [node for node in banked if node["account"]["id"] == account and not node["pending"]][:10]
    lines = [f"{node['postedOn']},{node['merchant'].upper()} CARD,{node['amount']['amount']}" for node in booked]
    await take_in(client, ("Date,Description,Amount\n" + "\n".join(lines) + "\n").encode())

    [suggestion] = (await client.ask(SUGGESTIONS))["accountMergeSuggestions"]
    assert (suggestion["from"]["name"], suggestion["into"]["id"]) == ("old program", account)
    assert suggestion["why"].startswith("Of the last 10 transactions that files brought into old program, 10 are in ")
    nodes = (await client.ask(BANKED))["transactions"]["nodes"]
    filed = [node for node in nodes if node["account"]["id"] == suggestion["from"]["id"]]
    assert told(filed) == told(booked), "each of these counts twice so far"
    noted = filed[0]
    await client.ask(NOTE, id=noted["id"])

    merged = (await client.ask(MERGE, **{"from": suggestion["from"]["id"], "into": account}))["mergeAccounts"]

    assert merged["__typename"] == "MergeAccountsSuccess", merged
    assert (merged["moved"], merged["matched"], merged["suggested"]) == (10, 10, 0)
    after = (await client.ask(BANKED))["transactions"]["nodes"]
    assert told(after) == told(banked)
    assert [node["amount"] for node in after if node["note"] == "with Grace"] == [noted["amount"]]
    assert (await client.ask(SUGGESTIONS))["accountMergeSuggestions"] == []
    institutions = {item["connection"]["institution"]["id"] for item in (await client.ask(ACCOUNTS))["accounts"]}
    assert institutions == {"sandbox"}
    again = (await client.ask(MERGE, **{"from": suggestion["from"]["id"], "into": account}))["mergeAccounts"]
    assert (again["__typename"], again["field"]) == ("NotFound", "from")


async def test_nobody_merges_accounts_of_others_or_without_signing_in(client, server):
    banked = await connected(client)
    account = banked[0]["account"]["id"]
    await take_in(client, b"Date,Description,Amount\n2026-11-02,CORNER COFFEE,-4.50\n")
    filed = next(
        item["id"]
        for item in (await client.ask(ACCOUNTS))["accounts"]
        if item["connection"]["institution"]["id"] == "files"
    )
    before = (await client.ask(BANKED))["transactions"]["nodes"]

    async with client_of(server) as other:
        refused = (await other.ask(MERGE, **{"from": filed, "into": account}))["mergeAccounts"]
        assert refused["__typename"] == "NotSignedIn"
        await other.sign_up()
        refused = (await other.ask(MERGE, **{"from": filed, "into": account}))["mergeAccounts"]
        assert (refused["__typename"], refused["field"]) == ("NotFound", "from")
        assert (await other.ask(SUGGESTIONS))["accountMergeSuggestions"] == []
    assert (await client.ask(BANKED))["transactions"]["nodes"] == before
