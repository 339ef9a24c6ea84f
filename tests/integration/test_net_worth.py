"""Net worth over time is what institutions told, and what was booked before they told anything."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from mintql.domain.errors import InvalidInput
from mintql.domain.intervals import Interval
from mintql.domain.rates import Rate
from mintql.services.net_worth import net_worth
from mintql.store import rates
from support.factories import create_account, create_connection, create_transaction, create_user
from support.people import acting_as

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
TOLD = datetime(2026, 11, 10, 12, tzinfo=UTC)


async def tell(conn, account_id, balance_minor, at):
    await conn.execute(
        "UPDATE accounts SET balance_minor = $2, balance_at = $3 WHERE account_id = $1", account_id, balance_minor, at
    )


async def kept(conn, account_id):
    rows = await conn.fetch(
        "SELECT on_date, balance_minor FROM account_balances WHERE account_id = $1 ORDER BY on_date", account_id
    )
    return [(row["on_date"].day, row["balance_minor"]) for row in rows]


async def worth(conn, user_id, first, last, interval=Interval.DAY, in_currency=None):
    async with acting_as(conn, user_id):
        return await net_worth(conn, user_id, first, last, interval, NOW, in_currency)


def nets(points):
    return [[(one.currency, one.net_minor, one.derived) for one in point.worths] for point in points]


async def test_a_day_keeps_the_last_balance_told_in_it_by_the_persons_calendar_and_no_row_says_the_same_again(conn):
    user_id = await create_user(conn, time_zone="Asia/Tokyo")
    account_id = await create_account(
        conn, user_id, balance_minor=100, balance_at=datetime(2026, 11, 10, 14, tzinfo=UTC)
    )
    await tell(conn, account_id, 200, datetime(2026, 11, 10, 14, 30, tzinfo=UTC))
    await tell(conn, account_id, 200, datetime(2026, 11, 11, 14, tzinfo=UTC))
    await tell(conn, account_id, 300, datetime(2026, 11, 12, 16, tzinfo=UTC))
    await tell(conn, account_id, 200, datetime(2026, 11, 12, 17, tzinfo=UTC))
    await tell(conn, account_id, None, datetime(2026, 11, 15, tzinfo=UTC))
    assert await kept(conn, account_id) == [(10, 200), (13, 200)]
    points = await worth(conn, user_id, date(2026, 11, 10), date(2026, 11, 30), Interval.WEEK)
    assert [point.on.day for point in points] == [15, 20]
    assert nets(points) == [[("USD", 200, False)]] * 2


async def test_before_the_first_balance_of_cash_it_is_worked_out_from_what_was_booked(conn):
    user_id = await create_user(conn)
    account_id = await create_account(conn, user_id, balance_minor=10_000, balance_at=TOLD)
    other = await create_account(conn, user_id, kind="investment", balance_minor=500, balance_at=TOLD)
    for day, amount, more in [
        (6, -300, {}),
        (8, 2_000, {}),
        (10, -50, {}),
        (11, -7_000, {}),
        (9, -999, {"pending": True}),
        (9, -888, {"removed_at": NOW}),
        (9, -777, {"currency": "EUR"}),
    ]:
        await create_transaction(conn, user_id, account_id, posted_on=date(2026, 11, day), amount_minor=amount, **more)
    await create_transaction(conn, user_id, other, posted_on=date(2026, 11, 7), amount_minor=-100)
    points = await worth(conn, user_id, date(2026, 11, 5), date(2026, 11, 12))
    assert nets(points) == [
        [],
        [("USD", 8_050, True)],
        [("USD", 8_050, True)],
        [("USD", 10_050, True)],
        [("USD", 10_050, True)],
        [("USD", 10_500, False)],
        [("USD", 10_500, False)],
        [("USD", 10_500, False)],
    ]
    weekly = await worth(conn, user_id, date(2026, 11, 5), date(2026, 11, 12), Interval.WEEK)
    assert nets(weekly) == [nets(points)[3], nets(points)[7]]


async def test_what_is_below_zero_is_owed_and_currencies_are_kept_apart_or_converted_at_the_rate_of_the_day(conn):
    user_id = await create_user(conn)
    await create_account(conn, user_id, balance_minor=10_000, balance_at=TOLD)
    await create_account(conn, user_id, kind="credit_card", balance_minor=-2_500, balance_at=TOLD)
    await create_account(conn, user_id, currency="EUR", balance_minor=1_000, balance_at=TOLD)
    await create_account(conn, user_id, currency="XPF", balance_minor=700, balance_at=TOLD)
    await rates.save(conn, [Rate("USD", date(2026, 11, 6), Decimal("1.25"))], "file")
    (point,) = await worth(conn, user_id, date(2026, 11, 10), date(2026, 11, 10), in_currency="EUR")
    assert [(one.currency, one.assets_minor, one.liabilities_minor, one.accounts) for one in point.worths] == [
        ("EUR", 1_000, 0, 1),
        ("USD", 10_000, 2_500, 2),
        ("XPF", 700, 0, 1),
    ]
    assert point.converted.assets.amount_minor == 9_000
    assert point.converted.liabilities.amount_minor == 2_000
    assert point.converted.net.amount_minor == 7_000
    assert point.converted.net.not_converted == (("XPF", 700),)
    assert [(use.currency, use.first_on) for use in point.converted.net.rates] == [("USD", date(2026, 11, 6))]


async def test_an_account_counts_until_the_institution_or_the_connection_is_gone(conn):
    user_id = await create_user(conn)
    missing = await create_account(conn, user_id, balance_minor=100, balance_at=TOLD)
    ended = await create_connection(conn, user_id)
    await create_account(conn, user_id, ended, balance_minor=1_000, balance_at=TOLD)
    await conn.execute(
        "UPDATE accounts SET missing_since = $2 WHERE account_id = $1", missing, datetime(2026, 11, 12, tzinfo=UTC)
    )
    await conn.execute(
        "UPDATE connections SET status = 'disconnected', disconnected_at = $2 WHERE connection_id = $1",
        ended,
        datetime(2026, 11, 14, tzinfo=UTC),
    )
    points = await worth(conn, user_id, date(2026, 11, 11), date(2026, 11, 14))
    assert [sum(one.net_minor for one in point.worths) for point in points] == [1_100, 1_000, 1_000, 0]


async def test_the_balances_of_an_account_go_with_it_and_nobody_elses_are_seen(conn):
    ada, eve = await create_user(conn), await create_user(conn)
    account_id = await create_account(conn, ada, balance_minor=100, balance_at=TOLD)
    async with acting_as(conn, eve):
        assert nets(await net_worth(conn, ada, date(2026, 11, 12), date(2026, 11, 12), Interval.DAY, NOW)) == [[]]
    await conn.execute("DELETE FROM accounts WHERE account_id = $1", account_id)
    assert await kept(conn, account_id) == []


async def test_the_future_is_not_known(conn):
    user_id = await create_user(conn)
    with pytest.raises(InvalidInput, match="What there will be on 2026-11-21 is not known; today is 2026-11-20"):
        await worth(conn, user_id, date(2026, 11, 21), date(2026, 11, 22))
