"""After the first look at a person's transactions, sellers with changes are looked at, and once a week all of them."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest

from integration.test_recurring import NOW, monthly, pay
from mintql.services import examination, recurring_detection, recurring_said
from mintql.services.effects import Effects
from mintql.services.recurring_said import SeriesWish
from mintql.store import recurring, recurring_read
from mintql.store.recurring_read import Wanted
from support.factories import create_account, create_connection, create_person, create_transaction
from support.people import acting_as, category


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
    return [item.args for item in seen if item.query in (recurring.SQL.history, recurring.SQL.history_of)]


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


async def test_series_end_by_waiting_and_money_in_is_looked_at_without_changes(conn, person):
    await pay(conn, person, monthly(12, 14), -1_549)
    await pay(conn, person, monthly(20, 14), -999, merchant="Gym")
    await pay(conn, person, monthly(1, 14), 300_000, merchant="Employer", slug="paycheck")
    await examine(conn, person)
    (asked,) = await examine(conn, person, NOW + timedelta(days=1))
    assert asked[-1] == ["employer"]

    later = datetime(2026, 12, 15, tzinfo=UTC)
    await conn.execute("UPDATE recurring_looks SET whole_at = $1", later)
    (asked,) = await examine(conn, person, later)
    assert asked[-1] == ["employer"], "what waits for a payment is known"

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


async def test_a_seller_with_very_many_purchases_is_looked_through_once_a_week_until_something_recurs_there(
    conn, person
):
    dice = random.Random(7)
    days = sorted(
        NOW.date() - timedelta(days=dice.randrange(700)) for _ in range(recurring_detection.BOUNDS.seldom_max)
    )
    await pay(conn, person, days, *[-dice.randrange(500, 30_000) for _ in days], merchant="Market")
    await examine(conn, person)
    assert await names(conn, person) == set()

    await pay(conn, person, monthly(14, 9), -1_499, merchant="Market", slug="memberships")
    (asked,) = await examine(conn, person, NOW + timedelta(days=1))
    assert asked[-1] == ["market"]
    assert await names(conn, person) == set()
    (asked,) = await examine(conn, person, NOW + timedelta(days=8))
    assert asked[-1] is None
    (found,) = await recurring_read.shown(conn, person.user_id, Wanted())
    assert found.series.occurrences == 9

    await pay(conn, person, [date(2026, 12, 14)], -1_499, merchant="Market", slug="memberships")
    later = datetime(2026, 12, 14, 10, tzinfo=UTC)
    await conn.execute("UPDATE recurring_looks SET whole_at = $1", later)
    (asked,) = await examine(conn, person, later)
    assert asked[-1] == ["market"], "what recurs there is followed at once"
    (found,) = await recurring_read.shown(conn, person.user_id, Wanted())
    assert (found.series.occurrences, found.series.next_on) == (10, date(2027, 1, 14))


async def test_what_waits_is_read_where_what_is_kept_of_it_does_not_tell_whether_it_ended(conn, person):
    """Two accounts were charged on the last day, and one of them was not fetched for long."""
    other = await create_account(conn, person.user_id, await create_connection(conn, person.user_id))
    await pay(conn, person, monthly(12, 14), -1_549)
    await create_transaction(
        conn, person.user_id, other, posted_on=date(2026, 11, 12), amount_minor=-1_549, merchant="Netflix",
        category_id=category("tv-and-streaming"),
    )  # fmt: skip
    await examine(conn, person)
    later = datetime(2027, 3, 15, tzinfo=UTC)
    await conn.execute("UPDATE recurring_looks SET whole_at = $1", later)
    await conn.execute(
        "UPDATE connections SET last_success_at = $1 WHERE connection_id = $2", later, person.connection_id
    )
    (asked,) = await examine(conn, person, later)
    assert asked[-1] == ["netflix"]
    assert await conn.fetchval("SELECT ended FROM recurring_series")


async def test_a_series_goes_on_under_its_id_where_its_transactions_are_another_sellers_since(conn, person):
    """Their institution has another name for the seller, at whom much else was bought."""
    days = [NOW.date() - timedelta(days=20 * number) for number in range(recurring_detection.BOUNDS.seldom_max)]
    await pay(conn, person, days, *[-3_000 - 1_700 * number for number in range(len(days))], merchant="Stream")
    await pay(conn, person, monthly(12, 14), -1_549)
    await examine(conn, person)
    (before,) = await recurring_read.shown(conn, person.user_id, Wanted())
    await conn.execute(
        "UPDATE transactions SET merchant = 'Stream', merchant_key = 'stream' WHERE merchant = 'Netflix'"
    )
    (asked,) = await examine(conn, person, NOW + timedelta(days=1))
    assert asked[-1] == ["netflix", "stream"]
    (after,) = await recurring_read.shown(conn, person.user_id, Wanted())
    assert (before.series.merchant_key, after.series.merchant_key) == ("netflix", "stream")
    assert after.recurring_id == before.recurring_id
    assert after.series.occurrences == 14


async def test_what_the_person_says_recurs_takes_its_transactions_from_a_suggestion_at_once(conn, person):
    await pay(conn, person, monthly(14, 12), -2_000, merchant="Gym")
    days = [date(2026, 11, 3) - timedelta(days=number**2) for number in range(4, 14)]
    await pay(conn, person, days, *[-9_000 - 1_700 * number for number in range(10)], merchant="Gym")
    (marked,) = await pay(conn, person, [date(2026, 11, 12)], -3_100, merchant="Gym")
    await examine(conn, person)
    (suggested,) = await recurring_read.shown(conn, person.user_id, Wanted())
    assert marked not in suggested.series.transaction_ids
    async with acting_as(conn, person.user_id):
        await recurring_said.mark(conn, person.user_id, marked, SeriesWish(), NOW)
    found = await recurring_read.shown(conn, person.user_id, Wanted())
    ids = [one for series in found for one in series.series.transaction_ids]
    assert marked in ids
    assert len(ids) == len(set(ids)), "nothing belongs to two series"
    await conn.execute("UPDATE recurring_looks SET whole_at = $1", NOW - timedelta(days=8))
    await examine(conn, person)
    assert await recurring_read.shown(conn, person.user_id, Wanted()) == found, "a look at everything finds the same"


async def test_what_was_dismissed_is_not_suggested_again_in_parts(conn, person):
    """Half of its days were wrong, and what is left is found as another cycle, which takes its place."""
    ids = await pay(conn, person, monthly(14, 12), -2_000, merchant="Gym")
    await examine(conn, person)
    (found,) = await recurring_read.shown(conn, person.user_id, Wanted())
    async with acting_as(conn, person.user_id):
        await recurring_said.dismiss(conn, person.user_id, found.recurring_id, NOW)
    for day in (1, 2):
        places = ids[::2] if day == 1 else ids[1::2]
        await conn.execute(
            "UPDATE transactions SET removed_at = CASE WHEN transaction_id = ANY ($1) THEN now() END", places
        )
        await examine(conn, person, NOW + timedelta(days=day))
    await conn.execute("UPDATE transactions SET removed_at = NULL")
    await examine(conn, person, NOW + timedelta(days=3))
    states = [row["state"] for row in await conn.fetch("SELECT state FROM recurring_series")]
    assert states == ["dismissed"]


async def test_a_series_loses_transactions_that_are_deleted(conn, person):
    """The connection of one of two accounts goes, with its history."""
    other = await create_account(conn, person.user_id, await create_connection(conn, person.user_id))
    await pay(conn, person, monthly(12, 8, until=date(2026, 6, 30)), -1_549)
    for day in monthly(12, 5):
        await create_transaction(
            conn, person.user_id, other, posted_on=day, amount_minor=-1_549, merchant="Netflix",
            category_id=category("tv-and-streaming"),
        )  # fmt: skip
    await conn.execute("UPDATE connections SET last_success_at = $1", NOW)
    await examine(conn, person)
    (found,) = await recurring_read.shown(conn, person.user_id, Wanted())
    assert (found.series.occurrences, found.series.ended) == (13, False)
    await conn.execute("DELETE FROM transactions WHERE account_id = $1", other)
    await examine(conn, person, NOW + timedelta(days=1))
    (found,) = await recurring_read.shown(conn, person.user_id, Wanted())
    assert (found.series.occurrences, found.series.last_on, found.series.ended) == (8, date(2026, 6, 12), True)


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


async def everything_found(conn, person):
    """What the examination has found so far: series, and what was told."""
    series = await conn.fetch(
        "SELECT merchant_key, transaction_ids, frequency, next_on, ended, expected_minor, confidence, state"
        " FROM recurring_series ORDER BY merchant_key, transaction_ids"
    )
    told = await conn.fetch("SELECT kind, subject FROM notifications ORDER BY kind, subject")
    return [tuple(row) for row in series], [tuple(row) for row in told]


@pytest.mark.parametrize("seed", range(3))
async def test_looks_at_what_changed_find_all_that_a_look_at_everything_finds(conn, person, seed):
    """Days pass, sellers take money regularly or not, rows change and go; every few days everything is looked at."""
    dice = random.Random(seed)
    sellers = [f"Seller{number}" for number in range(6)]
    await pay(conn, person, monthly(12, 14), -1_549)
    for seller in sellers[:3]:
        days = [NOW.date() - timedelta(days=dice.randrange(10, 300)) for _ in range(8)]
        await pay(conn, person, sorted(days), *[-dice.choice([1_000, dice.randrange(500, 30_000)]) for _ in days],
                  merchant=seller)  # fmt: skip
    await examine(conn, person)
    for day in (date(2026, 11, 24), date(2026, 11, 25)):
        await conn.execute(
            "INSERT INTO sync_runs (user_id, connection_id, reason, state, day) VALUES ($1, $2, 'daily', 'succeeded', $3)",
            person.user_id, person.connection_id, day,
        )  # fmt: skip
    compared = 0
    for passed in range(1, 40):
        now = NOW + timedelta(days=passed)
        await conn.execute("UPDATE connections SET last_success_at = $1", now)
        await conn.execute("UPDATE recurring_looks SET whole_at = $1", now)
        for number, seller in enumerate(sellers):
            if passed % (7 if number % 2 else 30) == number or dice.random() < 0.05:
                amount = -900 - number if number % 2 else -dice.choice([dice.randrange(500, 60_000), 150_000])
                await pay(conn, person, [now.date()], amount, merchant=seller)
        if now.day == 12:
            await pay(conn, person, [now.date()], -1_549)
        if dice.random() < 0.2:
            await conn.execute(
                "UPDATE transactions SET removed_at = now() WHERE transaction_id = (SELECT transaction_id"
                " FROM transactions WHERE removed_at IS NULL ORDER BY md5(transaction_id::text || $1) LIMIT 1)",
                str(passed),
            )
        (asked,) = await examine(conn, person, now)
        assert asked[-1] is not None
        found = await everything_found(conn, person)
        apart = conn.transaction()
        await apart.start()
        await conn.execute("UPDATE recurring_looks SET whole_at = $1", now - timedelta(days=8))
        (asked,) = await examine(conn, person, now)
        assert asked[-1] is None
        assert await everything_found(conn, person) == found
        await apart.rollback()
        compared += len(found[0])
    assert compared > 40
    assert "large_transaction" in {kind for kind, _ in found[1]}
