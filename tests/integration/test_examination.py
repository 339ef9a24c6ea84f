"""After the first look at a person's transactions, sellers with changes are looked at, and once a week all of them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from integration.test_recurring import NOW, monthly, pay
from mintql.services import examination, recurring_detection
from mintql.services.effects import Effects
from mintql.store import recurring_read
from mintql.store.recurring_read import Wanted
from support.factories import create_person


@pytest.fixture
async def person(conn):
    found = await create_person(conn)
    await conn.execute("UPDATE connections SET last_success_at = $1", NOW)
    return found


async def examine(conn, person, now=NOW) -> list[tuple[object, ...]]:
    """Mark the person, let a worker look at them; return how their rows were asked for by seller."""

    @asynccontextmanager
    async def begin():
        async with conn.transaction():
            yield conn

    async def perform(effects: Effects) -> None:
        pass

    seen: list[asyncpg.connection.LoggedQuery] = []
    await examination.mark(conn, [person.user_id], now)
    with conn.query_logger(seen.append):
        assert await examination.examine_due(begin, perform, lambda: now) == 1
    return [item.args for item in seen if "AS seller_rows" in item.query]


async def names(conn, person):
    return {found.merchant for found in await recurring_read.shown(conn, person.user_id, Wanted())}


async def test_only_sellers_with_changes_are_read_after_the_first_look(conn, person):
    await pay(conn, person, monthly(12, 14), -1_549)
    await pay(conn, person, monthly(3, 1), -500, merchant="Once")
    (asked,) = await examine(conn, person)
    assert asked[-1] is None, "at first all of them"
    assert await names(conn, person) == {"Netflix"}

    await pay(conn, person, monthly(20, 14), -999, merchant="Gym")
    (asked,) = await examine(conn, person, NOW + timedelta(days=1))
    assert asked[-1] == ["gym"]
    assert await names(conn, person) == {"Netflix", "Gym"}

    (asked,) = await examine(conn, person, NOW + timedelta(days=2))
    assert asked[-1] == []


async def test_series_that_wait_for_a_payment_and_money_in_are_looked_at_without_changes(conn, person):
    await pay(conn, person, monthly(12, 14), -1_549)
    await pay(conn, person, monthly(20, 14), -999, merchant="Gym")
    await pay(conn, person, monthly(1, 14), 300_000, merchant="Employer", slug="paycheck")
    await examine(conn, person)
    (asked,) = await examine(conn, person, NOW + timedelta(days=1))
    assert asked[-1] == ["employer"]

    later = datetime(2026, 12, 15, tzinfo=UTC)
    await conn.execute("UPDATE recurring_looks SET whole_at = $1", later)
    (asked,) = await examine(conn, person, later)
    assert asked[-1] == ["employer", "netflix"]

    later = datetime(2027, 3, 15, tzinfo=UTC)
    await conn.execute("UPDATE recurring_looks SET whole_at = $1", later)
    await conn.execute("UPDATE connections SET last_success_at = $1", later)
    await examine(conn, person, later)
    assert await conn.fetchval("SELECT bool_and(ended) FROM recurring_series")
    (asked,) = await examine(conn, person, later)
    assert asked[-1] == ["employer"], "what has ended waits for nothing"


async def test_all_sellers_are_read_again_after_a_week(conn, person):
    await pay(conn, person, monthly(12, 14), -1_549)
    await examine(conn, person)
    (asked,) = await examine(conn, person, NOW + timedelta(days=6))
    assert asked[-1] is not None
    (asked,) = await examine(conn, person, NOW + timedelta(days=8))
    assert asked[-1] is None


async def test_more_changes_than_are_told_apart_are_a_look_at_all(conn, person, monkeypatch):
    await pay(conn, person, monthly(12, 14), -1_549)
    await examine(conn, person)
    monkeypatch.setattr(examination, "CHANGES_MAX", 5)
    await pay(conn, person, monthly(20, 14), -999, merchant="Gym")
    (asked,) = await examine(conn, person, NOW + timedelta(days=1))
    assert asked[-1] is None
    assert await names(conn, person) == {"Netflix", "Gym"}


async def test_what_changes_after_it_was_read_ahead_is_found_all_the_same(conn, person):
    await pay(conn, person, monthly(12, 14), -1_549)
    ahead = await recurring_detection.read_ahead(conn, person.user_id, NOW)
    await pay(conn, person, monthly(20, 14), -999, merchant="Gym")
    await conn.execute("UPDATE transactions SET removed_at = now() WHERE merchant = 'Netflix'")
    async with conn.transaction():
        await recurring_detection.look(conn, person.user_id, NOW, ahead=ahead)
    assert await names(conn, person) == {"Gym"}


async def test_a_job_looks_at_the_persons_it_names_and_leaves_all_others_who_are_due(conn, person):
    @asynccontextmanager
    async def begin():
        async with conn.transaction():
            yield conn

    async def perform(effects: Effects) -> None:
        pass

    async def due():
        return [row["user_id"] for row in await conn.fetch("SELECT user_id FROM examinations ORDER BY user_id")]

    other = await create_person(conn)
    await examination.mark(conn, [person.user_id], NOW)
    effects = await examination.mark(conn, [other.user_id], NOW)
    assert [(job.name, job.args) for job in effects.jobs] == [("examine", ([[other.user_id]],))]
    assert await examination.examine_due(begin, perform, lambda: NOW, only=[other.user_id]) == 1
    assert await due() == [person.user_id]
    assert await examination.examine_due(begin, perform, lambda: NOW) == 1
    assert await due() == []
