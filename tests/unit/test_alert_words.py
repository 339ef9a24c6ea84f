"""What an alert says."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from mintql.api.alerts import summary_of
from mintql.domain.ids import AlertId, CategoryId
from mintql.store.alerts_read import AlertRow


def alert(threshold: int, spent_minor: int, pending_minor: int = 0, limit_minor: int = 10_000) -> AlertRow:
    return AlertRow(
        alert_id=AlertId(1),
        category_id=CategoryId(600),
        period_first=date(2026, 11, 1),
        period_last=date(2026, 11, 30),
        threshold_percent=threshold,
        limit_minor=limit_minor,
        carried_minor=0,
        spent_minor=spent_minor,
        pending_minor=pending_minor,
        currency="USD",
        transaction_ids=[],
        created_at=datetime(2026, 11, 10, tzinfo=UTC),
    )


WORDS = {
    "used": "You have used 85 % of your Food budget for November 2026: "
    "85.00 USD of 100.00 USD (15.00 USD of it pending) spent. 15.00 USD is left.",
    "used up": "Your Food budget for November 2026 is used up: 100.00 USD of 100.00 USD spent. Nothing is left.",
    "over": "You are over your Food budget for November 2026: 120.00 USD of 100.00 USD spent, 120 %. "
    "That is 20.00 USD too much.",
    "passed": "You have passed 80 % of your Food budget for November 2026: 120.00 USD of 100.00 USD spent.",
    "nothing": "You spent 5.00 USD on Food in November 2026, where your budget is nothing.",
}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (alert(80, 7_000, 1_500), "used"),
        (alert(100, 10_000), "used up"),
        (alert(100, 12_000), "over"),
        (alert(80, 12_000), "passed"),
        (alert(80, 500, limit_minor=0), "nothing"),
    ],
)
def test_an_alert_says_what_happened_and_what_is_left(row: AlertRow, words: str) -> None:
    assert summary_of(row, "Food") == WORDS[words]
