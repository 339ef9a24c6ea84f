"""Which cycle the days of a seller's transactions follow, and how well."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
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
SHORTEST_MONTH_DAYS = 28
MOVED_DAYS_MAX = 2
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
    return _laid(days, [day.toordinal() for day in days], cycle) if days else None


def _laid(days: Sequence[date], ordinals: Sequence[int], cycle: Cycle) -> Fit | None:
    members, numbers, extras, strays = list[int](), list[int](), list[int](), list[int]()
    end, off_days = 0, 0
    start, dues = cycle.dues(days[0], days[-1])
    for number, first, last, nearest, off in _near(ordinals, start, dues, cycle.pace.tolerance_days):
        strays += range(end, first)
        end = last + 1
        if last > first:
            extras += (position for position in range(first, end) if position != nearest)
        members.append(nearest)
        numbers.append(number)
        off_days += off
    if len(members) < 2:  # noqa: PLR2004
        return None
    return Fit(
        cycle=cycle,
        members=tuple(members),
        numbers=tuple(numbers),
        extras=tuple(extras),
        strays=(*strays, *range(end, len(days))),
        off_days=off_days / len(members),
    )


def _near(
    ordinals: Sequence[int], start: int, dues: Sequence[int], tolerance: int
) -> Iterator[tuple[int, int, int, int, int]]:
    """Yield for each due day that has days near it: its number, the positions of the first, the last and the nearest.

    Last comes how far off the nearest is; of several it is the first. `start` is the number of the first due day.
    """
    count, end = len(ordinals), 0
    for place, due in enumerate(dues):
        first = bisect_left(ordinals, due - tolerance, end)
        if first == count:
            return
        until = due + tolerance
        if ordinals[first] > until:
            end = first
            continue
        # A day halfway between two is taken for the first of them.
        if place + 1 < len(dues):
            until = min(until, (due + dues[place + 1]) // 2)
        end = bisect_right(ordinals, until, first)
        offs = [abs(ordinal - due) for ordinal in ordinals[first:end]]
        if offs:
            off = min(offs)
            yield start + place, first, end - 1, first + offs.index(off), off


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


def near_at_most(days: Sequence[date], pace: Pace) -> list[int] | None:
    """Return how many of some days in order can be none, one, two days and so on from due days of one cycle, at most.

    None where to tell that takes as long as to lay cycles.
    """
    reach = range(pace.tolerance_days + 1)
    if not pace.step_months:
        return _in_arcs([day.toordinal() for day in days], round(pace.days), [2 * near for near in reach])
    if pace.step_months == 1:
        return None
    # Months of 28 days, the last days of longer ones in one: no two days are nearer to each other than so.
    places = [
        SHORTEST_MONTH_DAYS * (day.year * MONTHS_PER_YEAR + day.month) + min(day.day, SHORTEST_MONTH_DAYS)
        for day in days
    ]
    widths = [2 * near + MOVED_DAYS_MAX for near in reach]
    return _in_arcs(places, SHORTEST_MONTH_DAYS * pace.step_months, widths)


def _in_arcs(places: Sequence[int], around: int, widths: Sequence[int]) -> list[int]:
    """Return for each width how many of some places on a circle are in one arc of it, at most."""
    ordered = sorted([place % around for place in places])
    ordered += [place + around for place in ordered]
    starts = list(enumerate(ordered[: len(places)]))
    return [max([bisect_right(ordered, start + width, place) - place for place, start in starts]) for width in widths]


def best_fit(days: Sequence[date], pace: Pace) -> Fit | None:
    """Return the best fit of one frequency to days in order, if there is any."""
    ordinals = [day.toordinal() for day in days]
    cycles = _twice_a_month(days, ordinals) if pace.frequency is Frequency.SEMIMONTHLY else _cycles(days, pace)
    best: Fit | None = None
    for cycle in cycles:
        laid = _laid(days, ordinals, cycle)
        if laid is not None and (best is None or laid.cost < best.cost):
            best = laid
    return None if best is None else _off_weekends(days, best)


def _cycles(days: Sequence[date], pace: Pace) -> Iterator[Cycle]:
    frequency = pace.frequency
    if not pace.step_months:
        yield from _by_days(days, frequency, round(pace.days))
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


def _twice_a_month(days: Sequence[date], ordinals: Sequence[int]) -> Iterator[Cycle]:
    """Yield the cycle on two days of the month that costs least, the first one of several.

    Nothing is near to both of its days, so that each day of the month is laid over the days once, and not each pair.
    """
    found = [day for day, _ in Counter(day.day for day in days).most_common(2 * ANCHORS_MAX)]
    if any(day >= MONTH_END_DAY for day in found):
        found.append(MONTH_DAYS_MAX)
    least, most = SEMIMONTHLY_APART
    pairs = [(one, other) for one in found for other in found if least <= other - one <= most]
    month = first_day(days[0])
    tolerance = PACES[Frequency.SEMIMONTHLY].tolerance_days
    laid = {
        day: [(number, off) for number, _, _, _, off in _near(ordinals, *_monthly(day, days), tolerance)]
        for day in {day for pair in pairs for day in pair}
    }
    costs = [_cost_of_two(laid[one], laid[other], len(days), tolerance) for one, other in pairs]
    cheapest = min((cost for cost in costs if cost is not None), default=None)
    if cheapest is not None:
        first, second = pairs[costs.index(cheapest)]
        yield Cycle(Frequency.SEMIMONTHLY, month, anchor_day=first, second_day=second)


def _monthly(day: int, days: Sequence[date]) -> tuple[int, Sequence[int]]:
    return Cycle(Frequency.MONTHLY, first_day(days[0]), anchor_day=day).dues(days[0], days[-1])


def _cost_of_two(
    one: Sequence[tuple[int, int]], other: Sequence[tuple[int, int]], rows: int, tolerance: int
) -> float | None:
    """Return the `cost` of a fit to so many rows on two days of the month.

    Each is given by the months of its members and by how many days these are off.
    """
    count = len(one) + len(other)
    if count < 2:  # noqa: PLR2004
        return None
    numbers = [2 * one[place][0] for place in (0, -1) if one] + [2 * other[place][0] + 1 for place in (0, -1) if other]
    missed = max(numbers) - min(numbers) + 1 - count
    off_days = sum([off for _, off in one]) + sum([off for _, off in other])
    # Divided and multiplied as there, to be rounded alike.
    return off_days / count * count + (tolerance + 1) * (rows - count + missed)


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
