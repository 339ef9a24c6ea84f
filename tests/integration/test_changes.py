"""The log of changes: who is told what, how far back, and that nothing can slip past a cursor."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest

from mintql.domain.errors import InvalidInput, ResyncNeeded
from mintql.services.changes import PLACE_VALID_DAYS, Kind, Place, list_changes
from mintql.store import changes as store
from support.factories import create_person, create_transaction, create_user
from support.people import acting_as

TODAY = date(2026, 11, 12)


@pytest.fixture
async def database(database_url):
    conn = await asyncpg.connect(database_url)
    yield conn
    await conn.close()


@pytest.fixture
async def ada(database):
    return await create_person(database)


async def changes_of(conn, person, since=None, size=100, today=TODAY):
    async with acting_as(conn, person.user_id):
        return await list_changes(conn, person.user_id, since, size, today)


async def caught_up(conn, person) -> Place:
    found = await changes_of(conn, person)
    while found.has_more:
        found = await changes_of(conn, person, found.place)
    return found.place


async def test_a_change_is_told_once_and_to_its_person_alone(database, ada):
    ben = await create_person(database)
    places = [await caught_up(database, person) for person in (ada, ben)]
    kept = await create_transaction(database, ada.user_id, ada.account_id, amount_minor=-450)
    found = await changes_of(database, ada, places[0])
    assert [(row.transaction_id, row.amount_minor) for row in found.added] == [(kept, -450)]
    assert (found.modified, found.removed, found.has_more) == ([], [], False)
    again = await changes_of(database, ada, found.place)
    assert (again.added, again.modified, again.removed, again.kinds) == ([], [], [], frozenset())
    others = await changes_of(database, ben, places[1])
    assert (others.added, others.modified, others.removed) == ([], [], [])
    async with acting_as(database, ben.user_id):
        assert await database.fetchval("SELECT count(*) FROM transaction_changes") == 0


async def test_what_came_changed_and_went_is_told_apart(database, ada):
    first, second, third = [await create_transaction(database, ada.user_id, ada.account_id) for _ in range(3)]
    place = await caught_up(database, ada)
    await database.execute("UPDATE transactions SET note = 'n' WHERE transaction_id = $1", first)
    await database.execute("UPDATE transactions SET removed_at = now() WHERE transaction_id = $1", second)
    await database.execute("DELETE FROM transactions WHERE transaction_id = $1", third)
    fourth = await create_transaction(database, ada.user_id, ada.account_id)
    await database.execute("UPDATE transactions SET note = 'm' WHERE transaction_id = $1", fourth)
    found = await changes_of(database, ada, place)
    assert [row.transaction_id for row in found.modified] == [first]
    assert found.removed == [second, third]
    assert [(row.transaction_id, row.note) for row in found.added] == [(fourth, "m")]


async def test_one_large_statement_is_read_in_pages(database, ada):
    ids = [await create_transaction(database, ada.user_id, ada.account_id) for _ in range(7)]
    place = await caught_up(database, ada)
    await database.execute("UPDATE transactions SET category_id = 100 WHERE user_id = $1", ada.user_id)
    read, sizes, more = [], [], True
    while more:
        found = await changes_of(database, ada, place, size=3)
        read += [row.transaction_id for row in found.modified]
        sizes.append(len(found.modified))
        place, more = found.place, found.has_more
    assert (read, sizes) == (ids, [3, 3, 1])


async def test_transfers_and_matches_change_both_sides(database, ada):
    out, into = [
        await create_transaction(database, ada.user_id, ada.account_id, amount_minor=minor) for minor in (-5, 5)
    ]
    for statement in (
        "INSERT INTO transfers (user_id, out_id, in_id, state) VALUES ($1, $2, $3, 'suggested')",
        "UPDATE transfers SET state = 'dismissed' WHERE user_id = $1 AND out_id = $2 AND in_id = $3",
        "DELETE FROM transfers WHERE user_id = $1 AND out_id = $2 AND in_id = $3",
        (
            "INSERT INTO transaction_matches (user_id, from_id, to_id, kind, state)"
            " VALUES ($1, $2, $3, 'same_purchase', 'suggested')"
        ),
    ):
        place = await caught_up(database, ada)
        await database.execute(statement, ada.user_id, out, into)
        found = await changes_of(database, ada, place)
        assert [row.transaction_id for row in found.modified] == [out, into], statement


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("UPDATE accounts SET balance_minor = balance_minor - 1 WHERE user_id = $1", Kind.ACCOUNTS),
        ("UPDATE connections SET failures = failures + 1 WHERE user_id = $1", Kind.CONNECTIONS),
        ("INSERT INTO personal_categories (user_id, category_id, hidden) VALUES ($1, 501, true)", Kind.CATEGORIES),
        (("INSERT INTO budget_overrides (user_id, category_id, since, recurring, limit_minor, currency, revision)"
         " VALUES ($1, 501, '2026-11-01', true, 100, 'USD', 1)"), Kind.BUDGETS),
        (("INSERT INTO rules (user_id, position, name, text_contains, category_id)"
         " VALUES ($1, 1, 'r', 'shop', 501)"), Kind.RULES),
        ("INSERT INTO seller_memories (user_id, merchant_key, category_id) VALUES ($1, 'shop', 501)", Kind.RULES),
        ("UPDATE users SET currency = 'EUR' WHERE user_id = $1", Kind.VIEWER),
        ("UPDATE accounts SET name = name WHERE user_id = $1", None),
        ("UPDATE users SET last_active_on = last_active_on + 1 WHERE user_id = $1", None),
    ],
)  # fmt: skip
async def test_of_other_things_the_kind_is_told(database, ada, statement, kind):
    place = await caught_up(database, ada)
    await database.execute(statement, ada.user_id)
    found = await changes_of(database, ada, place)
    assert found.kinds == frozenset([kind] if kind else [])
    assert (await changes_of(database, ada, found.place)).kinds == frozenset()


async def test_a_cursor_is_good_for_a_year_of_not_asking_and_then_says_to_begin_anew(database, ada):
    place = await caught_up(database, ada)
    last_day = TODAY + timedelta(days=PLACE_VALID_DAYS)
    assert (await changes_of(database, ada, place, today=last_day)).place.reached_on == last_day
    with pytest.raises(ResyncNeeded, match=r"of 2026-11-12.*leave `since` out"):
        await changes_of(database, ada, place, today=last_day + timedelta(days=1))


async def test_a_cursor_from_the_future_or_of_somebody_else_is_refused(database, ada):
    ben = await create_person(database)
    place = await caught_up(database, ada)
    with pytest.raises(ResyncNeeded):
        await changes_of(database, ada, Place(ada.user_id, TODAY, place.seq + 1))
    with pytest.raises(InvalidInput, match="somebody else"):
        await changes_of(database, ben, place)


async def test_a_later_change_is_never_seen_before_an_earlier_one(database, ada, database_url):
    """Two writers that take no lock of the person: the second waits for the first one's commit."""
    place = await caught_up(database, ada)
    other = await asyncpg.connect(database_url)
    try:
        async with database.transaction():
            first = await create_transaction(database, ada.user_id, ada.account_id)
            waiting = asyncio.create_task(create_transaction(other, ada.user_id, ada.account_id))
            await asyncio.sleep(0.1)
            assert not waiting.done()
        second = await waiting
    finally:
        await other.close()
    found = await changes_of(database, ada, place)
    assert [row.transaction_id for row in found.added] == [first, second]


async def test_a_person_can_be_deleted_with_everything_that_was_logged(database, ada):
    await create_transaction(database, ada.user_id, ada.account_id)
    await database.execute("DELETE FROM users WHERE user_id = $1", ada.user_id)
    for table in ("transactions", "transaction_changes", "kind_changes"):
        assert await database.fetchval(f"SELECT count(*) FROM {table}") == 0


async def test_old_mentions_are_forgotten(database, ada):
    await create_transaction(database, ada.user_id, ada.account_id)
    assert await store.purge(database, datetime(2020, 1, 1, tzinfo=UTC), 10) == 0
    assert await store.purge(database, datetime.now(UTC) + timedelta(minutes=1), 10) == 1
    assert await database.fetchval("SELECT count(*) FROM transaction_changes") == 0


async def test_a_new_person_has_nothing_to_read(database):
    user_id = await create_user(database)
    async with acting_as(database, user_id):
        found = await list_changes(database, user_id, None, 10, TODAY)
        assert found.added == []
        assert not (await list_changes(database, user_id, found.place, 10, TODAY)).has_more
