"""Where institutions reach this server: `POST /webhooks/{institution}`.

The answer tells the sender nothing but whether to send the webhook again: 200 for one that is taken or of no concern
here, whether its login is known or not; 401 for one that is not from who it says; 503 when that cannot be told now.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from mintql.domain.errors import InstitutionFailure
from mintql.gateways.webhooks import WebhookRefused, read_webhook
from mintql.runtime import Runtime
from mintql.services import webhooks as service
from mintql.services.pace import Pace
from mintql.services.webhooks import Notifiable, WebhookEvent

log = logging.getLogger(__name__)

BODY_BYTES_MAX = 64 * 1024
"""A webhook names what happened and is some hundred bytes long; more than this is no webhook."""
BODY_SECONDS_MAX = 10.0

OK, REFUSED, UNKNOWN, SLOW, TOO_LARGE, LATER = 200, 401, 404, 408, 413, 503


def webhook_routes() -> list[Route]:
    """Return the route."""
    return [Route("/webhooks/{institution_id}", receive, methods=["POST"])]


async def receive(request: Request) -> Response:
    """Take a webhook: verify it, open or remember the run it asks for, and answer at once."""
    runtime: Runtime = request.app.state.runtime
    connector = runtime.connectors.get(request.path_params["institution_id"])
    if connector is None or not isinstance(connector, Notifiable):
        return Response(status_code=UNKNOWN)
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            body = await _body(request)
    except (TimeoutError, ClientDisconnect):
        return Response(status_code=SLOW)
    if body is None:
        return Response(status_code=TOO_LARGE)
    now = datetime.now(UTC)
    try:
        event: WebhookEvent | None = await read_webhook(connector, request.headers, body, now)
    except WebhookRefused as refused:
        log.warning("a webhook in the name of %s was refused: %s", connector.institution_id, refused.message)
        return Response(status_code=REFUSED)
    except InstitutionFailure as failure:
        log.warning("a webhook of %s could not be verified: %s", connector.institution_id, failure.code)
        return Response(status_code=LATER)
    if event is not None:
        pace = Pace.of(connector.capabilities, runtime.settings.refresh_pause_seconds)
        await _deliver(runtime, connector.institution_id, event, pace, now)
    return Response(status_code=OK)


async def _deliver(runtime: Runtime, institution_id: str, event: WebhookEvent, pace: Pace, now: datetime) -> None:
    async with runtime.system() as conn:
        found = await service.find_connections(conn, institution_id, event, runtime.vault)
    for user_id, connection_id in found:
        async with runtime.person(user_id) as conn:
            effects = await service.receive(conn, user_id, connection_id, event, pace, now)
        await runtime.perform(effects)


async def _body(request: Request) -> bytes | None:
    """Return the body; None when it is too large to be a webhook."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > BODY_BYTES_MAX:
        return None
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > BODY_BYTES_MAX:
            return None
        chunks.append(chunk)
    return b"".join(chunks)
