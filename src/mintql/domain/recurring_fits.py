"""Which cycle the days of a seller's transactions follow, and how well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TypeVar

from mintql.domain.months import first_day
from mintql.domain.recurring_cycles import (
    MONTH_DAYS_MAX,
    MONTHS_PER_YEAR,
    PACES,
    SATURDAY,
    Cycle,
    Frequency,
    Pace,
    Weekend,
)

K = TypeVar("K", bound=Hashable)

ANCHORS_MAX = 4
"""How many beginnings of a cycle are tried, the likeliest first."""
ROLLING_DAYS = (28, 30)
"""Monthly charges that are taken every so many days, and so drift through the months."""
RATE_LEAST, RATE_MOST = 0.55, 1.7
"""Mean gap of occurrences in periods for a cycle to be tried: room for a third doubled, or for two fifths missed."""
MONTH_END_DAY = 28
LAST_DAYS = (29, 30, 31)
SEMIMONTHLY_APART = (12, 18)
WEEKEND_ROWS_MIN = 6


@dataclass(frozen=True, slots=True)
class Fit:
    """A cycle laid over days in order.

    `members` are the positions of the days that stand for a due day each, in order, `numbers` the due days they stand
    for. `extras` came a second time for a due day, `strays` are near none.
    """

    cycle: Cycle
    members: tuple[int, ...]
    numbers: tuple[int, ...]
    extras: tuple[int, ...]
    strays: tuple[int, ...]
    off_days: float
    """The mean distance of members from their due days."""

    @property
    def periods(self) -> int:
        """Due days from the first member to the last."""
        return self.numbers[-1] - self.numbers[0] + 1

    @property
    def missed(self) -> int:
        """Due days between the first member and the last for which nothing came."""
        return self.periods - len(self.members)

    @property
    def cost(self) -> float:
        """What is wrong with it, in days: for choosing among fits to the same days."""
        tolerance = self.cycle.pace.tolerance_days + 1
        loose = len(self.extras) + len(self.strays) + self.missed
        return self.off_days * len(self.members) + tolerance * loose


def fit(days: Sequence[date], cycle: Cycle) -> Fit | None:
    """Lay a cycle over days in order; None where fewer than two of them are near a due day."""
    best: dict[int, tuple[int, int]] = {}
    extras, strays = [], []
    tolerance = cycle.pace.tolerance_days
    for position, (number, off) in enumerate(cycle.nearest_of(days)):
        if abs(off) > tolerance:
            strays.append(position)
        elif number not in best:
            best[number] = (abs(off), position)
        elif abs(off) < best[number][0]:
            extras.append(best[number][1])
            best[number] = (abs(off), position)
        else:
            extras.append(position)
    if len(best) < 2:  # noqa: PLR2004
        return None
    numbers = tuple(sorted(best))
    return Fit(
        cycle=cycle,
        members=tuple(best[number][1] for number in numbers),
        numbers=numbers,
        extras=tuple(extras),
        strays=tuple(strays),
        off_days=sum(off for off, _ in best.values()) / len(best),
    )


def paces_of(days: Sequence[date]) -> list[Pace]:
    """Return the paces that the rate of these days (in order, two or more) allows."""
    gap = (days[-1] - days[0]).days / (len(days) - 1)
    return [pace for pace in PACES.values() if RATE_LEAST <= gap / pace.days <= RATE_MOST]


def members_at_most(days: Sequence[date], pace: Pace) -> int:
    """Return how many of some days in order can stand for a due day each: two that are too near cannot."""
    apart = pace.apart_least - 2 * pace.tolerance_days
    count, last = 0, date.min
    for day in days:
        if not count or (day - last).days >= apart:
            count, last = count + 1, day
    return count


def best_fit(days: Sequence[date], pace: Pace) -> Fit | None:
    """Return the best fit of one frequency to days in order, if there is any."""
    found = [laid for cycle in _cycles(days, pace) if (laid := fit(days, cycle)) is not None]
    return _off_weekends(days, min(found, key=lambda laid: laid.cost)) if found else None


def _cycles(days: Sequence[date], pace: Pace) -> Iterator[Cycle]:
    frequency = pace.frequency
    if not pace.step_months:
        yield from _by_days(days, frequency, round(pace.days))
        return
    if frequency is Frequency.SEMIMONTHLY:
        yield from _twice_a_month(days)
        return
    step = pace.step_months
    places = [((day.year * MONTHS_PER_YEAR + day.month) % step, day.day) for day in days]
    firsts = dict(zip(reversed(places), reversed(days), strict=True))
    for place in _likeliest(Counter(places), lambda one, other: one[0] == other[0] and abs(one[1] - other[1]) <= 1):
        yield Cycle(frequency, firsts[place], anchor_day=place[1])
    latest = max(days, key=lambda day: day.day)
    if latest.day >= MONTH_END_DAY:
        for anchor_day in LAST_DAYS:
            if anchor_day > latest.day:
                yield Cycle(frequency, latest, anchor_day=anchor_day)
    if frequency is Frequency.MONTHLY:
        for step_days in ROLLING_DAYS:
            yield from _by_days(days, frequency, step_days)


def _by_days(days: Sequence[date], frequency: Frequency, step_days: int) -> Iterator[Cycle]:
    phases = Counter(day.toordinal() % step_days for day in days)
    firsts = {day.toordinal() % step_days: day for day in reversed(days)}
    for phase in _likeliest(phases, lambda one, other: (one - other + 1) % step_days <= 2):  # noqa: PLR2004
        yield Cycle(frequency, firsts[phase], step_days=step_days)


def _twice_a_month(days: Sequence[date]) -> Iterator[Cycle]:
    found = [day for day, _ in Counter(day.day for day in days).most_common(2 * ANCHORS_MAX)]
    if any(day >= MONTH_END_DAY for day in found):
        found.append(MONTH_DAYS_MAX)
    least, most = SEMIMONTHLY_APART
    for first in found:
        for second in found:
            if least <= second - first <= most:
                yield Cycle(Frequency.SEMIMONTHLY, first_day(days[0]), anchor_day=first, second_day=second)


def _likeliest(phases: Counter[K], near: Callable[[K, K], bool]) -> list[K]:
    weight = {place: sum(count for other, count in phases.items() if near(place, other)) for place in phases}
    return sorted(weight, key=lambda place: (-weight[place], -phases[place]))[:ANCHORS_MAX]


def _off_weekends(days: Sequence[date], found: Fit) -> Fit:
    """Return the fit that moves due days off weekends, where nothing came on one and that explains the days better."""
    cycle = found.cycle
    came = [days[position] for position in found.members]
    if cycle.step_days or len(came) < WEEKEND_ROWS_MIN or any(day.weekday() >= SATURDAY for day in came):
        return found
    best = found
    for shift in range(-2, 4):
        for weekend in (Weekend.BEFORE, Weekend.AFTER):
            moved = _shifted(cycle, shift)
            laid = None if moved is None else fit(days, replace(moved, weekend=weekend))
            if laid is not None and laid.cost < best.cost:
                best = laid
    return best


def _shifted(cycle: Cycle, shift: int) -> Cycle | None:
    day = cycle.anchor_day + shift
    second = cycle.second_day and min(cycle.second_day + shift, MONTH_DAYS_MAX)
    if not 1 <= day <= MONTH_DAYS_MAX:
        return None
    return replace(cycle, anchor_day=day, second_day=second)
