"""Notifications: raised in the transaction that finds the reason, exactly once for each (person, kind, subject)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

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
from mintql.store import notification_settings
from mintql.store.notification_settings import Preferences
from mintql.store.queries import Conn


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
    await store.keep_out_of_inbox(conn, unwanted, now)
    _, effects = await append_events(conn, events)
    effects.changed |= effects.told
    return effects


def outside(
    kind: NoticeKind, switches: Switches, preferences: Preferences, now: datetime
) -> dict[str, datetime | None]:
    """Return the outside channels a notification goes to, and from when on each may be told.

    Mail waits for the end of the person's quiet hours; webhooks are read by machines, and nothing waits.
    """
    wanted: dict[str, datetime | None] = {}
    if switches.enabled(kind, Channel.EMAIL):
        quiet_until = undisturbed_at(now, preferences.quiet, preferences.time_zone)
        wanted[Channel.EMAIL.value] = quiet_until if quiet_until > now else None
    if switches.enabled(kind, Channel.WEBHOOK):
        wanted[Channel.WEBHOOK.value] = None
    return wanted


def _cut(notice: NewNotice) -> NewNotice:
    """Cut words that are too long for a row: names of sellers and accounts have no bound of ours."""
    if len(notice.title) <= TITLE_CHARACTERS_MAX and len(notice.body) <= BODY_CHARACTERS_MAX:
        return notice
    return replace(notice, title=notice.title[:TITLE_CHARACTERS_MAX], body=notice.body[:BODY_CHARACTERS_MAX])
