"""The summary of a week or a month of one person, from their rows as they stand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from mintql.domain.budget_checks import check_day
from mintql.domain.categories import CategoryKind, CategoryTree
from mintql.domain.digests import (
    Compared,
    CurrencyDigest,
    Digest,
    DigestBudget,
    DigestCategory,
    DigestMerchant,
    DigestPeriod,
    DigestWorth,
    mean_minor,
)
from mintql.domain.ids import CategoryId, UserId
from mintql.domain.months import local_date
from mintql.domain.notices import NoticeKind
from mintql.domain.periods import Period
from mintql.services.budgets import list_budgets
from mintql.services.net_worth import net_worth
from mintql.services.personal_categories import tree_of
from mintql.services.recurring import expected_between
from mintql.services.summaries import of_kind, standard_expense_ids, sum_spans, summed_days
from mintql.store import digests_read as store
from mintql.store import summaries
from mintql.store.queries import Conn
from mintql.store.summaries import Line
from mintql.store.users import UserRow

CATEGORIES_MAX = 50
MERCHANTS_MAX = 5
PURCHASES_MAX = 5
NEWS_MAX = 20
BILLS_MAX = 50
UNKNOWN_SHARE_MAX = 4
"""A quarter of a period may lie before the person's first transaction for it to be compared with."""
NEWS_KINDS = (NoticeKind.RECURRING_NEW, NoticeKind.RECURRING_RAISED)


def days_read(period: DigestPeriod, on: date) -> list[Period]:
    """Return the days of which `digest` may read transactions; raise `InvalidInput` when the day is out of range."""
    check_day(on, field="on")
    span = period.around(on)
    return [span, *summed_days(period.earlier(span), "category")]


async def digest(conn: Conn, user: UserRow, period: DigestPeriod, on: date, now: datetime) -> Digest:
    """Return the summary of the week or month that a day lies in.

    Booked amounts, refunds netted, transfers between own accounts left out; what is pending stands apart. A period
    that is not over is compared with whole ones. Amounts of different currencies are never added.

    Raises:
        InvalidInput: The day is out of range.
    """
    check_day(on, field="on")
    span = period.around(on)
    spans = [span, *period.earlier(span)]
    began_on = await summaries.first_day(conn, user.user_id)
    lines = await sum_spans(conn, user.user_id, spans, "category")
    tree = await tree_of(conn, user.user_id)
    following = period.around(span.last + timedelta(days=1))
    currencies = _currencies(lines, tree, _known(spans[1:], began_on))
    await _add_sellers(conn, user.user_id, span, currencies)
    bills = await expected_between(conn, user.user_id, following.first, following.last)
    return Digest(
        period=period,
        span=span,
        previous=spans[1],
        next=following,
        currencies=sorted(currencies, key=lambda one: (one.currency != user.currency, one.currency)),
        worths=await _worths(conn, user, span, period, now),
        budgets=await _budgets(conn, user.user_id, span.last, now),
        bills=[bill for bill in bills if bill.amount_minor < 0][:BILLS_MAX],
        news=await store.news(conn, user.user_id, NEWS_KINDS, *_moments(span, user.time_zone), NEWS_MAX),
    )


def last_finished(period: DigestPeriod, now: datetime, time_zone: str) -> date:
    """Return a day of the last week or month that is over where the person is."""
    return period.last_over(now, time_zone).first


def _known(spans: Sequence[Period], began_on: date | None) -> int:
    """Return how many periods, the nearest first, are known from near their beginning on: others would mislead."""
    if began_on is None:
        return 0
    return sum(one.first + timedelta(days=one.days // UNKNOWN_SHARE_MAX) >= began_on for one in spans)


def _moments(span: Period, time_zone: str) -> tuple[datetime, datetime]:
    """Return when a span begins and ends where the person is."""
    zone = ZoneInfo(time_zone)
    first, after = span.first, span.last + timedelta(days=1)
    return tuple(datetime.combine(day, time(), zone).astimezone(UTC) for day in (first, after))  # type: ignore[return-value]


def _currencies(lines: Sequence[Line], tree: CategoryTree, periods: int) -> list[CurrencyDigest]:
    """Return the sums by currency of the lines at place 0, beside those of `periods` before it."""
    spent = of_kind(lines, tree, CategoryKind.EXPENSE)
    received = of_kind(lines, tree, CategoryKind.INCOME)
    found = []
    for currency in sorted({line.currency for line in lines if line.place == 0}):
        own = [line for line in spent if line.currency == currency]
        by_category: dict[CategoryId, list[Line]] = defaultdict(list)
        for line in own:
            by_category[line.category_id].append(line)
        one = CurrencyDigest(
            currency,
            _compared(own, periods),
            _compared([line for line in received if line.currency == currency], periods),
            sum(line.pending_minor for line in own if line.place == 0),
        )
        one.categories = [
            DigestCategory(
                tree.by_id[category_id],
                _compared(group, periods),
                sum(line.count for line in group if line.place == 0),
            )
            for category_id, group in by_category.items()
        ]
        one.categories.sort(key=lambda item: (-item.spent.amount_minor, item.category.category_id))
        del one.categories[CATEGORIES_MAX:]
        found.append(one)
    return found


def _compared(lines: Iterable[Line], periods: int) -> Compared:
    """Return the sum at place 0 beside that at place 1 and the mean of those at places 1 to `periods`."""
    by_place: dict[int, int] = defaultdict(int)
    for line in lines:
        by_place[line.place] += line.posted_minor
    return Compared(by_place[0], by_place[1], mean_minor([by_place[place] for place in range(1, periods + 1)]))


async def _add_sellers(conn: Conn, user_id: UserId, span: Period, currencies: Sequence[CurrencyDigest]) -> None:
    expense_ids = standard_expense_ids()
    rows = await summaries.merchants(conn, user_id, [span], expense_ids, MERCHANTS_MAX)
    purchases = await store.purchases(conn, user_id, span, PURCHASES_MAX, expense_ids)
    for one in currencies:
        one.merchants = [
            DigestMerchant(row.merchant_key, row.name, row.posted_minor, row.count)
            for row in rows
            if row.currency == one.currency
        ]
        one.purchases = purchases.get(one.currency, [])


async def _worths(conn: Conn, user: UserRow, span: Period, period: DigestPeriod, now: datetime) -> list[DigestWorth]:
    """Return what there was at the end of a period (today, where that is earlier) beside the end of the one before."""
    day_before = span.first - timedelta(days=1)
    if day_before > local_date(now, user.time_zone):
        return []
    points = await net_worth(conn, user.user_id, day_before, span.last, period.interval, now)
    before = {worth.currency: worth.net_minor for point in points if point.on == day_before for worth in point.worths}
    return [
        DigestWorth(
            worth.currency,
            worth.net_minor,
            worth.net_minor - before[worth.currency] if worth.currency in before else None,
        )
        for point in points
        if point.on > day_before
        for worth in sorted(point.worths, key=lambda one: (one.currency != user.currency, one.currency))
    ]


async def _budgets(conn: Conn, user_id: UserId, day: date, now: datetime) -> list[DigestBudget]:
    """Return the budgets whose period a day lies in: exceeded ones first, then those that are furthest gone."""
    found = [
        DigestBudget(
            category=one.category,
            name=one.name,
            currency=one.limit.currency,
            available_minor=one.limit.available_minor,
            spent_minor=one.spent.total_minor,
            percent=one.percent_used,
            state=one.state,
            last=one.limit.period.last,
        )
        for one in await list_budgets(conn, user_id, Period(day, day), now)
    ]
    return sorted(found, key=lambda one: (one.left_minor >= 0, -(one.percent or 0), one.name))
