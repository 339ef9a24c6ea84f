"""Sums over spans of days are those of the rows, whatever they are made of."""

from __future__ import annotations

from datetime import UTC, date, datetime

from mintql.domain.periods import Period
from mintql.services.annotations import PartWish, split
from mintql.services.summaries import period_figures
from support.factories import create_account, create_person, create_transaction
from support.people import acting_as, category


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


async def test_the_figures_of_a_month_to_date_stand_beside_as_many_days_of_the_month_before(conn):
    person = await create_person(conn)
    await spend(conn, person, "groceries", -4_000, merchant="Aldi")
    await spend(conn, person, "groceries", 500, merchant="Aldi")
    await spend(conn, person, "groceries", -700, pending=True)
    await spend(conn, person, "paycheck", 300_000)
    await spend(conn, person, "account-transfer", -99_000)
    await spend(conn, person, "groceries", -9_000, date(2026, 11, 18))
    await spend(conn, person, "groceries", -1_000, date(2026, 10, 17))
    await spend(conn, person, "rent", -80_000, date(2026, 10, 1))
    await spend(conn, person, "groceries", -2_000, date(2026, 10, 18))

    async with acting_as(conn, person.user_id):
        found = await period_figures(conn, person.user_id, date(2026, 11, 1), date(2026, 11, 17))

    assert found.previous == Period(date(2026, 10, 1), date(2026, 10, 17))
    (dollars,) = found.currencies
    assert (dollars.spent_minor, dollars.pending_spent_minor, dollars.received_minor) == (3_500, 700, 300_000)
    assert (dollars.previous_spent_minor, dollars.change_minor, dollars.count) == (81_000, -77_500, 3)
    assert [(one.category.slug, one.spent_minor, one.previous_minor) for one in dollars.categories] == [
        ("groceries", 3_500, 1_000),
        ("rent", 0, 80_000),
    ]
    assert [(one.name, one.posted_minor, one.count, one.total_minor) for one in dollars.merchants] == [
        ("Aldi", 3_500, 2, 3_500)
    ]


async def test_parts_of_a_split_that_are_no_spending_are_not_a_sellers(conn):
    person = await create_person(conn)
    bought = await spend(conn, person, "groceries", -10_000, merchant="Costco")
    euros = await create_account(conn, person.user_id, person.connection_id, currency="EUR")
    await spend(conn, person, "groceries", -1_000, currency="EUR", account_id=euros, merchant="Costco")
    wishes = [PartWish(category("rent"), "-25.00", "USD"), PartWish(category("account-transfer"), "-15.00", "USD")]
    async with acting_as(conn, person.user_id):
        await split(conn, person.user_id, bought, wishes, datetime(2026, 11, 6, tzinfo=UTC))
        found = await period_figures(conn, person.user_id, date(2026, 11, 2), date(2026, 11, 8))
    assert found.previous == Period(date(2026, 10, 26), date(2026, 11, 1))
    assert [(one.currency, one.spent_minor) for one in found.currencies] == [("EUR", 1_000), ("USD", 8_500)]
    assert [(row.posted_minor, row.count) for one in found.currencies for row in one.merchants] == [
        (1_000, 1),
        (8_500, 1),
    ]


async def test_another_persons_figures_are_not_seen(conn):
    ada, eve = await create_person(conn), await create_person(conn)
    await spend(conn, ada, "groceries", -1_000)
    async with acting_as(conn, eve.user_id):
        found = await period_figures(conn, ada.user_id, date(2026, 11, 1), date(2026, 11, 30))
    assert found.currencies == []
