"""What a budget alert says."""

from __future__ import annotations

from datetime import date

from mintql.domain.money import Money

PERCENT = 100


def alert_summary(
    category: str, month: date, limit: Money, spent: Money, pending: Money, threshold_percent: int
) -> str:
    """Say in words what happened and what is left. `spent` holds `pending`; all are of one currency, spending > 0."""
    when = f"{month:%B %Y}"
    used = f"{spent} of {limit}"
    if pending.amount_minor > 0:
        used += f" ({pending} of it pending)"
    if limit.amount_minor == 0:
        return f"You spent {spent} on {category} in {when}, where your budget is nothing."
    percent = spent.amount_minor * PERCENT // limit.amount_minor
    left = Money(abs(limit.amount_minor - spent.amount_minor), limit.currency)
    if spent.amount_minor >= limit.amount_minor and threshold_percent < PERCENT:
        # Both thresholds were reached at once: the alert of the higher one says how far it went.
        return f"You have passed {threshold_percent} % of your {category} budget for {when}: {used} spent."
    if spent.amount_minor > limit.amount_minor:
        return f"You are over your {category} budget for {when}: {used} spent, {percent} %. That is {left} too much."
    if spent.amount_minor == limit.amount_minor:
        return f"Your {category} budget for {when} is used up: {used} spent. Nothing is left."
    return f"You have used {percent} % of your {category} budget for {when}: {used} spent. {left} is left."
