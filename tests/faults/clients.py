"""The persons of a run: real HTTP and graphql-transport-ws, through links that break, noting what they were told.

A `Person` does things again and again and keeps a history of what was acknowledged and of what nobody knows the outcome
of, as Jepsen's clients do. A `Subscriber` follows that person's streams, is cut off, and comes back with its cursors.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import httpx
import websockets

from faults.facts import Once, Register
from faults.stack import Stack

TIMEOUT_SECONDS = 30
"""No answer takes as long, whatever a server has lost: more counts as one that hangs."""
PAUSE_SECONDS = (0.05, 0.6)
PASSWORD = "correct horse battery"
CHOICES = (601, 602, 604)
BUDGETS = (601, 602)
"""Groceries and restaurants."""
NOTES = 4
TRIES_MAX = 4
ACTIONS = {"buy": 4, "bank": 2, "refresh": 5, "note": 4, "choose": 3, "limit": 1, "rule": 2, "read": 3}
"""What persons do, and how often against the others."""
OLD_DAYS = 5
"""Rows that are posted for as long are not touched by the bank any more."""

SIGN_UP = """mutation ($email: String!, $password: String!) {
  signUp(email: $email, password: $password, name: "Ada") {
    __typename ... on SignInSuccess { token viewer { id } } ... on Error { code message } } }"""
CONNECT = """mutation ($login: String!) {
  connectInstitution(institutionId: "sandbox", login: $login, password: "sandbox") {
    __typename ... on ConnectionRunSuccess { connection { id } } ... on Error { code message } } }"""
LOG_IN = """mutation ($id: ID!, $login: String!) {
  updateCredentials(id: $id, login: $login, password: "sandbox") { __typename ... on Error { code message } } }"""
REFRESH = "mutation ($id: ID!) { refreshConnection(id: $id) { __typename ... on Error { code message } } }"
STATE = "{ connections { id status sync { latestRun { id state } } } }"
PAGE = "{ transactions(first: 60) { nodes { id postedOn pending amount { amount } category { id } } } }"
SUMMARY = (
    "{ viewer { id } budgetAlerts(first: 5) { nodes { id percentUsed } } transactions(first: 20) { nodes { id } } }"
)
NOTE = """mutation ($id: ID!, $note: String!) {
  annotateTransaction(id: $id, note: $note) { __typename ... on Error { code message } } }"""
CHOOSE = """mutation ($id: ID!, $category: ID!) {
  recategorize(ids: [$id], categoryId: $category, scope: ONCE) { __typename ... on Error { code message } } }"""
LIMIT = """mutation ($category: ID!, $month: Month!, $limit: MoneyInput!) {
  setBudgetOverride(categoryId: $category, month: $month, limit: $limit, scope: FROM_THIS_MONTH,
    thresholds: [50, 80, 100]) { __typename ... on Error { code message } } }"""
RULE = """mutation ($name: String!, $key: String!) {
  createRule(rule: { name: $name, text: $name, displayName: $name }, idempotencyKey: $key) {
    __typename ... on Error { code message } } }"""
STREAMS = {
    "budgetAlerts": "subscription ($after: Cursor) { budgetAlerts(after: $after) { cursor } }",
    "syncProgress": "subscription ($after: Cursor) { syncProgress(after: $after) { cursor } }",
    "transactionsChanged": "subscription ($after: Cursor) { transactionsChanged(after: $after) { cursor } }",
}
BEGINNINGS = {"budgetAlerts": "alert:0", "syncProgress": "event:0", "transactionsChanged": "event:0"}


def encode(text: str) -> str:
    """Write an id or a cursor as the API does."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def number_of(opaque: str) -> int:
    """Read the number in an id or a cursor."""
    return int(base64.urlsafe_b64decode(opaque + "=" * (-len(opaque) % 4)).decode().rpartition(":")[2])


@dataclass
class Answers:
    """How requests were answered, all clients together."""

    outcomes: Counter[str] = field(default_factory=Counter)
    slowest_seconds: float = 0.0
    hung: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)

    def note(self, outcome: str, seconds: float) -> None:
        """Count one."""
        self.outcomes[outcome] += 1
        self.slowest_seconds = max(self.slowest_seconds, seconds)


@dataclass(eq=False)
class Person:
    """Somebody with a login at the bank and budgets, who uses mintql all the time."""

    stack: Stack
    login: str
    dice: random.Random
    answers: Answers
    http: httpx.AsyncClient
    token: str = ""
    user_id: int = 0
    connection: str = ""
    targets: list[str] = field(default_factory=list)
    registers: dict[tuple[str, str], Register] = field(default_factory=dict)
    once: list[Once] = field(default_factory=list)
    steps: int = 0

    async def ask(self, query: str, **variables: Any) -> tuple[str, dict[str, Any]]:
        """Ask one of the APIs; return `done`, `refused` (an answer says why), `failed` or `unknown`, and the data.

        `unknown`: nobody can tell whether a mutation was done.
        """
        number = self.dice.randrange(self.stack.shape.apis)
        link = self.stack.links[f"clients>api-{number}"]
        began, disturbed = time.monotonic(), link.mode != "open"
        try:
            answer = await self.http.post(
                self.stack.api_url(number) + "/graphql",
                json={"query": query, "variables": variables},
                headers={"authorization": f"Bearer {self.token}"} if self.token else {},
            )
            body = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            seconds = time.monotonic() - began
            self.answers.note("no answer", seconds)
            member = self.stack.members[f"api-{number}"]
            if isinstance(error, httpx.ReadTimeout) and not disturbed and link.mode == "open" and not member.disturbed:
                self.answers.hung.append(
                    f"{self.login}: no answer from api-{number} in {seconds:.0f} s to {query[:50]!r}"
                )
            return "unknown", {}
        outcome, data = self._judge(answer, body)
        self.answers.note(outcome, time.monotonic() - began)
        return outcome, data

    def _judge(self, answer: httpx.Response, body: Any) -> tuple[str, dict[str, Any]]:
        if not isinstance(body, dict) or not ({"data", "errors"} & body.keys()):
            self.answers.odd.append(f"status {answer.status_code}: {answer.text[:200]}")
            return "unknown", {}
        if body.get("errors"):
            codes = {(error.get("extensions") or {}).get("code") for error in body["errors"]}
            if codes == {"ALREADY_APPLIED"}:
                return "done", {}
            if None in codes:
                self.answers.odd.append(f"an error without a code: {answer.text[:300]}")
            return "unknown", {}
        data: dict[str, Any] = body["data"]
        for result in data.values():
            if isinstance(result, dict) and "code" in result:
                return "refused", result
        return "done", data

    async def settle_in(self, month: date) -> None:
        """Sign up, connect, and set budgets, while all is well."""
        email = f"{self.login}@example.org"
        _, data = await self.ask(SIGN_UP, email=email, password=PASSWORD)
        self.token = data["signUp"]["token"]
        self.user_id = number_of(data["signUp"]["viewer"]["id"])
        outcome, data = await self.ask(CONNECT, login=self.login)
        if outcome != "done":
            raise RuntimeError(f"{self.login} could not connect: {data}")
        self.connection = data["connectInstitution"]["connection"]["id"]
        for category in BUDGETS:
            await self._limit(category, month)

    async def choose_targets(self, today: date) -> bool:
        """Note some transactions to write on, once there are any."""
        _, data = await self.ask(PAGE)
        rows = data.get("transactions", {}).get("nodes", [])
        old = [
            row["id"]
            for row in rows
            if not row["pending"] and date.fromisoformat(row["postedOn"]) < today - timedelta(days=OLD_DAYS)
        ]
        self.targets = old[:NOTES]
        return len(self.targets) == NOTES

    async def live(self, stopped: asyncio.Event, month: date) -> None:
        """Do one thing after the other until told to stop."""
        while not stopped.is_set():
            await asyncio.sleep(self.dice.uniform(*PAUSE_SECONDS))
            await self.step(month)

    async def step(self, month: date, action: str = "") -> None:
        """Do one thing: the one that is named, or else one that is drawn."""
        self.steps += 1
        match action or self.dice.choices(list(ACTIONS), list(ACTIONS.values()))[0]:
            case "buy":
                amount = f"-{self.dice.randrange(5, 90)}.{self.dice.randrange(100):02}"
                text = self.dice.choice(("WHOLEFDS MDF 10380", "TST* OSTERIA ROMA", "STARBUCKS STORE 0114"))
                pending = self.dice.random() < 0.4
                await self._bank("POST", "purchases", {"amount": amount, "description": text, "pending": pending})
            case "bank":
                name = self.dice.choice(("changed_amount", "removed_row", "readded_row", "pending_to_posted"))
                await self._bank(
                    "PUT", "scenario", {"name": name, "percent": 20} if "pending" in name else {"name": name}
                )
            case "refresh":
                await self.ask(REFRESH, id=self.connection)
            case "note" if self.targets:
                target, text = self.dice.choice(self.targets), f"note {self.steps} of {self.login}"
                await self._set(("note", target), text, NOTE, id=target, note=text)
            case "choose" if self.targets:
                target, category = self.dice.choice(self.targets), self.dice.choice(CHOICES)
                await self._set(
                    ("category", target), category, CHOOSE, id=target, category=encode(f"Category:{category}")
                )
            case "limit":
                await self._limit(self.dice.choice(BUDGETS), month)
            case "rule":
                name = f"rule {self.steps} of {self.login}"
                await self._once(name)
            case _:
                await self.ask(SUMMARY)

    async def _once(self, name: str) -> None:
        """Make a rule; ask again with the same key while nobody knows what became of it, and now and then afterwards."""
        made = Once(self.login, name, acknowledged=False, found=0, keyed=True)
        self.once.append(made)
        for _ in range(TRIES_MAX):
            outcome, _ = await self.ask(RULE, name=name, key=name)
            made.acknowledged = made.acknowledged or outcome == "done"
            if outcome == "refused" or (outcome == "done" and self.dice.random() < 0.5):
                return

    async def _limit(self, category: int, month: date) -> None:
        amount = self.dice.randrange(20, 600)
        await self._set(
            ("limit", str(category)), amount * 100, LIMIT, category=encode(f"Category:{category}"),
            month=f"{month:%Y-%m}", limit={"amount": f"{amount}.00", "currency": "USD"},
        )  # fmt: skip

    async def _set(self, key: tuple[str, str], value: Any, query: str, **variables: Any) -> None:
        """Write a register; what was acknowledged is what it has to hold from then on."""
        register = self.registers.setdefault(
            key, Register(self.login, " of ".join(key), is_choice=key[0] == "category")
        )
        outcome, _ = await self.ask(query, **variables)
        if outcome == "done":
            register.acknowledged = value
        elif outcome == "unknown":
            register.unknown.append(value)

    async def _bank(self, method: str, path: str, body: dict[str, Any]) -> None:
        """Let something happen at the bank, past all links; what it cannot do, such as without a row, it leaves."""
        with suppress(httpx.HTTPError):
            await self.stack.http.request(method, f"{self.stack.bank_url}/control/{self.login}/{path}", json=body)

    async def recover(self) -> None:
        """Do what a person does when all is well again: log in anew where that is wanted, and refresh."""
        _, data = await self.ask(STATE)
        for connection in data.get("connections", []):
            if connection["status"] != "ACTIVE":
                await self.ask(LOG_IN, id=connection["id"], login=self.login)
            await self.ask(REFRESH, id=connection["id"])


@dataclass(eq=False)
class Subscriber:
    """Follows all streams of a person, by one socket after the other."""

    person: Person
    dice: random.Random
    heard: dict[str, list[int]] = field(default_factory=lambda: {name: [] for name in STREAMS})
    cursors: dict[str, str] = field(default_factory=lambda: {name: encode(text) for name, text in BEGINNINGS.items()})
    sockets: int = 0
    restless: bool = True
    """Whether it cuts itself off now and then, and reads slowly."""

    async def follow(self) -> None:
        """Follow until cancelled."""
        while True:
            with suppress(OSError, websockets.WebSocketException, TimeoutError, ValueError):
                await self._one_socket()
            await asyncio.sleep(self.dice.uniform(0.1, 1.0))

    async def _one_socket(self) -> None:
        number = self.dice.randrange(self.person.stack.shape.apis)
        url = self.person.stack.api_url(number).replace("http", "ws", 1) + "/graphql"
        self.sockets += 1
        async with websockets.connect(
            url, subprotocols=["graphql-transport-ws"], open_timeout=5, close_timeout=1, ping_interval=3,
            ping_timeout=5, proxy=None,
        ) as raw:  # fmt: skip
            token = {"authorization": f"Bearer {self.person.token}"}
            await raw.send(json.dumps({"type": "connection_init", "payload": token}))
            for name, query in STREAMS.items():
                payload = {"query": query, "variables": {"after": self.cursors[name]}}
                if name == "budgetAlerts":
                    await asyncio.wait_for(raw.recv(), 5)  # The acknowledgement.
                await raw.send(json.dumps({"id": name, "type": "subscribe", "payload": payload}))
            left = self.dice.randrange(5, 60)
            while left or not self.restless:
                message = json.loads(await raw.recv())
                if message["type"] in ("error", "complete") or "errors" in message.get("payload", {}):
                    return  # The server lost what it needs; somebody who comes back goes on.
                if message["type"] == "next":
                    self._hear(message["id"], message["payload"]["data"])
                    left -= 1
                if self.restless and self.dice.random() < 0.05:
                    await asyncio.sleep(self.dice.uniform(0.2, 1.5))
            raw.transport.abort()

    def _hear(self, name: str, data: dict[str, Any]) -> None:
        self.cursors[name] = data[name]["cursor"]
        self.heard[name].append(number_of(self.cursors[name]))


async def eventually(what: str, condition: Callable[[], Any], seconds: float) -> Any:
    """Wait until a condition, plain or async, gives something true, and return that; raise `TimeoutError` otherwise."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if hasattr(found, "__await__"):
            found = await found
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        await asyncio.sleep(0.1)
