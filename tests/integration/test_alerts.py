"""Budget alerts: raised when spending reaches a threshold, once each, with the reason."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from mintql.domain.budget_periods import calendar_month
from mintql.domain.merchants import normalize
from mintql.domain.months import local_date
from mintql.services import alerts
from mintql.store.locks import lock_users
from support.pipeline import Pipeline, open_pipeline
from support.scripted import page, row

DAY = date(2026, 11, 10)
WINDOW = (date(2026, 10, 29), date(2026, 11, 13))
GROCERIES = 601
"""The first leaf of the group 600; the tests put every purchase there by a rule of the person."""


@pytest.fixture
async def bank(database_url: str, tmp_path: Path) -> AsyncIterator[Pipeline]:
    async with open_pipeline(database_url, tmp_path / "objects") as pipeline:
        yield pipeline


async def shopper(bank: Pipeline, limit_minor: int = 10_000, **columns: object) -> tuple[int, int]:
    """A person with one small budget, huge ones elsewhere, whose purchases all fall into it."""
    user_id, connection_id = await bank.person(annual_income_minor=10**12, **columns)
    await set_limit(bank, user_id, limit_minor, revision=1)
    merchant_key = normalize("BLUE BOTTLE").key
    await bank.fetch("INSERT INTO seller_memories VALUES ($1, $2, $3)", user_id, merchant_key, GROCERIES)
    return user_id, connection_id


async def set_limit(
    bank: Pipeline, user_id: int, limit_minor: int, revision: int, thresholds: str = "{80,100}"
) -> None:
    async with bank.begin() as conn:
        await lock_users(conn, [user_id])
        await conn.execute(
            "INSERT INTO budget_overrides (user_id, category_id, since, recurring, limit_minor, currency, thresholds,"
            " revision) VALUES ($1, $2, '2026-11-01', true, $3, 'USD', $4::text::smallint[], $5)"
            " ON CONFLICT (user_id, category_id, currency, since, recurring) DO UPDATE SET limit_minor = excluded.limit_minor,"
            " revision = excluded.revision",
            user_id, GROCERIES, limit_minor, thresholds, revision,
        )  # fmt: skip
        await alerts.evaluate(conn, {user_id: {date(2026, 11, 1)}}, bank.now)


async def raised(bank: Pipeline, user_id: int) -> list[tuple[int, int, int, int]]:
    rows = await bank.fetch(
        "SELECT threshold_percent, revision, spent_minor, pending_minor FROM alerts WHERE user_id = $1 ORDER BY alert_id",
        user_id,
    )
    return [tuple(item) for item in rows]


async def test_nothing_is_raised_below_the_first_threshold_and_it_is_at_exactly_that(bank: Pipeline) -> None:
    user_id, connection_id = await shopper(bank)
    await bank.refresh(user_id, connection_id, page(row("t1", -7_999, DAY), window=WINDOW))
    assert await raised(bank, user_id) == []
    await bank.refresh(user_id, connection_id, page(row("t1", -7_999, DAY), row("t2", -1, DAY), window=WINDOW))
    assert await raised(bank, user_id) == [(80, 1, 8_000, 0)]


async def test_a_purchase_past_both_thresholds_raises_both_and_pending_money_counts(bank: Pipeline) -> None:
    user_id, connection_id = await shopper(bank)
    said = page(row("t1", -6_000, DAY), row("p1", -5_000, DAY, pending=True), window=WINDOW)
    await bank.refresh(user_id, connection_id, said)
    assert await raised(bank, user_id) == [(80, 1, 6_000, 5_000), (100, 1, 6_000, 5_000)]


async def test_refunds_back_and_forth_raise_nothing_twice(bank: Pipeline) -> None:
    user_id, connection_id = await shopper(bank)
    purchase = row("t1", -9_000, DAY)
    await bank.refresh(user_id, connection_id, page(purchase, window=WINDOW))
    await bank.refresh(user_id, connection_id, page(purchase, row("r1", 8_000, DAY), window=WINDOW))
    await bank.refresh(
        user_id, connection_id, page(purchase, row("r1", 8_000, DAY), row("t2", -8_000, DAY), window=WINDOW)
    )
    await bank.refresh(user_id, connection_id, page(purchase, window=WINDOW, removed=(("card", "r1"),)))
    assert await raised(bank, user_id) == [(80, 1, 9_000, 0), (100, 1, 17_000, 0)]


async def test_a_new_limit_is_a_new_revision_and_may_alert_again_at_once(bank: Pipeline) -> None:
    user_id, connection_id = await shopper(bank)
    await bank.refresh(user_id, connection_id, page(row("t1", -9_000, DAY), window=WINDOW))
    await set_limit(bank, user_id, 50_000, revision=2)
    assert await raised(bank, user_id) == [(80, 1, 9_000, 0)]
    await set_limit(bank, user_id, 9_000, revision=3)
    assert await raised(bank, user_id) == [(80, 1, 9_000, 0), (80, 3, 9_000, 0), (100, 3, 9_000, 0)]


async def test_months_long_past_raise_nothing_but_the_last_days_of_the_month_before_do(bank: Pipeline) -> None:
    user_id, connection_id = await shopper(bank)
    await bank.fetch("UPDATE budget_overrides SET since = '2026-01-01'")
    said = page(row("old", -90_000, date(2026, 9, 3)), row("late", -20_000, date(2026, 10, 31)), window=WINDOW)
    bank.now = datetime(2026, 11, 8, 12, tzinfo=UTC)
    await bank.refresh(user_id, connection_id, said)
    assert await raised(bank, user_id) == []
    other_id, other_connection_id = await shopper(bank)
    await bank.fetch("UPDATE budget_overrides SET since = '2026-01-01' WHERE user_id = $1", other_id)
    bank.now = datetime(2026, 11, 7, 12, tzinfo=UTC)
    await bank.refresh(other_id, other_connection_id, said)
    months = await bank.fetch("SELECT DISTINCT period_first AS month FROM alerts WHERE user_id = $1", other_id)
    assert [item["month"] for item in months] == [date(2026, 10, 1)]


async def test_a_month_far_ahead_is_no_news_but_the_next_one_is(bank: Pipeline) -> None:
    assert alerts.is_news(calendar_month(date(2026, 12, 1)), bank.now.date())
    assert not alerts.is_news(calendar_month(date(2027, 1, 1)), bank.now.date())


async def test_what_is_news_depends_on_the_persons_calendar(bank: Pipeline) -> None:
    just_after = datetime(2026, 11, 8, 3, tzinfo=UTC)
    october = calendar_month(date(2026, 10, 1))
    assert not alerts.is_news(october, local_date(just_after, "UTC"))
    assert alerts.is_news(october, local_date(just_after, "America/Los_Angeles"))


async def test_an_alert_names_the_largest_purchases_and_is_an_event_and_in_the_outbox(bank: Pipeline) -> None:
    user_id, connection_id = await shopper(bank)
    rows = [row(f"t{number}", -1_000 - number, DAY) for number in range(7)] + [row("refund", 10, DAY)]
    await bank.refresh(user_id, connection_id, page(*rows, window=WINDOW))
    await bank.refresh(user_id, connection_id, page(*rows, row("big", -5_000, DAY), window=WINDOW))
    causes = await bank.fetch(
        "SELECT array_agg(external_id ORDER BY place) AS names FROM alerts,"
        " unnest(alerts.transaction_ids) WITH ORDINALITY AS cause (transaction_id, place)"
        " JOIN transactions USING (transaction_id) WHERE alerts.user_id = $1 GROUP BY alert_id ORDER BY alert_id",
        user_id,
    )
    assert [item["names"] for item in causes] == [["big", "t6", "t5", "t4", "t3"]] * 2
    told = await bank.fetch(
        "SELECT payload->>'alert_id' AS alert_id, channel, state FROM events JOIN outbox USING (user_id, seq)"
        " WHERE kind = 'budget_alert' ORDER BY seq"
    )
    ids = await bank.fetch("SELECT alert_id::text FROM alerts ORDER BY alert_id")
    assert [item["alert_id"] for item in told] == [item["alert_id"] for item in ids]
    assert {(item["channel"], item["state"]) for item in told} == {("live", "due")}
    assert "notify" in [job.name for job in bank.effects.jobs]


async def test_a_group_budget_sums_its_leaves(bank: Pipeline) -> None:
    user_id, connection_id = await shopper(bank)
    await bank.fetch("UPDATE budget_overrides SET category_id = 600")
    await bank.refresh(user_id, connection_id, page(row("t1", -5_000, DAY), row("t2", -3_000, DAY), window=WINDOW))
    assert await bank.value("SELECT array_agg(category_id) FROM alerts") == [600]


async def test_spending_in_another_currency_is_not_added_to_the_budget(bank: Pipeline) -> None:
    user_id, connection_id = await shopper(bank)
    said = page(row("t1", -5_000, DAY), row("t2", -50_000, DAY, currency="EUR"), window=WINDOW)
    await bank.refresh(user_id, connection_id, said)
    assert await raised(bank, user_id) == []


async def test_of_two_batches_that_land_together_the_second_sees_the_first_and_raises_the_alert(bank: Pipeline) -> None:
    user_id, connection_id = await shopper(bank)
    await bank.fetch("UPDATE budget_overrides SET category_id = 600")
    await bank.refresh(user_id, connection_id, page(row("t1", -100, DAY), window=WINDOW))
    await bank.fetch("UPDATE transactions SET category_id = 602, category_source = 'manual'")
    second_id = await bank.link(user_id)
    async with bank.begin() as conn:
        await lock_users(conn, [user_id])
        await conn.execute("UPDATE transactions SET amount_minor = -5000")
        await alerts.evaluate(conn, {user_id: {date(2026, 11, 1)}}, bank.now)
        other = asyncio.create_task(bank.refresh(user_id, second_id, page(row("t1", -5_000, DAY), window=WINDOW)))
        await asyncio.wait([other], timeout=0.3)
        assert not other.done()
    await other
    assert await raised(bank, user_id) == [(80, 1, 10_000, 0), (100, 1, 10_000, 0)]
