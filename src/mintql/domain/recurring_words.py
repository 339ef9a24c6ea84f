"""What is said of recurring series: why one is believed in, and notices of new and of raised ones."""

from __future__ import annotations

from mintql.domain.money import Money
from mintql.domain.recurring_amounts import AmountsKind
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
