"""Monthly spending and income on real sums, which the database keeps."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from mintql.domain.categories import UNCATEGORIZED_ID
from mintql.domain.errors import InvalidInput
from mintql.services.annotations import PartWish, split
from mintql.services.spending import CurrencyTotal, spending
from support.factories import create_account, create_person, create_transaction
from support.people import acting_as, category

SEPTEMBER, OCTOBER, NOVEMBER = date(2026, 9, 1), date(2026, 10, 1), date(2026, 11, 1)


async def spend(conn, person, slug, amount_minor, posted_on=date(2026, 11, 5), **more):
    account_id = more.pop("account_id", person.account_id)
    return await create_transaction(
        conn,
        person.user_id,
        account_id,
        category_id=category(slug),
        amount_minor=amount_minor,
        posted_on=posted_on,
        **more,
    )


def lines(month):
    return [
        (line.category.slug, line.currency, line.posted_minor, line.pending_minor, line.transactions)
        for line in month.categories
    ]


async def months_of(conn, user_id, first, last):
    async with acting_as(conn, user_id):
        return await spending(conn, user_id, first, last)


async def test_each_month_of_the_range_shows_what_was_spent_and_received_in_it(conn):
    person = await create_person(conn)
    await spend(conn, person, "groceries", -4_000, date(2026, 9, 1))
    await spend(conn, person, "groceries", -2_500)
    await spend(conn, person, "groceries", 500)
    await spend(conn, person, "rent", -90_000, date(2026, 11, 30))
    await spend(conn, person, "groceries", -700, pending=True)
    await spend(conn, person, "paycheck", 300_000)
    await spend(conn, person, "groceries", -9_999, date(2026, 12, 1))

    september, october, november = await months_of(conn, person.user_id, SEPTEMBER, NOVEMBER)

    assert [item.month for item in (september, october, november)] == [SEPTEMBER, OCTOBER, NOVEMBER]
    assert lines(september) == [("groceries", "USD", 4_000, 0, 1)]
    assert (october.categories, october.totals) == ([], [])
    assert lines(november) == [
        ("rent", "USD", 90_000, 0, 1),
        ("groceries", "USD", 2_000, 700, 3),
        ("paycheck", "USD", 300_000, 0, 1),
    ]
    assert november.totals == [
        CurrencyTotal(
            "USD",
            spent_minor=92_000,
            pending_spent_minor=700,
            received_minor=300_000,
            pending_received_minor=0,
            count=5,
        )
    ]


async def test_transfers_and_card_payments_are_neither_spent_nor_received(conn):
    person = await create_person(conn)
    await spend(conn, person, "account-transfer", -50_000)
    await spend(conn, person, "credit-card-payment", 20_000)
    (november,) = await months_of(conn, person.user_id, NOVEMBER, NOVEMBER)
    assert (november.categories, november.totals) == ([], [])


async def test_currencies_are_never_added_up(conn):
    person = await create_person(conn)
    yen = await create_account(conn, person.user_id, person.connection_id, currency="JPY")
    await spend(conn, person, "groceries", -1_000)
    await spend(conn, person, "groceries", -1_000, currency="JPY", account_id=yen)
    (november,) = await months_of(conn, person.user_id, NOVEMBER, NOVEMBER)
    assert lines(november) == [("groceries", "JPY", 1_000, 0, 1), ("groceries", "USD", 1_000, 0, 1)]
    assert [(total.currency, total.spent_minor) for total in november.totals] == [("JPY", 1_000), ("USD", 1_000)]


async def test_refunds_reduce_spending_even_below_zero(conn):
    person = await create_person(conn)
    await spend(conn, person, "groceries", -1_000)
    await spend(conn, person, "groceries", 3_000)
    (november,) = await months_of(conn, person.user_id, NOVEMBER, NOVEMBER)
    assert lines(november) == [("groceries", "USD", -2_000, 0, 2)]


async def test_uncategorized_purchases_are_spending(conn):
    person = await create_person(conn)
    await create_transaction(conn, person.user_id, person.account_id, category_id=UNCATEGORIZED_ID, amount_minor=-100)
    (november,) = await months_of(conn, person.user_id, NOVEMBER, NOVEMBER)
    assert lines(november) == [("uncategorized", "USD", 100, 0, 1)]


async def test_what_no_longer_counts_leaves_no_line(conn):
    person = await create_person(conn)
    gone = await spend(conn, person, "groceries", -1_000)
    await conn.execute("UPDATE transactions SET removed_at = $2 WHERE transaction_id = $1", gone, datetime.now(UTC))
    (november,) = await months_of(conn, person.user_id, NOVEMBER, NOVEMBER)
    assert (november.categories, november.totals) == ([], [])


async def test_another_persons_spending_is_not_seen(conn):
    ada, eve = await create_person(conn), await create_person(conn)
    await spend(conn, ada, "groceries", -1_000)
    (november,) = await months_of(conn, eve.user_id, NOVEMBER, NOVEMBER)
    assert november.categories == []
    async with acting_as(conn, eve.user_id):
        (november,) = await spending(conn, ada.user_id, NOVEMBER, NOVEMBER)
    assert november.categories == []


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        (NOVEMBER, OCTOBER, "The range ends (2026-10) before it begins (2026-11)."),
        (date(2016, 11, 1), NOVEMBER, "121 months are too many at once; ask for 120 at most."),
    ],
)
async def test_a_range_that_is_empty_or_too_long_is_refused_in_words(conn, first, last, words):
    person = await create_person(conn)
    with pytest.raises(InvalidInput) as refused:
        await months_of(conn, person.user_id, first, last)
    assert refused.value.message == words


async def test_a_split_purchase_counts_in_the_categories_of_its_parts_and_with_its_rest_in_its_own(conn):
    person = await create_person(conn)
    await spend(conn, person, "rent", -90_000)
    bought = await spend(conn, person, "groceries", -10_000)
    wishes = [PartWish(category("rent"), "-25.00", "USD"), PartWish(category("account-transfer"), "-15.00", "USD")]
    async with acting_as(conn, person.user_id):
        await split(conn, person.user_id, bought, wishes, datetime(2026, 11, 6, tzinfo=UTC))

    (november,) = await months_of(conn, person.user_id, NOVEMBER, NOVEMBER)

    assert lines(november) == [("rent", "USD", 92_500, 0, 2), ("groceries", "USD", 6_000, 0, 1)]
    assert november.totals == [CurrencyTotal("USD", spent_minor=98_500, count=3)]
