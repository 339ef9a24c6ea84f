"""The sandbox bank as Plaid shows banks: link sessions, tokens, items, accounts and changes of transactions.

Mounted at `/plaid`, which stands in the place of `https://sandbox.plaid.com`. Bodies, errors and refusals are
those of Plaid's API, version 2020-09-14.
"""

from __future__ import annotations

import json
import re
import secrets
import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from mintql.sandbox import plaid_page
from mintql.sandbox.bank import Bank
from mintql.sandbox.errors import BankError
from mintql.sandbox.plaid_errors import PlaidRefusal, invalid_field, login_required, missing, request_id
from mintql.sandbox.plaid_items import check_scenarios, item_json, link_json, open_item, shown_error, time_text
from mintql.sandbox.plaid_store import Grant, Item, Link, PlaidStore
from mintql.sandbox.plaid_sync import Sync, not_ready, read_days, read_query
from mintql.sandbox.plaid_webhooks import Signer, payload, send
from mintql.sandbox.requests import read_json
from mintql.sandbox.scenarios import GARBAGE, applies, be_slow

KEY = "sandbox"
"""Both the client id and the secret that are taken."""
PASSWORD = "sandbox"  # noqa: S105  (the sandbox's only password, and no secret)
LOGIN_DEFAULT = "user_good"
PUBLIC_TOKEN_SECONDS = 1800
LINK_SECONDS = 4 * 3600
LINK_SECONDS_MAX = 21 * 86_400
FORM_LIMIT_BYTES = 4096

_LOGIN = re.compile(r"[^\x00-\x20/]{1,128}")

Body = Mapping[str, Any]
Action = Callable[[Body, Request], Awaitable[Mapping[str, Any] | Response]]


def plaid_routes(bank: Bank, store_path: Path) -> list[BaseRoute]:
    """Return what is mounted at `/plaid`; what it keeps lies in tables of its own in the control file."""
    service = _Plaid(bank, PlaidStore(store_path))
    actions: dict[str, Action] = {
        "/link/token/create": service.create_link,
        "/link/token/get": service.get_link,
        "/item/public_token/exchange": service.exchange,
        "/item/get": service.get_item,
        "/item/remove": service.remove_item,
        "/accounts/get": service.accounts,
        "/transactions/sync": service.sync,
        "/webhook_verification_key/get": service.get_key,
        "/sandbox/public_token/create": service.create_public_token,
        "/sandbox/item/fire_webhook": service.fire_webhook,
        "/sandbox/item/reset_login": service.reset_login,
    }
    routes = [
        *(Route(path, _answering(action), methods=["POST"]) for path, action in actions.items()),
        Route("/link/{link_token}", service.visit, methods=["GET", "POST"]),
        Route("/{path:path}", _nowhere, methods=["GET", "POST", "PUT", "DELETE"]),
    ]
    return [Mount("/plaid", routes=routes)]


def _answering(action: Action) -> Callable[[Request], Awaitable[Response]]:
    """Make a handler: check the client's keys, and answer refusals as Plaid does."""

    async def handle(request: Request) -> Response:
        try:
            body = await read_json(request)
            _check_keys(body, request)
            answer = await action(body, request)
        except PlaidRefusal as refusal:
            return _refuse(refusal)
        except BankError as error:
            return _refuse(PlaidRefusal("INVALID_REQUEST", "INVALID_BODY", error.message, status=error.status))
        return answer if isinstance(answer, Response) else JSONResponse({**answer, "request_id": request_id()})

    return handle


def _refuse(refusal: PlaidRefusal) -> Response:
    seconds = refusal.retry_after_seconds
    headers = {} if seconds is None else {"retry-after": str(seconds)}
    return JSONResponse({**refusal.body(), "request_id": request_id()}, status_code=refusal.status, headers=headers)


async def _nowhere(request: Request) -> Response:  # noqa: ARG001
    return _refuse(PlaidRefusal("INVALID_REQUEST", "NOT_FOUND", "the path of the request is not known", status=404))


class _Plaid:
    """The handlers. Work that touches the file or draws a history runs in a thread."""

    def __init__(self, bank: Bank, store: PlaidStore) -> None:
        self._bank = bank
        self._store = store
        self._sync = Sync(bank, store)
        self._signer = Signer(store)

    async def create_link(self, body: Body, request: Request) -> Body:
        _need(body, "client_name", "language", "country_codes")
        user = body.get("user")
        if not isinstance(user, dict) or not user.get("client_user_id"):
            raise missing("user.client_user_id")
        item_id = None
        if body.get("access_token"):
            item_id = (await self._item(body)).item_id
        elif not body.get("products"):
            raise missing("products")
        days = read_days(body.get("transactions"))
        now, seconds = _now(), _lifetime(body.get("hosted_link"))
        token = f"link-sandbox-{uuid.uuid4()}"
        link = Link(token, item_id, _webhook(body.get("webhook")), days, now + seconds, now, None, None)
        await run_in_threadpool(self._store.add_link, link)
        answer = {"link_token": token, "expiration": time_text(link.expires_at)}
        if body.get("hosted_link") is not None:
            answer["hosted_link_url"] = str(request.url.replace(path=f"{request.scope['root_path']}/link/{token}"))
        return answer

    async def get_link(self, body: Body, _: Request) -> Body:
        _need(body, "link_token")
        link = await run_in_threadpool(self._store.link, str(body["link_token"]))
        if link is None:
            raise PlaidRefusal("INVALID_INPUT", "INVALID_LINK_TOKEN", "could not find matching link token")
        return link_json(link)

    async def visit(self, request: Request) -> Response:
        """Show the bank's own page, on which a person logs in, and what came of it."""
        link = await run_in_threadpool(self._store.link, request.path_params["link_token"])
        if link is None or link.expires_at <= _now() or link.finished_at is not None:
            return HTMLResponse(plaid_page.gone(), 404, plaid_page.HEADERS)
        if request.method == "GET":
            return HTMLResponse(plaid_page.form(), headers=plaid_page.HEADERS)
        given = await _read_form(request)
        login = given.get("login", "").strip()
        mended = await run_in_threadpool(self._store.item_of, link.item_id) if link.item_id else None
        wrong = not _LOGIN.fullmatch(login) or given.get("password") != PASSWORD
        if wrong or (mended is not None and mended.login != login):
            complaint = "Login or password is wrong." if wrong else "This is another login than the one to renew."
            return HTMLResponse(plaid_page.form(login=login, complaint=complaint), 403, plaid_page.HEADERS)
        token = await self._new_public_token(login, link.webhook, link.days, link.item_id)
        await run_in_threadpool(self._store.finish_link, link.link_token, token, _now())
        return HTMLResponse(plaid_page.success(token), headers=plaid_page.HEADERS)

    async def create_public_token(self, body: Body, _: Request) -> Body:
        _need(body, "institution_id", "initial_products")
        options = body.get("options") or {}
        if not isinstance(options, dict):
            raise invalid_field("options must be an object")
        login = str(options.get("override_username", LOGIN_DEFAULT))
        if not _LOGIN.fullmatch(login) or options.get("override_password", PASSWORD) != PASSWORD:
            message = "the provided credentials were not correct"
            raise PlaidRefusal(
                "ITEM_ERROR", "INVALID_CREDENTIALS", message, display="The credentials were not correct."
            )
        days = read_days(options.get("transactions"))
        return {"public_token": await self._new_public_token(login, _webhook(options.get("webhook")), days)}

    async def exchange(self, body: Body, _: Request) -> Body | Response:
        _need(body, "public_token")
        grant = await run_in_threadpool(self._store.take_public_token, str(body["public_token"]))
        if grant is None or grant.expires_at <= _now():
            raise PlaidRefusal("INVALID_INPUT", "INVALID_PUBLIC_TOKEN", "could not find matching public token")
        login = grant.login
        answer = await self._suffer(login, "login")
        if answer is not None:
            return answer
        mended = await run_in_threadpool(self._store.item_of, grant.item_id) if grant.item_id else None
        if mended is not None:
            return {"access_token": mended.access_token, "item_id": mended.item_id}
        item_id, access_token = secrets.token_hex(18), f"access-sandbox-{uuid.uuid4()}"
        first_day = self._bank.today(login) - timedelta(days=grant.days)
        await run_in_threadpool(self._store.add_item, item_id, access_token, login, grant.webhook, first_day)
        return {"access_token": access_token, "item_id": item_id}

    async def get_item(self, body: Body, _: Request) -> Body:
        item = await self._item(body)
        error = await run_in_threadpool(shown_error, self._bank, item)
        status = {"transactions": {"last_successful_update": time_text(_now()), "last_failed_update": None}}
        return {"item": item_json(item, error), "status": status}

    async def remove_item(self, body: Body, _: Request) -> Body:
        await run_in_threadpool(self._store.remove_item, (await self._item(body)).item_id)
        return {}

    async def accounts(self, body: Body, _: Request) -> Body | Response:
        item = await self._item(body)
        answer = await self._suffer(item.login, "accounts", item)
        if answer is not None:
            return answer
        return {"accounts": await run_in_threadpool(self._sync.accounts, item), "item": item_json(item, None)}

    async def sync(self, body: Body, _: Request) -> Body | Response:
        item = await self._item(body)
        query = read_query(body)
        answer = await self._suffer(item.login, "transactions", item)
        if answer is not None:
            return answer
        if "not_ready" in await run_in_threadpool(self._bank.store.scenarios, item.login):
            return not_ready()
        return await run_in_threadpool(self._sync.page, item, query)

    async def get_key(self, body: Body, _: Request) -> Body:
        _need(body, "key_id")
        return {"key": await run_in_threadpool(self._signer.public_key, str(body["key_id"]))}

    async def fire_webhook(self, body: Body, _: Request) -> Body:
        item = await self._item(body)
        _need(body, "webhook_code")
        account_id = next(iter(self._bank.ledger(item.login).accounts.values())).account_id
        said = payload(item, str(body["webhook_code"]), account_id=account_id, now=datetime.now(UTC))
        content = json.dumps(said).encode()
        signature = await run_in_threadpool(self._signer.sign, content, _now())
        await send(item.webhook, content, signature)
        return {"webhook_fired": True}

    async def reset_login(self, body: Body, _: Request) -> Body:
        await run_in_threadpool(self._store.require_login, (await self._item(body)).item_id)
        return {"reset_login": True}

    async def _item(self, body: Body) -> Item:
        _need(body, "access_token")
        return await run_in_threadpool(open_item, self._store, str(body["access_token"]))

    async def _suffer(self, login: str, call: str, item: Item | None = None) -> Response | None:
        """Apply the scenarios that are on for this login to a call; return an answer that replaces its own."""
        scenarios = await run_in_threadpool(self._bank.store.scenarios, login)
        await be_slow(scenarios)
        check_scenarios(scenarios, call)
        if item is not None and item.login_required:
            raise login_required()
        return Response(GARBAGE, media_type="text/html") if applies(scenarios, "garbage", call) else None

    async def _new_public_token(self, login: str, webhook: str | None, days: int, item_id: str | None = None) -> str:
        token = f"public-sandbox-{uuid.uuid4()}"
        grant = Grant(login, webhook, days, _now() + PUBLIC_TOKEN_SECONDS, item_id)
        await run_in_threadpool(self._store.add_public_token, token, grant)
        return token


def _check_keys(body: Body, request: Request) -> None:
    """Take the client's keys from headers or body, as Plaid does."""
    given = {
        "client_id": request.headers.get("plaid-client-id") or body.get("client_id"),
        "secret": request.headers.get("plaid-secret") or body.get("secret"),
    }
    absent = [name for name, value in given.items() if not value]
    if absent:
        raise missing(*absent)
    if set(given.values()) != {KEY}:
        raise PlaidRefusal("INVALID_INPUT", "INVALID_API_KEYS", "invalid client_id or secret provided")


def _need(body: Body, *names: str) -> None:
    absent = [name for name in names if not body.get(name)]
    if absent:
        raise missing(*absent)


def _webhook(url: object) -> str | None:
    if url is not None and not (isinstance(url, str) and url.startswith(("http://", "https://"))):
        raise invalid_field("webhook must be a valid URL")
    return url


def _lifetime(hosted_link: object) -> int:
    seconds = hosted_link.get("url_lifetime_seconds", LINK_SECONDS) if isinstance(hosted_link, dict) else LINK_SECONDS
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 1 <= seconds <= LINK_SECONDS_MAX:
        raise invalid_field(f"url_lifetime_seconds must be an integer from 1 to {LINK_SECONDS_MAX}")
    return seconds


async def _read_form(request: Request) -> dict[str, str]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_LIMIT_BYTES:
            return {}
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}


def _now() -> int:
    return int(datetime.now(UTC).timestamp())
