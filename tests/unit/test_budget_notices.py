"""Budgets that are used up at once are told once."""

from __future__ import annotations

from datetime import date

import pytest

from mintql.domain.ids import AlertId, UserId
from mintql.domain.notices import NewNotice, NoticeKind
from mintql.services.budget_notices import AT_ONCE_MAX, NAMED_MAX, together


def notice(number: int, spent_minor: int, available_minor: int = 100_00) -> tuple[str, NewNotice]:
    exceeded = spent_minor >= available_minor
    kind = NoticeKind.BUDGET_EXCEEDED if exceeded else NoticeKind.BUDGET_APPROACHING
    return f"Budget {number:02}", NewNotice(
        UserId(1), kind, f"alert {number}", "title", "body", alert_id=AlertId(number), amount_minor=spent_minor,
        limit_minor=available_minor, currency="USD", period_first=date(2026, 11, 1), period_last=date(2026, 11, 30),
    )  # fmt: skip


def test_a_few_budgets_are_told_one_by_one():
    few = [notice(number, 90_00) for number in range(AT_ONCE_MAX)]
    assert together(few) == [said for _, said in few]


def test_many_budgets_are_told_in_one_that_names_each_the_exceeded_first():
    (told,) = together([notice(1, 85_00), notice(2, 120_00), notice(3, 90_00), notice(4, 100_00)])
    assert (told.kind, told.title) == (NoticeKind.BUDGET_EXCEEDED, "4 budgets: 2 exceeded, 2 nearly used")
    assert told.body == (
        "Spent of what was available: Budget 02 until 30 November 120.00 USD of 100.00 USD; "
        "Budget 04 until 30 November 100.00 USD of 100.00 USD; Budget 01 until 30 November 85.00 USD of 100.00 USD; "
        "Budget 03 until 30 November 90.00 USD of 100.00 USD. Your budget alerts say of each what did it."
    )
    assert told.subject == "alert 2 and 3 more"


@pytest.mark.parametrize(
    ("spent_minor", "title"), [(85_00, "12 budgets: 12 nearly used"), (120_00, "12 budgets: 12 exceeded")]
)
def test_what_is_not_named_is_counted(spent_minor, title):
    (told,) = together([notice(number, spent_minor) for number in range(12)])
    assert told.title == title
    assert told.body.count("until 30 November") == NAMED_MAX
    assert ", and 2 more. Your" in told.body
