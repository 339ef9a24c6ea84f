"""Secrets of connections and webhook endpoints, and kept answers, encrypted: a row is of use only where it belongs.

Each row has a data key of its own, wrapped by a key of the operator's keyring, whose version is kept
beside it. Both layers are AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce in front of the
ciphertext. The associated data names table, row, person and column: a row that was copied to another
person or place, or whose columns were swapped, is refused.
"""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mintql.domain.credentials import Credentials
from mintql.domain.ids import ConnectionId, UserId, WebhookEndpointId

NONCE_BYTES = 12
DATA_KEY_BITS = 256

Row: TypeAlias = tuple[str | int, ...]
"""The table, and the key of a row in it."""


class SecretUnreadable(Exception):  # noqa: N818
    """A sealed secret does not open: its key is not in the keyring, or the row is not what was written."""


@dataclass(frozen=True, slots=True, repr=False)
class Sealed:
    """The columns of a table of secrets: nothing in them is of use without the keyring."""

    key_version: int
    wrapped_key: bytes
    ciphertext: bytes


class Vault:
    """Seals with the highest version of `keyring` (32-byte keys by version), opens with any of them."""

    def __init__(self, keyring: Mapping[int, bytes]) -> None:
        self._keys = {version: AESGCM(key) for version, key in keyring.items()}
        self._newest = max(self._keys)
        # Of the oldest key, so that adding one to the keyring changes no fingerprint.
        self._fingerprint_key = hmac.digest(keyring[min(keyring)], b"fingerprints of logins", "sha256")

    @property
    def newest_version(self) -> int:
        """The version that seals."""
        return self._newest

    def fingerprint(self, *parts: str) -> bytes:
        """Return 32 bytes that are the same for the same parts, and say nothing to who has no keyring."""
        return hmac.digest(self._fingerprint_key, json.dumps(parts).encode(), "sha256")

    def seal(self, user_id: UserId, connection_id: ConnectionId, credentials: Credentials) -> Sealed:
        """Encrypt the credentials for this row alone."""
        parts = [credentials.url, credentials.login, credentials.password, dict(credentials.options)]
        return self._seal(_connection(user_id, connection_id), json.dumps(parts).encode())

    def open(self, user_id: UserId, connection_id: ConnectionId, sealed: Sealed) -> Credentials:
        """Decrypt what was sealed for this row; raise `SecretUnreadable` for anything else."""
        url, login, password, *more = json.loads(self._open(_connection(user_id, connection_id), sealed))
        return Credentials(url, login, password, more[0] if more else {})

    def seal_webhook(self, user_id: UserId, endpoint_id: WebhookEndpointId, secret_no: int, secret: bytes) -> Sealed:
        """Encrypt what an endpoint's deliveries are signed with, for this row alone."""
        return self._seal(("webhook_secrets", user_id, endpoint_id, secret_no), secret)

    def open_webhook(self, user_id: UserId, endpoint_id: WebhookEndpointId, secret_no: int, sealed: Sealed) -> bytes:
        """Decrypt what was sealed for this row; raise `SecretUnreadable` for anything else."""
        return self._open(("webhook_secrets", user_id, endpoint_id, secret_no), sealed)

    def seal_second_factor(self, user_id: UserId, secret: bytes) -> Sealed:
        """Encrypt what a person's codes are made from, for this row alone."""
        return self._seal(("second_factors", user_id), secret)

    def open_second_factor(self, user_id: UserId, sealed: Sealed) -> bytes:
        """Decrypt what was sealed for this row; raise `SecretUnreadable` for anything else."""
        return self._open(("second_factors", user_id), sealed)

    def seal_answer(self, user_id: UserId, key: str, answer: bytes) -> Sealed:
        """Encrypt what was answered under an idempotency key, for this row alone."""
        return self._seal(("idempotency_keys", user_id, key), answer)

    def open_answer(self, user_id: UserId, key: str, sealed: Sealed) -> bytes:
        """Decrypt what was sealed for this row; raise `SecretUnreadable` for anything else."""
        return self._open(("idempotency_keys", user_id, key), sealed)

    def _seal(self, row: Row, plain: bytes) -> Sealed:
        data_key = AESGCM.generate_key(DATA_KEY_BITS)
        wrapping_key = self._keys[self._newest]
        return Sealed(
            key_version=self._newest,
            wrapped_key=_encrypt(wrapping_key, data_key, _place(row, f"wrapped_key.{self._newest}")),
            ciphertext=_encrypt(AESGCM(data_key), plain, _place(row, "ciphertext")),
        )

    def rewrap(self, row: Row, sealed: Sealed) -> Sealed:
        """Wrap the data key of a row by the newest key; what it seals is neither opened nor changed.

        Raises:
            SecretUnreadable: The key it is wrapped by is not in the ring, or the row is not what was written.
        """
        data_key = self._unwrap(row, sealed)
        place = _place(row, f"wrapped_key.{self._newest}")
        return Sealed(self._newest, _encrypt(self._keys[self._newest], data_key, place), sealed.ciphertext)

    def _open(self, row: Row, sealed: Sealed) -> bytes:
        data_key = self._unwrap(row, sealed)
        try:
            return _decrypt(AESGCM(data_key), sealed.ciphertext, _place(row, "ciphertext"))
        except (InvalidTag, ValueError):  # ValueError: too short to hold a nonce and a tag.
            raise _moved(row) from None

    def _unwrap(self, row: Row, sealed: Sealed) -> bytes:
        version = sealed.key_version
        wrapping_key = self._keys.get(version)
        if wrapping_key is None:
            raise SecretUnreadable(f"the secret of {_named(row)} needs key version {version}")
        try:
            return _decrypt(wrapping_key, sealed.wrapped_key, _place(row, f"wrapped_key.{version}"))
        except (InvalidTag, ValueError):
            raise _moved(row) from None


def _connection(user_id: UserId, connection_id: ConnectionId) -> Row:
    return "connection_secrets", user_id, connection_id


def _named(row: Row) -> str:
    return " ".join(map(str, row))


def _moved(row: Row) -> SecretUnreadable:
    return SecretUnreadable(f"the secret of {_named(row)} is not the one sealed there")


def _place(row: Row, column: str) -> bytes:
    return json.dumps([*row, column]).encode()


def _encrypt(key: AESGCM, plain: bytes, place: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + key.encrypt(nonce, plain, place)


def _decrypt(key: AESGCM, sealed: bytes, place: bytes) -> bytes:
    return key.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place)
