"""Finding what recurs in what a person pays to, or gets from, one seller.

A seller's transactions are taken as a whole, by amounts that repeat to the cent, and by amounts that are near each
other; the cycle that explains most of one of these best is a series, and the rest is looked at again. A price that
steps up ends no series. How sure a series is follows from how tightly its days keep to the cycle, from what was
missed or came in between, from the amounts, and from the category; `docs/recurring.md` has the measurements.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from mintql.domain.ids import AccountId, CategoryId, TransactionId
from mintql.domain.recurring_amounts import Amounts, AmountsKind, amounts_of
from mintql.domain.recurring_cycles import Cycle, Frequency, Pace
from mintql.domain.recurring_fits import Fit, best_fit, members_at_most, near_at_most, paces_of

SERIES_PER_SELLER_MAX = 6
SUGGESTED_FROM = 50
"""The confidence from which a series is shown to the person, in whole percent."""
NEAR = 1.08
"""Amounts of one cluster are at most so many times the next smaller one."""
STEP_MOST = 1.6
"""A price that steps by more than this is taken for another series."""
OCCURRENCES_MIN = 3
OCCURRENCES_MIN_RARE = 2
NEAR_STEPS = 16
"""How sure many days can be is worked out for so many numbers of them."""
RANDOM_BITS = 1.2
"""So much closer than chance, in powers of two, do the best of random days come to a cycle that is laid over them."""
AMOUNTS_BEST = 1.5
"""What amounts that are always the same speak for a series; others speak less."""
RARE = frozenset({Frequency.HALF_YEARLY, Frequency.YEARLY})


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A transaction of a seller; `amount_minor` is what moved, without its sign."""

    transaction_id: TransactionId
    day: date
    amount_minor: int
    account_id: AccountId
    category_id: CategoryId
    pending: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A series that was found: what belongs to it in order of days, and how sure that is in whole percent.

    `extras` are transactions of the same amounts that came a second time for a period.
    """

    cycle: Cycle
    members: tuple[Occurrence, ...]
    extras: tuple[Occurrence, ...]
    missed: int
    off_days: float
    amounts: Amounts
    confidence: int

    @property
    def last(self) -> Occurrence:
        """The newest of its transactions."""
        return self.members[-1]

    @property
    def next_on(self) -> date:
        """The day of the first one that has not come."""
        return self.cycle.next_after(self.last.day)


@dataclass(frozen=True, slots=True)
class Leaning:
    """What the category of a seller says of series: `bill` speaks for one, `habit` against."""

    bill: bool = False
    habit: bool = False


NO_LEANING = Leaning()


def find_series(rows: Sequence[Occurrence], leaning: Leaning) -> list[Found]:
    """Return what recurs among one seller's transactions of one currency and direction, given by day."""
    left, found = list(rows), list[Found]()
    while len(left) >= OCCURRENCES_MIN_RARE and len(found) < SERIES_PER_SELLER_MAX:
        best = _best(left, len(rows), leaning)
        if best is None:
            break
        found.append(best)
        taken = {row.transaction_id for row in (*best.members, *best.extras)}
        left = [row for row in left if row.transaction_id not in taken]
    return found


@dataclass(frozen=True, slots=True)
class _Try:
    """A frequency to lay over a part of a seller's transactions: the how manieth, and how sure it can be at most."""

    place: int
    part: list[Occurrence]
    pace: Pace
    members: int
    confidence: int

    @property
    def score(self) -> float:
        """What the score comes to at most."""
        return _score(self.confidence, self.members)

    def looked_at(self, seller_rows: int, leaning: Leaning) -> _Try:
        """Return it with what its days tell: how near to due days they can be at most."""
        near = near_at_most([row.day for row in self.part], self.pace)
        if near is None:
            return self
        members, share = min(self.members, near[-1]), len(self.part) / seller_rows
        sure = confidence_of_near(self.pace, len(self.part), near, members, share, leaning)
        return replace(self, members=members, confidence=min(self.confidence, sure))


@dataclass(slots=True)
class _Best:
    """The best series so far of those that were laid, by score, the first one of several."""

    seller_rows: int
    leaning: Leaning
    found: Found | None = None
    score: float = -math.inf
    place: int = 0

    @property
    def sure(self) -> Found | None:
        """It, where it is sure enough."""
        return None if self.found is None or self.found.confidence < SUGGESTED_FROM else self.found

    def lay(self, one: _Try) -> None:
        """Lay cycles over days, unless that cannot come to more than the best."""
        if self.score > one.score:
            return
        laid = best_fit([row.day for row in one.part], one.pace)
        series = None if laid is None else _series(one.part, laid, self.seller_rows, self.leaning)
        if series is None:
            return
        score = _score(series.confidence, len(series.members))
        if (score, -one.place) > (self.score, -self.place):
            self.found, self.score, self.place = series, score, one.place


def _best(rows: list[Occurrence], seller_rows: int, leaning: Leaning) -> Found | None:
    """Return the series of the highest score, the first one of several; None where that is not sure enough.

    To lay cycles over days is what costs. So what can be sure is tried first, and of that what can score most; what
    cannot score more than the best is not tried at all, and what cannot be sure only where something is.
    """
    tries: list[_Try] = []
    for part in _parts(rows):
        days = [row.day for row in part]
        for pace in paces_of(days):
            members = members_at_most(days, pace)
            sure = confidence_at_most(pace, len(part), members, len(part) / seller_rows, leaning)
            tries.append(_Try(len(tries), part, pace, members, sure))
    best = _Best(seller_rows, leaning)
    unsure: list[_Try] = []
    for one in sorted(tries, key=lambda one: -one.score):
        known = one
        if one.confidence >= SUGGESTED_FROM and one.score >= best.score:
            known = one.looked_at(seller_rows, leaning)
        if known.confidence < SUGGESTED_FROM:
            unsure.append(known)
        else:
            best.lay(known)
    if best.sure is not None:
        for one in unsure:
            best.lay(one)
    return best.sure


def _score(confidence: int, members: int) -> float:
    return confidence * math.sqrt(members)


def _parts(rows: list[Occurrence]) -> Iterator[list[Occurrence]]:
    """Yield the rows as a whole, those of each amount, and those of each cluster of amounts."""
    yield rows
    equal: dict[int, list[Occurrence]] = defaultdict(list)
    for row in rows:
        equal[row.amount_minor].append(row)
    if len(equal) == 1:
        return
    for part in equal.values():
        if len(part) >= OCCURRENCES_MIN_RARE:
            yield part
    near: list[list[int]] = []
    for amount in sorted(equal):
        if near and amount <= near[-1][-1] * NEAR:
            near[-1].append(amount)
        else:
            near.append([amount])
    if len(near) == 1:
        return
    for amounts in near:
        if len(amounts) > 1:
            yield sorted((row for amount in amounts for row in equal[amount]), key=lambda row: row.day)


def _series(part: list[Occurrence], laid: Fit, seller_rows: int, leaning: Leaning) -> Found | None:
    members = tuple(part[position] for position in laid.members)
    if len(members) < OCCURRENCES_MIN and not _enough(laid.cycle, members, leaning):
        return None
    amounts = amounts_of([row.amount_minor for row in members], laid.cycle.pace.per_year)
    return Found(
        cycle=laid.cycle,
        members=members,
        extras=tuple(part[position] for position in laid.extras),
        missed=laid.missed,
        off_days=laid.off_days,
        amounts=amounts,
        confidence=confidence(laid, amounts, len(part) / seller_rows, leaning),
    )


def _enough(cycle: Cycle, members: Sequence[Occurrence], leaning: Leaning) -> bool:
    """Tell whether two occurrences are worth judging: of what is rare, and of bills of one amount."""
    one_amount = members[0].amount_minor == members[-1].amount_minor
    return cycle.frequency in RARE or (leaning.bill and one_amount and cycle.step_days == 0)


def confidence(laid: Fit, amounts: Amounts, share: float, leaning: Leaning) -> int:
    """Return how sure it is that a fit is a series, in whole percent.

    `share` is the part of the seller's transactions that was looked at. Log odds are summed: how much closer the days
    keep to the cycle than random ones would, what is wrong with it, and what amounts and category say.
    """
    count, loose = len(laid.members), len(laid.extras) + len(laid.strays)
    wrong = -5 * laid.missed / laid.periods + _loose_odds(loose, count + loose)
    of_amounts = {
        AmountsKind.SAME: AMOUNTS_BEST,
        AmountsKind.STEPPED: 1.0,
        AmountsKind.VARYING: 1 - 10 * amounts.variation,
    }
    return _percent(_odds(laid.cycle.pace, count, laid.off_days, share, leaning) + wrong + of_amounts[amounts.kind])


def confidence_at_most(pace: Pace, rows: int, members: int, share: float, leaning: Leaning) -> int:
    """Return what `confidence` comes to where so many of the rows are on their days and nothing else is wrong."""
    return _percent(_odds(pace, members, 0, share, leaning) + _loose_odds(rows - members, rows) + AMOUNTS_BEST)


def confidence_of_near(pace: Pace, rows: int, near: Sequence[int], members: int, share: float, leaning: Leaning) -> int:
    """Return what `confidence` comes to at most where so many of the rows are none, one, two days from their due days.

    `near` counts them up, and `members` of them stand for a due day each at most.
    """
    step = max(1, rows // NEAR_STEPS)
    most, count, off_days = -math.inf, 0, 0
    for distance, until in enumerate(near):
        while count < min(until, members):
            more = min(step, until - count, members - count)
            # Of so many and one to so many and more, all that are nearest: these are off by least.
            off_least = (off_days + distance) / (count + 1)
            if count + more >= OCCURRENCES_MIN or leaning.bill or pace.frequency in RARE:
                odds = _odds(pace, count + more, off_least, share, leaning) + _loose_odds(rows - count - more, rows)
                most = max(most, odds)
            off_days += distance * more
            count += more
    return _percent(most + AMOUNTS_BEST) if most > -math.inf else 0


def _loose_odds(loose: int, rows: int) -> float:
    return -9 * loose / rows


def _odds(pace: Pace, count: int, off_days: float, share: float, leaning: Leaning) -> float:
    tightness = math.log2((pace.days / 2 + 1) / (2 * off_days + 1))
    return (
        -2.5
        + 0.45 * min(max(tightness - RANDOM_BITS, 0) * (count - 1), 12)
        + 0.7 * min(tightness - 1, 1.5)
        - 0.7 * math.log2(1 / share)
        - (0 if count >= OCCURRENCES_MIN else 1)
        + (1.5 if leaning.bill else -2.5 if leaning.habit else 0)
    )


def _percent(odds: float) -> int:
    return max(1, min(99, round(100 / (1 + math.exp(-odds)))))
