"""Webhooks are believed only when they are signed, now, by the institution's own key."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from mintql.domain.errors import InstitutionRateLimited, ProtocolError
from mintql.gateways.webhooks import BODY_LIMIT_BYTES, WebhookRefused, read_webhook, verify
from mintql.institutions.plaid_webhooks import (
    KEY_TTL_SECONDS,
    KEYS_MAX,
    LOOK_UPS_MAX,
    LOOK_UPS_SECONDS,
    VerificationKeys,
    WebhookEvent,
    read_event,
)

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())
BODY = b'{"webhook_type": "TRANSACTIONS", "webhook_code": "SYNC_UPDATES_AVAILABLE", "item_id": "item-1"}'


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def jwk(key=KEY, **changes):
    numbers = key.public_key().public_numbers()
    x, y = (encoded(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
    return {"alg": "ES256", "kty": "EC", "crv": "P-256", "kid": "k", "x": x, "y": y, "expired_at": None} | changes


def token(body=BODY, *, key=KEY, issued_at=NOW, header=None, claims=None) -> str:
    said = {"iat": issued_at.timestamp(), "request_body_sha256": hashlib.sha256(body).hexdigest()} | (claims or {})
    parts = ({"alg": "ES256", "kid": "k", "typ": "JWT"} | (header or {}), said)
    signed = ".".join(encoded(json.dumps(part).encode()) for part in parts)
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(SHA256())))
    return f"{signed}.{encoded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


async def verified(value, body=BODY, *, key=None, name="Plaid-Verification"):
    async def keys(key_id):
        assert key_id == "k"
        return key or jwk()

    return await verify({"content-type": "application/json", name: value}, body, keys, NOW)


@pytest.mark.parametrize("name", ["Plaid-Verification", "plaid-verification", "PLAID-VERIFICATION"])
async def test_what_is_rightly_signed_is_believed(name):
    assert (await verified(token(), name=name))["item_id"] == "item-1"


@pytest.mark.parametrize("seconds", [-60, 0, 300])
async def test_the_signature_may_be_five_minutes_old_and_a_minute_ahead(seconds):
    assert await verified(token(issued_at=NOW - timedelta(seconds=seconds)))


@pytest.mark.parametrize("seconds", [-61, 301, 86_400])
async def test_an_old_or_a_future_webhook_is_refused(seconds):
    with pytest.raises(WebhookRefused, match="within the last 300 seconds"):
        await verified(token(issued_at=NOW - timedelta(seconds=seconds)))


@pytest.mark.parametrize(
    "issued_at", [f"{sign}{'9' * 400}" for sign in ("", "-")] + ["1e999", "NaN", "Infinity", "true"]
)
async def test_a_moment_that_is_none_is_refused(issued_at):
    header, _, signature = token().split(".")
    claims = encoded(f'{{"iat": {issued_at}, "request_body_sha256": "x"}}'.encode())
    with pytest.raises(WebhookRefused, match=r"signed within|when it was signed"):
        await verified(f"{header}.{claims}.{signature}")


async def test_another_body_is_refused_even_if_it_means_the_same():
    for body in (BODY.replace(b"item-1", b"item-2"), BODY + b" ", BODY.replace(b": ", b":")):
        with pytest.raises(WebhookRefused, match="another body"):
            await verified(token(), body)


async def test_a_signature_of_another_key_is_refused():
    with pytest.raises(WebhookRefused, match="not of its key"):
        await verified(token(key=OTHER_KEY))


@pytest.mark.parametrize("alg", ["none", "HS256", "RS256", "es256", None])
async def test_no_other_algorithm_is_taken(alg):
    with pytest.raises(WebhookRefused, match="not signed with ES256"):
        await verified(token(header={"alg": alg}))


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ({"expired_at": NOW.timestamp()}, "has expired"),
        ({"expired_at": "long ago"}, "has expired"),
        ({"crv": "P-384"}, "not of the kind"),
        ({"kty": "RSA"}, "not of the kind"),
        ({"alg": "ES384"}, "not of the kind"),
        ({"x": "AAAA"}, "no point of its curve"),
        ({"y": encoded(b"\1" * 32)}, "no point of its curve"),
        ({"x": None}, "cannot be read|no point"),
    ],
)
async def test_a_key_that_has_expired_or_is_of_another_kind_is_refused(key, words):
    with pytest.raises(WebhookRefused, match=words):
        await verified(token(), key=jwk(**key))


async def test_a_key_that_will_expire_is_good_until_then():
    assert await verified(token(), key=jwk(expired_at=NOW.timestamp() + 1))


@pytest.mark.parametrize("value", ["", ".", "..", "a.b", "a.b.c", "x" * 5000, "é.é.é", "\ud800.."])
async def test_a_broken_signature_is_refused_in_words(value):
    with pytest.raises(WebhookRefused) as refused:
        await verified(value)
    assert refused.value.message.endswith(".")


async def test_a_signature_of_another_length_is_refused():
    good = token()
    for value in (good.rpartition(".")[0] + ".AAAA", good + "AAAA", good.rpartition(".")[0] + "."):
        with pytest.raises(WebhookRefused, match=r"another length|cannot be read"):
            await verified(value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"claims": {"iat": "now"}}, "does not say when"),
        ({"claims": {"iat": True}}, "does not say when"),
        ({"claims": {"request_body_sha256": None}}, "another body"),
        ({"claims": {"request_body_sha256": "é"}}, "another body"),
        ({"header": {"kid": None}}, "names no key"),
        ({"header": {"kid": "../../keys"}}, "names no key"),
        ({"header": {"crit": ["b64"]}}, "extension"),
    ],
)
async def test_claims_that_are_missing_or_strange_are_refused(changes, words):
    with pytest.raises(WebhookRefused, match=words):
        await verified(token(**changes))


async def test_without_a_signature_or_with_a_huge_body_nothing_is_looked_up():
    async def keys(key_id):
        raise AssertionError("a key was asked for")

    for headers, body in (({}, BODY), ({"Plaid-Verification": token()}, b"x" * (BODY_LIMIT_BYTES + 1))):
        with pytest.raises(WebhookRefused):
            await verify(headers, body, keys, NOW)


async def test_a_signed_body_that_is_no_object_is_refused():
    for body in (b"[]", b"{", b"[" * 100_000):
        with pytest.raises(WebhookRefused, match="JSON object"):
            await verified(token(body), body)


async def test_reading_a_webhook_gives_what_its_source_makes_of_it():
    class Source:
        async def webhook_key(self, key_id):
            return jwk(kid=key_id)

        def webhook_event(self, payload):
            return read_event(payload)

    headers = {"plaid-verification": token()}
    event = await read_webhook(Source(), headers, BODY, NOW)
    assert event == WebhookEvent("item-1", "SYNC_UPDATES_AVAILABLE", refresh=True)
    with pytest.raises(WebhookRefused):
        await read_webhook(Source(), headers, BODY + b" ", NOW)


@pytest.mark.parametrize(
    ("kind", "code", "more", "refresh", "words"),
    [
        ("TRANSACTIONS", "SYNC_UPDATES_AVAILABLE", {}, True, ""),
        ("ITEM", "ERROR", {"error": {"error_code": "ITEM_LOGIN_REQUIRED"}}, True, ""),
        ("ITEM", "LOGIN_REPAIRED", {}, True, ""),
        ("ITEM", "USER_PERMISSION_REVOKED", {}, True, "read this bank was taken back"),
        ("ITEM", "USER_ACCOUNT_REVOKED", {"account_id": "a"}, True, "an account at this bank was taken back"),
        ("ITEM", "PENDING_DISCONNECT", {"disconnect_time": "2026-12-01T07:00:00Z"}, False, "ends on 2026-12-01"),
        ("ITEM", "PENDING_DISCONNECT", {"reason": "INSTITUTION_MIGRATION"}, False, "ends soon"),
        (
            "ITEM",
            "PENDING_EXPIRATION",
            {"consent_expiration_time": "2027-01-31T00:00:00Z"},
            False,
            "ends on 2027-01-31",
        ),
        ("ITEM", "NEW_ACCOUNTS_AVAILABLE", {}, False, "not shared"),
    ],
)
def test_each_webhook_asks_for_what_it_is_about(kind, code, more, refresh, words):
    event = read_event({"webhook_type": kind, "webhook_code": code, "item_id": "i"} | more)
    assert event is not None
    assert (event.item_id, event.code, event.refresh) == ("i", code, refresh)
    assert words in event.notice
    assert bool(words) == bool(event.notice)


@pytest.mark.parametrize(
    "payload",
    [
        {"webhook_type": "TRANSACTIONS", "webhook_code": "DEFAULT_UPDATE", "item_id": "i"},
        {"webhook_type": "ITEM", "webhook_code": "WEBHOOK_UPDATE_ACKNOWLEDGED", "item_id": "i"},
        {"webhook_type": "AUTH", "webhook_code": "ERROR", "item_id": "i"},
        {"webhook_type": "TRANSACTIONS", "webhook_code": "SYNC_UPDATES_AVAILABLE"},
        {"webhook_type": "TRANSACTIONS", "webhook_code": "SYNC_UPDATES_AVAILABLE", "item_id": ["i"]},
        {},
    ],
)
def test_other_webhooks_ask_for_nothing(payload):
    assert read_event(payload) is None


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_key_is_asked_for_once_an_hour():
    clock, asked = Clock(), []

    async def fetch(key_id):
        asked.append(key_id)
        return {"kid": key_id, "made": len(asked)}

    keys = VerificationKeys(fetch, clock)
    assert [(await keys.get("a"))["made"] for _ in range(3)] == [1, 1, 1]
    clock.now = KEY_TTL_SECONDS
    assert (await keys.get("a"))["made"] == 2
    assert asked == ["a", "a"]


async def test_a_key_that_could_not_be_had_is_asked_for_again():
    asked = []

    async def fetch(key_id):
        asked.append(key_id)
        if len(asked) == 1:
            raise ProtocolError("something else")
        return {"kid": key_id}

    keys = VerificationKeys(fetch, Clock())
    with pytest.raises(ProtocolError):
        await keys.get("a")
    assert await keys.get("a") == {"kid": "a"}


async def test_made_up_key_ids_push_no_key_out_and_become_no_requests_without_end():
    clock, asked = Clock(), []

    async def fetch(key_id):
        asked.append(key_id)
        if key_id != "real":
            raise ProtocolError("no such key")
        return {"kid": key_id}

    keys = VerificationKeys(fetch, clock)
    await keys.get("real")
    for number in range(LOOK_UPS_MAX - 1):
        with pytest.raises(ProtocolError):
            await keys.get(str(number))
    with pytest.raises(InstitutionRateLimited):
        await keys.get("one more")
    assert await keys.get("real") == {"kid": "real"}
    assert len(asked) == LOOK_UPS_MAX
    clock.now = LOOK_UPS_SECONDS
    with pytest.raises(ProtocolError):
        await keys.get("one more")


async def test_no_more_keys_are_kept_than_a_rotation_needs():
    clock, asked = Clock(), []

    async def fetch(key_id):
        asked.append(key_id)
        return {"kid": key_id}

    keys = VerificationKeys(fetch, clock)
    for number in range(KEYS_MAX + 1):
        await keys.get(str(number))
    clock.now = LOOK_UPS_SECONDS
    await keys.get(str(KEYS_MAX))
    assert len(asked) == KEYS_MAX + 1
    await keys.get("0")
    assert len(asked) == KEYS_MAX + 2
