"""Whether clients can learn the schema from the server, by every way they may ask."""

from __future__ import annotations

import pytest
from graphql import get_introspection_query

from mintql.app import create_app
from mintql.settings import Settings
from support.clients import RESPONSE_JSON, client_of, socket_of
from support.servers import serving

KEYS = "9:" + "A" * 43 + "="
TYPES = '{ __type(name: "Query") { name } }'
NESTED = "query { ...F } fragment F on Query { __typename other: __schema { queryType { name } } }"
SLIPS = [
    ("{ viewr { id } }", None),
    ("{ viewer { emial } }", None),
    ('{ __typename node(id: "x", di: "x") { id } }', None),
    ("query ($id: Idd!) { node(id: $id) { id } }", None),
    ("{ node(id: 1) { ... on Usr { id } } }", None),
    ("mutation { createExport(kind: EVERYTHING_JSN) { __typename } }", None),
    ("mutation ($kind: ExportKind!) { createExport(kind: $kind) { __typename } }", {"kind": "EVERYTHING_JSN"}),
    ("mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { __typename } }", {"input": {"nam": "A"}}),
]


@pytest.fixture
def started(settings):
    """Let the API be started with settings of the test's own."""

    def start(**chosen):
        return serving(create_app(settings.model_copy(update=chosen)))

    return start


def message_of(response):
    (error,) = response.json()["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    return error["message"]


@pytest.mark.parametrize("plans", [True, False])
async def test_the_schema_is_told_in_development_and_not_in_production(started, plans):
    async with started(plans=plans) as server, client_of(server) as client:
        assert (await client.ask(TYPES))["__type"] == {"name": "Query"}
    async with started(plans=plans, environment="production") as server, client_of(server) as client:
        for query in (TYPES, NESTED, get_introspection_query()):
            response = await client.post(query)
            assert response.status_code == 400
            assert "introspection has been disabled" in response.json()["errors"][0]["message"]
            by_url = await client.http.get(client.url, params={"query": query}, headers={"accept": RESPONSE_JSON})
            assert by_url.status_code == 400
        assert (await client.ask("{ __typename }")) == {"__typename": "Query"}


async def test_neither_sockets_nor_streams_of_events_tell_the_schema(started):
    async with started(introspection=False) as server, client_of(server) as client:
        async with socket_of(client) as socket:
            await socket.subscribe(TYPES)
            refused = await socket.receive()
            assert refused["type"] == "error"
            assert "introspection has been disabled" in refused["payload"][0]["message"]
        response = await client.post(TYPES, accept="text/event-stream")
        assert "introspection has been disabled" in response.text
        assert '"name": "Query"' not in response.text.replace('":"', '": "')


async def test_errors_suggest_no_names_in_production(started):
    suggested = []
    async with started() as server, client_of(server) as client:
        await client.sign_up()
        for query, variables in SLIPS:
            suggested.append(message_of(await client.post(query, variables)))
            assert " Did you mean " in suggested[-1]
    async with started(environment="production") as server, client_of(server) as client:
        await client.sign_up()
        async with socket_of(client) as socket:
            for number, (query, variables) in enumerate(SLIPS):
                said = message_of(await client.post(query, variables))
                assert said == suggested[number].partition(" Did you mean ")[0]
                await socket.subscribe(query, str(number), **(variables or {}))
                message = await socket.receive()
                while message["type"] == "complete":
                    message = await socket.receive()
                payload = message["payload"] if message["type"] == "error" else message["payload"]["errors"]
                assert payload[0]["message"] == said


async def test_either_can_be_chosen_in_any_environment(started):
    async with started(environment="production", introspection=True, ide=True) as server, client_of(server) as client:
        assert (await client.ask(TYPES))["__type"] == {"name": "Query"}
        page = await client.http.get(client.url, headers={"accept": "text/html"})
        assert "graphiql" in page.text.lower()
    async with started(introspection=False, ide=False) as server, client_of(server) as client:
        assert (await client.post(TYPES)).status_code == 400
        assert (await client.http.get(client.url, headers={"accept": "text/html"})).status_code == 406


def test_what_is_told_follows_the_environment_unless_it_is_chosen():
    told = {
        environment: (found.tells_schema, found.shows_ide)
        for environment in ("development", "production")
        for found in [Settings(environment=environment, secret_keys=KEYS)]
    }
    assert told == {"development": (True, True), "production": (False, False)}
