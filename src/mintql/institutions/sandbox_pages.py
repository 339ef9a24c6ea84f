"""Reading the sandbox bank's pages. Pure: the same bytes always give the same result."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import repeat
from operator import eq, itemgetter
from typing import Any, TypeVar

import orjson

from mintql.domain.errors import InvalidInput, ProtocolError
from mintql.domain.institutions import (
    AccountKind,
    ParsedPage,
    ProviderAccount,
    ProviderTransaction,
    RejectedRow,
    Window,
)
from mintql.domain.money import CURRENCIES, check_currency_form, parse_minor, parse_minors
from mintql.domain.months import YEAR_MAX, YEAR_MIN
from mintql.domain.tuples import tuples

EXTERNAL_ID_LENGTH_MAX = 255
DESCRIPTION_LENGTH_MAX = 500
NAME_LENGTH_MAX = 200
MASK_LENGTH_MAX = 20
EXCERPT_LENGTH_MAX = 200

_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]+")
_CODE = re.compile(r"[0-9]{4}")
_KINDS = frozenset(AccountKind)
_columns = itemgetter(
    "id", "posted_on", "amount", "currency", "description", "pending", "pending_id", "occurred_at", "mcc"
)  # fmt: skip

Row = Mapping[str, Any]
T = TypeVar("T")


class _BadRow(Exception):  # noqa: N818
    """A row cannot be read; the message says why."""


def parse_page(content: bytes) -> ParsedPage:
    """Read the list of accounts or a page of transactions; see `Connector.parse`."""
    page = _load(content)
    if isinstance(page.get("accounts"), list):
        as_of = _moment(page.get("as_of"))
        accounts, rejected = _each(page["accounts"], lambda row: _account(row, as_of), "")
        return ParsedPage(accounts=tuple(accounts), rejected=tuple(rejected))
    if not isinstance(page.get("transactions"), list) or not isinstance(page.get("removed"), list):
        raise ProtocolError("The bank's page is neither a list of accounts nor of transactions.")
    try:
        account_id = _identifier(page, "account")
        window = _window(page, account_id)
        removed = tuple((account_id, _check_identifier(item, "removed")) for item in page["removed"])
    except _BadRow as error:
        raise ProtocolError(f"The bank's page of transactions cannot be read: {error}.") from None
    transactions, rejected = _plain_rows(page["transactions"], account_id), list[RejectedRow]()
    if transactions is None:
        # One by one, to say what is wrong with which.
        transactions, rejected = _each(page["transactions"], lambda row: _transaction(row, account_id), account_id)
    return ParsedPage(
        transactions=tuple(transactions),
        removed=removed,
        windows=(window,) if _next(page) is None else (),
        rejected=tuple(rejected),
    )


def next_page(content: bytes) -> str | None:
    """Return the token of the page that follows this page of transactions; None after the last."""
    return _next(_load(content))


def _next(page: Row) -> str | None:
    token = page.get("next_page", "")
    if token is None or (isinstance(token, str) and token):
        return token
    raise ProtocolError("The bank's page does not say whether another follows.")


def _load(content: bytes) -> dict[str, Any]:
    try:
        page = orjson.loads(content)
    except orjson.JSONDecodeError:
        page = _load_leniently(content)
    if not isinstance(page, dict):
        raise ProtocolError("The bank answered with JSON of another shape.")
    return page


def _load_leniently(content: bytes) -> Any:
    """Read JSON that the fast reader refuses for a lone surrogate in one text: that row is bad, not the page."""
    try:
        return json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise ProtocolError("The bank answered with something that is not JSON.") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _each(rows: Sequence[Any], read: Callable[[Row], T], account_id: str) -> tuple[list[T], list[RejectedRow]]:
    """Read every row; put those that cannot be read aside with their reason."""
    good: list[T] = []
    bad: list[RejectedRow] = []
    for position, row in enumerate(rows):
        try:
            if not isinstance(row, dict):
                raise _BadRow("not an object")  # noqa: TRY301
            good.append(read(row))
        except (_BadRow, InvalidInput) as error:
            bad.append(RejectedRow(position, str(error), _excerpt(row), account_id))
    return good, bad


def _excerpt(row: object) -> str:
    """Return the beginning of a row, which may hold what orjson does not write: lone surrogates, and deep nesting."""
    try:
        return json.dumps(row, separators=(",", ":"))[:EXCERPT_LENGTH_MAX]
    except RecursionError:
        return "nested too deeply to be shown"


def _window(page: Row, account_id: str) -> Window:
    window = Window(account_id, _day(page, "from"), _day(page, "to"))
    if window.last < window.first:
        raise _BadRow(f"`to` is before `from`: {window.last}")
    return window


def _account(row: Row, as_of: datetime | None) -> ProviderAccount:
    currency = check_currency_form(_text(row, "currency", NAME_LENGTH_MAX))
    kind = _text(row, "kind", NAME_LENGTH_MAX)
    return ProviderAccount(
        external_id=_identifier(row, "id"),
        name=_text(row, "name", NAME_LENGTH_MAX),
        kind=AccountKind(kind) if kind in _KINDS else AccountKind.OTHER,
        currency=currency,
        mask=_text(row, "mask", MASK_LENGTH_MAX, optional=True),
        balance_minor=_amount(row, "balance", currency, optional=True),
        available_minor=_amount(row, "available", currency, optional=True),
        balance_at=as_of,
    )


def _plain_rows(rows: Sequence[Any], account_id: str) -> list[ProviderTransaction] | None:
    """Read a page column by column, as can be done where every row is as most are; None where one may not be."""
    try:
        columns = zip(*map(_columns, rows), strict=True)
        ids, days, amounts, currencies, texts, pending, pending_ids, times, codes = columns
        links = [link for link in pending_ids if link is not None]
        dates = {day: date.fromisoformat(day) for day in set(days)}
        moments = {time: _moment(time) for time in set(times)}
        amounts_minor = parse_minors(amounts, currencies)
        plain = (
            "".join((*ids, *texts, *links)).isprintable()
            and all(ids) and all(texts) and all(links)
            and max(map(len, (*ids, *links))) <= EXTERNAL_ID_LENGTH_MAX
            and max(map(len, texts)) <= DESCRIPTION_LENGTH_MAX
            and all(map(eq, map(str.strip, texts), texts))
            and CURRENCIES.issuperset(currencies)
            and set(map(type, pending)) == {bool}
            and all(code in (None, "") or _CODE.fullmatch(code) for code in set(codes))
            and all(YEAR_MIN <= day.year <= YEAR_MAX for day in dates.values())
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError, InvalidInput):
        return None
    if not plain:
        return None
    values = (
        repeat(account_id), ids, [dates[day] for day in days], amounts_minor, currencies, texts, pending,
        [link or "" for link in pending_ids], [moments[time] for time in times], [code or "" for code in codes],
        repeat(""),
    )  # fmt: skip
    return tuples(ProviderTransaction, zip(*values, strict=False))


def _transaction(row: Row, account_id: str) -> ProviderTransaction:
    currency = check_currency_form(_text(row, "currency", NAME_LENGTH_MAX))
    pending = row.get("pending")
    if not isinstance(pending, bool):
        raise _BadRow("`pending` is neither true nor false")
    code = _text(row, "mcc", EXCERPT_LENGTH_MAX, optional=True)
    return ProviderTransaction(
        account_external_id=account_id,
        external_id=_identifier(row, "id"),
        posted_on=_day(row, "posted_on"),
        amount_minor=_amount(row, "amount", currency) or 0,
        currency=currency,
        description=_text(row, "description", DESCRIPTION_LENGTH_MAX),
        pending=pending,
        pending_external_id="" if row.get("pending_id") is None else _identifier(row, "pending_id"),
        occurred_at=_moment(row.get("occurred_at")),
        merchant_category_code=code if _CODE.fullmatch(code) else "",
    )


def _identifier(row: Row, key: str) -> str:
    return _check_identifier(row.get(key), key)


def _check_identifier(value: object, key: str) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= EXTERNAL_ID_LENGTH_MAX or not _is_clean(value):
        raise _BadRow(f"`{key}` is not an id of 1 to {EXTERNAL_ID_LENGTH_MAX} characters")
    return value


def _is_clean(text: str) -> bool:
    """Tell whether a text has no characters that no text has; what can be printed is the rule, and told by one look."""
    return text.isprintable() or not _CONTROL.search(text)


def _text(row: Row, key: str, length_max: int, *, optional: bool = False) -> str:
    """Return a text for people: without control characters (PostgreSQL keeps no NUL) and halves of characters, cut."""
    value = row.get(key)
    if value is None and optional:
        return ""
    if not isinstance(value, str):
        raise _BadRow(f"`{key}` is not a text")
    cleaned = (value if value.isprintable() else _CONTROL.sub(" ", value)).strip()[:length_max]
    if not cleaned and not optional:
        raise _BadRow(f"`{key}` is empty")
    return cleaned


def _amount(row: Row, key: str, currency: str, *, optional: bool = False) -> int | None:
    value = row.get(key)
    if value is None and optional:
        return None
    if not isinstance(value, str):
        raise _BadRow(f"`{key}` is not an amount written as text")
    return parse_minor(value, currency, field=key)


def _day(row: Row, key: str) -> date:
    value = row.get(key)
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        day = None
    if day is None or not YEAR_MIN <= day.year <= YEAR_MAX:
        raise _BadRow(f"`{key}` is not a date: {str(value)[:40]!r}")
    return day


def _moment(value: object) -> datetime | None:
    """Return a time as UTC; None when there is none that can be read: nothing depends on it."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is not None and moment.tzinfo is UTC:
            return moment
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC) if moment is not None else None
    except (ValueError, OverflowError):
        return None
