"""What the sandbox bank answers to `GET /simplefin/accounts`, as plain values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timezone
from typing import Any

from starlette.datastructures import QueryParams

from mintql.domain.money import to_decimal_text
from mintql.sandbox.bank import Bank, is_gone
from mintql.sandbox.history import HISTORY_FIRST_DAY
from mintql.sandbox.ledger import Ledger, Row
from mintql.sandbox.people import CURRENCY, Account
from mintql.sandbox.scenarios import Scenarios

DAYS_MAX = 90
DAY_SECONDS = 86_400
SECONDS_MAX = 4_102_444_800
"""The end of the century: times beyond it, which a calendar may not reach, mean as much."""
BANK_NAME, BANK_DOMAIN = "Sandbox Bank", "bank.sandbox.example"
CONNECTION_ID, ORGANIZATION_ID = "CON-sandbox", "ORG-sandbox"

_SECONDS = re.compile(r"-?\d{1,12}(\.\d{1,9})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a query asks for. `start` and `end` in seconds since 1970; `unread`: names whose values make no sense."""

    start: int | None
    end: int | None
    pending: bool
    accounts: frozenset[str]
    balances_only: bool
    version: str
    unread: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Error:
    """An error of version 2; version 1 has a sentence alone, which is `said_before` where it is another one."""

    code: str
    msg: str
    conn_id: str = ""
    account_id: str = ""
    said_before: str = ""

    @property
    def sentence(self) -> str:
        """What version 1 says."""
        return self.said_before or self.msg

    def shown(self) -> dict[str, str]:
        said = {"code": self.code, "msg": self.msg, "conn_id": self.conn_id, "account_id": self.account_id}
        return {name: value for name, value in said.items() if value}


def read_query(values: QueryParams) -> Asked:
    """Return what a query asks for. As at the Bridge, `pending` and `balances-only` need only be there."""
    times = {name: values.get(name, "") for name in ("start-date", "end-date")}
    unread = tuple(name for name, text in times.items() if text and not _SECONDS.fullmatch(text))
    start, end = (int(float(text)) if text and name not in unread else None for name, text in times.items())
    return Asked(
        start=start,
        end=end,
        pending="pending" in values,
        accounts=frozenset(values.getlist("account")),
        balances_only="balances-only" in values,
        version="2" if values.get("version", "1").partition(".")[0] == "2" else "1",
        unread=unread,
    )


def account_set(bank: Bank, login: str, asked: Asked, root: str) -> dict[str, Any]:
    """Return an account set of the version asked for, the scenarios that are on included."""
    scenarios, ledger = bank.store.scenarios(login), bank.ledger(login)
    now, zone = bank.now(), bank.zone(login)
    held = [account for account in ledger.accounts.values() if not is_gone(scenarios, account)]
    shown = [account for account in held if not asked.accounts or account.account_id in asked.accounts]
    start, end, days_max = _range(asked, scenarios, now)
    errors = [_Error("gen.api", f"{name} is not a number of seconds.") for name in asked.unread]
    if asked.start is not None and start > asked.start:
        errors.append(_Error("gen.api", f"Requested date range exceeds limit of {days_max} days and was capped."))
    known = {account.account_id for account in held}
    errors += [
        _Error("act.failed", "There is no such account any more.", account_id=account_id)
        for account_id in sorted(asked.accounts - known)
    ]
    errors += _errors_of_scenarios(scenarios, shown)
    accounts = []
    for account in shown:
        described = _described(ledger, account, now, asked.version, root)
        ready = "not_ready" not in scenarios and not asked.balances_only
        rows = list(_rows(ledger, account, zone, start, end)) if ready else []
        told = [] if asked.balances_only else _transactions(rows, account, asked, zone, scenarios)
        described |= {"transactions": told, "holdings": []}
        accounts += [described, described] if "duplicate_page" in scenarios else [described]
    if asked.version == "1":
        return {"errors": [error.sentence for error in errors], "accounts": accounts}
    connections = [
        {
            "conn_id": CONNECTION_ID,
            "name": BANK_NAME,
            "org_id": ORGANIZATION_ID,
            "org_name": BANK_NAME,
            "org_url": f"https://{BANK_DOMAIN}",
            "sfin_url": root,
        }
    ]
    return {
        "errlist": [error.shown() for error in errors],
        "errors": [],
        "connections": connections,
        "accounts": accounts,
    }


def _range(asked: Asked, scenarios: Scenarios, now: datetime) -> tuple[int, int, int]:
    """Return from when on and before when transactions are given, and how many days that may be."""
    days_max = int(scenarios.get("window_too_large", {}).get("days", DAYS_MAX))
    end = asked.end if asked.end is not None else int(now.timestamp()) + DAY_SECONDS
    earliest = end - days_max * DAY_SECONDS
    return (earliest if asked.start is None else max(asked.start, earliest)), end, days_max


def _errors_of_scenarios(scenarios: Scenarios, shown: list[Account]) -> Iterator[_Error]:
    if "consent_expired" in scenarios:
        # The sentence of version 1 is one that programs look for to the letter.
        sentence = f"Connection to {BANK_NAME} may need attention"
        yield _Error("con.auth", f"{sentence}. Auth required", conn_id=CONNECTION_ID, said_before=sentence)
    if "not_ready" in scenarios:
        for account in shown:
            yield _Error(
                "act.missingdata", "Incomplete transaction listing. Try again later.", account_id=account.account_id
            )


def _described(ledger: Ledger, account: Account, now: datetime, version: str, root: str) -> dict[str, Any]:
    balance = ledger.balance(account.name)
    bank: Mapping[str, Any] = (
        {"conn_id": CONNECTION_ID, "conn_name": BANK_NAME}
        if version == "2"
        else {"org": {"domain": BANK_DOMAIN, "name": BANK_NAME, "sfin-url": root, "url": f"https://{BANK_DOMAIN}"}}
    )
    return {
        **bank,
        "id": account.account_id,
        "name": f"{account.title} ({account.mask})",
        "currency": CURRENCY,
        "balance": to_decimal_text(balance.current_minor, CURRENCY),
        "available-balance": to_decimal_text(balance.available_minor, CURRENCY),
        "balance-date": int(now.timestamp()),
    }


def _rows(ledger: Ledger, account: Account, zone: timezone, start: int, end: int) -> Iterator[Row]:
    """Yield the rows whose day, told as noon by the bank's clock, is from `start` on and before `end`."""
    first, last = (_date(seconds, zone) for seconds in (start, end))
    for row in ledger.rows(account.name, max(first, HISTORY_FIRST_DAY), last):
        if start <= _noon(row, zone) < end:
            yield row


def _date(seconds: int, zone: timezone) -> date:
    bounded = min(max(seconds, 0), SECONDS_MAX)
    return datetime.fromtimestamp(bounded, UTC).astimezone(zone).date()


def _noon(row: Row, zone: timezone) -> int:
    return int(datetime.combine(row.posted_on, time(12), zone).timestamp())


def _transactions(
    rows: list[Row], account: Account, asked: Asked, zone: timezone, scenarios: Scenarios
) -> list[dict[str, Any]]:
    shown = [_transaction(row, zone, asked.version) for row in rows if asked.pending or not row.pending]
    if "bad_row" in scenarios:
        _spoil(shown, account, scenarios["bad_row"])
    return shown


def _transaction(row: Row, zone: timezone, version: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": row.row_id,
        "posted": 0 if row.pending else _noon(row, zone),
        "amount": to_decimal_text(row.amount_minor, CURRENCY),
        "description": row.description,
        "payee": row.description.partition("  ")[0].title(),
        "memo": "",
        "transacted_at": int(row.occurred_at.replace(tzinfo=zone).timestamp()),
    }
    if row.pending:
        told["pending"] = True
    if version == "2":
        told["mcc"] = row.mcc or None
    return told


def _spoil(shown: list[dict[str, Any]], account: Account, options: Mapping[str, Any]) -> None:
    """Make one row unreadable: the named one, else an extra one on the account that the options name."""
    spoilt = {"posted": "yesterday"} if options.get("field") == "posted_on" else {"amount": "12,5O"}
    if "id" in options:
        for row in shown:
            if row["id"] == options["id"]:
                row.update(spoilt)
    elif account.name == options.get("account", "card"):
        extra = {"id": f"{account.account_id}.unreadable", "posted": 1_767_268_800, "amount": "-12.50"}
        shown.append(extra | {"description": "UNREADABLE ROW"} | spoilt)
