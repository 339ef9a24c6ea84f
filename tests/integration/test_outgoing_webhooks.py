"""Webhooks reach a real receiver, signed; they are repeated until they do, and nobody holds up anybody else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from mintql.domain.ids import UserId
from mintql.domain.notices import NewNotice, NoticeKind
from mintql.domain.outgoing_webhooks import TRIES_MAX, WebhookEvent
from mintql.services import outgoing_webhooks as webhooks
from mintql.services.notices import raise_notices
from mintql.services.outgoing_webhooks_sending import LEASE, Sender
from mintql.store.locks import lock_users
from support.clients import PATIENCE_SECONDS, eventually
from support.http_server import read_request, reply, serve, serve_raw
from support.pipeline import Pipeline, open_pipeline
from support.webhooks import OK, deliveries, endpoint, happen, hooked, send, sending, verified


@pytest.fixture
async def bank(database_url: str, tmp_path: Path) -> AsyncIterator[Pipeline]:
    async with open_pipeline(database_url, tmp_path / "objects") as pipeline:
        yield pipeline


async def test_an_event_reaches_the_endpoint_signed_and_is_noted_as_sent(bank: Pipeline) -> None:
    async with serve(reply("200 OK", b"thanks")) as receiver:
        user_id, _, secret = await hooked(bank, f"{receiver.url}/hook?a=1")
        await happen(bank, user_id)
        assert await send(bank) == 1
        assert await send(bank) == 0
    [request] = receiver.seen
    assert (request.method, request.target) == ("POST", "/hook?a=1")
    assert request.headers["content-type"] == "application/json"
    said = verified(request, secret)
    assert said["type"] == "transactions.changed"
    assert said["data"]["addedCount"] == 1
    assert said["data"]["addedIds"] == ["VHJhbnNhY3Rpb246MQ"]
    [row] = await deliveries(bank)
    assert (row["state"], row["attempts"]) == ("sent", 1)
    attempt = (await bank.fetch("SELECT * FROM webhook_attempts"))[0]
    assert (attempt["status_code"], attempt["error"], attempt["answer"]) == (200, None, "thanks")


async def test_only_wanted_types_are_kept_for_an_endpoint_and_nothing_for_who_has_none(bank: Pipeline) -> None:
    async with serve(OK) as receiver:
        user_id, _, _ = await hooked(bank, receiver.url, events=[WebhookEvent.SYNC_ENDED])
        other, _ = await bank.person()
        progress = {"run_id": 1, "connection_id": 2, "rows_added": 3, "rows_changed": 0, "rows_removed": 0}
        await happen(bank, user_id)
        await happen(bank, other)
        await happen(bank, user_id, ("sync_progress", progress | {"state": "extracting", "error_code": None}))
        assert await deliveries(bank) == []
        await happen(bank, user_id, ("sync_progress", progress | {"state": "succeeded", "error_code": None}))
        await send(bank)
    [request] = receiver.seen
    said = json.loads(request.body)
    assert (said["type"], said["data"]["state"], said["data"]["addedCount"]) == ("sync.ended", "succeeded", 3)


async def test_counts_that_an_event_leaves_out_are_nought(bank: Pipeline) -> None:
    async with serve(OK) as receiver:
        user_id, _, _ = await hooked(bank, receiver.url, events=[WebhookEvent.SYNC_ENDED])
        await happen(bank, user_id, ("sync_progress", {"run_id": 1, "connection_id": 2, "state": "succeeded"}))
        await send(bank)
    [request] = receiver.seen
    data = json.loads(request.body)["data"]
    assert [data[name] for name in ("addedCount", "changedCount", "removedCount", "error")] == [0, 0, 0, None]


async def test_what_happens_to_a_connection_is_told_though_the_database_itself_appends_it(bank: Pipeline) -> None:
    async with serve(OK) as receiver:
        user_id, _, secret = await hooked(bank, receiver.url)
        await bank.fetch("UPDATE connections SET status = 'action_required' WHERE user_id = $1", user_id)
        await send(bank)
    said = [verified(request, secret) for request in receiver.seen]
    assert [(item["type"], item["data"]["what"]) for item in said] == [("connection.changed", "action_required")]


async def test_a_notification_goes_by_the_outbox_to_each_endpoint_that_wants_its_kind(bank: Pipeline) -> None:
    wanted, other = WebhookEvent.NOTIFICATION_LOW_BALANCE, WebhookEvent.NOTIFICATION_RECURRING_NEW
    async with serve(OK) as receiver:
        user_id, _, secret = await hooked(bank, receiver.url, events=[wanted])
        await endpoint(bank, user_id, receiver.url, events=[other])
        notice = NewNotice(
            user_id, NoticeKind.LOW_BALANCE, "a", "Low", "Little is left.", amount_minor=1_250, currency="USD"
        )
        async with bank.begin() as conn:
            await lock_users(conn, [user_id])
            await raise_notices(conn, [notice], bank.now)
        [put_out] = await bank.fetch("SELECT seq FROM outbox WHERE channel = 'webhook'")
        for _ in range(2):  # The outbox may deliver twice.
            async with bank.begin() as conn:
                await webhooks.fan_out_notice(conn, user_id, put_out["seq"], bank.now)
        await send(bank)
    [request] = receiver.seen
    said = verified(request, secret)
    assert said["type"] == "notification.low_balance"
    assert said["data"]["title"] == "Low"
    assert said["data"]["amount"] == {"amountMinor": 1250, "currency": "USD", "amount": "12.50"}


async def test_a_notification_of_who_has_no_endpoint_puts_nothing_out_for_webhooks(bank: Pipeline) -> None:
    user_id, _ = await bank.person()
    async with bank.begin() as conn:
        await lock_users(conn, [user_id])
        await raise_notices(conn, [NewNotice(user_id, NoticeKind.LOW_BALANCE, "a", "Low", "Low.")], bank.now)
    assert await bank.value("SELECT count(*) FROM outbox WHERE channel = 'webhook'") == 0


async def test_a_refused_message_comes_back_under_its_id_until_it_is_given_up(bank: Pipeline) -> None:
    async with serve(reply("500 Oh")) as receiver:
        user_id, _, secret = await hooked(bank, receiver.url)
        await happen(bank, user_id)
        begun = bank.now
        for _ in range(TRIES_MAX):
            assert await send(bank) == 1
            assert await send(bank) == 0
            bank.now = max(bank.now, (await deliveries(bank))[0]["next_attempt_at"]) + timedelta(minutes=5)
    assert len({request.headers["webhook-id"] for request in receiver.seen}) == 1
    assert len({request.body for request in receiver.seen}) == 1
    assert len({request.headers["webhook-timestamp"] for request in receiver.seen}) == TRIES_MAX
    assert all(verified(request, secret) for request in receiver.seen)
    [row] = await deliveries(bank)
    assert (row["state"], row["attempts"]) == ("dead", TRIES_MAX)
    assert timedelta(hours=75) < row["settled_at"] - begun < timedelta(hours=77)


async def test_a_receiver_is_not_asked_sooner_than_it_says(bank: Pipeline) -> None:
    async with serve(reply("429 Slow down", retry_after="600"), OK) as receiver:
        user_id, _, _ = await hooked(bank, receiver.url)
        await happen(bank, user_id)
        await send(bank)
        await happen(bank, user_id)  # Not this one either.
        bank.now += timedelta(seconds=599)
        assert await send(bank) == 0
        bank.now += timedelta(seconds=2)
        assert await send(bank) == 2
    assert [row["state"] for row in await deliveries(bank)] == ["sent", "sent"]


async def test_who_never_answers_holds_up_nobody_else(bank: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mintql.services.outgoing_webhooks_sending.ATTEMPT_SECONDS_MAX", 2 * PATIENCE_SECONDS)

    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await asyncio.sleep(2 * PATIENCE_SECONDS)

    async with serve_raw(silent) as port, serve(OK) as receiver:
        dead, _, _ = await hooked(bank, f"http://127.0.0.1:{port}/")
        living, _ = await bank.person()
        await endpoint(bank, living, receiver.url)
        await happen(bank, dead)
        await happen(bank, living)
        async with sending(bank) as sender:
            running = asyncio.create_task(sender.run())
            await eventually(lambda: receiver.seen)
            await happen(bank, living)  # And what comes while the other one is still silent.
            await sender.run()
            await eventually(lambda: len(receiver.seen) > 1)
            await eventually(lambda: all_sent_to(bank, living))
            assert not running.done()
            running.cancel()  # As if its worker died: the next one waits less long.
            await asyncio.wait([running])
        bank.now += LEASE
        monkeypatch.setattr("mintql.services.outgoing_webhooks_sending.ATTEMPT_SECONDS_MAX", 0.5)
        assert await send(bank) == 1
    rows = {row["user_id"]: row["state"] for row in await deliveries(bank)}
    assert rows == {dead: "due", living: "sent"}
    assert "did not answer within 0.5 seconds" in await bank.value(
        "SELECT error FROM webhook_attempts WHERE user_id = $1", dead
    )


async def all_sent_to(bank: Pipeline, user_id: UserId) -> bool:
    return all(row["state"] == "sent" for row in await deliveries(bank) if row["user_id"] == user_id)


async def test_a_worker_that_dies_after_sending_leaves_it_to_the_next_which_sends_the_same(
    bank: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(OK) as receiver:
        user_id, _, secret = await hooked(bank, receiver.url)
        await happen(bank, user_id)

        async def die(*_: object) -> None:
            raise asyncio.CancelledError

        with monkeypatch.context() as patched:
            patched.setattr(Sender, "_settle", die)
            with pytest.raises(asyncio.CancelledError):
                await send(bank)
        assert len(receiver.seen) == 1
        assert await send(bank) == 0
        bank.now += LEASE
        assert await send(bank) == 1
    first, second = receiver.seen
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)
    verified(second, secret)
