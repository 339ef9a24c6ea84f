"""GraphQL over HTTP, to the letter of its specification."""

from __future__ import annotations

import json
import logging

import pytest

from mintql.api.cookies import COOKIE
from mintql.api.requests import BODY_BYTES_MAX
from support.clients import RESPONSE_JSON, client_of

JSON = "application/json"
TYPENAME = "{ __typename }"


@pytest.fixture
async def client(server):
    async with client_of(server) as opened:
        yield opened


async def send(client, content, accept=RESPONSE_JSON, content_type=JSON):
    return await client.http.post(client.url, content=content, headers={"accept": accept, "content-type": content_type})


def code_of(response):
    (error,) = response.json()["errors"]
    return error["extensions"]["code"]


async def test_a_query_is_answered_by_post_and_by_get(client):
    by_post = await client.post(TYPENAME)
    by_get = await client.http.get(client.url, params={"query": TYPENAME}, headers={"accept": RESPONSE_JSON})
    for response in (by_post, by_get):
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/graphql-response+json; charset=utf-8"
        assert response.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "BAD_USER_INPUT"),
        ("mutation { signOut { ... on SignOutSuccess @stream { __typename } } }", "BAD_USER_INPUT"),
        ("query ($id: ID!) { node(id: $id) { id } }", "BAD_USER_INPUT"),
        ('{ viewer { currency } monthlySpending(from: "2026-13", to: "2026-12") { month } }', "BAD_USER_INPUT"),
        ("subscription { budgetAlerts { cursor } }", "BAD_USER_INPUT"),
        ("query a { __typename } query b { __typename }", "BAD_USER_INPUT"),
        ("{" + " name" * 5000 + "}", "QUERY_TOO_COMPLEX"),
        ("{" + "...{" * 100 + "__typename" + "}" * 101, "QUERY_TOO_COMPLEX"),
    ],
)
async def test_a_request_that_is_not_executed_is_told_by_its_status_or_not_by_media_type(client, query, code):
    new = await send(client, json.dumps({"query": query}))
    assert new.status_code == 400
    assert code_of(new) == code
    assert "data" not in new.json()
    old = await send(client, json.dumps({"query": query}), accept=JSON)
    assert old.status_code == 200
    assert old.json() == new.json()


async def test_an_error_while_executing_leaves_the_status_alone(client):
    response = await client.post("{ viewer { id } }")
    assert response.status_code == 200
    assert response.json()["data"] == {"viewer": None}
    assert code_of(response) == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff",
        b"[]",
        b'[{"query":"{ __typename }"}]',
        b"{}",
        b'{"query":1}',
        b'{"query":" "}',
        b'{"query":"{ __typename }","variables":"{}"}',
        b'{"query":"{ __typename }","variables":[1]}',
        b'{"query":"{ __typename }","operationName":1}',
        b'{"query":"{ __typename }","extensions":true}',
    ],
)
async def test_a_body_that_is_no_request_is_refused(client, body):
    for accept in (RESPONSE_JSON, JSON):
        response = await send(client, body, accept=accept)
        assert (response.status_code, code_of(response)) == (400, "BAD_REQUEST")


async def test_parameters_may_be_null(client):
    body = {"query": TYPENAME, "variables": None, "operationName": None, "extensions": None}
    assert (await send(client, json.dumps(body))).status_code == 200


async def test_mutations_by_get_are_refused(client):
    response = await client.http.get(client.url, params={"query": "mutation { signOut { __typename } }"})
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"


async def test_other_methods_are_refused(client):
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        response = await client.http.request(method, client.url)
        assert response.status_code == 405
        assert response.headers["allow"] == "GET, POST"


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "",
        "application/json; charset=latin1",
    ],
)
async def test_bodies_that_other_sites_can_forge_are_refused(client, content_type):
    response = await send(client, json.dumps({"query": TYPENAME}), content_type=content_type)
    assert (response.status_code, response.headers["accept"]) == (415, JSON)


async def test_what_cannot_be_accepted_is_refused(client):
    response = await send(client, json.dumps({"query": TYPENAME}), accept="text/csv")
    assert (response.status_code, code_of(response)) == (406, "BAD_REQUEST")


async def test_a_body_beyond_the_limit_is_refused_with_or_without_a_length(client):
    body = json.dumps({"query": TYPENAME + "#" * BODY_BYTES_MAX}).encode()

    async def chunks():
        for start in range(0, len(body), 10_000):
            yield body[start : start + 10_000]

    for content in (body, chunks()):
        response = await send(client, content)
        assert response.status_code == 413


async def test_a_malformed_value_in_a_mutation_is_an_error_of_the_request_with_its_field(client):
    await client.sign_up()
    response = await client.post(
        "mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { __typename } }",
        {"input": {"currency": "BTC"}},
    )
    assert response.status_code == 400
    (error,) = response.json()["errors"]
    assert error["message"].startswith("'BTC' is no currency in use")
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "field": "currency"}


async def test_a_number_of_very_many_digits_is_a_value_that_cannot_be_used(client):
    error = await client.refusal(f"{{ transactions(first: {'1' * 5000}) {{ nodes {{ id }} }} }}")
    assert error["message"] == f"'{'1' * 40}…' is not a number that can be used."
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "field": "first"}


async def test_mutations_of_one_document_are_few(client):
    sign_ins = " ".join(f'a{n}: signIn(email: "a@b.c", password: "x") {{ __typename }}' for n in range(20))
    response = await client.post(f"mutation {{ {sign_ins} }}")
    assert (response.status_code, code_of(response)) == (400, "QUERY_TOO_COMPLEX")


async def test_an_unexpected_error_is_masked_and_its_id_is_in_the_log(client, monkeypatch, caplog):
    await client.sign_up()

    async def broken(*_):
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr("mintql.services.identity.get_user", broken)
    with caplog.at_level(logging.ERROR):
        response = await client.post("{ viewer { id } }")
    (error,) = response.json()["errors"]
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert "secret" not in response.text
    assert error["extensions"]["id"] in error["message"]
    (record,) = [record for record in caplog.records if error["extensions"]["id"] in record.getMessage()]
    assert str(record.exc_info[1]) == "the secret of the house"


async def test_events_are_streamed_to_who_accepts_them(client):
    async with client.http.stream(
        "POST", client.url, json={"query": TYPENAME}, headers={"accept": "text/event-stream"}
    ) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        body = b"".join([chunk async for chunk in response.aiter_bytes()]).decode()
    assert 'event: next\r\ndata: {"data":{"__typename":"Query"}}' in body
    assert "event: complete" in body


async def test_a_subscription_is_streamed_also_to_who_accepts_json_as_well(client):
    await client.sign_up()
    async with client.http.stream(
        "POST",
        client.url,
        json={"query": 'subscription { budgetAlerts(after: "nonsense") { cursor } }'},
        headers={"accept": f"{RESPONSE_JSON}, text/event-stream"} | client.headers(),
    ) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = [line async for line in response.aiter_lines()]
    data = json.loads(next(line for line in lines if line.startswith("data: ")).removeprefix("data: "))
    assert data["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "field": "after"}


async def test_a_cookie_is_no_use_to_another_site(client):
    await client.sign_up()
    cookie = {"cookie": f"{COOKIE}={client.token}"}
    client.token = None
    own = client.url.removesuffix("/graphql")
    assert (await client.post("{ viewer { id } }", **cookie)).json()["data"]["viewer"]
    assert (await client.post("{ viewer { id } }", **cookie, origin=own)).json()["data"]["viewer"]
    for origin in ("https://evil.example", "null"):
        response = await client.post("{ viewer { id } }", **cookie, origin=origin)
        assert (response.status_code, code_of(response)) == (403, "FORBIDDEN_ORIGIN")
    response = await client.post("{ viewer { id } }", **cookie, sec_fetch_site="cross-site")
    assert response.status_code == 403


async def test_a_token_in_the_header_works_from_anywhere(client):
    await client.sign_up()
    assert (await client.post("{ viewer { id } }", origin="https://app.example")).json()["data"]["viewer"]


async def test_answers_are_not_kept_by_anybody_on_the_way_and_say_what_they_are(client):
    response = await client.post(TYPENAME)
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


async def test_the_page_and_its_files_run_nothing_from_elsewhere(client):
    base = client.url.removesuffix("/graphql")
    page = await client.http.get(base + "/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "'unsafe-inline'" not in page.headers["content-security-policy"]
    assert "http" not in page.text.replace("http-equiv", "")
    for path in ("/try", "/try/try.js", "/try/try.css", "/try/examples.json"):
        assert (await client.http.get(base + path)).status_code == 200


async def test_the_ide_is_shown_to_a_browser(client):
    page = await client.http.get(client.url, headers={"accept": "text/html,*/*;q=0.8"})
    assert page.status_code == 200
    assert "graphiql" in page.text.lower()
    assert "unpkg.com" in page.headers["content-security-policy"]
    before_scripts, _, _ = page.text.partition("<script")
    assert "<body>" in before_scripts
    assert '<a href="/">' in before_scripts
    assert (page.text.count("<body>"), page.text.count("</head>")) == (1, 1)


async def test_health_is_told(client):
    base = client.url.removesuffix("/graphql")
    assert (await client.http.get(base + "/livez")).text == "live\n"
    ready = await client.http.get(base + "/readyz")
    told = {"status": "ready", "database": "ok", "redis": "ok", "objects": "ok"}
    assert (ready.status_code, ready.json()) == (200, told)
