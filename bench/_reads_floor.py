"""The floor of `bench/read.py`: the same answers written by hand, one statement a list, with nothing around them.

    uvicorn --factory _reads_floor:create_app

Paths name the operation. Under `/plain/` the person is believed (`?user=ID`) and no transaction is opened; under
`/guarded/` the session's token is looked up and row-level security sifts, as mintql does. `/empty` is an answer of
nothing. What answers are made of comes from `peer` (`bench/_reads_data.py`), cheaper than mintql's own work on budgets.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import orjson
from _reads_operations import FILTERED_CATEGORY_ID, PAGE_SIZE, since
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mintql.api.paging import encode_day_key
from mintql.data import load_categories
from mintql.domain.months import first_day, month_text
from mintql.domain.node_ids import node_id

ROWS = (
    "SELECT row.transaction_id, row.posted_on, row.merchant, row.amount_minor, row.currency, row.category_id,"
    " account.name FROM (SELECT * FROM peer.transactions AS row WHERE row.user_id = $1{} ORDER BY row.posted_on DESC,"
    f" row.transaction_id DESC LIMIT {PAGE_SIZE + 1}) AS row JOIN peer.accounts AS account"
    " ON account.user_id = $1 AND account.account_id = row.account_id"
    " ORDER BY row.posted_on DESC, row.transaction_id DESC"
)
PAGE = ROWS.format("")
FILTERED = ROWS.format(" AND row.category_id = $2 AND row.posted_on >= $3")
ACCOUNTS = "SELECT account_id, name, kind, balance_minor, currency FROM peer.accounts WHERE user_id = $1 ORDER BY 1"
SPENDING = (
    "SELECT category_id, spent_minor, received_minor, pending_minor, currency, count FROM peer.spending"
    " WHERE user_id = $1 AND month = $2 ORDER BY kind, total_minor DESC, category_id"
)
BUDGETS = (
    "SELECT category_id, limit_minor, currency, spent_minor, remaining_minor FROM peer.budgets"
    " WHERE user_id = $1 AND month = $2 ORDER BY place"
)

Ask = Callable[[Any, int], Awaitable[dict[str, Any]]]
TREE = load_categories().by_id
NAMES = {item.category_id: {"name": item.name} for item in TREE.values()}
GROUPED = {item.category_id: {"name": item.name, "group": NAMES.get(item.parent_id or 0)} for item in TREE.values()}


def connection_of(rows: list[Any]) -> dict[str, Any]:
    more, rows = len(rows) > PAGE_SIZE, rows[:PAGE_SIZE]
    nodes = [
        {
            "id": node_id("Transaction", number),
            "postedOn": day,
            "merchant": merchant,
            "amount": {"amountMinor": amount, "currency": currency},
            "category": GROUPED[category],
            "account": {"name": account},
        }
        for number, day, merchant, amount, currency, category, account in rows
    ]
    cursor = encode_day_key(rows[-1][1], rows[-1][0]) if rows else None
    return {"transactions": {"nodes": nodes, "pageInfo": {"hasNextPage": more, "endCursor": cursor}}}


async def page(conn: Any, user_id: int) -> dict[str, Any]:
    return connection_of(await conn.fetch(PAGE, user_id))


async def filtered(conn: Any, user_id: int) -> dict[str, Any]:
    return connection_of(await conn.fetch(FILTERED, user_id, FILTERED_CATEGORY_ID, since(datetime.now(UTC).date())))


async def dashboard(conn: Any, user_id: int) -> dict[str, Any]:
    month = first_day(datetime.now(UTC).date())
    accounts = [
        {
            "id": node_id("Account", number),
            "name": name,
            "kind": kind.upper(),
            "balance": {"amountMinor": balance, "currency": currency},
        }
        for number, name, kind, balance, currency in await conn.fetch(ACCOUNTS, user_id)
    ]
    lines = [
        {
            "category": NAMES[category],
            "spent": {"amountMinor": spent, "currency": currency},
            "received": {"amountMinor": received},
            "pending": {"amountMinor": pending},
            "count": count,
        }
        for category, spent, received, pending, currency, count in await conn.fetch(SPENDING, user_id, month)
    ]
    budgets = [
        {
            "category": NAMES[category],
            "limit": {"amountMinor": limit, "currency": currency},
            "spent": {"amountMinor": spent},
            "remaining": {"amountMinor": remaining},
        }
        for category, limit, currency, spent, remaining in await conn.fetch(BUDGETS, user_id, month)
    ]
    spending = [{"month": month_text(month), "categories": lines}]
    return {"accounts": accounts, "monthlySpending": spending, "budgets": budgets}


def answer(data: dict[str, Any]) -> Response:
    return Response(orjson.dumps({"data": data}), media_type="application/json")


def plain(ask: Ask) -> Callable[[Request], Awaitable[Response]]:
    async def respond(request: Request) -> Response:
        async with request.app.state.plain.acquire() as conn:
            return answer(await ask(conn, int(request.query_params["user"])))

    return respond


def guarded(ask: Ask) -> Callable[[Request], Awaitable[Response]]:
    async def respond(request: Request) -> Response:
        token_hash = hashlib.sha256(request.headers["authorization"].removeprefix("Bearer ").encode()).digest()
        async with request.app.state.guarded.acquire() as conn:
            user_id = await conn.fetchval("SELECT user_id FROM session_by_token($1)", token_hash)
            if user_id is None:
                return Response(status_code=401)
            async with conn.transaction():
                await conn.execute("SELECT set_config('mintql.user_id', $1, true)", str(user_id))
                return answer(await ask(conn, user_id))

    return respond


async def empty(_request: Request) -> Response:
    return Response()


async def _keep(_conn: Any) -> None:
    """Leave no state behind, so there is none to reset."""


def create_app() -> Starlette:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        settings = {"jit": "off", "enable_bitmapscan": "off", "enable_seqscan": "off"}
        size = int(os.environ["BENCH_POOL_SIZE"])
        url = os.environ["DATABASE_URL"]
        plain_pool = asyncpg.create_pool(url, min_size=size, max_size=size, reset=_keep, server_settings=settings)
        settings = settings | {"role": "mintql_api"}
        guarded_pool = asyncpg.create_pool(url, min_size=size, max_size=size, reset=_keep, server_settings=settings)
        async with plain_pool as app.state.plain, guarded_pool as app.state.guarded:
            yield

    asks: list[Ask] = [page, dashboard, filtered]
    routes = [Route("/empty", empty)]
    for ask in asks:
        routes += [Route(f"/plain/{ask.__name__}", plain(ask)), Route(f"/guarded/{ask.__name__}", guarded(ask))]
    return Starlette(routes=routes, lifespan=lifespan)
