"""Reading Plaid's answers. Pure: the same bytes always give the same result.

Two kinds of page are kept: that of `/accounts/get` (accounts with balances, and how the item is) and those of
`/transactions/sync` (what was added, modified and removed). A row's day is Plaid's `date`, a date of the
bank's own calendar: the day of the purchase while it is pending, the posting date then. Times are UTC and only
shown; no day is made of them, so a bank's time zone moves nothing.

Sync pages tell changes, not days, so no window is said to be complete: a pending row ends when Plaid removes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from mintql.domain.errors import InvalidInput, ProtocolError
from mintql.domain.institutions import AccountKind, ParsedPage, ProviderAccount, ProviderTransaction, RejectedRow
from mintql.institutions import plaid_fields as read
from mintql.institutions.plaid_fields import BadRow, Row, load_object

DESCRIPTION_LENGTH_MAX = 500
NAME_LENGTH_MAX = 200
MASK_LENGTH_MAX = 20
EXCERPT_LENGTH_MAX = 200
CURSOR_LENGTH_MAX = 4096

OWED = frozenset({"credit", "loan"})
"""Account types whose positive balance is what the person owes."""
UNSURE = frozenset({"LOW", "UNKNOWN"})
"""Confidence levels at which only the primary category is taken, which is a vague hint."""

_SAVINGS = frozenset(
    {"savings", "money market", "cd", "hsa", "gic", "cash isa", "isa", "health reimbursement arrangement"}
)
_MERCHANT_CODE = re.compile(r"[0-9]{4}", re.ASCII)
_ROWS = ("added", "modified", "removed")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SyncState:
    """Where one page of `/transactions/sync` stands.

    `status` is empty where Plaid does not tell; `next_cursor` is empty while there is nothing to go on from.
    """

    next_cursor: str
    has_more: bool
    status: str


def parse_page(content: bytes) -> ParsedPage:
    """Read the accounts, or a page of changes; see `Connector.parse`."""
    page = load_object(content)
    is_sync = all(isinstance(page.get(key), list) for key in _ROWS)
    listed = page.get("accounts")
    if not isinstance(listed, list) and not (is_sync and listed is None):
        raise ProtocolError("Plaid's page holds neither accounts nor changes of transactions.")
    rows = _Rows()
    accounts = rows.each(listed or [], _account, "account_id")
    if not is_sync:
        return ParsedPage(accounts=tuple(accounts), rejected=tuple(rows.rejected), notices=_notices(page.get("item")))
    changed = [rows.each(page[key], _transaction, "account_id") for key in ("added", "modified")]
    removed = rows.each(page["removed"], _removed, "account_id")
    return ParsedPage(
        accounts=tuple(accounts),
        transactions=tuple(row for part in changed for row in part),
        removed=tuple(removed),
        rejected=tuple(rows.rejected),
    )


def sync_state(content: bytes) -> SyncState:
    """Return where a page of changes stands.

    Raises:
        ProtocolError: It is no such page, or does not say how to go on.
    """
    page = load_object(content)
    cursor, more = page.get("next_cursor"), page.get("has_more")
    if not all(isinstance(page.get(key), list) for key in _ROWS):
        raise ProtocolError("Plaid's page does not hold changes of transactions.")
    if not isinstance(cursor, str) or len(cursor) > CURSOR_LENGTH_MAX or not isinstance(more, bool):
        raise ProtocolError("Plaid's page does not say whether another follows.")
    if more and not cursor:
        raise ProtocolError("Plaid says that another page follows, and not how to ask for it.")
    return SyncState(cursor, more, read.code(page, "transactions_update_status"))


def item_error(content: bytes) -> dict[str, Any]:
    """Return what `/accounts/get` says is wrong with the item; empty where nothing is."""
    page = load_object(content)
    if not isinstance(page.get("accounts"), list):
        raise ProtocolError("Plaid's page does not hold accounts.")
    item = page.get("item")
    error = item.get("error") if isinstance(item, dict) else None
    return error if isinstance(error, dict) else {}


@dataclass(slots=True)
class _Rows:
    """Reads list after list of one page; positions count on from list to list, so that each names one row."""

    position: int = 0
    rejected: list[RejectedRow] = field(default_factory=list)

    def each(self, rows: Sequence[Any], read_row: Callable[[Row], T], account_key: str) -> list[T]:
        good: list[T] = []
        for row in rows:
            try:
                if not isinstance(row, dict):
                    raise BadRow("not an object")  # noqa: TRY301
                good.append(read_row(row))
            except (BadRow, InvalidInput) as error:
                self._reject(row, str(error), account_key)
            except RecursionError:
                self._reject(row, "nested too deeply", account_key)
            self.position += 1
        return good

    def _reject(self, row: object, reason: str, account_key: str) -> None:
        self.rejected.append(RejectedRow(self.position, reason, _excerpt(row), _account_of(row, account_key)))


def _excerpt(row: object) -> str:
    try:
        return json.dumps(row, default=str)[:EXCERPT_LENGTH_MAX]
    except RecursionError:
        return "nested too deeply to be shown"


def _account_of(row: object, key: str) -> str:
    try:
        return read.optional_identifier(row, key) if isinstance(row, dict) else ""
    except BadRow:
        return ""


def _account(row: Row) -> ProviderAccount:
    external_id = read.identifier(row, "account_id")
    balances = row.get("balances")
    if not isinstance(balances, dict):
        raise BadRow("`balances` is not an object")
    currency = read.currency(balances)
    kind = row.get("type")
    current = read.balance(balances, "current", currency)
    return ProviderAccount(
        external_id=external_id,
        name=read.text(row, "name", NAME_LENGTH_MAX) or read.text(row, "official_name", NAME_LENGTH_MAX) or external_id,
        kind=_kind(kind, row.get("subtype")),
        currency=currency,
        mask=read.text(row, "mask", MASK_LENGTH_MAX),
        balance_minor=-current if current is not None and kind in OWED else current,
        available_minor=read.balance(balances, "available", currency),
        balance_at=read.moment(balances, "last_updated_datetime"),
    )


def _kind(kind: object, subtype: object) -> AccountKind:
    if kind == "depository":
        return AccountKind.SAVINGS if subtype in _SAVINGS else AccountKind.CHECKING
    kinds = {
        "credit": AccountKind.CREDIT_CARD,
        "loan": AccountKind.LOAN,
        "investment": AccountKind.INVESTMENT,
        "brokerage": AccountKind.INVESTMENT,
    }
    return kinds.get(str(kind), AccountKind.OTHER)


def _transaction(row: Row) -> ProviderTransaction:
    """Read one row. Plaid's amounts are positive for money out, ours are negative."""
    external_id = read.identifier(row, "transaction_id")
    currency = read.currency(row)
    pending = row.get("pending")
    if not isinstance(pending, bool):
        raise BadRow("`pending` is neither true nor false")
    forerunner = "" if pending else read.optional_identifier(row, "pending_transaction_id")
    merchant_code = read.text(row, "merchant_category_code", EXCERPT_LENGTH_MAX)
    return ProviderTransaction(
        account_external_id=read.identifier(row, "account_id"),
        external_id=external_id,
        posted_on=read.day(row, "date"),
        amount_minor=-read.amount(row, "amount", currency),
        currency=currency,
        description=_description(row),
        pending=pending,
        pending_external_id="" if forerunner == external_id else forerunner,
        occurred_at=_occurred_at(row),
        merchant_category_code=merchant_code if _MERCHANT_CODE.fullmatch(merchant_code) else "",
        category_code=_category(row.get("personal_finance_category")),
    )


def _description(row: Row) -> str:
    """Return the bank's own words, where Plaid passes them on; else Plaid's."""
    for key in ("original_description", "name", "merchant_name"):
        found = read.text(row, key, DESCRIPTION_LENGTH_MAX)
        if found:
            return found
    raise BadRow("there is neither a name nor a description")


def _occurred_at(row: Row) -> datetime | None:
    return read.moment(row, "authorized_datetime") or read.moment(row, "datetime")


def _category(category: object) -> str:
    if not isinstance(category, dict):
        return ""
    detailed, primary = read.code(category, "detailed"), read.code(category, "primary")
    sure = category.get("confidence_level") not in UNSURE
    found = (detailed or primary) if sure else primary
    return f"pfc:{found}" if found else ""


def _removed(row: Row) -> tuple[str, str]:
    """Return (account, transaction); older versions of the API name the transaction alone."""
    return read.optional_identifier(row, "account_id"), read.identifier(row, "transaction_id")


def _notices(item: object) -> tuple[str, ...]:
    if not isinstance(item, dict):
        return ()
    try:
        until = read.day({"end": read.text(item, "consent_expiration_time", len("YYYY-MM-DD"))}, "end")
    except BadRow:
        return ()
    return (f"Your permission at this institution ends on {until}. Give it again before then, and nothing is missed.",)
