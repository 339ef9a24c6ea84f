"""What the amounts of a series are: always the same, the same but for steps of the price, or varying."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

STEPPED_SHARE = 0.6
"""Amounts count as stepped where so many of them equal the one before."""
RISE_PERCENT = 5
RISE_AFTER_MIN = 2
RECENT_PAYMENTS = 3
"""Varying amounts are expected to be the mean of so many of the newest."""


class AmountsKind(StrEnum):
    """How the amounts of a series behave."""

    SAME = "same"
    STEPPED = "stepped"
    VARYING = "varying"


@dataclass(frozen=True, slots=True)
class Amounts:
    """The amounts of a series in minor units, without sign.

    `mean_minor` is of the last twelve months, `expected_minor` what the next one will be about, `spread_minor` the
    median distance of the last twelve months from their median (0 where prices only step), `variation` that distance
    in relation to the median.
    """

    kind: AmountsKind
    mean_minor: int
    last_minor: int
    expected_minor: int
    spread_minor: int
    variation: float


@dataclass(frozen=True, slots=True)
class Rise:
    """A newest amount above what was usual: the price before, or the mean where amounts vary."""

    before_minor: int
    now_minor: int


def rise_of(amounts_minor: Sequence[int], per_year: int, unit_minor: int) -> Rise | None:
    """Return what the newest amount rose by, if it did beyond what is usual.

    That is above the one before it or, where amounts vary, above each of the last year, by more than 5 percent and
    more than one whole unit of the currency.
    """
    *earlier, now = amounts_minor
    earlier = earlier[-max(per_year, RECENT_PAYMENTS) :]
    if len(earlier) < RISE_AFTER_MIN:
        return None
    known = amounts_of(earlier, per_year)
    varies = known.kind is AmountsKind.VARYING
    before, usual = (known.mean_minor, max(earlier)) if varies else (known.last_minor, known.last_minor)
    margin = max(before * RISE_PERCENT // 100, unit_minor)
    return Rise(before, now) if now > usual + margin else None


def amounts_of(amounts_minor: Sequence[int], per_year: int) -> Amounts:
    """Describe amounts, oldest first, of which there are about so many a year."""
    recent = amounts_minor[-max(per_year, RECENT_PAYMENTS) :]
    mean = round(statistics.fmean(recent))
    median = statistics.median(recent)
    distance = statistics.median(abs(amount - median) for amount in recent)
    last = amounts_minor[-1]
    pairs = list(pairwise(amounts_minor))
    equal = sum(one == other for one, other in pairs)
    if len(set(amounts_minor)) == 1:
        kind = AmountsKind.SAME
    elif equal >= STEPPED_SHARE * len(pairs):
        kind = AmountsKind.STEPPED
    else:
        kind = AmountsKind.VARYING
    varies = kind is AmountsKind.VARYING
    return Amounts(
        kind=kind,
        mean_minor=mean,
        last_minor=last,
        expected_minor=round(statistics.fmean(recent[-RECENT_PAYMENTS:])) if varies else last,
        spread_minor=round(distance) if varies else 0,
        variation=distance / median if varies and median else 0.0,
    )
