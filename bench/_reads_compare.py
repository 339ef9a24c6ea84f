"""Whether the contestants of `bench/read.py` answer the same, before anybody is timed."""

from __future__ import annotations

import http.client
from typing import Any

import orjson


def answer(port: int, request: bytes) -> Any:
    """Send a request as the load does, and return the parsed answer."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, path, _ = first.split(" ")
    headers = dict(line.split(": ", 1) for line in lines)
    headers.pop("content-length", None)
    conn = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        conn.request(method, path, body or None, headers)
        response = conn.getresponse()
        content = response.read()
    finally:
        conn.close()
    if response.status != 200:
        raise SystemExit(f"{method} {path} answered {response.status}: {content[:1000]!r}")
    return orjson.loads(content) if content else None


def same(name: str, expected: Any, found: Any) -> None:
    if expected != found:
        raise SystemExit(
            f"{name} answers otherwise than mintql:\n{str(found)[:1500]}\ninstead of\n{str(expected)[:1500]}"
        )


def in_words_of_peer(operation: str, data: dict[str, Any]) -> Any:
    """Return what matters of a mintql answer: names, days and amounts in their order."""
    if operation != "dashboard":
        return [
            (row["merchant"], row["postedOn"], _minor(row["amount"]), row["category"]["name"],
             row["category"]["group"]["name"], row["account"]["name"])
            for row in data["transactions"]["nodes"]
        ]  # fmt: skip
    return {
        "accounts": [(row["name"], _minor(row["balance"])) for row in data["accounts"]],
        "spending": [
            (row["category"]["name"], _minor(row["spent"]), _minor(row["received"]), _minor(row["pending"]))
            for row in data["monthlySpending"][0]["categories"]
        ],
        "budgets": [
            (row["category"]["name"], _minor(row["limit"]), _minor(row["spent"]), _minor(row["remaining"]))
            for row in data["budgets"]
        ],
    }


def of_peer(operation: str, data: dict[str, Any]) -> Any:
    """Return the same of a PostGraphile answer, in which 64-bit numbers are texts."""
    if operation != "dashboard":
        rows = data["allTransactions" if operation == "page" else "transactionsIn"]["nodes"]
        return [
            (row["merchant"], row["postedOn"], int(row["amountMinor"]), row["category"]["name"],
             row["category"]["group"]["name"], row["account"]["name"])
            for row in rows
        ]  # fmt: skip
    return {
        "accounts": [(row["name"], int(row["balanceMinor"])) for row in data["allAccounts"]["nodes"]],
        "spending": [
            (row["category"]["name"], int(row["spentMinor"]), int(row["receivedMinor"]), int(row["pendingMinor"]))
            for row in data["allSpendings"]["nodes"]
        ],
        "budgets": [
            (row["category"]["name"], int(row["limitMinor"]), int(row["spentMinor"]), int(row["remainingMinor"]))
            for row in data["allBudgets"]["nodes"]
        ],
    }


def _minor(amount: dict[str, Any]) -> int:
    return int(amount["amountMinor"])
