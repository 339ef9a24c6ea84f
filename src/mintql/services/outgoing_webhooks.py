"""Webhooks to servers of a person's own: where they go, what signs them, and what became of each."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from mintql.domain import audit as words
from mintql.domain.errors import InvalidInput, NotFound, RateLimited
from mintql.domain.ids import EventSeq, UserId, WebhookDeliveryId, WebhookEndpointId
from mintql.domain.outgoing_webhooks import SECRET_BYTES, TEST_TYPE, WebhookEvent, type_of_notice, write_secret
from mintql.domain.wording import fits_a_line
from mintql.gateways.http_addresses import AllowList, Loopback, checked_url
from mintql.gateways.vault import Vault
from mintql.services import audit
from mintql.services.effects import Effects, Job
from mintql.settings import Settings
from mintql.store import notices_read
from mintql.store import outgoing_webhooks as store
from mintql.store.locks import lock_users
from mintql.store.outgoing_webhooks import DeliveryRow, Endpoint
from mintql.store.queries import Conn

ENDPOINTS_MAX: Final = 10
"""Of a person: each is a request for each event."""
DESCRIPTION_LENGTH_MAX: Final = 200
"""A line or two of a list; the table holds to it as well."""
ROTATION_OVERLAP: Final = timedelta(days=1)
"""For so long a secret that was replaced signs beside the new one."""
TESTS_MAX: Final = 5
TESTS_WINDOW: Final = timedelta(minutes=1)
"""A person's tests within the window: they go to any server that the person names."""

DELIVER: Final = Job("deliver_webhooks")


@dataclass(frozen=True, slots=True)
class EndpointWish:
    """What an endpoint is to be. `events` None: all there are, also those that come later."""

    url: str
    description: str = ""
    events: Sequence[WebhookEvent] | None = None
    enabled: bool = True


def allowed_of(settings: Settings) -> AllowList:
    """Return where webhooks may go beside the public internet: nowhere, but for a developer's own machine."""
    return Loopback() if settings.environment == "development" else frozenset()


async def list_endpoints(conn: Conn, user_id: UserId) -> list[Endpoint]:
    """Return a person's endpoints, oldest first."""
    return await store.endpoints(conn, user_id)


async def add(
    conn: Conn, vault: Vault, user_id: UserId, wish: EndpointWish, allowed: AllowList, now: datetime
) -> tuple[Endpoint, str]:
    """Add an endpoint; return it and its secret, which nobody is shown again.

    Raises:
        InvalidInput: The address may not be reached, there are too many endpoints, or a text is too long.
    """
    checked = _checked(wish, allowed)
    await lock_users(conn, [user_id])
    if len(await store.endpoints(conn, user_id)) >= ENDPOINTS_MAX:
        raise InvalidInput(f"There are {ENDPOINTS_MAX} webhook endpoints already; remove one first.", field="url")
    endpoint_id = await store.add_endpoint(
        conn, user_id, checked.url, checked.description, checked.events, checked.enabled, now
    )
    secret = await _new_secret(conn, vault, user_id, endpoint_id, 1, now)
    await _record(conn, user_id, words.WEBHOOK_ADDED, endpoint_id, now)
    return await find(conn, user_id, endpoint_id), secret


async def change(
    conn: Conn, user_id: UserId, endpoint_id: WebhookEndpointId, wish: EndpointWish, allowed: AllowList, now: datetime
) -> Endpoint:
    """Write an endpoint anew. Switched off, it is told nothing, and what waited for it is given up.

    Raises:
        NotFound: There is no such endpoint.
        InvalidInput: The address may not be reached, or a text is too long.
    """
    checked = _checked(wish, allowed)
    await lock_users(conn, [user_id])
    had = await find(conn, user_id, endpoint_id)
    events = None if checked.events is None else tuple(event.value for event in checked.events)
    wanted = replace(had, url=checked.url, description=checked.description, event_types=events, enabled=checked.enabled)
    await store.change_endpoint(conn, user_id, wanted)
    if not checked.enabled:
        await store.give_up(conn, user_id, endpoint_id, now)
    await _record(conn, user_id, words.WEBHOOK_CHANGED, endpoint_id, now)
    return await find(conn, user_id, endpoint_id)


async def remove(conn: Conn, user_id: UserId, endpoint_id: WebhookEndpointId, now: datetime) -> None:
    """Remove an endpoint with its secrets and deliveries; raise `NotFound` when there is none."""
    await lock_users(conn, [user_id])
    await find(conn, user_id, endpoint_id)
    await store.remove_endpoint(conn, user_id, endpoint_id)
    await _record(conn, user_id, words.WEBHOOK_REMOVED, endpoint_id, now)


async def rotate(
    conn: Conn, vault: Vault, user_id: UserId, endpoint_id: WebhookEndpointId, now: datetime
) -> tuple[Endpoint, str]:
    """Give an endpoint a new secret; the one before signs beside it for `ROTATION_OVERLAP`, older ones no longer."""
    await lock_users(conn, [user_id])
    await find(conn, user_id, endpoint_id)
    newest = (await store.secret_numbers(conn, user_id, endpoint_id))[0]
    await store.retire_secret(conn, user_id, endpoint_id, newest, now + ROTATION_OVERLAP)
    secret = await _new_secret(conn, vault, user_id, endpoint_id, newest + 1, now)
    await _record(conn, user_id, words.WEBHOOK_SECRET_ROTATED, endpoint_id, now)
    return await find(conn, user_id, endpoint_id), secret


async def send_test(
    conn: Conn, user_id: UserId, endpoint_id: WebhookEndpointId, now: datetime
) -> tuple[DeliveryRow, Effects]:
    """Have a test message sent, whatever types the endpoint wants.

    Raises:
        NotFound: There is no such endpoint.
        InvalidInput: It is switched off.
        RateLimited: Too many tests within a minute.
    """
    await lock_users(conn, [user_id])
    _check_enabled(await find(conn, user_id, endpoint_id))
    if await store.tests_since(conn, user_id, TEST_TYPE, now - TESTS_WINDOW) >= TESTS_MAX:
        raise RateLimited(
            f"No more than {TESTS_MAX} tests can be sent within a minute; try again in one.",
            retry_at=now + TESTS_WINDOW,
        )
    delivery_id = await store.add_test(conn, user_id, endpoint_id, TEST_TYPE, now)
    return await _delivery(conn, user_id, delivery_id), Effects(jobs=[DELIVER])


async def resend(
    conn: Conn, user_id: UserId, delivery_id: WebhookDeliveryId, now: datetime
) -> tuple[DeliveryRow, Effects]:
    """Send a delivery again, whatever became of it: the same body under the same message id.

    Raises:
        NotFound: There is no such delivery.
        InvalidInput: Its endpoint is switched off.
    """
    await lock_users(conn, [user_id])
    row = await _delivery(conn, user_id, delivery_id)
    _check_enabled(await find(conn, user_id, row.endpoint_id))
    await store.send_again(conn, user_id, row, now)
    return await _delivery(conn, user_id, delivery_id), Effects(jobs=[DELIVER])


async def fan_out_notice(conn: Conn, user_id: UserId, seq: EventSeq, now: datetime) -> Effects:
    """Make the deliveries of a notification's event for the endpoints that want its kind; may be repeated."""
    notice = await notices_read.by_event(conn, user_id, seq)
    if notice is None:
        return Effects()
    made = await store.fan_out(conn, user_id, seq, type_of_notice(notice.kind), now)
    return Effects(jobs=[DELIVER] if made else [])


async def find(conn: Conn, user_id: UserId, endpoint_id: WebhookEndpointId) -> Endpoint:
    """Return one of a person's endpoints; raise `NotFound` when there is none."""
    for endpoint in await store.endpoints(conn, user_id):
        if endpoint.endpoint_id == endpoint_id:
            return endpoint
    raise NotFound("There is no such webhook endpoint.", field="id")


async def _delivery(conn: Conn, user_id: UserId, delivery_id: WebhookDeliveryId) -> DeliveryRow:
    found = await store.deliveries_by_ids(conn, user_id, [delivery_id])
    if delivery_id not in found:
        raise NotFound("There is no such delivery of a webhook.", field="id")
    return found[delivery_id]


async def _new_secret(
    conn: Conn, vault: Vault, user_id: UserId, endpoint_id: WebhookEndpointId, secret_no: int, now: datetime
) -> str:
    secret = secrets.token_bytes(SECRET_BYTES)
    sealed = vault.seal_webhook(user_id, endpoint_id, secret_no, secret)
    columns = (sealed.key_version, sealed.wrapped_key, sealed.ciphertext)
    await store.add_secret(conn, user_id, endpoint_id, secret_no, columns, now)
    return write_secret(secret)


async def _record(conn: Conn, user_id: UserId, act: str, endpoint_id: WebhookEndpointId, now: datetime) -> None:
    # The number and not the address: an address may hold a token.
    await audit.record(conn, user_id, act, now, {"webhook_endpoint_id": endpoint_id})


def _check_enabled(endpoint: Endpoint) -> None:
    if not endpoint.enabled:
        raise InvalidInput("This webhook endpoint is switched off; switch it on first.", field="id")


def _checked(wish: EndpointWish, allowed: AllowList) -> EndpointWish:
    """Return the wish as it is stored."""
    url = str(checked_url(wish.url.strip(), allowed))
    description = wish.description.strip()
    if len(description) > DESCRIPTION_LENGTH_MAX:
        raise InvalidInput(
            f"The description has {len(description)} characters; {DESCRIPTION_LENGTH_MAX} are the most.",
            field="description",
        )
    if not fits_a_line(description):
        raise InvalidInput("The description has to be one line of visible characters.", field="description")
    if wish.events is not None and not wish.events:
        raise InvalidInput("Name at least one event; leave `events` out for all of them.", field="events")
    events = None if wish.events is None else list(dict.fromkeys(wish.events))
    return EndpointWish(url, description, events, wish.enabled)
