"""A started API says by its logs and its health what is going on."""

from __future__ import annotations

import json

import asyncpg
import pytest

from mintql.app import create_app
from mintql.observing import context
from mintql.observing.logs import access
from support.clients import client_of
from support.servers import serving

VIEWER = "query Whoami { viewer { id } }"


@pytest.fixture
def lines():
    """What the access log says, each line read."""
    written: list[bytes] = []
    access.open("json", written.append)

    def read():
        access.flush()
        return [json.loads(line) for line in b"".join(written).splitlines()]

    yield read
    access.close()


async def test_each_request_has_a_line_with_what_it_was_and_the_pseudonym_of_who_asked(client, conn, lines):
    user_id = await conn.fetchval("SELECT user_id FROM users")
    answers = [await client.post(VIEWER, x_request_id="from-the-proxy"), await client.post(VIEWER)]
    answers.append(await client.post("{ nowhere }"))
    found = lines()
    assert [line["request"] for line in found] == [answer.headers["x-request-id"] for answer in answers]
    assert found[0]["request"] == "from-the-proxy"
    expected = {
        "level": "INFO", "logger": "mintql.access", "method": "POST", "path": "/graphql", "kind": "query",
        "operation": "Whoami", "status": 200, "cache": "miss", "person": context.pseudonym(user_id),
    }  # fmt: skip
    assert {name: found[0][name] for name in expected} == expected
    assert [line["cache"] for line in found] == ["miss", "hit", "none"]
    assert [line["status"] for line in found] == [200, 200, 400]
    assert found[0]["cost"] > 0
    assert 0 < found[1]["milliseconds"] < 60_000


async def test_a_process_that_is_about_to_end_is_not_ready_and_lives_on(settings):
    app = create_app(settings)
    async with serving(app) as server, client_of(server) as client:
        app.state.runtime.draining = True
        ready = await client.http.get(server.url + "/readyz")
        assert (ready.status_code, ready.json()) == (503, {"status": "draining"})
        assert (await client.http.get(server.url + "/livez")).status_code == 200


async def test_a_database_that_lacks_a_migration_makes_the_process_not_ready_until_it_has_it(server, client, conn):
    last = await conn.fetchrow("SELECT * FROM schema_migrations ORDER BY version DESC LIMIT 1")
    await conn.execute("DELETE FROM schema_migrations WHERE version = $1", last["version"])
    try:
        ready = await client.http.get(server.url + "/readyz")
        assert (ready.status_code, ready.json()["database"]) == (503, "lacks migrations")
    finally:
        await conn.execute("INSERT INTO schema_migrations VALUES ($1, $2, $3, $4)", *last)
    assert (await client.http.get(server.url + "/readyz")).status_code == 200


async def test_an_object_store_that_is_away_degrades_the_process(settings, tmp_path):
    app = create_app(settings)
    async with serving(app) as server, client_of(server) as client:

        async def check() -> None:
            raise asyncpg.InterfaceError("not there")

        app.state.runtime.objects = type("Gone", (), {"check": staticmethod(check)})()
        ready = await client.http.get(server.url + "/readyz")
        assert (ready.status_code, ready.json()["status"], ready.json()["objects"]) == (200, "degraded", "down")
