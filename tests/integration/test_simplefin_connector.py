"""The SimpleFIN connector against the sandbox bank's SimpleFIN server over real HTTP, scenario by scenario."""

from __future__ import annotations

import base64
import json
from collections import Counter
from dataclasses import replace
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
from mintql.domain.institutions import AccountKind, Window
from mintql.gateways.http import open_http
from mintql.institutions.base import AccountFailure, Credentials, FetchRequest, RawPage
from mintql.institutions.simplefin import REQUESTS_PER_FETCH_MAX, SimpleFinConnector
from mintql.settings import Settings
from support.plaid import drawn
from support.simplefin import MONTH, NOW, TODAY, simplefin_place

TWO_YEARS = FetchRequest(date(2024, 11, 23), date(2026, 11, 24))


@pytest.fixture
async def place(tmp_path, monkeypatch):
    monkeypatch.setattr("mintql.sandbox.bank.History", drawn)
    async with simplefin_place(tmp_path) as found:
        yield found


def seconds(day):
    return str(int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()))


async def test_a_setup_token_becomes_an_address_a_login_and_a_password_and_works_once(place):
    token = await place.token()
    kept = await place.connector.connect(Credentials("", "", f"  {token[:40]}\n{token[40:]} "))
    assert kept.url == place.root
    assert kept.options == {"version": "2"}
    assert len(await place.rows(access=kept)) > 50

    with pytest.raises(AuthRequired, match="claimed already") as refusal:
        await place.connector.connect(Credentials("", "", token))
    assert "somebody else" in refusal.value.message
    assert "disable the token" in refusal.value.message
    assert refusal.value.action.startswith("Make a new setup token")
    assert token.strip() not in refusal.value.message


async def test_an_access_url_and_what_is_kept_of_one_are_taken_as_they_are(place):
    scheme, _, rest = place.root.partition("://")
    password = f"%{ord(place.access.password[0]):02X}" + place.access.password[1:]
    pasted = f"{scheme}://{place.access.login}:{password}@{rest}/"
    assert await place.connector.connect(Credentials("", "", pasted)) == place.access
    assert await place.connector.connect(place.access) == place.access
    with pytest.raises(AuthRequired, match="no longer lets this access in"):
        await place.connector.connect(replace(place.access, password="guess"))


@pytest.mark.parametrize(
    "pasted",
    [
        "nonsense",
        "",
        "aHR0cHM6Ly9icmlkZ2U\N{CYRILLIC SMALL LETTER A}",
        base64.b64encode(b"no address at all").decode(),
        base64.b64encode(b"ftp://bank.example/claim/x").decode(),
        base64.b64encode(b"http://bank.example/claim/x").decode(),
        base64.b64encode(b"http://127.0.0.1:1/claim/x").decode(),
        base64.b64encode(b"https://[::1/claim/x").decode(),
        base64.b64encode(b"https://169.254.169.254/claim/x").decode(),
        base64.b64encode("https://bank.example/claim/é".encode()).decode(),
        "https://bank.example/simplefin",
        "http://login:secret@bank.example/simplefin",
        "https://login@bank.example/simplefin",
        "https://login:secret@127.0.0.1/simplefin",
    ],
)
async def test_what_is_no_token_is_refused_in_words_that_repeat_nothing_of_it(place, pasted):
    with pytest.raises(InvalidInput) as refusal:
        await place.connector.connect(Credentials("", "", pasted))
    assert refusal.value.field == "password"
    assert "secret" not in refusal.value.message


async def test_a_claimed_token_is_kept_whatever_the_server_says_next(place):
    token = await place.token()
    await place.scenario(name="payment_required")
    kept = await place.connector.connect(Credentials("", "", token))
    with pytest.raises(PaymentRequired):
        await place.given(access=kept)
    await place.control.delete("/scenario")
    assert await place.rows(access=kept)


async def test_an_outage_leaves_a_token_unclaimed(place):
    token = await place.token()
    await place.scenario(name="outage")
    with pytest.raises(InstitutionDown, match="out of order"):
        await place.connector.connect(Credentials("", "", token))
    await place.control.delete("/scenario")
    assert (await place.connector.connect(Credentials("", "", token))).login


async def test_no_message_or_repr_shows_what_opens_the_accounts(place):
    await place.scenario(name="login_expired")
    with pytest.raises(AuthRequired) as refusal:
        await place.given()
    assert refusal.value.action == "Make a new setup token at your SimpleFIN server and enter it for this connection."
    for secret in (place.access.login, place.access.password):
        assert secret not in refusal.value.message
        assert secret not in repr(place.access)


async def test_two_years_come_in_ninety_day_windows_walked_backwards(place):
    spent = []

    async def spend():
        spent.append(len(place.asked))

    pages = await place.parsed(replace(TWO_YEARS, spend=spend))
    assert len(pages) == 9
    assert spent == list(range(9))
    assert place.asked[0] == {
        "start-date": seconds(date(2026, 8, 27)),
        "end-date": seconds(date(2026, 11, 25)),
        "pending": "1",
        "version": "2",
    }
    assert not any("pending" in query for query in place.asked[1:])
    for newer, older in zip(place.asked, place.asked[1:], strict=False):
        assert older["end-date"] == newer["start-date"]
        assert int(older["end-date"]) - int(older["start-date"]) <= 90 * 86_400
    assert place.asked[-1]["start-date"] == seconds(TWO_YEARS.first)

    rows = [row for page in pages for row in page.transactions]
    assert len(rows) > 2_000
    assert len({(row.account_external_id, row.external_id) for row in rows}) == len(rows)
    assert not any(page.rejected or page.notices for page in pages)
    assert not any(page.windows for page in pages[:-1])
    assert pages[-1].windows == tuple(
        Window(account.external_id, TWO_YEARS.first, TWO_YEARS.last) for account in pages[0].accounts
    )


async def test_the_rows_are_those_of_the_bank_to_the_cent_and_the_day(place):
    token = (
        await place.control.post(f"{place.root}/../v1/login", json={"login": "ada", "password": "sandbox"})
    ).json()["token"]
    by_content = Counter()
    for account in (await place.parsed())[0].accounts:
        answer = await place.control.get(
            f"{place.root}/../v1/accounts/{account.external_id}/transactions",
            params={"from": MONTH.first.isoformat(), "to": MONTH.last.isoformat()},
            headers={"authorization": f"Bearer {token}"},
        )
        for row in answer.json()["transactions"]:
            by_content[
                account.external_id,
                row["id"],
                row["posted_on"],
                row["amount"],
                row["description"],
                row["pending"],
                row["mcc"] or "",
            ] += 1
    found = Counter(
        (
            row.account_external_id,
            row.external_id,
            row.posted_on.isoformat(),
            f"{row.amount_minor / 100:.2f}",
            row.description,
            row.pending,
            row.merchant_category_code,
        )
        for row in await place.rows()
    )
    assert found == by_content
    assert sum(found.values()) > 50


async def test_accounts_come_without_transactions_with_balance_kind_and_bank(place):
    spent = []

    async def spend():
        spent.append(1)

    page = place.connector.parse((await place.connector.accounts(place.access, spend)).content)
    assert place.asked[-1] == {"balances-only": "1", "version": "2"}
    assert spent == [1]
    assert page.transactions == ()
    assert {account.name.rpartition(" ")[0]: account.kind for account in page.accounts} == {
        "Sandbox Bank: Everyday Checking": AccountKind.CHECKING,
        "Sandbox Bank: Rewards Card": AccountKind.CREDIT_CARD,
        "Sandbox Bank: Rainy Day Savings": AccountKind.SAVINGS,
    }
    for account in page.accounts:
        assert account.name.endswith(f"({account.mask})")
        assert account.balance_at == NOW
        assert (account.balance_minor < 0) == (account.kind is AccountKind.CREDIT_CARD)


async def test_the_bytes_of_the_server_are_kept_untouched_behind_a_line_of_ours(place):
    (page,) = await place.given()
    head, _, content = page.content.partition(b"\n")
    assert json.loads(head)["covers"] == ["2026-10-24", "2026-11-24"]
    answer = await place.control.get(
        f"{place.root}/accounts", params=place.asked[-1], auth=(place.access.login, place.access.password)
    )
    assert content == answer.content
    assert place.connector.parse(page.content) == place.connector.parse(page.content)


@pytest.mark.parametrize("version", ["1", "2", ""])
async def test_both_versions_give_the_same_rows_and_accounts(place, version):
    both = [await place.parsed(access=replace(place.access, options={"version": v})) for v in (version, "2")]
    assert {"1": "1"}.get(version, "2") == place.asked[-2].get("version", "1")

    def told(pages):
        return [row._replace(merchant_category_code="") for page in pages for row in page.transactions]

    assert told(both[0]) == told(both[1])
    assert [page.accounts for page in both[0]] == [page.accounts for page in both[1]]
    assert [page.windows for page in both[0]] == [page.windows for page in both[1]]


async def test_the_balance_moves_by_the_sum_of_the_rows_that_are_new(place):
    before = await place.parsed()
    await place.control.post("/purchases", json={"amount": "-84.20", "description": "SHELL OIL 57444212"})
    await place.control.post("/purchases", json={"amount": "-3.30", "description": "PARKING", "pending": True})
    after = await place.parsed()
    known = {row.external_id for page in before for row in page.transactions}
    new = [row for page in after for row in page.transactions if row.external_id not in known]
    assert sorted((row.amount_minor, row.pending, row.posted_on) for row in new) == [
        (-8420, False, TODAY),
        (-330, True, TODAY),
    ]
    balances = [{a.external_id: a.balance_minor for a in pages[0].accounts} for pages in (before, after)]
    assert balances[1][new[0].account_external_id] - balances[0][new[0].account_external_id] == -8420


FAILURES = [
    ({"name": "login_expired"}, AuthRequired),
    ({"name": "payment_required"}, PaymentRequired),
    ({"name": "rate_limited", "retry_after": 120}, InstitutionRateLimited),
    ({"name": "outage"}, InstitutionDown),
    ({"name": "outage", "on": "transactions"}, InstitutionDown),
    ({"name": "garbage"}, ProtocolError),
    ({"name": "garbage", "on": "transactions"}, ProtocolError),
]


@pytest.mark.parametrize(("scenario", "failure"), FAILURES)
async def test_each_scenario_is_the_failure_it_stands_for_and_passes_when_switched_off(place, scenario, failure):
    await place.scenario(**scenario)
    with pytest.raises(failure) as raised:
        await place.given()
    assert type(raised.value) is failure
    if failure is InstitutionRateLimited:
        wait = raised.value.retry_at - datetime.now(UTC)
        assert timedelta(seconds=115) < wait <= timedelta(seconds=120)
    await place.control.delete("/scenario")
    assert await place.rows()


async def test_a_slow_server_is_down_and_a_patient_connector_waits(place):
    await place.scenario(name="slow", seconds=0.5)
    url = place.root.removesuffix("/simplefin")
    async with open_http(Settings(sandbox_url=url)) as http:
        with pytest.raises(InstitutionDown, match=r"The SimpleFIN server 127\.0\.0\.1 did not answer within"):
            await SimpleFinConnector(http, url, deadline_seconds=0.1).accounts(place.access)
        await SimpleFinConnector(http, url, deadline_seconds=10).accounts(place.access)


@pytest.mark.parametrize("version", ["1", "2"])
async def test_a_bank_that_wants_a_login_fails_its_accounts_and_nothing_is_complete(place, version):
    good = await place.rows()
    access = replace(place.access, options={"version": version})
    await place.scenario(name="consent_expired")
    given = await place.given(access=access)
    failed = [item for item in given if isinstance(item, AccountFailure)]
    (page,) = [place.connector.parse(item.content) for item in given if isinstance(item, RawPage)]
    assert [item.account_external_id for item in failed] == [account.external_id for account in page.accounts]
    assert {type(item.failure) for item in failed} == {ConsentExpired}
    assert failed[0].failure.message == "Connection to Sandbox Bank may need attention" + (
        ". Auth required" if version == "2" else ""
    )
    assert failed[0].failure.action == "Log in to this bank again at your SimpleFIN server."
    assert page.notices == (failed[0].failure.message,)
    assert page.windows == ()
    assert [(row.external_id, row.amount_minor) for row in page.transactions] == [
        (row.external_id, row.amount_minor) for row in good
    ]


async def test_a_server_that_is_still_gathering_is_asked_again_in_an_hour(place):
    await place.scenario(name="not_ready")
    with pytest.raises(NotReady, match="Incomplete transaction listing") as raised:
        await place.given(TWO_YEARS)
    assert timedelta(minutes=59) < raised.value.retry_at - datetime.now(UTC) <= timedelta(hours=1)
    assert len(place.asked) == 1
    assert len(place.connector.parse((await place.connector.accounts(place.access)).content).accounts) == 3


async def test_an_account_that_is_gone_leaves_the_others_complete(place):
    good = await place.rows()
    await place.scenario(name="account_gone", account="card")
    (page,) = await place.parsed()
    assert len(page.accounts) == len(page.windows) == 2
    kept = {account.external_id for account in page.accounts}
    assert list(page.transactions) == [row for row in good if row.account_external_id in kept]


@pytest.mark.parametrize(("days", "requests"), [(45, 1 + 3), (89, 1 + 2), (1, 1 + 15)])
async def test_a_server_that_gives_fewer_days_at_once_is_asked_for_fewer(place, days, requests):
    quarter = (
        FetchRequest(date(2026, 8, 27), date(2026, 12, 24))
        if days != 1
        else FetchRequest(date(2026, 11, 10), date(2026, 11, 24))
    )
    good = await place.rows(quarter)
    place.asked.clear()
    await place.scenario(name="window_too_large", days=days)
    pages = await place.parsed(quarter)
    assert len(place.asked) == requests
    rows = [row for page in pages for row in page.transactions]
    assert sorted(rows, key=lambda row: row.external_id) == sorted(good, key=lambda row: row.external_id)
    assert {(window.first, window.last) for window in pages[-1].windows} == {(quarter.first, quarter.last)}
    assert not any(page.notices for page in pages)


async def test_a_history_never_uses_up_a_days_allowance(place):
    await place.scenario(name="window_too_large", days=20)
    pages = await place.parsed(TWO_YEARS)
    assert len(place.asked) == REQUESTS_PER_FETCH_MAX < SimpleFinConnector.capabilities.requests_per_day_max
    reached = TWO_YEARS.last - timedelta(days=20 * (REQUESTS_PER_FETCH_MAX - 1) - 1)
    assert {(window.first, window.last) for window in pages[-1].windows} == {(reached, TWO_YEARS.last)}


async def test_half_a_year_of_nothing_is_the_end_of_the_history(place):
    place.clock.now = datetime(2022, 3, 10, 12, tzinfo=UTC)
    pages = await place.parsed(FetchRequest(date(2020, 3, 10), date(2022, 3, 11)))
    assert len(place.asked) == 1 + 2
    assert {window.first for window in pages[-1].windows} == {date(2021, 12, 12)}


async def test_the_allowance_ends_a_fetch_before_the_request_it_would_not_cover(place):
    async def spend():
        if len(place.asked) == 3:
            raise InstitutionRateLimited("That is enough for today.", retry_at=NOW)

    with pytest.raises(InstitutionRateLimited, match="enough for today"):
        await place.given(replace(TWO_YEARS, spend=spend))
    assert len(place.asked) == 3


async def test_a_bad_row_is_set_aside_and_the_others_come(place):
    good = await place.rows()
    for name, value in (("amount", "12,5O"), ("posted_on", "yesterday")):
        await place.scenario(name="bad_row", field=name)
        (page,) = await place.parsed()
        assert list(page.transactions) == good
        (rejected,) = page.rejected
        assert value in rejected.reason
        assert rejected.account_external_id.startswith("card-")


async def test_accounts_told_twice_say_nothing_new(place):
    good = await place.rows()
    await place.scenario(name="duplicate_page")
    (page,) = await place.parsed()
    assert Counter(page.transactions) == Counter(good * 2)
    assert len(page.windows) == 3


async def test_pending_rows_post_under_new_ids_without_a_link(place):
    before = {row.external_id: row for row in await place.rows()}
    waiting = {key for key, row in before.items() if row.pending}
    assert waiting
    await place.scenario(name="pending_to_posted", percent=20)
    after = {row.external_id: row for row in await place.rows()}
    assert waiting.isdisjoint(after)
    assert len(after) == len(before)
    assert not any(row.pending or row.pending_external_id for row in after.values())


async def test_changed_ids_removed_and_readded_rows_show_as_they_are_without_a_word(place):
    before = {row.external_id: row for row in await place.rows()}
    (gone,) = (await place.scenario(name="removed_row"))["removed"]
    (page,) = await place.parsed()
    assert {row.external_id for row in page.transactions} == before.keys() - {gone}
    assert page.removed == ()
    await place.scenario(name="readded_row", new_id=True)
    back = {row.external_id: row for row in await place.rows()}
    (new,) = back.keys() - before.keys()
    assert back[new]._replace(external_id=gone) == before[gone]
    await place.scenario(name="changed_ids")
    renamed = {row.external_id for row in await place.rows() if row.account_external_id.startswith("card-")}
    assert renamed.isdisjoint(before.keys() | back.keys())


@pytest.mark.parametrize("hours", [-11, -5, 0, 5.5, 11])
async def test_a_day_told_as_noon_is_the_banks_day_in_every_zone_but_the_outermost(place, hours):
    place.clock.now = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
    await place.scenario(name="time_zone", hours=hours)
    added = (await place.control.post("/purchases", json={"amount": "-5.00", "description": "NOON"})).json()
    (row,) = [row for row in await place.rows() if row.description == "NOON"]
    assert row.posted_on.isoformat() == added["posted_on"]
    assert row.occurred_at == place.clock.now


async def test_a_server_at_the_other_end_of_the_world_is_read_by_its_own_calendar_when_its_zone_is_given(place):
    await place.scenario(name="time_zone", hours=13)
    added = (await place.control.post("/purchases", json={"amount": "-5.00", "description": "KIWI"})).json()
    assert added["posted_on"] == "2026-11-24"
    access = await place.connector.connect(Credentials("", "", await place.token(), {"time_zone": "Pacific/Auckland"}))
    assert access.options == {"time_zone": "Pacific/Auckland", "version": "2"}
    by_zone = [[row for row in await place.rows(access=a) if row.description == "KIWI"] for a in (place.access, access)]
    assert [row.posted_on for rows in by_zone for row in rows] == [date(2026, 11, 23), date(2026, 11, 24)]
    # Clocks were put forward and back within these days; no request is longer than ninety times 24 hours for it.
    place.asked.clear()
    await place.given(TWO_YEARS, access)
    assert all(int(query["end-date"]) - int(query["start-date"]) <= 90 * 86_400 for query in place.asked)

    with pytest.raises(InvalidInput) as refusal:
        await place.connector.connect(Credentials("", "", await place.token(), {"time_zone": "Mars"}))
    assert refusal.value.field == "time_zone"


async def test_an_access_kept_from_elsewhere_is_not_asked_over_an_open_line(place):
    with pytest.raises(AuthRequired, match="not one that may be asked"):
        await place.given(access=replace(place.access, url="http://bank.example/simplefin"))
    with pytest.raises(InvalidInput):
        await place.connector.connect(replace(place.access, url="http://bank.example/simplefin"))
    assert place.asked == []


async def test_a_window_of_no_day_at_all_is_too_large(place, monkeypatch):
    monkeypatch.setattr("mintql.sandbox.simplefin_sets._range", lambda *_: (2**31, 2**31, 0))
    with pytest.raises(WindowTooLarge):
        await place.given()
