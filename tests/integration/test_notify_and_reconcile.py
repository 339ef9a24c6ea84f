"""The outbox is worked off and never forgotten; wrong sums are found, mended, and remembered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from mintql.services import notify, reconcile
from mintql.services.events import NewEvent, append_events
from mintql.store import outbox
from mintql.store.locks import lock_users
from mintql.store.outbox import Delivery
from support.clients import PATIENCE_SECONDS
from support.pipeline import Pipeline, open_pipeline
from support.scripted import page, row


@pytest.fixture
async def bank(database_url: str, tmp_path: Path) -> AsyncIterator[Pipeline]:
    async with open_pipeline(database_url, tmp_path / "objects") as pipeline:
        yield pipeline


class Receiver:
    """A channel that refuses as often as it is told to."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.got: list[tuple[int, int]] = []

    async def __call__(self, item: Delivery) -> None:
        if self.refusals:
            self.refusals -= 1
            raise ConnectionError("refused")
        self.got.append((item.user_id, item.seq))


async def tell(bank: Pipeline, count: int = 1) -> int:
    user_id, _ = await bank.person()
    async with bank.begin() as conn:
        await lock_users(conn, [user_id])
        await append_events(conn, [NewEvent(user_id, "budget_alert", {"alert_id": n}) for n in range(count)])
    return user_id


async def tell_more(bank: Pipeline, user_id: int) -> None:
    async with bank.begin() as conn:
        await lock_users(conn, [user_id])
        await append_events(conn, [NewEvent(user_id, "budget_alert", {"alert_id": 0})])


async def told(bank: Pipeline, user_id: int) -> list[tuple[int, int]]:
    """Person and seq of the alerts' events: that a connection was made is an event too."""
    rows = await bank.fetch(
        "SELECT user_id, seq FROM events WHERE user_id = $1 AND kind = 'budget_alert' ORDER BY seq", user_id
    )
    return [tuple(item) for item in rows]


async def work_off(bank: Pipeline, receiver: Receiver) -> int:
    return await notify.notify(bank.begin, {"live": receiver}, lambda: bank.now)


async def test_each_event_is_delivered_once_and_then_settled(bank: Pipeline) -> None:
    user_id, receiver = await tell(bank, 3), Receiver()
    bank.go_far()
    assert await work_off(bank, receiver) == 3
    assert len(receiver.got) == 3
    assert sorted(receiver.got) == await told(bank, user_id)
    assert await work_off(bank, receiver) == 0
    assert {item["state"] for item in await bank.fetch("SELECT state FROM outbox")} == {"sent"}


async def test_a_refused_delivery_comes_back_with_growing_pauses_and_dies_aloud(bank: Pipeline) -> None:
    await tell(bank)
    bank.go_far()
    receiver, pauses = Receiver(refusals=99), []
    while await work_off(bank, receiver):
        item = (await bank.fetch("SELECT state, next_attempt_at FROM outbox"))[0]
        if item["state"] == "due":
            pauses.append((item["next_attempt_at"] - bank.now).total_seconds())
        bank.now = max(bank.now, item["next_attempt_at"])
    assert pauses == list(notify.RETRY_SECONDS)
    dead = (await bank.fetch("SELECT state, attempts, error FROM outbox"))[0]
    assert tuple(dead) == ("dead", notify.ATTEMPTS_MAX, "ConnectionError: refused")


async def test_a_worker_that_dies_with_a_delivery_in_hand_leaves_it_to_the_next(bank: Pipeline) -> None:
    user_id = await tell(bank)
    bank.go_far()

    in_hand = asyncio.Event()

    async def hang(_: Delivery) -> None:
        in_hand.set()
        await asyncio.Event().wait()

    worker = asyncio.create_task(notify.notify(bank.begin, {"live": hang}, lambda: bank.now))
    await in_hand.wait()
    worker.cancel()
    with pytest.raises(asyncio.CancelledError):
        await worker
    receiver = Receiver()
    assert await work_off(bank, receiver) == 0
    bank.now += notify.LEASE
    assert await work_off(bank, receiver) == 1
    assert len(receiver.got) == 1
    assert receiver.got == await told(bank, user_id)


async def test_a_channel_that_is_not_set_up_here_is_skipped(bank: Pipeline) -> None:
    await tell(bank)
    await bank.fetch("UPDATE outbox SET channel = 'pigeon'")
    bank.go_far()
    await work_off(bank, Receiver())
    assert await bank.value("SELECT error FROM outbox WHERE state = 'skipped'") == "there is no channel 'pigeon' here"


async def test_what_is_not_wanted_is_skipped_and_what_is_refused_for_good_is_dead_at_once(bank: Pipeline) -> None:
    await tell(bank, 2)
    bank.go_far()
    answers = iter([notify.SkippedError("switched off"), notify.UndeliverableError("no such mailbox")])

    async def refuse(_: Delivery) -> None:
        raise next(answers)

    assert await notify.notify(bank.begin, {"live": refuse}, lambda: bank.now) == 2
    states = await bank.fetch("SELECT state, attempts, error FROM outbox ORDER BY state")
    assert [tuple(item) for item in states] == [
        ("dead", 1, "UndeliverableError: no such mailbox"),
        ("skipped", 1, "SkippedError: switched off"),
    ]


async def test_a_channel_that_hangs_holds_nothing_else_up(bank: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "DELIVERY_SECONDS_MAX", 2 * PATIENCE_SECONDS)
    user_id = await tell(bank, 30)
    await bank.fetch("INSERT INTO outbox (user_id, seq, channel) SELECT user_id, seq, 'email' FROM outbox")
    bank.go_far()
    receiver, at_work, at_work_max = Receiver(), 0, 0
    all_told, told_more, full, time_is_up = (asyncio.Event() for _ in range(4))

    async def receive(item: Delivery) -> None:
        await receiver(item)
        if len(receiver.got) == 30:
            all_told.set()
        elif len(receiver.got) == 31:
            told_more.set()

    async def hang(_: Delivery) -> None:
        nonlocal at_work, at_work_max
        at_work += 1
        at_work_max = max(at_work_max, at_work)
        if at_work == notify.DELIVERIES_AT_ONCE_MAX:
            full.set()
        try:
            if not time_is_up.is_set():
                await time_is_up.wait()
                raise TimeoutError
            await asyncio.Event().wait()
        finally:
            at_work -= 1

    notifier = notify.Notifier(bank.begin, {"live": receive, "email": hang}, lambda: bank.now)
    stuck = asyncio.create_task(notifier.run())
    async with asyncio.timeout(PATIENCE_SECONDS):
        await all_told.wait()
        await full.wait()
    assert at_work == at_work_max == notify.DELIVERIES_AT_ONCE_MAX
    await tell_more(bank, user_id)
    # The other channel goes on while one hangs, and that one is begun no second time. Either call may be the one that
    # takes it: the first may not have left the other channel yet, and looks again then.
    async with asyncio.timeout(PATIENCE_SECONDS):
        taken = await notifier.run()
        await told_more.wait()
    assert not stuck.done()
    assert at_work_max == notify.DELIVERIES_AT_ONCE_MAX
    monkeypatch.setattr(notify, "DELIVERY_SECONDS_MAX", 0.1)  # Of those that have not begun yet.
    time_is_up.set()
    assert await stuck + taken == 61
    states = await bank.fetch("SELECT channel, state, count(*) FROM outbox GROUP BY 1, 2 ORDER BY 1")
    assert [tuple(item) for item in states] == [("email", "due", 30), ("live", "sent", 31)]
    assert await bank.value("SELECT DISTINCT error FROM outbox WHERE channel = 'email'") == "TimeoutError: "


async def test_two_calls_that_find_a_channel_due_together_do_not_work_it_off_twice(bank: Pipeline) -> None:
    await tell(bank, 3 * notify.DELIVERIES_AT_ONCE_MAX)
    bank.go_far()
    under_way = most = told = 0

    async def receive(_item: Delivery) -> None:
        nonlocal under_way, most, told
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.01)
        under_way -= 1
        told += 1

    both, asked = asyncio.Barrier(2), 0

    @asynccontextmanager
    async def begin() -> AsyncIterator[Any]:
        nonlocal asked
        async with bank.begin() as conn:
            yield conn
        asked += 1
        if asked <= 2:  # The two answers to which channels are due come in the same turn of the loop.
            await both.wait()

    notifier = notify.Notifier(begin, {"live": receive}, lambda: bank.now)
    await asyncio.gather(notifier.run(), notifier.run())
    assert told == 3 * notify.DELIVERIES_AT_ONCE_MAX
    assert most <= notify.DELIVERIES_AT_ONCE_MAX


async def test_a_delivery_keeps_its_id_over_attempts_and_shares_it_with_no_other(bank: Pipeline) -> None:
    await tell(bank, 2)
    bank.go_far()
    ids: list[str] = []

    async def refuse(item: Delivery) -> None:
        ids.append(item.idempotency_id)
        raise ConnectionError("refused")

    for _ in range(2):
        await notify.notify(bank.begin, {"live": refuse}, lambda: bank.now)
        bank.now += timedelta(minutes=1)
    assert len(ids) == 4
    assert sorted(ids[:2]) == sorted(ids[2:])
    assert len(set(ids)) == 2


async def test_what_was_settled_long_ago_is_forgotten_and_what_is_due_never(bank: Pipeline) -> None:
    await tell(bank, 2)
    await bank.fetch("UPDATE outbox SET state = 'sent' WHERE seq = (SELECT min(seq) FROM outbox)")
    async with bank.begin() as conn:
        assert await outbox.purge(conn, bank.now - timedelta(days=365), 100) == 0
        bank.go_far()
        assert await outbox.purge(conn, bank.now, 100) == 1
    assert await bank.value("SELECT array_agg(state) FROM outbox") == ["due"]


async def test_reconcile_finds_mends_and_records_every_kind_of_wrong_sum(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    day = date(2026, 11, 10)
    await bank.refresh(user_id, connection_id, page(row("t1", -450, day), row("t2", -300, date(2026, 10, 2))))
    await bank.fetch("UPDATE monthly_spending SET posted_minor = posted_minor - 1 WHERE month = '2026-11-01'")
    await bank.fetch("DELETE FROM monthly_spending WHERE month = '2026-10-01'")
    await bank.fetch(
        "INSERT INTO monthly_spending (user_id, month, category_id, currency, pending_minor, pending_count)"
        " VALUES ($1, '2026-09-01', 601, 'USD', 5, 1)",
        user_id,
    )
    async with bank.begin() as conn:
        _, suspected = await reconcile.reconcile_page(conn, 0)
        found, effects = await reconcile.mend(conn, [item.user_id for item in suspected], bank.now)
    assert [(item.month.month, item.stored_posted_minor, item.posted_minor) for item in found] == [
        (9, 0, 0), (10, 0, -300), (11, -451, -450),
    ]  # fmt: skip
    assert effects.changed == {user_id}
    async with bank.begin() as conn:
        assert await reconcile.reconcile_page(conn, 0) == (None, [])
    assert await bank.value("SELECT count(*) FROM reconcile_findings") == 3


async def test_deleting_transactions_takes_them_out_of_the_sums(bank: Pipeline) -> None:
    user_id, connection_id = await bank.person()
    await bank.refresh(
        user_id, connection_id, page(row("t1", -450, date(2026, 11, 10)), row("t2", -1, date(2026, 11, 9)))
    )
    await bank.fetch("DELETE FROM transactions WHERE external_id = 't1'")
    async with bank.begin() as conn:
        assert await reconcile.reconcile_page(conn, 0) == (None, [])
    assert await bank.value("SELECT sum(posted_minor)::bigint FROM monthly_spending") == -1
    await bank.fetch("DELETE FROM connections")
    assert await bank.value("SELECT sum(posted_minor)::bigint FROM monthly_spending") == 0
