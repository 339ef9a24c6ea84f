"""Telling of connections that wait for their person: once for each failure since the last success."""

from __future__ import annotations

from datetime import datetime

from mintql.domain.ids import UserId
from mintql.domain.months import local_date
from mintql.domain.notice_texts import sync_attention_words
from mintql.domain.notices import NewNotice, NoticeKind
from mintql.services.effects import Effects
from mintql.services.notices import raise_notices
from mintql.store import attention, notification_settings
from mintql.store.attention import WaitingConnection
from mintql.store.queries import Conn


async def look(conn: Conn, user_id: UserId, now: datetime) -> Effects:
    """Raise notifications for connections that can go on only when the person does something."""
    waiting = await attention.waiting(conn, user_id)
    if not waiting:
        return Effects()
    time_zone = (await notification_settings.preferences_of(conn, [user_id]))[user_id].time_zone
    return await raise_notices(conn, [_notice(user_id, link, time_zone) for link in waiting], now)


def _notice(user_id: UserId, link: WaitingConnection, time_zone: str) -> NewNotice:
    success = link.last_success_at
    episode = "the beginning" if success is None else success.isoformat()
    words = sync_attention_words(
        link.account_names or (link.login_hint or link.institution_id,),
        link.error_message or "It could not be refreshed.",
        link.error_action or "Connect it again.",
        None if success is None else local_date(success, time_zone),
    )
    return NewNotice(
        user_id=user_id,
        kind=NoticeKind.SYNC_ATTENTION,
        subject=f"connection {link.connection_id} {link.error_code} after {episode}",
        title=words.title,
        body=words.body,
        connection_id=link.connection_id,
    )
