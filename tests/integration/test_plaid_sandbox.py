"""The sandbox bank as Plaid: whom it lets in, what it refuses and how, and webhooks that can be verified."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mintql.domain.errors import ProtocolError
from mintql.gateways.webhooks import WebhookRefused, read_webhook
from mintql.institutions.plaid_webhooks import WEBHOOK_PATH, WebhookEvent
from support.plaid import drawn, plaid_place
from support.servers import serving

KEYS = {"PLAID-CLIENT-ID": "sandbox", "PLAID-SECRET": "sandbox"}


@pytest.fixture
async def place(tmp_path, monkeypatch):
    monkeypatch.setattr("mintql.sandbox.bank.History", drawn)
    async with plaid_place(tmp_path) as found:
        yield found


def refused(answer: httpx.Response) -> tuple[int, str, str]:
    body = answer.json()
    assert set(body) >= {"error_type", "error_code", "error_message", "display_message", "request_id"}
    return answer.status_code, body["error_type"], body["error_code"]


async def test_the_clients_keys_are_taken_from_headers_or_body(place):
    token = place.credentials.password
    in_body = {"client_id": "sandbox", "secret": "sandbox", "access_token": token}
    assert (await place.bank.post("/plaid/accounts/get", json=in_body)).status_code == 200
    assert (await place.bank.post("/plaid/accounts/get", json={"access_token": token}, headers=KEYS)).status_code == 200
    wrong = await place.bank.post("/plaid/accounts/get", json=in_body | {"secret": "guess"})
    assert refused(wrong) == (400, "INVALID_INPUT", "INVALID_API_KEYS")
    without = await place.bank.post("/plaid/accounts/get", json={"access_token": token})
    assert refused(without) == (400, "INVALID_REQUEST", "MISSING_FIELDS")


@pytest.mark.parametrize(
    ("path", "body", "answer"),
    [
        ("/accounts/get", {}, (400, "INVALID_REQUEST", "MISSING_FIELDS")),
        ("/accounts/get", {"access_token": "access-sandbox-none"}, (400, "INVALID_INPUT", "INVALID_ACCESS_TOKEN")),
        ("/item/public_token/exchange", {"public_token": "x"}, (400, "INVALID_INPUT", "INVALID_PUBLIC_TOKEN")),
        ("/link/token/get", {"link_token": "x"}, (400, "INVALID_INPUT", "INVALID_LINK_TOKEN")),
        ("/link/token/create", {"client_name": "x"}, (400, "INVALID_REQUEST", "MISSING_FIELDS")),
        (
            "/link/token/create",
            {"client_name": "x", "language": "en", "country_codes": ["US"], "user": {"client_user_id": "1"}},
            (400, "INVALID_REQUEST", "MISSING_FIELDS"),
        ),
        ("/sandbox/public_token/create", {}, (400, "INVALID_REQUEST", "MISSING_FIELDS")),
        (
            "/sandbox/public_token/create",
            {"institution_id": "i", "initial_products": ["transactions"], "options": {"override_password": "guess"}},
            (400, "ITEM_ERROR", "INVALID_CREDENTIALS"),
        ),
        (
            "/webhook_verification_key/get",
            {"key_id": "none"},
            (400, "INVALID_INPUT", "INVALID_WEBHOOK_VERIFICATION_KEY_ID"),
        ),
        ("/transactions/get", {}, (404, "INVALID_REQUEST", "NOT_FOUND")),
    ],
)
async def test_what_plaid_refuses_is_refused_as_plaid_does(place, path, body, answer):
    assert refused(await place.ask(path, **body)) == answer


@pytest.mark.parametrize(
    "options",
    [
        {"count": 0},
        {"count": 501},
        {"count": True},
        {"count": "many"},
        {"cursor": 7},
        {"cursor": "bm9uZQ=="},
        {"cursor": "%%%"},
        {"options": ["x"]},
        {"options": {"days_requested": 731}},
        {"options": {"personal_finance_category_version": "v3"}},
    ],
)
async def test_values_that_cannot_be_are_refused_by_name(place, options):
    answer = await place.ask("/transactions/sync", access_token=place.credentials.password, **options)
    assert refused(answer) == (400, "INVALID_REQUEST", "INVALID_FIELD")


async def test_bodies_that_are_not_json_are_refused(place):
    answer = await place.bank.post("/plaid/accounts/get", content=b"{", headers=KEYS)
    assert refused(answer) == (415, "INVALID_REQUEST", "INVALID_BODY")


async def test_pages_have_as_many_rows_as_were_asked_for_and_none_is_missing_or_double(place):
    seen, cursor, more = [], "", True
    while more:
        body = {"access_token": place.credentials.password, "count": 37} | ({"cursor": cursor} if cursor else {})
        page = (await place.ask("/transactions/sync", **body)).json()
        assert len(page["added"]) == 37 or not page["has_more"]
        seen += [row["transaction_id"] for row in page["added"]]
        cursor, more = page["next_cursor"], page["has_more"]
    assert len(seen) == len(set(seen)) > 100
    assert set(seen) == set((await place.fetch()).rows)


async def test_a_cursor_tells_all_that_happened_since_and_nothing_of_what_came_and_went(place):
    async def sync(cursor):
        answer = await place.ask(
            "/transactions/sync", access_token=place.credentials.password, cursor=cursor, count=500
        )
        page = answer.json()
        return page["next_cursor"], *(len(page[key]) for key in ("added", "modified", "removed"))

    start, *_ = await sync("now")
    kept, gone = await place.buy("-1.00"), await place.buy("-2.00")
    middle, *changes = await sync(start)
    assert changes == [2, 0, 0]
    await place.scenario(name="removed_row", id=gone)
    await place.scenario(name="changed_amount", id=kept, amount="-3.00")
    assert (await sync(middle))[1:] == (0, 1, 1)
    assert (await sync(start))[1:] == (1, 0, 0)


async def test_a_removed_item_and_one_that_needs_a_login_say_so(place):
    token = place.credentials.password
    await place.ask("/sandbox/item/reset_login", access_token=token)
    answer = await place.ask("/transactions/sync", access_token=token)
    assert refused(answer) == (400, "ITEM_ERROR", "ITEM_LOGIN_REQUIRED")
    item = (await place.ask("/item/get", access_token=token)).json()["item"]
    assert (item["item_id"], item["error"]["error_code"]) == (place.credentials.login, "ITEM_LOGIN_REQUIRED")
    await place.ask("/item/remove", access_token=token)
    assert refused(await place.ask("/item/get", access_token=token)) == (400, "ITEM_ERROR", "ITEM_NOT_FOUND")


async def test_the_page_of_a_visit_lets_nobody_in_twice_and_shows_no_markup_of_others(place):
    session = await place.connector.open_link("person-1")
    page = await place.bank.post(session.url, data={"login": '"><script>alert(1)</script>', "password": "x"})
    assert page.status_code == 403
    assert "<script>" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert (await place.bank.post(session.url, data={"login": "grace", "password": "sandbox"})).status_code == 200
    assert (await place.bank.get(session.url)).status_code == 404
    assert (await place.bank.get("/plaid/link/link-sandbox-none")).status_code == 404


async def test_older_clients_get_the_older_categories(place):
    async def categories(version):
        options = {"personal_finance_category_version": version}
        answer = await place.ask(
            "/transactions/sync", access_token=place.credentials.password, count=500, options=options
        )
        return {row["personal_finance_category"]["detailed"] for row in answer.json()["added"]}

    newer, older = await categories("v2"), await categories("v1")
    assert newer - older == {"INCOME_SALARY"}
    assert older - newer == {"INCOME_WAGES"}


@pytest.fixture
async def hook():
    """A server that keeps what is posted to it: (headers, body)."""
    got: list[tuple[dict[str, str], bytes]] = []

    async def keep(request: Request) -> Response:
        got.append((dict(request.headers), await request.body()))
        return Response(status_code=204)

    async with serving(Starlette(routes=[Route(WEBHOOK_PATH, keep, methods=["POST"])])) as server:
        yield server.url + WEBHOOK_PATH, got


async def test_a_webhook_is_verified_with_the_key_that_plaid_gives_and_asks_for_a_refresh(place, hook):
    url, got = hook
    credentials = await place.link(webhook=url)
    fired = await place.ask(
        "/sandbox/item/fire_webhook", access_token=credentials.password, webhook_code="SYNC_UPDATES_AVAILABLE"
    )
    assert fired.json()["webhook_fired"] is True
    ((headers, body),) = got
    now = datetime.now(UTC)
    event = await read_webhook(place.connector, headers, body, now)
    assert event == WebhookEvent(credentials.login, "SYNC_UPDATES_AVAILABLE", refresh=True)
    with pytest.raises(WebhookRefused, match="another body"):
        await read_webhook(place.connector, headers, body.replace(b"true", b"null"), now)
    with pytest.raises(WebhookRefused, match="last 300 seconds"):
        await read_webhook(place.connector, headers, body, datetime.fromtimestamp(now.timestamp() + 400, UTC))


async def test_a_webhook_that_names_a_key_plaid_does_not_know_is_not_believed(place, hook):
    url, got = hook
    credentials = await place.link(webhook=url)
    await place.ask("/sandbox/item/fire_webhook", access_token=credentials.password, webhook_code="ERROR")
    headers, body = got[0]
    _, _, rest = headers["plaid-verification"].partition(".")
    named = base64.urlsafe_b64encode(json.dumps({"alg": "ES256", "kid": "none"}).encode()).decode().rstrip("=")
    with pytest.raises(ProtocolError, match="knows no key"):
        await read_webhook(
            place.connector, headers | {"plaid-verification": f"{named}.{rest}"}, body, datetime.now(UTC)
        )


@pytest.mark.parametrize(
    ("code", "refresh", "words"),
    [
        ("ERROR", True, ""),
        ("LOGIN_REPAIRED", True, ""),
        ("USER_PERMISSION_REVOKED", True, "taken back"),
        ("USER_ACCOUNT_REVOKED", True, "an account"),
        ("PENDING_DISCONNECT", False, "ends on 20"),
        ("PENDING_EXPIRATION", False, "ends on 20"),
        ("NEW_ACCOUNTS_AVAILABLE", False, "not shared"),
    ],
)
async def test_what_is_told_of_an_item_reaches_its_person(place, hook, code, refresh, words):
    url, got = hook
    credentials = await place.link(webhook=url)
    await place.ask("/sandbox/item/fire_webhook", access_token=credentials.password, webhook_code=code)
    event = await read_webhook(place.connector, *got[0], datetime.now(UTC))
    assert event is not None
    assert (event.item_id, event.code, event.refresh) == (credentials.login, code, refresh)
    assert words in event.notice


@pytest.mark.parametrize("url", [None, "https://example.com/hook", "http://10.0.0.1/hook", "http://127.0.0.1:9/hook"])
async def test_webhooks_go_to_this_machine_only(place, url):
    credentials = await place.link(webhook=url)
    answer = await place.ask(
        "/sandbox/item/fire_webhook", access_token=credentials.password, webhook_code="SYNC_UPDATES_AVAILABLE"
    )
    assert refused(answer) == (400, "SANDBOX_ERROR", "SANDBOX_WEBHOOK_INVALID")


async def test_a_link_tells_plaid_where_this_server_wants_its_webhooks(place):
    session = await place.connector.open_link("person-1")
    metadata = (await place.ask("/link/token/get", link_token=session.token)).json()["metadata"]
    assert metadata["webhook"] == f"http://127.0.0.1:9{WEBHOOK_PATH}"
