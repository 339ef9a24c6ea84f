"""What all readers do with a row once its format is understood: texts made safe, ids judged, sums checked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from mintql.domain.institutions import ProviderTransaction, RejectedRow
from mintql.domain.money import to_decimal_text
from mintql.domain.months import YEAR_MAX, YEAR_MIN
from mintql.institutions.files.base import EXCERPT_CHARACTERS_MAX, ROWS_MAX, FileUnreadable

DESCRIPTION_LENGTH_MAX = 500
EXTERNAL_ID_LENGTH_MAX = 255
TEXT_LENGTH_LOOKED_AT_MAX = 20_000
"""A field longer than this is cut before anything else is done with it."""

NOTICES_MAX = 100
"""More notices than these nobody reads; the rest are counted."""

REJECTED_MAX = 50_000
"""A file of which more rows than these cannot be read has not been understood."""

NO_CURRENCY = ""
"""Of an account without rows whose file names no currency."""

STATEMENTS_MAX = 20_000
"""One for each day of fifty years."""

LINES_MAX = 8_000_000
"""Lines of a text, blank ones too: an MT940 has some four for each transaction, a QIF up to eight."""

BANKS_IN_SIGNATURE_MAX = 3
_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{10,30}\Z")
_UNSAFE = re.compile(r"[\x00-\x20\x7f-\xa0\u1680\u2000-\u200b\u2028-\u202f\u205f\u2060\u3000\ufeff\ud800-\udfff\s]+")


class BadRow(Exception):  # noqa: N818
    """A row cannot be read; the message says why."""


def clean(text: str, length_max: int = DESCRIPTION_LENGTH_MAX) -> str:
    """Return a text for people: no control characters or lone surrogates, single spaces, bounded."""
    looked_at = text[:TEXT_LENGTH_LOOKED_AT_MAX]
    if not looked_at.isprintable():
        looked_at = _UNSAFE.sub(" ", looked_at)
    elif "  " not in looked_at:
        return looked_at.strip()[:length_max].rstrip()
    return " ".join(looked_at.split())[:length_max].rstrip()


def clean_id(text: str) -> str:
    """Return an id fit to be kept, or nothing where it is too long: a cut id could be another row's."""
    cleaned = clean(text, TEXT_LENGTH_LOOKED_AT_MAX)
    return cleaned if len(cleaned) <= EXTERNAL_ID_LENGTH_MAX else ""


def excerpt(text: str) -> str:
    """Return the beginning of a row, to show with the reason why it was rejected."""
    return clean(text, EXCERPT_CHARACTERS_MAX)


def day_of(year: int, month: int, day: int) -> date:
    """Return a day within the years that are kept, or raise `BadRow`."""
    try:
        found = date(year, month, day)
    except ValueError:
        raise BadRow(f"{year:04d}-{month:02d}-{day:02d} is no day of the calendar") from None
    if not YEAR_MIN <= found.year <= YEAR_MAX:
        raise BadRow(f"{found.isoformat()} lies outside the years {YEAR_MIN} to {YEAR_MAX}")
    return found


def merge(parts: Iterable[str]) -> str:
    """Join texts into one description, leaving out what an earlier one says already."""
    said = ""
    for part in parts:
        cleaned = clean(part)
        if cleaned and cleaned.casefold() not in said.casefold():
            said = f"{said} {cleaned}" if said else cleaned
    return clean(said)


def join_description(name: str, memo: str) -> str:
    """Make one description of a payee and a memo, saying nothing twice.

    Banks cut names after 32 characters and give the whole in the memo, repeat the name inside the memo, or
    put different things into the two.
    """
    name, memo = clean(name), clean(memo)
    folded_name, folded_memo = name.casefold(), memo.casefold()
    if not name or folded_memo.startswith(folded_name):
        return memo or name
    if not memo or folded_memo in folded_name:
        return name
    at = memo.find(name)
    if at >= 0:
        memo = f"{memo[:at]} {memo[at + len(name) :]}".strip(" ;,:/|-")
    return clean(f"{name} - {memo}") if memo else name


def check_count(count: int) -> None:
    """Refuse a file of more rows than can be taken in at once."""
    if count > ROWS_MAX:
        raise FileUnreadable(f"The file holds more than {ROWS_MAX:,} transactions; export a shorter time.")


def check_lines(count: int) -> None:
    """Refuse a text of more lines than any statement has."""
    if count > LINES_MAX:
        raise FileUnreadable(f"The file has more than {LINES_MAX:,} lines; export a shorter time.")


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    """Give the lines of a text whose line ends are line feeds, with their numbers from 1.

    Raises:
        FileUnreadable: More of them than any statement has; before the first one is given.
    """
    check_lines(text.count("\n"))
    start, number = 0, 0
    while start < len(text):
        stop = text.find("\n", start)
        stop = len(text) if stop < 0 else stop
        number += 1
        yield number, text[start:stop]
        start = stop + 1


def with_line_feeds(text: str) -> str:
    """Return a text with each line ended by a line feed, whatever ended it."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def check_statements(count: int) -> None:
    """Refuse a file of more statements than a person has days."""
    if count > STATEMENTS_MAX:
        raise FileUnreadable(f"The file holds more than {STATEMENTS_MAX:,} statements; export a shorter time.")


def put_aside(rejected: list[RejectedRow], position: int, reason: object, row: str, account: str = "") -> None:
    """Keep a row that cannot be read with its line, the reason and its beginning.

    Raises:
        FileUnreadable: So many of them that the file was not understood.
    """
    rejected.append(RejectedRow(position, str(reason), excerpt(row), account))
    if len(rejected) > REJECTED_MAX:
        raise FileUnreadable(f"More than {REJECTED_MAX:,} rows cannot be read. The first: {rejected[0].reason}")


def with_ids_that_tell_apart(rows: Sequence[ProviderTransaction]) -> tuple[ProviderTransaction, ...]:
    """Take the id from rows that share one: it says less than it seems, and one of them would be lost."""
    times = Counter((row.account_external_id, row.external_id) for row in rows if row.external_id)
    return tuple(
        row if times[row.account_external_id, row.external_id] <= 1 else row._replace(external_id="") for row in rows
    )


def signature(kind: str, accounts: Iterable[str]) -> str:
    """Return the kind and what the accounts' numbers say of their banks: the first half of an IBAN, a bank's code."""
    banks = set()
    for account in accounts:
        packed = account.replace(" ", "")
        if _IBAN.match(packed):
            banks.add(packed[:2] + packed[4:8])
        elif "/" in account:
            banks.add(account.partition("/")[0].strip())
    return clean(":".join([kind, *sorted(banks)[:BANKS_IN_SIGNATURE_MAX]]).casefold(), EXTERNAL_ID_LENGTH_MAX)


def movement_notice(
    account: str, currency: str, movement_minor: int, transactions: Iterable[ProviderTransaction]
) -> str:
    """Say so where the booked rows do not make up what the balance moved by; empty where they do."""
    booked = [row for row in transactions if not row.pending]
    if any(row.currency != currency for row in booked):
        return ""
    missing = movement_minor - sum(row.amount_minor for row in booked)
    if missing == 0:
        return ""
    return (
        f"{_account(account)}: the transactions do not add up to the balances; "
        f"{to_decimal_text(missing, currency)} {currency} are not explained."
    )


def bounded(notices: Iterable[str]) -> tuple[str, ...]:
    """Return each notice once, and no more than people read."""
    distinct = list(dict.fromkeys(notice for notice in notices if notice))
    if len(distinct) <= NOTICES_MAX:
        return tuple(distinct)
    return (*distinct[:NOTICES_MAX], f"{len(distinct) - NOTICES_MAX} more notices like these.")


def _account(account: str) -> str:
    return f"Account {account}" if account else "The account"
