"""Statements of the sandbox bank in OFX (chapter 11)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

from mintql.domain.money import to_decimal_text
from mintql.sandbox.history import HISTORY_FIRST_DAY
from mintql.sandbox.ledger import Ledger, Row
from mintql.sandbox.ofx_markup import Element, Part
from mintql.sandbox.ofx_profile import BANK_ID, VERSION_PENDING_MIN, account_reference
from mintql.sandbox.people import CURRENCY, Account

NAME_CHARACTERS_MAX = 32
"""A longer NAME is cut, as the specification has it, and stands whole in MEMO."""
POSTING_HOUR = 12
"""Noon, as banks have it: no zone makes another day of it."""

GENERAL_ERROR, ACCOUNT_NOT_FOUND, INVALID_DATE, INVALID_RANGE = 2000, 2003, 2020, 2027

_DATE = re.compile(r"(\d{8})(?:\d{2}|\d{4}|\d{6}(?:\.\d{3})?)?(?:\[[^\]]{1,20}\])?", re.ASCII)
_WORDS = (
    ("PAYROLL", "DIRECTDEP"),
    ("ATM WITHDRAWAL", "ATM"),
    ("INTEREST", "INT"),
    ("ONLINE TRANSFER", "XFER"),
    ("PYMT", "PAYMENT"),
)
"""Words in a description that tell the kind of a transaction; others are told by their sign."""


class StatementError(Exception):
    """No statement, for this status code and these words."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Desk:
    """What statements are drawn from: a login's accounts, the bank's clock, what is the matter there."""

    ledger: Ledger
    clock: datetime
    version: int
    scenarios: Mapping[str, Mapping[str, Any]]
    gone: Sequence[str] = ()

    @property
    def zone(self) -> timezone:
        """The zone of the bank's clock."""
        return timezone(self.clock.utcoffset() or timedelta(0))


def statement(desk: Desk, asked: Element) -> Part:
    """Return the answer to STMTRQ or CCSTMTRQ.

    Raises:
        StatementError: No such account, or days that are not given.
    """
    account = _find(desk, asked)
    period = asked.child("INCTRAN")
    listings: list[Part] = []
    if period is not None and period.value("INCLUDE") == "Y":
        first, last = _period(desk, period)
        rows = desk.ledger.rows(account.name, first, last)
        listings.append(_listing(desk, account, first, last, [row for row in rows if not row.pending]))
        if asked.value("INCLUDEPENDING") == "Y" and desk.version >= VERSION_PENDING_MIN:
            pending = [_pending(row, desk.zone) for row in rows if row.pending]
            listings.append(("BANKTRANLISTP", [("DTASOF", moment(desk.clock)), *pending]))
    balance = desk.ledger.balance(account.name)
    return (
        "CCSTMTRS" if account.kind == "credit_card" else "STMTRS",
        [
            ("CURDEF", CURRENCY),
            account_reference(account),
            *listings,
            _balance("LEDGERBAL", balance.current_minor, desk.clock),
            _balance("AVAILBAL", balance.available_minor, desk.clock),
        ],
    )


def moment(at: datetime) -> str:
    """Write a time as OFX has it, with hours and minutes of its zone: 20261123120000.000[-5], ...[+5.30]."""
    seconds = (at.utcoffset() or timedelta(0)) // timedelta(seconds=1)
    hours, minutes = divmod(abs(seconds) // 60, 60)
    sign = "-" if seconds < 0 else "+" if seconds else ""
    part = f".{minutes:02d}" if minutes else ""
    name = "" if seconds else ":GMT"
    return f"{at:%Y%m%d%H%M%S}.000[{sign}{hours}{part}{name}]"


def _find(desk: Desk, asked: Element) -> Account:
    named = asked.child("BANKACCTFROM", "CCACCTFROM")
    account_id = named.value("ACCTID") if named is not None else ""
    for account in desk.ledger.accounts.values():
        if account.account_id != account_id or named is None or account_id in desk.gone:
            continue
        is_card = account.kind == "credit_card"
        if is_card == (named.name == "CCACCTFROM") and (is_card or named.value("BANKID") == BANK_ID):
            return account
    raise StatementError(ACCOUNT_NOT_FOUND, "Account not found")


def _period(desk: Desk, period: Element) -> tuple[date, date]:
    today = desk.clock.date()
    first = _day(period.value("DTSTART")) or HISTORY_FIRST_DAY
    last = _day(period.value("DTEND")) or today
    days_max = desk.scenarios.get("window_too_large", {}).get("days")
    if last < first or (days_max is not None and last - first >= timedelta(days=days_max)):
        most = f"; ask for {days_max} days at most" if days_max is not None else ""
        raise StatementError(INVALID_RANGE, f"Invalid date range{most}")
    return first, last


def _day(text: str) -> date | None:
    """Return the day of a date or time; its zone is left alone, so that a client's day is the bank's."""
    if not text:
        return None
    found = _DATE.fullmatch(text)
    try:
        return date.fromisoformat(f"{found[1][:4]}-{found[1][4:6]}-{found[1][6:]}") if found else _refuse_date()
    except ValueError:
        return _refuse_date()


def _refuse_date() -> date:
    raise StatementError(INVALID_DATE, "Invalid date")


def _listing(desk: Desk, account: Account, first: date, last: date, rows: Sequence[Row]) -> Part:
    transactions = [_transaction(row, desk.zone) for row in rows]
    spoiled = desk.scenarios.get("bad_row")
    if spoiled is not None:
        _spoil(transactions, account, last, spoiled)
    days: list[Part] = [("DTSTART", f"{first:%Y%m%d}"), ("DTEND", f"{last:%Y%m%d}")]
    return ("BANKTRANLIST", [*days, *(("STMTTRN", list(fields.items())) for fields in transactions)])


def _transaction(row: Row, zone: timezone) -> dict[str, str]:
    """Return the elements of STMTTRN in their order."""
    posted_at = datetime(row.posted_on.year, row.posted_on.month, row.posted_on.day, POSTING_HOUR, tzinfo=zone)
    return {
        "TRNTYPE": _kind(row),
        "DTPOSTED": moment(posted_at),
        "DTUSER": moment(row.occurred_at.replace(tzinfo=zone)),
        "TRNAMT": to_decimal_text(row.amount_minor, CURRENCY),
        "FITID": row.row_id,
        **({"SIC": row.mcc} if row.mcc else {}),
        **_text(row),
    }


def _pending(row: Row, zone: timezone) -> Part:
    """Return a pending row; OFX gives these no id."""
    fields = {
        "TRNTYPE": _kind(row),
        "DTTRAN": moment(row.occurred_at.replace(tzinfo=zone)),
        "TRNAMT": to_decimal_text(row.amount_minor, CURRENCY),
        **_text(row),
    }
    return ("STMTTRNP", list(fields.items()))


def _text(row: Row) -> dict[str, str]:
    memo = {"MEMO": row.description} if len(row.description) > NAME_CHARACTERS_MAX else {}
    return {"NAME": row.description[:NAME_CHARACTERS_MAX].rstrip(), **memo}


def _kind(row: Row) -> str:
    by_sign = "CREDIT" if row.amount_minor > 0 else "DEBIT"
    return next((kind for words, kind in _WORDS if words in row.description), by_sign)


def _balance(name: str, amount_minor: int, clock: datetime) -> Part:
    return (name, [("BALAMT", to_decimal_text(amount_minor, CURRENCY)), ("DTASOF", moment(clock))])


def _spoil(transactions: list[dict[str, str]], account: Account, last: date, options: Mapping[str, Any]) -> None:
    """Make one row unreadable: the named one, else an extra one on the account that the options name."""
    spoiled = {"TRNAMT": "12,5O"} if options.get("field", "amount") == "amount" else {"DTPOSTED": "20260230"}
    if "id" in options:
        for fields in transactions:
            if fields["FITID"] == options["id"]:
                fields.update(spoiled)
    elif account.name == options.get("account", "card"):
        extra = {
            "TRNTYPE": "DEBIT",
            "DTPOSTED": moment(datetime(last.year, last.month, last.day, POSTING_HOUR, tzinfo=UTC)),
            "TRNAMT": "-12.50",
            "FITID": f"{account.account_id}.unreadable",
            "NAME": "UNREADABLE ROW",
        }
        transactions.append(extra | spoiled)
