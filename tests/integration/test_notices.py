"""Notifications are raised once, and go to the channels and at the times their person wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from mintql.domain.errors import InvalidInput, NotFound
from mintql.domain.ids import NotificationId, UserId
from mintql.domain.notices import Channel, NewNotice, NoticeKind
from mintql.domain.quiet_hours import QuietHours
from mintql.services import notices, notification_settings
from mintql.store import notices_read
from mintql.store.locks import lock_users
from support.factories import create_user
from support.pipeline import Pipeline, open_pipeline

EVENING = datetime(2026, 11, 13, 4, 0, tzinfo=UTC)
"""Eleven at night in New York."""
MORNING = datetime(2026, 11, 13, 12, 0, tzinfo=UTC)


@pytest.fixture
async def bank(database_url: str, tmp_path: Path) -> AsyncIterator[Pipeline]:
    async with open_pipeline(database_url, tmp_path / "objects", now=EVENING) as pipeline:
        yield pipeline


async def person(bank: Pipeline) -> UserId:
    """A person with a webhook of theirs."""
    async with bank.begin() as conn:
        user_id = await create_user(conn, time_zone="America/New_York")
        await conn.execute("INSERT INTO webhook_endpoints (user_id, url) VALUES ($1, 'https://example.org')", user_id)
        return user_id


def notice(user_id: UserId, kind: NoticeKind = NoticeKind.BUDGET_EXCEEDED, subject: str = "alert 1") -> NewNotice:
    return NewNotice(user_id, kind, subject, "Groceries: budget exceeded", "You are over it.")


async def tell(bank: Pipeline, *raised: NewNotice) -> None:
    async with bank.begin() as conn:
        await lock_users(conn, [item.user_id for item in raised])
        bank.effects.merge(await notices.raise_notices(conn, raised, bank.now))


async def switch(bank: Pipeline, user_id: UserId, channel: Channel, enabled: bool) -> None:
    async with bank.begin() as conn:
        await notification_settings.set_enabled(conn, user_id, NoticeKind.BUDGET_EXCEEDED, channel, enabled, bank.now)


async def deliveries(bank: Pipeline, user_id: UserId) -> dict[str, datetime]:
    rows = await bank.fetch("SELECT channel, next_attempt_at FROM outbox WHERE user_id = $1", user_id)
    return {item["channel"]: item["next_attempt_at"] for item in rows}


async def inbox(bank: Pipeline, user_id: UserId) -> list[NotificationId]:
    async with bank.begin() as conn:
        return [row.notification_id for row in await notices_read.before(conn, user_id, NotificationId(2**62), 10)]


async def test_what_is_raised_by_many_at_once_is_told_once(bank: Pipeline) -> None:
    user_id = await person(bank)
    await asyncio.gather(*[tell(bank, notice(user_id)) for _ in range(8)])
    await tell(bank, notice(user_id))
    assert len(await inbox(bank, user_id)) == 1
    assert await bank.value("SELECT count(*) FROM events WHERE user_id = $1", user_id) == 1
    assert set(await deliveries(bank, user_id)) == {"email", "webhook"}


async def test_each_kind_goes_to_its_channels_unless_the_person_says_otherwise(bank: Pipeline) -> None:
    user_id, other = await person(bank), await person(bank)
    await tell(bank, notice(user_id, NoticeKind.BUDGET_APPROACHING))
    assert set(await deliveries(bank, user_id)) == {"webhook"}
    await switch(bank, user_id, Channel.EMAIL, enabled=False)
    await switch(bank, user_id, Channel.WEBHOOK, enabled=False)
    await bank.fetch("DELETE FROM outbox")
    await tell(bank, notice(user_id), notice(other))
    assert await deliveries(bank, user_id) == {}
    assert set(await deliveries(bank, other)) == {"email", "webhook"}
    assert len(await inbox(bank, user_id)) == 2, "the inbox was not switched"


async def test_what_is_switched_off_for_the_inbox_is_out_of_sight_and_still_raised_once(bank: Pipeline) -> None:
    user_id = await person(bank)
    await switch(bank, user_id, Channel.INBOX, enabled=False)
    await tell(bank, notice(user_id))
    await switch(bank, user_id, Channel.INBOX, enabled=True)
    await tell(bank, notice(user_id))
    assert await inbox(bank, user_id) == []
    async with bank.begin() as conn:
        assert await notices_read.after(conn, user_id, NotificationId(0), 10) == []
        assert await notices_read.unread_count(conn, user_id) == 0
    assert set(await deliveries(bank, user_id)) == {"email", "webhook"}, "mail goes out all the same, once"


async def test_mail_waits_for_the_end_of_quiet_hours_and_webhooks_do_not(bank: Pipeline) -> None:
    user_id, other = await person(bank), await person(bank)
    async with bank.begin() as conn:
        await notification_settings.set_quiet_hours(conn, user_id, QuietHours(time(22), time(7)), bank.now)
    await tell(bank, notice(user_id), notice(other))
    assert (await deliveries(bank, user_id))["email"] == MORNING
    assert (await deliveries(bank, other))["email"] < MORNING
    assert (await deliveries(bank, user_id))["webhook"] < MORNING
    async with bank.begin() as conn:
        await notification_settings.set_quiet_hours(conn, user_id, None, bank.now)
    await tell(bank, notice(user_id, subject="alert 2"))
    seconds = [item["next_attempt_at"] for item in await bank.fetch("SELECT next_attempt_at FROM outbox WHERE seq = 2")]
    assert all(moment < MORNING for moment in seconds)


async def test_a_channel_finds_what_a_delivery_is_of(bank: Pipeline) -> None:
    user_id = await person(bank)
    await tell(bank, notice(user_id))
    async with bank.begin() as conn:
        seq = await conn.fetchval("SELECT seq FROM outbox WHERE channel = 'email'")
        found = await notices_read.by_event(conn, user_id, seq)
        assert found is not None
        assert (found.kind, found.title) == (NoticeKind.BUDGET_EXCEEDED, "Groceries: budget exceeded")
        assert await notices_read.by_event(conn, await person(bank), seq) is None
        assert await notices_read.by_event(conn, user_id, seq + 1) is None


async def test_reading_and_dismissing_is_all_or_nothing_and_ones_own(bank: Pipeline) -> None:
    user_id, other = await person(bank), await person(bank)
    await tell(bank, *[notice(user_id, subject=f"alert {number}") for number in range(4)], notice(other))
    (oldest, second, _, newest), (strange,) = sorted(await inbox(bank, user_id)), await inbox(bank, other)
    async with bank.begin() as conn:
        with pytest.raises(NotFound):
            await notices.mark_read(conn, user_id, [newest, strange], None, bank.now)
        with pytest.raises(InvalidInput):
            await notices.mark_read(conn, user_id, [], None, bank.now)
        assert await notices_read.unread_count(conn, user_id) == 4
        await notices.mark_read(conn, user_id, [newest], second, bank.now)
        assert await notices_read.unread_count(conn, user_id) == 1
        assert await notices_read.unread_count(conn, other) == 1
        await notices.dismiss(conn, user_id, [oldest], bank.now)
        with pytest.raises(NotFound):
            await notices.dismiss(conn, user_id, [strange], bank.now)
    assert oldest not in await inbox(bank, user_id)
    assert len(await inbox(bank, user_id)) == 3
    assert await inbox(bank, other) == [strange]


async def test_old_notifications_are_forgotten(bank: Pipeline) -> None:
    user_id = await person(bank)
    await tell(bank, notice(user_id))
    bank.now += timedelta(days=1)
    await tell(bank, notice(user_id, subject="alert 2"))
    async with bank.begin() as conn:
        assert await notices.store.purge(conn, bank.now, 100) == 1
    assert len(await inbox(bank, user_id)) == 1
