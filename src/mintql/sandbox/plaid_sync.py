"""`/transactions/sync`: what changed for an item since a cursor, computed from the ledger as it is now."""

from __future__ import annotations

import base64
import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from threading import Lock
from typing import Any

from mintql.sandbox.bank import Bank, is_gone
from mintql.sandbox.ledger import Ledger, Row
from mintql.sandbox.people import Account
from mintql.sandbox.plaid_errors import PlaidRefusal, invalid_field
from mintql.sandbox.plaid_rows import account_json, row_json, shown
from mintql.sandbox.plaid_store import Change, Item, PlaidStore

COUNT_DEFAULT, COUNT_MAX = 100, 500
DAYS_DEFAULT, DAYS_MAX = 90, 730
VERSIONS = ("v1", "v2")
STATES_KEPT_MAX = 256
"""Items whose last state is remembered, so that rows are not compared again when nothing happened."""
NOW = "now"
"""Asks for a cursor that has seen all, without being told what."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Which changes of an item were seen: those up to `position`.

    Between the pages of one round it also says where the round began (`base`) and which change was the last
    one then (`head`); `again` asks for a page once more, for the scenario in which pages come twice.
    """

    item_id: str
    position: int = 0
    base: int = 0
    head: int | None = None
    again: bool = False

    def text(self) -> str:
        """Return the cursor as others carry it: opaque to them."""
        content = json.dumps([self.item_id, self.position, self.base, self.head, self.again])
        return base64.urlsafe_b64encode(content.encode()).decode()


@dataclass(frozen=True, slots=True)
class SyncQuery:
    """What is asked for."""

    cursor: str = ""
    count: int = COUNT_DEFAULT
    version: str = "v2"
    original: bool = False


def read_query(body: Mapping[str, Any]) -> SyncQuery:
    """Read the body of a request; raise `PlaidRefusal` for a value that cannot be."""
    options = body.get("options") or {}
    if not isinstance(options, dict):
        raise invalid_field("options must be an object")
    count, cursor = body.get("count", COUNT_DEFAULT), body.get("cursor") or ""
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= COUNT_MAX:
        raise invalid_field(f"count must be an integer from 1 to {COUNT_MAX}")
    if not isinstance(cursor, str):
        raise invalid_field("cursor must be a string")
    version = options.get("personal_finance_category_version", "v2")
    if version not in VERSIONS:
        raise invalid_field("personal_finance_category_version must be v1 or v2")
    read_days(options)
    return SyncQuery(cursor, count, version, original=bool(options.get("include_original_description")))


def read_days(options: object) -> int:
    """Return how many days of history these options ask for, `DAYS_DEFAULT` where they do not say."""
    days = options.get("days_requested", DAYS_DEFAULT) if isinstance(options, dict) else DAYS_DEFAULT
    if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= DAYS_MAX:
        raise invalid_field(f"days_requested must be an integer from 1 to {DAYS_MAX}")
    return days


def not_ready() -> dict[str, Any]:
    """Return the answer while nothing has been gathered."""
    return _answer((), "", has_more=False, status="NOT_READY", query=SyncQuery())


class Sync:
    """Answers for items; the ledger is the one truth, and the store remembers what each item was told."""

    def __init__(self, bank: Bank, store: PlaidStore) -> None:
        self._bank = bank
        self._store = store
        self._states: OrderedDict[str, tuple[str, int]] = OrderedDict()
        self._lock = Lock()

    def accounts(self, item: Item) -> list[dict[str, Any]]:
        """Return the accounts that the bank still shows."""
        ledger = self._bank.ledger(item.login)
        return [account_json(ledger, account) for account in self._open(item, ledger)]

    def page(self, item: Item, query: SyncQuery) -> dict[str, Any]:
        """Return one page of changes.

        Raises:
            PlaidRefusal: The cursor is not this item's, or something changed since the round began.
        """
        head = self._note(item)
        cursor = Cursor(item.item_id, head) if query.cursor == NOW else _cursor(item, query.cursor)
        if cursor.position > head:
            raise _unknown_cursor()
        scenarios = self._bank.store.scenarios(item.login)
        between = cursor.head is not None
        if between and (cursor.head != head or self._interrupt(item, cursor, scenarios)):
            raise PlaidRefusal(
                "TRANSACTIONS_ERROR",
                "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION",
                "Underlying transaction data changed since last page was fetched. Please restart pagination from last"
                " update.",
            )
        base = cursor.base if between else cursor.position
        found = self._store.changes(item.item_id, cursor.position, query.count + 1)
        given, more = found[: query.count], len(found) > query.count
        position = given[-1].changed_at if more else head
        following = Cursor(item.item_id, position, base, head if more else None)
        if "duplicate_page" in scenarios and not between:
            following, more = Cursor(item.item_id, cursor.position, base, head, again=True), True
        answer = _answer(_seen(given, cursor.position), following.text(), has_more=more, query=query)
        if "bad_row" in scenarios:
            self._spoil(answer, item, scenarios["bad_row"], first=not between)
        return {"accounts": self.accounts(item), **answer}

    def _interrupt(self, item: Item, cursor: Cursor, scenarios: Mapping[str, Any]) -> bool:
        """Tell whether the scenario interrupts this round: each once, at its second page."""
        return "page_mutation" in scenarios and self._store.mutate_once(item.item_id, cursor.base)

    def _open(self, item: Item, ledger: Ledger) -> list[Account]:
        scenarios = self._bank.store.scenarios(item.login)
        return [account for account in ledger.accounts.values() if not is_gone(scenarios, account)]

    def _note(self, item: Item) -> int:
        """Bring what the store knows of the item up to date; return the number of the last change."""
        with self._lock:  # An older state must not be noted after a newer one.
            ledger = self._bank.ledger(item.login)
            accounts = self._open(item, ledger)
            state = self._state(item.login, accounts)
            known = self._states.get(item.item_id)
            if known is not None and known[0] == state:
                return known[1]
            account_ids = [account.account_id for account in accounts]
            head = self._store.note_rows(item.item_id, account_ids, self._rows(item, ledger, accounts))
            self._states[item.item_id] = (state, head)
            while len(self._states) > STATES_KEPT_MAX:
                self._states.popitem(last=False)
            return head

    def _state(self, login: str, accounts: Sequence[Account]) -> str:
        """Return a text that differs whenever rows of the login may differ."""
        control = self._bank.store
        told = (control.added(login), control.changes(login), control.renamings(login))
        return repr((self._bank.clock(login).date(), self._bank.zone(login), [a.name for a in accounts], told))

    def _rows(self, item: Item, ledger: Ledger, accounts: Sequence[Account]) -> Iterator[dict[str, Any]]:
        """Yield what these accounts show since the item's first day, oldest first."""
        zone, last = self._bank.zone(item.login), self._bank.today(item.login) + timedelta(days=1)
        rows: list[tuple[Row, str]] = [
            (row, account.account_id) for account in accounts for row in ledger.rows(account.name, item.first_day, last)
        ]
        rows.sort(key=lambda pair: (pair[0].posted_on, pair[0].row_id))
        return (row_json(row, account_id, zone) for row, account_id in rows)

    def _spoil(self, answer: dict[str, Any], item: Item, options: Mapping[str, Any], *, first: bool) -> None:
        """Make one row unreadable: the named one, else an extra one on a round's first page."""
        key, value = {"amount": ("amount", "12,5O"), "posted_on": ("date", "2026-02-30")}[
            options.get("field", "amount")
        ]
        rows = [*answer["added"], *answer["modified"]]
        if "id" in options:
            for row in rows:
                if row["transaction_id"] == options["id"]:
                    row[key] = value
        elif first:
            account = self._bank.ledger(item.login).accounts[options.get("account", "card")]
            extra = {
                "account_id": account.account_id,
                "transaction_id": f"{account.account_id}.unreadable",
                "amount": 12.5,
                "date": self._bank.today(item.login).isoformat(),
                "iso_currency_code": "USD",
                "unofficial_currency_code": None,
                "name": "UNREADABLE ROW",
                "pending": False,
            }
            answer["added"].append(extra | {key: value})


def _seen(changes: list[Change], position: int) -> list[tuple[str, Change]]:
    """Return each change by what it is for somebody who has seen all up to `position`."""
    return [
        ("removed" if change.body is None else "modified" if change.added_at <= position else "added", change)
        for change in changes
    ]


def _answer(
    changes: Any, next_cursor: str, *, has_more: bool, query: SyncQuery, status: str = "HISTORICAL_UPDATE_COMPLETE"
) -> dict[str, Any]:
    lists: dict[str, list[dict[str, Any]]] = {"added": [], "modified": [], "removed": []}
    for name, change in changes:
        if change.body is None:
            lists[name].append({"account_id": change.account_id, "transaction_id": change.transaction_id})
        else:
            lists[name].append(shown(change.body, version=query.version, original=query.original))
    return {
        "accounts": [],
        **lists,
        "next_cursor": next_cursor,
        "has_more": has_more,
        "transactions_update_status": status,
    }


def _cursor(item: Item, text: str) -> Cursor:
    if not text:
        return Cursor(item.item_id)
    try:
        cursor = Cursor(*json.loads(base64.urlsafe_b64decode(text.encode("ascii"))))
        whole = isinstance(cursor.position, int) and isinstance(cursor.base, int)
    except (ValueError, TypeError):
        raise _unknown_cursor() from None
    if not whole or cursor.item_id != item.item_id:
        raise _unknown_cursor()
    return replace(cursor, again=False)


def _unknown_cursor() -> PlaidRefusal:
    return invalid_field("cursor not associated with access_token")
