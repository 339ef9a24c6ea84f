"""A person's own choice of category: what it changes, what it leaves alone, and whom it tells."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest

from mintql.domain.categories import UNCATEGORIZED_ID, CategorySource
from mintql.domain.errors import InvalidInput, NotFound
from mintql.services.choices import RECATEGORIZED_MAX, Scope, recategorize
from mintql.services.effects import Effects
from mintql.services.events import EVENT_IDS_MAX
from support.factories import create_override, create_person, create_transaction
from support.people import acting_as, category

NOW = datetime(2026, 11, 12, 10, 0, tzinfo=UTC)
NOVEMBER = date(2026, 11, 1)
GROCERIES, RESTAURANTS = category("groceries"), category("restaurants")


async def choose(conn, user_id, ids, category_id=GROCERIES, scope=Scope.ONCE):
    async with acting_as(conn, user_id):
        return await recategorize(conn, user_id, ids, category_id, scope, NOW)


async def sums(conn, user_id):
    rows = await conn.fetch(
        "SELECT category_id, posted_minor, posted_count FROM monthly_spending WHERE user_id = $1 AND posted_count > 0",
        user_id,
    )
    return {row["category_id"]: (row["posted_minor"], row["posted_count"]) for row in rows}


async def events(conn, user_id):
    rows = await conn.fetch(
        "SELECT kind, payload FROM events WHERE user_id = $1 AND kind <> 'connection_changed' ORDER BY seq", user_id
    )
    return [(row["kind"], json.loads(row["payload"])) for row in rows]


async def test_a_choice_is_marked_as_the_persons_own_and_moves_the_sums(conn):
    person = await create_person(conn)
    ids = [await create_transaction(conn, person.user_id, person.account_id, amount_minor=-n) for n in (700, 300, 50)]

    rows, effects = await choose(conn, person.user_id, [ids[1], ids[0], ids[1]])

    assert [row.transaction_id for row in rows] == [ids[1], ids[0]]
    assert {(row.category_id, row.category_source) for row in rows} == {(GROCERIES, CategorySource.MANUAL)}
    assert await sums(conn, person.user_id) == {GROCERIES: (-1000, 2), UNCATEGORIZED_ID: (-50, 1)}
    assert await events(conn, person.user_id) == [
        (
            "transactions_changed",
            {
                "added": [],
                "changed": sorted(ids[:2]),
                "removed": [],
                "added_count": 0,
                "changed_count": 2,
                "removed_count": 0,
            },
        )
    ]
    assert effects.changed == effects.told == {person.user_id}


@pytest.mark.parametrize("foreign", [True, False])
async def test_one_id_that_is_not_the_persons_leaves_everything_as_it_was(conn, foreign):
    ada, eve = await create_person(conn), await create_person(conn)
    own = await create_transaction(conn, eve.user_id, eve.account_id, amount_minor=-100)
    theirs = await create_transaction(conn, ada.user_id, ada.account_id, amount_minor=-900)
    before = await conn.fetch("SELECT * FROM transactions ORDER BY transaction_id")

    with pytest.raises(NotFound) as refused:
        await choose(conn, eve.user_id, [own, theirs if foreign else 2**50], scope=Scope.SELLER_FROM_NOW_ON)

    assert refused.value.message == "There is no transaction with the id at place 2; nothing was changed."
    assert await conn.fetch("SELECT * FROM transactions ORDER BY transaction_id") == before
    assert await sums(conn, ada.user_id) == {UNCATEGORIZED_ID: (-900, 1)}
    assert await events(conn, ada.user_id) == await events(conn, eve.user_id) == []
    assert await conn.fetchval("SELECT count(*) FROM seller_memories") == 0


async def test_a_removed_transaction_cannot_be_recategorized(conn):
    person = await create_person(conn)
    removed = await create_transaction(conn, person.user_id, person.account_id, removed_at=NOW)
    with pytest.raises(NotFound):
        await choose(conn, person.user_id, [removed])


async def test_the_old_id_of_a_pending_transaction_stands_for_the_posted_one(conn):
    person = await create_person(conn)
    posted = await create_transaction(conn, person.user_id, person.account_id)
    pending = await create_transaction(conn, person.user_id, person.account_id, pending=True, successor_id=posted)
    rows, _ = await choose(conn, person.user_id, [pending, posted])
    assert [(row.transaction_id, row.category_id) for row in rows] == [(posted, GROCERIES)]
    assert await sums(conn, person.user_id) == {GROCERIES: (-1000, 1)}


async def test_a_choice_for_the_seller_is_kept_for_what_comes_and_leaves_the_past_alone(conn):
    person = await create_person(conn)
    named, earlier = [
        await create_transaction(
            conn,
            person.user_id,
            person.account_id,
            merchant_key="corner shop",
            category_id=RESTAURANTS,
            category_source="dictionary",
        )
        for _ in range(2)
    ]
    await choose(conn, person.user_id, [named], scope=Scope.SELLER_FROM_NOW_ON)

    rules = "SELECT merchant_key, category_id FROM seller_memories WHERE user_id = $1"
    assert [tuple(row) for row in await conn.fetch(rules, person.user_id)] == [("corner shop", GROCERIES)]
    kept = await conn.fetchrow("SELECT * FROM transactions WHERE transaction_id = $1", earlier)
    assert (kept["category_id"], kept["category_source"]) == (RESTAURANTS, "dictionary")

    await choose(conn, person.user_id, [named], RESTAURANTS, Scope.SELLER_FROM_NOW_ON)
    assert [tuple(row) for row in await conn.fetch(rules, person.user_id)] == [("corner shop", RESTAURANTS)]


async def test_a_choice_for_once_keeps_no_rule(conn):
    person = await create_person(conn)
    named = await create_transaction(conn, person.user_id, person.account_id)
    await choose(conn, person.user_id, [named])
    assert await conn.fetchval("SELECT count(*) FROM seller_memories") == 0


async def test_choosing_again_what_was_chosen_tells_nobody(conn):
    person = await create_person(conn)
    named = await create_transaction(conn, person.user_id, person.account_id)
    await choose(conn, person.user_id, [named])
    rows, effects = await choose(conn, person.user_id, [named])
    assert [row.category_id for row in rows] == [GROCERIES]
    assert effects == Effects()
    assert len(await events(conn, person.user_id)) == 1


async def test_an_event_names_a_bounded_number_of_ids_and_counts_all(conn):
    person = await create_person(conn)
    count = EVENT_IDS_MAX + 5
    ids = [await create_transaction(conn, person.user_id, person.account_id, amount_minor=-1) for _ in range(count)]
    await choose(conn, person.user_id, ids)
    ((_, payload),) = await events(conn, person.user_id)
    assert len(payload["changed"]) == EVENT_IDS_MAX
    assert payload["changed_count"] == count


@pytest.mark.parametrize(
    ("count", "category_id", "words"),
    [
        (1, category("food-and-dining"), "Food & Dining is a group; choose one of its categories, such as Groceries."),
        (1, 424_242, "There is no category 424242."),
        (0, GROCERIES, "Name 1 to 500 transactions, not 0."),
        (RECATEGORIZED_MAX + 1, GROCERIES, "Name 1 to 500 transactions, not 501."),
    ],
)
async def test_choices_that_cannot_be_are_refused_in_words(conn, count, category_id, words):
    person = await create_person(conn)
    named = await create_transaction(conn, person.user_id, person.account_id)
    with pytest.raises(InvalidInput) as refused:
        await choose(conn, person.user_id, [named] * count, category_id)
    assert refused.value.message == words
    assert await sums(conn, person.user_id) == {UNCATEGORIZED_ID: (-1000, 1)}


async def test_moving_a_purchase_into_a_budget_raises_its_alert_once(conn):
    person = await create_person(conn)
    await create_override(conn, person.user_id, category_id=GROCERIES, month=NOVEMBER, limit_minor=1000)
    named = await create_transaction(conn, person.user_id, person.account_id, amount_minor=-900)
    for category_id in (GROCERIES, RESTAURANTS, GROCERIES):
        await choose(conn, person.user_id, [named], category_id)
    raised = await conn.fetch("SELECT * FROM alerts WHERE category_id = $1", GROCERIES)
    assert [(alert["threshold_percent"], alert["spent_minor"], alert["limit_minor"]) for alert in raised] == [
        (80, 900, 1000)
    ]
    assert [kind for kind, _ in await events(conn, person.user_id)].count("budget_alert") == 1
