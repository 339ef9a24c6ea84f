"""The sandbox bank as Plaid shows it, a connector to it, and what a test may do at the bank meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from mintql.domain.credentials import Credentials
from mintql.domain.institutions import ParsedPage, ProviderTransaction
from mintql.gateways.http import open_http
from mintql.institutions.base import FetchRequest
from mintql.institutions.plaid import PlaidConnector
from mintql.institutions.registry import build_connectors
from mintql.sandbox import create_bank
from mintql.sandbox.history import History
from mintql.settings import Settings
from support.local import local_client
from support.servers import serving

TODAY = date(2026, 11, 23)
LOGIN = "ada"

drawn = cache(History)
"""A login's history is always the same; to put in the bank's place of drawing one, which takes longer than most tests."""


@dataclass
class Round:
    """What one fetch said: its pages as read, and the cursor to go on from."""

    pages: list[ParsedPage]
    cursor: str

    @property
    def rows(self) -> dict[str, ProviderTransaction]:
        """The transactions by id, a later word over an earlier one."""
        return {row.external_id: row for page in self.pages for row in page.transactions}

    @property
    def removed(self) -> list[tuple[str, str]]:
        return [item for page in self.pages for item in page.removed]


@dataclass
class PlaidPlace:
    """`credentials` open an item of the login `LOGIN` with `days` of history."""

    connector: PlaidConnector
    bank: httpx.AsyncClient
    control: httpx.AsyncClient
    credentials: Credentials = field(default_factory=lambda: Credentials("", "", ""))
    settings: Settings = field(default_factory=Settings)

    async def fetch(self, cursor: str = "", **more: Any) -> Round:
        request = FetchRequest(TODAY, TODAY, cursor, **more)
        raw = [page async for page in self.connector.fetch(self.credentials, request)]
        return Round([self.connector.parse(page.content) for page in raw], raw[-1].cursor)

    async def scenario(self, **values: Any) -> dict[str, Any]:
        answer = await self.control.put("/scenario", json=values)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def calm(self) -> None:
        """Switch every scenario off."""
        await self.control.delete("/scenario")

    async def buy(self, amount: str, *, pending: bool = False) -> str:
        """Buy something on the card; return the id of the row."""
        answer = await self.control.post(
            "/purchases", json={"amount": amount, "description": "SHELL OIL 57444212", "pending": pending}
        )
        return str(answer.json()["id"])

    async def ask(self, path: str, **body: Any) -> httpx.Response:
        """Ask the bank as Plaid is asked, with the right keys."""
        headers = {"PLAID-CLIENT-ID": "sandbox", "PLAID-SECRET": "sandbox"}
        return await self.bank.post(f"/plaid{path}", json=body, headers=headers)

    async def link(self, *, days: int = 40, login: str = LOGIN, webhook: str | None = None) -> Credentials:
        """Open an item without a visit to the bank's pages."""
        options = {"override_username": login, "transactions": {"days_requested": days}, "webhook": webhook}
        body = {"institution_id": "ins_sandbox", "initial_products": ["transactions"], "options": options}
        token = (await self.ask("/sandbox/public_token/create", **body)).json()["public_token"]
        return await self.connector.connect(Credentials("", "", token))


@asynccontextmanager
async def plaid_place(
    folder: Path, *, days: int = 40, today: Callable[[], date] = lambda: TODAY
) -> AsyncIterator[PlaidPlace]:
    async with serving(create_bank(folder / "bank.sqlite", today=today)) as server:
        settings = Settings(
            sandbox_url=server.url,
            plaid_url=f"{server.url}/plaid",
            plaid_client_id="sandbox",
            plaid_secret=SecretStr("sandbox"),
            webhook_url="http://127.0.0.1:9",
        )
        async with (
            open_http(settings) as http,
            local_client(base_url=server.url) as bank,
            local_client(base_url=f"{server.url}/control/{LOGIN}") as control,
        ):
            connector = build_connectors(settings, http)["plaid"]
            assert isinstance(connector, PlaidConnector)
            place = PlaidPlace(connector, bank, control, settings=settings)
            place.credentials = await place.link(days=days)
            yield place
