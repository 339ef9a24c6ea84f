"""Servers that take connections and never answer: what they keep waiting, and for how long."""

from __future__ import annotations

import time

import pytest
from pydantic import SecretStr

from mintql import app
from mintql.api import health
from mintql.gateways import cache, objects_s3, rate_limits, redis_pause
from mintql.gateways.objects import ObjectStoreDown
from mintql.store import servers
from support.blackhole import line_to
from support.clients import client_of, eventually
from support.servers import serving

ADD = 'mutation Add { addCategory(name: "%s", kind: EXPENSE) { __typename } }'
SHORT_SECONDS = 0.5
"""What the bounds of the API are here, which are longer in earnest."""
MARGIN_SECONDS = 5.0
"""For a machine that is busy with other tests."""
REDIS_SECONDS = 1.0


async def timed(answering):
    began = time.monotonic()
    answer = await answering
    return answer, time.monotonic() - began


async def test_with_a_database_that_falls_silent_requests_are_refused_in_time_and_go_on_with_it(settings, monkeypatch):
    monkeypatch.setitem(servers.ACQUIRE_TIMEOUT_SECONDS, "api", SHORT_SECONDS)
    monkeypatch.setattr(health, "CHECK_SECONDS_MAX", SHORT_SECONDS)
    async with line_to(settings.database_url.get_secret_value()) as (line, url):
        changed = {"database_url": SecretStr(url), "statement_timeout_ms": 1_000, "database_pool_size": 2}
        over_line = settings.model_copy(update=changed)
        async with serving(app.create_app(over_line)) as server, client_of(server) as client:
            await client.sign_up()
            line.silent = True
            for _ in range(3):  # On connections that are open, and when new ones would be needed.
                ready, seconds = await timed(client.http.get(f"{server.url}/readyz"))
                assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")
                assert seconds < SHORT_SECONDS + MARGIN_SECONDS
                refused, seconds = await timed(client.post(ADD % "Boats"))
                assert refused.status_code == 503
                assert refused.json()["errors"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE"
                assert seconds < 2 + SHORT_SECONDS + MARGIN_SECONDS  # A statement, and a connection.
            line.silent = False
            await eventually(lambda: _is_ready(client, server))
            assert (await client.ask(ADD % "Boats"))["addCategory"]["__typename"] == "AddCategorySuccess"


async def _is_ready(client, server):
    return (await client.http.get(f"{server.url}/readyz")).status_code == 200


async def test_with_a_redis_that_falls_silent_one_request_waits_for_it_and_the_others_do_not(settings, monkeypatch):
    for module in (cache, rate_limits, redis_pause):
        monkeypatch.setattr(module, "PAUSE_SECONDS", 60)  # Or each pause that ends meanwhile lets one more wait.
    async with line_to(settings.redis_url.get_secret_value()) as (line, url):
        changed = {"redis_url": SecretStr(url), "redis_timeout_seconds": REDIS_SECONDS}
        over_line = settings.model_copy(update=changed)
        async with serving(app.create_app(over_line)) as server, client_of(server) as client:
            await client.sign_up()
            line.silent = True
            _, seconds = await timed(client.ask("{ viewer { email } }"))
            assert seconds < 2 * REDIS_SECONDS + MARGIN_SECONDS
            _, seconds = await timed(client.ask(ADD % "First"))
            assert seconds < 3 * REDIS_SECONDS + MARGIN_SECONDS
            answers = [await timed(client.ask(ADD % f"Boat {number}")) for number in range(10)]
            assert [answer["addCategory"]["__typename"] for answer, _ in answers] == ["AddCategorySuccess"] * 10
            quick = [seconds for _, seconds in answers if seconds < REDIS_SECONDS]
            assert len(quick) >= 8, answers
            ready, _ = await timed(client.http.get(f"{server.url}/readyz"))
            assert (ready.status_code, ready.json()["status"]) == (200, "degraded")


async def test_an_object_store_that_falls_silent_counts_as_one_that_is_away(monkeypatch):
    for name in ("CONNECT_SECONDS", "READ_SECONDS", "OPERATION_SECONDS"):
        monkeypatch.setattr(objects_s3, name, SHORT_SECONDS)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    async with (
        line_to("http://127.0.0.1:9") as (line, url),
        objects_s3.open_s3("s3://bucket", endpoint_url=url) as store,
    ):
        line.silent = True
        for asking in (store.get("a/b"), store.put("a/b", b"content", "text/plain"), store.delete("a/b")):
            began = time.monotonic()
            with pytest.raises(ObjectStoreDown):
                await asking
            assert time.monotonic() - began < SHORT_SECONDS + MARGIN_SECONDS
