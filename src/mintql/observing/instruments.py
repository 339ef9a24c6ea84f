"""Counters, gauges and histograms that cost next to nothing to move.

Each is a plain number, or a list of numbers, in this process. They are moved by the event loop's thread and read by
another one; no lock is taken, since a reader that comes between two additions reads what was true a moment ago. A
family holds one series for each combination of label values, at most `series_max` of them: more would come from values
that are not ours to choose, and are added up under `other`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

SERIES_MAX = 500
OTHER = "other"

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Bounds for what persons wait for."""
FEW_SECONDS = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0)
"""The same where there are many series."""
WORK_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0)
"""Bounds for what workers do."""


class Counter:
    """A number that only grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0

    def add(self, amount: float = 1) -> None:
        """Let it grow."""
        self.value += amount


class Gauge:
    """A number that goes up and down."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0

    def add(self, amount: float) -> None:
        """Move it."""
        self.value += amount

    def set(self, value: float) -> None:
        """Put it somewhere."""
        self.value = value


class Histogram:
    """How many values came, and how many of them up to each bound; `counts` has one place more, for larger ones."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        """How many values came."""
        return sum(self.counts)


S = TypeVar("S", Counter, Gauge, Histogram)

Reading = Mapping[tuple[str, ...], float]
"""Values by label values."""


class Family(Generic[S]):
    """One name with its series."""

    def __init__(self, name: str, words: str, labels: Sequence[str], make: Callable[[], S]) -> None:
        self.name = name
        self.words = words
        self.labels = tuple(labels)
        self.kind: type[Any] = type(make())
        self._make: Callable[[], S] = make
        self._series: dict[tuple[str, ...], S] = {}
        self._readers: dict[object, Callable[[], Reading]] = {}

    def of(self, *values: str) -> S:
        """Return the series with these label values; keep it where it is moved often."""
        found = self._series.get(values)
        return self._add(values) if found is None else found

    def _add(self, values: tuple[str, ...]) -> S:
        if len(values) != len(self.labels):
            raise ValueError(f"{self.name} has the labels {', '.join(self.labels) or 'none'}, not {values}")
        if len(self._series) >= SERIES_MAX:
            values = (OTHER,) * len(self.labels)
        return self._series.setdefault(values, self._make())

    def read_from(self, owner: object, read: Callable[[], Reading]) -> None:
        """Ask `read` whenever somebody wants to know; what several owners say of the same series is added up."""
        self._readers[owner] = read

    def read_no_more(self, owner: object) -> None:
        """Ask this owner no more."""
        self._readers.pop(owner, None)

    def set_all(self, values: Reading) -> None:
        """Put the series of a family of gauges where `values` says, and all others to zero."""
        for known in list(self._series.values()):
            if isinstance(known, Gauge):
                known.set(0)
        for labels, value in values.items():
            series = self.of(*labels)
            if isinstance(series, Gauge):
                series.set(value)

    def series(self) -> Iterator[tuple[tuple[str, ...], S]]:
        """Yield label values and series, as they are kept."""
        yield from list(self._series.items())

    def readings(self) -> Reading:
        """Return what the owners say now."""
        found: dict[tuple[str, ...], float] = {}
        for read in list(self._readers.values()):
            for labels, value in read().items():
                found[labels] = found.get(labels, 0) + value
        return found


class Instruments:
    """The families of a process, by their names."""

    def __init__(self) -> None:
        self._families: dict[str, Family[Any]] = {}

    def __iter__(self) -> Iterator[Family[Any]]:
        return iter(self._families.values())

    def counter(self, name: str, words: str, *labels: str) -> Family[Counter]:
        """Add a family of counters, whose names end in `_total`."""
        return self._add(Family(name, words, labels, Counter))

    def gauge(self, name: str, words: str, *labels: str) -> Family[Gauge]:
        """Add a family of gauges."""
        return self._add(Family(name, words, labels, Gauge))

    def histogram(self, name: str, words: str, *labels: str, bounds: Sequence[float] = SECONDS) -> Family[Histogram]:
        """Add a family of histograms."""
        return self._add(Family(name, words, labels, lambda: Histogram(bounds)))

    def _add(self, family: Family[S]) -> Family[S]:
        if family.name in self._families:
            raise ValueError(f"there are two families named {family.name}")
        self._families[family.name] = family
        return family
