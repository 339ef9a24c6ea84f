"""Charges worth telling a person of: large ones, and ones that are not as usual.

Everything is measured by the person's own history, by quantiles and medians: one large purchase does not make the
next one usual. Amounts are in minor units of the charge's currency, positive for money spent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median

from mintql.domain.ids import AccountId, CategoryId, TransactionId

LARGE_FLOOR_MINOR = 25_000
"""Nothing below it is large unless the person says so: 250 dollars or euros, 25,000 yen."""
LARGE_UNKNOWN_MINOR = 100_000
"""What is large for a person whose history is too short to tell."""
HISTORY_CHARGES_MIN = 50
"""Below these the 99th percentile is the largest charge, and says nothing."""
USUAL_EARLIER_MIN = 2
USUAL_SHARE = 0.8
"""A seller who took four fifths of it twice before is one of the person's large bills, the rent for instance."""

OUTLIER_EARLIER_MIN = 5
OUTLIER_TIMES = 3
OUTLIER_SPREADS = 5
MAD_TO_DEVIATION = 1.4826
"""Median absolute deviation to standard deviation of normally distributed values (Rousseeuw and Croux 1993)."""
OUTLIER_MORE_MINOR = 5_000
"""An outlier is at least this much more than usual: three times the price of a coffee is no news."""
NEW_SELLER_FLOOR_MINOR = 20_000
SPREAD_FLOOR_MINOR = min(NEW_SELLER_FLOOR_MINOR, LARGE_FLOOR_MINOR)
"""Of charges below it, how all of the person's charges were decides nothing."""
DUPLICATE_FLOOR_MINOR = 1_000
DUPLICATE_DAYS = 1
DUPLICATES_USUAL_MIN = 2
"""From so many earlier pairs on, the same amount twice within a day is that seller's way."""


@dataclass(frozen=True, slots=True)
class Charge:
    """Money out. `root_id` is the same while a pending charge becomes a posted one under another id."""

    transaction_id: TransactionId
    root_id: TransactionId
    account_id: AccountId
    category_id: CategoryId
    merchant: str
    merchant_key: str
    amount_minor: int
    currency: str
    posted_on: date
    pending: bool
    is_news: bool = True


@dataclass(frozen=True, slots=True)
class Spread:
    """How a person's charges of one currency were: how many, and the amounts that 95 and 99 of 100 do not exceed."""

    count: int
    p95_minor: int
    p99_minor: int


@dataclass(frozen=True, slots=True)
class Earlier:
    """A charge of a seller before the one that is looked at."""

    root_id: TransactionId
    posted_on: date
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Outlier:
    """A charge far above what its seller usually takes."""

    charge: Charge
    usual_minor: int
    earlier: int


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The same amount taken twice by one seller within a day; `charge` is the later one."""

    charge: Charge
    first: Charge


def large_limit(spread: Spread | None, chosen_minor: int | None = None) -> int:
    """Return from which amount on a charge is large: what the person chose, else by how theirs were."""
    if chosen_minor is not None:
        return chosen_minor
    if spread is None or spread.count < HISTORY_CHARGES_MIN:
        return LARGE_UNKNOWN_MINOR
    return max(LARGE_FLOOR_MINOR, spread.p99_minor)


def is_large(charge: Charge, limit_minor: int, earlier: Sequence[Earlier], *, chosen: bool) -> bool:
    """Tell whether a charge is large. By a limit that the person chose, usual bills count as well."""
    if charge.amount_minor < limit_minor:
        return False
    alike = [item for item in earlier if item.amount_minor >= USUAL_SHARE * charge.amount_minor]
    return chosen or len(alike) < USUAL_EARLIER_MIN


def outlier(charge: Charge, earlier: Sequence[Earlier]) -> Outlier | None:
    """Return a charge that is far above its seller's earlier ones; None when it is not, or they are too few."""
    if len(earlier) < OUTLIER_EARLIER_MIN:
        return None
    amounts = [item.amount_minor for item in earlier]
    usual = median(amounts)
    deviation = MAD_TO_DEVIATION * median([abs(amount - usual) for amount in amounts])
    bound = max(OUTLIER_TIMES * usual, usual + OUTLIER_SPREADS * deviation, usual + OUTLIER_MORE_MINOR)
    return Outlier(charge, round(usual), len(earlier)) if charge.amount_minor > bound else None


def is_new_seller(charge: Charge, earlier: Sequence[Earlier], spread: Spread | None) -> bool:
    """Tell whether a charge is a large one of a seller who never charged this person before."""
    if earlier or not charge.merchant_key or spread is None or spread.count < HISTORY_CHARGES_MIN:
        return False
    return charge.amount_minor >= max(NEW_SELLER_FLOOR_MINOR, spread.p95_minor)


def duplicates(charges: Iterable[Charge], history: Mapping[tuple[str, str], Sequence[Earlier]]) -> list[Duplicate]:
    """Return charges whose seller took the same amount from the same account within a day.

    One pending and one posted are left alone: they may be one purchase whose two rows were not matched yet.
    """
    found: list[Duplicate] = []
    alike: dict[tuple[AccountId, str, str, int, bool], list[Charge]] = {}
    for charge in sorted(charges, key=lambda item: (item.posted_on, item.root_id)):
        if charge.amount_minor < DUPLICATE_FLOOR_MINOR or not charge.merchant_key:
            continue
        place = (charge.account_id, charge.merchant_key, charge.currency, charge.amount_minor, charge.pending)
        before = alike.setdefault(place, [])
        if before and charge.posted_on - before[-1].posted_on <= timedelta(days=DUPLICATE_DAYS):
            earlier = history.get((charge.merchant_key, charge.currency), ())
            if charge.is_news and _pairs(earlier, before[0].posted_on) < DUPLICATES_USUAL_MIN:
                found.append(Duplicate(charge, before[-1]))
        before.append(charge)
    return found


def _pairs(earlier: Sequence[Earlier], until: date) -> int:
    """Return how often the seller took one amount twice within a day before a day."""
    last: dict[int, date] = {}
    count = 0
    for item in sorted(earlier, key=lambda item: (item.posted_on, item.root_id)):
        if item.posted_on >= until:
            break
        before = last.get(item.amount_minor)
        count += before is not None and item.posted_on - before <= timedelta(days=DUPLICATE_DAYS)
        last[item.amount_minor] = item.posted_on
    return count
