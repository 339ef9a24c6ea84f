"""What a budget alert says."""

from __future__ import annotations

from mintql.domain.budget_periods import period_words
from mintql.domain.money import Money
from mintql.domain.periods import Period

PERCENT = 100


def alert_summary(
    name: str,
    period: Period,
    limit: Money,
    spent: Money,
    pending: Money,
    threshold_percent: int,
    carried_minor: int = 0,
) -> str:
    """Say in words what happened and what is left of the budget of that name.

    `spent` holds `pending`; all are of one currency, spending > 0. `carried_minor` went over from the periods before,
    negative where too much was spent in them.
    """
    when = period_words(period)
    available = Money(limit.amount_minor + carried_minor, limit.currency)
    used = f"{spent} of {available}"
    if pending.amount_minor > 0:
        used += f" ({pending} of it pending)"
    after = _carried_words(limit, carried_minor)
    if available.amount_minor <= 0:
        budget = "your budget is nothing" if not carried_minor else f"nothing is left of your budget{after}"
        return f"You spent {spent} on {name} in {when}, where {budget}."
    percent = spent.amount_minor * PERCENT // available.amount_minor
    left = Money(abs(available.amount_minor - spent.amount_minor), limit.currency)
    if spent.amount_minor >= available.amount_minor and threshold_percent < PERCENT:
        # Both thresholds were reached at once: the alert of the higher one says how far it went.
        return f"You have passed {threshold_percent} % of your {name} budget for {when}{after}: {used} spent."
    if spent.amount_minor > available.amount_minor:
        return f"You are over your {name} budget for {when}{after}: {used} spent, {percent} %. That is {left} too much."
    if spent.amount_minor == available.amount_minor:
        return f"Your {name} budget for {when}{after} is used up: {used} spent. Nothing is left."
    return f"You have used {percent} % of your {name} budget for {when}{after}: {used} spent. {left} is left."


def _carried_words(limit: Money, carried_minor: int) -> str:
    """Say what the periods before did to a limit; nothing where they did nothing."""
    if carried_minor == 0:
        return ""
    amount = Money(abs(carried_minor), limit.currency)
    return f" ({limit} and {amount} left before)" if carried_minor > 0 else f" ({limit} less {amount} overspent before)"
