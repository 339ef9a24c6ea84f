"""Rows of outgoing webhooks as a worker takes them, sends them and notes what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg
import orjson

from mintql.domain.ids import UserId, WebhookDeliveryId, WebhookEndpointId
from mintql.domain.outgoing_webhooks import DeliveryState, DisabledReason
from mintql.store.queries import Conn, load

SQL = load("outgoing_webhooks_sending")


class EndpointKey(NamedTuple):
    """An endpoint among those of all persons."""

    user_id: UserId
    endpoint_id: WebhookEndpointId


@dataclass(frozen=True, slots=True)
class EndpointState:
    """How an endpoint stands while a worker is at it."""

    url: str
    enabled: bool
    failing_since: datetime | None
    failures: int
    paused_until: datetime | None


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A secret as it is stored."""

    secret_no: int
    key_version: int
    wrapped_key: bytes
    ciphertext: bytes


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """A delivery to send. `payload` is that of its event, None for a test or an event that is gone."""

    delivery_id: WebhookDeliveryId
    message_id: str
    type: str
    body: str | None
    attempts: int
    tries: int
    occurred_at: datetime
    payload: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of sending a delivery once."""

    at: datetime
    milliseconds: int
    status_code: int | None = None
    error: str | None = None
    answer: str | None = None


async def take_endpoints(conn: Conn, now: datetime, limit: int, until: datetime) -> list[EndpointKey]:
    """Lease endpoints that something is due for."""
    return [EndpointKey(*row) for row in await conn.fetch(SQL.take_endpoints, now, limit, until)]


async def lock_endpoint(conn: Conn, key: EndpointKey) -> EndpointState | None:
    """Hold an endpoint and return how it stands; None when it is gone."""
    row = await conn.fetchrow(SQL.lock_endpoint, *key)
    return None if row is None else EndpointState(**dict(row))


async def secrets(conn: Conn, key: EndpointKey, now: datetime) -> list[SealedSecret]:
    """Return what signs now, newest first."""
    return [SealedSecret(**dict(row)) for row in await conn.fetch(SQL.secrets, *key, now)]


async def due(conn: Conn, key: EndpointKey, now: datetime, limit: int) -> list[DueDelivery]:
    """Return what is due at an endpoint."""
    return [_due(row) for row in await conn.fetch(SQL.due, *key, now, limit)]


async def write_body(conn: Conn, user_id: UserId, delivery_id: WebhookDeliveryId, body: str) -> str:
    """Write what a delivery says, once; return what it says."""
    return str(await conn.fetchval(SQL.write_body, user_id, delivery_id, body))


async def settle(
    conn: Conn,
    user_id: UserId,
    delivery: DueDelivery,
    attempt: Attempt,
    state: DeliveryState,
    at: datetime,
) -> None:
    """Note an attempt, and that its delivery is settled or due again at a moment."""
    number = delivery.attempts + 1
    await conn.execute(
        SQL.note_attempt,
        user_id,
        delivery.delivery_id,
        number,
        attempt.at,
        attempt.milliseconds,
        attempt.status_code,
        attempt.error,
        attempt.answer,
    )
    await conn.execute(SQL.settle, user_id, delivery.delivery_id, state, number, at)


async def note_success(conn: Conn, key: EndpointKey) -> None:
    """Forget what was held against an endpoint."""
    await conn.execute(SQL.note_success, *key)


async def note_failure(conn: Conn, key: EndpointKey, now: datetime, paused_until: datetime) -> None:
    """Hold a failure against an endpoint."""
    await conn.execute(SQL.note_failure, *key, now, paused_until)


async def disable(conn: Conn, key: EndpointKey, reason: DisabledReason) -> bool:
    """Switch an endpoint off; return whether it was on."""
    return await conn.fetchval(SQL.disable, *key, reason) is not None


async def hand_back(conn: Conn, key: EndpointKey) -> None:
    """End the lease of an endpoint, which the caller has locked before this statement."""
    await conn.execute(SQL.hand_back, *key)


async def purge(conn: Conn, before: datetime, limit: int) -> int:
    """Forget old deliveries; return how many went."""
    return int(await conn.fetchval(SQL.purge, before, limit))


def _due(row: asyncpg.Record) -> DueDelivery:
    found = dict(row)
    created_at, occurred_at, payload = found.pop("created_at"), found.pop("occurred_at"), found.pop("payload")
    return DueDelivery(
        **found, occurred_at=occurred_at or created_at, payload=None if payload is None else orjson.loads(payload)
    )
