from __future__ import annotations

import asyncio
import random
from collections import Counter

import asyncpg
import pytest

from mintql.data import load_categories
from mintql.domain.categories import CategorySource
from mintql.services import crowd
from mintql.services.choices import Scope, recategorize, undo
from mintql.services.crowd import SHARE_MIN_PERCENT, VOTERS_MIN, CrowdCache, crowd_choices
from mintql.services.extract import utc_now
from support.factories import Person, create_person, create_transaction

TREE = load_categories()
GROCERIES, RESTAURANTS, PAYCHECK, TRANSFER = (
    TREE.by_slug[slug].category_id for slug in ("groceries", "restaurants", "paycheck", "account-transfer")
)


async def chosen(conn, person: Person, category_id: int, *, key: str = "blue door", scope: Scope = Scope.ONCE) -> int:
    """Let a person choose a category for a new transaction of a seller."""
    row = await create_transaction(conn, person.user_id, person.account_id, merchant_key=key)
    await recategorize(conn, person.user_id, [row], category_id, scope, utc_now())
    return row


async def as_api(conn, statement: str) -> list[asyncpg.Record]:
    async with conn.transaction():
        await conn.execute("SET LOCAL ROLE mintql_api")
        return await conn.fetch(statement)


async def counts(conn) -> dict[tuple[str, int], int]:
    rows = await conn.fetch("SELECT merchant_key, category_id, voters FROM crowd_counts")
    return {(row["merchant_key"], row["category_id"]): row["voters"] for row in rows}


async def top(conn, key: str = "blue door") -> tuple[int, int, int] | None:
    row = await conn.fetchrow(
        "SELECT top_category_id, top_voters, voters FROM crowd_sellers WHERE merchant_key = $1", key
    )
    return None if row is None else tuple(row)


async def test_a_seller_is_promoted_by_enough_people_and_demoted_when_it_loses_them(conn):
    people = [await create_person(conn) for _ in range(VOTERS_MIN)]
    rows = []
    for place, person in enumerate(people):
        assert await crowd_choices(conn, ["blue door"]) == {}, f"{place} people are too few"
        rows.append(await chosen(conn, person, GROCERIES))
    found = (await crowd_choices(conn, ["blue door"]))["blue door"]
    assert (found.category_id, found.source, found.detail) == (GROCERIES, CategorySource.CROWD, "10/10")
    assert 80 < found.confidence < 100
    await undo(conn, people[0].user_id, [rows[0]], utc_now())
    assert await top(conn) == (GROCERIES, VOTERS_MIN - 1, VOTERS_MIN - 1)
    assert await crowd_choices(conn, ["blue door"]) == {}


async def test_a_seller_of_several_trades_is_not_promoted(conn):
    for place in range(20):
        await chosen(conn, await create_person(conn), GROCERIES if place < 13 else RESTAURANTS)
    assert await top(conn) == (GROCERIES, 13, 20)
    assert 20 * SHARE_MIN_PERCENT > 13 * 100
    assert await crowd_choices(conn, ["blue door"]) == {}
    await chosen(conn, await create_person(conn), GROCERIES)
    await chosen(conn, await create_person(conn), GROCERIES)
    await chosen(conn, await create_person(conn), GROCERIES)
    await chosen(conn, await create_person(conn), GROCERIES)
    assert (await crowd_choices(conn, ["blue door"]))["blue door"].detail == "17/24"


async def test_one_person_is_one_vote_however_many_transactions_and_however_often_they_choose(conn):
    person = await create_person(conn)
    rows = [
        await create_transaction(conn, person.user_id, person.account_id, merchant_key="blue door") for _ in "abcdef"
    ]
    await recategorize(conn, person.user_id, rows, GROCERIES, Scope.ONCE, utc_now())
    assert await counts(conn) == {("blue door", GROCERIES): 1}
    await recategorize(conn, person.user_id, rows[:1], RESTAURANTS, Scope.ONCE, utc_now())
    assert await counts(conn) == {("blue door", RESTAURANTS): 1}, "the latest choice counts"
    await undo(conn, person.user_id, rows[:1], utc_now())
    assert await counts(conn) == {("blue door", GROCERIES): 1}, "an earlier choice stands again"
    await undo(conn, person.user_id, rows[1:], utc_now())
    assert await counts(conn) == {}
    assert await top(conn) is None


@pytest.mark.parametrize("category_id", [PAYCHECK, TRANSFER, 1])
async def test_choices_of_income_transfers_and_uncategorized_are_no_votes_and_retract_one(conn, category_id):
    person = await create_person(conn)
    await chosen(conn, person, GROCERIES)
    await chosen(conn, person, category_id)
    assert await counts(conn) == {}


async def test_choices_of_ones_own_category_are_no_votes(conn):
    person = await create_person(conn)
    await conn.execute(
        "INSERT INTO personal_categories (user_id, category_id, parent_id, name, kind, icon)"
        " VALUES ($1, 10000, 700, 'Brunch', 'expense', 'egg')",
        person.user_id,
    )
    await chosen(conn, person, 10000)
    assert await counts(conn) == {}


async def test_of_equal_votes_the_leading_category_stays(conn):
    for category_id in (RESTAURANTS, GROCERIES):
        await chosen(conn, await create_person(conn), category_id)
    assert await top(conn) == (RESTAURANTS, 1, 2)


@pytest.mark.parametrize("key", ["check", "zelle payment", "atm withdrawal", "venmo", "unknown"])
async def test_the_banks_own_words_are_no_seller_to_vote_on(conn, key):
    for _ in range(VOTERS_MIN):
        await chosen(conn, await create_person(conn), GROCERIES, key=key)
    assert await counts(conn) == {}
    assert await crowd_choices(conn, [key]) == {}


async def test_votes_go_with_the_person(conn):
    people = [await create_person(conn) for _ in range(3)]
    for person in people:
        await chosen(conn, person, GROCERIES)
        await chosen(conn, person, RESTAURANTS, key="red door")
    await conn.execute("DELETE FROM users WHERE user_id = $1", people[0].user_id)
    assert await counts(conn) == {("blue door", GROCERIES): 2, ("red door", RESTAURANTS): 2}
    assert await top(conn) == (GROCERIES, 2, 2)


async def test_concurrent_voters_are_counted_each_once_and_never_wait_in_a_circle(database_url):
    """Twelve people vote at once, in many transactions of several sellers each, change their minds and undo."""
    dice = random.Random(7)
    keys = [f"seller {number}" for number in range(6)]
    pool = await asyncpg.create_pool(database_url, min_size=1, max_size=12)
    try:
        people = [await create_person(pool) for _ in range(12)]

        async def vote(person: Person, plan: list[tuple[list[str], int, bool]]) -> None:
            for wanted, category_id, taken_back in plan:
                async with pool.acquire() as conn, conn.transaction():
                    rows = [
                        await create_transaction(conn, person.user_id, person.account_id, merchant_key=key)
                        for key in wanted
                    ]
                    await recategorize(conn, person.user_id, rows, category_id, Scope.ONCE, utc_now())
                if taken_back:
                    async with pool.acquire() as conn, conn.transaction():
                        await undo(conn, person.user_id, rows, utc_now())

        await asyncio.gather(
            *(
                vote(
                    person,
                    [
                        (dice.sample(keys, 3), dice.choice([GROCERIES, RESTAURANTS, PAYCHECK]), dice.random() < 0.3)
                        for _ in range(5)
                    ],
                )
                for person in people
            )
        )
        votes = await pool.fetch("SELECT merchant_key, category_id FROM seller_votes")
        expected = Counter((row["merchant_key"], row["category_id"]) for row in votes)
        assert len(votes) > 20
        assert await counts(pool) == expected
        for key in keys:
            of_key = {category_id: voters for (name, category_id), voters in expected.items() if name == key}
            found = await top(pool, key)
            assert found is None if not of_key else found[1:] == (max(of_key.values()), sum(of_key.values()))
    finally:
        await pool.close()


async def test_a_seller_of_few_people_is_told_to_nobody(conn):
    for _ in range(4):
        await chosen(conn, await create_person(conn), GROCERIES, key="jane doe")
    for _ in range(5):
        await chosen(conn, await create_person(conn), GROCERIES, key="blue door")
    told = await as_api(conn, "SELECT merchant_key FROM crowd_of_sellers(ARRAY['jane doe', 'blue door'], 0)")
    assert [row["merchant_key"] for row in told] == ["blue door"]
    for statement in (
        "SELECT * FROM crowd_counts",
        "SELECT * FROM crowd_sellers",
        "SELECT count_votes(ARRAY['jane doe'], ARRAY[601], ARRAY[1000])",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await as_api(conn, statement)


async def test_a_worker_asks_once_in_a_while_and_keeps_a_bounded_number_of_sellers(conn):
    now = [0.0]
    cache = CrowdCache(ttl_seconds=60, sellers_max=2, clock=lambda: now[0])
    assert await cache.of(conn, ["blue door"]) == {}
    for _ in range(VOTERS_MIN):
        await chosen(conn, await create_person(conn), GROCERIES)
    assert await cache.of(conn, ["blue door"]) == {}, "it is believed for a while that nobody chose"
    now[0] = 60.0
    assert (await cache.of(conn, ["blue door"]))["blue door"].category_id == GROCERIES
    assert set(await cache.of(conn, ["blue door", "a", "b", "c"])) == {"blue door"}
    assert len(cache) == 2


def test_votes_count_for_standard_categories_of_spending_alone():
    assert GROCERIES in crowd.votable()
    assert not {PAYCHECK, TRANSFER, 1} & set(crowd.votable())
