"""What this process counts, in Prometheus's text format, and the small server of its own that gives it away.

The server has a thread and a port of its own: it answers while the event loop stands still, which is when somebody
wants to know, and nothing that the public reaches leads to it. It knows three pages: `/metrics`, `/livez` (the loop
turns) and `/readyz` (what the process needs answers).
"""

from __future__ import annotations

import errno
import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import accumulate
from threading import Thread
from typing import Any

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from mintql.observing import metrics
from mintql.observing.instruments import Counter, Family, Histogram, Instruments

log = logging.getLogger(__name__)

PORTS_TRIED = 16
"""From the port that is set on: processes on one machine that are told the same one each take one."""
REQUEST_SECONDS_MAX = 5.0
REQUESTS_WAITING_MAX = 16
STOP_POLL_SECONDS = 0.1


class Exported(Collector):
    """Hands our instruments to prometheus-client."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments

    def collect(self) -> Iterator[Metric]:
        """Yield each family with its series as they are now."""
        for family in self._instruments:
            yield _exported(family)

    def describe(self) -> Iterator[Metric]:
        """Yield nothing: names are not looked at before there is something to say."""
        yield from ()


def _exported(family: Family[Any]) -> Metric:
    if family.kind is Histogram:
        times = HistogramMetricFamily(family.name, family.words, labels=family.labels)
        for values, series in family.series():
            sums = accumulate(series.counts)
            names = [*map(_bound, series.bounds), "+Inf"]
            times.add_metric(values, list(zip(names, map(float, sums), strict=True)), series.total)
        return times
    if family.kind is Counter:
        counter = CounterMetricFamily(family.name.removesuffix("_total"), family.words, labels=family.labels)
        for values, series in family.series():
            counter.add_metric(values, series.value)
        return counter
    gauge = GaugeMetricFamily(family.name, family.words, labels=family.labels)
    for values, value in {**{labels: one.value for labels, one in family.series()}, **_read(family)}.items():
        gauge.add_metric(values, value)
    return gauge


def _read(family: Family[Any]) -> Mapping[tuple[str, ...], float]:
    try:
        return family.readings()
    except Exception:  # A pool that is just being closed, say: the other families are told all the same.
        log.debug("%s could not be read", family.name, exc_info=True)
        return {}


def _bound(value: float) -> str:
    return repr(float(value))


def registry() -> CollectorRegistry:
    """Return everything that is told: our instruments, and what prometheus-client knows of the process."""
    found = CollectorRegistry(auto_describe=False)
    found.register(Exported(metrics.ALL))
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=found)
    return found


Check = Callable[[], tuple[bool, Mapping[str, Any]]]
"""Tells whether all is well, and the details."""


@dataclass(frozen=True, slots=True)
class Pages:
    """What the server answers from. All are called in its threads and must not wait."""

    registry: CollectorRegistry
    live: Check
    ready: Check
    scraped: Callable[[], None]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = REQUESTS_WAITING_MAX
    pages: Pages

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Say nothing aloud of a client that went away."""
        log.debug("a request for metrics failed: %r", sys.exception())


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = REQUEST_SECONDS_MAX
    server_version = "mintql"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer one of the three pages."""
        pages, path = self.server.pages, self.path.partition("?")[0]
        if path == "/metrics":
            pages.scraped()
            encode, media = choose_encoder(self.headers.get("accept", ""))
            self._answer(200, encode(pages.registry), media)
        elif path in ("/livez", "/readyz"):
            well, details = (pages.live if path == "/livez" else pages.ready)()
            self._answer(200 if well else 503, json.dumps(details).encode() + b"\n", "application/json")
        else:
            self._answer(404, b"There are /metrics, /livez and /readyz.\n", "text/plain; charset=utf-8")

    def _answer(self, status: int, body: bytes, media: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        """Write no line for a scrape."""


class MetricsServer:
    """The server, from `start` until `stop`."""

    def __init__(self, host: str, port: int, pages: Pages) -> None:
        self._server = _listen(host, port)
        self._server.pages = pages
        self.port: int = self._server.server_address[1]
        self._thread = Thread(target=self._server.serve_forever, args=(STOP_POLL_SECONDS,), name="metrics", daemon=True)

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more. Waits until the thread looks whether it is to end."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(REQUEST_SECONDS_MAX)


def _listen(host: str, port: int) -> _Server:
    """Return a server on the first port from `port` on that nobody listens on.

    Raises:
        OSError: There is none among `PORTS_TRIED`, or the address is none of this machine's.
    """
    for candidate in range(port, port + PORTS_TRIED if port else 1):
        try:
            return _Server((host, candidate), _Handler)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    raise OSError(errno.EADDRINUSE, f"ports {port} to {port + PORTS_TRIED - 1} of {host} are taken")
