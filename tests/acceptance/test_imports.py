"""Importing files over real HTTP, from the form to the sums."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.clients import client_of, eventually
from support.traces import files_in
from support.uploads import CORRECT, CSV, confirm, ofx, send_file

RUN = "query ($id: ID!) { node(id: $id) { ... on SyncRun { state rowsAdded rowsMatched rowsQuarantined error { message } } } }"
TRANSACTIONS = "{ transactions(first: 50) { nodes { postedOn description amount { amount } account { name } } } }"
UNDO = "mutation ($id: ID!) { undoImport(id: $id) { ... on UndoImportSuccess { rowsRemoved import { state } } ... on Error { code message } } }"

DISCARD = "mutation ($id: ID!) { discardImport(id: $id) { ... on DiscardImportSuccess { import { state } } ... on Error { message } } }"
LIST = "query ($first: Int, $after: Cursor) { imports(first: $first, after: $after) { nodes { fileName } pageInfo { endCursor hasNextPage } } }"
ACCOUNTS = "{ accounts { name kind mask balance { amount } } }"
BANKED = "{ transactions(first: 100) { nodes { postedOn pending merchant amount { amount } account { id } } } }"


@pytest.fixture
async def client(worker, server):
    async with client_of(server) as opened:
        await opened.sign_up()
        yield opened


async def finished(client, run):
    async def done():
        found = (await client.ask(RUN, id=run["id"]))["node"]
        return found if found["state"] in ("SUCCEEDED", "FAILED") else None

    return await eventually(done)


async def take_in(client, content, name="may.csv", **variables):
    preview = await send_file(client, content, name, **variables)
    assert preview["__typename"] == "ImportPreview", preview
    return await finished(client, (await confirm(client, preview))["run"])


async def rows_of(client):
    nodes = (await client.ask(TRANSACTIONS))["transactions"]["nodes"]
    return sorted((node["postedOn"], node["amount"]["amount"], node["description"]) for node in nodes)


async def test_a_file_is_shown_as_it_would_be_read_and_then_taken_in(client):
    preview = await send_file(client, CSV, "may.csv")

    (statement,) = preview["statements"]
    assert preview["import"] | {"id": ""} == {
        "id": "",
        "state": "PREVIEWED",
        "fileName": "may.csv",
        "kind": "CSV",
        "sizeBytes": len(CSV),
        "run": None,
    }
    assert (statement["rowsTotal"], statement["newRows"], statement["duplicates"]) == (4, 4, 0)
    assert any(words.startswith("Date: ") for words in preview["evidence"])
    assert (statement["firstDay"], statement["lastDay"]) == ("2026-11-02", "2026-11-15")
    assert statement["newAccount"] == {"name": "may", "kind": "OTHER", "currency": "USD"}
    assert [row["amount"]["amount"] for row in statement["rows"]] == ["-4.50", "-4.50", "-82.10", "2500.00"]
    assert await rows_of(client) == []

    confirmed = await confirm(client, preview)
    assert confirmed["import"]["state"] == "CONFIRMED"
    assert confirmed["run"]["reason"] == "IMPORT"
    assert (await finished(client, confirmed["run"]))["rowsAdded"] == 4
    assert await rows_of(client) == [
        ("2026-11-02", "-4.50", "CORNER COFFEE"),
        ("2026-11-02", "-4.50", "CORNER COFFEE"),
        ("2026-11-03", "-82.10", "WHOLE FOODS MARKET"),
        ("2026-11-15", "2500.00", "ACME PAYROLL"),
    ]


async def test_a_file_that_is_imported_again_adds_nothing(client):
    assert (await take_in(client, CSV))["rowsAdded"] == 4

    again = await send_file(client, CSV, "may.csv")

    (statement,) = again["statements"]
    assert (statement["account"]["name"], statement["newRows"], statement["duplicates"]) == ("may", 0, 4)
    assert "An earlier file brought this very row." in statement["rows"][0]["duplicateOf"]["why"]
    assert any("You imported this very file" in words for words in again["unsure"])
    run = await finished(client, (await confirm(client, again))["run"])
    assert (run["state"], run["rowsAdded"]) == ("SUCCEEDED", 0)
    assert len(await rows_of(client)) == 4


async def test_an_import_is_taken_back_and_can_be_imported_again(client):
    preview = await send_file(client, CSV)
    await finished(client, (await confirm(client, preview))["run"])

    undone = (await client.ask(UNDO, id=preview["import"]["id"]))["undoImport"]

    assert undone == {"rowsRemoved": 4, "import": {"state": "UNDONE"}}
    assert await rows_of(client) == []
    assert (await client.ask("{ accounts { name } }"))["accounts"] == []
    assert (await take_in(client, CSV))["rowsAdded"] == 4
    assert len(await rows_of(client)) == 4


async def test_a_bank_that_counts_its_rows_anew_in_each_file_overwrites_nothing(client):
    october = ofx([("1", "20261101", "-10.00", "BAKERY"), ("2", "20261102", "-20.00", "BOOKS")])
    november = ofx([("1", "20261108", "-30.00", "GARAGE"), ("2", "20261102", "-20.00", "BOOKS")], balance="70.00")

    assert (await take_in(client, october, "a.ofx"))["rowsAdded"] == 2
    assert (await take_in(client, november, "b.ofx"))["rowsAdded"] == 1

    assert await rows_of(client) == [
        ("2026-11-01", "-10.00", "BAKERY"),
        ("2026-11-02", "-20.00", "BOOKS"),
        ("2026-11-08", "-30.00", "GARAGE"),
    ]
    assert (await client.ask(ACCOUNTS))["accounts"] == [
        {"name": "Checking 3456", "kind": "CHECKING", "mask": "3456", "balance": {"amount": "70.00"}}
    ]


async def test_an_older_file_leaves_the_newer_balance_alone(client):
    row = [("9", "20261101", "-1.00", "BAKERY")]
    await take_in(client, ofx(row, balance="70.00"), "new.ofx")
    await take_in(client, ofx([("8", "20261001", "-2.00", "BOOKS")], balance="5.00").replace(b"20261130", b"20261031"))

    (account,) = (await client.ask(ACCOUNTS))["accounts"]
    assert account["balance"] == {"amount": "70.00"}


async def test_the_same_account_in_two_formats_has_each_purchase_once(client):
    first = ofx([("a1", "20261102", "-4.50", "CORNER COFFEE"), ("a2", "20261102", "-4.50", "CORNER COFFEE")])
    await take_in(client, first, "a.ofx")
    (account,) = (await client.ask("{ accounts { id } }"))["accounts"]

    preview = await send_file(client, CSV, account=account["id"])

    (statement,) = preview["statements"]
    assert (statement["newRows"], statement["duplicates"]) == (2, 2)
    assert statement["rows"][0]["duplicateOf"]["why"] == (
        "An earlier file brought a transaction of the same amount on the same day."
    )
    run = await finished(client, (await confirm(client, preview))["run"])
    assert (run["rowsAdded"], run["rowsMatched"]) == (2, 2)
    assert [row[1] for row in await rows_of(client)] == ["-4.50", "-4.50", "-82.10", "2500.00"]


async def test_a_correction_is_read_at_once_and_remembered_for_the_next_file(client):
    ambiguous = b"Date;Text;Betrag\n01.02.2026;BAKERY;1,50\n03.04.2026;BOOKS;-20,00\n"
    preview = await send_file(client, ambiguous, "umsatz.csv")
    assert any("currency" in words for words in preview["unsure"])

    corrected = await correct(
        client,
        preview,
        {"currency": "EUR", "dateOrder": "MDY", "inverseSign": True},
        [{"place": 0, "newAccount": {"name": "Giro", "kind": "CHECKING", "currency": "EUR"}}],
    )
    (statement,) = corrected["statements"]
    assert [(row["postedOn"], row["amount"]) for row in statement["rows"]] == [
        ("2026-01-02", {"amount": "-1.50", "currency": "EUR"}),
        ("2026-03-04", {"amount": "20.00", "currency": "EUR"}),
    ]
    assert statement["newAccount"] == {"name": "Giro", "kind": "CHECKING", "currency": "EUR"}
    await finished(client, (await confirm(client, corrected))["run"])

    next_one = await send_file(client, b"Date;Text;Betrag\n05.06.2026;CINEMA;12,00\n", "umsatz-2.csv")
    (statement,) = next_one["statements"]
    assert statement["account"]["name"] == "Giro"
    assert [(row["postedOn"], row["amount"]["amount"]) for row in statement["rows"]] == [("2026-05-06", "-12.00")]


async def test_a_file_of_several_accounts_goes_where_the_person_sends_each(client):
    both = (
        ofx([("1", "20261101", "-10.00", "BAKERY")], account="111111")
        + ofx([("2", "20261102", "-20.00", "BOOKS")], account="222222").partition(b"\n\n")[2]
    )
    preview = await send_file(client, both.replace(b"</OFX><OFX>", b""), "both.ofx")
    assert [statement["newAccount"]["name"] for statement in preview["statements"]] == [
        "Checking 1111",
        "Checking 2222",
    ]

    corrected = await correct(client, preview, None, [{"place": 1, "take": False}])

    assert [statement["take"] for statement in corrected["statements"]] == [True, False]
    run = await finished(client, (await confirm(client, corrected))["run"])
    assert run["rowsAdded"] == 1
    assert await rows_of(client) == [("2026-11-01", "-10.00", "BAKERY")]


async def test_rows_that_cannot_be_read_are_put_aside_with_line_and_reason(client):
    broken = CSV + b"2026-13-40,NOWHERE,-1.00\n"
    preview = await send_file(client, broken, confirm=True)

    assert preview["import"]["state"] == "PREVIEWED"
    assert (preview["rejectedTotal"], preview["rejected"][0]["line"]) == (1, 6)
    run = await finished(client, (await confirm(client, preview))["run"])
    assert (run["rowsAdded"], run["rowsQuarantined"]) == (4, 1)


async def test_a_file_of_which_nothing_is_unsure_is_taken_in_at_once_when_asked_to(client):
    sure = ofx([("x1", "20261101", "-10.00", "BAKERY")])
    preview = await send_file(client, sure, "a.ofx", confirm=True)

    assert preview["unsure"] == []
    assert preview["import"]["state"] == "CONFIRMED"
    assert (await finished(client, preview["import"]["run"]))["rowsAdded"] == 1
    again = await send_file(client, sure, "a.ofx", confirm=True)
    assert again["import"]["state"] == "PREVIEWED"


async def test_confirming_twice_joins_the_same_run(client):
    preview = await send_file(client, CSV)
    first, second = await confirm(client, preview), await confirm(client, preview)

    assert first["run"]["id"] == second["run"]["id"]
    assert (await finished(client, first["run"]))["rowsAdded"] == 4
    assert len(await rows_of(client)) == 4


async def test_a_discarded_file_is_gone(client, owner, settings):
    preview = await send_file(client, CSV)
    assert objects(settings)

    discarded = (await client.ask(DISCARD, id=preview["import"]["id"]))["discardImport"]

    assert discarded == {"import": {"state": "DISCARDED"}}
    await eventually(lambda: not objects(settings))
    refused = await confirm(client, preview)
    assert (refused["__typename"], refused["message"]) == (
        "InvalidInput",
        "This import was discarded; send the file again to import it.",
    )


async def test_imports_are_listed_newest_first(client):
    for name in ("a.csv", "b.csv", "c.csv"):
        await send_file(client, CSV, name)

    page = (await client.ask(LIST, first=2))["imports"]
    rest = (await client.ask(LIST, first=2, after=page["pageInfo"]["endCursor"]))["imports"]

    assert [node["fileName"] for node in page["nodes"] + rest["nodes"]] == ["c.csv", "b.csv", "a.csv"]
    assert (page["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasNextPage"]) == (True, False)


async def test_a_file_and_a_connection_of_one_account_meet_without_duplicates(bank, client):
    await client.connect()
    await eventually(lambda: connected(client))
    nodes = (await client.ask(BANKED))["transactions"]["nodes"]
    account = nodes[0]["account"]
    told = [node for node in nodes if node["account"] == account and not node["pending"]][:3]
    table = "Date,Description,Amount\n" + "".join(
        f"{node['postedOn']},{node['merchant'].upper()} CARD,{node['amount']['amount']}\n" for node in told
    )
    before = await rows_of(client)

    preview = await send_file(client, table.encode(), account=account["id"])
    run = await finished(client, (await confirm(client, preview))["run"])

    assert (preview["statements"][0]["newRows"], preview["statements"][0]["duplicates"]) == (0, 3)
    assert (run["rowsAdded"], run["rowsMatched"]) == (0, 3)
    assert await rows_of(client) == before
    undone = (await client.ask(UNDO, id=preview["import"]["id"]))["undoImport"]
    assert undone["import"] == {"state": "UNDONE"}
    assert await rows_of(client) == before


async def connected(client):
    found = (await client.ask("{ connections { sync { latestRun { state } } } }"))["connections"]
    return all(link["sync"]["latestRun"]["state"] == "SUCCEEDED" for link in found)


async def correct(client, preview, options, statements):
    return (await client.ask(CORRECT, id=preview["import"]["id"], options=options, statements=statements))[
        "correctImport"
    ]


def objects(settings):
    """The files that imports keep."""
    found = files_in(Path(settings.object_store.removeprefix("file:")))
    return [path for path in found if path.suffix == ".gz" and "imports" in str(path)]
