"""Incoming webhooks: whether they come from who they say, before a word of them is believed.

An institution signs with ES256 (ECDSA on P-256 with SHA-256): the header `Plaid-Verification` holds a JSON Web
Token (RFC 7519, RFC 7515) whose claims name the SHA-256 of the body and when it was signed. Only that one
algorithm is taken, whatever the token names, and only keys that the institution gives for the key id. A
webhook that is older than five minutes is refused, so that one that was overheard cannot be played back later.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from mintql.domain.errors import Failure

SIGNATURE_HEADER = "plaid-verification"
ALGORITHM = "ES256"
AGE_SECONDS_MAX = 300
AHEAD_SECONDS_MAX = 60
"""The institution's clock may be ahead of ours by this much."""
TOKEN_LENGTH_MAX = 4096
BODY_LIMIT_BYTES = 256 * 1024
"""Webhooks tell what happened, not the data: real ones have some hundred bytes."""
NUMBER_BYTES = 32
"""A coordinate on P-256, and each half of a signature."""

_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,100}", re.ASCII)

Keys = Callable[[str], Awaitable[Mapping[str, Any]]]
"""Gives the JSON Web Key (RFC 7517) of a key id."""
Event = TypeVar("Event")
Event_co = TypeVar("Event_co", covariant=True)


class WebhookRefused(Failure):
    """A webhook is not from who it says, or not from now; the message says what is wrong with it."""

    code = "WEBHOOK_REFUSED"


class WebhookSource(Protocol[Event_co]):
    """A connector whose institution sends webhooks."""

    async def webhook_key(self, key_id: str) -> Mapping[str, Any]:
        """Return the public key of this id, or raise an `InstitutionFailure`."""
        ...

    def webhook_event(self, payload: Mapping[str, Any]) -> Event_co | None:
        """Return what a verified webhook asks for; None for nothing."""
        ...


async def read_webhook(
    source: WebhookSource[Event], headers: Mapping[str, str], body: bytes, now: datetime
) -> Event | None:
    """Verify a webhook and return what it asks for; None where it asks for nothing.

    Raises:
        WebhookRefused: As for `verify`.
        InstitutionFailure: The key could not be had just now; the institution sends the webhook again.
    """
    return source.webhook_event(await verify(headers, body, source.webhook_key, now))


async def verify(headers: Mapping[str, str], body: bytes, keys: Keys, now: datetime) -> dict[str, Any]:
    """Return the body of a webhook as an object, once its signature, age and digest are right.

    Args:
        headers: Names in any case.
        body: The bytes as they were sent: the digest is over them, not over what they mean.
        keys: Asked for the key that the token names, after all that can be checked without it.
        now: Aware.

    Raises:
        WebhookRefused: No signature, another algorithm, a key that is unknown or has expired, a signature
            that is not of this key, too old or from the future, of another body, or no JSON object.
        InstitutionFailure: `keys` could not give the key.
    """
    if len(body) > BODY_LIMIT_BYTES:
        raise WebhookRefused(f"The webhook has more than {BODY_LIMIT_BYTES} bytes.")
    token = next((value for name, value in headers.items() if name.lower() == SIGNATURE_HEADER), "")
    if not token or len(token) > TOKEN_LENGTH_MAX:
        raise WebhookRefused("The webhook carries no signature that can be read.")
    signed, _, signature_text = token.rpartition(".")
    header_text, _, claims_text = signed.partition(".")
    key_id = _key_id(_object(header_text))
    claims = _object(claims_text)
    _check_age(claims.get("iat"), now)
    _check_digest(claims.get("request_body_sha256"), body)
    public_key = _public_key(await keys(key_id), now)
    _check_signature(public_key, signed, _bytes(signature_text))
    return _payload(body)


def _key_id(header: Mapping[str, Any]) -> str:
    """Return the key id, when the token is signed in the one way that is taken."""
    if header.get("alg") != ALGORITHM:
        raise WebhookRefused(f"The webhook is not signed with {ALGORITHM}.")
    if "crit" in header:
        raise WebhookRefused("The webhook's signature wants an extension that is not known here.")
    key_id = header.get("kid")
    if not isinstance(key_id, str) or not _KEY_ID.fullmatch(key_id):
        raise WebhookRefused("The webhook's signature names no key.")
    return key_id


def _check_age(issued_at: object, now: datetime) -> None:
    if isinstance(issued_at, bool) or not isinstance(issued_at, int | float):
        raise WebhookRefused("The webhook does not say when it was signed.")
    # Compared as it is: a whole number of any length can be, but not be made a fraction to subtract.
    if not now.timestamp() - AGE_SECONDS_MAX <= issued_at <= now.timestamp() + AHEAD_SECONDS_MAX:
        raise WebhookRefused(f"The webhook was not signed within the last {AGE_SECONDS_MAX} seconds.")


def _check_digest(claimed: object, body: bytes) -> None:
    digest = hashlib.sha256(body).hexdigest()
    if not isinstance(claimed, str) or not hmac.compare_digest(claimed.encode("utf-8", "replace"), digest.encode()):
        raise WebhookRefused("The webhook was signed for another body.")


def _public_key(key: Mapping[str, Any], now: datetime) -> ec.EllipticCurvePublicKey:
    if (key.get("kty"), key.get("crv")) != ("EC", "P-256") or key.get("alg", ALGORITHM) != ALGORITHM:
        raise WebhookRefused("The webhook's key is not of the kind that webhooks are signed with.")
    expired_at = key.get("expired_at")
    if expired_at is not None and not (isinstance(expired_at, int | float | Decimal) and expired_at > now.timestamp()):
        raise WebhookRefused("The webhook's key has expired.")
    x, y = (_bytes(str(key.get(name, ""))) for name in ("x", "y"))
    try:
        if len(x) != NUMBER_BYTES or len(y) != NUMBER_BYTES:
            raise ValueError("a coordinate has another length")  # noqa: TRY301
        return ec.EllipticCurvePublicNumbers(
            int.from_bytes(x, "big"), int.from_bytes(y, "big"), ec.SECP256R1()
        ).public_key()
    except ValueError:
        raise WebhookRefused("The webhook's key is no point of its curve.") from None


def _check_signature(public_key: ec.EllipticCurvePublicKey, signed: str, signature: bytes) -> None:
    """Check a signature as JSON Web Signatures write it: both numbers, one after the other (RFC 7518, 3.4)."""
    if len(signature) != 2 * NUMBER_BYTES:
        raise WebhookRefused("The webhook's signature has another length.")
    r, s = (int.from_bytes(half, "big") for half in (signature[:NUMBER_BYTES], signature[NUMBER_BYTES:]))
    try:
        public_key.verify(encode_dss_signature(r, s), signed.encode(), ec.ECDSA(SHA256()))
    except InvalidSignature:
        raise WebhookRefused("The webhook's signature is not of its key.") from None


def _payload(body: bytes) -> dict[str, Any]:
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        payload = None
    if not isinstance(payload, dict):
        raise WebhookRefused("The webhook is not a JSON object.")
    return payload


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(_bytes(text))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise WebhookRefused("The webhook's signature cannot be read.")
    return value


def _bytes(text: str) -> bytes:
    """Decode base64url without padding; raise `WebhookRefused` for anything else."""
    try:
        return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise WebhookRefused("The webhook's signature cannot be read.") from None
