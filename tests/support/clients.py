"""Clients that speak to the API as any client does: GraphQL over HTTP, and graphql-transport-ws."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import websockets

from support.local import local_client

PASSWORD = "correct horse battery"
RESPONSE_JSON = "application/graphql-response+json"
SIGN_UP = """
mutation SignUp($email: String!, $password: String!) {
  signUp(email: $email, password: $password, name: "Ada") {
    __typename
    ... on SignInSuccess { token viewer { id email } }
    ... on Error { code message field }
  }
}
"""
CONNECT = """
mutation Connect($login: String!, $password: String!) {
  connectInstitution(institutionId: "sandbox", login: $login, password: $password) {
    __typename
    ... on ConnectionRunSuccess { connection { id status } run { id state } }
    ... on InstitutionError { code message action retryable }
    ... on Error { code message field }
  }
}
"""

PATIENCE_SECONDS = 30
"""How long to wait for what is to happen: it costs time only where it does not, and a busy machine takes its time."""

_serial = itertools.count(1)


async def eventually(condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    """Wait until a condition, plain or async, gives something true; return that."""
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            if found is not None and hasattr(found, "__await__"):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.02)


class Client:
    """A GraphQL client of one person, or of nobody while `token` is None; `app` is what it asks, as `HttpServer` has it."""

    def __init__(self, http: httpx.AsyncClient, url: str, app: Any = None) -> None:
        self.http = http
        self.app = app
        self.url = url + "/graphql"
        self.ws_url = self.url.replace("http://", "ws://", 1)
        self.token: str | None = None

    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"} if self.token else {}

    async def post(self, query: str, variables: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post(
            self.url,
            json={"query": query, "variables": variables},
            headers={"accept": RESPONSE_JSON} | self.headers() | named,
        )

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Ask what has to work; return the data."""
        answer = (await self.post(query, variables)).json()
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    async def refusal(self, query: str, **variables: Any) -> dict[str, Any]:
        """Ask what has to fail with one error; return that error."""
        (error,) = (await self.post(query, variables)).json()["errors"]
        return error

    async def sign_up(self, email: str | None = None, password: str = PASSWORD) -> dict[str, Any]:
        email = email or f"ada{next(_serial)}@example.org"
        result = (await self.ask(SIGN_UP, email=email, password=password))["signUp"]
        self.token = result["token"]
        return result["viewer"]

    async def connect(self, login: str = "ada", password: str = "sandbox") -> dict[str, Any]:
        return (await self.ask(CONNECT, login=login, password=password))["connectInstitution"]


@asynccontextmanager
async def client_of(server: Any):
    async with local_client() as http:
        yield Client(http, server.url, server.app)


class Socket:
    """A WebSocket that speaks graphql-transport-ws; the connection is acknowledged already."""

    def __init__(self, raw: websockets.ClientConnection) -> None:
        self.raw = raw

    async def send(self, message: dict[str, Any]) -> None:
        await self.raw.send(json.dumps(message))

    async def receive(self, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        async with asyncio.timeout(seconds):
            return json.loads(await self.raw.recv())

    async def subscribe(self, query: str, operation_id: str = "1", **variables: Any) -> None:
        await self.send({"id": operation_id, "type": "subscribe", "payload": {"query": query, "variables": variables}})

    async def next(self, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """Return the data of the next item."""
        message = await self.receive(seconds)
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        return message["payload"]["data"]

    async def closed(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Return the code the server closes with."""
        async with asyncio.timeout(seconds):
            await self.raw.wait_closed()
        return self.raw.close_code

    async def is_silent(self, seconds: float) -> bool:
        try:
            await self.receive(seconds)
        except TimeoutError:
            return True
        return False


@asynccontextmanager
async def raw_socket(url: str, **headers: str):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with websockets.connect(url, subprotocols=["graphql-transport-ws"], additional_headers=named) as raw:
        yield Socket(raw)


@asynccontextmanager
async def socket_of(client: Client):
    """A WebSocket of the client's person."""
    async with raw_socket(client.ws_url) as socket:
        payload = {"authorization": f"Bearer {client.token}"} if client.token else {}
        await socket.send({"type": "connection_init", "payload": payload})
        assert await socket.receive() == {"type": "connection_ack"}
        yield socket
