"""Notifications: raised in the transaction that finds the reason, exactly once for each (person, kind, subject)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from mintql.domain.errors import InvalidInput, NotFound
from mintql.domain.ids import NotificationId, UserId
from mintql.domain.notices import (
    BODY_CHARACTERS_MAX,
    TITLE_CHARACTERS_MAX,
    Channel,
    NewNotice,
    NoticeKind,
    Switches,
)
from mintql.domain.quiet_hours import undisturbed_at
from mintql.services.effects import Effects
from mintql.services.events import NewEvent, append_events
from mintql.store import notices as store
from mintql.store import notices_read, notification_settings
from mintql.store.notification_settings import Preferences
from mintql.store.queries import Conn

NAMED_MAX = 100
"""How many notifications one call may name."""
KEPT_DAYS = 400
"""How long a notification is kept, read or not."""


async def raise_notices(conn: Conn, notices: Sequence[NewNotice], now: datetime) -> Effects:
    """Store what was not raised before, with its event and a delivery on each outside channel the person wants.

    To be called under the persons' locks, after everything else that the transaction writes of them.
    """
    raised = await store.raise_notices(conn, [_cut(notice) for notice in notices], now)
    if not raised:
        return Effects()
    user_ids = {item.user_id for item in raised}
    switches = await notification_settings.switches_of(conn, user_ids)
    preferences = await notification_settings.preferences_of(conn, user_ids)
    events = [
        NewEvent(
            item.user_id,
            "notification",
            {"notification_id": item.notification_id, "kind": item.kind.value},
            outside(item.kind, switches[item.user_id], preferences[item.user_id], now),
        )
        for item in sorted(raised, key=lambda item: item.notification_id)
    ]
    unwanted = [item for item in raised if not switches[item.user_id].enabled(item.kind, Channel.INBOX)]
    await store.keep_out_of_inbox(conn, unwanted)
    _, effects = await append_events(conn, events)
    effects.changed |= effects.told
    return effects


async def mark_read(
    conn: Conn,
    user_id: UserId,
    notification_ids: Sequence[NotificationId],
    up_to: NotificationId | None,
    now: datetime,
) -> Effects:
    """Mark notifications of a person as read: these, and all up to one.

    Raises:
        InvalidInput: Too many at once, or none named.
        NotFound: One is not there, or not theirs; none is marked then.
    """
    if not notification_ids and up_to is None:
        raise InvalidInput("Say which notifications: by `ids`, or all up to a cursor by `upTo`.", field="ids")
    await _check(conn, user_id, notification_ids)
    return _changed(user_id, await store.mark_read(conn, user_id, notification_ids, up_to or NotificationId(0), now))


async def dismiss(conn: Conn, user_id: UserId, notification_ids: Sequence[NotificationId], now: datetime) -> Effects:
    """Take notifications out of a person's inbox for good.

    Raises:
        InvalidInput: Too many at once, or none named.
        NotFound: One is not there, or not theirs; none is dismissed then.
    """
    if not notification_ids:
        raise InvalidInput("Say which notifications to dismiss.", field="ids")
    await _check(conn, user_id, notification_ids)
    return _changed(user_id, await store.dismiss(conn, user_id, notification_ids, now))


async def _check(conn: Conn, user_id: UserId, notification_ids: Sequence[NotificationId]) -> None:
    if len(notification_ids) > NAMED_MAX:
        raise InvalidInput(f"Name up to {NAMED_MAX} notifications at once, not {len(notification_ids)}.", field="ids")
    found = await notices_read.by_ids(conn, user_id, notification_ids)
    if any(notification_id not in found for notification_id in notification_ids):
        raise NotFound("One of these notifications is not there any more.", field="ids")


def _changed(user_id: UserId, count: int) -> Effects:
    return Effects(changed={user_id}) if count else Effects()


def outside(kind: NoticeKind, switches: Switches, preferences: Preferences, now: datetime) -> dict[str, datetime]:
    """Return the outside channels a notification goes to, and from when on each may be told.

    Mail waits for the end of the person's quiet hours; webhooks are read by machines, and nothing waits.
    """
    wanted: dict[str, datetime] = {}
    if switches.enabled(kind, Channel.EMAIL):
        wanted[Channel.EMAIL.value] = undisturbed_at(now, preferences.quiet, preferences.time_zone)
    if switches.enabled(kind, Channel.WEBHOOK):
        wanted[Channel.WEBHOOK.value] = now
    return wanted


def _cut(notice: NewNotice) -> NewNotice:
    """Cut words that are too long for a row: names of sellers and accounts have no bound of ours."""
    if len(notice.title) <= TITLE_CHARACTERS_MAX and len(notice.body) <= BODY_CHARACTERS_MAX:
        return notice
    return replace(notice, title=notice.title[:TITLE_CHARACTERS_MAX], body=notice.body[:BODY_CHARACTERS_MAX])
