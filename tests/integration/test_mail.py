"""Notifications by mail: what the letters say, what becomes of them, and how a person stops them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage

import pytest

from mintql.channels import outside_channels
from mintql.data import load_categories
from mintql.domain.ids import UserId
from mintql.domain.notices import Channel, NewNotice, NoticeKind
from mintql.runtime import Runtime, open_runtime
from mintql.services import digest_rounds, notification_settings
from mintql.services.notices import raise_notices
from mintql.services.notify import Notifier
from mintql.services.unsubscribe import UnsubscribeLinks, Unsubscription
from mintql.settings import Settings
from mintql.store.locks import lock_users
from support.clients import PATIENCE_SECONDS
from support.factories import create_account, create_transaction, create_user
from support.local import local_client
from support.mail import MailHost, running_mail_host

NOW = datetime(2026, 11, 12, 10, 0, tzinfo=UTC)
GROCERIES = load_categories().by_slug["groceries"].category_id
PUBLIC_URL = "https://budget.example.org"


@pytest.fixture
async def host() -> AsyncIterator[MailHost]:
    async with running_mail_host() as running:
        yield running


@pytest.fixture
def settings(settings: Settings, host: MailHost) -> Settings:
    return settings.model_copy(
        update={
            "smtp_url": type(settings.redis_url)(host.url(options="?starttls=never")),
            "mail_from": "mintql <budgets@mintql.test>",
            "public_url": PUBLIC_URL,
            "smtp_timeout_seconds": 2.0 * PATIENCE_SECONDS,
        }
    )


async def exceed(runtime: Runtime, user_id: UserId, **changes: object) -> None:
    """Raise the notification that a budget is exceeded, or another one."""
    notice = NewNotice(
        user_id=user_id,
        kind=NoticeKind.BUDGET_EXCEEDED,
        subject="alert 1",
        title="Eating out: budget exceeded",
        body="You spent 120.00 USD of 100.00 USD.\n20.00 USD over, until the month ends.",
        amount_minor=12_000,
        limit_minor=10_000,
        currency="USD",
        period_first=date(2026, 11, 1),
        period_last=date(2026, 11, 30),
    )
    async with runtime.system() as conn:
        await lock_users(conn, [user_id])
        await raise_notices(conn, [replace(notice, **changes)], NOW)


async def work_off(runtime: Runtime, later: timedelta = timedelta(0)) -> list[tuple[str, str | None]]:
    """Deliver what is due; return what became of the mails."""
    notifier = Notifier(runtime.system, outside_channels(runtime), lambda: datetime.now(UTC) + later)
    await notifier.run()
    async with runtime.system() as conn:
        rows = await conn.fetch("SELECT state, error FROM outbox WHERE channel = 'email' ORDER BY seq")
    return [(row["state"], row["error"]) for row in rows]


def texts(message: EmailMessage) -> tuple[str, str]:
    return message.get_body(("plain",)).get_content(), message.get_body(("html",)).get_content()


async def test_a_letter_says_what_happened_why_and_what_is_left(runtime: Runtime, host: MailHost):
    async with runtime.system() as conn:
        user_id = await create_user(conn, email="ada@example.org", name="Ada")
        account_id = await create_account(conn, user_id)
        cause = await create_transaction(
            conn, user_id, account_id, amount_minor=-7_550, merchant="Chez Panisse", posted_on=date(2026, 11, 11)
        )
    await exceed(runtime, user_id, transaction_ids=(cause,))
    assert await work_off(runtime) == [("sent", None)]
    (message,) = host.received
    assert message["To"] == "Ada <ada@example.org>"
    assert message["Subject"] == "Eating out: budget exceeded"
    text, html = texts(message)
    for version in (text, html):
        assert "You spent 120.00 USD of 100.00 USD." in version
        assert "$120.00" in version
        assert "$20.00 over the limit; the period ends on Mon, 30 November 2026" in version
        assert "Chez Panisse" in version
        assert "\N{MINUS SIGN}$75.50" in version
        assert f"{PUBLIC_URL}/unsubscribe?token=" in version
    assert message["List-Unsubscribe"].startswith(f"<{PUBLIC_URL}/unsubscribe?token=")


async def test_what_sellers_and_persons_are_called_is_never_markup(runtime: Runtime, host: MailHost):
    hostile = '<script>alert(1)</script><a href="https://evil.test">&amp;'
    async with runtime.system() as conn:
        user_id = await create_user(conn, name=f"Eve\r\nBcc: eve@evil.test {hostile}")
        account_id = await create_account(conn, user_id)
        cause = await create_transaction(conn, user_id, account_id, amount_minor=-100, merchant=hostile)
    await exceed(runtime, user_id, transaction_ids=(cause,), title=hostile, body=f"{hostile}\n{{{{ 7 * 7 }}}}")
    assert await work_off(runtime) == [("sent", None)]
    (message,) = host.received
    text, html = texts(message)
    assert "<script" not in html
    assert 'href="https://evil.test"' not in html
    assert "&lt;script&gt;" in html
    assert "{{ 7 * 7 }}" in html
    assert "{{ 7 * 7 }}" in text
    assert message["Bcc"] is None


async def test_a_refusal_for_now_is_tried_again_as_the_same_letter_and_one_for_good_ends_it(
    runtime: Runtime, host: MailHost
):
    async with runtime.system() as conn:
        user_id = await create_user(conn)
    await exceed(runtime, user_id)
    host.data_answers = ["451 try later"]
    ((state, error),) = await work_off(runtime)
    assert state == "due"
    assert "451 try later" in error
    assert await work_off(runtime, timedelta(minutes=1)) == [("sent", None)]
    assert len({message["Message-ID"] for message in host.offered}) == 1
    assert len({str(message["Date"]) for message in host.offered}) == 1
    host.recipient_answers = ["550 nobody of that name"]
    await exceed(runtime, user_id, subject="alert 2")
    state, error = (await work_off(runtime, timedelta(minutes=1)))[1]
    assert state == "dead"
    assert "550 nobody of that name" in error


async def test_a_mail_server_that_hangs_holds_up_no_other_channel_and_nobody_for_ever(
    runtime: Runtime, host: MailHost, settings: Settings
):
    async with runtime.system() as conn:
        user_id = await create_user(conn)
    await exceed(runtime, user_id)
    host.slow_seconds = 2 * PATIENCE_SECONDS
    told = asyncio.Event()

    async def live(_item: object) -> None:
        told.set()

    async with runtime.system() as conn:
        await conn.execute("INSERT INTO outbox (user_id, seq, channel) SELECT user_id, seq, 'live' FROM events")
    channels = outside_channels(runtime) | {"live": live}
    running = asyncio.create_task(Notifier(runtime.system, channels, lambda: datetime.now(UTC)).run())
    await asyncio.wait_for(told.wait(), PATIENCE_SECONDS)
    assert not running.done()
    running.cancel()
    await asyncio.wait([running])
    async with open_runtime(settings.model_copy(update={"smtp_timeout_seconds": 0.5}), role="worker") as impatient:
        ((state, _),) = await asyncio.wait_for(work_off(impatient, timedelta(hours=1)), PATIENCE_SECONDS)
    assert (state, host.received) == ("due", [])


async def test_without_a_mail_server_a_mail_is_settled_as_skipped_and_says_why(runtime: Runtime, settings: Settings):
    bare = settings.model_copy(update={"smtp_url": None})
    async with open_runtime(bare, role="worker") as without:
        async with without.system() as conn:
            user_id = await create_user(conn)
        await exceed(without, user_id)
        ((state, error),) = await work_off(without)
    assert state == "skipped"
    assert "MINTQL_SMTP_URL" in error


async def test_what_was_switched_off_meanwhile_is_not_sent(runtime: Runtime, host: MailHost):
    async with runtime.system() as conn:
        user_id = await create_user(conn)
    await exceed(runtime, user_id)
    async with runtime.system() as conn:
        await notification_settings.set_enabled(conn, user_id, NoticeKind.BUDGET_EXCEEDED, Channel.EMAIL, False, NOW)
    ((state, _),) = await work_off(runtime)
    assert (state, host.offered) == ("skipped", [])


async def test_a_link_in_a_mail_stops_mails_of_its_kind_by_one_click_and_not_by_being_looked_at(
    runtime: Runtime, host: MailHost, server
):
    async with runtime.system() as conn:
        user_id = await create_user(conn)
    await exceed(runtime, user_id)
    await work_off(runtime)
    link = str(host.received[0]["List-Unsubscribe"]).strip("<>").removeprefix(PUBLIC_URL)
    async with local_client(base_url=server.url) as client:
        page = await client.get(link)
        assert page.status_code == 200
        assert "budgets that are exceeded" in page.text
        assert await enabled(runtime, user_id, NoticeKind.BUDGET_EXCEEDED)
        done = await client.post(link, data={"List-Unsubscribe": "One-Click"})
        assert done.status_code == 200
        assert not await enabled(runtime, user_id, NoticeKind.BUDGET_EXCEEDED)
        assert await enabled(runtime, user_id, NoticeKind.LARGE_TRANSACTION)
        again = await client.post(link, data={"List-Unsubscribe": "One-Click"})
        assert again.status_code == 200
        await client.post(f"{link}&all=1")
        assert not any([await enabled(runtime, user_id, kind) for kind in NoticeKind])
    async with runtime.system() as conn:
        acts = await conn.fetch("SELECT act FROM audit_entries WHERE user_id = $1", user_id)
    assert [row["act"] for row in acts].count("mail_unsubscribed") == 3


async def test_links_that_are_not_ours_stop_nothing(runtime: Runtime, server, settings: Settings):
    async with runtime.system() as conn:
        user_id = await create_user(conn)
    links = UnsubscribeLinks(settings.keyring(), PUBLIC_URL)
    good = links.token(Unsubscription(user_id, NoticeKind.LOW_BALANCE))
    foreign = UnsubscribeLinks({1: b"x" * 32}, PUBLIC_URL).token(Unsubscription(user_id, NoticeKind.LOW_BALANCE))
    changed = ("B" if good[0] == "A" else "A") + good[1:]
    async with local_client(base_url=server.url) as client:
        for token in ("", foreign, changed, good[:-4], "a" * 500, "é", "%00"):
            answer = await client.post("/unsubscribe", params={"token": token})
            assert (token, answer.status_code) == (token, 404)
        assert await enabled(runtime, user_id, NoticeKind.LOW_BALANCE)
        assert (await client.post("/unsubscribe", params={"token": good})).status_code == 200
    assert not await enabled(runtime, user_id, NoticeKind.LOW_BALANCE)


def test_links_outlive_a_new_key_in_the_keyring():
    old = UnsubscribeLinks({1: b"a" * 32}, PUBLIC_URL)
    new = UnsubscribeLinks({1: b"a" * 32, 2: b"b" * 32}, PUBLIC_URL)
    wanted = Unsubscription(UserId(7), NoticeKind.WEEKLY_SUMMARY)
    assert new.read(old.token(wanted)) == wanted
    assert new.token(wanted) != old.token(wanted)
    assert old.read(new.token(wanted)) is None


async def enabled(runtime: Runtime, user_id: UserId, kind: NoticeKind) -> bool:
    async with runtime.system() as conn:
        switches = await notification_settings.store.switches_of(conn, {user_id})
    return switches[user_id].enabled(kind, Channel.EMAIL)


async def test_a_months_summary_arrives_with_its_figures_and_names_that_are_no_markup(runtime: Runtime, host: MailHost):
    hostile = "<b>Shop</b> & Söhne"
    async with runtime.system() as conn:
        user_id = await create_user(conn, time_zone="Europe/Berlin", currency="EUR", last_active_on=date(2026, 11, 30))
        account_id = await create_account(conn, user_id, currency="EUR")
        for day, amount_minor in ((date(2026, 10, 3), -10_000), (date(2026, 11, 3), -12_345)):
            await create_transaction(
                conn, user_id, account_id, posted_on=day, amount_minor=amount_minor, currency="EUR",
                merchant=hostile, category_id=GROCERIES,
            )  # fmt: skip
        await create_transaction(
            conn, user_id, account_id, posted_on=date(2026, 11, 9), amount_minor=-777, currency="USD",
            category_id=GROCERIES,
        )  # fmt: skip
    morning = datetime(2026, 12, 1, 7, 0, tzinfo=UTC)
    await digest_rounds.open_rounds(runtime.system, runtime.perform, lambda: morning)
    assert await digest_rounds.summarize_due(runtime.system, runtime.perform, lambda: morning) == 1
    assert await work_off(runtime, timedelta(days=3_650)) == [("sent", None)]
    (message,) = host.received
    assert message["Subject"] == "November 2026: you spent €123.45 and $7.77"
    text, html = texts(message)
    for version in (text, html):
        assert "€123.45" in version
        assert "€23.45 more than the month before" in version
        assert "$7.77" in version
        assert "131.22" not in version
    assert hostile in text
    assert hostile not in html
    assert "&lt;b&gt;Shop&lt;/b&gt; &amp; Söhne" in html
