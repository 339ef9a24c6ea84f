"""Exchange rates, and amounts of several currencies as one: exact, rounded once, and never silently short.

Rates of the table say how many units of a currency one euro buys on a day, as the European Central Bank publishes
them; two other currencies meet through the euro. A person's own rates go before the table's.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from mintql.domain.errors import InvalidInput
from mintql.domain.money import check_currency, exponent
from mintql.domain.wording import shown

EURO = "EUR"
RATE_AGE_DAYS_MAX = 7
"""How old a rate of the table may be for a day: the longest run of days without one, around Easter, is shorter."""
RATE_MAX = Decimal(10) ** 12
RATE_PLACES_MAX = 12
SHOWN_PLACES = 10


@dataclass(frozen=True, slots=True)
class Rate:
    """One euro is worth `per_euro` units of the currency on a day."""

    currency: str
    on: date
    per_euro: Decimal


@dataclass(frozen=True, slots=True)
class ManualRate:
    """One unit of `currency` is worth `rate` units of `quote`, by the person's word, from a day on until their next."""

    currency: str
    quote: str
    on: date
    rate: Decimal


@dataclass(frozen=True, slots=True)
class FoundRate:
    """One unit of a currency is worth `factor` units of another, exactly.

    `on` is the day the rate is of; of two that were needed the earlier. `manual` tells whether a person's is among
    them.
    """

    factor: Fraction
    on: date
    manual: bool

    def times(self, other: FoundRate) -> FoundRate:
        """Return what both give, one after the other."""
        return FoundRate(self.factor * other.factor, min(self.on, other.on), self.manual or other.manual)

    def inverse(self) -> FoundRate:
        """Return the rate the other way round."""
        return FoundRate(1 / self.factor, self.on, self.manual)


class RateBook:
    """Rates to be looked up by currencies and day."""

    def __init__(self, rates: Iterable[Rate] = (), manual: Iterable[ManualRate] = ()) -> None:
        self._per_euro: dict[str, list[tuple[date, Decimal]]] = defaultdict(list)
        self._manual: dict[tuple[str, str], list[tuple[date, Decimal]]] = defaultdict(list)
        self._quotes: dict[str, set[str]] = defaultdict(set)
        for rate in rates:
            self._per_euro[rate.currency].append((rate.on, rate.per_euro))
        for said in manual:
            self._manual[said.currency, said.quote].append((said.on, said.rate))
            self._quotes[said.currency].add(said.quote)
            self._quotes[said.quote].add(said.currency)
        for kept in (*self._per_euro.values(), *self._manual.values()):
            kept.sort()

    def find(self, currency: str, to: str, on: date) -> FoundRate | None:
        """Return what a unit of `currency` is worth in `to` on a day, None where no rate tells.

        The person's own rate between the two, whichever way round, with the latest day up to this one; else through
        the euro, each half of it from the person's own rate, else from the table, where it may be
        `RATE_AGE_DAYS_MAX` days old, else by way of one more currency that the person gave a rate to.
        """
        if currency == to:
            return FoundRate(Fraction(1), on, manual=False)
        own = self._own(currency, to, on)
        if own is not None:
            return own
        one, other = self._in_euros(currency, on), self._in_euros(to, on)
        return one.times(other.inverse()) if one and other else None

    def _own(self, currency: str, to: str, on: date) -> FoundRate | None:
        there, back = _latest(self._manual.get((currency, to)), on), _latest(self._manual.get((to, currency)), on)
        if there and (not back or back[0] <= there[0]):
            return FoundRate(Fraction(there[1]), there[0], manual=True)
        return FoundRate(1 / Fraction(back[1]), back[0], manual=True) if back else None

    def _in_euros(self, currency: str, on: date) -> FoundRate | None:
        direct = self._by_table(currency, on)
        if direct is not None:
            return direct
        for quote in sorted(self._quotes.get(currency, ())):
            own, onward = self._own(currency, quote, on), self._by_table(quote, on)
            if own and onward:
                return own.times(onward)
        return None

    def _by_table(self, currency: str, on: date) -> FoundRate | None:
        """Return what a unit is worth in euros by the person's own rate to the euro, else by the table."""
        if currency == EURO:
            return FoundRate(Fraction(1), on, manual=False)
        own = self._own(currency, EURO, on)
        if own is not None:
            return own
        latest = _latest(self._per_euro.get(currency), on)
        if latest is None or on - latest[0] > timedelta(days=RATE_AGE_DAYS_MAX):
            return None
        return FoundRate(1 / Fraction(latest[1]), latest[0], manual=False)


def _latest(kept: list[tuple[date, Decimal]] | None, on: date) -> tuple[date, Decimal] | None:
    if not kept:
        return None
    place = bisect_right(kept, on, key=lambda one: one[0])
    return kept[place - 1] if place else None


@dataclass(slots=True)
class RateUse:
    """The days of the rates that amounts of a currency were converted by, the first and the last of them."""

    currency: str
    first_on: date
    last_on: date
    manual: bool


@dataclass(frozen=True, slots=True)
class Conversion:
    """Amounts as one of `currency`, the rates' days by currency, and sums that no rate could be found for."""

    amount_minor: int
    currency: str
    rates: tuple[RateUse, ...] = ()
    not_converted: tuple[tuple[str, int], ...] = ()


def convert(amounts: Iterable[tuple[date, str, int]], to: str, book: RateBook) -> Conversion:
    """Add amounts (day, currency, minor units) up in one currency, each at the rate of its day.

    The sum is exact; it is rounded to minor units once, half to even. Amounts without a rate are summed apart.
    """
    by_day: dict[tuple[date, str], int] = defaultdict(int)
    for on, currency, amount_minor in amounts:
        if amount_minor == 0:
            continue
        by_day[on, currency] += amount_minor
    total = Fraction(0)
    uses: dict[str, RateUse] = {}
    left: dict[str, int] = defaultdict(int)
    for (on, currency), amount_minor in by_day.items():
        found = book.find(currency, to, on)
        if found is None:
            left[currency] += amount_minor
            continue
        total += amount_minor * found.factor * Fraction(10) ** (exponent(to) - exponent(currency))
        if currency != to:
            use = uses.setdefault(currency, RateUse(currency, found.on, found.on, found.manual))
            use.first_on, use.last_on = min(use.first_on, found.on), max(use.last_on, found.on)
            use.manual = use.manual or found.manual
    return Conversion(round(total), to, tuple(uses[currency] for currency in sorted(uses)), tuple(sorted(left.items())))


def check_rate(text: str, *, field: str = "rate") -> Decimal:
    """Read the rate that a person gives; raise `InvalidInput` when it is none that can be used."""
    try:
        rate = Decimal(text.strip())
    except ArithmeticError:
        raise InvalidInput(f'{shown(text)} is no rate; write a decimal number such as "1.0842".', field=field) from None
    digits = rate.normalize().as_tuple().exponent if rate.is_finite() else None
    if not isinstance(digits, int) or not 0 < rate <= RATE_MAX or -digits > RATE_PLACES_MAX:
        raise InvalidInput(
            f"{shown(text)} is no rate: it has to be more than 0 and at most {RATE_MAX:,f}, with {RATE_PLACES_MAX} "
            "decimals at most.",
            field=field,
        )
    return rate.normalize()


def check_pair(currency: str, quote: str) -> tuple[str, str]:
    """Return the codes of two different currencies; raise `InvalidInput` otherwise."""
    pair = check_currency(currency), check_currency(quote, field="quote")
    if pair[0] == pair[1]:
        raise InvalidInput(f"A rate is between two currencies; both are {pair[0]}.", field="quote")
    return pair


def shown_rate(factor: Fraction) -> str:
    """Write a rate for showing, rounded to `SHOWN_PLACES` significant digits; sums are made of the exact one."""
    text = f"{Decimal(factor.numerator) / Decimal(factor.denominator):.{SHOWN_PLACES}g}"
    return f"{Decimal(text).normalize():f}"
