"""Sums over spans of days: from `monthly_spending` where a span is whole months, else from `transactions`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from mintql.domain.ids import AccountId, CategoryId, UserId
from mintql.domain.periods import Period
from mintql.store.queries import Conn, load

SQL = load("summaries")


@dataclass(frozen=True, slots=True)
class Line:
    """What one span holds of one key, category and currency. Signed minor units: money out is negative.

    `place` is that of the span among those asked for. `key` is a seller's key, the number of an account, a tag (None
    for what carries none), a day, or "" where nothing but the category tells lines apart. `name` is a seller's.
    `excluded_minor` is what of both amounts budgets leave out. `count` counts each part of a split for itself.
    """

    place: int
    key: str | None
    category_id: CategoryId
    currency: str
    name: str | None
    posted_minor: int
    pending_minor: int
    excluded_minor: int
    count: int


@dataclass(frozen=True, slots=True)
class LineFilter:
    """What lines are narrowed to; None asks for nothing. Of tags any will do, spelled as they are."""

    account_ids: frozenset[AccountId] | None = None
    tags: frozenset[str] | None = None
    merchant_keys: frozenset[str] | None = None
    excluded_from_budgets: bool | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it asks for nothing."""
        return self == LineFilter()


@dataclass(frozen=True, slots=True)
class MerchantRow:
    """What one seller took in one span and currency, positive, with the total of all sellers beside it.

    `count` is of booked purchases, refunds among them; a split one counts once.
    """

    place: int
    merchant_key: str
    currency: str
    name: str
    posted_minor: int
    pending_minor: int
    count: int
    last_on: date
    total_minor: int


async def month_lines(conn: Conn, user_id: UserId, spans: Sequence[tuple[int, Period]]) -> list[Line]:
    """Return the lines of spans of whole months, each with its place, by category alone."""
    rows = await conn.fetch(SQL.month_lines, user_id, *_columns(spans))
    return [Line(**row, key="", name=None) for row in rows]


async def lines(
    conn: Conn,
    user_id: UserId,
    spans: Sequence[tuple[int, Period]],
    grouping: str,
    wanted: LineFilter,
    limit: int,
    *,
    but_currency: str | None = None,
) -> list[Line]:
    """Return at most `limit` lines of spans, each with its place; those of one currency can be left out.

    `grouping` is "merchant", "account", "tag", "day" or "category".
    """
    rows = await conn.fetch(
        SQL.lines,
        user_id,
        *_columns(spans),
        grouping,
        None if wanted.account_ids is None else sorted(wanted.account_ids),
        None if wanted.tags is None else sorted(wanted.tags),
        None if wanted.merchant_keys is None else sorted(wanted.merchant_keys),
        wanted.excluded_from_budgets,
        but_currency,
        limit,
    )
    return [Line(**row) for row in rows]


async def merchants(
    conn: Conn, user_id: UserId, spans: Sequence[Period], expense_ids: Sequence[CategoryId], first: int
) -> list[MerchantRow]:
    """Return the first sellers of each span (places from 1) and currency by what they took.

    `expense_ids` are the standard categories that count as spending; the person's own ones are known to the database.
    """
    firsts, lasts = [span.first for span in spans], [span.last for span in spans]
    return [MerchantRow(**row) for row in await conn.fetch(SQL.merchants, user_id, firsts, lasts, expense_ids, first)]


async def first_day(conn: Conn, user_id: UserId) -> date | None:
    """Return the day of the person's first counted transaction, None where there is none."""
    found: date | None = await conn.fetchval(SQL.first_day, user_id)
    return found


def _columns(spans: Sequence[tuple[int, Period]]) -> tuple[list[int], list[date], list[date]]:
    return [place for place, _ in spans], [span.first for _, span in spans], [span.last for _, span in spans]
