"""OFX Direct Connect against the sandbox bank over real HTTP: what is fetched, and what each failure is called."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import httpx
import pytest

from mintql.domain.errors import (
    AccountGone,
    AuthRequired,
    ConsentExpired,
    InstitutionDown,
    InstitutionRateLimited,
    PaymentRequired,
    ProtocolError,
    WindowTooLarge,
)
from mintql.domain.ingest import fold
from mintql.domain.institutions import AccountKind, Window
from mintql.gateways.http import open_http
from mintql.institutions.base import AccountFailure, Credentials, FetchRequest
from mintql.institutions.ofx_direct import OfxDirectConnector
from mintql.institutions.sandbox import SandboxConnector
from mintql.sandbox import create_bank
from mintql.settings import Settings
from support.local import local_client
from support.servers import serving

TODAY = date(2026, 11, 23)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MONTH = FetchRequest(date(2026, 10, 24), date(2026, 11, 24))
TWO_YEARS = FetchRequest(date(2024, 11, 24), date(2026, 11, 24))
KINDS = {AccountKind.CHECKING, AccountKind.CREDIT_CARD, AccountKind.SAVINGS}


@dataclass
class Place:
    connector: OfxDirectConnector
    plain: SandboxConnector
    control: httpx.AsyncClient
    url: str
    kept: Credentials

    async def fetched(self, request=MONTH, **options):
        credentials = replace(self.kept, options={**self.kept.options, **options})
        return [page async for page in self.connector.fetch(credentials, request)]

    async def parsed(self, request=MONTH, **options):
        pages = await self.fetched(request, **options)
        return [self.connector.parse(page.content) for page in pages if not isinstance(page, AccountFailure)]

    async def truth(self, request=MONTH):
        credentials = Credentials("", "ada", "sandbox")
        return [self.plain.parse(page.content) async for page in self.plain.fetch(credentials, request)]

    async def scenario(self, **values):
        answer = await self.control.put("/scenario", json=values)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
async def place(tmp_path):
    async with serving(create_bank(tmp_path / "bank.sqlite", now=lambda: NOON)) as server:
        settings = Settings(sandbox_url=server.url)
        async with open_http(settings) as http, local_client(base_url=f"{server.url}/control/ada") as control:
            connector = OfxDirectConnector(http, clock=lambda: NOON)
            kept = Credentials(f"{server.url}/ofx", "ada", "sandbox", {"version": "103", "called": "Sandbox Bank"})
            yield Place(connector, SandboxConnector(http, server.url), control, server.url, kept)


def rows_of(pages):
    return [row for page in pages for row in page.transactions]


def said(rows):
    """What the two protocols say alike of a posted row."""
    return sorted(
        (row.external_id, row.posted_on, row.amount_minor, row.description) for row in rows if not row.pending
    )


@pytest.mark.parametrize(
    ("version", "request_", "rows_min"),
    [("102", MONTH, 80), ("103", TWO_YEARS, 2_000), ("203", MONTH, 80), ("220", MONTH, 80)],
)
async def test_all_is_what_the_bank_says_in_its_own_protocol_to_the_cent(place, version, request_, rows_min):
    pages = await place.parsed(request_, version=version)
    assert said(rows_of(pages)) == said(rows_of(await place.truth(request_)))
    assert len(rows_of(pages)) > rows_min
    assert not any(page.rejected for page in pages)


async def test_accounts_come_with_their_names_and_balances_and_without_transactions(place):
    page = place.connector.parse((await place.connector.accounts(place.kept)).content)
    (listing, *_) = await place.truth()
    told = {(one.name, one.kind, one.balance_minor, one.available_minor) for one in listing.accounts}
    assert {(one.name, one.kind, one.balance_minor, one.available_minor) for one in page.accounts} == told
    assert {one.kind for one in page.accounts} == KINDS
    assert {one.currency for one in page.accounts} == {"USD"}
    assert page.transactions == page.windows == ()


async def test_what_is_owed_on_a_card_is_negative_and_a_purchase_moves_the_balance(place):
    before = fold(await place.parsed())
    await place.control.post("/purchases", json={"amount": "-84.20", "description": "SHELL OIL <57444212> & CO"})
    after = fold(await place.parsed())
    (card,) = (one for one in before.accounts.values() if one.kind is AccountKind.CREDIT_CARD)
    (new,) = (row for key, row in after.by_account[card.external_id].rows.items() if ".added." in key)
    assert (new.amount_minor, new.posted_on, new.description) == (-8420, TODAY, "SHELL OIL <57444212> & CO")
    assert after.accounts[card.external_id].balance_minor == card.balance_minor - 8420
    assert card.balance_minor < 0


async def test_pages_are_the_banks_bytes_behind_one_line(place):
    listing, *statements = await place.fetched()
    assert listing.content.startswith(b"OFXHEADER:100\r\n")
    assert all(b"\nOFXHEADER:100\r\n" in page.content for page in statements)
    assert all(page.content_type == "application/x-ofx" for page in (listing, *statements))
    assert len(statements) == 3


async def test_each_account_has_a_window_over_all_its_pages(place):
    windows = {}
    request = FetchRequest(date(2025, 11, 1), date(2026, 11, 24))
    for page in await place.parsed(request):
        windows |= {window.account_external_id: window for window in page.windows}
    assert list(windows.values()) == [Window(account_id, request.first, TODAY) for account_id in windows]
    assert len(windows) == 3


@pytest.mark.parametrize(("given", "found"), [("", "103"), ("203", "203"), ("220", "220")])
async def test_connect_finds_the_version_and_keeps_what_the_profile_says(place, given, found):
    options = {"version": given} if given else {}
    kept = await place.connector.connect(Credentials(f" {place.url}/ofx ", "ada", "sandbox", options))
    assert (kept.url, kept.login, kept.password) == (f"{place.url}/ofx", "ada", "sandbox")
    pending = {"pending": "Y"} if given == "220" else {}
    assert kept.options == {"version": found, "called": "Sandbox Bank", **pending}


async def test_a_wrong_password_asks_the_person_and_is_not_repeated_in_words(place):
    wrong = replace(place.kept, password="correct-horse")
    for attempt in (
        place.connector.connect,
        place.connector.accounts,
        lambda c: anext(place.connector.fetch(c, MONTH)),
    ):
        with pytest.raises(
            AuthRequired, match=r"Sandbox Bank refused this login or password \(OFX status 15500"
        ) as refused:
            await attempt(wrong)
        assert "correct-horse" not in refused.value.message
        assert not refused.value.retryable
        assert refused.value.action


@pytest.mark.parametrize(
    ("scenario", "failure", "words"),
    [
        ({"name": "login_expired"}, AuthRequired, "wants the password changed"),
        ({"name": "consent_expired"}, ConsentExpired, "has run out"),
        ({"name": "payment_required"}, PaymentRequired, "paid for"),
        ({"name": "outage"}, InstitutionDown, "is being maintained"),
        ({"name": "outage", "on": "login"}, InstitutionDown, "is being maintained"),
        ({"name": "outage", "on": "accounts"}, InstitutionDown, "could not answer"),
        ({"name": "outage", "on": "transactions"}, InstitutionDown, "could not answer"),
        ({"name": "not_ready"}, InstitutionDown, "still being prepared"),
        ({"name": "garbage"}, ProtocolError, "a web page that is not OFX"),
        ({"name": "garbage", "on": "accounts"}, ProtocolError, "a web page that is not OFX"),
        ({"name": "garbage", "on": "transactions"}, ProtocolError, "a web page that is not OFX"),
    ],
)
async def test_each_scenario_is_the_failure_it_stands_for_and_passes_when_switched_off(place, scenario, failure, words):
    await place.scenario(**scenario)
    with pytest.raises(failure, match=words) as raised:
        await place.fetched()
    assert type(raised.value) is failure
    await place.control.delete("/scenario")
    assert rows_of(await place.parsed())


async def test_a_bank_that_is_asked_too_often_says_when_to_come_back(place):
    await place.scenario(name="rate_limited", retry_after=900)
    with pytest.raises(InstitutionRateLimited) as limited:
        await place.fetched()
    assert limited.value.retry_at == NOON + timedelta(seconds=900)


async def test_a_slow_bank_is_down(place):
    await place.scenario(name="slow", seconds=0.6)
    async with open_http(Settings(sandbox_url=place.url)) as http:
        with pytest.raises(InstitutionDown, match=r"Sandbox Bank did not answer within 0\.1 seconds"):
            await anext(OfxDirectConnector(http, deadline_seconds=0.1).fetch(place.kept, MONTH))


async def test_an_account_that_is_gone_holds_up_none_of_the_others(place):
    await place.scenario(name="account_gone", account="checking")
    pages = await place.fetched()
    (failed,) = (page for page in pages if isinstance(page, AccountFailure))
    assert type(failed.failure) is AccountGone
    assert "/checking-" in failed.account_external_id
    read = [place.connector.parse(page.content) for page in pages if not isinstance(page, AccountFailure)]
    assert {one.kind for page in read for one in page.accounts} == KINDS - {AccountKind.CHECKING}
    assert failed.account_external_id not in {row.account_external_id for row in rows_of(read)}


@pytest.mark.parametrize("days", [80, 30, 8])
async def test_days_that_are_too_many_at_once_are_asked_for_in_parts(place, days):
    request = FetchRequest(date(2026, 9, 1) if days > 10 else date(2026, 10, 20), date(2026, 11, 24))
    await place.scenario(name="window_too_large", days=days)
    pages = await place.parsed(request)
    assert said(rows_of(pages)) == said(rows_of(await _without_scenarios(place, request)))
    assert {(window.first, window.last) for window in _last_windows(pages)} == {(request.first, TODAY)}


async def test_a_bank_that_refuses_a_week_gives_no_history(place):
    await place.scenario(name="window_too_large", days=3)
    failures = await place.fetched()
    assert {type(one.failure) for one in failures if isinstance(one, AccountFailure)} == {WindowTooLarge}
    assert len(failures) == 4


async def test_a_statement_that_comes_twice_changes_nothing(place):
    once = await place.parsed()
    await place.scenario(name="duplicate_page")
    assert said(rows_of(await place.parsed())) == said(rows_of(once))
    assert [page.windows for page in await place.parsed()] == [page.windows for page in once]


@pytest.mark.parametrize(("field", "reason"), [("amount", "12,5O"), ("posted_on", "20260230")])
async def test_a_row_that_cannot_be_read_is_put_aside_with_its_reason(place, field, reason):
    good = said(rows_of(await place.parsed()))
    await place.scenario(name="bad_row", field=field)
    pages = await place.parsed()
    (rejected,) = (row for page in pages for row in page.rejected)
    assert said(rows_of(pages)) == good
    assert reason in rejected.reason
    assert rejected.account_external_id.startswith("card-")
    assert rejected.position > 20


@pytest.mark.parametrize(("hours", "day"), [(14, date(2026, 11, 24)), (-12, TODAY), (5.5, TODAY), (-3.5, TODAY)])
async def test_a_day_is_the_banks_own_whatever_its_zone(place, hours, day):
    await place.scenario(name="time_zone", hours=hours)
    bought = (await place.control.post("/purchases", json={"amount": "-1.00", "description": "KIOSK"})).json()
    (row,) = (row for row in rows_of(await place.parsed()) if row.external_id == bought["id"])
    assert (row.posted_on, row.posted_on.isoformat()) == (day, bought["posted_on"])
    assert row.occurred_at == NOON
    assert said(rows_of(await place.parsed())) == said(rows_of(await place.truth()))


async def test_pending_rows_are_read_where_the_server_lists_them(place):
    bought = {"amount": "-3.30", "description": "PARKING", "pending": True}
    await place.control.post("/purchases", json=bought)
    without = rows_of(await place.parsed())
    rows = rows_of(await place.parsed(version="220", pending="Y"))
    pending = [row for row in rows if row.pending]
    truth = [row for row in rows_of(await place.truth()) if row.pending]
    assert sorted((row.posted_on, row.amount_minor, row.description) for row in pending) == sorted(
        (row.posted_on, row.amount_minor, row.description) for row in truth
    )
    assert (TODAY, -330, "PARKING") in {(row.posted_on, row.amount_minor, row.description) for row in pending}
    assert not any(row.external_id for row in pending)
    assert not any(row.pending for row in without)


async def test_a_posted_row_with_a_tip_comes_once_and_leaves_the_pending_list(place):
    bought = {"amount": "-40.00", "description": "TST* ZUM HIRSCHEN", "pending": True}
    row_id = (await place.control.post("/purchases", json=bought)).json()["id"]
    await place.scenario(name="pending_to_posted", id=row_id, percent=20)
    rows = [row for row in rows_of(await place.parsed(version="220", pending="Y")) if "HIRSCHEN" in row.description]
    assert [(row.amount_minor, row.pending) for row in rows] == [(-4800, False)]


async def test_changed_removed_and_readded_rows_show_as_the_bank_shows_them(place):
    first = {row.external_id: row for row in rows_of(await place.parsed())}
    changed = (await place.scenario(name="changed_amount", amount="-77.70"))["changed"][0]["id"]
    assert {row.external_id: row for row in rows_of(await place.parsed())}[changed].amount_minor == -7770
    removed = (await place.scenario(name="removed_row"))["removed"][0]
    assert removed not in {row.external_id for row in rows_of(await place.parsed())}
    await place.scenario(name="readded_row", id=removed, new_id=True)
    again = {row.external_id for row in rows_of(await place.parsed())}
    assert len(again) == len(first)
    assert len(again - set(first)) == 1
    assert removed not in again


async def test_changed_ids_change_nothing_else(place):
    before = rows_of(await place.parsed())
    await place.scenario(name="changed_ids")
    after = rows_of(await place.parsed())
    assert sorted(line[1:] for line in said(after)) == sorted(line[1:] for line in said(before))
    card = [row for row in after if row.account_external_id.startswith("card-")]
    assert not {row.external_id for row in card} & {row.external_id for row in before}


async def test_each_request_is_paid_for_before_it_is_sent(place):
    spent = 0

    async def spend():
        nonlocal spent
        if spent == 2:
            raise InstitutionRateLimited("Enough for today.", retry_at=NOON)
        spent += 1

    pages = place.connector.fetch(place.kept, replace(MONTH, spend=spend))
    assert [(await anext(pages)).content_type for _ in range(2)] == ["application/x-ofx"] * 2
    with pytest.raises(InstitutionRateLimited, match="Enough"):
        await anext(pages)


def _last_windows(pages):
    return {window.account_external_id: window for page in pages for window in page.windows}.values()


async def _without_scenarios(place, request):
    await place.control.delete("/scenario")
    return await place.truth(request)
