"""What Plaid's webhooks tell, and the keys that they are signed with.

A webhook is a hint to look, never the data itself: whatever it tells is fetched, so that a lost, repeated or
late one does no harm. Its signature is checked by `gateways.webhooks` before anything is read here.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mintql.domain.errors import InstitutionRateLimited
from mintql.institutions import plaid_fields as read
from mintql.institutions.plaid_fields import BadRow

WEBHOOK_PATH = "/webhooks/plaid"
"""Where this server expects Plaid's webhooks, after the address that the operator set."""

KEY_TTL_SECONDS = 3600
"""A key is asked for again after this long, since an answer tells whether it has expired meanwhile."""
KEYS_MAX = 16
"""Plaid rotates through a few keys."""
LOOK_UPS_MAX, LOOK_UPS_SECONDS = 30, 60
"""Requests for keys that unknown ids may cause in this time, since anybody can send them."""

Key = Mapping[str, Any]
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """What a webhook asks for: to `refresh` the connection whose login is `item_id`, to tell its person `notice`."""

    item_id: str
    code: str
    refresh: bool
    notice: str = ""


def read_event(payload: Mapping[str, Any]) -> WebhookEvent | None:
    """Return what a webhook tells; None for one that is of no concern here, or names no item."""
    kind, code = read.code(payload, "webhook_type"), read.code(payload, "webhook_code")
    try:
        item_id = read.identifier(payload, "item_id")
    except BadRow:
        return None
    if kind == "TRANSACTIONS" and code == "SYNC_UPDATES_AVAILABLE":
        return WebhookEvent(item_id, code, refresh=True)
    return _item_event(item_id, code, payload) if kind == "ITEM" else None


def _item_event(item_id: str, code: str, payload: Mapping[str, Any]) -> WebhookEvent | None:
    """Return what is told of an item. What has gone wrong already shows in a refresh, with what to do about it."""
    if code in ("ERROR", "LOGIN_REPAIRED"):
        return WebhookEvent(item_id, code, refresh=True)
    if code in ("USER_PERMISSION_REVOKED", "USER_ACCOUNT_REVOKED"):
        what = "an account at this bank" if code == "USER_ACCOUNT_REVOKED" else "this bank"
        return WebhookEvent(item_id, code, refresh=True, notice=f"The permission to read {what} was taken back.")
    if code == "PENDING_EXPIRATION":
        return WebhookEvent(item_id, code, refresh=False, notice=_ending(payload, "consent_expiration_time"))
    if code == "PENDING_DISCONNECT":
        return WebhookEvent(item_id, code, refresh=False, notice=_ending(payload, "disconnect_time"))
    if code == "NEW_ACCOUNTS_AVAILABLE":
        return WebhookEvent(
            item_id, code, refresh=False, notice="There are accounts at this bank that are not shared with this server."
        )
    return None


def _ending(payload: Mapping[str, Any], key: str) -> str:
    try:
        when = f" on {read.day({key: read.text(payload, key, len('YYYY-MM-DD'))}, key)}"
    except BadRow:
        when = " soon"
    return f"The permission to read this bank ends{when}. Log in at the bank through a new link before then."


class VerificationKeys:
    """Public keys by id, kept for a while. `fetch` asks Plaid for one; `clock` counts seconds, forwards only."""

    def __init__(self, fetch: Callable[[str], Awaitable[Key]], clock: Clock = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, Key]] = OrderedDict()
        self._look_ups: deque[float] = deque(maxlen=LOOK_UPS_MAX)
        self._lock = asyncio.Lock()

    async def get(self, key_id: str) -> Key:
        """Return a key.

        Raises:
            InstitutionRateLimited: More than `LOOK_UPS_MAX` keys were asked for within `LOOK_UPS_SECONDS`.
            InstitutionFailure: Plaid does not give it, as `fetch` says.
        """
        async with self._lock:  # Many webhooks come at once, and one request for their key is enough.
            now = self._clock()
            kept = self._kept.get(key_id)
            if kept is not None and kept[0] > now:
                return kept[1]
            if len(self._look_ups) == LOOK_UPS_MAX and now - self._look_ups[0] < LOOK_UPS_SECONDS:
                raise InstitutionRateLimited(
                    "Too many webhooks name keys that are not known; this one is not looked up."
                )
            self._look_ups.append(now)
            key = await self._fetch(key_id)  # Fails for made-up ids, which so push no key out that is in use.
            self._kept[key_id] = (now + KEY_TTL_SECONDS, key)
            self._kept.move_to_end(key_id)
            while len(self._kept) > KEYS_MAX:
                self._kept.popitem(last=False)
            return key
