"""What institutions tell us, in one shape for every protocol."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple


class AccountKind(StrEnum):
    """What sort of account it is."""

    CHECKING = "checking"
    SAVINGS = "savings"
    CREDIT_CARD = "credit_card"
    INVESTMENT = "investment"
    LOAN = "loan"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ProviderAccount:
    """An account as the institution describes it. Balances are signed: what is owed is negative."""

    external_id: str
    name: str
    kind: AccountKind
    currency: str
    mask: str = ""
    balance_minor: int | None = None
    available_minor: int | None = None
    balance_at: datetime | None = None


class ProviderTransaction(NamedTuple):
    """A transaction as the institution describes it. A tuple, since most of what is read are these.

    `external_id` is empty where the institution gives none; `pending_external_id` is the id the row had
    while it was pending, where the institution links the two. `amount_minor` is negative for money out.
    `category_code` is the institution's own category, as `taxonomy:code` (`pfc:FOOD_AND_DRINK_GROCERIES`).
    """

    account_external_id: str
    external_id: str
    posted_on: date
    amount_minor: int
    currency: str
    description: str
    pending: bool = False
    pending_external_id: str = ""
    occurred_at: datetime | None = None
    merchant_category_code: str = ""
    category_code: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """The days, both included, that a run has fetched completely for one account."""

    account_external_id: str
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row of a raw page that cannot be read: where it stood, why, and its beginning."""

    position: int
    reason: str
    excerpt: str
    account_external_id: str = ""


@dataclass(frozen=True, slots=True)
class ParsedPage:
    """All that one raw page says.

    `removed` holds (account external id, transaction external id); the account is empty where the institution
    names the transaction alone. `notices` are the institution's own words to the person about the connection.
    """

    accounts: tuple[ProviderAccount, ...] = ()
    transactions: tuple[ProviderTransaction, ...] = ()
    removed: tuple[tuple[str, str], ...] = ()
    windows: tuple[Window, ...] = ()
    rejected: tuple[RejectedRow, ...] = ()
    notices: tuple[str, ...] = field(default=())
