"""Messages are signed as Standard Webhooks says, and tried again less and less often."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from mintql.domain import outgoing_webhooks as webhooks
from mintql.domain.notices import NoticeKind

NOW = datetime(2026, 11, 2, 8, tzinfo=UTC)


def test_a_signature_is_the_one_that_the_specifications_own_libraries_expect() -> None:
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = webhooks.signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_each_secret_that_holds_signs_and_another_one_does_not_verify() -> None:
    old, new = b"o" * 32, b"n" * 32
    headers = webhooks.signed_headers([new, old], "evt_1_2", 1_700_000_000, b"{}")
    assert headers["webhook-id"] == "evt_1_2"
    assert headers["webhook-timestamp"] == "1700000000"
    found = headers["webhook-signature"].split(" ")
    for secret, signed in zip([new, old], found, strict=True):
        version, _, mac = signed.partition(",")
        assert version == "v1"
        independent(secret).verify(base64.b64decode(mac))
    with pytest.raises(InvalidSignature):
        independent(b"x" * 32).verify(base64.b64decode(found[0].partition(",")[2]))


def independent(secret: bytes) -> HMAC:
    mac = HMAC(secret, SHA256())
    mac.update(b"evt_1_2.1700000000.{}")
    return mac


def test_a_secret_is_written_with_its_prefix_and_reads_back_to_the_same_bytes() -> None:
    written = webhooks.write_secret(bytes(range(32)))
    assert written.startswith("whsec_")
    assert base64.b64decode(written.removeprefix("whsec_")) == bytes(range(32))


def test_a_delivery_is_tried_ten_times_over_three_days_and_then_given_up() -> None:
    at, pauses = NOW, []
    for tries in range(1, webhooks.TRIES_MAX):
        after = webhooks.retry_at(at, tries, None, 0.0)
        assert after is not None
        pauses.append(after - at)
        at = after
    assert webhooks.TRIES_MAX == 10
    assert pauses == sorted(pauses)
    assert pauses[0] == timedelta(seconds=5)
    assert at - NOW == timedelta(hours=75, minutes=35, seconds=5)
    assert webhooks.retry_at(at, webhooks.TRIES_MAX, None, 0.0) is None


def test_a_pause_has_jitter_and_is_no_shorter_than_the_receiver_asks_for() -> None:
    assert webhooks.retry_at(NOW, 2, None, 0.5) == NOW + timedelta(seconds=330)
    assert webhooks.retry_at(NOW, 1, timedelta(hours=1), 0.5) == NOW + timedelta(hours=1)
    assert webhooks.retry_at(NOW, 1, timedelta(days=400), 0.5) == NOW + timedelta(hours=24)


def test_an_endpoint_that_fails_in_a_row_is_left_alone_for_longer_up_to_five_minutes() -> None:
    pauses = [(webhooks.paused_until(NOW, failures, None) - NOW).total_seconds() for failures in range(1, 8)]
    assert pauses == [1, 5, 15, 60, 300, 300, 300]
    assert webhooks.paused_until(NOW, 1, timedelta(seconds=90)) == NOW + timedelta(seconds=90)


def test_each_kind_of_notification_is_offered() -> None:
    offered = {event.value for event in webhooks.WebhookEvent}
    assert {webhooks.type_of_notice(kind) for kind in NoticeKind} <= offered
