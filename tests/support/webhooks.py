"""A person's webhooks on the pipeline of the tests: endpoints at real receivers, and messages checked as they do."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from mintql.domain.ids import UserId
from mintql.gateways.http import Surroundings, open_http
from mintql.gateways.http_addresses import Loopback
from mintql.services import outgoing_webhooks as webhooks
from mintql.services.events import NewEvent, append_events, transactions_changed
from mintql.services.outgoing_webhooks import EndpointWish
from mintql.services.outgoing_webhooks_sending import BOUNDS, Sender
from mintql.settings import Settings
from mintql.store.locks import lock_users
from mintql.store.outgoing_webhooks import Endpoint
from support.http_server import Request, reply
from support.pipeline import Pipeline

LOOPBACK = Loopback()
OK = reply("204 No Content")


@asynccontextmanager
async def sending(bank: Pipeline, **surroundings: Any) -> AsyncIterator[Sender]:
    around = Surroundings(**surroundings)
    async with open_http(Settings(), bounds=BOUNDS, surroundings=around, allowed=LOOPBACK) as http:
        yield Sender(bank.begin, http, bank.place.vault, lambda: bank.now, lambda: 0.0)


async def send(bank: Pipeline) -> int:
    async with sending(bank) as sender:
        return await sender.run()


async def endpoint(bank: Pipeline, user_id: UserId, url: str, **wish: Any) -> tuple[Endpoint, str]:
    async with bank.begin() as conn:
        return await webhooks.add(conn, bank.place.vault, user_id, EndpointWish(url, **wish), LOOPBACK, bank.now)


async def hooked(bank: Pipeline, url: str, **wish: Any) -> tuple[UserId, Endpoint, str]:
    """A person with an endpoint, at a moment after everything there is so far."""
    user_id, _ = await bank.person()
    made, secret = await endpoint(bank, user_id, url, **wish)
    bank.go_far()
    return user_id, made, secret


async def happen(bank: Pipeline, user_id: UserId, *events: tuple[str, dict[str, Any]]) -> None:
    told = [NewEvent(user_id, kind, payload) for kind, payload in events]
    async with bank.begin() as conn:
        await lock_users(conn, [user_id])
        await append_events(conn, told or [transactions_changed(user_id, added=[1])])


def verified(request: Request, secret: str) -> dict[str, Any]:
    """Check a message the way a receiver would, and return what it says."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert f"v1,{expected}" in request.headers["webhook-signature"].split(" ")
    return json.loads(request.body)


async def deliveries(bank: Pipeline) -> list[asyncpg.Record]:
    return await bank.fetch("SELECT * FROM webhook_deliveries ORDER BY delivery_id")
