"""From Plaid to rows and sums: what a person sees after each fetch, and that all of it can be built anew."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from mintql.domain.ids import ConnectionId, UserId
from support.pipeline import Pipeline, open_pipeline
from support.plaid import PlaidPlace, drawn, plaid_place

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
LIVE = "user_id = $1 AND successor_id IS NULL AND removed_at IS NULL"


@dataclass
class Person:
    """Somebody whose bank is linked through Plaid."""

    bank: PlaidPlace
    pipeline: Pipeline
    user_id: UserId
    connection_id: ConnectionId

    async def refresh(self) -> dict[str, object]:
        """Synchronise; return the run."""
        key = await self.pipeline.refresh(self.user_id, self.connection_id)
        query = "SELECT * FROM sync_runs WHERE user_id = $1 AND run_id = $2"
        return dict((await self.pipeline.fetch(query, *key))[0])

    async def rows(self) -> dict[str, tuple[int, bool]]:
        """What counts: amount and whether it is pending, by the institution's id."""
        found = await self.pipeline.fetch(
            f"SELECT external_id, amount_minor, pending FROM transactions WHERE {LIVE}", self.user_id
        )
        return {row["external_id"]: (row["amount_minor"], row["pending"]) for row in found}

    async def total(self) -> int:
        """The sum of all months and categories, posted and pending; negative for money that went out."""
        query = "SELECT coalesce(sum(posted_minor + pending_minor), 0)::bigint FROM monthly_spending WHERE user_id = $1"
        return int(await self.pipeline.value(query, self.user_id))


@pytest.fixture
async def person(database_url, tmp_path, monkeypatch) -> AsyncIterator[Person]:
    monkeypatch.setattr("mintql.sandbox.bank.History", drawn)
    monkeypatch.setattr("mintql.institutions.plaid.ROUND_PAUSE_SECONDS", 0)
    async with (
        plaid_place(tmp_path) as bank,
        open_pipeline(database_url, tmp_path / "objects", institution=bank.connector, now=NOW) as pipeline,
    ):
        user_id, connection_id = await pipeline.person()
        sealed = pipeline.place.vault.seal(user_id, connection_id, bank.credentials)
        await pipeline.fetch(
            "UPDATE connection_secrets SET key_version = $3, wrapped_key = $4, ciphertext = $5"
            " WHERE user_id = $1 AND connection_id = $2",
            user_id, connection_id, sealed.key_version, sealed.wrapped_key, sealed.ciphertext,
        )  # fmt: skip
        yield Person(bank, pipeline, user_id, connection_id)


async def test_a_linked_bank_shows_every_row_once_with_plaids_categories(person):
    run = await person.refresh()
    assert (run["state"], run["error_code"]) == ("succeeded", None)
    said = (await person.bank.fetch()).rows
    pending_links = {row.pending_external_id for row in said.values()}
    assert await person.rows() == {
        key: (row.amount_minor, row.pending) for key, row in said.items() if key not in pending_links
    }
    sources = await person.pipeline.fetch(
        "SELECT category_detail FROM transactions WHERE user_id = $1 AND category_source = 'institution'",
        person.user_id,
    )
    assert {row["category_detail"].partition(" ")[0] for row in sources} == {"PFC"}
    assert len(sources) > 20


async def test_a_purchase_goes_from_pending_to_posted_with_a_tip_and_counts_once(person):
    await person.refresh()
    before = await person.total()
    pending = await person.bank.buy("-40.00", pending=True)
    await person.refresh()
    assert (await person.rows())[pending] == (-4000, True)
    assert await person.total() - before == -4000

    await person.bank.scenario(name="pending_to_posted", id=pending, percent=20)
    run = await person.refresh()
    rows = await person.rows()
    assert pending not in rows
    assert [amount for key, amount in rows.items() if key == pending.removesuffix(".pending")] == [(-4800, False)]
    assert await person.total() - before == -4800
    assert run["state"] == "succeeded"


async def test_changed_removed_and_added_again_rows_and_new_ids_leave_the_sums_right(person):
    await person.refresh()
    before, count = await person.total(), len(await person.rows())
    bought = await person.bank.buy("-10.00")
    await person.bank.scenario(name="changed_amount", id=bought, amount="-12.00")
    await person.refresh()
    assert await person.total() - before == -1200
    await person.bank.scenario(name="removed_row", id=bought)
    await person.refresh()
    assert (await person.total(), len(await person.rows())) == (before, count)
    await person.bank.scenario(name="readded_row", id=bought, new_id=True)
    await person.refresh()
    assert (await person.total() - before, len(await person.rows())) == (-1200, count + 1)
    await person.bank.scenario(name="changed_ids")
    await person.refresh()
    assert (await person.total() - before, len(await person.rows())) == (-1200, count + 1)


async def test_interrupted_doubled_and_late_pages_change_nothing(person, monkeypatch):
    await person.refresh()
    good, total = await person.rows(), await person.total()
    monkeypatch.setattr("mintql.institutions.plaid.PAGE_ROWS", 20)
    await person.bank.scenario(name="page_mutation")
    await person.bank.scenario(name="duplicate_page")
    for _ in range(2):
        assert (await person.refresh())["state"] == "succeeded"
        assert (await person.rows(), await person.total()) == (good, total)


async def test_a_history_that_is_not_gathered_yet_is_tried_again_soon(person):
    await person.bank.scenario(name="not_ready")
    run = await person.refresh()
    assert (run["state"], run["error_code"]) == ("queued", "NOT_READY")
    assert await person.rows() == {}
    await person.bank.calm()
    # The connector says when to come back by the clock of the machine, which the pipeline's stands in for.
    person.pipeline.now = max(NOW, datetime.now(UTC))
    await person.pipeline.sweep(after=timedelta(minutes=2))
    assert len(await person.rows()) > 50


async def test_the_ledger_can_be_rebuilt_from_the_raw_pages(person):
    await person.refresh()
    pending = await person.bank.buy("-40.00", pending=True)
    await person.refresh()
    await person.bank.scenario(name="pending_to_posted", id=pending, percent=20)
    await person.bank.scenario(name="removed_row")
    await person.refresh()
    report = await person.pipeline.replay(person.user_id)
    assert report.differences == []
