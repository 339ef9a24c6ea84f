"""What a person may say about a budget: each check returns the value as it is kept, or says in words what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import pairwise

from mintql.domain.budgets import EVERYTHING_ID, THRESHOLD_PERCENT_MAX, THRESHOLDS_MAX
from mintql.domain.categories import CategoryKind, CategoryTree, check_in_use
from mintql.domain.errors import InvalidInput
from mintql.domain.ids import CategoryId
from mintql.domain.money import AMOUNT_MINOR_MAX, to_decimal_text
from mintql.domain.months import YEAR_MAX, YEAR_MIN


def check_thresholds(values: Sequence[int], *, field: str = "thresholds") -> tuple[int, ...]:
    """Return the thresholds as they are kept, or raise `InvalidInput` in words."""
    if not 1 <= len(values) <= THRESHOLDS_MAX:
        raise InvalidInput(f"Give one to {THRESHOLDS_MAX} thresholds, not {len(values)}.", field=field)
    for value in values:
        if not 1 <= value <= THRESHOLD_PERCENT_MAX:
            raise InvalidInput(
                f"A threshold of {value} % cannot be used; give 1 to {THRESHOLD_PERCENT_MAX}.", field=field
            )
    if any(left >= right for left, right in pairwise(values)):
        listed = ", ".join(str(value) for value in values)
        raise InvalidInput(f"Give thresholds in ascending order, each once, not {listed}.", field=field)
    return tuple(values)


def check_limit(limit_minor: int, currency: str, *, field: str = "limit") -> int:
    """Return the limit (minor units of `currency`), or raise `InvalidInput` when none can be that."""
    if limit_minor < 0:
        given = to_decimal_text(limit_minor, currency)
        raise InvalidInput(f"A limit of {given} {currency} is below zero.", field=field)
    if limit_minor > AMOUNT_MINOR_MAX:
        most = to_decimal_text(AMOUNT_MINOR_MAX, currency)
        raise InvalidInput(f"A limit goes up to {most} {currency}.", field=field)
    return limit_minor


def check_day(day: date, *, field: str) -> date:
    """Return the day when budgets can be of it, or raise `InvalidInput` when it is out of range."""
    if not YEAR_MIN <= day.year <= YEAR_MAX:
        raise InvalidInput(f"{day} is out of range; give a day of the years {YEAR_MIN} to {YEAR_MAX}.", field=field)
    return day


def check_budget_category(tree: CategoryTree, category_id: CategoryId, *, field: str = "categoryId") -> CategoryId:
    """Return the id when a budget can be set on that category: a group or leaf of the kind expense, or everything.

    Raises:
        InvalidInput: There is no such category, it was merged into another, or money in it is no spending.
    """
    if category_id == EVERYTHING_ID:
        return category_id
    category = check_in_use(tree, category_id, field=field)
    if category.kind is not CategoryKind.EXPENSE:
        raise InvalidInput(f"{category.name} is no spending, so it cannot have a budget.", field=field)
    return category_id
