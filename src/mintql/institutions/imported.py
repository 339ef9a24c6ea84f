"""A file that a person imported, read by the plan they confirmed: which way it is read, what goes into which account.

The plan is kept beside the file, so that the two give the same rows for as long as they are kept.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from mintql.domain.errors import Failure, InvalidInput, ProtocolError
from mintql.domain.ids import AccountId
from mintql.domain.institutions import (
    AccountKind,
    ParsedPage,
    ProviderAccount,
    ProviderTransaction,
    RejectedRow,
)
from mintql.institutions.files.base import FileKind, ParsedFile, Statement
from mintql.institutions.files.options import ReadOptions
from mintql.institutions.files.reading import read_file

PLAN_VERSION = 1
EXTERNAL_ID_CHARACTERS_MAX = 255
CONTENT_ID_PREFIX = "file:content:"
"""Begins the ids of rows that a file gives none, apart from those of a connection's: the two sources tell of one
purchase in rows of their own, of which one stands for the other."""
MASK_CHARACTERS = 4
NUMBER_DIGITS_MIN = 4
"""What has fewer digits is a person's word for the account, or the kind of it."""
GAP_DAYS_MAX = 4
"""Banks write no statement for days without a movement: statements with a long weekend between them are one."""
BALANCE_HOUR = time(12, tzinfo=UTC)
"""A balance is that of a day: at noon in UTC it is that day nearly everywhere."""


@dataclass(frozen=True, slots=True)
class FileAccount:
    """An account that files alone bring, as it is shown: new, or there from an earlier file.

    `external_id` names it among the accounts of the connection of imported files.
    """

    external_id: str
    name: str
    kind: AccountKind
    currency: str


@dataclass(frozen=True, slots=True)
class StatementPlan:
    """Where the statement at `place` goes, counted from 0 over `statements_of` the file.

    With `take` it goes into `account` or, where a live connection has that account, into `account_id`: one of the
    two. With `describes` the account is made, or gets the statement's closing balance, which is of the day
    `balance_on`. `named` and `currency` are the file's own words for the account.
    """

    place: int
    named: str = ""
    currency: str = ""
    take: bool = True
    account_id: AccountId | None = None
    account: FileAccount | None = None
    describes: bool = True
    balance_on: date | None = None

    @property
    def target(self) -> str:
        """Return by which name the rows go into the account."""
        return self.account.external_id if self.account is not None else f"account:{self.account_id}"


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """How a file is read and where its statements go. `file_name` may tell what sort of file it is."""

    file_name: str
    options: ReadOptions
    statements: tuple[StatementPlan, ...]

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` takes."""
        return {
            "version": PLAN_VERSION,
            "file_name": self.file_name,
            "options": self.options.to_json(),
            "statements": [_statement_to_json(statement) for statement in self.statements],
        }

    def to_bytes(self) -> bytes:
        """Return the plan as it is kept: the same plan always gives the same bytes."""
        return json.dumps(self.to_json(), sort_keys=True, ensure_ascii=False, indent=1).encode()

    @classmethod
    def from_json(cls, value: object) -> ImportPlan:
        """Return the plan that `to_json` gave.

        Raises:
            InvalidInput: It is none, or one that a later version wrote.
        """
        try:
            if not isinstance(value, dict) or value["version"] != PLAN_VERSION:
                raise InvalidInput(f"This is no plan of version {PLAN_VERSION}, the only one that is understood.")
            return cls(
                file_name=str(value["file_name"]),
                options=ReadOptions.from_json(value["options"]),
                statements=tuple(_statement_from_json(statement) for statement in value["statements"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInput(f"The plan of the import cannot be read: {error!r}.") from error


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """What an imported file says, for the ingestion.

    `page.accounts` are the accounts that files bring. `bound` gives the account of a live connection for each name
    in `page` that stands for one. `covered` gives the first and the last day, both included, by the same names.
    """

    page: ParsedPage
    bound: Mapping[str, AccountId]
    covered: Mapping[str, tuple[date, date]]


def parse_import(plan: bytes, content: bytes) -> ImportedFile:
    """Read an imported file by its plan. Pure: the same bytes always give the same result.

    Raises:
        ProtocolError: The plan or the file as a whole cannot be read.
    """
    try:
        read_by = ImportPlan.from_json(json.loads(plan))
        parsed = read_file(content, read_by.file_name, read_by.options)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"The plan of the import is no JSON: {error}.") from error
    except Failure as failure:
        raise ProtocolError(failure.message) from failure
    return apply_plan(read_by, parsed)


def apply_plan(plan: ImportPlan, parsed: ParsedFile) -> ImportedFile:
    """Put what a file says under the accounts that the plan names.

    Raises:
        ProtocolError: The file has other statements than the plan was made for.
    """
    statements = statements_of(parsed)
    accounts: dict[str, ProviderAccount] = {}
    bound: dict[str, AccountId] = {}
    spans: dict[str, list[tuple[date, date]]] = {}
    transactions: list[ProviderTransaction] = []
    rejected: list[RejectedRow] = []
    taken: dict[str, str] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for planned in plan.statements:
        if not planned.take:
            continue
        if planned.place >= len(statements):
            raise ProtocolError(f"The plan wants statement {planned.place + 1} of a file of {len(statements)}.")
        statement = statements[planned.place]
        target = planned.target
        taken[statement.account_external_id] = target
        if planned.account is not None and planned.describes:
            account = _account(planned.account, statement)
            accounts[target] = _newer(accounts.get(target), account)
        elif planned.account_id is not None:
            bound[target] = planned.account_id
        transactions += _rows(parsed.kind, statement, target, rejected, counts)
        if statement.first_day is not None and statement.last_day is not None:
            spans.setdefault(target, []).append((statement.first_day, statement.last_day))
    rejected += _rejected(parsed.rejected, taken, {statement.account_external_id for statement in statements})
    page = ParsedPage(
        accounts=tuple(accounts.values()),
        transactions=tuple(transactions),
        rejected=tuple(rejected),
        notices=parsed.notices,
    )
    return ImportedFile(page, bound, {target: _latest_span(found) for target, found in spans.items()})


def statements_of(parsed: ParsedFile) -> tuple[Statement, ...]:
    """Return one statement for each account and currency of a file, in the order in which they first stand there.

    Files hold a statement for each day, or pages of one: the person decides about the account, not about each.
    """
    groups: dict[tuple[str, str], list[Statement]] = {}
    for statement in parsed.statements:
        groups.setdefault((statement.account_external_id, statement.currency), []).append(statement)
    return tuple(group[0] if len(group) == 1 else _joined(group) for group in groups.values())


def row_id(kind: FileKind, row: ProviderTransaction) -> str:
    """Return the id that a file gives a row, "" where it gives none that tells rows apart.

    Day and amount are part of it. Some banks count rows anew in each file: the second file's row 1 is another
    purchase, and must not take the place of the first one's.
    """
    if not row.external_id:
        return ""
    tail = f":{row.posted_on:%Y%m%d}:{row.amount_minor}"
    named = f"file:{kind.value}:{row.external_id}{tail}"
    if len(named) <= EXTERNAL_ID_CHARACTERS_MAX:
        return named
    return f"file:{kind.value}:{hashlib.sha256(row.external_id.encode()).hexdigest()}{tail}"


def content_id(row: ProviderTransaction, counts: Counter[tuple[str, str]]) -> str:
    """Return the id of a row that has none in its file, made of its content and how many equal ones came before.

    `counts` is of the file so far, by the account that rows go into and their content.
    """
    parts = (row.posted_on.isoformat(), str(row.amount_minor), row.currency, row.description)
    digest = hashlib.sha256("\x1f".join(parts).encode("utf-8", "replace")).hexdigest()[:32]
    counts[row.account_external_id, digest] += 1
    return f"{CONTENT_ID_PREFIX}{digest}:{counts[row.account_external_id, digest]}"


def _statement_to_json(statement: StatementPlan) -> dict[str, Any]:
    account = statement.account
    return {
        "place": statement.place,
        "named": statement.named,
        "currency": statement.currency,
        "take": statement.take,
        "account_id": statement.account_id,
        "account": None
        if account is None
        else {
            "external_id": account.external_id,
            "name": account.name,
            "kind": account.kind.value,
            "currency": account.currency,
        },
        "describes": statement.describes,
        "balance_on": None if statement.balance_on is None else statement.balance_on.isoformat(),
    }


def _statement_from_json(value: Mapping[str, Any]) -> StatementPlan:
    account, account_id = value["account"], value["account_id"]
    found = StatementPlan(
        place=int(value["place"]),
        named=str(value["named"]),
        currency=str(value["currency"]),
        take=bool(value["take"]),
        account_id=None if account_id is None else AccountId(int(account_id)),
        account=None
        if account is None
        else FileAccount(account["external_id"], account["name"], AccountKind(account["kind"]), account["currency"]),
        describes=bool(value["describes"]),
        balance_on=None if value["balance_on"] is None else date.fromisoformat(value["balance_on"]),
    )
    if found.place < 0 or (found.take and (found.account is None) == (found.account_id is None)):
        raise ValueError(f"statement {found.place} has to go into one account")
    return found


def number_in(named: str) -> str:
    """Return the account's number in what a file calls it, with its bank's or its kind around it; "" where none is."""
    parts = [part.rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ ") for part in named.upper().split("/")]
    numbers = [part for part in parts if sum(character.isdigit() for character in part) >= NUMBER_DIGITS_MIN]
    return numbers[-1] if numbers else ""


def _account(account: FileAccount, statement: Statement) -> ProviderAccount:
    day = statement.balance_on if statement.currency == account.currency else None
    if statement.balance_minor is None:
        day = None
    return ProviderAccount(
        external_id=account.external_id,
        name=account.name,
        kind=account.kind,
        currency=account.currency,
        mask=number_in(statement.account_external_id)[-MASK_CHARACTERS:],
        balance_minor=None if day is None else statement.balance_minor,
        balance_at=None if day is None else datetime.combine(day, BALANCE_HOUR),
    )


def _newer(before: ProviderAccount | None, now: ProviderAccount) -> ProviderAccount:
    """Return the account with the newer balance of two statements that go into it."""
    if before is None or before.balance_at is None:
        return now
    return now if now.balance_at is not None and now.balance_at >= before.balance_at else before


def _rows(
    kind: FileKind,
    statement: Statement,
    target: str,
    rejected: list[RejectedRow],
    counts: Counter[tuple[str, str]],
) -> Iterable[ProviderTransaction]:
    """Return a statement's rows, each with an id, under the name of the account they go into.

    Pending ones come first: where a booked one has the same id, it has the last word.
    """
    rows = []
    for place, row in enumerate(statement.transactions):
        currency = row.currency or statement.currency
        if not currency:
            reason = "nothing says which currency it is in"
            rejected.append(RejectedRow(-1 - place, reason, row.description[:EXTERNAL_ID_CHARACTERS_MAX], target))
            continue
        rows.append(row._replace(account_external_id=target, external_id=row_id(kind, row), currency=currency))
    rows.sort(key=lambda row: not row.pending)
    return [row if row.external_id else row._replace(external_id=content_id(row, counts)) for row in rows]


def _rejected(rows: Sequence[RejectedRow], taken: Mapping[str, str], stated: set[str]) -> Iterable[RejectedRow]:
    """Put rejected rows under the account their statement goes into; leave out those of statements not taken."""
    for row in rows:
        if row.account_external_id in taken:
            yield replace(row, account_external_id=taken[row.account_external_id])
        elif row.account_external_id not in stated:
            yield replace(row, account_external_id="")


def _joined(group: Sequence[Statement]) -> Statement:
    """Return several statements of one account as one, with the balance of the newest."""
    closing = max(
        (one for one in group if one.balance_minor is not None),
        key=lambda one: one.balance_on or date.min,
        default=None,
    )
    kinds = [one.account_kind for one in group if one.account_kind != AccountKind.OTHER]
    spans = [(one.first_day, one.last_day) for one in group if one.first_day and one.last_day]
    first_day, last_day = _latest_span(spans) if spans else (None, None)
    return replace(
        group[0],
        account_kind=kinds[0] if kinds else AccountKind.OTHER,
        transactions=tuple(row for one in group for row in one.transactions),
        balance_minor=None if closing is None else closing.balance_minor,
        balance_on=None if closing is None else closing.balance_on,
        first_day=first_day,
        last_day=last_day,
    )


def _latest_span(spans: Sequence[tuple[date, date]]) -> tuple[date, date]:
    """Return the last stretch of days that statements cover without a gap."""
    ordered = sorted(spans, key=lambda span: span[1], reverse=True)
    first, last = ordered[0]
    for earlier_first, earlier_last in ordered[1:]:
        if first - earlier_last <= timedelta(days=GAP_DAYS_MAX):
            first = min(first, earlier_first)
    return first, last
