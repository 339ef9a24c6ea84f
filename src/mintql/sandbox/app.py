"""The sandbox bank over HTTP: the protocol that connectors speak."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from mintql.sandbox import tokens
from mintql.sandbox.bank import PAGE_ROWS_MAX, Bank, PageQuery, read_page_token
from mintql.sandbox.control import control_routes
from mintql.sandbox.errors import BankError, bad_request
from mintql.sandbox.ofx import ofx_routes
from mintql.sandbox.plaid import plaid_routes
from mintql.sandbox.requests import LOGIN, PASSWORD, read_json
from mintql.sandbox.scenarios import GARBAGE, RETRY_AFTER_SECONDS, Scenarios, applies, be_slow
from mintql.sandbox.simplefin import simplefin_routes
from mintql.sandbox.store import ControlStore

STORE_VARIABLE = "MINTQL_SANDBOX_STORE"


def create_bank(
    store_path: Path, *, today: Callable[[], date] | None = None, now: Callable[[], datetime] | None = None
) -> Starlette:
    """Return the bank as an ASGI app, its control state kept in the SQLite file `store_path`.

    `now` gives the time in UTC, and `today` only the date of it; without either, the clock tells both.
    """
    store = ControlStore(store_path)
    bank = Bank(store, now or _clock(today))
    service = _Service(bank)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        store.close()

    return Starlette(
        lifespan=lifespan,
        routes=[
            Route("/health", _health),
            Route("/v1/login", service.login, methods=["POST"]),
            Route("/v1/logout", service.logout, methods=["POST"]),
            Route("/v1/accounts", service.accounts),
            Route("/v1/accounts/{account_id}/transactions", service.transactions),
            Mount("/control/{login}", routes=control_routes(bank)),
            Mount("/simplefin", routes=simplefin_routes(bank)),
            *ofx_routes(bank, PASSWORD),
            *plaid_routes(bank, store_path),
        ],
        exception_handlers={BankError: _say_no, HTTPException: _say_no},  # type: ignore[dict-item]
    )


def create_app() -> Starlette:
    """Return the bank for `uvicorn --factory mintql.sandbox:create_app`, its file named by the environment."""
    return create_bank(Path(os.environ.get(STORE_VARIABLE, ".mintql/sandbox/bank.sqlite")))


def _clock(today: Callable[[], date] | None) -> Callable[[], datetime]:
    def now() -> datetime:
        moment = datetime.now(UTC)
        return moment if today is None else datetime.combine(today(), moment.timetz())

    return now


class _Service:
    """The handlers of `/v1`. Work that touches the file or draws a history runs in a thread."""

    def __init__(self, bank: Bank) -> None:
        self._bank = bank

    async def login(self, request: Request) -> Response:
        body = await read_json(request)
        login, password = body.get("login"), body.get("password")
        if not isinstance(login, str) or not LOGIN.fullmatch(login):
            raise bad_request("`login` must be 1 to 128 characters without spaces or slashes.")
        answer = await self._suffer(login, "login")
        if answer is not None:
            return answer
        if password != PASSWORD:
            raise BankError(401, "bad_credentials", "Login or password is wrong.")
        token = tokens.issue(self._bank.store.token_key, login, int(time.time()))
        return JSONResponse({"token": token, "expires_in": tokens.TOKEN_SECONDS})

    async def logout(self, request: Request) -> Response:
        token = await self._token(request)
        revoke = self._bank.store.revoke
        await run_in_threadpool(revoke, token.token_id, token.expires_at, int(time.time()))
        return Response(status_code=204)

    async def accounts(self, request: Request) -> Response:
        login = (await self._token(request)).login
        return await self._suffer(login, "accounts") or JSONResponse(
            await run_in_threadpool(self._bank.accounts, login)
        )

    async def transactions(self, request: Request) -> Response:
        login = (await self._token(request)).login
        query = _page_query(request)
        return await self._suffer(login, "transactions") or JSONResponse(
            await run_in_threadpool(self._bank.page, login, request.path_params["account_id"], query)
        )

    async def _token(self, request: Request) -> tokens.Token:
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        token = tokens.read(self._bank.store.token_key, text) if scheme.lower() == "bearer" else None
        if token is None or await run_in_threadpool(self._bank.store.is_revoked, token.token_id):
            raise BankError(401, "bad_token", "Log in first, and send the token as bearer.")
        if token.expires_at <= time.time():
            raise BankError(401, "token_expired", "The token has expired; log in again.")
        return token

    async def _suffer(self, login: str, call: str) -> Response | None:
        """Apply the scenarios that are on for this login to a call; return an answer that replaces its own."""
        scenarios = await run_in_threadpool(self._bank.store.scenarios, login)
        await be_slow(scenarios)
        if applies(scenarios, "outage", call):
            raise BankError(503, "out_of_order", "The bank is out of order; try again later.")
        if "rate_limited" in scenarios:
            seconds = scenarios["rate_limited"].get("retry_after", RETRY_AFTER_SECONDS)
            raise BankError(429, "rate_limited", "Too many requests.", retry_after_seconds=seconds)
        if call != "login":
            _check_access(scenarios, call)
        if applies(scenarios, "garbage", call):
            return Response(GARBAGE, media_type="text/html")
        return None


def _check_access(scenarios: Scenarios, call: str) -> None:
    """Refuse data to a login from which the bank wants something first."""
    if "login_expired" in scenarios:
        raise BankError(401, "login_expired", "This login has expired; sign in at the bank's own page first.")
    if "consent_expired" in scenarios:
        raise BankError(403, "consent_expired", "The permission to read the accounts has run out.")
    if "payment_required" in scenarios:
        raise BankError(402, "payment_required", "The subscription has to be paid first.")
    if "not_ready" in scenarios and call == "transactions":
        raise BankError(409, "not_ready", "The transactions are still being gathered.", retry_after_seconds=30)


def _page_query(request: Request) -> PageQuery:
    values = request.query_params
    after, again = read_page_token(values["page"]) if values.get("page") else (None, False)
    try:
        limit = int(values.get("limit", PAGE_ROWS_MAX))
    except ValueError:
        limit = 0
    if not 1 <= limit <= PAGE_ROWS_MAX:
        raise bad_request(f"`limit` must be a number from 1 to {PAGE_ROWS_MAX}.")
    return PageQuery(_day(values.get("from"), "from"), _day(values.get("to"), "to"), limit, after, again)


def _day(text: str | None, name: str) -> date:
    try:
        return datetime.strptime(text or "", "%Y-%m-%d").date()  # noqa: DTZ007  (a date has no time zone)
    except ValueError:
        raise bad_request(f"`{name}` must be a date written YYYY-MM-DD.") from None


async def _health(request: Request) -> Response:  # noqa: ARG001
    return PlainTextResponse("ok")


async def _say_no(request: Request, error: BankError | HTTPException) -> Response:  # noqa: ARG001
    if isinstance(error, HTTPException):
        codes: dict[int, str] = {404: "not_found", 405: "method_not_allowed"}
        error = BankError(error.status_code, codes.get(error.status_code, "error"), error.detail)
    headers = {} if error.retry_after_seconds is None else {"retry-after": str(error.retry_after_seconds)}
    return JSONResponse(
        {"error": {"code": error.code, "message": error.message}}, status_code=error.status, headers=headers
    )
