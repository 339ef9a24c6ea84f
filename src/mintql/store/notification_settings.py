"""Rows of `notification_settings` and `notification_preferences`: what persons changed about how they are told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from mintql.domain.ids import UserId
from mintql.domain.money import Money
from mintql.domain.notices import Channel, NoticeKind, Switches
from mintql.domain.quiet_hours import QuietHours
from mintql.store.queries import Conn, load

SQL = load("notification_settings")


@dataclass(frozen=True, slots=True)
class Preferences:
    """How one person wants to be told; None where they said nothing."""

    time_zone: str
    currency: str
    quiet: QuietHours | None = None
    large: Money | None = None


async def switches_of(conn: Conn, user_ids: Iterable[UserId]) -> dict[UserId, Switches]:
    """Return what these persons have switched, for each of them."""
    wanted = sorted(set(user_ids))
    changed: dict[UserId, dict[tuple[NoticeKind, Channel], bool]] = {user_id: {} for user_id in wanted}
    for row in await conn.fetch(SQL.switches, wanted):
        changed[row["user_id"]][NoticeKind(row["kind"]), Channel(row["channel"])] = row["enabled"]
    return {user_id: Switches(of_person) for user_id, of_person in changed.items()}


async def switch(conn: Conn, user_id: UserId, wanted: Mapping[tuple[NoticeKind, Channel], bool], now: datetime) -> None:
    """Switch kinds on channels for one person."""
    pairs = sorted(wanted.items())
    await conn.execute(
        SQL.switch,
        user_id,
        [kind.value for (kind, _), _ in pairs],
        [channel.value for (_, channel), _ in pairs],
        [enabled for _, enabled in pairs],
        now,
    )


async def preferences_of(conn: Conn, user_ids: Iterable[UserId]) -> dict[UserId, Preferences]:
    """Return quiet hours and limits of these persons, for each that there is."""
    found: dict[UserId, Preferences] = {}
    for row in await conn.fetch(SQL.preferences, sorted(set(user_ids))):
        start, end, large_minor = row["quiet_start"], row["quiet_end"], row["large_minor"]
        found[row["user_id"]] = Preferences(
            row["time_zone"],
            row["currency"],
            None if start is None else QuietHours(start, end),
            None if large_minor is None else Money(large_minor, row["large_currency"]),
        )
    return found


async def set_quiet_hours(conn: Conn, user_id: UserId, quiet: QuietHours | None, now: datetime) -> None:
    """Set a person's quiet hours, or take them away."""
    start, end = (None, None) if quiet is None else (quiet.start, quiet.end)
    await conn.execute(SQL.set_quiet_hours, user_id, start, end, now)


async def set_large(conn: Conn, user_id: UserId, large: Money | None, now: datetime) -> None:
    """Set from which amount on a transaction is large, or go back to the default."""
    amount_minor, currency = (None, None) if large is None else (large.amount_minor, large.currency)
    await conn.execute(SQL.set_large, user_id, amount_minor, currency, now)
