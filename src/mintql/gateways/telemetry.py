"""Traces by OpenTelemetry's SDK, sent to a collector over OTLP/HTTP. Loaded only where MINTQL_OTLP_URL is set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from time import time_ns
from typing import Any

from mintql import __version__
from mintql.domain.errors import NotFound
from mintql.observing import tracing
from mintql.observing.tracing import Kind

TRACES_PATH = "/v1/traces"
SEND_SECONDS_MAX = 5


@asynccontextmanager
async def traced(otlp_url: str | None, service: str) -> AsyncIterator[None]:
    """Make spans and send them for the length of the block, where an address is given and nobody does so already.

    Raises:
        NotFound: The extra `telemetry` is not installed.
    """
    if otlp_url is None or tracing.active is not None:
        yield
        return
    try:
        found = OpenTelemetry(otlp_url, service)
    except ModuleNotFoundError as missing:
        raise NotFound(
            f"MINTQL_OTLP_URL needs the extra `telemetry` ({missing.name} is missing): pip install 'mintql[telemetry]'"
        ) from None
    tracing.switch(found)
    try:
        yield
    finally:
        tracing.switch(None)
        await asyncio.to_thread(found.shut_down)


class OpenTelemetry:
    """Makes spans, and sends them from a thread of its own, a batch at a time."""

    def __init__(self, otlp_url: str, service: str) -> None:
        from opentelemetry import trace  # noqa: PLC0415 - an extra that need not be there
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        resource = Resource.create({"service.name": f"mintql-{service}", "service.version": __version__})
        self._provider = TracerProvider(resource=resource)
        exporter = OTLPSpanExporter(endpoint=otlp_url.rstrip("/") + TRACES_PATH, timeout=SEND_SECONDS_MAX)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._trace = trace
        self._tracer = self._provider.get_tracer("mintql", __version__)
        self._propagator = TraceContextTextMapPropagator()
        self._kinds = {kind.name.lower(): kind for kind in trace.SpanKind}

    def span(self, name: str, kind: Kind, parent: str | None) -> AbstractContextManager[Any]:
        """Return a span to be entered."""
        context = None if parent is None else self._propagator.extract({"traceparent": parent})
        return self._tracer.start_as_current_span(name, context=context, kind=self._kinds[kind])

    def finished(self, name: str, seconds: float, attributes: Mapping[str, str]) -> None:
        """Note a span that has just ended, inside of one: what belongs to nothing would be a trace of its own."""
        if not self._trace.get_current_span().get_span_context().is_valid:
            return
        now = time_ns()
        began = now - int(seconds * 1_000_000_000)
        kind = self._kinds["client"]
        self._tracer.start_span(name, kind=kind, attributes=dict(attributes), start_time=began).end(now)

    def describe(self, name: str, attributes: Mapping[str, str | int]) -> None:
        """Name the present span anew, and say more of it."""
        found = self._trace.get_current_span()
        found.update_name(name)
        found.set_attributes(dict(attributes))

    def traceparent(self) -> str | None:
        """Return the present span as others may continue it."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return carrier.get("traceparent")

    def shut_down(self) -> None:
        """Send what is left, and no more after that."""
        self._provider.shutdown()
