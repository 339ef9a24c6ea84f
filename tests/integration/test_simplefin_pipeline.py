"""From SimpleFIN to rows and sums: what a person sees after each fetch, whatever the server calls its rows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date

import pytest

from mintql.domain.ids import ConnectionId, UserId
from mintql.institutions.base import FetchRequest
from support.pipeline import Pipeline, open_pipeline
from support.plaid import drawn
from support.simplefin import NOW, Place, simplefin_place

LIVE = "user_id = $1 AND successor_id IS NULL AND removed_at IS NULL"


@dataclass
class Person:
    bank: Place
    pipeline: Pipeline
    user_id: UserId
    connection_id: ConnectionId

    async def refresh(self):
        """Synchronise; return the run."""
        key = await self.pipeline.refresh(self.user_id, self.connection_id)
        query = "SELECT * FROM sync_runs WHERE user_id = $1 AND run_id = $2"
        return dict((await self.pipeline.fetch(query, *key))[0])

    async def rows(self):
        """What counts: amount and whether it is pending, by the institution's id."""
        found = await self.pipeline.fetch(
            f"SELECT external_id, amount_minor, pending FROM transactions WHERE {LIVE}", self.user_id
        )
        return {row["external_id"]: (row["amount_minor"], row["pending"]) for row in found}

    async def total(self):
        """The sum of all months and categories, posted and pending, money out negative."""
        query = "SELECT coalesce(sum(posted_minor + pending_minor), 0)::bigint FROM monthly_spending WHERE user_id = $1"
        return int(await self.pipeline.value(query, self.user_id))


@pytest.fixture
async def person(database_url, tmp_path, monkeypatch) -> AsyncIterator[Person]:
    monkeypatch.setattr("mintql.sandbox.bank.History", drawn)
    async with (
        simplefin_place(tmp_path) as bank,
        open_pipeline(database_url, tmp_path / "objects", institution=bank.connector, now=NOW) as pipeline,
    ):
        user_id, connection_id = await pipeline.person()
        sealed = pipeline.place.vault.seal(user_id, connection_id, bank.access)
        await pipeline.fetch(
            "UPDATE connection_secrets SET key_version = $3, wrapped_key = $4, ciphertext = $5"
            " WHERE user_id = $1 AND connection_id = $2",
            user_id, connection_id, sealed.key_version, sealed.wrapped_key, sealed.ciphertext,
        )  # fmt: skip
        yield Person(bank, pipeline, user_id, connection_id)


async def test_a_history_of_nine_windows_is_every_row_of_the_bank_once(person):
    run = await person.refresh()
    assert (run["state"], run["error_code"]) == ("succeeded", None)
    assert run["pages"] == len(person.bank.asked) == 9
    rows = await person.rows()
    said = {
        row.external_id: (row.amount_minor, row.pending)
        for page in await person.bank.parsed(FetchRequest(date(2024, 11, 23), date(2026, 11, 24)))
        for row in page.transactions
    }
    assert rows == said
    assert len(rows) > 2_000
    report = await person.pipeline.replay(person.user_id)
    assert report.differences == []


async def test_a_pending_purchase_posts_under_an_unlinked_id_and_counts_once(person):
    await person.refresh()
    before = await person.total()
    added = await person.bank.control.post(
        "/purchases", json={"amount": "-40.00", "description": "HARDWARE STORE", "pending": True}
    )
    pending = added.json()["id"]
    await person.refresh()
    assert (await person.rows())[pending] == (-4000, True)
    await person.bank.scenario(name="pending_to_posted", id=pending)
    await person.refresh()
    rows = await person.rows()
    assert pending not in rows
    assert rows[pending.removesuffix(".pending")] == (-4000, False)
    assert await person.total() - before == -4000


async def test_changed_ids_double_nothing(person):
    await person.refresh()
    before, total = await person.rows(), await person.total()
    await person.bank.scenario(name="changed_ids")
    run = await person.refresh()
    assert run["state"] == "succeeded"
    after = await person.rows()
    renamed = after.keys() - before.keys()
    assert renamed
    assert sorted(after.values()) == sorted(before.values())
    assert await person.total() == total


async def test_a_bank_that_wants_a_login_is_said_of_its_accounts_and_takes_nothing_away(person):
    await person.refresh()
    before = await person.rows()
    await person.bank.scenario(name="consent_expired")
    run = await person.refresh()
    assert await person.rows() == before
    assert "Connection to Sandbox Bank may need attention. Auth required" in run["notices"]
