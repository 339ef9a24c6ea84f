"""Documents that the operator has listed: asked for by id, and alone executed where that is set."""

from __future__ import annotations

import hashlib
import json

import orjson
import pytest

from mintql.api.documents import Documents
from mintql.api.schema import build_schema
from mintql.api.trusted_documents import load_trusted
from mintql.app import create_app
from support.clients import RESPONSE_JSON, SIGN_UP, client_of, socket_of
from support.servers import serving

VIEWER = "query Viewer { viewer { email } }"
PAGE = "query Page($first: Int!) { transactions(first: $first) { nodes { id account { name } } } }"
ALERTS = "subscription Alerts { budgetAlerts { cursor } }"
OTHER = "{ __typename }"


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def listed(settings, tmp_path):
    """Let the API be started with a manifest."""

    def start(manifest, **chosen):
        path = tmp_path / "documents.json"
        path.write_bytes(manifest if isinstance(manifest, bytes) else orjson.dumps(manifest))
        return serving(create_app(settings.model_copy(update={"trusted_documents": str(path), **chosen})))

    return start


RELAY = {hashlib.md5(text.encode()).hexdigest(): text for text in (SIGN_UP, VIEWER, PAGE, ALERTS)}
CODEGEN = {sha256(text): text for text in (SIGN_UP, VIEWER, PAGE, ALERTS)}
APOLLO = {
    "format": "apollo-persisted-query-manifest",
    "version": 1,
    "operations": [{"id": key, "name": "x", "type": "query", "body": text} for key, text in CODEGEN.items()],
}


def code_of(response):
    (error,) = response.json()["errors"]
    return error["extensions"]["code"]


@pytest.mark.parametrize("manifest", [RELAY, APOLLO], ids=["relay", "apollo"])
async def test_a_document_is_asked_for_by_its_id_in_every_way(listed, manifest):
    ids = {text: key for key, text in (RELAY if manifest is RELAY else CODEGEN).items()}
    async with listed(manifest, trusted_documents_only=True) as server, client_of(server) as client:
        email = (await client.sign_up())["email"]
        headers = {"accept": RESPONSE_JSON} | client.headers()
        for name in (ids[VIEWER], sha256(VIEWER), f"sha256:{sha256(VIEWER)}"):
            posted = await client.http.post(client.url, json={"documentId": name}, headers=headers)
            assert posted.json() == {"data": {"viewer": {"email": email}}}
            got = await client.http.get(client.url, params={"documentId": name}, headers=headers)
            assert got.json() == posted.json()
        apollo = {"persistedQuery": {"version": 1, "sha256Hash": sha256(PAGE)}}
        body = {"extensions": apollo, "variables": {"first": 3}}
        assert (await client.http.post(client.url, json=body, headers=headers)).json()["data"]["transactions"]
        url = {"extensions": json.dumps(apollo), "variables": '{"first": 3}'}
        assert (await client.http.get(client.url, params=url, headers=headers)).json()["data"]["transactions"]
        async with socket_of(client) as socket:
            await socket.send({"id": "1", "type": "subscribe", "payload": {"documentId": ids[VIEWER]}})
            assert await socket.next() == {"viewer": {"email": email}}


async def test_an_id_that_is_not_listed_is_refused_and_nothing_is_registered(listed):
    async with listed(CODEGEN) as server, client_of(server) as client:
        unknown = await client.http.post(client.url, json={"documentId": sha256(OTHER)})
        assert (unknown.status_code, code_of(unknown)) == (404, "DOCUMENT_NOT_FOUND")
        apollo = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256(OTHER)}}}
        for query in (None, OTHER, None):
            response = await client.http.post(client.url, json={**apollo, **({"query": query} if query else {})})
            if query:  # As Apollo's clients do next: it is answered, and kept by nobody.
                assert response.json() == {"data": {"__typename": "Query"}}
            else:
                assert (response.status_code, code_of(response)) == (404, "PERSISTED_QUERY_NOT_FOUND")
                assert response.json()["errors"][0]["message"] == "PersistedQueryNotFound"
        async with socket_of(client) as socket:
            await socket.send({"id": "1", "type": "subscribe", "payload": {"documentId": "nobody"}})
            refused = await socket.receive()
            assert (refused["id"], refused["type"]) == ("1", "error")
            assert refused["payload"][0]["extensions"]["code"] == "DOCUMENT_NOT_FOUND"


async def test_what_names_a_document_wrongly_is_refused(listed):
    async with listed(CODEGEN) as server, client_of(server) as client:
        for body in (
            {"documentId": sha256(VIEWER), "query": VIEWER},
            {"documentId": 1},
            {"query": OTHER, "extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256(VIEWER)[::-1]}}},
            {"extensions": {"persistedQuery": {"version": 2, "sha256Hash": sha256(VIEWER)}}},
            {"extensions": {"persistedQuery": None}},
        ):
            response = await client.http.post(client.url, json=body)
            assert (response.status_code, code_of(response)) == (400, "BAD_REQUEST")


async def test_others_are_not_executed_where_only_those_of_the_list_are(listed):
    chosen = {"trusted_documents_only": True, "environment": "production"}
    async with listed(CODEGEN, **chosen) as server, client_of(server) as client:
        await client.sign_up()  # Its text is one of the list.
        form = {"operations": (None, json.dumps({"query": "mutation { signOut { __typename } }", "variables": {"f": None}})),
                "map": (None, '{"0": ["variables.f"]}'), "0": ("a.csv", b"x")}  # fmt: skip
        own_page = {"origin": server.url}
        for response in (
            await client.post(OTHER),
            await client.post(VIEWER + " "),
            await client.post(OTHER, accept="text/event-stream"),
            await client.post(OTHER, **own_page),
            await client.http.get(client.url, params={"query": OTHER}),
            await client.http.post(client.url, files=form, headers=client.headers()),
        ):
            assert (response.status_code, code_of(response)) == (403, "UNTRUSTED_DOCUMENT")
        assert (await client.post(VIEWER)).status_code == 200
        async with socket_of(client) as socket:
            await socket.subscribe(OTHER)
            refused = await socket.receive()
            assert refused["payload"][0]["extensions"]["code"] == "UNTRUSTED_DOCUMENT"
            await socket.subscribe(VIEWER, "2")
            assert (await socket.next())["viewer"]


async def test_in_development_pages_of_this_server_may_ask_for_anything(listed):
    async with listed(CODEGEN, trusted_documents_only=True) as server, client_of(server) as client:
        assert (await client.post(OTHER, origin=server.url)).status_code == 200
        assert (await client.post(OTHER, origin="https://elsewhere.example")).status_code == 403


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (b"{", "is not JSON"),
        ([], "has to be a JSON object"),
        ({}, "has to be a JSON object"),
        ({"a": 1}, "what stands for 'a'"),
        ({"": VIEWER}, "no id of a document"),
        ({"a": "{"}, "the document 'a' of .+ is not GraphQL: Syntax Error"),
        ({"a": "{ nothing }"}, "the document 'a' of .+ cannot be executed: Cannot query field"),
        ({"a": "fragment F on Query { __typename }"}, "cannot be executed: Fragment 'F' is never used"),
        ({"a": "{" + "a: __typename " * 31 + "}"}, "cannot be executed: This asks for too much"),
        ({"a": "{" * 20_000}, "is not GraphQL"),
        ({sha256(OTHER): VIEWER}, f"is not what its id says: the SHA-256 of its text is {sha256(VIEWER)}"),
        ({"format": "apollo-persisted-query-manifest", "operations": 1}, "no list of `operations`"),
    ],
)
def test_a_manifest_that_cannot_be_used_stops_the_start_in_words(settings, tmp_path, manifest, words):
    path = tmp_path / "documents.json"
    path.write_bytes(manifest if isinstance(manifest, bytes) else orjson.dumps(manifest))
    with pytest.raises(SystemExit, match=words) as stopped:
        create_app(settings.model_copy(update={"trusted_documents": str(path)}))
    assert str(stopped.value).startswith("mintql: MINTQL_TRUSTED_DOCUMENTS: ")


def test_a_manifest_that_is_not_there_stops_the_start_in_words(settings, tmp_path):
    with pytest.raises(SystemExit, match="cannot be read: No such file"):
        create_app(settings.model_copy(update={"trusted_documents": str(tmp_path / "nowhere")}))


def test_listed_documents_are_never_parsed_again(monkeypatch, tmp_path):
    path = tmp_path / "documents.json"
    path.write_bytes(orjson.dumps(CODEGEN))
    documents = Documents(build_schema()._schema)
    load_trusted(str(path), documents, only=True)
    monkeypatch.setattr("mintql.api.documents.parse", None)
    monkeypatch.setattr("mintql.api.documents.TEXT_KEPT_BYTES_MAX", 0)
    for _ in range(2):
        assert documents.prepare(PAGE, {"first": 5}).cost == 1 + 5 * (1 + 1 + 1 + 1)
        assert documents.prepare(PAGE, {"first": 50}).cost == 1 + 50 * (1 + 1 + 1 + 1)
        assert documents.prepare(VIEWER, None).errors == []
