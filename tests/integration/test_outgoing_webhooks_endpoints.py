"""A person's webhook endpoints: what they may be, what signs for them, and when they are left alone for good."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from mintql.domain.errors import InvalidInput, NotFound, RateLimited
from mintql.domain.outgoing_webhooks import FAILING_MAX
from mintql.services import outgoing_webhooks as webhooks
from mintql.services.outgoing_webhooks import EndpointWish
from mintql.settings import Settings
from mintql.store import outgoing_webhooks_sending as store
from mintql.store.outgoing_webhooks_sending import EndpointKey
from support.http_server import PUBLIC_ADDRESS, reply, resolving, serve
from support.people import acting_as
from support.pipeline import Pipeline, open_pipeline
from support.webhooks import LOOPBACK, OK, deliveries, endpoint, happen, hooked, send, sending, verified


@pytest.fixture
async def bank(database_url: str, tmp_path: Path) -> AsyncIterator[Pipeline]:
    async with open_pipeline(database_url, tmp_path / "objects") as pipeline:
        yield pipeline


async def test_after_a_rotation_both_secrets_sign_for_a_day_and_then_the_new_one_alone(bank: Pipeline) -> None:
    async with serve(OK) as receiver:
        user_id, made, old = await hooked(bank, receiver.url)
        async with bank.begin() as conn:
            rotated, new = await webhooks.rotate(conn, bank.place.vault, user_id, made.endpoint_id, bank.now)
        assert rotated.old_secret_until == bank.now + timedelta(days=1)
        await happen(bank, user_id)
        await send(bank)
        bank.now += timedelta(days=1)
        await happen(bank, user_id)
        await send(bank)
    both, alone = receiver.seen
    assert verified(both, old) == verified(both, new)
    verified(alone, new)
    with pytest.raises(AssertionError):
        verified(alone, old)


async def test_a_delivery_that_was_given_up_or_sent_is_sent_again_as_it_was(bank: Pipeline) -> None:
    async with serve(reply("500 Oh"), OK) as receiver:
        user_id, _, secret = await hooked(bank, receiver.url)
        await happen(bank, user_id)
        await send(bank)
        await bank.fetch("UPDATE webhook_deliveries SET state = 'dead', tries = 10")
        for _ in range(2):
            [row] = await deliveries(bank)
            async with bank.begin() as conn:
                again, effects = await webhooks.resend(conn, user_id, row["delivery_id"], bank.now)
            assert (again.state, [job.name for job in effects.jobs]) == ("due", ["deliver_webhooks"])
            assert await send(bank) == 1
    assert len(receiver.seen) == 3
    assert len({(request.headers["webhook-id"], request.body) for request in receiver.seen}) == 1
    verified(receiver.seen[2], secret)
    [row] = await deliveries(bank)
    assert (row["state"], row["attempts"]) == ("sent", 3)


async def test_sending_again_and_a_worker_at_the_same_endpoint_wait_for_each_other_in_one_order(bank: Pipeline) -> None:
    user_id, made, _ = await hooked(bank, "https://ada.example/")
    await happen(bank, user_id)
    [row] = await deliveries(bank)

    async def resend() -> None:
        async with bank.begin() as conn:
            await webhooks.resend(conn, user_id, row["delivery_id"], bank.now)

    async with bank.begin() as conn:
        await store.lock_endpoint(conn, EndpointKey(user_id, made.endpoint_id))
        other = asyncio.create_task(resend())
        await asyncio.sleep(0.1)
        assert not other.done()
        await store.write_body(conn, user_id, row["delivery_id"], "{}")
    await other
    [row] = await deliveries(bank)
    assert (row["state"], row["body"]) == ("due", "{}")


async def test_a_receiver_that_says_it_is_gone_is_switched_off_and_told_nothing_more(bank: Pipeline) -> None:
    async with serve(reply("410 Gone")) as receiver:
        user_id, made, _ = await hooked(bank, receiver.url)
        await happen(bank, user_id)
        await happen(bank, user_id)
        await send(bank)
        await happen(bank, user_id)
        bank.now += timedelta(days=1)
        assert await send(bank) == 0
    assert len(receiver.seen) == 1
    assert [row["state"] for row in await deliveries(bank)] == ["dead", "dead"]
    async with bank.begin() as conn:
        found = await webhooks.find(conn, user_id, made.endpoint_id)
    assert (found.enabled, found.disabled_reason) == (False, "gone")
    acts = await bank.fetch("SELECT act, detail FROM audit_entries ORDER BY entry_id")
    assert [row["act"] for row in acts] == ["webhook_added", "webhook_disabled"]
    assert "http" not in acts[0]["detail"]


async def test_an_endpoint_that_failed_for_five_days_is_switched_off_and_a_success_begins_anew(bank: Pipeline) -> None:
    async with serve(reply("500 Oh"), OK, reply("500 Oh")) as receiver:
        user_id, made, _ = await hooked(bank, receiver.url)
        await happen(bank, user_id)
        await send(bank)
        bank.now += FAILING_MAX  # The second attempt succeeds, so nothing is held against it.
        await send(bank)
        await happen(bank, user_id)
        await send(bank)
        async with bank.begin() as conn:
            assert (await webhooks.find(conn, user_id, made.endpoint_id)).enabled
        bank.now += FAILING_MAX
        await send(bank)
        async with bank.begin() as conn:
            found = await webhooks.find(conn, user_id, made.endpoint_id)
            assert (found.enabled, found.disabled_reason) == (False, "failing")
            wish = EndpointWish(receiver.url)
            again = await webhooks.change(conn, user_id, made.endpoint_id, wish, LOOPBACK, bank.now)
    assert (again.enabled, again.disabled_reason, again.failing_since) == (True, None, None)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://example.com/", "must begin with https"),
        ("http://127.0.0.1:9/", "must begin with https"),
        ("https://127.0.0.1/", "not on the public internet"),
        ("https://169.254.169.254/latest", "not on the public internet"),
        ("https://[::1]/", "not on the public internet"),
        ("https://example.com:25/", "not one that web servers answer at"),
        ("https://ada:secret@example.com/", "not a web address"),
        ("ftp://example.com/", "must begin with https"),
    ],
)
async def test_in_production_only_the_public_internet_can_be_an_endpoint(bank: Pipeline, url: str, words: str) -> None:
    user_id, _ = await bank.person()
    keys = {"environment": "production", "secret_keys": "1:" + "A" * 43 + "="}
    allowed = webhooks.allowed_of(Settings(**keys))
    with pytest.raises(InvalidInput, match=words) as refused:
        async with bank.begin() as conn:
            await webhooks.add(conn, bank.place.vault, user_id, EndpointWish(url), allowed, bank.now)
    assert refused.value.field == "url"
    assert await bank.value("SELECT count(*) FROM webhook_endpoints") == 0


async def test_a_name_that_leads_inside_is_not_sent_to_and_a_redirect_is_a_failure(bank: Pipeline) -> None:
    async with serve(reply("302 Found", location="http://127.0.0.1:1/")) as receiver:
        user_id, _, _ = await hooked(bank, "https://inside.example/")
        await endpoint(bank, user_id, receiver.url)
        await happen(bank, user_id)
        names = resolving({"inside.example": [PUBLIC_ADDRESS, "10.0.0.8"]})
        async with sending(bank, resolver=names) as sender:
            assert await sender.run() == 2
        assert len(receiver.seen) == 1
    rows = await bank.fetch("SELECT status_code, error FROM webhook_attempts ORDER BY delivery_id")
    assert [tuple(row) for row in rows] == [(None, "inside.example is not on the public internet."), (302, None)]
    assert [row["state"] for row in await deliveries(bank)] == ["due", "due"]


async def test_a_status_counts_whatever_body_comes_with_it(bank: Pipeline) -> None:
    endless = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n" + b"\0<" * 5_000
    async with serve(endless) as receiver:
        user_id, _, _ = await hooked(bank, receiver.url)
        await happen(bank, user_id)
        await send(bank)
    assert [row["state"] for row in await deliveries(bank)] == ["sent"]
    assert await bank.value("SELECT length(answer) FROM webhook_attempts") == 1_000


async def test_there_are_bounds_on_endpoints_and_on_tests(bank: Pipeline) -> None:
    async with serve(OK) as receiver:
        user_id, made, _ = await hooked(bank, receiver.url)
        for _ in range(webhooks.ENDPOINTS_MAX - 1):
            await endpoint(bank, user_id, receiver.url)
        with pytest.raises(InvalidInput, match="10 webhook endpoints already"):
            await endpoint(bank, user_id, receiver.url)
        async with bank.begin() as conn:
            for _ in range(webhooks.TESTS_MAX):
                await webhooks.send_test(conn, user_id, made.endpoint_id, bank.now)
            with pytest.raises(RateLimited):
                await webhooks.send_test(conn, user_id, made.endpoint_id, bank.now)
        await send(bank)
    assert len(receiver.seen) == webhooks.TESTS_MAX
    assert len({request.headers["webhook-id"] for request in receiver.seen}) == webhooks.TESTS_MAX


async def test_another_persons_endpoint_is_not_there_and_the_api_cannot_read_secrets(
    bank: Pipeline, database_url: str
) -> None:
    user_id, made, _ = await hooked(bank, "https://ada.example/")
    other, _ = await bank.person()
    await happen(bank, user_id)
    [row] = await deliveries(bank)
    conn = await asyncpg.connect(database_url)
    try:
        async with acting_as(conn, other):
            assert await webhooks.list_endpoints(conn, other) == []
            assert await webhooks.list_endpoints(conn, user_id) == []
            with pytest.raises(NotFound):
                await webhooks.remove(conn, other, made.endpoint_id, bank.now)
            with pytest.raises(NotFound):
                await webhooks.resend(conn, other, row["delivery_id"], bank.now)
        async with acting_as(conn, user_id):
            assert len(await webhooks.list_endpoints(conn, user_id)) == 1
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with acting_as(conn, user_id):
                await conn.fetch("SELECT ciphertext FROM webhook_secrets")
    finally:
        await conn.close()
    assert [row["state"] for row in await deliveries(bank)] == ["due"]
