"""A purchase at the bank ends up at a server of the person's own, signed, and the person can see how it got there."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from mintql.api.nodes import encode_id
from support.clients import client_of, eventually
from support.http_server import reply, serve
from support.people import category
from support.webhooks import OK, verified

ADD = """
mutation Add($url: String!, $events: [WebhookEvent!]) {
  addWebhookEndpoint(url: $url, events: $events) {
    __typename
    ... on AddWebhookEndpointSuccess { secret endpoint { id events } }
    ... on Error { code message field }
  }
}
"""
TEST = """
mutation Test($id: ID!) {
  sendTestWebhook(id: $id) {
    ... on SendTestWebhookSuccess { delivery { id state } }
    ... on Error { code message field }
  }
}
"""
RESEND = """
mutation Resend($id: ID!) {
  resendWebhookDelivery(id: $id) {
    ... on ResendWebhookDeliverySuccess { delivery { state } }
    ... on Error { code message field }
  }
}
"""
CHANGE = """
mutation Change($id: ID!, $enabled: Boolean, $description: String) {
  changeWebhookEndpoint(id: $id, enabled: $enabled, description: $description) {
    ... on ChangeWebhookEndpointSuccess { endpoint { url description events enabled } }
    ... on Error { code message field }
  }
}
"""
DELIVERIES = """
query Deliveries($state: WebhookDeliveryState, $first: Int, $after: Cursor) {
  webhookDeliveries(state: $state, first: $first, after: $after) {
    nodes { id type state attemptCount attempts { number statusCode answer } }
    pageInfo { hasNextPage endCursor }
  }
}
"""
BUDGET = """
mutation Budget($id: ID!, $month: Month!) {
  setBudgetOverride(
    categoryId: $id, month: $month, limit: {amount: "50.00", currency: "USD"}, scope: FROM_THIS_MONTH
  ) { __typename }
}
"""


@pytest.fixture
async def client(server):
    async with client_of(server) as opened:
        await opened.sign_up()
        yield opened


async def test_a_purchase_becomes_an_alert_becomes_a_signed_webhook(bank, client, worker) -> None:
    async with serve(OK) as receiver:
        wanted = ["BUDGET_ALERT", "NOTIFICATION_BUDGET_EXCEEDED", "SYNC_ENDED"]
        added = (await client.ask(ADD, url=f"{receiver.url}/hook", events=wanted))["addWebhookEndpoint"]
        purchase = {"amount": "-284.20", "description": "WHOLEFDS MDF 10380"}
        (await bank.control.post("/control/ada/purchases", json=purchase)).raise_for_status()
        month = f"{datetime.now(UTC):%Y-%m}"
        food = encode_id("Category", category("food-and-dining"))
        food_shown = {"id": food, "name": "Food & Dining"}
        await client.connect()

        def told() -> list[tuple[str, dict]]:
            """What came, of budgets only about food."""
            said = [verified(one, added["secret"]) for one in receiver.seen]
            return [(one["type"], one["data"]) for one in said if one["data"].get("category", food_shown) == food_shown]

        await eventually(lambda: "sync.ended" in dict(told()))
        # Budgets that the history has used up are told together; the one that is lowered now by itself.
        answer = await client.ask(BUDGET, id=food, month=month)
        assert answer["setBudgetOverride"]["__typename"] == "SetBudgetOverrideSuccess"
        needed = {"budget.alert", "notification.budget_exceeded", "sync.ended"}
        await eventually(lambda: {name for name, _ in told()} >= needed)
        await eventually(lambda: dict(told())["budget.alert"]["limit"]["amountMinor"] == 50_00)
    assert {name for name, _ in told()} == needed
    assert len({one.headers["webhook-id"] for one in receiver.seen}) == len(receiver.seen)
    said = dict(told())
    assert said["budget.alert"]["limit"] == {"amountMinor": 5000, "currency": "USD", "amount": "50.00"}
    assert said["budget.alert"]["spent"]["amountMinor"] >= 28_420
    assert said["notification.budget_exceeded"]["title"] == "Food & Dining: budget exceeded"
    assert said["sync.ended"]["state"] == "succeeded"
    assert said["sync.ended"]["addedCount"] > 0


async def test_a_test_is_sent_at_once_and_can_be_looked_at_and_sent_again(client, worker) -> None:
    async with serve(reply("500 Oh", b"no room"), OK) as receiver:
        added = (await client.ask(ADD, url=receiver.url))["addWebhookEndpoint"]
        assert added["endpoint"]["events"] is None
        sent = (await client.ask(TEST, id=added["endpoint"]["id"]))["sendTestWebhook"]["delivery"]
        assert sent["state"] == "DUE"
        await eventually(lambda: _attempts(client))
        [row] = (await client.ask(DELIVERIES))["webhookDeliveries"]["nodes"]
        assert row["attempts"] == [{"number": 1, "statusCode": 500, "answer": "no room"}]
        assert (await client.ask(RESEND, id=sent["id"]))["resendWebhookDelivery"]["delivery"]["state"] == "DUE"
        await eventually(lambda: _sent(client))
        [row] = (await client.ask(DELIVERIES, state="SENT"))["webhookDeliveries"]["nodes"]
        assert [one["statusCode"] for one in row["attempts"]] == [204, 500]
    assert len({(one.headers["webhook-id"], one.body) for one in receiver.seen}) == 1
    assert json.loads(receiver.seen[0].body)["type"] == "test.ping"


async def test_a_change_leaves_alone_what_it_does_not_name_and_an_endpoint_that_is_off_is_not_tested(client) -> None:
    added = (await client.ask(ADD, url="http://localhost:9/hook?a=1", events=["SYNC_ENDED"]))["addWebhookEndpoint"]
    named = added["endpoint"]["id"]
    changed = (await client.ask(CHANGE, id=named, description="mine"))["changeWebhookEndpoint"]["endpoint"]
    assert changed == {
        "url": "http://localhost:9/hook?a=1", "description": "mine", "events": ["SYNC_ENDED"], "enabled": True
    }  # fmt: skip
    changed = (await client.ask(CHANGE, id=named, enabled=False))["changeWebhookEndpoint"]["endpoint"]
    assert (changed["enabled"], changed["description"]) == (False, "mine")
    refused = (await client.ask(TEST, id=named))["sendTestWebhook"]
    assert (refused["code"], refused["field"]) == ("INVALID_INPUT", "id")


async def test_deliveries_are_paged_and_nobody_elses_are_among_them(server, client) -> None:
    added = (await client.ask(ADD, url="http://localhost:9/"))["addWebhookEndpoint"]
    ids = [(await client.ask(TEST, id=added["endpoint"]["id"]))["sendTestWebhook"]["delivery"]["id"] for _ in range(3)]
    first = (await client.ask(DELIVERIES, first=2))["webhookDeliveries"]
    rest = (await client.ask(DELIVERIES, first=2, after=first["pageInfo"]["endCursor"]))["webhookDeliveries"]
    assert [node["id"] for node in first["nodes"] + rest["nodes"]] == ids[::-1]
    assert (first["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasNextPage"]) == (True, False)
    async with client_of(server) as other:
        await other.sign_up()
        assert (await other.ask(DELIVERIES))["webhookDeliveries"]["nodes"] == []
        assert (await other.ask(RESEND, id=ids[0]))["resendWebhookDelivery"]["code"] == "NOT_FOUND"
        assert (await other.ask(CHANGE, id=added["endpoint"]["id"], enabled=False))["changeWebhookEndpoint"][
            "code"
        ] == "NOT_FOUND"
        assert (await other.ask("query($id: ID!) { node(id: $id) { id } }", id=ids[0]))["node"] is None


async def _attempts(client) -> bool:
    nodes = (await client.ask(DELIVERIES))["webhookDeliveries"]["nodes"]
    return all(node["attempts"] for node in nodes)


async def _sent(client) -> bool:
    return bool((await client.ask(DELIVERIES, state="SENT"))["webhookDeliveries"]["nodes"])
