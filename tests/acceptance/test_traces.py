"""One trace goes through the API, the queue, the worker and the database, and reaches a collector by OTLP over HTTP."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mintql.app import create_app
from mintql.observing import tracing
from mintql.store.fenced import fenced
from mintql.store.queries import load
from mintql.store.spans import name_of
from support.clients import CONNECT, client_of, eventually
from support.servers import serving

TRACE_ID, PARENT_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Collector:
    """Takes spans as a collector does."""

    def __init__(self) -> None:
        self.spans: list = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                assert self.path == "/v1/traces"
                for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    for scope in of_resource.scope_spans:
                        outer.spans += scope.spans
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_args) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def of_trace(self, trace_id: str) -> list:
        """The spans of a trace that have come; what is still held back is sent first."""
        if tracing.active is not None:
            tracing.active._provider.force_flush()
        return [span for span in self.spans if span.trace_id.hex() == trace_id]


@pytest.fixture
def collector() -> Iterator[Collector]:
    found = Collector()
    Thread(target=found.server.serve_forever, daemon=True).start()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def settings(settings, collector):
    return settings.model_copy(update={"otlp_url": collector.url})


async def test_one_trace_goes_through_api_queue_worker_and_database(settings, bank, worker, conn, collector):
    async with serving(create_app(settings)) as server, client_of(server) as client:
        await client.sign_up()
        variables = {"login": "ada", "password": "sandbox"}
        parent = f"00-{TRACE_ID}-{PARENT_ID}-01"
        assert (await client.post(CONNECT, variables, traceparent=parent)).status_code == 200
        await eventually(lambda: "ingest" in {span.name for span in collector.of_trace(TRACE_ID)}, 60)
        assert await conn.fetchval("SELECT state FROM sync_runs") == "succeeded"
    spans = collector.of_trace(TRACE_ID)
    by_id = {span.span_id: span for span in spans}
    request = next(span for span in spans if span.name == "mutation connectInstitution")
    assert request.parent_span_id.hex() == PARENT_ID
    names = {span.name for span in spans}
    assert {"extract", "sync.claim_extraction", "ingest", "sync.claim_ingest"} <= names
    extract = next(span for span in spans if span.name == "extract")
    assert by_id[extract.parent_span_id] is request
    claim = next(span for span in spans if span.name == "sync.claim_extraction")
    assert by_id[claim.parent_span_id] is extract
    ingest = next(span for span in spans if span.name == "ingest")
    assert by_id[ingest.parent_span_id] is extract
    assert claim.start_time_unix_nano >= extract.start_time_unix_nano
    told = b"".join(span.SerializeToString() for span in collector.spans)
    assert b"sandbox" not in told, "neither passwords nor arguments are told"


def test_a_statement_is_called_by_the_name_of_its_query():
    assert name_of(load("sync").open_run) == "sync.open_run"
    assert name_of(fenced(load("accounts").list_by_user)) == "accounts.list_by_user"
    assert name_of("COMMIT") == "COMMIT"


def test_without_an_address_nothing_makes_spans():
    assert tracing.span("x", "server") is tracing.span("y", "client")
    assert tracing.traceparent() is None
