"""Whatever an institution says, in whatever order: the database is what the raw objects say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mintql.services.reconcile import reconcile_page
from support.pipeline import Pipeline, open_pipeline
from support.scripted import page, row

WINDOW = (date(2026, 10, 29), date(2026, 11, 13))
ACCOUNTS = ("card", "checking")

ids = st.integers(0, 9).map(lambda number: f"t{number}")
days = st.integers(0, 20).map(lambda back: WINDOW[1] - timedelta(days=back))
rows = st.builds(
    lambda external_id, amount, day, account, pending, pending_id, text: row(
        external_id, amount, day, account_external_id=account, pending=pending, pending_external_id=pending_id,
        description=text,
    ),
    ids | st.just(""), st.integers(-500, 500), days, st.sampled_from(ACCOUNTS), st.booleans(), st.just("") | ids,
    st.sampled_from(("BLUE BOTTLE", "SHELL OIL 123", "A\tB")),
)  # fmt: skip
pages = st.builds(
    lambda items, removed, complete: page(
        *items, accounts=ACCOUNTS, removed=tuple(removed), window=WINDOW if complete else None
    ),
    st.lists(rows, max_size=8), st.lists(st.tuples(st.sampled_from(ACCOUNTS), ids), max_size=2), st.booleans(),
)  # fmt: skip
refreshes = st.lists(st.lists(pages, min_size=1, max_size=3), min_size=1, max_size=5)


@pytest.fixture
async def bank(database_url: str, tmp_path: Path) -> AsyncIterator[Pipeline]:
    async with open_pipeline(database_url, tmp_path / "objects") as pipeline:
        yield pipeline


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(refreshes)
async def test_rows_and_sums_are_what_the_raw_objects_say(bank: Pipeline, said: list[list[bytes]]) -> None:
    user_id, connection_id = await bank.person()
    for content in said:
        await bank.refresh(user_id, connection_id, *content)
    states = await bank.fetch("SELECT state FROM sync_runs WHERE user_id = $1", user_id)
    assert [item["state"] for item in states] == ["succeeded"] * len(said)
    assert (await bank.replay(user_id)).differences == []
    async with bank.begin() as conn:
        assert (await reconcile_page(conn, user_id - 1))[1] == []
