"""Webhooks as Plaid sends them: JSON, signed with ES256, to addresses on this machine only."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from mintql.sandbox.plaid_errors import PlaidRefusal, login_required
from mintql.sandbox.plaid_store import Item, PlaidStore

SEND_SECONDS = 5.0
NUMBER_BYTES = 32
ENDING_DAYS = 7


class Signer:
    """The key that webhooks are signed with: made at the first use, kept in the file."""

    def __init__(self, store: PlaidStore) -> None:
        self._store = store

    def sign(self, body: bytes, now: int) -> str:
        """Return the value of the header `Plaid-Verification` for this body, signed at this Unix time."""
        key_id, kept = self._store.signing_key() or self._make_key(now)
        header = {"alg": "ES256", "kid": key_id, "typ": "JWT"}
        claims = {"iat": now, "request_body_sha256": hashlib.sha256(body).hexdigest()}
        signed = f"{_encode(json.dumps(header).encode())}.{_encode(json.dumps(claims).encode())}"
        r, s = decode_dss_signature(_private(kept).sign(signed.encode(), ec.ECDSA(SHA256())))
        return f"{signed}.{_encode(r.to_bytes(NUMBER_BYTES, 'big') + s.to_bytes(NUMBER_BYTES, 'big'))}"

    def _make_key(self, now: int) -> tuple[str, bytes]:
        made = ec.generate_private_key(ec.SECP256R1())
        packed = made.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return self._store.add_key(str(uuid.uuid4()), packed, now)

    def public_key(self, key_id: str) -> dict[str, Any]:
        """Return the JSON Web Key of a key id, as `/webhook_verification_key/get` tells it."""
        kept = self._store.key(key_id)
        if kept is None:
            raise PlaidRefusal(
                "INVALID_INPUT", "INVALID_WEBHOOK_VERIFICATION_KEY_ID", "invalid key_id provided: no such key"
            )
        numbers = _private(kept[0]).public_key().public_numbers()
        return {
            "alg": "ES256",
            "created_at": kept[1],
            "crv": "P-256",
            "expired_at": None,
            "kid": key_id,
            "kty": "EC",
            "use": "sig",
            "x": _encode(numbers.x.to_bytes(NUMBER_BYTES, "big")),
            "y": _encode(numbers.y.to_bytes(NUMBER_BYTES, "big")),
        }


def payload(item: Item, code: str, *, account_id: str, now: datetime) -> dict[str, Any]:
    """Return what the webhook of this code says about an item.

    Raises:
        PlaidRefusal: There is no such webhook.
    """
    ends = f"{(now + timedelta(days=ENDING_DAYS)).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    by_code: Mapping[str, Mapping[str, Any]] = {
        "SYNC_UPDATES_AVAILABLE": {"initial_update_complete": True, "historical_update_complete": True},
        "DEFAULT_UPDATE": {"new_transactions": 0, "error": None},
        "ERROR": {"error": {**login_required().body(), "status": 400}},
        "LOGIN_REPAIRED": {},
        "NEW_ACCOUNTS_AVAILABLE": {"error": None},
        "PENDING_DISCONNECT": {"reason": "INSTITUTION_MIGRATION", "disconnect_time": ends},
        "PENDING_EXPIRATION": {"consent_expiration_time": ends},
        "USER_ACCOUNT_REVOKED": {"account_id": account_id},
        "USER_PERMISSION_REVOKED": {"error": None},
    }
    if code not in by_code:
        raise PlaidRefusal(
            "SANDBOX_ERROR", "SANDBOX_WEBHOOK_INVALID", f"webhook_code must be one of {', '.join(by_code)}"
        )
    kind = "TRANSACTIONS" if code in ("SYNC_UPDATES_AVAILABLE", "DEFAULT_UPDATE") else "ITEM"
    return {
        "environment": "sandbox",
        "item_id": item.item_id,
        "webhook_code": code,
        "webhook_type": kind,
        **by_code[code],
    }


async def send(url: str | None, body: bytes, signature: str) -> None:
    """Post a webhook, whatever the answer to it.

    Raises:
        PlaidRefusal: The item has no address for webhooks, none on this machine, or nobody is there.
    """
    if url is None or not _is_local(url):
        raise _invalid("webhook for this item has not been set up, or is not an address on this machine")
    headers = {"content-type": "application/json", "Plaid-Verification": signature}
    try:
        async with httpx.AsyncClient(timeout=SEND_SECONDS, trust_env=False) as client:
            await client.post(url, content=body, headers=headers)
    except httpx.HTTPError:
        raise _invalid("nobody answers where the webhook of this item goes") from None


def _invalid(message: str) -> PlaidRefusal:
    return PlaidRefusal("SANDBOX_ERROR", "SANDBOX_WEBHOOK_INVALID", message)


def _is_local(url: str) -> bool:
    try:
        host = httpx.URL(url).host
        return host == "localhost" or ip_address(host).is_loopback
    except (httpx.InvalidURL, ValueError):
        return False


def _private(packed: bytes) -> ec.EllipticCurvePrivateKey:
    key = load_der_private_key(packed, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("the file keeps a key of another kind")
    return key


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
