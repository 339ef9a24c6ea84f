"""The sandbox bank as a SimpleFIN server, version 1 and 2 (https://www.simplefin.org/protocol.html).

It behaves as the SimpleFIN Bridge does where the protocol leaves it open: at most 90 days at once, longer ranges
capped with an error `gen.api`; version 1 unless version 2 is asked for; a bank's calendar day is told as noon.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from mintql.sandbox.bank import Bank
from mintql.sandbox.requests import BODY_LIMIT_BYTES, LOGIN, PASSWORD
from mintql.sandbox.scenarios import GARBAGE, RETRY_AFTER_SECONDS, Scenarios, applies, be_slow
from mintql.sandbox.simplefin_sets import Asked, account_set, read_query

VERSIONS = ["1", "2"]
SETUP, ACCESS = "simplefin setup", "simplefin access"

_FORM = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sandbox SimpleFIN</title></head><body>
<h1>A SimpleFIN setup token of the sandbox bank</h1>
<form method="post">
<p><label>Login <input name="login" required></label></p>
<p><label>Password <input name="password" type="password" required></label> (the word sandbox)</p>
<p><button>Make a token</button></p>
</form></body></html>
"""


def simplefin_routes(bank: Bank) -> list[Route]:
    """Return the routes below `/simplefin`."""
    server = _Server(bank)
    return [
        Route("/info", _plainly(server.info)),
        Route("/create", _plainly(server.form), methods=["GET"]),
        Route("/create", _plainly(server.create), methods=["POST"]),
        Route("/claim/{token}", _plainly(server.claim), methods=["POST"]),
        Route("/accounts", _plainly(server.accounts)),
    ]


class _Refusal(Exception):  # noqa: N818
    """An answer other than 200."""

    def __init__(self, status: int, text: str, **headers: str) -> None:
        super().__init__(text)
        self.response = PlainTextResponse(
            text, status_code=status, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )


Handler = Callable[[Request], Awaitable[Response]]


def _plainly(handler: Handler) -> Handler:
    """Answer refusals as SimpleFIN does: a status and a plain sentence."""

    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except _Refusal as refusal:
            return refusal.response
        except HTTPException as error:
            return PlainTextResponse(error.detail, status_code=error.status_code)

    return handle


class _Server:
    def __init__(self, bank: Bank) -> None:
        self._bank = bank

    async def info(self, request: Request) -> Response:  # noqa: ARG002
        return JSONResponse({"versions": VERSIONS})

    async def form(self, request: Request) -> Response:  # noqa: ARG002
        return HTMLResponse(_FORM)

    async def create(self, request: Request) -> Response:
        """Give a setup token to a person who logs in: as plain text, to be copied."""
        fields = await _read_form(request)
        login = fields.get("login", "")
        if not LOGIN.fullmatch(login) or fields.get("password") != PASSWORD:
            raise _Refusal(403, "Login or password is wrong.")
        token = secrets.token_urlsafe(24)
        await run_in_threadpool(self._bank.store.keep, SETUP, token, {"login": login})
        url = f"{_root(request)}/claim/{token}"
        return PlainTextResponse(base64.b64encode(url.encode()).decode())

    async def claim(self, request: Request) -> Response:
        """Exchange a setup token, which is used up, for an access URL."""
        token = request.path_params["token"]
        setup = await run_in_threadpool(self._bank.store.kept, SETUP, token)
        if setup is not None:
            replaced = await self._suffer(setup["login"], "login")
            if replaced is not None:
                return replaced
        setup = await run_in_threadpool(self._bank.store.take, SETUP, token)
        if setup is None:
            raise _Refusal(403, "This token does not exist, or was claimed already.")
        # Hexadecimal digits alone, as at the Bridge: some programs do not undo %2F in a URL.
        user, password = secrets.token_hex(16), secrets.token_hex(32)
        await run_in_threadpool(self._bank.store.keep, ACCESS, user, {"login": setup["login"], "password": password})
        scheme, _, rest = _root(request).partition("://")
        return PlainTextResponse(f"{scheme}://{user}:{password}@{rest}")

    async def accounts(self, request: Request) -> Response:
        login = await self._login(request)
        asked = read_query(request.query_params)
        replaced = await self._suffer(login, "accounts" if asked.balances_only else "transactions")
        return replaced or JSONResponse(await run_in_threadpool(self._answer, login, asked, _root(request)))

    def _answer(self, login: str, asked: Asked, root: str) -> dict[str, Any]:
        return account_set(self._bank, login, asked, root)

    async def _login(self, request: Request) -> str:
        """Return whose accounts these credentials open."""
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        try:
            user, _, password = base64.b64decode(text, validate=True).decode().partition(":")
        except ValueError:
            user, password = "", ""
        access = await run_in_threadpool(self._bank.store.kept, ACCESS, user) if scheme.lower() == "basic" else None
        if access is None or not hmac.compare_digest(access["password"].encode(), password.encode()):
            raise _Refusal(403, "Forbidden")
        return str(access["login"])

    async def _suffer(self, login: str, call: str) -> Response | None:
        """Apply the scenarios that are statuses here; the others are in the account set."""
        scenarios: Scenarios = await run_in_threadpool(self._bank.store.scenarios, login)
        await be_slow(scenarios)
        if applies(scenarios, "outage", call):
            raise _Refusal(503, "The server is out of order.")
        if "rate_limited" in scenarios:
            seconds = scenarios["rate_limited"].get("retry_after", RETRY_AFTER_SECONDS)
            raise _Refusal(429, "Too many requests.", retry_after=str(seconds))
        if "login_expired" in scenarios and call != "login":
            raise _Refusal(403, "Forbidden")
        if "payment_required" in scenarios and call != "login":
            raise _Refusal(402, "Payment required")
        return HTMLResponse(GARBAGE) if applies(scenarios, "garbage", call) else None


def _root(request: Request) -> str:
    """Return the address below which this server lies, as the caller reached it."""
    parts = urlsplit(str(request.url))
    return f"{parts.scheme}://{parts.netloc}/simplefin"


async def _read_form(request: Request) -> dict[str, str]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT_BYTES:
            raise _Refusal(413, f"A body may have {BODY_LIMIT_BYTES} bytes at most.")
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
