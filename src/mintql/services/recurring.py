"""What a person's recurring series let expect on coming days."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from mintql.domain.ids import CategoryId, UserId
from mintql.domain.recurring import Expected
from mintql.domain.recurring_series import Series
from mintql.store import recurring_read
from mintql.store.queries import Conn
from mintql.store.recurring_read import ShownSeries

EXPECTED_FROM = 70
"""The confidence, in whole percent, from which a series that the person said nothing of is counted on."""
EXPECTED_DAYS_MAX = 800


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
