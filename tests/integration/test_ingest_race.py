"""Many writers at once, overlapping persons, replays, recategorizing, changed limits: the sums hold to the cent."""

from __future__ import annotations

import asyncio
import os
import random
from datetime import date, timedelta
from pathlib import Path

import asyncpg
import pytest

from mintql.services import alerts
from mintql.services.reconcile import reconcile_page
from mintql.store.locks import lock_users
from support.pipeline import Pipeline, open_pipeline
from support.scripted import ScriptedInstitution, page, row

SEEDS = int(os.environ.get("MINTQL_RACE_SEEDS", "3"))
"""Races of some seconds each; `MINTQL_RACE_SEEDS=100 ./dev test tests/integration/test_ingest_race.py` runs longer."""
WRITERS = 4
ROUNDS = 12
PERSONS = 3
WINDOW = (date(2026, 10, 29), date(2026, 11, 13))
CATEGORIES = (601, 602, 603, 801)

REOPEN_RUNS = """
    UPDATE sync_runs AS run SET state = 'extracted' WHERE user_id = $1 AND state = 'succeeded' AND run_id = (
        SELECT max(run_id) FROM sync_runs AS last
        WHERE last.user_id = run.user_id AND last.connection_id = run.connection_id
    ) RETURNING user_id, run_id
"""
"""A worker that died between its commit and its report leaves such runs: they are ingested once more."""


class Shuffling(ScriptedInstitution):
    """Says something else with every fetch: the same ids with other amounts, dates and states."""

    def __init__(self, dice: random.Random) -> None:
        super().__init__()
        self._dice = dice

    async def fetch(self, credentials, request):
        self.pages = [self._page() for _ in range(self._dice.randint(1, 3))]
        if self._dice.random() < 0.3:
            self.pages.append(self.pages[0])
        async for raw in super().fetch(credentials, request):
            await asyncio.sleep(0)
            yield raw

    def _page(self) -> bytes:
        dice = self._dice
        rows = [
            row(
                f"t{dice.randint(0, 25)}", -dice.randint(1, 9_000), WINDOW[1] - timedelta(days=dice.randint(0, 16)),
                pending=dice.random() < 0.3, pending_external_id=f"t{dice.randint(0, 25)}" if dice.random() < 0.2 else "",
                account_external_id=dice.choice(("card", "checking")), description=f"SELLER {dice.randint(0, 5)}",
            )
            for _ in range(dice.randint(0, 14))
        ]  # fmt: skip
        removed = tuple(("card", f"t{dice.randint(0, 25)}") for _ in range(dice.randint(0, 2)))
        window = WINDOW if dice.random() < 0.7 else None
        return page(*rows, accounts=("card", "checking"), removed=removed, window=window)


async def writer(bank: Pipeline, dice: random.Random, links: list[tuple[int, int]]) -> None:
    for _ in range(ROUNDS):
        user_id, connection_id = dice.choice(links)
        act = dice.random()
        if act < 0.6:
            await bank.refresh(user_id, connection_id)
        elif act < 0.7:
            keys = await reopen(bank, user_id)
            await asyncio.gather(bank.run_job("ingest", keys), bank.run_job("ingest", keys))
        else:
            await change_by_hand(bank, dice, user_id)


async def reopen(bank: Pipeline, user_id: int) -> list[list[int]]:
    try:
        return [list(item) for item in await bank.fetch(REOPEN_RUNS, user_id)]
    except asyncpg.UniqueViolationError:  # Another writer has opened a run at this very moment.
        return []


async def change_by_hand(bank: Pipeline, dice: random.Random, user_id: int) -> None:
    """What a person does meanwhile: another category for some rows, another limit."""
    async with bank.begin() as conn:
        await lock_users(conn, [user_id])
        await conn.execute(
            "UPDATE transactions SET category_id = $2, category_source = 'manual' WHERE user_id = $1"
            " AND transaction_id = ANY (SELECT transaction_id FROM transactions WHERE user_id = $1 LIMIT $3)",
            user_id, dice.choice(CATEGORIES), dice.randint(1, 8),
        )  # fmt: skip
        await conn.execute(
            "WITH next AS (UPDATE user_counters SET budget_revision = budget_revision + 1 WHERE user_id = $1"
            " RETURNING budget_revision) INSERT INTO budget_overrides (user_id, category_id, since, recurring,"
            " limit_minor, currency, revision) SELECT $1, $2, '2026-10-01', true, $3, 'USD', budget_revision FROM next"
            " ON CONFLICT (user_id, category_id, currency, since, recurring) DO UPDATE SET limit_minor = excluded.limit_minor,"
            " revision = excluded.revision",
            user_id, dice.choice(CATEGORIES), dice.randint(0, 40_000),
        )  # fmt: skip
        await alerts.evaluate(conn, {user_id: {date(2026, 10, 1), date(2026, 11, 1)}}, bank.now)


@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
async def test_sums_alerts_and_events_hold_under_concurrent_writers(
    database_url: str, tmp_path: Path, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    dice = random.Random(seed)
    async with open_pipeline(database_url, tmp_path / "objects", institution=Shuffling(dice)) as bank:
        links = []
        for _ in range(PERSONS):
            user_id, connection_id = await bank.person()
            links += [(user_id, connection_id)] * 2 + [(user_id, await bank.link(user_id))]
        await asyncio.gather(*(writer(bank, random.Random(seed * 100 + number), links) for number in range(WRITERS)))
        async with bank.begin() as conn:
            assert await reconcile_page(conn, 0) == (None, [])
        # A deadlock would be logged, and its batch tried again.
        assert [record.getMessage() for record in caplog.records if record.exc_info] == []
        assert await bank.value("SELECT count(*) FROM transactions") > 50
        assert await bank.value("SELECT count(*) FROM alerts") > 0
        assert await bank.value("SELECT count(*) FROM sync_runs WHERE error_code IS NOT NULL") == 0
        assert await bank.value("SELECT count(DISTINCT connection_id) FROM accounts") == 2 * PERSONS
        await assert_events_are_gapless(bank)
        await assert_nothing_superseded_counts(bank)
        for user_id in {user_id for user_id, _ in links}:
            await assert_due_alerts_are_raised(bank, user_id)


async def assert_events_are_gapless(bank: Pipeline) -> None:
    rows = await bank.fetch(
        "SELECT user_id, count(*) AS count, max(seq) AS last, (SELECT event_seq FROM user_counters AS counter"
        " WHERE counter.user_id = events.user_id) AS counter FROM events GROUP BY user_id"
    )
    assert rows
    assert all(item["count"] == item["last"] == item["counter"] for item in rows)


async def assert_nothing_superseded_counts(bank: Pipeline) -> None:
    """Stored sums are what live rows add up to, computed here without the product's own query."""
    rows = await bank.fetch("SELECT * FROM transactions WHERE successor_id IS NULL AND removed_at IS NULL")
    expected: dict[tuple[object, ...], int] = {}
    for item in rows:
        key = (item["user_id"], item["posted_on"].replace(day=1), item["category_id"], item["currency"])
        expected[key] = expected.get(key, 0) + item["amount_minor"]
    stored = {
        (item["user_id"], item["month"], item["category_id"], item["currency"]): item["posted_minor"]
        + item["pending_minor"]
        for item in await bank.fetch("SELECT * FROM monthly_spending WHERE posted_count + pending_count > 0")
    }
    assert stored == expected


async def assert_due_alerts_are_raised(bank: Pipeline, user_id: int) -> None:
    """Evaluating once more finds nothing that should have been raised and was not."""
    before = await bank.value("SELECT count(*) FROM alerts")
    async with bank.begin() as conn:
        await lock_users(conn, [user_id])
        await alerts.evaluate(conn, {user_id: {date(2026, 10, 1), date(2026, 11, 1)}}, bank.now)
    assert await bank.value("SELECT count(*) FROM alerts") == before
