"""OFX Direct Connect through the whole pipeline: pages stored, rows and balances in the database."""

from __future__ import annotations

from dataclasses import dataclass, replace

import httpx
import pytest

from mintql.gateways.http import open_http
from mintql.institutions.base import Credentials
from mintql.institutions.ofx_direct import OfxDirectConnector
from mintql.sandbox import create_bank
from mintql.settings import Settings
from support.local import local_client
from support.pipeline import NOW, Pipeline, open_pipeline
from support.servers import serving

LIVE = "successor_id IS NULL AND removed_at IS NULL"


class Linked(OfxDirectConnector):
    """The connector with the login of a person of the sandbox bank, whatever the vault holds, and little history."""

    credentials = Credentials("", "", "")
    capabilities = replace(OfxDirectConnector.capabilities, history_days_max=60)

    def fetch(self, _, request):
        return super().fetch(self.credentials, request)


@dataclass
class Place:
    pipeline: Pipeline
    control: httpx.AsyncClient

    async def sums(self):
        query = f"SELECT count(*), sum(amount_minor)::bigint FROM transactions WHERE {LIVE} AND NOT pending"
        (row,) = await self.pipeline.fetch(query)
        return tuple(row)

    async def named(self, text):
        rows = await self.pipeline.fetch(
            f"SELECT amount_minor, pending FROM transactions WHERE {LIVE} AND description LIKE $1 ORDER BY 1",
            f"%{text}%",
        )
        return [tuple(row) for row in rows]


@pytest.fixture
async def place(database_url, tmp_path):
    def now():
        return NOW

    async with (
        serving(create_bank(tmp_path / "bank.sqlite", now=now)) as server,
        open_http(Settings(sandbox_url=server.url)) as http,
        local_client(base_url=f"{server.url}/control/ada") as control,
    ):
        connector = Linked(http, clock=now)
        options = {"version": "220", "pending": "Y", "called": "Sandbox Bank"}
        connector.credentials = Credentials(f"{server.url}/ofx", "ada", "sandbox", options)
        async with open_pipeline(database_url, tmp_path / "objects", institution=connector) as pipeline:
            yield Place(pipeline, control)


async def test_a_refresh_adds_nothing_twice_and_a_pending_purchase_is_counted_once_when_it_posts(place):
    user_id, connection_id = await place.pipeline.person()
    await place.pipeline.refresh(user_id, connection_id)
    count, total = await place.sums()
    accounts = await place.pipeline.fetch("SELECT name, balance_minor FROM accounts ORDER BY name")
    assert [row["name"] for row in accounts] == ["Everyday Checking", "Rainy Day Savings", "Rewards Card"]
    assert count > 150

    bought = {"amount": "-40.00", "description": "ZUM HIRSCHEN", "pending": True}
    row_id = (await place.control.post("/purchases", json=bought)).json()["id"]
    await place.pipeline.refresh(user_id, connection_id)
    assert await place.sums() == (count, total)
    assert await place.named("HIRSCHEN") == [(-4000, True)]

    await place.control.put("/scenario", json={"name": "pending_to_posted", "id": row_id})
    await place.pipeline.refresh(user_id, connection_id)
    assert await place.named("HIRSCHEN") == [(-4000, False)]
    assert await place.sums() == (count + 1, total - 4000)
    spent = await place.pipeline.fetch("SELECT balance_minor FROM accounts WHERE name = 'Rewards Card'")
    before = {row["name"]: row["balance_minor"] for row in accounts}["Rewards Card"]
    assert spent[0]["balance_minor"] == before - 4000


async def test_ids_that_all_change_double_nothing(place):
    user_id, connection_id = await place.pipeline.person()
    await place.pipeline.refresh(user_id, connection_id)
    before = await place.sums()
    await place.control.put("/scenario", json={"name": "changed_ids"})
    await place.pipeline.refresh(user_id, connection_id)
    assert await place.sums() == before
