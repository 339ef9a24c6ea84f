"""What recurs for a person: found in their rows, confirmed or dismissed by them, expected on coming days."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from mintql.domain.ids import AccountId, CategoryId, UserId
from mintql.domain.months import local_date
from mintql.domain.recurring import Expected
from mintql.domain.recurring_categories import leaning, left_out
from mintql.domain.recurring_series import Seller, Series, settle
from mintql.services.effects import Effects
from mintql.services.personal_categories import tree_of
from mintql.store import recurring as store
from mintql.store import recurring_read, users
from mintql.store.locks import lock_users
from mintql.store.queries import Conn
from mintql.store.recurring_read import ShownSeries

HISTORY_DAYS = 800
"""What is looked through: 26 months, so that a yearly charge is seen three times at best and twice mostly."""
BOUNDS = store.Bounds(rows_max=125, sellers_max=2_000)
"""A weekly charge comes 114 times in these days; of sellers with more rows only amounts that repeat are read."""
SERIES_MAX = 500
"""Series of one person; what is found beyond them is not kept."""
EXPECTED_FROM = 70
"""The confidence, in whole percent, from which a series that the person said nothing of is counted on."""
EXPECTED_DAYS_MAX = 800


async def look(conn: Conn, user_id: UserId, now: datetime) -> Effects:
    """Look through a person's rows for what recurs, and write what is new or has changed."""
    await lock_users(conn, [user_id])
    user = await users.get(conn, user_id)
    if user is None:
        return Effects()
    today = local_date(now, user.time_zone)
    since = today - timedelta(days=HISTORY_DAYS)
    tree = await tree_of(conn, user_id)
    before = await store.stored(conn, user_id)
    whole = {series.merchant_key for series in before if series.is_marked}
    # Rows that are booked ahead belong to what is known.
    until = today + timedelta(days=31)
    found = await store.history(conn, user_id, since, until, left_out(tree), whole, BOUNDS)
    sellers = [Seller(*item, leaning=leaning(tree, (row.category_id for row in item.rows))) for item in found]
    known = await known_until(conn, user_id, user.time_zone, today)
    there = await store.there(conn, user_id, {one for series in before for one in series.transaction_ids})
    settled = settle(before, sellers, known, there, since)
    await store.note_look(conn, user_id, now)
    if not settled.written and not settled.gone:
        return Effects()
    if settled.gone:
        await store.remove(conn, user_id, settled.gone)
    await store.update(conn, user_id, [one for one in settled.written if one.recurring_id is not None], now)
    room = SERIES_MAX - len(before) + len(settled.gone)
    fresh = sorted((one for one in settled.written if one.recurring_id is None), key=lambda one: -one.confidence)
    for series in fresh[: max(0, room)]:
        await store.insert(conn, user_id, series, now)
    return Effects(changed={user_id})


async def known_until(conn: Conn, user_id: UserId, time_zone: str, today: date) -> dict[AccountId, date]:
    """Return until which day each account of a person is known; today where nothing more comes."""
    return {
        account_id: today if at is None else min(today, local_date(at, time_zone))
        for account_id, at in (await store.accounts_known(conn, user_id)).items()
    }


async def expected_between(conn: Conn, user_id: UserId, first: date, last: date) -> list[Expected]:
    """Return what active series let expect from `first` to `last`, both included, and was not booked yet, by day.

    Of series that the person confirmed, and of those that are sure enough. One that is overdue on the day `first` by
    no more than its days usually vary is expected on that day.
    """
    last = min(last, first + timedelta(days=EXPECTED_DAYS_MAX))
    shown = await recurring_read.active(conn, user_id, EXPECTED_FROM)
    expected = [item for series in shown for item in _expected(series, first, last)]
    return sorted(expected, key=lambda item: (item.due_on, item.amount_minor, item.recurring_id))


def _expected(shown: ShownSeries, first: date, last: date) -> Iterator[Expected]:
    series = shown.series
    for day in due_days(series, first, last):
        yield Expected(
            recurring_id=shown.recurring_id,
            merchant=shown.merchant,
            category_id=CategoryId(shown.category_id),
            account_id=shown.account_id,
            currency=series.currency,
            due_on=day,
            amount_minor=-series.expected_minor if series.outgoing else series.expected_minor,
            spread_minor=series.spread_minor,
        )


def due_days(series: Series, first: date, last: date) -> Iterator[date]:
    """Yield the days from `first` to `last` on which a series falls due and has not come."""
    cycle = series.cycle
    tolerance = timedelta(days=cycle.pace.tolerance_days)
    number = cycle.nearest(series.next_on)[0]
    if first - tolerance > series.next_on:
        number = max(number, cycle.number_from(first - tolerance))
    while (day := cycle.due_on(number)) <= last:
        yield max(day, first)
        number += 1
