from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mintql.data import load_categories
from mintql.domain.categories import UNCATEGORIZED_ID, CategorySource
from mintql.domain.errors import InvalidInput, NotFound
from mintql.services import matches
from mintql.services.category_changes import NewCategory
from mintql.services.category_changes import add as add_category
from mintql.services.category_moves import delete, merge
from mintql.services.choices import RECATEGORIZED_MAX, Scope, forget_seller, list_memories, recategorize, undo
from support.factories import Person, create_person, create_transaction

TREE = load_categories()
GROCERIES, RESTAURANTS, COFFEE, FUEL = (
    TREE.by_slug[slug].category_id for slug in ("groceries", "restaurants", "coffee", "fuel")
)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ONCE, FROM_NOW_ON = Scope.ONCE, Scope.SELLER_FROM_NOW_ON


async def row(conn, person: Person, **said) -> int:
    said = {"category_id": COFFEE, "category_source": "dictionary", "category_detail": "exact: blue door"} | said
    return await create_transaction(conn, person.user_id, person.account_id, merchant_key="blue door", **said)


async def state(conn, transaction_id: int) -> tuple[int, str, str]:
    return tuple(
        await conn.fetchrow(
            "SELECT category_id, category_source, category_detail FROM transactions WHERE transaction_id = $1",
            transaction_id,
        )
    )


async def remembered(conn, person: Person) -> dict[str, int]:
    return {item.merchant_key: item.category_id for item in await list_memories(conn, person.user_id, "", 100)}


async def test_undoing_a_choice_gives_back_exactly_what_was_before_the_first_one(conn):
    person = await create_person(conn)
    one = await row(conn, person, amount_minor=-700)
    for category_id in (GROCERIES, RESTAURANTS):
        await recategorize(conn, person.user_id, [one], category_id, ONCE, NOW)
    assert await state(conn, one) == (RESTAURANTS, "manual", "")
    rows, effects = await undo(conn, person.user_id, [one, one], NOW)
    assert [(item.transaction_id, item.category_source) for item in rows] == [(one, CategorySource.DICTIONARY)]
    assert await state(conn, one) == (COFFEE, "dictionary", "exact: blue door")
    assert effects.changed == {person.user_id}
    assert await conn.fetchval("SELECT posted_minor FROM monthly_spending WHERE category_id = $1", COFFEE) == -700
    assert await conn.fetchval("SELECT posted_minor FROM monthly_spending WHERE category_id = $1", RESTAURANTS) == 0


async def test_undoing_where_nobody_chose_changes_nothing_and_tells_nobody(conn):
    person = await create_person(conn)
    one = await row(conn, person)
    rows, effects = await undo(conn, person.user_id, [one], NOW)
    assert [item.category_id for item in rows] == [COFFEE]
    assert effects.changed == effects.told == set()


async def test_a_choice_is_remembered_for_the_seller_and_undone_with_it(conn):
    person = await create_person(conn)
    first, second = await row(conn, person), await row(conn, person)
    await recategorize(conn, person.user_id, [first], GROCERIES, FROM_NOW_ON, NOW)
    await recategorize(conn, person.user_id, [second], RESTAURANTS, FROM_NOW_ON, NOW + timedelta(minutes=1))
    assert await remembered(conn, person) == {"blue door": RESTAURANTS}
    await undo(conn, person.user_id, [second], NOW)
    assert await remembered(conn, person) == {"blue door": GROCERIES}
    await undo(conn, person.user_id, [first], NOW)
    assert await remembered(conn, person) == {}


async def test_choices_can_be_undone_in_any_order(conn):
    person = await create_person(conn)
    first, second = await row(conn, person), await row(conn, person)
    await recategorize(conn, person.user_id, [first], GROCERIES, FROM_NOW_ON, NOW)
    await recategorize(conn, person.user_id, [second], RESTAURANTS, FROM_NOW_ON, NOW + timedelta(minutes=1))
    await undo(conn, person.user_id, [first], NOW)
    assert await remembered(conn, person) == {"blue door": RESTAURANTS}
    await undo(conn, person.user_id, [second], NOW)
    assert await remembered(conn, person) == {}, "what the first had remembered does not come back"


async def test_what_is_remembered_holds_at_once_for_what_has_no_category_yet_and_for_nothing_else(conn):
    person, other = await create_person(conn), await create_person(conn)
    named, placed = await row(conn, person), await row(conn, person)
    nothing = {"category_id": UNCATEGORIZED_ID, "category_source": "none", "category_detail": ""}
    open_one, theirs = await row(conn, person, **nothing), await row(conn, other, **nothing)
    await recategorize(conn, person.user_id, [named], GROCERIES, ONCE, NOW)
    assert (await state(conn, open_one))[1] == "none"
    await recategorize(conn, person.user_id, [named], GROCERIES, FROM_NOW_ON, NOW)
    assert await state(conn, open_one) == (GROCERIES, "memory", "blue door")
    assert await state(conn, placed) == (COFFEE, "dictionary", "exact: blue door")
    assert (await state(conn, theirs))[1] == "none"


async def test_a_choice_for_once_is_not_remembered_and_leaves_the_memory_alone(conn):
    person = await create_person(conn)
    first, second = await row(conn, person), await row(conn, person)
    await recategorize(conn, person.user_id, [first], GROCERIES, FROM_NOW_ON, NOW)
    await recategorize(conn, person.user_id, [second], FUEL, ONCE, NOW + timedelta(minutes=1))
    assert await remembered(conn, person) == {"blue door": GROCERIES}
    await undo(conn, person.user_id, [second], NOW)
    assert await remembered(conn, person) == {"blue door": GROCERIES}


async def test_what_a_seller_is_remembered_for_can_be_forgotten_and_undoing_does_not_bring_it_back(conn):
    person, other = await create_person(conn), await create_person(conn)
    one = await row(conn, person)
    await recategorize(conn, person.user_id, [one], GROCERIES, FROM_NOW_ON, NOW)
    with pytest.raises(NotFound, match="Nothing is remembered"):
        await forget_seller(conn, other.user_id, "blue door")
    with pytest.raises(NotFound, match="Nothing is remembered"):
        await forget_seller(conn, person.user_id, "blue\0door")
    await forget_seller(conn, person.user_id, "blue door")
    assert await remembered(conn, person) == {}
    assert await state(conn, one) == (GROCERIES, "manual", "")
    await undo(conn, person.user_id, [one], NOW)
    assert await remembered(conn, person) == {}


async def test_a_choice_on_a_pending_row_is_undone_on_the_posted_one(conn):
    person = await create_person(conn)
    pending = await row(conn, person, pending=True)
    await recategorize(conn, person.user_id, [pending], GROCERIES, ONCE, NOW)
    posted = await row(conn, person, category_id=GROCERIES, category_source="manual", category_detail="")
    await conn.execute("UPDATE transactions SET successor_id = $1 WHERE transaction_id = $2", posted, pending)
    await undo(conn, person.user_id, [pending], NOW)
    assert await state(conn, posted) == (COFFEE, "dictionary", "exact: blue door")


@pytest.mark.parametrize("undone_first", [False, True])
async def test_a_choice_that_moved_to_a_row_of_its_own_gives_back_what_that_one_was(conn, undone_first):
    person = await create_person(conn)
    pending = await row(conn, person, pending=True)
    posted = await row(conn, person, category_id=RESTAURANTS, category_source="keyword", category_detail="word: t")
    await conn.execute(
        "INSERT INTO transaction_matches (user_id, from_id, to_id, kind, state) VALUES ($1, $2, $3, $4, $5)",
        person.user_id, pending, posted, "pending_tip", "suggested",
    )  # fmt: skip
    await recategorize(conn, person.user_id, [pending], GROCERIES, FROM_NOW_ON, NOW)
    await matches.confirm(conn, person.user_id, pending, NOW)
    assert (await state(conn, posted))[:2] == (GROCERIES, "manual")
    if undone_first:
        await matches.undo(conn, person.user_id, pending, NOW)
    await undo(conn, person.user_id, [pending, posted], NOW)
    assert await state(conn, posted) == (RESTAURANTS, "keyword", "word: t")
    assert await state(conn, pending) == (COFFEE, "dictionary", "exact: blue door")
    assert await remembered(conn, person) == {}
    assert await conn.fetchval("SELECT count(*) FROM seller_votes") == 0


async def test_undoing_does_not_bring_back_a_category_that_was_merged_away(conn):
    person = await create_person(conn)
    one = await row(conn, person)
    await recategorize(conn, person.user_id, [one], GROCERIES, FROM_NOW_ON, NOW)
    await merge(conn, person.user_id, COFFEE, RESTAURANTS, NOW)
    await undo(conn, person.user_id, [one], NOW)
    assert await state(conn, one) == (RESTAURANTS, "dictionary", "exact: blue door")


async def test_undoing_does_not_bring_back_the_reason_for_a_category_that_is_gone(conn):
    person = await create_person(conn)
    food = TREE.by_slug["food-and-dining"].category_id
    added, _ = await add_category(conn, person.user_id, NewCategory(name="Lunch", group_id=food))
    one = await row(conn, person, category_id=added, category_source="rule", category_detail="1 Lunch")
    await recategorize(conn, person.user_id, [one], GROCERIES, ONCE, NOW)
    await delete(conn, person.user_id, added, UNCATEGORIZED_ID, NOW)
    await undo(conn, person.user_id, [one], NOW)
    assert await state(conn, one) == (UNCATEGORIZED_ID, "none", "")


async def test_texts_without_a_seller_are_neither_remembered_nor_voted_on(conn):
    person = await create_person(conn)
    one = await create_transaction(conn, person.user_id, person.account_id, merchant_key="unknown")
    await recategorize(conn, person.user_id, [one], GROCERIES, FROM_NOW_ON, NOW)
    assert await remembered(conn, person) == {}
    assert await conn.fetchval("SELECT count(*) FROM seller_votes") == 0


async def test_nothing_of_others_is_undone_and_a_list_too_long_is_refused(conn):
    person, other = await create_person(conn), await create_person(conn)
    one = await row(conn, other)
    await recategorize(conn, other.user_id, [one], GROCERIES, ONCE, NOW)
    with pytest.raises(NotFound):
        await undo(conn, person.user_id, [one], NOW)
    with pytest.raises(InvalidInput, match="501"):
        await undo(conn, person.user_id, [one] * (RECATEGORIZED_MAX + 1), NOW)
    assert await state(conn, one) == (GROCERIES, "manual", "")


steps = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["once", "from now on", "undo"]), st.sampled_from([GROCERIES, FUEL])),
    max_size=8,
)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
async def test_any_choices_all_taken_back_leave_nothing_behind(conn, plan):
    person = await create_person(conn)
    rows = [await row(conn, person, amount_minor=-100 * (place + 1)) for place in range(3)]
    before = [await state(conn, one) for one in rows]
    for minute, (place, what, category_id) in enumerate(plan):
        at = NOW + timedelta(minutes=minute)
        if what == "undo":
            await undo(conn, person.user_id, [rows[place]], at)
        else:
            await recategorize(
                conn,
                person.user_id,
                [rows[place]],
                category_id,
                Scope("once" if what == "once" else "seller_from_now_on"),
                at,
            )
    await undo(conn, person.user_id, rows, NOW)
    assert [await state(conn, one) for one in rows] == before
    for table in ("category_choices", "seller_memories", "seller_votes"):
        assert await conn.fetchval(f"SELECT count(*) FROM {table} WHERE user_id = $1", person.user_id) == 0
