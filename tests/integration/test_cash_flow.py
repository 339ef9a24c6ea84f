"""What came in and went out, in each currency and in one, and at which sellers."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from mintql.domain.errors import InvalidInput
from mintql.domain.intervals import Interval
from mintql.domain.rates import Rate
from mintql.services.cash_flow import Flow, cash_flow
from mintql.services.summaries import top_merchants
from mintql.store import rates
from support.factories import create_account, create_person, create_transaction
from support.people import acting_as, category

NOVEMBER = date(2026, 11, 1), date(2026, 11, 30)


@pytest.fixture
async def person(conn):
    """Paid in dollars and euros, spends in both; October is empty."""
    found = await create_person(conn)
    euros = await create_account(conn, found.user_id, found.connection_id, currency="EUR")
    for slug, amount, day, more in [
        ("paycheck", 300_000, 2, {}),
        ("groceries", -20_000, 3, {"merchant": "Aldi"}),
        ("groceries", 5_000, 9, {"merchant": "Aldi"}),
        ("groceries", -10_000, 10, {"merchant": "Lidl"}),
        ("restaurants", -4_000, 10, {"merchant": "Lidl", "pending": True}),
        ("clothing", 900, 11, {"merchant": "Zara"}),
        ("account-transfer", -50_000, 4, {"merchant": "Savings"}),
        ("paycheck", 100_000, 6, {"currency": "EUR"}),
        ("groceries", -15_001, 12, {"currency": "EUR", "merchant": "Aldi"}),
    ]:
        await create_transaction(
            conn, found.user_id, euros if more.get("currency") else found.account_id, category_id=category(slug),
            amount_minor=amount, posted_on=date(2026, 11, day), **more,
        )  # fmt: skip
    return found


async def test_transfers_are_no_flow_and_refunds_are_netted(conn, person):
    async with acting_as(conn, person.user_id):
        overall, periods = await cash_flow(conn, person.user_id, date(2026, 10, 1), NOVEMBER[1], Interval.MONTH)
    assert overall.flows == [Flow("EUR", 100_000, 15_001), Flow("USD", 300_000, 24_100, 0, 4_000)]
    assert [period.flows for period in periods] == [[], overall.flows]
    assert overall.flows[1].net_minor == 275_900
    async with acting_as(conn, person.user_id):
        _, weeks = await cash_flow(conn, person.user_id, *NOVEMBER, Interval.WEEK)
    assert [[(flow.currency, flow.net_minor) for flow in week.flows] for week in weeks] == [
        [],
        [("EUR", 100_000), ("USD", 280_000)],
        [("EUR", -15_001), ("USD", -4_100)],
        [],
        [],
        [],
    ]


async def test_in_one_currency_each_amount_has_the_rate_of_its_day(conn, person):
    days = [(date(2026, 11, 6), "1.2"), (date(2026, 11, 12), "1.5")]
    await rates.save(conn, [Rate("USD", day, Decimal(rate)) for day, rate in days], "file")
    async with acting_as(conn, person.user_id):
        overall, periods = await cash_flow(conn, person.user_id, *NOVEMBER, Interval.WEEK, "USD")
    found = overall.converted
    assert (found.received.amount_minor, found.spent.amount_minor) == (420_000, 46_602)
    assert found.net.amount_minor == 373_398, "half a cent of 373,398.5 goes to the even one"
    assert sum(period.converted.received.amount_minor for period in periods) == 420_000
    assert found.net.not_converted == ()


async def test_the_top_sellers_of_each_currency_with_what_they_are_of_all_that_was_spent(conn, person):
    async with acting_as(conn, person.user_id):
        found = await top_merchants(conn, person.user_id, *NOVEMBER, 5)
        (_, first) = await top_merchants(conn, person.user_id, *NOVEMBER, 1)
        with pytest.raises(InvalidInput, match="101 sellers cannot be asked for; 1 to 100 can"):
            await top_merchants(conn, person.user_id, *NOVEMBER, 101)
    assert [
        (one.currency, one.name, one.posted_minor, one.pending_minor, one.count, one.total_minor) for one in found
    ] == [
        ("EUR", "Aldi", 15_001, 0, 1, 15_001),
        ("USD", "Aldi", 15_000, 0, 2, 24_100),
        ("USD", "Lidl", 10_000, 4_000, 1, 24_100),
    ]
    assert (first.currency, first.name) == ("USD", "Aldi")
