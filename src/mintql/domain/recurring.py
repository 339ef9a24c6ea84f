"""What comes again and again: bills, subscriptions, paychecks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from mintql.domain.ids import AccountId, CategoryId, RecurringId


@dataclass(frozen=True, slots=True)
class Expected:
    """A transaction that a recurring series lets expect: on a day, of about an amount.

    `amount_minor` is signed as transactions are: money out is negative. `spread_minor` (0 or more) is how far
    amounts of the series usually lie from it.
    """

    recurring_id: RecurringId
    merchant: str
    category_id: CategoryId
    account_id: AccountId
    currency: str
    due_on: date
    amount_minor: int
    spread_minor: int
