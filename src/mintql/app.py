"""The ASGI app: GraphQL, institutions' webhooks, a page to try it on, and health checks."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route, WebSocketRoute

from mintql.api.admission import EXPOSED_HEADERS
from mintql.api.exports import ExportRoute
from mintql.api.headers import SecurityHeaders
from mintql.api.health import Health
from mintql.api.http import GraphQLView
from mintql.api.keyed_run import REPLAYED_HEADER
from mintql.api.oidc import oidc_routes
from mintql.api.schema import build_schema
from mintql.api.stream_poll import polling
from mintql.api.try_page import try_routes
from mintql.api.unsubscribe import unsubscribe_routes
from mintql.api.webhooks import webhook_routes
from mintql.observing import metrics
from mintql.observing.instruments import Family, Gauge, Reading
from mintql.runtime import open_runtime
from mintql.services.heap import freeze_heap
from mintql.settings import Settings, load_settings
from mintql.vitals import watched

log = logging.getLogger(__name__)

PREFLIGHT_SECONDS = 600


def create_app(settings: Settings | None = None) -> Starlette:
    """Return the app; without settings they are read from the environment, as `uvicorn --factory` needs it."""
    chosen = settings or load_settings()
    view = GraphQLView(build_schema(), chosen)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with open_runtime(chosen, role="api") as runtime:
            app.state.runtime = runtime
            runtime.wakeups.on_end = partial(view.sockets.end_person, runtime)
            runtime.wakeups.on_session_end = partial(view.sockets.end_session, runtime)
            app.state.admission = view.admission
            async with polling(runtime), view.admission.running(runtime), watched(runtime, "api", _readings(view)):
                yield
            await view.sockets.close_all()

    routes = [
        Route("/graphql", view),
        WebSocketRoute("/graphql", view),
        *Health().routes(),
        *webhook_routes(),
        *unsubscribe_routes(),
        *oidc_routes(),
        *ExportRoute().routes(),
        *try_routes(),
    ]
    app = Starlette(routes=routes, middleware=_middleware(chosen), lifespan=lifespan)
    app.state.stopping = view.stopping
    return app


def _readings(view: GraphQLView) -> Mapping[Family[Gauge], Callable[[], Reading]]:
    """Return what there is to tell whenever somebody reads the metrics."""
    plans = view.schema.plans.counts
    return {
        metrics.SOCKETS_OPEN: lambda: {(): len(view.sockets)},
        metrics.PLANS: lambda: {(name,): value for name, value in asdict(plans).items()},
    }


def serve_app() -> Starlette:
    """Return the app for a process that does nothing else, which keeps what is loaded by now for good.

    The schema is more than a hundred thousand objects that never change: the collector need not go through them again
    and again.
    """
    app = create_app()
    freeze_heap()
    return app


def _middleware(settings: Settings) -> list[Middleware]:
    middleware: list[Any] = [Middleware(SecurityHeaders, strict_transport=settings.environment == "production")]
    if settings.allowed_origins:
        middleware.append(
            Middleware(
                CORSMiddleware,
                allow_origins=settings.allowed_origins,
                allow_methods=["GET", "POST"],
                allow_headers=["authorization", "content-type", "idempotency-key"],
                expose_headers=[*EXPOSED_HEADERS, REPLAYED_HEADER],
                allow_credentials=True,
                max_age=PREFLIGHT_SECONDS,
            )
        )
    return middleware
