"""Bills of coming days, and subscriptions with what they cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from mintql.domain.errors import InvalidInput
from mintql.domain.ids import UserId
from mintql.domain.money import Money
from mintql.domain.recurring_series import SeriesState
from mintql.services.recurring import EXPECTED_FROM, due_days
from mintql.store import recurring_read
from mintql.store.queries import Conn
from mintql.store.recurring_read import ShownSeries, Wanted

CALENDAR_DAYS_MAX = 400


@dataclass(frozen=True, slots=True)
class DueDay:
    """What falls due on a day, and what it comes to in each currency, without sign."""

    day: date
    due: list[ShownSeries]
    totals: list[Money]


async def due_between(conn: Conn, user_id: UserId, first: date, last: date, *, outgoing: bool) -> list[DueDay]:
    """Return what active series let expect of one direction, day by day; days without any are left out.

    Raises:
        InvalidInput: The range is empty or too long.
    """
    if last < first:
        raise InvalidInput(f"The range ends ({last}) before it begins ({first}).", field="to")
    if (days := (last - first).days + 1) > CALENDAR_DAYS_MAX:
        raise InvalidInput(f"{days} days are too many at once; ask for {CALENDAR_DAYS_MAX} at most.", field="to")
    by_day: dict[date, list[ShownSeries]] = defaultdict(list)
    for shown in await recurring_read.active(conn, user_id, EXPECTED_FROM):
        if shown.series.outgoing is outgoing:
            for day in due_days(shown.series, first, last):
                by_day[day].append(shown)
    return [DueDay(day, by_day[day], expected_totals(by_day[day])) for day in sorted(by_day)]


def expected_totals(series: Iterable[ShownSeries]) -> list[Money]:
    """Return what one of each of these series comes to, by currency."""
    return _totals((shown.series.currency, shown.series.expected_minor) for shown in series)


def yearly_totals(series: Iterable[ShownSeries]) -> list[Money]:
    """Return what these series come to in a year, by currency."""
    return _totals((shown.series.currency, shown.series.yearly_minor) for shown in series)


def _totals(amounts: Iterable[tuple[str, int]]) -> list[Money]:
    sums: dict[str, int] = defaultdict(int)
    for currency, amount_minor in amounts:
        sums[currency] += amount_minor
    return [Money(sums[currency], currency) for currency in sorted(sums)]


async def running(conn: Conn, user_id: UserId) -> list[ShownSeries]:
    """Return what a person goes on paying: series that were not dismissed and have not ended."""
    states = (SeriesState.SUGGESTED, SeriesState.CONFIRMED)
    wanted = Wanted(states=states, ended=False, outgoing=True, confidence_min=EXPECTED_FROM)
    return await recurring_read.shown(conn, user_id, wanted)
