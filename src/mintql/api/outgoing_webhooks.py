"""Webhooks to servers of the viewer's own: endpoints, and what became of each message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeAlias

import strawberry

from mintql.api.context import Info
from mintql.api.errors import InvalidInputError, NotFoundError, NotSignedInError, RateLimitedError
from mintql.api.outgoing_webhooks_types import (
    WebhookDelivery,
    WebhookEndpoint,
    decode_delivery_id,
    decode_endpoint_id,
    delivery_node,
    endpoint_node,
)
from mintql.api.paging import (
    Connection,
    FirstArgument,
    PageRequest,
    build_connection,
    check_size,
    decode_number,
    encode_number,
)
from mintql.api.scalars import Cursor
from mintql.domain.ids import WebhookDeliveryId
from mintql.domain.outgoing_webhooks import DeliveryState, WebhookEvent
from mintql.services import outgoing_webhooks as service
from mintql.services.outgoing_webhooks import EndpointWish
from mintql.store import outgoing_webhooks as store

CURSOR_KIND = "webhook"
NEWEST = WebhookDeliveryId(2**63 - 1)

OneEndpoint = Annotated[strawberry.ID, strawberry.argument(description="The endpoint.")]
SIGNED_WITH = (
    "What its messages are signed with: `whsec_` and base64, as libraries for Standard Webhooks take it. It is shown "
    "this once."
)


@strawberry.type(description="The endpoint is there.")
class AddWebhookEndpointSuccess:
    """What `addWebhookEndpoint` gives when it worked."""

    endpoint: WebhookEndpoint = strawberry.field(description="The new endpoint.")
    secret: str = strawberry.field(description=SIGNED_WITH)


@strawberry.type(description="The endpoint is changed.")
class ChangeWebhookEndpointSuccess:
    """What `changeWebhookEndpoint` gives when it worked."""

    endpoint: WebhookEndpoint = strawberry.field(description="The endpoint as it is now.")


@strawberry.type(description="The endpoint is gone, with its secrets and deliveries.")
class RemoveWebhookEndpointSuccess:
    """What `removeWebhookEndpoint` gives when it worked."""

    removed_id: strawberry.ID = strawberry.field(description="The endpoint that is gone.")


@strawberry.type(description="The endpoint has a new secret.")
class RotateWebhookSecretSuccess:
    """What `rotateWebhookSecret` gives when it worked."""

    endpoint: WebhookEndpoint = strawberry.field(description="The endpoint as it is now.")
    secret: str = strawberry.field(description=SIGNED_WITH)


@strawberry.type(description="The message is on its way.")
class SendTestWebhookSuccess:
    """What `sendTestWebhook` gives when it worked."""

    delivery: WebhookDelivery = strawberry.field(description="The delivery of the test; ask for it again in a moment.")


@strawberry.type(description="The message is on its way once more.")
class ResendWebhookDeliverySuccess:
    """What `resendWebhookDelivery` gives when it worked."""

    delivery: WebhookDelivery = strawberry.field(description="The delivery, due again.")


AddWebhookEndpointPayload: TypeAlias = Annotated[
    AddWebhookEndpointSuccess | InvalidInputError | NotSignedInError,
    strawberry.union("AddWebhookEndpointPayload", description="What became of `addWebhookEndpoint`."),
]
ChangeWebhookEndpointPayload: TypeAlias = Annotated[
    ChangeWebhookEndpointSuccess | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("ChangeWebhookEndpointPayload", description="What became of `changeWebhookEndpoint`."),
]
RemoveWebhookEndpointPayload: TypeAlias = Annotated[
    RemoveWebhookEndpointSuccess | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("RemoveWebhookEndpointPayload", description="What became of `removeWebhookEndpoint`."),
]
RotateWebhookSecretPayload: TypeAlias = Annotated[
    RotateWebhookSecretSuccess | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("RotateWebhookSecretPayload", description="What became of `rotateWebhookSecret`."),
]
SendTestWebhookPayload: TypeAlias = Annotated[
    SendTestWebhookSuccess | InvalidInputError | NotFoundError | RateLimitedError | NotSignedInError,
    strawberry.union("SendTestWebhookPayload", description="What became of `sendTestWebhook`."),
]
ResendWebhookDeliveryPayload: TypeAlias = Annotated[
    ResendWebhookDeliverySuccess | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("ResendWebhookDeliveryPayload", description="What became of `resendWebhookDelivery`."),
]


@strawberry.type
class OutgoingWebhooksQuery:
    """Reads of endpoints and deliveries."""

    @strawberry.field(description=f"The viewer's webhook endpoints, oldest first, {service.ENDPOINTS_MAX} at most.")
    async def webhook_endpoints(self, info: Info) -> list[WebhookEndpoint]:
        context = info.context
        async with context.person() as conn:
            rows = await service.list_endpoints(conn, context.user_id)
        return [endpoint_node(row, context.now()) for row in rows]

    @strawberry.field(description="What was sent to the viewer's webhook endpoints, or is to be, newest first.")
    async def webhook_deliveries(
        self,
        info: Info,
        endpoint_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Return only those for this endpoint.")
        ] = None,
        state: Annotated[
            DeliveryState | None, strawberry.argument(description="Return only those in this state.")
        ] = None,
        first: FirstArgument = None,
        after: Annotated[
            Cursor | None, strawberry.argument(description="Return only deliveries older than the one of this cursor.")
        ] = None,
    ) -> Connection[WebhookDelivery]:
        context = info.context
        position = None if after is None else WebhookDeliveryId(decode_number(CURSOR_KIND, after))
        wanted = None if endpoint_id is None else decode_endpoint_id(endpoint_id, "endpointId")
        request: PageRequest[WebhookDeliveryId] = PageRequest(check_size(first, "first"), after=position)
        async with context.person() as conn:
            rows = await store.deliveries(conn, context.user_id, position or NEWEST, wanted, state, request.limit)
        return build_connection(rows, request, delivery_node, lambda row: encode_number(CURSOR_KIND, row.delivery_id))


@strawberry.type
class OutgoingWebhooksMutation:
    """Changes of endpoints, and sending by hand."""

    @strawberry.mutation(
        description="Has what happens posted to a server of the viewer's own, signed as Standard Webhooks says."
    )
    async def add_webhook_endpoint(
        self,
        info: Info,
        url: Annotated[
            str,
            strawberry.argument(
                description="Where to: an https address on the public internet, which may hold a path and a query."
            ),
        ],
        description: Annotated[
            str,
            strawberry.argument(description=f"What to call it, up to {service.DESCRIPTION_LENGTH_MAX} characters."),
        ] = "",
        events: Annotated[
            list[WebhookEvent] | None, strawberry.argument(description="What to tell it of; everything, unless given.")
        ] = None,
    ) -> AddWebhookEndpointPayload:
        context = info.context
        user_id, runtime = context.user_id, context.runtime
        wish, allowed = EndpointWish(url, description, events), service.allowed_of(runtime.settings)
        async with context.person() as conn:
            row, secret = await service.add(conn, runtime.vault, user_id, wish, allowed, context.now())
        return AddWebhookEndpointSuccess(endpoint=endpoint_node(row, context.now()), secret=secret)

    @strawberry.mutation(
        description="Changes an endpoint; what is left out stays. Switched off, it is told nothing, and what waited "
        "for it is given up; switched on, its failures are forgotten."
    )
    async def change_webhook_endpoint(
        self,
        info: Info,
        id: OneEndpoint,
        url: Annotated[str | None, strawberry.argument(description="Where to.")] = None,
        description: Annotated[str | None, strawberry.argument(description="What to call it.")] = None,
        events: Annotated[
            list[WebhookEvent] | None, strawberry.argument(description="What to tell it of; null for everything.")
        ] = strawberry.UNSET,
        enabled: Annotated[bool | None, strawberry.argument(description="Whether it is told anything.")] = None,
    ) -> ChangeWebhookEndpointPayload:
        context = info.context
        user_id, endpoint_id = context.user_id, decode_endpoint_id(id)
        async with context.person() as conn:
            had = await service.find(conn, user_id, endpoint_id)
            wish = EndpointWish(
                had.url if url is None else url,
                had.description if description is None else description,
                _events(had.event_types) if events is strawberry.UNSET else events,
                had.enabled if enabled is None else enabled,
            )
            allowed = service.allowed_of(context.runtime.settings)
            row = await service.change(conn, user_id, endpoint_id, wish, allowed, context.now())
        return ChangeWebhookEndpointSuccess(endpoint=endpoint_node(row, context.now()))

    @strawberry.mutation(description="Removes an endpoint, with its secrets and everything that was sent to it.")
    async def remove_webhook_endpoint(self, info: Info, id: OneEndpoint) -> RemoveWebhookEndpointPayload:
        context = info.context
        user_id, endpoint_id = context.user_id, decode_endpoint_id(id)
        async with context.person() as conn:
            await service.remove(conn, user_id, endpoint_id, context.now())
        return RemoveWebhookEndpointSuccess(removed_id=id)

    @strawberry.mutation(
        description="Gives an endpoint a new secret. For a day messages are signed with the one before as well, so "
        "that a receiver can change over without missing any."
    )
    async def rotate_webhook_secret(self, info: Info, id: OneEndpoint) -> RotateWebhookSecretPayload:
        context = info.context
        user_id, endpoint_id = context.user_id, decode_endpoint_id(id)
        async with context.person() as conn:
            row, secret = await service.rotate(conn, context.runtime.vault, user_id, endpoint_id, context.now())
        return RotateWebhookSecretSuccess(endpoint=endpoint_node(row, context.now()), secret=secret)

    @strawberry.mutation(
        description="Sends a message of the type `test.ping` to an endpoint, whatever it is told of otherwise; "
        f"{service.TESTS_MAX} within a minute at most."
    )
    async def send_test_webhook(self, info: Info, id: OneEndpoint) -> SendTestWebhookPayload:
        context = info.context
        user_id, endpoint_id = context.user_id, decode_endpoint_id(id)
        async with context.person() as conn:
            row, effects = await service.send_test(conn, user_id, endpoint_id, context.now())
        await context.runtime.perform(effects)
        return SendTestWebhookSuccess(delivery=delivery_node(row))

    @strawberry.mutation(
        description="Sends a message again, whatever became of it before: the same body under the same `webhook-id`, "
        "signed anew."
    )
    async def resend_webhook_delivery(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The delivery.")]
    ) -> ResendWebhookDeliveryPayload:
        context = info.context
        user_id, delivery_id = context.user_id, decode_delivery_id(id)
        async with context.person() as conn:
            row, effects = await service.resend(conn, user_id, delivery_id, context.now())
        await context.runtime.perform(effects)
        return ResendWebhookDeliverySuccess(delivery=delivery_node(row))


def _events(types: Sequence[str] | None) -> list[WebhookEvent] | None:
    return None if types is None else [WebhookEvent(name) for name in types]
