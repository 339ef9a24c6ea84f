"""How kinds of notifications are called where a person is to choose among them."""

from __future__ import annotations

from mintql.domain.notices import NoticeKind

KIND_NAMES: dict[NoticeKind, str] = {
    NoticeKind.BUDGET_APPROACHING: "budgets that are nearly used",
    NoticeKind.BUDGET_EXCEEDED: "budgets that are exceeded",
    NoticeKind.BUDGET_FORECAST: "budgets that will be exceeded at this pace",
    NoticeKind.LARGE_TRANSACTION: "large transactions",
    NoticeKind.UNUSUAL_TRANSACTION: "unusual transactions",
    NoticeKind.RECURRING_NEW: "new recurring charges",
    NoticeKind.RECURRING_RAISED: "recurring charges that were raised",
    NoticeKind.LOW_BALANCE: "low balances",
    NoticeKind.SYNC_ATTENTION: "connections that need you",
    NoticeKind.WEEKLY_SUMMARY: "weekly summaries",
    NoticeKind.MONTHLY_SUMMARY: "monthly summaries",
}
