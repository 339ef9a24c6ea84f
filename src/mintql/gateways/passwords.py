"""Passwords as argon2id hashes, worked out in threads, a bounded number at a time."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Callable
from typing import TypeVar

import argon2

from mintql.domain.errors import RateLimited

T = TypeVar("T")

PARAMETERS = argon2.profiles.RFC_9106_LOW_MEMORY
"""The second recommendation of RFC 9106, section 4: 3 passes over 64 MiB with 4 lanes."""
WAITING_MAX = 64
"""How many callers may wait for their turn; more are turned away, so that a flood cannot pile up."""


class Passwords:
    """Hashes and checks passwords, `concurrency` of them at the same time."""

    def __init__(self, concurrency: int) -> None:
        self._hasher = argon2.PasswordHasher.from_parameters(PARAMETERS)
        self._turns = asyncio.Semaphore(concurrency)
        self._waiting = 0
        self._decoy = _decoy()

    async def hash(self, password: str) -> str:
        """Return the hash to store.

        Raises:
            RateLimited: Too many callers are waiting already.
        """
        return await self._in_turn(lambda: self._hasher.hash(password))

    async def verify(self, stored: str, password: str) -> bool:
        """Tell whether the password belongs to the stored hash.

        With an empty one (nobody has this e-mail address, or they sign in without a password) the same work is done
        for nothing, so that the time of the answer does not tell who has an account.

        Raises:
            RateLimited: Too many callers are waiting already.
        """
        matches = await self._in_turn(lambda: self._matches(stored or self._decoy, password))
        return matches and bool(stored)

    def is_outdated(self, stored: str) -> bool:
        """Tell whether a hash was made with other parameters than new ones are."""
        return self._hasher.check_needs_rehash(stored)

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (argon2.exceptions.VerifyMismatchError, argon2.exceptions.InvalidHashError):
            return False

    async def _in_turn(self, work: Callable[[], T]) -> T:
        if self._waiting >= WAITING_MAX:
            raise RateLimited("Too many people are signing in at this moment. Try again in a few seconds.")
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1


def _decoy() -> str:
    """Return a hash of no password: random bytes in the place of a digest, checked at the cost of any other.

    It is written down rather than worked out, or the first answer to somebody unknown would take twice as long.
    """
    salt, digest = (
        base64.b64encode(os.urandom(length)).decode().rstrip("=")
        for length in (PARAMETERS.salt_len, PARAMETERS.hash_len)
    )
    costs = f"m={PARAMETERS.memory_cost},t={PARAMETERS.time_cost},p={PARAMETERS.parallelism}"
    return f"$argon2id$v={PARAMETERS.version}${costs}${salt}${digest}"
