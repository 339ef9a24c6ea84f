"""Doing once what is asked under a key, however often it is asked.

The key is written down in the transaction that makes the change, so that the two are there together or not at all,
whatever dies when. The answer is kept in a second step. A retry that finds the key without an answer is told so, and
changes nothing.

What changed nothing leaves no trace of its key: a failure may be tried again under it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from mintql.domain.idempotency import KEPT_DAYS, AlreadyApplied, KeyInUse, KeyReused
from mintql.domain.ids import UserId
from mintql.domain.wording import shown
from mintql.gateways.vault import Sealed, SecretUnreadable, Vault
from mintql.store import idempotency as store
from mintql.store.queries import Conn

KEPT = timedelta(days=KEPT_DAYS)
ANSWER_BYTES_MAX = 256 * 1024
"""A larger answer is not kept: a retry is told that the change was made, and reads it."""
WAIT_SECONDS_MAX = 5.0
"""How long a request waits for another one with its key, and for the answer to it."""


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A key and what it stands for: the `fingerprint` of a mutation with its arguments and selection."""

    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Applied:
    """What was asked under a key is done. `answer` is None while there is none, or because it got lost."""

    request: KeyedRequest
    at: datetime
    answer: bytes | None

    def told(self) -> bytes:
        """Return the answer; raise `AlreadyApplied` without one."""
        if self.answer is None:
            raise AlreadyApplied(
                f"What you asked under the idempotency key {shown(self.request.key)} was done at "
                f"{self.at.isoformat(timespec='seconds')}, and its answer is not kept. Nothing was done again: read "
                "what you need, and use a new key for the next change."
            )
        return self.answer


def in_use(key: str) -> KeyInUse:
    """Return the failure of a request whose key another one is at."""
    return KeyInUse(
        f"A request with the idempotency key {shown(key)} is still under way; send it again in a few seconds."
    )


async def find(conn: Conn, vault: Vault, user_id: UserId, request: KeyedRequest, now: datetime) -> Applied | None:
    """Return what was done under a key in the last day.

    Raises:
        KeyReused: Something else was done under it.
    """
    row = await store.find(conn, user_id, request.key, now - KEPT)
    if row is None:
        return None
    if row.fingerprint != request.fingerprint:
        raise KeyReused(
            f"The idempotency key {shown(request.key)} was used for another mutation, other arguments or another "
            "selection; use a new key for what is to be done anew.",
            field="idempotencyKey",
        )
    try:
        answer = None if row.answer is None else vault.open_answer(user_id, request.key, Sealed(*row.answer))
    except SecretUnreadable:
        answer = None
    return Applied(request, row.created_at, answer)


async def begin(conn: Conn, vault: Vault, user_id: UserId, request: KeyedRequest, now: datetime) -> Applied | None:
    """Keep others from a key until the transaction ends; return what was done under it before.

    Raises:
        KeyInUse: Another transaction has it now.
        KeyReused: Something else was done under it.
    """
    if not await store.try_lock(conn, user_id, request.key):
        raise in_use(request.key)
    return await find(conn, vault, user_id, request, now)


async def record(conn: Conn, user_id: UserId, request: KeyedRequest, now: datetime) -> bool:
    """Write a key down in the transaction that does what it stands for, if that has changed anything.

    The transaction began with `begin`. Through a share it went over to the owner; the key is the member's.
    """
    if not await store.go_back_to(conn, user_id):
        return False
    if not await store.record(conn, user_id, request.key, request.fingerprint, now, now - KEPT):
        raise in_use(request.key)
    return True


async def keep_answer(
    conn: Conn, vault: Vault, user_id: UserId, request: KeyedRequest, answer: bytes, now: datetime
) -> None:
    """Keep the answer for whoever asks again within a day, sealed."""
    if len(answer) <= ANSWER_BYTES_MAX:
        sealed = vault.seal_answer(user_id, request.key, answer)
        parts = (sealed.key_version, sealed.wrapped_key, sealed.ciphertext)
        await store.keep_answer(conn, user_id, request.key, request.fingerprint, now, now - KEPT, parts)
