"""SimpleFIN servers made of fixed answers: statuses, claims, versions, and what no simulator would say."""

from __future__ import annotations

import base64
import json
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta

import pytest

from mintql.domain.errors import (
    AuthRequired,
    ConsentExpired,
    InstitutionDown,
    InstitutionRateLimited,
    InvalidInput,
    NotReady,
    PaymentRequired,
    ProtocolError,
    WindowTooLarge,
)
from mintql.gateways.http import open_http
from mintql.institutions.base import Credentials, FetchRequest
from mintql.institutions.simplefin import SimpleFinConnector
from mintql.settings import Settings
from support.http_server import serve_raw

MONTH = FetchRequest(date(2026, 10, 24), date(2026, 11, 24))
YEAR = FetchRequest(date(2025, 11, 25), date(2026, 11, 24))
EMPTY = json.dumps({"errors": [], "accounts": []}).encode()
ROW = {"id": "T1", "posted": 1_795_608_000, "amount": "-1.00", "description": "X"}


def held(**more):
    accounts = [{"id": "A1", "name": "A", "currency": "USD", "balance": "1.00", "transactions": [ROW]}]
    return json.dumps({"errors": [], "accounts": accounts} | more).encode()


@asynccontextmanager
async def server(answers):
    """A connector and a server that gives (status line and headers, body) by method and path, and notes what it got."""
    heard = []

    async def answer(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target = head.split()[:2]
        path, _, query = target.partition("?")
        heard.append((method, path, query, head))
        line, body = answers.get(f"{method} {path}", ("404 Not Found", b"no"))
        writer.write(f"HTTP/1.1 {line}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body)

    async with serve_raw(answer) as port:
        url = f"http://127.0.0.1:{port}"
        async with open_http(Settings(sandbox_url=url)) as http:
            yield SimpleFinConnector(http, url), url, heard


def token(url):
    return Credentials("", "", base64.b64encode(f"{url}/claim/t".encode()).decode())


@pytest.mark.parametrize(
    ("line", "body", "failure", "words"),
    [
        ("403 Forbidden", b"", AuthRequired, "somebody else"),
        ("404 Not Found", b"", AuthRequired, "somebody else"),
        ("402 Pay", b"", PaymentRequired, "paid"),
        ("429 Slow", b"", InstitutionRateLimited, "too often"),
        ("500 Oops", b"", InstitutionDown, "out of order"),
        ("302 Found\r\nlocation: http://127.0.0.1/", b"", ProtocolError, "another address"),
        ("418 Teapot", b"", ProtocolError, "status 418"),
        ("200 OK", b"<html>", ProtocolError, "disable it there and make a new one"),
        ("200 OK", b"", ProtocolError, "disable it there and make a new one"),
        ("200 OK", b"http://user:secret@bank.example/simplefin", ProtocolError, "disable it there"),
        ("200 OK", b"https://bank.example/simplefin", ProtocolError, "disable it there"),
        ("200 OK", "https://ü:secret@bank.example/".encode(), ProtocolError, "disable it there"),
        ("200 OK", b"https://user:secret@bank.example/" + b"x" * 3_000, ProtocolError, "disable it there"),
    ],
)
async def test_a_claim_that_fails_says_what_to_do_with_the_token_and_is_sent_once(line, body, failure, words):
    async with server({"POST /claim/t": (line, body)}) as (connector, url, heard):
        with pytest.raises(failure, match=words) as raised:
            await connector.connect(token(url))
    assert type(raised.value) is failure
    assert "secret" not in raised.value.message
    assert [(method, path) for method, path, _, _ in heard] == [("POST", "/claim/t")]
    assert "content-length: 0" in heard[0][3].lower()


async def test_a_claim_that_is_cut_off_warns_that_the_token_may_be_used_up():
    async def hang_up(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhttps://user")

    async with serve_raw(hang_up) as port:
        url = f"http://127.0.0.1:{port}"
        async with open_http(Settings(sandbox_url=url)) as http:
            with pytest.raises(InstitutionDown, match="refused when you try again, disable it there"):
                await SimpleFinConnector(http, url).connect(token(url))


@pytest.mark.parametrize(
    ("info", "version"),
    [
        (("200 OK", b'{"versions": ["1", "2"]}'), "2"),
        (("200 OK", b'{"versions": ["2.0.1"]}'), "2"),
        (("200 OK", b'{"versions": ["1.0-draft"]}'), "1"),
        (("200 OK", b'{"versions": []}'), ""),
        (("200 OK", b'{"versions": 1}'), ""),
        (("200 OK", b"<html>"), ""),
        (("404 No", b""), ""),
        (("500 No", b""), ""),
    ],
)
async def test_the_version_is_the_best_that_both_sides_know(info, version):
    answers = {"GET /simplefin/info": info, "GET /simplefin/accounts": ("200 OK", EMPTY)}
    async with server(answers) as (connector, url, heard):
        access = Credentials(f"{url}/simplefin", "user", "secret")
        kept = await connector.connect(access)
        assert kept == Credentials(access.url, "user", "secret", {"version": version} if version else {})
        _ = [given async for given in connector.fetch(kept, MONTH)]
    asked = [query for _, path, query, _ in heard if path == "/simplefin/accounts"]
    assert asked[0].startswith("balances-only=1")
    assert all(("version=2" in query) == (version != "1") for query in asked)
    assert not any("authorization" in head.lower() for _, path, _, head in heard if path.endswith("/info"))


async def test_a_server_of_a_version_that_is_not_read_is_refused():
    async with server({"GET /simplefin/info": ("200 OK", b'{"versions": ["3"]}')}) as (connector, url, _):
        with pytest.raises(ProtocolError, match="speaks version 3"):
            await connector.connect(Credentials(f"{url}/simplefin", "user", "secret"))


@pytest.mark.parametrize(
    ("line", "failure", "waits"),
    [
        ("401 No", AuthRequired, None),
        ("403 No", AuthRequired, None),
        ("402 Pay", PaymentRequired, None),
        ("429 Slow\r\nretry-after: 120", InstitutionRateLimited, 120),
        ("429 Slow\r\nretry-after: 99999999999", InstitutionRateLimited, 86_400),
        ("429 Slow\r\nretry-after: later", InstitutionRateLimited, 3_600),
        ("429 Slow", InstitutionRateLimited, 3_600),
        ("400 Bad", ProtocolError, None),
        ("404 Not Found", ProtocolError, None),
    ],
)
async def test_a_status_is_the_failure_it_stands_for(line, failure, waits):
    async with server({"GET /accounts": (line, b"")}) as (connector, url, heard):
        with pytest.raises(failure) as raised:
            _ = [given async for given in connector.fetch(Credentials(url, "user", "secret"), MONTH)]
    assert type(raised.value) is failure
    assert raised.value.message.startswith("The SimpleFIN server 127.0.0.1 ")
    if waits is None:
        assert raised.value.retry_at is None
    else:
        assert abs(raised.value.retry_at - datetime.now(UTC) - timedelta(seconds=waits)) < timedelta(seconds=20)
    assert len(heard) == 1
    basic = base64.b64encode(b"user:secret").decode()
    assert f"authorization: basic {basic.lower()}" in heard[0][3].lower()


async def test_a_server_that_is_out_of_order_is_down_until_it_says():
    async with server({"GET /accounts": ("503 Down\r\nretry-after: 0", b"")}) as (connector, url, _):
        with pytest.raises(InstitutionDown, match="status 503"):
            await connector.accounts(Credentials(url, "user", "secret"))


@pytest.mark.parametrize(
    ("said", "failure"),
    [
        ({"errlist": [{"code": "gen.auth", "msg": "Token disabled"}], "accounts": []}, AuthRequired),
        ({"errors": ["You must reauthenticate."], "accounts": []}, ConsentExpired),
        ({"errors": []}, ProtocolError),
    ],
)
async def test_an_answer_that_is_no_answer_fails_accounts_fetch_and_connect_alike(said, failure):
    async with server({"GET /accounts": ("200 OK", json.dumps(said).encode())}) as (connector, url, _):
        access = Credentials(url, "user", "secret")
        with pytest.raises(failure):
            await connector.accounts(access)
        with pytest.raises(failure):
            _ = [given async for given in connector.fetch(access, MONTH)]
        with pytest.raises(failure):
            await connector.connect(access)


async def test_one_account_that_is_not_ready_is_waited_for_alone():
    said = json.loads(held(errlist=[{"code": "act.missingdata", "msg": "Incomplete.", "account_id": "A2"}]))
    said["accounts"].append({"id": "A2", "name": "B", "currency": "USD", "balance": "1.00", "transactions": []})
    async with server({"GET /accounts": ("200 OK", json.dumps(said).encode())}) as (connector, url, _):
        page, failed = [given async for given in connector.fetch(Credentials(url, "user", "secret"), MONTH)]
    assert (failed.account_external_id, type(failed.failure)) == ("A2", NotReady)
    assert [window.account_external_id for window in connector.parse(page.content).windows] == ["A1"]


async def test_a_warning_of_too_many_requests_ends_a_long_walk_and_is_only_said_in_a_short_one():
    warning = held(errors=["You are making too many requests. Your token may be disabled."])
    async with server({"GET /accounts": ("200 OK", warning)}) as (connector, url, heard):
        access = Credentials(url, "user", "secret")
        (page,) = [given async for given in connector.fetch(access, MONTH)]
        assert connector.parse(page.content).notices == (
            "You are making too many requests. Your token may be disabled.",
        )
        heard.clear()
        with pytest.raises(InstitutionRateLimited, match="asked less often: You are making") as raised:
            _ = [given async for given in connector.fetch(access, YEAR)]
        assert raised.value.retry_at > datetime.now(UTC) + timedelta(hours=5)
        assert len(heard) == 1


async def test_a_server_that_caps_whatever_it_is_asked_for_is_not_asked_for_ever():
    said = held(errors=["Requested date range exceeds limit of 0 days and was capped."])
    async with server({"GET /accounts": ("200 OK", said)}) as (connector, url, heard):
        with pytest.raises(WindowTooLarge):
            _ = [given async for given in connector.fetch(Credentials(url, "user", "secret"), YEAR)]
        assert len(heard) == 1


async def test_a_sentence_about_the_limit_that_is_kept_to_changes_nothing():
    said = held(errors=["Date ranges may not exceed 90 days."])
    async with server({"GET /accounts": ("200 OK", said)}) as (connector, url, heard):
        (page,) = [given async for given in connector.fetch(Credentials(url, "user", "secret"), MONTH)]
        assert connector.parse(page.content).notices == ()
        assert len(connector.parse(page.content).windows) == len(heard) == 1


async def test_a_url_in_the_inner_network_is_no_server():
    async with open_http(Settings()) as http:
        for url in ("https://user:secret@10.0.0.1/simplefin", "https://user:secret@localhost/simplefin"):
            with pytest.raises(InvalidInput) as refusal:
                await SimpleFinConnector(http).connect(Credentials("", "", url))
            assert refusal.value.field == "password"
