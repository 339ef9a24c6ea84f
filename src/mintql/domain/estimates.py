"""What a month will probably cost, from the months before it: robust, so that one unusual month is no habit.

The middle is a median and the spread a median of distances from it, scaled so that it equals a standard deviation
where amounts are spread normally (Rousseeuw and Croux, Alternatives to the Median Absolute Deviation, 1993). A season
is seen where the same month a year before lay further from that year's median than chance would put it.
All amounts are whole minor units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MONTHS_PER_YEAR = 12
MONTHS_MIN = 3
"""With fewer months one unusual purchase would be taken for a habit."""
MONTHS_REMEMBERED_MAX = 25
"""Two years, of which the same month twice, and one that is cut off where the history begins."""
RECENT_MONTHS = 12
"""Habits change: the median is of these latest months, which hold every season once."""
BACK_TESTED_MONTHS_MAX = 12

DEVIATION_SCALE = (14_826, 10_000)
SEASON_SPREADS_MIN = 4
"""A month of which one year is known has a season when it lay further than so many spreads from its year's median."""
SEASON_SPREADS_TWICE_MIN = 2
"""The same where it did so in two years, the same way."""
SEASON_PART = 3
"""Of what a season added once, a third is expected again: `bench/recommendations.py` shows that more does harm."""
MARGIN_PERCENT = 67
"""How much of the spread a limit leaves above the middle: about one month in four then lies over it."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a month will probably cost: `season_minor` is the part of `expected_minor` that the time of year adds."""

    expected_minor: int
    spread_minor: int
    season_minor: int

    @property
    def limit_minor(self) -> int:
        """A limit that about three months in four stay below."""
        return max(0, self.expected_minor + self.spread_minor * MARGIN_PERCENT // 100)


@dataclass(frozen=True, slots=True)
class BackTest:
    """How good estimates were in past months, each made from the months before it alone.

    `error_minor` is the mean distance from what was spent; `over` counts the months that went over their limit.
    """

    months: int
    error_minor: int
    over: int


def estimate(history_minor: Sequence[int]) -> Estimate:
    """Return what the month after these complete ones (oldest first, without gaps) will probably cost.

    Raises:
        ValueError: There is no month to go by.
    """
    if not history_minor:
        raise ValueError("an estimate needs at least one month")
    recent = history_minor[-RECENT_MONTHS:]
    middle_minor = median(recent)
    spread_minor = spread(recent)
    season_minor = _season(history_minor)
    return Estimate(max(0, middle_minor + season_minor), spread_minor, season_minor)


def _season(history_minor: Sequence[int]) -> int:
    """Return what the time of year adds: the less of what it did in two years, or a part of what it did in one."""
    if len(history_minor) < MONTHS_PER_YEAR:
        return 0
    added_minor, spread_minor = _added(history_minor[-MONTHS_PER_YEAR:])
    if len(history_minor) < 2 * MONTHS_PER_YEAR:
        part_minor = abs(added_minor) // SEASON_PART * (1 if added_minor > 0 else -1)
        return part_minor if abs(added_minor) > SEASON_SPREADS_MIN * spread_minor else 0
    earlier_minor, earlier_spread_minor = _added(history_minor[-2 * MONTHS_PER_YEAR : -MONTHS_PER_YEAR])
    agree = (earlier_minor > 0) == (added_minor > 0)
    clear = (
        abs(added_minor) > SEASON_SPREADS_TWICE_MIN * spread_minor
        and abs(earlier_minor) > SEASON_SPREADS_TWICE_MIN * earlier_spread_minor
    )
    return min(added_minor, earlier_minor, key=abs) if agree and clear else 0


def _added(year_minor: Sequence[int]) -> tuple[int, int]:
    """Return by how much the first month of a year lay over its median, and the year's spread."""
    return year_minor[0] - median(year_minor), spread(year_minor)


def back_test(history_minor: Sequence[int]) -> BackTest | None:
    """Return how good estimates of the past months were; None with too few months to make any."""
    first = max(MONTHS_MIN, len(history_minor) - BACK_TESTED_MONTHS_MAX)
    tested = range(first, len(history_minor))
    if not tested:
        return None
    made = [(estimate(history_minor[:place]), history_minor[place]) for place in tested]
    return BackTest(
        months=len(made),
        error_minor=sum(abs(guess.expected_minor - spent_minor) for guess, spent_minor in made) // len(made),
        over=sum(spent_minor > guess.limit_minor for guess, spent_minor in made),
    )


def median(values: Sequence[int]) -> int:
    """Return the middle of some amounts, between the two middle ones rounded down."""
    ordered = sorted(values)
    count = len(ordered)
    return (ordered[(count - 1) // 2] + ordered[count // 2]) // 2


def spread(values: Sequence[int]) -> int:
    """Return how far amounts usually lie from their middle."""
    middle = median(values)
    scale, unit = DEVIATION_SCALE
    return median([abs(value - middle) for value in values]) * scale // unit
