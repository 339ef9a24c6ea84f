"""Rows of `webhook_endpoints`, their secrets and deliveries, as the person sees and changes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from mintql.domain.ids import EventSeq, UserId, WebhookDeliveryId, WebhookEndpointId
from mintql.domain.outgoing_webhooks import DeliveryState, DisabledReason
from mintql.store.queries import Conn, load

SQL = load("outgoing_webhooks")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where webhooks are sent. `event_types` None: all. `old_secret_until`: until then two secrets sign."""

    endpoint_id: WebhookEndpointId
    url: str
    description: str
    event_types: tuple[str, ...] | None
    enabled: bool
    disabled_reason: DisabledReason | None
    failing_since: datetime | None
    created_at: datetime
    secret_created_at: datetime
    old_secret_until: datetime | None


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A message for one endpoint. `body` is None until it is first sent."""

    delivery_id: WebhookDeliveryId
    endpoint_id: WebhookEndpointId
    message_id: str
    type: str
    body: str | None
    state: DeliveryState
    attempts: int
    next_attempt_at: datetime
    settled_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One attempt: an answer with its status and first bytes, or why there was none."""

    delivery_id: WebhookDeliveryId
    attempt: int
    at: datetime
    milliseconds: int
    status_code: int | None
    error: str | None
    answer: str | None


async def endpoints(conn: Conn, user_id: UserId) -> list[Endpoint]:
    """Return a person's endpoints, oldest first."""
    return [_endpoint(row) for row in await conn.fetch(SQL.endpoints, user_id)]


async def add_endpoint(
    conn: Conn,
    user_id: UserId,
    url: str,
    description: str,
    event_types: Sequence[str] | None,
    enabled: bool,
    now: datetime,
) -> WebhookEndpointId:
    """Add an endpoint, which needs a secret before anybody sees it."""
    types = None if event_types is None else list(event_types)
    return WebhookEndpointId(await conn.fetchval(SQL.add_endpoint, user_id, url, description, types, enabled, now))


async def change_endpoint(conn: Conn, user_id: UserId, changed: Endpoint) -> None:
    """Write url, description, types and `enabled` of an endpoint."""
    types = None if changed.event_types is None else list(changed.event_types)
    await conn.execute(
        SQL.change_endpoint,
        user_id,
        changed.endpoint_id,
        changed.url,
        changed.description,
        types,
        changed.enabled,
    )


async def remove_endpoint(conn: Conn, user_id: UserId, endpoint_id: WebhookEndpointId) -> None:
    """Remove an endpoint with all that belongs to it."""
    await conn.execute(SQL.remove_endpoint, user_id, endpoint_id)


async def give_up(conn: Conn, user_id: UserId, endpoint_id: WebhookEndpointId, now: datetime) -> None:
    """Give up what waits for an endpoint."""
    await conn.execute(SQL.give_up, user_id, endpoint_id, now)


async def secret_numbers(conn: Conn, user_id: UserId, endpoint_id: WebhookEndpointId) -> list[int]:
    """Return the numbers of an endpoint's secrets, newest first."""
    return [row["secret_no"] for row in await conn.fetch(SQL.secrets, user_id, endpoint_id)]


async def add_secret(
    conn: Conn,
    user_id: UserId,
    endpoint_id: WebhookEndpointId,
    secret_no: int,
    sealed: tuple[int, bytes, bytes],
    now: datetime,
) -> None:
    """Add a secret: version of its key, wrapped key and ciphertext."""
    await conn.execute(SQL.add_secret, user_id, endpoint_id, secret_no, *sealed, now)


async def retire_secret(
    conn: Conn, user_id: UserId, endpoint_id: WebhookEndpointId, secret_no: int, until: datetime
) -> None:
    """Let a secret sign until a moment, and remove those that are older."""
    await conn.execute(SQL.retire_secret, user_id, endpoint_id, secret_no, until)
    await conn.execute(SQL.drop_secrets, user_id, endpoint_id, secret_no)


async def add_test(
    conn: Conn, user_id: UserId, endpoint_id: WebhookEndpointId, type_name: str, now: datetime
) -> WebhookDeliveryId:
    """Add a test message; the endpoint is looked at now."""
    delivery_id = await conn.fetchval(SQL.add_test, user_id, endpoint_id, type_name, now)
    await conn.execute(SQL.hurry, user_id, endpoint_id, now)
    return WebhookDeliveryId(delivery_id)


async def tests_since(conn: Conn, user_id: UserId, type_name: str, since: datetime) -> int:
    """Return how many test messages a person has asked for since a moment."""
    return int(await conn.fetchval(SQL.tests_since, user_id, type_name, since))


async def send_again(conn: Conn, user_id: UserId, row: DeliveryRow, now: datetime) -> None:
    """Let a delivery be due at once; the endpoint is looked at now. It is locked first, as workers do."""
    await conn.execute(SQL.hurry, user_id, row.endpoint_id, now)
    await conn.execute(SQL.send_again, user_id, row.delivery_id, now)


async def deliveries(
    conn: Conn,
    user_id: UserId,
    before: WebhookDeliveryId,
    endpoint_id: WebhookEndpointId | None,
    state: DeliveryState | None,
    limit: int,
) -> list[DeliveryRow]:
    """Return deliveries older than one, newest first."""
    return [_delivery(row) for row in await conn.fetch(SQL.deliveries, user_id, before, endpoint_id, state, limit)]


async def deliveries_by_ids(
    conn: Conn, user_id: UserId, delivery_ids: Sequence[WebhookDeliveryId]
) -> dict[WebhookDeliveryId, DeliveryRow]:
    """Return a person's deliveries by their ids."""
    rows = [_delivery(row) for row in await conn.fetch(SQL.deliveries_by_ids, user_id, list(delivery_ids))]
    return {row.delivery_id: row for row in rows}


async def attempts(
    conn: Conn, user_id: UserId, delivery_ids: Sequence[WebhookDeliveryId], limit: int
) -> list[AttemptRow]:
    """Return the latest attempts of each delivery, newest first, at most `limit` of each."""
    return [AttemptRow(**dict(row)) for row in await conn.fetch(SQL.attempts, user_id, list(delivery_ids), limit)]


async def fan_out(conn: Conn, user_id: UserId, seq: EventSeq, type_name: str, now: datetime) -> int:
    """Make the deliveries of an event; return how many there are now that were not before."""
    return int(await conn.fetchval(SQL.fan_out, user_id, seq, type_name, now))


def _endpoint(row: asyncpg.Record) -> Endpoint:
    types, reason = row["event_types"], row["disabled_reason"]
    found = dict(row) | {
        "event_types": None if types is None else tuple(types),
        "disabled_reason": None if reason is None else DisabledReason(reason),
    }
    return Endpoint(**found)


def _delivery(row: asyncpg.Record) -> DeliveryRow:
    return DeliveryRow(**{**dict(row), "state": DeliveryState(row["state"])})
