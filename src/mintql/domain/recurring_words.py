"""What is said of recurring series: why one is believed in, and notices of new and of raised ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from mintql.domain.money import Money
from mintql.domain.recurring_amounts import AmountsKind, Rise
from mintql.domain.recurring_cycles import MONTH_DAYS_MAX, Cycle, Frequency
from mintql.domain.recurring_series import Series

EVERY = {
    Frequency.WEEKLY: "every week",
    Frequency.BIWEEKLY: "every two weeks",
    Frequency.SEMIMONTHLY: "twice a month",
    Frequency.MONTHLY: "every month",
    Frequency.BIMONTHLY: "every two months",
    Frequency.QUARTERLY: "every three months",
    Frequency.HALF_YEARLY: "every six months",
    Frequency.YEARLY: "every year",
}
TENTHS = 10
CLOSE_TENTHS = 5
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def rhythm(cycle: Cycle) -> str:
    """Say when a cycle falls due: "every month on day 12"."""
    every = EVERY[cycle.frequency]
    if cycle.step_days and cycle.frequency is Frequency.MONTHLY:
        return f"every {cycle.step_days} days"
    if cycle.step_days:
        return f"{every} on a {WEEKDAYS[cycle.anchor_on.weekday()]}"
    if cycle.second_day:
        return f"{every} on {_day(cycle.anchor_day)} and {_day(cycle.second_day)}"
    return f"{every} on {_day(cycle.anchor_day)}"


def _day(day: int) -> str:
    return "the last day" if day == MONTH_DAYS_MAX else f"day {day}"


def reasons(series: Series) -> list[str]:
    """Say in sentences what a series rests on: how often it came, how punctual, what was missed, which amounts."""
    said = []
    if series.is_marked:
        said.append(f"You said that it recurs {EVERY[series.cycle.frequency]}.")
    elif series.occurrences > 1:
        said.append(f"{series.occurrences} transactions came {rhythm(series.cycle)}, {_punctual(series.off_tenths)}.")
    if series.missed:
        times = "once" if series.missed == 1 else f"{series.missed} times"
        said.append(f"It was missing {times} in between.")
    if series.said_amount_minor is not None:
        said.append(f"You said that it is {Money(series.said_amount_minor, series.currency)}.")
    elif series.occurrences > 1:
        said.append(_amounts(series))
    return said


def _punctual(off_tenths: int) -> str:
    if off_tenths <= CLOSE_TENTHS:
        return "on the day or nearly so"
    days = round(off_tenths / TENTHS)
    return f"about {days} day{'' if days == 1 else 's'} off on average"


def _amounts(series: Series) -> str:
    last = Money(series.last_minor, series.currency)
    if series.amounts_kind is AmountsKind.SAME:
        return f"Each was {last}."
    if series.amounts_kind is AmountsKind.STEPPED:
        return f"The price changed now and then; the last was {last}."
    mean, spread = Money(series.mean_minor, series.currency), Money(series.spread_minor, series.currency)
    return f"Amounts vary around {mean}, half of them by no more than {spread}."


def new_words(merchant: str, series: Series) -> tuple[str, str]:
    """Return title and sentences for a charge that was found to recur."""
    each = Money(series.expected_minor, series.currency)
    yearly = Money(series.yearly_minor, series.currency)
    body = (
        f"{merchant} has charged {series.occurrences} times since {_date(series.first_on)}, "
        f"{rhythm(series.cycle)}: {each} each time, which is about {yearly} a year. "
        f"The next is expected on {_date(series.next_on)}. If it is none of yours or does not recur, dismiss it."
    )
    return f"New recurring charge: {merchant}, {each} {EVERY[series.cycle.frequency]}", body


def raised_words(merchant: str, series: Series, last_on: date, rise: Rise) -> tuple[str, str]:
    """Return title and sentences for a charge above what was usual."""
    before, now = Money(rise.before_minor, series.currency), Money(rise.now_minor, series.currency)
    more = Money((rise.now_minor - rise.before_minor) * series.cycle.per_year, series.currency)
    usual = (
        f"usually it is about {before}, and it was never so much in the year before"
        if series.amounts_kind is AmountsKind.VARYING
        else f"before, it was {before}"
    )
    body = (
        f"{merchant} charged {now} on {_date(last_on)}; {usual}. "
        f"If it stays so, that is {more} more in a year, {EVERY[series.cycle.frequency]} as it comes."
    )
    return f"{merchant} costs more: {now} instead of {before}", body


def _date(day: date) -> str:
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def income_basis(sources: Sequence[tuple[str, Series, int]]) -> str:
    """Say what a yearly income was found from: each payer, their series, and what it comes to in a year."""
    parts = []
    for merchant, series, yearly_minor in sources:
        amount = Money(yearly_minor, series.currency)
        if series.newest is not None and series.newest.year_minor is not None:
            parts.append(f"{merchant} paid {amount} in the last twelve months")
        else:
            mean = Money(series.mean_minor, series.currency)
            parts.append(f"{merchant} pays {mean} {EVERY[series.cycle.frequency]}, which is {amount} a year")
    return f"Net pay as it arrives, after taxes: {'; '.join(parts)}."
