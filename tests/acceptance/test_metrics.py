"""What the metrics say is what happened: in the API, in the worker, and in what waits for everybody."""

from __future__ import annotations

import re

import httpx
import pytest

from mintql.observing import metrics
from support.clients import eventually, socket_of
from support.metrics import Moves, samples, scrape
from support.streams import begun

ACCOUNTS = "{ accounts { name } }"
CHANGES = "subscription { transactionsChanged { addedCount } }"


@pytest.fixture
def settings(settings, caplog):
    caplog.set_level("INFO", "mintql.vitals")
    return settings.model_copy(update={"metrics_port": 0})


def addresses(caplog) -> list[str]:
    lines = [record.getMessage() for phase in ("setup", "call") for record in caplog.get_records(phase)]
    return re.findall(r"http://127\.0\.0\.1:\d+/metrics", "\n".join(lines))


async def test_requests_errors_and_the_cache_are_counted_under_names_of_the_schema_only(client, caplog):
    moves = Moves(*metrics.ALL)
    for query in (ACCOUNTS, ACCOUNTS, "{ nowhere }", 'query Mine { node(id: "x") { id } }', "{ accounts"):
        await client.post(query)
    assert moves(metrics.REQUEST_SECONDS, "query", "miss") == 1
    assert moves(metrics.REQUEST_SECONDS, "query", "hit") == 1
    assert moves(metrics.REQUEST_SECONDS, "query", "none") == 1
    assert moves(metrics.REQUEST_SECONDS, "none", "none") == 2
    assert moves(metrics.ROOT_FIELD_SECONDS, "query", "accounts") == 1
    assert moves(metrics.CACHE_LOOKUPS, "miss") == 1
    assert moves(metrics.CACHE_LOOKUPS, "local") == 1
    assert moves(metrics.RESPONSES, "200") == 3
    assert moves(metrics.RESPONSES, "400") == 2
    assert moves(metrics.ERRORS, "BAD_USER_INPUT") == 2
    assert moves(metrics.ERRORS, "GRAPHQL_PARSE_FAILED") == 1
    fields = {labels[1] for labels, _ in metrics.ROOT_FIELD_SECONDS.series()}
    assert "accounts" in fields
    assert not fields & {"nowhere", "Mine"}


async def test_a_failure_that_is_a_member_of_a_result_is_an_error_too(client):
    moves = Moves(*metrics.ALL)
    await client.ask('mutation { signIn(email: "nobody@example.org", password: "wrong wrong wrong") { __typename } }')
    assert moves(metrics.ERRORS, "BAD_CREDENTIALS") == 1
    assert moves(metrics.REQUEST_SECONDS, "mutation", "none") == 1
    assert moves(metrics.ROOT_FIELD_SECONDS, "mutation", "signIn") == 1


async def test_a_sync_is_counted_from_the_queue_to_the_socket(client, worker, bank, caplog):
    await eventually(lambda: len(addresses(caplog)) == 2)
    moves = Moves(*metrics.ALL)
    async with socket_of(client) as socket:
        await socket.subscribe(CHANGES)
        await begun(client)
        await client.connect()
        told = await socket.next()
        by_address = [await scrape(address) for address in addresses(caplog)]
        assert [found["mintql_sockets_open", ()] for found in by_address if ("mintql_sockets_open", ()) in found]
    assert told["transactionsChanged"]["addedCount"] > 0
    await eventually(lambda: moves(metrics.JOB_SECONDS, "extract", "done") == 1)  # Noted last, when all is done.
    await eventually(lambda: moves(metrics.JOB_WAIT_SECONDS, "persons") >= 2)
    assert moves(metrics.SYNC_RUNS, "sandbox", "succeeded", "") == 1
    assert moves(metrics.INGEST_ROWS, "added") == told["transactionsChanged"]["addedCount"]
    assert moves(metrics.INGEST_BATCH_SECONDS) == 1
    assert moves(metrics.FETCH_SECONDS, "sandbox") == 1
    assert moves(metrics.EVENT_PUBLISH_SECONDS) >= 1
    assert moves(metrics.EVENT_SENT_SECONDS) >= 1
    assert moves(metrics.DATABASE_WAIT_SECONDS, "worker") > 0


async def test_the_metrics_are_no_page_of_the_api_and_its_server_knows_three_pages(client, server, caplog):
    assert (await client.http.get(server.url + "/metrics")).status_code == 404
    base = addresses(caplog)[0].removesuffix("/metrics")
    async with httpx.AsyncClient(trust_env=False, base_url=base) as watcher:
        page = await watcher.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
        assert page.headers["content-type"].startswith("application/openmetrics-text")
        assert ("mintql_info", (("role", "api"), ("version", "0.1.0"))) in samples((await watcher.get("/metrics")).text)
        assert "process_resident_memory_bytes" in page.text
        assert (await watcher.get("/livez")).status_code == 200
        assert (await watcher.get("/readyz")).json() == {
            "loop": "ok", "database": "ok", "redis": "ok", "checked": True, "draining": False
        }  # fmt: skip
        assert (await watcher.get("/graphql")).status_code == 404
        assert (await watcher.post("/metrics")).status_code == 501
