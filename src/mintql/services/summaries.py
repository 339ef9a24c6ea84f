"""What a person spent and received over spans of days: the sums that all summaries are made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from typing import Literal

from mintql.data import load_categories
from mintql.domain.categories import Category, CategoryKind, CategoryTree
from mintql.domain.errors import InvalidInput
from mintql.domain.ids import CategoryId, UserId
from mintql.domain.intervals import Interval, check_span, earlier, whole_months
from mintql.domain.periods import Period
from mintql.services.personal_categories import tree_of
from mintql.store import summaries as store
from mintql.store.queries import Conn
from mintql.store.summaries import Line, LineFilter, MerchantRow

Grouping = Literal["category", "merchant", "account", "tag", "day"]

LINES_MAX = 20_000
"""Lines of one summary: sums of one span, key, category and currency."""
FIGURE_CATEGORIES_MAX = 50
FIGURE_MERCHANTS_MAX = 10
MERCHANTS_MAX = 100
EVERYTHING = LineFilter()


async def sum_spans(
    conn: Conn, user_id: UserId, spans: Sequence[Period], grouping: Grouping, wanted: LineFilter = EVERYTHING
) -> list[Line]:
    """Return the lines of each span, whose place is its index here, by key of the grouping, category and currency.

    By category, whole months come from the monthly sums that the database keeps; all else is summed from transactions.

    Raises:
        InvalidInput: There would be more than `LINES_MAX` lines.
    """
    months, days = _divided(spans, grouping, wanted)
    found = await store.month_lines(conn, user_id, months) if months else []
    found += await store.lines(conn, user_id, days, grouping, wanted, LINES_MAX + 1) if days else []
    return _joined(_bounded(found))


def summed_days(spans: Sequence[Period], grouping: Grouping, wanted: LineFilter = EVERYTHING) -> list[Period]:
    """Return the days of which `sum_spans` reads transactions."""
    return [span for _, span in _divided(spans, grouping, wanted)[1]]


def _divided(
    spans: Sequence[Period], grouping: Grouping, wanted: LineFilter
) -> tuple[list[tuple[int, Period]], list[tuple[int, Period]]]:
    """Return what is summed from monthly sums, and what from transactions, each with its place."""
    months: list[tuple[int, Period]] = []
    days: list[tuple[int, Period]] = []
    for place, span in enumerate(spans):
        whole, edges = whole_months(span) if grouping == "category" and wanted.is_empty else (None, [span])
        months += [(place, whole)] if whole else []
        days += [(place, edge) for edge in edges]
    return months, days


async def foreign_lines(
    conn: Conn, user_id: UserId, spans: Sequence[Period], currency: str, wanted: LineFilter = EVERYTHING
) -> list[Line]:
    """Return lines by day of all currencies but one, to be converted into it; a line's key is its day."""
    places = list(enumerate(spans))
    return _bounded(await store.lines(conn, user_id, places, "day", wanted, LINES_MAX + 1, but_currency=currency))


def _bounded(found: list[Line]) -> list[Line]:
    if len(found) > LINES_MAX:
        raise InvalidInput(
            f"That is more than {LINES_MAX:,} sums at once; ask for fewer days, a longer interval or another grouping.",
            field="to",
        )
    return found


def _joined(found: Iterable[Line]) -> list[Line]:
    """Add lines of the same place, key, category and currency up: those of whole months and of the days around."""
    joined: dict[tuple[int, str | None, CategoryId, str], Line] = {}
    for line in found:
        key = (line.place, line.key, line.category_id, line.currency)
        other = joined.get(key)
        joined[key] = line if other is None else added(other, line)
    return list(joined.values())


def added(one: Line, other: Line) -> Line:
    """Return two lines of one currency as one, which keeps the first one's place, key and category."""
    return replace(
        one,
        posted_minor=one.posted_minor + other.posted_minor,
        pending_minor=one.pending_minor + other.pending_minor,
        excluded_minor=one.excluded_minor + other.excluded_minor,
        count=one.count + other.count,
    )


def of_kind(lines: Iterable[Line], tree: CategoryTree, kind: CategoryKind) -> list[Line]:
    """Return the lines whose category is of a kind, turned so that what is usual for it is positive."""
    sign = -1 if kind is CategoryKind.EXPENSE else 1
    return [
        replace(
            line,
            posted_minor=sign * line.posted_minor,
            pending_minor=sign * line.pending_minor,
            excluded_minor=sign * line.excluded_minor,
        )
        for line in lines
        if tree.by_id[line.category_id].kind is kind
    ]


@cache
def standard_expense_ids() -> tuple[CategoryId, ...]:
    """Return the standard categories that count as spending; the person's own ones are known to the database."""
    leaves = load_categories().leaves
    return tuple(leaf.category_id for leaf in leaves if leaf.kind is CategoryKind.EXPENSE)


async def top_merchants(conn: Conn, user_id: UserId, first: date, last: date, count: int) -> list[MerchantRow]:
    """Return the sellers that took most over some days, `count` of each currency, the largest first.

    Raises:
        InvalidInput: The days or the count cannot be used.
    """
    span = check_span(first, last)
    if not 1 <= count <= MERCHANTS_MAX:
        raise InvalidInput(f"{count} sellers cannot be asked for; 1 to {MERCHANTS_MAX} can.", field="first")
    return await store.merchants(conn, user_id, [span], standard_expense_ids(), count)


@dataclass(frozen=True, slots=True)
class CategoryFigure:
    """What a category came to in a period and in the one before, positive, refunds netted, booked alone."""

    category: Category
    spent_minor: int
    previous_minor: int
    count: int


@dataclass(slots=True)
class CurrencyFigures:
    """The figures of a period in one currency, in minor units. `previous_` ones are of the period before.

    Categories and merchants are the largest first, `FIGURE_CATEGORIES_MAX` and `FIGURE_MERCHANTS_MAX` at most.
    """

    currency: str
    spent_minor: int = 0
    pending_spent_minor: int = 0
    received_minor: int = 0
    previous_spent_minor: int = 0
    previous_received_minor: int = 0
    count: int = 0
    categories: list[CategoryFigure] = field(default_factory=list)
    merchants: list[MerchantRow] = field(default_factory=list)

    @property
    def change_minor(self) -> int:
        """How much more was spent than in the period before; negative when it was less."""
        return self.spent_minor - self.previous_spent_minor


@dataclass(frozen=True, slots=True)
class PeriodFigures:
    """What a period came to, each currency for itself, in order of currency; none where nothing happened."""

    span: Period
    previous: Period
    currencies: list[CurrencyFigures]


async def period_figures(conn: Conn, user_id: UserId, first: date, last: date) -> PeriodFigures:
    """Return a period's figures with those of the period before.

    That is as many days of the month before, where the period begins a month and is more than a week; else the same
    number of days right before. Transfers between own accounts are left out; currencies are never added.

    Raises:
        InvalidInput: The period ends before it begins, or is too long.
    """
    span = check_span(first, last)
    by_month = first.day == 1 and span.days > 7  # noqa: PLR2004 - a week
    previous = earlier(span, 1, Interval.MONTH if by_month else Interval.DAY)
    lines = await sum_spans(conn, user_id, [span, previous], "category")
    merchants = await store.merchants(conn, user_id, [span], standard_expense_ids(), FIGURE_MERCHANTS_MAX)
    tree = await tree_of(conn, user_id)
    found: dict[str, CurrencyFigures] = {}
    spent: dict[tuple[str, CategoryId], list[Line | None]] = defaultdict(lambda: [None, None])
    for line in of_kind(lines, tree, CategoryKind.EXPENSE):
        figures = found.setdefault(line.currency, CurrencyFigures(line.currency))
        spent[line.currency, line.category_id][line.place] = line
        if line.place == 0:
            figures.spent_minor += line.posted_minor
            figures.pending_spent_minor += line.pending_minor
            figures.count += line.count
        else:
            figures.previous_spent_minor += line.posted_minor
    for line in of_kind(lines, tree, CategoryKind.INCOME):
        figures = found.setdefault(line.currency, CurrencyFigures(line.currency))
        if line.place == 0:
            figures.received_minor += line.posted_minor
        else:
            figures.previous_received_minor += line.posted_minor
    for (currency, category_id), (now, before) in spent.items():
        found[currency].categories.append(_category_figure(tree.by_id[category_id], now, before))
    for figures in found.values():
        figures.categories.sort(key=lambda one: (-one.spent_minor, -one.previous_minor, one.category.category_id))
        del figures.categories[FIGURE_CATEGORIES_MAX:]
        figures.merchants = [row for row in merchants if row.currency == figures.currency]
    return PeriodFigures(span, previous, [found[currency] for currency in sorted(found)])


def _category_figure(category: Category, now: Line | None, before: Line | None) -> CategoryFigure:
    return CategoryFigure(
        category=category,
        spent_minor=now.posted_minor if now else 0,
        previous_minor=before.posted_minor if before else 0,
        count=now.count if now else 0,
    )
