"""Mutations with an idempotency key: sent again, they are done once and answered the same."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import asyncpg
import httpx
import orjson
import pytest

from mintql.api import keyed_run
from mintql.api.schema import build_schema
from mintql.jobs import sweep
from mintql.services import idempotency
from support.clients import PASSWORD, client_of, eventually, socket_of

ADD = """
mutation Add($name: String!, $key: String) {
  addCategory(name: $name, kind: EXPENSE, idempotencyKey: $key) {
    __typename
    ... on AddCategorySuccess { category { id name } }
    ... on Error { code message }
  }
}
"""
PLAIN_ADD = ADD.replace(", $key: String", "").replace(", idempotencyKey: $key", "")
SIGN_UP = """
mutation SignUp($email: String!, $password: String!, $key: String, $cookie: Boolean! = false) {
  signUp(email: $email, password: $password, name: "Ada", idempotencyKey: $key, setCookie: $cookie) {
    __typename
    ... on SignInSuccess { token viewer { id } }
    ... on Error { code }
  }
}
"""
SIGN_IN = """
mutation SignIn($email: String!, $password: String!, $key: String) {
  signIn(email: $email, password: $password, idempotencyKey: $key) {
    __typename
    ... on SignInSuccess { token viewer { id } }
    ... on Error { code }
  }
}
"""
DYING = """
import os, signal, sys
import uvicorn
from mintql.app import create_app
from mintql.services import idempotency

async def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

idempotency.keep_answer = die
uvicorn.run(create_app(), fd=int(sys.argv[1]), log_level="warning")
"""
"""The API, which is killed when a change is committed and its answer is about to be kept and sent."""
COUNT = "SELECT count(*) FROM personal_categories WHERE name LIKE $1"


async def code_of(client, query, **variables):
    return (await client.refusal(query, **variables))["extensions"]["code"]


async def test_the_same_key_gives_the_same_answer_and_one_effect(client, conn):
    first = await client.post(ADD, {"name": "Boats", "key": "k 1"})
    again = await client.post(ADD, {"name": "Boats", "key": "k 1"})
    assert first.json()["data"]["addCategory"]["__typename"] == "AddCategorySuccess"
    assert orjson.dumps(first.json()["data"]) == orjson.dumps(again.json()["data"])
    assert again.text.startswith(first.text[:-1])
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json()["extensions"] == {"idempotentReplayed": ["addCategory"]}
    assert await conn.fetchval(COUNT, "Boats") == 1
    assert await client.ask(ADD, name="Boats") != first.json()["data"]  # Without a key, the name is taken.


async def test_a_document_s_layout_and_aliases_do_not_matter_but_what_is_asked_does(client, conn):
    first = await client.ask(ADD, name="Boats", key="k")
    laid_out = ADD.replace("addCategory(", "mine: addCategory(").replace("  ", " ").replace("$name", "$n")
    assert await client.ask(laid_out.replace("$name", "$n"), n="Boats", key="k") == {"mine": first["addCategory"]}
    for query, name in [
        (ADD, "Ships"),
        (ADD.replace("id name", "id"), "Boats"),
        (ADD.replace("EXPENSE", "INCOME"), "Boats"),
    ]:
        error = await client.refusal(query, name=name, key="k")
        assert error["extensions"] == {"code": "IDEMPOTENCY_KEY_REUSED", "field": "idempotencyKey"}
        assert "'k'" in error["message"]
    assert await conn.fetchval("SELECT count(*) FROM personal_categories") == 1


async def test_the_header_does_the_same_for_a_request_with_one_mutation(client, conn):
    answers = [
        await client.post(PLAIN_ADD, {"name": "Boats"}, idempotency_key=header) for header in ('"a-key"', "a-key")
    ]
    assert answers[0].json()["data"] == answers[1].json()["data"]
    assert answers[1].headers["idempotent-replayed"] == "true"
    assert (await client.post(ADD, {"name": "Boats", "key": "a-key"})).headers["idempotent-replayed"] == "true"
    both = await client.post(ADD, {"name": "Boats", "key": "other"}, idempotency_key="a-key")
    assert "different keys" in both.json()["errors"][0]["message"]
    two = 'mutation { a: addCategory(name: "A") { __typename } b: addCategory(name: "B") { __typename } }'
    refused = await client.post(two, idempotency_key="one")
    assert "has 2" in refused.json()["errors"][0]["message"]
    reading = await client.post("{ viewer { email } }", idempotency_key="a-key")
    assert reading.json()["data"]["viewer"]
    assert await conn.fetchval("SELECT count(*) FROM personal_categories") == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "schlüssel", "a\nb"])
async def test_a_key_that_cannot_be_one_is_refused_before_anything_is_done(client, conn, key):
    error = await client.refusal(ADD, name="Boats", key=key)
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "field": "idempotencyKey"}
    assert await conn.fetchval("SELECT count(*) FROM personal_categories") == 0


async def test_each_mutation_of_a_document_has_a_key_of_its_own(client, conn):
    two = """mutation {
      a: addCategory(name: "A", kind: EXPENSE, idempotencyKey: "1") { ... on AddCategorySuccess { category { id } } }
      b: addCategory(name: "B", kind: EXPENSE, idempotencyKey: "2") { ... on AddCategorySuccess { category { id } } }
    }"""
    first = await client.ask(two)
    assert await client.ask(two) == first
    again = (await client.post(two.replace('"2"', '"3"').replace('"B"', '"C"'))).json()
    assert again["data"]["a"] == first["a"]
    assert again["data"]["b"] != first["b"]
    assert again["extensions"] == {"idempotentReplayed": ["a"]}
    assert await conn.fetchval("SELECT count(*) FROM personal_categories") == 3


async def test_over_a_websocket_and_server_sent_events_a_key_holds_as_well(client, conn):
    first = await client.ask(ADD, name="Boats", key="k")
    async with socket_of(client) as socket:
        await socket.subscribe(ADD, name="Boats", key="k")
        payload = (await socket.receive())["payload"]
    assert payload == {"data": first, "extensions": {"idempotentReplayed": ["addCategory"]}}
    streamed = await client.post(PLAIN_ADD, {"name": "Boats"}, accept="text/event-stream", idempotency_key="k")
    (line,) = [line for line in streamed.text.splitlines() if line.startswith("data: {")]
    assert json.loads(line.removeprefix("data: "))["data"] == first
    assert await conn.fetchval(COUNT, "Boats") == 1


async def test_twins_that_come_at_once_apply_once_and_are_answered_the_same(client, conn):
    answers = await asyncio.gather(*(client.post(ADD, {"name": "Boats", "key": "k"}) for _ in range(20)))
    assert len({orjson.dumps(answer.json()["data"]) for answer in answers}) == 1
    assert sum("idempotent-replayed" in answer.headers for answer in answers) == 19
    assert await conn.fetchval("SELECT count(*) FROM personal_categories") == 1


async def test_a_twin_in_another_process_waits_and_is_told_when_that_takes_too_long(client, conn, monkeypatch):
    monkeypatch.setattr(keyed_run, "WAIT_SECONDS_MAX", 0.2)
    user_id = await conn.fetchval("SELECT user_id FROM users")
    async with conn.transaction():
        await conn.fetchval("SELECT pg_advisory_xact_lock(hashtextextended('k', $1))", user_id)
        assert await code_of(client, ADD, name="Boats", key="k") == "IDEMPOTENCY_KEY_IN_USE"
    assert (await client.ask(ADD, name="Boats", key="k"))["addCategory"]["__typename"] == "AddCategorySuccess"


async def test_the_same_key_of_another_person_is_another_key(client, server, conn):
    mine = await client.ask(ADD, name="Boats", key="k")
    async with client_of(server) as other:
        await other.sign_up()
        theirs = await other.post(ADD, {"name": "Boats", "key": "k"})
        assert "idempotent-replayed" not in theirs.headers
        await other.ask(ADD, name="Theirs", key="theirs")
    assert await client.ask(ADD, name="Boats", key="k") == mine
    assert await code_of(client, ADD, name="Other", key="k") == "IDEMPOTENCY_KEY_REUSED"
    assert (await client.ask(ADD, name="Mine", key="theirs"))["addCategory"]["__typename"] == "AddCategorySuccess"
    assert await conn.fetchval(COUNT, "Boats") == 2


async def test_a_failure_that_changed_nothing_leaves_the_key_free(client, conn):
    await client.ask(PLAIN_ADD, name="Boats")
    assert (await client.ask(ADD, name="Boats", key="k"))["addCategory"]["code"] == "INVALID_INPUT"
    assert await conn.fetchval("SELECT count(*) FROM idempotency_keys") == 0
    assert (await client.ask(ADD, name="Ships", key="k"))["addCategory"]["__typename"] == "AddCategorySuccess"


async def test_a_key_is_forgotten_after_a_day_and_its_row_swept(client, conn, runtime):
    await client.ask(ADD, name="Boats", key="k")
    await conn.execute("UPDATE idempotency_keys SET created_at = created_at - interval '23 hours 59 minutes'")
    assert (await client.post(ADD, {"name": "Boats", "key": "k"})).headers["idempotent-replayed"] == "true"
    await conn.execute("UPDATE idempotency_keys SET created_at = created_at - interval '2 minutes'")
    assert (await client.ask(ADD, name="Ships", key="k"))["addCategory"]["category"]["name"] == "Ships"
    again = await client.post(ADD, {"name": "Ships", "key": "k"})
    assert again.headers["idempotent-replayed"] == "true"
    await conn.execute("UPDATE idempotency_keys SET created_at = created_at - interval '1 day'")
    await sweep({"runtime": runtime})
    assert await conn.fetchval("SELECT count(*) FROM idempotency_keys") == 0


async def test_a_change_whose_answer_got_lost_is_not_made_again(client, conn, monkeypatch):
    async def lost(*_):
        raise OSError("the process ends here")

    monkeypatch.setattr(keyed_run.service, "keep_answer", lost)
    monkeypatch.setattr(keyed_run, "WAIT_SECONDS_MAX", 0.1)
    await client.ask(ADD, name="Boats", key="k")
    error = await client.refusal(ADD, name="Boats", key="k")
    assert error["extensions"]["code"] == "ALREADY_APPLIED"
    assert "'k'" in error["message"]
    assert "Nothing was done again" in error["message"]
    assert await conn.fetchval(COUNT, "Boats") == 1


async def test_an_answer_that_is_too_large_to_be_kept_counts_as_lost(client, monkeypatch):
    monkeypatch.setattr(idempotency, "ANSWER_BYTES_MAX", 10)
    monkeypatch.setattr(keyed_run, "WAIT_SECONDS_MAX", 0.1)
    await client.ask(ADD, name="Boats", key="k")
    assert await code_of(client, ADD, name="Boats", key="k") == "ALREADY_APPLIED"


async def test_a_client_that_leaves_finds_its_answer_when_it_comes_back(client, conn):
    async with conn.transaction():
        await conn.execute("LOCK TABLE personal_categories IN EXCLUSIVE MODE")
        async with socket_of(client) as socket:
            await socket.subscribe(ADD, name="Boats", key="k")
            await eventually(lambda: _somebody_waits(conn))
    first = await client.post(ADD, {"name": "Boats", "key": "k"})
    assert first.headers["idempotent-replayed"] == "true"
    assert first.json()["data"]["addCategory"]["category"]["name"] == "Boats"
    assert await conn.fetchval(COUNT, "Boats") == 1


async def _somebody_waits(conn):
    return await conn.fetchval(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'personal_categories'::regclass)"
    )


async def test_signing_up_again_gives_the_same_session_to_who_knows_the_password_alone(server, conn):
    async with client_of(server) as client:
        asked = {"email": "eve@example.org", "password": PASSWORD, "key": "k"}
        first = await client.post(SIGN_UP, asked | {"cookie": True})
        again = await client.post(SIGN_UP, asked | {"cookie": True})
        assert again.json()["data"] == first.json()["data"]
        assert again.headers["set-cookie"] == first.headers["set-cookie"]
        guessed = await client.ask(SIGN_UP, **asked | {"password": "another password", "cookie": True})
        assert guessed["signUp"] == {"__typename": "EmailTaken", "code": "EMAIL_TAKEN"}
        token = first.json()["data"]["signUp"]["token"]
        assert await conn.fetchval("SELECT count(*) FROM sessions") == 1
        kept = await conn.fetchrow("SELECT * FROM idempotency_keys")
        assert token.encode() not in b"".join(value for value in kept.values() if isinstance(value, bytes))
        client.token = token
        assert (await client.ask("{ viewer { email } }"))["viewer"]["email"] == "eve@example.org"


async def test_signing_in_again_begins_no_second_session_and_asks_for_the_password_each_time(server, conn):
    async with client_of(server) as client:
        await client.sign_up("eve@example.org")
        asked = {"email": "eve@example.org", "password": PASSWORD, "key": "k"}
        first = await client.ask(SIGN_IN, **asked)
        assert await client.ask(SIGN_IN, **asked) == first
        wrong = await client.ask(SIGN_IN, **asked | {"password": "wrong password"})
        assert wrong["signIn"]["code"] == "BAD_CREDENTIALS"
        assert await conn.fetchval("SELECT count(*) FROM sessions") == 2


async def test_keys_are_out_of_sight_of_others(client, conn, database_url):
    await client.ask(ADD, name="Boats", key="k")
    await conn.execute("SET ROLE mintql_api")
    assert await conn.fetchval("SELECT count(*) FROM idempotency_keys") == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await conn.execute("DELETE FROM idempotency_keys")


@contextmanager
def dying_server(settings):
    """The API in a process of its own, that dies between a keyed change and its answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        environment = os.environ | {
            "DATABASE_URL": settings.database_url.get_secret_value(),
            "REDIS_URL": settings.redis_url.get_secret_value(),
            "MINTQL_OBJECT_STORE": settings.object_store,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        number = listener.fileno()
        process = subprocess.Popen(
            [sys.executable, "-c", DYING, str(number)], env=environment, pass_fds=[number], stderr=subprocess.PIPE
        )
        try:
            yield process, f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            process.kill()
            process.communicate()


async def test_a_process_that_is_killed_between_commit_and_answer_has_applied_once(client, conn, settings, monkeypatch):
    monkeypatch.setattr(keyed_run, "WAIT_SECONDS_MAX", 0.1)
    with dying_server(settings) as (process, url):
        with pytest.raises((httpx.RemoteProtocolError, httpx.NetworkError)):
            await client.http.post(
                f"{url}/graphql",
                json={"query": ADD, "variables": {"name": "Boats", "key": "k"}},
                headers=client.headers(),
                timeout=120,
            )
        assert process.wait(10) == -signal.SIGKILL
    assert await conn.fetchval(COUNT, "Boats") == 1
    assert await code_of(client, ADD, name="Boats", key="k") == "ALREADY_APPLIED"
    assert await conn.fetchval(COUNT, "Boats") == 1


def test_every_mutation_takes_a_key_and_cannot_be_null():
    mutations = build_schema()._schema.mutation_type.fields
    assert len(mutations) > 60
    assert [name for name, field in mutations.items() if str(field.args["idempotencyKey"].type) != "String"] == []
    assert [name for name, field in mutations.items() if not str(field.type).endswith("!")] == []
