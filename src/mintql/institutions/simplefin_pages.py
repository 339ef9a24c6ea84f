"""Reading SimpleFIN's account sets. Pure: the same bytes always give the same result.

An account set does not say for which days it was asked. A raw page is therefore the server's bytes, untouched,
behind one line of JSON, the head, that says so; see `Head`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

from mintql.domain.errors import InvalidInput, ProtocolError
from mintql.domain.institutions import (
    ParsedPage,
    ProviderAccount,
    ProviderTransaction,
    RejectedRow,
    Window,
)
from mintql.domain.months import check_time_zone
from mintql.institutions import simplefin_fields as read
from mintql.institutions.simplefin_errors import NOTICES_MAX, Verdict, judge
from mintql.institutions.simplefin_fields import BadRow, ForeignCurrency, Row
from mintql.institutions.simplefin_kinds import account_kind, account_mask

DESCRIPTION_LENGTH_MAX = 500
NAME_LENGTH_MAX = 200
EXCERPT_LENGTH_MAX = 200
REJECTED_MAX = 10_000
"""Rows of one page that may be put aside; where more cannot be read, it is the page that is wrong."""
HEAD_VERSION = 1
ZONE_DEFAULT = "UTC"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Head:
    """What the answer itself does not say.

    `zone` is the zone of the server's calendar. `covers` stands on the last page of a run, and there alone: the
    days, both included, that the run has read, for all accounts but the `incomplete` ones.
    """

    zone: str = ZONE_DEFAULT
    covers: tuple[date, date] | None = None
    incomplete: tuple[str, ...] = ()


def write_page(head: Head, content: bytes) -> bytes:
    """Return a raw page: the head on a line of its own, then the server's bytes."""
    covers = [day.isoformat() for day in head.covers] if head.covers else None
    said = {"simplefin": HEAD_VERSION, "zone": head.zone, "covers": covers, "incomplete": head.incomplete}
    return json.dumps(said, ensure_ascii=True).encode() + b"\n" + content


def parse_page(raw: bytes) -> ParsedPage:
    """Read a raw page; see `Connector.parse`.

    Raises:
        ProtocolError: It is no account set, not behind a head of ours, or most of it cannot be read.
    """
    first_line, _, content = raw.partition(b"\n")
    head = _read_head(first_line)
    page = load_account_set(content)
    reading = _Reading(ZoneInfo(head.zone), names_of_banks(page))
    keys = account_keys(page)
    for row, key in zip(page["accounts"], keys, strict=True):
        reading.add(row, key)
    verdict = judge(page)
    return ParsedPage(
        accounts=tuple(reading.accounts),
        transactions=tuple(reading.transactions),
        windows=_windows(head, reading, {*failing(page, verdict), *head.incomplete}),
        rejected=tuple(reading.rejected),
        notices=tuple(dict.fromkeys([*verdict.notices, *reading.notices]))[:NOTICES_MAX],
    )


def load_account_set(content: bytes) -> Row:
    """Return an account set; raise `ProtocolError` when it is none."""
    page = read.load_object(content)
    if not isinstance(page.get("accounts"), list):
        raise ProtocolError("The SimpleFIN server's answer holds no list of accounts.")
    return page


def account_keys(page: Row) -> list[str]:
    """Return the external id of each account: its own id, which servers keep unique over all banks.

    The protocol promises that only within one bank. Where one answer has an id at two banks, the bank's comes
    before it. An account without an id has none here either.
    """
    places = {(_raw_id(row), _bank_id(row)) for row in page["accounts"]}
    shared = {row_id for row_id, count in Counter(row_id for row_id, _ in places).items() if count > 1}
    return [
        f"{_bank_id(row)}/{_raw_id(row)}" if _raw_id(row) in shared and _raw_id(row) else _raw_id(row)
        for row in page["accounts"]
    ]


def failing(page: Row, verdict: Verdict) -> dict[str, str]:
    """Return by external id the accounts that a verdict finds fault with, and their own ids."""
    found = {key: _raw_id(row) for row, key in zip(page["accounts"], account_keys(page), strict=True)}
    named = {key: row_id for key, row_id in found.items() if row_id in verdict.accounts}
    return named | {row_id: row_id for row_id in verdict.accounts.keys() - set(named.values())}


def has_transactions(page: Row) -> bool:
    """Tell whether any account of the set shows a transaction."""
    return any(isinstance(row, dict) and row.get("transactions") for row in page["accounts"])


def names_of_banks(page: Row) -> dict[str, str]:
    """Return the names of the connections of version 2 by their ids."""
    named: dict[str, str] = {}
    for row in read.objects(page, "connections"):
        conn_id = row.get("conn_id")
        if isinstance(conn_id, str):
            named[conn_id] = read.text(row, "name", NAME_LENGTH_MAX) or read.text(row, "org_name", NAME_LENGTH_MAX)
    return named


def _read_head(line: bytes) -> Head:
    try:
        said = json.loads(line)
        if said["simplefin"] != HEAD_VERSION:
            raise ValueError(said["simplefin"])  # noqa: TRY301
        covers = said["covers"]
        days = (date.fromisoformat(covers[0]), date.fromisoformat(covers[1])) if covers else None
        return Head(check_time_zone(said["zone"]), days, tuple(said["incomplete"]))
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, AttributeError, InvalidInput):
        raise ProtocolError("This raw page does not begin with the line that says what was asked.") from None


def _windows(head: Head, reading: _Reading, doubtful: Collection[str]) -> tuple[Window, ...]:
    if head.covers is None:
        return ()
    first, last = head.covers
    ids = dict.fromkeys(account.external_id for account in reading.accounts)
    return tuple(Window(account_id, first, last) for account_id in ids if account_id not in doubtful)


@dataclass(slots=True)
class _Reading:
    """What has been read of a page. Rows that cannot be read are numbered over the whole page."""

    zone: ZoneInfo
    banks: Mapping[str, str]
    accounts: list[ProviderAccount] = field(default_factory=list)
    transactions: list[ProviderTransaction] = field(default_factory=list)
    rejected: list[RejectedRow] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    position: int = -1

    def add(self, row: object, key: str) -> None:
        """Read one account and its transactions; without the account's currency its transactions mean nothing."""
        account = self._try(row, key, lambda found: _account(found, key, self.banks))
        if account is None or not isinstance(row, dict):
            return
        self.accounts.append(account)
        seen_at = read.optional_moment(row, "balance-date")
        rows = row.get("transactions")
        for item in rows if isinstance(rows, list) else []:
            transaction = self._try(item, key, lambda found: _transaction(found, account, seen_at, self.zone))
            if transaction is not None:
                self.transactions.append(transaction)

    def _try(self, row: object, key: str, reader: Callable[[Row], T]) -> T | None:
        self.position += 1
        try:
            if not isinstance(row, dict):
                raise BadRow("not an object")  # noqa: TRY301
            return reader(row)
        except ForeignCurrency as foreign:
            name = read.spoken(row.get("name")) if isinstance(row, dict) else ""
            self.notices.append(f"The account {name or key} is left out: {foreign}.")
        except (BadRow, InvalidInput) as error:
            self.rejected.append(RejectedRow(self.position, str(error), _excerpt(row), key))
            if len(self.rejected) > REJECTED_MAX:
                raise ProtocolError(f"More than {REJECTED_MAX} rows of the SimpleFIN server cannot be read.") from None
        return None


def _excerpt(row: object) -> str:
    """Return the beginning of a row; of an account without its transactions, which would push out the rest."""
    kept = {key: value for key, value in row.items() if key != "transactions"} if isinstance(row, dict) else row
    try:
        return json.dumps(kept, ensure_ascii=False).encode("utf-8", "replace").decode()[:EXCERPT_LENGTH_MAX]
    except RecursionError:
        return ""


def _account(row: Row, key: str, banks: Mapping[str, str]) -> ProviderAccount:
    read.identifier(row, "id")
    if len(key) > read.EXTERNAL_ID_LENGTH_MAX:
        raise BadRow("the ids of account and bank are too long together")
    currency = read.currency(row)
    own_name = read.text(row, "name", NAME_LENGTH_MAX)
    balance_minor = read.balance(row, "balance", currency)
    return ProviderAccount(
        external_id=key,
        name=_full_name(own_name, _bank_name(row, banks)),
        kind=account_kind(own_name, balance_minor, holds_securities=bool(row.get("holdings"))),
        currency=currency,
        mask=account_mask(own_name),
        balance_minor=balance_minor,
        available_minor=read.balance(row, "available-balance", currency),
        balance_at=read.optional_moment(row, "balance-date"),
    )


def _full_name(name: str, bank: str) -> str:
    """Return a name that tells the accounts of several banks apart: two of them have a "Checking"."""
    if not name:
        return bank or "Account"
    return name if not bank or bank.casefold() in name.casefold() else f"{bank}: {name}"[:NAME_LENGTH_MAX]


def _bank_name(row: Row, banks: Mapping[str, str]) -> str:
    org = row.get("org")
    conn_id = row.get("conn_id")
    named = banks.get(conn_id, "") if isinstance(conn_id, str) else ""
    if not named and isinstance(org, dict):
        named = read.text(org, "name", NAME_LENGTH_MAX) or read.text(org, "domain", NAME_LENGTH_MAX)
    return named or read.text(row, "conn_name", NAME_LENGTH_MAX)


def _raw_id(row: object) -> str:
    value = row.get("id") if isinstance(row, dict) else None
    return str(value) if isinstance(value, str) else ""


def _bank_id(row: object) -> str:
    if not isinstance(row, dict):
        return ""
    org = row.get("org")
    said = [row.get("conn_id"), *([org.get("domain"), org.get("id"), org.get("name")] if isinstance(org, dict) else [])]
    return next((str(item) for item in said if isinstance(item, str) and item), "")


def _transaction(row: Row, account: ProviderAccount, seen_at: datetime | None, zone: ZoneInfo) -> ProviderTransaction:
    posted_at = read.moment(row, "posted")
    happened_at = read.optional_moment(row, "transacted_at")
    pending = row.get("pending")
    if pending is not None and not isinstance(pending, bool):
        raise BadRow("`pending` is neither true nor false")
    if posted_at is None and row.get("posted") is None and not pending:
        raise BadRow("`posted` is missing")
    # A pending row need not say when it posts. Its day is then that of the purchase, else the account's day.
    dated_at = posted_at or happened_at or seen_at
    if dated_at is None:
        raise BadRow("neither the transaction nor its account says of which day it is")
    return ProviderTransaction(
        account_external_id=account.external_id,
        external_id=read.optional_identifier(row, "id"),
        posted_on=read.day(dated_at, zone),
        amount_minor=read.amount(row, "amount", account.currency),
        currency=account.currency,
        description=_description(row),
        pending=bool(pending) or posted_at is None,
        occurred_at=happened_at,
        merchant_category_code=read.category_code(row),
    )


def _description(row: Row) -> str:
    """Return the bank's own text, which sellers are known by; what a server adds to it stands in for it only."""
    for key in ("description", "payee", "memo"):
        found = read.text(row, key, DESCRIPTION_LENGTH_MAX)
        if found:
            return found
    raise BadRow("`description` is empty")
