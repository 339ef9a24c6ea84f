"""Each connector through the whole pipeline: whatever happens at the bank, what counts is what the bank says.

The bank answers every protocol from one ledger. After each scenario the transactions that count, by account, day
and amount, and every balance, are compared with that ledger as the bank's own protocol shows it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from mintql.domain.ids import ConnectionId, UserId
from mintql.domain.money import parse_minor
from mintql.gateways.http import open_http
from mintql.institutions.base import Connector, Credentials
from mintql.institutions.registry import build_connectors
from mintql.sandbox import create_bank
from mintql.services.reconcile import reconcile_page
from mintql.settings import Settings
from support.factories import create_connection
from support.local import local_client
from support.pipeline import NOW, Pipeline, open_pipeline
from support.plaid import drawn
from support.servers import serving

LOGIN = "ada"
DAYS = 45
PROTOCOLS = ("sandbox", "simplefin", "ofx", "plaid")
ROWS = Counter[tuple[str, date, int]]


def plain(name: str) -> str:
    """The bank's own name of an account, without what a protocol puts around it."""
    return next(own for own in ("Everyday Checking", "Rewards Card", "Rainy Day Savings") if own in name)


@dataclass
class Place:
    """A person whose bank speaks one protocol to us, and its own to the test."""

    protocol: str
    pipeline: Pipeline
    connector: Connector
    bank: httpx.AsyncClient
    user_id: UserId
    connection_id: ConnectionId

    async def refresh(self, *, days_later: int = 0) -> None:
        self.pipeline.now += timedelta(days=days_later)
        key = await self.pipeline.refresh(self.user_id, self.connection_id)
        state = await self.pipeline.value("SELECT state FROM sync_runs WHERE run_id = $1", key.run_id)
        assert state == "succeeded"

    async def scenario(self, **values: Any) -> dict[str, Any]:
        answer = await self.bank.put(f"/control/{LOGIN}/scenario", json=values)
        assert answer.is_success, answer.text
        return dict(answer.json())

    async def buy(self, amount: str, description: str, *, pending: bool = False) -> str:
        body = {"amount": amount, "description": description, "pending": pending}
        answer = await self.bank.post(f"/control/{LOGIN}/purchases", json=body)
        assert answer.is_success, answer.text
        return str(answer.json()["id"])

    async def told(self) -> tuple[ROWS, dict[str, int]]:
        """The rows of the bank's own protocol by account kind, and the balances."""
        login = await self.bank.post("/v1/login", json={"login": LOGIN, "password": "sandbox"})
        headers = {"authorization": f"Bearer {login.json()['token']}"}
        accounts = (await self.bank.get("/v1/accounts", headers=headers)).json()["accounts"]
        rows: ROWS = Counter()
        first = (NOW.date() - timedelta(days=DAYS - 1)).isoformat()
        for account in accounts:
            url = f"/v1/accounts/{account['id']}/transactions?from={first}&to={NOW.date()}"
            page = (await self.bank.get(url, headers=headers)).json()
            while page["next_page"]:
                # Days this few are one page; where it is served twice, the second one is the same.
                page = (await self.bank.get(f"{url}&page={page['next_page']}", headers=headers)).json()
            rows += Counter(
                (account["name"], date.fromisoformat(row["posted_on"]), parse_minor(row["amount"], "USD"))
                for row in page["transactions"]
                if not row["pending"]
            )
        return rows, {account["name"]: parse_minor(account["balance"], "USD") for account in accounts}

    async def counted(self) -> ROWS:
        rows = await self.pipeline.fetch(
            "SELECT name, posted_on, amount_minor FROM transactions JOIN accounts USING (user_id, account_id)"
            " WHERE user_id = $1 AND successor_id IS NULL AND removed_at IS NULL AND NOT pending",
            self.user_id,
        )
        return Counter((plain(row["name"]), row["posted_on"], row["amount_minor"]) for row in rows)

    async def pending(self) -> list[int]:
        rows = await self.pipeline.fetch(
            "SELECT amount_minor FROM transactions WHERE user_id = $1 AND pending AND successor_id IS NULL"
            " AND removed_at IS NULL AND description LIKE '%TABLE%' ORDER BY 1",
            self.user_id,
        )
        return [row["amount_minor"] for row in rows]

    async def check(self, *, kept: ROWS | None = None) -> None:
        """What counts is what the bank says (and `kept`, which it no longer says), here and after a replay."""
        rows, balances = await self.told()
        stored = await self.pipeline.fetch("SELECT name, balance_minor FROM accounts WHERE user_id = $1", self.user_id)
        assert await self.counted() == rows + (kept or Counter())
        assert {plain(row["name"]): row["balance_minor"] for row in stored} == balances
        assert (await self.pipeline.replay(self.user_id)).differences == []
        async with self.pipeline.begin() as conn:
            assert (await reconcile_page(conn, UserId(self.user_id - 1)))[1] == []


async def credentials_for(protocol: str, connector: Connector, bank: httpx.AsyncClient) -> Credentials:
    """Log in by the protocol's own way."""
    form = {"login": LOGIN, "password": "sandbox"}
    if protocol == "simplefin":
        return await connector.connect(Credentials("", "", (await bank.post("/simplefin/create", data=form)).text))
    if protocol == "ofx":
        return await connector.connect(Credentials(f"{bank.base_url}/ofx".replace("//ofx", "/ofx"), LOGIN, "sandbox"))
    if protocol == "plaid":
        options = {"override_username": LOGIN, "transactions": {"days_requested": DAYS - 1}}
        body = {"institution_id": "ins_sandbox", "initial_products": ["transactions"], "options": options}
        keys = {"PLAID-CLIENT-ID": "sandbox", "PLAID-SECRET": "sandbox"}
        answer = await bank.post("/plaid/sandbox/public_token/create", json=body, headers=keys)
        return await connector.connect(Credentials("", "", answer.json()["public_token"]))
    return await connector.connect(Credentials("", LOGIN, "sandbox"))


@asynccontextmanager
async def connected(protocol: str, database_url: str, folder: Path) -> AsyncIterator[Place]:
    async with serving(create_bank(folder / "bank.sqlite", now=lambda: NOW)) as server:
        settings = Settings(
            sandbox_url=server.url,
            plaid_url=f"{server.url}/plaid",
            plaid_client_id="sandbox",
            plaid_secret=SecretStr("sandbox"),
        )
        async with (
            open_http(settings) as http,
            local_client(base_url=server.url) as bank,
        ):
            connector = build_connectors(settings, http)[protocol]
            connector.capabilities = replace(connector.capabilities, history_days_max=DAYS - 1)
            if hasattr(connector, "_clock"):
                connector._clock = lambda: NOW
            credentials = await credentials_for(protocol, connector, bank)
            async with open_pipeline(database_url, folder / "objects", institution=connector) as pipeline:
                user_id, connection_id = await linked(pipeline, protocol, credentials)
                yield Place(protocol, pipeline, connector, bank, user_id, connection_id)


async def linked(pipeline: Pipeline, protocol: str, credentials: Credentials) -> tuple[UserId, ConnectionId]:
    async with pipeline.begin() as conn:
        user_id, _ = await pipeline.person()
        connection_id = await create_connection(conn, user_id, institution_id=protocol)
        sealed = pipeline.place.vault.seal(user_id, connection_id, credentials)
        await conn.execute(
            "INSERT INTO connection_secrets VALUES ($1, $2, $3, $4, $5)",
            user_id, connection_id, sealed.key_version, sealed.wrapped_key, sealed.ciphertext,
        )  # fmt: skip
    return user_id, connection_id


@pytest.fixture(params=PROTOCOLS)
async def place(request, database_url, tmp_path, monkeypatch):
    monkeypatch.setattr("mintql.sandbox.bank.History", drawn)
    async with connected(request.param, database_url, tmp_path) as found:
        await found.refresh()
        await found.check()
        yield found


Happening = Callable[[Place], Awaitable[Any]]


async def test_what_happens_at_the_bank_day_after_day_counts_once(place: Place) -> None:
    await place.buy("-84.20", "UNMISTAKABLE SHOP")
    await place.buy("-84.20", "UNMISTAKABLE SHOP")
    await place.refresh()
    await place.check()
    await place.scenario(name="changed_amount")
    await place.refresh()
    await place.check()
    await place.scenario(name="changed_ids")
    await place.refresh()
    await place.check()
    await place.scenario(name="duplicate_page")
    await place.refresh()
    await place.check()


async def test_pending_purchases_that_post_with_and_without_a_tip_count_once(place: Place) -> None:
    first = await place.buy("-20.00", "TST* FIRST TABLE", pending=True)
    second = await place.buy("-30.00", "TST* SECOND TABLE", pending=True)
    await place.refresh()
    await place.check()
    shown = await place.pending()
    assert shown == ([] if place.protocol == "ofx" else [-3000, -2000])
    await place.scenario(name="pending_to_posted", id=first, percent=20)
    await place.scenario(name="pending_to_posted", id=second)
    await place.refresh()
    await place.check()
    assert await place.pending() == []
    kinds = await place.pipeline.fetch("SELECT kind, state FROM transaction_matches AS m JOIN transactions AS t ON"
                                       " t.user_id = m.user_id AND t.transaction_id = from_id"
                                       " WHERE description LIKE '%TABLE%' ORDER BY amount_minor DESC")  # fmt: skip
    assert [tuple(row) for row in kinds] == {
        "sandbox": [("pending_link", "applied")] * 2,
        "plaid": [("pending_link", "applied")] * 2,
        "simplefin": [("pending_tip", "suggested"), ("pending_exact", "applied")],
        "ofx": [],
    }[place.protocol]


async def test_a_row_taken_back_is_taken_back_where_the_protocol_can_say_so_and_counts_once_when_it_is_back(
    place: Place,
) -> None:
    await place.buy("-77.70", "UNMISTAKABLE SHOP")
    await place.refresh()
    await place.check()
    rows, _ = await place.told()
    await place.scenario(name="removed_row")
    await place.refresh()
    gone = rows - (await place.told())[0]
    assert gone.total() == 1
    silent = place.protocol in ("simplefin", "ofx")
    await place.check(kept=gone if silent else None)


@pytest.mark.parametrize("new_id", [False, True])
async def test_a_row_removed_and_added_again_counts_once(place: Place, new_id: bool) -> None:
    await place.buy("-77.70", "UNMISTAKABLE SHOP")
    await place.refresh()
    await place.scenario(name="readded_row", new_id=new_id)
    await place.refresh()
    await place.check()


async def test_after_an_outage_everything_is_as_if_there_had_been_none(place: Place) -> None:
    await place.buy("-12.00", "UNMISTAKABLE SHOP")
    await place.scenario(name="outage")
    key = await place.pipeline.refresh(place.user_id, place.connection_id)
    run = (await place.pipeline.fetch("SELECT state, error_code FROM sync_runs WHERE run_id = $1", key.run_id))[0]
    assert tuple(run) == ("queued", "INSTITUTION_DOWN")
    await place.bank.delete(f"/control/{LOGIN}/scenario")
    await place.pipeline.sweep(timedelta(hours=2))
    assert await place.pipeline.value("SELECT state FROM sync_runs WHERE run_id = $1", key.run_id) == "succeeded"
    await place.check()
