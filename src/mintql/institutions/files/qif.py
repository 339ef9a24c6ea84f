"""Reader of QIF, the interchange format of Quicken that banks and budget programs still write.

QIF names no currency, no order of dates and no ids. What it leaves open is decided by the whole file, said in
a notice where it stays unsure, and can be told by the caller.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from mintql.domain.errors import InvalidInput
from mintql.domain.institutions import AccountKind, ProviderTransaction, RejectedRow
from mintql.domain.money import to_decimal_text
from mintql.domain.months import YEAR_MAX, YEAR_MIN
from mintql.institutions.files.amounts import proven_radix, read_minor
from mintql.institutions.files.base import EXCERPT_CHARACTERS_MAX, FileKind, FileUnreadable, ParsedFile, Statement
from mintql.institutions.files.dates import DateEvidence, DateOrder, find_order, read_date
from mintql.institutions.files.decoding import decode
from mintql.institutions.files.options import AS_FOUND, ReadOptions
from mintql.institutions.files.qif_records import Account, Contents, Record, Split, read_records
from mintql.institutions.files.rows import (
    EXTERNAL_ID_LENGTH_MAX,
    NOTICES_MAX,
    BadRow,
    bounded,
    clean,
    join_description,
)

SPLITS_SHOWN_MAX = 8
NAMES_SHOWN_MAX = 5
NOTICE_CHARACTERS_MAX = 500

_OPENING = frozenset(
    (
        "opening balance", "solde initial", "saldo inicial", "saldo iniziale", "anfangssaldo", "eröffnungssaldo",
        "beginsaldo", "openingssaldo", "ingående saldo", "saldo początkowe", "počáteční zůstatek",
    )
)  # fmt: skip
_CURRENCY_SIGNS = {"€": "EUR", "£": "GBP", "$": ""}
"""Signs that name a currency on their own; a dollar may be anybody's."""


@dataclass(slots=True)
class _Findings:
    """How the file's values are to be read, and what is found beside its rows."""

    currency: str
    dates: DateEvidence
    proven: frozenset[str]
    rejected: list[RejectedRow] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    unsaid: int = 0
    categories: int = 0
    transfers: dict[str, int] = field(default_factory=dict)
    openings: int = 0
    rounded: int = 0

    @property
    def order(self) -> DateOrder:
        """The order of the file's dates."""
        return self.dates.order

    def notice(self, text: str) -> None:
        """Add a notice about one row, as long as there is room for it."""
        if len(self.notices) < NOTICES_MAX:
            self.notices.append(clean(text, NOTICE_CHARACTERS_MAX))
        else:
            self.unsaid += 1


def read(content: bytes, options: ReadOptions = AS_FOUND) -> ParsedFile:
    """Read a QIF file. While nobody says its currency, amounts are read with two decimals.

    Raises:
        FileUnreadable: Empty, too large, or no QIF.
    """
    decoded = decode(content, wanted=options.encoding)
    contents = read_records(decoded.text)
    findings = _weigh(contents, options)
    records = list(_plausible(contents, findings))
    if not contents.headers and not records:
        raise FileUnreadable("The file is not QIF: it has no line !Type: and no rows with a date and an amount.")
    notices = [*decoded.notices, *_tell_contents(contents, findings, records)]
    statements = _statements(contents, records, findings)
    notices += _tell_rows(findings)
    if findings.unsaid:
        findings.notices.append(f"{findings.unsaid} further rows have notices of the same kinds.")
    return ParsedFile(
        kind=FileKind.QIF,
        encoding=decoded.encoding,
        statements=statements,
        rejected=tuple(findings.rejected),
        notices=bounded([*notices, *findings.notices]),
        evidence=_evidence(decoded.encoding, decoded.words, findings),
        signature=_signature(statements),
    )


def _evidence(encoding: str, words: str, findings: _Findings) -> tuple[str, ...]:
    return (
        f"Encoding: {encoding}, as {words}.",
        f"Date order: {findings.order.words}; {findings.dates.words}.",
        *(f"Decimals: behind {mark!r}." for mark in sorted(findings.proven)),
    )


def _signature(statements: Sequence[Statement]) -> str:
    names = sorted(one.account_external_id for one in statements if one.account_external_id)[:NAMES_SHOWN_MAX]
    return clean(":".join(["qif", *names]).casefold(), EXTERNAL_ID_LENGTH_MAX)


def _weigh(contents: Contents, options: ReadOptions) -> _Findings:
    currency = options.currency
    amounts = [text for record in contents.records for text in _amounts(record)]
    if not currency:
        signs = {sign for sign in _CURRENCY_SIGNS if any(sign in text for text in amounts)}
        currency = _CURRENCY_SIGNS[signs.pop()] if len(signs) == 1 else ""
    if options.date_order:
        dates = DateEvidence(options.date_order, "as you said", sure=True)
    else:
        dates = find_order(_dates(contents), hint=contents.order_hint)
    return _Findings(currency, dates, frozenset(options.decimal) or proven_radix(amounts))


def _amounts(record: Record) -> Iterator[str]:
    yield record.value("T") or record.value("U")
    for split in record.splits:
        yield split.amount


def _dates(contents: Contents) -> Iterator[str]:
    return (text for record in contents.records if (text := record.value("D")))


def _plausible(contents: Contents, findings: _Findings) -> Iterator[Record]:
    """Yield the records; those that no known header announces only if they are transactions beyond doubt."""
    for record in contents.records:
        if record.headless:
            try:
                _read_amount(_amount_text(record), findings)
            except (BadRow, InvalidInput):
                continue
            if read_date(record.value("D"), findings.order) is None:
                continue
        yield record


def _tell_contents(contents: Contents, findings: _Findings, records: Sequence[Record]) -> list[str]:
    """Say what of the file is unsure or not read."""
    notices: list[str] = []
    if not findings.dates.sure and records:
        first = findings.order.words.split()[0]
        example = next(_dates(contents))
        notices.append(
            f"Dates such as {clean(example, 20)} can be read in two ways; the {first} was taken to be first."
        )
    if records and not findings.currency:
        notices.append("QIF names no currency; amounts were read with two decimals.")
    if any(record.headless for record in records):
        types = ", ".join(dict.fromkeys(contents.odd_types[:NAMES_SHOWN_MAX]))
        notices.append(
            f"Rows under {types} were read as transactions of an account of unknown kind."
            if types
            else "The file has no line !Type:; its rows were read as transactions of an account of unknown kind."
        )
    if contents.investments:
        notices.append(f"{contents.investments} rows of investment accounts were left out: only cash is read.")
    if not records:
        notices.append("The file holds no transactions of a bank, cash or card account.")
    return notices


def _tell_rows(findings: _Findings) -> list[str]:
    notices: list[str] = []
    if findings.transfers:
        names = ", ".join(list(findings.transfers)[:NAMES_SHOWN_MAX])
        notices.append(f"{sum(findings.transfers.values())} rows are transfers with own accounts: {names}.")
    if findings.openings:
        notices.append(f"{findings.openings} rows are opening balances, no income or spending.")
    if findings.categories:
        notices.append(f"{findings.categories} rows name categories, which were not taken over.")
    if findings.rounded:
        notices.append(f"{findings.rounded} amounts have more decimals than the currency; they were rounded.")
    return notices


def _statements(contents: Contents, records: Sequence[Record], findings: _Findings) -> tuple[Statement, ...]:
    """Make a statement of each account that has rows or a cash account's block, in the order of the file."""
    accounts = contents.accounts
    rows: dict[tuple[str, AccountKind], list[ProviderTransaction]] = {
        (one.name, one.kind): [] for one in accounts.values()
    }
    unnamed = ""
    for record in records:
        if not record.account and _is_opening(record):
            # Without an account block, Quicken's opening balance names the account that it belongs to.
            unnamed = clean(_transfer(record.value("L")), EXTERNAL_ID_LENGTH_MAX)
        name = record.account or unnamed
        kind = accounts[name].kind if name in accounts else record.kind
        transactions = rows.setdefault((name, kind), [])
        try:
            transactions.append(_transaction(record, name, findings))
        except (BadRow, InvalidInput) as error:
            findings.rejected.append(RejectedRow(record.line, str(error), _excerpt(record), name))
    return tuple(_statement(name, kind, found, accounts.get(name), findings) for (name, kind), found in rows.items())


def _statement(
    name: str,
    kind: AccountKind,
    transactions: Sequence[ProviderTransaction],
    account: Account | None,
    findings: _Findings,
) -> Statement:
    balance_minor: int | None = None
    balance_on: date | None = None
    if account is not None and account.balance:
        try:
            balance_minor = read_minor(account.balance, findings.currency, findings.proven, default=".")[0]
            balance_on = read_date(account.balance_on, findings.order)
        except InvalidInput as error:
            findings.notice(f"The balance of {name} was left out: {error}.")
    return Statement(name, kind, findings.currency, tuple(transactions), balance_minor, balance_on)


def _transaction(record: Record, account: str, findings: _Findings) -> ProviderTransaction:
    if not record.value("D"):
        raise BadRow("the date (D) is missing")
    posted_on = read_date(record.value("D"), findings.order)
    if posted_on is None:
        raise BadRow(f"D is not a date between {YEAR_MIN} and {YEAR_MAX}: {clean(record.value('D'), 40)!r}")
    amount_minor = _total(record, findings)
    _tell_row(record, amount_minor, findings)
    return ProviderTransaction(
        account_external_id=account,
        external_id="",
        posted_on=posted_on,
        amount_minor=amount_minor,
        currency=findings.currency,
        description=_description(record),
    )


def _amount_text(record: Record) -> str:
    text = record.value("T") or record.value("U")
    if not text:
        raise BadRow("the amount (T) is missing")
    return text


def _read_amount(text: str, findings: _Findings) -> int:
    minor, rounded = read_minor(text, findings.currency, findings.proven, default=".")
    findings.rounded += rounded
    return minor


def _total(record: Record, findings: _Findings) -> int:
    """Return the row's amount, the sum of its splits where it says none itself."""
    if record.value("T") or record.value("U") or not any(split.amount.strip() for split in record.splits):
        return _read_amount(_amount_text(record), findings)
    return sum(_read_amount(split.amount, findings) for split in record.splits if split.amount.strip())


def _tell_row(record: Record, amount_minor: int, findings: _Findings) -> None:
    category = record.value("L")
    transfer = _transfer(category)
    if _is_opening(record):
        findings.openings += 1
    elif transfer:
        known = transfer in findings.transfers or len(findings.transfers) < NOTICES_MAX
        key = clean(transfer, EXTERNAL_ID_LENGTH_MAX) if known else "others"
        findings.transfers[key] = findings.transfers.get(key, 0) + 1
    elif category:
        findings.categories += 1
    if not record.splits:
        return
    amounts = [_split_amount(split, findings) for split in record.splits]
    total = sum(amount or 0 for amount in amounts)
    said = ", ".join(
        f"{split.category.strip() or 'no category'} {_money(amount, findings)}"
        + (f" ({split.memo.strip()})" if split.memo.strip() else "")
        for split, amount in zip(record.splits[:SPLITS_SHOWN_MAX], amounts, strict=False)
    )
    differs = f"; the parts sum to {_money(total, findings)}" if None in amounts or total != amount_minor else ""
    whole = _money(amount_minor, findings)
    findings.notice(f"Line {record.line} was read as one row of {whole}{differs}; it is split into: {said}.")


def _split_amount(split: Split, findings: _Findings) -> int | None:
    try:
        return read_minor(split.amount, findings.currency, findings.proven, default=".")[0]
    except InvalidInput:
        return None


def _money(amount_minor: int | None, findings: _Findings) -> str:
    return "?" if amount_minor is None else to_decimal_text(amount_minor, findings.currency)


def _transfer(category: str) -> str:
    """Return the account that a category of the form [Account] or [Account]/Class names, "" for any other."""
    trimmed = category.strip()
    return trimmed[1:].partition("]")[0] if trimmed.startswith("[") and "]" in trimmed else ""


def _is_opening(record: Record) -> bool:
    return clean(record.value("P")).casefold() in _OPENING and bool(_transfer(record.value("L")))


def _description(record: Record) -> str:
    said = join_description(record.value("P"), record.value("M"))
    if said:
        return said
    number = clean(record.value("N"), 40)
    if number:
        return f"Check {number}" if number.isdigit() else number
    return clean(_transfer(record.value("L")) or record.value("L"))


def _excerpt(record: Record) -> str:
    return clean(" ".join(f"{code}{text}" for code, text in record.values.items()), EXCERPT_CHARACTERS_MAX)
