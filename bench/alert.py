"""How long from a person's refresh to the alert on their screen, on a stack that runs (`./dev up`).

    ./dev bench alert [--url http://127.0.0.1:8000] [--bank http://127.0.0.1:8001] [--rounds 50]

A person of its own signs up, connects the sandbox bank, and listens to `budgetAlerts` over a WebSocket. Each
round sets the limit of a budget so that the next purchase exceeds it, buys that at the bank, asks for a refresh,
and takes the time until the alert arrives: the API, the queue, the worker, the bank over HTTP, the raw object on
disk, the ingestion and the wake-up. Beside it stands the round trip of `{ __typename }`, the least any request
takes on this machine at this moment.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import statistics
import time
from datetime import UTC, datetime
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

PASSWORD = "correct horse battery"  # The password of a person who lives for one run.
TIMEOUT_SECONDS = 30.0
SELLER = "Ticketmaster"
SLUG = "entertainment"
PURCHASE = "20.00"
MARGIN_MINOR = 1_000
SKIPPED = 77
"""How this ends where what it needs is not there."""
WARM_UP_ROUNDS = 3

SIGN_UP = """mutation($email: String!, $password: String!) {
  signUp(email: $email, password: $password, name: "Bench", timeZone: "UTC") { ... on SignInSuccess { token } }
}"""
CONNECT = """mutation($login: String!) {
  connectInstitution(institutionId: "sandbox", login: $login, password: "sandbox") {
    ... on ConnectionRunSuccess { run { id } } ... on Error { message }
  }
}"""
STATE = "{ connections { id sync { lastSuccessAt latestRun { state } } } }"
BUDGETS = "query($month: Month!) { budgets(month: $month) { category { id slug } spent { amountMinor } } }"
SET_LIMIT = """mutation($category: ID!, $month: Month!, $amount: Decimal!) {
  setBudgetOverride(categoryId: $category, month: $month, limit: {amount: $amount, currency: "USD"},
    scope: THIS_MONTH, thresholds: [100]) { __typename ... on Error { message } }
}"""
REFRESH = "mutation($id: ID!) { refreshConnection(id: $id) { __typename ... on Error { message } } }"
ALERTS = "subscription { budgetAlerts { cursor thresholdPercent spent { amount } } }"


class Person:
    """A signed-up person with a connection, and their WebSocket."""

    def __init__(self, http: httpx.AsyncClient, token: str, login: str) -> None:
        self.http = http
        self.token = token
        self.login = login
        self.month = datetime.now(UTC).strftime("%Y-%m")

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Run an operation; raise when it has errors."""
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        answer = (
            await self.http.post("/graphql", json={"query": query, "variables": variables}, headers=headers)
        ).json()
        if "errors" in answer:
            raise RuntimeError(answer["errors"])
        return answer["data"]

    async def until_synced(self) -> str:
        """Wait until no run is open; return the connection's id."""
        while True:
            [link] = (await self.ask(STATE))["connections"]
            if link["sync"]["latestRun"]["state"] in ("SUCCEEDED", "FAILED"):
                return link["id"]
            await asyncio.sleep(0.02)


async def one_round(person: Person, connection_id: str, bank: httpx.AsyncClient, socket: ClientConnection) -> float:
    """Return seconds from the refresh to the alert."""
    budgets = (await person.ask(BUDGETS, month=person.month))["budgets"]
    [budget] = [item for item in budgets if item["category"]["slug"] == SLUG]
    limit = int(budget["spent"]["amountMinor"]) + MARGIN_MINOR
    amount = f"{limit // 100}.{limit % 100:02d}"
    await person.ask(SET_LIMIT, category=budget["category"]["id"], month=person.month, amount=amount)
    bought = await bank.post(
        f"/control/{person.login}/purchases", json={"account": "card", "amount": f"-{PURCHASE}", "description": SELLER}
    )
    bought.raise_for_status()
    start = time.perf_counter()
    answer = await person.ask(REFRESH, id=connection_id)
    if answer["refreshConnection"]["__typename"] != "ConnectionRunSuccess":
        raise RuntimeError(answer)
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while json.loads(await socket.recv())["type"] != "next":
            pass
    seconds = time.perf_counter() - start
    await person.until_synced()
    return seconds


async def round_trip(person: Person) -> float:
    start = time.perf_counter()
    await person.ask("{ __typename }")
    return time.perf_counter() - start


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--bank", default="http://127.0.0.1:8001")
    parser.add_argument("--rounds", type=int, default=50)
    options = parser.parse_args()
    login = f"bench-{secrets.token_hex(4)}"
    timeout = httpx.Timeout(TIMEOUT_SECONDS)
    async with (
        httpx.AsyncClient(base_url=options.url, timeout=timeout, trust_env=False) as http,
        httpx.AsyncClient(base_url=options.bank, timeout=timeout, trust_env=False) as bank,
    ):
        try:
            await http.get("/livez")
        except httpx.TransportError:
            print(f"Nothing answers at {options.url}: start `./dev up` beside this first.")
            raise SystemExit(SKIPPED) from None
        person = Person(http, "", login)
        person.token = (await person.ask(SIGN_UP, email=f"{login}@example.org", password=PASSWORD))["signUp"]["token"]
        connected = await person.ask(CONNECT, login=login)
        if "message" in connected["connectInstitution"]:
            raise SystemExit(connected["connectInstitution"]["message"])
        connection_id = await person.until_synced()
        ws_url = options.url.replace("http", "ws", 1) + "/graphql"
        async with connect(ws_url, subprotocols=["graphql-transport-ws"], proxy=None) as socket:
            await socket.send(
                json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {person.token}"}})
            )
            await socket.recv()
            await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": ALERTS}}))
            times = [
                await one_round(person, connection_id, bank, socket) for _ in range(options.rounds + WARM_UP_ROUNDS)
            ]
        trips = [await round_trip(person) for _ in range(options.rounds)]
    print_figures(sorted(times[WARM_UP_ROUNDS:]), sorted(trips))


def print_figures(times: list[float], trips: list[float]) -> None:
    """Print median, 99th percentile and maximum in milliseconds, and how many round trips the median is worth."""
    print(f"{'':22}{'median ms':>12}{'p99 ms':>10}{'max ms':>10}")
    for name, values in (("refresh to alert", times), ("{ __typename }", trips)):
        p99 = values[min(len(values) - 1, int(len(values) * 0.99))]
        print(f"{name:22}{statistics.median(values) * 1000:12.1f}{p99 * 1000:10.1f}{values[-1] * 1000:10.1f}")
    print(f"one alert takes {statistics.median(times) / statistics.median(trips):.0f} round trips")


if __name__ == "__main__":
    asyncio.run(main())
