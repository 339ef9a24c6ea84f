"""Webhooks to servers of the viewer's own, as GraphQL shows them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

import strawberry

from mintql.api.context import Context, Info
from mintql.api.nodes import Node, decode_id, encode_id, register_node
from mintql.domain.ids import WebhookDeliveryId, WebhookEndpointId
from mintql.domain.outgoing_webhooks import DeliveryState, DisabledReason, WebhookEvent
from mintql.services import outgoing_webhooks as service
from mintql.store import outgoing_webhooks as store
from mintql.store.outgoing_webhooks import AttemptRow, DeliveryRow, Endpoint

ATTEMPTS_SHOWN_MAX = 20

strawberry.enum(
    WebhookEvent,
    name="WebhookEvent",
    description="What a webhook endpoint can be told of. The `type` of its messages is the same with a full stop after "
    "the first part and in lower case, such as `budget.alert` and `notification.low_balance`. Of notifications come "
    "the kinds that the viewer has switched on for the channel WEBHOOK.",
)
strawberry.enum(
    DeliveryState,
    name="WebhookDeliveryState",
    description="DUE: it waits for its first attempt or its next one. SENT: the receiver took it. DEAD: it was given "
    "up, after all attempts or because its endpoint was switched off.",
)
strawberry.enum(
    DisabledReason,
    name="WebhookDisabledReason",
    description="GONE: it answered 410 Gone. FAILING: no attempt succeeded for five days.",
)


@strawberry.type(description="One attempt to send a delivery.")
class WebhookAttempt:
    """An attempt as shown."""

    number: int = strawberry.field(description="Counts the attempts of a delivery, from 1.")
    at: datetime = strawberry.field(description="When it began.")
    milliseconds: int = strawberry.field(description="How long it took.")
    status_code: int | None = strawberry.field(description="The HTTP status of the answer; null when none came.")
    error: str | None = strawberry.field(description="Why no answer came, as a sentence.")
    answer: str | None = strawberry.field(description="The beginning of the answer's body, as text.")


@strawberry.type(description="A message for one endpoint, and what became of it. Kept for 30 days.")
class WebhookDelivery(Node):
    """A delivery as shown; make it with `delivery_node`."""

    number: strawberry.Private[WebhookDeliveryId]
    endpoint_id: strawberry.ID = strawberry.field(description="The endpoint it is for.")
    message_id: str = strawberry.field(
        description="The `webhook-id` of the message: the same at each attempt and whenever it is sent again, and at "
        "all endpoints that are told of the same event."
    )
    type: str = strawberry.field(description="The `type` of the message, such as `budget.alert`, or `test.ping`.")
    state: DeliveryState = strawberry.field(description="How far it is.")
    body: str | None = strawberry.field(description="The message as sent, in JSON; null before its first attempt.")
    attempt_count: int = strawberry.field(description="How many attempts were made.")
    next_attempt_at: datetime | None = strawberry.field(
        description="When it is due; later where its endpoint is left alone after failures. Null when none is to come."
    )
    created_at: datetime = strawberry.field(description="When what it tells of happened.")
    settled_at: datetime | None = strawberry.field(description="When it was taken or given up.")

    @strawberry.field(description=f"Its latest attempts, newest first, {ATTEMPTS_SHOWN_MAX} at most.")
    async def attempts(self, info: Info) -> list[WebhookAttempt]:
        return await info.context.loader(load_attempts).load(self.number)


@strawberry.type(description="A server of the viewer's own that is told what happens, by signed webhooks.")
class WebhookEndpoint(Node):
    """An endpoint as shown; make it with `endpoint_node`."""

    url: str = strawberry.field(description="Where messages are posted to.")
    description: str = strawberry.field(description="What the viewer calls it; may be empty.")
    events: list[WebhookEvent] | None = strawberry.field(
        description="What it is told of; null for everything, also for what becomes possible later."
    )
    enabled: bool = strawberry.field(description="Whether it is told anything.")
    disabled_reason: DisabledReason | None = strawberry.field(
        description="Why the server switched it off; null where it did not."
    )
    failing_since: datetime | None = strawberry.field(
        description="Since when attempts have failed without a success between them; null when the last one succeeded."
    )
    created_at: datetime = strawberry.field(description="When it was added.")
    secret_created_at: datetime = strawberry.field(description="When its present secret was made.")
    old_secret_valid_until: datetime | None = strawberry.field(
        description="Until when messages are signed with the secret before as well; null when only one signs."
    )


def endpoint_node(row: Endpoint, now: datetime) -> WebhookEndpoint:
    """Return an endpoint as shown."""
    until = row.old_secret_until
    return WebhookEndpoint(
        id=encode_id("WebhookEndpoint", row.endpoint_id),
        url=row.url,
        description=row.description,
        events=None if row.event_types is None else [WebhookEvent(name) for name in row.event_types],
        enabled=row.enabled,
        disabled_reason=row.disabled_reason,
        failing_since=row.failing_since,
        created_at=row.created_at,
        secret_created_at=row.secret_created_at,
        old_secret_valid_until=until if until is not None and until > now else None,
    )


def delivery_node(row: DeliveryRow) -> WebhookDelivery:
    """Return a delivery as shown."""
    return WebhookDelivery(
        id=encode_id("WebhookDelivery", row.delivery_id),
        number=row.delivery_id,
        endpoint_id=encode_id("WebhookEndpoint", row.endpoint_id),
        message_id=row.message_id,
        type=row.type,
        state=row.state,
        body=row.body,
        attempt_count=row.attempts,
        next_attempt_at=row.next_attempt_at if row.state is DeliveryState.DUE else None,
        created_at=row.created_at,
        settled_at=row.settled_at,
    )


def decode_endpoint_id(text: str, field: str = "id") -> WebhookEndpointId:
    """Read the global id of an endpoint; raise `InvalidInput` when it is none."""
    return WebhookEndpointId(decode_id("WebhookEndpoint", text, field=field))


def decode_delivery_id(text: str) -> WebhookDeliveryId:
    """Read the global id of a delivery; raise `InvalidInput` when it is none."""
    return WebhookDeliveryId(decode_id("WebhookDelivery", text))


async def load_attempts(context: Context, numbers: list[WebhookDeliveryId]) -> list[list[WebhookAttempt]]:
    """Return the attempts of each delivery."""
    async with context.person() as conn:
        rows = await store.attempts(conn, context.user_id, numbers, ATTEMPTS_SHOWN_MAX)
    found: dict[WebhookDeliveryId, list[WebhookAttempt]] = defaultdict(list)
    for row in rows:
        found[row.delivery_id].append(_attempt(row))
    return [found[number] for number in numbers]


def _attempt(row: AttemptRow) -> WebhookAttempt:
    return WebhookAttempt(
        number=row.attempt,
        at=row.at,
        milliseconds=row.milliseconds,
        status_code=row.status_code,
        error=row.error,
        answer=row.answer,
    )


async def load_endpoints(context: Context, numbers: list[int]) -> Sequence[WebhookEndpoint | None]:
    """Return the viewer's endpoints in the order of the ids, None for ids that are not theirs."""
    async with context.person() as conn:
        rows = await service.list_endpoints(conn, context.user_id)
    nodes = {row.endpoint_id: endpoint_node(row, context.now()) for row in rows}
    return [nodes.get(WebhookEndpointId(number)) for number in numbers]


async def load_deliveries(context: Context, numbers: list[int]) -> Sequence[WebhookDelivery | None]:
    """Return the viewer's deliveries in the order of the ids, None for ids that are not theirs."""
    wanted = [WebhookDeliveryId(number) for number in numbers]
    async with context.person() as conn:
        rows = await store.deliveries_by_ids(conn, context.user_id, wanted)
    return [delivery_node(rows[number]) if number in rows else None for number in wanted]


register_node("WebhookEndpoint", load_endpoints)
register_node("WebhookDelivery", load_deliveries)
