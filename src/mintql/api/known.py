"""What pages of a person rest on and seldom changes, kept by this process for a moment: categories, accounts, limits.

They are kept with the version of the person's data that held before they were read (`gateways/cache.py`), and count
only while it still holds. Only reads that are answered by a plan use them.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Any

from mintql.domain.categories import CategoryTree
from mintql.domain.ids import UserId
from mintql.services.budgets import Limits

PERSONS_MAX = 5_000
KEPT_SECONDS = 10.0
"""Bound on how old they can be where Redis did not learn of a change."""


class Known:
    """What is known of one person.

    `tree` and `limits` once they were read, and `accounts` as GraphQL shows them, by number.
    """

    __slots__ = ("accounts", "ends_at", "limits", "tree", "version")

    def __init__(self, version: str) -> None:
        self.version = version
        self.ends_at = time.monotonic() + KEPT_SECONDS
        self.tree: CategoryTree | None = None
        self.limits: Limits | None = None
        self.accounts: dict[int, Any] = {}


class KnownPersons:
    """What is known of up to `PERSONS_MAX` persons; the least recently used are forgotten first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[UserId, Known] = OrderedDict()

    def of(self, user_id: UserId, version: str) -> Known:
        """Return what is known under the version that holds; nothing at first, to be filled by who reads it."""
        found = self._kept.get(user_id)
        if found is None or found.version != version or found.ends_at < time.monotonic():
            found = self._kept[user_id] = Known(version)
            if len(self._kept) > PERSONS_MAX:
                self._kept.popitem(last=False)
        self._kept.move_to_end(user_id)
        return found
