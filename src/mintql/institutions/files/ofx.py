"""Reader of OFX and QFX statement files: bank accounts, credit cards, the cash of investment accounts.

What a bank gets wrong in one place costs no more than that place: a row without date or amount is put aside
with its line, a balance that cannot be read is left out, ids that the bank gave twice are not trusted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from mintql.domain.errors import InvalidInput
from mintql.domain.institutions import ProviderTransaction, RejectedRow
from mintql.institutions.files.amounts import proven_radix, read_minor
from mintql.institutions.files.base import (
    EXCERPT_CHARACTERS_MAX,
    FileKind,
    FileUnreadable,
    ParsedFile,
    Statement,
)
from mintql.institutions.files.ofx_document import (
    ACCOUNT_AGGREGATES,
    Account,
    Document,
    account_of,
    listed_accounts,
    parse_document,
    signature_of,
)
from mintql.institutions.files.ofx_markup import Element
from mintql.institutions.files.ofx_rows import Ledger, currency_of, external_id, read_day, read_row
from mintql.institutions.files.options import AS_FOUND, ReadOptions
from mintql.institutions.files.rows import BadRow, bounded, check_count, check_statements, clean

STATEMENTS = ("STMTRS", "CCSTMTRS", "INVSTMTRS")
ROWS = ("STMTTRN", "STMTTRNP")


@dataclass(slots=True)
class _Findings:
    """What the person said, and what is found beside the statements, gathered over the whole file."""

    options: ReadOptions
    rejected: list[RejectedRow] = field(default_factory=list)
    evidence: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    rows: int = 0


@dataclass(frozen=True, slots=True)
class _Row:
    """A transaction with where it stood and, where it corrects another, which one and how."""

    element: Element
    transaction: ProviderTransaction
    corrects: str = ""
    action: str = ""


def read(content: bytes, options: ReadOptions = AS_FOUND) -> ParsedFile:
    """Read a statement file in OFX 1 or 2.

    Raises:
        FileUnreadable: No OFX, hostile, or an institution's refusal instead of a statement.
    """
    document = parse_document(content, encoding=options.encoding)
    findings = _Findings(options, notices=list(document.notices))
    holders = _holders(document.elements)
    check_statements(len(holders))
    statements = [_statement(holder, findings) for holder in holders]
    stated = {statement.account_external_id for statement in statements}
    statements += [
        Statement(account.external_id, account.kind, options.currency, ())
        for account in listed_accounts(document.elements)
        if account.account_id and account.external_id not in stated
    ]
    _tell_statuses(document, findings, empty=not statements)
    if any(element.name == "LOANSTMTRS" for element in document.elements):
        findings.notices.append("Statements of loans are not read; the other accounts of the file are.")
    if not document.root.children[-1].ended:
        findings.notices.append("The file ends before its last element does: it may have been cut off.")
    return ParsedFile(
        kind=FileKind.OFX,
        encoding=document.encoding,
        statements=tuple(statements),
        rejected=tuple(findings.rejected),
        notices=bounded(findings.notices),
        evidence=(*document.evidence, *findings.evidence),
        signature=signature_of(document.elements),
    )


def _holders(elements: Sequence[Element]) -> list[Element]:
    """Return what holds statements, and one more for rows that stand in none, as some exports have them."""
    found = [element for element in elements if element.name in STATEMENTS]
    inside = {id(row) for holder in found for row in holder.walk()}
    stray = [element for element in elements if element.name in ROWS and id(element) not in inside]
    if not stray:
        return found
    holder = Element("", stray[0].line)
    if not found:
        holder.children += [element for element in elements if element.name in (*ACCOUNT_AGGREGATES, "LEDGERBAL")]
        holder.values["CURDEF"] = next((one.value("CURDEF") for one in elements if one.value("CURDEF")), "")
    holder.children += stray
    return [*found, holder]


def _tell_statuses(document: Document, findings: _Findings, *, empty: bool) -> None:
    errors = document.errors
    if empty and errors:
        said = "; ".join(dict.fromkeys(str(status) for status in errors[:3]))
        raise FileUnreadable(f"The file holds no statement but an error of the institution: {said}.")
    findings.notices += [f"The institution answered to {status.about} with an error: {status}." for status in errors]
    if empty:
        findings.notices.append("The file is an answer of the institution without any account or statement.")


def _statement(holder: Element, findings: _Findings) -> Statement:
    account = account_of(holder)
    elements = [element for element in holder.walk() if element.name in ROWS]
    findings.rows += len(elements)
    check_count(findings.rows)
    currency = _currency(holder, elements, findings)
    amounts = [element.value("TRNAMT") for element in elements]
    proven = frozenset(findings.options.decimal) or proven_radix(amounts)
    ledger = Ledger(account.external_id, account.kind, currency, proven)
    rows = _read_rows(elements, ledger, findings)
    _tell_turned_signs(rows, findings)
    rows = _apply_corrections(rows, findings)
    rows = _trust_ids(rows, findings)
    _tell_left_out(holder, account, findings)
    balance = holder.child("LEDGERBAL") or holder.child("INVBAL")
    balance_text = balance.value("BALAMT") or balance.value("AVAILCASH") if balance is not None else ""
    day_text = balance.value("DTASOF") if balance is not None else ""
    return Statement(
        account_external_id=account.external_id,
        account_kind=account.kind,
        currency=currency,
        transactions=tuple(row.transaction for row in rows),
        balance_minor=_balance(balance_text, ledger, findings),
        balance_on=read_day(day_text or holder.value("DTASOF")) if balance_text else None,
        first_day=_listed_day(holder, "DTSTART"),
        last_day=_listed_day(holder, "DTEND"),
    )


def _listed_day(holder: Element, name: str) -> date | None:
    """Return the first or last day that the statement's list of transactions says it covers."""
    listings = (child for child in holder.children if child.name.startswith(("BANKTRANLIST", "INVTRANLIST")))
    return next((day for listing in listings if (day := read_day(listing.value(name)))), None)


def _currency(holder: Element, elements: Sequence[Element], findings: _Findings) -> str:
    """Return the account's currency: as stated, else the one that all rows state, else ""."""
    stated = currency_of(holder, "CURDEF")
    if stated:
        return stated
    of_rows = {currency_of(row.child("CURRENCY")) or currency_of(row, "CURRENCY") for row in elements}
    if len(of_rows) == 1 and "" not in of_rows:
        return of_rows.pop()
    if findings.options.currency:
        return findings.options.currency
    if elements:
        findings.notices.append("The file names no currency; its amounts were read with two decimals.")
    return ""


def _read_rows(elements: Sequence[Element], ledger: Ledger, findings: _Findings) -> list[_Row]:
    rows: list[_Row] = []
    rounded_count = 0
    for element in elements:
        try:
            transaction, rounded = read_row(element, ledger)
        except (BadRow, InvalidInput) as error:
            findings.rejected.append(_rejected(element, str(error), ledger.account_external_id))
            continue
        rounded_count += rounded
        corrects = external_id(element.value("CORRECTFITID"))
        rows.append(_Row(element, transaction, corrects, element.value("CORRECTACTION").upper()))
    if rounded_count:
        findings.notices.append(
            f"{rounded_count} amounts have more decimals than {ledger.currency or 'usual'}; they were rounded."
        )
    return rows


def _rejected(element: Element, reason: str, account_external_id: str) -> RejectedRow:
    excerpt = " ".join(f"<{name}>{text}" for name, text in element.values.items())
    return RejectedRow(element.line, reason, clean(excerpt, EXCERPT_CHARACTERS_MAX), account_external_id)


def _apply_corrections(rows: list[_Row], findings: _Findings) -> list[_Row]:
    """Let rows that correct others (CORRECTFITID) replace or delete them where both are in the file."""
    gone = {row.corrects for row in rows if row.corrects}
    if not gone:
        return rows
    known = {row.transaction.external_id for row in rows}
    kept: list[_Row] = []
    for row in rows:
        if row.corrects and row.corrects not in known:
            findings.notices.append(
                f"Line {row.element.line} corrects transaction {row.corrects}, which is not in this file: check it."
            )
        own_id = row.transaction.external_id
        if own_id in gone and row.corrects != own_id:
            reason = "a later row of the file corrects it"
        elif row.corrects and row.action == "DELETE":
            reason = f"it takes back transaction {row.corrects}"
        else:
            kept.append(row)
            continue
        findings.rejected.append(_rejected(row.element, reason, row.transaction.account_external_id))
    return kept


def _trust_ids(rows: list[_Row], findings: _Findings) -> list[_Row]:
    """Make ids unique within the account.

    A row that repeats another entirely, id and all, is put aside as its duplicate. Where rows that differ share
    an id, as in files of banks that count anew every day, none of them keeps it: each is a transaction.
    """
    first: dict[str, _Row] = {}
    untrusted: set[str] = set()
    kept: list[_Row] = []
    for row in rows:
        own_id = row.transaction.external_id
        earlier = first.setdefault(own_id, row) if own_id else row
        if earlier is row:
            kept.append(row)
        elif earlier.transaction == row.transaction:
            reason = f"it repeats line {earlier.element.line}, with the same FITID {clean(own_id, 60)}"
            findings.rejected.append(_rejected(row.element, reason, row.transaction.account_external_id))
        else:
            untrusted.add(own_id)
            kept.append(row)
    if not untrusted:
        return kept
    findings.notices.append(
        f"{len(untrusted)} ids (FITID) stand at different transactions, e.g. {clean(min(untrusted), 60)}; "
        "those transactions are told apart by day, amount and text instead."
    )
    return [
        replace(row, transaction=row.transaction._replace(external_id=""))
        if row.transaction.external_id in untrusted
        else row
        for row in kept
    ]


def _tell_turned_signs(rows: Sequence[_Row], findings: _Findings) -> None:
    """Say so where every debit is positive and every credit negative: OFX signs amounts as the person sees them."""
    signs: Counter[bool] = Counter()
    for row in rows:
        kind, amount = row.element.value("TRNTYPE").upper(), row.transaction.amount_minor
        if amount and kind in ("DEBIT", "CREDIT"):
            signs[(amount < 0) == (kind == "DEBIT")] += 1
    if signs[False] and not signs[True]:
        findings.notices.append("Every debit is positive and every credit negative: the signs may be turned around.")


def _tell_left_out(holder: Element, account: Account, findings: _Findings) -> None:
    trades = sum(
        child.name not in ("INVBANKTRAN", *ROWS)
        for listing in holder.children
        if listing.name == "INVTRANLIST"
        for child in listing.children
    )
    if trades:
        findings.notices.append(
            f"{trades} trades of the investment account {account.account_id} were left out: only its cash is read."
        )


def _balance(text: str, ledger: Ledger, findings: _Findings) -> int | None:
    if not text:
        return None
    try:
        return read_minor(text, ledger.currency, ledger.proven)[0]
    except InvalidInput as error:
        findings.notices.append(f"The balance was left out: {error}.")
        return None
