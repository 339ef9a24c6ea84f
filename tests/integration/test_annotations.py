"""Notes, tags and splits: what they change, what they leave alone, and whom they tell."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest

from mintql.data import load_categories
from mintql.domain.categories import UNCATEGORIZED_ID
from mintql.domain.errors import InvalidInput, NotFound
from mintql.services import annotations as service
from mintql.services.alerts import GRACE_DAYS
from mintql.services.annotations import (
    Annotation,
    PartWish,
    TransactionPart,
    annotate,
    check_parts,
    list_tags,
    split,
    tag,
)
from mintql.services.choices import Scope, recategorize
from mintql.services.effects import Effects
from mintql.store.reconcile import differences
from support.factories import create_override, create_person, create_transaction
from support.people import acting_as, category

NOW = datetime(2026, 11, 12, 10, 0, tzinfo=UTC)
NOVEMBER = date(2026, 11, 1)
GROCERIES, RESTAURANTS, RENT = category("groceries"), category("restaurants"), category("rent")
FOOD = category("food-and-dining")


@pytest.fixture
async def person(conn):
    return await create_person(conn)


async def buy(conn, person, amount_minor=-1_000, category_id=UNCATEGORIZED_ID, **more):
    return await create_transaction(
        conn, person.user_id, person.account_id, amount_minor=amount_minor, category_id=category_id, **more
    )


async def write(conn, user_id, transaction_id, **wish):
    wishes = Annotation(changes_note="note" in wish, changes_tags="tags" in wish, **wish)
    async with acting_as(conn, user_id):
        return await annotate(conn, user_id, transaction_id, wishes, NOW)


async def divide(conn, user_id, transaction_id, *parts):
    wishes = [PartWish(category_id, amount, "USD", *note) for category_id, amount, *note in parts]
    async with acting_as(conn, user_id):
        return await split(conn, user_id, transaction_id, wishes, NOW)


async def mark(conn, user_id, ids, *, add=(), remove=()):
    async with acting_as(conn, user_id):
        return await tag(conn, user_id, ids, add=add, remove=remove, now=NOW)


async def tags_of(conn, user_id):
    async with acting_as(conn, user_id):
        return await list_tags(conn, user_id)


async def sums(conn, user_id):
    rows = await conn.fetch(
        "SELECT category_id, posted_minor + pending_minor, posted_count + pending_count FROM monthly_spending"
        " WHERE user_id = $1 AND posted_count + pending_count > 0",
        user_id,
    )
    return {row[0]: (row[1], row[2]) for row in rows}


async def events(conn, user_id):
    rows = await conn.fetch(
        "SELECT kind, payload FROM events WHERE user_id = $1 AND kind <> 'connection_changed' ORDER BY seq", user_id
    )
    return [(row["kind"], json.loads(row["payload"])) for row in rows]


async def alerts_of(conn, user_id, category_id):
    return await conn.fetch(
        "SELECT threshold_percent, spent_minor, transaction_ids FROM alerts WHERE user_id = $1 AND category_id = $2"
        " ORDER BY alert_id",
        user_id,
        category_id,
    )


async def test_a_note_and_tags_are_kept_told_of_and_move_no_sum(conn, person):
    bought = await buy(conn, person, -1_250)

    row, effects = await write(
        conn, person.user_id, bought, note="  Half of it\nis Bob's. ", tags=[" Trip ", "Bob", "trip"]
    )

    assert (row.note, row.tags) == ("Half of it\nis Bob's.", ("Trip", "Bob"))
    assert row.updated_at == NOW
    assert effects.changed == effects.told == {person.user_id}
    ((kind, payload),) = await events(conn, person.user_id)
    assert (kind, payload["changed"], payload["changed_count"]) == ("transactions_changed", [bought], 1)
    assert await sums(conn, person.user_id) == {UNCATEGORIZED_ID: (-1_250, 1)}


async def test_what_is_left_out_stays_and_what_is_null_or_empty_goes(conn, person):
    bought = await buy(conn, person)
    await write(conn, person.user_id, bought, note="Bob's", tags=["Trip"])
    row, _ = await write(conn, person.user_id, bought, tags=["Bob"])
    assert (row.note, row.tags) == ("Bob's", ("Bob",))
    row, _ = await write(conn, person.user_id, bought, note=" \n ")
    assert (row.note, row.tags) == (None, ("Bob",))
    row, _ = await write(conn, person.user_id, bought, tags=None)
    assert (row.note, row.tags) == (None, ())
    kept = await conn.fetchrow("SELECT note, tags FROM transactions WHERE transaction_id = $1", bought)
    assert tuple(kept) == (None, None)


async def test_writing_again_what_stands_there_tells_nobody(conn, person):
    bought = await buy(conn, person)
    await write(conn, person.user_id, bought, note="Bob's", tags=["Trip"])
    for wish in ({"note": "Bob's"}, {"tags": ["Trip"]}, {}):
        row, effects = await write(conn, person.user_id, bought, **wish)
        assert (row.note, row.tags) == ("Bob's", ("Trip",))
        assert effects == Effects()
    assert len(await events(conn, person.user_id)) == 1


async def test_a_tag_is_one_tag_whatever_its_case_and_keeps_its_first_spelling(conn, person):
    first, second = await buy(conn, person), await buy(conn, person)
    await write(conn, person.user_id, first, tags=["Straße", "Caf\u00e9"])
    row, _ = await write(conn, person.user_id, second, tags=["STRASSE", "CAFE\u0301"])
    assert row.tags == ("Straße", "Café")
    assert await tags_of(conn, person.user_id) == [("Café", 2), ("Straße", 2)]
    # Where no other transaction carries it, the person may spell it anew.
    await write(conn, person.user_id, second, tags=None)
    row, _ = await write(conn, person.user_id, first, tags=["CAFÉ"])
    assert row.tags == ("CAFÉ",)


async def test_notes_and_tags_that_cannot_be_are_refused_in_words(conn, person):
    bought = await buy(conn, person)
    for wish, field, words in (
        ({"note": "x" * 2_001}, "note", "A note has at most 2000 characters; this one has 2001."),
        ({"note": "a\0b"}, "note", "a character that no text can have"),
        ({"note": "a\ud800b"}, "note", "a character that no text can have"),
        ({"tags": ["  "]}, "tags", "A tag has 1 to 50 characters; '' has 0."),
        ({"tags": ["x" * 51]}, "tags", "has 51."),
        ({"tags": ["a\tb"]}, "tags", "The tag 'a\\tb' holds a character that cannot be shown on a line."),
        ({"tags": ["a\ud800"]}, "tags", "cannot be shown on a line"),
        ({"tags": ["a\u202eb"]}, "tags", "cannot be shown on a line"),
        ({"tags": [f"tag {n}" for n in range(21)]}, "tags", "The transaction would have 21 tags; 20 is the most."),
    ):
        with pytest.raises(InvalidInput) as refused:
            await write(conn, person.user_id, bought, **wish)
        assert refused.value.field == field
        assert words in refused.value.message
    assert await events(conn, person.user_id) == []


async def test_as_much_as_is_allowed_is_kept(conn, person):
    bought = await buy(conn, person, -100)
    texts = [f"{n:050}" for n in range(service.TAGS_MAX)]
    row, _ = await write(conn, person.user_id, bought, note="ü" * service.NOTE_LENGTH_MAX, tags=texts)
    assert (len(row.note), len(row.tags)) == (2_000, 20)
    parts = [(GROCERIES, "-0.01", "ü" * service.PART_NOTE_LENGTH_MAX)] * service.PARTS_MAX
    row, _ = await divide(conn, person.user_id, bought, *parts)
    assert (len(row.parts), row.rest_minor) == (50, -50)


async def test_a_split_moves_its_parts_into_their_categories_and_leaves_the_rest(conn, person):
    bought = await buy(conn, person, -10_000, GROCERIES)

    row, effects = await divide(
        conn, person.user_id, bought, (RESTAURANTS, "-25.50", " lunch "), (RENT, "-4.50"), (RESTAURANTS, "-10.00")
    )

    assert row.parts == (
        TransactionPart(RESTAURANTS, -2_550, "lunch"),
        TransactionPart(RENT, -450, ""),
        TransactionPart(RESTAURANTS, -1_000, ""),
    )
    assert (row.amount_minor, row.rest_minor, row.category_id) == (-10_000, -6_000, GROCERIES)
    assert await sums(conn, person.user_id) == {GROCERIES: (-6_000, 1), RESTAURANTS: (-3_550, 2), RENT: (-450, 1)}
    assert effects.changed == effects.told == {person.user_id}
    ((kind, payload),) = await events(conn, person.user_id)
    assert (kind, payload["changed"]) == ("transactions_changed", [bought])

    row, effects = await divide(
        conn, person.user_id, bought, (RESTAURANTS, "-25.50", "lunch"), (RENT, "-4.5"), (RESTAURANTS, "-10")
    )
    assert effects == Effects()
    row, _ = await divide(conn, person.user_id, bought, (RENT, "-100.00"))
    assert row.rest_minor == 0
    assert await sums(conn, person.user_id) == {GROCERIES: (0, 1), RENT: (-10_000, 1)}
    row, _ = await divide(conn, person.user_id, bought)
    assert row.parts == ()
    assert await sums(conn, person.user_id) == {GROCERIES: (-10_000, 1)}
    assert await differences(conn, [person.user_id]) == []


async def test_a_tip_and_a_correction_change_the_rest_alone(conn, person):
    bought = await buy(conn, person, -5_000, RESTAURANTS, pending=True)
    await divide(conn, person.user_id, bought, (GROCERIES, "-40.00"))
    for amount_minor, rest_minor in ((-6_000, -2_000), (-3_000, 1_000)):
        await conn.execute("UPDATE transactions SET amount_minor = $2 WHERE transaction_id = $1", bought, amount_minor)
        assert await sums(conn, person.user_id) == {RESTAURANTS: (rest_minor, 1), GROCERIES: (-4_000, 1)}
    row, _ = await write(conn, person.user_id, bought, note="shared")
    assert row.rest_minor == 1_000


async def test_recategorizing_a_split_transaction_moves_the_rest_alone(conn, person):
    bought = await buy(conn, person, -5_000, GROCERIES)
    await divide(conn, person.user_id, bought, (RENT, "-20.00"))
    async with acting_as(conn, person.user_id):
        await recategorize(conn, person.user_id, [bought], RESTAURANTS, Scope.ONCE, NOW)
    assert await sums(conn, person.user_id) == {RESTAURANTS: (-3_000, 1), RENT: (-2_000, 1)}


async def test_money_received_is_split_alike(conn, person):
    paid = await buy(conn, person, 300_000, category("paycheck"))
    row, _ = await divide(conn, person.user_id, paid, (category("tax-refund"), "+1000.00"))
    assert row.rest_minor == 200_000
    assert await sums(conn, person.user_id) == {
        category("paycheck"): (200_000, 1),
        category("tax-refund"): (100_000, 1),
    }


@pytest.mark.parametrize(
    ("amount_minor", "parts", "words"),
    [
        (
            -1_000,
            [(RENT, "-1.00"), (FOOD, "-1.00")],
            "The part at place 2: Food & Dining is a group; choose one of its categories",
        ),
        (-1_000, [(424_242, "-1.00")], "The part at place 1: There is no category 424242."),
        (-1_000, [(RENT, "1.00")], "The part at place 1: 1.00 is no part of -10.00: it has to have the same sign"),
        (1_000, [(RENT, "-1.00")], "The part at place 1: -1.00 is no part of 10.00: it has to have the same sign"),
        (-1_000, [(RENT, "0.00")], "neither can be 0"),
        (0, [(RENT, "-1.00")], "The part at place 1: -1.00 is no part of 0.00"),
        (
            -1_000,
            [(RENT, "-6.00"), (GROCERIES, "-4.01")],
            "The part at place 2: -4.01 is more than the -4.00 that the parts before it leave of -10.00.",
        ),
        (-1_000, [(RENT, "-10.01")], "The part at place 1: -10.01 is more than the -10.00"),
        (-1_000, [(RENT, "-1.001")], "The part at place 1: '-1.001' has too many decimals: USD amounts have 2."),
        (-1_000, [(RENT, "-1.00", "x" * 201)], "The part at place 1: The note of a part has at most 200 characters"),
        (
            -1_000,
            [(RENT, "-1.00", "a\0")],
            "The part at place 1: The note of a part holds a character that no text can have",
        ),
        (-1_000, [(RENT, "-0.01")] * 51, "51 parts are too many; a split has 50 at most."),
    ],
)
def test_splits_that_cannot_be_say_which_part_and_why(amount_minor, parts, words):
    wishes = [PartWish(category_id, amount, "USD", *note) for category_id, amount, *note in parts]
    with pytest.raises(InvalidInput) as refused:
        check_parts(load_categories(), wishes, amount_minor, "USD")
    assert refused.value.field == "parts"
    assert words in refused.value.message


async def test_a_split_that_cannot_be_changes_nothing(conn, person):
    bought = await buy(conn, person, -1_000)
    await divide(conn, person.user_id, bought, (RENT, "-4.00"))
    told = await events(conn, person.user_id)
    for parts in ([(RENT, "-6.00"), (GROCERIES, "-4.01")], [(RENT, "-0.01")] * 51):
        with pytest.raises(InvalidInput):
            await divide(conn, person.user_id, bought, *parts)
    assert await sums(conn, person.user_id) == {UNCATEGORIZED_ID: (-600, 1), RENT: (-400, 1)}
    assert await events(conn, person.user_id) == told


async def test_a_part_is_in_the_currency_of_its_transaction(conn, person):
    bought = await buy(conn, person, -1_000, currency="JPY")
    async with acting_as(conn, person.user_id):
        with pytest.raises(InvalidInput) as refused:
            await split(conn, person.user_id, bought, [PartWish(RENT, "-5.00", "USD")], NOW)
        assert refused.value.message == "The part at place 1: The transaction is in JPY, so no part of it is in 'USD'."
        row, _ = await split(conn, person.user_id, bought, [PartWish(RENT, "-400", "JPY")], NOW)
    assert row.rest_minor == -600


async def test_splitting_a_purchase_into_a_budget_raises_its_alert_once(conn, person):
    await create_override(conn, person.user_id, category_id=RENT, month=NOVEMBER, limit_minor=1_000)
    bought, other = await buy(conn, person, -5_000), await buy(conn, person, -100, RENT)
    for parts in ([(RENT, "-7.50")], [], [(RENT, "-7.50")]):
        await divide(conn, person.user_id, bought, *parts)
    raised = await alerts_of(conn, person.user_id, RENT)
    assert [tuple(alert) for alert in raised] == [(80, 850, [bought, other])]
    assert [kind for kind, _ in await events(conn, person.user_id)].count("budget_alert") == 1


async def test_an_alert_names_purchases_by_what_of_each_counts(conn, person):
    await create_override(conn, person.user_id, category_id=FOOD, month=NOVEMBER, limit_minor=10_000)
    mostly_rent = await buy(conn, person, -90_000, RENT)
    both = await buy(conn, person, -5_000, GROCERIES)
    small = await buy(conn, person, -2_000, RESTAURANTS)
    mostly_elsewhere = await buy(conn, person, -80_000, GROCERIES)
    await divide(conn, person.user_id, mostly_elsewhere, (RENT, "-799.00"))
    await divide(conn, person.user_id, both, (RESTAURANTS, "-30.00"))
    assert await alerts_of(conn, person.user_id, FOOD) == []
    await divide(conn, person.user_id, mostly_rent, (RESTAURANTS, "-40.00"))
    raised = await alerts_of(conn, person.user_id, FOOD)
    assert [tuple(alert) for alert in raised] == [
        (80, 11_100, [both, mostly_rent, small, mostly_elsewhere]),
        (100, 11_100, [both, mostly_rent, small, mostly_elsewhere]),
    ]


async def test_a_split_of_the_distant_past_raises_no_alert(conn, person):
    september = date(2026, 9, 1)
    assert GRACE_DAYS < 30
    await create_override(conn, person.user_id, category_id=RENT, month=september, limit_minor=1_000)
    bought = await buy(conn, person, -5_000, posted_on=date(2026, 9, 3))
    await divide(conn, person.user_id, bought, (RENT, "-50.00"))
    assert await alerts_of(conn, person.user_id, RENT) == []


async def test_tags_are_added_to_many_and_taken_from_many_in_the_order_named(conn, person):
    first, second, third = [await buy(conn, person) for _ in range(3)]
    await write(conn, person.user_id, first, tags=["Trip", "Bob"])

    rows, effects = await mark(conn, person.user_id, [second, first, second], add=["TRIP", "Lisbon"], remove=["bob"])

    assert [(row.transaction_id, row.tags) for row in rows] == [
        (second, ("Trip", "Lisbon")),
        (first, ("Trip", "Lisbon")),
    ]
    assert effects.changed == {person.user_id}
    assert (await events(conn, person.user_id))[-1][1]["changed"] == [first, second]
    assert await tags_of(conn, person.user_id) == [("Lisbon", 2), ("Trip", 2)]

    rows, _ = await mark(conn, person.user_id, [first, third], remove=["trip", "lisbon"])
    assert [row.tags for row in rows] == [(), ()]
    assert (await events(conn, person.user_id))[-1][1]["changed"] == [first]
    rows, effects = await mark(conn, person.user_id, [second], add=["trip"])
    assert effects == Effects()


async def test_tagging_that_cannot_be_is_refused_in_words(conn, person):
    bought = await buy(conn, person)
    await write(conn, person.user_id, bought, tags=[f"tag {n}" for n in range(20)])
    for count, add, remove, words in (
        (0, ["a"], [], "Name 1 to 500 transactions, not 0."),
        (501, ["a"], [], "Name 1 to 500 transactions, not 501."),
        (1, [], [], "Name tags to add or tags to remove."),
        (1, ["a", "Trip"], ["TRIP"], "'Trip' is to be added and removed at once; choose one."),
        (1, ["x" * 51], [], "A tag has 1 to 50 characters"),
        (1, ["one more"], [], "'Corner Shop' of 2026-11-10 would have 21 tags; 20 is the most."),
    ):
        with pytest.raises(InvalidInput) as refused:
            await mark(conn, person.user_id, [bought] * count, add=add, remove=remove)
        assert words in refused.value.message
    assert len(await tags_of(conn, person.user_id)) == 20


async def test_what_was_taken_back_or_superseded_counts_for_no_tag(conn, person):
    bought, gone = await buy(conn, person), await buy(conn, person)
    await mark(conn, person.user_id, [bought, gone], add=["Trip"])
    await conn.execute("UPDATE transactions SET removed_at = $2 WHERE transaction_id = $1", gone, NOW)
    assert await tags_of(conn, person.user_id) == [("Trip", 1)]
    with pytest.raises(NotFound):
        await write(conn, person.user_id, gone, note="too late")


async def test_the_id_of_a_pending_transaction_stands_for_the_posted_one(conn, person):
    posted = await buy(conn, person, -1_250)
    pending = await buy(conn, person, -1_000, pending=True, successor_id=posted)
    row, _ = await write(conn, person.user_id, pending, note="Bob's")
    assert (row.transaction_id, row.note) == (posted, "Bob's")
    row, _ = await divide(conn, person.user_id, pending, (RENT, "-12.50"))
    assert (row.transaction_id, row.rest_minor) == (posted, 0)
    rows, _ = await mark(conn, person.user_id, [pending, posted], add=["Trip"])
    assert [(row.transaction_id, row.tags) for row in rows] == [(posted, ("Trip",))]


@pytest.mark.parametrize("foreign", [True, False])
async def test_an_id_that_is_not_the_persons_leaves_everything_as_it_was(conn, person, foreign):
    eve = await create_person(conn)
    own, theirs = await buy(conn, eve), await buy(conn, person)
    await write(conn, person.user_id, theirs, note="private", tags=["Secret"])
    before = await conn.fetch("SELECT * FROM transactions ORDER BY transaction_id")
    wanted = theirs if foreign else 2**50
    with pytest.raises(NotFound) as refused:
        await write(conn, eve.user_id, wanted, note="mine now")
    assert refused.value.message == "There is no transaction with this id; nothing was changed."
    with pytest.raises(NotFound):
        await divide(conn, eve.user_id, wanted, (RENT, "-1.00"))
    with pytest.raises(NotFound) as refused:
        await mark(conn, eve.user_id, [own, wanted], add=["Mine"])
    assert refused.value.message == "There is no transaction with the id at place 2; nothing was changed."
    assert await conn.fetch("SELECT * FROM transactions ORDER BY transaction_id") == before
    assert await tags_of(conn, eve.user_id) == []
    assert await events(conn, eve.user_id) == []
