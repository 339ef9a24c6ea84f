"""What persons are told beside their budget alerts: the kinds of notifications, and one before it is stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from mintql.domain.ids import AccountId, AlertId, CategoryId, ConnectionId, RecurringId, TransactionId, UserId

TITLE_CHARACTERS_MAX = 200
BODY_CHARACTERS_MAX = 2_000


class NoticeKind(StrEnum):
    """Why a person is told something; each can be switched for each channel."""

    BUDGET_APPROACHING = "budget_approaching"
    BUDGET_EXCEEDED = "budget_exceeded"
    BUDGET_FORECAST = "budget_forecast"
    LARGE_TRANSACTION = "large_transaction"
    UNUSUAL_TRANSACTION = "unusual_transaction"
    RECURRING_NEW = "recurring_new"
    RECURRING_RAISED = "recurring_raised"
    LOW_BALANCE = "low_balance"
    SYNC_ATTENTION = "sync_attention"
    WEEKLY_SUMMARY = "weekly_summary"
    MONTHLY_SUMMARY = "monthly_summary"


@dataclass(frozen=True, slots=True)
class NewNotice:
    """A notification to raise, once for each (person, kind, subject).

    `subject` names what it is about, stable over repetitions: raising it again does nothing. `title` is a line,
    `body` whole sentences: what happened, why, what is left until when. The rest says the same in fields; amounts
    are in minor units of `currency`, positive for money spent.
    """

    user_id: UserId
    kind: NoticeKind
    subject: str
    title: str
    body: str
    category_id: CategoryId | None = None
    account_id: AccountId | None = None
    connection_id: ConnectionId | None = None
    alert_id: AlertId | None = None
    recurring_id: RecurringId | None = None
    transaction_ids: tuple[TransactionId, ...] = ()
    amount_minor: int | None = None
    limit_minor: int | None = None
    currency: str | None = None
    period_first: date | None = None
    period_last: date | None = None
