"""The demo person: signed up and connected through the API like anybody, watched and made to buy things."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import websockets
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from websockets.asyncio.client import ClientConnection, connect

from mintql.domain.errors import Failure

EMAIL = "demo@mintql.example"
PASSWORD = "a demo person's password"  # noqa: S105 - everybody may know it, and it is printed
NAME = "Demo Person"
TIME_ZONE = "America/New_York"
BANK_LOGIN = "demo"
BANK_PASSWORD = "sandbox"  # noqa: S105 - the sandbox bank's only one
PURCHASE_HINT = "400 'Whole Foods Market'"

REQUEST_TIMEOUT_SECONDS = 30.0
SYNC_TIMEOUT_SECONDS = 300.0
SYNC_POLL_SECONDS = 0.2
RECONNECT_SECONDS = 1.0
CURSOR_FILE = "watch-cursors.json"

Say = Callable[[str], None]
"""Tells the person at the terminal one line."""

SIGN_UP = """
mutation SignUp($input: SignUpInput!) {
  signUp(input: $input) { __typename ... on SignUpSuccess { token } ... on Error { code message } }
}
"""
SIGN_IN = """
mutation SignIn($email: String!, $password: String!) {
  signIn(email: $email, password: $password) { ... on SignInSuccess { token } ... on Error { code message } }
}
"""
CONNECT = """
mutation Connect($input: ConnectAccountInput!) {
  connectAccount(input: $input) { ... on ConnectAccountSuccess { connection { id } } ... on Error { code message } }
}
"""
CONNECTIONS = """
{ connections { id lastSuccessAt errorMessage latestRun { state rowsDone rowsTotal errorMessage } } }
"""
REFRESH = """
mutation Refresh($id: ID!) {
  refreshConnection(connectionId: $id) {
    ... on RefreshConnectionSuccess { connection { id } }
    ... on Error { code message }
  }
}
"""
ALERTS = """
subscription Alerts($after: Cursor) {
  budgetAlerts(after: $after) {
    cursor
    alert { threshold month category { name } limit { amount currency } spent { amount } }
  }
}
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
    purchase_hint: str = PURCHASE_HINT


class Client:
    """A small GraphQL client: an operation in, its data out, failures raised in words."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self.token = ""

    async def run(self, operation: str, **variables: Any) -> dict[str, Any]:
        """Run an operation; raise `DemoError` for GraphQL errors."""
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        answer = await self._http.post("/graphql", json={"query": operation, "variables": variables}, headers=headers)
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


async def prepare_demo_person(api_url: str, bank_url: str, console: Console) -> DemoPerson:
    """Make sure that the demo person exists and has been read from the bank once; show the progress of that.

    Raises:
        DemoError: The API or the bank refused something, or the first sync failed.
    """
    async with client(api_url) as api:
        api.token = await _token(api)
        connections = (await api.run(CONNECTIONS))["connections"]
        if not connections:
            bank = {"institutionId": "sandbox", "url": bank_url, "login": BANK_LOGIN, "password": BANK_PASSWORD}
            await api.mutate("connectAccount", CONNECT, input=bank)
        await _show_first_sync(api, console)
        return DemoPerson(EMAIL, PASSWORD, api.token)


async def _token(api: Client) -> str:
    """Sign in, or sign up when nobody of that address is known yet."""
    signed_in = (await api.run(SIGN_IN, email=EMAIL, password=PASSWORD))["signIn"]
    if "token" not in signed_in:
        person = {"email": EMAIL, "password": PASSWORD, "name": NAME, "timeZone": TIME_ZONE, "currency": "USD"}
        signed_in = await api.mutate("signUp", SIGN_UP, input=person)
    token: str = signed_in["token"]
    return token


async def _show_first_sync(api: Client, console: Console) -> None:
    """Follow the first sync with a progress bar until it succeeded; return at once when one has."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=False, disable=False) as progress:
        task = None
        async with asyncio.timeout(SYNC_TIMEOUT_SECONDS):
            while True:
                connection = (await api.run(CONNECTIONS))["connections"][0]
                run = connection["latestRun"]
                if connection["lastSuccessAt"] and task is None:
                    return
                if task is None:
                    task = progress.add_task("Reading 24 months of transactions from the sandbox bank", total=None)
                progress.update(task, completed=run["rowsDone"], total=run["rowsTotal"] or None)
                if connection["lastSuccessAt"]:
                    return
                if run["state"] == "FAILED":
                    raise DemoError(f"the first sync failed: {run['errorMessage']}")
                await asyncio.sleep(SYNC_POLL_SECONDS)


async def buy(api_url: str, bank_url: str, amount: str, seller: str, say: Say) -> None:
    """Buy something at the bank with the demo person's card, and ask for a refresh."""
    async with client(api_url) as api, httpx.AsyncClient(trust_env=False, timeout=REQUEST_TIMEOUT_SECONDS) as bank:
        api.token = await _token(api)
        bought = await bank.post(
            f"{bank_url}/control/{BANK_LOGIN}/purchases", json={"amount": amount, "description": seller}
        )
        if bought.is_error:
            raise DemoError(bought.json()["message"])
        for connection in (await api.run(CONNECTIONS))["connections"]:
            await api.mutate("refreshConnection", REFRESH, id=connection["id"])
    say(f"Bought {bought.json()['description']} for {amount} and asked for a refresh")


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
        except (OSError, websockets.ConnectionClosed) as error:
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
        alert = item["alert"]
        spent, limit = alert["spent"]["amount"], alert["limit"]
        return (
            f"ALERT  {alert['category']['name']}, {alert['month']}: {alert['threshold']} % of the budget reached, "
            f"{spent} of {limit['amount']} {limit['currency']}"
        )
    counts = (item["addedCount"], "added"), (item["changedCount"], "changed"), (item["removedCount"], "removed")
    return "transactions  " + ", ".join(f"{count} {what}" for count, what in counts if count)


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
