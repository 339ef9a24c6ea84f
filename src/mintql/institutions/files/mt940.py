"""Reading MT940 and MT942 statements (SWIFT category 9), as tolerantly as banks write them.

`mt940_fields` cuts the file into fields, `mt940_details` reads what is said of a transaction; here statements are
put together. A row that cannot be read is rejected with its line; the fields around it stand.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date

from mintql.domain.errors import InvalidInput
from mintql.domain.institutions import AccountKind, ProviderTransaction, RejectedRow
from mintql.domain.money import parse_minor
from mintql.institutions.files import rows
from mintql.institutions.files.base import FileKind, FileUnreadable, ParsedFile, Statement
from mintql.institutions.files.decoding import decode
from mintql.institutions.files.mt940_details import Details, read_details
from mintql.institutions.files.mt940_fields import Field, fields_of
from mintql.institutions.files.options import AS_FOUND, ReadOptions
from mintql.institutions.files.rows import BadRow

REFERENCE_LENGTH_TRUSTED_MIN = 8
"""A bank's reference shorter than this may count anew every day."""

_WEAK_REFERENCE = re.compile(r"(?=.*\d).{6,}")
"""What a payer chose is a reference only if it has a digit and some length; names and codes come again."""

LINE_LENGTH_MAX = 65
CENTURY_PIVOT = 80
"""Two-digit years from here on are of the last century."""

_ENTRY = re.compile(
    r"(?P<day>\d{8}|\d{6})(?P<entry>\d{4}|\s{4})?\s?(?P<mark>(?:R|E)?[DC])(?P<funds>[A-Z])?[ ]?"
    r"(?P<amount>\d[\d.,]*|,\d+)(?P<rest>.*)"
)
_REST = re.compile(r"(?P<kind>[A-Z][A-Z0-9]{3})?(?P<own>(?:[^/]|/(?!/))*)(?://(?P<bank>.*))?")
_BALANCE = re.compile(r"(?P<mark>[DC])(?P<day>\d{6})(?P<currency>[A-Z]{3})(?P<amount>\d[\d.,]*|,\d+)")
_CURRENCY = {
    "34F": re.compile(r"([A-Z]{3})"),
    "90C": re.compile(r"\d*([A-Z]{3})"),
    "90D": re.compile(r"\d*([A-Z]{3})"),
}
_NUMBERED_TEXT = re.compile(r"\d{3}[^\w\s/]\d{2}")
_IBAN = re.compile(r"([A-Z]{2}\d{2}[A-Z0-9]{10,30}?)(?:/?[A-Z]{3})?")
_NO_REFERENCE = re.compile(r"(nonref|[a-z]ref|marf|not ?provided|[0\W]*)", re.IGNORECASE)
_SIGNS = {"C": 1, "D": -1, "RC": -1, "RD": 1, "EC": 1, "ED": -1}


@dataclass(slots=True)
class _Open:
    """A statement while its fields are read; `continues` where it is a further page of the one before."""

    account: str = ""
    currency: str = ""
    opening: int | None = None
    opening_on: date | None = None
    closing: int | None = None
    closing_on: date | None = None
    closed: bool = False
    taken: list[ProviderTransaction] = field(default_factory=list)
    entries: int = 0
    rejected: int = 0
    continues: bool = False


def recognises(content: bytes) -> bool:
    """Return whether this looks like an MT940 or MT942."""
    start = content[:65_536].replace(b"\0", b"")
    return bool(re.search(rb":(60[FM]|61|28C?|34F):", start)) and bool(re.search(rb":(20|25P?|60[FM]):", start))


def read(content: bytes, options: ReadOptions = AS_FOUND) -> ParsedFile:
    """Read all statements of a file.

    Raises:
        FileUnreadable: Too large, or without any field of a statement.
    """
    decoded = decode(content, wanted=options.encoding)
    reader = _Reader(list(decoded.notices), options)
    for found in fields_of(decoded.text):
        reader.take(found)
    statements = reader.finished()
    if not statements:
        raise FileUnreadable("This is no MT940 or MT942 statement: it has no balance, no account and no transaction.")
    told_apart = iter(rows.with_ids_that_tell_apart([row for one in statements for row in one.transactions]))
    return ParsedFile(
        FileKind.MT940,
        decoded.encoding,
        tuple(replace(one, transactions=tuple(next(told_apart) for _ in one.transactions)) for one in statements),
        tuple(reader.rejected),
        rows.bounded(reader.notices),
        evidence=(f"Encoding: {decoded.encoding}, as {decoded.words}.",),
        signature=rows.signature("mt940", (one.account_external_id for one in statements)),
    )


class _Reader:
    """Takes field after field and makes statements of them."""

    def __init__(self, notices: list[str], options: ReadOptions) -> None:
        self.options = options
        self.notices = notices
        self.rejected: list[RejectedRow] = []
        self.statements: list[Statement] = []
        self.current: _Open | None = None
        self.account = ""
        self.currency = ""
        self.ended = True
        self.count = 0
        self.entry: Field | None = None
        self.details: list[str] | None = None
        self._takers: dict[str, Callable[[Field], None]] = {
            "": self._message_ends,
            "20": self._begin,
            "25": self._account,
            "25P": self._account,
            "60F": self._opening,
            "60M": self._opening,
            "61": self._entry,
            "62F": self._closing,
            "62M": self._closing,
        }

    def take(self, found: Field) -> None:
        """Take the next field. An entry waits for the field 86 that may follow it."""
        if self.entry is not None and self.details is None and _describes(found):
            if found.tag != "86":
                self.notices.append(f"Line {found.line}: a field {found.tag} holds a description; taken for an 86.")
            self.details = found.lines
            return
        self._settle_entry()
        self._takers.get(found.tag, self._currency)(found)

    def _message_ends(self, _found: Field) -> None:
        self.ended = True

    def _currency(self, found: Field) -> None:
        """Take the currency from a limit or a sum, where no balance said it."""
        pattern = _CURRENCY.get(found.tag)
        named = pattern.match(found.lines[0].strip()) if pattern else None
        if named and not self._open().currency:
            self._open().currency = self.currency = named[1]

    def finished(self) -> list[Statement]:
        """Return the statements; to be called after the last field."""
        self._settle_entry()
        self._end()
        return self.statements

    def _open(self) -> _Open:
        """Return the statement fields belong to; one of the last account where none has begun."""
        if self.current is None:
            self.current = _Open(account=self.account, currency=self.currency)
        self.ended = False
        return self.current

    def _begin(self, _found: Field) -> None:
        self._end()
        self.account = self.currency = ""
        self._open()

    def _account(self, found: Field) -> None:
        named = _account_id(" ".join(found.lines[:2]) if len(found.lines[0].strip()) == 0 else found.lines[0])
        if self.current is not None and (self.current.entries or self.current.closed or self.ended):
            self._begin(found)
        self._open().account = self.account = named

    def _opening(self, found: Field) -> None:
        if self.current is not None and (self.current.closed or self.current.entries):
            account = self.account
            self._begin(found)
            self._open().account = self.account = account
        statement = self._open()
        balance = _balance(found)
        statement.continues = found.tag == "60M"
        if balance is None:
            self.notices.append(f"Line {found.line}: the opening balance cannot be read and was left out.")
            return
        statement.opening, statement.opening_on, statement.currency = balance
        self.currency = statement.currency

    def _closing(self, found: Field) -> None:
        statement = self._open()
        balance = _balance(found)
        statement.closed = True
        if balance is None:
            self.notices.append(f"Line {found.line}: the closing balance cannot be read and was left out.")
            return
        statement.closing, statement.closing_on, currency = balance
        statement.currency = statement.currency or currency

    def _entry(self, found: Field) -> None:
        if self.ended or (self.current is not None and self.current.closed):
            self._end()
            if self.statements:
                self.notices.append(
                    f"Line {found.line}: a transaction stands outside any statement; taken as of the account before."
                )
        self._open().entries += 1
        self.count += 1
        rows.check_count(self.count)
        self.entry, self.details = found, None

    def _settle_entry(self) -> None:
        found, self.entry = self.entry, None
        if found is None:
            return
        statement = self._open()
        if not statement.currency:
            statement.currency = self.options.currency
        try:
            statement.taken.append(_transaction(found, self.details, statement, self.notices))
        except (BadRow, InvalidInput) as error:
            statement.rejected += 1
            rows.put_aside(self.rejected, found.line, error, " ".join(found.lines[:4]), statement.account)

    def _end(self) -> None:
        """Close the statement; a page that continues the one before is laid onto it."""
        done, self.current = self.current, None
        if done is not None and not done.currency and done.taken:
            self.notices.append("No balance says which currency this is in; amounts were read with two decimals.")
        if done is None or not (done.account or done.currency or done.entries):
            return
        if not done.rejected and done.opening is not None and done.closing is not None:
            movement = done.closing - done.opening
            self.notices.append(rows.movement_notice(done.account, done.currency, movement, done.taken))
        made = Statement(
            done.account,
            AccountKind.CHECKING,
            done.currency or rows.NO_CURRENCY,
            tuple(done.taken),
            done.closing,
            done.closing_on,
            first_day=done.opening_on,
            last_day=done.closing_on,
        )
        last = self.statements[-1] if self.statements else None
        of_last = (last.account_external_id, last.currency) if last is not None else None
        if done.continues and last is not None and of_last == (made.account_external_id, made.currency):
            joined = last.transactions + made.transactions
            self.statements[-1] = replace(made, transactions=joined, first_day=last.first_day)
        else:
            self.statements.append(made)
            rows.check_statements(len(self.statements))


def _describes(found: Field) -> bool:
    """Return whether this field is an entry's description; at one bank it stands under the account's tag."""
    return found.tag == "86" or (found.tag == "25" and bool(_NUMBERED_TEXT.match(found.lines[0])))


def _transaction(
    found: Field, details_lines: list[str] | None, statement: _Open, notices: list[str]
) -> ProviderTransaction:
    entry, lines = _entry_of(found)
    amount = _SIGNS[entry["mark"]] * _amount(entry["amount"], statement.currency)
    posted_on = _posted_on(entry["day"], (entry["entry"] or "").strip(), found.line, notices)
    rest = _REST.fullmatch(entry["rest"])
    own, bank = (rows.clean(rest["own"]), rows.clean(rest["bank"] or "")) if rest else ("", "")
    details = read_details(details_lines) if details_lines else Details("")
    extra = rows.merge(lines[:6])
    return ProviderTransaction(
        account_external_id=statement.account,
        external_id=_external_id(bank, details.reference or own, posted_on),
        posted_on=posted_on,
        amount_minor=amount,
        currency=statement.currency,
        description=_description(details, extra, own, bank),
        pending=entry["mark"].startswith("E"),
    )


def _entry_of(found: Field) -> tuple[re.Match[str], list[str]]:
    """Return the parts of an entry's first line, which some banks break before the amount, and its other lines."""
    first = found.lines[0].strip()[: rows.TEXT_LENGTH_LOOKED_AT_MAX]
    for text, used in ((first, 1), (first + "".join(found.lines[1:2]).strip()[:LINE_LENGTH_MAX], 2)):
        entry = _ENTRY.fullmatch(text)
        if entry is not None:
            return entry, found.lines[used:]
    raise BadRow("not of the form date, mark, amount, kind, reference")


def _description(details: Details, extra: str, own: str, bank: str) -> str:
    """Return the description, with the entry's second line where that is words and not a number or code."""
    worded = bool(re.search(r"[^\W\d_]{3}", extra)) and not re.fullmatch(r"/.*|[A-Z0-9]+", extra)
    said = rows.merge((details.description, extra if worded else ""))
    return said or extra or next((text for text in (own, bank) if not _NO_REFERENCE.fullmatch(text)), "")


def _external_id(bank: str, own: str, posted_on: date) -> str:
    """Return the bank's reference; one that is short, or that the payer chose, only together with the day."""
    if len(bank) >= REFERENCE_LENGTH_TRUSTED_MIN and not _NO_REFERENCE.fullmatch(bank):
        return rows.clean_id(bank)
    for weak in (bank, own):
        if _WEAK_REFERENCE.fullmatch(weak) and not _NO_REFERENCE.fullmatch(weak) and not _IBAN.fullmatch(weak):
            return rows.clean_id(f"{weak}@{posted_on.isoformat()}")
    return ""


def _amount(text: str, currency: str) -> int:
    """Read an amount: a comma before the decimals by the book, a point at some banks, else thousands' points."""
    if "," in text:
        whole, _, decimals = text.rpartition(",")
        if "," in whole or "." in decimals:
            raise BadRow(f"{rows.clean(text, 40)!r} is not an amount")
        whole = whole.replace(".", "")
    else:
        whole, _, decimals = text.partition(".")
        if "." in decimals or len(decimals) == 3:  # noqa: PLR2004 - "1.234" may be a thousand or one.
            raise BadRow(f"{rows.clean(text, 40)!r} may be thousands or decimals")
    digits = whole.lstrip("0") or "0"
    return parse_minor(f"{digits}.{decimals}" if decimals else digits, currency)


def _balance(found: Field) -> tuple[int, date, str] | None:
    balance = _BALANCE.match(found.lines[0].strip())
    if balance is None:
        return None
    try:
        amount = _amount(balance["amount"], balance["currency"])
        return (
            amount if balance["mark"] == "C" else -amount,
            _value_day(balance["day"]),
            balance["currency"],
        )
    except (BadRow, InvalidInput):
        return None


def _value_day(text: str) -> date:
    if len(text) == len("YYYYMMDD"):
        return rows.day_of(int(text[:4]), int(text[4:6]), int(text[6:]))
    short = int(text[:2])
    return rows.day_of(short + (1900 if short >= CENTURY_PIVOT else 2000), int(text[2:4]), int(text[4:]))


def _posted_on(value: str, entry: str, line: int, notices: list[str]) -> date:
    """Return the booking day, whose year is not written: the one nearest to the value day. Else the value day."""
    if value[-4:] in {"0229", "0230"}:
        year = int(value[:-4]) if len(value) == len("YYYYMMDD") else 2000 + int(value[:2])
        value_on = rows.day_of(year, 3, 1)
        value_on = value_on.fromordinal(value_on.toordinal() - 1)
        if entry in {"", value[-4:]} and f"{value_on:%m%d}" != value[-4:]:
            notices.append(f"Line {line}: there is no {value[-2:]} February that year; taken as its last day.")
    else:
        value_on = _value_day(value)
    near: list[date] = []
    for year in (value_on.year - 1, value_on.year, value_on.year + 1):
        try:
            near.append(date(year, int(entry[:2]), int(entry[2:])))
        except ValueError:
            continue
    if not near:
        return value_on
    nearest = min(near, key=lambda day: abs((day - value_on).days))
    return rows.day_of(nearest.year, nearest.month, nearest.day)


def _account_id(text: str) -> str:
    """Return the account as the file names it; an IBAN without spaces and without the currency behind it."""
    packed = re.sub(r"[\s/]", "", text).upper()
    iban = _IBAN.fullmatch(text.replace(" ", "").strip().upper())
    return iban[1] if iban and len(packed) <= 37 else rows.clean_id(text)  # noqa: PLR2004
