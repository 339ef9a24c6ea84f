"""Limits and alerts from before there were kinds of periods are of calendar months, and go on as they were."""

from __future__ import annotations

import shutil
from datetime import date

import asyncpg
import pytest

from mintql.domain.budget_periods import CALENDAR_MONTHS
from mintql.domain.budgets import NO_ROLLOVER
from mintql.store import budgets
from mintql.store.migrate import migrate
from support.repository import ROOT
from support.servers import fresh_database

LAST_BEFORE = 13


@pytest.fixture
async def empty_url(cluster):
    async with fresh_database(cluster, "budget_migration", template="template0") as url:
        yield url


async def test_what_was_set_and_raised_by_months_stays_and_is_of_months(empty_url, tmp_path):
    for path in (ROOT / "migrations").iterdir():
        if int(path.name[:4]) <= LAST_BEFORE:
            shutil.copy(path, tmp_path)
    await migrate(empty_url, tmp_path)
    conn = await asyncpg.connect(empty_url)
    try:
        user_id = await conn.fetchval(
            "INSERT INTO users (email, password_hash, name) VALUES ('ada@example.org', '-', 'Ada') RETURNING user_id"
        )
        await conn.execute(
            "INSERT INTO budget_overrides (user_id, category_id, month, recurring, limit_minor, currency, revision)"
            " VALUES ($1, 600, '2026-02-01', true, 5000, 'USD', 3), ($1, 600, '2026-03-01', true, NULL, 'USD', 4)",
            user_id,
        )
        await conn.execute(
            "INSERT INTO alerts (user_id, category_id, month, threshold_percent, revision, limit_minor, spent_minor,"
            " pending_minor, currency) VALUES ($1, 600, '2028-02-01', 80, 3, 5000, 4500, 0, 'USD')",
            user_id,
        )
        await migrate(empty_url)
        limited, again = (await budgets.overrides_by_users(conn, [user_id]))[user_id]
        assert (limited.since, limited.limit_minor, limited.revision) == (date(2026, 2, 1), 50_00, 3)
        assert (again.since, again.limit_minor) == (date(2026, 3, 1), None)
        assert {limited.schedule, again.schedule} == {CALENDAR_MONTHS}
        assert {limited.rollover, again.rollover} == {NO_ROLLOVER}
        alert = await conn.fetchrow("SELECT period_first, period_last, carried_minor FROM alerts")
        assert tuple(alert) == (date(2028, 2, 1), date(2028, 2, 29), 0)
    finally:
        await conn.close()
