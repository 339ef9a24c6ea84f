"""Answers come from the cache only while they are true, and without Redis from the database."""

from __future__ import annotations

import socket

import pytest
from redis.asyncio import Redis

from mintql.app import create_app
from support.clients import client_of
from support.factories import create_account
from support.servers import serving

ACCOUNTS = "{ accounts { name } }"
NAME = 'mutation { updateProfile(input: { name: "Countess" }) { __typename } }'


@pytest.fixture
async def client(server):
    async with client_of(server) as opened:
        await opened.sign_up()
        yield opened


async def asked(client, query, variables=None, **headers):
    response = await client.post(query, variables, **headers)
    return response.json(), response.headers.get("x-cache")


async def test_the_second_answer_is_the_first_one_to_the_byte(client):
    first = await client.post("{ viewer { id name email } accounts { name } }")
    second = await client.post("{ viewer { id name email } accounts { name } }")
    assert (first.headers["x-cache"], second.headers["x-cache"]) == ("miss", "hit")
    assert first.content == second.content
    assert first.headers["content-type"] == second.headers["content-type"]


async def test_a_change_by_the_person_is_seen_at_once(client):
    name = "{ viewer { name } }"
    assert [(await asked(client, name))[1] for _ in range(2)] == ["miss", "hit"]
    await client.ask(NAME)
    assert await asked(client, name) == ({"data": {"viewer": {"name": "Countess"}}}, "miss")


async def test_what_a_writer_did_is_seen_after_its_bump(client, owner, runtime):
    assert (await asked(client, ACCOUNTS))[0] == {"data": {"accounts": []}}
    user_id = await owner.fetchval("SELECT user_id FROM users")
    await create_account(owner, user_id, name="Everyday")
    assert await asked(client, ACCOUNTS) == ({"data": {"accounts": []}}, "hit")
    await runtime.cache.bump({user_id})
    assert (await asked(client, ACCOUNTS))[0] == {"data": {"accounts": [{"name": "Everyday"}]}}


async def test_nobody_is_given_another_persons_answer(client, server):
    email = "{ viewer { email } }"
    own = (await asked(client, email))[0]
    async with client_of(server) as other:
        await other.sign_up()
        theirs, state = await asked(other, email)
        assert state == "miss"
        assert theirs != own
        other.token = None
        refused, state = await asked(other, email)
        assert state is None
        assert refused["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_an_ended_session_is_refused_also_where_the_answer_is_kept(client):
    await asked(client, ACCOUNTS)
    assert (await asked(client, ACCOUNTS))[1] == "hit"
    await client.ask("mutation { signOut { __typename } }")
    assert (await client.refusal(ACCOUNTS))["extensions"]["code"] == "UNAUTHENTICATED"


async def test_other_variables_operations_and_media_types_are_other_answers(client):
    query = "query a($no: Boolean!) { viewer { name @skip(if: $no) email } } query b { viewer { id } }"

    async def keys(variables, operation, accept):
        response = await client.http.post(
            client.url,
            json={"query": query, "variables": variables, "operationName": operation},
            headers=client.headers() | {"accept": accept},
        )
        return response.headers["x-cache"], set(response.json()["data"]["viewer"])

    json, new = "application/json", "application/graphql-response+json"
    assert await keys({"no": True}, "a", json) == ("miss", {"email"})
    assert await keys({"no": False}, "a", json) == ("miss", {"name", "email"})
    assert await keys({"no": True}, "a", new) == ("miss", {"email"})
    assert await keys({"no": True}, "b", json) == ("miss", {"id"})
    assert await keys({"no": True}, "a", json) == ("hit", {"email"})


@pytest.mark.parametrize(
    "query",
    [
        "{ connections { id } }",
        "{ viewer { id } connections { id } }",
        "{ institutions { id } }",
        "{ __schema { types { name } } }",
    ],
)
async def test_what_changes_without_a_bump_is_not_kept(client, query):
    assert [(await asked(client, query))[1] for _ in range(2)] == [None, None]


async def test_answers_with_errors_are_not_kept(client):
    query = '{ viewer { id } transactions(after: "nonsense") { nodes { id } } }'
    for _ in range(2):
        answer, state = await asked(client, query)
        assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
        assert state == "miss"


async def test_without_redis_everything_is_answered_and_nothing_is_stale(settings, owner):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        away = type(settings)(
            DATABASE_URL=settings.database_url,
            REDIS_URL=url,
            object_store=settings.object_store,
            redis_timeout_seconds=0.1,
            event_poll_seconds=0.5,
        )
        async with serving(create_app(away)) as server, client_of(server) as client:
            await client.sign_up()
            ready = await client.http.get(server.url + "/readyz")
            assert (ready.status_code, ready.json()["status"], ready.json()["redis"]) == (200, "degraded", "down")
            assert (await asked(client, ACCOUNTS)) == ({"data": {"accounts": []}}, None)
            await create_account(owner, await owner.fetchval("SELECT user_id FROM users"), name="Everyday")
            assert (await asked(client, ACCOUNTS)) == ({"data": {"accounts": [{"name": "Everyday"}]}}, None)
            await client.ask(NAME)
            assert (await client.ask("{ viewer { name } }")) == {"viewer": {"name": "Countess"}}


async def test_an_emptied_redis_is_filled_anew(client, redis_url):
    await asked(client, ACCOUNTS)
    async with Redis.from_url(redis_url) as redis:
        await redis.flushall()
    assert [(await asked(client, ACCOUNTS))[1] for _ in range(2)] == ["miss", "hit"]
