"""What webhooks say: the body of each type, with ids that the API takes and amounts as it writes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import orjson

from mintql.domain.ids import AlertId, CategoryId, NotificationId, UserId
from mintql.domain.money import to_decimal_text
from mintql.domain.node_ids import node_id
from mintql.domain.outgoing_webhooks import NOTIFICATION_PREFIX, TEST_TYPE, WebhookEvent
from mintql.services.personal_categories import tree_of
from mintql.store import alerts_read, notices_read
from mintql.store.outgoing_webhooks_sending import DueDelivery
from mintql.store.queries import Conn


async def write_body(conn: Conn, user_id: UserId, due: DueDelivery) -> str | None:
    """Return the body of a delivery; None when what it tells of is gone."""
    data = await _data(conn, user_id, due.type, due.payload)
    if data is None:
        return None
    return orjson.dumps({"type": due.type, "timestamp": _moment(due.occurred_at), "data": data}).decode()


async def _data(
    conn: Conn, user_id: UserId, type_name: str, payload: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    if type_name == TEST_TYPE:
        return {"message": "This is a test. Nothing happened."}
    if payload is None:
        return None
    if type_name.startswith(NOTIFICATION_PREFIX):
        return await _notification(conn, user_id, NotificationId(payload["notification_id"]))
    if type_name == WebhookEvent.BUDGET_ALERT:
        return await _alert(conn, user_id, AlertId(payload["alert_id"]))
    return _PLAIN[WebhookEvent(type_name)](payload)


def _connection(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {"connectionId": node_id("Connection", payload["connection_id"]), "what": payload["what"]}


def _transactions(payload: Mapping[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for what in ("added", "changed", "removed"):
        data[f"{what}Ids"] = [node_id("Transaction", number) for number in payload[what]]
        data[f"{what}Count"] = payload[f"{what}_count"]
    return data


def _sync(payload: Mapping[str, Any]) -> dict[str, Any]:
    failed = payload.get("error_code")
    return {
        "runId": node_id("SyncRun", payload["run_id"]),
        "connectionId": node_id("Connection", payload["connection_id"]),
        "state": payload["state"],
        # What is nought may be left out.
        "addedCount": payload.get("rows_added", 0),
        "changedCount": payload.get("rows_changed", 0),
        "removedCount": payload.get("rows_removed", 0),
        "error": {"code": failed, "message": payload.get("error_message") or ""} if failed else None,
    }


_PLAIN: Mapping[WebhookEvent, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    WebhookEvent.TRANSACTIONS_CHANGED: _transactions,
    WebhookEvent.CONNECTION_CHANGED: _connection,
    WebhookEvent.SYNC_ENDED: _sync,
}
"""What an event's payload says by itself."""


async def _alert(conn: Conn, user_id: UserId, alert_id: AlertId) -> dict[str, Any] | None:
    row = (await alerts_read.by_ids(conn, user_id, [alert_id])).get(alert_id)
    if row is None:
        return None
    return {
        "alertId": node_id("BudgetAlert", alert_id),
        "category": await _category(conn, user_id, row.category_id),
        "periodFirst": _day(row.period_first),
        "periodLast": _day(row.period_last),
        "thresholdPercent": row.threshold_percent,
        "limit": _money(row.limit_minor, row.currency),
        "carriedOver": _money(row.carried_minor, row.currency),
        "spent": _money(row.spent_minor + row.pending_minor, row.currency),
        "pending": _money(row.pending_minor, row.currency),
        "transactionIds": _nodes("Transaction", row.transaction_ids),
    }


async def _notification(conn: Conn, user_id: UserId, notification_id: NotificationId) -> dict[str, Any] | None:
    row = (await notices_read.by_ids(conn, user_id, [notification_id])).get(notification_id)
    if row is None:
        return None
    return {
        "notificationId": node_id("Notification", notification_id),
        "kind": row.kind.value,
        "title": row.title,
        "body": row.body,
        "category": None if row.category_id is None else await _category(conn, user_id, row.category_id),
        "accountId": _node("Account", row.account_id),
        "connectionId": _node("Connection", row.connection_id),
        "alertId": _node("BudgetAlert", row.alert_id),
        "transactionIds": _nodes("Transaction", row.transaction_ids),
        "amount": _money(row.amount_minor, row.currency),
        "limit": _money(row.limit_minor, row.currency),
        "periodFirst": _day(row.period_first),
        "periodLast": _day(row.period_last),
    }


async def _category(conn: Conn, user_id: UserId, category_id: CategoryId) -> dict[str, str] | None:
    found = (await tree_of(conn, user_id)).by_id.get(category_id)
    return None if found is None else {"id": node_id("Category", category_id), "name": found.name}


def _money(amount_minor: int | None, currency: str | None) -> dict[str, Any] | None:
    if amount_minor is None or currency is None:
        return None
    return {"amountMinor": amount_minor, "currency": currency, "amount": to_decimal_text(amount_minor, currency)}


def _node(type_name: str, number: int | None) -> str | None:
    return None if number is None else node_id(type_name, number)


def _nodes(type_name: str, numbers: Sequence[int]) -> list[str]:
    return [node_id(type_name, number) for number in numbers]


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
