"""Days that belong together: the period of a budget, a range that is summed, a part of either."""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

DAY = timedelta(days=1)


class Period(NamedTuple):
    """Days from `first` to `last`, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.last - self.first).days + 1

    @property
    def is_whole_months(self) -> bool:
        """Whether it is made of calendar months, so that sums by month tell what was spent in it."""
        return self.first.day == 1 and (self.last + DAY).day == 1

    def clipped(self, first: date, last: date) -> Period:
        """Return the part of it from `first` to `last`."""
        return Period(max(self.first, first), min(self.last, last))
