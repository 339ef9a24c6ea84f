"""Bearer tokens of the sandbox bank: a signed login with an end. Nothing is stored but what was logged out."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass

TOKEN_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says. `expires_at` in seconds since 1970."""

    token_id: str
    login: str
    expires_at: int


def issue(key: bytes, login: str, now: int) -> str:
    """Return a token for this login that ends in `TOKEN_SECONDS`."""
    body = json.dumps([secrets.token_hex(8), login, now + TOKEN_SECONDS]).encode()
    return f"{_encode(body)}.{_encode(_sign(key, body))}"


def read(key: bytes, text: str) -> Token | None:
    """Return what the token says when we signed it, whether it has expired or not; else None."""
    body_text, _, signature_text = text.partition(".")
    try:
        body, signature = _decode(body_text), _decode(signature_text)
    except ValueError:
        return None
    if not hmac.compare_digest(signature, _sign(key, body)):
        return None
    token_id, login, expires_at = json.loads(body)
    return Token(token_id, login, expires_at)


def _sign(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, body, hashlib.sha256)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
