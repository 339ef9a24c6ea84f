"""Signing in by the operator's OpenID Connect provider: the two addresses that a browser visits.

`/oidc/start` sends it to the provider, `/oidc/callback` is where the provider sends it back to. The session that begins
is told by the cookie alone. What goes wrong is a short page in words, with a code for programs in a header.
"""

from __future__ import annotations

import logging
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from mintql.api.context import Context, request_origin
from mintql.api.signing_in import begin_session
from mintql.domain.audit import SIGNED_IN, SIGNED_UP
from mintql.domain.errors import Failure, InvalidInput, NotFound, NotSignedIn
from mintql.domain.ids import SessionId, UserId
from mintql.gateways.oidc import CALLBACK_PATH, Identity, OidcProvider, SignInRefused
from mintql.runtime import Runtime
from mintql.services import audit
from mintql.services import oidc as service
from mintql.services.oidc import VISIT_SECONDS, Visit
from mintql.store import sessions, users

log = logging.getLogger(__name__)

START_PATH: Final = "/oidc/start"
COOKIE: Final = "__Host-mintql-oidc"
CODE_HEADER: Final = "x-mintql-code"
CODE_LENGTH_MAX = 4_096
DONE_PATH: Final = "/"
SEE_OTHER = 303


def oidc_routes() -> list[Route]:
    """Return the routes; they answer 404 where the operator named no provider."""
    return [Route(START_PATH, _start, methods=["GET"]), Route(CALLBACK_PATH, _callback, methods=["GET"])]


def keep_visit(response: Response, visit: Visit) -> None:
    """Let the browser keep what shows that a visit began in it. Other sites lead back here, so it is lax."""
    response.set_cookie(
        COOKIE, visit.cookie, max_age=VISIT_SECONDS, path="/", secure=True, httponly=True, samesite="lax"
    )


async def address_of(provider: OidcProvider, visit: Visit) -> str:
    """Return where a visit goes; raise `InvalidInput` when the provider cannot be used now."""
    try:
        return await provider.authorization_url(state=visit.state, nonce=visit.nonce, verifier=visit.verifier)
    except SignInRefused as refused:
        log.warning("signing in by the provider does not work: %s", refused)
        raise InvalidInput("The sign-in provider cannot be used at the moment. Try again later.") from None


async def _start(request: Request) -> Response:
    runtime: Runtime = request.app.state.runtime
    try:
        visit = service.begin(runtime.vault, Context.now())
        response = RedirectResponse(await address_of(_provider(runtime), visit), SEE_OTHER)
    except Failure as failure:
        return _refusal(failure)
    keep_visit(response, visit)
    response.headers["cache-control"] = "no-store"
    return response


async def _callback(request: Request) -> Response:
    runtime: Runtime = request.app.state.runtime
    response: Response
    with audit.heard_from(request_origin(request)):
        try:
            visit, identity = await _identify(request, runtime, _provider(runtime))
            response = RedirectResponse(DONE_PATH, SEE_OTHER)
            if visit.linking is None:
                await _sign_in(request, runtime, identity, response)
            else:
                await _link(runtime, *visit.linking, identity)
        except Failure as failure:
            response = _refusal(failure)
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    response.headers["cache-control"] = "no-store"
    return response


async def _identify(request: Request, runtime: Runtime, provider: OidcProvider) -> tuple[Visit, Identity]:
    """Return the visit that ends, once and for all, and who came back from it."""
    given, now = request.query_params, Context.now()
    visit = service.resume(runtime.vault, given.get("state", ""), request.cookies.get(COOKIE, ""), now)
    if visit is None:
        raise InvalidInput("This sign-in did not begin in this browser, or took too long. Begin anew.")
    async with runtime.system() as conn:
        if not await service.use_up(conn, visit, now):
            raise InvalidInput("This sign-in has ended already. Begin anew.")
    code = given.get("code", "")
    if "error" in given or not 1 <= len(code) <= CODE_LENGTH_MAX:
        raise InvalidInput("The sign-in provider did not sign you in. Begin anew.")
    try:
        # Another provider's answer for this one's (RFC 9207).
        if given.get("iss", runtime.settings.oidc_issuer) != runtime.settings.oidc_issuer:
            raise SignInRefused("the answer names another issuer")  # noqa: TRY301 - treated as all others
        return visit, await provider.identify(code=code, nonce=visit.nonce, verifier=visit.verifier)
    except SignInRefused as refused:
        log.warning("a sign-in by the provider was refused: %s", refused)
        raise InvalidInput("What the sign-in provider sent is not to be believed. Begin anew.") from None


async def _sign_in(request: Request, runtime: Runtime, identity: Identity, response: Response) -> None:
    now, act = Context.now(), SIGNED_IN
    async with runtime.system() as conn:
        user_id = await service.find(conn, identity)
    if user_id is None:
        async with runtime.system() as conn:
            user_id = await users.new_id(conn)
        async with runtime.person(user_id) as conn:
            await service.sign_up_by(conn, user_id, identity, now)
        act = SIGNED_UP
    await begin_session(Context(runtime, None, request, response), user_id, act, with_cookie=True)


async def _link(runtime: Runtime, user_id: UserId, session_id: SessionId, identity: Identity) -> None:
    async with runtime.person(user_id) as conn:
        if not await sessions.is_live(conn, user_id, session_id, Context.now()):
            raise NotSignedIn("The session in which you began to link has ended. Sign in and begin anew.")
        await service.link(conn, user_id, identity, Context.now())


def _provider(runtime: Runtime) -> OidcProvider:
    if runtime.oidc is None:
        raise NotFound("There is no sign-in provider here.")
    return runtime.oidc


def _refusal(failure: Failure) -> Response:
    status = {NotFound: 404, NotSignedIn: 401}.get(type(failure), 400)
    return PlainTextResponse(f"{failure.message}\n", status, {CODE_HEADER: failure.code})
