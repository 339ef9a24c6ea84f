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
from starlette.types import ASGIApp, Receive, Scope, Send

from mintql.api.admission import EXPOSED_HEADERS
from mintql.api.exchange import take_away
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

GRAPHQL_PATH = "/graphql"
PREFLIGHT_SECONDS = 600


class App(Starlette):
    """The app. Requests of the API go straight to their view, past the layers that are there for all the others.

    Where pages of other origins may ask, those of browsers do not.
    """

    def __init__(self, api: ASGIApp, *, answers_origins: bool, **options: Any) -> None:
        super().__init__(**options)
        self._api = api
        self._answers_origins = answers_origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, serve a WebSocket, or begin and end."""
        if scope["type"] == "http":
            if scope["path"] == GRAPHQL_PATH and not (self._answers_origins and _has_origin(scope)):
                scope["app"] = self
                await self._api(scope, receive, send)
                return
            take_away(scope)
        await super().__call__(scope, receive, send)


def _has_origin(scope: Scope) -> bool:
    return any(name == b"origin" for name, _ in scope["headers"])


def create_app(settings: Settings | None = None) -> Starlette:
    """Return the app; without settings they are read from the environment, as `uvicorn --factory` needs it."""
    chosen = settings or load_settings()
    view = GraphQLView(build_schema(), chosen)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with open_runtime(chosen, role="api") as runtime:
            app.state.runtime = view.runtime = runtime
            runtime.wakeups.on_end = partial(view.sockets.end_person, runtime)
            runtime.wakeups.on_session_end = partial(view.sockets.end_session, runtime)
            app.state.admission = view.admission
            async with polling(runtime), view.admission.running(runtime), watched(runtime, "api", _readings(view)):
                yield
            await view.sockets.close_all()

    routes = [
        Route(GRAPHQL_PATH, view),
        WebSocketRoute(GRAPHQL_PATH, view),
        *Health().routes(),
        *webhook_routes(),
        *unsubscribe_routes(),
        *oidc_routes(),
        *ExportRoute().routes(),
        *try_routes(),
    ]
    security = partial(SecurityHeaders, strict_transport=chosen.environment == "production")
    across_origins = _across_origins(chosen)
    app = App(
        security(view),
        answers_origins=bool(across_origins),
        routes=routes,
        middleware=[Middleware(security), *across_origins],
        lifespan=lifespan,
    )
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


def _across_origins(settings: Settings) -> list[Middleware]:
    """Return what answers pages of the origins that the operator names."""
    if not settings.allowed_origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type", "idempotency-key"],
            expose_headers=[*EXPOSED_HEADERS, REPLAYED_HEADER],
            allow_credentials=True,
            max_age=PREFLIGHT_SECONDS,
        )
    ]
