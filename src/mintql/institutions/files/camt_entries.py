"""One entry of a CAMT message as transactions.

An entry (`Ntry`) is a movement of the account. Its details (`TxDtls`) become transactions of their own where
their amounts add up to the entry's exactly; else the entry is one transaction. `CdtDbtInd` says which way the
money went for reversals too: `RvslInd` only tells that something was taken back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime

from mintql.domain.errors import InvalidInput
from mintql.domain.institutions import ProviderTransaction
from mintql.domain.money import check_currency_form, parse_minor
from mintql.institutions.files import rows
from mintql.institutions.files.camt_xml import Record
from mintql.institutions.files.rows import BadRow

REFERENCE_LENGTH_TRUSTED_MIN = 6
"""A bank's reference shorter than this counts something, and may do so anew every day."""

_NO_REFERENCE = re.compile(r"(not ?provided|nonref|none|n/?a|[0\W]*|keine.*)", re.IGNORECASE)
_NO_NAME = re.compile(r"(not ?provided|nonref|keine information vorhanden|n/?a|\W*)", re.IGNORECASE)
_DAY = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})(?!\d)", re.ASCII)

_DATES = ("BookgDt/Dt", "BookgDt/DtTm", "ValDt/Dt", "ValDt/DtTm")
_DETAIL_DATES = ("RltdDts/TxDtTm", "RltdDts/AccptncDtTm", "RltdDts/IntrBkSttlmDt", "RltdDts/IntrBkSttlmDt/Dt")
_DETAIL_AMOUNTS = ("Amt", "AmtDtls/TxAmt/Amt", "AmtDtls/InstdAmt/Amt")
_REMITTANCE = (
    "RmtInf/Ustrd",
    "RmtInf/Strd/AddtlRmtInf",
    "RmtInf/Strd/CdtrRefInf/Ref",
    "RmtInf/Strd/CdtrRefInf/CdtrRef",
)


def transactions_of(
    entry: Record, account: str, own: str, created: str, notices: list[str]
) -> Iterable[ProviderTransaction]:
    """Return an entry as transactions, none where it is for information only."""
    status = entry.first("Sts", "Sts/Cd", "Sts/Prtry").upper()
    if status == "INFO":
        notices.append(f"Line {entry.line}: an entry for information only was left out, as no money moved.")
        return ()
    if status not in {"BOOK", "PDNG", "FUTR", ""}:
        notices.append(f"Line {entry.line}: the status {rows.clean(status, 20)!r} is unknown; taken as booked.")
    currency = check_currency_form(entry.currencies.get("Amt") or own)
    whole = _signed(entry, entry.first("Amt"), currency)
    parts = _parts(entry, whole, currency)
    if parts is None:
        notices.append(
            f"Line {entry.line}: the {len(entry.details)} parts of an entry do not add up to it; it stays whole."
        )
    pending = status in {"PDNG", "FUTR"}
    posted_on = _posted_on(entry, created)
    if not pending and not entry.first(*_DATES):
        notices.append(f"Line {entry.line}: a booked entry says no day; {posted_on} was taken for it.")
    named = [(amount, detail) for amount, detail in parts or ((whole, _only(entry)),)]
    return [
        ProviderTransaction(
            account_external_id=account,
            external_id=_external_id(entry, detail, number if len(named) > 1 else 0, posted_on),
            posted_on=posted_on,
            amount_minor=amount,
            currency=currency,
            description=_description(entry, detail, amount),
            pending=pending,
            occurred_at=_moment(detail.first("RltdDts/TxDtTm", "RltdDts/AccptncDtTm")),
        )
        for number, (amount, detail) in enumerate(named, 1)
    ]


def _only(entry: Record) -> Record:
    """Return the details of an entry that stays whole: its single part, or none."""
    return entry.details[0] if len(entry.details) == 1 else Record("TxDtls", entry.line, 0)


def _signed(record: Record, text: str, currency: str) -> int:
    amount = parse_minor(text, currency)
    if amount < 0:
        raise BadRow(f"{rows.clean(text, 40)!r} is below zero, where CdtDbtInd alone says which way money goes")
    direction = record.first("CdtDbtInd")
    if direction not in {"CRDT", "DBIT"}:
        raise BadRow(f"CdtDbtInd is {rows.clean(direction, 20)!r}, neither CRDT nor DBIT")
    return -amount if direction == "DBIT" else amount


def _parts(entry: Record, whole: int, currency: str) -> list[tuple[int, Record]] | None:
    """Return an entry's parts with their signed amounts; None where they are not exactly the entry.

    A part that says no direction goes the entry's way; where the parts only add up if all of them do, they do.
    """
    if len(entry.details) <= 1:
        return [(whole, _only(entry))]
    sizes: list[int] = []
    signs: list[int] = []
    own = -1 if entry.first("CdtDbtInd") == "DBIT" else 1
    for detail in entry.details:
        path = next(
            (path for path in _DETAIL_AMOUNTS if detail.first(path) and detail.currencies.get(path) == currency), ""
        )
        try:
            sizes.append(parse_minor(detail.first(path), currency))
        except InvalidInput:
            return None
        signs.append({"DBIT": -1, "CRDT": 1}.get(detail.first("CdtDbtInd"), own))
    for directions in (signs, [own] * len(sizes)):
        amounts = [size * sign for size, sign in zip(sizes, directions, strict=True)]
        if sum(amounts) == whole and min(sizes) >= 0:
            return list(zip(amounts, entry.details, strict=True))
    return None


def _posted_on(entry: Record, created: str) -> date:
    """Return the booking day, else the value day, else the payment's own, else that of the statement."""
    said = entry.first(*_DATES) or next(filter(None, (d.first(*_DETAIL_DATES) for d in entry.details)), "") or created
    if not said:
        raise BadRow("no date is given")
    return day(said)


def day(text: str) -> date:
    """Return the calendar day as the bank wrote it: the offset of a time does not move it."""
    found = _DAY.match(text)
    if found is None:
        raise BadRow(f"{rows.clean(text, 40)!r} is not a date")
    return rows.day_of(int(found[1]), int(found[2]), int(found[3]))


def _moment(text: str) -> datetime | None:
    """Return a time that says its offset as UTC; None for any other."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _external_id(entry: Record, detail: Record, number: int, posted_on: date) -> str:
    """Return the best id there is. The bank's own is taken as it is.

    What the payer chose (EndToEndId), or what may count anew in each statement (NtryRef), names the same
    transaction only together with its day: a standing order carries one reference for years.
    """
    for strong in (detail.first("Refs/AcctSvcrRef"), entry.first("AcctSvcrRef")):
        if len(strong) >= REFERENCE_LENGTH_TRUSTED_MIN and not _NO_REFERENCE.fullmatch(strong):
            shared = number and strong == entry.first("AcctSvcrRef")
            return rows.clean_id(f"{strong}/{number}" if shared else strong)
    for weak in (
        detail.first("Refs/TxId", "Refs/UETR", "Refs/AcctSvcrRef"),
        entry.first("AcctSvcrRef") + (f"/{number}" if number else "") if entry.first("AcctSvcrRef") else "",
        entry.first("NtryRef") + (f"/{number}" if number else "") if entry.first("NtryRef") else "",
        detail.first("Refs/EndToEndId"),
    ):
        if not _NO_REFERENCE.fullmatch(weak):
            return rows.clean_id(f"{weak}@{posted_on.isoformat()}")
    return ""


def _description(entry: Record, detail: Record, amount: int) -> str:
    """Return who the money went to or came from and what for, else what the bank says of the entry."""
    reversal = entry.first("RvslInd").lower() in {"true", "1"}
    to_us = (amount >= 0) != reversal
    party, other = ("Dbtr", "Cdtr") if to_us else ("Cdtr", "Dbtr")
    names = [_name(detail, party), _name(detail, f"Ultmt{party}")]
    purpose = rows.merge(detail.every(path) for path in _REMITTANCE)
    parts = [*names, purpose]
    if not purpose or not any(names):
        parts += [detail.every("AddtlTxInf"), entry.every("AddtlNtryInf")]
    said = rows.merge(parts) or rows.merge(
        [_name(detail, other), detail.first("Refs/EndToEndId"), entry.first("AcctSvcrRef", "BkTxCd/Prtry/Cd")]
    )
    return rows.merge([said, "(reversal)"]) if reversal else said


def _name(detail: Record, party: str) -> str:
    name = detail.first(f"RltdPties/{party}/Nm", f"RltdPties/{party}/Pty/Nm", f"RltdPties/{party}/Agt/FinInstnId/Nm")
    return "" if _NO_NAME.fullmatch(name) else name


def shown(entry: Record) -> str:
    """Return an entry in one line, to show beside the reason why it was rejected."""
    return "; ".join(f"{path}={text}" for path, texts in entry.leaves.items() for text in texts[:1])
