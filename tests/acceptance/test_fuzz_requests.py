"""Whatever comes over the wire, HTTP or WebSocket, is answered or refused: never an error of ours, a hang or an end.

Documents are those of docs/api.md, tampered with. The same examples every time; `./dev fuzz` looks for new ones.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
import websockets
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from support.clients import RESPONSE_JSON, client_of
from support.examples import read_examples
from support.mutations import PIECES, mutated, mutated_json
from support.repository import ROOT

TIMES = 10 if os.environ.get("MINTQL_HYPOTHESIS") == "search" else 1
PATIENCE_SECONDS = 30
STATUSES = {200, 400, 401, 403, 405, 406, 413, 415, 422, 429}
CLOSE_CODES = {1000, 1001, 1002, 1003, 1006, 1007, 1009, 4400, 4401, 4403, 4406, 4408, 4409, 4429}
ENDING = ("signOut", "deleteAccount", "revokeSession")
"""What would leave the others without a session."""

EXAMPLES = [
    {"query": found.text, "variables": found.variables}
    for found in read_examples((ROOT / "docs" / "api.md").read_text())
    if found.language == "graphql" and not any(word in found.text for word in ENDING)
]
WORDS = re.compile(r"\w+|\.\.\.|\"[^\"]*\"|[^\s\w]")
ODD_WORDS = (
    "{", "}", "(", ")", "[", "]", "$", "@", "!", ":", "...", "on", "null", "true", "-1", "1e999", "99999999999999999999",
    '""', '"\\u0000"', '"\\ud800"', '"""', "#", "\ufeff", "\0", "__typename", "__schema", "__type", "fragment", "query",
    "mutation", "subscription", "@skip(if: true)", "@include(if: $x)", "@defer", "@stream", "x: id", "id", "node", "edges",
)  # fmt: skip
CHOSEN = {"phases": [Phase.explicit, Phase.generate], "suppress_health_check": list(HealthCheck)}


@st.composite
def documents(draw):
    """A document of the page with some of its words changed."""
    words = WORDS.findall(draw(st.sampled_from(EXAMPLES))["query"])
    for _ in range(draw(st.integers(1, 5))):
        place = draw(st.integers(0, len(words) - 1))
        match draw(st.integers(0, 4)):
            case 0:
                words[place] = draw(st.sampled_from(ODD_WORDS))
            case 1:
                words.insert(place, draw(st.sampled_from(ODD_WORDS)))
            case 2:
                del words[place : place + draw(st.sampled_from((1, 1, 3)))]
            case 3:
                words[place:place] = words[place : place + 12] * draw(st.sampled_from((1, 20)))
            case _:
                other = WORDS.findall(draw(st.sampled_from(EXAMPLES))["query"])
                words[place] = draw(st.sampled_from(other))
        words = words or ["{"]
    return " ".join(words)


ASKS = st.sampled_from(EXAMPLES)
HEADERS = {
    "accept": st.sampled_from(
        ["*/*", RESPONSE_JSON, "application/json", "text/event-stream", "text/html", "multipart/mixed", ";", "a/b;q=x", "," * 50]
    ),
    "content-type": st.sampled_from(
        ["application/json", "application/json; charset=utf-16", "multipart/form-data; boundary=a", "multipart/form-data",
         "application/graphql", "text/plain", "", "application/json;;;"]
    ),
}  # fmt: skip


@pytest.fixture
async def client(server, caplog):
    async with client_of(server) as opened:
        await opened.sign_up()
        with caplog.at_level(logging.ERROR):
            yield opened
        assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def check(response):
    assert response.status_code in STATUSES, response.text
    assert "INTERNAL_SERVER_ERROR" not in response.text


async def send(client, content, *, signed_in=True, **headers):
    """Post a body, and read the answer, which may be a stream without an end."""
    own = client.headers() if signed_in else {}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with asyncio.timeout(PATIENCE_SECONDS):
        async with client.http.stream(
            "POST",
            client.url,
            content=content,
            headers={"accept": RESPONSE_JSON, "content-type": "application/json"} | own | named,
        ) as response:
            if response.headers["content-type"].startswith("text/event-stream"):
                assert response.status_code == 200
                return
            await response.aread()
            check(response)


@settings(max_examples=70 * TIMES, **CHOSEN)
@given(document=documents(), ask=ASKS, signed_in=st.booleans())
async def test_documents_that_were_tampered_with(client, document, ask, signed_in):
    await send(client, json.dumps({"query": document, "variables": ask["variables"]}), signed_in=signed_in)


@settings(max_examples=40 * TIMES, **CHOSEN)
@given(body=mutated_json(ASKS), signed_in=st.booleans())
async def test_requests_that_were_tampered_with(client, body, signed_in):
    await send(client, body, signed_in=signed_in)


@settings(max_examples=50 * TIMES, **CHOSEN)
@given(
    body=mutated(ASKS.map(lambda ask: json.dumps(ask).encode())) | st.binary(max_size=60),
    headers=st.fixed_dictionaries(HEADERS),
)
async def test_bodies_and_headers_of_all_sorts(client, body, headers):
    await send(client, body, **{name.replace("-", "_"): value for name, value in headers.items()})


PARAMETERS = st.dictionaries(
    st.sampled_from(["query", "variables", "operationName", "extensions", "x"]),
    st.text(max_size=20) | documents() | mutated_json(ASKS).map(lambda body: body.decode(errors="replace")),
    max_size=4,
)


@settings(max_examples=40 * TIMES, **CHOSEN)
@given(parameters=PARAMETERS)
async def test_parameters_in_the_address(client, parameters):
    safe = {name: value.encode("utf-8", "replace").decode() for name, value in parameters.items()}
    async with asyncio.timeout(PATIENCE_SECONDS):
        check(await client.http.get(client.url, params=safe, headers={"accept": RESPONSE_JSON} | client.headers()))


REQUEST = (
    b"POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\naccept: application/json\r\n"
    b'content-length: 24\r\n\r\n{"query":"{__typename}"}'
)
HANDSHAKE = (
    b"GET /graphql HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: graphql-transport-ws\r\n\r\n"
)
FRAMES = HANDSHAKE + b"\x81\x9b\0\0\0\0" + b'{"type": "connection_init"}'


@settings(max_examples=40 * TIMES, **CHOSEN)
@given(content=mutated(st.sampled_from([REQUEST, HANDSHAKE, FRAMES])))
async def test_bytes_that_are_hardly_http(client, content):
    place = urlsplit(client.url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        with suppress(ConnectionError):
            writer.write(content)
            await writer.drain()
            writer.write_eof()
            async with asyncio.timeout(PATIENCE_SECONDS):
                answer = await reader.read(12)
            assert not answer.startswith(b"HTTP/1.1 5"), answer
    finally:
        writer.close()
    check(await client.post("{ __typename }"))


MESSAGES = mutated_json(
    st.sampled_from(
        [
            {"type": "connection_init", "payload": {"authorization": "Bearer x", "share": "x"}},
            {"type": "ping", "payload": {"a": 1}},
            {"type": "pong"},
            {"type": "complete", "id": "1"},
            {"type": "next", "id": "1", "payload": {}},
        ]
    )
    | ASKS.map(lambda ask: {"type": "subscribe", "id": "1", "payload": ask})
    | st.just({"type": "subscribe", "id": "2", "payload": {"query": "subscription { budgetAlerts { cursor } }"}})
)


@settings(max_examples=40 * TIMES, **CHOSEN)
@given(
    messages=st.lists(MESSAGES | st.binary(max_size=20) | st.sampled_from(PIECES), min_size=1, max_size=5),
    as_text=st.booleans(), begun=st.booleans(),
)  # fmt: skip
async def test_messages_over_a_websocket(client, messages, as_text, begun):
    async with asyncio.timeout(PATIENCE_SECONDS):
        async with websockets.connect(client.ws_url, subprotocols=["graphql-transport-ws"]) as socket:
            with suppress(websockets.ConnectionClosed):
                if begun:
                    payload = {"authorization": f"Bearer {client.token}"}
                    await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
                for message in messages:
                    await socket.send(message.decode(errors="replace") if as_text else message)
                # It is answered when everything before it has been looked at, unless the socket was closed by then.
                await socket.send(json.dumps({"type": "ping", "payload": {"last": True}}))
                async for told in socket:
                    said = json.loads(told)
                    assert "INTERNAL_SERVER_ERROR" not in told
                    if said == {"type": "pong", "payload": {"last": True}} or said["type"] == "pong":
                        break
        assert socket.close_code in CLOSE_CODES, (socket.close_code, socket.close_reason)
    check(await client.post("{ __typename }"))
