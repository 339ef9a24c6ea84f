"""What persons are told beside their budget alerts: the kinds of notifications, and one before it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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


class Channel(StrEnum):
    """Where a person is told: in the list of the API and its subscription, by mail, or by webhooks of theirs."""

    INBOX = "inbox"
    EMAIL = "email"
    WEBHOOK = "webhook"


BUDGET_KINDS = frozenset({NoticeKind.BUDGET_APPROACHING, NoticeKind.BUDGET_EXCEEDED, NoticeKind.BUDGET_FORECAST})
SUMMARIES = frozenset({NoticeKind.WEEKLY_SUMMARY, NoticeKind.MONTHLY_SUMMARY})

_NO_MAIL = frozenset({NoticeKind.BUDGET_APPROACHING, NoticeKind.BUDGET_FORECAST, NoticeKind.RECURRING_NEW})
"""Kinds that can wait until the person looks: mail is for what has happened, not for what may."""


def enabled_by_default(kind: NoticeKind, channel: Channel) -> bool:
    """Tell whether a kind goes to a channel for who has not switched it."""
    if channel is Channel.EMAIL:
        return kind not in _NO_MAIL
    if channel is Channel.WEBHOOK:
        return kind not in SUMMARIES
    return True


@dataclass(frozen=True, slots=True)
class Switches:
    """What one person has switched; everything else goes by the defaults."""

    changed: Mapping[tuple[NoticeKind, Channel], bool] = field(default_factory=dict)

    def enabled(self, kind: NoticeKind, channel: Channel) -> bool:
        """Tell whether a kind goes to a channel for this person."""
        return self.changed.get((kind, channel), enabled_by_default(kind, channel))


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
