"""The page behind the link in every mail: `GET` asks, `POST` stops the mails. Nobody has to sign in.

Programs that look at mails for a person follow their links; so a `GET` changes nothing. Mailboxes with a button of
their own send the `POST` (RFC 8058), whose body says nothing that the address does not.
"""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from mintql.domain.notice_words import KIND_NAMES
from mintql.runtime import Runtime
from mintql.services.mail_templates import render
from mintql.services.unsubscribe import PATH, UnsubscribeLinks, stop_mails

POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
UNKNOWN_LINK = 404


def unsubscribe_routes() -> list[Route]:
    """Return the route."""
    return [Route(PATH, unsubscribe, methods=["GET", "POST"])]


async def unsubscribe(request: Request) -> Response:
    """Ask whether mails are to stop, or stop them."""
    runtime: Runtime = request.app.state.runtime
    links = UnsubscribeLinks(runtime.settings.keyring(), runtime.settings.public_url or "")
    token = request.query_params.get("token", "")
    wanted = links.read(token)
    if wanted is None:
        return _page("unknown", UNKNOWN_LINK)
    everything = request.query_params.get("all") == "1"
    if request.method != "POST":
        return _page("ask", kind_name=KIND_NAMES[wanted.kind], token=token)
    async with runtime.person(wanted.user_id) as conn:
        effects = await stop_mails(conn, wanted, everything, datetime.now(UTC))
    await runtime.perform(effects)
    return _page("done", kind_name="" if everything else KIND_NAMES[wanted.kind], token=token)


def _page(state: str, status: int = 200, **values: str) -> Response:
    body = render("unsubscribe.html", {"state": state, "path": PATH, "kind_name": "", "token": "", **values})
    return HTMLResponse(body, status, {"content-security-policy": POLICY, "cache-control": "no-store"})
