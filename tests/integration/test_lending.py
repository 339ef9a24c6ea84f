"""Connections that go from hand to hand: each to one borrower at a time, none lost, none kept from its pool for long."""

from __future__ import annotations

import asyncio
import random

import asyncpg
import pytest

from mintql.store import lending
from mintql.store.lending import Lender, is_gone
from mintql.store.pools import Database
from support.clients import eventually

SIZE = 2
WAIT_SECONDS = 30.0
SOON_SECONDS = 0.5
TASKS = 300
LOSSES = 60


@pytest.fixture
def made():
    """The connections that were made, in their order."""
    return []


@pytest.fixture
async def pool(database_url, made):
    async def note(conn):
        made.append(conn)

    opened = await asyncpg.create_pool(database_url, min_size=0, max_size=SIZE, init=note)
    yield opened
    opened.terminate()


@pytest.fixture
async def lender(pool):
    opened = Lender(pool, WAIT_SECONDS)
    yield opened
    await opened.close()


async def pid(conn):
    return await conn.fetchval("SELECT pg_backend_pid()")


async def test_a_connection_that_was_read_on_stays_at_hand_and_is_lent_again(pool, lender):
    first = await lender.lend()
    assert lender.pass_on(first)
    assert (lender.idle, pool.get_idle_size()) == (1, 0)
    assert await lender.lend() is first
    assert lender.idle == 0
    await lender.give_back(first)
    assert pool.get_idle_size() == 1


async def test_who_waits_is_given_the_next_that_is_free_in_their_order(lender):
    taken = [await lender.lend() for _ in range(SIZE)]
    waiting = []
    for _ in range(3):
        waiting.append(asyncio.create_task(lender.lend()))
        await asyncio.sleep(0)
    late = asyncio.create_task(lender.lend())
    assert lender.pass_on(taken[0])
    assert await waiting[0] is taken[0]
    await lender.give_back(taken[1])  # Through the pool, which resets it.
    second = await waiting[1]
    assert not waiting[2].done()
    assert lender.pass_on(second)
    assert await waiting[2] is second
    assert not late.done()
    assert lender.pass_on(second)
    assert await late is second
    for conn in (taken[0], second):
        await lender.give_back(conn)


async def test_nobody_waits_for_longer_than_said(pool):
    lender = Lender(pool, WAIT_SECONDS)
    taken = [await lender.lend() for _ in range(SIZE)]
    lender._wait_seconds = SOON_SECONDS
    with pytest.raises(TimeoutError):
        await lender.lend()
    assert lender.pass_on(taken[0])  # Whoever gave up is given nothing.
    assert await lender.lend() is taken[0]
    for conn in taken:
        await lender.give_back(conn)


@pytest.mark.parametrize("through_pool", [True, False])
async def test_what_comes_to_who_has_just_left_goes_to_the_next(lender, through_pool):
    taken = [await lender.lend() for _ in range(SIZE)]
    leaving, staying = (asyncio.create_task(lender.lend()) for _ in range(2))
    await asyncio.sleep(0)
    if through_pool:
        await lender._pool.release(taken[0])
        lender._back_by.pop(taken[0])
        lender._place_is_free()
    else:
        assert lender.pass_on(taken[0])
    leaving.cancel()  # It has been given one, and has not run since.
    with pytest.raises(asyncio.CancelledError):
        await leaving
    found = await staying
    assert await pid(found)
    for conn in (found, taken[1]):
        await lender.give_back(conn)


async def test_after_expiry_all_connections_are_new_ones_those_in_use_too(lender, made):
    used, idle = [await lender.lend() for _ in range(SIZE)]
    assert len(made) == SIZE
    assert lender.pass_on(idle)
    await lender.expire()
    assert not lender.pass_on(used)
    await lender.give_back(used)
    after = [await lender.lend() for _ in range(SIZE)]
    assert len(made) == 2 * SIZE
    for conn in after:
        await lender.give_back(conn)


async def test_one_that_is_being_made_at_expiry_is_not_passed_on(database_url, made):
    begun, told = asyncio.Event(), asyncio.Event()

    async def wait(conn):
        made.append(conn)
        begun.set()
        await told.wait()

    pool = await asyncpg.create_pool(database_url, min_size=0, max_size=1, init=wait)
    try:
        lender = Lender(pool, WAIT_SECONDS)
        lending = asyncio.create_task(lender.lend())
        await begun.wait()
        await lender.expire()
        told.set()
        conn = await lending
        assert not lender.pass_on(conn)
        await lender.give_back(conn)
        assert lender.pass_on(await lender.lend())
        assert len(made) == 2
        await lender.close()
    finally:
        pool.terminate()


async def test_all_are_back_in_the_pool_in_time_whether_used_or_not(pool, lender, monkeypatch):
    monkeypatch.setattr(lending, "KEPT_SECONDS", SOON_SECONDS)
    busy, idle = [await lender.lend() for _ in range(SIZE)]
    assert lender.pass_on(idle)
    await eventually(lambda: _is(pool.get_idle_size, 1))
    assert lender.idle == 0
    await asyncio.sleep(SOON_SECONDS)
    assert not lender.pass_on(busy)
    await lender.give_back(busy)


async def test_one_that_is_lost_while_it_is_at_hand_is_not_lent(pool, lender):
    conn, other = [await lender.lend() for _ in range(SIZE)]
    lost = await pid(conn)
    assert lender.pass_on(conn)
    await other.execute("SELECT pg_terminate_backend($1)", lost)
    await eventually(lambda: _is(lambda: is_gone(conn), True))
    found = await lender.lend()
    assert await pid(found) != lost
    for item in (found, other):
        await lender.give_back(item)


async def test_one_that_was_lost_is_not_passed_on_to_who_waits(pool, lender):
    conn, other = [await lender.lend() for _ in range(SIZE)]
    waiting = asyncio.create_task(lender.lend())
    lost = await pid(conn)
    await other.execute("SELECT pg_terminate_backend($1)", lost)
    await eventually(lambda: _is(lambda: is_gone(conn), True))
    assert not lender.pass_on(conn)
    await lender.give_back(conn)
    found = await waiting
    assert await pid(found) != lost
    for item in (found, other):
        await lender.give_back(item)


async def test_what_begins_while_connections_are_lost_begins_on_others(pool, database_url):
    database = Database(pool, WAIT_SECONDS, "test")
    owner = await asyncpg.connect(database_url)
    others = "pid <> pg_backend_pid() AND datname = current_database()"
    for _ in range(LOSSES):
        losing = owner.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
        found = await asyncio.gather(losing, *(database.ask(pid) for _ in range(SIZE)))
        assert all(found)
    await owner.close()
    await database.lender.close()


async def test_the_pool_can_end_with_connections_at_hand(database_url):
    async with asyncio.timeout(WAIT_SECONDS):
        async with asyncpg.create_pool(database_url, min_size=0, max_size=SIZE) as pool:
            lender = Lender(pool, WAIT_SECONDS)
            assert lender.pass_on(await lender.lend())
            await lender.close()
        assert lender.idle == 0


async def test_many_who_come_and_leave_share_few_connections_and_lose_none(pool, lender, monkeypatch):
    monkeypatch.setattr(lending, "KEPT_SECONDS", 0.01)
    chance, in_use, served = random.Random(11), set(), [0]

    async def borrow():
        conn = await lender.lend()
        assert conn not in in_use
        in_use.add(conn)
        try:
            await asyncio.sleep(chance.choice((0, 0, 0.001, 0.005)))
            served[0] += 1
        finally:
            in_use.remove(conn)
            if chance.random() < 0.3 or not lender.pass_on(conn):
                await lender.give_back(conn)

    tasks = [asyncio.create_task(borrow()) for _ in range(TASKS)]
    for number, task in enumerate(tasks):
        if chance.random() < 0.2:
            await asyncio.sleep(chance.choice((0, 0.001)))
            task.cancel()
        if number == TASKS // 2:
            await lender.expire()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(item is None or isinstance(item, asyncio.CancelledError) for item in found)
    assert served[0] > TASKS // 2
    await lender.close()
    assert not in_use
    assert pool.get_size() == pool.get_idle_size()
    assert lender._places_left == SIZE


async def _is(read, value):
    return read() == value
