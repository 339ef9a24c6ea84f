"""What recurs, in the database: found once, kept under its id, expected on the days to come."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from mintql.domain.months import add_months, first_day
from mintql.services import recurring, recurring_detection
from mintql.store import recurring as recurring_store
from mintql.store import recurring_read
from mintql.store.recurring_read import Wanted
from support.factories import create_person, create_transaction
from support.people import category

NOW = datetime(2026, 11, 26, 10, 0, tzinfo=UTC)
TODAY = NOW.date()


@pytest.fixture
async def person(conn):
    found = await create_person(conn)
    await conn.execute("UPDATE connections SET last_success_at = $1", NOW)
    return found


def monthly(day: int, count: int, *, until: date = TODAY) -> list[date]:
    """The last so many of these days of the month up to a day."""
    first = first_day(until) if until.day >= day else add_months(first_day(until), -1)
    return [add_months(first, -back).replace(day=day) for back in reversed(range(count))]


async def pay(conn, person, days, *amounts_minor, merchant="Netflix", slug="tv-and-streaming", **said):
    """Transactions of a seller on these days; the last amount goes on."""
    amounts = [*amounts_minor, *[amounts_minor[-1]] * len(days)]
    return [
        await create_transaction(
            conn, person.user_id, person.account_id, posted_on=day, amount_minor=amount, merchant=merchant,
            category_id=category(slug), category_source="dictionary", **said,
        )
        for day, amount in zip(days, amounts, strict=False)
    ]  # fmt: skip


async def look(conn, person, now=NOW):
    async with conn.transaction():
        return await recurring_detection.look(conn, person.user_id, now)


async def series_of(conn, person, **wanted):
    return await recurring_read.shown(conn, person.user_id, Wanted(**wanted))


async def test_a_subscription_is_found_and_expected_on_the_days_to_come(conn, person):
    await pay(conn, person, monthly(12, 14), -1_549)
    await look(conn, person)
    (found,) = await series_of(conn, person)
    assert (found.merchant, found.series.cycle.frequency, found.series.next_on) == (
        "Netflix", "monthly", date(2026, 12, 12),
    )  # fmt: skip
    assert (found.series.mean_minor, found.series.last_minor, found.series.spread_minor) == (1_549, 1_549, 0)
    assert found.series.confidence >= 90
    expected = await recurring.expected_between(conn, person.user_id, TODAY, date(2027, 2, 28))
    assert [(item.due_on, item.amount_minor, item.category_id) for item in expected] == [
        (date(2026, 12, 12), -1_549, category("tv-and-streaming")),
        (date(2027, 1, 12), -1_549, category("tv-and-streaming")),
        (date(2027, 2, 12), -1_549, category("tv-and-streaming")),
    ]


async def test_what_was_booked_is_not_expected_again(conn, person):
    await pay(conn, person, monthly(12, 14, until=TODAY - timedelta(days=30)), -1_549)
    await look(conn, person)
    november = TODAY.replace(day=10), date(2026, 11, 30)
    assert len(await recurring.expected_between(conn, person.user_id, *november)) == 1
    await pay(conn, person, [date(2026, 11, 11)], -1_549)
    await look(conn, person)
    assert await recurring.expected_between(conn, person.user_id, *november) == []


async def test_looking_again_writes_nothing_and_keeps_the_ids(conn, person):
    await pay(conn, person, monthly(12, 14), -1_549)
    await look(conn, person)
    before = await conn.fetch("SELECT * FROM recurring_series")
    assert not (await look(conn, person, NOW + timedelta(hours=1))).changed
    assert await conn.fetch("SELECT * FROM recurring_series") == before
    (first,) = before
    await pay(conn, person, [date(2026, 12, 12)], -1_549)
    assert (await look(conn, person, NOW + timedelta(days=17))).changed == {person.user_id}
    (after,) = await conn.fetch("SELECT * FROM recurring_series")
    assert (after["recurring_id"], after["occurrences"]) == (first["recurring_id"], 15)


async def test_a_series_that_stopped_has_ended_and_lets_expect_nothing(conn, person):
    await pay(conn, person, monthly(12, 8, until=date(2026, 6, 30)), -1_549)
    await look(conn, person)
    (found,) = await series_of(conn, person)
    assert found.series.ended
    assert await recurring.expected_between(conn, person.user_id, TODAY, date(2027, 2, 28)) == []


async def test_an_account_that_was_not_fetched_for_long_ends_no_series(conn, person):
    await pay(conn, person, monthly(12, 8, until=date(2026, 8, 30)), -1_549)
    await conn.execute("UPDATE connections SET last_success_at = $1", datetime(2026, 9, 1, tzinfo=UTC))
    await look(conn, person)
    (found,) = await series_of(conn, person)
    assert not found.series.ended


async def test_rows_that_are_gone_take_their_series_along(conn, person):
    await pay(conn, person, monthly(12, 14), -1_549)
    await look(conn, person)
    await conn.execute("UPDATE transactions SET removed_at = now()")
    await look(conn, person)
    assert await conn.fetchval("SELECT count(*) FROM recurring_series") == 0


async def test_transfers_between_own_accounts_are_no_bills(conn, person):
    await pay(conn, person, monthly(22, 14), -50_000, merchant="Autopay", slug="credit-card-payment")
    await look(conn, person)
    assert await series_of(conn, person) == []


async def live(conn, ids, first: datetime, step: timedelta = timedelta(days=30)):
    """Let transactions have come one by one, as they happened."""
    for number, one in enumerate(ids):
        await conn.execute(
            "UPDATE transactions SET created_at = $2 WHERE transaction_id = $1", one, first + number * step
        )


async def notices(conn, person):
    rows = await conn.fetch("SELECT * FROM notifications WHERE user_id = $1 ORDER BY notification_id", person.user_id)
    return [dict(row) for row in rows]


async def test_the_first_look_tells_of_nothing_and_a_charge_that_began_since_is_told_once(conn, person):
    await pay(conn, person, monthly(12, 14), -1_549)
    await look(conn, person, NOW - timedelta(days=70))
    assert await notices(conn, person) == []
    ids = await pay(conn, person, monthly(20, 3), -999, merchant="Hulu")
    await live(conn, ids, NOW - timedelta(days=67))
    for _ in range(2):
        await look(conn, person)
    (told,) = await notices(conn, person)
    assert (told["kind"], told["amount_minor"], told["currency"]) == ("recurring_new", 999, "USD")
    assert told["title"] == "New recurring charge: Hulu, 9.99 USD every month"
    assert told["body"] == (
        "Hulu has charged 3 times since 20 September 2026, every month on day 20: 9.99 USD each time, which is about "
        "119.88 USD a year. The next is expected on 20 December 2026. If it is none of yours or does not recur, "
        "dismiss it."
    )
    assert sorted(told["transaction_ids"]) == sorted(ids)


async def test_what_an_account_brings_along_is_no_news(conn, person):
    await pay(conn, person, monthly(12, 14), -1_549)
    await look(conn, person, NOW - timedelta(days=1))
    await pay(conn, person, monthly(20, 3), -999, merchant="Hulu")
    await look(conn, person)
    assert len(await series_of(conn, person)) == 2
    assert await notices(conn, person) == []


async def test_a_raised_price_is_told_once_with_what_it_costs_more_in_a_year(conn, person):
    days = monthly(12, 14)
    await pay(conn, person, days[:-1], -999)
    await look(conn, person, NOW - timedelta(days=20))
    await conn.execute("UPDATE recurring_series SET created_at = $1", NOW - timedelta(days=20))
    (raised,) = await pay(conn, person, days[-1:], -1_199)
    for _ in range(2):
        await look(conn, person)
    (told,) = await notices(conn, person)
    assert (told["kind"], told["limit_minor"], told["amount_minor"]) == ("recurring_raised", 999, 1_199)
    assert told["title"] == "Netflix costs more: 11.99 USD instead of 9.99 USD"
    assert told["body"] == (
        "Netflix charged 11.99 USD on 12 November 2026; before, it was 9.99 USD. If it stays so, that is 24.00 USD "
        "more in a year, every month as it comes."
    )
    assert told["transaction_ids"][0] == raised
    (found,) = await series_of(conn, person)
    assert (found.series.occurrences, found.series.expected_minor) == (14, 1_199)


@pytest.mark.parametrize(
    ("earlier", "now", "told"),
    [
        ([-1_999] * 8, -2_099, False),  # by one unit exactly
        ([-1_999] * 8, -2_100, True),
        ([-20_000] * 8, -21_000, False),  # by 5 percent exactly
        ([-20_000] * 8, -21_001, True),
        ([-7_000, -9_000, -11_000, -9_500, -8_000, -10_000, -7_500, -9_000], -11_400, False),
        ([-7_000, -9_000, -11_000, -9_500, -8_000, -10_000, -7_500, -9_000], -11_500, True),
    ],
)
async def test_a_charge_is_raised_beyond_five_percent_one_unit_and_all_that_varied(conn, person, earlier, now, told):
    days = monthly(12, 9)
    await pay(conn, person, days[:-1], *earlier, merchant="Power & Light", slug="electricity-and-gas")
    await look(conn, person, NOW - timedelta(days=20))
    await conn.execute("UPDATE recurring_series SET created_at = $1", NOW - timedelta(days=20))
    await pay(conn, person, days[-1:], now, merchant="Power & Light", slug="electricity-and-gas")
    await look(conn, person)
    assert [item["kind"] for item in await notices(conn, person)] == (["recurring_raised"] if told else [])


async def test_paychecks_tell_the_yearly_income_by_a_whole_year_else_by_their_mean(conn, person):
    fortnights = [date(2026, 11, 20) - timedelta(days=14 * back) for back in reversed(range(10))]
    await pay(conn, person, fortnights, 250_000, merchant="Acme", slug="paycheck")
    await look(conn, person)
    row = await conn.fetchrow("SELECT annual_income_minor, income_basis FROM recurring_looks")
    assert tuple(row) == (
        6_500_000,
        "Net pay as it arrives, after taxes: Acme pays 2500.00 USD every two weeks, which is 65000.00 USD a year.",
    )
    assert await conn.fetchval("SELECT detected_income_minor FROM users") == 6_500_000
    earlier = [day - timedelta(days=140) for day in fortnights] + [day - timedelta(days=280) for day in fortnights]
    await pay(conn, person, earlier, 240_000, merchant="Acme", slug="paycheck")
    await look(conn, person)
    row = await conn.fetchrow("SELECT annual_income_minor, income_basis FROM recurring_looks")
    assert tuple(row) == (
        10 * 250_000 + 16 * 240_000,
        "Net pay as it arrives, after taxes: Acme paid 63400.00 USD in the last twelve months.",
    )


async def test_money_in_another_currency_or_category_is_no_income(conn, person):
    fortnights = [date(2026, 11, 20) - timedelta(days=14 * back) for back in reversed(range(10))]
    await pay(conn, person, fortnights, 250_000, merchant="Acme", slug="paycheck", currency="EUR")
    await pay(conn, person, fortnights, 9_000, merchant="Bank", slug="interest-income")
    await look(conn, person)
    assert len(await series_of(conn, person)) == 2
    assert await conn.fetchval("SELECT annual_income_minor FROM recurring_looks") is None


async def test_of_a_seller_with_many_rows_amounts_are_read_that_came_in_three_months_or_more(conn, person):
    bought = {
        -1_000: [date(2025, 11, 3), date(2026, 1, 3), date(2026, 11, 3)],  # Two Novembers are two months.
        -2_000: [date(2026, 2, 3), date(2026, 2, 4), date(2026, 3, 3)],
        -3_000: [date(2026, 4, 3), date(2026, 5, 3)],
        -4_000: [date(2025, 1, 3), date(2026, 6, 3), date(2026, 6, 4), date(2026, 7, 3)],
    }
    for amount_minor, days in bought.items():
        await pay(conn, person, days, amount_minor, merchant="Market")
    followed = recurring_store.Followed((), ())
    for only in (None, ["market"]):
        for rows_max, amounts in ((12, [1_000, 2_000, 3_000, 4_000]), (5, [1_000, 4_000])):
            bounds = recurring_store.Bounds(rows_max=rows_max, seldom_max=12, whole_rows_max=100, sellers_max=10)
            days = TODAY - timedelta(days=800), TODAY
            (found,) = await recurring_store.history(conn, person.user_id, days, (), followed, bounds, only)
            assert sorted({row.amount_minor for row in found.rows}) == amounts


async def test_a_few_sellers_are_read_as_among_all_unless_they_have_many_rows_and_no_series(conn, person):
    await pay(conn, person, monthly(12, 14), -1_549)
    await pay(conn, person, [date(2026, 11, 13)], 1_549)
    await pay(conn, person, monthly(3, 7), -500, merchant="Gym")
    await pay(conn, person, monthly(3, 2), 500, merchant="Gym")
    await pay(conn, person, monthly(3, 1), -500, merchant="Once")
    await pay(conn, person, monthly(4, 20), *[-700 - number for number in range(20)], merchant="Market")
    await pay(conn, person, [date(2023, 1, 2)] * 30, -900, merchant="Gym")
    days, only = (TODAY - timedelta(days=800), TODAY), ["gym", "market", "netflix", "once"]

    async def read(known, rows_max=25, seldom_max=25, whole_rows_max=100):
        bounds = recurring_store.Bounds(rows_max, seldom_max, whole_rows_max, sellers_max=10)
        followed = recurring_store.Followed(known, ())
        of_few = await recurring_store.history_of(conn, person.user_id, days, (), followed, bounds, only)
        return of_few, await recurring_store.history(conn, person.user_id, days, (), followed, bounds)

    of_few, everything = await read(())
    assert of_few == everything
    assert [(one.merchant_key, one.outgoing, len(one.rows)) for one in of_few] == [
        ("gym", False, 2), ("gym", True, 7), ("netflix", True, 14), ("market", True, 20),
    ]  # fmt: skip
    of_few, everything = await read((), seldom_max=14)
    assert of_few == [one for one in everything if one.merchant_key == "gym"]
    of_few, everything = await read(["market", "netflix"], seldom_max=14)
    assert of_few == everything
    of_few, everything = await read(["market", "netflix"], rows_max=13, seldom_max=14)
    assert of_few == everything
    assert {(one.merchant_key, len(one.rows)) for one in of_few} == {("gym", 2), ("gym", 7)}
    of_few, everything = await read((), whole_rows_max=10)
    assert of_few == everything
