"""One transaction of an OFX statement (STMTTRN) as a `ProviderTransaction`."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone

from mintql.domain.errors import InvalidInput
from mintql.domain.institutions import AccountKind, ProviderTransaction
from mintql.domain.money import check_currency_form
from mintql.domain.months import YEAR_MAX, YEAR_MIN
from mintql.institutions.files.amounts import read_minor
from mintql.institutions.files.ofx_markup import Element
from mintql.institutions.files.rows import EXTERNAL_ID_LENGTH_MAX, BadRow, clean, join_description

_DATE = re.compile(r"(\d{4})[-/.]?(\d{2})[-/.]?(\d{2})(?!\d(?!\d))", re.ASCII)
_MOMENT = re.compile(
    r"(\d{8})[T ]?(\d{2}):?(\d{2})(?::?(\d{2}))?(?:\.\d{1,9})?\s*\[\s*([+-]?\d{1,2})(?:[.:](\d{1,2}))?(?::[^\[\]]*)?\]",
    re.ASCII,
)
_NO_ID = re.compile(r"0*|N/?A|NONE|NULL|UNKNOWN", re.IGNORECASE)
_CATEGORY_CODE = re.compile(r"(?!0000)\d{4}", re.ASCII)
_HOURS_MAX = 14

_WORDS = {
    "CREDIT": "Credit", "DEBIT": "Debit", "INT": "Interest", "DIV": "Dividend", "FEE": "Fee",
    "SRVCHG": "Service charge", "DEP": "Deposit", "ATM": "Cash machine", "POS": "Point of sale",
    "XFER": "Transfer", "CHECK": "Check", "PAYMENT": "Payment", "CASH": "Cash withdrawal",
    "DIRECTDEP": "Direct deposit", "DIRECTDEBIT": "Direct debit", "REPEATPMT": "Standing order", "HOLD": "Hold",
}  # fmt: skip
"""What a row is called that has no name, no memo and no check number: its TRNTYPE in words."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """What a row needs to know of its statement. `proven` is what `amounts.proven_radix` found."""

    account_external_id: str
    account_kind: AccountKind
    currency: str
    proven: frozenset[str]


def read_row(row: Element, ledger: Ledger) -> tuple[ProviderTransaction, bool]:
    """Return the transaction, and whether its amount had to be rounded; raise `BadRow` or `InvalidInput`."""
    if not row.ended:
        raise BadRow("the file ends inside this row")
    pending = row.name == "STMTTRNP"
    posted_on = _day(row, "DTTRAN" if pending and row.value("DTTRAN") else "DTPOSTED")
    if not row.value("TRNAMT"):
        raise BadRow("TRNAMT is missing")
    # CURRENCY says that the amount is in another currency than the account's; ORIGCURRENCY only what it was.
    stated = currency_of(row.child("CURRENCY")) or currency_of(row, "CURRENCY")
    currency = stated or ledger.currency
    amount_minor, rounded = read_minor(row.value("TRNAMT"), currency, ledger.proven)
    code = row.value("SIC")
    is_card = ledger.account_kind is AccountKind.CREDIT_CARD
    transaction = ProviderTransaction(
        account_external_id=ledger.account_external_id,
        external_id=external_id(row.value("FITID")),
        posted_on=posted_on,
        amount_minor=amount_minor,
        currency=currency,
        description=_description(row),
        pending=pending,
        occurred_at=read_moment(row.value("DTUSER")),
        merchant_category_code=code if is_card and _CATEGORY_CODE.fullmatch(code) else "",
    )
    return transaction, rounded


def currency_of(holder: Element | None, name: str = "CURSYM") -> str:
    """Return the currency an aggregate names, "" where it names none or nonsense."""
    text = holder.value(name) if holder is not None else ""
    try:
        return check_currency_form(text) if text else ""
    except InvalidInput:
        return ""


def external_id(text: str) -> str:
    """Return an id that can be kept, "" for blank ones and those that stand for none.

    A longer one than can be kept is cut and keeps its hash, so that ids with a common beginning stay apart.
    """
    cleaned = clean(text, 4 * EXTERNAL_ID_LENGTH_MAX)
    if _NO_ID.fullmatch(cleaned):
        return ""
    if len(cleaned) <= EXTERNAL_ID_LENGTH_MAX:
        return cleaned
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    return f"{cleaned[: EXTERNAL_ID_LENGTH_MAX - len(digest) - 1]}#{digest}"


def read_day(text: str) -> date | None:
    """Return the calendar day of an OFX date as it is written, None when it is none within our years.

    The day at the institution is the posting date, whatever time and zone follow ("20090401122017.000[-5:EST]").
    """
    found = _DATE.match(text.strip())
    if found is None:
        return None
    try:
        day = date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        return None
    return day if YEAR_MIN <= day.year <= YEAR_MAX else None


def read_moment(text: str) -> datetime | None:
    """Return an OFX time that names its zone's offset as UTC, None for anything less exact."""
    found = _MOMENT.fullmatch(text.strip())
    if found is None or read_day(found[1]) is None:
        return None
    # Banks write offsets of half hours as ".5", ".30" and ":30".
    hours, part = int(found[5]), found[6] or "0"
    minutes = 30 if part in ("5", "50", "30") else 45 if part in ("75", "45") else 0
    if abs(hours) > _HOURS_MAX:
        return None
    zone = timezone(timedelta(hours=hours, minutes=-minutes if found[5].startswith("-") else minutes))
    try:
        local = datetime.strptime(f"{found[1]}{found[2]}{found[3]}{found[4] or '00'} +0000", "%Y%m%d%H%M%S %z")
        return local.replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _day(row: Element, name: str) -> date:
    text = row.value(name)
    if not text:
        raise BadRow(f"{name} is missing")
    day = read_day(text)
    if day is None:
        raise BadRow(f"{name} is not a date between {YEAR_MIN} and {YEAR_MAX}: {clean(text, 40)!r}")
    return day


def _description(row: Element) -> str:
    payee = row.child("PAYEE", "PAYEE2")
    name = row.value("EXTDNAME") or row.value("NAME") or (payee or row).value("PAYEE" if payee is None else "NAME")
    said = join_description(name, row.value("MEMO"))
    if said:
        return said
    check = clean(row.value("CHECKNUM"), 40)
    if check.strip("0"):
        return f"Check {check}"
    kind = clean(row.value("TRNTYPE"), 40)
    return _WORDS.get(kind.upper(), kind.capitalize())
