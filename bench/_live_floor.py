"""The floor of `bench/live.py`: budget alerts over a WebSocket written by hand, without GraphQL.

    python bench/_live_floor.py PORT, with DATABASE_URL and REDIS_URL

It speaks graphql-transport-ws for one operation whose text it does not read. As the real server does, it finds the
session of a token in the database, listens on one Redis channel, and reads from the database what comes after the
cursor. It knows no sessions that end, no polls, no limits, no permissions and no other operation.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg
import orjson
import uvicorn
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from mintql.gateways.channel import CHANNEL

ALERTS = """SELECT alert_id, threshold_percent, spent_minor + pending_minor AS spent, limit_minor, currency FROM alerts
WHERE user_id = $1 AND alert_id > $2 ORDER BY alert_id LIMIT 100"""
LATEST = "SELECT coalesce(max(alert_id), 0) FROM alerts WHERE user_id = $1"
POOL = 10

listeners: dict[int, set[asyncio.Event]] = defaultdict(set)


async def wake(redis: Redis) -> None:
    async with redis.pubsub() as pubsub:
        await pubsub.subscribe(CHANNEL)
        async for message in pubsub.listen():
            if message["type"] == "message":
                for word in message["data"].split():
                    for event in listeners.get(int(word), ()):
                        event.set()


async def follow(socket: WebSocket, pool: asyncpg.Pool, user_id: int, ask: dict) -> None:
    woken = asyncio.Event()
    listeners[user_id].add(woken)
    try:
        after = (ask["payload"].get("variables") or {}).get("after")
        if after is None:
            position = await pool.fetchval(LATEST, user_id)
        else:
            position = int(base64.urlsafe_b64decode(after + "==").partition(b":")[2])
        while True:
            woken.clear()
            for row in await pool.fetch(ALERTS, user_id, position):
                position = row["alert_id"]
                await socket.send_text(item(ask["id"], row))
            await woken.wait()
    finally:
        listeners[user_id].discard(woken)


def item(operation_id: str, row: asyncpg.Record) -> str:
    amounts = [f"{row[name] // 100}.{row[name] % 100:02d}" for name in ("spent", "limit_minor")]
    spent, limit = amounts
    alert = {
        "cursor": base64.urlsafe_b64encode(f"alert:{row['alert_id']}".encode()).decode().rstrip("="),
        "thresholdPercent": row["threshold_percent"],
        "message": f"Spent {spent} of {limit} {row['currency']}.",
        "spent": {"amount": spent, "currency": row["currency"]},
    }
    return orjson.dumps({"id": operation_id, "type": "next", "payload": {"data": {"budgetAlerts": alert}}}).decode()


async def serve(socket: WebSocket) -> None:
    pool: asyncpg.Pool = socket.app.state.pool
    await socket.accept(subprotocol="graphql-transport-ws")
    user_id, tasks = None, {}
    with suppress(WebSocketDisconnect):
        while True:
            message = orjson.loads(await socket.receive_text())
            if message["type"] == "connection_init":
                token = message["payload"]["authorization"].removeprefix("Bearer ")
                user_id = await pool.fetchval(
                    "SELECT user_id FROM session_by_token($1)", hashlib.sha256(token.encode()).digest()
                )
                await socket.send_text('{"type":"connection_ack"}')
            elif message["type"] == "subscribe" and user_id is not None:
                tasks[message["id"]] = asyncio.create_task(follow(socket, pool, user_id, message))
    for task in tasks.values():
        task.cancel()


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    redis = Redis.from_url(os.environ["REDIS_URL"])
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=1, max_size=POOL) as pool:
        app.state.pool = pool
        task = asyncio.create_task(wake(redis))
        yield
        task.cancel()
    await redis.aclose()


if __name__ == "__main__":
    uvicorn.run(
        Starlette(routes=[WebSocketRoute("/graphql", serve)], lifespan=lifespan),
        host="127.0.0.1", port=int(sys.argv[1]), ws="websockets-sansio", log_level="warning",
        ws_per_message_deflate=False, server_header=False,
    )  # fmt: skip
