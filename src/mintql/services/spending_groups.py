"""Spending of any span of days, by category, group, seller, account or tag, beside what earlier spans held."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from mintql.domain.categories import CategoryKind, CategoryTree
from mintql.domain.errors import InvalidInput
from mintql.domain.ids import CategoryId, UserId
from mintql.domain.intervals import Interval, check_span, earlier, end_of, periods_of, start_of
from mintql.domain.money import mean_minor
from mintql.domain.periods import Period
from mintql.domain.rates import Conversion, RateBook, convert
from mintql.services.personal_categories import tree_of
from mintql.services.rates import rate_book
from mintql.services.summaries import EVERYTHING, Grouping, foreign_lines, of_kind, sum_spans, summed_days
from mintql.store import summaries as store
from mintql.store.queries import Conn
from mintql.store.summaries import Line, LineFilter

COMPARED_MAX = 12
"""Earlier spans that a mean is made of."""
GROUPS_MAX = 5_000
"""Groups of one answer, those of all its periods together."""


class GroupBy(StrEnum):
    """What spending is told apart by."""

    CATEGORY = "category"
    GROUP = "group"
    MERCHANT = "merchant"
    ACCOUNT = "account"
    TAG = "tag"


_GROUPINGS: dict[GroupBy, Grouping] = {
    GroupBy.CATEGORY: "category",
    GroupBy.GROUP: "category",
    GroupBy.MERCHANT: "merchant",
    GroupBy.ACCOUNT: "account",
    GroupBy.TAG: "tag",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a summary is to show. `compared` is how many earlier spans to compare with, 0 for none.

    `category_ids` are leaves; None asks for all. `week_start` is 0 for Monday.
    """

    first: date
    last: date
    group_by: GroupBy = GroupBy.CATEGORY
    interval: Interval = Interval.MONTH
    wanted: LineFilter = EVERYTHING
    category_ids: frozenset[CategoryId] | None = None
    in_currency: str | None = None
    compared: int = 0
    week_start: int = 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the span before held, and the mean of `mean_of` earlier ones; None where none is known whole."""

    previous_minor: int
    mean_minor: int | None
    mean_of: int


@dataclass(slots=True)
class Sum:
    """What was spent in one currency: positive, refunds netted. `excluded_minor` is what of both budgets leave out."""

    currency: str
    spent_minor: int = 0
    pending_minor: int = 0
    excluded_minor: int = 0
    count: int = 0
    comparison: Comparison | None = None

    def add(self, line: Line) -> None:
        """Take in a line that is turned positive."""
        self.spent_minor += line.posted_minor
        self.pending_minor += line.pending_minor
        self.excluded_minor += line.excluded_minor
        self.count += line.count


@dataclass(slots=True)
class Group(Sum):
    """A sum of one group: by category or group `category_id`, else a seller's key, an account's number or a tag.

    `key` is None for what has none: purchases without a tag.
    """

    key: str | None = None
    category_id: CategoryId | None = None
    name: str | None = None


@dataclass(slots=True)
class PeriodSpending:
    """One period, or the whole span: groups, largest first within a currency, and a total for each currency.

    `whole` tells whether it is all of a period of the calendar. The converted ones are set when a currency was asked
    for.
    """

    span: Period
    whole: bool = True
    groups: list[Group] = field(default_factory=list)
    totals: list[Sum] = field(default_factory=list)
    spent_in: Conversion | None = None
    pending_in: Conversion | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """The whole span, its periods, and the earlier spans it was compared with, the latest first."""

    tree: CategoryTree
    overall: PeriodSpending
    periods: list[PeriodSpending]
    compared: list[Period]


def _spans(asked: Asked) -> tuple[Period, list[Period], list[Period]]:
    """Return the whole span, its periods, and earlier spans to compare with; raise `InvalidInput` for none."""
    span = check_span(asked.first, asked.last)
    periods = periods_of(span, asked.interval, asked.week_start)
    if not 0 <= asked.compared <= COMPARED_MAX:
        raise InvalidInput(f"{asked.compared} earlier periods; 0 to {COMPARED_MAX} can be compared.", field="compare")
    return (
        span,
        periods,
        [earlier(span, steps + 1, asked.interval, asked.week_start) for steps in range(asked.compared)],
    )


def days_read(asked: Asked) -> list[Period]:
    """Return the days of which `summarize` reads transactions; raise `InvalidInput` when the range cannot be used."""
    span, periods, compared = _spans(asked)
    found = summed_days([*periods, *compared], _GROUPINGS[asked.group_by], asked.wanted)
    return [*found, span] if asked.in_currency else found


async def summarize(conn: Conn, user_id: UserId, asked: Asked) -> Summary:
    """Return a span's spending as asked.

    Income and transfers between own accounts are left out, by the person's own categories. Totals are those of the
    transactions: of tags, of which a transaction can have several, groups can add up to more.

    Raises:
        InvalidInput: The range cannot be used, or the answer would be too large.
    """
    span, periods, compared = _spans(asked)
    spans = [*periods, *compared]
    lines = await sum_spans(conn, user_id, spans, _GROUPINGS[asked.group_by], asked.wanted)
    total_lines = lines
    if asked.group_by is GroupBy.TAG:
        total_lines = await sum_spans(conn, user_id, spans, "category", asked.wanted)
    foreign: list[Line] = []
    if asked.in_currency:
        foreign = await foreign_lines(conn, user_id, periods, asked.in_currency, asked.wanted)
    began = await store.first_day(conn, user_id) if compared else None
    tree = await tree_of(conn, user_id)

    def chosen(found: Iterable[Line]) -> list[Line]:
        spent = of_kind(found, tree, CategoryKind.EXPENSE)
        return [one for one in spent if asked.category_ids is None or one.category_id in asked.category_ids]

    counted = [began is not None and began <= one.first for one in compared]
    maker = _Maker(asked.group_by, tree, len(periods), counted)
    found = [PeriodSpending(one, _is_whole(one, asked)) for one in periods]
    maker.fill(found, chosen(lines), chosen(total_lines))
    overall = maker.overall(PeriodSpending(span, all(one.whole for one in found)), chosen(lines), chosen(total_lines))
    if asked.in_currency:
        book = await rate_book(
            conn, user_id, {asked.in_currency, *(one.currency for one in foreign)}, span.first, span.last
        )
        _convert(found, overall, chosen(foreign), asked.in_currency, book)
    return Summary(tree, overall, found, compared)


def _is_whole(span: Period, asked: Asked) -> bool:
    return (span.first, span.last) == (
        start_of(span.first, asked.interval, asked.week_start),
        end_of(span.first, asked.interval, asked.week_start),
    )


class _Maker:
    """Makes groups and totals of lines. Places from `periods` on are of spans to compare with."""

    def __init__(self, group_by: GroupBy, tree: CategoryTree, periods: int, counted: Sequence[bool]) -> None:
        self.group_by = group_by
        self.tree = tree
        self.periods = periods
        self.counted = counted

    def fill(self, periods: Sequence[PeriodSpending], lines: Iterable[Line], total_lines: Iterable[Line]) -> None:
        """Fill each period by the lines of its place."""
        groups: list[dict[tuple[object, str], Group]] = [{} for _ in periods]
        totals: list[dict[str, Sum]] = [{} for _ in periods]
        for line in lines:
            if line.place < self.periods:
                self._group(groups[line.place], line).add(line)
        for line in total_lines:
            if line.place < self.periods:
                totals[line.place].setdefault(line.currency, Sum(line.currency)).add(line)
        if sum(len(one) for one in groups) > GROUPS_MAX:
            raise InvalidInput(
                f"That is more than {GROUPS_MAX:,} groups in all; ask for fewer days, a longer interval or another "
                "grouping.",
                field="groupBy",
            )
        for period, by_key, by_currency in zip(periods, groups, totals, strict=True):
            period.groups, period.totals = _sorted(by_key.values()), _by_currency(by_currency.values())

    def overall(self, whole: PeriodSpending, lines: Iterable[Line], total_lines: Iterable[Line]) -> PeriodSpending:
        """Fill the period that is the whole span, each sum beside what the earlier spans held."""
        groups: dict[tuple[object, str], Group] = {}
        totals: dict[str, Sum] = {}
        before: dict[int, list[int]] = defaultdict(lambda: [0] * len(self.counted))
        for line in lines:
            self._take(self._group(groups, line), line, before)
        for line in total_lines:
            self._take(totals.setdefault(line.currency, Sum(line.currency)), line, before)
        if self.counted:
            for one in (*groups.values(), *totals.values()):
                one.comparison = self._comparison(before[id(one)])
        whole.groups, whole.totals = _sorted(groups.values()), _by_currency(totals.values())
        return whole

    def _take(self, into: Sum, line: Line, before: dict[int, list[int]]) -> None:
        if line.place < self.periods:
            into.add(line)
        else:
            before[id(into)][line.place - self.periods] += line.posted_minor

    def _comparison(self, amounts: Sequence[int]) -> Comparison:
        known = [amount for amount, counted in zip(amounts, self.counted, strict=True) if counted]
        return Comparison(amounts[0], mean_minor(sum(known), len(known)) if known else None, len(known))

    def _group(self, groups: dict[tuple[object, str], Group], line: Line) -> Group:
        key: object = line.key
        if self.group_by in (GroupBy.CATEGORY, GroupBy.GROUP):
            category = self.tree.by_id[line.category_id]
            by_group = self.group_by is GroupBy.GROUP and category.parent_id is not None
            key = category.parent_id if by_group else line.category_id
            made = Group(line.currency, category_id=CategoryId(key))  # type: ignore[arg-type]
        else:
            made = Group(line.currency, key=line.key, name=line.name)
        found = groups.setdefault((key, line.currency), made)
        found.name = max(found.name or "", line.name or "") or None
        return found


def _sorted(groups: Iterable[Group]) -> list[Group]:
    return sorted(
        groups,
        key=lambda one: (
            one.currency, -one.spent_minor - one.pending_minor, one.category_id or 0, one.key is None, one.key or ""
        ),
    )  # fmt: skip


def _by_currency(sums: Iterable[Sum]) -> list[Sum]:
    return sorted(sums, key=lambda one: one.currency)


def _convert(
    periods: Sequence[PeriodSpending], overall: PeriodSpending, foreign: Sequence[Line], to: str, book: RateBook
) -> None:
    """Set the totals in one currency: what is in it already, and the rest by the rate of its day."""
    by_place: dict[int, list[Line]] = defaultdict(list)
    for line in foreign:
        by_place[line.place].append(line)
    for place, period in enumerate(periods):
        _convert_one(period, by_place[place], to, book)
    _convert_one(overall, foreign, to, book)


def _convert_one(period: PeriodSpending, foreign: Sequence[Line], to: str, book: RateBook) -> None:
    own = [one for one in period.totals if one.currency == to]
    day = period.span.last
    period.spent_in = convert(
        [
            *((day, to, one.spent_minor) for one in own),
            *((_day(one), one.currency, one.posted_minor) for one in foreign),
        ],
        to,
        book,
    )
    period.pending_in = convert(
        [
            *((day, to, one.pending_minor) for one in own),
            *((_day(one), one.currency, one.pending_minor) for one in foreign),
        ],
        to,
        book,
    )


def _day(line: Line) -> date:
    return date.fromisoformat(line.key or "")
