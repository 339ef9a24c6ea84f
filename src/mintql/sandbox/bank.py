"""What the sandbox bank answers, as plain values; `app` puts them on HTTP."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

from mintql.domain.money import to_decimal_text
from mintql.sandbox.errors import BankError, bad_request
from mintql.sandbox.history import History
from mintql.sandbox.ledger import Ledger, Row
from mintql.sandbox.people import CURRENCY, Account
from mintql.sandbox.store import ControlStore

HISTORIES_KEPT_MAX = 32
"""Drawn histories kept in memory; one of five years takes about 2 MB and 50 ms."""
PAGE_ROWS_MAX = 500
WINDOW_DAYS_MAX = 740


@dataclass(frozen=True, slots=True)
class PageQuery:
    """Which transactions are asked for. `after`: (date, id) of the last row given; `again`: a page repeated."""

    first: date
    last: date
    limit: int = PAGE_ROWS_MAX
    after: tuple[date, str] | None = None
    again: bool = False


class Bank:
    """The bank on its own: no HTTP, no tokens. `now` gives the time in UTC."""

    def __init__(self, store: ControlStore, now: Callable[[], datetime]) -> None:
        self.store = store
        self.now = now

    def ledger(self, login: str) -> Ledger:
        """Return the accounts of a login as they are at this moment."""
        return Ledger(
            _history(login),
            self.store.added(login),
            self.store.changes(login),
            self.today(login),
            self.store.renamings(login),
        )

    def zone(self, login: str) -> timezone:
        """Return the zone of the clock and the calendar that this login's bank keeps: UTC but for a scenario."""
        hours = self.store.scenarios(login).get("time_zone", {}).get("hours", 0)
        return timezone(timedelta(hours=hours))

    def clock(self, login: str) -> datetime:
        """Return the time on this login's bank's clock."""
        return self.now().astimezone(self.zone(login))

    def today(self, login: str) -> date:
        """Return the date in this login's bank's calendar."""
        return self.clock(login).date()

    def accounts(self, login: str) -> dict[str, Any]:
        """Return the answer to `GET /v1/accounts`."""
        ledger = self.ledger(login)
        shown = [_account_json(ledger, account) for account in ledger.accounts.values()]
        return {"as_of": _utc_text(self.now()), "accounts": shown}

    def page(self, login: str, account_id: str, query: PageQuery) -> dict[str, Any]:
        """Return the answer to `GET /v1/accounts/{id}/transactions`."""
        if query.last < query.first:
            raise bad_request(f"`to` ({query.last}) is before `from` ({query.first}).")
        scenarios = self.store.scenarios(login)
        days_max = scenarios.get("window_too_large", {}).get("days", WINDOW_DAYS_MAX)
        if query.last - query.first >= timedelta(days=days_max):
            raise BankError(400, "window_too_large", f"Ask for {days_max} days at most.")
        ledger = self.ledger(login)
        account = next((a for a in ledger.accounts.values() if a.account_id == account_id), None)
        if account is None or is_gone(scenarios, account):
            raise BankError(404, "account_not_found", f"There is no account {account_id[:80]!r}.")
        rows = ledger.rows(account.name, query.after[0] if query.after else query.first, query.last)
        removed = ledger.removed(account.name, query.first, query.last)
        if query.after:
            rows = [row for row in rows if (row.posted_on, row.row_id) > query.after]
        given, more = rows[: query.limit], len(rows) > query.limit
        next_page = _token(given[-1].posted_on, given[-1].row_id) if more else None
        if "duplicate_page" in scenarios and query.after is None and not query.again:
            next_page = _token(None, "", again=True)
        zone = self.zone(login)
        transactions = [row_json(row, zone) for row in given]
        if "bad_row" in scenarios and query.after is None:
            _spoil(transactions, account, query, scenarios["bad_row"])
        return {
            "account": account_id,
            "from": query.first.isoformat(),
            "to": query.last.isoformat(),
            "transactions": transactions,
            "removed": removed if next_page is None else [],
            "next_page": next_page,
        }


@lru_cache(maxsize=HISTORIES_KEPT_MAX)
def _history(login: str) -> History:
    """Return what was drawn for a login. It depends on nothing else, so that all banks of a process share it."""
    return History(login)


def read_page_token(text: str) -> tuple[tuple[date, str] | None, bool]:
    """Return (after, again) of a page token; raise `BankError` when we never gave it."""
    try:
        day, row_id, again = json.loads(base64.urlsafe_b64decode(text.encode("ascii")))
        return ((date.fromisoformat(day), str(row_id)) if day else None), bool(again)
    except (ValueError, TypeError):
        raise bad_request("`page` is not a token of this bank.") from None


def is_gone(scenarios: Mapping[str, Mapping[str, Any]], account: Account) -> bool:
    """Tell whether a scenario has closed this account."""
    return "account_gone" in scenarios and scenarios["account_gone"].get("account", "savings") == account.name


def row_json(row: Row, zone: timezone) -> dict[str, Any]:
    """Return a transaction as the protocol writes it, by a bank whose clock is in this zone."""
    return {
        "id": row.row_id,
        "posted_on": row.posted_on.isoformat(),
        "occurred_at": _utc_text(row.occurred_at.replace(tzinfo=zone)),
        "amount": to_decimal_text(row.amount_minor, CURRENCY),
        "currency": CURRENCY,
        "description": row.description,
        "pending": row.pending,
        "pending_id": row.pending_id or None,
        "mcc": row.mcc or None,
    }


def _utc_text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z"


def _account_json(ledger: Ledger, account: Account) -> dict[str, Any]:
    balance = ledger.balance(account.name)
    return {
        "id": account.account_id,
        "name": account.title,
        "kind": account.kind,
        "currency": CURRENCY,
        "mask": account.mask,
        "balance": to_decimal_text(balance.current_minor, CURRENCY),
        "available": to_decimal_text(balance.available_minor, CURRENCY),
    }


def _spoil(transactions: list[dict[str, Any]], account: Account, query: PageQuery, options: dict[str, Any]) -> None:
    """Make one row unreadable: the named one, else an extra one on the account that the options name."""
    field = str(options.get("field", "amount"))
    value = {"amount": "12,5O", "posted_on": "2026-02-30"}[field]
    if "id" in options:
        for row in transactions:
            if row["id"] == options["id"]:
                row[field] = value
    elif account.name == options.get("account", "card"):
        extra = {
            "id": f"{account.account_id}.unreadable",
            "posted_on": query.last.isoformat(),
            "occurred_at": f"{query.last.isoformat()}T12:00:00Z",
            "amount": "-12.50",
            "currency": CURRENCY,
            "description": "UNREADABLE ROW",
            "pending": False,
            "pending_id": None,
            "mcc": None,
        }
        transactions.append(extra | {field: value})


def _token(day: date | None, row_id: str, *, again: bool = False) -> str:
    content = json.dumps([day.isoformat() if day else None, row_id, again])
    return base64.urlsafe_b64encode(content.encode()).decode()
