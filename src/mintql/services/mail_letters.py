"""What the letter about one notification says: the words that were stored with it, and what explains them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from mintql.domain.money_words import amount_words
from mintql.domain.notice_words import KIND_NAMES
from mintql.domain.notices import NoticeKind
from mintql.services.mail_templates import render
from mintql.store.notices_read import NoticeRow
from mintql.store.transactions_read import TransactionRow

TRANSACTIONS_SHOWN_MAX = 10
PREVIEW_CHARACTERS_MAX = 140
PERCENT = 100
GREEN, AMBER, RED = "#0b8f6a", "#d98a00", "#c8402a"
AMBER_FROM_PERCENT = 80

BUDGET_KINDS = frozenset({NoticeKind.BUDGET_APPROACHING, NoticeKind.BUDGET_EXCEEDED, NoticeKind.BUDGET_FORECAST})
OVER_LINES: dict[NoticeKind, str] = {
    NoticeKind.BUDGET_APPROACHING: "Budget",
    NoticeKind.BUDGET_EXCEEDED: "Budget",
    NoticeKind.BUDGET_FORECAST: "Budget forecast",
    NoticeKind.LARGE_TRANSACTION: "Large transaction",
    NoticeKind.UNUSUAL_TRANSACTION: "Unusual transaction",
    NoticeKind.RECURRING_NEW: "Recurring charge",
    NoticeKind.RECURRING_RAISED: "Recurring charge",
    NoticeKind.LOW_BALANCE: "Balance",
    NoticeKind.SYNC_ATTENTION: "Connection",
    NoticeKind.WEEKLY_SUMMARY: "Your week",
    NoticeKind.MONTHLY_SUMMARY: "Your month",
}


@dataclass(frozen=True, slots=True)
class Frame:
    """What every letter has around its content."""

    over_line: str
    title: str
    preview: str
    open_url: str
    unsubscribe_url: str
    kind: NoticeKind

    def values(self) -> dict[str, Any]:
        """Return it as templates take it."""
        return {
            "subject": self.title,
            "over_line": self.over_line,
            "title": self.title,
            "preview": self.preview,
            "open_url": self.open_url,
            "open_words": "Open mintql",
            "unsubscribe_url": self.unsubscribe_url,
            "kind_name": KIND_NAMES[self.kind],
        }


@dataclass(frozen=True, slots=True)
class Written:
    """A letter's subject and its two versions."""

    subject: str
    text: str
    html: str


def write_notification(
    notice: NoticeRow, causes: Sequence[TransactionRow], open_url: str, unsubscribe_url: str
) -> Written:
    """Write the letter of one notification; `causes` are the transactions that did it, the most important first."""
    frame = Frame(
        OVER_LINES[notice.kind],
        notice.title,
        notice.body[:PREVIEW_CHARACTERS_MAX],
        open_url,
        unsubscribe_url,
        notice.kind,
    )
    shown = causes[:TRANSACTIONS_SHOWN_MAX]
    values = frame.values() | {
        "paragraphs": [line for line in notice.body.splitlines() if line.strip()],
        "bar": _bar(notice),
        "transactions": [_row(cause) for cause in shown],
        "transactions_words": _heading(notice.kind, len(shown), len(causes)),
    }
    return Written(notice.title, render("notification.txt", values), render("notification.html", values))


def day_words(day: date) -> str:
    """Write a day as "Thu, 12 November 2026"."""
    return f"{day:%a}, {day.day} {day:%B %Y}"


def bar_of(used_minor: int, limit_minor: int) -> dict[str, Any]:
    """Return how wide a bar is and its colour, for an amount of a limit."""
    percent = used_minor * PERCENT // limit_minor if limit_minor > 0 else PERCENT if used_minor > 0 else 0
    colour = RED if used_minor > limit_minor else AMBER if percent >= AMBER_FROM_PERCENT else GREEN
    return {"width_percent": max(1, min(PERCENT, percent)), "colour": colour}


def _bar(notice: NoticeRow) -> dict[str, Any] | None:
    if notice.kind not in BUDGET_KINDS or notice.amount_minor is None or notice.limit_minor is None:
        return None
    assert notice.currency is not None  # noqa: S101 - the table checks it
    left_minor = notice.limit_minor - notice.amount_minor
    until = f" until {day_words(notice.period_last)}" if notice.period_last else ""
    ends = f"; the period ends on {day_words(notice.period_last)}" if notice.period_last else ""
    rest = (
        f"{amount_words(left_minor, notice.currency)} left{until}"
        if left_minor >= 0
        else f"{amount_words(-left_minor, notice.currency)} over the limit{ends}"
    )
    return bar_of(notice.amount_minor, notice.limit_minor) | {
        "used": amount_words(notice.amount_minor, notice.currency),
        "limit": amount_words(notice.limit_minor, notice.currency),
        "rest": rest,
    }


def _row(cause: TransactionRow) -> dict[str, Any]:
    return {
        "merchant": cause.merchant or cause.description,
        "day": day_words(cause.posted_on),
        "pending": cause.pending,
        "amount": amount_words(cause.amount_minor, cause.currency),
    }


def _heading(kind: NoticeKind, shown: int, count: int) -> str:
    what = "What did it" if kind in BUDGET_KINDS else "The transaction" if count == 1 else "The transactions"
    return f"{what} ({shown} of {count})" if shown < count else what


def ordered(ids: Iterable[int], found: dict[Any, TransactionRow]) -> list[TransactionRow]:
    """Return the transactions found, in the order they were asked for, each once."""
    rows = {found[one].transaction_id: found[one] for one in ids if one in found}
    return list(rows.values())
