"""Downloads of everything a person has: complete, of one moment, harmless to open, and nobody else's."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zipfile
from datetime import UTC, date, datetime

import httpx
import pytest

from integration.test_archive_reading import put_away
from mintql.api.cookies import COOKIE
from mintql.data import load_categories
from mintql.institutions.files import ofx
from support.clients import client_of, eventually
from support.factories import create_account, create_many_transactions, create_transaction
from support.people import category
from support.uploads import send_file

CREATE = """
mutation Export($kind: ExportKind!) {
  createExport(kind: $kind) {
    __typename
    ... on CreateExportSuccess { url fileName expiresAt }
    ... on Error { code message }
  }
}
"""
SIGN_OUT = "mutation { signOut { __typename } }"
LOG = "{ auditLog { nodes { act detail { name value } } } }"
SUCCEEDED = "SELECT count(*) FROM sync_runs WHERE state = 'succeeded'"


async def link_of(client, kind="TRANSACTIONS_CSV"):
    return (await client.ask(CREATE, kind=kind))["createExport"]["url"]


async def download(client, kind):
    """Follow the link as a browser does, without any header."""
    answer = await client.http.get(client.url.replace("/graphql", "") + await link_of(client, kind))
    assert answer.status_code == 200, answer.text
    return answer


async def table_of(client):
    text = (await download(client, "TRANSACTIONS_CSV")).content.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


async def test_the_table_shows_each_transaction_as_a_person_understands_it(client, conn, person):
    groceries = category("groceries")
    await create_transaction(
        conn, person.user_id, person.account_id, amount_minor=-1_250, category_id=groceries, category_source="manual",
        description="WHOLEFDS MDF 10380", merchant="Whole Foods", posted_on=date(2026, 11, 10),
    )  # fmt: skip
    await create_transaction(conn, person.user_id, person.account_id, successor_id=1)
    await create_transaction(conn, person.user_id, person.account_id, removed_at=datetime(2026, 11, 1, tzinfo=UTC))
    (line,) = await table_of(client)
    transaction_id = await conn.fetchval("SELECT min(transaction_id) FROM transactions")
    tree = load_categories()
    assert line == {
        "date": "2026-11-10", "amount": "-12.50", "currency": "USD", "description": "WHOLEFDS MDF 10380",
        "merchant": "Whole Foods", "category": "Groceries",
        "category_group": tree.by_id[tree.by_id[groceries].parent_id].name, "part": "",
        "account": "Everyday checking 1234", "account_kind": "checking", "institution": "sandbox", "pending": "no",
        "excluded_from_budgets": "no", "tags": "", "note": "", "categorized_by": "manual",
        "transaction": str(transaction_id),
    }  # fmt: skip


async def test_archived_transactions_are_in_an_export_as_they_were(client, conn, person, runtime):
    for day in (date(2024, 3, 4), date(2024, 4, 5), date(2026, 11, 10)):
        await create_transaction(conn, person.user_id, person.account_id, posted_on=day)
    before = await table_of(client)
    assert len(before) == 3
    assert await put_away(runtime.system, runtime.objects, person.user_id) == 3
    assert await table_of(client) == before


async def test_a_text_that_would_run_as_a_formula_is_defused_and_a_number_stays_one(client, conn, person):
    for text in ("=HYPERLINK(1)", "+1", "-1+1", "@SUM(A1)", "\tTAB", "\rCR", "  =1", "\uff1d1", 'say "=1", ok'):
        await create_transaction(conn, person.user_id, person.account_id, description=text, amount_minor=-5)
    await conn.execute("UPDATE transactions SET note = '=cmd', tags = '{@x}', display_name = '-dash'")
    lines = await table_of(client)
    assert {line["description"] for line in lines} == {
        "'=HYPERLINK(1)", "'+1", "'-1+1", "'@SUM(A1)", "'\tTAB", "'\rCR", "'  =1", "'\uff1d1", 'say "=1", ok'
    }  # fmt: skip
    assert {(line["note"], line["tags"], line["merchant"]) for line in lines} == {("'=cmd", "'@x", "'-dash")}
    assert {line["amount"] for line in lines} == {"-0.05"}


async def test_the_lines_of_a_split_add_up_to_its_amount(client, conn, person):
    await create_transaction(conn, person.user_id, person.account_id, amount_minor=-10_000)
    await conn.execute(
        "UPDATE transactions SET part_category_ids = $1, part_amounts_minor = '{-2500,-1}', part_notes = '{birthday,\"\"}'",
        [category("groceries"), category("restaurants")],
    )
    lines = await table_of(client)
    assert [(line["part"], line["amount"], line["category"], line["note"]) for line in lines] == [
        ("1 of 3", "-74.99", "Uncategorized", ""),
        ("2 of 3", "-25.00", "Groceries", "birthday"),
        ("3 of 3", "-0.01", "Restaurants", ""),
    ]
    assert len({line["transaction"] for line in lines}) == 1


async def test_everything_holds_every_part_and_no_secret(bank, worker, client, conn):
    await client.connect()
    await eventually(lambda: conn.fetchval(SUCCEEDED))
    answer = await download(client, "EVERYTHING_JSON")
    found = json.loads(answer.content)
    assert (found["format"], found["version"], found["complete"]) == ("mintql-export", 1, True)
    assert [(one["email"], one["name"]) for one in found["profile"]] == [(client.viewer["email"], "Ada")]
    assert len(found["accounts"]) == await conn.fetchval("SELECT count(*) FROM accounts")
    sums = "SELECT count(*), sum(amount_minor)::bigint FROM transactions"
    told = (len(found["transactions"]), sum(one["amount_minor"] for one in found["transactions"]))
    assert told == tuple(await conn.fetchrow(sums))
    assert told[0] > 50
    assert {one["category_id"] for one in found["transactions"]} <= {one["category_id"] for one in found["categories"]}
    assert "exported" in {one["act"] for one in found["audit_log"]}
    secrets = await conn.fetchrow(
        "SELECT password_hash, encode(token_hash, 'hex') FROM users JOIN sessions USING (user_id)"
    )
    assert not [text for text in (*secrets, client.token, "sandbox-password") if text in answer.text]


async def test_statements_are_read_again_with_the_same_ids_and_amounts(client, conn, person):
    card_id = await create_account(
        conn, person.user_id, person.connection_id, kind="credit_card", mask="9", balance_minor=-5_000, currency="JPY"
    )
    await create_transaction(
        conn, person.user_id, person.account_id, external_id="a<&>1", amount_minor=-123, description="Bread & Łódź <1>"
    )
    await create_transaction(
        conn, person.user_id, person.account_id, external_id="a2", amount_minor=400, posted_on=date(2026, 11, 12),
        description="A seller whose name is longer than thirty-two characters are",
    )  # fmt: skip
    await create_transaction(conn, person.user_id, person.account_id, external_id="later", pending=True)
    await create_transaction(conn, person.user_id, card_id, external_id="j1", amount_minor=-700, currency="JPY")
    answer = await download(client, "ACCOUNTS_OFX")
    parsed = ofx.read(answer.content)
    assert (parsed.rejected, list(parsed.notices)) == ((), [])
    checking, card = parsed.statements
    assert [(row.external_id, row.amount_minor, row.posted_on.day) for row in checking.transactions] == [
        ("a<&>1", -123, 10),
        ("a2", 400, 12),
    ]
    assert checking.transactions[0].description == "Bread & Łódź <1>"
    assert "thirty-two characters are" in checking.transactions[1].description
    assert (checking.balance_minor, checking.currency, checking.account_kind) == (100_000, "USD", "checking")
    assert (checking.first_day, checking.last_day) == (date(2026, 11, 10), date(2026, 11, 12))
    assert (card.balance_minor, card.currency, card.account_kind) == (-5_000, "JPY", "credit_card")
    assert [(row.external_id, row.amount_minor) for row in card.transactions] == [("j1", -700)]


async def test_an_export_of_statements_that_is_imported_again_waits_and_names_the_accounts_it_is_of(
    client, conn, person
):
    await create_transaction(conn, person.user_id, person.account_id, external_id="a1", amount_minor=-123)
    content = (await download(client, "ACCOUNTS_OFX")).content
    sent = await send_file(client, content, "accounts.ofx", confirm=True)
    assert sent["import"]["state"] == "PREVIEWED"
    assert any("whose number ends in 1234 as well" in said for said in sent["unsure"])
    (statement,) = sent["statements"]
    assert (statement["duplicates"], statement["newRows"]) == (1, 0)


async def test_the_archive_holds_the_files_and_what_institutions_said(bank, worker, client, conn):
    await client.connect()
    await eventually(lambda: conn.fetchval(SUCCEEDED))
    archive = zipfile.ZipFile(io.BytesIO((await download(client, "ARCHIVE_ZIP")).content))
    assert archive.testzip() is None
    names = archive.namelist()
    assert names[:3] == ["transactions.csv", "everything.json", "accounts.ofx"]
    pages = await conn.fetch("SELECT object_key FROM raw_objects")
    assert {re.sub(r"^raw/\d+/", "raw/", row["object_key"]) for row in pages} == set(names[3:])
    assert pages
    assert gzip.decompress(archive.read(names[3]))
    assert json.loads(archive.read("everything.json"))["complete"]
    assert ofx.read(archive.read("accounts.ofx")).statements


async def test_a_link_is_for_one_file_and_ends_with_its_session(client, server, conn):
    link = await link_of(client)
    kind, ticket = link.removeprefix("/export/").split("?ticket=")
    get = client.http.get
    assert (await get(f"{server.url}/export/everything.json?ticket={ticket}")).status_code == 401
    assert (await get(f"{server.url}/export/{kind}?ticket={ticket[:-2]}xx")).status_code == 401
    claims, _, signature = ticket.rpartition(".")
    user_id, rest = claims.split(".", 1)
    assert (await get(f"{server.url}/export/{kind}?ticket={int(user_id) + 1}.{rest}.{signature}")).status_code == 401
    assert (await get(f"{server.url}/export/nothing.exe?ticket={ticket}")).status_code == 404
    assert (await get(server.url + link)).status_code == 200
    await client.ask(SIGN_OUT)
    refused = await get(server.url + link)
    assert refused.status_code == 401
    assert "createExport" in refused.json()["errors"][0]["message"]


async def test_a_token_downloads_and_a_cookie_does_not(client, server):
    url = f"{server.url}/export/transactions.csv"
    shown = await client.http.get(url, headers=client.headers())
    assert (shown.status_code, shown.headers["cache-control"]) == (200, "no-store")
    assert shown.headers["content-disposition"].startswith('attachment; filename="mintql-')
    cookie = await client.http.get(url, headers={"cookie": f"{COOKIE}={client.token}"})
    assert cookie.status_code == 401
    assert (await client.http.get(url)).status_code == 401
    assert (await client.http.head(url, headers=client.headers())).status_code == 405


async def test_nothing_of_another_person_is_in_an_export(client, server, conn, person):
    await create_transaction(conn, person.user_id, person.account_id, description="ADA'S SECRET")
    async with client_of(server) as other:
        await other.sign_up()
        for kind in ("TRANSACTIONS_CSV", "EVERYTHING_JSON", "ACCOUNTS_OFX"):
            answer = await download(other, kind)
            assert "ADA'S SECRET" not in answer.text
            assert client.viewer["email"] not in answer.text


async def test_an_export_is_written_down(client):
    await download(client, "ACCOUNTS_OFX")
    (entry, _) = (await client.ask(LOG))["auditLog"]["nodes"]
    assert entry == {"act": "exported", "detail": [{"name": "file", "value": "accounts.ofx"}]}


async def test_who_reads_slowly_holds_no_transaction_and_one_export_at_a_time(client, server, conn, person):
    await create_many_transactions(
        conn, user_ids=[person.user_id], per_user=20_000, category_ids=[category("groceries")]
    )
    link = await link_of(client, "EVERYTHING_JSON")
    async with client.http.stream("GET", server.url + link) as answer:
        assert answer.status_code == 200
        busy = await client.http.get(server.url + link)
        assert (busy.status_code, busy.headers["retry-after"]) == (429, "10")
        # The client has read nothing of the body, and the snapshot is over all the same.
        await eventually(lambda: _no_snapshot(conn), seconds=20)
        size = sum([len(piece) async for piece in answer.aiter_bytes()])
    assert size > 5_000_000
    assert len((await download(client, "EVERYTHING_JSON")).content) > 5_000_000


async def _no_snapshot(conn):
    query = """
    SELECT count(*) = 0 FROM pg_stat_activity
    WHERE application_name = 'mintql-api' AND datname = current_database() AND xact_start IS NOT NULL
    """
    return await conn.fetchval(query)


async def test_a_client_that_goes_away_frees_its_place(client, server, conn, person):
    await create_many_transactions(
        conn, user_ids=[person.user_id], per_user=20_000, category_ids=[category("groceries")]
    )
    link = await link_of(client, "EVERYTHING_JSON")
    async with client.http.stream("GET", server.url + link):
        pass

    async def free():
        return (await client.http.get(server.url + link)).status_code == 200

    await eventually(free)


async def test_an_export_that_fails_is_cut_off_and_never_looks_whole(client, server, conn, person, monkeypatch):
    await create_many_transactions(
        conn, user_ids=[person.user_id], per_user=5_000, category_ids=[category("groceries")]
    )
    monkeypatch.setattr("mintql.api.exports.BYTES_MAX", 300_000)
    link = await link_of(client, "EVERYTHING_JSON")
    read_so_far = bytearray()

    async def read():
        async with client.http.stream("GET", server.url + link) as answer:
            async for piece in answer.aiter_bytes():
                read_so_far.extend(piece)

    with pytest.raises(httpx.RemoteProtocolError):
        await read()
    assert len(read_so_far) > 100_000
    assert b'"complete"' not in read_so_far
