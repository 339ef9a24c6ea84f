"""The demo person: signed up and connected through the API like anybody, watched and made to buy things."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import websockets
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from websockets.asyncio.client import ClientConnection, connect

from mintql.domain.errors import Failure, InvalidInput
from mintql.domain.money import parse_minor

EMAIL = "demo@mintql.example"
PASSWORD = "a demo person's password"  # noqa: S105 - everybody may know it, and it is printed
NAME = "Demo Person"
TIME_ZONE = "America/New_York"
CURRENCY = "USD"
ANNUAL_INCOME = "72000.00"
INSTITUTION = "sandbox"
BANK_LOGIN = "demo"
BANK_PASSWORD = "sandbox"  # noqa: S105 - the sandbox bank's only one
SELLERS = {
    "shopping": "Best Buy",
    "travel": "Delta Air Lines",
    "entertainment": "Ticketmaster",
    "home": "IKEA",
    "personal-care-and-fitness": "Sephora",
    "food-and-dining": "Whole Foods Market",
}
"""For groups that have a budget: a seller whose category is certain. The first group with money left is taken."""
MARGIN = Decimal(25)

REQUEST_TIMEOUT_SECONDS = 30.0
SYNC_TIMEOUT_SECONDS = 300.0
SYNC_POLL_SECONDS = 0.1
PERCENT_DONE = 100
RECONNECT_SECONDS = 1.0
CURSOR_FILE = "watch-cursors.json"

Say = Callable[[str], None]
"""Tells the person at the terminal one line."""

SIGN_UP = """
mutation SignUp($email: String!, $password: String!, $name: String!, $timeZone: String!, $income: MoneyInput!) {
  signUp(email: $email, password: $password, name: $name, timeZone: $timeZone, annualIncome: $income) {
    ... on SignInSuccess { token }
    ... on Error { code message }
  }
}
"""
SIGN_IN = """
mutation SignIn($email: String!, $password: String!) {
  signIn(email: $email, password: $password) { ... on SignInSuccess { token } ... on Error { code message } }
}
"""
CONNECT = """
mutation Connect($institution: ID!, $login: String!, $password: String!) {
  connectInstitution(institutionId: $institution, login: $login, password: $password) {
    ... on ConnectionRunSuccess { run { id } }
    ... on Error { code message }
  }
}
"""
CONNECTIONS = """
query Connections {
  connections {
    id status institution { id }
    sync { lastSuccessAt latestRun { state percentDone rowsAdded error { message } } }
  }
}
"""
REFRESH = """
mutation Refresh($id: ID!) {
  refreshConnection(id: $id) {
    ... on ConnectionRunSuccess { run { id } }
    ... on Error { code message }
    ... on RateLimited { retryAt }
  }
}
"""
BUDGETS = """
query Budgets($month: Month!) { budgets(month: $month) { category { slug } remaining { amount } } }
"""
ALERTS = """
subscription Alerts($after: Cursor) { budgetAlerts(after: $after) { cursor thresholdPercent message } }
"""
CHANGES = """
subscription Changes($after: Cursor) {
  transactionsChanged(after: $after) { cursor addedCount changedCount removedCount }
}
"""


class DemoError(Failure):
    """The API did not do what the demo needs; the message is the API's own."""

    code = "DEMO_FAILED"


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """How to be the demo person. `token` is a bearer token of a session of its own."""

    email: str
    password: str
    token: str
    purchase: Purchase


@dataclass(frozen=True, slots=True)
class Purchase:
    """What to buy to see an alert."""

    amount: Decimal
    seller: str


class Client:
    """A small GraphQL client: an operation in, its data out, failures raised in words."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self.token = ""

    async def run(self, operation: str, **variables: Any) -> dict[str, Any]:
        """Run an operation; raise `DemoError` for GraphQL errors, and when nobody answers."""
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        request = {"query": operation, "variables": variables}
        try:
            answer = await self._http.post("/graphql", json=request, headers=headers)
        except httpx.TransportError as error:
            raise DemoError(f"the API at {self._http.base_url} does not answer ({error})") from error
        body = answer.json()
        if body.get("errors"):
            raise DemoError("; ".join(error["message"] for error in body["errors"]))
        data: dict[str, Any] = body["data"]
        return data

    async def mutate(self, field: str, operation: str, **variables: Any) -> dict[str, Any]:
        """Run a mutation and return its success; raise `DemoError` with the message of a typed failure."""
        payload: dict[str, Any] = (await self.run(operation, **variables))[field]
        if "message" in payload:
            raise DemoError(payload["message"])
        return payload


@asynccontextmanager
async def client(api_url: str) -> AsyncIterator[Client]:
    """Open a client of the API at `api_url`."""
    async with httpx.AsyncClient(base_url=api_url, timeout=REQUEST_TIMEOUT_SECONDS, trust_env=False) as http:
        yield Client(http)


async def prepare_demo_person(api_url: str, console: Console) -> DemoPerson:
    """Make sure that the demo person exists and has been read from the bank once; show the progress of that.

    Raises:
        DemoError: The API or the bank refused something, or the first sync failed.
    """
    async with client(api_url) as api:
        api.token = await _token(api)
        if not await _bank_connections(api):
            bank = {"institution": INSTITUTION, "login": BANK_LOGIN, "password": BANK_PASSWORD}
            await api.mutate("connectInstitution", CONNECT, **bank)
        await _show_first_sync(api, console)
        return DemoPerson(EMAIL, PASSWORD, api.token, await _purchase_that_alerts(api))


async def _token(api: Client) -> str:
    """Sign in, or sign up when nobody of that address is known yet."""
    signed_in = (await api.run(SIGN_IN, email=EMAIL, password=PASSWORD))["signIn"]
    if "token" not in signed_in:
        person = {"email": EMAIL, "password": PASSWORD, "name": NAME, "timeZone": TIME_ZONE}
        income = {"amount": ANNUAL_INCOME, "currency": CURRENCY}
        signed_in = await api.mutate("signUp", SIGN_UP, **person, income=income)
    token: str = signed_in["token"]
    return token


async def _show_first_sync(api: Client, console: Console) -> None:
    """Follow the first sync with a progress bar until it succeeded; return at once when one has."""
    if (await _sync(api))["lastSuccessAt"]:
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("Reading 24 months of transactions", total=PERCENT_DONE)
        async with asyncio.timeout(SYNC_TIMEOUT_SECONDS):
            while not (sync := await _sync(api))["lastSuccessAt"]:
                run = sync["latestRun"]
                progress.update(task, completed=run["percentDone"])
                if run["state"] == "FAILED":
                    raise DemoError(f"the first sync failed: {run['error']['message']}")
                await asyncio.sleep(SYNC_POLL_SECONDS)
        progress.update(task, completed=PERCENT_DONE)
    console.print(f"{sync['latestRun']['rowsAdded']} transactions extracted, categorized and summed by month")


async def _sync(api: Client) -> dict[str, Any]:
    """Return the sync state of the demo person's connection."""
    sync: dict[str, Any] = (await _bank_connections(api))[0]["sync"]
    return sync


async def _bank_connections(api: Client) -> list[dict[str, Any]]:
    """Return the connections by the bank's own protocol, oldest first; others have longer pauses, or are files."""
    found = (await api.run(CONNECTIONS))["connections"]
    return [
        connection
        for connection in found
        if connection["status"] != "DISCONNECTED" and (connection["institution"] or {}).get("id") == INSTITUTION
    ]


async def _purchase_that_alerts(api: Client) -> Purchase:
    """Find a budget with money left, and return a purchase that takes it over the limit."""
    month = datetime.now(ZoneInfo(TIME_ZONE)).strftime("%Y-%m")
    budgets = (await api.run(BUDGETS, month=month))["budgets"]
    left = {budget["category"]["slug"]: Decimal(budget["remaining"]["amount"]) for budget in budgets}
    for slug, seller in SELLERS.items():
        if left.get(slug, Decimal(0)) > 0:
            return Purchase((left[slug] + MARGIN).quantize(Decimal(1)), seller)
    return Purchase(MARGIN, next(iter(SELLERS.values())))


async def buy(api_url: str, bank_url: str, amount: str | None, seller: str | None, say: Say) -> None:
    """Buy something at the bank with the demo person's card, and ask for a refresh.

    What is not said is chosen such that a budget is exceeded.

    Raises:
        InvalidInput: The amount is none that can be paid.
        DemoError: The API or the bank refused something or does not answer.
    """
    if amount is not None and parse_minor(amount, CURRENCY) <= 0:
        raise InvalidInput(f"{amount!r} cannot be paid; the amount must be more than 0.", field="amount")
    async with client(api_url) as api, httpx.AsyncClient(trust_env=False, timeout=REQUEST_TIMEOUT_SECONDS) as bank:
        api.token = await _token(api)
        if amount is None or seller is None:
            chosen = await _purchase_that_alerts(api)
            amount, seller = amount or str(chosen.amount), seller or chosen.seller
        await _pay(bank, bank_url, amount.strip().lstrip("+"), seller)
        say(f"Bought for {amount} at {seller}")
        for connection in await _bank_connections(api):
            await _refresh(api, connection["id"], say)
        say("Asked for a refresh")


async def _pay(bank: httpx.AsyncClient, bank_url: str, amount: str, seller: str) -> None:
    purchase = {"amount": f"-{amount}", "description": seller}
    try:
        answer = await bank.post(f"{bank_url}/control/{BANK_LOGIN}/purchases", json=purchase)
    except httpx.TransportError as error:
        raise DemoError(f"the sandbox bank at {bank_url} does not answer ({error})") from error
    if answer.is_error:
        raise DemoError(f"the sandbox bank refused the purchase: {_refusal(answer)}")


def _refusal(answer: httpx.Response) -> str:
    """Return the bank's own words, or what is known when it has none."""
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return f"status {answer.status_code}"


async def _refresh(api: Client, connection_id: str, say: Say) -> None:
    """Ask for a refresh; when the API says that it is too early, do so when it no longer is."""
    while True:
        answer = (await api.run(REFRESH, id=connection_id))["refreshConnection"]
        retry_at = answer.get("retryAt")
        if retry_at is None:
            break
        seconds = max(0.0, (datetime.fromisoformat(retry_at) - datetime.now(UTC)).total_seconds())
        say(f"{answer['message']} Waiting for that")
        await asyncio.sleep(seconds)
    if "message" in answer:
        raise DemoError(answer["message"])


async def watch(home: Path, api_url: str, say: Say) -> None:
    """Print alerts and changes as they come, until cancelled; go on after the last one that was printed."""
    async with client(api_url) as api:
        token = await _token(api)
    cursors = _Cursors(home / CURSOR_FILE)
    say("Watching; ctrl-C ends it")
    while True:
        try:
            async with connect(
                api_url.replace("http", "ws", 1) + "/graphql",
                subprotocols=[websockets.Subprotocol("graphql-transport-ws")],
            ) as socket:
                await _watch_over(socket, token, cursors, say)
        except (OSError, websockets.WebSocketException) as error:
            say(f"The connection was lost ({error}); trying again")
        await asyncio.sleep(RECONNECT_SECONDS)


async def _watch_over(socket: ClientConnection, token: str, cursors: _Cursors, say: Say) -> None:
    await socket.send(json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}))
    await socket.recv()
    for name, operation in (("budgetAlerts", ALERTS), ("transactionsChanged", CHANGES)):
        payload = {"query": operation, "variables": {"after": cursors.get(name)}}
        await socket.send(json.dumps({"id": name, "type": "subscribe", "payload": payload}))
    async for text in socket:
        message = json.loads(text)
        if message["type"] == "ping":
            await socket.send(json.dumps({"type": "pong"}))
        elif message["type"] == "next":
            if errors := message["payload"].get("errors"):
                raise DemoError(errors[0]["message"])
            item = message["payload"]["data"][message["id"]]
            say(f"{datetime.now(UTC).astimezone():%H:%M:%S}  {_in_words(message['id'], item)}")
            cursors.put(message["id"], item["cursor"])
        elif message["type"] == "error":
            raise DemoError(message["payload"][0]["message"])


def _in_words(name: str, item: Mapping[str, Any]) -> str:
    if name == "budgetAlerts":
        return f"ALERT at {item['thresholdPercent']} %: {item['message']}"
    counts = (item["addedCount"], "added"), (item["changedCount"], "changed"), (item["removedCount"], "removed")
    return "Transactions: " + ", ".join(f"{count} {what}" for count, what in counts if count)


class _Cursors:
    """Where each subscription stopped, kept in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}

    def get(self, name: str) -> str | None:
        return self._known.get(name)

    def put(self, name: str, cursor: str) -> None:
        self._known[name] = cursor
        self._path.write_text(json.dumps(self._known))
