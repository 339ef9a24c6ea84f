"""The sandbox bank's protocol and control API over real HTTP."""

from __future__ import annotations

import sqlite3
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import httpx
import pytest

from mintql.sandbox import create_bank, tokens
from mintql.sandbox.app import create_app
from support.local import local_client
from support.servers import serving

TODAY = date(2026, 11, 23)
WINDOW = {"from": "2026-10-24", "to": "2026-11-23"}


class Clock:
    def __init__(self):
        self.day = TODAY

    def __call__(self):
        return self.day


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def client(tmp_path, clock):
    app = create_bank(tmp_path / "bank.sqlite", today=clock)
    async with serving(app) as server, local_client(base_url=server.url) as opened:
        yield opened


async def log_in(client, login="ada"):
    answer = await client.post("/v1/login", json={"login": login, "password": "sandbox"})
    assert answer.status_code == 200, answer.text
    client.headers["authorization"] = f"Bearer {answer.json()['token']}"


async def accounts(client):
    return {item["kind"]: item for item in (await client.get("/v1/accounts")).json()["accounts"]}


async def rows(client, kind="credit_card", **query):
    account = (await accounts(client))[kind]["id"]
    answer = await client.get(f"/v1/accounts/{account}/transactions", params={**WINDOW, **query})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def by_id(client, **query):
    return {row["id"]: row for row in (await rows(client, **query))["transactions"]}


def code(answer):
    return answer.status_code, answer.json()["error"]["code"]


async def test_the_password_is_sandbox_and_no_other(client):
    assert code(await client.post("/v1/login", json={"login": "ada", "password": "guess"})) == (401, "bad_credentials")
    assert code(await client.post("/v1/login", json={"login": "ada"})) == (401, "bad_credentials")
    for login in ("", "a b", "a/b", "x" * 129, 7, None):
        assert code(await client.post("/v1/login", json={"login": login, "password": "sandbox"})) == (
            400,
            "bad_request",
        )
    await log_in(client)


async def test_data_needs_a_token_that_was_given_not_expired_and_not_logged_out(client, monkeypatch):
    assert code(await client.get("/v1/accounts")) == (401, "bad_token")
    await log_in(client)
    assert (await client.get("/v1/accounts")).status_code == 200
    good = client.headers["authorization"]
    for bad in (good[:-2], good + "x", "Bearer nonsense", "Bearer a.b", "Basic " + good[7:], "Bearer é.ü".encode()):
        assert code(await client.get("/v1/accounts", headers={"authorization": bad})) == (401, "bad_token")
    now = time.time()
    later = SimpleNamespace(time=lambda: now + tokens.TOKEN_SECONDS + 1)
    monkeypatch.setattr("mintql.sandbox.app.time", later)
    assert code(await client.get("/v1/accounts")) == (401, "token_expired")
    monkeypatch.undo()
    assert (await client.post("/v1/logout")).status_code == 204
    assert code(await client.get("/v1/accounts")) == (401, "bad_token")


async def test_bodies_that_cannot_be_read_are_refused_in_json(client):
    assert code(await client.post("/v1/login", content=b"{", headers={"content-type": "application/json"})) == (
        400,
        "bad_request",
    )
    assert code(await client.post("/v1/login", json=[1])) == (400, "bad_request")
    assert code(await client.post("/v1/login", content=b"{}", headers={"content-type": "text/plain"})) == (
        415,
        "not_json",
    )
    assert code(await client.post("/v1/login", json={"login": "x" * 70_000})) == (413, "too_large")
    assert code(await client.get("/v1/nothing")) == (404, "not_found")
    assert code(await client.get("/v1/login")) == (405, "method_not_allowed")


async def test_there_are_three_accounts_with_balances_as_decimal_texts(client):
    await log_in(client)
    found = await accounts(client)
    assert sorted(found) == ["checking", "credit_card", "savings"]
    assert all(Decimal(item["balance"]).as_tuple().exponent == -2 for item in found.values())
    assert Decimal(found["credit_card"]["balance"]) < 0 < Decimal(found["credit_card"]["available"])


async def test_pages_add_up_to_the_window_and_nothing_repeats(client):
    await log_in(client)
    whole = await rows(client)
    gathered, token, pages = [], None, 0
    while True:
        page = await rows(client, limit="13", **({"page": token} if token else {}))
        assert len(page["transactions"]) <= 13
        gathered += page["transactions"]
        token, pages = page["next_page"], pages + 1
        if token is None:
            break
    assert gathered == whole["transactions"]
    assert pages == -(-len(gathered) // 13)
    assert whole["next_page"] is None
    assert all("2026-10-24" <= row["posted_on"] <= "2026-11-23" for row in gathered)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"from": "2026-11-24"}, (400, "bad_request")),
        ({"from": "2026-13-01"}, (400, "bad_request")),
        ({"from": ""}, (400, "bad_request")),
        ({"from": "2020-01-01"}, (400, "window_too_large")),
        ({"limit": "0"}, (400, "bad_request")),
        ({"limit": "501"}, (400, "bad_request")),
        ({"limit": "x"}, (400, "bad_request")),
        ({"page": "x"}, (400, "bad_request")),
        ({"page": "é"}, (400, "bad_request")),
    ],
)
async def test_queries_that_make_no_sense_are_refused(client, query, expected):
    await log_in(client)
    account = (await accounts(client))["checking"]["id"]
    assert code(await client.get(f"/v1/accounts/{account}/transactions", params=WINDOW | query)) == expected


async def test_another_logins_account_is_not_found(client):
    await log_in(client, "bob")
    account = (await accounts(client))["checking"]["id"]
    await log_in(client, "ada")
    assert code(await client.get(f"/v1/accounts/{account}/transactions", params=WINDOW)) == (404, "account_not_found")


async def test_a_purchase_added_by_control_shows_at_once_and_moves_the_balance(client):
    await log_in(client)
    before = (await accounts(client))["credit_card"]
    answer = await client.post("/control/ada/purchases", json={"amount": "-84.20", "description": "WHOLEFDS MDF 10380"})
    assert answer.status_code == 201
    added = answer.json()
    assert added.pop("account") == before["id"]
    assert (added["amount"], added["posted_on"], added["pending"], added["pending_id"]) == (
        "-84.20",
        "2026-11-23",
        False,
        None,
    )
    assert (await by_id(client))[added["id"]] == added
    after = (await accounts(client))["credit_card"]
    assert Decimal(after["balance"]) - Decimal(before["balance"]) == Decimal("-84.20")
    assert Decimal(after["available"]) - Decimal(before["available"]) == Decimal("-84.20")


async def test_control_of_one_login_changes_no_other(client):
    await log_in(client, "bob")
    before = await rows(client), await accounts(client)
    await client.post("/control/ada/purchases", json={"amount": "-1.00", "description": "X"})
    await client.put("/control/ada/scenario", json={"name": "outage"})
    after = await rows(client), await accounts(client)
    assert before == after


async def test_a_pending_purchase_posts_under_a_new_linked_id_with_a_tip(client):
    await log_in(client)
    start = (await accounts(client))["credit_card"]
    added = (
        await client.post(
            "/control/ada/purchases", json={"amount": "-20.00", "description": "TST* DINER", "pending": True}
        )
    ).json()
    held = (await accounts(client))["credit_card"]
    assert (added["pending"], added["pending_id"]) == (True, None)
    assert held["balance"] == start["balance"]
    assert Decimal(held["available"]) - Decimal(start["available"]) == Decimal("-20.00")

    posted = (await client.post(f"/control/ada/purchases/{added['id']}/post", json={"amount": "-24.00"})).json()
    found = await by_id(client)
    assert added["id"] not in found
    assert (posted["pending"], posted["pending_id"], posted["amount"]) == (False, added["id"], "-24.00")
    assert found[posted["id"]]["pending_id"] == added["id"]
    final = (await accounts(client))["credit_card"]
    assert Decimal(final["balance"]) - Decimal(start["balance"]) == Decimal("-24.00")
    assert code(await client.post(f"/control/ada/purchases/{posted['id']}/post")) == (409, "already_posted")


async def test_a_drawn_pending_row_posted_by_control_keeps_its_id_when_its_day_comes(client, clock):
    await log_in(client)
    waiting = next(row for row in (await by_id(client)).values() if row["pending"])
    posted = (await client.post(f"/control/ada/purchases/{waiting['id']}/post")).json()
    clock.day = TODAY + timedelta(days=5)
    later = await by_id(client)
    assert later[posted["id"]]["pending_id"] == waiting["id"]
    assert later[posted["id"]]["posted_on"] == "2026-11-23"


async def test_rows_change_and_keep_their_id(client):
    await log_in(client)
    added = (
        await client.post("/control/ada/purchases", json={"amount": "-5", "description": "A", "account": "checking"})
    ).json()
    path = f"/control/ada/purchases/{added['id']}/change"
    await client.post(path, json={"amount": "-6.10"})
    await client.post(path, json={"description": "B", "posted_on": "2026-11-20"})
    row = (await by_id(client, kind="checking"))[added["id"]]
    assert (row["amount"], row["description"], row["posted_on"]) == ("-6.10", "B", "2026-11-20")


async def test_a_removed_row_is_gone_and_named(client):
    await log_in(client)
    before = await accounts(client)
    drawn = next(row for row in (await by_id(client)).values() if not row["pending"])
    added = (await client.post("/control/ada/purchases", json={"amount": "-5", "description": "A"})).json()
    for row in (drawn, added):
        answer = await client.delete(f"/control/ada/purchases/{row['id']}")
        assert answer.json() == {"removed": row["id"]}
    page = await rows(client)
    assert {drawn["id"], added["id"]}.isdisjoint(row["id"] for row in page["transactions"])
    assert page["removed"] == sorted([drawn["id"], added["id"]])
    after = await accounts(client)
    assert Decimal(after["credit_card"]["balance"]) - Decimal(before["credit_card"]["balance"]) == -Decimal(
        drawn["amount"]
    )
    assert code(await client.delete(f"/control/ada/purchases/{drawn['id']}")) == (404, "row_not_found")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"amount": "-1.00"},
        {"description": "A"},
        {"amount": "-1.005", "description": "A"},
        {"amount": "much", "description": "A"},
        {"amount": "-1", "description": "A", "account": "gold"},
        {"amount": "-1", "description": "A", "posted_on": "2026-11-24"},
        {"amount": "-1", "description": "A", "posted_on": "2021-12-31"},
        {"amount": "-1", "description": "x" * 501},
    ],
)
async def test_purchases_that_make_no_sense_are_refused_and_nothing_is_kept(client, body):
    await log_in(client)
    before = await rows(client)
    assert code(await client.post("/control/ada/purchases", json=body)) == (400, "bad_request")
    assert await rows(client) == before


async def test_control_listens_to_this_machine_only(tmp_path):
    app = create_bank(tmp_path / "bank.sqlite")
    for host, status in (("192.168.1.7", 403), ("::ffff:10.0.0.1", 403), ("", 403), ("127.0.0.1", 200), ("::1", 200)):
        transport = httpx.ASGITransport(app, client=(host, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://bank") as client:
            answer = await client.get("/control/ada/scenario")
        assert answer.status_code == status, host


async def test_an_outage_and_an_expired_login_last_until_they_are_switched_off(client):
    await log_in(client)
    for name, expected, login_status in (
        ("outage", (503, "out_of_order"), 503),
        ("login_expired", (401, "login_expired"), 200),
    ):
        await client.put("/control/ada/scenario", json={"name": name})
        assert code(await client.get("/v1/accounts")) == expected
        assert (
            await client.post("/v1/login", json={"login": "ada", "password": "sandbox"})
        ).status_code == login_status
        assert (await client.delete("/control/ada/scenario", params={"name": name})).json() == {"scenarios": {}}
        assert (await client.get("/v1/accounts")).status_code == 200


async def test_an_outage_can_begin_with_the_transactions(client):
    await log_in(client)
    account = (await accounts(client))["checking"]["id"]
    await client.put("/control/ada/scenario", json={"name": "outage", "on": "transactions"})
    assert (await client.get("/v1/accounts")).status_code == 200
    assert (await client.get(f"/v1/accounts/{account}/transactions", params=WINDOW)).status_code == 503


async def test_slow_garbage_bad_row_and_duplicate_page(client):
    await log_in(client)
    good = await rows(client)
    await client.put("/control/ada/scenario", json={"name": "slow", "seconds": 0.3})
    began = time.monotonic()
    await client.get("/v1/accounts")
    assert time.monotonic() - began >= 0.3
    await client.delete("/control/ada/scenario")

    await client.put("/control/ada/scenario", json={"name": "garbage"})
    answer = await client.get("/v1/accounts")
    assert (answer.status_code, answer.headers["content-type"][:9]) == (200, "text/html")
    await client.delete("/control/ada/scenario")

    await client.put("/control/ada/scenario", json={"name": "bad_row", "field": "posted_on"})
    spoilt = await rows(client)
    assert spoilt["transactions"][:-1] == good["transactions"]
    assert spoilt["transactions"][-1]["posted_on"] == "2026-02-30"
    assert await rows(client, kind="checking") == await rows(client, kind="checking")
    await client.put("/control/ada/scenario", json={"name": "bad_row", "id": good["transactions"][3]["id"]})
    assert (await rows(client))["transactions"][3]["amount"] == "12,5O"
    await client.delete("/control/ada/scenario")

    await client.put("/control/ada/scenario", json={"name": "duplicate_page"})
    first = await rows(client)
    second = await rows(client, page=first["next_page"])
    assert first["transactions"] == second["transactions"] == good["transactions"]
    assert second["next_page"] is None


async def test_scenarios_that_happen_once_change_the_newest_rows_for_good(client):
    await log_in(client)
    before = await by_id(client)
    changed = (await client.put("/control/ada/scenario", json={"name": "changed_amount", "amount": "-99.99"})).json()[
        "changed"
    ][0]
    assert before[changed["id"]]["amount"] != "-99.99"
    assert (await by_id(client))[changed["id"]]["amount"] == "-99.99"

    waiting = {key: row for key, row in before.items() if row["pending"]}
    posted = (await client.put("/control/ada/scenario", json={"name": "pending_to_posted", "percent": 20})).json()[
        "changed"
    ]
    now = await by_id(client)
    assert {row["pending_id"] for row in posted} == set(waiting)
    assert not any(row["pending"] for row in now.values())
    for row in posted:
        assert Decimal(row["amount"]) <= Decimal(waiting[row["pending_id"]]["amount"]) * Decimal("1.2")

    removed = (await client.put("/control/ada/scenario", json={"name": "removed_row"})).json()["removed"]
    assert removed[0] in now
    assert (await rows(client))["removed"] == removed
    assert (await client.get("/control/ada/scenario")).json() == {"scenarios": {}}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "flood"},
        {"name": "outage", "on": "mars"},
        {"name": "slow", "seconds": "x"},
        {"name": "bad_row", "field": "id"},
        {"name": "pending_to_posted", "percent": -1},
        {"name": "changed_amount", "id": "nothing"},
        {"name": "readded_row", "id": "nothing"},
        {"name": "readded_row", "new_id": "yes"},
        {"name": "changed_ids", "account": "gold"},
        {"name": "time_zone"},
        {"name": "time_zone", "hours": 15},
        {"name": "window_too_large", "days": 0},
        {"name": "window_too_large", "days": True},
        {"name": "rate_limited", "retry_after": -1},
    ],
)
async def test_scenarios_that_make_no_sense_are_refused(client, body):
    answer = await client.put("/control/ada/scenario", json=body)
    assert answer.status_code in (400, 404)
    assert (await client.get("/control/ada/scenario")).json() == {"scenarios": {}}


async def test_what_control_did_and_tokens_survive_a_restart(tmp_path, monkeypatch):
    path = tmp_path / "folder" / "bank.sqlite"
    monkeypatch.setenv("MINTQL_SANDBOX_STORE", str(path))
    async with serving(create_app()) as server, local_client(base_url=server.url) as client:
        await log_in(client)
        added = (await client.post("/control/ada/purchases", json={"amount": "-5", "description": "A"})).json()
        await client.put("/control/ada/scenario", json={"name": "duplicate_page"})
        authorization = client.headers["authorization"]
    async with serving(create_app()) as server, local_client(base_url=server.url) as client:
        client.headers["authorization"] = authorization
        assert (await client.get("/control/ada/scenario")).json() == {"scenarios": {"duplicate_page": {}}}
        account = (await accounts(client))["credit_card"]["id"]
        day = added["posted_on"]
        answer = await client.get(f"/v1/accounts/{account}/transactions", params={"from": day, "to": day})
        assert added["id"] in {row["id"] for row in answer.json()["transactions"]}


async def put(client, **scenario):
    answer = await client.put("/control/ada/scenario", json=scenario)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("scenario", "expected", "accounts_status"),
    [
        ({"name": "rate_limited", "retry_after": 7}, (429, "rate_limited"), 429),
        ({"name": "consent_expired"}, (403, "consent_expired"), 403),
        ({"name": "payment_required"}, (402, "payment_required"), 402),
        ({"name": "not_ready"}, (409, "not_ready"), 200),
        ({"name": "window_too_large", "days": 10}, (400, "window_too_large"), 200),
        ({"name": "account_gone", "account": "checking"}, (404, "account_not_found"), 200),
    ],
)
async def test_what_the_bank_wants_first_is_said_by_a_code_until_it_is_switched_off(
    client, scenario, expected, accounts_status
):
    await log_in(client)
    path = f"/v1/accounts/{(await accounts(client))['checking']['id']}/transactions"
    await put(client, **scenario)
    answer = await client.get(path, params=WINDOW)
    assert code(answer) == expected
    assert answer.headers.get("retry-after") == {429: "7", 409: "30"}.get(expected[0])
    assert (await client.get("/v1/accounts")).status_code == accounts_status
    await client.delete("/control/ada/scenario")
    assert (await client.get(path, params=WINDOW)).status_code == 200


async def test_one_closed_account_leaves_the_others(client):
    await log_in(client)
    await put(client, name="account_gone", account="checking")
    assert len((await rows(client, kind="savings"))["transactions"]) > 0


async def test_changed_ids_rename_every_row_of_one_account_and_link_nothing(client):
    await log_in(client)
    before, checking = await by_id(client), await by_id(client, kind="checking")
    await put(client, name="changed_ids")
    after = await by_id(client)
    assert before.keys().isdisjoint(after)
    assert not any(row["pending_id"] for row in after.values())
    content = [
        sorted((row["posted_on"], row["amount"], row["description"], row["pending"]) for row in rows.values())
        for rows in (before, after)
    ]
    assert content[0] == content[1]
    assert (await rows(client))["removed"] == []
    assert await by_id(client, kind="checking") == checking

    posted = (await put(client, name="pending_to_posted"))["changed"]
    assert posted
    assert {row["pending_id"] for row in posted} <= after.keys()
    await put(client, name="changed_ids")
    assert (await by_id(client)).keys().isdisjoint(after)


async def test_a_row_that_was_pending_when_ids_changed_posts_by_itself_with_a_link(client, clock):
    await log_in(client)
    await put(client, name="changed_ids")
    waiting = {row["id"] for row in (await by_id(client)).values() if row["pending"]}
    clock.day = TODAY + timedelta(days=4)
    later = await by_id(client, to="2026-11-27")
    assert waiting
    assert waiting <= {row["pending_id"] for row in later.values()}


@pytest.mark.parametrize("new_id", [False, True])
async def test_a_removed_row_comes_back_under_the_same_or_another_id(client, new_id):
    await log_in(client)
    before, balance = await by_id(client), (await accounts(client))["credit_card"]["balance"]
    (gone,) = (await put(client, name="removed_row"))["removed"]
    assert (await rows(client))["removed"] == [gone]
    answer = await put(client, name="readded_row", new_id=new_id)
    (back,) = answer["changed"]
    page = await rows(client)
    assert (back["id"] == gone) is not new_id
    assert page["removed"] == ([gone] if new_id else [])
    assert back["amount"] == before[gone]["amount"]
    assert {row["id"] for row in page["transactions"]} == {*before.keys() - {gone}, back["id"]}
    assert (await accounts(client))["credit_card"]["balance"] == balance

    assert (await put(client, name="removed_row", id=back["id"]))["removed"] == [back["id"]]
    assert back["id"] not in await by_id(client)


async def test_without_a_removed_row_the_newest_is_removed_and_added_at_once(client):
    await log_in(client)
    before = await by_id(client)
    answer = await put(client, name="readded_row", new_id=True)
    after = await by_id(client)
    assert before.keys() - after.keys() == set(answer["removed"])
    assert after.keys() - before.keys() == {answer["changed"][0]["id"]}


async def test_a_bank_in_another_zone_has_another_day_and_says_times_in_utc(tmp_path):
    moment = datetime(2026, 11, 23, 20, 30, tzinfo=UTC)
    app = create_bank(tmp_path / "bank.sqlite", now=lambda: moment)
    async with serving(app) as server, local_client(base_url=server.url) as client:
        await log_in(client)
        for hours, day in ((0, "2026-11-23"), (13, "2026-11-24"), (-12, "2026-11-23"), (3.5, "2026-11-24")):
            await put(client, name="time_zone", hours=hours)
            added = (await client.post("/control/ada/purchases", json={"amount": "-5", "description": "A"})).json()
            assert (added["posted_on"], added["occurred_at"]) == (day, "2026-11-23T20:30:00Z")
        assert (await client.get("/v1/accounts")).json()["as_of"] == "2026-11-23T20:30:00Z"


async def test_a_file_of_an_earlier_bank_is_read(tmp_path):
    path = tmp_path / "bank.sqlite"
    with sqlite3.connect(path) as old:
        old.execute(
            "CREATE TABLE changes (login TEXT NOT NULL, entry_id TEXT NOT NULL, account TEXT NOT NULL,"
            " settled_on TEXT, posted_on TEXT, amount_minor INTEGER, description TEXT, removed_id TEXT,"
            " PRIMARY KEY (login, entry_id))"
        )
    old.close()
    async with (
        serving(create_bank(path, today=lambda: TODAY)) as server,
        local_client(base_url=server.url) as client,
    ):
        await log_in(client)
        removed = (await put(client, name="removed_row"))["removed"]
        assert (await rows(client))["removed"] == removed
