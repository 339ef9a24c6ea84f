"""Webhooks to servers of persons: what they tell of, how they are signed, when they are tried again.

Source: Standard Webhooks 1.0.0 (standard-webhooks/standard-webhooks, spec/standard-webhooks.md).
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from mintql.domain.notices import NoticeKind

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - it marks a secret and is none
SECRET_BYTES: Final = 32
"""Within the 24 to 64 bytes of the specification; as long as what HMAC-SHA256 makes."""
SIGNATURE_VERSION: Final = "v1"

TEST_TYPE: Final = "test.ping"
NOTIFICATION_PREFIX: Final = "notification."

RETRY_AFTER: Final = tuple(
    timedelta(seconds=seconds) for seconds in (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
"""Pauses after the first attempt, the second and so on: the schedule that the specification gives as an example."""
TRIES_MAX: Final = len(RETRY_AFTER) + 1
PAUSE_JITTER: Final = 0.2
"""A pause is up to this share longer, so that what failed together does not come back together."""
ENDPOINT_PAUSES: Final = tuple(timedelta(seconds=seconds) for seconds in (1, 5, 15, 60, 300))
"""How long an endpoint is left alone after its first failure in a row, its second and so on, whatever else waits
for it: somebody who is overloaded is not helped by the next message."""
ASKED_PAUSE_MAX: Final = timedelta(hours=24)
"""A server that asks for a longer pause is asked again after this one."""
FAILING_MAX: Final = timedelta(days=5)
"""An endpoint that has failed for so long without a success is switched off."""


class WebhookEvent(StrEnum):
    """What an endpoint can be told of: the `type` of a message."""

    BUDGET_ALERT = "budget.alert"
    TRANSACTIONS_CHANGED = "transactions.changed"
    CONNECTION_CHANGED = "connection.changed"
    SYNC_ENDED = "sync.ended"
    NOTIFICATION_BUDGET_APPROACHING = "notification.budget_approaching"
    NOTIFICATION_BUDGET_EXCEEDED = "notification.budget_exceeded"
    NOTIFICATION_BUDGET_FORECAST = "notification.budget_forecast"
    NOTIFICATION_LARGE_TRANSACTION = "notification.large_transaction"
    NOTIFICATION_UNUSUAL_TRANSACTION = "notification.unusual_transaction"
    NOTIFICATION_RECURRING_NEW = "notification.recurring_new"
    NOTIFICATION_RECURRING_RAISED = "notification.recurring_raised"
    NOTIFICATION_LOW_BALANCE = "notification.low_balance"
    NOTIFICATION_SYNC_ATTENTION = "notification.sync_attention"
    NOTIFICATION_WEEKLY_SUMMARY = "notification.weekly_summary"
    NOTIFICATION_MONTHLY_SUMMARY = "notification.monthly_summary"


class DeliveryState(StrEnum):
    """How far a delivery is: waiting, taken by the receiver, or given up."""

    DUE = "due"
    SENT = "sent"
    DEAD = "dead"


class DisabledReason(StrEnum):
    """Why the server switched an endpoint off by itself."""

    GONE = "gone"
    FAILING = "failing"


def type_of_notice(kind: NoticeKind) -> str:
    """Return the type of the message that tells of a notification."""
    return NOTIFICATION_PREFIX + kind.value


def write_secret(secret: bytes) -> str:
    """Return a secret as the person is shown it, once."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def signature(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Return one signature, with the version of its scheme (specification, "Signature scheme")."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return f"{SIGNATURE_VERSION},{base64.b64encode(hmac.digest(secret, signed, 'sha256')).decode()}"


def signed_headers(secrets: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> Mapping[str, str]:
    """Return the headers of a message, signed with each of the secrets: while one is replaced, both hold."""
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signature(secret, message_id, timestamp, body) for secret in secrets),
    }


def retry_at(now: datetime, tries: int, asked: timedelta | None, random: float) -> datetime | None:
    """Return when a delivery is tried again after `tries` tries; None when it is given up.

    `asked` is what the receiver asked for by Retry-After; `random` is from 0 to below 1.
    """
    if tries >= TRIES_MAX:
        return None
    pause = RETRY_AFTER[tries - 1] * (1 + PAUSE_JITTER * random)
    return now + max(pause, min(asked or timedelta(), ASKED_PAUSE_MAX))


def paused_until(now: datetime, failures: int, asked: timedelta | None) -> datetime:
    """Return until when an endpoint is left alone that has failed `failures` times in a row."""
    pause = ENDPOINT_PAUSES[min(failures, len(ENDPOINT_PAUSES)) - 1]
    return now + max(pause, min(asked or timedelta(), ASKED_PAUSE_MAX))
