"""The connector to Plaid against the sandbox bank, over real HTTP: what it fetches, and what each failure is called."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from mintql.domain.errors import (
    AuthRequired,
    ConsentExpired,
    InstitutionDown,
    InstitutionFailure,
    InstitutionRateLimited,
    InvalidInput,
    NotReady,
    PaymentRequired,
    ProtocolError,
)
from mintql.domain.ingest import fold
from mintql.domain.institutions import AccountKind
from mintql.gateways.http import open_http
from mintql.institutions.base import Credentials, FetchRequest, Linkable
from mintql.institutions.plaid import ROUNDS_MAX, PlaidConnector
from mintql.institutions.registry import build_connectors
from mintql.settings import Settings, load_settings
from support.http_server import serve_raw
from support.plaid import LOGIN, TODAY, drawn, plaid_place

REQUEST = FetchRequest(TODAY, TODAY)


@pytest.fixture
async def place(tmp_path, monkeypatch):
    monkeypatch.setattr("mintql.sandbox.bank.History", drawn)
    async with plaid_place(tmp_path) as found:
        yield found


@pytest.fixture
def no_pauses(monkeypatch):
    monkeypatch.setattr("mintql.institutions.plaid.ROUND_PAUSE_SECONDS", 0)


async def test_without_an_address_plaid_is_not_offered():
    async with open_http(Settings()) as http:
        assert "plaid" not in build_connectors(Settings(), http)


async def test_two_years_come_whole_over_many_pages_and_the_next_fetch_brings_nothing(place):
    place.credentials = await place.link(days=730)
    first = await place.fetch()
    assert len(first.pages) > 4
    assert len(first.rows) == sum(len(page.transactions) for page in first.pages) > 2_000
    assert min(row.posted_on for row in first.rows.values()) < TODAY - timedelta(days=720)
    assert not any(page.rejected or page.removed or page.windows for page in first.pages)
    again = await place.fetch(first.cursor)
    assert (again.rows, again.removed, len(again.pages)) == ({}, [], 2)


async def test_rows_and_balances_are_those_of_the_banks_own_protocol(place):
    login = {"login": LOGIN, "password": "sandbox"}
    token = (await place.bank.post("/v1/login", json=login)).json()["token"]
    headers = {"authorization": f"Bearer {token}"}
    accounts = (await place.bank.get("/v1/accounts", headers=headers)).json()["accounts"]
    said = await place.fetch()
    shown = {account.external_id: account for account in said.pages[0].accounts}
    first = min(row.posted_on for row in said.rows.values())
    for account in accounts:
        mine = shown[account["id"]]
        assert f"{mine.balance_minor / 100:.2f}" == account["balance"]
        assert mine.kind is AccountKind(account["kind"])
        window = {"from": first.isoformat(), "to": TODAY.isoformat()}
        page = await place.bank.get(f"/v1/accounts/{account['id']}/transactions", headers=headers, params=window)
        theirs = {row["id"]: (row["amount"], row["posted_on"], row["pending"]) for row in page.json()["transactions"]}
        ours = {
            row.external_id: (f"{row.amount_minor / 100:.2f}", row.posted_on.isoformat(), row.pending)
            for row in said.rows.values()
            if row.account_external_id == account["id"]
        }
        assert ours == theirs


async def test_pages_are_handed_over_untouched(place):
    pages = [page async for page in place.connector.fetch(place.credentials, REQUEST)]
    assert all(page.content_type == "application/json" for page in pages)
    assert {"accounts", "item", "request_id"} <= set(json.loads(pages[0].content))
    assert {"added", "modified", "removed", "next_cursor", "has_more"} <= set(json.loads(pages[1].content))
    assert [bool(page.cursor) for page in pages] == [False] * (len(pages) - 1) + [True]


async def test_the_accounts_alone_come_without_transactions(place):
    spent = itertools.count()

    async def spend():
        next(spent)

    page = await place.connector.accounts(place.credentials, spend)
    parsed = place.connector.parse(page.content)
    assert [account.kind for account in parsed.accounts] == [
        AccountKind.CHECKING,
        AccountKind.CREDIT_CARD,
        AccountKind.SAVINGS,
    ]
    assert parsed.transactions == ()
    assert next(spent) == 1


async def test_each_request_is_counted_before_it_is_sent(place):
    async def spend():
        raise InstitutionRateLimited("enough for today")

    with pytest.raises(InstitutionRateLimited, match="enough"):
        await place.fetch(spend=spend)


async def test_what_changes_comes_as_added_modified_or_removed(place):
    before = await place.fetch()
    bought = await place.buy("-84.20")
    said = await place.fetch(before.cursor)
    assert [(row.external_id, row.amount_minor, row.pending) for row in said.rows.values()] == [(bought, -8420, False)]

    await place.scenario(name="changed_amount", id=bought, amount="-99.99")
    said = await place.fetch(said.cursor)
    assert {key: row.amount_minor for key, row in said.rows.items()} == {bought: -9999}

    await place.scenario(name="removed_row", id=bought)
    said = await place.fetch(said.cursor)
    assert (said.rows, [removed[1] for removed in said.removed]) == ({}, [bought])


async def test_a_pending_row_posts_under_a_new_id_with_a_tip_and_names_its_forerunner(place):
    pending = await place.buy("-40.00", pending=True)
    before = await place.fetch()
    assert before.rows[pending].pending
    assert before.rows[pending].amount_minor == -4000
    await place.scenario(name="pending_to_posted", id=pending, percent=20)
    said = await place.fetch(before.cursor)
    (posted,) = said.rows.values()
    assert (posted.pending_external_id, posted.amount_minor, posted.pending) == (pending, -4800, False)
    assert [removed[1] for removed in said.removed] == [pending]


async def test_changed_ids_come_as_rows_removed_and_added(place):
    before = await place.fetch()
    card = next(a.external_id for a in before.pages[0].accounts if a.kind is AccountKind.CREDIT_CARD)
    of_card = {key: row for key, row in before.rows.items() if row.account_external_id == card}
    await place.scenario(name="changed_ids")
    said = await place.fetch(before.cursor)
    assert {removed[1] for removed in said.removed} == set(of_card)
    assert not set(said.rows) & set(of_card)
    amounts = [sorted(row.amount_minor for row in rows.values()) for rows in (of_card, said.rows)]
    assert amounts[0] == amounts[1]


@pytest.mark.parametrize("new_id", [False, True])
async def test_a_row_that_was_removed_and_added_again_is_there_once(place, new_id):
    bought = await place.buy("-12.34")
    before = await place.fetch()
    await place.scenario(name="removed_row", id=bought)
    gone = await place.fetch(before.cursor)
    assert [removed[1] for removed in gone.removed] == [bought]
    await place.scenario(name="readded_row", id=bought, new_id=new_id)
    back = await place.fetch(gone.cursor)
    (row,) = back.rows.values()
    assert row.amount_minor == -1234
    assert (row.external_id == bought) is not new_id
    # Whoever missed the time in between is told of no purchase twice.
    missed = await place.fetch(before.cursor)
    folded = fold([*before.pages, *missed.pages])
    assert [row.amount_minor for part in folded.by_account.values() for row in part.rows.values()].count(-1234) == 1


async def test_a_whole_folded_run_adds_up_to_what_the_balance_moved_by(place):
    before = await place.fetch()
    bought = [await place.buy(amount) for amount in ("-10.00", "-20.00", "-30.00")]
    await place.scenario(name="removed_row", id=bought[1])
    after = await place.fetch(before.cursor)
    balances = [sum(account.balance_minor for account in said.pages[0].accounts) for said in (before, after)]
    assert sum(row.amount_minor for row in after.rows.values()) == -4000 == balances[1] - balances[0]
    assert bought[1] not in after.rows


@pytest.mark.parametrize(
    ("scenario", "failure", "words"),
    [
        ({"name": "login_expired"}, AuthRequired, "log in again"),
        ({"name": "consent_expired"}, ConsentExpired, "has run out"),
        ({"name": "payment_required"}, PaymentRequired, "this server's account"),
        ({"name": "outage"}, InstitutionDown, "your bank is out of order"),
        ({"name": "outage", "on": "transactions"}, InstitutionDown, "your bank is out of order"),
        ({"name": "rate_limited", "retry_after": 90}, InstitutionRateLimited, "asked too often"),
        ({"name": "not_ready"}, NotReady, "still gathering"),
        ({"name": "garbage"}, ProtocolError, "not JSON"),
        ({"name": "garbage", "on": "accounts"}, ProtocolError, "not JSON"),
        ({"name": "garbage", "on": "transactions"}, ProtocolError, "not JSON"),
    ],
)
async def test_each_scenario_is_the_failure_it_stands_for_and_passes_when_switched_off(place, scenario, failure, words):
    before = await place.fetch()
    await place.scenario(**scenario)
    for cursor in ("", before.cursor):
        with pytest.raises(failure, match=words) as raised:
            await place.fetch(cursor)
        assert type(raised.value) is failure
        assert raised.value.message.startswith("Plaid ")
        for secret in (place.credentials.password, "127.0.0.1"):
            assert secret not in raised.value.message
    await place.calm()
    assert (await place.fetch()).rows == before.rows


async def test_a_rate_limit_says_when_to_come_back(place):
    await place.scenario(name="rate_limited", retry_after=90)
    with pytest.raises(InstitutionRateLimited) as raised:
        await place.fetch()
    assert raised.value.retry_at is not None
    assert 80 < (raised.value.retry_at - datetime.now(UTC)).total_seconds() <= 90


async def test_nothing_is_handed_on_before_the_history_is_gathered(place):
    await place.scenario(name="not_ready")
    with pytest.raises(NotReady) as raised:
        await anext(place.connector.fetch(place.credentials, REQUEST))
    assert raised.value.retryable
    assert raised.value.retry_at is not None
    assert 0 < (raised.value.retry_at - datetime.now(UTC)).total_seconds() <= 30


async def test_a_slow_plaid_is_down_and_a_patient_connector_waits(place):
    await place.scenario(name="slow", seconds=0.5)
    async with open_http(place.settings) as http:
        url = place.settings.plaid_url
        with pytest.raises(InstitutionDown, match=r"^Plaid did not answer within"):
            await PlaidConnector(http, url, "sandbox", "sandbox", deadline_seconds=0.1).accounts(place.credentials)
        await PlaidConnector(http, url, "sandbox", "sandbox", deadline_seconds=5).accounts(place.credentials)


async def test_a_bad_row_is_set_aside_and_the_others_come(place):
    good = (await place.fetch()).rows
    for field, words in (("amount", "12,5O"), ("posted_on", "2026-02-30")):
        await place.scenario(name="bad_row", field=field)
        said = await place.fetch()
        assert said.rows == good
        (rejected,) = [row for page in said.pages for row in page.rejected]
        assert words in rejected.reason
        assert rejected.account_external_id.startswith("card-")


async def test_a_page_served_twice_changes_nothing(place):
    good = await place.fetch()
    await place.scenario(name="duplicate_page")
    doubled = await place.fetch()
    assert sum(len(page.transactions) for page in doubled.pages) == 2 * len(good.rows)
    assert doubled.rows == good.rows
    assert doubled.cursor == good.cursor


async def test_an_account_that_was_closed_is_no_longer_named_and_its_rows_are_not_taken_back(place):
    before = await place.fetch()
    await place.scenario(name="account_gone", account="savings")
    said = await place.fetch(before.cursor)
    kinds = [account.kind for account in said.pages[0].accounts]
    assert kinds == [AccountKind.CHECKING, AccountKind.CREDIT_CARD]
    assert (said.rows, said.removed) == ({}, [])


async def test_a_limit_of_days_is_no_concern_of_a_cursor(place):
    good = (await place.fetch()).rows
    await place.scenario(name="window_too_large", days=1)
    assert (await place.fetch()).rows == good


@pytest.mark.parametrize("hours", [-12, 9, 14])
async def test_days_are_those_of_the_banks_calendar_in_whatever_zone(place, hours):
    here = (await place.fetch()).rows
    await place.scenario(name="time_zone", hours=hours)
    there = (await place.fetch()).rows
    both = {key for key in set(here) & set(there) if not here[key].pending and not there[key].pending}
    assert len(both) > 20
    assert all(here[key].posted_on == there[key].posted_on for key in both)
    told = [key for key in both if here[key].occurred_at and there[key].occurred_at]
    assert len(told) > 20
    assert {here[key].occurred_at - there[key].occurred_at for key in told} == {timedelta(hours=hours)}


class Meddling:
    """The HTTP client, with something happening at the bank after each page of changes that is not the last."""

    def __init__(self, http, happen, times):
        self._http, self._happen, self._times = http, happen, times

    async def request(self, method, url, **rest):
        answer = await self._http.request(method, url, **rest)
        if url.endswith("/transactions/sync") and b'"has_more":true' in answer.content and self._times > 0:
            self._times -= 1
            await self._happen()
        return answer


async def test_data_that_moves_meanwhile_is_read_anew_and_the_given_up_round_leaves_nothing_behind(
    place, no_pauses, monkeypatch
):
    monkeypatch.setattr("mintql.institutions.plaid.PAGE_ROWS", 50)
    doomed = await place.buy("-66.60")
    place.credentials = await place.link(days=100)

    async def take_back():
        await place.scenario(name="removed_row", id=doomed)

    async with open_http(place.settings) as http:
        meddling = Meddling(http, take_back, 1)
        place.connector = PlaidConnector(meddling, place.settings.plaid_url, "sandbox", "sandbox")
        said = await place.fetch()
    assert doomed not in said.rows
    assert said.removed == []
    folded = fold(said.pages)
    async with open_http(place.settings) as http:
        place.connector = PlaidConnector(http, place.settings.plaid_url, "sandbox", "sandbox")
        assert folded.rows_total() == len((await place.fetch()).rows) == len(said.rows)


async def test_data_that_keeps_moving_is_left_for_later(place, no_pauses, monkeypatch):
    monkeypatch.setattr("mintql.institutions.plaid.PAGE_ROWS", 50)

    async def buy():
        await place.buy("-1.00")

    async with open_http(place.settings) as http:
        meddling = Meddling(http, buy, ROUNDS_MAX)
        place.connector = PlaidConnector(meddling, place.settings.plaid_url, "sandbox", "sandbox")
        with pytest.raises(NotReady, match="kept changing") as raised:
            await place.fetch()
        assert raised.value.retry_at is not None
        assert len((await place.fetch()).rows) > 50


async def test_the_scenario_interrupts_each_round_once_and_nothing_is_lost_or_doubled(place, no_pauses, monkeypatch):
    good = await place.fetch()
    monkeypatch.setattr("mintql.institutions.plaid.PAGE_ROWS", 50)
    await place.scenario(name="page_mutation")
    said = await place.fetch()
    assert said.rows == good.rows
    assert sum(len(page.transactions) for page in said.pages) == len(good.rows)
    assert said.cursor == good.cursor


async def test_a_cursor_of_another_item_begins_from_the_start(place):
    cursor = (await place.fetch()).cursor
    place.credentials = await place.link(days=40)
    said = await place.fetch(cursor)
    assert len(said.rows) > 50


async def test_a_person_links_a_bank_on_its_own_pages(place):
    assert isinstance(place.connector, Linkable)
    session = await place.connector.open_link("person-1")
    assert session.expires_at > datetime.now(UTC)
    with pytest.raises(AuthRequired, match="has not ended"):
        await place.connector.connect(Credentials("", "", session.token))
    refused = await place.bank.post(session.url, data={"login": "grace", "password": "guess"})
    assert (refused.status_code, "Login or password is wrong" in refused.text) == (403, True)
    done = await place.bank.post(session.url, data={"login": "grace", "password": "sandbox"})
    assert "public-sandbox-" in done.text
    place.credentials = await place.connector.connect(Credentials("", "", session.token))
    assert place.credentials.login
    assert place.credentials.password.startswith("access-sandbox-")
    assert place.credentials.password not in repr(place.credentials)
    said = await place.fetch()
    assert min(row.posted_on for row in said.rows.values()) < TODAY - timedelta(days=700)


async def test_a_visit_told_in_the_older_way_is_understood():
    session = {"link_session_id": "s", "on_success": {"public_token": "public-production-1", "metadata": None}}
    answers = {
        "/link/token/get": [("200 OK", json.dumps({"link_sessions": [None, session, {"on_exit": {}}]}).encode())],
        "/item/public_token/exchange": [("200 OK", b'{"access_token": "access-1", "item_id": "item-1"}')],
    }
    async with (
        serve_raw(replies(answers)) as port,
        open_http(Settings(sandbox_url=f"http://127.0.0.1:{port}")) as http,
    ):
        connector = PlaidConnector(http, f"http://127.0.0.1:{port}", "id", "secret")
        kept = await connector.connect(Credentials("", "", "link-production-1"))
    assert kept == Credentials("", "item-1", "access-1")


@pytest.mark.parametrize(
    ("sessions", "renewed"),
    [
        (None, False),
        ([], False),
        ([None, "", {"started_at": "2026-11-23T10:00:00Z", "finished_at": None}], False),
        ([{"finished_at": "2026-11-23T10:00:00Z", "exit": {"error": None, "metadata": None}}], False),
        ([{"finished_at": "2026-11-23T10:00:00Z", "on_exit": {}}], False),
        ([{"finished_at": "2026-11-23T10:00:00Z", "exit": None, "results": None}], True),
        ([{"finished_at": "2026-11-23T10:00:00Z"}, {"finished_at": "2026-11-23T11:00:00Z", "exit": {}}], True),
        ([{"results": {"item_add_results": [{"public_token": "public-1"}]}}], True),
    ],
)
async def test_a_visit_that_renews_need_not_give_a_token_only_not_be_left(sessions, renewed):
    answers = {"/link/token/get": [("200 OK", json.dumps({"link_sessions": sessions}).encode())]}
    async with (
        serve_raw(replies(answers)) as port,
        open_http(Settings(sandbox_url=f"http://127.0.0.1:{port}")) as http,
    ):
        connector = PlaidConnector(http, f"http://127.0.0.1:{port}", "id", "secret")
        if renewed:
            await connector.confirm_link("link-production-1")
            return
        with pytest.raises(AuthRequired, match="has not ended with a login") as raised:
            await connector.confirm_link("link-production-1")
    assert "open a new one" in raised.value.action


async def test_a_visit_shows_the_banks_of_the_countries_that_the_operator_set(monkeypatch):
    asked = []

    async def answer(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        asked.append(json.loads(await reader.readexactly(length))["country_codes"])
        body = b'{"link_token": "link-1"}'
        writer.write(f"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)

    async with serve_raw(answer) as port:
        url = f"http://127.0.0.1:{port}"
        settings = {"sandbox_url": url, "plaid_url": url}
        for countries in ({}, {"MINTQL_PLAID_COUNTRIES": '["CA", "GB"]'}):
            for name, value in countries.items():
                monkeypatch.setenv(name, value)
            chosen = Settings(**settings)
            async with open_http(chosen) as http:
                await build_connectors(chosen, http)["plaid"].open_link("person-1")
    assert asked == [["US"], ["CA", "GB"]]


@pytest.mark.parametrize("countries", ["[]", '["us"]', '["USA"]', '[""]', '["US ", "CA"]'])
def test_what_are_no_countries_is_refused_at_the_start(countries, monkeypatch):
    monkeypatch.setenv("MINTQL_PLAID_COUNTRIES", countries)
    with pytest.raises(SystemExit, match=r"plaid_countries: .* a JSON list of countries"):
        load_settings()


@pytest.mark.parametrize("token", ["", "ada", "access-sandbox-1", "public-", "public-<script>", "link-a/b"])
async def test_what_is_no_token_is_refused_before_anybody_is_asked(place, token):
    with pytest.raises(InvalidInput, match="begins with public- or link-") as refused:
        await place.connector.connect(Credentials("", "", token))
    assert refused.value.field == "password"


async def test_a_token_that_is_used_up_or_unknown_asks_for_a_new_visit(place):
    for token, words in (("public-sandbox-none", "used already"), ("link-sandbox-none", "open a new one")):
        with pytest.raises(AuthRequired, match=words):
            await place.connector.connect(Credentials("", "", token))


async def test_a_login_that_the_bank_wants_again_is_mended_in_place_and_goes_on(place):
    before = await place.fetch()
    assert (await place.ask("/sandbox/item/reset_login", access_token=place.credentials.password)).status_code == 200
    with pytest.raises(AuthRequired, match="log in again") as raised:
        await place.fetch(before.cursor)
    assert "link session" in raised.value.action
    session = await place.connector.open_link("person-1", place.credentials)
    other = await place.bank.post(session.url, data={"login": "grace", "password": "sandbox"})
    assert (other.status_code, "another login" in other.text) == (403, True)
    await place.bank.post(session.url, data={"login": LOGIN, "password": "sandbox"})
    assert await place.connector.connect(Credentials("", "", session.token)) == place.credentials
    bought = await place.buy("-5.00")
    assert set((await place.fetch(before.cursor)).rows) == {bought}


async def test_a_disconnected_item_opens_no_more_and_may_be_disconnected_again(place):
    await place.connector.disconnect(place.credentials)
    await place.connector.disconnect(place.credentials)
    await place.connector.disconnect(Credentials("", "i", "access-sandbox-none"))
    with pytest.raises(AuthRequired, match="no longer knows"):
        await place.fetch()
    assert place.connector.capabilities.farewell


async def test_keys_that_plaid_refuses_name_the_settings_to_look_at(place):
    async with open_http(place.settings) as http:
        for client_id, secret in (("sandbox", "hunter2"), ("sandbox", ""), ("", "")):
            connector = PlaidConnector(http, place.settings.plaid_url, client_id, secret)
            with pytest.raises(InstitutionFailure, match="MINTQL_PLAID_CLIENT_ID") as raised:
                await connector.accounts(place.credentials)
            assert "hunter2" not in raised.value.message


def replies(by_path: dict[str, list[tuple[str, bytes]]]) -> Callable:
    """A Plaid made of fixed answers: (status line and headers, body) by path, the last one again and again."""

    async def answer(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(line for line in head.lower().split("\r\n") if line.startswith("content-length:"))
        await reader.readexactly(int(length.partition(":")[2]))
        said = by_path[head.split()[1]]
        status, body = said.pop(0) if len(said) > 1 else said[0]
        kind = "content-type: application/json\r\nconnection: close"
        writer.write(f"HTTP/1.1 {status}\r\n{kind}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)

    return answer


def sync(**changes) -> tuple[str, bytes]:
    lists = {"accounts": [], "added": [], "modified": [], "removed": []}
    state = {"next_cursor": "c1", "has_more": False, "transactions_update_status": "HISTORICAL_UPDATE_COMPLETE"}
    return "200 OK", json.dumps(lists | state | changes).encode()


def accounts(**item) -> tuple[str, bytes]:
    return "200 OK", json.dumps({"accounts": [], "item": {"item_id": "i", "error": None} | item}).encode()


def error(code: str, error_type: str = "ITEM_ERROR") -> tuple[str, bytes]:
    return "400 Bad Request", json.dumps({"error_code": code, "error_type": error_type}).encode()


async def fetched_from(answers, cursor=""):
    async with serve_raw(replies(answers)) as port:
        settings = Settings(sandbox_url=f"http://127.0.0.1:{port}")
        async with open_http(settings) as http:
            connector = PlaidConnector(http, f"http://127.0.0.1:{port}", "id", "secret")
            request = FetchRequest(TODAY, TODAY, cursor)
            return [page async for page in connector.fetch(Credentials("", "i", "access-1"), request)]


@pytest.mark.parametrize(
    ("answers", "failure"),
    [
        ({"/accounts/get": [accounts(error={"error_code": "ITEM_LOGIN_REQUIRED"})]}, AuthRequired),
        ({"/accounts/get": [accounts(error={"error_code": "USER_PERMISSION_REVOKED"})]}, ConsentExpired),
        ({"/accounts/get": [error("ACCESS_NOT_GRANTED")]}, ConsentExpired),
        ({"/accounts/get": [error("INSTITUTION_NOT_RESPONDING", "INSTITUTION_ERROR")]}, InstitutionDown),
        ({"/accounts/get": [accounts()], "/transactions/sync": [error("PRODUCT_NOT_READY")]}, NotReady),
        (
            {"/accounts/get": [accounts()], "/transactions/sync": [sync(transactions_update_status="NOT_READY")]},
            NotReady,
        ),
        (
            {
                "/accounts/get": [accounts()],
                "/transactions/sync": [sync(transactions_update_status="INITIAL_UPDATE_COMPLETE")],
            },
            NotReady,
        ),
        ({"/accounts/get": [accounts()], "/transactions/sync": [sync(next_cursor="")]}, NotReady),
        ({"/accounts/get": [accounts()], "/transactions/sync": [sync(has_more=True)]}, ProtocolError),
        ({"/accounts/get": [accounts()], "/transactions/sync": [sync(added=None)]}, ProtocolError),
        (
            {"/accounts/get": [accounts()], "/transactions/sync": [error("INVALID_FIELD", "INVALID_REQUEST")]},
            ProtocolError,
        ),
        ({"/accounts/get": [("302 Found\r\nlocation: http://127.0.0.1/", b"")]}, ProtocolError),
        ({"/accounts/get": [("429 Too Many Requests\r\nretry-after: 60", b"")]}, InstitutionRateLimited),
        ({"/accounts/get": [("200 OK", b"[" * 10_000)]}, ProtocolError),
    ],
)
async def test_answers_that_are_not_what_was_asked_for_have_a_name(answers, failure):
    with pytest.raises(failure) as raised:
        await fetched_from(answers)
    assert type(raised.value) is failure


async def test_balances_of_an_item_that_wants_a_login_are_not_taken_for_fresh():
    answers = {"/accounts/get": [accounts(error={"error_code": "ITEM_LOGIN_REQUIRED"})]}
    async with serve_raw(replies(answers)) as port, open_http(Settings(sandbox_url=f"http://127.0.0.1:{port}")) as http:
        connector = PlaidConnector(http, f"http://127.0.0.1:{port}", "id", "secret")
        with pytest.raises(AuthRequired):
            await connector.accounts(Credentials("", "i", "access-1"))


async def test_an_item_that_will_end_soon_still_works():
    for code in ("PENDING_DISCONNECT", "PENDING_EXPIRATION"):
        answers = {"/accounts/get": [accounts(error={"error_code": code})], "/transactions/sync": [sync()]}
        assert len(await fetched_from(answers)) == 2


async def test_the_first_month_is_enough_once_the_history_was_read():
    said = sync(transactions_update_status="INITIAL_UPDATE_COMPLETE")
    pages = await fetched_from({"/accounts/get": [accounts()], "/transactions/sync": [said]}, "c0")
    assert pages[-1].cursor == "c1"


async def test_older_versions_that_tell_no_status_are_read_too():
    pages = await fetched_from(
        {"/accounts/get": [accounts()], "/transactions/sync": [sync(transactions_update_status=None)]}
    )
    assert pages[-1].cursor == "c1"


async def test_a_cursor_that_plaid_lost_begins_from_the_start_but_not_for_ever():
    lost = "400 No", json.dumps({"error_code": "INVALID_FIELD", "error_message": "cursor not associated with"}).encode()
    pages = await fetched_from({"/accounts/get": [accounts()], "/transactions/sync": [lost, sync()]}, "old")
    assert pages[-1].cursor == "c1"
    with pytest.raises(ProtocolError):
        await fetched_from({"/accounts/get": [accounts()], "/transactions/sync": [lost]}, "old")
