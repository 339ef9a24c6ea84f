"""docs/api.md: its examples work as they stand, from top to bottom, and it leaves nothing out."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
from graphql import FieldNode
from websockets.asyncio.client import connect

from mintql.api import caching, errors, http, limits, nodes, paging, requests, websocket
from mintql.api.nodes import encode_id, split_id
from mintql.api.schema import build_schema
from mintql.domain.categories import OWN_ID_MIN
from mintql.domain.errors import Failure
from mintql.domain.months import MONTHS_PER_RANGE_MAX
from mintql.services import alerts, category_changes, connections, sync, transactions
from mintql.services.choices import RECATEGORIZED_MAX
from mintql.services.purging import EVENTS_KEPT_DAYS
from mintql.settings import Settings
from support.clients import Client, client_of, eventually
from support.examples import Example, fill, matching, read_examples
from support.local import local_client
from support.people import category
from support.repository import ROOT
from support.streams import has_begun, streams

PAGE = (ROOT / "docs" / "api.md").read_text()
EXAMPLES = read_examples(PAGE)
PATIENCE_SECONDS = 60
SHELL_SECONDS = 60


class Reader:
    """Works through the examples as one person. Subscriptions stay open; queries wait for what they show."""

    def __init__(self, server, http: httpx.AsyncClient, folder: str, stranger: Client) -> None:
        self.server = server
        self.stranger = stranger
        self.tried: set[str] = set()
        self.folder = folder
        self.http = http
        self.known = {
            "email": "ada@example.org",
            "password": "correct horse battery",
            "month": f"{datetime.now(UTC):%Y-%m}",
            "today": f"{datetime.now(UTC):%Y-%m-%d}",
            "soon": f"{datetime.now(UTC) + timedelta(days=40):%Y-%m-%d}",
            "restaurantsId": encode_id("Category", category("restaurants")),
            "foodId": encode_id("Category", category("food-and-dining")),
        }
        self.following: list[asyncio.Task[None]] = []

    @property
    def authorization(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.known['token']}"} if "token" in self.known else {}

    async def work_through(self, example: Example) -> None:
        if example.kind == "sh":
            await self.run_shell(example)
        elif example.kind == "subscription":
            earlier = streams(self.server)
            following = asyncio.create_task(self.follow(example, fill(example.variables, self.known)))
            self.following.append(following)
            # The page opens a subscription before it makes something happen.
            await eventually(lambda: following.done() or any(map(has_begun, self.streams_since(earlier))))
        else:
            if example.kind == "query":
                await asyncio.gather(*self.following)
            await self.ask(example)

    def streams_since(self, earlier: list[Any]) -> list[Any]:
        return [stream for stream in streams(self.server) if stream not in earlier]

    async def ask(self, example: Example) -> None:
        body = {"query": example.text, "variables": fill(example.variables, self.known)}
        if example.file is None:
            answer = await self.http.post("/graphql", json=body, headers=self.authorization)
        else:
            form = {"operations": orjson.dumps(body).decode(), "map": '{"0": ["variables.file"]}'}
            files = {"0": (example.file[0], example.file[1].encode())}
            answer = await self.http.post("/graphql", data=form, files=files, headers=self.authorization)
        wrong = matching(example, _comparable(answer.json()), self.known)
        assert not wrong, f"{example.text}{body['variables']}\n{wrong}\n{answer.text[:2000]}"
        await self.try_as_a_stranger(answer.text)

    async def try_as_a_stranger(self, answer: str) -> None:
        """Let somebody else ask for every node whose id is told here for the first time."""
        new = [name for name in set(re.findall(r'"([A-Za-z0-9+/_-]{8,}={0,2})"', answer)) - self.tried if _is_own(name)]
        self.tried.update(new)
        for start in range(0, len(new), limits.ALIASES_MAX):
            some = new[start : start + limits.ALIASES_MAX]
            fields = " ".join(
                f"a{number}: node(id: {orjson.dumps(name).decode()}) {{ id }}" for number, name in enumerate(some)
            )
            found = await self.stranger.ask(f"{{ {fields} }}")
            assert {name: node for name, node in zip(some, found.values(), strict=True) if node is not None} == {}

    async def follow(self, example: Example, variables) -> None:
        """Read items until one looks as shown."""
        async with (
            asyncio.timeout(PATIENCE_SECONDS),
            connect(f"{self.server.ws_url}/graphql", subprotocols=["graphql-transport-ws"], max_size=None) as socket,
        ):
            await socket.send(orjson.dumps({"type": "connection_init", "payload": self.authorization}).decode())
            assert orjson.loads(await socket.recv())["type"] == "connection_ack"
            payload = {"query": example.text, "variables": variables}
            await socket.send(orjson.dumps({"type": "subscribe", "id": "1", "payload": payload}).decode())
            async for text in socket:
                message = orjson.loads(text)
                if message["type"] == "next" and not matching(example, message["payload"], self.known):
                    return
                assert message["type"] in ("next", "ping"), message
        raise AssertionError(f"the stream ended before it gave what is shown: {example.text}")

    async def run_shell(self, example: Example) -> None:
        await asyncio.gather(*self.following)
        if shutil.which("curl") is None:
            return
        environment = {
            "PATH": os.environ["PATH"],
            "API": self.server.url,
            "TOKEN": self.known.get("token", ""),
            "CURSOR": self.known.get("oldestCursor", ""),
            "TMPDIR": self.folder,
        }
        process = await asyncio.create_subprocess_exec(
            "sh", "-euc", example.text, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        output, complaints = await asyncio.wait_for(process.communicate(), SHELL_SECONDS)
        assert process.returncode == 0, complaints.decode()
        assert b'"data":' in output
        assert b'"errors"' not in output


def _is_own(name: str) -> bool:
    """Tell whether a text is the id of a node that is somebody's alone: most categories are everybody's."""
    try:
        kind, number = split_id(name)
    except Failure:
        return False
    return kind != "Category" or number >= OWN_ID_MIN


def _comparable(answer):
    """Without what only describes where in the text an error is."""
    for error in answer.get("errors", ()):
        error.pop("locations", None)
        error.pop("path", None)
    return answer


async def test_the_examples_work_from_top_to_bottom(bank, server, worker, tmp_path):
    purchase = {"amount": "-284.20", "description": "WHOLEFDS MDF 10380"}
    (await bank.control.post("/control/ada/purchases", json=purchase)).raise_for_status()
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(local_client(base_url=server.url, timeout=PATIENCE_SECONDS))
        stranger = await stack.enter_async_context(client_of(server))
        await stranger.sign_up("stranger@example.org")
        reader = Reader(server, client, str(tmp_path), stranger)
        for example in EXAMPLES:
            await reader.work_through(example)
        await asyncio.gather(*reader.following)
    assert len(EXAMPLES) > 30
    kinds = {split_id(name)[0] for name in reader.tried}
    assert kinds >= nodes._loaders.keys() - {"TransactionMatch"}  # Of which the examples show none.


def test_every_operation_of_the_schema_has_an_example():
    shown: dict[str, set[str]] = {"query": set(), "mutation": set(), "subscription": set()}
    for example in EXAMPLES:
        if example.language == "graphql":
            assert example.answers, f"no answer is shown for {example.text}"
            fields = example.operation.selection_set.selections
            shown[example.kind] |= {node.name.value for node in fields if isinstance(node, FieldNode)}
    schema = build_schema()._schema
    assert shown["query"] == set(schema.query_type.fields)
    assert shown["mutation"] == set(schema.mutation_type.fields)
    assert shown["subscription"] == set(schema.subscription_type.fields)


def test_every_code_of_a_failure_is_explained():
    def below(kind):
        return {kind.code}.union(*(below(inner) for inner in kind.__subclasses__()))

    ours = [kind for kind in Failure.__subclasses__() if kind.__module__ == Failure.__module__]
    codes = set().union(*map(below, ours))
    codes |= {errors.BAD_USER_INPUT, errors.UNAUTHENTICATED, errors.PARSE_FAILED, errors.INTERNAL}
    codes |= {limits.TOO_COMPLEX, requests.BAD_REQUEST, "FORBIDDEN_ORIGIN", "DISCONNECTED"}
    assert len(codes) > 20
    assert {code for code in codes if f"`{code}`" not in PAGE} == set()


def test_the_limits_are_those_of_the_code():
    table = dict(re.findall(r"^\| ([^|]+) \| ([\d,]+) \|$", PAGE, re.MULTILINE))
    assert sorted(int(number.replace(",", "")) for number in table.values()) == sorted(
        [
            paging.PAGE_SIZE_MAX, requests.BODY_BYTES_MAX, limits.TOKENS_MAX, limits.DEPTH_MAX, limits.FIELDS_MAX,
            limits.ALIASES_MAX, limits.DIRECTIVES_MAX, limits.FRAGMENTS_MAX, limits.SAME_KEY_MAX, limits.MUTATIONS_MAX,
            limits.COST_MAX, http.OPERATIONS_PER_SOCKET_MAX, RECATEGORIZED_MAX, transactions.FILTER_IDS_MAX,
            Settings().sockets_per_person, Settings().streams_per_person, MONTHS_PER_RANGE_MAX, connections.CONNECTIONS_MAX, category_changes.OWN_MAX,
        ]
    )  # fmt: skip


def test_the_numbers_in_the_text_are_those_of_the_code():
    for words in (
        f"{paging.PAGE_SIZE_DEFAULT} unless given, {paging.PAGE_SIZE_MAX} at most",
        f"counts as {limits.LIST_SIZE_ASSUMED} items",
        f"{Settings().refresh_pause_seconds} seconds after one that",
        f"(seen within {sync.ACTIVE_DAYS} days)",
        f"ended more than {alerts.GRACE_DAYS} days ago",
        f"within {http.CONNECTION_INIT_SECONDS_MAX} seconds",
        f"{websocket.GOING_AWAY} | this server goes away",
        f"kept for {EVENTS_KEPT_DAYS} days",
    ):
        assert words in " ".join(PAGE.split()), words


def test_the_operations_said_to_be_cached_are():
    (sentence,) = re.findall(r"^Answers to (.+?) are\s+kept", PAGE, re.DOTALL | re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", sentence)) == caching.CACHEABLE_FIELDS - {"__typename"}
