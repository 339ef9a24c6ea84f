"""What waits for everybody, and whether a process turns, is told as it is."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from mintql.gateways.metrics import MetricsServer, Pages, registry
from mintql.nightly import reconcile_night
from mintql.observing import loops, metrics
from mintql.services import reconcile
from mintql.services.events import NewEvent, append_events
from mintql.store.locks import lock_users
from mintql.vitals import VitalsReader
from support.clients import eventually
from support.factories import create_connection, create_user
from support.metrics import Moves, scrape, value_of


@pytest.fixture
def reader(runtime):
    found = VitalsReader(runtime)
    found.scraped()
    return found


async def due_run(conn, user_id, reason, minutes):
    connection_id, now = await create_connection(conn, user_id), datetime.now(UTC)
    await conn.execute(
        "INSERT INTO sync_runs (user_id, connection_id, reason, day, next_attempt_at, background)"
        " VALUES ($1, $2, $3, $4, $5, $3 = 'daily')",
        user_id, connection_id, reason, now.date(), now - timedelta(minutes=minutes),
    )  # fmt: skip


async def test_runs_that_are_due_are_counted_by_lane_with_the_age_of_the_oldest(conn, reader):
    user_id = await create_user(conn)
    for reason, minutes in (("request", 1), ("request", 7), ("daily", 3), ("request", -5)):
        await due_run(conn, user_id, reason, minutes)
    await reader.read()
    assert [value_of(metrics.RUNS_DUE, lane) for lane in ("own", "daily")] == [2, 1]
    assert 420 <= value_of(metrics.RUNS_OLDEST_SECONDS, "own") < 480
    assert 180 <= value_of(metrics.RUNS_OLDEST_SECONDS, "daily") < 240
    await conn.execute("UPDATE sync_runs SET state = 'failed', finished_at = now()")
    await reader.read()
    assert [value_of(metrics.RUNS_DUE, lane) for lane in ("own", "daily")] == [0, 0]
    assert value_of(metrics.RUNS_OLDEST_SECONDS, "own") == 0


async def test_deliveries_that_wait_or_were_given_up_are_counted_by_channel(conn, reader):
    user_id = await create_user(conn)
    async with conn.transaction():
        await lock_users(conn, [user_id])
        await append_events(conn, [NewEvent(user_id, "budget_alert", {"alert_id": n}) for n in range(3)])
    await conn.execute("UPDATE outbox SET next_attempt_at = now() - interval '90 seconds'")
    await conn.execute("UPDATE outbox SET state = 'dead' WHERE seq = (SELECT min(seq) FROM outbox)")
    await reader.read()
    assert value_of(metrics.OUTBOX_DUE, "live") == 2
    assert value_of(metrics.OUTBOX_DEAD, "live") == 1
    assert value_of(metrics.OUTBOX_DUE, "email") == 0
    assert 90 <= value_of(metrics.OUTBOX_OLDEST_SECONDS, "live") < 150


async def test_jobs_in_the_queues_are_counted_and_one_that_goes_first_is_as_old_as_it_is(reader, runtime):
    await runtime.queue.enqueue("notify")
    await runtime.queue.enqueue("sweep", defer_seconds=600)
    await runtime.queue.enqueue_all([metrics_job()])
    await reader.read()
    assert [value_of(metrics.QUEUE_JOBS, queue) for queue in ("persons", "background")] == [2, 1]
    assert value_of(metrics.QUEUE_OLDEST_SECONDS, "background") < 60
    await runtime.redis.zadd("mintql:queue", {b"lost": (time.time() - 300) * 1000})
    await reader.read()
    assert 300 <= value_of(metrics.QUEUE_OLDEST_SECONDS, "persons") < 360


def metrics_job():
    from mintql.gateways.queue import Job  # noqa: PLC0415 - only here

    return Job("examine").begun()


async def test_nothing_of_everybodys_is_read_while_nobody_reads_the_metrics(conn, runtime):
    await due_run(conn, await create_user(conn), "request", 1)
    before = value_of(metrics.VITALS_AGE)
    quiet = VitalsReader(runtime)
    await quiet.read()
    assert quiet.checks.told() == (True, {"database": "ok", "redis": "ok", "checked": True})
    assert value_of(metrics.VITALS_AGE) == before


async def test_a_process_whose_database_is_away_is_not_ready_and_one_that_was_never_asked_is_neither(reader, runtime):
    assert reader.checks.told()[0] is False
    await reader.read()
    assert reader.checks.told()[0] is True
    await runtime.pool.close()
    await reader.read()
    assert reader.checks.told() == (False, {"database": "down", "redis": "ok", "checked": True})


async def test_the_comparison_of_a_night_goes_on_where_the_last_one_stopped(conn, runtime, reader, monkeypatch):
    monkeypatch.setattr(reconcile, "USERS_PER_PAGE", 2)
    user_ids = [await create_user(conn) for _ in range(3)]
    await conn.execute(
        "INSERT INTO monthly_spending (user_id, month, category_id, currency, posted_minor, posted_count)"
        " VALUES ($1, '2026-10-01', 1, 'USD', -500, 1)",
        user_ids[2],
    )
    moves = Moves(metrics.RECONCILE_PERSONS)
    assert await reconcile_night(runtime, seconds_max=0) == 0
    assert await conn.fetchval("SELECT after_user_id FROM reconcile_progress") == user_ids[1]
    assert await reconcile_night(runtime, seconds_max=0) == 1
    assert moves(metrics.RECONCILE_PERSONS) == 3
    assert await conn.fetchval("SELECT after_user_id FROM reconcile_progress WHERE round_ended_at IS NOT NULL") == 0
    await reader.read()
    assert value_of(metrics.RECONCILE_FINDINGS) == 1
    assert abs(value_of(metrics.RECONCILE_LAST) - time.time()) < 60
    assert await reconcile_night(runtime, seconds_max=0) == 0
    assert await conn.fetchval("SELECT after_user_id FROM reconcile_progress") == user_ids[1]


async def test_a_loop_that_stands_still_is_said_aloud_with_where_it_stands(monkeypatch, caplog):
    monkeypatch.setattr(loops, "BLOCKED_SECONDS", 0.1)
    monkeypatch.setattr(loops, "STUCK_SECONDS", 0.2)
    moves = Moves(metrics.LOOP_BLOCKED, metrics.LOOP_LAG_SECONDS)
    watch = loops.LoopWatch()
    watch.start()
    assert not watch.is_stuck
    time.sleep(0.4)  # noqa: ASYNC251 - it is to stand still
    assert watch.is_stuck
    await eventually(lambda: moves(metrics.LOOP_LAG_SECONDS))
    await eventually(lambda: not watch.is_stuck)
    watch.stop()
    # A machine that is busy may hold the loop up once more, somewhere else.
    assert moves(metrics.LOOP_BLOCKED) == caplog.text.count("the event loop has stood still") >= 1
    assert caplog.text.count("time.sleep(0.4)") == 1


async def test_processes_that_are_told_the_same_port_take_one_after_another():
    pages = Pages(registry(), lambda: (False, {"loop": "down"}), lambda: (True, {}), lambda: None)
    first = MetricsServer("127.0.0.1", 0, pages)
    second = MetricsServer("127.0.0.1", first.port, pages)
    assert first.port < second.port
    for server in (first, second):
        server.start()
        assert await scrape(f"http://127.0.0.1:{server.port}/metrics")
        await asyncio.to_thread(server.stop)
