"""How much each may ask, over HTTP, server-sent events and WebSocket; what a refusal says; who is not touched by it."""

from __future__ import annotations

import json
from functools import partial

import pytest
import websockets

from mintql.api import admission
from mintql.api.admission import payer_of
from mintql.api.prices import COUNTED_FIELDS, MUTATION_COST, PASSWORD_COST, PASSWORD_FIELDS, REQUEST_COST
from mintql.api.schema import build_schema
from mintql.app import create_app
from mintql.gateways.rate_limits import CostLimiter
from support.clients import PASSWORD, RESPONSE_JSON, SIGN_UP, client_of, socket_of
from support.servers import serving

TYPENAME = "{ __typename }"
PAGE = "query ($first: Int!) { transactions(first: $first) { nodes { id } } }"
SIGN_UP_COST = REQUEST_COST + MUTATION_COST + PASSWORD_COST + 9
"""With the nine values that the tests' client asks for."""
LEFT_SECONDS = 42
"""Of the minute, in which the clock of these tests stands."""


@pytest.fixture
def limited(settings, monkeypatch):
    """Let the API be started with limits of the test's own, in a minute that does not end."""
    now = 60_000_000.0 + 60 - LEFT_SECONDS
    monkeypatch.setattr(admission, "CostLimiter", partial(CostLimiter, clock=lambda: now))

    def start(**limits):
        return serving(create_app(settings.model_copy(update=limits)))

    return start


def assert_refused(response, limit, remaining):
    assert response.status_code == 429
    (error,) = response.json()["errors"]
    assert response.headers["retry-after"] == str(LEFT_SECONDS)
    assert error["extensions"] == {
        "code": "RATE_LIMITED",
        "retryAfterSeconds": LEFT_SECONDS,
        "limit": limit,
        "remaining": remaining,
    }
    assert f"{limit:,} values" in error["message"]
    assert f"in {LEFT_SECONDS} seconds" in error["message"]


async def test_a_person_is_charged_what_they_ask_for_and_refused_beyond_the_limit(limited):
    async with limited(cost_per_minute=1_000) as server, client_of(server) as client:
        await client.sign_up()
        first = await client.post(PAGE, {"first": 50})
        assert first.status_code == 200
        assert first.headers["ratelimit-policy"] == '"person";q=1000;w=60'
        cost = REQUEST_COST + 1 + 50 * 2
        assert first.headers["ratelimit"] == f'"person";r={1_000 - cost};t={LEFT_SECONDS}'
        for accept in (RESPONSE_JSON, "application/json"):
            assert_refused(
                await client.post(PAGE, {"first": 800}, accept=accept),
                1_000,
                1_000 - cost - 100 * (accept != RESPONSE_JSON),
            )
        assert (await client.post(TYPENAME)).status_code == 200


async def test_a_kept_answer_costs_the_request_alone(limited):
    async with limited(cost_per_minute=1_000) as server, client_of(server) as client:
        await client.sign_up()
        left = []
        for kept in ("miss", "hit", "hit"):
            response = await client.post(PAGE, {"first": 50})
            assert response.headers["x-cache"] == kept
            left.append(int(response.headers["ratelimit"].partition("r=")[2].partition(";")[0]))
        assert [left[0] - left[1], left[1] - left[2]] == [REQUEST_COST, REQUEST_COST]


async def test_nobody_pays_for_another(limited):
    async with limited(cost_per_minute=1_000) as server, client_of(server) as spender, client_of(server) as other:
        await spender.sign_up()
        await other.sign_up()
        while (await spender.post(TYPENAME)).status_code == 200:
            pass
        assert (await other.post(TYPENAME)).status_code == 200


async def test_an_address_is_charged_for_who_is_nobody_and_persons_there_go_on(limited):
    limit = SIGN_UP_COST + 2_000
    async with (
        limited(cost_per_minute_of_address=limit) as server,
        client_of(server) as client,
        client_of(server) as nobody,
    ):
        await client.sign_up()
        assert (await client.post(TYPENAME)).status_code == 200
        first = await nobody.post(TYPENAME)
        assert first.headers["ratelimit-policy"] == f'"address";q={limit};w=60'
        for _ in range(30):
            last = await nobody.post(TYPENAME)
        assert last.status_code == 429
        assert (await client.post(TYPENAME)).status_code == 200
        # Nor is a new body of theirs parsed, or a token of nobody looked for.
        nobody.token = "x" * 43
        assert_refused(await nobody.post("{ nothing }"), limit, 2_000 - REQUEST_COST * 19 - 19)


async def test_text_that_is_no_graphql_is_charged_as_well(limited):
    async with limited(cost_per_minute_of_address=10_000) as server, client_of(server) as client:
        answers = [(await client.post("{ nothing" + " " * n)).status_code for n in range(12)]
        assert answers == [400] * 9 + [429] * 3


async def test_signing_up_is_counted_by_address_through_aliases_too(limited):
    async with limited(sign_ups_per_hour=3) as server, client_of(server) as client:
        await client.sign_up()
        await client.sign_up()
        both = "".join(
            f'{name}: signUp(email: "{name}@example.org", password: "{PASSWORD}", name: "A") {{ __typename }}'
            for name in "ab"
        )
        refused = await client.post("mutation {" + both + "}")
        assert refused.status_code == 429
        (error,) = refused.json()["errors"]
        assert (error["extensions"]["code"], error["extensions"]["limit"], error["extensions"]["remaining"]) == (
            "RATE_LIMITED",
            3,
            1,
        )
        assert "3 sign-ups" in error["message"]
        assert 3_590 < int(refused.headers["retry-after"]) <= 3_601
        await client.sign_up()
        client.token = None
        assert (await client.post(SIGN_UP, {"email": "late@example.org", "password": PASSWORD})).status_code == 429


async def test_what_makes_much_work_is_counted_by_person(limited):
    refresh = 'mutation { refreshConnection(id: "Q29ubmVjdGlvbjox") { __typename } }'
    async with limited(heavy_per_hour=2) as server, client_of(server) as client:
        await client.sign_up()
        assert [(await client.post(refresh)).status_code for _ in range(3)] == [200, 200, 429]
        links = [
            client.url.replace("/graphql", f"/export/{name}")
            for name in ("transactions.csv", "everything.json", "accounts.ofx")
        ]
        downloads = [await client.http.get(link, headers=client.headers()) for link in links]
        assert [download.status_code for download in downloads] == [200, 200, 429]
        assert int(downloads[2].headers["retry-after"]) > 3_590


async def test_operations_of_a_socket_are_charged_and_refused_alone(limited):
    async with limited(cost_per_minute=1_000) as server, client_of(server) as client:
        await client.sign_up()
        async with socket_of(client) as socket:
            await socket.subscribe(PAGE, "a", first=50)
            assert (await socket.next())["transactions"] == {"nodes": []}
            assert await socket.receive() == {"id": "a", "type": "complete"}
            await socket.subscribe(PAGE, "b", first=900)
            refused = await socket.receive()
            assert (refused["id"], refused["type"]) == ("b", "error")
            assert refused["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
            assert refused["payload"][0]["extensions"]["remaining"] == 1_000 - REQUEST_COST - 101
            await socket.subscribe(TYPENAME, "c")
            assert await socket.next() == {"__typename": "Query"}


async def test_a_socket_from_an_address_that_has_spent_everything_is_refused_at_the_handshake(limited):
    async with limited(cost_per_minute_of_address=1_000) as server, client_of(server) as client:
        while (await client.post(TYPENAME)).status_code == 200:
            pass
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(client.ws_url, subprotocols=["graphql-transport-ws"])
        assert refused.value.response.status_code == 429
        assert json.loads(refused.value.response.body)["errors"][0]["extensions"]["code"] == "RATE_LIMITED"


async def test_a_stream_of_events_is_charged_when_it_begins(limited):
    subscription = "subscription { budgetAlerts { cursor } }"
    async with limited(cost_per_minute=1_000) as server, client_of(server) as client:
        await client.sign_up()
        while (await client.post(TYPENAME)).status_code == 200:
            pass
        response = await client.post(subscription, accept="text/event-stream")
        assert response.status_code == 429
        assert response.headers["content-type"].startswith("application/json")


async def test_limits_hold_over_processes(limited):
    limit = {"cost_per_minute": 2_000}
    async with (
        limited(**limit) as one,
        limited(**limit) as two,
        client_of(one) as client,
        client_of(two) as elsewhere,
    ):
        await client.sign_up()
        elsewhere.token = client.token
        while (await client.post(TYPENAME)).status_code == 200:
            pass
        answers = [(await elsewhere.post(TYPENAME)).status_code for _ in range(3)]
        assert answers[-1] == 429


async def test_limits_of_nought_are_none(limited):
    none = {"cost_per_minute": 0, "cost_per_minute_of_address": 0, "sign_ups_per_hour": 0, "heavy_per_hour": 0}
    async with limited(**none) as server, client_of(server) as client:
        await client.sign_up()
        response = await client.post(TYPENAME)
        assert response.status_code == 200
        assert "ratelimit" not in response.headers


@pytest.mark.parametrize(
    ("address", "payer"),
    [
        ("192.0.2.7", "192.0.2.7/32"),
        ("::ffff:192.0.2.7", "192.0.2.7/32"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("/run/mintql.sock", "-"),
        (None, "-"),
    ],
)
def test_an_address_is_charged_by_the_network_of_one_subscriber(address, payer):
    assert payer_of(address) == payer


def test_every_mutation_that_is_priced_by_its_name_exists():
    assert {*COUNTED_FIELDS, *PASSWORD_FIELDS} <= build_schema()._schema.mutation_type.fields.keys()
