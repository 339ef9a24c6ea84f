"""Files that are refused: quickly, in words, and with nothing left of them."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mintql.api.cookies import COOKIE
from mintql.api.nodes import encode_id
from mintql.institutions.files.base import FILE_BYTES_MAX
from support.clients import client_of
from support.traces import files_in
from support.uploads import CONFIRM, CORRECT, CSV, IMPORT, post_form, send_file

OPERATIONS = {"query": IMPORT, "variables": {"file": None}}
TABLES = ("file_imports", "file_profiles", "connections", "sync_runs", "accounts", "transactions", "doomed_objects")


@pytest.fixture
async def client(server):
    async with client_of(server) as opened:
        await opened.sign_up()
        yield opened


@pytest.fixture
async def stranger(server):
    async with client_of(server) as opened:
        await opened.sign_up()
        yield opened


async def left(owner, settings):
    """What is in the tables and in the object store."""
    counts = {table: await owner.fetchval(f"SELECT count(*) FROM {table}") for table in TABLES}
    found = {table: count for table, count in counts.items() if count}
    return found, objects(settings)


def objects(settings) -> list[str]:
    return [str(path) for path in files_in(Path(settings.object_store.removeprefix("file:")))]


def zip_bomb() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("camt.xml", b"<" + b" " * (80 << 20))
    return packed.getvalue()


ENTITIES = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">'.encode() for n in range(9))
    + b"]><Document><BkToCstmrStmt>&j;</BkToCstmrStmt></Document>"
)


NO_STATEMENTS = [
    (b"", "is empty"),
    (b"%PDF-1.7 ...", "seems to be a PDF"),
    (b"\x89PNG\r\n\x1a\n", "an image"),
    (b"hello", "The file"),
    (b'{"a": 1}', "JSON"),
    (b"<html><body>login</body></html>", "a web page"),
    (ENTITIES, ""),
    (b"\0" * 100_000, ""),
    (b"<OFX>" + b"<A>" * 200_000, ""),
]


async def test_what_is_no_statement_is_refused_and_leaves_nothing(client, owner, settings):
    for content, words in NO_STATEMENTS:
        refused = await send_file(client, content, "statement")

        assert refused["__typename"] == "FileUnreadable", refused
        assert (refused["code"], refused["field"]) == ("FILE_UNREADABLE", "file")
        assert words in refused["message"]
        assert await left(owner, settings) == ({}, [])


async def test_a_zip_bomb_is_not_unpacked(client, owner, settings):
    bomb = zip_bomb()
    assert len(bomb) < 1 << 20

    refused = await send_file(client, bomb, "camt.zip")

    assert refused["message"] == "The zip unpacks to far more than statements do and was not opened."
    assert await left(owner, settings) == ({}, [])


async def test_a_file_that_is_too_large_is_refused_by_its_length_alone(client, owner, settings):
    target = urlsplit(client.url)
    reader, writer = await asyncio.open_connection(target.hostname, target.port)
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: {target.netloc}\r\nAuthorization: Bearer {client.token}\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {FILE_BYTES_MAX * 2}\r\n\r\n"
    )
    writer.write(head.encode())
    async with asyncio.timeout(10):
        status, body = await reader.readline(), await reader.readuntil(b"}]}")
    writer.close()

    assert b" 413 " in status
    assert b"larger than 64 MiB" in body
    assert await left(owner, settings) == ({}, [])


async def test_a_form_that_is_not_as_specified_is_answered_with_400_in_words(client, owner, settings):
    response = await client.http.post(
        client.url,
        data={"operations": json.dumps(OPERATIONS), "map": json.dumps({"0": ["variables.nothing"]})},
        files={"0": ("may.csv", CSV)},
        headers=client.headers(),
    )

    assert response.status_code == 400
    (error,) = response.json()["errors"]
    assert error["message"] == "`map` names 'variables.nothing', which the variables of `operations` do not have."
    assert error["extensions"] == {"code": "BAD_REQUEST"}
    assert await left(owner, settings) == ({}, [])


async def test_a_file_that_is_no_part_of_the_request_is_bad_input(client):
    error = await client.refusal(IMPORT, file="/etc/passwd")

    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert "'/etc/passwd' is no file: send the request as multipart/form-data" in error["message"]


async def test_nobody_sends_files_without_a_session(client, owner, settings):
    client.token = None
    client.http.cookies.clear()
    assert (await post_form(client, OPERATIONS, "may.csv", CSV)).status_code == 401
    client.token = "made-up"
    response = await post_form(client, OPERATIONS, "may.csv", CSV)

    assert response.status_code == 401
    assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert await left(owner, settings) == ({}, [])


async def test_a_cookie_counts_for_a_form_only_beside_a_trusted_origin(client, owner, settings):
    token, client.token = client.token, None
    client.http.cookies.clear()
    cookie = f"{COOKIE}={token}"
    own = client.url.removesuffix("/graphql")

    for headers in (
        {"cookie": cookie},
        {"cookie": cookie, "origin": "https://evil.example"},
        {"cookie": cookie, "origin": "null"},
    ):
        response = await post_form(client, OPERATIONS, "may.csv", CSV, **headers)
        assert response.status_code == 403
        assert response.json()["errors"][0]["extensions"]["code"] == "FORBIDDEN_ORIGIN"
    assert await left(owner, settings) == ({}, [])

    taken = await post_form(client, OPERATIONS, "may.csv", CSV, cookie=cookie, origin=own)
    assert taken.json()["data"]["importTransactions"]["__typename"] == "ImportPreview"


async def test_another_persons_import_is_not_found_and_stays_as_it_is(client, stranger, owner):
    preview = await send_file(client, CSV)
    import_id = preview["import"]["id"]
    undo = "mutation ($id: ID!) { undoImport(id: $id) { __typename } }"
    discard = "mutation ($id: ID!) { discardImport(id: $id) { __typename } }"

    answers = [await stranger.ask(query, id=import_id) for query in (CONFIRM, CORRECT, undo, discard)]

    assert [next(iter(answer.values()))["__typename"] for answer in answers] == ["NotFound"] * 4
    assert await stranger.ask("query ($id: ID!) { node(id: $id) { id } }", id=import_id) == {"node": None}
    assert (await stranger.ask("{ imports { nodes { id } } }"))["imports"]["nodes"] == []
    assert await owner.fetchval("SELECT state FROM file_imports") == "previewed"
    assert await owner.fetchval("SELECT count(*) FROM sync_runs") == 0


async def test_another_persons_account_takes_no_file(client, stranger, owner, settings):
    theirs = await owner.fetchval(
        """
        WITH link AS (
            INSERT INTO connections (user_id, institution_id) SELECT min(user_id), 'sandbox' FROM users
            RETURNING user_id, connection_id
        )
        INSERT INTO accounts (user_id, connection_id, external_id, name, kind, currency)
        SELECT user_id, connection_id, 'a', 'Mine', 'checking', 'USD' FROM link RETURNING account_id
        """
    )
    account = encode_id("Account", theirs)
    refused = await send_file(stranger, CSV, account=account)
    assert (refused["__typename"], refused["field"]) == ("NotFound", "accountId")

    preview = await send_file(stranger, CSV)
    corrected = await stranger.ask(CORRECT, id=preview["import"]["id"], statements=[{"place": 0, "accountId": account}])
    assert corrected["correctImport"]["__typename"] == "NotFound"
    assert await owner.fetchval("SELECT count(*) FROM transactions") == 0


async def test_an_option_that_cannot_be_is_named_as_the_schema_names_it(client, owner, settings):
    for options, field in (
        ({"encoding": "klingon"}, "encoding"),
        ({"mapping": {"delimiter": "COMMA", "dateColumn": 0}}, "mapping.amountColumn"),
        ({"mapping": {"delimiter": "COMMA", "dateColumn": 999, "amountColumn": 2}}, "mapping.dateColumn"),
    ):
        refused = await send_file(client, CSV, options=options)

        assert (refused["__typename"], refused["field"]) == ("InvalidInput", field)
        assert await left(owner, settings) == ({}, [])


async def test_no_more_than_twenty_files_wait_and_the_oldest_makes_way(client, owner):
    first = await send_file(client, CSV, "first.csv")
    for number in range(20):
        await send_file(client, CSV + f"2026-11-16,BUS,-{number}.00\n".encode(), f"{number}.csv")

    states = dict(await owner.fetch("SELECT state, count(*) FROM file_imports GROUP BY state"))
    assert states == {"previewed": 20, "discarded": 1}
    assert (await client.ask(CONFIRM, id=first["import"]["id"]))["confirmImport"]["__typename"] == "InvalidInput"
