"""Notifications: raised in the transaction that finds the reason, exactly once for each (person, kind, subject)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from mintql.domain.notices import BODY_CHARACTERS_MAX, TITLE_CHARACTERS_MAX, NewNotice
from mintql.services.effects import Effects
from mintql.services.events import NewEvent, append_events
from mintql.store import notices as store
from mintql.store.queries import Conn


async def raise_notices(conn: Conn, notices: Sequence[NewNotice], now: datetime) -> Effects:
    """Store what was not raised before, with its event and its deliveries.

    To be called under the persons' locks, after everything else that the transaction writes of them.
    """
    raised = await store.raise_notices(conn, [_cut(notice) for notice in notices], now)
    if not raised:
        return Effects()
    events = [
        NewEvent(item.user_id, "notification", {"notification_id": item.notification_id})
        for item in sorted(raised, key=lambda item: item.notification_id)
    ]
    _, effects = await append_events(conn, events)
    effects.changed |= effects.told
    return effects


def _cut(notice: NewNotice) -> NewNotice:
    """Cut words that are too long for a row: names of sellers and accounts have no bound of ours."""
    if len(notice.title) <= TITLE_CHARACTERS_MAX and len(notice.body) <= BODY_CHARACTERS_MAX:
        return notice
    return replace(notice, title=notice.title[:TITLE_CHARACTERS_MAX], body=notice.body[:BODY_CHARACTERS_MAX])
