"""How persons want to be told: which kinds on which channels, and when not. Only what they changed is stored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from mintql.domain.ids import UserId
from mintql.domain.notices import Channel, NoticeKind
from mintql.domain.quiet_hours import QuietHours
from mintql.services.effects import Effects
from mintql.store import notification_settings as store
from mintql.store.locks import lock_users
from mintql.store.queries import Conn


async def set_enabled(
    conn: Conn, user_id: UserId, kind: NoticeKind, channel: Channel, enabled: bool, now: datetime
) -> Effects:
    """Switch one kind on one channel, e.g. off by the link in a mail."""
    return await switch(conn, user_id, {(kind, channel): enabled}, now)


async def switch(
    conn: Conn, user_id: UserId, wanted: Mapping[tuple[NoticeKind, Channel], bool], now: datetime
) -> Effects:
    """Switch kinds on channels. What is under way already goes out all the same."""
    await lock_users(conn, [user_id])
    await store.switch(conn, user_id, wanted, now)
    return Effects(changed={user_id})


async def set_quiet_hours(conn: Conn, user_id: UserId, quiet: QuietHours | None, now: datetime) -> Effects:
    """Set quiet hours, or take them away. Mail that waits for the end of earlier ones still waits for that."""
    await lock_users(conn, [user_id])
    await store.set_quiet_hours(conn, user_id, quiet, now)
    return Effects(changed={user_id})
