"""The sandbox bank as the runs use it: with a short history, so that thousands of logins fit, and with poisoned pages.

A program of its own (`python -m faults.bank PORT STORE SEED`). `Ledger` is what the bank knows, read from its file past
HTTP and every fault: that is what the transactions are held against.
"""

from __future__ import annotations

import functools
import random
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from faults.facts import BankRow
from mintql.domain.money import parse_minor
from mintql.domain.months import add_months, first_day
from mintql.sandbox import bank, control, create_bank, history
from mintql.sandbox.bank import Bank, PageQuery
from mintql.sandbox.store import ControlStore

HISTORIES_KEPT = 5_000
HUGE_BYTES = 64 * 1024 * 1024
POISONED_SHARE = 0.3


def shorten_history() -> date:
    """Let nobody have a life before last month; return its first day. To be called before anything is drawn."""
    first = add_months(first_day(datetime.now(UTC).date()), -1)
    history.HISTORY_FIRST_DAY = control.HISTORY_FIRST_DAY = first  # type: ignore[misc]
    bank._history = functools.lru_cache(HISTORIES_KEPT)(history.History)
    return first


class Ledger:
    """What the bank would say of a login now, with every scenario left out of account."""

    def __init__(self, store_path: Path) -> None:
        self.first = shorten_history()
        self._bank = Bank(ControlStore(store_path), lambda: datetime.now(UTC))

    def rows(self, login: str) -> list[BankRow]:
        """Return all rows of all accounts of a login."""
        today = self._bank.today(login)
        query = PageQuery(self.first, today + timedelta(days=1), limit=10_000)
        found = []
        for account in self._bank.ledger(login).accounts.values():
            page: dict[str, Any] = self._bank.page(login, account.account_id, query)
            found += [
                BankRow(
                    account.account_id,
                    row["id"],
                    date.fromisoformat(row["posted_on"]),
                    parse_minor(row["amount"], row["currency"]),
                    row["pending"],
                )
                for row in page["transactions"]
            ]
        return found


class Poison:
    """Spoils some of the pages of transactions on their way out, as `PUT /poison` says."""

    def __init__(self, app: ASGIApp, seed: int) -> None:
        self._app = app
        self._dice = random.Random(seed)
        self._kind = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/poison":
            self._kind = (await Request(scope, receive).json())["kind"]
            await JSONResponse({"kind": self._kind})(scope, receive, send)
            return
        spoiled = (
            scope["type"] == "http"
            and bool(self._kind)
            and scope["path"].endswith("/transactions")
            and self._dice.random() < POISONED_SHARE
        )
        await self._app(scope, receive, _Spoiler(send, self._kind) if spoiled else send)


class _Spoiler:
    """Holds an answer back until it is whole, and sends another one."""

    def __init__(self, send: Send, kind: str) -> None:
        self._send, self._kind = send, kind
        self._start: Message = {}
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._body += message.get("body", b"")
        if message.get("more_body"):
            return
        body = self._spoil(self._body)
        headers = [(name, value) for name, value in self._start["headers"] if name != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
        await self._send({**self._start, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    def _spoil(self, body: bytes) -> bytes:
        match self._kind:
            case "truncated":
                return body[: len(body) // 2]
            case "binary":
                return bytes(range(256)) * 8
            case "huge":
                return body.replace(b'"transactions":', b'"padding":"' + b"x" * HUGE_BYTES + b'","transactions":', 1)
            case _:
                return b""


def main() -> None:
    """Serve until we are stopped."""
    port, store, seed = sys.argv[1:]
    shorten_history()
    app = Poison(create_bank(Path(store)), int(seed))
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning", timeout_keep_alive=60)


if __name__ == "__main__":
    main()
