"""A person at the sandbox bank's SimpleFIN server, with an access that was claimed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import httpx

from mintql.gateways.http import open_http
from mintql.institutions.base import Credentials, FetchRequest, RawPage
from mintql.institutions.registry import build_connectors
from mintql.institutions.simplefin import SimpleFinConnector
from mintql.sandbox import create_bank
from mintql.settings import Settings
from support.local import local_client
from support.servers import serving

NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
TODAY = NOW.date()
MONTH = FetchRequest(date(2026, 10, 24), date(2026, 11, 24))


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self):
        return self.now


@dataclass
class Place:
    """One person at the sandbox bank, with an access that was claimed. `asked` are the queries the server got."""

    connector: SimpleFinConnector
    control: httpx.AsyncClient
    root: str
    clock: Clock
    access: Credentials
    asked: list[dict[str, str]] = field(default_factory=list)

    async def token(self):
        answer = await self.control.post(f"{self.root}/create", data={"login": "ada", "password": "sandbox"})
        assert answer.status_code == 200, answer.text
        return answer.text

    async def scenario(self, **values):
        answer = await self.control.put("/scenario", json=values)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def given(self, request=MONTH, access=None):
        return [given async for given in self.connector.fetch(access or self.access, request)]

    async def parsed(self, request=MONTH, access=None):
        pages = await self.given(request, access)
        return [self.connector.parse(page.content) for page in pages if isinstance(page, RawPage)]

    async def rows(self, request=MONTH, access=None):
        return [row for page in await self.parsed(request, access) for row in page.transactions]


@asynccontextmanager
async def simplefin_place(folder: Path) -> AsyncIterator[Place]:
    clock, asked = Clock(), []
    bank = create_bank(folder / "bank.sqlite", now=clock)

    async def listening(scope, receive, send):
        if scope["type"] == "http" and scope["path"].endswith("/simplefin/accounts"):
            asked.append(dict(httpx.QueryParams(scope["query_string"].decode())))
        await bank(scope, receive, send)

    async with serving(listening) as server:
        settings = Settings(sandbox_url=server.url)
        async with open_http(settings) as http, local_client(base_url=f"{server.url}/control/ada") as control:
            connector = build_connectors(settings, http)["simplefin"]
            assert isinstance(connector, SimpleFinConnector)
            found = Place(connector, control, f"{server.url}/simplefin", clock, Credentials("", "", ""), asked)
            found.access = await connector.connect(Credentials("", "", await found.token()))
            yield found
