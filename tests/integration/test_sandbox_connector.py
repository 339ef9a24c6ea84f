"""The connector against the sandbox bank over real HTTP: what it fetches, and what each failure is called."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from types import SimpleNamespace

import httpx
import pytest

from mintql.domain.errors import (
    AccountGone,
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
from mintql.domain.institutions import Window
from mintql.gateways.http import open_http
from mintql.institutions.base import AccountFailure, Credentials, FetchRequest
from mintql.institutions.registry import build_connectors
from mintql.institutions.sandbox import SandboxConnector
from mintql.sandbox import create_bank
from mintql.settings import Settings
from support.http_server import serve_raw
from support.local import local_client
from support.servers import serving

TODAY = date(2026, 11, 23)
ADA = Credentials(url="", login="ada", password="sandbox")
MONTH = FetchRequest(date(2026, 10, 24), date(2026, 11, 24))
TWO_YEARS = FetchRequest(date(2024, 11, 23), date(2026, 11, 24))


@dataclass
class Place:
    connector: SandboxConnector
    control: httpx.AsyncClient
    url: str

    async def parsed(self, request=MONTH):
        return [self.connector.parse(page.content) async for page in self.connector.fetch(ADA, request)]

    async def scenario(self, **values):
        answer = await self.control.put("/scenario", json=values)
        assert answer.status_code == 200, answer.text


@pytest.fixture
async def place(tmp_path):
    app = create_bank(tmp_path / "bank.sqlite", today=lambda: TODAY)
    async with serving(app) as server:
        settings = Settings(sandbox_url=server.url)
        async with open_http(settings) as http, local_client(base_url=f"{server.url}/control/ada") as control:
            connector = build_connectors(settings, http)["sandbox"]
            assert isinstance(connector, SandboxConnector)
            yield Place(connector, control, server.url)


def transactions(pages):
    return [row for page in pages for row in page.transactions]


async def test_without_an_address_the_sandbox_is_not_offered():
    async with open_http(Settings()) as http:
        assert "sandbox" not in build_connectors(Settings(), http)


async def test_two_years_come_complete_with_a_window_for_each_account(place):
    pages = await place.parsed(TWO_YEARS)
    ids = [account.external_id for account in pages[0].accounts]
    rows = transactions(pages)
    assert len(ids) == 3
    assert len(rows) > 2_000
    assert len({(row.account_external_id, row.external_id) for row in rows}) == len(rows)
    assert [window for page in pages for window in page.windows] == [
        Window(account_id, TWO_YEARS.first, TWO_YEARS.last) for account_id in ids
    ]
    assert not any(page.rejected for page in pages)


async def test_pages_are_handed_over_untouched(place):
    pages = [page async for page in place.connector.fetch(ADA, MONTH)]
    assert all(page.content_type == "application/json" for page in pages)
    assert set(json.loads(pages[0].content)) == {"as_of", "accounts"}
    assert set(json.loads(pages[1].content)) == {"account", "from", "to", "transactions", "removed", "next_page"}


async def test_the_balance_moves_by_the_sum_of_the_transactions_that_are_new(place):
    before = await place.parsed()
    await place.control.post("/purchases", json={"amount": "-84.20", "description": "SHELL OIL 57444212"})
    await place.control.post("/purchases", json={"amount": "-3.30", "description": "PARKING", "pending": True})
    after = await place.parsed()
    known = {row.external_id for row in transactions(before)}
    new = [row for row in transactions(after) if row.external_id not in known]
    assert sorted((row.amount_minor, row.pending) for row in new) == [(-8420, False), (-330, True)]
    balances = [{a.external_id: a.balance_minor for a in pages[0].accounts} for pages in (before, after)]
    card = new[0].account_external_id
    assert balances[1][card] - balances[0][card] == -8420


async def test_connect_keeps_login_and_password_and_no_url(place):
    for url in ("", place.url, place.url + "/", place.url + "/some/page"):
        kept = await place.connector.connect(Credentials(url, "ada", "sandbox"))
        assert kept == ADA


@pytest.mark.parametrize(
    "url",
    [
        "https://bank.example",
        "http://169.254.169.254/",
        "http://127.0.0.1:1/",
        "nonsense",
        "http://[::1",
        "file:///etc",
    ],
)
async def test_connect_reaches_no_other_address(place, url):
    with pytest.raises(InvalidInput) as refusal:
        await place.connector.connect(Credentials(url, "ada", "sandbox"))
    assert refusal.value.field == "url"


async def test_a_wrong_password_asks_the_person(place):
    for attempt in (place.connector.connect, lambda credentials: anext(place.connector.fetch(credentials, MONTH))):
        with pytest.raises(AuthRequired, match="refused") as failure:
            await attempt(Credentials("", "ada", "guess"))
        assert "guess" not in failure.value.message
        assert failure.value.action
        assert not failure.value.retryable


@pytest.mark.parametrize(
    ("scenario", "failure"),
    [
        ({"name": "login_expired"}, AuthRequired),
        ({"name": "consent_expired"}, ConsentExpired),
        ({"name": "payment_required"}, PaymentRequired),
        ({"name": "rate_limited"}, InstitutionRateLimited),
        ({"name": "not_ready"}, NotReady),
        ({"name": "window_too_large", "days": 10}, WindowTooLarge),
        ({"name": "outage"}, InstitutionDown),
        ({"name": "outage", "on": "transactions"}, InstitutionDown),
        ({"name": "garbage"}, ProtocolError),
        ({"name": "garbage", "on": "accounts"}, ProtocolError),
        ({"name": "garbage", "on": "transactions"}, ProtocolError),
    ],
)
async def test_each_scenario_is_the_failure_it_stands_for_and_passes_when_switched_off(place, scenario, failure):
    await place.scenario(**scenario)
    with pytest.raises(failure) as raised:
        await place.parsed()
    assert type(raised.value) is failure
    assert (raised.value.retry_at is not None) == (failure in (InstitutionRateLimited, NotReady))
    await place.control.delete("/scenario")
    assert transactions(await place.parsed())


async def test_a_slow_bank_is_down_and_a_patient_connector_waits(place):
    await place.scenario(name="slow", seconds=0.5)
    async with open_http(Settings(sandbox_url=place.url)) as http:
        with pytest.raises(InstitutionDown, match="The Sandbox Bank did not answer within"):
            await SandboxConnector(http, place.url, deadline_seconds=0.1).connect(ADA)
        await SandboxConnector(http, place.url, deadline_seconds=5).connect(ADA)


async def test_a_bank_that_is_not_there_is_down():
    async with serve_raw(replies({})) as port:
        url = f"http://127.0.0.1:{port}"
    async with open_http(Settings(sandbox_url=url)) as http:
        with pytest.raises(InstitutionDown, match=r"^The Sandbox Bank cannot be reached\.$"):
            await SandboxConnector(http, url).connect(ADA)


async def test_a_bad_row_is_set_aside_and_the_others_come(place):
    good = transactions(await place.parsed())
    await place.scenario(name="bad_row")
    pages = await place.parsed()
    assert transactions(pages) == good
    (rejected,) = [row for page in pages for row in page.rejected]
    assert "12,5O" in rejected.reason


async def test_a_page_served_twice_is_handed_over_twice(place):
    good = transactions(await place.parsed())
    await place.scenario(name="duplicate_page")
    doubled = await place.parsed()
    assert len(transactions(doubled)) == 2 * len(good)
    assert set(transactions(doubled)) == set(good)


async def test_an_account_that_is_gone_holds_up_none_of_the_others(place):
    good = await place.parsed()
    checking = good[0].accounts[0].external_id
    await place.scenario(name="account_gone", account="checking")
    given = [page async for page in place.connector.fetch(ADA, MONTH)]
    (failed,) = [page for page in given if isinstance(page, AccountFailure)]
    assert (failed.account_external_id, type(failed.failure)) == (checking, AccountGone)
    rows = transactions(place.connector.parse(page.content) for page in given if page is not failed)
    assert rows == [row for row in transactions(good) if row.account_external_id != checking]


async def test_changed_removed_and_posted_rows_come_as_such(place):
    before = {row.external_id: row for row in transactions(await place.parsed())}
    await place.scenario(name="changed_amount", amount="-99.99")
    await place.scenario(name="pending_to_posted")
    changed = {row.external_id: row for row in transactions(await place.parsed())}
    assert [row.amount_minor for key, row in changed.items() if key in before and row != before[key]] == [-9999]
    posted = {row.pending_external_id for key, row in changed.items() if key not in before}
    assert posted == {key for key, row in before.items() if row.pending}

    await place.scenario(name="removed_row")
    pages = await place.parsed()
    (gone,) = [item for page in pages for item in page.removed]
    assert gone[1] in changed
    assert gone[1] not in {row.external_id for row in transactions(pages)}


async def test_a_token_that_expires_on_the_way_is_renewed(place, monkeypatch):
    monkeypatch.setattr("mintql.sandbox.tokens.TOKEN_SECONDS", -1)
    with pytest.raises(AuthRequired):
        await place.parsed()
    monkeypatch.setattr("mintql.sandbox.tokens.TOKEN_SECONDS", 900)
    pages = place.connector.fetch(ADA, MONTH)
    await anext(pages)
    now = time.time()
    monkeypatch.setattr("mintql.sandbox.app.time", SimpleNamespace(time=lambda: now + 901))
    assert len([page async for page in pages]) == 3


async def test_too_many_days_are_refused_by_name(place):
    with pytest.raises(WindowTooLarge):
        await place.parsed(FetchRequest(date(2024, 1, 1), date(2026, 11, 24)))


def replies(by_path: dict[str, tuple[str, bytes]]) -> Callable:
    """A bank made of fixed answers: (status line and headers, body) by path."""

    async def answer(reader, writer):
        request = await reader.readuntil(b"\r\n\r\n")
        path = request.split()[1].decode().partition("?")[0]
        head, body = by_path.get(path, ("404 Not Found", b"{}"))
        writer.write(f"HTTP/1.1 {head}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body)

    return answer


LOGIN = ("200 OK", b'{"token": "t"}')
LISTING = (
    "200 OK",
    json.dumps({"accounts": [{"id": "a/../b", "name": "A", "kind": "checking", "currency": "USD"}]}).encode(),
)


@pytest.mark.parametrize(
    ("answers", "failure"),
    [
        ({}, ProtocolError),
        ({"/v1/login": ("200 OK", b"[]")}, ProtocolError),
        ({"/v1/login": ("200 OK", b'{"token": "a\\nb"}')}, ProtocolError),
        ({"/v1/login": ("302 Found\r\nlocation: http://127.0.0.1/", b"")}, ProtocolError),
        ({"/v1/login": ("429 Too Many Requests\r\nretry-after: 60", b"")}, InstitutionRateLimited),
        ({"/v1/login": ("500 Oops", b"<html>")}, InstitutionDown),
        ({"/v1/login": LOGIN, "/v1/accounts": ("200 OK", b"{}")}, ProtocolError),
        ({"/v1/login": LOGIN, "/v1/accounts": ("401 No", b"")}, AuthRequired),
        (
            {
                "/v1/login": LOGIN,
                "/v1/accounts": LISTING,
                "/v1/accounts/a%2F..%2Fb/transactions": (
                    "200 OK",
                    b'{"next_page": "same", "transactions": [], "removed": []}',
                ),
            },
            ProtocolError,
        ),
    ],
)
async def test_answers_that_are_not_the_protocol_have_a_name(answers, failure):
    async with serve_raw(replies(answers)) as port:
        url = f"http://127.0.0.1:{port}"
        async with open_http(Settings(sandbox_url=url)) as http:
            connector = SandboxConnector(http, url)
            with pytest.raises(failure) as raised:
                _ = [page async for page in connector.fetch(ADA, MONTH)]
    assert type(raised.value) is failure
    assert (getattr(raised.value, "retry_at", None) is not None) == (failure is InstitutionRateLimited)
