"""What institutions tell of themselves: that there is something new to fetch, or something for the person to know.

A webhook is a hint and no data. However often it comes, and however many come at once, a connection is fetched once
at a time and with its pauses; one that comes while a run is under way is remembered, since that run may have read
past the place of what is new.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, runtime_checkable

from mintql.domain.errors import NotFound
from mintql.domain.ids import ConnectionId, UserId
from mintql.gateways.vault import Vault
from mintql.services.effects import Effects
from mintql.services.extract import Workplace
from mintql.services.logins import webhook_key
from mintql.services.pace import Pace
from mintql.services.sync import ACTIVE_DAYS, open_or_join_run
from mintql.store import connections as store
from mintql.store.locks import lock_users
from mintql.store.queries import Conn

REASON = "webhook"
PAUSE_SECONDS = 30
"""Between the last try of a connection, whatever came of it, and one that a webhook asks for."""
WANTED_PAGE = 100
"""Connections for which runs are opened in one transaction, which holds the locks of their persons."""
NOTICE_LENGTH_MAX = 500


class WebhookEvent(Protocol):
    """What a webhook asks for: to `refresh` the connection of a login (`item_id`), to tell its person, or both."""

    @property
    def item_id(self) -> str:
        """The login, as the connector keeps it."""
        ...

    @property
    def refresh(self) -> bool:
        """Whether there is something to fetch."""
        ...

    @property
    def notice(self) -> str:
        """A sentence for the person; empty for none."""
        ...


@runtime_checkable
class Notifiable(Protocol):
    """A connector whose institution sends webhooks, as `gateways.webhooks.read_webhook` reads them."""

    async def webhook_key(self, key_id: str) -> Mapping[str, Any]:
        """Return the public key of this id, or raise an `InstitutionFailure`."""
        ...

    def webhook_event(self, payload: Mapping[str, Any]) -> WebhookEvent | None:
        """Return what a verified webhook asks for; None for nothing."""
        ...


async def find_connections(
    conn: Conn, institution_id: str, event: WebhookEvent, vault: Vault
) -> list[tuple[UserId, ConnectionId]]:
    """Return the connections that a webhook is about; none for a login that nobody has here, or has no more."""
    key = webhook_key(institution_id, event.item_id, vault)
    return await store.by_webhook(conn, key) if key else []


async def receive(
    conn: Conn, user_id: UserId, connection_id: ConnectionId, event: WebhookEvent, pace: Pace, now: datetime
) -> Effects:
    """Do what a verified webhook asks of one connection; nothing when that was ended meanwhile."""
    await lock_users(conn, [user_id])
    found = await store.lock(conn, user_id, connection_id)
    effects = Effects()
    if found is None or found.status == "disconnected":
        return effects
    if event.notice:
        await store.note_notice(conn, user_id, connection_id, event.notice[:NOTICE_LENGTH_MAX], now)
        effects.changed.add(user_id)
        effects.told.add(user_id)
    if not event.refresh:
        return effects
    last = await store.last_refresh(conn, user_id, connection_id)
    if now.astimezone(UTC).date() - last.last_active_on > timedelta(days=ACTIVE_DAYS):
        return effects  # Nobody looks; the daily refresh takes it up when the person is back.
    if last.reads_all_that_is_new:
        return effects  # When its time has come: an outage's pause is waited out, however often a webhook comes.
    allowed_at = pace.next_refresh_at(last.last_started_at, found.requests_on, found.requests, now)
    if found.last_attempt_at is not None:
        allowed_at = max(allowed_at, found.last_attempt_at + timedelta(seconds=PAUSE_SECONDS))
    if last.open_state is not None or allowed_at > now:
        await store.want(conn, user_id, connection_id, REASON, allowed_at)
        return effects
    _, opened = await open_or_join_run(conn, user_id, connection_id, REASON, now)
    effects.merge(opened)
    return effects


async def open_wanted(place: Workplace) -> int:
    """Open all runs that had to wait and whose time has come, page by page; return how many. May die anywhere."""
    opened = 0
    while True:
        now = place.clock()
        async with place.begin() as conn:
            wanted = await store.wanted(conn, now, WANTED_PAGE)
            effects = await _open_page(conn, wanted, now)
        await place.perform(effects)
        opened += len(wanted)
        if len(wanted) < WANTED_PAGE:
            return opened


async def _open_page(conn: Conn, wanted: Sequence[tuple[UserId, ConnectionId]], now: datetime) -> Effects:
    await lock_users(conn, {user_id for user_id, _ in wanted})
    effects = Effects()
    for user_id, connection_id in sorted(wanted):
        reason = await store.settle_wanted(conn, user_id, connection_id, now)
        if reason is None:  # Another sweep was quicker.
            continue
        try:
            _, opened = await open_or_join_run(conn, user_id, connection_id, reason, now)
        except NotFound:  # Ended at this moment.
            continue
        effects.merge(opened)
    return effects
