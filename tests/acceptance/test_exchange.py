"""Answers that go out in one write: the same to the byte as those that go the ordinary way, on connections of any kind."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from urllib.parse import urlsplit

import pytest

from mintql import app
from mintql.api import requests
from mintql.api.exchange import written
from mintql.observing import metrics
from support.clients import eventually
from support.metrics import Moves
from support.servers import serving

ORIGIN = "https://budget.example.org"
TYPENAME = {"query": "{ __typename }"}
READ_SECONDS_MAX = 10
WHOLE = {"data": {"__typename": "Query"}}


def request(body=TYPENAME, method="POST", **headers):
    content = b"" if method == "HEAD" else json.dumps(body).encode()
    named = {"host": "localhost", "content-type": "application/json", "content-length": str(len(content)), **headers}
    lines = [f"{method} /graphql HTTP/1.1", *(f"{name.replace('_', '-')}: {value}" for name, value in named.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


class Line:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def send(self, *pieces, pause=0.0):
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(pause)

    async def answer(self, *, with_body=True):
        async with asyncio.timeout(READ_SECONDS_MAX):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            status, *lines = head.strip().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines)
            assert len(headers) == len(lines), "no header comes twice"
            body = await self.reader.readexactly(int(headers["content-length"])) if with_body else b""
        return status, headers, body

    async def ends(self):
        async with asyncio.timeout(READ_SECONDS_MAX):
            return await self.reader.read() == b""


@pytest.fixture
async def line(server):
    opened = await connected(server)
    yield opened
    opened.writer.close()


async def connected(server):
    parts = urlsplit(server.url)
    return Line(*await asyncio.open_connection(parts.hostname, parts.port))


async def test_requests_on_one_connection_are_answered_in_their_order(line):
    await line.send(request({"query": "{ a: __typename }"}) + request({"query": "{ b: __typename }"}) + request())
    found = [json.loads((await line.answer())[2])["data"] for _ in range(3)]
    assert found == [{"a": "Query"}, {"b": "Query"}, {"__typename": "Query"}]


async def test_a_body_that_comes_in_pieces_is_put_together(line):
    whole = request()
    await line.send(whole[:-20], whole[-20:-3], whole[-3:], pause=0.02)
    assert json.loads((await line.answer())[2]) == WHOLE


async def test_a_head_that_begins_behind_a_large_body_is_not_too_large_by_that(line):
    after = request({"query": "{ after: __typename }"})
    await line.send(request({"query": "{ __typename }" + " " * 100_000}) + after[:20], after[20:], pause=0.02)
    found = [json.loads((await line.answer())[2])["data"] for _ in range(2)]
    assert found == [{"__typename": "Query"}, {"after": "Query"}]


async def test_a_client_that_waits_to_be_told_to_go_on_is_told(line):
    head, _, content = request(expect="100-continue").partition(b"\r\n\r\n")
    await line.send(head + b"\r\n\r\n")
    async with asyncio.timeout(READ_SECONDS_MAX):
        assert await line.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    await line.send(content)
    assert json.loads((await line.answer())[2]) == WHOLE


async def test_a_connection_that_is_to_end_ends_after_the_answer(line):
    await line.send(request(connection="close"))
    _, headers, body = await line.answer()
    assert (headers["connection"], json.loads(body)) == ("close", WHOLE)
    assert await line.ends()


async def test_a_body_that_does_not_come_ends_the_connection(line, monkeypatch):
    monkeypatch.setattr(requests, "BODY_SECONDS_MAX", 0.1)
    await line.send(request()[:-3])
    status, headers, _ = await line.answer()
    assert (status, headers["connection"]) == ("HTTP/1.1 408 Request Timeout", "close")
    assert await line.ends()


async def test_a_head_is_answered_without_a_body(line):
    await line.send(request(method="HEAD") + request())
    status, headers, _ = await line.answer(with_body=False)
    assert (status, headers["allow"]) == ("HTTP/1.1 405 Method Not Allowed", "GET, POST")
    assert json.loads((await line.answer())[2]) == WHOLE


async def test_a_client_that_leaves_before_all_its_answers_is_no_fault(line, owner, monkeypatch, caplog):
    async def waits():
        return await owner.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )

    monkeypatch.setattr(logging.getLogger("uvicorn"), "propagate", True)
    answers = Moves(metrics.RESPONSES)
    async with owner.transaction():
        await owner.execute("LOCK TABLE sessions")
        await line.send(request() + request(authorization="Bearer nobody's") + request())
        await eventually(waits)
        line.writer.transport.abort()
        await asyncio.sleep(0.1)
    await eventually(lambda: answers(metrics.RESPONSES, "200") == 2)
    assert not caplog.records


@pytest.mark.parametrize("body", [TYPENAME, {"query": "{"}, {"query": "{ viewer { id } }"}, ["no object"]])
async def test_both_ways_say_the_same(settings, body):
    chosen = settings.model_copy(update={"allowed_origins": (ORIGIN,)})
    async with serving(app.create_app(chosen)) as server:
        opened = await connected(server)
        await opened.send(request(body))
        at_once = await opened.answer()
        await opened.send(request(body, origin=ORIGIN))
        in_messages = await opened.answer()
        opened.writer.close()
    across = {name for name in in_messages[1] if name.startswith("access-control")}
    assert {"access-control-allow-origin", "access-control-allow-credentials"} <= across
    assert at_once[0] == in_messages[0]
    assert at_once[2] == in_messages[2]
    for answer in (at_once, in_messages):
        assert re.fullmatch(r"[0-9a-f]+-[0-9a-f]+", answer[1].pop("x-request-id"))
        answer[1].pop("ratelimit", None)  # The second has less left.
        answer[1].pop("date")
    in_messages[1]["vary"] = "accept"
    assert at_once[1] == {name: value for name, value in in_messages[1].items() if name not in across}
    assert at_once[1]["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


def test_a_header_with_a_line_end_is_not_sent():
    assert written([(b"one", b"1"), (b"two", b"2")]) == b"one: 1\r\ntwo: 2\r\n"
    for value in (b"1\r\nset-cookie: x", b"1\n", b"\r"):
        with pytest.raises(ValueError, match="line end"):
            written([(b"one", value)])
